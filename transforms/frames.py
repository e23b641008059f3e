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

_STEP: Final = 0.25
"""Seconds to go back first where a seek landed late; then twice as far each time."""
_TRIES: Final = 12
"""Places looked at for a keyframe; the last lie minutes back."""
_P: Final = 2
_B: Final = 3
"""FFmpeg's numbers of the predicted picture types."""
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
    _tune(stream.codec_context, after_seek)
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
            counts.errors += after_seek and frame.is_corrupt
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
        if after_seek and floor is None:
            if not packet.is_keyframe or packet.pts is None:
                continue
            floor = packet.pts
        if packet.pts is not None:
            if len(waiting) > 1024:
                waiting.clear()
            waiting[packet.pts] = (packet.size, bool(packet.is_keyframe))
        yield from timed(decode(packet))
    yield from timed(decode(None))


def decoded_ahead(frames: Iterator[Shown], count: int) -> Iterator[Shown]:
    """The same frames, decoded `count` at a time before the first of them is handed on.

    A decoder and what looks at its frames push each other out of the caches: taking turns less often, both are quicker.
    """
    waiting: list[Shown] = []
    for shown in frames:
        waiting.append(shown)
        if len(waiting) >= count:
            yield from waiting
            waiting = []
    yield from waiting


def _tune(context: Any, after_seek: bool) -> None:
    """Options of a decoder that is not open yet, so that what it gives depends on nothing but what it was given.

    H.264 that does not say how far it reorders: wait for as many frames as its level allows. Otherwise the decoder
    learns the number from frames that come too late and are lost: other frames after a seek. HEVC after a seek: say so
    whenever anything is wrong, as the holes of a damaged picture show what its buffer held before.
    """
    if context.is_open:
        return
    if context.name == "h264":
        context.options = {**context.options, "strict": "strict"}
    if after_seek and context.name == "hevc":
        context.options = {**context.options, "err_detect": "explode"}


def seek_point(container: Any, stream: Any, start: int, lead: int) -> int | None:
    """Where to seek so that at least `lead` frames shown before `start` are decoded; None: read from the beginning.

    The nearest keyframe that does is looked for, packet by packet and not by what an index says. None also where a
    keyframe is none: it does not decode alone, or to a picture predicted from others (intra refresh).

    Moves the container and flushes its decoder; open it anew when the answer is None.
    """
    target, earliest, step = start - 1, start, max(1, round(_STEP / stream.time_base))
    for _ in range(_TRIES):
        try:
            container.seek(target, stream=stream)
            key, before = _landing(container, stream, start, lead)
        except (av.error.FFmpegError, ValueError):
            return None
        if key is not None and before >= lead:
            return target
        if key is not None and before and key < earliest:
            # As far back as the frames that are missing take, were they as long as these.
            target = min(target, key) - max(1, (lead - before - 1) * (start - key) // before)
            earliest = key
        else:
            target, step = min(target, earliest) - step, 2 * step
    return None


def _landing(container: Any, stream: Any, start: int, lead: int) -> tuple[int | None, int]:
    """PTS of the first keyframe read from here, and how many frames from it on are shown before `start`.

    Raises:
        ValueError: It is none.
    """
    codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else ""
    key: int | None = None
    before = past = 0
    for packet in media.packets(container, stream):
        if packet.pts is None or packet.size == 0:
            continue
        if key is None and packet.is_keyframe:
            key = packet.pts
            if key < start and not _stands_alone(stream, packet):
                raise ValueError("a keyframe that is none")
        before += key is not None and key <= packet.pts < start and _is_shown(packet, codec)
        past += packet.pts >= start
        if past >= _REORDER or (past and before >= lead):
            break
    return key, before


def _is_shown(packet: Any, codec: str) -> bool:
    """The packet carries a frame to be shown, as far as its first bytes tell."""
    if codec == "vp8":  # RFC 6386, 9.1: bit 4 is show_frame.
        return bool(bytes(packet)[0] & 16)
    # A VOP that is not coded, as behind DivX's packed B frames, takes seven bytes at most.
    return not packet.is_discard and (codec != "mpeg4" or packet.size > 7)


def _stands_alone(stream: Any, packet: Any) -> bool:
    """A decoder that has seen nothing else makes an intra picture of the packet.

    Fields are let pass, as the second of a keyframe may be predicted from the first.
    """
    if packet.is_discard or stream.codec_context is None:
        return True
    frame = decode_alone(stream, packet)
    return frame is not None and frame.key_frame and (frame.interlaced_frame or int(frame.pict_type) not in (_P, _B))


def prime(container: Any, stream: Any) -> None:
    """Show a decoder the first packet of its stream before a seek, and forget the frame.

    What made a stream is told there only, and decoders mend by it: x264 before build 151 coded 4:4:4 in its own way.
    """
    first = next((packet for packet in media.packets(container, stream) if packet.size), None)
    if first is not None:
        decode_alone(stream, first, after_seek=True)


def decode_alone(stream: Any, packet: Any, after_seek: bool = False) -> Any | None:
    """The frame of one packet, with nothing before it; None where there is none. Flushes the decoder."""
    context = stream.codec_context
    try:
        if not context.is_open:
            media.prepare_decoder(stream)
            _tune(context, after_seek)
        else:
            context.flush_buffers()
        frames = [*context.decode(packet), *context.decode(None)]
        context.flush_buffers()
    except (av.error.FFmpegError, ValueError):
        return None
    return frames[0] if frames else None
