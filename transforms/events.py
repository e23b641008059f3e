"""Events: stretches that are black, frozen, flashing or flickering, and frames shown twice, from stored signals alone.

Every rule is a threshold on numbers of all frames at once, so a changed threshold decodes nothing. A frame that repeats
the one before is never quite equal to it once encoded: it is told by what it changes against its neighbours, and by the
rhythm in which it comes (a drawing held for two frames, film on television). Light is told from movement by its
coherence: in a flicker all of the picture changes the same way. What a scan did not decode repeats by construction, so
of a scan nothing is said about repeated frames.
"""

from __future__ import annotations

import itertools
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from transforms.signals import Signals
from transforms.timeline import Floats, Mask, black_frames, edge_pts, runs

_STILL: Final = 0.001 * 255
"""Mean absolute luma change up to which two frames are the same picture (FFmpeg freezedetect `noise`: -60 dB, 0.001 of
full scale)."""
_DRIFT: Final = 1.0
"""Luma change a second that noise may add up to in a frozen stretch: stills from x264 have 0.9, slow footage 1.2."""
_FROZEN_SECONDS: Final = 2.0
"""Shortest frozen stretch (FFmpeg freezedetect `duration`)."""

_FLASH: Final = 0.1
"""Change of mean luma, of full scale, that is half of a flash (WCAG 2.3.1 and ITU-R BT.1702: 10 % of the largest
luminance, which these take in linear light; in the dark this counts more than they do)."""
_DARKER: Final = 0.8
"""Where the darker picture is at least this bright, a change is no flash (WCAG 2.3.1)."""
_FLASH_SECONDS: Final = 1 / 6
"""Longest time of each half: slower is a fade. Three flashes a second, the most that is safe, have six halves."""
_SUDDEN: Final = 0.6
"""Share of the change within half a second that those halves make up; a fade of two thirds of a second has half."""
STROBE: Final = 3
"""More flashes in a second than this may cause seizures (WCAG 2.3.1, ITU-R BT.1702)."""

_STEP: Final = 0.5
"""Change of mean luma, in 8-bit levels, that belongs to a flicker; encoding a steady light changes it by 0.1."""
_COHERENT: Final = 0.5
"""Share of all change that goes one way: light has 0.7 and more, movement up to 0.3."""
_FLICKER_REVERSALS: Final = 6
"""Changes of direction in a second from which on light flickers: 3 Hz."""
_FLICKER_SECONDS: Final = 1.0
"""Shortest flicker: lightning is over sooner."""

_SAME: Final = 0.6
"""Mean absolute luma change a second, in 8-bit levels, of frames that nothing at all happens between."""
_REPEAT: Final = 0.35
"""Change of a repeated frame over that of the new ones on both sides; a shaking camera stops to 0.4."""
_REPEAT_IN_RHYTHM: Final = 0.6
"""The same where frames repeat in a rhythm; an encoder mends a repeated frame by up to half of what moved."""
_RHYTHM_SHARE: Final = 0.8
"""Share of a rhythm's repeated frames that must be told as such; other footage reaches 0.5."""
_CADENCE_SHARE: Final = 0.8
"""Share of a clip's pictures that keep its cadence; a frame wrongly told breaks two."""
_LEAST_MOTION: Final = 0.06
"""Change of new frames, in 8-bit levels, below which no rhythm is looked for."""
_HOLD_SECONDS: Final = 0.25
"""Longest time that footage in motion holds a picture (4 pictures a second); longer is a still."""
_LEAST_MOVING_SECONDS: Final = 0.5
"""Time in motion that tells a rate; what moves in a still for less is the encoder."""
_WINDOW: Final = 48
_HOP: Final = 12
_AT_ONCE: Final = 4096
"""Frames of the windows in which rhythms are looked for, how far apart windows start, and how many are held at once."""

