"""The engine protocol, what an engine declares of itself, and the list of engines.

An engine is one file and one line in `ENGINES`. It makes three calls, each once and without a retry of its own: submit,
poll, fetch. What may be sent again, and when, is decided in one place for all engines, by the ledger. An engine tells
what happened by the kind of its error, and the difference that matters is whether a paid job may exist.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from captioning.model import made
from generation.request import Request

ENGINES: Final[Mapping[str, str]] = {
    "animatic": "generation.engines.animatic:Animatic",
    "videos-api": "generation.engines.videos_api:VideosApi",
}
"""Every engine by the name that a campaign gives it, as `module:class`. The class takes its settings."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price:
    """What an engine costs.

    Attributes:
        per_second: Micro-units of the currency for a second, by the height of the smaller side in pixels up to which
            it holds, such as `{720: 100_000}`; empty: the price is unknown, and nothing is ever sent.
        per_request: Micro-units for each request.
        currency: ISO 4217.
        as_of: Date of the price list, ISO 8601.
        source: Where it stands.
    """

    per_second: Mapping[int, int]
    per_request: int = 0
    currency: str = "USD"
    as_of: str
    source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Licence:
    """On what terms its outputs may be used.

    Attributes:
        name: The licence.
        commercial: Whether outputs may be used in advertising.
        not_in: Countries it does not apply in, ISO 3166-1 alpha-2, sorted.
        source: Where it stands.
    """

    name: str
    commercial: bool
    not_in: tuple[str, ...] = ()
    source: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """What an engine declares of itself. A plan is checked against it before anything is sent.

    Attributes:
        model: The model; the engine's own name where it has none.
        revision: Its revision; empty where nobody tells.
        modes: Modes of `request.MODES` that it has.
        roles: Roles of `request.ROLES` that it takes.
        sizes: Sizes that it makes, (width, height) in pixels; empty: all that `multiple`, `least` and `most` allow.
        multiple: Both sides are a multiple of this.
        least: Smallest side in pixels.
        most: Largest side in pixels.
        frame_rates: Rates that it makes, as `24` or `24000/1001`; empty: any.
        frame_step: Frames are `frame_step * n + frame_offset` (Wan: 4n + 1; LTX: 8n + 1).
        frame_offset: See `frame_step`.
        seconds: Lengths that it makes, in seconds; empty: from `shortest` to `longest`.
        shortest: Shortest request, in seconds.
        longest: Longest request, in seconds.
        sound: Whether it makes sound with the picture.
        negative: Whether it takes a negative prompt.
        seed_bits: Bits of a seed that it takes; 0: none.
        languages: Languages of prompts (BCP 47); empty: any.
        price: What it costs.
        licence: On what terms.
        idempotent: A job that is sent twice under one key is made and charged once.
        findable: All its jobs can be listed, so that one that is not there does not exist.
        rewrites: What happens to a prompt at the provider: `off`, or `unknown`: then equal seeds promise nothing.
        in_flight: Most jobs at once, over all workers; a campaign may set less.
        per_minute: Most submits a minute, over all workers; 0: no limit.
        local: It runs in the worker itself: nothing is paid, and jobs end with the worker.
    """

    model: str
    revision: str = ""
    modes: frozenset[str]
    roles: frozenset[str] = frozenset()
    sizes: tuple[tuple[int, int], ...] = ()
    multiple: int = 2
    least: int = 64
    most: int = 1920
    frame_rates: tuple[str, ...] = ()
    frame_step: int = 1
    frame_offset: int = 0
    seconds: tuple[float, ...] = ()
    shortest: float = 0.5
    longest: float = 60.0
    sound: bool = False
    negative: bool = True
    seed_bits: int = 31
    languages: tuple[str, ...] = ()
    price: Price
    licence: Licence
    idempotent: bool = False
    findable: bool = False
    rewrites: str = "unknown"
    in_flight: int = 8
    per_minute: int = 0
    local: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """A job as its engine tells of it.

    Attributes:
        job_id: The engine's id of it.
        state: `queued`, `running`, `done`, `failed`, `filtered` (done, and nothing came of it; or its content was
            refused) or `expired`. What an engine says and nobody knows is `failed`, with the word in `message`.
        progress: 0 to 1.
        code: The engine's code of why it failed.
        message: Its words.
        cost: What it says it charged, in micro-units of the price's currency; None: it does not say.
        poll_after: Seconds after which to ask again; None: it does not say.
    """

    job_id: str
    state: str
    progress: float = 0.0
    code: str = ""
    message: str = ""
    cost: int | None = None
    poll_after: float | None = None


