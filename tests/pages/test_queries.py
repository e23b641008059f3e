"""Queries: the same answers from the parts, from the copy and through Arrow, at every snapshot."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pages.queries import DEEPEST, Refused, Snapshot, kinds, search_words
from tests.pages.served import with_script
from transforms import records, tables
from transforms.settings import ConfigError


@pytest.fixture(scope="module")
def out(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_script(reported, tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module", params=["parts", "copy", "arrow"])
def snapshot(request: pytest.FixtureRequest, out: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """The tables, read in each of the ways there are."""
    root = out
    if request.param == "arrow":
        # DuckDB would take this path for a pattern.
        root = tmp_path_factory.mktemp("odd") / "a[b]*c"
        shutil.copytree(out, root)
    found = Snapshot(tables.open_corpus(str(root)), prepare=request.param == "copy")
    assert found.wait() if request.param == "copy" else not found.ready
    yield found
    found.close()


@pytest.fixture(scope="module")
def rows(out: Path) -> dict[str, list[dict[str, Any]]]:
    corpus = tables.open_corpus(str(out))
    return {name: tables.read(corpus, name).to_pylist(maps_as_pydicts="strict") for name in records.BY_TABLE}


def test_every_table_holds_what_it_holds(snapshot: Snapshot, rows: dict[str, list[dict[str, Any]]]):
    for name, record in records.BY_TABLE.items():
        found = snapshot.page(name, [], snapshot.where(name, {}), count=1000)
        assert found.total == len(rows[name]), name

        def keyed(some: list[dict[str, Any]], key: tuple[str, ...] = record.key) -> list[dict[str, Any]]:
            plain = [{k: v if v not in ([], {}) else None for k, v in row.items()} for row in some]
            return sorted(plain, key=lambda row: [str(row[k]) for k in key])

        assert keyed(found.rows) == keyed(rows[name]), name


@pytest.mark.parametrize(
    ("asked", "meets"),
    [
        ({}, lambda c: True),
        ({"kept": "yes"}, lambda c: c["kept"]),
        ({"kept": " no "}, lambda c: not c["kept"]),
        ({"reasons": "too_short"}, lambda c: "too_short" in (c["reasons"] or ())),
        ({"reason_values": "too_short"}, lambda c: "too_short" in (c["reason_values"] or {})),
        ({"seconds.min": "1.2", "seconds.max": "1.6"}, lambda c: 1.2 <= c["seconds"] <= 1.6),
        ({"scene": "1"}, lambda c: c["scene"] == 1),
        ({"camera": "STAT"}, lambda c: "stat" in c["camera"]),
        ({"cut": "%"}, lambda c: False),
        ({"shape_bucket": "16:9"}, lambda c: "16:9" in c["shape_bucket"]),
    ],
)
def test_filters_of_every_kind(snapshot: Snapshot, rows: dict[str, list[dict[str, Any]]], asked, meets):
    wanted = [c for c in rows["clips"] if meets(c)]
    found = snapshot.page("clips", ["clip_id"], snapshot.where("clips", asked))
    assert (found.total, found.kept) == (len(wanted), sum(c["kept"] for c in wanted))
    assert {row["clip_id"] for row in found.rows} == {c["clip_id"] for c in wanted}


@pytest.mark.parametrize(
    "text", ["alert", "ALERT 3", "onerr", "shot landscape", "second", "econd", "landscape zzz", "1.4", "...", "'", "%"]
)
def test_captions_are_searched_by_the_beginnings_of_words(snapshot: Snapshot, rows, text: str):
    said: dict[str, list[list[str]]] = {}
    for row in rows["captions"]:
        said.setdefault(row["clip_id"], []).append(search_words(row["text"]))
    wanted = {
        clip["clip_id"]
        for clip in rows["clips"]
        if all(
            any(one.startswith(w) for words in said.get(clip["clip_id"], []) for one in words)
            for w in search_words(text)
        )
    }
    found = snapshot.page("clips", ["clip_id"], snapshot.where("clips", {"q": text}))
    assert {row["clip_id"] for row in found.rows} == wanted


@pytest.mark.parametrize("column", ["motion", "seconds", "clip_id", "kept", "flow", "camera"])
@pytest.mark.parametrize("descending", [False, True])
def test_any_order_page_by_page_with_nulls_last(snapshot: Snapshot, rows, column: str, descending: bool):
    where, seen = snapshot.where("clips", {}), list[Any]()
    for first in range(0, len(rows["clips"]), 2):
        seen += [r[column] for r in snapshot.page("clips", [column], where, column, descending, first, 2).rows]
    values = sorted((c[column] for c in rows["clips"] if c[column] is not None), reverse=descending)
    assert seen == values + [None] * (len(rows["clips"]) - len(values))


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        ("clips", {"nothing": "1"}),
        ("clips", {'seconds" > 0 or "1': "1"}),
        ("clips", {"seconds.min": "1 or 1=1"}),
        ("clips", {"seconds.min": "inf"}),
        ("clips", {"seconds.mean": "1"}),
        ("clips", {"camera.min": "a"}),
        ("clips", {"kept": "1"}),
        ("sources", {"q": "x"}),
        ("nothing", {}),
    ],
)
def test_what_is_no_question_is_refused(snapshot: Snapshot, table: str, asked: dict[str, str]):
    with pytest.raises(Refused):
        snapshot.where(table, asked)


def test_names_and_depths_that_are_not_there(snapshot: Snapshot):
    every = snapshot.where("clips", {})
    for wrong in ({"sort": "nothing"}, {"sort": "1; drop"}, {"first": DEEPEST + 1}, {"first": -1}):
        with pytest.raises(Refused):
            snapshot.page("clips", ["clip_id"], every, **wrong)
    with pytest.raises(Refused):
        snapshot.page("clips", ["clip_id, (select 1)"], every)


def test_an_older_snapshot_is_what_it_was(out: Path):
    corpus = tables.open_corpus(str(out))
    then, now = (Snapshot(corpus, number, prepare=False) for number in (1, None))
    try:
        every = [one.page("captions", [], one.where("captions", {})).total for one in (then, now)]
        assert every[1] == every[0] + 1
        assert (then.number, now.number) == (1, 2)
    finally:
        then.close()
        now.close()
    with pytest.raises(ConfigError, match="no snapshot 7"):
        Snapshot(corpus, 7)


def test_a_column_and_a_table_that_are_younger_than_the_snapshot_are_empty_in_it(
    reported: Path, tmp_path: Path, monkeypatch
):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    for path in out.glob("snapshots/*.json"):
        path.write_text(re.sub(r'\s*"marks": \d+,?', "", path.read_text()))
    shutil.rmtree(out / "tables" / "marks")
    younger = records.schema(records.ClipRow).append(__import__("pyarrow").field("later", "double"))
    real = records.schema
    monkeypatch.setattr(
        "pages.queries.records.schema", lambda record: younger if record is records.ClipRow else real(record)
    )
    found = Snapshot(tables.open_corpus(str(out)), prepare=False)
    assert found.page("marks", [], found.where("marks", {})).total == 0
    rows = found.rows("SELECT later FROM clips")
    assert rows
    assert all(row["later"] is None for row in rows)
    found.close()


def test_parts_that_are_gone_are_said(reported: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    for path in (out / "tables" / "clips").glob("b=*/*.parquet"):
        path.unlink()
    with pytest.raises(ConfigError, match="needs a part that is gone"):
        Snapshot(tables.open_corpus(str(out)))


def test_every_column_can_be_asked_for():
    assert set(kinds("clips").values()) == {"text", "number", "flag", "list", "map"}
    assert kinds("runs")["started"] == "time"
