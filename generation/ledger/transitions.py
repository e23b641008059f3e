"""From state to state: each change asks for the state that it starts from, so that of two who try, one does.

Every function takes the transaction and answers whether the change holds now: also where it was made before, so that a
change may be made again after a lost connection. Money moves in the same transaction.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa

from generation.ledger.budget import add, day_of, purses, settle
from generation.ledger.entering import count_waits
from generation.ledger.entries import Entry, Key, Take, read_entries
from generation.ledger.tables import OPEN, attempts, lanes, needs, poison, requests, strays

POISON_AFTER: Final = 3
"""Failures of one prompt, all alike and without a success, after which it is not sent any more."""

_NAMES: Final = 500  # of one IN (...)
_WAITING: Final = sa.select(needs.c.request_id).where(needs.c.needed == sa.bindparam("needed"))
_WORDS: Final = 2000  # characters that are kept of a message


def words(text: str) -> str:
    """A message as the databases take it: no NUL, and not endless."""
    return text.replace("\x00", " ")[:_WORDS]


def submitted(connection: sa.Connection, key: Key, job_id: str, now: float) -> bool:
    """Write down a job's id. It is never lost: also an attempt that was given up meanwhile takes it.

    Returns:
        False: the attempt has another job. This one is kept as a stray, and counted as spent.
    """
    row = _row(connection, key)
    if row.job_id == job_id and row.state not in ("planned", "submitting", "unknown"):
        return True
    if row.state in ("submitting", "unknown"):
        _set(connection, key, state="submitted", job_id=job_id, submitted_at=now, held="", held_by="")
        return True
    if row.state == "planned":  # it was taken for one that never arrived, and its money given back
        reserve_again(connection, row, now)
        _set(connection, key, state="submitted", job_id=job_id, submitted_at=now, held="", held_by="", waits=0)
        return True
    stray = {"job_id": job_id, "request_id": key[0], "attempt": key[1]}
    if not connection.execute(sa.select(strays).filter_by(**stray)).first():
        cost = 0 if row.state == "abandoned" and row.cost else row.worst_cost  # a person had it counted already
        connection.execute(sa.insert(strays).values(**stray, cost=cost, at=now))
        add(connection, purses(row.campaign, row.cell, day_of(now)), settled=cost)
    return False


def reserve_again(connection: sa.Connection, row: Any, now: float) -> None:
    """Hold the money of a job that turned out to exist, whatever the caps say: it will be charged."""
    add(connection, purses(row.campaign, row.cell, day_of(now)), reserved=row.worst_cost)
    _set(connection, (row.request_id, row.attempt), reserved=row.worst_cost, day=day_of(now))


def not_sent(connection: sa.Connection, key: Key, ticket: str, message: str) -> bool:
    """Nothing arrived: back to planned, with the money given back.

    Where it was sent before under the same key, that job may exist: then it is unknown again.
    """
    row = _row(connection, key)
    if row.ticket != ticket or row.state not in ("submitting", "unknown"):
        return bool(row.state == "planned")
    if row.sends > 1:
        return unsure(connection, key, ticket, message)
    return _back(connection, row, message)


def never_arrived(connection: sa.Connection, key: Key, message: str) -> bool:
    """An unknown one that certainly has no job: back to planned, with the money given back."""
    row = _row(connection, key)
    return _back(connection, row, message) if row.state == "unknown" else bool(row.state == "planned")


def unsure(connection: sa.Connection, key: Key, ticket: str, message: str) -> bool:
    """It was sent and nobody knows whether it arrived."""
    row = _row(connection, key)
    if row.state == "submitting" and row.ticket == ticket:
        _set(connection, key, state="unknown", message=words(message), lease=0.0)
        return True
    return bool(row.state == "unknown")


def in_doubt(connection: sa.Connection, key: Key, why: str) -> bool:
    """An unknown one that only a person can settle."""
    row = _row(connection, key)
    if row.state == "unknown" and not row.held_by:
        _set(connection, key, held=words(why), held_by="person")
    return bool(row.state == "unknown")


def adopted(connection: sa.Connection, key: Key, job_id: str, now: float) -> bool:
    """A job that was found belongs to an unknown attempt, unless it is another attempt's already.

    Returns:
        False: it is.
    """
    other = sa.select(sa.literal(1)).where(attempts.c.job_id == job_id)
    other = other.where(sa.tuple_(attempts.c.request_id, attempts.c.attempt) != sa.tuple_(*key))
    row = _row(connection, key)
    if connection.execute(other.where(attempts.c.lane == row.lane)).first():
        return False
    return submitted(connection, key, job_id, now) if row.state == "unknown" else bool(row.job_id == job_id)


def owned(connection: sa.Connection, lane: str, job_ids: Iterable[str], but: Key) -> set[str]:
    """Which of some jobs belong to other attempts."""
    asked = sa.select(attempts.c.job_id).where(attempts.c.lane == lane, attempts.c.job_id.in_(list(job_ids)))
    asked = asked.where(sa.tuple_(attempts.c.request_id, attempts.c.attempt) != sa.tuple_(*but))
    return set(connection.scalars(asked))


def resent(connection: sa.Connection, key: Key, worker: str, ticket: str, now: float, lease: float) -> bool:
    """The intent to send an attempt again under the same key, of an engine that makes it once however often it comes.

    It starts from unknown, or from a job that the engine has lost. The money is held as before.
    """
    row = _row(connection, key)
    if row.state == "submitting" and row.ticket == ticket:
        return True
    if row.state not in ("unknown", "submitted", "done"):
        return False
    if row.state == "done":
        settle(connection, row, -row.cost)
        reserve_again(connection, row, now)
    _set(
        connection,
        key,
        **{"state": "submitting", "worker": worker, "ticket": ticket, "lease": now + lease, "sent_at": now},
        **{"sends": row.sends + 1, "job_id": "", "stuck": False, "cost": 0, "held": "", "held_by": ""},
    )
    return True


def done(connection: sa.Connection, key: Key, cost: int | None, now: float) -> bool:
    """The engine is done. What it says it charged is settled; where it doesn't say, the most that it could."""
    row = _row(connection, key)
    if row.state == "submitted":
        charged = row.worst_cost if cost is None else cost
        settle(connection, row, charged)
        _set(connection, key, state="done", done_at=now, reserved=0, cost=charged, stuck=False)
        return True
    return bool(row.state in ("done", "stored"))


