"""Levels: from the samples of every channel of a source to rows of strength, ten a second, while it is decoded.

A row holds what `transforms.loudness` decides from: K-weighted power (ITU-R BS.1770-4), sample peak, true peak and
clipping, at the source's own rate and channels, on the clock of the stored audio. FFmpeg's biquads weigh, OpenCV
oversamples: both cost a fraction of what decoding the sound does. Where the rate or the layout changes the filters
start anew and the rows go on. What lies before the first and after the last sample of a stretch is not guessed at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from transforms.loudness import COLUMNS, ROWS_PER_SECOND, SILENT, WINDOW, hundredths
from transforms.series import SeriesWriter

Samples = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

STORED_RATE: Final = WINDOW * ROWS_PER_SECOND
"""Samples a second of the stored audio, whose clock the rows are on."""
_LOUDEST: Final = 1000.0
"""Floating-point samples beyond +60 dBFS, or that are no numbers, are broken; they are limited, or silent."""
_FULL_SCALE: Final = {"u8": 127 / 128}
"""The largest value of eight bits; all else is clipped from the largest of 16 bits on."""
_FULL_SCALE_16: Final = 32767 / 32768
_RUN: Final = 3
"""Samples on end at full scale that are no chance."""
_SLOWEST: Final = 200
"""Sample rates below this, in Hz, hold nothing that can be heard and are not measured."""

_LAYOUTS: Final = ("mono", "stereo", "2.1", "quad", "5.0", "5.1")
"""Names for one to six channels that are filtered together. PyAV reads past the end of eight planes or more."""

_TAPS: Final = 16
_BETA: Final = 4.0
"""The oversampling filter, a Kaiser-windowed sinc: within 0.12 dB up to 20 kHz at 48 kHz. BS.1770's example, of 12
taps, is within 0.25 dB."""

SIDE: Final = frozenset({"SL", "SR", "WL", "WR", "SDL", "SDR", "SSL", "SSR"})
"""Channels 60 to 120 degrees to the side, not above: 1.41 in table 4 of BS.1770-4."""
BACK: Final = frozenset({"BL", "BR"})
"""The surrounds of 5.1 and quad, too (110 degrees), but not the rear of a layout that has sides (135 degrees)."""
LOW: Final = frozenset({"LFE", "LFE2"})
"""Channels that BS.1770 leaves out."""


def weights_of(channels: Sequence[str]) -> Floats:
    """BS.1770-4's weight of each channel, given FFmpeg's names: 0, 1 or 1.41; 1 for a channel of unknown place."""
    beside = SIDE if SIDE & set(channels) else BACK
    # Of a sound field (AMBI0...) the first channel is what one microphone hears.
    left_out = LOW | {name for name in channels if name.startswith("AMBI") and name != "AMBI0"}
    return np.array([0.0 if name in left_out else 1.41 if name in beside else 1.0 for name in channels])


def k_weighting(rate: int) -> list[tuple[float, float, float, float, float]]:
    """BS.1770-4's two filters at a sample rate: (b0, b1, b2, a1, a2) each, with a0 = 1.

    The analogue filters behind the standard's table for 48 kHz (De Man, "Evaluation of implementations of the EBU R128
    loudness measurement", 2018), through the bilinear transform; the shelf is left out where there is nothing above it.
    """
    filters = []
    frequency, gain, quality = 1681.974450955533, 3.999843853973347, 0.7071752369554196
    if rate > 2.2 * frequency:
        k, high = math.tan(math.pi * frequency / rate), 10 ** (gain / 20)
        band, a0 = high**0.4996667741545416, 1 + k / quality + k * k
        filters.append((
            (high + band * k / quality + k * k) / a0,
            2 * (k * k - high) / a0,
            (high - band * k / quality + k * k) / a0,
            2 * (k * k - 1) / a0,
            (1 - k / quality + k * k) / a0,
        ))  # fmt: skip
    frequency, quality = 38.13547087602444, 0.5003270373238773
    k = math.tan(math.pi * frequency / rate)
    a0 = 1 + k / quality + k * k
    filters.append((1.0, -2.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / quality + k * k) / a0))
    return filters


_SAME: Final = 1e-6
"""Power of the difference of two channels over theirs, up to which they are one and the same (-60 dB)."""
_OPPOSED: Final = -0.8
"""Correlation from which on the mean of two channels has lost 10 dB."""


class _Weighting:
    """K-weights up to six channels as they come."""

    def __init__(self, rate: int, channels: int) -> None:
        self._rate, self._layout = rate, _LAYOUTS[channels - 1]
        graph = Graph()
        graph.threads = 1
        self._source = graph.add_abuffer(sample_rate=rate, format="fltp", layout=self._layout)
        last: Any = self._source
        for b0, b1, b2, a1, a2 in k_weighting(rate):
            values = f"b0={b0!r}:b1={b1!r}:b2={b2!r}:a0=1:a1={a1!r}:a2={a2!r}"
            # In 32 bits the poles at 38 Hz would drown quiet sound in rounding.
            following = graph.add("biquad", f"{values}:precision=f64:transform=di")
            last.link_to(following)
            last = following
        self._sink = graph.add("abuffersink")
        last.link_to(self._sink)
        graph.configure()
        self._graph, self._sent = graph, 0

    def weigh(self, samples: Samples) -> Floats:
        frame = av.AudioFrame.from_ndarray(samples, "fltp", self._layout)
        frame.sample_rate, frame.pts = self._rate, self._sent
        self._sent += samples.shape[1]
        self._source.push(frame)
        made: Any = self._sink.pull()
        return np.asarray(made.to_ndarray(), np.float64)


def _oversampling(rate: int) -> list[Samples]:
    """The filters that give the values between two samples, one a place."""
    times = 4 if rate < 96_000 else 2 if rate < 192_000 else 1
    made = []
    for place in range(1, times):
        at = np.arange(_TAPS) - (_TAPS // 2 - 1) - place / times
        taps = np.sinc(at) * np.i0(_BETA * np.sqrt(np.maximum(0.0, 1 - (2 * at / _TAPS) ** 2)))
        made.append((taps / taps.sum()).astype(np.float32)[None])
    return made


class _Image:
    """Adds up what tells one channel from another."""

    NAMES: Final = ("audio_image", "audio_correlation", "audio_dead_channels")

    def __init__(self, channels: Sequence[str]) -> None:
        self._heard = np.array([name not in LOW for name in channels])
        self._peaks = np.zeros(len(channels))
        self._sums = np.zeros(4)
        self.samples = 0

    def add(self, samples: Samples, peaks: Samples) -> None:
        """Samples of every channel, and the largest of each."""
        self.samples += samples.shape[1]
        self._peaks = np.maximum(self._peaks, peaks)
        if len(samples) > 1:
            left, right = samples[0], samples[1]
            apart = left - right
            self._sums += (np.dot(left, left), np.dot(right, right), np.dot(left, right), np.dot(apart, apart))

    def facts(self) -> dict[str, Any]:
        """`audio_image`, a word; `audio_correlation` of the first two channels; `audio_dead_channels`.

        `silent`; `mono`, one channel; `dual_mono`, two that are the same; `one_sided`, two of which one is silent;
        `opposed`, two that cancel each other in the stored mono; `stereo`; `surround`, more than two.
        """
        alive = self._peaks >= 10 ** (SILENT / 20)
        left, right, both, apart = self._sums
        two = len(self._peaks) > 1 and left > 0 and right > 0
        correlation = float(np.clip(both / math.sqrt(left * right), -1, 1)) if two else None
        if not alive.any():
            word = "silent"
        elif len(alive) != 2:
            word = "mono" if len(alive) == 1 else "surround"
        elif not alive.all():
            word = "one_sided"
        elif apart <= _SAME * (left + right):
            word = "dual_mono"
        else:
            word = "opposed" if correlation is not None and correlation <= _OPPOSED else "stereo"
        return dict(zip(self.NAMES, (word, correlation, int((self._heard & ~alive).sum())), strict=True))


class _Stretch:
    """Measures samples of one rate and layout that follow each other without a gap."""

    def __init__(self, rate: int, channels: Sequence[str], stored: int, full_scale: float, image: _Image) -> None:
        self._rate, self._stored, self._full_scale = rate, stored, full_scale
        weights = weights_of(channels)
        heard = np.flatnonzero(weights)
        self._groups = [
            (group, weights[group], _Weighting(rate, len(group)))
            for group in (heard[k : k + len(_LAYOUTS)] for k in range(0, len(heard), len(_LAYOUTS)))
        ]
        self._filters = _oversampling(rate)
        self._tail: Samples = np.empty((len(channels), 0), np.float32)
        self._sounding = False
        self.image, self.position = image, 0

    def _bound(self, row: int) -> int:
        """The first sample of a row, counted in this stretch."""
        return -((self._stored - row * WINDOW) * self._rate // STORED_RATE)

    @property
    def row(self) -> int:
        """The row that the next sample belongs to."""
        return (self._stored + self.position * STORED_RATE // self._rate) // WINDOW

    def measure(self, samples: Samples) -> tuple[int, Floats]:
        """The next samples: the number of their first row, and for each row energy in seconds at full scale, sample
        peak, true peak and clipped samples, shape (rows, 4)."""
        first, count = self.row, samples.shape[1]
        starts = [0]
        while (at := self._bound(first + len(starts)) - self.position) < count:
            starts.append(at)
        self.position += count
        peaks = np.maximum.reduceat(np.abs(samples), starts, axis=1)
        if not peaks.max() <= _LOUDEST:
            samples = np.clip(np.nan_to_num(samples, nan=0.0), -_LOUDEST, _LOUDEST)
            peaks = np.maximum.reduceat(np.abs(samples), starts, axis=1)
        self.image.add(samples, peaks.max(axis=1))
        made = np.zeros((len(starts), 4))
        made[:, 1] = made[:, 2] = peaks.max(axis=0)
        loudest = float(made[:, 1].max())
        # What rings on in a second batch of silence is less than nothing, and numbers that small are slow.
        if loudest or self._sounding:
            for group, weights, weighting in self._groups:
                weighed = weighting.weigh(samples[group] if len(group) < len(samples) else samples)
                made[:, 0] += weights @ np.add.reduceat(weighed * weighed, starts, axis=1) / self._rate
        self._sounding = loudest > 0
        known = self._tail.shape[1]
        with_tail = np.concatenate([self._tail, samples], axis=1)
        if loudest and self._filters and with_tail.shape[1] >= _TAPS:
            between = self._between(with_tail)
            places = np.maximum(np.array(starts) - (count - between.shape[1]), 0)
            made[:, 2] = np.maximum(made[:, 2], np.maximum.reduceat(between, places, axis=1).max(axis=0))
        if loudest >= self._full_scale:
            full = np.abs(with_tail[:, max(0, known - _RUN + 1) :]) >= self._full_scale
            third = (full[:, 2:] & full[:, 1:-1] & full[:, :-2]).sum(axis=0)
            made[:, 3] = np.add.reduceat(np.concatenate([np.zeros(count - len(third), np.int64), third]), starts)
        self._tail = with_tail[:, max(0, with_tail.shape[1] - _TAPS + 1) :].copy()
        return first, made

    def _between(self, samples: Samples) -> Samples:
        """The largest size of the values between samples, for each window of `_TAPS`."""
        valid = samples.shape[1] - _TAPS + 1
        largest: Any = None
        for taps in self._filters:
            made = cv2.filter2D(samples, cv2.CV_32F, taps, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
            np.abs(made, out=made)
            largest = made if largest is None else np.maximum(largest, made, out=largest)
        return np.asarray(largest[:, :valid])


class LevelsWriter:
    """Measures a source's sound as it is decoded, stretch by stretch, and writes the rows of `loudness.COLUMNS`.

    Call `begin` at the start of a stretch (and where rate, layout or sample format change), `add` with its samples, and
    `store` with the mono samples that were stored; what lies between stretches is silent.

    Args:
        path: The Parquet file.
    """

    def __init__(self, path: str | Path) -> None:
        cv2.setNumThreads(1)
        self._writer = SeriesWriter(path, COLUMNS, {"sample_rate": STORED_RATE})
        self._stretch: _Stretch | None = None
        self._rows: dict[int, Floats] = {}
        self._taken = 0
        self._mono: npt.NDArray[np.int16] = np.empty(0, np.int16)
        self._images: dict[tuple[str, ...], _Image] = {}

    def begin(self, rate: int, channels: Sequence[str], sample_format: str, stored: int) -> None:
        """A stretch starts.

        Args:
            rate: Samples a second.
            channels: FFmpeg's name of each channel.
            sample_format: FFmpeg's name.
            stored: Number of the stored sample (16 kHz) at which it starts.
        """
        image = self._images.setdefault(tuple(channels), _Image(channels))
        full_scale = _FULL_SCALE.get(sample_format.removesuffix("p"), _FULL_SCALE_16)
        self._stretch = _Stretch(rate, channels, stored, full_scale, image) if rate >= _SLOWEST else None

    def add(self, samples: Samples) -> None:
        """The next samples of the stretch, shape (channels, samples), full scale is 1."""
        if self._stretch is None or samples.shape[1] == 0:
            return
        first, made = self._stretch.measure(samples)
        for row, values in enumerate(made, first):
            before = self._rows.get(row)
            if before is not None:
                values[[0, 3]] += before[[0, 3]]
                values[1:3] = np.maximum(values[1:3], before[1:3])
            self._rows[row] = values

    def store(self, mono: npt.NDArray[np.int16]) -> None:
        """The next stored samples, of what was added before."""
        self._mono = np.concatenate([self._mono, mono])
        complete = self._stretch.row - self._taken if self._stretch is not None else 0
        self._write(min(complete, len(self._mono) // WINDOW), WINDOW)

    def _write(self, rows: int, samples: int) -> None:
        """Write rows of so many stored samples each."""
        if rows <= 0:
            return
        mono, self._mono = np.split(self._mono, [rows * samples])
        waves = mono.reshape(rows, samples).astype(np.float64) / 32768
        taken = range(self._taken, self._taken + rows)
        made = np.array([self._rows.pop(row, np.zeros(4)) for row in taken])
        self._taken += rows
        self._writer.add({
            "samples": np.full(rows, samples, np.int16),
            "rms": hundredths(np.mean(waves * waves, axis=1)),
            # The constant gives a 1 kHz sine its level in decibels.
            "loudness": hundredths(10**-0.0691 * made[:, 0] * STORED_RATE / samples),
            "sample_peak": hundredths(made[:, 1] ** 2),
            "true_peak": hundredths(made[:, 2] ** 2),
            "clipped": made[:, 3].astype(np.int32),
        })  # fmt: skip

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._write(len(self._mono) // WINDOW, WINDOW)
        self._write(min(1, len(self._mono)), len(self._mono))
        self._writer.close()

    def image(self) -> dict[str, Any]:
        """What the channels hold (see `_Image.facts`), of the layout that lasted longest."""
        longest = max(self._images.values(), key=lambda image: image.samples, default=None)
        return longest.facts() if longest is not None and longest.samples else dict.fromkeys(_Image.NAMES)
