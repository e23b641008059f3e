"""Show: what an output folder holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipelines import options
from pipelines.columns import columns, readable, say
from transforms import records, tables, views
from transforms.settings import ConfigError

DESCRIPTION = "Show the tables of OUT with rows and versions, or the first rows of one TABLE."
EPILOG = """\
examples:
  rushes show corpus
  rushes show corpus clips --rows 3
  rushes show corpus failures
  rushes show corpus clips --snapshot 4 --columns clip_id,seconds,kept,reasons"""


TABLES = f"{', '.join(records.BY_TABLE)}, or the view {', '.join(views.VIEWS)}"
"""What may be shown and exported."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes show", description=DESCRIPTION, epilog=EPILOG, usage="rushes show OUT [TABLE] [options]"
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("table", nargs="?", metavar="TABLE", help=TABLES)
    made.add_argument("--rows", type=int, default=5, metavar="N", help="rows to show [default 5]")
    made.add_argument("--columns", metavar="A,B", help="columns to show [default all]")
    made.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: No such output, table, column or snapshot.
    """
    words = parser().parse_args(list(argv))
    corpus = tables.open_corpus(words.output)
    if words.table is None:
        _overview(corpus, words.snapshot)
    else:
        _rows(corpus, words)
    return 0


def _overview(corpus: tables.Corpus, number: int | None) -> None:
    found = tables.snapshot(corpus, number)
    by = f"of run {found.run_id}" if found.run_id else "(nothing committed yet)"
    say(f"{corpus.root}: snapshot {found.number} {by}")
    rows = []
    for name in records.BY_TABLE:
        table = tables.delta(corpus, name, number)
        parts = [p for found_parts in tables.live_parts(table).values() for p in found_parts]
        counts = (sum(p.rows for p in parts), len(parts), sum(p.size for p in parts), table.version())
        rows.append([name, *map(str, counts)])
    names = ("table", "rows", "parts", "bytes", "version")
    say(columns(names, rows, right=names[1:]))


def select(table: pa.Table, name: str, wanted: str | None) -> pa.Table:
    """The columns named by `--columns`, all where it is absent.

    Raises:
        ConfigError: There is no such column.
    """
    if wanted is None:
        return table
    names = [n.strip() for n in wanted.split(",")]
    if unknown := [n for n in names if n not in table.column_names]:
        raise ConfigError(f"--columns: {name} has no column {unknown[0]!r}; it has {', '.join(table.column_names)}")
    return table.select(names)


def read(corpus: tables.Corpus, name: str, number: int | None) -> pa.Table:
    """A table or view as of a snapshot.

    Raises:
        ConfigError: There is no such table, view or snapshot.
    """
    if name in views.VIEWS:
        return views.VIEWS[name](corpus, number)
    if name not in records.BY_TABLE:
        raise ConfigError(f"no table or view {name!r}; there are {', '.join([*records.BY_TABLE, *views.VIEWS])}")
    return tables.read(corpus, name, number)


def _rows(corpus: tables.Corpus, words: Any) -> None:
    if words.rows < 0:
        raise ConfigError(f"--rows {words.rows}: give 0 or more")
    table = select(read(corpus, words.table, words.snapshot), words.table, words.columns)
    shown = table.slice(0, words.rows)
    some = f", the first {shown.num_rows}" if shown.num_rows < table.num_rows else ""
    say(f"{words.table}: {table.num_rows} rows{some}")
    width = max(map(len, table.column_names)) + 2
    for row in shown.to_pylist(maps_as_pydicts="strict"):
        say("")
        for name, value in row.items():
            text = readable(value if isinstance(value, str) else json.dumps(value, default=str))
            say(f"{name:<{width}}" + text.replace("\n", "\n" + " " * width))
