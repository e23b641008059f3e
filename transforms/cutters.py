"""Cutters: how one clip is written from the packets and pictures that a pass over its source brings.

One kind copies packets, one encodes every picture, one encodes the ends and copies between. A pass gives each of them
what it asked for (`copies`, `watches`) and tells where it ends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np

from transforms.clipfile import ENDING, ClipFile
from transforms.encoding import ClipSettings, configure, encoder_name, look_of
from transforms.failures import ElementError
from transforms.frames import decode_alone
from transforms.groups import Groups, Joint, Range, decode_times
from transforms.joining import Joiner, UnjoinableError, stands_alone
from transforms.previews import Previews
from transforms.reshaping import Box, Reshaper
from transforms.soundtrack import COPIED, CopiedSound, Soundtrack, codec_of

_OWN_DEPTH: Final = 2
"""Pictures that libx264 reorders at most: B frames that others are predicted from."""


class Span(NamedTuple):
    """A stretch of a video to be a clip.

    Attributes:
        clip_id: Its name, and that of its files.
        start_pts: PTS of its first picture, in the stream's time base.
        end_pts: PTS of the first picture after it.
        crop: Left, top, width and height of what is kept of the picture as shown; none for all of it.
    """

    clip_id: str
    start_pts: int
    end_pts: int
    crop: Box | None = None


@dataclass
class Source:
    """What the cutters of a pass share."""

    video: Any
    audio: Any | None
    groups: Groups
    rotation: int
    rate: float | None
    settings: ClipSettings
    folder: Path
    files: set[ClipFile] = field(default_factory=set)
    """Those that are being written."""
    _keys: Any = field(default=None, repr=False)

    @property
    def time_base(self) -> Fraction:
        """Of the video."""
        base: Fraction = self.video.time_base
        return base

    def key_frame(self, packet: Any) -> Any | None:
        """The picture of a keyframe, by a decoder beside that of the pass."""
        if self._keys is None:
            context = self.video.codec_context
            self._keys = av.CodecContext.create(context.codec.name, "r")
            self._keys.extradata = context.extradata
            self._keys.thread_count = 1
            self._keys.open()
        copy = av.Packet(bytes(packet))
        copy.pts, copy.dts, copy.time_base = packet.pts, packet.pts, packet.time_base
        return decode_alone(_Alone(self._keys), copy)

    @property
    def copies_sound(self) -> bool:
        """Sound of the source can be copied as the settings ask."""
        return (
            self.audio is not None
            and self.settings.clips in ("copy", "smart")
            and self.settings.clip_audio == "auto"
            and self.audio.codec_context.codec.canonical_name in COPIED
        )


class _Alone(NamedTuple):
    codec_context: Any


class Cutter:
    """One clip being written.

    Attributes:
        mode: `copy`, `smart` or `transcode`.
        copies: Packets it is given.
        watches: Stretches of pictures it is given.
        shown: The span of PTS that its file shows.
        frames: Pictures of the file.
        encoded: Those of them that were encoded.
        sound: Of the clip.
        fell_back: Why it is not made as was asked.
    """

    mode = "transcode"
    copies: Range | None = None

    def __init__(self, span: Span, source: Source, shown: tuple[int, int], fell_back: str | None = None) -> None:
        self.span, self.source, self.shown, self.fell_back = span, source, shown, fell_back
        self.watches: list[Range] = []
        self.frames = self.encoded = 0
        self.video_done = self.sound_done = self.over = False
        self.file: ClipFile | None = None
        self.width = self.height = 0
        self.previews = Previews(*shown, source.settings)
        self.sound: Soundtrack | CopiedSound | None = None
        if source.audio is not None and source.audio.codec_context.sample_rate:
            kind = CopiedSound if self.mode != "transcode" and source.copies_sound else Soundtrack
            self.sound = kind(source.audio, *(pts * source.time_base for pts in shown))
        self.sound_done = self.sound is None

    def frame(self, frame: Any, pts: int) -> None:
        """A picture of one of the stretches."""

    def watched(self) -> None:
        """The stretch that was being given has ended."""

    def packet(self, number: int, packet: Any) -> None:
        """A packet of those that are copied."""

    def copied(self) -> None:
        """All packets that are copied were given."""

    def _open(self) -> ClipFile:
        self.file = ClipFile(self.source.folder / (self.span.clip_id + ENDING))
        self.source.files.add(self.file)
        return self.file

    def _open_sound(self) -> None:
        assert self.file is not None
        if self.sound is not None:
            self.sound.open(self.file, self.source.audio, self.source.settings)

    def finish(self) -> int:
        """Close the file; returns its bytes, with its previews'.

        Raises:
            ElementError: `damaged`: there is no picture in it.
            OSError: The disk is full or broken.
            UnjoinableError: Not all of the packets that are copied came.
        """
        if not self.video_done:
            raise UnjoinableError("the source ends before its index does")
        if self.file is None or not self.frames:
            raise ElementError("damaged", "no picture of the span can be decoded")
        if self.sound is not None:
            self.sound.finish()
        self.over = True
        self.source.files.remove(self.file)
        return self.file.close() + self.previews.write(self.source.folder / self.span.clip_id)

    def abandon(self) -> None:
        """Leave nothing of it."""
        self.video_done = self.sound_done = self.over = True
        if self.file is not None:
            self.source.files.discard(self.file)
            self.file.abandon()

    @property
    def sound_codec(self) -> str | None:
        """What its sound is, and whether copied, in a word or two."""
        if self.sound is None or self.source.audio is None:
            return None
        copied = isinstance(self.sound, CopiedSound)
        return self.source.audio.codec_context.codec.canonical_name if copied else codec_of(self.source.settings)


class Transcoder(Cutter):
    """Encodes every picture of a span."""

    def __init__(self, span: Span, source: Source, fell_back: str | None = None) -> None:
        super().__init__(span, source, (span.start_pts, span.end_pts), fell_back)
        needed = source.groups.decoded(*self.shown)
        self.watches = [needed or Range(0, 0, *self.shown)]
        self._held: tuple[Any, int] | None = None
        self._reshape: Reshaper | None = None
        self._stream: Any = None
        self._lengths: dict[int, int] = {}
        rate = Fraction(source.settings.clip_frame_rate).limit_denominator(1001)
        self._tick = 1 / (rate * source.time_base) if rate else None
        """Time between pictures of a constant rate, in the source's time base."""
        self._shown_ticks = 0

    def frame(self, frame: Any, pts: int) -> None:
        if self._held is not None:
            self._show(*self._held, pts)
        self._held = frame, pts

    def watched(self) -> None:
        if self._held is not None:
            self._show(*self._held, self.span.end_pts)
            self._held = None
        if self._stream is not None:
            self._write(None)
        self.video_done = True

    def _show(self, frame: Any, pts: int, until: int) -> None:
        if self._reshape is None:
            settings, look = self.source.settings, look_of(frame, self.source.video)
            self._reshape = Reshaper(look, frame, self.span.crop if settings.clip_crop else None, settings)
            self._stream = self._open().encoded_video(self._reshape.look, settings)
            self._open_sound()
            self.width, self.height = self._reshape.look.width, self._reshape.look.height
        shaped = self._reshape(frame)
        self.previews.take(shaped, pts, until, self._reshape.look.aspect, self.source.rotation)
        # A decoder's picture type would be taken by the encoder for an order.
        shaped.pict_type = 0
        shaped.time_base = self._reshape.look.time_base
        if self._tick is None:
            self._emit(shaped, pts - self.span.start_pts, until - pts)
            return
        while self._shown_ticks * self._tick < until - self.span.start_pts:
            self._emit(shaped, self._shown_ticks, 1)
            self._shown_ticks += 1

    def _emit(self, frame: Any, pts: int, length: int) -> None:
        frame.pts = pts
        self._lengths[pts] = length
        self.frames += 1
        self.encoded += 1
        self._write(frame)

    def _write(self, frame: Any | None) -> None:
        assert self.file is not None
        for packet in self._stream.encode(frame):
            packet.duration = self._lengths.pop(packet.pts, packet.duration)
            self.file.mux(packet)


