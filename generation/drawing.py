"""Drawing: the shapes that texts and pictures stand on: buttons, chips, shadows, veils and logos, with smooth edges."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, UnidentifiedImageError

from generation.contrast import Colour
from generation.typesetting import Block, draw
from transforms.failures import ElementError

_FINER: Final = 4
"""Shapes are drawn so many times larger and made smaller, for smooth edges."""
_MOST_PIXELS: Final = 1 << 26
"""Of a picture that is opened: 64 million."""


def open_picture(path: Path) -> Image.Image:
    """A picture file with alpha.

    Raises:
        ElementError: It is none, or too large.
    """
    try:
        with Image.open(path) as found:
            if found.width * found.height > _MOST_PIXELS:
                raise ElementError("too_large", f"{path.name}: {found.width}x{found.height} pixels")
            return found.convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise ElementError("damaged", f"{path.name} cannot be read as a picture: {error}") from error


def rounded(width: int, height: int, radius: int, colour: Colour, solid: float = 1.0) -> Image.Image:
    """A rectangle with round corners."""
    mask = Image.new("L", (width * _FINER, height * _FINER), 0)
    size = (0, 0, width * _FINER - 1, height * _FINER - 1)
    ImageDraw.Draw(mask).rounded_rectangle(size, radius * _FINER, fill=round(255 * solid))
    made = Image.new("RGBA", (width, height), (*colour, 0))
    made.putalpha(mask.resize((width, height), Image.Resampling.BOX))
    return made


def chip(block: Block, text: Colour, background: Colour, solid: float, align: str = "centre") -> Image.Image:
    """A text on a plate with round corners: a button, a price, a subtitle, a label."""
    across, down = padding(block.size)
    width, height = block.width + 2 * across, block.height + 2 * down
    made = rounded(width, height, min(height // 2, round(0.36 * block.size)), background, solid)
    made.alpha_composite(draw(block, text, align=align), (across, down))
    return made


def padding(size: int) -> tuple[int, int]:
    """Room beside and above a text of a size on its chip, in pixels."""
    return round(0.55 * size), round(0.34 * size)


def shadowed(picture: Image.Image, reach: int, solid: float) -> Image.Image:
    """A picture with a soft shadow around it; it is larger by `reach` pixels on every side."""
    size = (picture.width + 2 * reach, picture.height + 2 * reach)
    alpha = Image.new("L", size, 0)
    alpha.paste(picture.getchannel("A"), (reach, reach))
    soft = alpha.filter(ImageFilter.GaussianBlur(reach / 2.5)).point(lambda value: round(min(255, value * solid)))
    made = Image.new("RGBA", size, (0, 0, 0, 0))
    made.putalpha(soft)
    made.alpha_composite(picture, (reach, reach))
    return made


def veil(width: int, height: int, full: int, colour: Colour, solid: float) -> Image.Image:
    """A veil that is solid for its upper `full` pixels and is gone at its foot."""
    rows = np.full(height, solid, np.float32)
    # Half a cosine has no edge that the eye could find.
    rows[full:] = solid * 0.5 * (1 + np.cos(np.linspace(0, np.pi, height - full, dtype=np.float32)))
    alpha = np.rint(np.repeat(rows[:, None], width, axis=1) * 255).astype(np.uint8)
    made = Image.new("RGBA", (width, height), (*colour, 0))
    made.putalpha(Image.fromarray(alpha, "L"))
    return made


def gradient(width: int, height: int, top: Colour, foot: Colour) -> Image.Image:
    """A background that goes from one colour to another, downwards, without bands."""
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rows = np.array(top, np.float32) * (1 - share) + np.array(foot, np.float32) * share
    # Ordered noise of half a step hides the bands that eight bits would show; it is the same every time.
    grain = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]], np.float32) / 16 - 0.5
    tiled = np.tile(grain, (height // 4 + 1, width // 4 + 1))[:height, :width, None]
    return Image.fromarray(np.clip(np.rint(rows + tiled), 0, 255).astype(np.uint8), "RGB")


def within(picture: Image.Image, width: int, height: int) -> Image.Image:
    """A picture made as large as fits, its own shape kept."""
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def with_round_corners(picture: Image.Image, radius: int) -> Image.Image:
    """A picture without sharp corners, unless it has transparency of its own."""
    if np.asarray(picture.getchannel("A")).min() < 255:
        return picture
    made = picture.copy()
    mask = rounded(picture.width, picture.height, radius, (0, 0, 0)).getchannel("A")
    made.putalpha(ImageChops.multiply(picture.getchannel("A"), mask))
    return made
