"""Claiming: the intent to send, written down with everything that has to hold at that moment.

One transaction sees that the campaign is not stopped, that the lane is neither paused nor full, that there is still
time and that the money is there; it holds the money and gives the attempt to a worker. Only then is anything sent.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from generation.ledger.budget import Room, day_of, let_go
from generation.ledger.entries import Entry, Key, read_entries
from generation.ledger.tables import IN_FLIGHT, IS_CLAIMED, attempts, lanes, needs, requests, switches
from generation.request import Request

_MINUTE: Final = 60.0
_ROUNDS: Final = 20  # times that a claim looks again after budgets held back what it had found

# Kept, since putting a statement together takes longer than to run it.
_STOPPED: Final = sa.select(switches.c.why).where(switches.c.campaign == sa.bindparam("whose"))
_LANE: Final = sa.select(lanes).where(lanes.c.lane == sa.bindparam("through"))
_FLYING: Final = (
    sa.select(sa.func.count())
    .select_from(attempts)
    .where(attempts.c.lane == sa.bindparam("through"), attempts.c.state.in_(IN_FLIGHT), attempts.c.held_by == "")
)
_READY: Final = (
    sa.select(
        *(attempts.c[name] for name in ("request_id", "attempt", "cell", "worst_cost", "expires")),
        requests.c.salt,
        requests.c.body,
    )
    .join(requests, requests.c.request_id == attempts.c.request_id)
    .where(attempts.c.campaign == sa.bindparam("whose"), attempts.c.lane == sa.bindparam("through"))
    .where(attempts.c.state == "planned", attempts.c.held_by == "", attempts.c.waits == 0)
    .order_by(attempts.c.priority, attempts.c.position)
    .limit(sa.bindparam("most"))
)
_INTEND: Final = (
    sa.update(attempts)
    .where(attempts.c.request_id == sa.bindparam("of"), attempts.c.attempt == sa.bindparam("number"))
    .values(
        state="submitting",
        worker=sa.bindparam("by"),
        lease=sa.bindparam("until"),
        ticket=sa.bindparam("claim"),
        sends=attempts.c.sends + 1,
        sent_at=sa.bindparam("at"),
        day=sa.bindparam("today"),
        reserved=attempts.c.worst_cost,
        seed=sa.bindparam("new_seed"),
        made_from=sa.bindparam("sources"),
    )
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What a worker asks for.

    Attributes:
        campaign: The campaign.
        lane: The lane.
        worker: Who asks.
        ticket: Name of this claim: it gets the same attempts if it is made twice.
        most: Most attempts.
        seed_bits: Bits of a seed that the engine takes; 0: none.
        now: The time.
        lease: Seconds that they are the worker's without a word from it.
    """

    campaign: str
    lane: str
    worker: str
    ticket: str
    most: int
    seed_bits: int
    now: float
    lease: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claimed:
    """What it got.

    Attributes:
        entries: Attempts that are now to be sent.
        inputs: Paths, relative to the run's folder, of the files they are made from, by the attempts' names.
        wait: Seconds after which to ask again; None: only when something changed.
    """

    entries: Sequence[Entry] = ()
    inputs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    wait: float | None = None


def claim(connection: sa.Connection, asked: Claim) -> Claimed:
    """Write down the intent to send some attempts, and take them."""
    if had := _claimed(connection, asked.ticket):
        return had
    if why_stopped(connection, asked.campaign):
        return Claimed()
    lane = connection.execute(_LANE, {"through": asked.lane}).one()
    if lane.paused_until > asked.now:
        return Claimed(wait=lane.paused_until - asked.now)
    free = min(asked.most, lane.in_flight - flying(connection, asked.lane))
    wait = None
    if lane.per_minute:
        sent, oldest = _sent(connection, asked)
        free = min(free, lane.per_minute - sent)
        wait = oldest + _MINUTE - asked.now if sent >= lane.per_minute else None
    if free <= 0:
        return Claimed(wait=wait)
    whole = _take(connection, asked, free)
    taken = _claimed(connection, asked.ticket) or Claimed()
    return taken if whole else dataclasses.replace(taken, wait=0.0)


def _claimed(connection: sa.Connection, ticket: str) -> Claimed | None:
    entries = read_entries(connection, attempts.c.ticket == ticket, IS_CLAIMED)
    return Claimed(entries=entries, inputs=inputs_of(connection, entries)) if entries else None


def flying(connection: sa.Connection, lane: str) -> int:
    """How many jobs of a lane may be running. One that waits for a person is not counted: it would block the lane."""
    return connection.scalar(_FLYING, {"through": lane}) or 0


def why_stopped(connection: sa.Connection, campaign: str) -> str:
    """Why nothing new of a campaign is sent; empty: it is."""
    return connection.scalar(_STOPPED, {"whose": campaign}) or ""


class Moving(NamedTuple):
    """What of a campaign may still move.

    Attributes:
        under_way: Attempts that are being sent, made or fetched, but for stuck ones.
        in_doubt: Unknown ones that do not wait for a person.
        ready: Lanes with planned ones that nothing holds back.
        stopped: Nothing new is sent.
    """

    under_way: tuple[Key, ...]
    in_doubt: tuple[Key, ...]
    ready: tuple[str, ...]
    stopped: bool


