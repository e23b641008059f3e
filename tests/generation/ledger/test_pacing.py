"""When engines are asked again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.ledger.pacing import Pace, backoff


def asked(pace: Pace, takes: float) -> list[float]:
    """Ages at which a job is asked after, and learned from."""
    age = pace.first(0.0)
    ages, wait = [age], age
    while age < takes:
        wait = pace.next(age, None, wait)
        age += wait
        ages.append(age)
    pace.learn(ages[-2] if len(ages) > 1 else None, age)
    return ages


@pytest.mark.parametrize("takes", [1.0, 30.0, 240.0])
def test_after_some_jobs_few_questions_find_the_end_soon(takes: float):
    pace = Pace(0.05, 30.0)
    for _ in range(80):
        ages = asked(pace, takes)
    assert len(ages) <= 4 + takes / 30
    assert ages[-1] <= takes * 1.06


def test_jobs_that_become_shorter_are_learned_again():
    pace = Pace(0.05, 30.0)
    for _ in range(80):
        asked(pace, 20.0)
    for _ in range(80):
        ages = asked(pace, 10.0)
    assert ages[-1] < 10.7


def test_what_the_engine_says_is_followed():
    pace = Pace(0.05, 30.0)
    assert pace.next(1.0, 7.0, 0.5) == 7.0
    pace.learn(1.0, 1.0)
    assert pace.next(1.0, 0.0, 0.5) == 0.05


@given(st.integers(1, 10_000), st.floats(0.1, 600), st.none() | st.floats(0, 10_000))
def test_pauses_grow_to_their_limit_and_never_fall_below_what_was_said(times: int, most: float, said: float | None):
    pause = backoff(times, most, said)
    assert pause >= (said or 0)
    assert pause <= max(most * 1.25, said or 0)