class Copier(Cutter):
    """Copies packets from keyframe to keyframe."""

    mode = "copy"

    def __init__(self, span: Span, source: Source, packets: Range) -> None:
        super().__init__(span, source, (packets.start, packets.stop))
        self.copies = packets
        self.video_done = False
        pts = source.groups.index.pts[packets.first : packets.end]
        self._times = iter(decode_times(pts - packets.start, source.groups.depth(packets)))
        self._base = source.time_base
        self._pictured = _key_times(source.groups, packets, self.previews.times)
        self.frames = int(((pts >= packets.start) & ~source.groups.index.discard[packets.first : packets.end]).sum())
        self._stream: Any = None

    def packet(self, number: int, packet: Any) -> None:
        key = packet.is_keyframe
        if key and packet.has_sidedata("new_extradata"):
            raise UnjoinableError("parameter sets change on the way")
        if self.file is None:
            context = self.source.video.codec_context
            if not stands_alone(bytes(packet), context.codec.canonical_name, context.extradata):
                raise UnjoinableError("its keyframe does not decode alone")
            self._stream = self._open().copied(self.source.video)
            self._open_sound()
            assert self.file is not None
        if number in self._pictured:
            _picture(self, packet, self._pictured[number])
        # A packet of its own on the same bytes: muxing changes it, and another clip may want this one.
        copy = av.Packet(packet)
        copy.stream, copy.time_base = self._stream, self._base
        copy.pts, copy.dts = packet.pts - self.shown[0], next(self._times)
        copy.duration, copy.is_keyframe = packet.duration, key
        self.file.mux(copy)

    def copied(self) -> None:
        self.video_done = True
        context = self.source.video.codec_context
        self.width, self.height = context.width, context.height


