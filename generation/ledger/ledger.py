"""The ledger as the rest of the program sees it: enter a plan, set limits, stop and go, read what became of it.

`generation.execution.drive` does the work that is written down here; `generation.ledger.reconciling` settles what is in
doubt. Any number of processes may have the same ledger open.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from generation.ledger import budget, claiming, entering, transitions
from generation.ledger.database import Database
from generation.ledger.entries import Entry, Planned, Spending, Summary, read_entries
from generation.ledger.tables import IS_HELD, attempts, budgets, caps, lane_name, strays, switches
from transforms.settings import ConfigError

T = TypeVar("T")

SETTLED_AS: Final = {
    "arrived": "the engine has it, under a job id that is given: it is followed up",
    "never": "no job exists: it goes back to planned, and is sent again",
    "lost": "it is given up, and its cost counts as spent",
    "void": "it is given up, and nothing was charged",
}
"""What a person can say of an attempt in doubt."""

_PAGE: Final = 1000


class Ledger:
    """A ledger that is open. Every method that changes something returns when the change is durable.

    Args:
        database: Its database.
        clock: Tells the time, seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self.clock = clock

    def plan(self, rows: Iterable[Planned], whole: str = "") -> int:
        """Enter requests. What is there already is left alone, so a plan may be entered again.

        Args:
            rows: The requests; one that needs another one's output comes with it, in any order.
            whole: Name of a campaign whose whole plan this is: what was planned before and not sent, and is not in it,
                is held back. Empty: the rows are added to what is there.

        Returns:
            How many were new.
        """
        every, new = iter(rows), 0
        keep: set[str] = set()
        while some := list(itertools.islice(every, entering.CHUNK)):
            keep.update(row.request.request_id for row in some)
            new += self.write(functools.partial(entering.enter, rows=some, now=self.clock()))
        if whole:
            self.write(lambda connection: entering.withdraw(connection, whole, keep))
        return new

    def budget(self, campaign: str, cap: int | None, per: str = "campaign") -> None:
        """Set a cap.

        Args:
            campaign: The campaign.
            cap: Most that may be spent, micro-units; None: no limit.
            per: In all (`campaign`), by each `cell`, or on each `day` (UTC).
        """
        if per not in budget.PER:
            raise ValueError(f"per {per!r}: not one of {', '.join(budget.PER)}")
        self.write(lambda connection: budget.set_cap(connection, campaign, per, cap))

    def lane(self, engine: str, model: str, tier: str, in_flight: int, per_minute: int = 0) -> None:
        """Set the limits of an engine's model and tier, over all workers and campaigns.

        Args:
            engine: Name of the engine.
            model: The model.
            tier: The tier.
            in_flight: Most jobs at once, at least 1.
            per_minute: Most jobs sent within any 60 s; 0: no limit.
        """
        if in_flight < 1 or per_minute < 0:
            raise ConfigError(
                f"lane {lane_name(engine, model, tier)}: in_flight {in_flight} is below 1; give 1 or more"
            )
        name = lane_name(engine, model, tier)
        self.write(lambda connection: transitions.set_lane(connection, name, in_flight, per_minute))

    def stop(self, campaign: str, why: str) -> None:
        """Send nothing new of a campaign. What is under way is followed up: it is paid."""

        def change(connection: sa.Connection) -> None:
            connection.execute(sa.delete(switches).where(switches.c.campaign == campaign))
            connection.execute(sa.insert(switches).values(campaign=campaign, why=why or "stopped", at=self.clock()))

        self.write(change)

    def go(self, campaign: str) -> None:
        """Take a stop back."""
        self.write(lambda connection: connection.execute(sa.delete(switches).where(switches.c.campaign == campaign)))

    def again(self, request_id: str, why: str) -> int | None:
        """Plan another attempt of a request, with another seed: its checks failed, or a person wants it.

        Returns:
            The attempt's number; that of one still under way, if there is one; None: it may have no more.
        """
        return self.write(lambda connection: transitions.again(connection, request_id, why, self.clock()))

    def settle(self, request_id: str, attempt: int, *, as_: str, job_id: str = "", cost: int | None = None) -> None:
        """A person's word on an attempt in doubt (`unknown`), or on a job that will not end (`submitted`).

        Args:
            request_id: The request.
            attempt: The attempt.
            as_: One of `SETTLED_AS`.
            job_id: The engine's id of its job, for `arrived`.
            cost: What it cost, micro-units, for `lost`; None: the most that it could.

        Raises:
            ConfigError: There is no such attempt, it is not in doubt, or a word or id is wrong.
        """
        self.write(lambda connection: self._settle(connection, (request_id, attempt), as_, job_id, cost))

    def entry(self, request_id: str, attempt: int) -> Entry | None:
        """One attempt."""
        which = (attempts.c.request_id == request_id, attempts.c.attempt == attempt)
        with self._database.read() as connection:
            return next(iter(read_entries(connection, *which)), None)

    def rows(self, campaign: str, *states: str) -> Iterator[Entry]:
        """Every attempt of a campaign, in the order of the plan; only those in some states, if any are named."""
        which = [attempts.c.campaign == campaign]
        if states:
            which.append(attempts.c.state.in_(states))
        after: tuple[int, int] = (-1, -1)
        while True:
            later = sa.tuple_(attempts.c.position, attempts.c.attempt) > sa.tuple_(*after)
            with self._database.read() as connection:
                found = read_entries(connection, *which, later, most=_PAGE)
            if not found:
                return
            yield from found
            after = (found[-1].position, found[-1].attempt)

    def summary(self, campaign: str) -> Summary:
        """How a campaign stands."""
        with self._database.read() as connection:
            return _summary(connection, campaign)

    def spending(self, campaign: str) -> list[Spending]:
        """What was spent of the campaign, then by cell and by day, sorted by name."""
        with self._database.read() as connection:
            found = _spending(connection, campaign)
        return sorted(found, key=lambda one: (budget.PER.index(one.per), one.name))

    async def made(self, change: Callable[[sa.Connection], T]) -> T:
        """Make a change, and let others go on until it is durable. Who stops waiting for it does not unmake it."""
        return await asyncio.wrap_future(self._database.soon(change))

    def write(self, change: Callable[[sa.Connection], T]) -> T:
        """Make a change, and wait until it is durable."""
        return self._database.write(change)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _settle(self, connection: sa.Connection, key: tuple[str, int], as_: str, job_id: str, cost: int | None) -> None:
        found = read_entries(connection, attempts.c.request_id == key[0], attempts.c.attempt == key[1])
        if not found:
            raise ConfigError(f"{key[0]}: no attempt {key[1]} of it; `rushes generate reconcile` lists those in doubt")
        entry, now = found[0], self.clock()
        if as_ not in SETTLED_AS or (as_ == "arrived") != bool(job_id):
            raise ConfigError(f"settle as {as_!r}: give one of {', '.join(SETTLED_AS)}; a job id with arrived alone")
        if entry.state not in (("unknown", "submitted") if as_ in ("lost", "void") else ("unknown",)):
            raise ConfigError(f"{entry.name}: it is {entry.state} and not in doubt; nothing to settle")
        if as_ == "arrived":
            if not transitions.adopted(connection, key, job_id, now):
                raise ConfigError(f"{entry.name}: job {job_id} belongs to another attempt")
        elif as_ == "never":
            transitions.never_arrived(connection, key, "a person says that it never arrived")
        else:
            charged = 0 if as_ == "void" else entry.worst_cost if cost is None else cost
            transitions.ended(connection, key, "abandoned", now, message=SETTLED_AS[as_], cost=charged)


