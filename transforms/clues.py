"""Clues: what the packets of a video and its intra pictures tell of its cuts, before anything else is decoded.

Encoders betray where the picture changes: a cut costs bits, and most encoders put a keyframe there. So an intra picture
that stands off the regular grid of keyframes and shows another picture than the one before opens a shot, if it is no
flash. It may come late: P frames before it that may hold the cut are *glimpsed* at. Where an encoder does not look for
cuts and the picture has changed between two, a packet far larger than those around it tells about where. These
*stretches*, of possible flashes and cuts, are what `scan` decodes, the likeliest first, as long as its budget lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.detect import DetectSettings
from transforms.probe import NO_PTS, PacketIndex

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SHARE: Final = 0.4
SHARE_AT_CUTS: Final = 0.01
"""Most packets decoded in looking closer, of all; and where keyframes stand at cuts, so that only flashes are in doubt.
There, 0.02 spent on large packets found 2 more of 81 cuts of x264 (of x265 2 of 79), for a quarter more time."""

FLASH_SECONDS: Final = DetectSettings().flash_seconds
"""The longest disturbance after which the same picture returns: that of `detect`."""

SCANNED: Final = frozenset({"h264", "hevc", "vp9"})
"""Codecs worth a scan. That of MPEG-2, MPEG-4 and Motion JPEG took 1.3 to 1.5 times the decode; packets of AV1 bring
frames that are shown later, so that their sizes told of 1 cut in 20; those of VP8 may show nothing."""

_SHORT: Final = 100
"""Frames up to which a video is decoded whole: there is nothing to be saved."""

_THINNED: Final = 8
"""Of dense keyframes, as of streams of nothing else, one in so many frames is looked at first."""

_INTRA_LEAST: Final = 0.1
"""Of the size of the keyframe before: the least of other intra pictures; 0.19 and more in x264's films."""

_LATE: Final = 16
_LATE_LEAST: Final = 0.05
"""How many frames late a keyframe may come: x264 takes a shot that does not last beyond its next B frames for a flash,
and the first that does opens with the keyframe (up to 11 frames late in rendered films). The picture at the cut itself
is then a P frame without B frames around, and at least so large a part of the keyframe: 0.07 and more in such films."""

GLIMPSES: Final = 0.02
"""Most packets glimpsed at, of all."""

_AROUND: Final = 16
_LARGER: Final = 2.0
_LARGEST: Final = 1.4
_LEAST: Final = 0.25
"""What a packet must be to be outlying: so many times as large as 85 % of the 16 on each side, or less if it is the
largest between two pictures of different shots; and a quarter of the keyframe before. Measured on rendered films
(`benchmarks/scan.py`): of cuts that x264 was kept from putting a keyframe at, 3.9 times or more where the camera moves
little, and 1.4 or more of nine in ten among real and shaken shots."""

REACH: Final = 12
"""Packets around a place that are decoded without a gap: the neighbours, and the reordering of encoders in use."""

NEAR: Final = 10
"""Frames before and after the one of such a packet that are measured: a flash at 25 frames a second."""

_LONGEST: Final = frozenset({12, 15, 18, 24, 25, 30, 48, 50, 60, 72, 96, 100, 120, 128, 150, 180, 240, 250, 256, 300})
"""Most frames between keyframes that encoders are told or have by default: x264 and x265 250, libvpx 128, FFmpeg 12."""

AT_CUTS: Final = "keyframes at cuts"
PLACINGS: Final = ("intra only", "few keyframes", AT_CUTS, "regular keyframes")
"""How keyframes are placed; at cuts by an encoder that looks for them."""

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
    if not base or not index.keyframe.any() or facts.get("video_codec") not in SCANNED:
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


