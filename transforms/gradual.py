"""Gradual transitions: dissolves, wipes and fades, each with its first mixed and its first clean frame.

A dissolve is a straight line through the space of pictures. Whatever moves in its two shots, three things hold between
a frame before it and a frame after it, and hardly anything else does all three: the two have no structure in common;
the frames between lie near the line from one to the other, in order; and they lose contrast as a mixture must (Alattar
1993). A pan, a zoom or something that passes fails at least one. In a wipe the frames between leave the line, but every
place of the picture changes once, and neighbours change at nearly the same time. Both change nearly the whole picture,
as a title does not, and the view from before does not come back at once, as it does when something passes close to the
camera. Fades come from the signals alone (`transforms.fades`).

All this is decided in windows of 8 and of 12 steps at four step lengths, from dot products of thumbnails reduced to
16x9: transitions of a quarter of a second to four seconds fit one of them. Thumbnails are read only where hashes or
colours say that the picture changes within some window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from transforms.fades import find_fades
from transforms.signals import Signals, hash_distance
from transforms.timeline import Floats, Mask, average_rate, colour_change, runs

Thumbnails = Callable[[int, int], NDArray[np.uint8]]
"""Reads the stored thumbnails of the frames [first, end): (frames, 27, 48, 3) RGB."""

Pictures = NDArray[np.float32]
"""Reduced thumbnails, (frames, 432): 9 rows of 16 cells of RGB, less 128. Whole numbers, so that their dot products are
exact in single precision, however they are added up."""

_WIDTH: Final = 16
_HEIGHT: Final = 9
_VALUES: Final = 3 * _WIDTH * _HEIGHT

_STEPS: Final = (1, 2, 4, 8)
_LAGS: Final = (8, 12)
_RATE: Final = 25
"""Frames a second at which the steps are so many frames; of twice as many, every second one is looked at."""
_BLOCK: Final = 4096
_MARGIN: Final = 192
"""Frames looked at together, and on both sides of them: windows and what is looked at around them reach 144."""
_TILE: Final = 128

_GATE_BITS: Final = 8
_GATE_LEVEL: Final = 8.0
"""Hash bits, or levels of mean colour, by which the ends of a window differ at least."""

# Constants of the decisions. Measured on films of real shots with known transitions and on rendered films
# (`benchmarks/film.py`): each separates nine of ten true windows from nine of ten others, all of them nearly all.
_LIKE: Final = 0.65
"""Largest correlation of the pictures at the two ends of a window."""
_APART: Final = 25.0
"""Their least mean squared difference, in squared levels."""
_ONE_STEP: Final = 0.45
"""Largest share of the way between them that is made in one step; a hard cut makes it all."""
_BACK: Final = 0.15
"""Largest share that is gone back, all steps together."""
_BEND: Final = 0.95
"""How far off the line the middle may be: 0.5 is on the line, 1 where a wipe is, 2 in a picture like neither end."""
_OFF: Final = 0.12
"""Mean squared distance from the line, as a share of that between the ends."""
_LOSS: Final = 0.6
_LOSS_ERROR: Final = 0.2
"""Least share of the loss of contrast that a mixture must have, and mean error of it as a share of the contrast."""
_SURE: Final = 0.05
"""Least of all these together (`_Window.score`); dissolves between moving shots begin at 0.1."""
_WIPE_BEND: Final = (0.6, 1.5)
_WIPE_STEADY: Final = 0.35
"""Mean error of a wipe's way against a steady one."""
_NEITHER: Final = 0.08
_BETWEEN: Final = 0.17
"""Share of the change that looks like neither end of a wipe, and that lies between them at any time."""
_SWEEP: Final = 0.1
_ROUGH: Final = 0.15
"""Least standard deviation of when the cells change, as a share of the window, and how much of it lies between
neighbours: 1 in a picture where cells change at random times."""
_WHOLE: Final = 0.75
_CELL_CHANGE: Final = 16.0
_CELL_DARK: Final = 24.0
"""Least share of the cells that change by four levels, of those brighter than this in either picture. A title has at
most 0.7, transitions have 0.84 and more."""
_LEAP: Final = 0.35
_CUT: Final = 0.15
"""Largest share of the way from one frame to the next; and of the squared distance, where a hard cut was found."""
_RETURN_SECONDS: Final = 1.5
_RETURN: Final = 0.45
"""Within how long, and how near, no view from before may come back (dissolves: half as long)."""


