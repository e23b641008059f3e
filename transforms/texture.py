"""Texture: what the pixels of a frame at full size tell of how it was made.

Small pictures hide what coding, cheap scaling and old cameras did, so a frame a second is looked at as it was decoded:
its luma plane, without any conversion, in up to 24 tiles of 64x64 pixels spread over the picture, so that the cost is
the same for SD and 8K. Every number is of one frame only. Measured are

- *blockiness*: steps between neighbours on the 8x8 grid of block coding against steps elsewhere;
- *noise*: what a mask blind to slopes finds where the picture is flattest;
- *combing*: tiles in which a line is like the lines beside it only when moved sideways, the mark of two fields taken at
  different times. Stripes, text and texture stay where they are and do not count. Movement up or down, or by less than
  two pixels between fields, is not seen;
- *detail*: up to which frequency edges are as steep as edges of their height can be. A picture enlarged twice reaches
  about half of what its pixels could hold. So does one out of focus, therefore `texture_of` goes by a clip's best
  frames.

NaN says that a frame does not tell: it is too small, too flat or black.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from transforms.failures import ElementError
from transforms.series import Column

VERSION: Final = 1
"""Raised when the same frame may get other numbers: covers the tiles, the measures and their constants."""

TILE: Final = 64
"""Side of a tile, pixels, and the least side of a frame that is measured."""

_ACROSS, _DOWN = 6, 4
_GRID: Final = 16
"""Tiles start on macroblocks, so that they lie alike on the grid of blocks."""

_STEP_LIMIT: Final = 8.0
"""Steps count for blockiness up to this, 8-bit levels: those of coding are small, those of edges would drown them."""

_STEP_FLOOR: Final = 0.05
"""Added to both sides of the ratio, so that single steps in a blank picture are not blocky."""

_CURVE: Final = np.array([[1, -2, 1]], np.float32)
"""The second difference; down and across together it is Immerkaer's mask, whose squares sum up to 36."""

_ON_GRID: Final = np.arange(1, TILE) % 8 == 0

_PART: Final = 32
_FLATTEST: Final = 0.1
"""The flattest tenth of the parts of 32x32 pixels stands for places without texture."""

_LIT: Final = (20, 235)
"""Mean levels between which a part can show noise: neither a black bar nor clipped white."""

_BUSY: Final = 1.0
"""Mean step between neighbours, 8-bit levels, from which a tile has detail."""

_ALIKE: Final = 0.3
"""Correlation from which the lines of one field are those of the other, moved."""

_MOVED: Final = 1.25
"""How much better they must fit moved than in place, and than moved the other way, as periodic patterns do."""

_DOUBTFUL: Final = 0.65
"""Bend from line to line, over that between every second line, from which a tile is searched for combing."""

COMBED: Final = 0.04
"""Share of combed tiles from which a frame counts as interlaced: one of 24, as progressive footage has none."""

_EDGE_POWER: Final = 40000.0
"""Least level of the lowest band: a step of 20 levels through a tile. Under it rounding shows."""

_BAND: Final = 4
"""Frequencies averaged to tell the level of a spectrum before the loss."""

_BANDS: Final = 10
"""Such bands, the first from frequency 2 (past the window's own width), the last to 14 of 32; the highest counts.

Texture is often stronger than the edges' lowest frequencies, and a band must lie below what enlarging by 2 takes away.
"""

