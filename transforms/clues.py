"""Clues: what the packets of a video and its intra pictures tell of its cuts, before anything else is decoded.

Encoders betray where the picture changes: a cut costs bits, and most encoders put a keyframe there. So an intra picture
that stands off the regular grid of keyframes and shows another picture than the one before opens a shot. Where the
picture has changed between two without such a sign, a packet far larger than those around it tells about where; these
*stretches* are what `scan` decodes, the likeliest first, as long as its budget lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.probe import NO_PTS, PacketIndex

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SHARE: Final = 0.4
"""Most packets decoded in looking closer, of all."""

FLASH_SECONDS: Final = 0.2
"""The longest disturbance after which the same picture returns, as `detect` has it."""

_SCANNED: Final = frozenset({"h264", "hevc", "vp9"})
"""Codecs for which a scan is worth its while. MPEG-2, MPEG-4 and Motion JPEG took 1.3 to 1.5 times their decode;
the packets of AV1 bring frames that are shown later, so their sizes told of 1 cut in 20; VP8's may show nothing."""

_SHORT: Final = 100
"""Frames up to which a video is decoded whole: there is nothing to be saved."""

_THINNED: Final = 8
"""Of dense keyframes, as of streams of nothing else, one in so many frames is looked at first."""

_AROUND: Final = 16
_LARGER: Final = 2.0
_LARGEST: Final = 1.4
_FAR_LARGER: Final = 4.0
_LEAST: Final = 0.25
"""What a packet must be to be outlying: so many times as large as 85 % of the 16 on each side, or less if it is the
largest between two pictures of different shots, or far more if a keyframe opens the second of them; and a quarter of
the keyframe before. Measured on rendered films (`benchmarks/scan.py`): of cuts that x264 was kept from putting a
keyframe at, 3.9 times or more where the camera moves little, and 1.4 or more of nine in ten among real and shaken
shots."""

REACH: Final = 12
"""Packets around an outlying one that are decoded without a gap: the reordering of encoders in use, and neighbours."""

NEAR: Final = 9
"""Frames before and after the one of such a packet that are measured."""

_LONGEST: Final = frozenset({12, 15, 18, 24, 25, 30, 48, 50, 60, 72, 96, 100, 120, 128, 150, 180, 240, 250, 256, 300})
"""Most frames between keyframes that encoders are told or have by default: x264 and x265 250, libvpx 128, FFmpeg 12."""

_FEW: Final = 1000
"""Frames a keyframe from which on a stream has few."""


@dataclass(frozen=True)
class Timeline:
    """When the packets of a stream are shown.

    Attributes:
        pts: Of each frame shown (a *row*), strictly increasing.
        packet: The packet of each row, by its number in the file.
        row: The row of each packet; -1 where it shows none.
        second: A second in the time base.
    """

    pts: Integers
    packet: Integers
    row: Integers
    second: int


@dataclass
class Stretch:
    """Packets to look into: decoded from `start`, without a gap from `full`, up to `end`.

    Attributes:
        start: An intra picture.
        full: From here on every frame counts; before, only those that others are predicted from.
        end: The last packet.
        rank: How much speaks for a cut.
        places: The packets that may open a shot.
        before: The look before a possible flash at `start`; -1 where none is suspected.
    """

    start: int
    full: int
    end: int
    rank: float
    places: list[int]
    before: int = -1


class Judged(NamedTuple):
    """How keyframes are placed, the rows that open a shot for certain, and what to look into."""

    placing: str
    certain: list[int]
    stretches: list[Stretch]


def timeline_of(facts: Mapping[str, Any], index: PacketIndex) -> Timeline | None:
    """When the packets are shown; None where they do not tell, or where a scan would save nothing."""
    base = facts.get("time_base_den")
    if not base or not index.keyframe.any() or facts.get("video_codec") not in _SCANNED:
        return None
    packet = np.flatnonzero(~index.discard & (index.size > 0))
    pts, second = index.pts[packet], max(1, round(base / facts["time_base_num"]))
    # Time that leaps back is a new clock: rows by PTS would mix what follows one another.
    if len(packet) <= _SHORT or (pts == NO_PTS).any() or np.diff(pts).min() < -second:
        return None
    order = np.argsort(pts, kind="stable")
    if (np.diff(pts[order]) <= 0).any():
        return None
    row = np.full(len(index), -1, np.int64)
    row[packet[order]] = np.arange(len(order))
    return Timeline(pts[order], packet[order], row, second)


