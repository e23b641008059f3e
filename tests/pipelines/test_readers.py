"""Readers: the tables open in pandas, Polars and DuckDB, and all count the same."""

from __future__ import annotations

import duckdb
import polars
import pytest
from deltalake import DeltaTable

from transforms import records, tables


@pytest.mark.parametrize("name", records.BY_TABLE)
def test_pandas_polars_and_duckdb_see_the_rows_there_are(name, curated):
    corpus = tables.open_corpus(str(curated))
    expected = tables.read(corpus, name)
    uri = str(curated / "tables" / name)
    pandas_frame = DeltaTable(uri).to_pandas()
    polars_frame = polars.read_delta(uri)
    rows = DeltaTable(uri).to_pyarrow_dataset()
    (count,) = duckdb.sql("select count(*) from rows").fetchone() or (None,)
    assert len(pandas_frame) == polars_frame.height == count == rows.count_rows() == expected.num_rows
    assert sorted(pandas_frame.columns) == sorted(polars_frame.columns) == sorted(expected.column_names)
    key = records.BY_TABLE[name].key[0]
    wanted = sorted(expected.column(key).to_pylist())
    assert sorted(pandas_frame[key]) == sorted(polars_frame[key].to_list()) == wanted
    assert sorted(value for (value,) in duckdb.sql(f'select "{key}" from rows').fetchall()) == wanted


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
    assert duckdb.sql("select sum(seconds) from rows where kept").fetchone() == (pytest.approx(seconds),)
    found = duckdb.sql("select reason_values['too_short'] from rows where list_contains(reasons, 'too_short')").fetchall()
    assert sorted(v for (v,) in found) == short


def test_tables_join_on_their_ids(curated):
    held = {name: DeltaTable(str(curated / "tables" / name)).to_pyarrow_dataset() for name in ("clips", "videos", "sources")}
    clips, videos, sources = held["clips"], held["videos"], held["sources"]
    (lost,) = duckdb.sql("select count(*) from clips anti join videos using (video_id)").fetchone() or (None,)
    (orphans,) = duckdb.sql("select count(*) from videos anti join sources using (video_id)").fetchone() or (None,)
    assert (lost, orphans) == (0, 0)
    assert sources.count_rows() > videos.count_rows(), "one video has two sources"
    assert clips.count_rows() > 0


def test_a_snapshot_is_a_delta_version_any_reader_can_ask_for(curated):
    corpus = tables.open_corpus(str(curated))
    for number in (1, 2):
        version = tables.snapshot(corpus, number).versions["clips"]
        kept = sum(tables.read(corpus, "clips", number).column("kept").to_pylist())
        uri = str(curated / "tables" / "clips")
        assert int(DeltaTable(uri, version=version).to_pandas().kept.sum()) == kept
        assert polars.read_delta(uri, version=version)["kept"].sum() == kept
