"""The steps of a worker: sending what is planned, asking after what is submitted, fetching what is done.

Each goes from one state of the ledger to the next, for many attempts at once, and writes down what came of a call
before it does anything else. An attempt may enter at any step. Nothing here makes a call twice: what may be sent is
decided by `claiming`; sent again, under the same key, is only what its engine makes once.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from generation.engines.engine import Engine, Invalid, Job, Lost, NotSent, Refused, Throttled
from generation.ledger import claiming, takes, transitions
from generation.ledger.claiming import Claim, Claimed
from generation.ledger.entries import Entry, Key
from generation.ledger.ledger import Ledger
from generation.ledger.pacing import Pace, backoff
from generation.ledger.settings import DriveSettings
from transforms.failures import ElementError

BEAT: Final = 1.0
"""Most seconds between two looks at the whole, and between two tellings of how it stands."""

_FETCHES: Final = 5  # of a file that comes damaged each time
_RESENDS: Final = 3  # under one key, of a job that the engine lost each time


class Lane:
    """What a worker knows of a lane beside the ledger.

    Args:
        name: Its name.
        engine: Its engine.
        settings: How the worker goes about it.

    Attributes:
        wake: Set when something may be sent that could not be before.
        given_up: Why nothing more is sent by this worker; empty: it is.
    """

    def __init__(self, name: str, engine: Engine, settings: DriveSettings) -> None:
        self.name, self.engine = name, engine
        self.pace = Pace(settings.poll_least, settings.poll_most)
        self.wake = asyncio.Event()
        self.paused_until = 0.0
        self.given_up = ""
        self.answered()

    def answered(self) -> None:
        """The engine took something or refused it: it is there, and knows what it is asked."""
        self.silent_since: float | None = None
        self.misses = self.invalid = 0


class Steps:
    """What a worker does with attempts.

    Args:
        ledger: The ledger.
        campaign: The campaign.
        worker: The worker's name.
        settings: How it goes about it.
        folder: The run's folder.
        start: Runs a coroutine beside the others.

    Attributes:
        mine: Attempts in this worker's hands, and until when they are its own without a further sign of life.
        stuck: Those whose jobs run for longer than the limit.
        left: Those that it does not touch again, and why.
        idle: Set when there may be nothing left to do.
        submits: Calls that were sent.
        polls: Questions after jobs.
        fetched: Files that were fetched.
    """

    def __init__(
        self,
        ledger: Ledger,
        campaign: str,
        worker: str,
        settings: DriveSettings,
        folder: Path,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._ledger, self._campaign, self._worker = ledger, campaign, worker
        self._settings, self._folder, self._start = settings, folder, start
        self._fetching = asyncio.Semaphore(settings.fetches)
        self.mine: dict[Key, float] = {}
        self.stuck: set[Key] = set()
        self.left: dict[Key, str] = {}
        self.idle = asyncio.Event()
        self.submits = self.polls = self.fetched = 0

    # planned -> submitting -> submitted

    async def send_all(self, lane: Lane) -> None:
        """Claim what is planned for a lane whenever there is room, and send it."""
        while not lane.given_up:
            lane.wake.clear()
            wait = BEAT
            if room := max(self._settings.in_flight - len(self.mine), 0):
                asked = self._claim(lane, room)
                got: Claimed = await self._ledger.made(functools.partial(claiming.claim, asked=asked))
                for entry in got.entries:
                    self.mine[entry.key] = asked.now + asked.lease
                    self._start(self.send(lane, entry, asked.ticket, got.inputs))
                wait = BEAT if got.wait is None else got.wait
            await wait_for(lane.wake, wait)

    async def send(self, lane: Lane, entry: Entry, ticket: str, paths: Mapping[str, str]) -> None:
        """Make the paid call of an attempt whose intent is written down, then follow its job.

        Args:
            lane: Its lane.
            entry: The attempt.
            ticket: The claim that it was taken with.
            paths: Files it is made from, as `takes.local_inputs` takes them.
        """
        request, inputs = entry.request, dict[int, Path]()
        try:
            if request.inputs:
                inputs = await asyncio.to_thread(takes.local_inputs, entry, paths, self._folder)
        except ElementError as error:
            await self._end(lane, entry, "failed", code=error.error_class, message=error.message)
            return
        if self._ledger.clock() > self.mine[entry.key] - self._settings.lease / 4:
            await self._not_sent(lane, entry, ticket, "this worker was held up, and others may have it")
            return
        self.submits += 1
        try:
            async with asyncio.timeout(self._settings.submit_limit):
                job = await lane.engine.submit(request, entry.name, entry.seed, inputs)
        except (NotSent, Throttled) as error:
            self._missed(lane, error)
            await self._not_sent(lane, entry, ticket, error.message)
        except Refused as error:
            lane.answered()
            await self._end(lane, entry, "refused", code=error.code, message=error.message, permanent=True)
        except Invalid as error:
            await self._end(lane, entry, "failed", code=error.code, message=error.message, permanent=True)
            await self._wrong(lane, error)
        except Exception as error:  # no answer, or one that says nothing: a job may exist
            said = f"{type(error).__name__}: {error}"
            await self._ledger.made(functools.partial(transitions.unsure, key=entry.key, ticket=ticket, message=said))
            self.leave(lane, entry.key)
        else:
            lane.answered()
            now = self._ledger.clock()
            taken = functools.partial(transitions.submitted, key=entry.key, job_id=job.job_id, now=now)
            if not await self._ledger.made(taken):
                self.leave(lane, entry.key)
                return
            entry = dataclasses.replace(entry, state="submitted", job_id=job.job_id, submitted_at=now)
            await self.watch(lane, entry, job)

    async def resend(self, lane: Lane, entry: Entry) -> None:
        """Send an attempt again under its key, to an engine that makes it once however often it comes."""
        asked = self._claim(lane, 1)

        def change(connection: sa.Connection) -> Mapping[str, str] | None:
            who = (asked.worker, asked.ticket, asked.now, asked.lease)
            taken = transitions.resent(connection, entry.key, *who)
            return claiming.inputs_of(connection, [entry]) if taken else None

        paths = await self._ledger.made(change)
        if paths is None:  # somebody else has it
            self.leave(lane, entry.key)
            return
        self.mine[entry.key] = asked.now + asked.lease
        entry = dataclasses.replace(entry, state="submitting", sends=entry.sends + 1)
        await self.send(lane, entry, asked.ticket, paths)

    # submitted -> done

    async def watch(self, lane: Lane, entry: Entry, job: Job | None = None) -> None:
        """Ask after a job until it ends. No answer never fails it.

        Args:
            lane: Its lane.
            entry: The attempt.
            job: What the engine said of it last; None: nobody asked yet.
        """
        began = time.monotonic() - max(self._ledger.clock() - entry.submitted_at, 0.0)
        running: float | None = None
        wait, misses = lane.pace.first(time.monotonic() - began), 0
        if job is not None and job.poll_after is not None:
            wait = job.poll_after
        while job is None or job.state in ("queued", "running"):
            await asyncio.sleep(wait)
            self.polls += 1
            try:
                async with asyncio.timeout(self._settings.poll_limit):
                    job = await lane.engine.poll(entry.job_id)
            except Lost as error:
                await self._lost(lane, entry, error)
                return
            except Exception as error:
                misses += 1
                wait = backoff(misses, self._settings.wait_most, getattr(error, "after", None))
            else:
                misses = 0
                if job.state in ("queued", "running"):
                    running = time.monotonic() - began
                    wait = lane.pace.next(running, job.poll_after, wait)
            if time.monotonic() - began > self._settings.job_limit:
                await self._stays(entry)
        self.stuck.discard(entry.key)
        lane.pace.learn(running, time.monotonic() - began)
        await self._judge(lane, entry, job)

    async def _judge(self, lane: Lane, entry: Entry, job: Job) -> None:
        if job.state == "done":
            now = self._ledger.clock()
            change = self._ledger.made(functools.partial(transitions.done, key=entry.key, cost=job.cost, now=now))
            writing = asyncio.ensure_future(change)
            lane.wake.set()  # the next claim shares its transaction
            await writing
            await self.fetch(lane, dataclasses.replace(entry, state="done"))
            return
        state = {"filtered": "refused", "expired": "expired"}.get(job.state, "failed")
        said = {"code": job.code, "message": job.message or job.state}
        cost = entry.worst_cost if job.cost is None and state == "expired" else job.cost
        await self._end(lane, entry, state, **said, cost=cost, permanent=state == "refused", again=state == "failed")

    # done -> stored

    async def fetch(self, lane: Lane, entry: Entry) -> None:
        """Fetch what a job made, look at it and put it in its place."""
        since, bad, misses = time.monotonic(), 0, 0
        take = await asyncio.to_thread(takes.take_in_place, entry, self._folder)
        while take is None:
            part = takes.temporary_path(entry, self._folder)
            try:
                async with self._fetching:
                    self.fetched += 1
                    async with asyncio.timeout(self._settings.fetch_limit):
                        await lane.engine.fetch(entry.job_id, part)
                    take = await asyncio.to_thread(takes.put_in_place, entry, self._folder, part)
                break
            except Lost as error:
                await self._lost(lane, entry, error)
                return
            except ElementError as error:
                bad += 1
                if bad >= _FETCHES:
                    await self._end(lane, entry, "failed", code="bad_file", message=str(error), again=True)
                    return
            except Exception as error:
                misses += 1
                if time.monotonic() - since > self._settings.patience:
                    self.left[entry.key] = f"its file can't be fetched: {error}"
                    self.leave(lane, entry.key)
                    return
            finally:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
            await asyncio.sleep(backoff(bad + misses, self._settings.wait_most))
        now = self._ledger.clock()
        await self._ledger.made(functools.partial(transitions.stored, key=entry.key, take=take, now=now))
        self.leave(lane, entry.key)

    # What all of them share.

    def leave(self, lane: Lane, key: Key) -> None:
        """An attempt is out of this worker's hands; others may move now."""
        self.mine.pop(key, None)
        self.stuck.discard(key)
        lane.wake.set()
        if not self.mine:
            self.idle.set()

    async def _end(self, lane: Lane, entry: Entry, state: str, *, again: bool = False, **how: Any) -> None:
        now = self._ledger.clock()

        def change(connection: sa.Connection) -> None:
            after = self._settings.poison_after
            transitions.ended(connection, entry.key, state, now, poison_after=after, **how)
            if again:
                transitions.again(connection, entry.request_id, f"attempt {entry.attempt} failed", now)

        await self._ledger.made(change)
        self.leave(lane, entry.key)

    async def _not_sent(self, lane: Lane, entry: Entry, ticket: str, why: str) -> None:
        def change(connection: sa.Connection) -> None:
            transitions.pause(connection, lane.name, lane.paused_until)
            transitions.not_sent(connection, entry.key, ticket, why)

        await self._ledger.made(change)
        self.leave(lane, entry.key)

    def _missed(self, lane: Lane, error: NotSent | Throttled) -> None:
        """The engine took nothing: leave it alone for a while, and give it up when it never answers."""
        now = self._ledger.clock()
        if lane.silent_since is None:
            lane.silent_since = time.monotonic()
        if now >= lane.paused_until:
            lane.misses += 1
            lane.paused_until = now + backoff(lane.misses, self._settings.wait_most, error.after)
        if time.monotonic() - lane.silent_since > self._settings.patience:
            lane.given_up = f"{lane.name}: {error.message}"

    async def _wrong(self, lane: Lane, error: Invalid) -> None:
        """The engine can't do what it is asked: a wrong key would fail everything, so it is not asked everything."""
        lane.invalid += 1
        if lane.invalid == self._settings.invalid:
            why = f"{lane.name} called {lane.invalid} requests in a row wrong: {error.message}"
            await asyncio.to_thread(self._ledger.stop, self._campaign, why)

    async def _stays(self, entry: Entry) -> None:
        if entry.key not in self.stuck:
            await self._ledger.made(functools.partial(transitions.stuck, key=entry.key))
            self.stuck.add(entry.key)
            self.idle.set()

    async def _lost(self, lane: Lane, entry: Entry, error: Lost) -> None:
        """The engine no longer has the job, or what it made."""
        offer = lane.engine.offer
        if (offer.idempotent or offer.local) and entry.sends <= _RESENDS:
            await self.resend(lane, entry)
            return
        cost = None if entry.state == "done" else entry.worst_cost
        await self._end(lane, entry, "expired", code=error.code or "lost", message=error.message, cost=cost)

    def _claim(self, lane: Lane, room: int) -> Claim:
        return Claim(
            campaign=self._campaign,
            lane=lane.name,
            worker=self._worker,
            ticket=secrets.token_hex(16),
            most=room,
            seed_bits=lane.engine.offer.seed_bits,
            now=self._ledger.clock(),
            lease=self._settings.lease,
        )


async def wait_for(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, but no longer than some seconds.

    Not with `asyncio.wait_for`: before Python 3.12 it loses a cancellation that comes together with the event, and
    whoever was told to end goes on for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
