"""Threads that stay: order, errors, and what is left behind."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from transforms.threads import ahead, mapped, pool


def test_what_is_made_ahead_comes_in_order_and_a_fault_comes_through():
    def broken():
        yield from range(3)
        raise OSError("gone")

    assert list(ahead(iter(range(100)))) == list(range(100))
    got: list[int] = []
    with pytest.raises(OSError, match="gone"):
        got.extend(ahead(broken()))
    assert got == [0, 1, 2]
    assert list(ahead(iter(()))) == []


def test_who_stops_early_waits_for_what_was_being_made():
    closed = threading.Event()
    late: list[bool] = []

    def slow():
        yield 1
        time.sleep(0.2)
        late.append(closed.is_set())
        yield 2

    for _ in ahead(slow()):
        break
    closed.set()
    assert late == [False]


def test_one_inside_another_comes_to_its_end():
    def outer():
        for n in range(20):
            yield sum(ahead(iter(range(n))))

    assert list(ahead(outer())) == [sum(range(n)) for n in range(20)]


def test_a_pool_keeps_its_threads():
    def names():
        return set(mapped(pool("kept", 2), lambda _: threading.current_thread().name, range(20)))

    first = names()
    assert len(first) <= 2
    assert names() <= first | names()
    assert pool("kept", 2) is pool("kept", 2)


def test_results_come_in_order_and_of_errors_the_first_once_all_are_done():
    done: list[int] = []

    def work(n: int) -> int:
        time.sleep(0.01 * (5 - n % 5))
        if n in (3, 4):
            raise ValueError(n)
        done.append(n)
        return n

    with ThreadPoolExecutor(3) as threads:
        assert mapped(threads, work, [0, 1, 2]) == [0, 1, 2]
        with pytest.raises(ValueError, match="3"):
            mapped(threads, work, range(3, 100))
        count = len(done)
        time.sleep(0.1)
        assert len(done) == count