RHYTHMS: Final[dict[str, tuple[int, ...]]] = {
    "5": (5,),
    "4": (4,),
    "3": (3,),
    "2:3": (2, 3),
    "2": (2,),
    "1:2": (1, 2),
    "1:1:1:2": (1, 1, 1, 2),
}
"""How many frames a picture is shown, in turn: `2` is animation on twos, or 25 a second as 50; `2:3` film at 60 (3:2
pull-down), `1:2` silent film at 24 or 25, `1:1:1:2` film at 30."""


class Event(NamedTuple):
    """A stretch of a video: `black`, `frozen`, `flash`, `strobe`, `flicker` or `repeats` (in motion).

    Frames are counted from 0, `end` is the first after it; PTS of both.
    """

    kind: str
    first: int
    end: int
    start_pts: int
    end_pts: int


class Marks(NamedTuple):
    """What each frame of a video is, shape (frames,); computed once, for clips and events.

    Attributes:
        starts: Seconds at which each frame starts, and at which the last ends: shape (frames + 1,).
        black: At least 98 % dark.
        frozen: In 2 s or more without change.
        flashes: The first frame of each flash.
        strobe: In a second with more than three flashes.
        flicker: In an oscillating light.
        repeated: The same picture as the frame before; None of a scan.
        held: Repeated for longer than footage in motion does: a still.
    """

    starts: Floats
    black: Mask
    frozen: Mask
    flashes: Mask
    strobe: Mask
    flicker: Mask
    repeated: Mask | None
    held: Mask


def mark(signals: Signals) -> Marks:
    """Judge every frame of a video."""
    about = signals.about
    starts = (edge_pts(signals) - signals["pts"][:1]) * (about.time_base_num / about.time_base_den)
    moved, luma = signals.mean("delta_gray"), signals.mean("gray")
    flashes = flash_starts(luma, starts)
    repeated = repeated_frames(luma, moved, starts) if about.measured != "scan" else None
    return Marks(
        starts,
        black_frames(signals),
        frozen_frames(moved, starts),
        flashes,
        _rate(flashes, starts) > STROBE,
        flickering(luma, moved, starts),
        repeated,
        _held(repeated, starts) if repeated is not None else np.zeros(len(moved), bool),
    )


def events(signals: Signals, marks: Marks) -> list[Event]:
    """Every event of a video, in order of its start."""
    edges = edge_pts(signals)
    motion = marks.repeated & ~marks.held if marks.repeated is not None else np.zeros(len(signals), bool)
    # Between two repeated frames of one stretch lie no more than a rhythm's new ones.
    reach = max(1, round(2 * _HOLD_SECONDS / _interval(marks.starts)))
    kinds = {
        "black": marks.black,
        "frozen": marks.frozen,
        "flash": marks.flashes,
        "strobe": marks.strobe,
        "flicker": marks.flicker,
        "repeats": _closed(motion, reach),
    }
    found = [
        Event(kind, first, end, int(edges[first]), int(edges[end]))
        for kind, mask in kinds.items()
        for first, end in runs(mask)
    ]
    return sorted(found, key=lambda event: (event.first, event.kind))


def clip_events(marks: Marks, first: int, end: int) -> dict[str, Any]:
    """Columns of a clip of the frames [first, end).

    Returns:
        `flashes` (count), `flash_rate` (most in any second, 1/s), `flicker_share` (of its time, 0 to 1),
        `duplicate_share` (of its frames but the first, 0 to 1; None of a scan or a single frame), `unique_rate`
        (different pictures a second where it is no still, 1/s; None where it is) and `cadence` (a name of `RHYTHMS`,
        `1` for none, `mixed`; None as before).
    """
    shares = np.diff(marks.starts[first : end + 1])
    flashes = marks.flashes[first:end]
    row: dict[str, Any] = {
        "flashes": int(flashes.sum()),
        "flash_rate": float(_rate(flashes, marks.starts[first : end + 1]).max(initial=0)),
        "flicker_share": float(shares[marks.flicker[first:end]].sum() / shares.sum()),
        "duplicate_share": None,
        "unique_rate": None,
        "cadence": None,
    }
    if marks.repeated is None or end - first < 2:
        return row
    # The first frame of a clip is new, whatever the frame before the cut was.
    repeated = np.concatenate([[False], marks.repeated[first + 1 : end]])
    row["duplicate_share"] = float(repeated[1:].mean())
    moving = ~marks.held[first:end]
    if shares[moving].sum() >= min(_LEAST_MOVING_SECONDS, shares.sum()):
        row["unique_rate"] = float((~repeated & moving).sum() / shares[moving].sum())
        row["cadence"] = _cadence(repeated, moving)
    return row


