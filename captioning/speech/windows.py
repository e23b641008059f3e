"""Windows: what a recogniser is given at once, and where in the sound its answers lie.

Whisper looks at 30 seconds and costs the same for one; so neighbouring spans of voice are packed into windows, and long
pauses in them are cut out. A full window ends at its longest late pause, which is rarely inside a sentence. Times in a
window are laid back on the sound; a word is never spread over a pause that was cut out.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from captioning.recogniser import Samples, Span
from transforms.audio import SAMPLE_RATE
from transforms.settings import setting


@dataclasses.dataclass(frozen=True)
class WindowSettings:
    """How spans of voice become windows."""

    window_seconds: float = setting(
        30.0,
        "Longest stretch of sound given to the model at once; each has one language",
        unit="s",
        low=2.0,
        high=30.0,
        source="Whisper",
    )
    padding: float = setting(
        0.4, "Sound kept before and after a span of voice", unit="s", low=0.0, high=0.9, source="faster-whisper"
    )
    longest_pause: float = setting(
        2.0, "Longer pauses are cut out", unit="s", low=0.0, high=30.0, source="faster-whisper"
    )


@dataclasses.dataclass(frozen=True)
class Window:
    """Parts of a sound, in order and apart, that a recogniser hears one after the other without what lies between.

    Attributes:
        parts: Their samples: first, past the last.
    """

    parts: tuple[tuple[int, int], ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return sum(past - first for first, past in self.parts) / SAMPLE_RATE

    def samples(self, sound: Samples) -> Samples:
        """What is heard in it."""
        return np.concatenate([sound[first:past] for first, past in self.parts])

    def span(self, start: float, end: float) -> Span:
        """Where in the sound a span of the window lies: in the part that its middle is in.

        Args:
            start: Seconds from the window's start.
            end: The same, of its end.
        """
        middle, before = (start + end) / 2, 0.0
        for first, past in self.parts:
            length = (past - first) / SAMPLE_RATE
            if middle < before + length or (first, past) == self.parts[-1]:
                break
            before += length
        low, high = first / SAMPLE_RATE, past / SAMPLE_RATE
        return min(max(low + start - before, low), high), max(min(low + end - before, high), low)


def _padded(spans: Sequence[Span], length: int, padding: float) -> list[tuple[int, int]]:
    """Spans in samples with the sound around them, up to half-way to their neighbours: nothing is heard twice."""
    middles = [(one[1] + other[0]) / 2 for one, other in itertools.pairwise(spans)]
    bounds = [0, *(round(SAMPLE_RATE * middle) for middle in middles), length]
    return [
        (max(low, round(SAMPLE_RATE * (start - padding))), min(high, round(SAMPLE_RATE * (end + padding))))
        for (start, end), low, high in zip(spans, bounds, bounds[1:], strict=False)
    ]


def _joined(parts: Iterable[tuple[int, int]], pause: float) -> tuple[tuple[int, int], ...]:
    """Parts, those with at most so many samples between them made one."""
    joined: list[tuple[int, int]] = []
    for first, past in parts:
        if joined and first - joined[-1][1] <= pause:
            joined[-1] = (joined[-1][0], past)
        else:
            joined.append((first, past))
    return tuple(joined)


def windows_of(spans: Sequence[Span], length: int, settings: WindowSettings) -> list[Window]:
    """Every span in one window, in order.

    Args:
        spans: Of voice, in order and apart; each no longer than a window less its padding.
        length: Samples of the sound.
        settings: How they are packed.
    """
    pause = max(0.0, settings.longest_pause - 2 * settings.padding) * SAMPLE_RATE
    padded = _padded(spans, length, settings.padding)
    windows: list[Window] = []
    first = 0
    while first < len(spans):
        past = first + 1
        made = [Window(_joined(padded[first:past], pause))]
        while past < len(spans):
            wider = Window(_joined(padded[first : past + 1], pause))
            if wider.seconds > settings.window_seconds:
                break
            made.append(wider)
            past += 1
        if past < len(spans):
            # It is full: it ends at the longest pause in its second half.
            late = [n for n in range(first, past) if made[n - first].seconds >= settings.window_seconds / 2]
            past = 1 + max(late or [past - 1], key=lambda n: spans[n + 1][0] - spans[n][1])
        windows.append(made[past - first - 1])
        first = past
    return windows
