"""Drafts: lists that were checked and are not published: several files as one.

A later file may speak of what an earlier one describes. All are published or none, so what two of them say of one thing
must be the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import registry, sheets, workbook
from filters.rights.records import BY_TABLE, Entries, PartyRow, from_mapping
from filters.rights.registry import Registry, Version
from filters.rights.sheets import Checked, SheetError

_NAMED_IN: Final = {"parties": "party", "works": "work", "identifiers": "value", "statements": "statement_id"}


class _Named(NamedTuple):
    """All that the check of a list asks of the registry's statements."""

    statement_id: str


@dataclass
class Listed:
    """A file that was checked.

    Attributes:
        path: The file, on local disk.
        name: What it is called in messages: the address that it was fetched from.
        checked: What the check of the file by itself found.
        more: What is wrong with it beside the other files and the registry.
        skip: Keys of rows that an earlier file has in the same words, by table.
    """

    path: str
    name: str
    checked: Checked
    more: list[SheetError] = field(default_factory=list)
    skip: dict[str, set[str]] = field(default_factory=dict)

    @property
    def errors(self) -> list[SheetError]:
        """Everything wrong, in order of rows."""
        return sorted([*self.checked.errors, *self.more], key=lambda error: error.row)

    @property
    def error_count(self) -> int:
        """How much is wrong, told one by one or not."""
        return self.checked.error_count + len(self.more)

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """The rows for a table that no earlier file has."""
        (key,) = BY_TABLE[table].key
        again = pa.array(sorted(self.skip.get(table, ())), pa.string())
        for batch in self.checked.batches(table):
            yield batch.filter(pc.invert(pc.is_in(batch.column(key), again))) if len(again) else batch


def rows_of(listed: Sequence[Listed]) -> dict[str, Iterable[pa.RecordBatch]]:
    """The rows of all files by table, as `publishing.publish` takes them."""

    def batches(table: str) -> Iterator[pa.RecordBatch]:
        for one in listed:
            yield from one.batches(table)

    return {table: batches(table) for table in BY_TABLE}


def check(
    paths: Sequence[str], folder: str, held: Registry | None, base: Version, names: Sequence[str] = ()
) -> list[Listed]:
    """Check files, each knowing the registry and the files before it.

    Args:
        paths: Local files.
        folder: An empty local folder.
        held: The registry; None: the files stand by themselves.
        base: Its version.
        names: What the files are called in messages; none: by their paths.

    Raises:
        ConfigError: The registry is damaged.
    """
    known = Entries({}, {}, ()) if held is None else _known(held, base)
    found: list[Listed] = []
    said: dict[str, dict[str, tuple[str, str]]] = {table: {} for table in BY_TABLE}
    for number, (path, name) in enumerate(zip(paths, names or paths, strict=True)):
        listed = Listed(path, name, sheets.validate(path, str(Path(folder, str(number))), known))
        found.append(listed)
        if listed.error_count:
            continue
        if held is not None:
            listed.more += _taken(listed, held, base)
        if len(paths) > 1:
            _compare(listed, said)
            known = _with(known, listed)
    return found


def _known(held: Registry, base: Version) -> Entries:
    parties = {
        row["party_id"]: from_mapping(PartyRow, row) for row in registry.current(held, "parties", base).to_pylist()
    }
    works = registry.current(held, "works", base, ["work_id"]).column(0).to_pylist()
    names = registry.current(held, "statements", base, ["statement_id"]).column(0).to_pylist()
    return Entries(parties, cast(Any, dict.fromkeys(works)), cast(Any, tuple(map(_Named, names))))


def _with(known: Entries, listed: Listed) -> Entries:
    def rows(table: str) -> list[dict[str, Any]]:
        return [row for batch in listed.checked.batches(table) for row in batch.to_pylist()]

    parties = {row["party_id"]: from_mapping(PartyRow, row) for row in rows("parties")}
    works = {row["work_id"]: None for row in rows("works")}
    names = [_Named(row["statement_id"]) for row in rows("statements")]
    return Entries(
        {**known.parties, **parties}, cast(Any, {**known.works, **works}), cast(Any, (*known.statements, *names))
    )


def _compare(listed: Listed, said: dict[str, dict[str, tuple[str, str]]]) -> None:
    """What an earlier file says in the same words is left out, what it says otherwise is wrong."""
    other: dict[str, dict[str, str]] = {}
    for table, before in said.items():
        (key,) = BY_TABLE[table].key
        for batch in listed.checked.batches(table):
            for row in batch.to_pylist():
                digest, path = before.setdefault(row[key], (row["digest"], listed.name))
                if path == listed.name:
                    continue
                if digest == row["digest"]:
                    listed.skip.setdefault(table, set()).add(row[key])
                else:
                    cell = row["value"] if table == "identifiers" else row[key]
                    other.setdefault(table, {})[cell] = f"described otherwise in {path}: make both alike"
    listed.more += [error for table, found in other.items() for error in _in_rows(listed.path, table, found)]


def _taken(listed: Listed, held: Registry, base: Version) -> list[SheetError]:
    """Statements under an id that the registry has for another one."""
    theirs = registry.current(held, "statements", base, ["statement_id", "digest"])
    names, digests = (theirs.column(name).combine_chunks() for name in ("statement_id", "digest"))
    mine = [batch.select(["statement_id", "digest"]) for batch in listed.checked.batches("statements")]
    if not mine:
        return []
    said = pa.Table.from_batches(mine)
    other = pc.invert(pc.is_in(said.column("digest"), digests))
    clash = said.filter(pc.and_(pc.is_in(said.column("statement_id"), names), other)).column("statement_id")
    remedy = "the registry has another statement under this id: give another, and this under supersedes"
    return _in_rows(listed.path, "statements", dict.fromkeys(clash.to_pylist(), remedy))


def _in_rows(path: str, table: str, remedies: Mapping[str, str]) -> list[SheetError]:
    """Errors in the rows that name something, found by reading the file again; in row 0 what is spelled otherwise."""
    column, rows = _NAMED_IN[table], dict.fromkeys(remedies, 0)
    lines = workbook.rows(path) if remedies else iter(())
    _, header = next(lines, (0, ()))
    names = [str(cell).strip().casefold() for cell in header]
    for number, cells in lines if column in names else ():
        cell = cells[names.index(column)] if names.index(column) < len(cells) else None
        name = str(cell).strip()
        if rows.get(name) == 0:
            rows[name] = number
    return [SheetError(row, column, name, remedies[name]) for name, row in rows.items()]
