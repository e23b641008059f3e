"""Soundtracks: the sound of clips, from one decode of the source's, exact to the sample.

Decoded sound is laid on the source's clock by counting: small jitter of timestamps is passed over, a gap becomes
silence and what overlaps is cut. A clip gets the samples from its start to its end and silence where the source has
none, so that its sound is as long as its pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.resampler import AudioResampler
from av.codec.context import Flags2

from transforms.clipfile import ClipFile
from transforms.encoding import ClipSettings

Samples = npt.NDArray[np.float32]
"""Sound as (samples, channels)."""

_ENCODERS: Final = {"aac": "aac", "opus": "libopus"}
_SAME: Final = {"5.1(side)": "5.1", "5.0(side)": "5.0"}
"""Layouts that AAC and Opus only know with the surrounds at the back."""
_PLACELESS: Final = ("USR", "AMBI", "UNK", "NONE", "?")
"""How FFmpeg's names of channels begin that are no loudspeakers."""
_BY_COUNT: Final = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Layouts of channels whose places are not told."""
_TOLERANCE: Final = 0.04
"""Seconds between a frame's time and the end of the one before that are jitter (as `audio.AudioSettings`)."""
_RATE: Final = 48000
_BLOCK: Final = 1 << 14
_OPUS_STEP: Final = 120
"""Samples of Opus's shortest frame, 2.5 ms at 48 kHz; all are multiples of it."""


_EVER: Final = 1 << 62

COPIED: Final = frozenset({"aac", "mp3", "opus", "flac", "alac", "ac3", "eac3"})
"""Codecs whose packets are copied: those that players take from MP4, and that begin anywhere."""


def codec_of(settings: ClipSettings) -> str:
    """What sound is encoded as: `aac` or `opus`."""
    if settings.clip_audio in _ENCODERS:
        return settings.clip_audio
    return "opus" if settings.clip_codec == "av1" else "aac"


class SoundClock:
    """Gives decoded frames their place on the source's clock, counted in samples from time 0."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.correction = 0
        """Samples by which a time is off where counting begins (`PacketClock`)."""
        self._next: int | None = None
        self._packers: dict[tuple[str, str], AudioResampler] = {}

    def place(self, frame: Any, time_base: Fraction) -> tuple[int, Samples] | None:
        """First sample's number and the samples of the next frame; None where nothing new is in it."""
        if not frame.samples:
            return None
        claimed = None if frame.pts is None else round(frame.pts * time_base * self.rate)
        data = self._packed(frame)
        if self._next is None or (claimed is not None and claimed - self._next > _TOLERANCE * self.rate):
            start = (claimed or 0) + self.correction
        elif claimed is not None and self._next - claimed > _TOLERANCE * self.rate:
            data = data[self._next - claimed :]
            start = self._next
        else:
            start = self._next
        self._next = start + len(data)
        return (start, data) if len(data) else None

    def _packed(self, frame: Any) -> Samples:
        # Packed: PyAV reads past the planes of eight channels.
        key = (frame.format.name, frame.layout.name)
        if key not in self._packers:
            self._packers[key] = AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
        count = frame.layout.nb_channels
        frame.pts = None
        parts = [made.to_ndarray().reshape(-1, count) for made in self._packers[key].resample(frame)]
        return np.concatenate([np.empty((0, count), np.float32), *parts], dtype=np.float32)


