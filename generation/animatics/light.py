"""Light that wanders over a shot, so that nothing in it is a still, wherever the camera stands."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from generation.animatics.layers import Picture

_DEEP: Final = 5.0
"""Levels by which it makes brighter, and darker. FFmpeg's freezedetect calls a quarter of a level in 0.3 s still."""
_PERIOD: Final = 6.0
"""Seconds in which it goes once across the frame."""
_SLANT: Final = 0.4
"""How far a band of light leans: columns for each row."""


class Light:
    """Broad bands, brighter and darker by turns, that go across the frame.

    Args:
        width: Of the frame in pixels.
        height: Of the frame.
        seed: Of the grain that keeps its steps from being seen.
    """

    def __init__(self, width: int, height: int, seed: int) -> None:
        self._width = width
        rows, columns = np.arange(height)[:, None], np.arange(2 * width)[None, :]
        wave = _DEEP * np.sin(2 * math.pi * (columns + _SLANT * rows) / width)
        grain = np.random.default_rng(seed).random(wave.shape, np.float32)
        self._bands = np.repeat((128 + wave + grain - 0.5).round().astype(np.uint8)[..., None], 4, axis=2)

    def over(self, frame: Picture, seconds: float, share: float) -> Picture:
        """A frame in this light.

        Args:
            frame: The frame.
            seconds: Since the shot began.
            share: How strong the light is, 0 to 1.
        """
        left = round(self._width * (1 - seconds / _PERIOD % 1))
        return cv2.addWeighted(frame, 1, self._bands[:, left : left + self._width], share, -128 * share)
