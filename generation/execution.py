"""Execution: one worker that does what a ledger has to do, until nothing of a campaign can move.

The steps are in `generation.ledger.steps`; here is the loop beside them. It says that this worker lives, takes over
what dead ones left at whatever step it stands, settles what is in doubt, and sees when nothing can move any more.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from generation.ledger import claiming, reconciling, transitions
from generation.ledger.entries import Entry, Key, Summary
from generation.ledger.ledger import Ledger
from generation.ledger.pacing import backoff
from generation.ledger.reconciling import EngineOf
from generation.ledger.settings import DriveSettings
from generation.ledger.steps import BEAT, Lane, Steps, wait_for

__all__ = ["DriveSettings", "Driven", "drive"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Driven:
    """What a worker did.

    Attributes:
        summary: How the campaign stands at the end.
        submits: Calls that were sent.
        polls: Questions after jobs.
        fetched: Files that were fetched.
        waiting: What could not move, in sentences for a person.
    """

    summary: Summary
    submits: int
    polls: int
    fetched: int
    waiting: tuple[str, ...]


async def drive(
    ledger: Ledger,
    campaign: str,
    engine_of: EngineOf,
    worker: str,
    settings: DriveSettings,
    folder: Path,
    *,
    told: Callable[[Summary], None] | None = None,
) -> Driven:
    """Send, ask after and fetch whatever of a campaign can move; end when nothing can.

    What other workers have is waited for, since it may come back or let something else go on. Several workers may drive
    one campaign; each needs a name of its own, a new one each time it is started.

    Args:
        ledger: The ledger. Its clock gives the times.
        campaign: The campaign.
        engine_of: Gives the engine of a name, model and tier; it is called once a lane. Engines are not closed.
        worker: This worker's name.
        settings: How.
        folder: The run's folder, where `takes/` is; all workers see the same.
        told: Called with how the campaign stands, every second or so and at the end, on the event loop's thread.

    Raises:
        ConfigError: An engine is not there, or the ledger is gone.
    """
    one = _Drive(ledger, campaign, engine_of, worker, settings, folder)
    return await one.run(told or (lambda summary: None))


class _Drive:
    def __init__(
        self, ledger: Ledger, campaign: str, engine_of: EngineOf, worker: str, settings: DriveSettings, folder: Path
    ) -> None:
        self._ledger, self._campaign, self._engine_of = ledger, campaign, engine_of
        self._worker, self._settings = worker, settings
        self._steps = Steps(ledger, campaign, worker, settings, folder, self._start)
        self._lanes: dict[str, Lane] = {}
        self._doubts: dict[Key, tuple[float, float, int]] = {}  # first asked about, to be asked about next, times
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, told: Callable[[Summary], None]) -> Driven:
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._beat(told)
                for task in self._running:
                    task.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            keys = [*self._steps.mine, *self._steps.left]
            self._ledger.write(lambda connection: transitions.let_lapse(connection, self._worker, keys))
        summary = self._ledger.summary(self._campaign)
        told(summary)
        return Driven(
            summary=summary,
            submits=self._steps.submits,
            polls=self._steps.polls,
            fetched=self._steps.fetched,
            waiting=tuple(self._waiting(summary)),
        )

    async def _beat(self, told: Callable[[Summary], None]) -> None:
        beat, last = min(BEAT, self._settings.lease / 4), 0.0
        while True:
            self._steps.idle.clear()
            await self._live()
            moving = await self._ledger.made(functools.partial(claiming.moving, campaign=self._campaign))
            for name in moving.ready:
                await self._lane(name)
            self._ask_about(moving)
            if self._ended(moving):
                return
            if time.monotonic() - last >= BEAT:
                last = time.monotonic()
                told(await asyncio.to_thread(self._ledger.summary, self._campaign))
            await wait_for(self._steps.idle, beat)

    async def _live(self) -> None:
        """Say that this worker lives, and take over what others left."""
        now, mine = self._ledger.clock(), self._steps.mine
        keys, until = list(mine), now + self._settings.lease
        room = max(self._settings.in_flight - len(keys), 0)

        def change(connection: sa.Connection) -> list[Entry]:
            transitions.renew(connection, self._worker, keys, until)
            return transitions.take_over(connection, self._campaign, self._worker, now, self._settings.lease, room)

        found = await self._ledger.made(change)
        mine.update((key, until) for key in keys if key in mine)
        for entry in found:
            if entry.key not in mine and entry.key not in self._steps.left:
                lane = await self._lane(entry.lane)
                mine[entry.key] = until
                step = self._steps.watch if entry.state == "submitted" else self._steps.fetch
                self._start(step(lane, entry))

    async def _lane(self, name: str) -> Lane:
        """A lane; sending through it begins when it is asked for first."""
        if name not in self._lanes:
            request = (await self._ledger.made(functools.partial(claiming.any_of, lane=name))).request
            engine = self._engine_of(request.engine, request.model, request.tier)
            limits = (name, engine.offer.in_flight, engine.offer.per_minute)
            await self._ledger.made(lambda connection: transitions.ensure_lane(connection, *limits))
            self._lanes[name] = Lane(name, engine, self._settings)
            self._start(self._steps.send_all(self._lanes[name]))
        return self._lanes[name]

    def _ask_about(self, moving: claiming.Moving) -> None:
        """Ask engines about what is in doubt, where it is time."""
        now = time.monotonic()
        for key in moving.in_doubt:
            first, due, times = self._doubts.get(key, (now, now, 0))
            if key not in self._steps.left and due <= now:
                self._doubts[key] = (first, now + 2 * self._settings.poll_limit, times + 1)
                self._start(self._settle(key, moving.stopped))

    async def _settle(self, key: Key, stopped: bool) -> None:
        entry = await asyncio.to_thread(self._ledger.entry, *key)
        if entry is None or entry.state != "unknown":
            return
        lane = await self._lane(entry.lane)
        try:
            async with asyncio.timeout(self._settings.poll_limit):
                outcome = await reconciling.ask(self._ledger, lane.engine, entry, self._settings.grace)
        except Exception as error:  # an engine's own fault is no answer either
            outcome = reconciling.Outcome("later", f"the engine does not answer: {error}")
        first, _, times = self._doubts.pop(key)
        if outcome.kind == "settled":
            lane.wake.set()
            self._steps.idle.set()
        elif outcome.kind == "resend" and not stopped:
            await self._steps.resend(lane, entry)
        elif outcome.kind == "resend" or time.monotonic() - first > self._settings.patience + self._settings.grace:
            self._steps.left[key] = outcome.why
        elif outcome.kind == "later":
            due = time.monotonic() + backoff(times, self._settings.wait_most)
            self._doubts[key] = (first, due, times)

    def _ended(self, moving: claiming.Moving) -> bool:
        """Whether nothing can move, here or at another worker."""
        mine, left = set(self._steps.mine), set(self._steps.left)
        if mine - self._steps.stuck or set(moving.under_way) - mine - left or set(moving.in_doubt) - left:
            return False
        return moving.stopped or all(self._lanes[name].given_up for name in moving.ready)

    def _waiting(self, summary: Summary) -> Iterator[str]:
        if summary.stopped:
            yield f"stopped: {summary.stopped}"
        yield from (f"nothing more is sent to {lane.given_up}" for lane in self._lanes.values() if lane.given_up)
        yield from (f"{request_id}-{attempt}: {why}" for (request_id, attempt), why in self._steps.left.items())
        for count, why in (
            (summary.in_doubt, "in doubt, a person has to settle them"),
            (summary.stuck, "running for longer than the limit"),
            (summary.held, "held back"),
        ):
            if count:
                yield f"{count} {why}"

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