def frozen_frames(moved: Floats, starts: Floats) -> Mask:
    """Frames of frozen stretches: any 2 s in which no frame changes by more than `_STILL`, and all by little together.

    FFmpeg's freezedetect compares each frame with the first of its stretch; stored are changes from frame to frame.
    Slow movement adds up over a stretch where coding noise hardly does, so the sum tells the two apart.

    Args:
        moved: Mean absolute luma change of each frame against the one before; [0] does not count. Shape (n,).
        starts: Seconds at which each frame starts, and at which the last one ends. Shape (n + 1,).
    """
    total = np.concatenate([[0.0], np.cumsum(moved[1:])])
    jumps = np.concatenate([[0], np.cumsum(moved[1:] > _STILL)])
    first = np.arange(len(moved))
    end = np.searchsorted(starts, starts[:-1] + _FROZEN_SECONDS - 1e-6)
    first, end = first[end <= len(moved)], end[end <= len(moved)]
    frozen = (jumps[end - 1] == jumps[first]) & (total[end - 1] - total[first] <= _DRIFT * _FROZEN_SECONDS)
    return _covered(len(moved), first[frozen], end[frozen])


def flash_starts(luma: Floats, starts: Floats) -> Mask:
    """The first frame of each flash: brighter, or darker, than some frame shortly before and some shortly after.

    Args:
        luma: Mean luma of each frame, 0 to 255.
        starts: As of `frozen_frames`.

    A change of less than a tenth of full scale is none, nor one between two bright pictures. A cut is half a flash, a
    fade is too slow for one. Bright and dark flashes that take turns are counted once: the kind there are more of.
    """
    level = luma / 255
    reach = max(1, round(_FLASH_SECONDS / _interval(starts)))
    kinds = []
    for sign in (1.0, -1.0):
        signed = sign * level
        flash, darker = np.ones(len(level), bool), level
        for after in (False, True):
            near = _lowest(signed, reach, after)
            rise = signed - near
            flash &= (rise >= _FLASH) & (rise >= _SUDDEN * (signed - _lowest(signed, 3 * reach, after)))
            if sign > 0:
                darker = np.maximum(darker, near) if after else near
        flash &= darker < _DARKER
        kinds.append(flash & ~np.concatenate([[False], flash[:-1]]))
    bright, dark = kinds
    # A dark frame within a bright flash's reach is the other side of it.
    return np.asarray(bright | (dark & ~_near(bright, 2 * reach)))


def flickering(luma: Floats, moved: Floats, starts: Floats) -> Mask:
    """Frames in light that goes up and down at 3 Hz or more for a second or longer (lamps on mains, old film, strobes).

    Args:
        luma: Mean luma of each frame, 0 to 255.
        moved: Mean absolute luma change of each frame against the one before.
        starts: As of `frozen_frames`.
    """
    steps = _light_steps(luma, moved)
    places = np.flatnonzero(steps)
    turned = np.zeros(len(luma))
    turned[places[1:][np.sign(steps[places[1:]]) != np.sign(steps[places[:-1]])]] = 1
    first = np.arange(len(luma))
    end = np.searchsorted(starts[:-1], starts[:-1] + _FLICKER_SECONDS - 1e-6)
    total = np.concatenate([[0.0], np.cumsum(turned)])
    often = total[end] - total[first] >= _FLICKER_REVERSALS
    # Of each such second the part between its first and last change of direction.
    turns = np.flatnonzero(turned)
    low, high = np.searchsorted(turns, first[often]), np.searchsorted(turns, end[often]) - 1
    mask = _covered(len(luma), turns[low], turns[high] + 1)
    for a, b in runs(mask):
        if starts[b] - starts[a] < _FLICKER_SECONDS - 1e-6:
            mask[a:b] = False
    return mask


