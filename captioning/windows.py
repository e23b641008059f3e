"""Windows: which stretches of a clip a model describes at once, and which of its stored frames it is shown.

A short caption is asked of the whole clip. A dense one is asked of each window of about the same length, so that what
happens late in a long clip is told too; a remainder too short to say anything joins the window before it. The frames of
a window lie as evenly over it as stored frames do.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LEAST: Final = 0.5
"""A remainder under this share of a window joins the one before (NeMo Curator: 128 of 256 frames)."""


@dataclass(frozen=True)
class Stretch:
    """A window as it is planned.

    Attributes:
        kind: The kind of caption it is for.
        index: Which of the clip's windows of this kind, from 0.
        count: How many there are.
        start: Where it begins, in seconds from the clip's start.
        end: Where it ends.
        frames: Which of the clip's stored frames it shows.
    """

    kind: str
    index: int
    count: int
    start: float
    end: float
    frames: tuple[int, ...]


def spans(seconds: float, longest: float) -> list[tuple[float, float]]:
    """A length of time as windows of one length; the last one is between half and one and a half times as long.

    Args:
        seconds: The length, over 0.
        longest: Length of a window, over 0.
    """
    count = max(int(seconds // longest), 1)
    if seconds - count * longest >= _LEAST * longest:
        count += 1
    bounds = [min(n * longest, seconds) for n in range(count)]
    return list(zip(bounds, [*bounds[1:], seconds], strict=True))


def spread(times: Sequence[float], start: float, end: float, most: int) -> tuple[int, ...]:
    """At most so many of some frames, as evenly over a span as they lie.

    Args:
        times: Seconds of every frame, in order; one or more.
        start: Where the span begins.
        end: Where it ends.
        most: How many are wanted, 1 or more.

    Returns:
        Places in `times`, in order. Where none lies in the span, the nearest one.
    """
    low, high = bisect.bisect_left(times, start), bisect.bisect_left(times, end)
    inside = range(low, high) or (min(range(len(times)), key=lambda n: abs(times[n] - (start + end) / 2)),)
    if len(inside) <= most:
        return tuple(inside)
    step = (end - start) / most
    wanted = (start + (n + 0.5) * step for n in range(most))
    return tuple(sorted({min(inside, key=lambda n: abs(times[n] - at)) for at in wanted}))


def stretches(kind: str, seconds: float, times: Sequence[float], most: int, longest: float) -> list[Stretch]:
    """The windows of a clip for one kind of caption.

    Args:
        kind: `short`: one window; `dense`: as many as it takes.
        seconds: Length of the clip, over 0.
        times: Seconds of its stored frames from its start, in order; one or more.
        most: Most frames in a window, 1 or more.
        longest: Length of a window in seconds, over 0.
    """
    found = [(0.0, seconds)] if kind == "short" else spans(seconds, longest)
    return [
        Stretch(kind, index, len(found), start, end, spread(times, start, end, most))
        for index, (start, end) in enumerate(found)
    ]
