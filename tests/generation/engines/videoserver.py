"""A `/v1/videos` server that renders small real videos, counts what it was paid, and misbehaves on order.

In a test: `with VideoServer() as server: server.faults.append(Fault("500-after"))`. As a process of its own:
`python -m tests.generation.engines.videoserver --port 0 --script faults.json --record FOLDER`; it prints its address.
`GET /v1/record` says what it has made and charged.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator, Mapping
from email.parser import BytesParser
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

FAULTS: Final = {
    # Of the create call.
    "500-after": "accepts and charges, and answers 500",
    "500-before": "answers 500 and has accepted nothing",
    "429": "answers 429 without Retry-After, and takes nothing",
    "429-after": "answers 429 with Retry-After: `seconds`",
    "503-after": "answers 503 with Retry-After: `seconds`",
    "moderation": "answers 400 with the code moderation_blocked",
    "invalid": "answers 400 with another code",
    "cut": "accepts and charges, and closes the connection without an answer",
    "cut-before": "closes the connection and has accepted nothing",
    "garbage": "accepts and charges, and answers what is no JSON",
    "slow": "accepts and charges, and answers after `seconds`",
    # Of a job.
    "stuck": "stays in_progress",
    "unknown-status": "has the status `held_for_review`",
    "failed": "fails, and is not charged",
    "moderation-later": "fails with moderation_blocked, and is charged",
    "empty": "is completed, and its content has no bytes",
    "empty-list": "is completed, and lists no output",
    "expired-job": "has the status `expired`",
    "poll-500": "its first `polls` polls are answered 500",
    "poll-slow": "its first `polls` polls are answered after `seconds`",
    # Of the content.
    "expired": "the content is 410",
    "truncated": "the connection is closed half-way through the content",
    "half": "half of the content comes, and its length says that this is all",
    "wrong-size": "the video has half the width and height",
    "redirect": "the content is at another address, `where`",
}
"""Every fault by what it does."""
CREATING: Final = tuple(FAULTS)[: list(FAULTS).index("stuck")]
PRICE: Final = 100_000
"""Micro-units that it charges for a second."""


@dataclasses.dataclass
class Fault:
    """Something that goes wrong.

    Attributes:
        name: One of `FAULTS`.
        match: Of create calls and jobs whose prompt holds this; empty: of the next.
        times: Of how many create calls or jobs.
        polls: See there.
        seconds: See there.
        where: See there.
    """

    name: str
    match: str = ""
    times: int = 1
    polls: int = 1
    seconds: float = 1.0
    where: str = ""

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"fault {self.name!r}: not one of {', '.join(FAULTS)}")


@dataclasses.dataclass
class Made:
    """A job.

    Attributes:
        job_id: Its id.
        fields: The form it came with, files by name and size.
        key: The Idempotency-Key.
        at: When it was accepted, seconds since 1970.
        fault: What goes wrong with it.
        cost: What it was charged, in micro-units.
        path: What it was asked for by.
    """

    job_id: str
    fields: dict[str, str]
    key: str
    at: float
    fault: Fault | None
    cost: int
    path: str


class VideoServer:
    """The server; a context that runs it.

    Args:
        port: Where it listens on loopback; 0: any free one.
        record: A folder where what it has made is kept, so that it survives a restart; None: it does not.

    Attributes:
        url: Its address up to `/v1`.
        faults: What goes wrong, the first that matches.
        made: Jobs by id.
        calls: Every request: method and path.
        keys: What every request had as Authorization.
        forms: The form of every create call.
        takes: Seconds that a job takes.
        idempotent: One job for one Idempotency-Key.
        echoes: Fields of the form that jobs give back.
        tells_cost: Jobs say what they cost.
        key: The key it wants; empty: none.
        lists: It has a list of jobs.
    """

    def __init__(self, port: int = 0, record: Path | None = None) -> None:
        self.faults: list[Fault] = []
        self.made: dict[str, Made] = {}
        self.calls: list[tuple[str, str]] = []
        self.keys: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.takes = 0.0
        self.idempotent = True
        self.echoes: tuple[str, ...] = ("metadata", "user")
        self.tells_cost = True
        self.key = ""
        self.lists = True
        self._record = record
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", port), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        if record is not None and (record / "made.jsonl").exists():
            for line in (record / "made.jsonl").read_text().splitlines():
                told = json.loads(line)
                fault = told.pop("fault")
                self.made[told["job_id"]] = Made(**told, fault=Fault(**fault) if fault else None)

    def __enter__(self) -> VideoServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def charged(self) -> int:
        """All that it charged, in micro-units."""
        return sum(one.cost for one in self.made.values())

    def creates(self) -> int:
        """How many create calls came, answered or not."""
        return len(self.forms)

    def fault_of(self, prompt: str, names: tuple[str, ...]) -> Fault | None:
        """Use up a fault."""
        with self._lock:
            for fault in self.faults:
                if fault.name in names and fault.times and fault.match in prompt:
                    fault.times -= 1
                    return dataclasses.replace(fault)
        return None

    def accept(self, path: str, fields: dict[str, str], key: str) -> Made:
        """Make a job, or find the one of that key."""
        later = tuple(name for name in FAULTS if name not in CREATING)
        fault = self.fault_of(fields.get("prompt", ""), later)
        with self._lock:
            known = next((one for one in self.made.values() if key and one.key == key), None)
            if known and self.idempotent:
                return known
            seconds = _shape(fields)[3]
            cost = 0 if fault and fault.name == "failed" else round(seconds * PRICE)
            job_id = f"video_{len(self.made):06d}_{hashlib.sha256(repr((fields, key)).encode()).hexdigest()[:8]}"
            job = Made(job_id, fields, key, time.time(), fault, cost, path)
            self.made[job_id] = job
            if self._record is not None:
                self._record.mkdir(parents=True, exist_ok=True)
                with (self._record / "made.jsonl").open("a") as file:
                    file.write(json.dumps(dataclasses.asdict(job)) + "\n")
        return job

    def told(self, job: Made) -> dict[str, Any]:
        """What it says of a job."""
        name = job.fault.name if job.fault else ""
        done = time.time() - job.at >= self.takes
        status = "completed" if done else "in_progress"
        width, height, _, seconds = _shape(job.fields)
        body: dict[str, Any] = {
            "id": job.job_id,
            "object": "video",
            "created_at": int(job.at),
            "model": job.fields.get("model"),
            "prompt": job.fields.get("prompt"),
            "size": f"{width}x{height}",
            "seconds": f"{seconds:g}",
            "error": None,
            **{field: job.fields[field] for field in self.echoes if field in job.fields},
        }
        if name == "stuck":
            status = "in_progress"
        elif done and name == "unknown-status":
            status = "held_for_review"
        elif done and name == "expired-job":
            status = "expired"
        elif done and name in ("failed", "moderation-later"):
            status = "failed"
            code = "moderation_blocked" if name == "moderation-later" else "internal_error"
            body["error"] = {"code": code, "message": "it did not work out"}
        elif done and name == "empty-list":
            body["data"] = []
        body["progress"] = 100 if done else 50
        if self.tells_cost and done:
            body["usage"] = {"cost": job.cost / 1e6}
        return {**body, "status": status}

    def record(self) -> dict[str, Any]:
        """What it has made and charged."""
        return {
            "creates": self.creates(),
            "jobs": [{"id": one.job_id, "key": one.key, "cost": one.cost} for one in self.made.values()],
            "charged": self.charged,
        }


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


class _Cut(Exception):
    """The connection is to be closed without an answer."""


def _handler(server: VideoServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path, _, query = self.path.partition("?")
            server.calls.append((self.command, path))
            server.keys.append(self.headers.get("Authorization", ""))
            with contextlib.suppress(_Cut, ConnectionError):
                if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                    return self._error(401, "invalid_api_key", f"Incorrect API key {self.headers['Authorization']}")
                if self.command == "POST":
                    return self._create(path.removeprefix("/v1/"), content)
                if path == "/v1/record":
                    return self._json(200, server.record())
                if path == "/v1/videos":
                    return self._list(dict(pair.split("=") for pair in query.split("&") if pair))
                return self._job(path.removeprefix("/v1/videos/"))
            self.close_connection = True
            return None

        def _create(self, path: str, content: bytes) -> None:
            fields = _fields(self.headers["Content-Type"], content)
            server.forms.append(fields)
            fault = server.fault_of(fields.get("prompt", ""), CREATING) or Fault("slow", seconds=0)
            name, headers = fault.name, {"Retry-After": f"{fault.seconds:g}"}
            if name == "500-before":
                return self._error(500, "server_error", "it broke")
            if name in ("429", "429-after"):
                return self._error(429, "rate_limit_exceeded", "later", headers if name == "429-after" else {})
            if name == "503-after":
                return self._error(503, "overloaded", "later", headers)
            if name == "moderation":
                return self._error(400, "moderation_blocked", "it will not make that")
            if name == "invalid":
                return self._error(400, "invalid_size", "no such size")
            if name == "cut-before":
                raise _Cut
            job = server.accept(path, fields, self.headers.get("Idempotency-Key", ""))
            if name == "500-after":
                return self._error(500, "server_error", "it broke")
            if name == "cut":
                raise _Cut
            if name == "garbage":
                return self._send(200, b"<html>fine</html>", {"Content-Type": "text/html"})
            time.sleep(fault.seconds if fault.name == "slow" else 0)
            return self._json(200, {**server.told(job), "status": "queued", "progress": 0})

        def _list(self, query: Mapping[str, str]) -> None:
            if not server.lists:
                return self._error(404, "", "Not Found")
            every = [server.told(job) for job in reversed(server.made.values())]
            ids = [one["id"] for one in every]
            start = ids.index(query["after"]) + 1 if "after" in query else 0
            page = every[start : start + int(query.get("limit", "20"))]
            body = {"object": "list", "data": page, "has_more": start + len(page) < len(every)}
            return self._json(200, body)

        def _job(self, path: str) -> None:
            job_id, _, content = path.partition("/")
            job = server.made.get(job_id)
            if job is None:
                return self._error(404, "not_found", "no such video")
            if content == "content":
                return self._content(job)
            fault = job.fault
            if fault and fault.name in ("poll-500", "poll-slow") and fault.polls:
                fault.polls -= 1
                if fault.name == "poll-500":
                    return self._error(500, "server_error", "it broke")
                time.sleep(fault.seconds)
            return self._json(200, server.told(job), {"openai-poll-after-ms": "250"})

        def _content(self, job: Made) -> None:
            fault = job.fault or Fault("slow")
            if fault.name == "expired":
                return self._error(410, "expired", "the link has expired")
            if fault.name == "redirect":
                return self._send(302, b"", {"Location": fault.where})
            width, height, rate, seconds = _shape(job.fields)
            if fault.name == "wrong-size":
                width, height = width // 4 * 2, height // 4 * 2
            if fault.name == "empty":
                return self._send(200, b"", {"Content-Type": "video/mp4"})
            data = video(width, height, rate, seconds, _hue(job))
            if fault.name == "half":
                data = data[: len(data) // 2]
            cut = len(data) // 2 if fault.name == "truncated" else None
            return self._send(200, data, {"Content-Type": "video/mp4"}, cut)

        def _error(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
            return self._json(status, {"error": {"code": code, "message": message, "type": "test"}}, headers)

        def _json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
            said = {"Content-Type": "application/json", **(headers or {})}
            return self._send(status, json.dumps(body).encode(), said)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
            self.close_connection = cut is not None
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])

    return Handler


def _fields(content_type: str, content: bytes) -> dict[str, str]:
    """The fields of a form; of a file, its type and the first digits of its digest."""
    if content_type == "application/json":
        return {name: str(value) for name, value in json.loads(content).items()}
    parsed: Any = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    if not parsed.is_multipart():
        raise _Cut
    found = {}
    for part in parsed.get_payload():
        data = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        is_file = part.get_param("filename", header="content-disposition") is not None
        digest = hashlib.sha256(data).hexdigest()[:16]
        found[str(name)] = f"{part.get_content_type()} {digest}" if is_file else data.decode()
    return found


def _shape(fields: Mapping[str, str]) -> tuple[int, int, Fraction, float]:
    """Width, height, rate and seconds that a form asks for."""
    rate = Fraction(fields.get("fps", "24")).limit_denominator(1001)
    width, height = (int(side) for side in fields.get("size", "320x192").split("x"))
    width, height = int(fields.get("width", width)), int(fields.get("height", height))
    if "num_frames" in fields:
        return width, height, rate, float(int(fields["num_frames"]) / rate)
    return width, height, rate, float(fields.get("seconds", "4"))


def _hue(job: Made) -> int:
    return int(hashlib.sha256(repr(sorted(job.fields.items())).encode()).hexdigest()[:4], 16) % 200


_videos: dict[tuple[Any, ...], bytes] = {}
_rendering = threading.Lock()


def video(width: int, height: int, rate: Fraction, seconds: float, hue: int) -> bytes:
    """A small MP4 whose picture moves and whose sound is a tone; the same bytes for the same values."""
    asked = (width, height, rate, seconds, hue)
    with _rendering:
        if asked not in _videos:
            _videos[asked] = _rendered(*asked)
        return _videos[asked]


def _rendered(width: int, height: int, rate: Fraction, seconds: float, hue: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as made:
        stream: Any = made.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound: Any = made.add_stream("aac", rate=48000, layout="stereo")
        for n, picture in enumerate(_pictures(width, height, max(1, round(seconds * rate)), hue)):
            frame = av.VideoFrame.from_ndarray(picture, format="gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = n, 1 / rate
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
        wave = 0.1 * np.sin(2 * np.pi * (220 + hue) * np.arange(round(seconds * 48000)) / 48000)
        for start in range(0, len(wave), 1024):
            both = np.ascontiguousarray(np.stack([wave[start : start + 1024]] * 2).astype(np.float32))
            tone = av.AudioFrame.from_ndarray(both, "fltp", "stereo")
            tone.sample_rate, tone.pts = 48000, start
            made.mux(sound.encode(tone))
        made.mux(sound.encode(None))
    return file.getvalue()


def _pictures(width: int, height: int, count: int, hue: int) -> Iterator[Any]:
    """Broad bands that wander, with a bar whose place says which frame it is."""
    columns = np.arange(width)[None, :] + np.arange(height)[:, None] // 2
    for n in range(count):
        picture = (40 + hue % 40 + 60 * (1 + np.sin((columns + 6 * n) / width * 9))).astype(np.uint8)
        picture[: height // 8, : max(1, round(width * (n + 1) / count))] = 235
        yield picture


def main() -> None:
    """Run as a process of its own until it is killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--script", type=Path, help="JSON: a list of faults, each an object of the fields of Fault")
    parser.add_argument("--record", type=Path, help="a folder where what it has made is kept over restarts")
    parser.add_argument("--takes", type=float, default=0.0, help="seconds that a job takes")
    given = parser.parse_args()
    server = VideoServer(given.port, given.record)
    server.takes = given.takes
    if given.script:
        server.faults = [Fault(**one) for one in json.loads(given.script.read_text())]
    with server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
