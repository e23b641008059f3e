"""Camera: what the camera did in a clip, in a word, from the stored rows of its optical flow.

A row says how the picture moved, zoomed and rolled between two frames (`flow`). Over a clip, movement that keeps its
direction is a pan, a tilt, a zoom or a roll; movement that does not is a hand that holds the camera; none is a tripod.
Zoom and roll are compared with the others by how far they move the picture on average. Directions are the camera's, of
the picture as shown: what is seen moves left when the camera pans right. A camera that travels is called by what its
picture does: sideways a pan, forwards a zoom in. Nothing is decided where no pair can be trusted: flat pictures, fast
cuts, pictures seconds apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.flow import UNIT

Floats = npt.NDArray[np.float64]

WORDS: Final = (
    *("static", "pan left", "pan right", "tilt up", "tilt down"),
    *("zoom in", "zoom out", "roll cw", "roll ccw", "handheld", "unknown"),
)
"""Every word. Roll is the camera's: clockwise as the one behind it sees it, so that the picture turns the other way."""

_LONGEST_GAP: Final = 0.5
"""Seconds between two pictures over which they are not compared: 2 frames a second and slower are slides."""

_SLOW: Final = 0.011
"""Mean speed from which a movement is one, picture widths a second. `benchmarks.camera` on other seeds than it reports:
19 of 20 still clips stay below, with things that move in dark, soft and noisy pictures; the slowest movements have
0.01."""

_SHAKE: Final = 0.0135
"""Median distance of the speed, sideways and up together, from its mean, from which a camera is held by hand, picture
widths a second; same source: still clips have up to 0.010 from noise and things that move, hands 0.0145 and more."""

_DIRECTED: Final = 0.4
"""Share of the mean square speed that is in its mean, from which a movement keeps its direction; same source: 0.7 to 1
for steady and eased movements, 0.5 where the camera rests half of the time, less than 0.3 for hands."""

_TEXTURE: Final = 0.08
"""Share of the picture with texture from which it tells enough; same source: dark pictures have 0.08 and more."""

_TRUSTED: Final = 0.1
"""Texture (up to 1 at `_TEXTURE`) times followers, below which nothing is decided; same source: noise before a wall has
0.0, the hardest clips of moving cameras 0.1 to 0.2."""


class Camera(NamedTuple):
    """What the camera did in a clip.

    Attributes:
        word: One of `WORDS`.
        confidence: 0 to 1; 0 for `unknown`.
        motion: Mean length of the flow where the picture has texture, of things that move too; picture widths a second.
        moving: Share of the textured picture that moves against the camera, 0 to 1.
    """

    word: str
    confidence: float
    motion: float
    moving: float


def camera_of(
    rows: Mapping[str, npt.NDArray[Any]],
    time_base: Fraction,
    size: tuple[int, int],
    rotation: int = 0,
    span: tuple[int, int] | None = None,
) -> Camera:
    """The camera's movement over a clip.

    Args:
        rows: The columns of `flow.COLUMNS`, with `pts` of the second picture and `gap`, its distance from the first.
        time_base: Of `pts` and `gap`.
        size: Width and height of the pictures as decoded, in any unit.
        rotation: Clockwise turn that shows them upright: 0, 90, 180 or 270.
        span: Only pairs with both pictures in `start <= pts < end`.
    """
    pts, gap = rows["pts"], rows["gap"]
    seconds = gap * float(time_base)
    inside = (seconds > 0) & (seconds <= _LONGEST_GAP)
    if span is not None:
        inside &= (pts - gap >= span[0]) & (pts < span[1])
    if not inside.any():
        return Camera("unknown", 0.0, 0.0, 0.0)
    seconds = seconds[inside]
    row = {name: column[inside].astype(np.float64) for name, column in rows.items()}
    texture, followers = row["texture"] / 1e4, row["followers"] / 1e4
    width, height = size
    shown_width = height if rotation in (90, 270) else width
    motion = float((row["motion"] / seconds).mean()) / UNIT * width / shown_width
    moving = float(((1.0 - followers) * texture).sum()) / max(float(texture.sum()), 1e-9)
    trust = np.minimum(1.0, texture / _TEXTURE) * followers
    if trust.mean() < _TRUSTED:
        return Camera("unknown", 0.0, motion, moving)
    speeds = _speeds(row, width, height, rotation) / seconds
    word, sure = _word(speeds, trust)
    return Camera(word, sure * float(trust.mean()), motion, moving)


def _speeds(row: Mapping[str, Floats], width: int, height: int, rotation: int) -> Floats:
    """How far the picture as shown moved right, down, outwards and clockwise on average, (4, pairs) in its widths."""
    x, y = row["shift_x"] * width, row["shift_y"] * width
    for _ in range(rotation // 90):
        x, y = -y, x
    radius = math.hypot(width, height) / math.sqrt(12)
    shown_width = height if rotation in (90, 270) else width
    return np.stack([x, y, row["zoom"] * radius, row["roll"] * radius]) / (UNIT * shown_width)


def _word(speeds: Floats, trust: Floats) -> tuple[str, float]:
    """The word for speeds of trusted pairs, and how sure it is, 0 to 1."""
    share = trust / trust.sum()
    mean = speeds @ share
    square = float(((speeds**2) @ share).sum())
    # The median: a few pairs that things in front led astray are no shaking hand.
    away = np.hypot(*(speeds - mean[:, None])[:2])
    order = np.argsort(away, kind="stable")
    shake = float(away[order][np.searchsorted(np.cumsum(share[order]), 0.5)])
    directed = float((mean**2).sum()) / square if square else 0.0
    most = int(np.abs(mean).argmax())
    speed = abs(float(mean[most]))
    if speed >= _SLOW and directed >= _DIRECTED:
        # The picture's movement to the right, down, outwards and clockwise, and its opposite.
        word = (
            ("pan left", "pan right"),
            ("tilt up", "tilt down"),
            ("zoom in", "zoom out"),
            ("roll ccw", "roll cw"),
        )[most][int(mean[most] < 0)]
        return word, _beyond(speed, _SLOW) * speed / math.sqrt(float((mean**2).sum()))
    if shake >= _SHAKE:
        return "handheld", _beyond(shake, _SHAKE) * (1.0 - directed)
    return "static", 1.0 - 0.5 * max(speed / _SLOW if directed >= _DIRECTED else 0.0, shake / _SHAKE)


def _beyond(value: float, threshold: float) -> float:
    """0.5 at the threshold, towards 1 far beyond it."""
    return value / (value + threshold)