def first_looks(index: PacketIndex, timeline: Timeline) -> Bools:
    """The keyframes to look at first; where they are dense, some of them."""
    wanted = np.asarray(index.keyframe & (timeline.row >= 0))
    keys = np.flatnonzero(wanted)
    step = -(-len(keys) * _THINNED // max(1, len(wanted)))
    wanted[keys] = np.arange(len(keys)) % max(1, step) == 0
    return wanted


def judge(index: PacketIndex, timeline: Timeline, rows: Integers, other: Bools, returning: Bools) -> Judged:
    """Weigh the clues.

    Args:
        index: The packets.
        timeline: When they are shown.
        rows: The rows of the intra pictures that were looked at, increasing; at least one.
        other: Whether each shows another picture than the one before; False for the first.
        returning: Whether the picture before each comes back with the one after it.
    """
    packets = timeline.packet[rows]
    irregular = _irregular(index, timeline, rows)
    ratios = _ratios(index, timeline, packets)
    at_cuts = bool(other.any()) and 2 * (irregular & other).sum() >= other.sum()
    # Without B frames a large packet is the first of its shot.
    in_order = bool((np.diff(timeline.packet) > 0).all())
    certain: list[int] = []
    stretches: list[Stretch] = []
    flash_end = -1
    for j in range(1, len(rows) + 1):
        last = j == len(rows)
        start, end = int(packets[j - 1]), len(index) if last else int(packets[j])
        if not last and not other[j]:
            continue
        ranked = ratios.get(j - 1, [])
        least = _FAR_LARGER if at_cuts else min(_LARGER, max(_LARGEST, max((r for _, r in ranked), default=0.0)))
        places = [place for place, ratio in ranked if ratio >= least]
        if not at_cuts and not last and (not places or end - start <= 2 * REACH):
            # Nothing stands out, or it is short: all of it, the shorter the sooner.
            stretches.append(Stretch(start, start, end + REACH, 1 / (end - start), list(range(start, end + 1))))
        elif places and in_order and not at_cuts:
            certain += timeline.row[places].tolist()
        elif places:
            rank = max(ratio for _, ratio in ranked)
            stretches.append(Stretch(start, max(start, places[0] - REACH), places[-1] + REACH, rank, places))
        if last or not irregular[j] or timeline.pts[rows[j]] <= flash_end:
            continue
        if returning[j] and timeline.pts[rows[j + 1]] - timeline.pts[rows[j]] <= FLASH_SECONDS * timeline.second:
            flash_end = timeline.pts[rows[j + 1]]
        elif returning[j] or any(r >= _LARGER and place <= end + REACH for place, r in ratios.get(j, [])):
            stretches.append(Stretch(end, end, end + REACH, np.inf, [end], j - 1))
        else:
            certain.append(int(rows[j]))
    return Judged(_placing(index, at_cuts), certain, stretches)


def _placing(index: PacketIndex, at_cuts: bool) -> str:
    if index.keyframe.all():
        return "intra only"
    if index.keyframe.sum() * _FEW < len(index):
        return "few keyframes"
    return "keyframes at cuts" if at_cuts else "regular keyframes"


def _irregular(index: PacketIndex, timeline: Timeline, rows: Integers) -> Bools:
    """Intra pictures that follow the one before, or the keyframe before, after an unusual number of frames."""
    key = index.keyframe[timeline.packet[rows]]
    gaps = np.diff(rows, prepend=rows[0])
    keys = np.maximum.accumulate(np.where(key, np.arange(len(rows)), 0))
    from_key = rows - rows[np.concatenate([[0], keys[:-1]])]
    usual = list(_usual(gaps[1:]) | _usual(from_key[1:][key[1:]]))
    found = ~np.isin(gaps, usual) & ~np.isin(from_key, usual)
    found[0] = False
    return np.asarray(found)


def _usual(gaps: Integers) -> set[int]:
    """Numbers of frames between keyframes that an encoder was told: those of many, and the most there may be."""
    if not len(gaps):
        return set()
    counted = Counter(gaps.tolist())
    longest = max(counted)
    often = {gap for gap, count in counted.items() if count >= max(3, len(gaps) / 5)}
    return often | ({longest} if counted[longest] > 1 or longest in _LONGEST else set())


def _ratios(index: PacketIndex, timeline: Timeline, packets: Integers) -> dict[int, list[tuple[int, float]]]:
    """How many times larger than those around packets are, by the look they come after; only peaks that may matter."""
    size = index.size
    plain = ~index.keyframe
    plain[packets] = False
    keys = np.flatnonzero(~plain)
    key = np.maximum(np.searchsorted(keys, np.arange(len(index)), side="right") - 1, 0)
    large = plain & (timeline.row >= 0) & (size >= _LEAST * size[keys[key]])
    found: dict[int, list[tuple[int, float]]] = {}
    for place in np.flatnonzero(large).tolist():
        begin = max(0, place - _AROUND)
        near = plain[begin : place + _AROUND + 1].copy()
        near[place - begin] = False
        sizes = size[begin : place + _AROUND + 1][near]
        ratio = float(size[place] / max(1.0, np.percentile(sizes, 85))) if len(sizes) else 0.0
        look = int(np.searchsorted(packets, place)) - 1
        if ratio < _LARGEST or look < 0:
            continue
        peaks = found.setdefault(look, [])
        if peaks and place - peaks[-1][0] <= REACH:
            if ratio > peaks[-1][1]:
                peaks[-1] = (place, ratio)
        else:
            peaks.append((place, ratio))
    return found


def within_budget(index: PacketIndex, stretches: list[Stretch]) -> tuple[list[Stretch], list[int]]:
    """The stretches that may be decoded, in order and apart, and the outlying packets that are in none of them."""
    left = int(SHARE * len(index))
    chosen: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda s: (-s.rank / (s.end - s.start), s.start)):
        end = min(stretch.end, len(index) - 1)
        if end - stretch.start > left > 2 * REACH:
            end = stretch.start + left
        if end - stretch.start <= left:
            left -= end - stretch.start
            chosen.append(Stretch(stretch.start, stretch.full, end, stretch.rank, stretch.places, stretch.before))
    apart: list[Stretch] = []
    for stretch in sorted(chosen, key=lambda s: (s.start, s.full)):
        if apart and stretch.start <= apart[-1].end:
            apart[-1].end = max(apart[-1].end, stretch.end)
            apart[-1].places += stretch.places
        else:
            apart.append(stretch)
    every = sorted({place for stretch in stretches if 1 < stretch.rank < np.inf for place in stretch.places})
    seen = [(s.start, s.end if s.end == len(index) - 1 else s.end - REACH) for s in apart]
    return apart, [place for place in every if not any(first <= place <= last for first, last in seen)]
