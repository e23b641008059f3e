"""An engine that charges: a server on loopback that makes a job of every call it gets, and keeps the bill.

It never asks whether a call came before, so a call that is sent twice is charged twice, and the bill shows it. What a
job's prompt says decides what becomes of it (`WORDS`). `PaidEngine` is the engine over it.

    python -m tests.generation.ledger.paidserver [--takes 0.1] [--idempotent]     prints its port
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import io
import itertools
import json
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import aiohttp
import av
import httpx
import numpy as np

from generation.engines.engine import (
    Blip,
    Invalid,
    Job,
    Licence,
    Lost,
    NotSent,
    Offer,
    Price,
    Refused,
    Throttled,
    Unsure,
)
from generation.request import Request

COST: Final = 1_000
"""Micro-units that a job costs."""
WORDS: Final = {
    "refuse": "the call is refused",
    "invalid": "the call is wrong",
    "throttle": "the first call of each key is told to come later, in 0.2 s",
    "vanish": "the job is made, and the answer is an error",
    "crash": "nothing is made, and the answer is an error",
    "filter": "the job is done, and nothing came of it",
    "fail": "the job fails; its first attempt alone with `fail once`",
    "expire": "the job expires",
    "strange": "questions after the job get no answer, the first five times",
    "forget": "the first job of each key is forgotten once it is made",
    "gone": "what the job made is gone",
    "broken": "the file is cut short; the first time alone with `broken once`",
    "stuck": "the job never ends",
}
"""What a prompt may say, and what it brings."""


@dataclass
class _Made:
    job_id: str
    key: str
    prompt: str
    at: float
    asked: int = 0
    fetched: int = 0


def tiny_video(file: Any = None, **options: str) -> bytes:
    """Eight frames of 64 x 64 pixels as MP4, with options of the format; also at a path, where one is given."""
    file = file or io.BytesIO()
    with av.open(file, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=24, options={"threads": "1", "g": "4"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for n in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 30 * n, np.uint8), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue() if isinstance(file, io.BytesIO) else Path(file).read_bytes()


class PaidServer:
    """The server.

    Args:
        takes: Seconds that a job takes.
        idempotent: A key that came before gets the job it got then.
    """

    def __init__(self, takes: float = 0.1, idempotent: bool = False) -> None:
        self.takes, self.idempotent = takes, idempotent
        self.jobs: dict[str, _Made] = {}
        self.calls: collections.Counter[str] = collections.Counter()
        self.took: collections.Counter[str] = collections.Counter()
        self.inputs: dict[str, list[str]] = {}
        self.most_open = 0
        self._video = tiny_video()
        self._numbers = itertools.count(1)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                length = next(
                    (line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")), "0"
                )
                body = await reader.readexactly(int(length))
                status, answer = self.answer(method, target, json.loads(body) if body else {})
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                writer.write(f"HTTP/1.1 {status} OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        writer.close()

    def answer(self, method: str, target: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """The status and body of an answer."""
        url = urllib.parse.urlsplit(target)
        parts, query = url.path.strip("/").split("/"), dict(urllib.parse.parse_qsl(url.query))
        if parts == ["bill"]:
            return 200, {"took": self.took, "charged": sum(map(_charge, self.jobs.values()))}
        if parts == ["reset"]:
            for counted in (self.jobs, self.calls, self.took, self.inputs):
                counted.clear()
            self.most_open = 0
            return 200, {}
        if parts == ["all"]:
            return 200, {
                "jobs": {job.key: job.job_id for job in self.jobs.values()},
                "inputs": self.inputs,
                "most_open": self.most_open,
            }
        if parts == ["jobs"] and method == "POST":
            self.inputs[body["key"]] = body["inputs"]
            return self._create(body["key"], body["prompt"])
        if parts == ["jobs"]:
            return 200, [job.job_id for job in self.jobs.values() if job.key == query["key"]]
        if (job := self.jobs.get(parts[1])) is None:
            return 404, {}
        return self._file(job) if parts[2:] == ["file"] else self._poll(job)

    def _create(self, key: str, prompt: str) -> tuple[int, Any]:
        self.calls[key] += 1
        if "refuse" in prompt:
            return 400, {"code": "moderation"}
        if "invalid" in prompt:
            return 422, {"code": "size"}
        if "throttle" in prompt and self.calls[key] == 1:
            return 429, {}
        if "crash" in prompt and self.calls[key] == 1:
            return 500, {}
        self.took[key] += 1
        had = [job for job in self.jobs.values() if job.key == key] if self.idempotent else []
        job = had[0] if had else _Made(f"job-{next(self._numbers)}", key, prompt, time.monotonic())
        self.jobs[job.job_id] = job
        now = time.monotonic()
        self.most_open = max(self.most_open, sum(one.at + self.takes > now for one in self.jobs.values()))
        if "vanish" in prompt and not had:
            return 500, {}
        return 200, {"id": job.job_id, "state": "queued"}

    def _poll(self, job: _Made) -> tuple[int, Any]:
        job.asked += 1
        if "strange" in job.prompt and job.asked <= 5:
            return 502, {}
        if "forget" in job.prompt and self.calls[job.key] == 1:
            del self.jobs[job.job_id]
            return 404, {}
        if "stuck" in job.prompt or time.monotonic() - job.at < self.takes:
            return 200, {"id": job.job_id, "state": "running"}
        return 200, {"id": job.job_id, "state": _end(job), "cost": _charge(job)}

    def _file(self, job: _Made) -> tuple[int, Any]:
        job.fetched += 1
        if "gone" in job.prompt:
            return 404, {}
        key = job.key.encode()
        whole = self._video + (8 + len(key)).to_bytes(4, "big") + b"free" + key  # an own file for every key
        if "broken" in job.prompt and ("once" not in job.prompt or job.fetched == 1):
            return 200, whole[: len(self._video) // 2]
        return 200, whole


def _end(job: _Made) -> str:
    first = job.key.endswith("-0")
    if "fail" in job.prompt and (first or "once" not in job.prompt):
        return "failed"
    return "filtered" if "filter" in job.prompt else "expired" if "expire" in job.prompt else "done"


def _charge(job: _Made) -> int:
    return COST if _end(job) == "done" else 0


class PaidEngine:
    """The engine over a `PaidServer`.

    Args:
        url: Its address.
        findable: It tells which jobs it has of a key.
        idempotent: It makes a job once a key.
        in_flight: Most jobs at once.
    """

    name = "paid"
    settings = None

    def __init__(self, url: str, *, findable: bool = True, idempotent: bool = False, in_flight: int = 8) -> None:
        price = Price(per_second={2160: 0}, per_request=COST, as_of="2026-11-01", source="tests")
        self.offer = Offer(
            model="m",
            modes=frozenset({"text"}),
            price=price,
            licence=Licence(name="none", commercial=True),
            findable=findable,
            idempotent=idempotent,
            in_flight=in_flight,
        )
        self._url = url
        self._client: aiohttp.ClientSession | None = None

    def check(self) -> None:
        """Nothing is needed."""

    async def submit(self, request: Request, key: str, seed: int, inputs: Mapping[int, Path]) -> Job:
        """One call, one job."""
        said = {"key": key, "prompt": request.prompt, "seed": seed, "inputs": [str(path) for path in inputs.values()]}
        try:
            async with self._session.post(f"{self._url}/jobs", json=said) as answer:
                status, told = answer.status, await answer.json(content_type=None)
        except aiohttp.ClientConnectorError as error:
            raise NotSent(f"no connection: {error}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unsure(f"no answer: {error!r}") from None
        if status == 200:
            return Job(job_id=told["id"], state=told["state"])
        if status == 429:
            raise Throttled("come later", after=0.2)
        if status >= 500:
            raise Unsure(f"status {status}")
        kind = Refused if status == 400 else Invalid
        raise kind(f"status {status}", told["code"])

    async def poll(self, job_id: str) -> Job:
        """How it stands."""
        found = json.loads(await self._get(f"/jobs/{job_id}"))
        return Job(job_id=job_id, state=found["state"], cost=found.get("cost"))

    async def fetch(self, job_id: str, to: Path) -> None:
        """Its file."""
        to.write_bytes(await self._get(f"/jobs/{job_id}/file"))

    async def find(self, request: Request, key: str, since: float) -> list[str] | None:
        """Jobs of a key."""
        if not self.offer.findable:
            return None
        found: list[str] = json.loads(await self._get(f"/jobs?key={key}"))
        return found

    async def close(self) -> None:
        """Let go of the connections."""
        if self._client is not None:
            await self._client.close()

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:  # made within the loop that uses it
            connector = aiohttp.TCPConnector(limit=0)
            self._client = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10))
        return self._client

    async def _get(self, path: str) -> bytes:
        try:
            async with self._session.get(f"{self._url}{path}") as answer:
                status, body = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Blip(repr(error)) from None
        if status == 404:
            raise Lost(f"{path} is gone")
        if status != 200:
            raise Blip(f"status {status}")
        return body


@contextlib.contextmanager
def running(takes: float = 0.1, *, idempotent: bool = False) -> Iterator[str]:
    """A server in a process of its own; gives its address."""
    command = [sys.executable, "-m", __name__, "--takes", str(takes), *(["--idempotent"] if idempotent else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def bill(url: str) -> dict[str, Any]:
    """What a server counted: calls that it `took`, by key, and micro-units that it `charged`."""
    return httpx.get(f"{url}/bill", timeout=10).json()


def reset(url: str) -> str:
    """Let a server forget everything; gives its address again."""
    httpx.post(f"{url}/reset", timeout=10)
    return url


def jobs(url: str) -> dict[str, str]:
    """Id of each key's job, as the engine's own console would show it."""
    return httpx.get(f"{url}/all", timeout=10).json()["jobs"]


def inputs(url: str) -> dict[str, list[str]]:
    """Files that each key was sent with."""
    return httpx.get(f"{url}/all", timeout=10).json()["inputs"]


def most_open(url: str) -> int:
    """Most jobs that were running at once."""
    return httpx.get(f"{url}/all", timeout=10).json()["most_open"]


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=float, default=0.1)
    parser.add_argument("--idempotent", action="store_true")
    options = parser.parse_args()
    paid = PaidServer(options.takes, options.idempotent)
    server = await asyncio.start_server(paid.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
