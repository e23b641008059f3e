"""Fades: shots that go out to black or white, and shots that come up from it, told from the signals alone.

A fade mixes a picture with a flat one, so that contrast and light go in a straight line to those of the flat frames, or
from them. On both sides of every stretch of black or white such a line is looked for. Two fades with a short black
between are one transition; a long black is a scene of its own; and where there is no line, the edge is a hard one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from transforms.signals import Signals
from transforms.timeline import Floats, Views, average_rate, black_frames, runs, white_frames

_REACH_SECONDS: Final = 3.0
"""Longest half of a fade that is looked for."""
_PLATEAU: Final = 8
"""Frames before a fade out over which contrast and light should stand still."""
_SHORTEST: Final = 4
"""Frames of the shortest half of a fade: the light of a photo flash is gone in three."""
_MISFIT: Final = 0.12
"""Largest root mean square distance from the line, as a share of its height. Fades of rendered films reach 0.05, real
ones (gamma, things that move on) 0.10; edges of dark scenes begin at 0.15."""
_LEAST_DROP: Final = 4.0
"""Levels of contrast that a fade takes away at least."""
_FLAT_CONTRAST: Final = 3.0
_FLAT_AWAY: Final = 10.0
"""Contrast, and distance from black or white, that the flattest frame of a fade has at most, in levels."""
_SLACK: Final = 1.5
"""Levels by which frames may be less flat than the flattest and still be flat."""
_JOINED_SECONDS: Final = 2.0
"""The longest black that is part of a transition; longer, it is footage (FFmpeg blackdetect, `black_min_duration`)."""
_BLINK_SECONDS: Final = 1.0
"""Shorter than this, with the same view before and after, is a flash or a blink."""


class _Curves(NamedTuple):
    """What a fade bends: contrast and mean light of every frame, in levels."""

    contrast: Floats
    light: Floats

    def ramp(self, flat: int, low: int, reach: int) -> int | None:
        """The last clean frame of a shot that fades out and is flat from frame `flat` on; None where it does not.

        Both curves stand still until that frame, `low` at the earliest, and go straight to their values at `flat`.
        """
        last = np.arange(max(low, flat - reach), flat - _SHORTEST)
        if not len(last):
            return None
        frames = np.arange(max(low, int(last[0]) - _PLATEAU), flat + 1)
        # A row for every possible last clean frame.
        left = np.clip((flat - frames) / (flat - last)[:, None], 0, 1)
        counted = frames >= last[:, None] - _PLATEAU
        plateau = counted & (frames <= last[:, None])
        misfit, height = np.zeros(len(last)), np.zeros(len(last))
        for curve in self:
            above = curve[frames] - curve[flat]
            drop = (above * plateau).sum(1) / plateau.sum(1)
            misfit += ((above - drop[:, None] * left) ** 2 * counted).sum(1) / counted.sum(1)
            height += np.where(drop < _LEAST_DROP, -np.inf, drop * drop) if curve is self.contrast else drop * drop
        share = np.where(height > 0, misfit / height, np.inf)
        best = int(np.argmin(share))
        return int(last[best]) if share[best] < _MISFIT**2 else None

    def backwards(self) -> _Curves:
        """The same, the last frame first: what comes up then fades out."""
        return _Curves(self.contrast[::-1], self.light[::-1])


def _around(
    curves: _Curves, views: Views, rate: float, flats: tuple[int, int], level: float, hard: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """The fades at the two ends of a stretch [first, past) of black or white frames."""
    (first, past), count = flats, len(curves.light)
    flatness = curves.contrast[first:past] + np.abs(curves.light[first:past] - level)
    flattest = first + int(np.argmin(flatness))
    if curves.contrast[flattest] > _FLAT_CONTRAST or abs(curves.light[flattest] - level) > _FLAT_AWAY:
        return
    flat = first + int(np.argmax(flatness <= flatness.min() + _SLACK))
    over = past - int(np.argmax(flatness[::-1] <= flatness.min() + _SLACK))
    at = bisect_left(hard, first - 1)
    low, high = hard[at - 1] if at else 0, next((cut for cut in hard[at:] if cut > past + 1), count)
    reach = round(_REACH_SECONDS * rate)
    out = curves.ramp(flat, low, reach) if first else None
    back = curves.backwards().ramp(count - over, count - high, reach) if past < count else None
    start, end = first if out is None else out + 1, past if back is None else count - 1 - back
    if out is None and back is None:
        return
    if start and end < count and end - start < _BLINK_SECONDS * rate and bool(views.same(start - 1, end)):
        return
    # At its start and its end a video fades from and to nothing: the black there goes with the fade.
    both = (out is not None or not first) and (back is not None or past == count)
    if both and over - flat <= _JOINED_SECONDS * rate:
        yield start, end
        return
    if out is not None:
        yield start, flat
    if back is not None:
        yield over, end


def find_fades(signals: Signals, hard: Sequence[int]) -> list[tuple[int, int]]:
    """The fades of a video, in order and disjoint.

    Args:
        signals: Signals of the whole video.
        hard: Hard cuts, frames in order: no fade reaches across one.

    Returns:
        Of each fade the first frame that is no longer clean (0 where the video begins with it) and the first clean one
        after it (the number of frames where the video ends with it). Beside a black longer than 2 s, or with a hard
        edge at its other end, it is only the fade: the black is then its other end.
    """
    curves, views = _Curves(signals.contrast, signals.mean("gray")), Views(signals)
    rate = float(average_rate(signals))
    found = [
        fade
        for mask, level in ((black_frames(signals), 0.0), (white_frames(signals), 255.0))
        for flats in runs(mask)
        for fade in _around(curves, views, rate, flats, level, hard)
    ]
    kept: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if start < end and (not kept or start >= kept[-1][1]):
            kept.append((start, end))
    return kept
