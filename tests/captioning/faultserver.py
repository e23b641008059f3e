"""A model endpoint on loopback that answers by what it was shown, and misbehaves on order.

It speaks OpenAI's format over real connections. What it says of images is a digest of them, so that an answer on a
wrong window shows; it counts what it was asked, and how many requests were open at once.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """One request that the server received, and when (monotonic seconds)."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    at: float

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.content)


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer.

    Attributes:
        status: Its status.
        headers: Headers added to it.
        body: Its body; None for the right answer.
        wait: Seconds before it is sent.
        cut: The connection is closed after so many bytes of the body; -1: without any answer.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait: float = 0.0
    cut: int | None = None


def error(status: int, code: str = "", message: str = "no", **headers: str) -> Fault:
    """An answer with a status and an error in OpenAI's shape. Header names are written with underscores."""
    body = json.dumps({"error": {"message": message, "code": code or None, "type": "test"}}).encode()
    return Fault(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=body)


def said(text: str | None, *, finish: str = "stop", choices: int = 1, **more: Any) -> Fault:
    """A completion of the right shape that says something of its own."""
    return Fault(body=json.dumps(saying(text, finish=finish, choices=choices, **more)).encode())


def saying(text: str | None, *, finish: str = "stop", choices: int = 1, **more: Any) -> dict[str, Any]:
    """The body of a completion that says something."""
    message = {"role": "assistant", "content": text, **more}
    return {"choices": [{"index": n, "message": message, "finish_reason": finish} for n in range(choices)]}


def seen(images: Iterable[bytes]) -> str:
    """What the server says of some images in their order."""
    return "seen " + hashlib.sha256(b"|".join(images)).hexdigest()[:16]


def completion(asked: Asked) -> dict[str, Any]:
    """The right answer of a chat endpoint."""
    content = asked.body["messages"][0]["content"]
    urls = [part["image_url"]["url"] for part in content if part["type"] == "image_url"]
    text = seen(base64.b64decode(url.partition(",")[2]) for url in urls)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}


class FaultServer:
    """The server; a context that runs it.

    Attributes:
        url: Its address up to `/v1`.
        answers: Path below `/v1/` to what is said there, as JSON; other paths are 404.
        faults: What goes wrong with the next requests to one of those paths, in order; None is a right answer.
        wrong: What goes wrong with a request, however often it comes: None, or a fault, by its content.
        takes: Seconds that every answer takes.
        asked: Every request so far.
        most_open: Most requests that were open at once.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Asked], Any]] = {"chat/completions": completion}
        self.faults: deque[Fault | None] = deque()
        self.wrong: Callable[[Asked], Fault | None] = lambda asked: None
        self.takes = 0.0
        self.asked: list[Asked] = []
        self.most_open = 0
        self._open = 0
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def posts(self) -> list[Asked]:
        """The requests that cost something."""
        return [asked for asked in self.asked if asked.method == "POST"]

    def begin(self, asked: Asked) -> Fault | None:
        """Count a request, and say what is to go wrong with it."""
        with self._lock:
            self.asked.append(asked)
            self._open += 1
            self.most_open = max(self.most_open, self._open)
            known = asked.path.partition("?")[0].removeprefix("/v1/") in self.answers
            return (self.faults.popleft() if self.faults and known else None) or self.wrong(asked)

    def end(self) -> None:
        """A request is about to be answered: for who waits it is still open."""
        with self._lock:
            self._open -= 1


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


def _handler(server: FaultServer) -> type[BaseHTTPRequestHandler]:
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
            asked = Asked(self.command, self.path, dict(self.headers), content, time.monotonic())
            fault = server.begin(asked) or Fault()
            try:
                time.sleep(server.takes + fault.wait)
                answer = server.answers.get(self.path.partition("?")[0].removeprefix("/v1/"))
                status, body = fault.status, fault.body
                if answer is None:
                    status, body = 404, b'{"detail": "Not Found"}'
                elif body is None:
                    body = json.dumps(answer(asked)).encode()
            finally:
                server.end()
            self._send(status, fault.headers, body, fault.cut)

        def _send(self, status: int, headers: Mapping[str, str], body: bytes, cut: int | None) -> None:
            self.close_connection = cut is not None
            if cut == -1:
                return
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:cut])

    return Handler
