"""What earlier versions of the tables looked like: a digest of each record's schema and a small Parquet part a version.

A record whose columns change must raise its `version`; then `python -m tests.transforms.past` adds the digest and the
part of the new version here, and leaves all older ones as they are. Commit both: they stand for every corpus already
written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from transforms import records

FOLDER = Path(__file__).parent
SCHEMAS = FOLDER / "schemas.json"


def fields(schema: pa.Schema) -> list[str]:
    """What no version may change: names, types, whether null is allowed, and units; explanations may be improved."""
    found = []
    for field in schema:
        unit = (field.metadata or {}).get(b"unit", b"").decode()
        found.append(f"{field.name}: {_spelt(field.type)}{'' if field.nullable else ' not null'} [{unit}]")
    return found


def _spelt(kind: pa.DataType) -> str:
    # Parquet, Arrow and Delta name the inner fields of lists and maps differently; that is no difference.
    if pa.types.is_map(kind):
        return f"map<{_spelt(kind.key_type)}, {_spelt(kind.item_type)}>"
    return f"list<{_spelt(kind.value_type)}>" if pa.types.is_list(kind) else str(kind)


def digest(schema: pa.Schema) -> str:
    """SHA-256 of `fields`, first 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(fields(schema)).encode()).hexdigest()[:16]


def part(record: type[Any], version: int) -> Path:
    """The Parquet part of a record's version."""
    return FOLDER / f"{record.table}-{version}.parquet"


def known() -> dict[str, dict[str, str]]:
    """The digests by table and version."""
    found: dict[str, dict[str, str]] = json.loads(SCHEMAS.read_text()) if SCHEMAS.exists() else {}
    return found


def _value(hint: Any, name: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return [_value(args[0], name), _value(args[0], name + "!")]
    if origin is dict:
        return {_value(args[0], name): _value(args[1], name)}
    if origin is not None:
        return _value(args[0], name)
    values = {str: f"{name} \u00e9", int: 2**40 + len(name), float: len(name) / 8, bool: True}
    return values.get(hint, datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC))


def examples(record: type[Any]) -> list[dict[str, Any]]:
    """Two rows of a record: one with every column, one with nothing but what it must have."""
    hints, whole = typing.get_type_hints(record), {}
    for field in dataclasses.fields(record):
        whole[field.name] = _value(hints[field.name], field.name)
    nullable = {field.name for field in records.schema(record) if field.nullable}
    return [whole, {name: None if name in nullable else value for name, value in whole.items()}]


def add_missing() -> list[str]:
    """Add what the current version of each record lacks here; the names of what was added."""
    digests, added = known(), []
    for record in records.RECORDS:
        version, schema = str(record.version), records.schema(record)
        if version not in digests.setdefault(record.table, {}):
            digests[record.table][version] = digest(schema)
            added.append(f"{record.table} {version}")
        if not part(record, record.version).exists():
            pq.write_table(records.to_table(record, examples(record)), part(record, record.version), compression="zstd")
            added.append(part(record, record.version).name)
    SCHEMAS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")
    return added