def first_looks(index: PacketIndex, timeline: Timeline) -> tuple[Bools, Bools]:
    """The keyframes to look at first, some where they are dense; and the packets that may be other intra pictures."""
    shown = timeline.row >= 0
    wanted = np.asarray(index.keyframe & shown)
    keys = np.flatnonzero(wanted)
    step = -(-len(keys) * _THINNED // max(1, len(wanted)))
    if step > 1:
        wanted[keys] = np.arange(len(keys)) % step == 0
        return wanted, np.zeros_like(wanted)
    return wanted, shown & ~wanted & (index.size >= _INTRA_LEAST * _key_size(index))


def glimpses(index: PacketIndex, timeline: Timeline) -> Bools:
    """The packets that may open a shot in place of a keyframe off the grid that comes late: two before each, at most.

    They are shown in the order in which they are stored, as P frames are without B frames around. One, for a cut that
    was passed over, is much larger than those around; unless that is shortly before the keyframe, the other is the
    first of them there.
    """
    row, packet = timeline.row, timeline.packet
    in_order = np.ones(len(packet), np.bool_)
    in_order[1:] &= np.maximum.accumulate(packet)[:-1] < packet[1:]
    in_order[:-1] &= np.minimum.accumulate(packet[::-1])[::-1][1:] > packet[:-1]
    in_order &= ~index.keyframe[packet]
    rows = np.sort(row[index.keyframe & (row >= 0)])
    irregular, peaks = _irregular(index, timeline, rows), _ratios(index, timeline, packet[rows])
    size = index.size[packet]
    found: dict[int, float] = {}
    for look, key in enumerate(rows[1:].tolist()):
        if not irregular[look + 1]:
            continue
        largest = sorted((peak for peak in peaks.get(look, []) if in_order[row[peak[0]]]), key=itemgetter(1))[-1:]
        found |= largest
        near = np.arange(max(1, key - _LATE), key)
        if not any(row[place] in near for place, _ in largest):
            first = near[in_order[near] & (size[near] >= _LATE_LEAST * size[key])][:1]
            found |= {int(packet[place]): size[place] / size[key] for place in first}
    wanted = np.zeros(len(index), np.bool_)
    wanted[sorted(found, key=lambda place: -found[place])[: int(GLIMPSES * len(index))]] = True
    return wanted


def _key_size(index: PacketIndex) -> Integers:
    """The size of the keyframe before each packet, or its own; before the first, that of the first."""
    keys = np.flatnonzero(index.keyframe)
    before = np.maximum(np.searchsorted(keys, np.arange(len(index)), side="right") - 1, 0)
    return index.size[keys[before]].astype(np.int64)


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
    at_cuts = bool(other.any()) and 2 * (irregular & other).sum() >= other.sum()
    certain, stretches = ([], []) if at_cuts else _between(index, timeline, packets, other)
    flash_end = -1
    for j in np.flatnonzero(irregular & other).tolist():
        if timeline.pts[rows[j]] <= flash_end:
            continue
        if returning[j] and timeline.pts[rows[j + 1]] - timeline.pts[rows[j]] <= FLASH_SECONDS * timeline.second:
            flash_end = timeline.pts[rows[j + 1]]
        elif returning[j]:
            place = int(packets[j])
            stretches.append(Stretch(place, place, place + REACH, np.inf, [place], j - 1))
        else:
            certain.append(int(rows[j]))
    return Judged(_placing(index, at_cuts), certain, stretches)


def _between(
    index: PacketIndex, timeline: Timeline, packets: Integers, other: Bools
) -> tuple[list[int], list[Stretch]]:
    """Rows that open a shot, and what to look into, between intra pictures of which the second is another."""
    ratios = _ratios(index, timeline, packets)
    # Without B frames a large packet is the first of its shot.
    in_order = bool((np.diff(timeline.packet) > 0).all())
    certain: list[int] = []
    stretches: list[Stretch] = []
    for j in (*np.flatnonzero(other).tolist(), len(packets)):
        last = j == len(packets)
        start, end = int(packets[j - 1]), len(index) if last else int(packets[j])
        ranked = ratios.get(j - 1, [])
        largest = max((ratio for _, ratio in ranked), default=0.0)
        least = min(_LARGER, max(_LARGEST, largest))
        places = [place for place, ratio in ranked if ratio >= least]
        if not last and (not places or end - start <= 2 * REACH):
            # Nothing stands out, or it is short: all of it, the shorter the sooner.
            stretches.append(Stretch(start, start, end + REACH, 1 / (end - start), list(range(start, end + 1))))
        elif places and in_order:
            certain += timeline.row[places].tolist()
        elif places:
            stretches.append(Stretch(start, max(start, places[0] - REACH), places[-1] + REACH, largest, places))
    return certain, stretches


def _placing(index: PacketIndex, at_cuts: bool) -> str:
    if index.keyframe.all():
        return PLACINGS[0]
    if index.keyframe.sum() * _FEW < len(index):
        return PLACINGS[1]
    return AT_CUTS if at_cuts else PLACINGS[3]


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
    large = plain & (timeline.row >= 0) & (size >= _LEAST * _key_size(index))
    places = np.flatnonzero(large)
    around = np.pad(np.where(plain, size, np.nan), _AROUND, constant_values=np.nan)
    windows = np.sort(np.delete(np.lib.stride_tricks.sliding_window_view(around, 2 * _AROUND + 1)[places], _AROUND, 1))
    count = np.count_nonzero(~np.isnan(windows), axis=1)
    high = windows[np.arange(len(places)), (0.85 * np.maximum(count - 1, 0)).astype(int)]
    ratios = np.where(count > 0, size[places] / np.maximum(high, 1), 0.0)
    looks = np.searchsorted(packets, places) - 1
    found: dict[int, list[tuple[int, float]]] = {}
    for place, ratio, look in zip(places.tolist(), ratios.tolist(), looks.tolist(), strict=True):
        if ratio < _LARGEST or look < 0:
            continue
        peaks = found.setdefault(look, [])
        if not peaks or place - peaks[-1][0] > REACH:
            peaks.append((place, ratio))
        elif ratio > peaks[-1][1]:
            peaks[-1] = (place, ratio)
    return found


def within_budget(index: PacketIndex, judged: Judged) -> tuple[list[Stretch], list[int]]:
    """The stretches that may be decoded, in order and apart, and the places with evidence that are in none of them."""
    stretches = judged.stretches
    left = int((SHARE_AT_CUTS if judged.placing == AT_CUTS else SHARE) * len(index))
    chosen: list[Stretch] = []
    for stretch in sorted(stretches, key=lambda s: (-s.rank / (s.end - s.start), s.start)):
        end = min(stretch.end, len(index) - 1)
        if end - stretch.start > left >= stretch.places[0] + REACH - stretch.start:
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
    every = sorted({place for stretch in stretches if stretch.rank > 1 for place in stretch.places})
    seen = [(s.start, s.end if s.end == len(index) - 1 else s.end - REACH) for s in apart]
    return apart, [place for place in every if not any(first <= place <= last for first, last in seen)]
