"""Frames decoded ahead: the same ones, never more of them held than was said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from transforms.frames import decoded_ahead


@given(st.integers(0, 40), st.integers(0, 12))
def test_the_same_frames_so_many_at_a_time(frames: int, count: int) -> None:
    begun = 0

    def decode() -> Iterator[Any]:
        nonlocal begun
        for number in range(frames):
            begun += 1
            yield number

    seen: list[Any] = []
    ahead: Iterator[Any] = decoded_ahead(decode(), count)
    for number in ahead:
        seen.append(number)
        assert begun <= number + max(1, count)
    assert seen == list(range(frames))
