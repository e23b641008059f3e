"""What goes into the ledger and what can be read from it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from generation.ledger.tables import attempts, lane_name, requests
from generation.request import Request
from transforms.store import canonical

Key = tuple[str, int]
"""Which attempt: request id, and number from 0."""

ATTEMPTS: Final = 3
"""Attempts that a request may have in all: made, and made again twice where it failed or its checks did."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planned:
    """A request to enter.

    Attributes:
        request: What is asked for.
        salt: The campaign's own, of which seeds are made.
        worst_cost: Most that one attempt costs, micro-units; 0 for what costs nothing.
        blocked: Why it must never be sent; empty: it may.
        priority: Lower goes first; among equals, in the order they are planned in.
        attempts: How many it may have in all.
        expires: Time after which it is not sent, seconds since 1970; None: never.
    """

    request: Request
    salt: str
    worst_cost: int
    blocked: str = ""
    priority: int = 0
    attempts: int = ATTEMPTS
    expires: float | None = None

    def __post_init__(self) -> None:
        if self.worst_cost < 0 or self.attempts < 1:
            raise ValueError(f"worst cost {self.worst_cost}, attempts {self.attempts}: not below 0 and 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One attempt as it stands. Times are seconds since 1970, 0 where it has not come to that; money is in micro-units.

    Attributes:
        request_id: Id of its request.
        attempt: Which attempt, from 0.
        campaign: The campaign.
        cell: Coordinates that its picture depends on.
        lane: `ENGINE/MODEL/TIER`.
        position: Its request's place in the plan.
        state: One of `tables.STATES`.
        held: Why it does not go on: over a budget, or it waits for a person; empty: it does.
        waits: How many requests it needs that have no file yet.
        stuck: It has been running for longer than its limit.
        why: Why there is another attempt; empty of the first.
        seed: Its seed; 0 before it was sent, and where the engine takes none.
        sends: How often it was sent; more than once only where that is safe (`docs/ledger.md`).
        worker: Who has it, or had it last.
        lease: Until when it is that worker's.
        job_id: The engine's id of its job.
        made_from: Attempt that each of its inputs came from, by request id.
        worst_cost: Most that it costs.
        reserved: Held for it now.
        cost: What it cost.
        code: The engine's code of why it failed.
        message: Why it failed, or is in doubt, in words.
        path: Its file, relative to the run's folder.
        sha256: Of the file, in hexadecimal.
        bytes: Size of the file.
        planned_at: When it was entered.
        sent_at: When the intent to send it was last written down.
        submitted_at: When its job id was.
        done_at: When the engine was first seen to be done.
        ended_at: When it came to its last state.
        body: The request as JSON.
    """

    request_id: str
    attempt: int
    campaign: str
    cell: str
    lane: str
    position: int
    state: str
    held: str
    waits: int
    stuck: bool
    why: str
    seed: int
    sends: int
    worker: str
    lease: float
    job_id: str
    made_from: Mapping[str, int]
    worst_cost: int
    reserved: int
    cost: int
    code: str
    message: str
    path: str
    sha256: str
    bytes: int
    planned_at: float
    sent_at: float
    submitted_at: float
    done_at: float
    ended_at: float
    body: str

    @property
    def key(self) -> Key:
        """Request id and number."""
        return self.request_id, self.attempt

    @property
    def name(self) -> str:
        """Id of the attempt: the key that engines are given, and the name of its file."""
        return f"{self.request_id}-{self.attempt}"

    @functools.cached_property
    def request(self) -> Request:
        """What is asked for."""
        return Request.from_json(json.loads(self.body))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spending:
    """What was spent of one budget, in micro-units.

    Attributes:
        per: `campaign`, `cell` or `day`.
        name: The cell's coordinates or the date; empty of the campaign.
        cap: Most that may be; None: no limit.
        reserved: Held for what is being made.
        settled: Spent.
    """

    per: str
    name: str
    cap: int | None
    reserved: int
    settled: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """How a campaign stands.

    Attributes:
        states: Attempts by state; states without any are left out.
        held: Planned ones that are held back, over budget or no longer in the plan.
        waiting: Planned ones that need the file of another request first.
        stuck: Jobs that run for longer than their limit.
        in_doubt: Unknown ones that wait for a person.
        strays: Jobs that turned up beside another job of the same attempt.
        spending: The campaign's.
        stopped: Why nothing new is sent; empty: it is.
    """

    states: Mapping[str, int]
    held: int
    waiting: int
    stuck: int
    in_doubt: int
    strays: int
    spending: Spending
    stopped: str


class Take(NamedTuple):
    """A file in its place.

    Attributes:
        path: Where it is, relative to the run's folder.
        sha256: Of its bytes, in hexadecimal.
        size: In bytes.
    """

    path: str
    sha256: str
    size: int


def lane_of(request: Request) -> str:
    """The lane that a request goes through."""
    return lane_name(request.engine, request.model, request.tier)


def prompt_of(request: Request) -> str:
    """Digest of the words and files that are sent, and of the model: what the poison list knows a prompt by."""
    words = [request.prompt, request.negative, *(shot.prompt for shot in request.shots)]
    said = [request.engine, request.model, words, [one.sha256 for one in request.inputs]]
    return hashlib.sha256(canonical(said).encode()).hexdigest()[:32]


def read_entries(connection: sa.Connection, *which: sa.ColumnElement[bool], most: int | None = None) -> list[Entry]:
    """Attempts that conditions choose, in the order of the plan; the first `most` of them."""
    columns = [attempts.c[field.name] for field in dataclasses.fields(Entry) if field.name != "body"]
    asked = sa.select(*columns, requests.c.body).join(requests, requests.c.request_id == attempts.c.request_id)
    found = connection.execute(asked.where(*which).order_by(attempts.c.position, attempts.c.attempt).limit(most))
    return [_entry(row) for row in found]


def _entry(row: Any) -> Entry:
    values = dict(row._mapping)
    return Entry(**{**values, "made_from": json.loads(values["made_from"])})
