"""Tables: an output folder opens, grows with its program, and says plainly when something is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from tests.transforms import past
from tests.transforms.test_views import committed, source
from transforms import records, tables
from transforms.settings import ConfigError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An output with two commits: one source, then another."""
    committed(str(tmp_path / "out"), "first", [("sources", source("a.mp4", "v1"))])
    committed(str(tmp_path / "out"), "second", [("sources", source("b.mp4", "v2"))])
    return tmp_path / "out"


def uris(corpus: tables.Corpus, number: int | None = None) -> list[str]:
    found: list[str] = tables.read(corpus, "sources", number, ["uri"]).column("uri").to_pylist()
    return found


def test_a_new_output_has_every_table_empty_and_an_empty_snapshot(tmp_path):
    made = tables.create_corpus(str(tmp_path / "out"), 4)
    assert tables.snapshot(made) == tables.Snapshot(0, "", dict.fromkeys(records.BY_TABLE, 0))
    for name in records.BY_TABLE:
        assert tables.read(made, name).num_rows == 0
        assert tables.delta(made, name).metadata().name == name
    assert tables.open_corpus(made.root) == made


def test_the_number_of_buckets_stays_what_it_was_at_first(tmp_path):
    tables.create_corpus(str(tmp_path / "out"), 4)
    assert tables.create_corpus(str(tmp_path / "out"), 9).buckets == 4
    assert tables.open_corpus(str(tmp_path / "out")).buckets == 4


def test_every_snapshot_stays_readable(root):
    corpus = tables.open_corpus(str(root))
    assert uris(corpus, 1) == ["a.mp4"]
    assert uris(corpus, 2) == uris(corpus) == ["a.mp4", "b.mp4"]
    assert tables.snapshot(corpus, 1).run_id == "first"
    assert tables.snapshot(corpus).run_id == "second"


def test_rows_are_read_sorted_with_only_the_columns_and_rows_asked_for(root):
    corpus = tables.open_corpus(str(root))
    read = tables.read(corpus, "sources", columns=["video_id"], where=ds.field("uri") == "b.mp4")
    assert read.to_pylist() == [{"video_id": "v2"}]
    whole = tables.read(corpus, "sources").to_pylist(maps_as_pydicts="strict")
    assert whole == [source("a.mp4", "v1"), source("b.mp4", "v2")]


def test_live_parts_are_the_files_and_rows_that_a_snapshot_has(root):
    corpus = tables.open_corpus(str(root))
    for number, rows in ((1, 1), (2, 2)):
        parts = [p for found in tables.bucket_parts(corpus, ["sources"], number)["sources"].values() for p in found]
        assert sum(p.rows for p in parts) == rows
        for part in parts:
            assert (root / "tables" / "sources" / part.path).stat().st_size == part.size
    assert tables.bucket_parts(corpus, ["sources"], 0) == {"sources": {}}


def test_rolling_forward_again_changes_nothing(root):
    corpus = tables.open_corpus(str(root))
    before = {p: p.read_bytes() for p in sorted(root.rglob("*.json"))}
    assert tables.roll_forward(corpus).number == 2
    assert {p: p.read_bytes() for p in sorted(root.rglob("*.json"))} == before


@pytest.mark.parametrize("rolled", [0, 1, 3, 5])
def test_a_death_between_two_tables_is_made_good_by_whoever_comes_next(root, rolled):
    """The last commit is in some tables and not in others; there is no snapshot of it."""
    corpus = tables.open_corpus(str(root))
    expected = {name: tables.read(corpus, name).to_pylist() for name in records.BY_TABLE}
    (root / "snapshots" / "000002.json").unlink()
    commit = tables.read_commit(corpus, 2)
    for name in list(commit["tables"])[rolled:]:
        versions = sorted((root / "tables" / name / "_delta_log").glob("*.json"))
        versions[-1].unlink()
    assert uris(corpus) == ["a.mp4"], "a reader sees the snapshot before"
    tables.roll_forward(corpus)
    assert {name: tables.read(corpus, name).to_pylist() for name in records.BY_TABLE} == expected


@pytest.mark.parametrize("record", records.RECORDS, ids=lambda r: r.table)
def test_an_output_of_an_older_program_gains_the_columns_it_lacks(tmp_path, record):
    schema = records.schema(record)
    keep = [f for f in schema if not f.nullable] or list(schema)[:-1]
    if len(keep) == len(schema):
        keep = keep[:-1]
    folder = tmp_path / "out" / "tables" / record.table
    old = tables._delta_schema(schema.empty_table().select([f.name for f in keep]).schema)
    DeltaTable.create(str(folder), schema=old, name=record.table)
    corpus = tables.create_corpus(str(tmp_path / "out"), 2)
    names = [f.name for f in DeltaTable(str(folder)).schema().fields]
    assert sorted(names) == sorted(schema.names)
    tables.create_corpus(str(tmp_path / "out"), 2)
    assert DeltaTable(str(folder)).version() == 1, "once is enough"
    assert tables.read(corpus, record.table).column_names == schema.names, "also at the version before"


