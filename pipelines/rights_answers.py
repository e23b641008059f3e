"""Answers from the registry: its versions, its rows, as a file too, and where it contradicts itself."""

from __future__ import annotations

import argparse
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import lookup, registry
from filters.rights.conflicts import conflicts
from filters.rights.records import BY_TABLE
from filters.rights.registry import Registry, Version
from filters.rights.status import stamp
from filters.rights.workbook import MOST_ROWS
from pipelines import export, options, show
from pipelines.columns import columns, readable, say
from pipelines.rights_words import (
    Verb,
    add_json,
    add_registry,
    add_state,
    cell,
    counts,
    moment,
    opened,
    para,
    print_json,
    shown,
    state,
    texts,
    work,
    write_csv,
)
from transforms import storage
from transforms.settings import ConfigError

FORMATS: Final = ("csv", "xlsx", "parquet", "jsonl")
"""Suffixes of the files that are written."""


def _log(words: argparse.Namespace) -> int:
    held = opened(words)
    found = registry.history(held)
    if words.json:
        said = ("number", "recorded_at", "author", "approver", "reason", "reverts_to", "added")
        print_json([{name: getattr(one, name) for name in said} for one in found])
        return 0
    rows = []
    for one in found:
        what = counts(one.added.items()) if one.reverts_to is None else f"back to version {one.reverts_to}"
        rows.append([str(one.number), stamp(one.recorded_at), one.author, one.approver, one.reason, what])
    names = ("version", "published (UTC)", "author", "approver", "reason", "added")
    wrapping = ("author", "approver", "reason", "added")
    if rows:
        say(columns(names, [[readable(cell) for cell in row] for row in rows], right=("version",), wrap=wrapping))
    else:
        say(f"{shown(held.root)}: nothing was published yet")
    return 0


def _show(words: argparse.Namespace) -> int:
    held = opened(words)
    chosen = state(words, held)
    if words.table is None:
        _overview(held, chosen, words.json)
        return 0
    if words.rows < 0:
        raise ConfigError(f"--rows {words.rows}: give 0 or more")
    table = show.select(registry.current(held, words.table, chosen), words.table, words.columns)
    part = table.slice(0, words.rows)
    if words.json:
        print_json(part.to_pylist())
        return 0
    some = f", the first {part.num_rows}" if part.num_rows < table.num_rows else ""
    say(f"{words.table} of version {chosen.number}: {table.num_rows} rows{some}")
    width = max(map(len, table.column_names)) + 2
    for row in part.to_pylist():
        say("")
        for name, value in row.items():
            if value is not None and value != []:
                para(cell(value), f"{name:<{width}}", " " * width)
    return 0


def _overview(held: Registry, chosen: Version, as_json: bool) -> None:
    rows = {name: registry.current(held, name, chosen, list(BY_TABLE[name].key)).num_rows for name in BY_TABLE}
    modes = registry.current(held, "statements", chosen, ["mode"]).column("mode").value_counts().to_pylist()
    said = {one["values"]: one["counts"] for one in sorted(modes, key=lambda one: str(one["values"]))}
    verified = registry.current(held, "parties", chosen, ["verified_by"]).column("verified_by")
    if as_json:
        print_json(
            {
                "registry": shown(held.root),
                "version": chosen.number,
                "recorded_at": chosen.recorded_at,
                "two_people": held.two_people,
                "rows": rows,
                "statements": said,
                "unverified_parties": verified.null_count,
            }
        )
        return
    say(f"{shown(held.root)}: version {chosen.number}" + ("" if chosen.number else ", nothing published yet"))
    if chosen.number:
        by = chosen.author + (f", approved by {chosen.approver}" if chosen.approver else "")
        para(f"published {stamp(chosen.recorded_at)} by {by}: {chosen.reason}")
    if held.two_people:
        say("every version needs an author and an approver")
    say(columns(("table", "rows"), [[name, str(number)] for name, number in rows.items()], right=("rows",)))
    if said:
        say("statements: " + ", ".join(f"{number} {name}" for name, number in said.items()))
    if verified.null_count:
        say(f"parties that are not verified, and may refuse only: {verified.null_count}")


