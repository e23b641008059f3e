"""Entering a plan: requests become rows, once, however often the plan is entered."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from generation.ledger.budget import let_go
from generation.ledger.entries import Planned, lane_of, prompt_of
from generation.ledger.tables import attempts, needs, poison, requests

CHUNK: Final = 2000
"""Requests of one transaction."""

_NAMES: Final = 500  # of one IN (...): SQLite and PostgreSQL bear some 32,000


def enter(connection: sa.Connection, rows: Sequence[Planned], now: float) -> int:
    """Enter requests; those that are there stay, but for what the plan may change as long as they were not sent.

    That is: why it is blocked, its priority, how many attempts it may have, its worst cost and when it expires.

    Returns:
        How many are new.
    """
    rows = list({row.request.request_id: row for row in rows}.values())
    known = _known(connection, [row.request.request_id for row in rows])
    bad = _poisoned(connection, [prompt_of(row.request) for row in rows])
    campaigns = {row.request.campaign for row in rows}
    last = sa.select(sa.func.max(requests.c.position)).where(requests.c.campaign.in_(campaigns))
    after = connection.scalar(last) or 0
    new = [row for row in rows if row.request.request_id not in known]
    made: dict[str, list[dict[str, Any]]] = {"requests": [], "attempts": [], "needs": []}
    for position, row in enumerate(new, after + 1):
        for name, value in _rows(row, position, now, bad):
            made[name].append(value)
    for table in (requests, attempts, needs):
        if made[table.name]:
            connection.execute(sa.insert(table), made[table.name])
    waiting = {row.request.request_id for row in new if any(one.request for one in row.request.inputs)}
    for some in _chunks(sorted(waiting)):
        count_waits(connection, attempts.c.request_id.in_(some))
    for row in rows:
        if row.request.request_id in known:
            _renew(connection, row, known[row.request.request_id])
    return len(new)


def withdraw(connection: sa.Connection, campaign: str, keep: set[str]) -> int:
    """Hold back what was planned and is no longer in the plan, and let go of what is in it again.

    Args:
        connection: The transaction.
        campaign: The campaign.
        keep: Ids of all requests of its plan.

    Returns:
        How many are held back now.
    """
    let_go(connection, campaign, "plan")
    planned = sa.select(attempts.c.request_id).where(attempts.c.campaign == campaign, attempts.c.state == "planned")
    gone = sorted(set(connection.scalars(planned)) - keep)
    for some in _chunks(gone):
        connection.execute(
            sa.update(attempts)
            .where(attempts.c.request_id.in_(some), attempts.c.state == "planned")
            .values(held="no longer in the plan", held_by="plan")
        )
    return len(gone)


def count_waits(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    """Count again, of some attempts, how many requests they need that have no file yet."""
    stored = attempts.alias()
    there = sa.select(sa.literal(1)).where(stored.c.request_id == needs.c.needed, stored.c.state == "stored")
    missing = (
        sa.select(sa.func.count())
        .select_from(needs)
        .where(needs.c.request_id == attempts.c.request_id, ~there.exists())
        .scalar_subquery()
    )
    connection.execute(sa.update(attempts).where(which, attempts.c.state == "planned").values(waits=missing))


def _rows(row: Planned, position: int, now: float, bad: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    request = row.request
    yield (
        "requests",
        {
            "request_id": request.request_id,
            "campaign": request.campaign,
            "position": position,
            "salt": row.salt,
            "attempts": row.attempts,
            "body": json.dumps(request.to_json(), ensure_ascii=False, separators=(",", ":")),
        },
    )
    for needed in sorted({one.request for one in request.inputs if one.request}):
        yield "needs", {"request_id": request.request_id, "needed": needed}
    prompt = prompt_of(request)
    state, message = ("poisoned", bad[prompt]) if prompt in bad else ("planned", "")
    if row.blocked:
        state, message = "blocked", row.blocked
    yield (
        "attempts",
        {
            "request_id": request.request_id,
            "attempt": 0,
            "campaign": request.campaign,
            "cell": request.cell,
            "lane": lane_of(request),
            "prompt": prompt,
            "priority": row.priority,
            "position": position,
            "expires": row.expires,
            "worst_cost": row.worst_cost,
            "state": state,
            "message": message,
            "planned_at": now,
        },
    )


def _renew(connection: sa.Connection, row: Planned, known: Any) -> None:
    if known.attempts != row.attempts:
        change = sa.update(requests).where(requests.c.request_id == known.request_id)
        connection.execute(change.values(attempts=row.attempts))
    if known.state not in ("planned", "blocked"):
        return
    state = "blocked" if row.blocked else "planned"
    new = (state, row.blocked, row.priority, row.worst_cost, row.expires)
    if new == (known.state, known.message, known.priority, known.worst_cost, known.expires):
        return
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.request_id == known.request_id, attempts.c.attempt == known.attempt)
        .values(state=state, message=row.blocked, priority=row.priority, worst_cost=row.worst_cost, expires=row.expires)
    )


def _known(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Any]:
    """The latest attempt of each request that is there."""
    found: dict[str, Any] = {}
    joined = attempts.join(requests, requests.c.request_id == attempts.c.request_id)
    columns = [attempts.c[name] for name in ("request_id", "attempt", "state", "message", "priority", "worst_cost")]
    for some in _chunks(ids):
        asked = sa.select(*columns, attempts.c.expires, requests.c.attempts).select_from(joined)
        asked = asked.where(attempts.c.request_id.in_(some)).order_by(attempts.c.attempt)
        found.update((row.request_id, row) for row in connection.execute(asked))
    return found


def _poisoned(connection: sa.Connection, prompts: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for some in _chunks(sorted(set(prompts))):
        bad = sa.select(poison.c.prompt, poison.c.why).where(poison.c.prompt.in_(some))
        found.update((row.prompt, row.why) for row in connection.execute(bad))
    return found


def _chunks(values: Sequence[str]) -> Iterator[list[str]]:
    every = iter(values)
    while some := list(itertools.islice(every, _NAMES)):
        yield some
