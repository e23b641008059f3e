"""Slate: the bar along the top of an animatic that says what it is, which shot, what is to be seen, and the time.

It keeps to the topmost part of the frame, where platforms have controls of their own and finishing sets no text.
"""

from __future__ import annotations

import functools
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw

from generation import typesetting
from generation.animatics.colours import Colour, brightness, mixed
from generation.animatics.layers import Picture, lay_over, multiplied
from transforms.failures import ElementError

BADGE: Final = "ANIMATIC"
"""What every frame says of itself."""

_HIGH: Final = 0.078  # of the smaller side
_DARK: Final = (10, 12, 18)
_COVER: Final = 176
_WHITE: Final = (255, 255, 255)
_ENDS: Final = ".,;:!?،؛؟。、"
_LEAST: Final = 7  # pixels: smaller letters are none


def bar_height(width: int, height: int) -> int:
    """Height of the bar in pixels."""
    return max(4, round(_HIGH * min(width, height)))


class Slate:
    """The bar of one shot.

    Args:
        title: Name of the shot.
        text: What is to be seen; cut off where it is too long. What no font can write is left out.
        language: Language of both (BCP 47); empty: by their letters.
        seconds: Length of the shot.
        colour: Of the badge and of the line that grows.
        size: Width and height of the frame in pixels.
    """

    def __init__(
        self, *, title: str, text: str, language: str, seconds: float, colour: Colour, size: tuple[int, int]
    ) -> None:
        self._width, self._high = size[0], bar_height(*size)
        self._seconds = seconds
        self._accent = _rounded(mixed(colour, _WHITE, 0.25) if brightness(colour) < 60 else colour)
        self._clock = functools.lru_cache(maxsize=4)(self._drawn_clock)
        made = Image.new("RGBA", (self._width, self._high), (*_DARK, _COVER))
        gap = round(self._high * 0.24)
        left = self._badge(made, gap)
        right = self._width - gap - self._clock(_told(seconds, seconds)).width - gap
        self._right = self._width - gap
        _lines(made, title, text, language, (left, 0, right, self._high))
        self._bar = made

    def mark(self, frame: Picture, seconds: float) -> None:
        """Lay the bar over a frame, in place.

        Args:
            frame: As large as was said.
            seconds: Since the shot began.
        """
        bar = self._bar.copy()
        clock = self._clock(_told(seconds, self._seconds))
        bar.alpha_composite(clock, (max(0, self._right - clock.width), max(0, (self._high - clock.height) // 2)))
        thick = max(1, self._high // 26)
        done = round(self._width * min(1.0, seconds / self._seconds))
        if done:
            bar.paste((*self._accent, 255), (0, self._high - thick, done, self._high))
        lay_over(frame[: self._high], multiplied(np.asarray(bar)))

    def _badge(self, bar: Image.Image, gap: int) -> int:
        """The badge at the left of the bar; where it ends."""
        high = round(self._high * 0.52)
        word = _set(BADGE, round(high * 0.6), "", 700, self._width // 3, high)
        if word is None:
            return gap
        wide, top = int(word.width) + round(high * 0.8), (self._high - high) // 2
        large = Image.new("RGBA", (wide * 4, high * 4))
        ImageDraw.Draw(large).rounded_rectangle((0, 0, wide * 4 - 1, high * 4 - 1), high * 2, (*self._accent, 255))
        bar.alpha_composite(large.resize((wide, high), Image.Resampling.LANCZOS), (gap, top))
        ink = _DARK if brightness(self._accent) > 120 else _WHITE
        drawn = typesetting.draw(word, ink)
        bar.alpha_composite(drawn, (gap + (wide - drawn.width) // 2, top + (high - drawn.height) // 2))
        return gap * 2 + wide

    def _drawn_clock(self, text: str) -> Image.Image:
        word = _set(text, round(self._high * 0.27), "", 400, self._width // 3, self._high)
        return typesetting.draw(word, (225, 228, 235)) if word else Image.new("RGBA", (1, 1))


def _lines(bar: Image.Image, title: str, text: str, language: str, box: tuple[int, int, int, int]) -> None:
    """Title and text in their box, one over the other, each at the side where its language begins."""
    wide, high = box[2] - box[0], box[3]
    rows = [(title, 0.3, 700, _WHITE), (text, 0.26, 400, (214, 218, 228))]
    set_rows = [
        (block, ink)
        for words, share, weight, ink in rows
        if (block := _shortened(words, round(high * share), language, weight, wide, high // 2))
    ]
    gap = round(high * 0.06)
    top = (high - sum(block.height for block, _ in set_rows) - gap * (len(set_rows) - 1)) // 2
    for block, ink in set_rows:
        x = box[2] - block.width if block.backwards else box[0]
        bar.alpha_composite(typesetting.draw(block, ink), (x, max(0, top)))
        top += block.height + gap


def _shortened(words: str, size: int, language: str, weight: int, wide: int, high: int) -> Any | None:
    """As many of the words as fit into one line."""
    every = words.split()

    def block_of(count: int) -> Any | None:
        short = " ".join(every[:count])
        short = short if count == len(every) else short.rstrip(_ENDS) + "…"
        return _set(short, size, language, weight, wide, high)

    fitting, least, most = None, 1, min(len(every), 60)
    while least <= most:
        middle = (least + most + 1) // 2
        block = block_of(middle)
        if block:
            fitting, least = block, middle + 1
        else:
            most = middle - 1
    return fitting


def _set(words: str, size: int, language: str, weight: int, wide: int, high: int) -> Any | None:
    """A line of text; None where no font has its letters, or it does not fit."""
    if size < _LEAST or wide < size or not words.strip():
        return None
    try:
        return typesetting.set_text(
            words, width=wide, height=high, size=size, least=size, language=language, weight=weight, lines=1
        )
    except ElementError:
        return None


def _told(seconds: float, whole: float) -> str:
    return f"{seconds:.1f} / {whole:.1f} s"


def _rounded(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(value) for value in colour)
    return red, green, blue