def _export(words: argparse.Namespace) -> int:
    held = opened(words)
    kind = words.file.rsplit(".", 1)[-1].lower()
    if kind not in FORMATS:
        raise ConfigError(f"{words.file}: cannot tell the format; end the name in .{', .'.join(FORMATS)}")
    chosen = state(words, held)
    table = show.select(registry.current(held, words.table, chosen), words.table, words.columns)
    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        local = Path(folder) / f"export.{kind}"
        if kind == "xlsx":
            _workbook(table, local, words.table)
        elif kind == "csv":
            write_csv(texts(table), str(local))
        else:
            export.write(table, local, kind)
        storage.upload(str(local), words.file)
    say(f"{shown(words.file)}: {table.num_rows} rows of version {chosen.number}")
    return 0


def _workbook(table: pa.Table, path: Path, name: str) -> None:
    """A table as a workbook of texts: nothing in it is calculated, and no id becomes a number."""
    if table.num_rows >= MOST_ROWS:
        raise ConfigError(f"{table.num_rows} rows: a sheet holds {MOST_ROWS - 1}; export to .csv or .parquet")
    try:
        import openpyxl
    except ImportError as error:
        raise ConfigError("XLSX needs `pip install 'rushes[rights]'`; or export to .csv") from error
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(name)
    sheet.append(table.column_names)
    for batch in texts(table).to_batches(max_chunksize=10_000):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            sheet.append(row)
    book.save(path)


def _conflicts(words: argparse.Namespace) -> int:
    held = opened(words)
    chosen = state(words, held)
    at = moment("--at", words.at) if words.at else datetime.now(UTC)
    entries = lookup.entries(held, chosen, _granted(held, chosen))
    found = conflicts(entries, at)
    if words.json:
        print_json([one._asdict() for one in found])
        return 0
    if not found:
        say(f"version {chosen.number}: no conflicts")
        return 0
    say(f"version {chosen.number}: {len(found)} conflicts")
    for one in found:
        when = "now" if one.since == at else f"from {stamp(one.since)}"
        say("")
        para(f"{work(entries, one.work_id)}, {when}", "", "  ")
        para(f"{one.words}", "  ")
        para(f"statements: {', '.join(one.statements)}", "  ")
    say("")
    say("Contradictions are decided as refusals. To clear one up, publish what is meant with the other's")
    say("id under `supersedes`, or a revoke with the grant's id under `target`.")
    return 0


def _granted(held: Registry, chosen: Version) -> list[str] | None:
    """Works that something was granted on: every conflict has a grant in it. None: a grant is for all of a party's."""
    said = registry.current(held, "statements", chosen, ["mode", "work_id"])
    works = said.filter(pc.equal(said.column("mode"), "grant")).column("work_id")
    return None if works.null_count else sorted(set(works.to_pylist()))


def _log_arguments(parser: options.Parser) -> None:
    add_registry(parser)
    add_json(parser)


def _show_arguments(parser: options.Parser) -> None:
    parser.add_argument("table", nargs="?", metavar="TABLE", choices=[*BY_TABLE], help=", ".join(BY_TABLE))
    add_registry(parser)
    add_state(parser)
    parser.add_argument("--rows", type=int, default=5, metavar="N", help="rows to show [default 5]")
    parser.add_argument("--columns", metavar="A,B", help="columns to show [default all]")
    add_json(parser)


def _export_arguments(parser: options.Parser) -> None:
    parser.add_argument("table", metavar="TABLE", choices=[*BY_TABLE], help=", ".join(BY_TABLE))
    parser.add_argument("file", metavar="FILE", help=f"where to: ends in .{', .'.join(FORMATS)}")
    add_registry(parser)
    add_state(parser)
    parser.add_argument("--columns", metavar="A,B", help="columns to write [default all]")


def _conflicts_arguments(parser: options.Parser) -> None:
    add_registry(parser)
    add_state(parser)
    parser.add_argument("--at", metavar="DATE", help="conflicts at that time or later [default now]")
    add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "log": Verb("[options]", "list the versions: who published what, when and why", _log_arguments, _log),
    "show": Verb(
        "[TABLE] [options]",
        "tell what the registry holds, or show the first rows of a table",
        _show_arguments,
        _show,
        "rushes rights show --registry rights\nrushes rights show statements --as-of 2026-03-03 --registry rights",
    ),
    "export": Verb(
        "TABLE FILE [options]",
        "write a table as CSV, XLSX, Parquet or JSON Lines; no cell of it can run as a formula",
        _export_arguments,
        _export,
        "rushes rights export statements said.xlsx --registry rights",
    ),
    "conflicts": Verb(
        "[options]",
        "find statements of a party that contradict each other, and shares of a work over the whole",
        _conflicts_arguments,
        _conflicts,
    ),
}
"""What the registry can be asked."""