def _light_steps(luma: Floats, moved: Floats) -> Floats:
    """Change of mean luma where it is the light that changes, 0 elsewhere."""
    steps = np.diff(luma, prepend=luma[:1])
    steps[(np.abs(steps) < _STEP) | (np.abs(steps) < _COHERENT * moved)] = 0
    return np.asarray(steps, np.float64)


def repeated_frames(luma: Floats, moved: Floats, starts: Floats) -> Mask:
    """Frames that show the picture before once more.

    Args:
        luma: Mean luma of each frame, 0 to 255.
        moved: Mean absolute luma change of each frame against the one before; [0] does not count.
        starts: As of `frozen_frames`.
    """
    if len(moved) < 2:
        return np.zeros(len(moved), bool)
    change: Floats = moved.copy()
    motion: Floats = moved - np.abs(_light_steps(luma, moved))
    # A frame between two changes of light is no more repeated than those around it.
    change[0] = motion[0] = np.inf
    kept, repeated = _in_rhythm(change, motion)
    repeated |= ~kept & _alone(change, motion, max(1, round(_HOLD_SECONDS / _interval(starts))))
    return repeated | (change <= _SAME * _interval(starts))


def _alone(change: Floats, motion: Floats, longest: int) -> Mask:
    """Runs of up to `longest` frames that change little against the frames on both sides of them."""
    repeated = np.zeros(len(change), bool)
    # A cut or a flash on both sides must not make everything between them look still.
    usual = _fifth_largest(motion)
    for length in range(1, min(longest, len(change) - 2) + 1):
        inner = sliding_window_view(change[1:-1], length).max(axis=1)
        sides = np.minimum(motion[: -length - 1], motion[length + 1 :])
        found = inner <= _REPEAT * np.minimum(sides, usual[1 : len(inner) + 1])
        repeated |= np.concatenate([[False], np.convolve(found, np.ones(length)) > 0, [False]])
    return repeated


def _fifth_largest(change: Floats, reach: int = 24) -> Floats:
    windows = sliding_window_view(np.pad(np.where(np.isinf(change), 0.0, change), reach), 2 * reach + 1)
    parts = [windows[at : at + _AT_ONCE] for at in range(0, len(change), _AT_ONCE)]
    return np.concatenate([-np.partition(-part, 4, axis=1)[:, 4] for part in parts])


def _in_rhythm(change: Floats, motion: Floats) -> tuple[Mask, Mask]:
    """Frames of two seconds or so that keep one of `RHYTHMS`, at whichever beat it starts, and those they repeat in."""
    count = len(change)
    inside, repeated = np.zeros(count, bool), np.zeros(count, bool)
    if count < _WINDOW:
        return inside, repeated
    begins = np.unique(np.append(np.arange(0, count - _WINDOW, _HOP), count - _WINDOW))
    for at in range(0, len(begins), _AT_ONCE):
        some = begins[at : at + _AT_ONCE]
        places = some[:, None] + np.arange(_WINDOW)
        taken, found = _rhythms(np.minimum(change[places], 255.0), np.minimum(motion[places], 255.0))
        for window in np.flatnonzero(taken):
            span = slice(some[window], some[window] + _WINDOW)
            inside[span] = True
            repeated[span] |= found[window]
    return inside, repeated


