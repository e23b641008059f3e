"""Camera moves of animatics: what the camera sees at each moment of a shot, and where a layer of the picture lies then.

A view is relative to the frame, so that a move looks alike in every size. Layers further away follow it less: that is
what makes drawn layers look deep.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

MOVES: Final[Mapping[str, str]] = {
    "static": "the camera stands; what it sees still breathes a little, so that it is no still",
    "push_in": "slowly nearer",
    "pull_out": "slowly away",
    "pan_left": "looks to the left",
    "pan_right": "looks to the right",
    "tilt_up": "looks up",
    "tilt_down": "looks down",
    "orbit": "a part of a circle around the middle",
    "handheld": "as held in the hand",
}
"""Every move."""

MARGIN: Final = 0.12
"""Room around the frame on each side of a drawn layer, as a share of the frame: the furthest that a camera looks."""

_WORDS: Final = {
    "static": ("static", "locked", "still", "fixed", "tripod"),
    "handheld": ("hand", "shak"),
    "orbit": ("orbit", "arc", "around", "circle", "360"),
    "pull_out": ("pull", "zoom out", "dolly out", "track out", "push out", "away", "back"),
    "pan_left": ("left",),
    "pan_right": ("right", "pan", "track", "truck", "slide"),
    "tilt_down": ("down",),
    "tilt_up": ("up", "tilt", "crane", "rise", "pedestal", "jib"),
}
"""What tells a move in the words of a storyboard, asked in this order."""

_REACH: Final = 0.075  # of the frame, how far a pan or tilt goes to each side
_NEAR: Final = 0.16  # how much larger the end of a push in is
_BREATH: Final = 0.02


@dataclasses.dataclass(frozen=True)
class View:
    """What the camera sees.

    Attributes:
        zoom: 1: all of the frame; 2: half of each side.
        x: How far it looks to the right of the middle, as a share of the frame's width.
        y: How far down, as a share of its height.
        turn: Clockwise, in degrees.
    """

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0


def move_named(words: str) -> str:
    """The move that a storyboard's words mean, such as `slow dolly in`; `push_in` where they name none."""
    said = re.sub(r"[\s_-]+", " ", words.lower()).replace("close up", "").strip()
    exact = said.replace(" ", "_")
    if exact in MOVES:
        return exact
    return next((move for move, signs in _WORDS.items() if any(re.search(rf"\b{s}", said) for s in signs)), "push_in")


def view(move: str, t: float, seconds: float, phase: float = 0.0) -> View:
    """The view of a move.

    Args:
        move: One of `MOVES`.
        t: How much of the shot has passed, 0 to 1.
        seconds: How many seconds have passed.
        phase: Of what sways, in radians: two shots need not sway alike.
    """
    eased = _eased(t)
    along = _REACH * (2 * eased - 1)
    if move == "static":
        return View(1 + _BREATH * eased)
    if move == "push_in":
        return View(1 + _NEAR * eased)
    if move == "pull_out":
        return View(1 + _NEAR * (1 - eased))
    if move in ("pan_left", "pan_right"):
        return View(1 + _BREATH, along if move == "pan_right" else -along)
    if move in ("tilt_up", "tilt_down"):
        return View(1 + _BREATH, 0.0, along if move == "tilt_down" else -along)
    if move == "orbit":
        angle = math.pi * (eased - 0.5)
        return View(1 + _NEAR * 0.6 * math.cos(angle), _REACH * math.sin(angle))
    sway = [math.sin(speed * seconds + phase * n) for n, speed in enumerate((1.9, 3.1, 1.3, 2.3, 1.1), 1)]
    return View(
        1.05 + 0.03 * eased, 0.008 * sway[0] + 0.004 * sway[1], 0.007 * sway[2] + 0.004 * sway[3], 0.5 * sway[4]
    )


def covering(seen: View, margin: float = 0.0) -> View:
    """The same view, so near that no edge of a picture is seen.

    Args:
        seen: The view.
        margin: How far the picture goes beyond the frame on each side, as a share of the frame.
    """
    turned = math.sin(math.radians(abs(seen.turn))) * 2  # a wide frame's corners go twice as far as its side is long
    need = (1 + turned) / (1 + 2 * margin - 2 * max(abs(seen.x), abs(seen.y)))
    return dataclasses.replace(seen, zoom=max(seen.zoom, need))


def placed(seen: View, depth: float, width: int, height: int, at: tuple[float, float]) -> Matrix:
    """Where the pixels of a layer lie in the frame: two rows of an affine matrix.

    Args:
        seen: The view.
        depth: How much the layer follows the camera: 0 not at all, 1 as the subject does.
        width: Of the frame in pixels.
        height: Of the frame.
        at: Where the layer's upper left corner lies in a frame that nothing moves, in pixels.
    """
    zoom, turn = 1 + (seen.zoom - 1) * depth, math.radians(seen.turn * min(1.0, depth))
    a, b = zoom * math.cos(turn), zoom * math.sin(turn)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x, y = at[0] - middle_x - seen.x * depth * width, at[1] - middle_y - seen.y * depth * height
    return np.array([[a, -b, middle_x + a * x - b * y], [b, a, middle_y + b * x + a * y]])


def _eased(t: float) -> float:
    """Straight in the middle, slow at both ends: half a line, half a smoothstep."""
    return 0.5 * t + 0.5 * t * t * (3 - 2 * t)
