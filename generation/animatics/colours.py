"""Colours of animatics: a palette as it is given, taken from a picture, or chosen for the campaign."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import cv2
import numpy as np

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""

PALETTES: Final = (
    ("#14213d", "#2f4b7c", "#f2a65a", "#f7e1c3"),
    ("#1b3a4b", "#2c7a7b", "#81c3b1", "#fde8c9"),
    ("#2d1e2f", "#7b2d4a", "#e07a5f", "#f4d9c6"),
    ("#1f2d1f", "#4a7c59", "#c8d5a0", "#f7f3dc"),
    ("#241a3d", "#5b4b9a", "#c58bd6", "#fbe3ec"),
    ("#2b2d42", "#6d7fa3", "#ef8354", "#f3efe6"),
)
"""What is chosen from, each from dark to light."""

_HEX: Final = re.compile(r"#?([0-9a-fA-F]{6})")


def palette(words: str, picture: Any | None, campaign: str) -> tuple[Colour, ...]:
    """Four colours from dark to light.

    Args:
        words: Colours as `#1f2a44,#e4572e`; what is no colour is passed over. One is enough.
        picture: Where no colour is named: a picture (height, width, 3) whose colours are taken.
        campaign: Chooses where nothing else does: all its shots are in the same colours.
    """
    named = [tuple(float(int(one[n : n + 2], 16)) for n in (0, 2, 4)) for one in _HEX.findall(words)]
    if not named and picture is not None:
        named = _colours_of(picture)
    if not named:
        chosen = PALETTES[hashlib.sha256(campaign.encode()).digest()[0] % len(PALETTES)]
        named = [tuple(float(v) for v in bytes.fromhex(one[1:])) for one in chosen]
    found: list[Colour] = sorted(((r, g, b) for r, g, b in named), key=brightness)
    dark, light = mixed(found[0], (12.0, 14.0, 22.0), 0.35), mixed(found[-1], (255.0, 252.0, 246.0), 0.55)
    if len(found) == 1:
        return dark, found[0], mixed(found[0], light, 0.5), light
    middle = found[1:-1] or found
    return (
        (found[0] if brightness(found[0]) < 90 else dark),
        middle[0],
        middle[-1] if len(middle) > 1 else found[-1],
        (found[-1] if brightness(found[-1]) > 190 else light),
    )


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two, `share` of the way to the other, 0 to 1."""
    r, g, b = (a + (z - a) * share for a, z in zip(one, other, strict=True))
    return r, g, b


def accent(colours: tuple[Colour, ...]) -> Colour:
    """The most vivid of some colours that is seen on black."""
    vivid = [(max(one) - min(one)) * (brightness(one) > 45) for one in colours]
    return colours[vivid.index(max(vivid))]


def brightness(colour: Colour) -> float:
    """Luma, 0 to 255 (BT.709)."""
    return 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]


def _colours_of(picture: Any) -> list[tuple[float, ...]]:
    """The four colours that k-means finds in a small copy; its start is fixed, so that they are the same each time."""
    points = cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32)
    luma = points @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    labels = np.clip(np.argsort(np.argsort(luma)) * 4 // len(points), 0, 3).astype(np.int32)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, centres = cv2.kmeans(points, 4, labels[:, None], criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    return [tuple(float(v) for v in centre) for centre in centres]
