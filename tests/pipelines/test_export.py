"""Export: a table or view at any snapshot as one plain file, with the same values in every format."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import export, main
from tests.transforms.test_views import plain
from transforms import records, tables, views

EVERY = [*records.BY_TABLE, *views.VIEWS]


def whole(out: Path, name: str, number: int | None = None) -> pa.Table:
    corpus = tables.open_corpus(str(out))
    return views.VIEWS[name](corpus, number) if name in views.VIEWS else tables.read(corpus, name, number)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist(maps_as_pydicts="strict")


def exported(capsys, out: Path, name: str, file: Path, *words: object) -> int:
    """Export, and give the number of rows that was told."""
    assert main.main(["export", str(out), name, str(file), *map(str, words)]) == 0
    told, _, count = capsys.readouterr().out.rpartition(": ")
    assert told == str(file)
    return int(count.split()[0])


@pytest.mark.parametrize("name", EVERY)
def test_parquet_is_the_table(name, curated, tmp_path, capsys):
    expected = whole(curated, name)
    assert exported(capsys, curated, name, tmp_path / "t.parquet") == expected.num_rows
    back = pq.read_table(tmp_path / "t.parquet")
    assert back.schema.equals(expected.schema)
    assert rows(back) == rows(expected)
    assert expected.num_rows or name not in ("clips", "videos", "sources", "runs", "failures")


def test_parquet_says_what_its_columns_mean(curated, tmp_path, capsys):
    exported(capsys, curated, "clips", tmp_path / "t.parquet")
    field = pq.read_schema(tmp_path / "t.parquet").field("motion")
    assert field.metadata[b"unit"] == b"8-bit level"


@pytest.mark.parametrize("name", EVERY)
def test_json_lines_are_the_rows(name, curated, tmp_path, capsys):
    expected = rows(whole(curated, name))
    assert exported(capsys, curated, name, tmp_path / "t.jsonl") == len(expected)
    back = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    for row in expected:
        row.update({k: v.isoformat() for k, v in row.items() if isinstance(v, datetime)})
    assert back == expected


@pytest.mark.parametrize("name", EVERY)
def test_csv_has_the_same_values_as_text(name, curated, tmp_path, capsys):
    table = whole(curated, name)
    assert exported(capsys, curated, name, tmp_path / "t.csv") == table.num_rows
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    for text, row in zip(back, rows(table), strict=True):
        for column, value in row.items():
            cell = plain(text[column]) or ""
            if isinstance(value, (list, dict)):
                assert json.loads(cell) == value
            elif isinstance(value, bool) or value is None:
                assert cell == {True: "true", False: "false", None: ""}[value]
            elif isinstance(value, (int, float)):
                assert float(cell) == value
            elif isinstance(value, datetime):
                assert datetime.fromisoformat(cell) == value
            else:
                assert cell == value


def test_formulas_in_what_others_wrote_are_no_formulas_in_csv(tmp_path):
    texts = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "'=1", "fine", 'quo"ted, and\nbroken', ""]
    table = pa.table({"text": texts, "number": [-1.0] * len(texts)})
    export.write(table, tmp_path / "t.csv", "csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    assert not any(row["text"].startswith(("=", "+", "-", "@", "\t")) for row in back)
    assert [plain(row["text"]) for row in back] == texts
    assert [float(row["number"]) for row in back] == [-1.0] * len(texts)


def test_an_older_snapshot_and_some_columns_in_their_order(curated, tmp_path, capsys):
    names = ["kept", "clip_id"]
    for number in (1, 2):
        exported(
            capsys, curated, "clips", tmp_path / f"{number}.jsonl", "--snapshot", number, "--columns", "kept, clip_id"
        )
    old, new = (
        [json.loads(line) for line in (tmp_path / f"{number}.jsonl").read_text().splitlines()] for number in (1, 2)
    )
    assert list(old[0]) == names
    assert old == rows(whole(curated, "clips", 1).select(names))
    assert new == rows(whole(curated, "clips", 2).select(names))
    assert sum(r["kept"] for r in old) > sum(r["kept"] for r in new)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clip", "a.csv"], "no table or view 'clip'; there are sources"),
        (["clips", "a.txt"], "a.txt: cannot tell the format; end the name in .parquet, .csv, .jsonl"),
        (["clips", "a"], "cannot tell the format"),
        (["clips", "a.csv", "--columns", "colour"], "clips has no column 'colour'"),
        (["clips", "a.csv", "--snapshot", "3"], "no snapshot 3; there are 1 to 2"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_written(words, told, curated, home, capsys):
    assert main.main(["export", str(curated), *words]) == 2
    assert told in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_file_there_is_replaced_whole(curated, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("old\n" * 10_000)
    count = exported(capsys, curated, "videos", tmp_path / "t.csv", "--columns", "video_id")
    assert len((tmp_path / "t.csv").read_text().splitlines()) == count + 1
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]