def stored(connection: sa.Connection, key: Key, take: Take, now: float) -> bool:
    """Its file is in place. Who waited for it need not any more."""
    row = _row(connection, key)
    if row.state != "done":
        return bool(row.state == "stored")
    values = {"path": take.path, "sha256": take.sha256, "bytes": take.size, "ended_at": now, "message": ""}
    _set(connection, key, state="stored", **values)
    if waiting := connection.scalars(_WAITING, {"needed": key[0]}).all():
        count_waits(connection, attempts.c.request_id.in_(waiting))
    return True


def ended(
    connection: sa.Connection,
    key: Key,
    state: str,
    now: float,
    *,
    code: str = "",
    message: str = "",
    cost: int | None = None,
    permanent: bool = False,
    poison_after: int = POISON_AFTER,
) -> bool:
    """It comes to nothing: `refused`, `failed`, `expired` or `abandoned`.

    Args:
        connection: The transaction.
        key: Which attempt.
        state: What it ends as.
        now: The time.
        code: The engine's code.
        message: Why, in words.
        cost: What it costs all the same; None: nothing where it was not done, what is settled where it was.
        permanent: The same request would fail in the same way: its prompt comes nearer to the poison list.
        poison_after: So many such failures, all alike, put it there.
    """
    row = _row(connection, key)
    if row.state not in ("submitting", "unknown", "submitted", "done"):
        return bool(row.state == state)
    charged = (row.cost if row.state == "done" else 0) if cost is None else cost
    settle(connection, row, charged - row.cost)
    values = {"reserved": 0, "cost": charged, "code": words(code), "message": words(message), "ended_at": now}
    _set(connection, key, state=state, stuck=False, held="", held_by="", **values)
    if permanent:
        _maybe_poison(connection, row.prompt, code, message, poison_after, now)
    return True


def again(connection: sa.Connection, request_id: str, why: str, now: float) -> int | None:
    """The next attempt of a request, planned, with another seed.

    Args:
        connection: The transaction.
        request_id: The request.
        why: Why there is another one.
        now: The time.

    Returns:
        Its number; of the one that is still under way, if there is one; None where it may have no more.
    """
    asked = sa.select(attempts).where(attempts.c.request_id == request_id)
    row = connection.execute(asked.order_by(attempts.c.attempt.desc()).limit(1)).one()
    if row.state in OPEN:
        return int(row.attempt)
    allowed = connection.scalar(sa.select(requests.c.attempts).where(requests.c.request_id == request_id))
    if row.attempt + 1 >= (allowed or 0) or row.state == "blocked":
        return None
    if row.state == "poisoned":
        connection.execute(sa.delete(poison).where(poison.c.prompt == row.prompt))
    same = ("request_id", "campaign", "cell", "lane", "prompt", "priority", "position", "expires", "worst_cost")
    values = {name: row._mapping[name] for name in same}
    values |= {"attempt": row.attempt + 1, "why": words(why), "state": "planned", "planned_at": now}
    connection.execute(sa.insert(attempts).values(**values))
    count_waits(connection, attempts.c.request_id == request_id)
    return int(row.attempt) + 1


def stuck(connection: sa.Connection, key: Key) -> None:
    """It runs for longer than its limit. That changes nothing but what is told."""
    if _row(connection, key).state == "submitted":
        _set(connection, key, stuck=True)


def pause(connection: sa.Connection, lane: str, until: float) -> None:
    """Send nothing through a lane before a time."""
    connection.execute(
        sa.update(lanes).where(lanes.c.lane == lane, lanes.c.paused_until < until).values(paused_until=until)
    )


