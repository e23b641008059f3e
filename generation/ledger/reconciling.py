"""Reconciling: what became of a call whose worker died, or that got no answer.

The engine is asked. One job that is nobody else's is this attempt's. None, where the engine lists all of its jobs and
the call is old enough to have arrived: it never did, and is sent again. An engine that makes a job once, however often
it comes under one key, is sent it again while it remembers the key. Everything else waits for a person: a second call
could be a second bill.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from generation.engines.engine import Blip, Engine
from generation.ledger import transitions
from generation.ledger.entries import Entry
from generation.ledger.ledger import Ledger

GRACE: Final = 60.0
"""Seconds after which a call that was sent has arrived, or never will."""
KEY_LIFE: Final = 86_400.0
"""Seconds for which an engine remembers an idempotency key; a day is what Stripe's API promises, and others follow."""

EngineOf = Callable[[str, str, str], Engine]
"""Gives the engine of a name, model and tier."""


class Verdict(NamedTuple):
    """A person's word, see `Ledger.settle`.

    Attributes:
        as_: One of `SETTLED_AS`.
        job_id: The engine's id of its job, for `arrived`.
        cost: What it cost, micro-units, for `lost`; None: the most that it could.
    """

    as_: str
    job_id: str = ""
    cost: int | None = None


class Outcome(NamedTuple):
    """What came of asking.

    Attributes:
        kind: `settled`; `later`: ask again; `resend`: it may be sent again under the same key; `person`.
        why: In words.
    """

    kind: str
    why: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconciled:
    """What `reconcile` did.

    Attributes:
        settled: Attempts that are in doubt no more.
        left: Those that still are, and why.
    """

    settled: Sequence[Entry]
    left: Sequence[tuple[Entry, str]]


async def reconcile(
    ledger: Ledger,
    campaign: str,
    engine_of: EngineOf,
    decide: Callable[[Entry, str], Verdict | None] | None = None,
    grace: float = GRACE,
) -> Reconciled:
    """Settle what is in doubt: with the engines, then with a person.

    Args:
        ledger: The ledger.
        campaign: The campaign.
        engine_of: Gives the engine of a name, model and tier.
        decide: Asked of each that no engine settles, with the reason; None from it leaves the attempt as it is.
        grace: Seconds after which a call has arrived or never will.
    """
    await ledger.made(lambda connection: transitions.lapse(connection, campaign, ledger.clock()))
    settled, left = [], []
    for entry in list(ledger.rows(campaign, "unknown")):
        request = entry.request
        outcome = await ask(ledger, engine_of(request.engine, request.model, request.tier), entry, grace)
        if outcome.kind == "settled":
            settled.append(entry)
        elif verdict := decide(entry, outcome.why) if decide else None:
            ledger.settle(*entry.key, as_=verdict.as_, job_id=verdict.job_id, cost=verdict.cost)
            settled.append(entry)
        else:
            left.append((entry, outcome.why))
    return Reconciled(settled=settled, left=left)


async def ask(ledger: Ledger, engine: Engine, entry: Entry, grace: float = GRACE) -> Outcome:
    """Ask an engine what became of an unknown attempt, and write down what is certain.

    Args:
        ledger: The ledger.
        engine: The engine that it was sent to.
        entry: The attempt.
        grace: Seconds after which a call has arrived or never will.
    """
    offer, now = engine.offer, ledger.clock()
    age = now - max(entry.sent_at, entry.lease)
    if offer.local:
        return await _returned(ledger, entry, "its job ended with its worker")
    try:
        found = await engine.find(entry.request, entry.name, entry.sent_at if entry.sends == 1 else entry.planned_at)
    except Blip as error:
        return Outcome("later", f"the engine does not answer: {error}")
    if found is None:
        why = "the engine can't tell whether it arrived"
    else:
        others = await ledger.made(lambda connection: transitions.owned(connection, entry.lane, found, entry.key))
        mine = [job_id for job_id in found if job_id not in others]
        if len(mine) == 1:
            took = await ledger.made(lambda connection: transitions.adopted(connection, entry.key, mine[0], now))
            return Outcome("settled", f"it is job {mine[0]}") if took else Outcome("later", "somebody else took it")
        if not mine and (offer.findable or not found):
            if age < grace:
                return Outcome("later", f"sent {age:.0f} s ago: it may still arrive")
            return await _returned(ledger, entry, "the engine has no job of it")
        why = f"any of {len(mine)} jobs may be its: {', '.join(mine[:5])}" if mine else "every job found is another's"
    if offer.idempotent and now - (entry.sent_at if entry.sends == 1 else entry.planned_at) < KEY_LIFE:
        return Outcome("resend", f"{why}; it is sent again under the same key")
    await ledger.made(lambda connection: transitions.in_doubt(connection, entry.key, why))
    return Outcome("person", why)


async def _returned(ledger: Ledger, entry: Entry, why: str) -> Outcome:
    await ledger.made(lambda connection: transitions.never_arrived(connection, entry.key, why))
    return Outcome("settled", why)