_SHORTEST: Final = 3
"""Mixed frames that a dissolve or wipe has at least."""


class Transition(NamedTuple):
    """A gradual transition: `dissolve`, `wipe` or `fade`; its first frame that is no longer of the shot before, and the
    first that is wholly of the shot after. At the ends of a video a fade has 0 for the one or the number of frames for
    the other."""

    kind: str
    start: int
    end: int


class _Window(NamedTuple):
    """A window from picture `first` to `last` that looks like a transition; of two, the one with the higher score."""

    kind: str
    score: float
    first: int
    last: int


def reduced(thumbnails: NDArray[np.uint8]) -> Pictures:
    """Thumbnails (frames, 27, 48, 3) as `Pictures`, each cell the mean of 3x3."""
    made = np.empty((len(thumbnails), _VALUES), np.float32)
    for first in range(0, len(thumbnails), 256):
        part = np.ascontiguousarray(thumbnails[first : first + 256])
        # All rows of all pictures below each other: the means never reach across two pictures.
        rows = part.reshape(-1, part.shape[2], 3)
        cells = cv2.resize(rows, (_WIDTH, _HEIGHT * len(part)), interpolation=cv2.INTER_AREA)
        made[first : first + 256] = cells.reshape(len(part), _VALUES)
    return made - 128


def products(pictures: Pictures, most: int) -> Floats:
    """Mean product of each picture with itself and with each of the next `most`: (pictures, most + 1), 0 beyond the
    last."""
    count = len(pictures)
    padded = np.concatenate([pictures, np.zeros((_TILE + most, pictures.shape[1]), np.float32)])
    found = np.empty((count, most + 1))
    for first in range(0, count, _TILE):
        tile = padded[first : first + _TILE] @ padded[first : first + _TILE + most].T
        rows, (down, right) = min(_TILE, count - first), tile.strides
        # Row by row from the diagonal on.
        found[first : first + rows] = np.lib.stride_tricks.as_strided(tile, (rows, most + 1), (down + right, right))
    return np.asarray(found / pictures.shape[1], np.float64)


def _sweep(pictures: Pictures, frames: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """What happens to the cells of windows, each compared with what it is in the first and in the last frame.

    Args:
        pictures: Pictures.
        frames: Which of them, (windows, frames): the two ends of each window first and last.

    Returns:
        How far each cell is from one to the other, (windows, frames, cells), 0 to 1; the share of all change that is
        like neither, (windows,); how much each cell changes, (windows, cells), in all 1 and evened out.
    """
    seen = pictures[frames].reshape(*frames.shape, _WIDTH * _HEIGHT, 3)
    gone, left = (np.einsum("wfcv,wfcv->wfc", d, d) for d in (seen - seen[:, :1], seen - seen[:, -1:]))
    weight = gone[:, -1].astype(np.float64)
    neither = np.minimum(gone, left).sum((1, 2), dtype=np.float64) / (weight.sum(1) * frames.shape[1])
    # So that a few bright cells do not decide for all: none counts for more than those of the eighth decile.
    most = np.partition(weight, int(0.8 * weight.shape[1]), axis=1)[:, int(0.8 * weight.shape[1])]
    weight = np.minimum(weight, most[:, None] + 1)
    return gone / (gone + left + 1), neither, weight / weight.sum(1, keepdims=True)


def _wipes(pictures: Pictures, first: NDArray[np.int64], lag: int) -> Mask:
    """Which windows [first, first + lag] show a wipe: every cell is like one end or the other, each changes once, and
    neighbours at about the same time."""
    found = np.zeros(len(first), np.bool_)
    for part in range(0, len(first), _TILE):
        these = slice(part, part + _TILE)
        way, neither, weight = _sweep(pictures, first[these, None] + np.arange(lag + 1))
        between = (((way > 0.2) & (way < 0.8)) * weight[:, None]).sum((1, 2)) / (lag + 1)
        when = (1 - way).mean(1)
        mean = (weight * when).sum(1, keepdims=True)
        variance = (weight * (when - mean) ** 2).sum(1)
        grid, share = (values.reshape(-1, _HEIGHT, _WIDTH) for values in (when, weight))
        rough, counted = np.zeros(len(way)), np.zeros(len(way))
        for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[:, :, 1:], np.s_[:, :, :-1])):
            both = np.minimum(share[one], share[other])
            rough += (both * (grid[one] - grid[other]) ** 2).sum((1, 2))
            counted += both.sum((1, 2))
        found[these] = (neither < _NEITHER) & (between < _BETWEEN) & (variance > _SWEEP**2)
        found[these] &= rough < _ROUGH * 2 * variance * counted
    return found