def moving(connection: sa.Connection, campaign: str) -> Moving:
    """What of a campaign may still move."""
    key = (attempts.c.request_id, attempts.c.attempt)
    its = sa.select(*key, attempts.c.state, attempts.c.stuck).where(attempts.c.campaign == campaign)
    open_ = its.where(attempts.c.state.in_((*IN_FLIGHT, "done")), attempts.c.held_by == "", ~attempts.c.stuck)
    found = connection.execute(open_).all()
    ready = sa.select(attempts.c.lane).where(attempts.c.campaign == campaign, attempts.c.state == "planned")
    ready = ready.where(attempts.c.held_by == "", attempts.c.waits == 0).distinct()
    return Moving(
        under_way=tuple((row.request_id, row.attempt) for row in found if row.state != "unknown"),
        in_doubt=tuple((row.request_id, row.attempt) for row in found if row.state == "unknown"),
        ready=tuple(connection.scalars(ready)),
        stopped=bool(why_stopped(connection, campaign)),
    )


def any_of(connection: sa.Connection, lane: str) -> Entry:
    """Some attempt of a lane."""
    some = sa.select(attempts.c.request_id).where(attempts.c.lane == lane).limit(1)
    return read_entries(connection, attempts.c.request_id.in_(some), most=1)[0]


def _take(connection: sa.Connection, asked: Claim, free: int) -> bool:
    """Give attempts to the worker. False: there may be more, ask again."""
    day = day_of(asked.now)
    let_go(connection, asked.campaign, "day", except_by=f"day:{day}")
    room = Room(connection, asked.campaign, day)
    for _ in range(_ROUNDS):
        found = _ready(connection, asked, free)
        paid, short = [], None
        for row in found:
            if row.expires is not None and row.expires <= asked.now:
                _out_of_time(connection, row, asked.now)
            elif short := room.reserve(row.cell, row.worst_cost):
                break
            else:
                paid.append(row)
        _intend(connection, asked, paid, day)
        free -= len(paid)
        if short:
            room.hold_back(short)
        if not free or (len(paid) == len(found)):
            break
    room.save()
    return not found or not free or len(paid) == len(found)


def _ready(connection: sa.Connection, asked: Claim, most: int) -> Sequence[Any]:
    return connection.execute(_READY, {"whose": asked.campaign, "through": asked.lane, "most": most}).all()


def _intend(connection: sa.Connection, asked: Claim, rows: Sequence[Any], day: str) -> None:
    if not rows:
        return
    sources = _sources(connection, [row.request_id for row in rows])
    same = {"by": asked.worker, "until": asked.now + asked.lease, "claim": asked.ticket, "at": asked.now, "today": day}
    connection.execute(
        _INTEND,
        [
            {
                **same,
                "of": row.request_id,
                "number": row.attempt,
                "new_seed": _seed(row, asked.seed_bits),
                "sources": json.dumps(sources.get(row.request_id, {})),
            }
            for row in rows
        ],
    )


def _seed(row: Any, bits: int) -> int:
    return Request.from_json(json.loads(row.body)).seed(row.salt, row.attempt, bits) if bits else 0


def _sources(connection: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """The last stored attempt of each request that some others need."""
    found: dict[str, dict[str, int]] = {}
    last = sa.select(needs.c.request_id, needs.c.needed, sa.func.max(attempts.c.attempt))
    last = last.join(attempts, attempts.c.request_id == needs.c.needed)
    last = last.where(needs.c.request_id.in_(ids), attempts.c.state == "stored")
    for one, needed, attempt in connection.execute(last.group_by(needs.c.request_id, needs.c.needed)):
        found.setdefault(one, {})[needed] = attempt
    return found


def _out_of_time(connection: sa.Connection, row: Any, now: float) -> None:
    change = sa.update(attempts).where(attempts.c.request_id == row.request_id, attempts.c.attempt == row.attempt)
    connection.execute(change.values(state="expired", message="not sent in time", ended_at=now))


def _sent(connection: sa.Connection, asked: Claim) -> tuple[int, float]:
    """How many of a lane were sent in the last minute, and when the first of them was."""
    count, oldest = connection.execute(
        sa.select(sa.func.count(), sa.func.min(attempts.c.sent_at)).where(
            attempts.c.lane == asked.lane, attempts.c.sent_at > asked.now - _MINUTE
        )
    ).one()
    return count, oldest or asked.now


def inputs_of(connection: sa.Connection, entries: Sequence[Entry]) -> dict[str, str]:
    """Paths of the files that entries are made from, relative to the run's folder, by the attempts' names."""
    keys = {(one, attempt) for entry in entries for one, attempt in entry.made_from.items()}
    if not keys:
        return {}
    asked = sa.select(attempts.c.request_id, attempts.c.attempt, attempts.c.path)
    asked = asked.where(sa.tuple_(attempts.c.request_id, attempts.c.attempt).in_(sorted(keys)))
    return {f"{row.request_id}-{row.attempt}": row.path for row in connection.execute(asked)}