def ensure_lane(connection: sa.Connection, lane: str, in_flight: int, per_minute: int) -> None:
    """Limits of a lane that nobody has set any for."""
    if not connection.execute(sa.select(lanes.c.lane).where(lanes.c.lane == lane)).first():
        set_lane(connection, lane, in_flight, per_minute)


def set_lane(connection: sa.Connection, lane: str, in_flight: int, per_minute: int) -> None:
    """Limits of a lane."""
    values = {"in_flight": in_flight, "per_minute": per_minute}
    if not connection.execute(sa.update(lanes).where(lanes.c.lane == lane).values(**values)).rowcount:
        connection.execute(sa.insert(lanes).values(lane=lane, **values))


def renew(connection: sa.Connection, worker: str, keys: Sequence[Key], until: float) -> None:
    """A sign of life: what a worker has stays its own until a time."""
    of = sa.tuple_(attempts.c.request_id, attempts.c.attempt)
    for start in range(0, len(keys), _NAMES):
        some = of.in_(keys[start : start + _NAMES])
        connection.execute(sa.update(attempts).where(some, attempts.c.worker == worker).values(lease=until))


def let_lapse(connection: sa.Connection, worker: str, keys: Sequence[Key]) -> None:
    """A worker that goes leaves what it has to whoever comes."""
    renew(connection, worker, keys, 0.0)


def lapse(connection: sa.Connection, campaign: str, now: float) -> None:
    """What a worker was about to send when it fell silent is unknown: it may have been sent."""
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.campaign == campaign, attempts.c.state == "submitting", attempts.c.lease < now)
        .values(state="unknown", message="its worker fell silent while it was being sent")
    )


def take_over(
    connection: sa.Connection, campaign: str, worker: str, now: float, lease: float, most: int
) -> list[Entry]:
    """Take what a worker left that gave no sign of life.

    What it was about to send becomes unknown; what was sent and what is done is followed up.

    Returns:
        Attempts that are submitted or done, and this worker's now; also those that it had before.
    """
    lapse(connection, campaign, now)
    lapsed = (attempts.c.campaign == campaign, attempts.c.lease < now)
    key = sa.tuple_(attempts.c.request_id, attempts.c.attempt)
    left = sa.select(attempts.c.request_id, attempts.c.attempt).where(*lapsed)
    left = left.where(attempts.c.state.in_(("submitted", "done"))).order_by(attempts.c.sent_at).limit(most)
    connection.execute(sa.update(attempts).where(key.in_(left)).values(worker=worker, lease=now + lease))
    mine = (attempts.c.worker == worker, attempts.c.lease > now, attempts.c.state.in_(("submitted", "done")))
    return read_entries(connection, attempts.c.campaign == campaign, *mine)


def _back(connection: sa.Connection, row: Any, message: str) -> bool:
    settle(connection, row, 0)
    values = {"reserved": 0, "sends": 0, "ticket": "", "held": "", "held_by": "", "lease": 0.0}
    _set(connection, (row.request_id, row.attempt), state="planned", message=words(message), **values)
    return True


def _maybe_poison(connection: sa.Connection, prompt: str, code: str, message: str, after: int, now: float) -> None:
    same = attempts.c.code == words(code) if code else attempts.c.message == words(message)
    alike = connection.scalar(
        sa.select(sa.func.count())
        .select_from(attempts)
        .where(attempts.c.prompt == prompt, attempts.c.state.in_(("refused", "failed")), same)
    )
    made = sa.select(sa.literal(1)).where(attempts.c.prompt == prompt, attempts.c.state == "stored")
    if (alike or 0) < after or connection.execute(made.limit(1)).first():
        return
    why = words(f"failed {alike} times in the same way: {code or message}")
    if not connection.execute(sa.select(poison).where(poison.c.prompt == prompt)).first():
        connection.execute(sa.insert(poison).values(prompt=prompt, why=why, at=now))
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.prompt == prompt, attempts.c.state == "planned")
        .values(state="poisoned", message=why, ended_at=now, held="", held_by="")
    )


# Putting a statement together takes longer than to run it, so the two that every change needs are kept.
_THIS: Final = sa.and_(attempts.c.request_id == sa.bindparam("of"), attempts.c.attempt == sa.bindparam("number"))
_READ: Final = sa.select(attempts).where(_THIS)


def _row(connection: sa.Connection, key: Key) -> Any:
    return connection.execute(_READ, {"of": key[0], "number": key[1]}).one()


def _set(connection: sa.Connection, key: Key, **values: Any) -> None:
    new = {f"new_{name}": value for name, value in values.items()}
    connection.execute(_change(tuple(values)), {"of": key[0], "number": key[1], **new})


@functools.cache
def _change(names: tuple[str, ...]) -> sa.Update:
    return sa.update(attempts).where(_THIS).values({name: sa.bindparam(f"new_{name}") for name in names})