def _windows(pictures: Pictures, step: int) -> Iterator[_Window]:
    """Windows of every `step`th picture that may be a dissolve or a wipe, judged by what lies in the window."""
    seen = pictures[::step]
    product = products(seen, max(_LAGS))
    means = seen.reshape(len(seen), -1, 3).mean(1, dtype=np.float64)
    energy = product[:, 0]
    variance = energy - (means * means).mean(1)
    for lag in _LAGS:
        count = max(0, len(seen) - lag)
        distance = energy[:count] + energy[lag:] - 2 * product[:count, lag]
        shared = product[:count, lag] - (means[:count] * means[lag:]).mean(1)
        like = shared / np.sqrt((variance[:count] + 1) * (variance[lag:] + 1))
        first = np.flatnonzero((like < _LIKE) & (distance > _APART))
        distance, shared, like = distance[first, None], shared[first, None], like[first]
        steps = np.arange(1, lag)
        start, end, inside = first[:, None], first[:, None] + lag, first[:, None] + steps
        # Squared distances from both ends, as shares of that between them; and where on the line that is, from 0 to 1.
        gone = (energy[start] + energy[inside] - 2 * product[start, steps]) / distance
        left = (energy[inside] + energy[end] - 2 * product[inside, lag - steps]) / distance
        way = (gone + 1 - left) / 2
        moves = np.diff(way, axis=1, prepend=0.0, append=1.0)
        back, bend = np.maximum(-moves, 0).sum(1), (gone + left)[:, lag // 2 - 1]
        off = np.maximum(gone - way * way, 0).mean(1)
        must_lose = way * (1 - way) * (variance[start] + variance[end] - 2 * shared)
        lost = (1 - way) * variance[start] + way * variance[end] - variance[inside]
        loss = (must_lose * lost).sum(1) / ((must_lose * must_lose).sum(1) + 1)
        error = np.abs(lost - must_lose).mean(1) / ((variance[first] + variance[first + lag]) / 2 + 1)
        unsteady = (np.abs(gone - steps / lag) + np.abs(left - 1 + steps / lag)).mean(1)
        ordered = (moves.max(1) < _ONE_STEP) & (back < _BACK)
        dissolve = ordered & (bend < _BEND) & (off < _OFF) & (loss > _LOSS) & (error < _LOSS_ERROR)
        score = 1 - like - 4 * off - 4 * error - np.maximum(1 - loss, (loss - 1) / 2) - 2 * back
        # Of dissolves beside each other the best one: the others see the same.
        dissolve &= score > _SURE
        for part in _neighbours(np.flatnonzero(dissolve), first):
            k = int(part[np.argmax(score[part])])
            yield _Window("dissolve", float(score[k]), int(first[k]) * step, int(first[k] + lag) * step)
        wipe = ordered & (bend > _WIPE_BEND[0]) & (bend < _WIPE_BEND[1]) & (unsteady < _WIPE_STEADY) & ~dissolve
        score = 1 - like - 2 * unsteady - back
        at = np.flatnonzero(wipe)
        for k in at[_wipes(seen, first[at], lag)].tolist():
            yield _Window("wipe", float(score[k]), int(first[k]) * step, int(first[k] + lag) * step)


def _neighbours(chosen: NDArray[np.int64], places: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Indices in groups whose places follow each other without a gap."""
    groups = np.split(chosen, np.flatnonzero(np.diff(places[chosen]) > 1) + 1)
    return [group for group in groups if len(group)]


def _sampled(first: int, end: int, most: int) -> NDArray[np.int64]:
    """At most `most` frames of [first, end), evenly apart, from the first on."""
    return np.arange(first, end, max(1, -(-(end - first) // most)))


def ramp(curve: Floats) -> tuple[int, int]:
    """The last point at the first level, and the first at the last one, of a curve that is level, then straight, then
    level again (least squares): indices at least two apart. Three points at least."""
    count = len(curve)
    first, last = np.triu_indices(count, 2)
    shape = np.clip((np.arange(count) - first[:, None]) / (last - first)[:, None], 0, 1)
    shape -= shape.mean(1, keepdims=True)
    explained = (shape @ (curve - curve.mean())) ** 2 / (shape * shape).sum(1)
    best = int(np.argmax(explained))
    return int(first[best]), int(last[best])


def _way(pictures: Pictures, frames: NDArray[np.int64], first: int, last: int) -> Floats:
    """How far frames are on the straight line from one picture to another: 0 to 1 between them."""
    line = (pictures[last] - pictures[first]).astype(np.float64)
    return np.asarray((pictures[frames] - pictures[first]) @ line / (line @ line), np.float64)


def _whole(pictures: Pictures, first: int, last: int) -> bool:
    """Whether nearly the whole picture has changed, but for what is black in both."""
    one, other = pictures[first].reshape(-1, 3), pictures[last].reshape(-1, 3)
    lit = np.maximum(one, other).max(1) + 128 > _CELL_DARK
    changed = ((one - other) ** 2).mean(1) > _CELL_CHANGE
    return bool((lit & changed).sum() >= _WHOLE * lit.sum())


def _leaps(pictures: Pictures, first: int, last: int, hard: Sequence[int]) -> bool:
    """Whether two frames beside each other are too far apart for a transition."""
    if np.diff(_way(pictures, np.arange(first, last + 1), first, last)).max() > _LEAP:
        return True
    cuts = np.array([cut for cut in hard if first < cut <= last], np.int64)
    apart = ((pictures[cuts] - pictures[cuts - 1]) ** 2).sum(1)
    return bool((apart > _CUT * ((pictures[last] - pictures[first]) ** 2).sum()).any())


def _comes_back(pictures: Pictures, first: int, last: int, within: tuple[int, int], reach: int, moved: bool) -> bool:
    """Whether a view from shortly before a window is there again shortly after it.

    Args:
        pictures: All that there are.
        first: First picture of the window.
        last: Last picture of the window.
        within: The pictures to look at, [first, end).
        reach: How far from the window to look, in frames.
        moved: Also where the camera has moved on by up to a quarter of the picture.
    """
    before = _sampled(max(within[0], first - reach), first + 1, 12)
    after = _sampled(last, min(within[1], last + reach + 1), 12)
    one = pictures[before].reshape(-1, 1, _HEIGHT, _WIDTH, 3)
    other = pictures[after].reshape(1, -1, _HEIGHT, _WIDTH, 3)
    near = _RETURN * float(((pictures[first] - pictures[last]) ** 2).mean())
    for right in (0, 1, -1, 2, -2, 4, -4) if moved else (0,):
        left = one[:, :, :, max(0, right) : _WIDTH + min(0, right)]
        apart = left - other[:, :, :, max(0, -right) : _WIDTH + min(0, -right)]
        if float((apart * apart).mean((2, 3, 4)).min()) < near:
            return True
    return False


def _verified(pictures: Pictures, window: _Window, hard: Sequence[int], reach: int) -> Transition | None:
    """The transition in a window, after all tests; `hard` are hard cuts, as indices."""
    kind, _, first, last = window
    if not _whole(pictures, first, last) or _leaps(pictures, first, last, hard):
        return None
    low = max((cut for cut in hard if cut <= first), default=0)
    high = min((cut for cut in hard if cut > last), default=len(pictures))
    around = max(4, (last - first) // 2)
    frames = _sampled(max(low, first - around), min(high, last + around + 1), 128)
    if kind == "wipe":
        # The edges of what passes may have been taken for hard cuts: look beyond them.
        if _comes_back(pictures, first, last, (0, len(pictures)), reach, moved=True):
            return None
        # From outside the window: it may lie inside the wipe.
        way, _, weight = _sweep(pictures, frames[None])
        start, end = ramp((way[0] * weight[0]).sum(1, dtype=np.float64))
    else:
        if _comes_back(pictures, first, last, (low, high), reach // 2, moved=False):
            return None
        start, end = ramp(_way(pictures, frames, first, last))
    return Transition(kind, int(frames[start]) + 1, int(frames[end]))


def _disjoint(found: Sequence[tuple[_Window, Transition]]) -> list[tuple[_Window, Transition]]:
    """Of transitions that overlap the best: dissolves before wipes, then by score."""
    kept: list[tuple[_Window, Transition]] = []
    for pair in sorted(found, key=lambda pair: (pair[0].kind, -pair[0].score, pair[0].first, pair[0].last)):
        if all(pair[1].end <= one.start or pair[1].start >= one.end for _, one in kept):
            kept.append(pair)
    return kept


def _in_block(pictures: Pictures, base: int, hard: Sequence[int], reach: int) -> Iterator[tuple[_Window, Transition]]:
    """Transitions in consecutive pictures, as indices; see `find_mixed`."""
    taken: list[tuple[int, int]] = []
    windows = [window for step in _STEPS for window in _windows(pictures, step * base)]
    for window in sorted(windows, key=lambda w: (w.kind, -w.score, w.first, w.last)):
        if any(window.first < end and window.last > start for start, end in taken):
            continue
        one = _verified(pictures, window, hard, reach)
        if one is not None and one.end - one.start >= _SHORTEST * base:
            taken.append((one.start, one.end))
            yield window, one


def _changes(signals: Signals, base: int) -> Mask:
    """Frames inside a window between whose ends hashes or colours differ: nowhere else can a transition be."""
    count, hashes = len(signals), signals["hash"]
    depth = np.zeros(count + 1, np.int64)
    for reach in sorted({step * lag * base for step in _STEPS for lag in _LAGS}):
        turned, moved = hash_distance(hashes[reach:], hashes[:-reach]), colour_change(signals, reach)
        at = np.flatnonzero((turned >= _GATE_BITS) | (moved >= _GATE_LEVEL))
        np.add.at(depth, at, 1)
        np.add.at(depth, at + reach + 1, -1)
    return np.asarray(np.cumsum(depth[:-1]) > 0)


def find_mixed(signals: Signals, thumbnails: Thumbnails, hard: Sequence[int]) -> list[Transition]:
    """The dissolves and wipes of a video, in order and disjoint.

    Args:
        signals: Signals of the whole video.
        thumbnails: Reads its thumbnails, a few thousand frames at a time and only where the picture changes.
        hard: Hard cuts, frames in order. A transition may lie over one, as the votes for hard cuts see some.
    """
    count, rate = len(signals), float(average_rate(signals))
    base = max(1, round(rate / _RATE))
    grid, reach = max(_STEPS) * base, round(_RETURN_SECONDS * rate)
    found: list[tuple[_Window, Transition]] = []
    for first, past in runs(_changes(signals, base)):
        for start in range(first, past, _BLOCK):
            # Windows begin at multiples of their step, wherever the block begins.
            low = max(0, start - _MARGIN * base) // grid * grid
            high = min(count, start + _BLOCK + _MARGIN * base, past + _MARGIN * base)
            pictures = reduced(thumbnails(low, high))
            cuts = [cut - low for cut in hard if low < cut < high]
            for window, (kind, begin, end) in _in_block(pictures, base, cuts, reach):
                if start <= low + begin < start + _BLOCK:
                    found.append((window, Transition(kind, low + begin, low + end)))
    return sorted((one for _, one in _disjoint(found)), key=lambda one: one.start)


def find_gradual(signals: Signals, thumbnails: Thumbnails | None, hard: Sequence[int]) -> list[Transition]:
    """The gradual transitions of a video, in order and disjoint.

    Args:
        signals: Signals of the whole video.
        thumbnails: Reads its thumbnails; None where they were not kept: then only fades are found.
        hard: Hard cuts, frames in order.
    """
    fades = [Transition("fade", start, end) for start, end in find_fades(signals, hard)]
    mixed = find_mixed(signals, thumbnails, hard) if thumbnails is not None else []
    free = [one for one in mixed if all(one.end <= fade.start or one.start >= fade.end for fade in fades)]
    return sorted(fades + free, key=lambda one: one.start)
