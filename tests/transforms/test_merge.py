from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms import merge, records, rows


def source(uri: str, video_id: str = "v", size: int = 1) -> dict:
    return {"uri": uri, "size": size, "etag": None, "modified": None, "video_id": video_id, "metadata": {}}


def batch(*made: dict, gone: tuple[str, ...] = ()) -> rows.Batch:
    return rows.Batch(list(made), {**{(r["uri"],): 1 for r in made}, **{(u,): 0 for u in gone}})


def uris(folder, parts) -> dict[str, int]:
    table = merge.read_parts(records.SourceRow, str(folder), parts)
    return dict(zip(table.column("uri").to_pylist(), table.column("size").to_pylist(), strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.none(), st.integers(0, 99)), max_size=6), max_size=5
    )
)
def test_merging_is_replacing_by_scope(tmp_path_factory, steps):
    """Any sequence of runs leaves what a dictionary would: a scope without rows deletes, the rest stays."""
    folder = tmp_path_factory.mktemp("t")
    parts: tuple[merge.Part, ...] = ()
    model: dict[str, int] = {}
    for step in steps:
        new = [source(u, size=n) for u, n in step.items() if n is not None]
        found = merge.merge(
            "sources", 0, str(folder), parts, batch(*new, gone=tuple(u for u, n in step.items() if n is None)), ""
        )
        assert not found.problem
        parts = tuple(p for p in parts if p not in found.remove) + found.add
        for uri, size in step.items():
            model.pop(uri, None)
            if size is not None:
                model[uri] = size
        assert uris(folder, parts) == model


def test_of_a_video_that_is_gone_no_row_stays_old_or_new(tmp_path):
    first = merge.merge("sources", 0, str(tmp_path), (), batch(source("a", "v"), source("b", "w")), "")
    found = batch(source("c", "v"), source("d", "w"))
    found.gone.add("v")
    second = merge.merge("sources", 0, str(tmp_path), first.add, found, "")
    assert set(uris(tmp_path, second.add)) == {"b", "d"}
    assert not second.problem


def test_unchanged_rows_change_no_part(tmp_path):
    first = merge.merge("sources", 0, str(tmp_path), (), batch(source("a"), source("b")), "")
    again = merge.merge("sources", 0, str(tmp_path), first.add, batch(source("b"), source("a")), "")
    assert first.add
    assert (again.add, again.remove) == ((), ())


def test_the_same_rows_are_the_same_bytes(tmp_path):
    one = merge.merge("sources", 0, str(tmp_path / "1"), (), batch(source("a"), source("b")), "")
    two = merge.merge("sources", 0, str(tmp_path / "2"), (), batch(source("b"), source("a"), source("a")), "")
    assert one.add == two.add


@pytest.mark.parametrize(
    ("made", "scopes", "words"),
    [
        ([source("a")], {("a",): 2}, "a should have 2 rows and has 1"),
        ([source("a")], {}, "a should have 0 rows and has 1"),
        ([], {("a",): 1}, "a should have 1 rows and has 0"),
    ],
)
def test_a_row_lost_or_doubled_on_the_way_is_a_problem(tmp_path, made, scopes, words):
    assert words in merge.merge("sources", 0, str(tmp_path), (), rows.Batch(made, scopes), "").problem


def test_of_rows_with_one_key_the_choice_does_not_depend_on_order():
    pair = [source("a", size=1), source("a", size=2)]
    assert merge.new_table(records.SourceRow, rows.Batch(pair)) == merge.new_table(
        records.SourceRow, rows.Batch(pair[::-1])
    )


def test_a_part_without_a_newer_column_reads_as_null(tmp_path):
    table = records.to_table(records.SourceRow, [source("a")]).drop_columns(["etag"])
    (tmp_path / "b=0000").mkdir()
    pq.write_table(table, tmp_path / "b=0000" / "old.parquet")
    found = merge.read_parts(records.SourceRow, str(tmp_path), [merge.Part("b=0000/old.parquet", 1, 1)])
    assert found.schema == records.schema(records.SourceRow)
    assert found.column("etag").to_pylist() == [None]


def test_sound_that_fails_counts_against_its_source_only_where_there_is_nothing_else():
    row = {"run_id": "r", "error_class": "damaged", "message": "m", "attempts": 1}
    made = [{**row, "step": "audio", "subject": "a", "video_id": v} for v in (None, "v")]
    table = records.to_table(records.FailureRow, made)
    assert merge.summarise(records.FailureRow, table)["classes"] == {"audio/damaged": 1, "sources/damaged": 1}
