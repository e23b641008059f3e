"""Audio: a video's sound as speech models want it, mono 16 kHz FLAC, on the same clock as its frames, and how loud the
source was.

What an encoder put in front (priming) is cut off, a gap between packets becomes silence and what overlaps is cut, so
that a sample's number gives its time: `audio_offset + n / 16000` seconds after the first frame shown. In the same
decode the source's own channels are measured (`transforms.levels`) on that clock. Only one stream is read, and memory
does not grow with the length. The same bytes and build give the same files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.fifo import AudioFifo
from av.audio.resampler import AudioResampler

from transforms import media
from transforms.failures import ElementError
from transforms.levels import LevelsWriter
from transforms.loudness import loudness_of, read_loudness
from transforms.settings import setting

RECIPE: Final = 2
"""Raised whenever the code changes what extracting yields for the same bytes and settings."""

SAMPLE_RATE: Final = 16000
"""What Whisper and most speech models take."""

AUDIO_FILE: Final = "audio.flac"

_BLOCK: Final = 4096
_BATCH: Final = 1 << 19
"""Most samples of all channels that are resampled and measured at a time: a call costs as much as ten packets."""
_RESET_SECONDS: Final = 1.0
"""A clock that leaps back this far was set anew; nothing is cut."""


@dataclasses.dataclass(frozen=True)
class AudioSettings:
    """How stored audio is laid on its clock."""

    gap_tolerance: float = setting(
        0.04,
        "Difference between a packet's time and the end of the one before that counts as a gap or an overlap",
        unit="s",
        low=0.001,
        high=1.0,
        source="project",
    )
    longest_gap: float = setting(
        600.0,
        "Longest gap filled with silence; a longer one is a broken timestamp unless the video is as long",
        unit="s",
        low=0.0,
    )


def extract(
    path: str,
    facts: Mapping[str, Any],
    out_file: str | Path,
    settings: AudioSettings,
    on_progress: Callable[[int], None] | None = None,
    levels_file: str | Path | None = None,
) -> dict[str, Any]:
    """Store the default (else the first) audio stream of a file, and measure it.

    Args:
        path: A local file.
        facts: Columns of `VideoRow`: `duration`, where it is known.
        out_file: The FLAC file to write.
        settings: How gaps are treated.
        on_progress: Called now and then with the number of samples stored so far.
        levels_file: The series to write (`loudness.COLUMNS`), ten rows a second; without it nothing is measured.

    Returns:
        `audio_stream` (its number), `audio_start` (time of the first sample on the container's clock, in seconds, as an
        exact fraction), `audio_seconds`, `samples` and `audio_errors` (packets refused). Where a series was written,
        `audio_` before each name of `loudness.loudness_of` for the whole, and the facts of `levels.LevelsWriter.image`.

    Raises:
        ElementError: `no_streams`, `unsupported_codec`, `encrypted` or `damaged`: there is nothing to store.
    """
    with media.open_media(path) as container:
        stream = media.choose_audio(container)
        if stream is None:
            raise ElementError("no_streams", "the container has no audio stream")
        chosen = stream.index
        media.only(container, stream)
        media.prepare_decoder(stream)
        longest = max(settings.longest_gap, facts.get("duration") or 0.0)
        track = _Track(Path(out_file), levels_file, settings.gap_tolerance, longest, on_progress)
        errors = sealed = read = 0
        said: BaseException | None = None
        encrypted = media.encrypted_stream(stream)
        try:
            for packet in media.packets(container, stream):
                if packet.size == 0:
                    continue
                read += 1
                if encrypted or packet.has_sidedata("encryption_info"):
                    sealed += 1
                    continue
                try:
                    frames = stream.codec_context.decode(packet)
                except (av.error.FFmpegError, ValueError) as error:
                    errors, said = errors + 1, error
                    continue
                for frame in frames:
                    track.add(frame, stream.time_base)
            try:
                for frame in stream.codec_context.decode(None):
                    track.add(frame, stream.time_base)
            except (av.error.FFmpegError, ValueError) as error:
                said = error
        finally:
            track.close()
        if track.start is None or track.written == 0:
            raise _nothing(stream, read, sealed, said)
    found = {
        "audio_stream": chosen,
        "audio_start": str(track.start),
        "audio_seconds": track.written / SAMPLE_RATE,
        "samples": track.written,
        "audio_errors": errors + sealed,
    }
    if levels_file is None:
        return found
    whole = loudness_of(read_loudness(levels_file))
    return found | {f"audio_{name}": value for name, value in whole.items()} | track.image


def _nothing(stream: Any, read: int, sealed: int, said: BaseException | None) -> ElementError:
    codec = stream.codec_context.codec.canonical_name
    if sealed:
        return ElementError("encrypted", f"all {read} packets of the {codec} audio are encrypted")
    if read == 0:
        return ElementError("no_streams", f"the container describes {codec} audio but holds no packet of it")
    text = f": {getattr(said, 'strerror', None) or said}" if said else ""
    return ElementError(
        media.as_failure(said, "").error_class if said else "damaged",
        f"the {codec} decoder gave no sound for any of {read} packets{text}",
    )


def on_clock(heard: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of `extract` with `audio_offset` and `audio_end_offset` instead of `audio_start`: seconds by which the
    sound starts and ends after the picture, None without one.

    Args:
        heard: What `extract` returned.
        facts: Columns of `VideoRow` as measured.
    """
    found = dict(heard)
    start = Fraction(found.pop("audio_start", 0))
    end = start + Fraction(found.get("samples", 0), SAMPLE_RATE)
    for name, time, edge in (("audio_offset", start, "start_pts"), ("audio_end_offset", end, "end_pts")):
        pictured = facts.get("video_stream") is not None and facts.get(edge) is not None and "samples" in found
        base = Fraction(facts["time_base_num"], facts["time_base_den"]) if pictured else Fraction(0)
        found[name] = float(time - facts[edge] * base) if pictured else None
    return found


