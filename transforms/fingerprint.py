"""Fingerprints: a picture's PDQ hash, which survives re-encoding, resizing and small edits.

PDQ is the 256-bit hash that Meta published with ThreatExchange ("The TMK+PDQF Video-Hashing Algorithm and the PDQ
Image-Hashing Algorithm", hashing.pdf, 2019): luma, a tent filter of two box passes, 64x64 samples, the 16x16 low
frequencies without the constant, one bit each for being above their median. Hashes can be compared with other people's,
so each differs from the reference implementation's by no more than what rounding decides.

Filter and sampling are linear and separable, so only the 64 rows and columns that are sampled are ever computed.
Sums are taken in one fixed order, so the same picture gives the same hash on every machine.
"""

from __future__ import annotations

import functools
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from transforms.series import Column

VERSION: Final = 1
"""Raised when the same picture may get another hash: covers luma, filter, sampling, bit order, quality and stripping.

How the picture was made from the frame (size, resampling, colours) belongs to the recipe of measuring.
"""

_SIDE: Final = 64
_LOW: Final = 16
_LEAST: Final = 5
"""The reference hashes no picture with a shorter side."""

_PASSES: Final = 2

_PDQ: Final = "ThreatExchange PDQ"

COLUMNS: Final[dict[str, Column]] = {
    "hash": Column(
        "binary(32)", "PDQ of the picture: the reference's hexadecimal text as bytes.", "256 bits", "", _PDQ
    ),
    "quality": Column(
        "int8", "PDQ's quality: how much there is to tell apart; matches below 50 mean little.", "", "0 to 100", _PDQ
    ),
    "bare_hash": Column(
        "binary(32)", "The same of the picture without its black bars; `hash` where it has none.", "256 bits", "", _PDQ
    ),
    "bare_quality": Column("int8", "Quality of the picture without its black bars.", "", "0 to 100", _PDQ),
}
"""Every stored column, besides the time."""


class _Taps(NamedTuple):
    """Filter and sampling along one side: source index and weight of every tap of the 64 samples, (taps, 64) each."""

    place: npt.NDArray[np.intp]
    weight: npt.NDArray[np.float32]


def fingerprint_row(bgr: npt.NDArray[np.uint8], bars: tuple[int, int, int, int]) -> dict[str, Any]:
    """The fingerprints of one picture.

    Args:
        bgr: Picture, (height, width, 3), its long side at most 512 for hashes that compare well among videos.
        bars: Black bars at the left, right, top and bottom, pixels of this picture. Bars that leave less than 5 pixels
            of a side are none: such a picture is dark all over.

    Returns:
        A value for every column of `COLUMNS`.
    """
    luma = _luma(bgr)
    left, right, top, bottom = bars
    height, width = luma.shape
    whole, quality = pdq(luma)
    bare, bare_quality = whole, quality
    if any(bars) and min(height - top - bottom, width - left - right) >= _LEAST:
        bare, bare_quality = pdq(luma[top : height - bottom, left : width - right])
    return {"hash": whole, "quality": quality, "bare_hash": bare, "bare_quality": bare_quality}


def pdq(luma: npt.NDArray[np.float32]) -> tuple[bytes, int]:
    """PDQ hash and quality (0 to 100) of a luma picture, (height, width) in 8-bit levels; zeros and 0 of a tiny one."""
    height, width = luma.shape
    if min(height, width) < _LEAST:
        return bytes(32), 0
    down, across = _taps(height), _taps(width)
    rows = (luma[down.place] * down.weight[:, :, None]).sum(axis=0)
    samples = (rows[:, across.place] * across.weight).sum(axis=1)
    low = _cosines() @ samples.astype(np.float64) @ _cosines().T
    # The lower of the two middle values, so that at most half of the bits are set.
    bits = low > np.partition(low.ravel(), low.size // 2 - 1)[low.size // 2 - 1]
    return np.packbits(bits.ravel()[::-1]).tobytes(), _quality(samples)


def distance(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Hamming distances of fingerprints, 0 to 256; at most 31 is the usual match.

    Args:
        a: Hashes, (..., 32) bytes.
        b: The same; the leading axes broadcast, so `distance(a[:, None], b)` is the table of all pairs.
    """
    return np.asarray(np.bitwise_count(np.bitwise_xor(a, b)).sum(axis=-1, dtype=np.int64))


def _luma(bgr: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """BT.601 luma without rounding, as the reference has it."""
    return np.asarray(cv2.cvtColor(bgr.astype(np.float32), cv2.COLOR_BGR2GRAY), np.float32)


@functools.lru_cache(maxsize=256)
def _taps(length: int) -> _Taps:
    """The taps along a side: the box filter twice, then the samples at the middle of each 64th."""
    window = -(-length // (2 * _SIDE))
    after = (window + 2) // 2 - 1
    offset = np.arange(length)[None, :] - np.arange(length)[:, None]
    box = ((offset >= after + 1 - window) & (offset <= after)).astype(np.float64)
    box /= box.sum(axis=1, keepdims=True)
    places = ((np.arange(_SIDE) + 0.5) * length / _SIDE).astype(np.intp)
    weights = np.linalg.matrix_power(box, _PASSES)[places]
    width = _PASSES * (window - 1) + 1
    first = np.clip(places + _PASSES * (after + 1 - window), 0, length - width)
    index = first[None, :] + np.arange(width)[:, None]
    return _Taps(index, np.take_along_axis(weights, index.T, axis=1).T.astype(np.float32))


@functools.cache
def _cosines() -> npt.NDArray[np.float64]:
    """Rows 1 to 16 of the 64-point DCT, (16, 64)."""
    frequency, place = np.arange(1, _LOW + 1)[:, None], 2 * np.arange(_SIDE)[None, :] + 1
    return np.asarray(np.sqrt(2.0 / _SIDE) * np.cos(np.pi / (2 * _SIDE) * frequency * place), np.float64)


def _quality(samples: npt.NDArray[np.float32]) -> int:
    """Sum of the steps between neighbours, each in whole hundredths of the range, over the reference's 90."""
    hundred, full = np.float32(100), np.float32(255)
    steps = [np.trunc(np.diff(samples, axis=axis) * hundred / full) for axis in (0, 1)]
    return min(100, int(sum(float(np.abs(step).sum()) for step in steps)) // 90)
