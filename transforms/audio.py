"""Audio: a video's sound as speech models want it, mono 16 kHz FLAC, on the same clock as its frames.

What an encoder put in front (priming) is cut off, a gap between packets becomes silence and what overlaps is cut, so
that a sample's number gives its time: `audio_offset + n / 16000` seconds after the first frame shown. Only one stream
is read, and memory does not grow with the length. The same bytes and build give the same file.
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
from av.audio.resampler import AudioResampler

from transforms import media
from transforms.failures import ElementError
from transforms.settings import setting

RECIPE: Final = 1
"""Raised whenever the code changes what extracting yields for the same bytes and settings."""

SAMPLE_RATE: Final = 16000
"""What Whisper and most speech models take."""

_BLOCK: Final = 4096
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
) -> dict[str, Any]:
    """Store the default (else the first) audio stream of a file.

    Args:
        path: A local file.
        facts: Columns of `VideoRow`; `start_pts`, the time base and `duration` as measured, where there is video.
        out_file: The FLAC file to write.
        settings: How gaps are treated.
        on_progress: Called now and then with the number of samples stored so far.

    Returns:
        `audio_offset` (seconds; None without video), `audio_seconds`, `samples` and `audio_errors` (packets refused).

    Raises:
        ElementError: `no_streams`, `unsupported_codec`, `encrypted` or `damaged`: there is nothing to store.
    """
    with media.open_media(path) as container:
        stream = media.choose_audio(container)
        if stream is None:
            raise ElementError("no_streams", "the container has no audio stream")
        media.only(container, stream)
        media.prepare_decoder(stream)
        longest = max(settings.longest_gap, facts.get("duration") or 0.0)
        track = _Track(Path(out_file), settings.gap_tolerance, longest, on_progress)
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
    return {
        "audio_offset": _offset(track.start, facts),
        "audio_seconds": track.written / SAMPLE_RATE,
        "samples": track.written,
        "audio_errors": errors + sealed,
    }


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


def _offset(start: Fraction, facts: Mapping[str, Any]) -> float | None:
    if facts.get("video_stream") is None or facts.get("start_pts") is None or not facts.get("time_base_den"):
        return None
    return float(start - facts["start_pts"] * Fraction(facts["time_base_num"], facts["time_base_den"]))


class _Track:
    """Lays decoded frames on one clock, resamples them and writes FLAC."""

    def __init__(
        self, path: Path, tolerance: float, longest_gap: float, on_progress: Callable[[int], None] | None
    ) -> None:
        self._tolerance, self._longest_gap = Fraction(tolerance), Fraction(longest_gap)
        self._on_progress = on_progress
        self._out = av.open(str(path), "w", format="flac", container_options={"fflags": "+bitexact"})
        self._encoder: Any = self._out.add_stream("flac", rate=SAMPLE_RATE, layout="mono", format="s16")
        self._encoder.codec_context.flags |= av.codec.context.Flags.bitexact
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._pending = np.empty(0, np.int16)
        self._expected: Fraction | None = None
        self._encoded = 0
        self.start: Fraction | None = None
        """Time of the first sample on the container's clock, seconds."""
        self.written = 0
        """Samples stored, those waiting for the encoder included."""

    def add(self, frame: Any, time_base: Fraction) -> None:
        """Take the next decoded frame."""
        if frame.samples == 0 or not frame.sample_rate:
            return
        time = frame.pts * time_base if frame.pts is not None else None
        if self.start is None or self._expected is None:
            self.start = self._expected = time if time is not None else Fraction(0)
        elif time is not None:
            gap = time - self._expected
            if self._tolerance < gap <= self._longest_gap:
                self._end_run()
                self._silence(round((time - self.start) * SAMPLE_RATE) - self.written)
                self._expected = time
            elif -_RESET_SECONDS < gap < -self._tolerance:
                frame = _without_head(frame, round(-gap * frame.sample_rate))
                if frame is None:
                    return
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            self._end_run()
            self._shape = shape
        if self._resampler is None:
            self._resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        self._expected += Fraction(frame.samples, frame.sample_rate)
        # The resampler must not see the times: it would mend small jitter in its own way.
        frame.pts = None
        self._write(self._resampler.resample(frame))

    def _end_run(self) -> None:
        if self._resampler is not None:
            self._write(self._resampler.resample(None))
            self._resampler = None

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
        self._end_run()
        if len(self._pending):
            self._encode(self._pending)
        if self.written:
            self._out.mux(self._encoder.encode(None))
        self._out.close()


def _without_head(frame: Any, samples: int) -> Any | None:
    """A frame less its first samples; None when nothing is left."""
    if samples >= frame.samples:
        return None
    data = frame.to_ndarray()
    step = 1 if frame.format.is_planar else frame.layout.nb_channels
    cut = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(data[:, samples * step :]), format=frame.format.name, layout=frame.layout.name
    )
    cut.sample_rate, cut.time_base = frame.sample_rate, frame.time_base
    return cut
