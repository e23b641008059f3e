"""Workers that are killed with -9: at a chosen point between two states, or at random.

Each worker is a process of its own, forked from one that has everything loaded: a thousand of them take minutes.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from generation.engines.engine import Job
from generation.execution import Driven, DriveSettings, drive
from generation.ledger.database import Database
from generation.ledger.ledger import Ledger
from generation.request import Request
from tests.generation.ledger.paidserver import PaidEngine, bill

SETTINGS: Final = DriveSettings(lease=0.6, grace=0.3, wait_most=0.3, poll_least=0.02, in_flight=20)
"""Short times, so that what a dead worker left is taken over soon."""

POINTS: Final = (
    "before claim",
    "submit",
    "submit answered",
    "before submitted",
    "after submitted",
    "poll answered",
    "before done",
    "after done",
    "fetch begun",
    "fetch ended",
    "before stored",
    "after stored",
    "before Steps._end.<locals>.change",
    "after Steps._end.<locals>.change",
    "after Steps._not_sent.<locals>.change",
    "before unsure",
    "after unsure",
)
"""Where a worker can be killed: at calls of the engine, and before and after changes of the ledger are durable."""


class _Bomb:
    """Kills this process the n-th time that it comes to a point."""

    def __init__(self, point: str, times: int) -> None:
        self._point, self._times = point, times

    def at(self, point: str) -> None:
        if point == self._point:
            self._times -= 1
            if not self._times:
                os.kill(os.getpid(), signal.SIGKILL)


class _Engine(PaidEngine):
    bomb: _Bomb

    async def submit(self, request: Request, key: str, seed: int, inputs: Mapping[int, Path]) -> Job:
        self.bomb.at("submit")
        job = await super().submit(request, key, seed, inputs)
        self.bomb.at("submit answered")
        return job

    async def poll(self, job_id: str) -> Job:
        job = await super().poll(job_id)
        if job.state == "done":
            self.bomb.at("poll answered")
        return job

    async def fetch(self, job_id: str, to: Path) -> None:
        to.write_bytes(b"begun")
        self.bomb.at("fetch begun")
        await super().fetch(job_id, to)
        self.bomb.at("fetch ended")


class _Ledger(Ledger):
    bomb: _Bomb

    async def made(self, change: Callable[[sa.Connection], Any]) -> Any:
        name = getattr(change, "func", change).__qualname__
        self.bomb.at(f"before {name}")
        made = await super().made(change)
        self.bomb.at(f"after {name}")
        return made


def work(place: str, url: str, folder: Path, worker: str, point: str = "", times: int = 1, **engine: Any) -> Driven:
    """Drive a campaign to its end, or to a point where this process is killed.

    Args:
        place: The ledger.
        url: Address of the engine's server.
        folder: The run's folder.
        worker: The worker's name.
        point: One of `POINTS`, or empty.
        times: Which time it comes there.
        engine: What the engine says of itself, see `PaidEngine`.
    """

    async def run() -> Driven:
        paid, ledger = _Engine(url, **engine), _Ledger(Database(place))
        paid.bomb = ledger.bomb = _Bomb(point, times)
        try:
            return await drive(ledger, "spring", lambda *lane: paid, worker, SETTINGS, folder)
        finally:
            await paid.close()
            ledger.close()

    return asyncio.run(run())


def started(*args: Any, **engine: Any) -> multiprocessing.process.BaseProcess:
    """`work` in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=work, args=args, kwargs=engine, daemon=True)
    process.start()
    return process


def killed_at_random(
    place: str, url: str, folder: Path, kills: int, seed: int, life: float = 0.5, workers: int = 2, **engine: Any
) -> int:
    """Some workers at a time, one of them killed again and again and replaced, until all is done.

    Args:
        place: The ledger, with the plan entered.
        url: Address of the engine's server.
        folder: The run's folder.
        kills: How many are killed.
        seed: Of the random times.
        life: Longest time between two kills, seconds.
        workers: How many there are at a time.
        engine: What the engine says of itself, see `PaidEngine`.

    Returns:
        How many were killed while there was work left.
    """
    chance, number, done = random.Random(seed), 0, 0
    running: list[multiprocessing.process.BaseProcess] = []
    while True:
        while len(running) < workers:
            number += 1
            running.append(started(place, url, folder, f"worker-{number}", **engine))
        if done >= kills:
            break
        time.sleep(chance.uniform(0.02, life))
        victim = running.pop(chance.randrange(workers))
        if not victim.is_alive():
            running.append(victim)
            break
        victim.kill()
        victim.join()
        done += 1
    for process in running:
        process.join()
        assert process.exitcode == 0, f"a worker ended with {process.exitcode}"
    return done


def outcome(ledger: Ledger) -> list[tuple[Any, ...]]:
    """What a campaign came to, without times and without who did it."""
    return [
        (row.key, row.state, row.cost, row.reserved, row.code, row.seed, row.sha256, row.bytes, row.path, row.waits)
        for row in ledger.rows("spring")
    ]


def check(ledger: Ledger, url: str, folder: Path) -> None:
    """The engine took nothing twice, nothing is lost, and the spend is what the engine charged."""
    said, rows = bill(url), list(ledger.rows("spring"))
    assert not {key: calls for key, calls in said["took"].items() if calls > 1}, "taken more than once"
    summary = ledger.summary("spring")
    assert (summary.spending.settled, summary.spending.reserved, summary.strays) == (said["charged"], 0, 0)
    for row in rows:
        if row.state == "stored":
            assert (folder / row.path).stat().st_size == row.bytes
