"""Optical flow: how the picture moved between two frames, reduced at once to a few numbers.

Four times a second the decode hands over two gray small pictures a twelfth of a second or so apart. Dense flow between
them (DIS, Kroeger et al. 2016) is fitted by a similarity (shift, zoom, roll), which is what a turning or zooming
camera does to a picture; what does not follow the fit moved by itself. Edges tell movement only across themselves, so
each cell of the picture counts with its structure tensor, and flat ones not at all: a picture without texture yields
zeros and a texture share of 0. Stored are integers, in shares of the picture's width, so that what they mean does not
depend on the resolution. Words for what the camera did are chosen elsewhere (`camera`).
"""

from __future__ import annotations

import functools
import math
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from transforms.series import Column

Picture = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

PAIRS_PER_SECOND: Final = 4

GAP_SECONDS: Final = 0.075
"""Least time between the two pictures: two frames of film, so that drawings shown twice and slow movement are seen; a
little less than 2/25 s, so that rounded time stamps do not bring in a third. Movement by more than a tenth of the long
side between the two is not found: at this gap, over 1.3 a second."""

UNIT: Final = 100_000
"""Stored lengths are in 1/`UNIT` of the picture's width."""

_SIDE: Final = 128
"""Long side of the pictures that are compared; what is called a pixel below is one of theirs."""
_SHORTEST: Final = 32
"""Short side from which DIS finds three scales; narrower pictures are stretched."""
_CELL: Final = 8
_BAR: Final = 24
"""Gray level up to which lines at the border are black bars (FFmpeg cropdetect)."""
_BORDERS: Final[tuple[Any, ...]] = (0, -1, (slice(None), 0), (slice(None), -1))
_FLAT: Final = 1.0
"""Squared gradient, gray levels a pixel, at which a cell counts half: `benchmarks.camera` on other seeds than it
reports, between the grain of a bare wall and the soft shapes of a picture out of focus."""
_KERNELS: Final = (2.0, 0.4)
"""Widths of the robust kernel in pixels, one a round: from all cells to those that agree (same source)."""
_MOST: Final = 0.7
"""Share of the picture that has to agree for the first search to be believed without a second."""
_AGREES: Final = 0.5
_AGREES_SHARE: Final = 0.1
"""A cell follows the camera when its flow is within this many pixels plus this share of the camera's flow there."""

_RIDGE: Final = np.diag([0.01, 0.01, 10.0, 10.0])
"""Holds the fit at no movement where nothing is seen."""

_OURS: Final = "project"
_DIS: Final = "DIS optical flow (Kroeger et al. 2016)"


def _length(doc: str, span: str = "", source: str = _OURS) -> Column:
    return Column("int32", doc, "1e-5 picture widths", span, source)


def _share(doc: str, source: str = _OURS) -> Column:
    return Column("int16", doc, "1e-4", "0 to 10,000", source)


COLUMNS: Final[dict[str, Column]] = {
    "shift_x": _length("How far the picture's middle moved to the right with the camera."),
    "shift_y": _length("How far it moved downwards."),
    "zoom": Column("int32", "Growth of the picture about its middle.", "1e-5", "", _OURS),
    "roll": Column("int32", "Clockwise rotation of the picture about its middle.", "1e-5 rad", "", _OURS),
    "followers": _share("Share of the textured picture that moves with the camera; the rest moves by itself."),
    "residual": _length("Mean distance of the flow from the camera's, textured picture.", ">= 0"),
    "motion": _length("Mean length of the flow, textured picture.", ">= 0", _DIS),
    "motion_high": _length("Its 95th percentile.", ">= 0", _DIS),
    "texture": _share("Share of the picture with texture enough to tell movement.", "structure tensor, Bigun 1987"),
    "change": Column("int16", "Root mean square difference of the two pictures.", "1e-2 levels", "0 to 25,500", _OURS),
    "unexplained": Column(
        "int32",
        "The same after moving the second back with the camera and to the light of the first.",
        "1e-2 levels",
        ">= 0",
        _OURS,
    ),
}
"""Every stored column but the times. Of the picture as decoded, not turned upright."""


class _Grid(NamedTuple):
    """What is the same for all pictures of a size; lengths in pixels, those of stretched pictures undone.

    Attributes:
        flow: DIS with its buffers.
        size: Width and height of the pictures that are compared.
        cells: How many cells lie across and down them.
        width: Of the picture before it is stretched.
        pixel: Width and height of a pixel, (2, 1).
        model: Flow of a shift by 1 to the right and down, a zoom by 1 and a roll by 1: right at each cell, then down.
        normal: Sums up to the normal equations of a fit of the model, (5 cells, 20); see `_solved`.
        prior: Weight of each cell: things stand in the middle more often than at the border.
        reach: How far from the middle a cell can move and still be inside, (2, 1).
    """

    flow: Any
    size: tuple[int, int]
    cells: tuple[int, int]
    width: float
    pixel: Floats
    model: Floats
    normal: Floats
    prior: Floats
    reach: Floats


