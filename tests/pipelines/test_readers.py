"""Readers: the tables open in pandas, Polars and DuckDB as the docs say, and all count the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from deltalake import DeltaTable

from transforms import records, tables

ROOT = Path(__file__).parents[2]
BLOCKS = [
    (f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, found.start()) + 1}", found[1])
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for text in [page.read_text(encoding="utf-8")]
    for found in re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
]


def ask(query: str, **datasets: Any) -> list[tuple[Any, ...]]:
    """What DuckDB answers to a query over Arrow datasets."""
    with duckdb.connect() as connection:
        for name, dataset in datasets.items():
            connection.register(name, dataset)
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", records.BY_TABLE)
def test_pandas_polars_and_duckdb_see_the_rows_there_are(name, curated):
    corpus = tables.open_corpus(str(curated))
    expected = tables.read(corpus, name)
    uri = str(curated / "tables" / name)
    pandas_frame = DeltaTable(uri).to_pandas()
    polars_frame = polars.read_delta(uri)
    rows = DeltaTable(uri).to_pyarrow_dataset()
    ((count,),) = ask("select count(*) from rows", rows=rows)
    assert len(pandas_frame) == polars_frame.height == count == rows.count_rows() == expected.num_rows
    assert sorted(pandas_frame.columns) == sorted(polars_frame.columns) == sorted(expected.column_names)
    key = records.BY_TABLE[name].key[0]
    wanted = sorted(expected.column(key).to_pylist())
    assert sorted(pandas_frame[key]) == sorted(polars_frame[key].to_list()) == wanted
    assert sorted(value for (value,) in ask(f'select "{key}" from rows', rows=rows)) == wanted


def test_they_agree_on_kept_seconds_reasons_and_the_numbers_behind_them(curated):
    uri = str(curated / "tables" / "clips")
    clips = tables.read(tables.open_corpus(str(curated)), "clips").to_pylist(maps_as_pydicts="strict")
    seconds = sum(c["seconds"] for c in clips if c["kept"])
    short = sorted(c["reason_values"]["too_short"] for c in clips if "too_short" in (c["reasons"] or ()))
    assert seconds > 0
    assert short, "the second cut keeps long clips only"

    frame = DeltaTable(uri).to_pandas()
    assert frame[frame.kept].seconds.sum() == pytest.approx(seconds)
    assert sorted(dict(v)["too_short"] for v in frame.reason_values if v and "too_short" in dict(v)) == short

    polar = polars.read_delta(uri)
    assert polar.filter(polars.col("kept"))["seconds"].sum() == pytest.approx(seconds)
    assert polar.filter(polars.col("reasons").list.contains("too_short")).height == len(short)

    rows = DeltaTable(uri).to_pyarrow_dataset()
    assert ask("select sum(seconds) from rows where kept", rows=rows) == [(pytest.approx(seconds),)]
    found = ask("select reason_values['too_short'] from rows where list_contains(reasons, 'too_short')", rows=rows)
    assert sorted(v for (v,) in found) == short


def test_tables_join_on_their_ids(curated):
    held = {
        name: DeltaTable(str(curated / "tables" / name)).to_pyarrow_dataset() for name in ("clips", "videos", "sources")
    }
    ((lost,),) = ask("select count(*) from clips anti join videos using (video_id)", **held)
    ((orphans,),) = ask("select count(*) from videos anti join sources using (video_id)", **held)
    assert (lost, orphans) == (0, 0)
    assert held["sources"].count_rows() > held["videos"].count_rows(), "one video has two sources"
    assert held["clips"].count_rows() > 0


def test_a_snapshot_is_a_delta_version_any_reader_can_ask_for(curated):
    corpus = tables.open_corpus(str(curated))
    for number in (1, 2):
        version = tables.snapshot(corpus, number).versions["clips"]
        kept = sum(tables.read(corpus, "clips", number).column("kept").to_pylist())
        uri = str(curated / "tables" / "clips")
        assert int(DeltaTable(uri, version=version).to_pandas().kept.sum()) == kept
        assert polars.read_delta(uri, version=version)["kept"].sum() == kept


@pytest.mark.parametrize("code", [c for _, c in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_what_the_docs_say_works_as_it_stands(code, curated, home, capsys):
    (home / "corpus").symlink_to(curated)
    exec(compile(code, "docs", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out or "print" not in code


def test_the_docs_say_how_to_read_with_each():
    page = "".join(code for name, code in BLOCKS if name.startswith("docs/tables.md"))
    assert all(word in page for word in ("to_pandas(", "pl.scan_delta(", "duckdb.sql("))
