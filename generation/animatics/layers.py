"""Layers: pictures with transparency that lie behind each other, and how they become a frame.

A layer is drawn once; each frame only moves it. Colours are multiplied by their cover beforehand, so that a layer is
laid over what is behind it with one multiplication and one addition. Frames have four channels too, though nothing is
seen through them: OpenCV moves four in a third of the time that it takes for three.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from generation.animatics.camera import View, covering, placed

Picture = npt.NDArray[Any]
"""(height, width, 4): red, green, blue, cover; 0 to 255, uint8."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """A picture at its place.

    Attributes:
        pixels: Its colours are multiplied by its cover.
        solid: It hides all that is behind it, lies in the middle and goes beyond the frame; `at` does not count.
        at: Its upper left corner in a frame that nothing moves, in pixels.
        depth: How much it follows the camera: 0 not at all, 1 as the subject does.
        drift: How far it sways by itself, right and down, in pixels.
        period: Of that, in seconds.
        phase: Of that, in radians.
    """

    pixels: Picture
    solid: bool = False
    at: tuple[float, float] = (0.0, 0.0)
    depth: float = 1.0
    drift: tuple[float, float] = (0.0, 0.0)
    period: float = 6.0
    phase: float = 0.0


def layer_of(rgba: Any, at: tuple[float, float], **more: Any) -> Layer:
    """A layer of a picture whose colours are not multiplied yet, cut to what is seen of it.

    Args:
        rgba: (height, width, 4), 0 to 255.
        at: Where its upper left corner lies.
        more: As of `Layer`.
    """
    x, y, width, height = cv2.boundingRect((rgba[..., 3] > 0).astype(np.uint8))
    # With a clear row all around, so that edges stay soft when they are moved by less than a pixel.
    whole = np.pad(rgba[y : y + max(1, height), x : x + max(1, width)], ((1, 1), (1, 1), (0, 0)))
    return Layer(pixels=multiplied(whole), at=(at[0] + x - 1, at[1] + y - 1), **more)


def multiplied(rgba: Any) -> Picture:
    """A picture with its colours multiplied by its cover."""
    cover = cv2.extractChannel(rgba, 3)
    made: Picture = cv2.multiply(rgba, cv2.merge([cover, cover, cover, np.full_like(cover, 255)]), scale=1 / 255)
    return made


def composed(layers: Sequence[Layer], seen: View, seconds: float, width: int, height: int) -> Picture:
    """The frame that a camera sees of some layers.

    Args:
        layers: From the furthest to the nearest; the first is solid.
        seen: What the camera sees.
        seconds: Since the shot began, for what sways.
        width: Of the frame in pixels.
        height: Of the frame.
    """
    frame: Picture = np.empty((height, width, 4), np.uint8)
    for layer in layers:
        if layer.solid:
            _fill(frame, layer, seen)
        else:
            _lay(frame, layer, seen, seconds)
    return frame


def _fill(frame: Picture, layer: Layer, seen: View) -> None:
    height, width = frame.shape[:2]
    at = ((width - layer.pixels.shape[1]) / 2, (height - layer.pixels.shape[0]) / 2)
    margin = min(-at[0] / width, -at[1] / height)
    where = placed(covering(seen, margin / layer.depth), layer.depth, width, height, at)
    cv2.warpAffine(
        layer.pixels, where, (width, height), frame, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _lay(frame: Picture, layer: Layer, seen: View, seconds: float) -> None:
    height, width = frame.shape[:2]
    angle = 2 * math.pi * seconds / layer.period + layer.phase
    at = (layer.at[0] + layer.drift[0] * math.sin(angle), layer.at[1] + layer.drift[1] * math.cos(angle))
    where = placed(seen, layer.depth, width, height, at)
    high, wide = layer.pixels.shape[:2]
    corners = where @ np.array([[0, wide, 0, wide], [0, 0, high, high], [1, 1, 1, 1]], np.float64)
    x0, y0 = (max(0, math.floor(v)) for v in corners.min(axis=1))
    x1, y1 = (min(most, math.ceil(v) + 1) for v, most in zip(corners.max(axis=1), (width, height), strict=True))
    if x0 < x1 and y0 < y1:
        where[:, 2] -= (x0, y0)
        lay_over(frame[y0:y1, x0:x1], cv2.warpAffine(layer.pixels, where, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR))


def lay_over(part: Any, picture: Any) -> None:
    """Lay a picture, its colours multiplied, over a part of a frame that is as large, in place."""
    left = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(picture, 3)), cv2.COLOR_GRAY2RGBA)
    cv2.add(cv2.multiply(part, left, scale=1 / 255), picture, dst=part)
