"""Signals: what is written is read, compactly, and the same rows give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import series
from transforms import signals as s

ABOUT = s.About(s.RECIPE, 256, 144, 1920, 1080, 90, 1, 12800, 32, 24, True)


def rows(count: int, seed: int = 0) -> dict[str, Any]:
    """Random rows over each column's whole range."""
    chance = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for name, column in s.COLUMNS.items():
        if column.kind == "bool":
            made[name] = chance.integers(0, 2, count).astype(bool)
        else:
            bounds = np.iinfo(column.kind)
            made[name] = chance.integers(bounds.min, bounds.max, count, column.kind, endpoint=True)
    made["pts"] = np.arange(count) * 512
    return made


def write(path: Path, whole: dict[str, Any], sizes: list[int]) -> None:
    """Write rows in batches of the given sizes."""
    writer, start = s.signals_writer(path, ABOUT), 0
    for size in sizes:
        writer.add({name: column[start : start + size] for name, column in whole.items()})
        start += size
    writer.close()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3000), min_size=1, max_size=5), st.integers(0, 99))
def test_what_is_written_is_read_whatever_the_batches(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("signals")
    whole = rows(sum(sizes), seed)
    write(folder / "one", whole, sizes)
    write(folder / "two", whole, [sum(sizes)])
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()
    read = s.read_signals(folder / "one")
    assert read.about == ABOUT
    assert len(read) == sum(sizes)
    for name, column in whole.items():
        assert read[name].dtype == np.dtype(s.COLUMNS[name].kind)
        assert np.array_equal(read[name], column)
    assert s.read_signals((folder / "one").read_bytes())["hash"].tolist() == whole["hash"].tolist()


def test_a_long_file_is_read_a_column_at_a_time_and_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = rows(9000, 3)
    write(tmp_path / "long", whole, [9000])
    monkeypatch.setattr(series, "AT_ONCE", 8999)
    read = s.read_signals((tmp_path / "long").read_bytes())
    assert list(read.columns) == list(s.COLUMNS)
    assert len(read.columns) == len(s.COLUMNS)
    for name, column in whole.items():
        assert read[name].dtype == np.dtype(s.COLUMNS[name].kind)
        assert np.array_equal(read[name], column)
    assert read["pts"] is read["pts"], "times are asked for by everybody"
    with pytest.raises(KeyError):
        read["nothing"]


def test_hashes_differ_in_as_many_bits_as_are_unlike() -> None:
    hashes = rows(500, 4)["hash"]
    bits = s.hash_bits(hashes).reshape(-1, 64)
    assert (s.hash_distance(hashes[1:], hashes[:-1]) == (bits[1:] != bits[:-1]).sum(1)).all()


def test_a_writer_holds_one_row_group(tmp_path: Path) -> None:
    writer = s.signals_writer(tmp_path / "a", ABOUT)
    for number in range(40):
        writer.add(rows(1000, number))
        assert writer.waiting < series.ROW_GROUP
    writer.close()
    assert len(s.read_signals(tmp_path / "a")) == 40_000


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=20))
def test_hashes_are_packed_and_unpacked(values: list[int]) -> None:
    packed = np.array(values, np.uint64).view(np.int64)
    bits = s.hash_bits(packed)
    assert bits.shape == (len(values), 8, 8)
    assert s.pack_hash(bits).tolist() == packed.tolist()
    assert [sum(int(b) << (8 * r + c) for r, row in enumerate(f) for c, b in enumerate(row)) for f in bits] == values


def test_a_hash_bit_stands_where_it_is_said_to() -> None:
    bits = np.zeros((1, 8, 8), bool)
    bits[0, 2, 3] = True
    assert s.pack_hash(bits).tolist() == [1 << 19]


def made(pts: list[int], durations: list[int]) -> s.Signals:
    """Signals of frames at given times."""
    columns: dict[str, Any] = {name: np.zeros(len(pts), c.kind) for name, c in s.COLUMNS.items()}
    columns["pts"], columns["duration"] = np.array(pts, np.int64), np.array(durations, np.int64)
    return s.Signals(ABOUT, columns)


@pytest.mark.parametrize(
    ("pts", "durations", "ends"),
    [
        ([0, 10, 30], [10, 20, 7], [10, 30, 37]),
        ([0, 10, 30], [0, 0, 0], [10, 30, 45]),
        ([-5], [0], [-4]),
        ([7], [3], [10]),
        ([], [], []),
    ],
)
def test_ends(pts: list[int], durations: list[int], ends: list[int]) -> None:
    assert made(pts, durations).ends.tolist() == ends


def test_seconds_start_at_the_first_frame() -> None:
    assert made([6400, 12800, 25600], [0, 0, 0]).seconds.tolist() == [0.0, 0.5, 1.5]
    assert made([], []).seconds.tolist() == []


def test_the_schema_documents_every_column() -> None:
    assert [field.name for field in series.schema(s.COLUMNS)] == list(s.COLUMNS)
    assert all(field.metadata[b"doc"] for field in series.schema(s.COLUMNS))