def _key_times(groups: Groups, packets: Range, times: list[int]) -> dict[int, list[int]]:
    """The keyframe of a range that shows, at best, what is shown at each time: by its number, the times."""
    keys = groups.keys[(groups.keys >= packets.first) & (groups.keys < packets.end)]
    found: dict[int, list[int]] = {}
    for time in times:
        at = int(np.searchsorted(groups.index.pts[keys], time, "right"))
        if len(keys):
            found.setdefault(int(keys[max(0, at - 1)]), []).append(time)
    return found


def _picture(cutter: Cutter, packet: Any, times: list[int]) -> None:
    frame = cutter.source.key_frame(packet)
    if frame is not None:
        aspect = cutter.source.video.sample_aspect_ratio or Fraction(0)
        cutter.previews.put(frame, times, Fraction(aspect), cutter.source.rotation)


class _Coded(NamedTuple):
    data: bytes
    pts: int
    duration: int
    keyframe: bool


class Smart(Cutter):
    """Copies whole groups of pictures, and encodes what lies before and after them."""

    mode = "smart"

    def __init__(self, span: Span, source: Source, joint: Joint, joiner: Joiner) -> None:
        super().__init__(span, source, (span.start_pts, span.end_pts))
        self.copies = joint.copied
        self.watches = [part for part in (joint.head, joint.tail) if part is not None]
        self._joiner, self._joint = joiner, joint
        self._left = len(self.watches)
        self._header: bytes | None = None
        self._encoder: Any = None
        self._held: tuple[Any, int] | None = None
        self._lengths: dict[int, int] = {}
        self._head: list[_Coded] = []
        self._body: deque[_Coded] = deque()
        self._tail: list[_Coded] = []
        self._copying = True
        self._copy_stream: Any = None
        groups = source.groups
        inside = groups.times(span.start_pts, span.end_pts)
        self._times = decode_times(inside, max(groups.depth(joint.copied), _OWN_DEPTH if self.watches else 0))
        self._pictured = _key_times(groups, joint.copied, self.previews.times)

    @property
    def _in_head(self) -> bool:
        return self._joint.head is not None and self._left == len(self.watches)

    def frame(self, frame: Any, pts: int) -> None:
        if self._held is not None:
            self._encode(*self._held, pts)
        self._held = frame, pts

    def watched(self) -> None:
        part = self._joint.head if self._in_head else self._joint.tail
        assert part is not None
        if self._held is None:
            raise UnjoinableError("no picture to encode beside what is copied")
        self._encode(*self._held, part.stop)
        self._held = None
        self._collect(self._encoder.encode(None))
        self._encoder = None
        self._left -= 1
        self._advance()

    def _encode(self, frame: Any, pts: int, until: int) -> None:
        if self._encoder is None:
            self._encoder = self._opened(frame)
        frame.pict_type, frame.time_base = 0, self.source.time_base
        frame.pts = pts - self.span.start_pts
        self._lengths[frame.pts] = until - pts
        self.encoded += 1
        self._collect(self._encoder.encode(frame))

    def _opened(self, frame: Any) -> Any:
        look, settings = look_of(frame, self.source.video), self.source.settings
        encoder: Any = av.CodecContext.create(encoder_name(settings), "w")
        configure(encoder, look, settings, **self._joiner.options)
        encoder.flags |= av.codec.context.Flags.global_header
        encoder.open()
        self._joiner.same_shape(encoder)
        header = self._joiner.header(encoder.extradata)
        if self._header not in (None, header):
            raise UnjoinableError("what is encoded at the two ends has other parameter sets")
        self._header = header
        return encoder

    def _collect(self, packets: list[Any]) -> None:
        into = self._head if self._in_head else self._tail
        for packet in packets:
            length = self._lengths.pop(packet.pts, 0)
            into.append(_Coded(self._joiner.encoded(bytes(packet)), packet.pts, length, packet.is_keyframe))

    def packet(self, number: int, packet: Any) -> None:
        assert self.copies is not None
        first = number == self.copies.first
        if packet.has_sidedata("new_extradata") or packet.is_discard:
            raise UnjoinableError("parameter sets or an edit change on the way")
        if number in self._pictured:
            _picture(self, packet, self._pictured[number])
        if first and self._header is None and self.watches and self._joint.head is None:
            # What the tail will be coded as must be known before the file begins.
            frame = self.source.key_frame(packet)
            if frame is None:
                raise UnjoinableError("the first keyframe does not decode alone")
            self._opened(frame)
        data = self._joiner.copied(bytes(packet), first)
        pts = packet.pts - self.span.start_pts
        self._body.append(_Coded(data, pts, packet.duration or 0, packet.is_keyframe))
        self._advance()

    def copied(self) -> None:
        self._copying = False
        context = self.source.video.codec_context
        self.width, self.height = context.width, context.height
        self._advance()

    def _advance(self) -> None:
        """Write what may be written: the head, then what is copied, then the tail."""
        if self._in_head:
            return
        self._put(self._head)
        self._head = []
        while self._body:
            self._put([self._body.popleft()])
        if not self._copying and not self._left:
            self._put(self._tail)
            self._tail = []
            if self.frames != len(self._times):
                raise UnjoinableError(f"{len(self._times)} pictures expected, {self.frames} found")
            self.video_done = True

    def _put(self, packets: list[_Coded]) -> None:
        for coded in packets:
            if self.file is None:
                header = self._header or self._joiner.header(None)
                self._copy_stream = self._open().copied(self.source.video, header)
                self._open_sound()
            assert self.file is not None
            if self.frames >= len(self._times):
                raise UnjoinableError("more pictures than the index tells")
            packet = av.Packet(coded.data)
            packet.stream, packet.time_base = self._copy_stream, self.source.time_base
            packet.pts, packet.dts = coded.pts, self._times[self.frames] - self.span.start_pts
            packet.duration, packet.is_keyframe = coded.duration, coded.keyframe
            self.frames += 1
            self.file.mux(packet)
