"""Money: held before a call, settled with what it cost, given back where it cost nothing.

There are three caps: of a campaign, of each of its cells, and of each day (UTC). A call is made only if its worst cost
fits under all of them beside what is held and spent already. What does not fit is held back, and goes on when there is
room again: a refund, a higher cap, the next day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from generation.ledger.tables import IS_HELD, attempts, budgets, caps

PER: Final = ("campaign", "cell", "day")
"""What a cap can be for."""

# Kept, since putting a statement together takes longer than to run it.
_THESE: Final = sa.and_(
    budgets.c.campaign == sa.bindparam("whose"),
    budgets.c.per == sa.bindparam("which"),
    budgets.c.name == sa.bindparam("called"),
)
_READ: Final = sa.select(budgets).where(_THESE)
_ADD: Final = (
    sa.update(budgets)
    .where(_THESE)
    .values(
        reserved=budgets.c.reserved + sa.bindparam("more_reserved"),
        settled=budgets.c.settled + sa.bindparam("more_settled"),
    )
)
_AT_ONCE: Final = 50  # held attempts that a refund lets go of: those that still don't fit are held again


class Purse(NamedTuple):
    """What one cap is counted on: a campaign (`name` empty), a cell (its coordinates) or a day (`2026-11-23`)."""

    campaign: str
    per: str
    name: str


def day_of(now: float) -> str:
    """The date of a time, UTC."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def purses(campaign: str, cell: str, day: str) -> tuple[Purse, Purse, Purse]:
    """What a call is paid from."""
    return Purse(campaign, "campaign", ""), Purse(campaign, "cell", cell), Purse(campaign, "day", day)


def set_cap(connection: sa.Connection, campaign: str, per: str, cap: int | None) -> None:
    """Set a cap, or take it away with None, and let go of what it held back."""
    connection.execute(sa.delete(caps).where(caps.c.campaign == campaign, caps.c.per == per))
    if cap is not None:
        connection.execute(sa.insert(caps).values(campaign=campaign, per=per, cap=cap))
    let_go(connection, campaign, per)


def let_go(connection: sa.Connection, campaign: str, held_by: str, except_by: str = "") -> None:
    """Let everything that something holds back try again; `day` is every day."""
    those = attempts.c.held_by.between("day:", "day;") if held_by == "day" else attempts.c.held_by == held_by
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.campaign == campaign, IS_HELD, those)
        .where(attempts.c.held_by != except_by, attempts.c.state == "planned")
        .values(held="", held_by="")
    )


class Room:
    """What is left under the caps, for calls that are reserved within one transaction.

    Args:
        connection: The transaction.
        campaign: The campaign.
        day: Today.
    """

    def __init__(self, connection: sa.Connection, campaign: str, day: str) -> None:
        self._connection, self._campaign, self._day = connection, campaign, day
        self._caps = _caps(connection, campaign)
        self._used: dict[Purse, int] = {}
        self._held: dict[Purse, int] = {}

    def reserve(self, cell: str, cost: int) -> Purse | None:
        """Hold the money for a call.

        Returns:
            None: it is held. Else the purse that has too little; nothing is held.
        """
        every = purses(self._campaign, cell, self._day)
        for purse in every:
            if purse.per in self._caps and self._taken(purse) + cost > self._caps[purse.per]:
                return purse
        for purse in every:
            if purse.per in self._caps:
                self._used[purse] += cost
            self._held[purse] = self._held.get(purse, 0) + cost
        return None

    def hold_back(self, purse: Purse) -> None:
        """Hold back every planned attempt that does not fit into a purse."""
        cap, used = self._caps[purse.per], self._taken(purse)
        held_by = f"day:{purse.name}" if purse.per == "day" else purse.per
        whose = {"campaign": "the campaign", "cell": "the cell", "day": purse.name}[purse.per]
        change = (
            sa.update(attempts)
            .where(attempts.c.campaign == self._campaign, attempts.c.state == "planned", attempts.c.held_by == "")
            .where(attempts.c.worst_cost > cap - used)
            .values(held=f"over the budget of {whose}: {used} of {cap} are held or spent", held_by=held_by)
        )
        if purse.per == "cell":
            change = change.where(attempts.c.cell == purse.name)
        self._connection.execute(change)

    def save(self) -> None:
        """Write what was held."""
        for purse, amount in self._held.items():
            add(self._connection, [purse], reserved=amount)
        self._held.clear()

    def _taken(self, purse: Purse) -> int:
        if purse not in self._used:
            self._used[purse] = _used(self._connection, purse)
        return self._used[purse]


def add(connection: sa.Connection, every: Sequence[Purse], *, reserved: int = 0, settled: int = 0) -> None:
    """Add to what is held and spent of purses; what is negative is taken away."""
    for purse in every:
        more = {**_named(purse), "more_reserved": reserved, "more_settled": settled}
        if not connection.execute(_ADD, more).rowcount:
            connection.execute(sa.insert(budgets).values(**purse._asdict(), reserved=reserved, settled=settled))


def settle(connection: sa.Connection, row: Any, cost: int) -> None:
    """Give back what was held for an attempt, and take what it cost; let go of what now fits.

    Args:
        connection: The transaction.
        row: The attempt, before the change.
        cost: What it cost, in micro-units.
    """
    every = purses(row.campaign, row.cell, row.day)
    if row.reserved or cost:
        add(connection, every, reserved=-row.reserved, settled=cost)
    if cost < row.reserved:
        _fill(connection, row.campaign, every)


def _fill(connection: sa.Connection, campaign: str, every: Sequence[Purse]) -> None:
    key = sa.tuple_(attempts.c.request_id, attempts.c.attempt)
    found: Mapping[str, int] | None = None
    for purse in every:
        held = (
            attempts.c.campaign == campaign,
            attempts.c.held_by == (f"day:{purse.name}" if purse.per == "day" else purse.per),
            IS_HELD,
            attempts.c.cell == purse.name if purse.per == "cell" else sa.true(),
        )
        if connection.execute(sa.select(sa.literal(1)).where(*held).limit(1)).first() is None:
            continue
        found = _caps(connection, campaign) if found is None else found
        if (cap := found.get(purse.per)) is None:
            continue
        room = cap - _used(connection, purse)
        some = sa.select(attempts.c.request_id, attempts.c.attempt).where(*held, attempts.c.worst_cost <= room)
        some = some.order_by(attempts.c.priority, attempts.c.position).limit(_AT_ONCE)
        connection.execute(sa.update(attempts).where(key.in_(some)).values(held="", held_by=""))


def _caps(connection: sa.Connection, campaign: str) -> dict[str, int]:
    return {row.per: row.cap for row in connection.execute(sa.select(caps).where(caps.c.campaign == campaign))}


def _used(connection: sa.Connection, purse: Purse) -> int:
    found = connection.execute(_READ, _named(purse)).first()
    return found.reserved + found.settled if found else 0


def _named(purse: Purse) -> dict[str, str]:
    return {"whose": purse.campaign, "which": purse.per, "called": purse.name}
