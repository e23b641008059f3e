"""Loudness: what is decided from ten rows of levels a second, for a whole video or any span of it.

A row says how strong the sound of a tenth of a second is (see `transforms.levels`), so loudness, its range, peaks,
silence and clipping of a clip are known without opening the audio again. Loudness is gated as ITU-R BS.1770-4 says, its
range is EBU Tech 3342's; powers are of whole tenths, so a span's block starts up to 0.1 s after the span does. Digital
silence has no loudness and no peak: None, never minus infinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from transforms.series import Column, read_series

Floats = npt.NDArray[np.float64]
Rows = Mapping[str, npt.NDArray[Any]]

LOUDNESS_FILE: Final = "loudness.parquet"
"""The name of the series beside the stored audio."""

ROWS_PER_SECOND: Final = 10
WINDOW: Final = 1600
"""Samples of the stored audio (16 kHz) that a row covers: BS.1770 moves its blocks by 0.1 s."""

FLOOR: Final = -12000
"""Stored for no sound at all, in 0.01 dB."""

_HUNDREDTHS: Final = "0.01 dB"
_SPAN: Final = "-12000 (none) to 6000"

COLUMNS: Final[dict[str, Column]] = {
    "samples": Column("int16", "Samples of the stored audio; fewer than 1600 in the last row only.", "", "1 to 1600"),
    "rms": Column("int16", "Root mean square of the stored mono audio, against full scale.", _HUNDREDTHS, _SPAN),
    "loudness": Column(
        "int16",
        "K-weighted power of all channels of the source, as loudness (LUFS) of this tenth of a second alone.",
        _HUNDREDTHS,
        _SPAN,
        "ITU-R BS.1770-4",
    ),
    "sample_peak": Column(
        "int16", "Largest sample of any channel of the source, against full scale.", _HUNDREDTHS, _SPAN
    ),
    "true_peak": Column(
        "int16",
        "Largest value between the samples too: oversampled four times below 96 kHz, twice below 192 kHz.",
        _HUNDREDTHS,
        _SPAN,
        "ITU-R BS.1770-4 annex 2",
    ),
    "clipped": Column(
        "int32", "Samples of all channels that are at least the third in a row at full scale.", "samples"
    ),
}
"""Every stored column, a row each tenth of a second from the first stored sample."""

_MOMENTARY: Final = 4
_SHORT_TERM: Final = 30
"""Rows in a momentary block (0.4 s) and in a short-term one (3 s): EBU Tech 3341."""
_GATE: Final = -70.0
_RELATIVE_GATE: Final = -10.0
"""BS.1770-4: blocks at or below the first do not count, nor those 10 LU or more below the mean of the rest."""
_RANGE_GATE: Final = -20.0
_RANGE_ENDS: Final = (10.0, 95.0)
"""EBU Tech 3342: the relative gate of the loudness range, and the percentiles it lies between."""

SILENT: Final = -60.0
"""dBFS below which every sample of a silent stretch lies (FFmpeg silencedetect `noise`)."""
_SILENT_ROWS: Final = 5
"""Shortest silence, 0.5 s: longer than a pause between words (silencedetect's 2 s is as long as a clip)."""


def hundredths(power: Floats) -> npt.NDArray[np.int16]:
    """Powers (1 is full scale) as stored: 0.01 dB, `FLOOR` for none."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.round(np.clip(1000 * np.log10(power), FLOOR, 6000)), np.int16)


def read_loudness(source: str | Path | bytes) -> Rows:
    """The rows of a loudness file, given by its path or its bytes: an array a column."""
    return read_series(source)[1]


def momentary(rows: Rows) -> Floats:
    """Momentary loudness (0.4 s) at the end of each row from the fourth on: shape (rows - 3,), LUFS, -120 for none."""
    return _as_loudness(_means(_powers(rows), _MOMENTARY))


def short_term(rows: Rows) -> Floats:
    """Short-term loudness (3 s) at the end of each row from the thirtieth on: shape (rows - 29,), LUFS."""
    return _as_loudness(_means(_powers(rows), _SHORT_TERM))


def silent(rows: Rows) -> npt.NDArray[np.bool_]:
    """Rows in a stretch of at least 0.5 s (or the whole) in which no sample of any channel reaches -60 dBFS."""
    quiet = rows["sample_peak"] < 100 * SILENT
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        if end - first < min(_SILENT_ROWS, len(quiet)):
            quiet[first:end] = False
    return np.asarray(quiet)


def loudness_of(rows: Rows, start: float = 0.0, end: float = np.inf) -> dict[str, float | None]:
    """How loud a span of the audio is.

    Args:
        rows: As stored.
        start: Start of the span in seconds from the first stored sample (video time less `audio_offset`).
        end: Its end.

    Returns:
        `loudness` (LUFS, integrated; None under 0.4 s or where all is below the gate), `loudness_range` (LU; None
        under 3 s), `short_term_max` (LUFS; None under 3 s), `true_peak` (dBTP) and `sample_peak` (dBFS; None in digital
        silence), `silence_share` and `clipped_share` (of the span's tenths of a second, 0 to 1). All None where the
        span holds no audio.
    """
    first, last = _rows_inside(len(rows["samples"]), start, end)
    inside = {name: column[first:last] for name, column in rows.items()}
    if first >= last:
        names = ("loudness", "loudness_range", "short_term_max", "true_peak", "sample_peak")
        return dict.fromkeys((*names, "silence_share", "clipped_share"))
    whole = _powers(inside)
    return {
        "loudness": _integrated(_means(whole, _MOMENTARY)),
        "loudness_range": _range(_means(whole, _SHORT_TERM)),
        "short_term_max": _level(float(_means(whole, _SHORT_TERM).max(initial=0.0))),
        "true_peak": _peak(inside["true_peak"]),
        "sample_peak": _peak(inside["sample_peak"]),
        "silence_share": float(silent(rows)[first:last].mean()),
        "clipped_share": float((inside["clipped"] > 0).mean()),
    }


def _rows_inside(count: int, start: float, end: float) -> tuple[int, int]:
    """The rows that lie inside a span, so that nothing of its neighbours counts; those it touches where none does."""
    low, high = max(0.0, start * ROWS_PER_SECOND), min(float(count), end * ROWS_PER_SECOND)
    first, last = int(np.ceil(low - 1e-6)), int(np.floor(high + 1e-6))
    return (first, last) if first < last else (int(np.floor(low + 1e-6)), int(np.ceil(high - 1e-6)))


def _powers(rows: Rows) -> Floats:
    """Power of each complete row, 0 for none; the offset of -0.691 dB stays in."""
    stored = rows["loudness"][rows["samples"] == WINDOW]
    return np.where(stored > FLOOR, 10.0 ** (stored / 1000.0), 0.0)


def _means(power: Floats, rows: int) -> Floats:
    """Mean power of every `rows` rows on end; none where there are fewer."""
    if len(power) < rows:
        return np.empty(0)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(power, rows).mean(axis=1), np.float64)


def _as_loudness(power: Floats) -> Floats:
    return np.asarray(hundredths(power) / 100.0, np.float64)


def _level(power: float) -> float | None:
    return float(10 * np.log10(power)) if power > 10 ** (_GATE / 10) else None


def _integrated(blocks: Floats) -> float | None:
    loud = blocks[blocks > 10 ** (_GATE / 10)]
    if not len(loud):
        return None
    return _level(float(loud[loud > loud.mean() * 10 ** (_RELATIVE_GATE / 10)].mean()))


def _range(blocks: Floats) -> float | None:
    loud = blocks[blocks > 10 ** (_GATE / 10)]
    if not len(loud):
        return None
    low, high = np.percentile(loud[loud > loud.mean() * 10 ** (_RANGE_GATE / 10)], _RANGE_ENDS)
    return float(10 * np.log10(high / low))


def _peak(stored: npt.NDArray[np.int16]) -> float | None:
    largest = int(stored.max(initial=FLOOR))
    return largest / 100.0 if largest > FLOOR else None
