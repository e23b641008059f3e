"""Signals: what is stored of every frame shown, one row a frame, in one small Parquet file.

Values are the exact integers that were counted (sums, not means), so that any later decision, today's detectors or
tomorrow's, reads the same numbers the decode saw. Means and seconds are derived here. About 60 kB a minute at 24 fps.

Everything about a picture is of the *small picture*: the decoded frame, not rotated, scaled to the size at which
PySceneDetect looks at it (long side 256, smaller frames as they are), 8 bits a channel.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

RECIPE: Final = 1
"""Raised whenever the code changes what measuring yields for the same bytes and settings."""

ROW_GROUP: Final = 4096
"""Frames a Parquet row group: what the writer holds in memory."""


class Column(NamedTuple):
    """A stored column: Arrow type, what it says, unit, range and the source of the measure."""

    kind: str
    doc: str
    unit: str = "8-bit levels, summed"
    span: str = ">= 0"
    source: str = ""


_SCORE: Final = "PySceneDetect ContentDetector"
_BAR: Final = "FFmpeg cropdetect"

COLUMNS: Final[dict[str, Column]] = {
    "pts": Column("int64", "Presentation timestamp, strictly increasing.", "time base", ""),
    "duration": Column("int64", "Duration the decoder claims; 0 where it claims none.", "time base"),
    "size": Column("int32", "Length of the packet that carries the frame; 0 where unknown.", "bytes"),
    "picture": Column("int8", "Picture type: 0 unknown, 1 I, 2 P, 3 B, above FFmpeg's rarer ones.", "", "0 to 7"),
    "keyframe": Column("bool", "The packet is a keyframe.", "", ""),
    "delta_hue": Column("int32", "Absolute differences of hue (0 to 179) against the frame before.", source=_SCORE),
    "delta_sat": Column("int32", "Absolute differences of HSV saturation against the frame before.", source=_SCORE),
    "delta_lum": Column("int32", "Absolute differences of HSV value against the frame before.", source=_SCORE),
    "delta_edges": Column("int32", "Absolute differences of the dilated edge map (0 or 255).", source=_SCORE),
    "delta_gray": Column("int32", "Absolute differences of gray (BT.601 luma) against the frame before."),
    "blue": Column("int32", "Blue."),
    "green": Column("int32", "Green."),
    "red": Column("int32", "Red."),
    "gray": Column("int32", "Gray."),
    "gray_squares": Column("int64", "Squared gray, for contrast.", "squared levels, summed"),
    "laplacian": Column("int32", "3x3 Laplacian of gray (OpenCV, aperture 1).", span=""),
    "laplacian_squares": Column(
        "int64", "Squared Laplacian, for sharpness.", "squared levels, summed", source="Pech-Pacheco et al. 2000"
    ),
    "dark": Column("int32", "Pixels whose gray is at most the dark level.", "pixels", source="FFmpeg blackframe"),
    "hash": Column(
        "int64",
        "The 8x8 low frequencies of a 16x16 DCT over their median: bit 8*row+column, least significant first.",
        "64 bits",
        "",
        "PySceneDetect HashDetector",
    ),
    "bar_top": Column(
        "int16", "Rows at the top without a pixel over the bar level; all when none is.", "rows", source=_BAR
    ),
    "bar_bottom": Column("int16", "The same at the bottom; 0 when no pixel is over it.", "rows", source=_BAR),
    "bar_left": Column("int16", "Columns at the left, as rows at the top.", "columns", source=_BAR),
    "bar_right": Column("int16", "The same at the right; 0 when no pixel is over it.", "columns", source=_BAR),
}
"""Every stored column. Sums are over the pixels of the small picture; deltas of a video's first frame are 0."""

SCHEMA: Final = pa.schema(
    [
        pa.field(
            name, pa.type_for_alias(c.kind), False, {"doc": c.doc, "unit": c.unit, "span": c.span, "source": c.source}
        )
        for name, c in COLUMNS.items()
    ]
)
"""The columns as an Arrow schema with their documentation, for people; the files carry types only."""

_METADATA_KEY: Final = b"rushes"


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


def pack_hash(bits: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The inverse of `hash_bits`: (frames, 8, 8) of bool to (frames,) of int64."""
    packed = np.packbits(bits.reshape(-1, 64), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<i8").reshape(-1).astype(np.int64)


class SignalsWriter:
    """Writes signals as they come, holding one row group; the same rows give the same bytes whatever the batches."""

    def __init__(self, path: str | Path, about: About) -> None:
        metadata = {_METADATA_KEY: json.dumps({f.name: getattr(about, f.name) for f in fields(about)}).encode()}
        self._schema = pa.schema(
            [pa.field(name, pa.type_for_alias(kind)) for name, (kind, *_) in COLUMNS.items()], metadata
        )
        numbers = [name for name, (kind, *_) in COLUMNS.items() if kind.startswith(("int32", "int64"))]
        small = [name for name, (kind, *_) in COLUMNS.items() if kind in ("int8", "int16")]
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=False,
            write_statistics=False,
            column_encoding=dict.fromkeys(numbers + small, "DELTA_BINARY_PACKED") | {"hash": "PLAIN"},
        )
        self._batches: list[dict[str, npt.NDArray[Any]]] = []
        self.waiting = 0
        """Rows not written yet."""

    def add(self, batch: dict[str, npt.NDArray[Any]]) -> None:
        """Add rows: one array of equal length for every column."""
        self._batches.append(batch)
        self.waiting += len(batch["pts"])
        while self.waiting >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def _flush(self, rows: int) -> None:
        joined = {name: np.concatenate([b[name] for b in self._batches]) for name in COLUMNS}
        arrays = [pa.array(joined[field.name][:rows], field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=ROW_GROUP)
        self._batches = [{name: column[rows:] for name, column in joined.items()}]
        self.waiting -= rows

    def close(self) -> None:
        """Write what is left and finish the file."""
        if self.waiting:
            self._flush(self.waiting)
        self._writer.close()


def read_signals(source: str | Path | bytes) -> Signals:
    """The signals in a file, given by its path or its bytes."""
    # In this thread: starting others costs more than reading a short film's numbers.
    file = pq.ParquetFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    table = file.read(use_threads=False)
    about = About(**json.loads(table.schema.metadata[_METADATA_KEY]))
    return Signals(about, {name: table[name].to_numpy() for name in COLUMNS})
