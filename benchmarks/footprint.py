"""Footprint: the memory and time of a command and of every process it starts.

Memory is the proportional set size where the kernel tells it (`/proc/PID/smaps_rollup`): a page that several processes
share counts once, so that a sum over processes is what the machine really gives. Elsewhere it is the resident set size,
which counts shared pages once for each process and so is never too low. Linux only.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent

_EVERY = 0.25  # seconds between samples
_SHARE = 25  # a sample may take one part in this many of the time, so that looking does not slow down what is looked at


@dataclass
class Footprint:
    """What a command took.

    Attributes:
        code: Its exit code.
        seconds: From start to end.
        peak: Most bytes of all processes at one moment.
        parent: Most bytes of the command's own process.
        child: Most bytes of any process below it.
        at_peak: Bytes of every process at the moment of `peak`, the command's own first.
        exact: Whether every sample was of the proportional set size.
        cpu: Processor seconds of all processes.
    """

    code: int = 0
    seconds: float = 0.0
    peak: int = 0
    parent: int = 0
    child: int = 0
    at_peak: list[int] = field(default_factory=list)
    exact: bool = True
    cpu: float = 0.0


def below(pid: int) -> Iterator[int]:
    """The process ids of a process and of all below it."""
    yield pid
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for task in tasks:
        try:
            children = Path(f"/proc/{pid}/task/{task}/children").read_bytes().split()
        except OSError:
            continue
        for child in children:
            yield from below(int(child))


def memory(pid: int) -> tuple[int, bool]:
    """Bytes of a process, and whether they are its proportional set size; 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024, True
    except OSError:
        pass
    try:
        size = int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return size, size == 0  # a process that is ending has no memory, and says nothing about it
    except (OSError, ValueError, IndexError):
        return 0, True


def watch(command: Sequence[str], log: Path) -> Footprint:
    """Run a command in the repository's root to its end.

    Args:
        command: Program and arguments.
        log: File that takes its output.
    """
    found, start, before = Footprint(), time.monotonic(), os.times()
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd=REPOSITORY)
        try:
            while process.poll() is None:
                began = time.monotonic()
                sizes = [memory(pid) for pid in below(process.pid)]
                found.exact &= all(exact for _, exact in sizes)
                parts = [size for size, _ in sizes]
                total = sum(parts)
                if total > found.peak:
                    found.peak, found.at_peak = total, parts
                found.parent = max(found.parent, parts[0])
                found.child = max([found.child, *parts[1:]])
                time.sleep(max(_EVERY, _SHARE * (time.monotonic() - began)))
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait()
    after = os.times()
    found.code, found.seconds = process.returncode, time.monotonic() - start
    found.cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return found
