"""Real servers on loopback for tests.

S3 (moto), Google Cloud Storage (fake-gcs-server), and a web server that misbehaves on order.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict, deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setenv(name, value)
        yield


@contextlib.contextmanager
def s3_server(bucket: str = "rushes") -> Iterator[str]:
    """An S3 server with one empty bucket; the environment points at it. Gives `s3://BUCKET`."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with _environment({**AWS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}):
            _clear_instances("s3fs", "S3FileSystem")
            # The server keeps its buckets in this process, where those of an earlier test may still be.
            for path, method in (("moto-api/reset", "POST"), (bucket, "PUT")):
                request = urllib.request.Request(f"http://{host}:{port}/{path}", method=method)
                urllib.request.urlopen(request, timeout=10).close()
            yield f"s3://{bucket}"
            _clear_instances("s3fs", "S3FileSystem")
    finally:
        server.stop()


@contextlib.contextmanager
def gcs_server(folder: Path, bucket: str = "rushes") -> Iterator[str]:
    """A GCS server with one empty bucket, its objects below `folder`; the environment points at it. Gives `gs://BUCKET`.

    Skips the test where there is neither the server's binary nor a Go toolchain that can build it.
    """
    binary, port = _gcs_binary(), free_port()
    address = f"http://127.0.0.1:{port}"
    command = [binary, "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-public-host", f"127.0.0.1:{port}"]
    command += [
        "-external-url",
        address,
        "-backend",
        "filesystem",
        "-filesystem-root",
        str(folder),
        "-log-level",
        "error",
    ]
    with open(folder.parent / "fake-gcs-server.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        body = b'{"name": "' + bucket.encode() + b'"}'
        headers = {"Content-Type": "application/json"}
        made = urllib.request.Request(f"{address}/storage/v1/b?project=test", body, headers)
        _when_ready(made, process)
        settings = {"STORAGE_EMULATOR_HOST": address, "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false"}
        with _environment(settings):
            _clear_instances("gcsfs.core", "GCSFileSystem")
            yield f"gs://{bucket}"
            _clear_instances("gcsfs.core", "GCSFileSystem")
    finally:
        process.terminate()
        process.wait(10)


def _gcs_binary() -> str:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rushes-tests"
    binary = folder / "fake-gcs-server"
    if binary.exists():
        return str(binary)
    if not shutil.which("go"):
        pytest.skip("no Go toolchain to build fake-gcs-server with")
    folder.mkdir(parents=True, exist_ok=True)
    build = ["go", "install", "github.com/fsouza/fake-gcs-server@latest"]
    try:
        done = subprocess.run(
            build, env={**os.environ, "GOBIN": str(folder), "GOFLAGS": ""}, cwd=folder, capture_output=True, timeout=280
        )
    except subprocess.TimeoutExpired:
        pytest.skip("fake-gcs-server could not be built in 280 s")
    if done.returncode:
        pytest.skip(f"fake-gcs-server could not be built: {done.stderr.decode(errors='replace')[-200:]}")
    return str(binary)


def _when_ready(request: urllib.request.Request, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(request, timeout=10).close()
            return
        except (ConnectionError, urllib.error.URLError):
            if process.poll() is not None:
                break
            time.sleep(0.05)
    raise RuntimeError(f"fake-gcs-server did not start, exit status {process.poll()}")


def _clear_instances(module: str, name: str) -> None:
    """Forget file systems made for another server: fsspec keeps them by their options, not by the environment."""
    getattr(importlib.import_module(module), name).clear_instance_cache()


class Asked(NamedTuple):
    """One request that a `WebServer` received."""

    method: str
    path: str
    range: str | None


class WebServer:
    """Files over HTTP with range requests, a record of what was asked, and faults on order.

    Attributes:
        address: `http://HOST:PORT`.
        files: Path (with its leading slash) to content: bytes, or a local file.
        etags: Path to entity tag; a path without one has no validator.
        moved: Path to the address it redirects to.
        faults: Path to the faults of the next requests, in order: a status, or `("cut", n)` to close after n bytes of
            the body, or `"reset"` to close without an answer. Requests after the last fault are answered well.
        refuse_head: Answer 403 to HEAD, as signed addresses do.
        ranges: Honour Range.
        asked: Every request so far.
        sent: Bytes of bodies so far, counted before the answer begins: who has it finds them counted.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.files: dict[str, bytes | Path] = {}
        self.etags: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.faults: dict[str, deque[Any]] = defaultdict(deque)
        self.refuse_head = False
        self.ranges = True
        self.asked: list[Asked] = []
        self.sent = 0
        self._server = _QuietServer((host, 0), _handler(self))
        self.address = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away are part of the tests."""


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, body: bool) -> None:
            path = self.path.partition("?")[0]
            server.asked.append(Asked(self.command, self.path, self.headers.get("Range")))
            fault = server.faults[path].popleft() if server.faults[path] else None
            if fault == "reset":
                self.close_connection = True
                return
            if isinstance(fault, int):
                self._status(fault)
            elif path in server.moved:
                self._status(302, Location=server.moved[path])
            elif self.command == "HEAD" and server.refuse_head:
                self._status(403)
            elif path not in server.files:
                self._status(404)
            else:
                self._file(path, body, fault[1] if fault else None)

        def _status(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def _file(self, path: str, body: bool, cut: int | None) -> None:
            content = server.files[path]
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            start, end, tag = 0, size, server.etags.get(path)
            wanted = self.headers.get("Range") if server.ranges else None
            ranged = wanted is not None and self.headers.get("If-Range", tag) == tag
            if wanted and ranged:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start, end = int(first), min(int(last) + 1 if last else size, size)
            stop = end if cut is None else min(end, start + cut)
            if body:
                server.sent += stop - start
            if ranged:
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            else:
                self.send_response(200)
            if tag:
                self.send_header("ETag", tag)
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            if body:
                self._send(content, start, stop)
                self.close_connection = cut is not None

        def _send(self, content: bytes | Path, start: int, end: int) -> None:
            if isinstance(content, bytes):
                self.wfile.write(content[start:end])
                return
            with content.open("rb") as file, contextlib.suppress(ConnectionError):
                file.seek(start)
                while start < end and (data := file.read(min(2**20, end - start))):
                    self.wfile.write(data)
                    start += len(data)

    return Handler
