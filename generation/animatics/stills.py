"""Stills: pictures that a shot is given, made fit for its frame: read, cut out of a plain background, cropped."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, ImageOps

from generation.animatics.layers import Picture
from transforms.failures import ElementError

MOST_PIXELS: Final = 100_000_000
"""Of a picture that is read."""

_PLAIN: Final = 9.0
"""Largest spread of the colours along a picture's rim, in levels, at which it counts as a plain background."""
_NEAR: Final = (10, 10, 10)
"""Levels that a plain background may differ from one pixel to the next."""
_APART: Final = 1.9
"""A picture whose shape differs from the frame's by more is shown whole, before a blurred copy of itself."""
_SOFT: Final = 40.0
"""Size of the blur of that copy: one part of so many of the frame's smaller side."""


def read_still(path: Path, side: int) -> Picture:
    """A picture with transparency, upright, no larger than is of use.

    Args:
        path: A file of any format that Pillow reads.
        side: Pixels that its longer side need not exceed.

    Raises:
        ElementError: `unreadable`, `damaged` or `too_large`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise ElementError("too_large", f"{path.name}: more than {MOST_PIXELS:,} pixels: make it smaller")
                opened.draft("RGB", (side, side))
                upright = ImageOps.exif_transpose(opened)
                upright.thumbnail((side, side), Image.Resampling.LANCZOS)
                return np.array(upright.convert("RGBA"))
    except FileNotFoundError as error:
        raise ElementError("unreadable", f"{path.name}: no such file") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ElementError("damaged", f"{path.name}: no picture that can be read ({error})") from error


def cut_out(picture: Picture) -> Picture:
    """A thing without what is around it: as its transparency says, or cut out of a plain background; else a card."""
    if (picture[..., 3] < 250).mean() > 0.01:
        return _trimmed(picture)
    if _is_plain(rim := _rim(picture)):
        thing = 255 - _background(picture, rim)
        if 0.03 < thing.mean() / 255 < 0.97:
            return _trimmed(np.dstack([picture[..., :3], cv2.GaussianBlur(thing, (0, 0), 0.8)]))
    return _card(picture)


def covered(picture: Picture, width: int, height: int) -> Picture:
    """A picture that fills a frame: cropped; or whole, where its shape is too different.

    Around a whole one its plain background goes on, or a blurred copy of it is seen.
    """
    high, wide = picture.shape[:2]
    plain = _flat(picture)
    apart = (wide / high) / (width / height)
    filled = _cropped(plain, width, height)
    if 1 / _APART < apart < _APART:
        return filled
    made: Picture
    if _is_plain(rim := _rim(plain)):
        made = np.full((height, width, 4), [*np.median(rim, axis=0), 255], np.uint8)
    else:
        made = _blurred(filled)
    scale = min(width / wide, height / high)
    size = (max(1, round(wide * scale)), max(1, round(high * scale)))
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    made[y : y + size[1], x : x + size[0]] = cv2.resize(plain, size, interpolation=cv2.INTER_AREA)
    return made


def _blurred(picture: Picture) -> Picture:
    """Darker, and so blurred that nothing is seen of it but its colours."""
    high, wide = picture.shape[:2]
    small = cv2.resize(picture, (max(2, wide // 8), max(2, high // 8)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(0.6, min(wide, high) / _SOFT / 8))
    made = cv2.convertScaleAbs(cv2.resize(small, (wide, high), interpolation=cv2.INTER_CUBIC), alpha=0.75)
    made[..., 3] = 255
    return made


def _rim(picture: Picture) -> Any:
    """Colours along its four sides."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])[:, :3]


def _is_plain(rim: Any) -> bool:
    return bool(rim.std(axis=0).max() < _PLAIN)


def _background(picture: Picture, rim: Any) -> Any:
    """255 where what joins the picture's rim has about its colour."""
    colour = np.ascontiguousarray(cv2.copyMakeBorder(picture[..., :3], 1, 1, 1, 1, cv2.BORDER_REPLICATE))
    colour[0], colour[-1], colour[:, 0], colour[:, -1] = (np.median(rim, axis=0).astype(np.uint8),) * 4
    mask = np.zeros((colour.shape[0] + 2, colour.shape[1] + 2), np.uint8)
    flags = 4 | (255 << 8) | cv2.FLOODFILL_MASK_ONLY
    cv2.floodFill(colour, mask, (0, 0), (0, 0, 0), _NEAR, _NEAR, flags)
    return mask[2:-2, 2:-2]


def _trimmed(picture: Picture) -> Picture:
    x, y, width, height = cv2.boundingRect((picture[..., 3] > 8).astype(np.uint8))
    return picture[y : y + height, x : x + width] if width and height else _card(picture)


def _card(picture: Picture) -> Picture:
    """A picture with round corners."""
    high, wide = picture.shape[:2]
    radius = 0.06 * min(high, wide)
    rows, columns = np.mgrid[0:high, 0:wide].astype(np.float32)
    x = np.maximum(np.abs(columns - (wide - 1) / 2) - wide / 2 + radius, 0)
    y = np.maximum(np.abs(rows - (high - 1) / 2) - high / 2 + radius, 0)
    cover = np.clip(radius - np.hypot(x, y) + 0.5, 0, 1) * 255
    return np.dstack([_flat(picture)[..., :3], cover.astype(np.uint8)])


def _flat(picture: Picture) -> Picture:
    """Without transparency: before white, as product pictures are meant."""
    cover = picture[..., 3:].astype(np.uint16)
    colour = (picture[..., :3] * cover + 255 * (255 - cover) + 127) // 255
    made: Picture = np.dstack([colour, np.full_like(cover, 255)]).astype(np.uint8)
    return made


def _cropped(picture: Picture, width: int, height: int) -> Picture:
    high, wide = picture.shape[:2]
    scale = max(width / wide, height / high)
    size = (max(width, round(wide * scale)), max(height, round(high * scale)))
    made = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    part: Picture = np.ascontiguousarray(made[y : y + height, x : x + width])
    part[..., 3] = 255
    return part
