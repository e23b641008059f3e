"""Delta: the works about which two moments of the registry may say different things.

Statements begin and lapse with time as well as with versions, so both count. What comes out is too much rather than too
little: whoever uses it decides anew about footage that matches one of these works, and keeps what it finds unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights.records import BY_TABLE
from filters.rights.registry import Registry, Version, current, read


@dataclass(frozen=True)
class Moment:
    """What was known, seen from when.

    Attributes:
        state: The version of the registry.
        at: The moment that is asked about, UTC.
    """

    state: Version
    at: datetime


def changed_works(registry: Registry, before: Moment, after: Moment) -> set[str]:
    """Works that a decision at one moment may find other than at the other, with all that are part of them.

    Raises:
        RegistryError: A part is gone or damaged.
    """
    parts = {table: _between(before.state, after.state, table) for table in BY_TABLE}
    new = {table: read(registry, table, state) for table, state in parts.items()}
    said = pa.concat_tables([read(registry, "statements", state) for state in (before.state, parts["statements"])])
    works = pa.concat_tables([read(registry, "works", state) for state in (before.state, parts["works"])])
    columns = ["statement_id", "party_id", "work_id", "target", "supersedes"]
    moved = _turned(said, *sorted((before.at, after.at)))
    told = [*new["statements"].select(columns).to_pylist(), *moved.select(columns).to_pylist()]

    found = {row["work_id"] for row in told} | _column(new["works"], "work_id") | _column(new["identifiers"], "work_id")
    parties = _column(new["parties"], "party_id") | {row["party_id"] for row in told if row["work_id"] is None}
    aimed = {row[name] for row in told for name in ("target", "supersedes")}
    found |= _column(said, "work_id", "statement_id", aimed)
    for one in (before.state, after.state):
        found |= _column(
            read(registry, "identifiers", one, ["identifier_id", "work_id"]), "work_id", "identifier_id", aimed
        )
    if parties:
        found |= _column(said, "work_id", "party_id", parties)
        owners = zip(works.column("work_id").to_pylist(), works.column("owners").to_pylist(), strict=True)
        found |= {work for work, held in owners if parties & set(held or ())}
    return _with_parts({work for work in found if work}, works)


def identifiers(registry: Registry, moments: Iterable[Moment], works: set[str]) -> pa.Table:
    """Everything that some works were or are recognised by, withdrawn or not, as rows that count.

    Raises:
        RegistryError: A part is gone or damaged.
    """
    tables = [current(registry, "identifiers", one.state) for one in moments]
    rows = pa.concat_tables(tables)
    rows = rows.filter(pc.is_in(rows.column("work_id"), pa.array(sorted(works), pa.string())))
    place = rows.schema.get_field_index("withdrawn")
    return rows.set_column(place, rows.schema.field(place), pa.repeat(False, rows.num_rows))


def _between(before: Version, after: Version, table: str) -> Version:
    """A version with only the parts that one of two has and the other has not."""
    old, new = set(before.parts.get(table, ())), set(after.parts.get(table, ()))
    return Version(after.number, after.recorded_at, parts={table: tuple(sorted(old ^ new, key=str))})


def _turned(statements: pa.Table, first: datetime, last: datetime) -> pa.Table:
    """Statements that began or lapsed between two moments."""
    chosen = pa.repeat(False, statements.num_rows)
    for name in ("valid_from", "valid_until", "recorded_at"):
        column = statements.column(name)
        kind = column.type
        inside = pc.and_(pc.greater(column, pa.scalar(first, kind)), pc.less_equal(column, pa.scalar(last, kind)))
        chosen = pc.or_(chosen, pc.fill_null(inside, False))
    return statements.filter(chosen)


def _column(table: pa.Table, name: str, where: str = "", among: Iterable[Any] = ()) -> set[Any]:
    """Values of a column, of all rows or of those whose other column is among some values."""
    if where:
        wanted = pa.array(sorted({one for one in among if one}), pa.string())
        table = table.filter(pc.is_in(table.column(where), wanted))
    return set(table.column(name).unique().to_pylist())


def _with_parts(works: set[str], table: pa.Table) -> set[str]:
    below: dict[str, list[str]] = {}
    for child, parent in zip(table.column("work_id").to_pylist(), table.column("parent").to_pylist(), strict=True):
        if parent:
            below.setdefault(parent, []).append(child)
    found: set[str] = set()
    ahead = list(works)
    while ahead:
        if (one := ahead.pop()) not in found:
            found.add(one)
            ahead += below.get(one, ())
    return found
