"""Publishing: new rows become the registry's next version, whole or not at all, once.

Parts are written first and nobody sees them; the version file that names them is created only if absent. Whoever comes
second is told so, and by whom, with nothing changed: what they checked was checked against another state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights.records import BY_TABLE
from filters.rights.registry import Registry, Version, current, numbers, told, version, version_uri
from transforms import merge, records, storage, tables
from transforms.failures import ElementError
from transforms.settings import ConfigError
from transforms.store import canonical

PART_ROWS: Final = 250_000
"""Rows of a part, about: what publishing holds in memory of one table's new rows."""


class Outdated(ConfigError):
    """Somebody else published in the meantime."""


def publish(
    registry: Registry,
    new: Mapping[str, Iterable[pa.RecordBatch]],
    *,
    base: int,
    author: str,
    reason: str,
    approver: str = "",
    now: datetime | None = None,
) -> Version:
    """Publish rows as a new version. Rows that say what the registry says already are left out.

    Args:
        registry: The registry.
        new: New rows by table, with their record's columns; `digest` must be filled, the other stamps are filled here.
        base: The version that the rows were checked against.
        author: Who publishes.
        reason: Why.
        approver: Who approved.
        now: The clock, for tests.

    Returns:
        The new version; the base where nothing is new.

    Raises:
        Outdated: Another version was published since `base`. Nothing was changed.
        RegistryError: The registry is damaged. Nothing was changed.
        ConfigError: A statement's id is taken by another statement, or author or reason is missing.
    """
    before = _base(registry, base, author, reason, approver)
    at = _later(now, before)
    parts = dict(before.parts)
    added: dict[str, int] = {}
    with told(registry, "publishing"):
        for table in BY_TABLE:
            made = [
                merge.write_part(registry.tables().table_uri(table), 0, rows)
                for rows in _stamped(registry, before, table, new.get(table, ()), at, author)
            ]
            added[table] = sum(part.rows for part in made)
            parts[table] = (*parts.get(table, ()), *made)
    if not any(added.values()):
        return before
    return _seal(registry, before, Version(base + 1, at, author, approver, reason, None, added, parts))


def revert(
    registry: Registry,
    to: int,
    *,
    base: int,
    author: str,
    reason: str,
    approver: str = "",
    now: datetime | None = None,
) -> Version:
    """Publish a version that has exactly the rows of an earlier one; what lay between stays known.

    Raises:
        Outdated, RegistryError, ConfigError: As `publish`.
    """
    before = _base(registry, base, author, reason, approver)
    parts = version(registry, to).parts or {table: () for table in BY_TABLE}
    at = _later(now, before)
    return _seal(registry, before, Version(base + 1, at, author, approver, reason, to, {}, parts))


def roll_forward(registry: Registry) -> None:
    """Bring the Delta tables up to the latest version. Safe to run from several processes at once.

    Raises:
        RegistryError: A version is damaged.
    """
    there = numbers(registry)
    with told(registry, "snapshots"):
        stems = [name.removesuffix(".json") for name in storage.names(registry.uri("snapshots"))]
        done = max((int(stem) for stem in stems if stem.isdigit()), default=0)
        before = version(registry, min(done, len(there)))
        for number in there[done:]:
            state, rolled = version(registry, number), {}
            for table in BY_TABLE:
                old, new = set(before.parts.get(table, ())), set(state.parts[table])
                changes = {"add": sorted(new - old, key=str), "remove": sorted(old - new, key=str)}
                plain = {kind: [dataclasses.asdict(part) for part in found] for kind, found in changes.items()}
                rolled[table] = tables.roll(registry.tables(), table, plain, number)
            body = canonical({"number": number, "versions": rolled}).encode()
            storage.create_bytes(registry.uri("snapshots", f"{number:06d}.json"), body)
            before = state


def _base(registry: Registry, base: int, author: str, reason: str, approver: str) -> Version:
    if not author.strip() or not reason.strip():
        raise ConfigError("a version needs an author and a reason: give --author and --reason")
    if registry.two_people and not approver.strip():
        raise ConfigError("this registry needs two people: give --approver, who is not the author")
    if approver.strip().casefold() == author.strip().casefold():
        raise ConfigError(f"--approver {approver}: the author cannot approve; ask a second person")
    _check_base(registry, base)
    return version(registry, base)


def _check_base(registry: Registry, base: int) -> None:
    if (latest := len(numbers(registry))) != base:
        raise Outdated(
            f"version {latest} was published since (by {version(registry).author or 'nobody'}); yours was checked"
            f" against version {base}, and nothing of it was published: look at the difference and publish again"
        )


def _later(now: datetime | None, before: Version) -> datetime:
    # A clock that lags must not put a version before the one it was built on.
    return max(now or datetime.now(UTC), before.recorded_at + timedelta(microseconds=1))


def _stamped(
    registry: Registry, before: Version, table: str, batches: Iterable[pa.RecordBatch], at: datetime, author: str
) -> Iterable[pa.Table]:
    """New rows with their stamps, without those that are there already, in parts."""
    known: pa.Table | None = None
    for rows in _gathered(batches):
        if known is None:
            known = current(registry, table, before, [*BY_TABLE[table].key, "digest"])
        same = pc.is_in(rows.column("digest"), known.column("digest").combine_chunks())
        fresh = rows.filter(pc.invert(same))
        if table == "statements":
            ids = known.column("statement_id").combine_chunks()
            taken = fresh.filter(pc.is_in(fresh.column("statement_id"), ids)).column("statement_id")
            if len(taken):
                raise ConfigError(
                    f"statement {taken[0]}: the id is taken, and says something else; a statement is never changed:"
                    " give the new one another id, and the old id under `supersedes`"
                )
        if fresh.num_rows:
            yield _with_stamps(fresh, records.schema(BY_TABLE[table]), at, author, before.number + 1)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterable[pa.Table]:
    """Batches as tables of about `PART_ROWS` rows."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(b.num_rows for b in held) >= PART_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _with_stamps(rows: pa.Table, wanted: pa.Schema, at: datetime, author: str, number: int) -> pa.Table:
    stamps = {"recorded_at": at, "author": author, "registry_version": number}
    columns = [
        pa.repeat(pa.scalar(stamps[f.name], f.type), rows.num_rows)
        if f.name in stamps
        else rows.column(f.name).cast(f.type)
        for f in wanted
    ]
    return pa.table(columns, schema=wanted)


def _seal(registry: Registry, before: Version, made: Version) -> Version:
    """Make a version the latest, if nobody was quicker."""
    made = dataclasses.replace(made, times=(*before.times, made.recorded_at), parent=before.digest)
    body = json.dumps({**made.body(), "digest": made.digest}, indent=1).encode()
    if not storage.create_bytes(version_uri(registry, made.number), body):
        _check_base(registry, before.number)
    with contextlib.suppress(ConfigError, ElementError):  # It is published; whoever comes next rolls it forward.
        roll_forward(registry)
    return made
