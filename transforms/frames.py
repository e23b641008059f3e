"""Frames: the frames of a stream that are shown, in order, each at its exact time.

What an edit list hides does not appear; a packet the decoder refuses is counted and passed over; a timestamp that is
missing or runs backwards is mended, so that time always moves on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

import av.error

from transforms import media

_SEEK_SECONDS: Final = (0.5, 2.0, 8.0, 32.0, 128.0)
_REORDER: Final = 32
"""Packets looked at past a point before every earlier one is taken to be seen: twice the 16 of H.264 and HEVC."""


class Shown(NamedTuple):
    """A frame shown: the decoded frame, its mended PTS, claimed duration (0: none), and its packet's bytes and flag."""

    frame: Any
    pts: int
    duration: int
    size: int
    keyframe: bool


@dataclass
class Counts:
    """What a pass over a stream came across.

    Attributes:
        decoded: Frames that came out of the decoder.
        errors: Packets that the decoder refused, encrypted ones included.
        encrypted: Packets that are encrypted.
        packets: Packets read.
        packet_bytes: Their bytes.
        mended: Frames whose PTS was missing or did not move on.
        last_error: What the decoder said last.
    """

    decoded: int = 0
    errors: int = 0
    encrypted: int = 0
    packets: int = 0
    packet_bytes: int = 0
    mended: int = 0
    last_error: BaseException | None = None


class _Clock:
    """Gives each frame a PTS after that of the frame before, and a duration."""

    def __init__(self, time_base: Fraction, rate: float | None) -> None:
        self._second = max(1, round(1 / time_base))
        self._nominal = max(1, round(1 / (time_base * Fraction(rate)))) if rate else 0
        self._last: int | None = None
        self._step = max(1, self._nominal)
        self._shift = 0

    def time(self, frame: Any) -> tuple[int, int, bool]:
        """PTS, duration (0: unknown) and whether the PTS had to be mended."""
        duration: int = frame.duration or 0
        if frame.pts is None:
            # A stream without times has no durations worth believing either.
            duration = self._nominal or duration
            pts, mended = (0 if self._last is None else self._last + self._step), True
        else:
            pts, mended = frame.pts + self._shift, False
            if self._last is not None and pts <= self._last:
                mended = True
                # A leap back of a second or more is a new clock (a spliced stream): go on from here on that clock.
                if pts <= self._last - self._second:
                    self._shift += self._last + self._step - pts
                    pts = self._last + self._step
                else:
                    pts = self._last + 1
        self._last, self._step = pts, max(1, duration or self._nominal)
        return pts, duration, mended


def shown_frames(
    container: Any, stream: Any, counts: Counts, rate: float | None = None, after_seek: bool = False
) -> Iterator[Shown]:
    """Decode a stream from where its container stands.

    Args:
        container: An open container.
        stream: A video stream of it, prepared by `media.prepare_decoder`.
        counts: Is updated on the way.
        rate: Claimed frame rate, for frames without time.
        after_seek: Leave out frames before the first keyframe read: what they were predicted from may be missing.
    """
    clock = _Clock(stream.time_base, rate)
    waiting: dict[int, tuple[int, bool]] = {}
    floor: int | None = None

    def decode(packet: Any) -> list[Any]:
        try:
            return list(stream.codec_context.decode(packet))
        except (av.error.FFmpegError, ValueError) as error:
            counts.errors += packet is not None
            counts.last_error = error
            return []

    def timed(frames: list[Any]) -> Iterator[Shown]:
        for frame in frames:
            counts.decoded += 1
            if floor is not None and frame.pts is not None and frame.pts < floor:
                continue
            size, keyframe = waiting.pop(frame.pts, (0, bool(frame.key_frame)))
            pts, duration, mended = clock.time(frame)
            counts.mended += mended
            yield Shown(frame, pts, duration, size, keyframe)

    sealed = media.encrypted_stream(stream)
    for packet in media.packets(container, stream):
        if packet.size == 0:
            continue
        counts.packets += 1
        counts.packet_bytes += packet.size
        if sealed or packet.has_sidedata("encryption_info"):
            counts.encrypted += 1
            counts.errors += 1
            continue
        if after_seek and floor is None and packet.is_keyframe and packet.pts is not None:
            floor = packet.pts
        if packet.pts is not None:
            if len(waiting) > 1024:
                waiting.clear()
            waiting[packet.pts] = (packet.size, bool(packet.is_keyframe))
        yield from timed(decode(packet))
    yield from timed(decode(None))


def seek_point(container: Any, stream: Any, start: int, lead: int) -> int | None:
    """Where to seek so that at least `lead` frames shown before `start` are decoded; None: read from the beginning.

    Moves the container; open it anew when the answer is None.
    """
    for seconds in _SEEK_SECONDS:
        target: int = start - max(1, round(seconds / stream.time_base))
        try:
            container.seek(target, stream=stream)
        except (av.error.FFmpegError, ValueError):
            return None
        key: int | None = None
        before = past = 0
        for packet in media.packets(container, stream):
            if packet.pts is None:
                continue
            if key is None:
                key = packet.pts if packet.is_keyframe else None
            elif packet.pts < key:
                continue
            before += key is not None and not packet.is_discard and packet.pts < start
            past += packet.pts >= start
            if past >= _REORDER or (past and before >= lead):
                break
        if key is not None and before >= lead:
            return target
    return None
