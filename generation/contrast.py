"""Contrast: whether letters of a colour can be read on what lies behind them, and what has to be done where not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]

LEAST: Final = 4.5
"""Least contrast of text and what is behind it: WCAG 2.2, success criterion 1.4.3, level AA."""
LARGE: Final = 3.0
"""The same for large text: bold and at least 14 points, which letters of a button are on any screen."""
BLACK: Final[Colour] = (0, 0, 0)
WHITE: Final[Colour] = (255, 255, 255)

_STEPS: Final = 20
_DENSEST: Final = 0.95
_BRIGHT: Final = 95.0
"""Percentile of what is behind a text that counts as its brightest: single sparks do not."""


def rgb(text: str) -> Colour:
    """A colour written as `#rrggbb`.

    Raises:
        ValueError: It is not.
    """
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"colour {text!r}: write it as #rrggbb")
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2.2)."""
    parts = [c / 255 for c in colour]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Contrast ratio of two sRGB colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(wanted: Colour, background: Colour, least: float = LEAST) -> Colour:
    """The wanted colour of text where it can be read on a background, else black or white.

    White stands in for a light colour and black for a dark one, unless only the other can be read.

    Args:
        wanted: Colour of the text.
        background: What it stands on.
        least: Contrast that is enough: `LEAST`, or `LARGE`.
    """
    near, far = (WHITE, BLACK) if luminance(wanted) > 0.18 else (BLACK, WHITE)
    enough = [colour for colour in (wanted, near) if contrast(colour, background) >= least]
    return enough[0] if enough else far


def hardest(luma: npt.NDArray[np.uint8], text: Colour) -> float:
    """The grey, 0 to 255, that a text's colour is worst to be read on, among what is behind it.

    Args:
        luma: Behind it, at any times, 16 to 235.
        text: Its colour.
    """
    dark = luminance(text) < 0.18
    level = float(np.percentile(luma, 100 - _BRIGHT if dark else _BRIGHT)) if luma.size else (0.0 if dark else 235.0)
    return min(max((level - 16) * 255 / 219, 0.0), 255.0)


def scrim(grey: float, text: Colour, colour: Colour) -> tuple[float, float]:
    """How solid a veil between text and picture must be for the text to be read: 0 where none is needed.

    Args:
        grey: The worst grey behind the text, 0 to 255.
        text: Colour of the text.
        colour: Of the veil: one that the text can be read on.

    Returns:
        How solid, 0 to 0.95, and the contrast that it gives.
    """
    for step in range(_STEPS + 1):
        solid = _DENSEST * step / _STEPS
        got = contrast(text, [grey * (1 - solid) + part * solid for part in colour])
        if got >= LEAST:
            break
    return solid, got