class EngineError(Exception):
    """What an engine tells of a call that brought nothing.

    Args:
        message: What was wrong and where, in one line, without secrets.
        code: The engine's own code; empty where there is none.
        after: Seconds after which it may be tried again; None: the engine does not say.
    """

    def __init__(self, message: str, code: str = "", after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.after = after


class NotSent(EngineError):
    """Nothing reached the engine, for certain: no job exists. It may be sent later."""


class Throttled(EngineError):
    """The engine said to come later and took nothing: no job exists."""


class Refused(EngineError):
    """The engine will not make this content. It is never sent again unchanged. No job exists."""


class Invalid(EngineError):
    """The engine cannot do what was asked for: wrong size, wrong key, no such model. No job exists."""


class Unsure(EngineError):
    """It was sent, and nobody knows whether a job exists: no answer, one that cannot be read, or a server's error."""


class Lost(EngineError):
    """Of a job that exists: what it made is gone, or its link has expired. Asking again does not help."""


class Blip(EngineError):
    """Of a job that exists: this question got no answer, and the next may. It never fails a paid job."""


class Engine(Protocol):
    """Makes videos. One object serves a whole process, its calls come side by side on one event loop."""

    @property
    def name(self) -> str:
        """As a campaign gives it."""
        ...

    @property
    def settings(self) -> Any:
        """A frozen dataclass of `transforms.settings` fields."""
        ...

    @property
    def offer(self) -> Offer:
        """What it declares of itself."""
        ...

    def check(self) -> None:
        """See, before the first request, that the key and the packages are there. Nothing is sent that costs.

        Raises:
            ConfigError: Something is missing; the text says how to get it.
        """
        ...

    async def submit(self, request: Request, key: str, seed: int, inputs: Mapping[int, Path]) -> Job:
        """Ask for one video, with one call. The intent is durable before this is called.

        Args:
            request: What is asked for.
            key: Id of this attempt: the idempotency key where the engine has such a thing, and a label on the job where
                it has labels.
            seed: The seed.
            inputs: Local files of the request's inputs, by their number in `request.inputs`.

        Raises:
            NotSent, Throttled, Refused, Invalid, Unsure: See there.
        """
        ...

    async def poll(self, job_id: str) -> Job:
        """How a job stands.

        Raises:
            Blip: No answer.
            Lost: The engine does not know the job.
        """
        ...

    async def fetch(self, job_id: str, to: Path) -> None:
        """Write what a job made to a local file that does not exist yet.

        Raises:
            Blip: It was cut short, or there was no answer; nothing is left at `to`.
            Lost: It is gone.
        """
        ...

    async def find(self, request: Request, key: str, since: float) -> list[str] | None:
        """Ids of jobs that may be this attempt's, when nobody knows whether it arrived.

        Args:
            request: What was asked for.
            key: Id of the attempt.
            since: When it was sent at the earliest, seconds since 1970.

        Returns:
            The ids; an empty list only where it is certain that there is none; None where it cannot be told.

        Raises:
            Blip: No answer.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and processes."""
        ...


def load_engine(spec: str) -> Engine:
    """The engine that a word names, with its settings: `NAME[:MODEL][,SETTING=VALUE...]`. Nothing is contacted.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    found: Engine = made("engine", spec, ENGINES)
    return found
