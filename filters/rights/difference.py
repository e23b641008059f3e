"""Difference: what one state of the registry has that another has not, and what that does to every statement.

Rows are compared by what they say. Of statements it also tells which begin to hold and which end, and why: a revocation
is one new row, and what it does shows on the grant it ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import lookup, registry
from filters.rights.conflicts import Conflict, conflicts
from filters.rights.records import BY_TABLE, Entries, StatementRow, from_mapping
from filters.rights.registry import Registry, Version
from filters.rights.status import ABSENT, Standings, Status
from transforms import records

MOST_STATEMENTS: Final = 100_000
"""Statements that are looked at one by one, and rows of a table that are told; of more, only keys are compared."""


@dataclass(frozen=True)
class Changed:
    """The rows of a table in which two states differ, by key, sorted.

    Attributes:
        new: Only the later state has them.
        changed: Described otherwise in the later state.
        gone: Only the earlier state has them.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.gone)


class Effect(NamedTuple):
    """What becomes of a statement.

    Attributes:
        said: The statement.
        before: How it stood.
        after: How it will stand.
    """

    said: StatementRow
    before: Status
    after: Status

    @property
    def kind(self) -> str:
        """`begins`, `ends`, `announced` (it begins later), `without effect`, or `otherwise`."""
        if self.after.holds and not self.before.holds:
            return "begins"
        if self.before.holds and not self.after.holds:
            return "ends"
        if self.before.state == "absent" and self.after.state in ("to come", "without effect"):
            return "announced" if self.after.state == "to come" else "without effect"
        return "otherwise"


@dataclass(frozen=True)
class Difference:
    """Two states of a registry and what lies between.

    Attributes:
        before: The earlier version.
        after: The later version; None of rows that are not published.
        changed: Keys that differ, by table.
        old: The rows that are gone or that were described otherwise, by table and key, at most `MOST_STATEMENTS`.
        new: The rows that are new or that are described anew, likewise.
        effects: Statements that stand otherwise; None where there are too many to look at.
        conflicts: Conflicts that the later state has and the earlier had not.
        entries: Parties and works of both, as far as they were looked at, for names; no statements.
    """

    before: Version
    after: Version | None
    changed: Mapping[str, Changed]
    old: Mapping[str, Mapping[str, Mapping[str, Any]]]
    new: Mapping[str, Mapping[str, Mapping[str, Any]]]
    effects: tuple[Effect, ...] | None
    conflicts: tuple[Conflict, ...]
    entries: Entries

    def __bool__(self) -> bool:
        return any(self.changed.values()) or bool(self.effects)


def of_rows(
    held: Registry, base: Version, new: Mapping[str, Iterable[pa.RecordBatch]], at: datetime | None = None
) -> Difference:
    """What publishing rows would change.

    Args:
        held: The registry.
        base: The version they would be added to.
        new: Rows by table, as `publishing.publish` takes them.
        at: The moment that is looked at, UTC; None: now.

    Raises:
        RegistryError: The registry is damaged.
    """
    at = at or datetime.now(UTC)
    changed, old, fresh = {}, {}, {}
    for table in BY_TABLE:
        (key,) = BY_TABLE[table].key
        before, after = registry.current(held, table, base), _table(table, new.get(table, ()))
        changed[table] = compare(table, before, after, whole=False)
        old[table] = _rows(before, key, changed[table].changed)
        stamped = _rows(after, key, (*changed[table].new, *changed[table].changed))
        fresh[table] = {name: {**row, "recorded_at": at} for name, row in stamped.items()}
    few = len(changed["statements"].new) <= MOST_STATEMENTS
    known = _entries(held, base, _touched(held, base, changed, fresh["statements"].values())) if few else None
    if known is None:
        return Difference(base, None, changed, old, fresh, None, (), Entries({}, {}, ()))
    then = Entries(
        {**known.parties, **_records("parties", fresh)},
        {**known.works, **_records("works", fresh)},
        (*known.statements, *_records("statements", fresh).values()),
    )
    return _difference(base, None, changed, old, fresh, (known, then), (at, at))


def of_versions(held: Registry, before: Version, after: Version, now: datetime | None = None) -> Difference:
    """What changed from one version, when it was published, to another: when that was, or now if it is the latest.

    Args:
        held: The registry.
        before: The earlier version.
        after: The later version.
        now: The clock, for tests.

    Raises:
        RegistryError: The registry is damaged.
    """
    latest = after.number == len(registry.numbers(held))
    then = (now or datetime.now(UTC)) if latest else after.recorded_at
    changed, old, new = {}, {}, {}
    for table in BY_TABLE:
        (key,) = BY_TABLE[table].key
        rows = [registry.current(held, table, state) for state in (before, after)]
        changed[table] = compare(table, *rows)
        old[table] = _rows(rows[0], key, (*changed[table].gone, *changed[table].changed))
        new[table] = _rows(rows[1], key, (*changed[table].new, *changed[table].changed))
    states = [_entries(held, state, None) for state in (before, after)]
    if states[0] is None or states[1] is None:
        return Difference(before, after, changed, old, new, None, (), Entries({}, {}, ()))
    return _difference(before, after, changed, old, new, (states[0], states[1]), (before.recorded_at, then))