def open_ledger(place: str | Path, clock: Callable[[], float] = time.time) -> Ledger:
    """Open a ledger, or make a new one.

    Args:
        place: Path of a SQLite file (its folder is made), or `postgresql://user@host/name`.
        clock: Tells the time, seconds since 1970. Workers' clocks should agree within a few seconds.

    Raises:
        ConfigError: It can't be opened, its driver is missing, or it is of a newer version.
    """
    if "://" not in str(place):
        Path(place).parent.mkdir(parents=True, exist_ok=True)
    return Ledger(Database(str(place)), clock)


def _summary(connection: sa.Connection, campaign: str) -> Summary:
    def count(*which: sa.ColumnElement[bool]) -> int:
        asked = sa.select(sa.func.count()).select_from(attempts).where(attempts.c.campaign == campaign, *which)
        return connection.scalar(asked) or 0

    states = sa.select(attempts.c.state, sa.func.count()).where(attempts.c.campaign == campaign)
    found: list[Any] = list(connection.execute(states.group_by(attempts.c.state)))
    extra = sa.select(sa.func.count()).select_from(strays)
    extra = extra.join(
        attempts, sa.and_(attempts.c.request_id == strays.c.request_id, attempts.c.attempt == strays.c.attempt)
    )
    spent = [one for one in _spending(connection, campaign) if one.per == "campaign"]
    return Summary(
        states={state: number for state, number in sorted(found)},
        held=count(attempts.c.state == "planned", IS_HELD),
        waiting=count(attempts.c.state == "planned", attempts.c.waits > 0),
        stuck=count(attempts.c.state == "submitted", attempts.c.stuck),
        in_doubt=count(attempts.c.state == "unknown", attempts.c.held_by == "person"),
        strays=connection.scalar(extra.where(attempts.c.campaign == campaign)) or 0,
        spending=spent[0],
        stopped=claiming.why_stopped(connection, campaign),
    )


def _spending(connection: sa.Connection, campaign: str) -> list[Spending]:
    limits = {row.per: row.cap for row in connection.execute(sa.select(caps).where(caps.c.campaign == campaign))}
    found = [
        Spending(per=row.per, name=row.name, cap=limits.get(row.per), reserved=row.reserved, settled=row.settled)
        for row in connection.execute(sa.select(budgets).where(budgets.c.campaign == campaign))
    ]
    if not any(one.per == "campaign" for one in found):
        found.append(Spending(per="campaign", name="", cap=limits.get("campaign"), reserved=0, settled=0))
    return found
