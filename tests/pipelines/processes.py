"""`rushes` as processes of their own: started quickly, watched from outside, killed, and looked for afterwards.

Each is forked from a server that has done the imports, so that a moment after the start is a moment of the work and
not of Python's start. Everything it writes goes to a log, and its temporary files to a folder of its own.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["pytest", "deltalake", "pipelines.main", "pipelines.curate", "pipelines.scenes"])


def _rushes(arguments: list[str], environment: dict[str, str], log: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    # The server has the environment of when it was started.
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None
    from pipelines.main import main

    sys.exit(main(arguments))


class Rushes:
    """One `rushes` command in a process of its own.

    Args:
        arguments: What follows `rushes`.
        folder: Gets `temp`, its TMPDIR, and `log`, everything it printed; may be shared by one process after another.

    Attributes:
        temp: Its TMPDIR.
    """

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.temp, self._log = folder / "temp", folder / "log"
        self.temp.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        task = (list(arguments), {**os.environ, "TMPDIR": str(self.temp)}, str(self._log))
        self._process: BaseProcess = _server.Process(target=_rushes, args=task)
        self._process.start()

    def wait(self, seconds: float = 120.0) -> int | None:
        """Its exit code, minus a signal's number where one ended it; None when it still runs after so long."""
        self._process.join(seconds)
        return self._process.exitcode

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._log.read_text(errors="replace")

    @property
    def children(self) -> list[psutil.Process]:
        """Every living process with a TMPDIR in its own, whoever its parent is by now: its pool's children."""
        return with_temp(self.temp)

    def orphans(self, patience: float = 5.0) -> list[psutil.Process]:
        """Those of its children that are alive so many seconds after it ended."""
        self.wait()
        until(lambda: not self.children, patience)
        return self.children

    def leftovers(self) -> list[str]:
        """What it left in its TMPDIR."""
        return sorted(p.name for p in self.temp.iterdir())


def with_temp(temp: Path) -> list[psutil.Process]:
    """Living processes that were started with this TMPDIR or one below it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            below = Path(process.environ().get("TMPDIR", "/")).is_relative_to(temp)
            if below and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def until(happened: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait until something has happened; whether it did in time."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def ended(*running: Rushes) -> Iterator[None]:
    """At the end of a test that failed half-way, nothing goes on running."""
    try:
        yield
    finally:
        for one in running:
            if one.running:
                one.signal(9)
                one.wait()