_SQUARED: Final = np.arange(1.0, TILE // 2) ** 2

_HALF: Final = 0.25
"""Power at which amplitude is a half."""

_MTF: Final = "MTF50, ISO 12233"

COLUMNS: Final[dict[str, Column]] = {
    "blockiness": Column(
        "float32",
        "Steps between neighbours on the 8x8 grid over those elsewhere; about 1 for none.",
        "ratio",
        ">= 0, or NaN",
        "after Wang, Bovik and Evans 2000",
    ),
    "noise": Column(
        "float32",
        "Standard deviation of the noise in the flattest places.",
        "8-bit levels",
        ">= 0, or NaN",
        "Immerkaer 1996",
    ),
    "combing": Column(
        "float32",
        "Share of the tiles with detail in which one field is moved sideways against the other.",
        "share",
        "0 to 1, or NaN",
        "project",
    ),
    "detail_across": Column(
        "float32",
        "Frequency at which horizontal detail has fallen to half, over the highest that the width can hold.",
        "share",
        "0 to 1, or NaN",
        _MTF,
    ),
    "detail_down": Column("float32", "The same of vertical detail and the height.", "share", "0 to 1, or NaN", _MTF),
}
"""Every stored column, besides the time."""

_CHUNK: Final = 24
"""Tiles worked on at once: as many as the second cache holds a few copies of."""

Tiles = npt.NDArray[np.float32]
_Numbers = npt.NDArray[np.float64]

_NAN: Final = float("nan")
_PLANAR: Final = ("gray", "yuv", "nv")
_HIGH_BITS: Final = ("p0", "p2", "p4")
"""Beginnings of formats whose first plane is luma; the second kind keeps its bits at the top of 16."""


class _Facts(NamedTuple):
    """What is known of every tile by itself.

    Attributes:
        across: Mean limited steps between its columns, (tiles, 63).
        down: The same between its rows.
        flat: Mean response to the noise mask in its parts, (tiles, 4).
        level: Mean level of its parts, (tiles, 4).
        busy: It has detail, (tiles,).
        combed: Its lines are like the lines beside them only when moved sideways, (tiles,).
        edges_across: Power along its rows times the squared frequency, for frequencies 1 to 31, (tiles, 31).
        edges_down: The same along its columns.
    """

    across: _Numbers
    down: _Numbers
    flat: _Numbers
    level: _Numbers
    busy: npt.NDArray[np.bool_]
    combed: npt.NDArray[np.bool_]
    edges_across: _Numbers
    edges_down: _Numbers


def texture_row(frame: av.VideoFrame) -> dict[str, float]:
    """The texture of one decoded frame: a value for every column of `COLUMNS`.

    Raises:
        ElementError: `unsupported_codec`, for pixels without a luma plane that cannot be converted to gray.
    """
    return {name: float(values[0]) for name, values in texture_rows([tiles_of(frame)]).items()}


def tiles_of(frame: av.VideoFrame) -> Tiles:
    """What is measured of a frame: up to 24 tiles of luma, (tiles, 64, 64) in 8-bit levels with fractions.

    They can wait for `texture_rows`, at most 400 kB a frame.

    Raises:
        ElementError: `unsupported_codec`, for pixels without a luma plane that cannot be converted to gray.
    """
    plane, bits = luma_plane(frame)
    places = [(top, left) for top in _starts(plane.shape[0], _DOWN) for left in _starts(plane.shape[1], _ACROSS)]
    tiles = np.empty((len(places), TILE, TILE), np.float32)
    for tile, (top, left) in zip(tiles, places, strict=True):
        tile[:] = plane[top : top + TILE, left : left + TILE]
    if bits > 8:
        tiles *= np.float32(0.5 ** (bits - 8))
    return tiles


def texture_rows(frames: Sequence[Tiles]) -> dict[str, npt.NDArray[np.float32]]:
    """The texture of frames from their tiles: an array for every column of `COLUMNS`, one value a frame.

    A frame's values do not depend on which others it is measured with, but a dozen at a time cost a fraction.
    """
    rows = {name: np.full(len(frames), np.nan, np.float32) for name in COLUMNS}
    counts = [len(tiles) for tiles in frames]
    if not sum(counts):
        return rows
    together = np.concatenate(frames)
    facts = _Facts(*map(np.concatenate, zip(*map(_facts, _chunks(together)), strict=True)))
    owner = np.repeat(np.arange(len(frames)), counts)
    ends = np.cumsum(counts)
    for row, (start, end) in enumerate(zip(ends - counts, ends, strict=True)):
        if start < end:
            mine = slice(start, end)
            rows["blockiness"][row] = _blockiness(facts.across[mine], facts.down[mine])
            rows["noise"][row] = _noise(facts.flat[mine], facts.level[mine])
            busy = np.count_nonzero(facts.busy[mine])
            rows["combing"][row] = np.count_nonzero(facts.combed[mine]) / busy if busy else _NAN
    floor = np.nan_to_num(rows["noise"].astype(np.float64))[owner] ** 2 * float((_window() ** 2).sum())
    for name, edges in (("detail_across", facts.edges_across), ("detail_down", facts.edges_down)):
        reach = _reach(edges, floor)
        for row in np.unique(owner[~np.isnan(reach)]):
            told = np.sort(reach[(owner == row) & ~np.isnan(reach)])
            rows[name][row] = told[-1 - len(told) // 4]  # The sharper quarter.
    return rows


def _chunks(tiles: Tiles) -> list[Tiles]:
    return [tiles[k : k + _CHUNK] for k in range(0, len(tiles), _CHUNK)]


def texture_of(rows: Mapping[str, npt.NDArray[Any]]) -> dict[str, float | None]:
    """What a clip's rows say together; None where no row tells.

    Args:
        rows: Arrays by the names of `COLUMNS`, one value a measured frame of the clip.

    Returns:
        `blockiness` and `noise` (medians); `interlaced_share` (share of frames with combing: near 1 for movement in two
        fields, about 0.4 for film in a telecine's 30 frames a second, 0 for a still clip however it was filmed) and
        `detail` (upper quartile over frames of the direction that holds more, since movement and focus blur single
        frames and directions).
    """
    told = {name: np.asarray(rows[name], np.float64) for name in COLUMNS}
    combing = told["combing"]
    return {
        "blockiness": _quantile(told["blockiness"], 0.5),
        "noise": _quantile(told["noise"], 0.5),
        "interlaced_share": _mean(np.where(np.isnan(combing), combing, combing >= COMBED)),
        "detail": _quantile(np.fmax(told["detail_across"], told["detail_down"]), 0.75),
    }


def _quantile(values: npt.NDArray[np.float64], share: float) -> float | None:
    told = values[~np.isnan(values)]
    return float(np.quantile(told, share)) if len(told) else None


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    told = values[~np.isnan(values)]
    return float(told.mean()) if len(told) else None


def luma_plane(frame: av.VideoFrame) -> tuple[npt.NDArray[Any], int]:
    """The luma of a frame, (height, width), and its bits a sample (8 to 16), as decoded where it stands in a plane.

    Raises:
        ElementError: `unsupported_codec`, for pixels without a luma plane that cannot be converted to gray.
    """
    layout = frame.format
    name, bits = layout.name, layout.components[0].bits if layout.components else 0
    if name.startswith(_HIGH_BITS) or "msb" in name:
        bits = 16
    if layout.is_big_endian or not 8 <= bits <= 16 or not name.startswith(_PLANAR + _HIGH_BITS):
        try:
            frame, bits = frame.reformat(format="gray"), 8
        except (av.error.FFmpegError, NotImplementedError, ValueError, OSError) as error:
            raise ElementError("unsupported_codec", f"pixels of format {name} cannot be converted: {error}") from error
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height]
    return (rows[:, : frame.width], 8) if bits == 8 else (rows[:, : 2 * frame.width].view("<u2"), bits)


@functools.lru_cache(maxsize=256)
def _starts(length: int, most: int) -> tuple[int, ...]:
    """Where tiles start along a side: spread evenly, on the grid, as wide apart as they are wide if there is room."""
    count = min(most, max(length // (2 * TILE), min(2, length // TILE)))
    gap = (length - count * TILE) / max(1, count)
    return tuple(int((k + 0.5) * gap + k * TILE) // _GRID * _GRID for k in range(count))


def _facts(tiles: Tiles) -> _Facts:
    # Two-dimensional where possible, as OpenCV adds up flat pictures several times faster than NumPy stacks of them;
    # and every second line, where neighbours tell little more.
    count, some = len(tiles), tiles.reshape(-1, TILE)[::2]
    across = np.asarray(cv2.absdiff(some[:, 1:], some[:, :-1]), np.float32)
    down = tiles[:, 1:] - tiles[:, :-1]
    limited = cv2.threshold(across, _STEP_LIMIT, 0, cv2.THRESH_TRUNC)[1].reshape(count, -1, TILE - 1)
    limited_down = cv2.threshold(np.abs(down).reshape(-1, TILE), _STEP_LIMIT, 0, cv2.THRESH_TRUNC)[1]
    flat, level = _parts(tiles, down)
    busy = _sums(across).reshape(count, -1).mean(axis=1) / (TILE - 1) >= _BUSY
    return _Facts(
        limited.sum(axis=1).astype(np.float64) / limited.shape[1],
        _sums(limited_down).reshape(count, -1) / TILE,
        flat,
        level,
        busy,
        _combed(tiles, busy),
        _edges(tiles[:, ::4]),
        _edges(tiles[:, :, ::4].transpose(0, 2, 1)),
    )


def _sums(flat: npt.NDArray[np.float32]) -> _Numbers:
    """Sums of the lines of a flat picture."""
    return np.asarray(cv2.reduce(flat, 1, cv2.REDUCE_SUM), np.float64).ravel()


def _blockiness(across: _Numbers, down: _Numbers) -> float:
    """Mean step on the grid over the mean elsewhere, both directions together."""
    lines = (across.mean(axis=0) + down.mean(axis=0)) / 2
    return float((lines[_ON_GRID].mean() + _STEP_FLOOR) / (lines[~_ON_GRID].mean() + _STEP_FLOOR))


def _parts(tiles: Tiles, down: Tiles) -> tuple[_Numbers, _Numbers]:
    """Mean responses to Immerkaer's mask and mean levels in the four parts of every tile, (tiles, 4) each."""
    parts, high, wide = TILE // _PART, _PART // 2 - 1, _PART - 2
    lines = down[:, : 2 * parts * high]
    response = np.abs(cv2.filter2D((lines[:, 1::2] - lines[:, ::2]).reshape(-1, TILE), -1, _CURVE))
    flat = [_sums(response[:, 1 + k * wide : 1 + (k + 1) * wide]).reshape(-1, high).sum(axis=1) for k in range(parts)]
    some = tiles[:, :: _PART // 4].reshape(-1, TILE)
    level = [_sums(some[:, k * _PART : (k + 1) * _PART]).reshape(-1, 4).sum(axis=1) for k in range(parts)]
    return (
        np.stack(flat, axis=-1).reshape(len(tiles), -1) / (high * wide),
        np.stack(level, axis=-1).reshape(len(tiles), -1) / (4 * _PART),
    )


def _noise(flat: _Numbers, level: _Numbers) -> float:
    """The response in the flattest parts, as the standard deviation of Gaussian noise."""
    lit = np.sort(flat[(level > _LIT[0]) & (level < _LIT[1])])
    return float(lit[int(_FLATTEST * len(lit))] * math.sqrt(math.pi / 2) / 6) if len(lit) else _NAN


def _combed(tiles: Tiles, busy: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Tiles with detail whose lines are like the lines beside them only when moved sideways."""
    line = 2 * tiles[:, 2:-2:4]
    near = np.abs(tiles[:, 1:-3:4] + tiles[:, 3:-1:4] - line).reshape(-1, TILE)
    far = np.abs(tiles[:, :-4:4] + tiles[:, 4::4] - line).reshape(-1, TILE)
    combed: npt.NDArray[np.bool_] = busy & (
        _sums(near - np.float32(_DOUBTFUL) * far).reshape(len(tiles), -1).sum(axis=1) > 0
    )
    if not combed.any():
        return combed
    doubtful = tiles[combed]
    steps = np.zeros_like(doubtful)  # Steps, as levels would fit themselves at any small move.
    steps[:, :, 1:] = doubtful[:, :, 1:] - doubtful[:, :, :-1]
    middle, beside = steps[:, 1:-1:2], (steps[:, :-2:2] + steps[:, 2::2]) / 2
    shared = (np.fft.rfft(middle, axis=2) * np.fft.rfft(beside, axis=2).conj()).sum(axis=1)
    power = (middle**2).sum(axis=(1, 2)) * (beside**2).sum(axis=(1, 2))
    fits = np.fft.irfft(shared, n=TILE, axis=1) / np.sqrt(np.maximum(power, 1.0))[:, None]
    best, each = fits[:, 1:].argmax(axis=1) + 1, np.arange(len(fits))
    combed[combed] = fits[each, best] >= np.maximum(_ALIKE, _MOVED * np.maximum(fits[:, 0], fits[each, -best]))
    return combed


def _edges(lines: Tiles) -> _Numbers:
    """Power along rows times the squared frequency, for frequencies 1 to 31: (tiles, rows, 64) to (tiles, 31).

    The power of a step falls with the square of the frequency; multiplied by it, what is left is the loss.
    """
    # In OpenCV's packed transform, the fastest at hand, pairs from the second value on are one frequency each.
    packed = cv2.dft((lines * _window()).reshape(-1, TILE), flags=cv2.DFT_ROWS)
    squares = (packed * packed).reshape(len(lines), -1, TILE).sum(axis=1).astype(np.float64) / lines.shape[1]
    return np.asarray((squares[:, 1:-1:2] + squares[:, 2:-1:2]) * _SQUARED, np.float64)


def _reach(edges: _Numbers, floor: _Numbers) -> _Numbers:
    """Where every tile's edges have fallen to half, over the highest frequency; NaN where it has none.

    Args:
        edges: As of `_edges`.
        floor: Power of the noise of every tile.
    """
    edges = edges - floor[:, None] * _SQUARED
    sums = np.cumsum(edges, axis=1)
    bands = (sums[:, _BAND : _BAND + _BANDS] - sums[:, :_BANDS]) / _BAND
    first = _BAND + 1
    smooth = (edges[:, first - 1 : -2] + 2 * edges[:, first:-1] + edges[:, first + 1 :]) / 4
    lost = smooth < _HALF * bands.max(axis=1)[:, None]
    # The first of `edges` is frequency 1.
    reach = np.where(lost.any(axis=1), lost.argmax(axis=1) + first + 1, TILE // 2) / (TILE // 2)
    return np.where(bands[:, 0] >= _EDGE_POWER, reach, _NAN)


@functools.cache
def _window() -> npt.NDArray[np.float32]:
    return np.hanning(TILE + 1)[:TILE].astype(np.float32)
