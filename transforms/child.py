"""Child: the loop inside a child process of the pool, and what a task may tell its watcher.

A child runs one task after another and is the only place where media are opened, so it may crash, hang or eat memory
without harm to anyone else. It never imports Beam, uses one thread, dies with its parent, and writes no core file.

A task is a plain function named `package.module:name`. Inside it `phase` gives the watcher a new deadline and `report`
sends advisory progress; outside a child both do nothing, so that a task can be called directly.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import pickle
import select
import signal
import socket
import struct
import sys
import threading
import time
from typing import Any, Final

from transforms.failures import ElementError, short_traceback

MAX_MESSAGE: Final = 64 << 20
"""Largest message in bytes; larger results belong in a file."""
_MAX_EVENT: Final = 4096  # bytes; far below a socket buffer, so that a writable socket takes it whole
_EVENT_INTERVAL: Final = 0.2  # seconds between progress events of one child
_HEADER: Final = struct.Struct("!I")
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def pack(message: tuple[Any, ...]) -> bytes:
    """A message as bytes: four bytes of length, then its pickle."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    if len(body) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(body) >> 20} MB; the most is {MAX_MESSAGE >> 20} MB: write it to a file")
    return _HEADER.pack(len(body)) + body


def unpack(inbox: bytearray) -> list[tuple[Any, ...]]:
    """Take every whole message off the front of `inbox`; an unfinished one stays.

    Raises:
        ValueError: A length over `MAX_MESSAGE`: the stream is broken.
    """
    messages = []
    while len(inbox) >= _HEADER.size:
        (size,) = _HEADER.unpack_from(inbox)
        if size > MAX_MESSAGE:
            raise ValueError(f"a message of {size} bytes")
        end = _HEADER.size + size
        if len(inbox) < end:
            break
        messages.append(pickle.loads(bytes(inbox[_HEADER.size : end])))
        del inbox[:end]
    return messages


class _Link:
    """The child's end of the socket to its parent."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._pending: dict[str, Any] = {}
        self._sent_at = 0.0

    def send(self, *message: Any) -> None:
        data = pack(message)
        with self._lock:
            self._channel.sendall(data)

    def receive(self) -> tuple[Any, ...] | None:
        """The next message, or None when the parent has closed its end."""
        inbox = bytearray()
        while not (messages := unpack(inbox)):
            data = self._channel.recv(1 << 16)
            if not data:
                return None
            inbox += data
        return messages[0]

    def note(self, event: dict[str, Any]) -> None:
        with self._lock:
            for name, value in event.items():
                counted = isinstance(value, (int, float)) and not isinstance(value, bool)
                self._pending[name] = self._pending.get(name, 0) + value if counted else value
        if time.monotonic() - self._sent_at >= _EVENT_INTERVAL:
            self.flush()

    def flush(self) -> None:
        """Send what is pending, unless that could block."""
        with self._lock:
            if not self._pending or not select.select([], [self._channel], [], 0)[1]:
                return
            data = pack(("event", self._pending))
            self._pending, self._sent_at = {}, time.monotonic()
            if len(data) <= _MAX_EVENT:
                self._channel.sendall(data)


_link: _Link | None = None


def phase(name: str, seconds: float | None = None) -> None:
    """Begin a new phase of the task; a failure names it. Does nothing outside a child.

    Args:
        name: The phase in one word, such as `decode`.
        seconds: How long the phase may take; None is the pool's `time_limit`. What earlier phases took doesn't count.
    """
    if _link is not None:
        _link.flush()
        _link.send("phase", name, None if seconds is None else float(seconds))


def report(**event: Any) -> None:
    """Send progress. Advisory: cheap, never blocks, may be lost. Does nothing outside a child.

    Args:
        event: Numbers are what was done since the last report and add up; words replace what was said before. The
            names that `transforms.progress` knows are the fields of its `Snapshot`. Reports within 0.2 s travel as one.
    """
    if _link is not None:
        _link.note(event)


def resolve(function: str) -> Any:
    """The function named `package.module:name`."""
    module, _, name = function.partition(":")
    return getattr(importlib.import_module(module), name)


def _die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends; elsewhere, look now and then."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(1)
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _limit(megabytes: int) -> None:
    """No core files, and an allocation over the limit fails with a MemoryError instead of taking the machine down."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes << 20 if megabytes else hard, hard))


def _run(link: _Link, function: str, arguments: dict[str, Any], memory_limit_mb: int) -> None:
    """Run one task and send its result or its failure."""
    try:
        result = resolve(function)(**arguments)
        link.flush()
        try:
            body = pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL)
            answer = pack(("result", body))
        except MemoryError:
            raise
        except Exception as error:
            raise TypeError(f"{function} returned what cannot be sent: {error}") from error
    except ElementError as error:
        answer = pack(("failed", error.error_class, error.message, short_traceback(error), error.attempts))
    except MemoryError as error:
        _limit(0)  # room to say so
        message = f"an allocation went over the limit of {memory_limit_mb} MB"
        answer = pack(("failed", "out_of_memory", message, short_traceback(error)))
    except BaseException as error:
        message = f"{type(error).__name__}: {error}"[:1000]
        answer = pack(("failed", "internal", message, short_traceback(error)))
    with link._lock:
        link._channel.sendall(answer)


def main(channel: int, log: int, parent: int) -> None:
    """Serve tasks until the parent closes the channel.

    Args:
        channel: File descriptor of the socket to the parent.
        log: File descriptor of the file that takes Python's stack when a signal kills this process.
        parent: Process id of the parent.
    """
    global _link
    _die_with_parent(parent)
    # Copies are not inherited by what a task starts, and have low numbers however many files the parent has open.
    faulthandler.enable(os.dup(log))
    _link = _Link(socket.socket(fileno=os.dup(channel)))
    os.close(log)
    os.close(channel)
    try:
        first = _link.receive()
        if first is None:
            os._exit(0)
        preload, memory_limit_mb = first
        try:
            for module in preload:
                importlib.import_module(module)
        except Exception as error:
            _link.send("broken", short_traceback(error))
            os._exit(1)
        _limit(memory_limit_mb)
        _link.send("ready")
        while (task := _link.receive()) is not None:
            _run(_link, task[0], task[1], memory_limit_mb)
    except OSError:  # the parent has gone
        os._exit(1)
    os._exit(0)  # nothing to tidy, and native libraries may crash while they try


if __name__ == "__main__":
    from transforms import child  # the module that tasks import: this one is only called __main__

    child.main(*(int(word) for word in sys.argv[1:4]))
