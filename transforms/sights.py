"""Sights: pictures of a video looked at one after another, with whatever lies between them unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from transforms.signals import COLUMNS, Signals, hash_distance
from transforms.timeline import Views

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_OTHER_SCORE: Final = 33.0
_OTHER_BITS: Final = 20
"""Content score and bits of the hash that another picture differs by, seconds apart: PySceneDetect's 27 and a little,
as motion and light reach 32, and a little under its 0.35 of 64. At 200 cuts of rendered films keyframes differed by 38
and 22 or more."""

_SAME_COLOURS: Final = 0.76
"""Share of its colours (8x8x8 bins of BGR) from which on a picture is of the same shot as the one before: 0.75 to 0.98
where encoders took motion for a cut, at most 0.74 at 124 cuts (two rendered films)."""


@dataclass
class Sights:
    """Frames looked at: their rows, increasing; their signals; the share of colours that each has of the one before."""

    rows: Integers
    columns: dict[str, npt.NDArray[Any]]
    shared: npt.NDArray[np.float64]

    def part(self, places: Any) -> Sights:
        """Some of them."""
        columns = {name: column[places] for name, column in self.columns.items()}
        return Sights(self.rows[places], columns, self.shared[places])

    def alone(self, still: int = 1) -> Sights:
        """The same with no change up to the first, or the first few."""
        columns = {name: column.copy() for name, column in self.columns.items()}
        for name in (name for name in columns if name.startswith("delta_")):
            columns[name][:still] = 0
        return Sights(self.rows, columns, self.shared)


def colours_of(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Shares of the pixels of every other row and column in 8x8x8 bins of BGR."""
    some = np.ascontiguousarray(bgr[::2, ::2])
    counts = cv2.calcHist([some], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel()
    return np.asarray(counts / (some.shape[0] * some.shape[1]), np.float32)


def is_other(signals: Signals, shared: npt.NDArray[np.float64]) -> Bools:
    """Whether each picture is another one than the one before."""
    turned = hash_distance(signals["hash"][1:], signals["hash"][:-1])
    other = (turned >= _OTHER_BITS) & (signals.content[1:] >= _OTHER_SCORE) & (shared[1:] < _SAME_COLOURS)
    return np.concatenate([[False], other])


def returning(signals: Signals) -> Bools:
    """Whether the picture before each comes back after it."""
    after = np.arange(2, len(signals))
    found = np.zeros(len(signals), np.bool_)
    found[1:-1] = Views(signals).same(after - 2, after)
    return found


def joined(parts: list[Sights]) -> Sights:
    """Several, one after another."""
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS}
    return Sights(
        np.concatenate([part.rows for part in parts]), columns, np.concatenate([part.shared for part in parts])
    )


def merged(sights: Sights, runs: list[Sights], guesses: Integers) -> Sights:
    """All that was looked at, in order; a frame of a run says more than the same one among the intra pictures.

    Where a cut was only guessed, the next picture looked at stands for it.
    """
    firsts = [run.part([0]) for run in runs]
    every = joined([*firsts, sights, *(run.part(np.arange(1, len(run.rows))) for run in runs)])
    rows, last = np.unique(every.rows[::-1], return_index=True)
    found = every.part(len(every.rows) - 1 - last)
    new = guesses[~np.isin(guesses, rows)]
    standing = found.part(np.minimum(np.searchsorted(rows, new), len(rows) - 1))
    standing.rows = new
    both = joined([found, standing])
    return both.part(np.argsort(both.rows, kind="stable"))
