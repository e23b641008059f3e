"""Loudness: sound brought to the level that a platform asks for, its true peaks kept under the platform's limit.

Integrated loudness is that of ITU-R BS.1770-4 and EBU R 128, true peaks are those between the samples too, both as
FFmpeg's ebur128 measures them. What counts is what a listener gets: the sound is encoded, decoded and measured, and the
gain corrected until the figures hold after the codec.
"""

from __future__ import annotations

import dataclasses
import io
import math
from fractions import Fraction
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from generation.encoding import Track

Samples = npt.NDArray[np.float32]

_CHUNK: Final = 4096
_TRIES: Final = 6
_NEAR: Final = 0.1
"""LU from the target that are good enough; EBU R 128 allows 0.5."""
_INAUDIBLE: Final = -60.0
"""LUFS below which sound is noise that must not be lifted to a programme's level."""
_ROOM: Final = 0.3
"""dB that peaks are kept below the limit at first, for the codec adds some."""
_OVERSAMPLED: Final = 4
"""Times the rate at which peaks are limited: BS.1770-4 annex 2."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Level:
    """How loud sound is.

    Attributes:
        loudness: Integrated loudness in LUFS; None: there is nothing to be heard.
        true_peak: In dBTP; None: digital silence.
    """

    loudness: float | None
    true_peak: float | None


def level_of(samples: Samples, rate: int) -> Level:
    """Measure two channels, shape (2, samples). Sound shorter than 0.4 s has no loudness."""
    graph = Graph()
    graph.threads = 1
    source: Any = graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo", time_base=Fraction(1, rate))
    meter, sink = graph.add("ebur128", "peak=true:metadata=1:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    said: dict[str, str] = {}
    peak = 0.0
    for frame in (*_frames(samples, rate), None):
        source.push(frame)
        try:
            while True:
                told = dict(sink.pull().metadata)
                peak = max([peak, *(float(v) for k, v in told.items() if k.startswith("lavfi.r128.true_peaks_ch"))])
                said = told or said
        except (av.error.BlockingIOError, av.error.EOFError):
            continue
    loud = float(said.get("lavfi.r128.I", "-inf"))
    # FFmpeg says -70, the absolute gate, where nothing was above it.
    return Level(
        loudness=loud if loud > -70 and math.isfinite(loud) else None,
        true_peak=20 * math.log10(peak) if peak > 0 else None,
    )


def to_level(samples: Samples, rate: int, loudness: float, true_peak: float, kbps: int) -> tuple[Track, Level]:
    """Sound at a loudness, and how loud it is when it comes out of the codec.

    Args:
        samples: Two channels: shape (2, samples).
        rate: Samples a second.
        loudness: Wanted, in LUFS.
        true_peak: Highest that is allowed, in dBTP.
        kbps: Bit rate of the AAC.

    Returns:
        The track to be written, and its level after decoding. Where what the peaks allow is quieter than wanted, the
        level says so. Sound that is next to nothing stays as it is.
    """
    track = Track(samples=samples, rate=rate, kbps=kbps)
    was = level_of(samples, rate)
    if was.loudness is None or was.loudness < _INAUDIBLE:
        return track, level_of(heard(track), rate)
    gain, ceiling = loudness - was.loudness, true_peak - _ROOM
    best: tuple[float, Track, Level] | None = None
    for _ in range(_TRIES):
        track = Track(samples=limited(samples * np.float32(10 ** (gain / 20)), rate, ceiling), rate=rate, kbps=kbps)
        level = level_of(heard(track), rate)
        off = loudness - (-70.0 if level.loudness is None else level.loudness)
        over = max(0.0, (level.true_peak if level.true_peak is not None else -70.0) - true_peak)
        # A peak that is too high weighs more than any distance from the target.
        worth = 100 * over + abs(off)
        if best is None or worth < best[0]:
            best = (worth, track, level)
        if over <= 0 and abs(off) <= _NEAR:
            break
        gain, ceiling = gain + off, ceiling - over - (0.05 if over else 0.0)
    assert best is not None
    return best[1], best[2]


def limited(samples: Samples, rate: int, ceiling: float) -> Samples:
    """Sound whose true peaks are at or a little below `ceiling` dBTP; as it is where they are already."""
    peak = level_of(samples, rate).true_peak
    if peak is None or peak <= ceiling:
        return samples
    graph = Graph()
    graph.threads = 1
    last: Any = graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo", time_base=Fraction(1, rate))
    source = last
    # At four times the rate the limiter sees the peaks between the samples; it looks ahead by its attack.
    for name, arguments in (
        ("aresample", f"{rate * _OVERSAMPLED}"),
        ("alimiter", f"level_in=1:level_out=1:limit={10 ** (ceiling / 20)!r}:attack=5:release=60:level=0:latency=1"),
        ("aresample", f"{rate}"),
        ("aformat", "sample_fmts=fltp:channel_layouts=stereo"),
        ("abuffersink", None),
    ):
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    graph.configure()
    parts: list[npt.NDArray[Any]] = []
    for frame in (*_frames(samples, rate), None):
        source.push(frame)
        try:
            while True:
                parts.append(last.pull().to_ndarray())
        except (av.error.BlockingIOError, av.error.EOFError):
            continue
    made = np.concatenate(parts, axis=1)[:, : samples.shape[1]]
    return np.asarray(np.pad(made, ((0, 0), (0, samples.shape[1] - made.shape[1]))), np.float32)


def heard(track: Track) -> Samples:
    """A track as it comes out of its codec."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = track.add(out)
        for packet in track.packets(stream):
            out.mux(packet)
    file.seek(0)
    with av.open(file, "r") as back:
        parts = [frame.to_ndarray() for frame in back.decode(audio=0)]
    made = np.concatenate(parts, axis=1) if parts else np.zeros((2, 0), np.float32)
    return np.asarray(made[:, : track.samples.shape[1]], np.float32)


def _frames(samples: Samples, rate: int) -> list[Any]:
    made = []
    for start in range(0, samples.shape[1], _CHUNK):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, start : start + _CHUNK]), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        made.append(frame)
    return made