class Sound:
    """The sound of one clip.

    Attributes:
        first: Number of its first sample on the source's clock.
        end: Of the one after its last.
        begins: Of the sample from which on it wants packets, for the decoder to warm up.
        heard: Samples that the source had for it.
        rate: Of the source.
    """

    def __init__(self, source: Any, start: Fraction, end: Fraction) -> None:
        """
        Args:
            source: The stream of sound.
            start: Of the clip on the source's clock, in seconds.
            end: Of the clip.
        """
        self.rate: int = source.codec_context.sample_rate
        self.first, self.end = round(start * self.rate), round(end * self.rate)
        self.begins = self.first - round(warm_up(source.codec_context.codec.canonical_name) * self.rate)
        self.heard = 0

    def packet(self, packet: Any, first: int, length: int, claimed: int) -> bool:
        """Take a packet, of samples [first, first + length), whose own time says `claimed`; False: no more of them."""
        raise NotImplementedError

    def ended(self) -> None:
        """No more packets come."""

    def open(self, file: ClipFile, source: Any, settings: ClipSettings) -> None:
        """Write into a file from here on.

        Args:
            file: Its file, which has a stream of pictures and gets no other.
            source: The stream that packets come from.
            settings: Codec and bit rate.
        """

    def finish(self) -> None:
        """The file is going to be closed."""


class Soundtrack(Sound):
    """The sound of one clip, encoded."""

    def __init__(self, source: Any, start: Fraction, end: Fraction) -> None:
        super().__init__(source, start, end)
        self.end = max(self.end, self.first + 1)
        self._at = self.first
        self._base = source.time_base
        # Of its own, so that a clip does not depend on what else is cut: AAC's noise is drawn from a decoder's memory.
        self._decoder: Any = av.CodecContext.create(source.codec_context.codec.name, "r")
        self._template = source.codec_context
        self._clock = SoundClock(self.rate)
        self._ready: list[Samples] = []
        self._stream: Any = None
        self._mux: Callable[[Any], None] | None = None

    def packet(self, packet: Any, first: int, length: int, claimed: int) -> bool:
        # Decoders give the last samples late.
        if first >= self.end + self.first - self.begins:
            return False
        if not self._decoder.is_open:
            _as(self._decoder, self._template)
            self._clock.correction = first - claimed
        self._decode(packet)
        return True

    def _decode(self, packet: Any | None) -> None:
        if packet is None and not self._decoder.is_open:
            return
        try:
            frames = self._decoder.decode(packet)
        except (av.error.FFmpegError, ValueError):
            return
        for frame in frames:
            placed = self._clock.place(frame, self._base)
            if placed is not None:
                self._add(*placed)

    def ended(self) -> None:
        self._decode(None)

    def _add(self, start: int, data: Samples) -> None:
        low, high = max(start, self._at), min(start + len(data), self.end)
        if low >= high:
            return
        self._silence(low, data.shape[1])
        self._ready.append(data[low - start : high - start])
        self._at = high
        self.heard += high - low
        self._encode()

    def _silence(self, until: int, channels: int) -> None:
        while self._at < until:
            count = min(_BLOCK, until - self._at)
            self._ready.append(np.zeros((count, channels), np.float32))
            self._at += count

    def open(self, file: ClipFile, source: Any, settings: ClipSettings) -> None:
        encoder = _ENCODERS[codec_of(settings)]
        layout = source.codec_context.layout
        name = _SAME.get(layout.name, layout.name)
        if any(c.name.startswith(_PLACELESS) for c in layout.channels):
            name = _BY_COUNT[layout.nb_channels]
        rates = av.Codec(encoder, "w").audio_rates or [self.rate]
        rate = self.rate if self.rate in rates else _RATE
        bits = settings.clip_audio_kbps * 1000 * layout.nb_channels
        self._stream = file.encoded_audio(encoder, rate, name, bits)
        self._layout, self._channels = name, layout.nb_channels
        self._mux = file.mux
        self._sent = 0
        self._encode()

    def _encode(self) -> None:
        if self._mux is None or not self._ready:
            return
        for data in self._ready:
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(data, np.float32).reshape(1, -1), format="flt", layout=self._layout
            )
            frame.sample_rate, frame.time_base, frame.pts = self.rate, Fraction(1, self.rate), self._sent
            self._sent += len(data)
            for packet in self._stream.encode(frame):
                self._mux(packet)
        self._ready = []

    def finish(self) -> None:
        assert self._mux is not None
        self._silence(self.end, self._channels)
        self._encode()
        for packet in self._stream.encode(None):
            self._mux(packet)