def test_rows_written_before_a_column_was_there_are_null_in_it(tmp_path):
    table = records.to_table(records.SourceRow, past.examples(records.SourceRow)[:1])
    folder = tmp_path / "out" / "tables" / "sources"
    old = table.drop_columns(["etag"])
    DeltaTable.create(str(folder), schema=tables._delta_schema(old.schema), name="sources")
    (folder / "b=0000").mkdir()
    pq.write_table(old, folder / "b=0000" / "old.parquet")
    corpus = tables.create_corpus(str(tmp_path / "out"), 2)
    size = (folder / "b=0000" / "old.parquet").stat().st_size
    part = {"path": "b=0000/old.parquet", "size": size, "rows": 1}
    tables.roll(corpus, "sources", {"add": [part]}, 1)
    expected = {**past.examples(records.SourceRow)[0], "etag": None}
    assert DeltaTable(str(folder)).to_pyarrow_table().to_pylist(maps_as_pydicts="strict") == [expected]


def test_an_older_snapshot_has_the_columns_of_today(root):
    """Its version of the table is one from before a column was added."""
    corpus = tables.open_corpus(str(root))
    before = tables.read(corpus, "sources", 1).to_pylist(maps_as_pydicts="strict")
    log = root / "tables" / "sources" / "_delta_log" / "00000000000000000000.json"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "metaData" in line:
            kept = json.loads(line["metaData"]["schemaString"])
            kept["fields"] = [f for f in kept["fields"] if f["name"] != "etag"]
            line["metaData"]["schemaString"] = json.dumps(kept)
    log.write_text("\n".join(map(json.dumps, lines)) + "\n")
    assert "etag" not in [f.name for f in DeltaTable(str(log.parents[1])).schema().fields]
    read = tables.read(corpus, "sources", 1)
    assert read.column_names == records.schema(records.SourceRow).names
    assert [{**r, "etag": None} for r in read.to_pylist(maps_as_pydicts="strict")] == [
        {**r, "etag": None} for r in before
    ]


def broken(name: str, text: str | None):
    def spoil(root: Path) -> None:
        (root / name).unlink() if text is None else (root / name).write_text(text)

    return spoil


@pytest.mark.parametrize(
    ("spoil", "act", "words"),
    [
        (broken("corpus.json", None), lambda r: tables.open_corpus(r), ["no output of rushes", "corpus.json"]),
        (broken("corpus.json", "{"), lambda r: tables.open_corpus(r), ["corpus.json", "not readable JSON"]),
        (
            broken("corpus.json", json.dumps({"format": 99, "buckets": 1})),
            lambda r: tables.open_corpus(r),
            ["newer", "99"],
        ),
        (
            broken("commits/000001.json", None),
            lambda r: tables.roll_forward(tables.open_corpus(r)),
            ["000001", "missing"],
        ),
        (
            broken("snapshots/000002.json", "?"),
            lambda r: uris(tables.open_corpus(r)),
            ["000002.json", "not a snapshot"],
        ),
        (lambda r: None, lambda r: uris(tables.open_corpus(r), 7), ["no snapshot 7", "1 to 2"]),
        (lambda r: None, lambda r: tables.delta(tables.open_corpus(r), "clip"), ["no table 'clip'", "clips"]),
        (
            broken("commits/000002.json", "{}"),
            lambda r: tables.read_commit(tables.open_corpus(r), 2),
            ["000002.json", "corrupt"],
        ),
    ],
    ids=["none", "torn", "newer", "gap", "snapshot", "number", "table", "commit"],
)
def test_what_is_wrong_with_an_output_is_said_plainly(root, spoil, act, words):
    spoil(root)
    with pytest.raises(ConfigError) as caught:
        act(str(root))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_that_cannot_be_written_is_refused_by_permission(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="cannot be written"):
        tables.create_corpus(str(tmp_path / "locked" / "out"), 2)


def test_an_output_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match=r"--output .*cannot be written"):
        tables.create_corpus(str(tmp_path / "file" / "out"), 2)


def test_a_table_without_its_log_is_named(root):
    for path in (root / "tables" / "clips" / "_delta_log").iterdir():
        path.unlink()
    with pytest.raises((ConfigError, DeltaError), match="clips"):
        tables.read(tables.open_corpus(str(root)), "clips")
