"""The `animatic` engine: a timed preview of every shot, drawn on the CPU, without a model, a key or a price.

It is for seeing a campaign before anything is paid: the lengths, the moves, the pictures that are given, the words, the
crops and the sound are those of the campaign, and everything after the engine works as it will. Each frame says that it
is an animatic. Shots are rendered in child processes, one a core, which end with the worker; a job that went with its
worker is rendered again under the same key.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any, Final

from generation.animatics.rendering import Work
from generation.engines.engine import Invalid, Job, Licence, Lost, Offer, Price, Throttled
from generation.request import MODES, ROLES, Request
from transforms.failures import ElementError
from transforms.pool import Pool, PoolSettings, core_count
from transforms.settings import ConfigError, key_fields, setting
from transforms.store import canonical

RECIPE: Final = 1
"""Raised when the same request is drawn otherwise."""

_RENDER: Final = "generation.animatics.rendering:render"
_LIMIT: Final = 30.0
"""Seconds that a render may take, for each second of it at 1080p, on a loaded machine."""
_POLL: Final = 0.25
"""Seconds between two questions."""
_MOST: Final = 3840
_ANY: Final = 1 << 31


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnimaticSettings:
    """How animatics are rendered."""

    model: str = setting("", "There is none; leave it empty", scale=True)
    longest: float = setting(
        60.0, "Longest request; shots that are longer are made in parts", unit="s", low=0.5, high=600, source="project"
    )
    voice: bool = setting(True, "Have dialogue spoken where espeak-ng or piper is installed")
    voice_model: str = setting("", "File of a piper voice; empty: espeak-ng")
    children: int = setting(0, "Renders at once; 0: one a core", low=0, high=256, scale=True)
    memory_limit_mb: int = setting(4096, "Most memory of one render", unit="MB", low=256, scale=True)
    folder: str = setting("", "Folder for renders under way; empty: the system's own for temporary files", scale=True)


@dataclasses.dataclass
class _Render:
    """A render under way or done."""

    future: Future[Any]
    path: Path
    frames: int
    drawn: int = 0
    fetched: bool = False


class Animatic:
    """Renders previews.

    Args:
        settings: How.
    """

    name: Final = "animatic"

    def __init__(self, settings: AnimaticSettings) -> None:
        self.settings = settings
        self._renders: dict[str, _Render] = {}
        self._pool: Pool | None = None
        self._folder: Path | None = None
        children = settings.children or core_count()
        digest = hashlib.sha256(canonical(key_fields(settings)).encode()).hexdigest()[:8]
        self.offer: Final = Offer(
            model="animatic",
            revision=f"{RECIPE}-{digest}",
            modes=frozenset(MODES),
            roles=frozenset(ROLES),
            most=_MOST,
            shortest=0.1,
            longest=settings.longest,
            sound=True,
            seed_bits=63,
            price=Price(per_second={_ANY: 0}, as_of="2026-11-23", source="drawn on your own machine: nothing is paid"),
            licence=Licence(name="none: it is drawn from what it is given", commercial=True),
            idempotent=True,
            findable=True,
            rewrites="off",
            in_flight=2 * children,
            local=True,
        )

    def check(self) -> None:
        """See that letters can be set and that the folder and the voice are there.

        Raises:
            ConfigError: They are not.
        """
        from generation.typesetting import check_shaping

        check_shaping()
        for option, path in (("folder", self.settings.folder), ("voice_model", self.settings.voice_model)):
            if path and not Path(path).exists():
                raise ConfigError(f"{option}={path}: no such {'folder' if option == 'folder' else 'file'}")

    async def submit(self, request: Request, key: str, seed: int, inputs: Mapping[int, Path]) -> Job:
        """Begin to render; the job's id is the key.

        Raises:
            Invalid: It asks for what cannot be drawn.
            Throttled: As many renders as there is room for are waiting.
        """
        if key in self._renders and not self._renders[key].fetched:
            return await self.poll(key)
        _check(request)
        pool = self._started()
        if pool.room() < 1:
            raise Throttled("as many animatics as there is room for are being rendered", after=1.0)
        assert self._folder is not None
        path = self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.mp4"
        size = request.width * request.height / (1920 * 1080)
        work = Work(
            request=request.to_json(),
            seed=seed,
            inputs={n: str(one) for n, one in inputs.items()},
            to=str(path),
            voice=self.settings.voice_model if self.settings.voice else None,
            seconds=60 + _LIMIT * request.seconds * max(1.0, size),
        )
        self._renders[key] = _Render(pool.submit(_RENDER, {"work": work}, key), path, request.frames)
        return Job(job_id=key, state="running", poll_after=_POLL)

    async def poll(self, job_id: str) -> Job:
        """How a render stands.

        Raises:
            Lost: It went with the process that rendered it.
        """
        render = self._known(job_id)
        if not render.future.done():
            return Job(
                job_id=job_id,
                state="running" if render.drawn else "queued",
                progress=min(1.0, render.drawn / max(1, render.frames)),
                poll_after=_POLL,
            )
        try:
            lack = render.future.result()
        except ElementError as error:
            return Job(job_id=job_id, state="failed", code=error.error_class, message=error.message, cost=0)
        except CancelledError:
            raise Lost("the render was cancelled") from None
        return Job(job_id=job_id, state="done", progress=1.0, message=lack, cost=0)

    async def fetch(self, job_id: str, to: Path) -> None:
        """Move what was rendered to a file.

        Raises:
            Lost: It is not there, or was fetched before.
        """
        render = self._known(job_id)
        if render.fetched or not render.path.exists():
            raise Lost("it was fetched before, or is not done")
        await asyncio.to_thread(shutil.move, render.path, to)
        render.fetched = True

    async def find(self, request: Request, key: str, since: float) -> list[str] | None:
        """The job of a key, where this process renders it; any other went with its process."""
        return [key] if key in self._renders else []

    async def close(self) -> None:
        """Stop what is being rendered, and remove its files."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.kill)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        self._renders.clear()

    def _known(self, job_id: str) -> _Render:
        if job_id not in self._renders:
            raise Lost("the process that rendered it has ended")
        return self._renders[job_id]

    def _started(self) -> Pool:
        if self._pool is None:
            self._folder = Path(tempfile.mkdtemp(prefix="animatic-", dir=self.settings.folder or None))
            limits = PoolSettings(
                children=self.settings.children, memory_limit_mb=self.settings.memory_limit_mb, time_limit=60.0
            )
            self._pool = Pool(limits, ("generation.animatics.rendering",), self._told)
        return self._pool

    def _told(self, event: Mapping[str, Any]) -> None:
        with contextlib.suppress(KeyError):
            self._renders[event["label"]].drawn += event.get("frames", 0)


def _check(request: Request) -> None:
    odd = [side for side in (request.width, request.height) if side % 2 or not 64 <= side <= _MOST]
    if odd:
        raise Invalid(f"{request.width}x{request.height}: sides have to be even, 64 to {_MOST} pixels")
    if request.frames < 1:
        raise Invalid("a shot without frames")
    needed = {"image": {"image"}, "frames": {"first_frame", "last_frame"}, "video": {"video"}, "remix": {"video"}}
    needed |= {"extend": {"video"}, "fill": {"video", "mask"}}
    if missing := needed.get(request.mode, set()) - {one.role for one in request.inputs}:
        raise Invalid(f"mode {request.mode}: it is given no {' and no '.join(sorted(missing))}")
    if request.mode == "storyboard" and sum(one.frames for one in request.shots) != request.frames:
        raise Invalid("the shots of the storyboard are not as long as the request")
