"""Thumbnails: what is written is read in ranges, and the same pictures give the same bytes however they came."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms import thumbnails as t

PICTURES = np.random.default_rng(1).integers(0, 256, (600, 27, 48, 3), np.uint8)


def write(path: Path, *lengths: int) -> Path:
    """600 thumbnails, given in batches."""
    writer, start = t.ThumbnailsWriter(path), 0
    for length in (*lengths, 600):
        writer.add(PICTURES[start : start + length])
        start += length
    writer.close()
    return path


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (255, 257), (256, 512), (599, 700), (9, 9), (0, None)])
def test_a_range_is_read(tmp_path: Path, start: int, stop: int | None) -> None:
    path = write(tmp_path / "a.zip")
    for source in (path, path.read_bytes()):
        with t.Thumbnails(source) as found:
            assert found.count == 600
            assert np.array_equal(found.read(start, stop), PICTURES[start:stop])


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 300), max_size=6))
def test_batches_leave_no_trace(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    folder = tmp_path_factory.mktemp("thumbnails")
    data = write(folder / "a.zip", *lengths).read_bytes()
    assert data == write(folder / "b.zip").read_bytes()
    entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert [e.filename for e in entries] == ["000000.zst", "000001.zst", "000002.zst", "index.json"]
    assert {e.compress_type for e in entries} == {zipfile.ZIP_STORED}
