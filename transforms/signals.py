"""Signals: what is stored of every frame shown, one row a frame, in one small Parquet file.

Values are the exact integers that were counted (sums, not means), so that any later decision, today's detectors or
tomorrow's, reads the same numbers the decode saw. Means and seconds are derived here. About 60 kB a minute at 24 fps.

Everything about a picture is of the *small picture*: the decoded frame, not rotated, scaled to the size at which
PySceneDetect looks at it (long side 256, smaller frames as they are), 8 bits a channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from transforms.series import Column, SeriesWriter, read_series

RECIPE: Final = 2
"""Raised whenever the code changes what measuring yields for the same bytes and settings."""


def _sum(kind: str, doc: str, unit: str = "8-bit levels, summed", span: str = ">= 0", source: str = "") -> Column:
    """A column whose values are counted over the pixels of the small picture."""
    return Column(kind, doc, unit, span, source)


_SCORE: Final = "PySceneDetect ContentDetector"
_BAR: Final = "FFmpeg cropdetect"

COLUMNS: Final[dict[str, Column]] = {
    "pts": _sum("int64", "Presentation timestamp, strictly increasing.", "time base", ""),
    "duration": _sum("int64", "Duration the decoder claims; 0 where it claims none.", "time base"),
    "size": _sum("int32", "Length of the packet that carries the frame; 0 where unknown.", "bytes"),
    "picture": _sum("int8", "Picture type: 0 unknown, 1 I, 2 P, 3 B, above FFmpeg's rarer ones.", "", "0 to 7"),
    "keyframe": _sum("bool", "The packet is a keyframe.", "", ""),
    "delta_hue": _sum("int32", "Absolute differences of hue (0 to 179) against the frame before.", source=_SCORE),
    "delta_sat": _sum("int32", "Absolute differences of HSV saturation against the frame before.", source=_SCORE),
    "delta_lum": _sum("int32", "Absolute differences of HSV value against the frame before.", source=_SCORE),
    "delta_edges": _sum(
        "int32",
        "Absolute differences of the edge map (0 or 255) at half the size, each pixel counted four times; an edge is a "
        "step over max(6, mean gray / 4) across two pixels.",
        source="project",
    ),
    "delta_gray": _sum("int32", "Absolute differences of gray (BT.601 luma) against the frame before."),
    "blue": _sum("int32", "Blue."),
    "green": _sum("int32", "Green."),
    "red": _sum("int32", "Red."),
    "gray": _sum("int32", "Gray."),
    "gray_squares": _sum("int64", "Squared gray, for contrast.", "squared levels, summed"),
    "laplacian": _sum("int32", "3x3 Laplacian of gray (OpenCV, aperture 1).", span=""),
    "laplacian_squares": _sum(
        "int64", "Squared Laplacian, for sharpness.", "squared levels, summed", source="Pech-Pacheco et al. 2000"
    ),
    "dark": _sum("int32", "Pixels whose gray is at most the dark level.", "pixels", source="FFmpeg blackframe"),
    "hash": _sum(
        "int64",
        "The 8x8 low frequencies of a 16x16 DCT over their median: bit 8*row+column, least significant first.",
        "64 bits",
        "",
        "PySceneDetect HashDetector",
    ),
    "bar_top": _sum(
        "int16", "Rows at the top without a pixel over the bar level; all when none is.", "rows", source=_BAR
    ),
    "bar_bottom": _sum("int16", "The same at the bottom; 0 when no pixel is over it.", "rows", source=_BAR),
    "bar_left": _sum("int16", "Columns at the left, as rows at the top.", "columns", source=_BAR),
    "bar_right": _sum("int16", "The same at the right; 0 when no pixel is over it.", "columns", source=_BAR),
}
"""Every stored column. Sums are over the pixels of the small picture; deltas of a video's first frame are 0."""


