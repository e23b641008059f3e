"""Timeline: what several detectors read off the signals, frame by frame."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.signals import Signals, hash_distance

Floats = NDArray[np.float64]
"""Numbers, one a frame."""
Mask = NDArray[np.bool_]
"""Yes or no, one a frame."""

Indices = NDArray[np.int64] | int

_BLACK_SHARE: Final = 0.98
"""FFmpeg blackdetect's `picture_black_ratio_th`."""
_WHITE_LEVEL: Final = 225.0
_WHITE_CONTRAST: Final = 16.0
"""Mean level from which, and contrast up to which, a picture is white: as far from white as black frames from black."""
_COLOURS: Final = ("blue", "green", "red")
_SAME_BITS: Final = 10
_SAME_LEVEL: Final = 8.0
"""Hash bits (of 64) and mean levels by which two frames of one view differ at most: keyframe pulses and noise in the
dark reach 8 bits, true cuts begin at 22."""


def average_rate(signals: Signals) -> Fraction:
    """Frames a second over the whole video, from the PTS themselves; 25 where a single frame tells nothing."""
    pts, about = signals["pts"], signals.about
    if len(pts) < 2:
        return Fraction(25)
    return Fraction((len(pts) - 1) * about.time_base_den, int(pts[-1] - pts[0]) * about.time_base_num)


def mean_colours(signals: Signals) -> Floats:
    """Mean blue, green and red of each frame: shape (frames, 3), 0 to 255."""
    return np.stack([signals.mean(name) for name in _COLOURS], 1)


def black_frames(signals: Signals) -> Mask:
    """Frames with at least 98 % of their pixels at or below luma 32 (FFmpeg blackdetect's `picture_black_ratio_th` and,
    near enough, its `pixel_black_th` of 10 %)."""
    return np.asarray(signals["dark"] >= _BLACK_SHARE * signals.pixels)


def white_frames(signals: Signals) -> Mask:
    """Frames that are white and nothing else, as in a fade to white or a photo flash."""
    return np.asarray((signals.mean("gray") >= _WHITE_LEVEL) & (signals.contrast <= _WHITE_CONTRAST))


def edge_pts(signals: Signals) -> NDArray[np.int64]:
    """PTS of every frame's start, and of the end of the last: shape (frames + 1,)."""
    return np.append(signals["pts"], signals.ends[-1:])


def runs(mask: Mask) -> list[tuple[int, int]]:
    """Stretches of true values as [first, past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def colour_change(signals: Signals, lag: int = 1) -> Floats:
    """The largest change of mean blue, green or red of each frame but the first `lag` against the one `lag` before."""
    change = np.zeros(max(0, len(signals) - lag))
    for name in _COLOURS:
        level = signals.mean(name)
        np.maximum(change, np.abs(level[lag:] - level[:-lag]), out=change)
    return change


class Views:
    """What tells whether two frames show the same view: their hash bits and mean colours."""

    def __init__(self, signals: Signals) -> None:
        self._hashes = signals["hash"]
        self._sums = [signals[name] for name in _COLOURS]
        self._pixels = float(signals.pixels)

    def __len__(self) -> int:
        return len(self._hashes)

    def same(self, one: Indices, other: Indices) -> Mask:
        """Whether structure (hash bits) and mean colour of two frames, or of each pair, differ by coding and noise."""
        turned = hash_distance(self._hashes[one], self._hashes[other])
        moved = np.max([np.abs(s[one] / self._pixels - s[other] / self._pixels) for s in self._sums], axis=0)
        return np.asarray((turned <= _SAME_BITS) & (moved <= _SAME_LEVEL))
