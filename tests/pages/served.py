"""A browsing server in this process, on loopback, and calls to it that no client has tidied up."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn

from pages.browse import HOST, make_app
from pages.shelf import Shelf
from pipelines.browse import listen
from transforms import commits, records, rows, tables

SCRIPT = "<script>alert(3)</script><img src=x onerror=alert(4)>"
"""A caption that no page may take for more than a text."""


class Answer(NamedTuple):
    """What a call was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class Server(NamedTuple):
    """A server that runs."""

    port: int
    shelf: Shelf

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """One call; the path goes out as it is."""
        line = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            line.putrequest(method, path, skip_host=bool(headers and "Host" in headers), skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                line.putheader(name, value)
            if body is not None:
                line.putheader("Content-Length", str(len(body)))
            line.endheaders(body)
            answer = line.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            line.close()

    def mark(self, value: Mapping[str, Any], **other: str) -> Answer:
        """Post a mark as the server's own page does; `other` headers replace the page's."""
        headers = {"Origin": self.address, "Content-Type": "application/json", "X-Rushes-Token": self.shelf.token}
        return self.ask("/marks", "POST", {**headers, **other}, json.dumps(value).encode())


@contextlib.contextmanager
def served(root: Path | str, snapshot: int | None = None, review: bool = False) -> Iterator[Server]:
    """A server for an output folder, at full speed from the first question."""
    listening = listen(HOST, 0)
    port = listening.getsockname()[1]
    app = make_app(str(root), snapshot, port=port, review=review)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        assert app.state.shelf.snapshot("latest").wait()
        yield Server(port, app.state.shelf)
    finally:
        server.should_exit = True
        thread.join(20)
        app.state.shelf.close()
        listening.close()


def with_script(source: Path, folder: Path) -> Path:
    """A copy of an output whose first clip has one more caption: a script. It is one more snapshot."""
    out = folder / "out"
    shutil.copytree(source, out)
    corpus = tables.open_corpus(str(out))
    clip = tables.read(corpus, "clips").to_pylist()[0]
    caption = records.CaptionRow(
        clip_id=clip["clip_id"], video_id=clip["video_id"], captioner="stranger", kind="dense", text=SCRIPT,
        language="en", model="m", revision="1", settings="{}", prompt_version="", kept=True, flags=[],
    )  # fmt: skip
    scope = (clip["clip_id"], "stranger", "m", "dense", "")
    batch = rows.Batch([records.to_dict(caption)], {scope: 1})
    base = tables.roll_forward(corpus).number
    bases = tables.bucket_parts(corpus, ["captions"], base)
    bucket = records.bucket_of(clip["video_id"], corpus.buckets)
    staged = [commits.merge_bucket(corpus, "stranger", bases, "captions", bucket, list(rows.encode(batch)))]
    commits.commit(corpus, "stranger", base, bases, staged, _run_row)
    return out


def _run_row(number: int) -> Any:
    now = datetime.now(UTC)
    return records.BY_TABLE["runs"](
        run_id="stranger", job="recaption", status="done", started=now, ended=now, commit=number, config="{}",
        versions="{}", balance="{}", decoded_frames=0, source_frames=0, source_bytes=0, read_bytes=0,
        footage_seconds=0.0,
    )  # fmt: skip