class _Track:
    """Lays decoded frames on one clock, resamples and measures them in batches and writes FLAC and levels."""

    def __init__(
        self,
        path: Path,
        levels_file: str | Path | None,
        tolerance: float,
        longest_gap: float,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._tolerance, self._longest_gap = tolerance, longest_gap
        self._on_progress = on_progress
        self._out = av.open(str(path), "w", format="flac", container_options={"fflags": "+bitexact"})
        self._encoder: Any = self._out.add_stream("flac", rate=SAMPLE_RATE, layout="mono", format="s16")
        self._encoder.codec_context.flags |= av.codec.context.Flags.bitexact
        self._levels = LevelsWriter(levels_file) if levels_file is not None else None
        self._stretch: _Stretch | None = None
        self._pending = np.empty(0, np.int16)
        self._anchor, self._since, self._rate = Fraction(0), 0, 1
        self._encoded = 0
        self.start: Fraction | None = None
        """Time of the first sample on the container's clock, seconds."""
        self.written = 0
        """Samples stored, those waiting for the encoder included."""
        self.image: dict[str, Any] = {}
        """What the channels hold, once closed."""

    def add(self, frame: Any, time_base: Fraction) -> None:
        """Take the next decoded frame."""
        if frame.samples == 0 or not frame.sample_rate:
            return
        pts, rate = frame.pts, frame.sample_rate
        # The resampler must not see the times: it would mend small jitter in its own way.
        frame.pts = None
        if self.start is None:
            self.start = self._anchor = pts * time_base if pts is not None else Fraction(0)
        elif pts is not None:
            # Exact arithmetic costs as much as decoding, so it is for the frames that may need it.
            gap = pts * float(time_base) - float(self._anchor) - self._since / self._rate
            if abs(gap) > 0.99 * self._tolerance:
                frame = self._mended(frame, pts * time_base)
                if frame is None:
                    return
        if rate != self._rate:
            self._anchor, self._since, self._rate = self._expected, 0, rate
        self._since += frame.samples
        if self._stretch is None or self._stretch.shape != _shape(frame):
            self._end_stretch()
            self._stretch = _Stretch(frame)
            if self._levels is not None:
                self._levels.begin(*self._stretch.description, self.written)
        self._stretch.waiting.write(frame)
        if self._stretch.waiting.samples >= self._stretch.batch:
            self._drain(self._stretch)

    @property
    def _expected(self) -> Fraction:
        """Time at which the samples so far end."""
        return self._anchor + Fraction(self._since, self._rate)

    def _mended(self, frame: Any, time: Fraction) -> Any | None:
        """The frame, less what overlaps, after the silence before it; None when nothing of it is left."""
        assert self.start is not None
        gap = time - self._expected
        if self._tolerance < gap <= self._longest_gap:
            self._end_stretch()
            self._silence(round((time - self.start) * SAMPLE_RATE) - self.written)
            self._anchor, self._since = time, 0
        elif -_RESET_SECONDS < gap < -self._tolerance:
            return _without_head(frame, round(-gap * frame.sample_rate))
        return frame

    def _drain(self, stretch: _Stretch) -> None:
        frame = stretch.waiting.read()
        if frame is None:
            return
        frame.pts = None
        samples = None
        if self._levels is not None:
            samples = stretch.samples(frame)
            self._levels.add(samples)
        self._write(stretch.resample(frame, samples))

    def _end_stretch(self) -> None:
        if self._stretch is not None:
            self._drain(self._stretch)
            self._write(self._stretch.resample(None))
            self._stretch = None

    def _write(self, frames: list[Any]) -> None:
        for frame in frames:
            self._push(frame.to_ndarray().reshape(-1))

    def _silence(self, samples: int) -> None:
        while samples > 0:
            count = min(samples, 1 << 16)
            self._push(np.zeros(count, np.int16))
            samples -= count

    def _push(self, samples: npt.NDArray[np.int16]) -> None:
        self.written += len(samples)
        if self._levels is not None:
            self._levels.store(samples)
        self._pending = np.concatenate([self._pending, samples])
        while len(self._pending) >= _BLOCK:
            self._encode(self._pending[:_BLOCK])
            self._pending = self._pending[_BLOCK:]

    def _encode(self, samples: npt.NDArray[np.int16]) -> None:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.time_base = Fraction(1, SAMPLE_RATE)
        frame.pts = self._encoded
        self._encoded += len(samples)
        self._out.mux(self._encoder.encode(frame))
        if self._on_progress is not None and self._encoded % (256 * _BLOCK) == 0:
            self._on_progress(self._encoded)

    def close(self) -> None:
        """Write what waits and finish the file."""
        self._end_stretch()
        if len(self._pending):
            self._encode(self._pending)
        if self.written:
            self._out.mux(self._encoder.encode(None))
        self._out.close()
        if self._levels is not None:
            self._levels.close()
            self.image = self._levels.image()


class _Stretch:
    """Frames of one format, layout and rate that follow each other without a gap."""

    def __init__(self, frame: Any) -> None:
        self.shape = _shape(frame)
        self._format, self._layout, self._rate = frame.format, frame.layout, frame.sample_rate
        self._count = frame.layout.nb_channels
        self._names = [channel.name for channel in frame.layout.channels]
        self.waiting = AudioFifo()
        self.batch = max(1, min(self._rate, _BATCH // self._count))
        self.averaged = False
        """FFmpeg knows no way from this layout to mono."""
        self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        # PyAV reads past the end of the planes of eight channels or more.
        split = self._format.is_planar and self._count >= 8
        self._packer = self._like("flt") if split or self._format.name.startswith("s64") else None

    def _like(self, sample_format: str) -> AudioResampler:
        return AudioResampler(format=sample_format, layout=self._layout, rate=self._rate)

    @property
    def description(self) -> tuple[int, list[str], str]:
        """Rate, FFmpeg's names of the channels and of the sample format."""
        return self._rate, self._names, self._format.name

    def samples(self, frame: Any) -> npt.NDArray[np.float32]:
        """A frame of this stretch as (channels, samples), full scale 1."""
        if self._packer is not None:
            (frame,) = self._packer.resample(frame)
        data = frame.to_ndarray()
        if not frame.format.is_planar:
            data = data.reshape(-1, self._count).T
        made = np.ascontiguousarray(data, np.float32)
        if data.dtype.kind == "u":
            return (made - np.float32(128)) / np.float32(128)
        return made * np.float32(2.0 ** (1 - 8 * data.dtype.itemsize)) if data.dtype.kind == "i" else made

    def resample(self, frame: Any | None, samples: npt.NDArray[np.float32] | None = None) -> list[Any]:
        """What the resampler gives for the next frame; for None, what is left in it."""
        if frame is not None and not self.averaged:
            try:
                return self._resampler.resample(frame)
            except av.error.ArgumentError:
                self.averaged = True
                self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        if frame is not None:
            data = self.samples(frame) if samples is None else samples
            # The first channel of a sound field is what one microphone hears of it.
            mono = data[:1] if self._names[0] == "AMBI0" else data.mean(axis=0, keepdims=True)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono), "fltp", "mono")
            frame.sample_rate = self._rate
        return self._resampler.resample(frame)


def _shape(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _without_head(frame: Any, samples: int) -> Any | None:
    """A frame less its first samples; None when nothing is left."""
    if samples >= frame.samples:
        return None
    queue = AudioFifo()
    queue.write(frame)
    queue.read(samples)
    cut: Any = queue.read()
    cut.pts = None
    return cut
