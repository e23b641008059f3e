"""Parties, works and statements for tests, in few words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from filters.rights import registry
from filters.rights.publishing import publish
from filters.rights.records import Entries, PartyRow, StatementRow, WorkRow, says
from filters.rights.registry import Registry
from transforms import records


def day(number: int) -> datetime:
    """Midnight of a day of January 2026 (day 32 is the first of February)."""
    return datetime.fromtimestamp(datetime(2025, 12, 31, tzinfo=UTC).timestamp() + number * 86400, UTC)


PARTIES = {
    "acme": PartyRow(party_id="acme", name="Acme", kind="studio", verified_by="legal", represented_by=["agent"]),
    "bolt": PartyRow(party_id="bolt", name="Bolt", kind="studio", verified_by="legal"),
    "agent": PartyRow(party_id="agent", name="Agent", kind="agent", verified_by="legal"),
    "shady": PartyRow(party_id="shady", name="Shady", kind="artist"),
    "mia": PartyRow(party_id="mia", name="Mia", kind="person", verified_by="passport"),
    "eva": PartyRow(
        party_id="eva", name="Eva", kind="person", verified_by="passport", represented_by=["agent", "shady"]
    ),
    "una": PartyRow(party_id="una", name="Una", kind="person", represented_by=["agent"]),
    "team": PartyRow(party_id="team", name="Rights team", kind="team", verified_by="legal"),
}
WORKS = {
    w.work_id: w
    for w in (
        WorkRow(work_id="saga", title="Saga", kind="franchise", owners=["acme"]),
        WorkRow(work_id="film", title="The Film", kind="title", parent="saga"),
        WorkRow(work_id="part", title="Part One", kind="episode", parent="film"),
        WorkRow(work_id="duck", title="Duck", kind="character", owners=["bolt"]),
        WorkRow(work_id="both", title="Joint Work", kind="title", owners=["acme", "bolt"]),
        WorkRow(work_id="mia", title="Mia", kind="person", owners=["mia"]),
        WorkRow(work_id="eva", title="Eva", kind="person", owners=["eva"]),
        WorkRow(work_id="una", title="Una", kind="person", owners=["una"]),
        WorkRow(work_id="kid", title="Kid", kind="person", minor=True),
        WorkRow(work_id="free", title="Free", kind="title"),
        WorkRow(work_id="lost", title="Lost", kind="title", parent="nowhere"),
    )
}


def say(name: str, mode: str, party: str = "acme", work: str | None = "film", on: int = 1, **more: Any) -> StatementRow:
    """A statement, recorded on a day; for training, worldwide, unless said otherwise."""
    values: dict[str, Any] = {"uses": ["train"], "territories": ["WORLD"], "recorded_at": day(on), **more}
    return StatementRow(statement_id=name, mode=mode, party_id=party, work_id=work, **values)


def entries(*statements: StatementRow) -> Entries:
    """A registry with the parties and works above."""
    return Entries(PARTIES, WORKS, statements)


EVERYBODY = [*PARTIES.values(), *WORKS.values()]


def batches(*rows: Any) -> dict[str, list[pa.RecordBatch]]:
    """Rows as publishing takes them."""
    found: dict[str, list[pa.RecordBatch]] = {}
    for row in rows:
        plain = {**records.to_dict(row), "recorded_at": None}
        plain["digest"] = says(type(row), plain)
        found.setdefault(row.table, []).extend(records.to_table(type(row), [plain]).to_batches())
    return found


def put(held: Registry, *rows: Any, on: int = 1, **more: Any) -> registry.Version:
    """Publish rows on a day."""
    values = {"base": len(registry.numbers(held)), "author": "ann", "reason": "test", "now": day(on), **more}
    return publish(held, batches(*rows), **values)
