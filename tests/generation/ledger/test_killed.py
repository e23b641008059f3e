"""Workers killed with -9 between every two states, and at random: nothing is paid twice, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from generation.ledger.entries import Planned
from generation.ledger.ledger import Ledger, open_ledger
from tests.generation.ledger import asks, killed, paidserver

WORDS = ("a flask",) * 5 + ("fail once", "refuse", "throttle", "vanish", "filter")


def plan() -> list[Planned]:
    rows = [asks.planned(number, words) for number, words in enumerate(WORDS)]
    return [*rows, asks.after(rows[0])]


@pytest.fixture(scope="module")
def server_there() -> Iterator[str]:
    with paidserver.running(0.05) as url:
        yield url


@pytest.fixture
def url(server_there: str) -> str:
    return paidserver.reset(server_there)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, server_there: str) -> list[tuple[object, ...]]:
    folder, url = tmp_path_factory.mktemp("undisturbed"), paidserver.reset(server_there)
    with open_ledger(folder / "ledger.sqlite") as ledger:
        ledger.plan(plan())
        killed.work(str(folder / "ledger.sqlite"), url, folder, "only")
        killed.check(ledger, url, folder)
        return killed.outcome(ledger)


@pytest.mark.slow
@pytest.mark.parametrize("point", killed.POINTS)
def test_killed_between_two_states_it_goes_on_as_if_nothing_had_been(
    point: str, place: str, tmp_path: Path, undisturbed: list[tuple[object, ...]], server_there: str
):
    url = paidserver.reset(server_there)
    with open_ledger(place) as ledger:
        ledger.plan(plan())
        times = 1 if "change" in point or "unsure" in point else 3
        first = killed.started(place, url, tmp_path, "first", point, times)
        first.join(30)
        assert first.exitcode == -9, "it came to its end without coming to that point"
        killed.work(place, url, tmp_path, "second")
        killed.check(ledger, url, tmp_path)
        assert killed.outcome(ledger) == undisturbed


@pytest.mark.slow
def test_thirty_kills_of_two_workers_lose_nothing_and_pay_nothing_twice(place: str, tmp_path: Path, url: str):
    rows = [asks.planned(number) for number in range(240)]
    with open_ledger(place) as ledger:
        ledger.plan(rows)
        ledger.lane("paid", "m", "draft", in_flight=8)
        kills = killed.killed_at_random(place, url, tmp_path, kills=30, seed=8)
        assert kills == 30
        killed.check(ledger, url, tmp_path)
        assert ledger.summary("spring").states == {"stored": len(rows)}


@pytest.mark.slow
def test_an_engine_that_keeps_keys_is_sent_the_same_again_and_charges_once(place: str, tmp_path: Path):
    with paidserver.running(idempotent=True) as url, open_ledger(place) as ledger:
        ledger.plan(plan())
        first = killed.started(place, url, tmp_path, "first", "submit answered", 3, findable=False, idempotent=True)
        first.join(30)
        killed.work(place, url, tmp_path, "second", findable=False, idempotent=True)
        said = paidserver.bill(url)
        assert max(said["took"].values()) == 2
        assert ledger.summary("spring").spending.settled == said["charged"]


@pytest.mark.slow
def test_an_engine_that_tells_nothing_leaves_the_doubt_to_a_person(place: str, tmp_path: Path, url: str):
    with open_ledger(place) as ledger:
        ledger.plan(plan()[:5])
        first = killed.started(place, url, tmp_path, "first", "submit answered", 3, findable=False)
        first.join(30)
        driven = killed.work(place, url, tmp_path, "second", findable=False)
        assert max(paidserver.bill(url)["took"].values()) == 1
        doubts = list(ledger.rows("spring", "unknown"))
        assert driven.summary.in_doubt == len(doubts) > 0
        assert any("a person has to settle" in line for line in driven.waiting)
        _settle(ledger, doubts, url)
        killed.work(place, url, tmp_path, "third", findable=False)
        killed.check(ledger, url, tmp_path)
        assert ledger.summary("spring").states == {"stored": 5}


def _settle(ledger: Ledger, doubts: list, url: str) -> None:
    """What a person would find in the engine's own console."""
    jobs = paidserver.jobs(url)
    for row in doubts:
        found = jobs.get(row.name)
        ledger.settle(*row.key, as_="arrived" if found else "never", job_id=found or "")
