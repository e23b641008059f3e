"""The ledger's public face, on each database: entering a plan, limits, stops, further attempts and a person's word."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from generation.ledger import claiming, transitions
from generation.ledger.claiming import Claim, Claimed
from generation.ledger.entries import Entry, Take
from generation.ledger.ledger import Ledger
from tests.generation.ledger import asks
from tests.generation.ledger.conftest import Clock
from tests.generation.ledger.paidserver import COST
from transforms.settings import ConfigError

LANE = "paid/m/draft"
TAKE = Take("takes/aa/a.mp4", "0" * 64, 10)


@pytest.fixture(autouse=True)
def lane(ledger: Ledger) -> None:
    ledger.lane("paid", "m", "draft", in_flight=50)


def claim(ledger: Ledger, most: int = 50, ticket: str = "t", **more: Any) -> Claimed:
    asked = {"campaign": "spring", "lane": LANE, "worker": "w", "seed_bits": 31, "lease": 30.0, "now": ledger.clock()}
    return ledger.write(functools.partial(claiming.claim, asked=Claim(**{**asked, **more}, most=most, ticket=ticket)))


def send(ledger: Ledger, ticket: str = "t", most: int = 50) -> list[Entry]:
    """Claim, and have it taken."""
    entries = list(claim(ledger, most, ticket).entries)
    for entry in entries:
        assert arrived(ledger, entry, f"job-{entry.key}")
    return entries


def arrived(ledger: Ledger, entry: Entry, job_id: str) -> bool:
    return ledger.write(lambda c: transitions.submitted(c, entry.key, job_id, ledger.clock()))


def finish(ledger: Ledger, entry: Entry, cost: int | None = None) -> None:
    assert ledger.write(lambda c: transitions.done(c, entry.key, cost, ledger.clock()))
    assert ledger.write(lambda c: transitions.stored(c, entry.key, TAKE, ledger.clock()))


def end(ledger: Ledger, entry: Entry, state: str = "failed", **how: Any) -> None:
    assert ledger.write(lambda c: transitions.ended(c, entry.key, state, ledger.clock(), **how))


def states(ledger: Ledger) -> list[str]:
    return [row.state for row in ledger.rows("spring")]


def test_a_plan_is_entered_once_however_often_it_comes(ledger: Ledger):
    rows = [asks.planned(n) for n in range(5)]
    assert [ledger.plan(rows), ledger.plan(rows), ledger.plan([*rows, *rows])] == [5, 0, 0]
    assert [row.request for row in ledger.rows("spring")] == [row.request for row in rows]
    assert states(ledger) == ["planned"] * 5


def test_what_is_no_longer_in_the_plan_is_held_back_until_it_is_again(ledger: Ledger):
    rows = [asks.planned(n) for n in range(3)]
    ledger.plan(rows, whole="spring")
    assert ledger.plan(rows[:2], whole="spring") == 0
    assert [row.held for row in ledger.rows("spring")] == ["", "", "no longer in the plan"]
    assert len(claim(ledger).entries) == 2
    ledger.plan(rows, whole="spring")
    assert len(claim(ledger, ticket="next").entries) == 1


def test_what_was_sent_stays_although_the_plan_drops_it(ledger: Ledger):
    ledger.plan([asks.planned(0)], whole="spring")
    send(ledger)
    ledger.plan([asks.planned(1)], whole="spring")
    assert states(ledger) == ["submitted", "planned"]


def test_blocked_rows_are_never_sent_and_a_new_plan_may_let_them_go(ledger: Ledger):
    ledger.plan([asks.planned(0, blocked="a name that is on the list")])
    assert not claim(ledger).entries
    assert [(row.state, row.message) for row in ledger.rows("spring")] == [("blocked", "a name that is on the list")]
    ledger.plan([asks.planned(0)])
    assert len(claim(ledger).entries) == 1


def test_lower_priority_numbers_go_first_and_equal_ones_in_the_order_of_the_plan(ledger: Ledger):
    ledger.plan([asks.planned(n, priority=n == 0) for n in range(4)])
    got = [claim(ledger, 1, f"t{n}").entries[0].cell for n in range(4)]
    assert got == ["product=1", "product=2", "product=3", "product=0"]


def test_a_claim_made_twice_gets_the_same_and_holds_the_money_once(ledger: Ledger):
    ledger.plan([asks.planned(n) for n in range(4)])
    assert [entry.key for entry in claim(ledger, 2).entries] == [entry.key for entry in claim(ledger, 2).entries]
    assert ledger.summary("spring").spending.reserved == 2 * COST


def test_an_attempt_has_its_seed_when_its_intent_is_written_down(ledger: Ledger):
    row = asks.planned(0)
    ledger.plan([row])
    assert claim(ledger).entries[0].seed == row.request.seed("salt", 0, 31)
    ledger.plan([asks.planned(1)])
    assert claim(ledger, ticket="u", seed_bits=0).entries[0].seed == 0


def test_no_more_than_a_lane_bears_are_in_flight_over_all_workers(ledger: Ledger):
    ledger.lane("paid", "m", "draft", in_flight=3)
    ledger.plan([asks.planned(n) for n in range(9)])
    first = send(ledger, most=2)
    assert len(claim(ledger, ticket="u", worker="other").entries) == 1
    assert not claim(ledger, ticket="v").entries
    finish(ledger, first[0])
    assert len(claim(ledger, ticket="x").entries) == 1


def test_no_more_than_a_lane_bears_are_sent_within_a_minute(ledger: Ledger, clock: Clock):
    ledger.lane("paid", "m", "draft", in_flight=50, per_minute=4)
    ledger.plan([asks.planned(n) for n in range(9)])
    assert len(claim(ledger, 3).entries) == 3
    clock.now += 20
    assert len(claim(ledger, ticket="u").entries) == 1
    clock.now += 10
    got = claim(ledger, ticket="v")
    assert not got.entries
    assert got.wait == pytest.approx(30)
    clock.now += 30.1
    assert len(claim(ledger, ticket="x").entries) == 3


def test_a_pause_holds_a_lane(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(0)])
    ledger.write(lambda c: transitions.pause(c, LANE, clock.now + 7))
    assert claim(ledger).wait == pytest.approx(7)
    clock.now += 7
    assert len(claim(ledger).entries) == 1


def test_a_stop_lets_nothing_new_go_and_is_told(ledger: Ledger):
    ledger.plan([asks.planned(0), asks.planned(1)])
    ledger.stop("spring", "the logo is the old one")
    assert not claim(ledger).entries
    assert ledger.summary("spring").stopped == "the logo is the old one"
    ledger.go("spring")
    assert len(claim(ledger).entries) == 2


def test_what_expires_is_not_sent_after_that(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(0, expires=clock.now + 5), asks.planned(1)])
    clock.now += 6
    assert [entry.cell for entry in claim(ledger).entries] == ["product=1"]
    assert states(ledger) == ["expired", "submitting"]


def test_who_needs_a_file_waits_for_it_and_gets_the_last_one(ledger: Ledger):
    first = asks.planned(0)
    ledger.plan([asks.after(first), first])
    assert ledger.summary("spring").waiting == 1
    (sent,) = send(ledger)
    assert sent.request == first.request
    finish(ledger, sent)
    got = claim(ledger, ticket="u")
    assert got.entries[0].made_from == {first.request.request_id: 0}
    assert got.inputs == {f"{first.request.request_id}-0": TAKE.path}


def test_what_is_over_a_budget_is_held_and_goes_when_there_is_room(ledger: Ledger):
    ledger.plan([asks.planned(n) for n in range(5)])
    ledger.budget("spring", 2 * COST)
    sent = send(ledger)
    assert len(sent) == 2
    summary = ledger.summary("spring")
    assert (summary.held, summary.spending.reserved) == (3, 2 * COST)
    assert all("over the budget of the campaign" in row.held for row in ledger.rows("spring", "planned"))
    end(ledger, sent[0])  # costs nothing: one more fits
    assert len(claim(ledger, ticket="u").entries) == 1
    ledger.budget("spring", 4 * COST)
    assert len(claim(ledger, ticket="v").entries) == 2


def test_a_cell_over_its_budget_does_not_hold_up_another(ledger: Ledger):
    ledger.plan([asks.planned(0, sample=n) for n in range(30)])
    ledger.plan([asks.planned(1, sample=n) for n in range(30)])
    ledger.budget("spring", 2 * COST, per="cell")
    cells = [entry.cell for entry in claim(ledger, 10).entries]
    assert cells == ["product=0"] * 2 + ["product=1"] * 2


def test_a_day_over_its_budget_goes_on_the_next_day(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(n) for n in range(3)])
    ledger.budget("spring", 2 * COST, per="day")
    assert len(claim(ledger).entries) == 2
    assert not claim(ledger, ticket="u").entries
    clock.now += 86_400
    assert len(claim(ledger, ticket="v").entries) == 1
    assert [one.reserved for one in ledger.spending("spring") if one.per == "day"] == [2 * COST, COST]


def test_what_an_engine_charged_is_settled_and_else_the_most_that_it_could(ledger: Ledger):
    ledger.plan([asks.planned(n) for n in range(4)])
    sent = send(ledger)
    finish(ledger, sent[0], cost=300)
    finish(ledger, sent[1], cost=None)
    end(ledger, sent[2])
    end(ledger, sent[3], cost=50)
    spending = ledger.summary("spring").spending
    assert (spending.settled, spending.reserved) == (300 + COST + 50, 0)
    assert [row.cost for row in ledger.rows("spring")] == [300, COST, 0, 50]


def test_another_attempt_has_another_seed_and_there_are_no_more_than_allowed(ledger: Ledger):
    ledger.plan([asks.planned(0, attempts=2)])
    (first,) = send(ledger)
    assert ledger.again(first.request_id, "why") == 0, "it is still under way"
    finish(ledger, first)
    assert ledger.again(first.request_id, "the picture is black") == 1
    (second,) = send(ledger, "u")
    assert (second.attempt, second.why) == (1, "the picture is black")
    assert second.seed != first.seed
    finish(ledger, second)
    assert ledger.again(first.request_id, "still black") is None


def test_like_failures_poison_a_prompt_and_another_attempt_lifts_it(ledger: Ledger):
    ledger.plan([asks.planned(0, sample=n) for n in range(5)])
    for entry in send(ledger, most=3):
        end(ledger, entry, "refused", code="moderation", permanent=True)
    assert states(ledger) == ["refused"] * 3 + ["poisoned"] * 2
    ledger.plan([asks.planned(0, sample=9)])
    assert states(ledger)[-1] == "poisoned"
    poisoned = next(ledger.rows("spring", "poisoned"))
    assert ledger.again(poisoned.request_id, "the filter was wrong") == 1
    assert len(claim(ledger, ticket="u").entries) == 1


def test_failures_of_different_kinds_or_beside_a_success_poison_nothing(ledger: Ledger):
    ledger.plan([asks.planned(0, sample=n) for n in range(5)])
    sent = send(ledger, most=4)
    for entry, code in zip(sent[:3], ("a", "a", "b"), strict=True):
        end(ledger, entry, "refused", code=code, permanent=True)
    finish(ledger, sent[3])
    assert states(ledger)[-1] == "planned"


def test_a_dead_workers_attempts_become_unknown_or_are_taken_over(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(n) for n in range(3)])
    sent = send(ledger, most=2)
    ledger.write(lambda c: transitions.done(c, sent[1].key, None, clock.now))
    claim(ledger, ticket="u")
    assert not ledger.write(lambda c: transitions.take_over(c, "spring", "next", clock.now, 30, 9))
    clock.now += 31
    taken = ledger.write(lambda c: transitions.take_over(c, "spring", "next", clock.now, 30, 9))
    assert [entry.key for entry in taken] == [entry.key for entry in sent]
    assert states(ledger) == ["submitted", "done", "unknown"]


def test_a_worker_that_wakes_up_still_writes_its_job_down(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(n) for n in range(3)])
    entries = claim(ledger).entries
    clock.now += 31
    ledger.write(lambda c: transitions.lapse(c, "spring", clock.now))
    ledger.write(lambda c: transitions.never_arrived(c, entries[1].key, "no job"))
    for entry in entries[:2]:
        assert arrived(ledger, entry, f"job-{entry.name}")
    assert states(ledger) == ["submitted", "submitted", "unknown"]
    assert ledger.summary("spring").spending.reserved == 3 * COST


def test_a_second_job_of_one_attempt_is_counted_and_told(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(0)])
    (entry,) = send(ledger)
    for _ in range(2):
        assert not ledger.write(lambda c: transitions.submitted(c, entry.key, "job-other", clock.now))
    summary = ledger.summary("spring")
    assert (summary.strays, summary.spending.settled, summary.spending.reserved) == (1, COST, COST)


def test_a_call_that_did_not_arrive_gives_its_money_back_but_not_when_it_was_a_second_one(ledger: Ledger, clock: Clock):
    ledger.plan([asks.planned(n) for n in range(2)])
    first, second = claim(ledger).entries
    ledger.write(lambda c: transitions.not_sent(c, first.key, "t", "no connection"))
    ledger.write(lambda c: transitions.unsure(c, second.key, "t", "no answer"))
    assert ledger.write(lambda c: transitions.resent(c, second.key, "w", "again", clock.now, 30))
    ledger.write(lambda c: transitions.not_sent(c, second.key, "again", "no connection"))
    assert states(ledger) == ["planned", "unknown"]
    assert ledger.summary("spring").spending.reserved == COST


@pytest.mark.parametrize(
    ("as_", "more", "state", "settled", "reserved"),
    [
        ("arrived", {"job_id": "job-9"}, "submitted", 0, COST),
        ("never", {}, "planned", 0, 0),
        ("lost", {}, "abandoned", COST, 0),
        ("lost", {"cost": 7}, "abandoned", 7, 0),
        ("void", {}, "abandoned", 0, 0),
    ],
)
def test_a_persons_word_settles_a_doubt(
    ledger: Ledger, as_: str, more: dict[str, Any], state: str, settled: int, reserved: int
):
    ledger.plan([asks.planned(0)])
    (entry,) = claim(ledger).entries
    ledger.write(lambda c: transitions.unsure(c, entry.key, "t", "no answer"))
    ledger.settle(*entry.key, as_=as_, **more)
    assert states(ledger) == [state]
    spending = ledger.summary("spring").spending
    assert (spending.settled, spending.reserved) == (settled, reserved)


def test_a_wrong_word_settles_nothing(ledger: Ledger):
    ledger.plan([asks.planned(0), asks.planned(1)])
    taken, entry = send(ledger, most=1)[0], claim(ledger, ticket="u").entries[0]
    ledger.write(lambda c: transitions.unsure(c, entry.key, "u", "no answer"))
    wrong: list[tuple[Any, Any, str]] = [
        (("0" * 32, 0), {"as_": "void"}, "no attempt 0"),
        (entry.key, {"as_": "gone"}, "give one of arrived"),
        (entry.key, {"as_": "arrived"}, "a job id with arrived"),
        (entry.key, {"as_": "arrived", "job_id": f"job-{taken.key}"}, "belongs to another attempt"),
        (taken.key, {"as_": "never"}, "not in doubt"),
    ]
    for key, how, says in wrong:
        with pytest.raises(ConfigError, match=says):
            ledger.settle(*key, **how)
    assert states(ledger) == ["submitted", "unknown"]
