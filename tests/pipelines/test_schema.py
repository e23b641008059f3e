"""Schema: every column of every table, as people and programs read it."""

from __future__ import annotations

import json

import pytest

from pipelines import main, schema
from transforms import records, signals


def test_as_json_it_has_every_column_with_its_meaning(capsys):
    assert main.main(["schema", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == [*records.BY_TABLE, *schema.SERIES]
    for name, record in records.BY_TABLE.items():
        described = records.schema(record)
        assert [c["name"] for c in told[name]] == described.names
        for shown, field in zip(told[name], described, strict=True):
            assert shown["type"] == f"{field.type}" + ("" if field.nullable else " not null")
            assert shown["doc"] == field.metadata[b"doc"].decode()
            assert shown["unit"] == field.metadata.get(b"unit", b"").decode()
            assert shown["range"] == field.metadata.get(b"span", b"").decode()
            assert shown["source"] == field.metadata.get(b"source", b"").decode()
    assert [c["name"] for c in told["signals"]] == list(signals.COLUMNS)
    assert all(c["doc"] for c in told["signals"])


@pytest.mark.parametrize("name", records.BY_TABLE)
def test_one_table_is_printed_a_line_a_column(name, capsys):
    assert main.main(["schema", name]) == 0
    title, header, *lines = capsys.readouterr().out.splitlines()
    record = records.BY_TABLE[name]
    assert title == f"{name}, schema version {record.version}"
    assert header.split() == ["column", "type", "unit", "range", "meaning"]
    assert [line.split()[0] for line in lines] == records.schema(record).names
    for line, field in zip(lines, records.schema(record), strict=True):
        source = field.metadata.get(b"source", b"").decode()
        assert line.endswith(field.metadata[b"doc"].decode() + (f" [{source}]" if source else ""))


def test_without_a_table_all_are_printed(capsys):
    assert main.main(["schema"]) == 0
    told = capsys.readouterr().out
    for name in [*records.BY_TABLE, *schema.SERIES]:
        assert f"\n{name}" in f"\n{told}"
