"""What becomes of a call that nobody knows the end of, by what its engine can tell."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import Any

import pytest

from generation.engines.engine import Blip
from generation.ledger import claiming, transitions
from generation.ledger.claiming import Claim
from generation.ledger.entries import Entry
from generation.ledger.ledger import Ledger
from generation.ledger.reconciling import GRACE, KEY_LIFE, Outcome, Reconciled, Verdict, ask, reconcile
from tests.generation.ledger import asks
from tests.generation.ledger.conftest import Clock
from tests.generation.ledger.paidserver import COST, PaidEngine
from transforms.settings import ConfigError


class Telling(PaidEngine):
    """An engine that tells what it is given to tell."""

    def __init__(self, found: list[str] | Blip | None, **offer: Any) -> None:
        super().__init__("http://127.0.0.1:9")
        self.found = found
        self.offer = dataclasses.replace(self.offer, **offer)

    async def find(self, request: object, key: str, since: float) -> list[str] | None:
        if isinstance(self.found, Blip):
            raise self.found
        return self.found


@pytest.fixture
def doubt(ledger: Ledger) -> Entry:
    """An attempt that was sent and got no answer, beside one that is job-1."""
    ledger.lane("paid", "m", "draft", in_flight=9)
    ledger.plan([asks.planned(0), asks.planned(1)])
    asked = Claim(
        campaign="spring",
        lane="paid/m/draft",
        worker="w",
        ticket="t",
        most=2,
        seed_bits=0,
        now=ledger.clock(),
        lease=30.0,
    )
    first, second = ledger.write(functools.partial(claiming.claim, asked=asked)).entries
    ledger.write(lambda c: transitions.submitted(c, first.key, "job-1", ledger.clock()))
    ledger.write(lambda c: transitions.unsure(c, second.key, "t", "no answer"))
    found = ledger.entry(*second.key)
    assert found is not None
    return found


def asked(ledger: Ledger, engine: PaidEngine, entry: Entry) -> tuple[Outcome, Entry]:
    outcome = asyncio.run(ask(ledger, engine, entry))
    now = ledger.entry(*entry.key)
    assert now is not None
    return outcome, now


def test_one_job_that_is_nobody_elses_is_taken(ledger: Ledger, doubt: Entry):
    outcome, now = asked(ledger, Telling(["job-1", "job-2"]), doubt)
    assert (outcome.kind, now.state, now.job_id, now.reserved) == ("settled", "submitted", "job-2", COST)


@pytest.mark.parametrize("found", [[], ["job-1"]])
def test_no_job_of_its_own_means_after_a_while_that_it_never_arrived(
    ledger: Ledger, clock: Clock, doubt: Entry, found: list[str]
):
    outcome, now = asked(ledger, Telling(found), doubt)
    assert (outcome.kind, now.state) == ("later", "unknown")
    clock.now += GRACE
    outcome, now = asked(ledger, Telling(found), doubt)
    assert (outcome.kind, now.state, now.reserved) == ("settled", "planned", 0)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (["job-2", "job-3"], "any of 2 jobs may be its: job-2, job-3"),
        (None, "the engine can't tell whether it arrived"),
    ],
)
def test_what_is_not_certain_waits_for_a_person(
    ledger: Ledger, clock: Clock, doubt: Entry, found: list[str] | None, why: str
):
    clock.now += 10 * GRACE
    outcome, now = asked(ledger, Telling(found, findable=False), doubt)
    assert (outcome.kind, now.state, now.held) == ("person", "unknown", why)
    assert ledger.summary("spring").in_doubt == 1


def test_jobs_that_are_all_others_prove_nothing_where_the_list_may_be_short(ledger: Ledger, clock: Clock, doubt: Entry):
    clock.now += 10 * GRACE
    outcome, _ = asked(ledger, Telling(["job-1"], findable=False), doubt)
    assert (outcome.kind, outcome.why) == ("person", "every job found is another's")


def test_an_engine_that_keeps_keys_is_sent_it_again_while_it_does(ledger: Ledger, clock: Clock, doubt: Entry):
    engine = Telling(None, findable=False, idempotent=True)
    assert asked(ledger, engine, doubt)[0].kind == "resend"
    clock.now += KEY_LIFE
    assert asked(ledger, engine, doubt)[0].kind == "person"


def test_no_answer_settles_nothing(ledger: Ledger, doubt: Entry):
    outcome, now = asked(ledger, Telling(Blip("no route")), doubt)
    assert (outcome.kind, now.state, now.held) == ("later", "unknown", "")


def test_a_job_in_a_dead_worker_is_gone_with_it(ledger: Ledger, doubt: Entry):
    outcome, now = asked(ledger, Telling(None, local=True), doubt)
    assert (outcome.kind, now.state) == ("settled", "planned")


def test_a_person_is_told_why_and_their_word_counts(ledger: Ledger, doubt: Entry):
    heard: list[str] = []

    def decide(entry: Entry, why: str) -> Verdict | None:
        heard.append(why)
        return Verdict("lost", cost=70) if len(heard) > 1 else None

    def run() -> Reconciled:
        engine = Telling(None, findable=False)
        return asyncio.run(reconcile(ledger, "spring", lambda *lane: engine, decide))

    assert [why for _, why in run().left] == ["the engine can't tell whether it arrived"]
    assert [entry.key for entry in run().settled] == [doubt.key]
    assert ledger.summary("spring").spending.settled == 70


def test_a_wrong_verdict_is_refused(ledger: Ledger, doubt: Entry):
    engine = Telling(None, findable=False)
    with pytest.raises(ConfigError, match="belongs to another"):
        asyncio.run(reconcile(ledger, "spring", lambda *lane: engine, lambda *_: Verdict("arrived", "job-1")))
