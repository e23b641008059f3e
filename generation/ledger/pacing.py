"""Pacing: when to ask an engine how a job stands, and how long to leave it alone after it did not answer."""

from __future__ import annotations

import random
import statistics
from collections import deque
from typing import Final

FIRST: Final = 0.5
"""Seconds to the first question while nobody knows how long jobs take."""
GROWTH: Final = 1.3
"""Each further question comes so much later, until a job of the lane has ended."""
STEP: Final = 0.04
"""Time between questions about a job that is due, as a part of how long jobs take: what waiting costs at most."""

_REMEMBERED: Final = 24  # jobs of which the median is taken
_SHRINK: Final = 0.85  # a job that is done at the first question may have been done for a while


class Pace:
    """How long the jobs of one lane take, learned as they end.

    Args:
        least: Least seconds between two questions about a job.
        most: Most seconds.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most
        self._took: deque[float] = deque(maxlen=_REMEMBERED)

    def learn(self, running: float | None, done: float) -> None:
        """A job has ended.

        Args:
            running: Its age when it was last seen running, in seconds; None: never.
            done: Its age when it was first seen done.
        """
        self._took.append(done * _SHRINK if running is None else (running + done) / 2)

    def first(self, age: float) -> float:
        """Seconds to the first question about a job of an age: shortly before it should be done."""
        if not self._took:
            return self._within(FIRST)
        return self._within(self._due(statistics.median(self._took)) - age)

    def next(self, age: float, said: float | None, before: float) -> float:
        """Seconds to the next question about a job that is not done.

        Args:
            age: The job's age, seconds.
            said: When the engine wants to be asked again; None: it does not say.
            before: Seconds between the last two questions.
        """
        if said is not None:
            return max(said, self._least)
        if not self._took:
            return self._within(before * GROWTH)
        usual = statistics.median(self._took)
        late = max(age - usual, 0.0)  # far beyond what is usual there is less and less to win
        return self._within(max(self._due(usual) - age, usual * STEP, late * STEP))

    def _due(self, usual: float) -> float:
        """The age at which it is worth to ask: a little before a job is done, as a rule."""
        return usual - max(usual * STEP, self._least / 2)

    def _within(self, seconds: float) -> float:
        return min(max(seconds, self._least), self._most)


def backoff(times: int, most: float, said: float | None = None) -> float:
    """Seconds to leave an engine alone: 0.5, 1, 2, ... and up to a quarter more, so that workers spread.

    Args:
        times: How often in a row, from 1.
        most: Longest wait.
        said: What the engine asked for; it is never less.
    """
    grown = min(0.5 * 2.0 ** min(times - 1, 20), most) * (1 + random.random() / 4)
    return max(grown, said) if said is not None else grown