def _difference(
    before: Version,
    after: Version | None,
    changed: Mapping[str, Changed],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    entries: tuple[Entries, Entries],
    moments: tuple[datetime, datetime],
) -> Difference:
    had = {(c.kind, c.statements) for c in conflicts(entries[0], moments[0])}
    found = [c for c in conflicts(entries[1], moments[1]) if (c.kind, c.statements) not in had]
    earlier, later = entries
    names = Entries({**earlier.parties, **later.parties}, {**earlier.works, **later.works}, ())
    return Difference(before, after, changed, old, new, tuple(effects(*entries, *moments)), tuple(found), names)


def _table(table: str, batches: Iterable[pa.RecordBatch]) -> pa.Table:
    return pa.Table.from_batches(batches, records.schema(BY_TABLE[table]))


def _rows(table: pa.Table, key: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    some = sorted(names)[:MOST_STATEMENTS]
    wanted = table.filter(pc.is_in(table.column(key), pa.array(some, pa.string())))
    return {row[key]: row for row in wanted.to_pylist()}


def _records(table: str, rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    return {name: from_mapping(BY_TABLE[table], row) for name, row in rows[table].items()}


def _touched(
    held: Registry, base: Version, changed: Mapping[str, Changed], said: Iterable[Mapping[str, Any]]
) -> set[str] | None:
    """Works that changed statements are about, with all that is part of them; None: it may be any."""
    about = {row["work_id"] for row in said}
    if None in about or changed["parties"].changed or changed["works"].changed:
        return None  # Who was unverified may grant now; owners and parents say what a statement reaches.
    works = registry.current(held, "works", base, ["work_id", "parent"]).to_pylist()
    parts: dict[str, list[str]] = {}
    for row in works:
        parts.setdefault(row["parent"], []).append(row["work_id"])
    found: set[str] = set()
    ahead = [str(name) for name in about]
    while ahead:
        if (one := ahead.pop()) not in found:
            found.add(one)
            ahead += parts.get(one, ())
    return found


def _entries(held: Registry, state: Version, works: set[str] | None) -> Entries | None:
    """What a version says of some works; None where that is too much to look at one by one."""
    if works is None and sum(part.rows for part in state.parts.get("statements", ())) > MOST_STATEMENTS:
        return None
    return lookup.entries(held, state, works)


def compare(table: str, before: pa.Table, after: pa.Table, whole: bool = True) -> Changed:
    """What differs between two states of a table.

    Args:
        table: Its name.
        before: Key and `digest` of the rows that counted.
        after: The same of the rows that will count.
        whole: `after` has every row; else only those that are added, and nothing is gone.
    """
    (key,) = BY_TABLE[table].key
    old, new = before.column(key).combine_chunks(), after.column(key).combine_chunks()
    said = [pc.binary_join_element_wise(t.column(key), t.column("digest"), "\n") for t in (before, after)]
    there = pc.is_in(new, old)
    same = pc.is_in(said[1], said[0].combine_chunks())
    gone = old.filter(pc.invert(pc.is_in(old, new))) if whole else old.slice(0, 0)
    return Changed(
        _names(new.filter(pc.invert(there))),
        _names(new.filter(pc.and_(there, pc.invert(same)))),
        _names(gone),
    )


def _names(keys: pa.Array) -> tuple[str, ...]:
    return tuple(sorted(set(keys.to_pylist())))


def effects(before: Entries, after: Entries, at: datetime, later: datetime) -> Iterator[Effect]:
    """Every statement that stands otherwise after than before, sorted by id.

    Args:
        before: The earlier state.
        after: The later state.
        at: The moment at which the earlier one is looked at, UTC.
        later: The moment at which the later one is looked at, UTC.
    """
    old, new = ({s.statement_id: s for s in e.statements} for e in (before, after))
    stood, stands = Standings(before, at), Standings(after, later)
    for name in sorted({*old, *new}):
        one = stood.status(old[name]) if name in old else ABSENT
        other = stands.status(new[name]) if name in new else ABSENT
        if one != other:
            yield Effect(new.get(name) or old[name], one, other)