def _rhythms(windows: Floats, motion: Floats) -> tuple[Mask, Mask]:
    """Which of some windows (n, frames) keep a rhythm, and the frames that repeat in them (n, frames)."""
    best, repeated = np.zeros(len(windows)), np.zeros(windows.shape, bool)
    for holds in RHYTHMS.values():
        beat = np.concatenate([[False, *[True] * (hold - 1)] for hold in holds])
        for turn in range(len(beat)):
            mask = np.resize(np.roll(beat, turn), windows.shape[1])
            new, old = np.flatnonzero(~mask), np.flatnonzero(mask)
            after = np.searchsorted(new, old)
            before, after = np.maximum(after - 1, 0), np.minimum(after, len(new) - 1)
            sides = np.minimum(motion[:, new[before]], motion[:, new[after]])
            told = (windows[:, old] <= _REPEAT_IN_RHYTHM * sides).mean(axis=1)
            told[np.median(motion[:, new], axis=1) < _LEAST_MOTION] = 0
            # `1:1:1:2` is found in all that holds one frame in five: the rhythm that explains most wins.
            score = (told - _RHYTHM_SHARE) * mask.mean()
            better = np.flatnonzero(score > best)
            best[better] = score[better]
            # Where the rhythm breaks off within a window, a frame that moved more than its sides is none of it.
            repeated[better] = False
            repeated[np.ix_(better, old)] = windows[np.ix_(better, old)] <= sides[better]
    return best > 0, repeated


def _cadence(repeated: Mask, moving: Mask) -> str:
    """The rhythm that four of five pictures in motion keep with those beside them."""
    pictures = np.flatnonzero(~repeated)
    holds = np.diff(pictures)[moving[pictures[:-1]]]
    if len(holds) == 0 or (holds == 1).mean() >= _CADENCE_SHARE + 0.1:
        return "1"
    for name, rhythm in RHYTHMS.items():
        if len(holds) >= len(rhythm):
            beats = sliding_window_view(holds, len(rhythm))
            turns = [np.roll(rhythm, turn) for turn in range(len(rhythm))]
            if np.any([(beats == turn).all(axis=1) for turn in turns], axis=0).mean() >= _CADENCE_SHARE:
                return name
    return "mixed"


def _held(repeated: Mask, starts: Floats) -> Mask:
    """Runs of repeated frames, and the picture they repeat, that last longer than `_HOLD_SECONDS`."""
    held = np.zeros(len(repeated), bool)
    for first, end in runs(repeated):
        if starts[end] - starts[max(0, first - 1)] > _HOLD_SECONDS + 1e-6:
            held[max(0, first - 1) : end] = True
    return held


def _rate(flashes: Mask, starts: Floats) -> npt.NDArray[np.int64]:
    """Flashes in the busiest second that each frame is part of."""
    places = np.flatnonzero(flashes)
    counts = np.searchsorted(starts[places], starts[places] + 1.0 - 1e-6) - np.arange(len(places))
    rate = np.zeros(len(flashes), np.int64)
    for place, count in zip(places, counts, strict=True):
        end = places[np.searchsorted(places, place) + count - 1] + 1
        rate[place:end] = np.maximum(rate[place:end], count)
    return rate


def _interval(starts: Floats) -> float:
    return float(np.median(np.diff(starts))) if len(starts) > 1 else 1.0


def _lowest(level: Floats, reach: int, after: bool) -> Floats:
    """The lowest level of up to `reach` frames after each frame, or before it; its own at the ends."""
    windows = sliding_window_view(np.pad(level, reach, mode="edge"), reach)
    return np.asarray((windows[reach + 1 :] if after else windows[: len(level)]).min(axis=1))


def _covered(count: int, first: npt.NDArray[np.int64], end: npt.NDArray[np.int64]) -> Mask:
    """Frames inside any of the stretches [first, end)."""
    depth = np.zeros(count + 1, np.int64)
    np.add.at(depth, first, 1)
    np.add.at(depth, end, -1)
    return np.asarray(np.cumsum(depth)[:-1] > 0)


def _near(mask: Mask, reach: int) -> Mask:
    """Frames at most `reach` from a true one."""
    places = np.flatnonzero(mask)
    return _covered(len(mask), np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(mask)))


def _closed(mask: Mask, reach: int) -> Mask:
    """The mask with gaps shorter than `reach` filled."""
    filled = mask.copy()
    for a, b in itertools.pairwise(np.flatnonzero(mask).tolist()):
        if b - a <= reach:
            filled[a:b] = True
    return filled
