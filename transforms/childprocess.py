"""Child process: starting one, writing to it and reading from it without ever blocking, and killing it.

This is the parent's side of `transforms.child`; `transforms.pool` decides when.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from typing import IO, Any, Final

from transforms.child import MAX_MESSAGE

START_LIMIT: Final = 120.0
"""Seconds for interpreter and imports, ample on a loaded machine."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")

_ONE_THREAD: Final = {
    name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
}
"""One thread a child in native libraries, as there is a child for every core."""


@dataclasses.dataclass(eq=False)
class Task:
    """A task as its child is told it, what messages call it, and where its result goes."""

    message: bytes
    label: str
    future: Future[Any]


class Child:
    """The parent's view of one child. Only the pool's thread touches it, but for `kill`."""

    def __init__(self, first_message: bytes) -> None:
        ours, theirs = socket.socketpair()
        # Python writes its stack here if a signal kills it: bounded, unlike stderr.
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        path = os.pathsep.join(p or os.getcwd() for p in sys.path)
        arguments = [str(theirs.fileno()), str(self.log.fileno()), str(os.getpid())]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "transforms.child", *arguments],
                pass_fds=(theirs.fileno(), self.log.fileno()),
                env={**os.environ, **_ONE_THREAD, "PYTHONPATH": path},
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            ours.close()
            self.log.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self.channel = ours
        self.inbox = bytearray()
        self.outbox = bytearray(first_message)
        self.ready = False
        self.closed = False  # the child has closed its end
        self.task: Task | None = None
        self.served = 0
        self.peak = 0  # bytes, the most resident memory seen during this task
        self.phase, self.limit = "", START_LIMIT
        self.deadline = time.monotonic() + START_LIMIT

    def enter(self, phase: str, seconds: float) -> None:
        self.phase, self.limit, self.deadline = phase, seconds, time.monotonic() + seconds

    def resident(self) -> int:
        """Bytes of memory in use now, 0 where the system doesn't tell."""
        try:
            with open(f"/proc/{self.process.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            return 0

    def kill(self) -> None:
        """Kill the child and whatever it started; its id can't have been given away, as it is not reaped yet."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def push(self) -> None:
        """Write what the channel takes."""
        with contextlib.suppress(BlockingIOError):
            while self.outbox:
                del self.outbox[: self.channel.send(self.outbox)]

    def pull(self) -> None:
        """Read what there is, at most one message beyond the largest."""
        try:
            while len(self.inbox) <= MAX_MESSAGE:
                data = self.channel.recv(1 << 18)
                if not data:
                    self.closed = True
                    return
                self.inbox += data
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def last_words(self) -> str:
        """Python's stack when a signal killed it, if it could still be written."""
        with contextlib.suppress(OSError, ValueError):
            self.log.seek(0)
            return self.log.read(4000).decode(errors="replace")
        return ""


def ending(code: int) -> str:
    """How a process ended, for a person."""
    if code >= 0:
        return f"exit status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return name + (", sent from outside, often for want of memory" if name == "SIGKILL" else "")
