"""Groups of pictures: which packets of a source a span needs, to be copied or decoded.

All is read off the packet index: a keyframe is *clean* where no picture that follows it in the file is shown before it
and none before it in the file is shown after it. Only there can a stream be taken apart without loss.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.probe import NO_PTS, PacketIndex

Numbers = npt.NDArray[np.int64]

_LATEST = 1 << 62


class Range(NamedTuple):
    """Packets [first, end) by number in file order, and the span [start, stop) of PTS they are for."""

    first: int
    end: int
    start: int
    stop: int


class Joint(NamedTuple):
    """A span taken apart: packets copied, and what is encoded before and after them (None: nothing)."""

    head: Range | None
    copied: Range
    tail: Range | None


class Groups:
    """The groups of pictures of one video stream."""

    def __init__(self, index: PacketIndex) -> None:
        self.index = index
        self.steady = bool(len(index)) and index.steady() and not (index.pts[~index.discard] == NO_PTS).any()
        """Every picture shown has a time of its own: packets stand for pictures."""
        shown = ~index.discard
        pts = index.pts
        self._shown = np.where(shown, pts, _LATEST)
        self.least_from: Numbers = np.append(np.minimum.accumulate(self._shown[::-1])[::-1], _LATEST)
        """Earliest PTS shown of all packets from one on."""
        most = np.maximum.accumulate(np.where(shown, pts, -_LATEST))
        self.most_before: Numbers = np.insert(most, 0, -_LATEST)
        """Latest PTS shown of all packets before one."""
        self.keys: Numbers = np.flatnonzero(index.keyframe & (pts != NO_PTS))
        """Numbers of the keyframes."""
        self._keys_least = self.least_from[self.keys]
        usable = self.keys[self.most_before[self.keys] < pts[self.keys]]
        self._usable, self._usable_pts = usable, np.maximum.accumulate(pts[usable])
        clean = usable[(self.least_from[usable] >= pts[usable]) & ~index.discard[usable]]
        self._clean, self._clean_pts = clean, pts[clean]
        self._order = np.argsort(self._shown, kind="stable")
        self._sorted = self._shown[self._order]
        bounds = index.bounds()
        self.start, self.end = bounds if bounds is not None else (0, 0)
        """First PTS shown, and the end of the last."""

    def decoded(self, start: int, stop: int) -> Range | None:
        """The packets to decode for the pictures of [start, stop); None where there are none."""
        low, high = np.searchsorted(self._sorted, (start, stop))
        if low >= high:
            return None
        wanted = self._order[low:high]
        return Range(self._key_before(int(wanted.min()), start), int(wanted.max()) + 1, start, stop)

    def times(self, start: int, stop: int) -> Numbers:
        """PTS of the pictures shown of [start, stop), in order."""
        low, high = np.searchsorted(self._sorted, (start, stop))
        return self._sorted[low:high]

    def _key_before(self, number: int, start: int) -> int:
        """The last keyframe from which on a picture of `start` and packet `number` decode; the first packet without."""
        # Both rise together, as behind a usable key in the file there is nothing shown before it that counts.
        at = min(np.searchsorted(self._usable, number, side="right"), np.searchsorted(self._usable_pts, start, "right"))
        return int(self._usable[at - 1]) if at else 0

    def copied(self, start: int, stop: int) -> Range | None:
        """A span drawn out to keyframes; None where there is no keyframe or nothing to show."""
        needed = self.decoded(start, stop)
        if needed is None or not len(self.keys):
            return None
        first = max(needed.first, int(self.keys[0]))
        # What a leading picture is predicted from is not there: pictures are shown from the keyframe on.
        begin = max(int(self.index.pts[first]), self.start)
        at = max(np.searchsorted(self.keys, first, "right"), np.searchsorted(self._keys_least, stop))
        end = int(self.keys[at]) if at < len(self.keys) else len(self.index)
        return Range(first, end, begin, int(min(self.least_from[end], self.end)))

    def joint(self, start: int, stop: int) -> Joint | None:
        """A span whose whole groups are copied; None where there are none between clean keyframes."""
        pts = self._clean_pts
        low = int(np.searchsorted(pts, start))
        if low >= len(pts) or pts[low] >= stop:
            return None
        first = int(self._clean[low])
        last = int(np.searchsorted(pts, stop, "right")) - 1
        end = len(self.index) if stop > self.most_before[-1] else int(self._clean[last])
        if end <= first:
            return None
        begin = int(self.index.pts[first])
        close = stop if end == len(self.index) else int(min(self.least_from[end], stop))
        head = self.decoded(start, begin) if begin > start else None
        tail = self.decoded(close, stop) if close < stop else None
        return Joint(head, Range(first, end, begin, close), tail)

    def hidden(self, packets: Range) -> bool:
        """An edit list hides pictures among the packets of a range that would be shown."""
        part = slice(packets.first, packets.end)
        return bool((self.index.discard[part] & (self.index.pts[part] >= packets.start)).any())

    def depth(self, packets: Range) -> int:
        """How many packets of a range come, at most, before one that is shown earlier."""
        pts = self.index.pts[packets.first : packets.end]
        places = np.empty(len(pts), np.int64)
        places[np.argsort(pts, kind="stable")] = np.arange(len(pts))
        # A picture at place p in decoding order that is shown as number q < p waits for p - q others.
        return int(max(0, (np.arange(len(pts)) - places).max())) if len(pts) else 0


def decode_times(pts: Numbers, depth: int) -> list[int]:
    """DTS for pictures in decoding order: each that of the picture shown `depth` places before, so never after its PTS.

    Args:
        pts: Of all the pictures, in any order.
        depth: Of the reordering, at least that of the stream.
    """
    shown = np.sort(pts)
    step = max(1, int(shown[1] - shown[0])) if len(shown) > 1 else 1
    before = shown[0] - step * np.arange(depth, 0, -1)
    made: list[int] = np.concatenate([before, shown])[: len(shown)].tolist()
    return made


def merged(ranges: list[Any]) -> list[tuple[int, int]]:
    """Half-open ranges (first, end, …) in order, those that touch or overlap as one."""
    made: list[tuple[int, int]] = []
    for first, end, *_ in sorted(ranges):
        if made and first <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        else:
            made.append((first, end))
    return made
