"""A real web server on loopback that serves site files and misbehaves by path."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_BOMB = gzip.compress(bytes(5_000_000), 1)


class HostileServer:
    """Files by path, and faults: `/slow`, `/drip`, `/endless`, `/circle`, `/chain/N`, `/bomb`, `/reset`, `/STATUS`.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        files: Path to body.
        headers: Path to header lines.
        faults: Path to the faulty path that answers instead.
        asked: Methods and paths so far.
        sent: Bytes of endless bodies that were sent so far.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, list[tuple[str, str]]] = {}
        self.faults: dict[str, str] = {}
        self.asked: list[str] = []
        self.sent = 0
        self.over = threading.Event()
        self._server = _Quiet(("127.0.0.1", 0), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> HostileServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


def _handler(server: HostileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            server.asked.append(f"{self.command} {self.path}")
            path = server.faults.get(self.path, self.path)
            first, _, rest = path.strip("/").partition("/")
            fault = getattr(self, f"_{first}", None)
            with contextlib.suppress(ConnectionError):
                if fault:
                    fault(rest)
                elif first.isdecimal():
                    self._say(int(first), b"no")
                elif path in server.files:
                    self._say(200, server.files[path], *server.headers.get(path, ()))
                else:
                    self._say(404, b"nothing")

        def _say(self, status: int, body: bytes, *headers: tuple[str, str], length: int | None = None) -> None:
            self.send_response(status)
            for name, value in (*headers, ("Content-Length", str(len(body) if length is None else length))):
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def _slow(self, _: str) -> None:
            server.over.wait(20)
            self.close_connection = True

        def _drip(self, _: str) -> None:
            self._say(200, b"", length=10_000)
            start = time.monotonic()
            while time.monotonic() - start < 20 and not server.over.wait(0.05):
                self.wfile.write(b"#")
                self.wfile.flush()
            self.close_connection = True

        def _endless(self, rest: str) -> None:
            self._say(200, b"", length=10_000_000_000)
            block = b"User-agent: *\nDisallow: /private\n" * 2000
            while not server.over.is_set():
                self.wfile.write(block)
                server.sent += len(block)

        def _circle(self, rest: str) -> None:
            self._say(302, b"", ("Location", "/circle/b" if rest != "b" else "/circle/a"))

        def _chain(self, rest: str) -> None:
            number = int(rest or 0)
            self._say(301, b"", ("Location", f"/chain/{number - 1}" if number else "/end.txt"))

        def _away(self, rest: str) -> None:
            self._say(302, b"", ("Location", rest.replace("!", "/")))

        def _bomb(self, _: str) -> None:
            self._say(200, _BOMB, ("Content-Encoding", "gzip"))

        def _zipped(self, _: str) -> None:
            self._say(200, gzip.compress(b"User-agent: *\nDisallow: /\n"), ("Content-Encoding", "gzip"))

        def _reset(self, _: str) -> None:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def _headless(self, _: str) -> None:
            if self.command == "HEAD":
                self._say(405, b"")
            else:
                self._say(206, b"x", ("TDM-Reservation", "1"), ("Content-Range", "bytes 0-0/9"))

        def _chatty(self, rest: str) -> None:
            self._say(200, b"x", *((f"X-{n}", "y") for n in range(int(rest))), ("X-Robots-Tag", "noai"))

        def _garbage(self, _: str) -> None:
            self.wfile.write(b"\x00\x01 hello\r\n\r\n")
            self.close_connection = True

    return Handler
