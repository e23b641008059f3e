"""Shares of a sound: how much of it is speech, music, noise and silence.

Speech is what voice activity found, silence what stays under a level. The rest is told apart by its spectrum: music has
tones that stand out of their surroundings, and they change; noise has none, and the tones of a hum never change. A
quarter of a second is tonal by the share of its power in peaks at least 9 dB over the median of the 400 Hz around them,
on the logarithmic mean of eight overlapping spectra, in which chance peaks of noise even out. Peaks that stand in four
of five of the quarters of half a minute are hum and count for nothing, with the power around them. Where peaks hold
three tenths of the power on average over two seconds, it is music.

That is a measure, not a trained listener. It is right on melodies, chords that change and songs, on white, pink and
brown noise, hum, hiss and wind. It takes sirens, birds and ringing for music, and drums alone, a held chord or a drone
for noise; singing counts as speech wherever voice activity takes it for a voice, and speech over music as speech.
`benchmarks/speech.py` says how often it is right.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from captioning.recogniser import Samples, Shares, Span
from transforms.audio import SAMPLE_RATE
from transforms.loudness import SILENT
from transforms.settings import setting

_SPECTRUM: Final = 2048
_HOP: Final = 512
_BLOCK: Final = 8 * _HOP
"""Samples of a spectrum (128 ms, bins of 8 Hz), between two, and of a block: 256 ms, the shortest of notes."""
_STRETCH: Final = 30 * SAMPLE_RATE // _BLOCK
"""Blocks in which hum is looked for together."""
_PEAK_DB: Final = 9.0
_HUM_SHARE: Final = 0.8
_HUM_BLOCKS: Final = 12
"""What a peak stands out by; in what share of blocks it is hum; below how many blocks (3 s) nobody can tell."""
_LOWEST: Final = 6
"""Bins below 47 Hz say nothing."""
_STEP: Final = 16
_AROUND: Final = 25
"""Bins between two medians of the surroundings (linear between them), and on either side of each."""
_SMOOTH: Final = 4
_ENOUGH: Final = 5
"""Blocks on either side that a block's share of tones is averaged with; how many must be clear of voice: a pause of a
second between sentences tells nothing."""


@dataclasses.dataclass(frozen=True)
class SoundSettings:
    """What counts as silence and as music."""

    silence_level: float = setting(
        SILENT,
        "Sound whose samples stay below this level is silence",
        unit="dBFS",
        low=-120.0,
        high=0.0,
        source="FFmpeg silencedetect",
    )
    tonal_share: float = setting(
        0.3, "Share of power in changing tones from which sound is music", low=0.0, high=1.0, source="project"
    )


def _voiced(blocks: int, voice: Sequence[Span]) -> NDArray[np.float64]:
    """Samples of every block that lie in a span of voice."""
    covered = np.zeros(blocks)
    for start, end in voice:
        first, past = start * SAMPLE_RATE, end * SAMPLE_RATE
        for block in range(int(first // _BLOCK), min(blocks, int(past // _BLOCK) + 1)):
            covered[block] += max(0.0, min(past, (block + 1) * _BLOCK) - max(first, block * _BLOCK))
    return np.minimum(covered, _BLOCK)


def _surroundings(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median level around every bin: (blocks, bins) in dB."""
    padded = np.pad(levels, ((0, 0), (_AROUND, _AROUND + _STEP)), mode="reflect")
    medians = np.median(sliding_window_view(padded, 2 * _AROUND + 1, axis=1)[:, ::_STEP], axis=2)
    at = np.arange(levels.shape[1])
    left, weight = at // _STEP, (at % _STEP / _STEP).astype(np.float32)
    found: NDArray[np.float32] = medians[:, left] * (1 - weight) + medians[:, left + 1] * weight
    return found