# An object adapts its scales to small pictures for good, so each size has its own.
@functools.lru_cache(maxsize=8)
def _grid(width: int, height: int) -> _Grid:
    cv2.setNumThreads(1)  # DIS propagates within stripes, one a thread: their number shapes the result.
    scale = _SIDE / max(width, height)
    w, h = (max(_SHORTEST, round(side * scale / _CELL) * _CELL) for side in (width, height))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow.setFinestScale(1)
    flow.setPatchStride(_CELL)
    cells = (w // _CELL, h // _CELL)
    pixel = np.array([[width * scale / w], [height * scale / h]])
    middle = pixel * [[w / 2], [h / 2]]
    y, x = np.mgrid[0 : cells[1], 0 : cells[0]].reshape(2, -1)
    x, y = pixel * (np.array([x, y]) + 0.5) * _CELL - middle
    one, zero, n = np.ones_like(x), np.zeros_like(x), len(x)
    model = np.array([[one, zero], [zero, one], [x, y], [-y, x]])
    right, down = model.transpose(1, 2, 0)
    products = [np.einsum("ci,cj->cij", p, q).reshape(n, 16) for p in (right, down) for q in (right, down)]
    normal = np.zeros((5 * n, 20))
    normal[: 3 * n, :16] = np.concatenate([products[0], products[1] + products[2], products[3]])
    normal[3 * n :, 16:] = np.concatenate([right, down])
    outer = np.maximum(*abs(np.array([x, y]) / middle))
    reach = middle - 2 * pixel
    return _Grid(flow, (w, h), cells, width * scale, pixel, model.reshape(4, -1), normal, 0.5 + outer, reach)


def flow_row(before: Picture, now: Picture) -> dict[str, int]:
    """The movement between two pictures.

    Args:
        before: Gray picture, (h, w).
        now: A later one of the same size.

    Returns:
        A value for each of `COLUMNS`; the same pictures give the same values, whatever was measured before.
    """
    height, width = now.shape
    grid = _grid(width, height)
    a, b = (cv2.resize(p, grid.size, interpolation=cv2.INTER_AREA) for p in (before, now))
    lit = _lit(a, b, grid)
    a, b = (cv2.GaussianBlur(p, (5, 5), 1.0) for p in (a, b))
    flow: Any = grid.flow.calc(a, b, None)
    gx = cv2.Sobel(a, cv2.CV_32F, 1, 0, scale=0.125 / grid.pixel[0, 0])
    gy = cv2.Sobel(a, cv2.CV_32F, 0, 1, scale=0.125 / grid.pixel[1, 0])
    tensor = _cells(grid, cv2.merge((gx * gx, gx * gy, gy * gy)))
    energy = tensor[0] + tensor[2] + 1e-9
    trust = lit * energy / (energy + _FLAT)
    seen = _cells(grid, flow) * grid.pixel
    fit, weight = _fit(grid, seen, tensor, grid.prior * (trust + 1e-9) / energy)
    fit, left = _refine(grid, fit, (a, b), (gx, gy), tensor * weight, weight)
    camera = (fit @ grid.model).reshape(2, -1)
    both = np.array([seen - camera, seen, camera])
    off, length, moved = np.sqrt((both * both).sum(1))
    total = float(trust.sum())
    # Flow spreads around things that move: a cell also follows that looks the same once moved back, to within what so
    # small a distance would change in it.
    near = _AGREES + _AGREES_SHARE * moved
    follows = (off <= near) | (2.0 * left <= near * near * energy)
    means = np.array([follows, off, length]) @ trust / (total + 1e-9)
    followers, residual, motion = means.tolist()
    textured = trust > 0.5
    some = np.sort(length[textured])
    high = float(some[int(0.95 * len(some))]) if len(some) else 0.0
    sx, sy, zoom, roll = fit.tolist()
    unit = UNIT / grid.width
    return {
        "shift_x": round(sx * unit),
        "shift_y": round(sy * unit),
        "zoom": round(zoom * UNIT),
        "roll": round(roll * UNIT),
        "followers": round(1e4 * followers),
        "residual": round(residual * unit),
        "motion": round(motion * unit),
        "motion_high": round(high * unit),
        "texture": round(1e4 * len(some) / len(trust)),
        "change": round(100 * cv2.norm(a, b, cv2.NORM_L2) / math.sqrt(a.size)),
        "unexplained": round(100 * math.sqrt(float(left.mean()))),
    }


def _lit(a: Any, b: Any, grid: _Grid) -> Floats | float:
    """1 for cells clear of black bars at the picture's border, 0 for the others: (cells,); 1.0 where there are none."""
    if all(a[line].max() > _BAR or b[line].max() > _BAR for line in _BORDERS):
        return 1.0
    inside, brightest = [], cv2.max(a, b)
    for axis, count in ((1, grid.cells[1]), (0, grid.cells[0])):
        bright = brightest.max(axis) > _BAR
        first, last = int(bright.argmax()), len(bright) - int(bright[::-1].argmax())
        starts = np.arange(count) * _CELL
        inside.append((starts >= first + 2 * (first > 0)) & (starts + _CELL <= last - 2 * (last < len(bright))))
    return np.asarray(np.outer(*inside).ravel(), np.float64)


def _cells(grid: _Grid, planes: Any) -> Floats:
    """Means over each cell of a picture with several planes, (planes, cells)."""
    parts = cv2.resize(planes, grid.cells, interpolation=cv2.INTER_AREA)
    return np.array(np.asarray(parts).reshape(-1, planes.shape[2]).T, np.float64, order="C")


def _fit(grid: _Grid, seen: Floats, tensor: Floats, prior: Floats) -> tuple[Floats, Floats]:
    """Shift, zoom and roll that most of the picture follows, (4,), and how much each cell counts at the end.

    Where much of the picture goes its own way a second search starts from a still camera: large things that move
    otherwise draw the first one into a compromise between them and what is behind them.
    """
    (xx, xy, yy), (u, v) = tensor, seen
    parts = np.stack([xx, xy, yy, xx * u + xy * v, xy * u + yy * v])
    energy = prior * (xx + yy)
    fit, near = _search(grid, seen, parts * prior)
    support = float(energy @ near)
    if support < _MOST * float(energy.sum()):
        other, its = _search(grid, seen, parts * (prior * _near(seen, _KERNELS[-1])))
        if float(energy @ its) > support:
            fit, near = other, its
    return fit, prior * near


def _search(grid: _Grid, seen: Floats, parts: Floats) -> tuple[Floats, Floats]:
    """The fit that the cells closest to it agree on, from where the weighted parts start, and how close each is."""
    weighted = parts
    for kernel in _KERNELS:
        fit = _solved(grid, weighted)
        near = _near(seen - (fit @ grid.model).reshape(2, -1), kernel)
        weighted = parts * near
    return fit, near


def _near(off: Floats, kernel: float) -> Floats:
    """1 where nothing is off, 1/4 at the kernel's width (Geman and McClure's weight)."""
    u, v = off
    far: Floats = 1.0 + (u * u + v * v) * kernel**-2
    return 1.0 / (far * far)


def _refine(
    grid: _Grid, fit: Floats, pictures: tuple[Any, Any], slopes: tuple[Any, Any], tensor: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """The fit after one Gauss-Newton step on the pictures, and the mean square difference it had left at each cell.

    Flow is found patch by patch and comes out short; the step sees all pixels that agree with the fit at once.
    """
    (a, b), (w, h), (px, py) = pictures, grid.size, grid.pixel.ravel().tolist()
    sx, sy, zoom, roll = fit.tolist()
    across, down, x, y = -roll * py / px, roll * px / py, (w - 1) / 2, (h - 1) / 2
    matrix = np.array(
        [[1 + zoom, across, sx / px - zoom * x - across * y], [down, 1 + zoom, sy / py - down * x - zoom * y]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, matrix, (w, h), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    # A scene that fades or flickers does not move: edges would seem to.
    gain = min(2.0, max(0.5, cv2.sumElems(a)[0] / max(cv2.sumElems(moved)[0], 1.0)))
    left = cv2.addWeighted(a, 1.0, moved, -gain, 0.0, dtype=cv2.CV_32F)
    ends = np.abs(grid.model[2] + fit @ grid.model).reshape(2, -1)  # the model of a zoom is the place itself
    inside = (ends < grid.reach).all(0)
    pull = _cells(grid, cv2.merge((slopes[0] * left, slopes[1] * left, left * left)))
    step = _solved(grid, np.concatenate([tensor, pull[:2] * weight]) * inside)
    return fit + step, pull[2]


def _solved(grid: _Grid, parts: Floats) -> Floats:
    """The shift, zoom and roll that fit best, (4,).

    Args:
        grid: Of the pictures.
        parts: Each cell's structure tensor (xx, xy, yy) and its product with the cell's flow, weighted: (5, cells).
    """
    sums = parts.ravel() @ grid.normal
    return np.asarray(np.linalg.solve(sums[:16].reshape(4, 4) + _RIDGE, sums[16:]), np.float64)
