"""Threads of a process that stay.

A thread that is new for each call gets a heap of its own from glibc, up to eight for each core, and what it read leaves
that heap as large as it was at its fullest. Frames in flight took 13 MB in each. So calls that come again and again
share the threads of one pool.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

_READERS: Final = 4
"""Reading ahead is waiting for a disk or a network; models of one process that work at the same time take turns."""

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


@functools.cache
def pool(name: str, count: int) -> ThreadPoolExecutor:
    """The pool of a name in this process, with so many threads."""
    return ThreadPoolExecutor(count, name)


def mapped(threads: ThreadPoolExecutor, work: Callable[[_Item], _Found], items: Iterable[_Item]) -> list[_Found]:
    """What a function makes of each item, in their order, several at a time.

    Where one raises, those that have not begun are left, the others are waited for, and the first error is raised.
    """
    running = [threads.submit(work, item) for item in items]
    try:
        return [one.result() for one in running]
    finally:
        for one in running:
            one.cancel()
        wait(running)


def ahead(items: Iterator[_Item]) -> Iterator[_Item]:
    """What an iterator gives, the next item made in another thread while the last one is used."""

    def step() -> tuple[_Item] | None:
        for item in items:
            return (item,)
        return None

    threads = pool("ahead", _READERS)
    coming = threads.submit(step)
    try:
        while (found := coming.result()) is not None:
            coming = threads.submit(step)
            yield found[0]
    finally:
        wait([coming])  # What it reads from is closed after this.
