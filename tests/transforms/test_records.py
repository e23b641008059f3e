"""Records: documented, safe in Delta Lake, locked by version, and readable for as long as anyone has kept them."""

from __future__ import annotations

import dataclasses
import typing
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transforms import past
from transforms import merge, records

EACH = pytest.mark.parametrize("record", records.RECORDS, ids=lambda r: r.table)

COLUMNS = [(record, field) for record in records.RECORDS for field in dataclasses.fields(record)]


@pytest.mark.parametrize(("record", "field"), COLUMNS, ids=[f"{r.table}.{f.name}" for r, f in COLUMNS])
def test_every_column_says_what_it_means(record: type[Any], field: dataclasses.Field[Any]):
    doc = field.metadata["doc"]
    assert doc[0].isupper() or doc[0] == "`", doc
    assert doc.endswith("."), doc
    arrow = records.schema(record).field(field.name)
    assert arrow.metadata[b"doc"].decode() == doc
    assert arrow.metadata.get(b"unit", b"").decode() == field.metadata["unit"]
    assert arrow.metadata.get(b"span", b"").decode() == field.metadata["span"]


@EACH
def test_a_record_names_its_table_and_version_and_its_keys_are_columns_that_are_never_null(record: type[Any]):
    schema = records.schema(record)
    assert schema.metadata == {b"table": record.table.encode(), b"schema_version": str(record.version).encode()}
    assert records.BY_TABLE[record.table] is record
    assert record.key
    assert set(record.scope) <= set(record.key)
    assert not any(schema.field(name).nullable for name in record.key)


def leaves(kind: pa.DataType) -> list[pa.DataType]:
    if pa.types.is_map(kind):
        return [kind, *leaves(kind.key_type), *leaves(kind.item_type)]
    if pa.types.is_list(kind):
        return [kind, *leaves(kind.value_type)]
    return [kind]


@EACH
def test_types_are_those_that_delta_lake_gives_back_as_they_went_in(record: type[Any], tmp_path):
    allowed = (pa.types.is_string, pa.types.is_int64, pa.types.is_float64, pa.types.is_boolean, pa.types.is_timestamp)
    nested = (pa.types.is_list, pa.types.is_map)
    for field in records.schema(record):
        for kind in leaves(field.type):
            assert any(check(kind) for check in allowed + nested), f"{field.name}: {kind}"
    table = DeltaTable.create(str(tmp_path / "t"), schema=records.schema(record))
    assert past.fields(pa.schema(table.schema().to_arrow())) == past.fields(records.schema(record))


def values(hint: Any) -> st.SearchStrategy[Any]:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    if origin is list:
        return st.lists(values(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(args[0]), values(args[1]), max_size=3)
    if origin is not None:
        return st.none() | values(args[0])
    simple: dict[Any, st.SearchStrategy[Any]] = {
        str: text,
        int: st.integers(-(2**63), 2**63 - 1),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        datetime: st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)),
    }
    return simple[hint]


def row_of(record: type[Any]) -> st.SearchStrategy[dict[str, Any]]:
    hints = typing.get_type_hints(record)
    return st.fixed_dictionaries({f.name: values(hints[f.name]) for f in dataclasses.fields(record)})


@EACH
def test_rows_come_back_from_arrow_as_they_went_in(record: type[Any]):
    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(row_of(record))
    def check(row: dict[str, Any]) -> None:
        table = records.to_table(record, [records.to_dict(record(**row)), row])
        assert table.schema.equals(records.schema(record), check_metadata=True)
        assert table.to_pylist(maps_as_pydicts="strict") == [row, row]

    check()


@EACH
def test_a_row_that_lacks_what_it_must_have_is_not_written(record: type[Any], tmp_path):
    row = past.examples(record)[1]
    row[record.key[0]] = None
    with pytest.raises(pa.ArrowInvalid, match=record.key[0]):
        merge.write_part(str(tmp_path), 0, records.to_table(record, [row]))


@pytest.mark.parametrize(
    ("value", "buckets", "bucket"),
    [
        # The first 16 hexadecimal digits of published SHA-256 digests, modulo the buckets.
        ("", 16, 0xE3B0C44298FC1C14 % 16),
        ("abc", 16, 0xBA7816BF8F01CFEA % 16),
        ("abc", 7, 0xBA7816BF8F01CFEA % 7),
        ("abc", 4096, 0xBA7816BF8F01CFEA % 4096),
        ("abc", 1, 0),
    ],
)
def test_a_bucket_is_the_same_for_ever(value: str, buckets: int, bucket: int):
    assert records.bucket_of(value, buckets) == bucket


def test_buckets_fill_evenly():
    counts = [0] * 16
    for number in range(16_000):
        counts[records.bucket_of(f"s3://bucket/{number}.mp4", 16)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


@EACH
def test_a_schema_changes_only_together_with_its_version(record: type[Any]):
    digests = past.known()[record.table]
    assert sorted(map(int, digests)) == list(range(1, record.version + 1)), "run python -m tests.transforms.past"
    then = past.fields(pq.read_schema(past.part(record, record.version)))
    now = past.fields(records.schema(record))
    assert now == then, f"raise {record.__name__}.version, then run python -m tests.transforms.past"
    assert digests[str(record.version)] == past.digest(records.schema(record))


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.with_name("other"),
        lambda f: f.with_type(pa.int32()),
        lambda f: f.with_nullable(not f.nullable),
        lambda f: f.with_metadata({**(f.metadata or {}), b"unit": "furlong"}),
    ],
    ids=["name", "type", "null", "unit"],
)
def test_the_lock_notices_every_change_that_a_reader_would(change):
    schema = records.schema(records.VideoRow)
    at = schema.get_field_index("width")
    assert past.digest(schema.set(at, change(schema.field(at)))) != past.digest(schema)
    assert past.digest(schema.remove(at)) != past.digest(schema)
    better = schema.field(at).with_metadata({**schema.field(at).metadata, b"doc": "Said better."})
    assert past.digest(schema.set(at, better)) == past.digest(schema)


PAST = [(record, version) for record in records.RECORDS for version in range(1, record.version + 1)]


@pytest.mark.parametrize(("record", "version"), PAST, ids=[f"{r.table}-{v}" for r, v in PAST])
def test_a_part_of_every_past_version_still_reads(record: type[Any], version: int):
    file = past.part(record, version)
    stored = pq.read_table(file)
    read = merge.read_parts(record, str(past.FOLDER), [merge.Part(file.name, file.stat().st_size, stored.num_rows)])
    assert read.schema.equals(records.schema(record), check_metadata=True)
    whole, bare = read.to_pylist(maps_as_pydicts="strict")
    then = stored.to_pylist(maps_as_pydicts="strict")
    for name in read.column_names:
        assert (whole[name], bare[name]) == tuple(row.get(name) for row in then), name
    assert all(value is not None for value in then[0].values()), "the first row has every column of its version"


@EACH
def test_a_part_without_a_later_column_reads_as_null_there(record: type[Any], tmp_path):
    table = records.to_table(record, past.examples(record))
    later = [f.name for f in table.schema if f.nullable]
    if not later:
        later = [table.column_names[-1]]
    pq.write_table(table.drop_columns([later[-1]]), tmp_path / "old.parquet")
    read = merge.read_parts(record, str(tmp_path), [merge.Part("old.parquet", 1, 2)])
    assert read.column(later[-1]).null_count == 2
    assert read.drop_columns([later[-1]]).equals(table.drop_columns([later[-1]]))