@dataclass(frozen=True)
class About:
    """What the rows of a signals file are about.

    Attributes:
        recipe: `RECIPE` when it was written.
        width: Width of the small picture, pixels.
        height: Height of the small picture, pixels.
        coded_width: Width of the decoded frame, pixels, before rotation.
        coded_height: Height of the decoded frame, pixels, before rotation.
        rotation: Clockwise turn that shows the frame upright: 0, 90, 180, 270.
        time_base_num: Numerator of the time base.
        time_base_den: Denominator of the time base.
        dark_level: Gray level up to which a pixel is dark.
        bar_level: Gray level up to which a pixel belongs to a black bar.
        edges: Whether `delta_edges` was measured; all 0 otherwise.
        measured: How: `exact`, `lean` or `scan`; the last holds what it did not decode at the values before.
        scan_cuts: PTS of the cuts that a scan found, which its numbers alone do not tell; None of a full decode.
    """

    recipe: int
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    time_base_num: int
    time_base_den: int
    dark_level: int
    bar_level: int
    edges: bool
    measured: str = "exact"
    scan_cuts: list[int] | None = None


@dataclass(frozen=True)
class Signals:
    """The signals of a video or a span of it: what the file is about, and one array a column, all of one length."""

    about: About
    columns: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["pts"])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """A stored column; see `COLUMNS`."""
        return self.columns[name]

    @property
    def pixels(self) -> int:
        """Pixels of the small picture, the divisor of every sum."""
        return self.about.width * self.about.height

    def mean(self, name: str) -> npt.NDArray[np.float64]:
        """A sum divided by the pixels: PySceneDetect's component of `delta_*`, a level (0 to 255) of colours."""
        return np.asarray(self.columns[name] / float(self.pixels), np.float64)

    @property
    def ends(self) -> npt.NDArray[np.int64]:
        """PTS at which each frame ends: where the next starts; the last after its claimed or the median duration."""
        pts = self.columns["pts"]
        if len(pts) == 0:
            return np.empty(0, np.int64)
        return np.append(pts[1:], pts[-1] + last_duration(pts, int(self.columns["duration"][-1])))

    @property
    def seconds(self) -> npt.NDArray[np.float64]:
        """Start of each frame, in seconds from the first."""
        pts = self.columns["pts"]
        return np.asarray((pts - pts[:1]) * self.about.time_base_num / self.about.time_base_den, np.float64)

    @property
    def content(self) -> npt.NDArray[np.float64]:
        """PySceneDetect's content score with its default weights (hue, saturation, value alike), 0 to 255."""
        return (self.mean("delta_hue") + self.mean("delta_sat") + self.mean("delta_lum")) / 3.0

    @property
    def sharpness(self) -> npt.NDArray[np.float64]:
        """Variance of the Laplacian of gray (Pech-Pacheco et al. 2000), >= 0."""
        return np.asarray(
            self.columns["laplacian_squares"] / float(self.pixels) - self.mean("laplacian") ** 2, np.float64
        )

    @property
    def contrast(self) -> npt.NDArray[np.float64]:
        """Standard deviation of gray, 0 to 127.5."""
        variance = self.columns["gray_squares"] / float(self.pixels) - self.mean("gray") ** 2
        return np.asarray(np.sqrt(np.maximum(variance, 0)), np.float64)


def last_duration(pts: npt.NDArray[np.int64], claimed: int, nominal: int = 1) -> int:
    """How long the last frame lasts, in the time base: as claimed, else the median interval, else `nominal`; >= 1."""
    if claimed > 0:
        return claimed
    return max(1, int(np.median(np.diff(pts))) if len(pts) > 1 else nominal)


def hash_bits(hashes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """The stored hashes as PySceneDetect's 8x8 arrays: (frames, 8, 8) of bool."""
    raw = np.ascontiguousarray(hashes, "<i8").view(np.uint8).reshape(-1, 8)
    return np.unpackbits(raw, axis=1, bitorder="little").reshape(-1, 8, 8).astype(bool)


def hash_distance(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Bits, of 64, in which stored hashes differ, pair by pair."""
    return np.bitwise_count(np.asarray(one ^ other).view(np.uint64))


def pack_hash(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The inverse of `hash_bits`: (frames, 8, 8) of bool to (frames,) of int64."""
    packed = np.packbits(bits.reshape(-1, 64), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<i8").reshape(-1).astype(np.int64)


def signals_writer(path: str | Path, about: About) -> SeriesWriter:
    """A writer of `signals.parquet`."""
    return SeriesWriter(path, COLUMNS, asdict(about))


def read_signals(source: str | Path | bytes) -> Signals:
    """The signals in a file, given by its path or its bytes."""
    about, columns = read_series(source)
    return Signals(About(**about), columns)
