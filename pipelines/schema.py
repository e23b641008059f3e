"""Schema: what every column means."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from pipelines import options
from pipelines.columns import columns, say
from transforms import loudness, recorder, records, series, signals
from transforms.settings import ConfigError

SERIES = {"signals": signals.COLUMNS, **recorder.SERIES, "loudness": loudness.COLUMNS}
"""Every series of the store, by the name of its file."""

DESCRIPTION = "Print every column of every table, or of one: type, meaning, unit, range, source."


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(prog="rushes schema", description=DESCRIPTION, usage="rushes schema [TABLE] [--json]")
    made.add_argument("table", nargs="?", metavar="TABLE", help=f"{', '.join(_schemas())}")
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return made


def _schemas() -> dict[str, pa.Schema]:
    made = {name: records.schema(record) for name, record in records.BY_TABLE.items()}
    return {**made, **{name: series.schema(columns) for name, columns in SERIES.items()}}


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: There is no such table.
    """
    words = parser().parse_args(list(argv))
    schemas = _schemas()
    if words.table is not None and words.table not in schemas:
        raise ConfigError(f"no table {words.table!r}; there are {', '.join(schemas)}")
    chosen = {name: schema for name, schema in schemas.items() if words.table in (None, name)}
    described = {name: [_column(field) for field in schema] for name, schema in chosen.items()}
    if words.json:
        print(json.dumps(described, indent=1))
        return 0
    for at, (name, found) in enumerate(described.items()):
        version = (chosen[name].metadata or {}).get(b"schema_version", b"").decode()
        rows = [
            [c["name"], c["type"], c["unit"], c["range"], c["doc"] + (f" [{c['source']}]" if c["source"] else "")]
            for c in found
        ]
        title = f"{name}, schema version {version}" if version else name
        say(("\n" if at else "") + title)
        names = ("column", "type", "unit", "range", "meaning")
        say(columns(names, rows, wrap=names[1:]))
    return 0


def _column(field: pa.Field) -> dict[str, str]:
    meta = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
    return {
        "name": field.name,
        "type": f"{field.type}" + ("" if field.nullable else " not null"),
        "unit": meta.get("unit", ""),
        "range": meta.get("span", ""),
        "source": meta.get("source", ""),
        "doc": meta.get("doc", ""),
    }
