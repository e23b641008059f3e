"""Functions that tests run in child processes: good ones and one of each bad kind."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any

from transforms import child
from transforms.failures import ElementError


def double(value: int) -> int:
    return 2 * value


def sleep(seconds: float, value: Any = None) -> Any:
    time.sleep(seconds)
    return value


def facts() -> dict[str, Any]:
    """What kind of process this is."""
    import cv2

    return {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "beam": "apache_beam" in sys.modules,
        "cv2_threads": cv2.getNumThreads(),
        "session": os.getsid(0),
        "path": [p for p in sys.path if p in ("", os.getcwd())],
    }


def loaded() -> list[str]:
    return sorted(sys.modules)


def segfault(name: str = "") -> None:
    if name:
        child.phase(name)
    ctypes.string_at(0)


def leave(code: int) -> None:
    os._exit(code)


def close_everything() -> None:
    """As a decoder that has overwritten its descriptors: alive, but unable to answer."""
    os.closerange(3, 256)
    time.sleep(60)


def hang_native() -> None:
    """Hang with the interpreter lock held, as a decoder does."""
    ctypes.pythonapi.sleep(60)


def stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(60)


def eat(megabytes: int, seconds: float = 0.0) -> int:
    """Grow through the allocator: a clean MemoryError."""
    held = bytearray()
    for _ in range(megabytes):
        held += b"\1" * (1 << 20)
    time.sleep(seconds)
    return len(held)


_leaked: list[bytes] = []


def leak(megabytes: int) -> int:
    """Keep memory after the task; how much is kept by now, in MB."""
    _leaked.append(b"\1" * (megabytes << 20))
    return sum(map(len, _leaked)) >> 20


def eat_shared(megabytes: int) -> int:
    """Grow where no allocation limit sees it: only the watcher can stop it."""
    import mmap

    held = mmap.mmap(-1, megabytes << 20)
    for at in range(0, len(held), 1 << 20):
        held[at : at + (1 << 20)] = b"\1" * (1 << 20)
        time.sleep(0.002)
    time.sleep(60)
    return len(held)


def shout(megabytes: int) -> str:
    """Print on both streams, past Python's own."""
    block = b"x" * (1 << 20)
    for _ in range(megabytes // 2):
        os.write(1, block)
        os.write(2, block)
    print("and Python's own")
    return "done"


def refuse(error_class: str, message: str) -> None:
    child.phase("open")
    raise ElementError(error_class, message)


def fail() -> None:
    raise KeyError("a key that is not there")


def leave_politely() -> None:
    sys.exit(3)


def unpicklable() -> Any:
    return lambda: None


def blob(size: int) -> bytes:
    return bytes(size)


def phases(steps: list[tuple[str, float | None, float]]) -> str:
    """Walk through (name, limit, seconds taken)."""
    for name, limit, seconds in steps:
        child.phase(name, limit)
        time.sleep(seconds)
    return "done"


def decode(frames: int, every: int) -> int:
    """Report as a decoder would."""
    child.phase("decode")
    for _ in range(frames // every):
        child.report(decoded_frames=every)
    return frames


def noise() -> None:
    """As a decoder that has overwritten what is sent."""
    assert child._link is not None
    child._link._channel.sendall(b"\xff" * 4096)
    time.sleep(60)


def with_grandchild(seconds: float) -> int:
    """Start a process of its own and hang."""
    import subprocess

    process = subprocess.Popen(["sleep", "60"])
    child.report(grandchild=process.pid)
    child.phase("wait", seconds)
    time.sleep(60)
    return process.pid
