"""Budgets, as a machine that does whatever a worker may do in whatever order."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from generation.ledger import claiming, transitions
from generation.ledger.claiming import Claim
from generation.ledger.entries import Take
from generation.ledger.ledger import open_ledger
from generation.ledger.tables import IN_FLIGHT
from tests.generation.ledger import asks
from tests.generation.ledger.conftest import Clock

CELLS = 3


class Budgets(RuleBasedStateMachine):
    """A ledger beside what a person would add up by hand."""

    sent = Bundle("sent")
    finished = Bundle("finished")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.ledger = open_ledger(Path(self.folder.name) / "ledger.sqlite", self.clock)
        self.ledger.lane("paid", "m", "draft", in_flight=100)
        self.number = 0
        self.caps: dict[str, int | None] = {"campaign": None, "cell": None, "day": None}

    def teardown(self) -> None:
        self.ledger.close()
        self.folder.cleanup()

    @initialize(caps=st.tuples(*[st.none() | st.integers(0, 60)] * 3))
    def some_caps(self, caps: tuple[int | None, ...]) -> None:
        for per, cap in zip(self.caps, caps, strict=True):
            self.set(per, cap)

    @rule(per=st.sampled_from(["campaign", "cell", "day"]), more=st.integers(0, 40))
    def raise_a_cap(self, per: str, more: int) -> None:
        if (cap := self.caps[per]) is not None:
            self.set(per, cap + more)

    @rule(costs=st.lists(st.integers(0, 25), min_size=1, max_size=4), cell=st.integers(0, CELLS - 1))
    def plan(self, costs: list[int], cell: int) -> None:
        for cost in costs:
            self.number += 1
            self.ledger.plan([asks.planned(cell, sample=self.number, worst_cost=cost, attempts=4)])

    @rule(target=sent, most=st.integers(1, 5))
    def send(self, most: int):
        self.number += 1
        asked = Claim(
            campaign="spring",
            lane="paid/m/draft",
            worker="w",
            ticket=str(self.number),
            most=most,
            seed_bits=0,
            now=self.clock.now,
            lease=1e9,
        )
        got = self.ledger.write(functools.partial(claiming.claim, asked=asked))
        for entry in got.entries:
            change = functools.partial(
                transitions.submitted, key=entry.key, job_id=f"j{entry.name}", now=self.clock.now
            )
            assert self.ledger.write(change)
        return multiple(*got.entries)

    @rule(target=finished, entry=consumes(sent), part=st.none() | st.floats(0, 1))
    def finish(self, entry, part: float | None):
        cost = None if part is None else int(entry.worst_cost * part)
        self.ledger.write(functools.partial(transitions.done, key=entry.key, cost=cost, now=self.clock.now))
        take = functools.partial(transitions.stored, key=entry.key, take=Take("p", "s", 1), now=self.clock.now)
        self.ledger.write(take)
        return dataclasses.replace(entry, cost=entry.worst_cost if cost is None else cost)

    @rule(entry=consumes(sent), cost=st.none() | st.integers(0, 3), again=st.booleans())
    def fail(self, entry, cost: int | None, again: bool) -> None:
        charged = None if cost is None else min(cost, entry.worst_cost)
        how = functools.partial(transitions.ended, key=entry.key, state="failed", now=self.clock.now, cost=charged)
        self.ledger.write(how)
        if again:
            self.ledger.again(entry.request_id, "it failed")

    @rule(entry=finished)
    def make_again(self, entry) -> None:
        self.ledger.again(entry.request_id, "its checks failed")

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.clock.now += 3600 * hours

    @invariant()
    def nothing_is_over_a_cap(self) -> None:
        for one in self.ledger.spending("spring"):
            assert one.reserved >= 0
            assert one.settled >= 0
            assert one.cap is None or one.reserved + one.settled <= one.cap

    @invariant()
    def what_is_kept_is_the_sum_of_the_rows(self) -> None:
        rows = list(self.ledger.rows("spring"))
        held = sum(row.worst_cost for row in rows if row.state in IN_FLIGHT)
        for per in self.caps:
            kept = [one for one in self.ledger.spending("spring") if one.per == per]
            assert sum(one.reserved for one in kept) == held
            assert sum(one.settled for one in kept) == sum(row.cost for row in rows)

    def set(self, per: str, cap: int | None) -> None:
        self.caps[per] = cap
        self.ledger.budget("spring", cap, per=per)


TestBudgets = Budgets.TestCase
TestBudgets.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
