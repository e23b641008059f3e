"""Show: what an output folder holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines import options
from transforms import records, tables, views
from transforms.settings import ConfigError

DESCRIPTION = "Show the tables of OUT with rows and versions, or the first rows of one TABLE."
EPILOG = """\
examples:
  rushes show corpus
  rushes show corpus clips --rows 3
  rushes show corpus failures
  rushes show corpus clips --snapshot 4 --columns clip_id,seconds,kept,reasons"""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(prog="rushes show", description=DESCRIPTION, epilog=EPILOG, usage="rushes show OUT [TABLE] [options]")
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("table", nargs="?", metavar="TABLE", help=f"{', '.join(records.BY_TABLE)}, or the view {', '.join(views.VIEWS)}")
    made.add_argument("--rows", type=int, default=5, metavar="N", help="rows to show [default 5]")
    made.add_argument("--columns", metavar="A,B", help="columns to show [default all]")
    made.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    words = parser().parse_args(list(argv))
    corpus, console = tables.open_corpus(words.output), Console()
    if words.table is None:
        _overview(corpus, words.snapshot, console)
    else:
        _rows(corpus, words, console)
    return 0


def _overview(corpus: tables.Corpus, number: int | None, console: Console) -> None:
    found = tables.snapshot(corpus, number)
    console.print(f"{corpus.root}: snapshot {found.number}" + (f" of run {found.run_id}" if found.run_id else ", nothing committed yet"), highlight=False)
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("table", "rows", "parts", "bytes", "version"):
        shown.add_column(name, justify="left" if name == "table" else "right")
    for name in records.BY_TABLE:
        table = tables.delta(corpus, name, number)
        parts = [p for found_parts in tables.live_parts(table).values() for p in found_parts]
        shown.add_row(name, str(sum(p.rows for p in parts)), str(len(parts)), str(sum(p.size for p in parts)), str(table.version()))
    console.print(shown)


def _rows(corpus: tables.Corpus, words: Any, console: Console) -> None:
    table = _table(corpus, words.table, words.snapshot)
    names = words.columns.split(",") if words.columns else table.column_names
    if unknown := [n for n in names if n not in table.column_names]:
        raise ConfigError(f"--columns: {words.table} has no column {unknown[0]!r}; it has {', '.join(table.column_names)}")
    console.print(f"{words.table}: {table.num_rows} rows", highlight=False)
    for row in table.select(names).slice(0, max(words.rows, 0)).to_pylist():
        grid = Table.grid(padding=(0, 2))
        for name, value in row.items():
            grid.add_row(Text(name, style="dim"), Text(value if isinstance(value, str) else json.dumps(value, default=str)))
        console.print(grid)
        console.print()


def _table(corpus: tables.Corpus, name: str, number: int | None) -> Any:
    if name in views.VIEWS:
        return views.VIEWS[name](corpus, number)
    if name not in records.BY_TABLE:
        raise ConfigError(f"no table or view {name!r}; there are {', '.join([*records.BY_TABLE, *views.VIEWS])}")
    return tables.read(corpus, name, number)