def tonal_shares(sound: Samples, blocks: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of the power of each block that lies in changing tones, 0 to 1.

    Args:
        sound: (n,) samples.
        blocks: Numbers of blocks of 4096 samples, at most some hundred: hum is what stands in most of them.
    """
    window = np.hanning(_SPECTRUM).astype(np.float32)
    longer = _BLOCK + _SPECTRUM - _HOP
    heard = np.zeros((len(blocks), longer), np.float32)
    for row, block in enumerate(blocks.tolist()):
        part = sound[block * _BLOCK : block * _BLOCK + longer]
        heard[row, : len(part)] = part
    spectra = np.fft.rfft(sliding_window_view(heard, _SPECTRUM, axis=1)[:, ::_HOP] * window, axis=2)
    powers = (spectra.real**2 + spectra.imag**2 + 1e-12).astype(np.float32)
    power, levels = powers.mean(axis=1), 10 * np.log10(powers).mean(axis=1)
    peaks = levels - _surroundings(levels) > _PEAK_DB
    counted = np.arange(levels.shape[1]) >= _LOWEST
    if len(blocks) >= _HUM_BLOCKS:
        hum = peaks.mean(axis=0) >= _HUM_SHARE
        counted &= np.convolve(hum, np.ones(7), "same") == 0
    shares: NDArray[np.float64] = (power * (peaks & counted)).sum(axis=1) / (
        (power * counted).sum(axis=1) + 1e-12
    ).astype(np.float64)
    return shares


def shares_of(sound: Samples, voice: Sequence[Span], settings: SoundSettings) -> Shares:
    """What a sound is made of.

    Args:
        sound: (n,), 16 kHz, mono, -1 to 1.
        voice: Spans of speech, in order and apart, seconds.
        settings: What counts as silence and as music.
    """
    if len(sound) == 0:
        return Shares(0.0, 0.0, 0.0, 1.0)
    blocks = -(-len(sound) // _BLOCK)
    sizes = np.full(blocks, float(_BLOCK))
    sizes[-1] = len(sound) - (blocks - 1) * _BLOCK
    spoken = np.minimum(_voiced(blocks, voice), sizes)
    quietest = 10 ** (settings.silence_level / 20)
    starts = np.arange(0, len(sound), _BLOCK)
    peak = np.maximum(np.maximum.reduceat(sound, starts), -np.minimum.reduceat(sound, starts))
    silent = (peak < quietest) & (spoken == 0)
    # The last of a voice is tonal, too soft for voice activity: what is beside one is not asked.
    near = np.convolve(spoken > 0, np.ones(3))[1:-1] > 0
    clear = np.flatnonzero(~silent & ~near)
    # A block that is part voice is like the one beside it that is none.
    beside = np.pad(silent, 1)
    silent |= (spoken > 0) & (beside[:-2] | beside[2:])
    tonal = np.full(blocks, np.nan)
    for first in range(0, blocks, _STRETCH):
        here = clear[(clear >= first) & (clear < first + _STRETCH)]
        if len(here):
            tonal[here] = tonal_shares(sound, here)
    music = _smooth(tonal) >= settings.tonal_share
    rest = sizes - spoken
    total = float(len(sound))
    return Shares(
        speech=float(spoken.sum()) / total,
        music=float(rest[music & ~silent].sum()) / total,
        noise=float(rest[~music & ~silent].sum()) / total,
        silence=float(rest[silent].sum()) / total,
    )


def _smooth(tonal: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the blocks around each that have a share; 0 where too few have."""
    kernel = np.ones(2 * _SMOOTH + 1)
    known = np.isfinite(tonal)
    # "full", cut by hand: "same" is as long as the kernel where that is the longer of the two.
    total = np.convolve(np.where(known, tonal, 0.0), kernel)[_SMOOTH:-_SMOOTH]
    count = np.convolve(known.astype(float), kernel)[_SMOOTH:-_SMOOTH]
    mean: NDArray[np.float64] = np.where(count >= min(_ENOUGH, len(tonal)), total / np.maximum(count, 1), 0.0)
    return mean