def _as(decoder: Any, template: Any) -> None:
    """Open a decoder for the same stream as another."""
    decoder.extradata = template.extradata
    decoder.sample_rate, decoder.layout = template.sample_rate, template.layout
    decoder.thread_count = 1
    # What an encoder put in front lies before the first sample's time and is told from it by that.
    decoder.flags2 |= Flags2.skip_manual
    decoder.open()


class CopiedSound(Sound):
    """The sound of one clip as packets of the source.

    Packets from a little before the start are there too, for the decoder to warm up; times below zero make the edit
    list hide them. The last one claims no more than is left, so that the track ends with the clip. Times are counted in
    samples: those of many containers are rounded, and players would take the rounding for gaps.
    """

    def __init__(self, source: Any, start: Fraction, end: Fraction) -> None:
        super().__init__(source, start, end)
        self._next = -_EVER
        self._ready: list[Any] = []
        self._stream: Any = None
        self._mux: Callable[[Any], None] | None = None

    def packet(self, packet: Any, first: int, length: int, claimed: int) -> bool:
        first = max(first, self._next)
        self._next = first + length
        if first >= self.end:
            return False
        length = min(length, self.end - first)
        pts = first - self.first
        self.heard += length if pts >= 0 else max(0, pts + length)
        if length:
            # Of bytes, as PyAV takes longer to refuse a packet and then take it. Its time base is that of its stream.
            copy = av.Packet(bytes(packet))
            copy.pts = copy.dts = pts
            copy.duration, copy.is_keyframe = length, True
            if self._mux is None:
                self._ready.append(copy)
            else:
                copy.stream = self._stream
                self._mux(copy)
        return True

    def open(self, file: ClipFile, source: Any, settings: ClipSettings) -> None:
        self._stream, self._mux = file.copied(source), file.mux
        self._stream.time_base = Fraction(1, self.rate)
        for packet in self._ready:
            packet.stream = self._stream
            file.mux(packet)
        self._ready = []


class PacketClock:
    """Gives packets their place on the source's clock, by counting where all packets of a codec hold as many samples.

    Many containers round times; what they are off by does not add up, and is passed over.
    """

    def __init__(self, context: Any, time_base: Fraction) -> None:
        self._codec, self._rate = context.codec.canonical_name, context.sample_rate
        self._size = (context.frame_size or 0) if self._codec in ("aac", "mp3", "mp2", "ac3", "eac3") else 0
        # Whole numbers, as exact fractions would cost more than copying does.
        step = time_base * self._rate
        self._num, self._den = 2 * step.numerator, 2 * step.denominator
        self._half = step.denominator
        # Lengths that are rounded themselves would add up: there each packet's own time is nearer.
        self._most_off = round(_TOLERANCE * self._rate) if self._size or self._codec == "opus" else -1
        self._next: int | None = None

    def _length(self, ticks: int) -> int:
        samples: int = (ticks * self._num + self._half) // self._den
        return round(samples / _OPUS_STEP) * _OPUS_STEP if self._codec == "opus" else samples

    def forget(self) -> None:
        """What comes next is somewhere else."""
        self._next = None

    def place(self, packet: Any) -> tuple[int, int, int] | None:
        """First sample's number, how many, and the number that the packet's own time gives; None without any time."""
        pts, first = packet.pts, self._next
        claimed = first if pts is None else (pts * self._num + self._half) // self._den
        if claimed is None:
            return None
        if first is None or abs(claimed - first) > self._most_off:
            first = claimed
        length = self._size or self._length(packet.duration or 0)
        self._next = first + length
        return first, length, claimed


def warm_up(codec: str) -> float:
    """Seconds of sound that a decoder needs before a point to be itself there.

    Two frames of AAC or AC-3, ten of MP3's bit reservoir, 80 ms of Opus (RFC 7845, 4.6).
    """
    return {"mp3": 0.3, "opus": 0.09}.get(codec, 0.1) if not codec.startswith("pcm") else 0.0
