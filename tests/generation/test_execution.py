"""Driving a campaign against an engine that charges, and that misbehaves as a prompt tells it to."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generation.execution import Driven, DriveSettings, drive
from generation.ledger.entries import Entry, Planned, Summary
from generation.ledger.ledger import Ledger, open_ledger
from generation.ledger.reconciling import Verdict, reconcile
from generation.request import Input
from tests.generation.ledger import asks, paidserver
from tests.generation.ledger.paidserver import COST, PaidEngine

SETTINGS = DriveSettings(lease=5, grace=0.3, wait_most=0.2, poll_least=0.02)


@pytest.fixture(scope="module")
def server_there() -> Iterator[str]:
    with paidserver.running(0.05) as url:
        yield url


@pytest.fixture
def url(server_there: str) -> str:
    return paidserver.reset(server_there)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "ledger.sqlite") as opened:
        yield opened


def driven(
    ledger: Ledger,
    url: str,
    folder: Path,
    rows: list[Planned],
    settings: DriveSettings = SETTINGS,
    told: Callable[[Summary], None] | None = None,
    **engine: Any,
) -> Driven:
    async def run() -> Driven:
        paid = PaidEngine(url, **engine)
        try:
            return await drive(ledger, "spring", lambda *lane: paid, "worker", settings, folder, told=told)
        finally:
            await paid.close()

    ledger.plan(rows)
    return asyncio.run(run())


def rows(ledger: Ledger) -> list[Entry]:
    return list(ledger.rows("spring"))


@pytest.mark.parametrize(
    ("words", "ends", "cost", "code"),
    [
        ("a flask", ["stored"], COST, ""),
        ("throttle", ["stored"], COST, ""),
        ("vanish", ["stored"], COST, ""),
        ("crash", ["stored"], COST, ""),
        ("strange", ["stored"], COST, ""),
        ("broken once", ["stored"], COST, ""),
        ("refuse", ["refused"], 0, "moderation"),
        ("invalid", ["failed"], 0, "size"),
        ("filter", ["refused"], 0, ""),
        ("fail once", ["failed", "stored"], COST, ""),
        ("fail", ["failed", "failed", "failed"], 0, ""),
        ("expire", ["expired"], 0, ""),
        ("gone", ["expired"], COST, "lost"),
        ("forget", ["expired"], COST, "lost"),
    ],
)
def test_every_kind_of_answer_leads_where_it_should(
    ledger: Ledger, url: str, tmp_path: Path, words: str, ends: list[str], cost: int, code: str
):
    driven(ledger, url, tmp_path, [asks.planned(0, words)])
    found = rows(ledger)
    assert [row.state for row in found] == ends
    assert (sum(row.cost for row in found), found[-1].code) == (cost, code)
    assert ledger.summary("spring").spending.reserved == 0
    assert max(paidserver.bill(url)["took"].values(), default=0) <= 1


def test_a_stored_file_is_whole_named_after_its_attempt_and_alone_in_its_folder(
    ledger: Ledger, url: str, tmp_path: Path
):
    driven(ledger, url, tmp_path, [asks.planned(0)])
    (row,) = rows(ledger)
    file = tmp_path / row.path
    assert row.path == f"takes/{row.request_id[:2]}/{row.request_id}-0.mp4"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == row.sha256
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert row.sent_at <= row.submitted_at <= row.done_at <= row.ended_at


def test_a_file_that_is_always_cut_short_fails_with_what_it_cost(ledger: Ledger, url: str, tmp_path: Path):
    driven(ledger, url, tmp_path, [asks.planned(0, "broken", attempts=1)])
    (row,) = rows(ledger)
    assert (row.state, row.code, row.cost) == ("failed", "bad_file", COST)
    assert not list((tmp_path / "takes").glob("**/*.*"))


def test_a_second_run_asks_for_nothing(ledger: Ledger, url: str, tmp_path: Path):
    plan = [asks.planned(0), asks.planned(1, "refuse")]
    driven(ledger, url, tmp_path, plan)
    again = driven(ledger, url, tmp_path, plan)
    assert (again.submits, again.polls, again.fetched) == (0, 0, 0)
    assert sum(paidserver.bill(url)["took"].values()) == 1


def test_a_request_gets_the_file_of_the_one_it_goes_on_from(ledger: Ledger, url: str, tmp_path: Path):
    first = asks.planned(0)
    driven(ledger, url, tmp_path, [asks.after(first), first])
    made, went_on = rows(ledger)[1], rows(ledger)[0]
    assert (made.state, went_on.state) == ("stored", "stored")
    assert went_on.made_from == {made.request_id: 0}
    assert went_on.sent_at >= made.ended_at
    assert str(tmp_path / made.path) in paidserver.inputs(url)[went_on.name]


def test_who_waits_for_what_failed_is_not_sent_and_is_told(ledger: Ledger, url: str, tmp_path: Path):
    first = asks.planned(0, "refuse")
    found = driven(ledger, url, tmp_path, [first, asks.after(first)])
    assert found.summary.states == {"planned": 1, "refused": 1}
    assert found.summary.waiting == 1


def test_an_input_that_is_not_the_planned_file_is_never_sent(ledger: Ledger, url: str, tmp_path: Path):
    picture = tmp_path / "flask.png"
    picture.write_bytes(b"a flask")
    right = Input(role="image", uri=str(picture), sha256=hashlib.sha256(b"a flask").hexdigest())
    wrong = Input(role="image", uri=str(picture), sha256="0" * 64)
    driven(ledger, url, tmp_path, [asks.planned(0, inputs=(right,)), asks.planned(1, inputs=(wrong,))])
    assert [row.state for row in rows(ledger)] == ["stored", "failed"]
    assert "plan again" in rows(ledger)[1].message
    assert sum(paidserver.bill(url)["took"].values()) == 1


def test_nothing_goes_over_the_budget_and_the_rest_is_told(ledger: Ledger, url: str, tmp_path: Path):
    ledger.budget("spring", 3 * COST)
    found = driven(ledger, url, tmp_path, [asks.planned(n) for n in range(6)])
    assert paidserver.bill(url)["charged"] == 3 * COST == found.summary.spending.settled
    assert found.summary.held == 3
    assert "3 held back" in found.waiting


def test_a_stopped_campaign_finishes_what_is_paid_and_sends_nothing(ledger: Ledger, url: str, tmp_path: Path):
    ledger.stop("spring", "a person said so")
    found = driven(ledger, url, tmp_path, [asks.planned(0)])
    assert (found.submits, found.waiting) == (0, ("stopped: a person said so",))


def test_requests_that_an_engine_calls_wrong_one_after_another_stop_the_campaign(
    ledger: Ledger, url: str, tmp_path: Path
):
    plan = [asks.planned(n, "invalid") for n in range(20)]
    found = driven(ledger, url, tmp_path, plan, dataclasses.replace(SETTINGS, invalid=3), in_flight=1)
    assert "called 3 requests in a row wrong" in found.summary.stopped
    assert found.summary.states["planned"] >= 16


def test_an_engine_that_does_not_answer_fails_nothing_and_is_told(ledger: Ledger, tmp_path: Path):
    settings = dataclasses.replace(SETTINGS, patience=0.5)
    found = driven(ledger, "http://127.0.0.1:9", tmp_path, [asks.planned(0)], settings)
    assert found.summary.states == {"planned": 1}
    assert found.summary.spending.reserved == 0
    assert "nothing more is sent to paid/m/draft: no connection" in found.waiting[0]


def test_a_job_that_never_ends_is_told_and_the_others_are_made(ledger: Ledger, url: str, tmp_path: Path):
    settings = dataclasses.replace(SETTINGS, job_limit=0.5)
    found = driven(ledger, url, tmp_path, [asks.planned(0, "stuck"), asks.planned(1)], settings)
    assert (found.summary.states, found.summary.stuck) == ({"stored": 1, "submitted": 1}, 1)
    assert "1 running for longer than the limit" in found.waiting
    (row,) = ledger.rows("spring", "submitted")
    ledger.settle(*row.key, as_="lost", cost=7)
    assert ledger.summary("spring").spending.settled == COST + 7


def test_a_job_that_the_engine_lost_is_sent_again_where_that_costs_nothing_more(
    ledger: Ledger, url: str, tmp_path: Path
):
    driven(ledger, url, tmp_path, [asks.planned(0, "forget")], idempotent=True)
    (row,) = rows(ledger)
    assert (row.state, row.sends, row.cost) == ("stored", 2, COST)


def test_a_local_engine_whose_job_ended_with_its_worker_makes_it_again(ledger: Ledger, url: str, tmp_path: Path):
    ledger.plan([asks.planned(0, "forget")])

    async def run() -> None:
        engine = PaidEngine(url)
        engine.offer = dataclasses.replace(engine.offer, local=True)
        await drive(ledger, "spring", lambda *lane: engine, "worker", SETTINGS, tmp_path)
        await engine.close()

    asyncio.run(run())
    assert [row.state for row in rows(ledger)] == ["stored"]


def test_progress_is_told_with_what_was_spent(ledger: Ledger, url: str, tmp_path: Path):
    told: list[Summary] = []
    driven(ledger, url, tmp_path, [asks.planned(n) for n in range(3)], told=told.append)
    assert told[-1].states == {"stored": 3}
    assert told[-1].spending.settled == 3 * COST


def test_two_workers_share_a_campaign_and_a_lane(ledger: Ledger, url: str, tmp_path: Path):
    ledger.plan([asks.planned(n) for n in range(30)])
    ledger.lane("paid", "m", "draft", in_flight=4)

    async def run() -> list[Driven]:
        engine = PaidEngine(url)
        every = [drive(ledger, "spring", lambda *lane: engine, f"w{n}", SETTINGS, tmp_path) for n in range(2)]
        found = await asyncio.gather(*every)
        await engine.close()
        return found

    found = asyncio.run(run())
    assert sum(one.submits for one in found) == 30
    assert paidserver.most_open(url) <= 4
    assert found[0].summary.states == {"stored": 30}


def test_a_person_is_asked_about_what_no_engine_settles(ledger: Ledger, url: str, tmp_path: Path):
    found = driven(ledger, url, tmp_path, [asks.planned(0, "vanish"), asks.planned(1)], findable=False)
    assert found.summary.in_doubt == 1
    asked = []

    def decide(entry: Entry, why: str) -> Verdict | None:
        asked.append(why)
        return Verdict("arrived", paidserver.jobs(url)[entry.name]) if len(asked) > 1 else None

    async def run() -> list[int]:
        engine = PaidEngine(url, findable=False)
        done = [await reconcile(ledger, "spring", lambda *lane: engine, decide) for _ in range(2)]
        await engine.close()
        return [len(one.settled) for one in done]

    assert asyncio.run(run()) == [0, 1]
    assert asked[0] == "the engine can't tell whether it arrived"
    driven(ledger, url, tmp_path, [], findable=False)
    assert [row.state for row in rows(ledger)] == ["stored", "stored"]
