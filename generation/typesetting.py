"""Typesetting: a text shaped, broken into lines and made to fit its place, in any script, from right to left too.

Shaping and direction are HarfBuzz's and FriBiDi's, through Pillow's Raqm layout: letters join, marks stand where they
belong, and numbers in an Arabic line run the right way. Lines are measured as they are shaped, never letter by letter.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from generation.fonts import check_shaping, font_for
from transforms.failures import ElementError

__all__ = ["Block", "check_shaping", "draw", "font_for", "reads_right_to_left", "right_to_left", "set_text"]

Colour = tuple[int, int, int]

_RIGHT_TO_LEFT: Final = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ks", "ps", "sd", "syr", "ug", "ur", "yi"}
)
"""Languages written from right to left, by their code in BCP 47 (CLDR 47, `characterOrder`)."""
_LEAST: Final = 0.5
"""Smallest size that a text is made to fit, as a share of the wanted one, where nothing else is said."""
_STEP: Final = 0.96
"""Each size that is tried is so much of the one before."""
_ABOVE: Final = 0.75
_BELOW: Final = 0.22
"""A line reaches at least so far above and below its baseline, in ems, whatever letters are in it (capitals and tails
of common faces), so that lines of one block, and blocks of one size, stand evenly."""
_GAP: Final = 0.08
"""Least room between the ink of two lines, in ems."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """A text that is set.

    Attributes:
        lines: Its lines, in the order they are read.
        font: What it is set in.
        size: Of the em, in pixels.
        language: Its language (BCP 47), or empty.
        backwards: Whether it runs from right to left.
        width: Of its ink, in pixels.
        height: From the top of its first line to the foot of its last, in pixels.
        pitch: From one baseline to the next, in pixels.
        ascent: From the top to the first baseline, in pixels.
    """

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
    size: int
    language: str
    backwards: bool
    width: int
    height: int
    pitch: int
    ascent: int


def reads_right_to_left(language: str) -> bool:
    """Whether a language (BCP 47) is written from right to left; a script in the tag decides (`az-Arab`, `ar-Latn`)."""
    parts = language.lower().replace("_", "-").split("-")
    script = next((part for part in parts[1:] if len(part) == 4), "")
    return script in ("arab", "hebr", "syrc", "thaa") if script else parts[0] in _RIGHT_TO_LEFT


def right_to_left(text: str, language: str = "") -> bool:
    """Whether a text runs from right to left.

    It does where it has letters that do and its language does, or the first of its letters (UAX 9, rule P2). A Latin
    name in an Arabic campaign runs from left to right.
    """
    kinds = [unicodedata.bidirectional(c) for c in text]
    if not any(kind in ("R", "AL") for kind in kinds):
        return False
    return reads_right_to_left(language) or next(kind for kind in kinds if kind in ("L", "R", "AL")) != "L"


def set_text(
    text: str,
    *,
    width: int,
    height: int,
    size: int,
    least: int = 0,
    language: str = "",
    weight: int = 400,
    files: Sequence[Path] = (),
    lines: int = 0,
    spacing: float = 1.2,
) -> Block:
    """Set a text in a place: as large as wanted where it fits, else smaller, in lines of about one length.

    Args:
        text: What is set; a line end in it stays one.
        width: Of the place, in pixels.
        height: Of the place, in pixels.
        size: Wanted size of the em, in pixels.
        least: Smallest size that will do; 0: half the wanted one.
        language: Its language (BCP 47), which decides forms of letters and direction.
        weight: 100 to 900.
        files: Font files of the brand.
        lines: Most lines; 0: as many as fit.
        spacing: From one baseline to the next, in ems; more where letters would touch.

    Raises:
        ConfigError: See `font_for`.
        ElementError: `bad_copy`: it has characters that no font has, is empty, or is too long for the place.
    """
    text = unicodedata.normalize("NFC", text).strip()
    if not text:
        raise ElementError("bad_copy", "a text to be set is empty")
    backwards = right_to_left(text, language)
    tried, smallest = size, max(1, least or round(_LEAST * size))
    while True:
        setting = _Setting(font_for(text, tried, language, weight, files), language, backwards)
        if not setting.hopeless(text, width, height):
            block = _block(setting, setting.wrapped(text, width), spacing)
            if block.width <= width and block.height <= height and not (lines and len(block.lines) > lines):
                return _block(setting, setting.balanced(text, width, block.lines), spacing)
        if tried <= smallest:
            raise ElementError(
                "bad_copy",
                f"{text[:80]!r} does not fit {width}x{height} pixels{f' in {lines} lines' if lines else ''} even at "
                f"{tried} pixels: shorten it",
            )
        tried = max(smallest, min(tried - 1, int(tried * _STEP)))


def draw(
    block: Block,
    colour: Colour,
    *,
    align: str = "start",
    outline: int = 0,
    outline_colour: Colour = (0, 0, 0),
) -> Image.Image:
    """A set text as a picture with alpha, `width` x `height` of the block and the outline around it.

    Args:
        block: The text.
        colour: Its colour.
        align: `start` (left, or right where it runs from right to left), `centre` or `end`.
        outline: Width of an outline around the letters, in pixels.
        outline_colour: Its colour.
    """
    # Clear pixels have the colour of what is drawn: resizing or blending must not bring in black.
    clear = (*(outline_colour if outline else colour), 0)
    picture = Image.new("RGBA", (block.width + 2 * outline, block.height + 2 * outline), clear)
    pen = ImageDraw.Draw(picture)
    flush = {"centre": 0.5, "start": float(block.backwards), "end": float(not block.backwards)}[align]
    setting = _Setting(block.font, block.language, block.backwards)
    for number, line in enumerate(block.lines):
        left, _, right, _ = setting.ink(line)
        x = outline - left + round(flush * (block.width - (right - left)))
        pen.text(
            (x, outline + block.ascent + number * block.pitch),
            line,
            fill=colour,
            font=block.font,
            anchor="ls",
            **setting.ways,
            stroke_width=outline,
            stroke_fill=outline_colour,
        )
    return picture


class _Setting:
    """A font, a language and a direction: how lines are shaped, and so how long they are."""

    def __init__(self, font: ImageFont.FreeTypeFont, language: str, backwards: bool) -> None:
        self.font, self.language, self.backwards = font, language, backwards
        self.ways: dict[str, Any] = {"direction": "rtl" if backwards else "ltr", "language": language or None}
        self._lengths: dict[str, float] = {}

    def ink(self, line: str) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what a line leaves on the page, from the start of its baseline."""
        left, top, right, bottom = self.font.getbbox(line, anchor="ls", **self.ways)
        return int(left), int(top), -int(-right // 1), -int(-bottom // 1)

    def wide(self, line: str) -> int:
        left, _, right, _ = self.ink(line)
        return right - left

    def _length(self, piece: str) -> float:
        if piece not in self._lengths:
            self._lengths[piece] = self.font.getlength(piece, **self.ways)
        return self._lengths[piece]

    def hopeless(self, text: str, width: int, height: int) -> bool:
        """Whether a text is far too long for a place, without breaking it into lines."""
        length = sum(self.font.getlength(paragraph, **self.ways) for paragraph in text.splitlines())
        return int(0.8 * length / max(1, width)) * self.font.size > height

    def wrapped(self, text: str, width: int) -> tuple[str, ...]:
        """Lines no wider than `width` where words allow it."""
        lines = []
        for paragraph in text.splitlines():
            line, about = "", 0.0
            for piece in _pieces(paragraph):
                about += self._length(piece)
                # A line is shaped anew only where the sum of its pieces comes near to the limit.
                if line and about > 0.8 * width and self.wide((line + piece).rstrip(" ")) > width:
                    lines.append(line.strip(" "))
                    line, about = "", self._length(piece)
                line += piece
            lines.append(line.strip(" "))
        return tuple(line for line in lines if line)

    def balanced(self, text: str, width: int, lines: tuple[str, ...]) -> tuple[str, ...]:
        """The same number of lines as `lines`, which are no wider than `width`, but as narrow as can be."""
        best, low, high = lines, width // len(lines), width
        while low < high:
            middle = (low + high) // 2
            tried = self.wrapped(text, middle)
            if len(tried) <= len(lines) and max(map(self.wide, tried)) <= middle:
                best, high = tried, middle
            else:
                low = middle + 1
        return best


def _block(setting: _Setting, lines: tuple[str, ...], spacing: float) -> Block:
    size = round(setting.font.size)
    inks = [setting.ink(line) for line in lines]
    above = [max(round(_ABOVE * size), -ink[1]) for ink in inks]
    below = [max(round(_BELOW * size), ink[3]) for ink in inks]
    touching = [b + a + round(_GAP * size) for b, a in zip(below, above[1:], strict=False)]
    pitch = max([round(spacing * size), *touching])
    return Block(
        lines=lines,
        font=setting.font,
        size=size,
        language=setting.language,
        backwards=setting.backwards,
        width=max(ink[2] - ink[0] for ink in inks),
        height=above[0] + pitch * (len(lines) - 1) + below[-1],
        pitch=pitch,
        ascent=above[0],
    )


_PIECE: Final = re.compile(
    # A line may end after a space, a hyphen or a dash between words, and beside an ideograph, kana or hangul syllable
    # that no closing mark follows. No-break spaces are no spaces here.
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff][\u3001-\u3003\u3009-\u301b\uff01\uff09\uff0c\uff0e\uff1a"
    r"\uff1b\uff1f\u30fc]*[ \t]*|[^ \t\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\u200b-]*"
    r"(?:(?<=\w)-(?=\w)|[\u2013\u2014\u200b](?=\w)|-)?[ \t]*"
)


def _pieces(paragraph: str) -> list[str]:
    """The parts of a paragraph between which a line may end."""
    return [piece for piece in _PIECE.findall(paragraph) if piece]
