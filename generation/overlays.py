"""Overlays: the logo, texts, subtitles and label that stand over the shots, each in a place of its own.

Places lie one below the other inside the safe area, so that nothing covers anything else and no platform's own buttons
cover it: logo and label, headline, the open picture, subtitles, price and call to action, legal lines. In languages
that run from right to left all of it is mirrored.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from generation.asset import Asset, Format
from generation.contrast import BLACK, LARGE, WHITE, hardest, readable, rgb, scrim
from generation.drawing import chip, padding, shadowed, veil, within
from generation.planes import Layer, layer_of
from generation.typesetting import Block, draw, reads_right_to_left, set_text

_HEADLINE: Final = 0.085
_PRICE: Final = 0.056
_ACTION: Final = 0.046
_SUBTITLE: Final = 0.042
_SMALL: Final = 0.026
"""Sizes of texts, as shares of the picture's smaller side: at 1080 pixels 92, 60, 50, 45 and 28."""
_GAP: Final = 0.025
"""Room between places, as a share of the smaller side."""
_BOLD: Final = 700
_MEDIUM: Final = 500
_LOGO_HIGH: Final = 0.14
"""A logo is at most so high, as a share of the safe area."""
_LABEL_WIDE: Final = 0.56
_WIDE: Final = 1.2
"""Pictures wider than this have headlines and subtitles that do not go all across."""
_RISE: Final = 0.24
_FALL: Final = 0.16
"""Seconds in which texts come up and go."""
_GROUND: Final = 0.78
"""How solid the ground of chips is: white text on it stands 5 to 1 over a white picture."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    """A place in the picture, in pixels; `right` and `bottom` are one past its last."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


def safe_box(form: Format) -> Box:
    """What platform and brand leave for text and logo."""
    area = form.safe_area
    return Box(
        left=-int(-area.left * form.width // 1),
        top=-int(-area.top * form.height // 1),
        right=int((1 - area.right) * form.width),
        bottom=int((1 - area.bottom) * form.height),
    )


def sized(form: Format, share: float, least: int = 12) -> int:
    """A size as a share of the picture's smaller side, in pixels."""
    return max(least, round(share * min(form.width, form.height)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlays:
    """What is laid over the shots.

    Attributes:
        layers: From below to above.
        told: What was done, in words: sizes, contrast, fonts.
    """

    layers: tuple[Layer, ...]
    told: tuple[str, ...]


class _Page:
    """Puts things in their places, from the top down and from the foot up."""

    def __init__(self, asset: Asset, fonts: Sequence[Path], until: int) -> None:
        self.asset, self.form, self.fonts, self.until = asset, asset.format, tuple(fonts), until
        self.safe = safe_box(asset.format)
        self.size = (self.form.width, self.form.height)
        self.mirrored = reads_right_to_left(asset.copy.language)
        self.gap = sized(asset.format, _GAP, 4)
        self.top, self.foot = self.safe.top, self.safe.bottom
        self.wide = self.form.width > _WIDE * self.form.height
        self.layers: list[Layer] = []
        self.told: list[str] = []

    def spans(self, role: str) -> list[tuple[int, int]]:
        """When a text stands over the shots; never, where there is none."""
        if not self.asset.copy.text(role):
            return []
        times = [(one.start, min(one.end, self.until)) for one in self.asset.copy.shown if one.role == role]
        return [(start, end) for start, end in times if start < end]

    def set(self, text: str, share: float, width: int, height: int, weight: int, lines: int = 0) -> Block:
        size = sized(self.form, share)
        least = sized(self.form, min(share, _SMALL) * 0.8, 10)
        return set_text(
            text, width=width, height=height, size=size, least=least, language=self.asset.copy.language,
            weight=weight, files=self.fonts, lines=lines,
        )  # fmt: skip

    def chip(self, text: str, share: float, width: int, height: int, weight: int, lines: int = 0) -> Block:
        across, down = padding(sized(self.form, share))
        return self.set(text, share, width - 2 * across, height - 2 * down, weight, lines)

    def lay(self, name: str, image: Image.Image, left: int, top: int, start: int, end: int, soft: bool = True) -> None:
        rate = float(Fraction(self.form.frame_rate))
        rise, fall = (round(_RISE * rate), round(_FALL * rate)) if soft else (0, 0)
        self.layers.append(layer_of(name, image, left, top, self.size, start, end, rise, fall))

    def at_start(self, width: int) -> int:
        """Left edge of something that stands where reading begins."""
        return self.safe.right - width if self.mirrored else self.safe.left

    def at_end(self, width: int) -> int:
        return self.safe.left if self.mirrored else self.safe.right - width


def overlays(
    asset: Asset,
    logo: Image.Image | None,
    fonts: Sequence[Path],
    behind: npt.NDArray[np.uint8],
    behind_frames: Sequence[int],
    until: int,
    overlap: int = 0,
) -> Overlays:
    """Lay out everything that stands over the shots, and the label that stays to the end.

    Args:
        asset: The asset.
        logo: The brand's logo, with alpha.
        fonts: The brand's font files.
        behind: Luma of some frames of the plate: shape (frames, height, width).
        behind_frames: Their numbers.
        until: Frame that the end card begins at: no text is seen from it on.
        overlap: Frames in which the end card comes up; the logo over the shots goes in them.

    Raises:
        ElementError: `bad_copy`: a text has no place, or no font.
    """
    page = _Page(asset, fonts, until)
    _top_row(page, logo, overlap)
    _legal(page)
    _offer_row(page)
    _subtitles(page)
    _headline(page, behind, behind_frames)
    return Overlays(layers=tuple(page.layers), told=tuple(page.told))


def _top_row(page: _Page, logo: Image.Image | None, overlap: int) -> None:
    """Logo where reading begins, label at the other end."""
    height, room = 0, page.safe.width
    if page.asset.copy.disclosure:
        image = label(page.asset, page.fonts)
        page.lay("disclosure", image, page.at_end(image.width), page.top, 0, page.form.frames, soft=False)
        height, room = image.height, room - image.width - page.gap
    if logo is not None:
        wide = min(room, round(page.asset.brand.logo_width * min(page.size)))
        image = within(logo, wide, round(_LOGO_HIGH * page.safe.height))
        reach = max(4, round(0.12 * image.height))
        # The shadow may leave the safe area, the logo may not.
        around, left, top = shadowed(image, reach, 0.45), page.at_start(image.width) - reach, page.top - reach
        page.layers.append(layer_of("logo", around, left, top, page.size, 0, page.until + overlap, fall=overlap))
        height = max(height, image.height + round(page.asset.brand.clear_space * image.height))
    page.top += height + (page.gap if height else 0)


def label(asset: Asset, fonts: Sequence[Path]) -> Image.Image:
    """The disclosure label, on a ground of its own, so that it can be read on anything."""
    page = _Page(asset, fonts, asset.format.frames)
    width = round(_LABEL_WIDE * page.safe.width)
    block = page.chip(asset.copy.disclosure, _SMALL, width, round(0.25 * page.safe.height), _MEDIUM)
    return chip(block, WHITE, BLACK, _GROUND)


def _legal(page: _Page) -> None:
    """Legal lines, at the foot."""
    spans = page.spans("legal")
    if not spans:
        return
    block = page.chip(page.asset.copy.text("legal"), _SMALL, page.safe.width, round(0.2 * page.safe.height), _MEDIUM)
    image = _on_background(block, page.asset, "start")
    page.foot -= image.height
    for start, end in spans:
        page.lay("legal", image, page.at_start(image.width), page.foot, start, end)
    page.foot -= page.gap


def _on_background(block: Block, asset: Asset, align: str = "centre") -> Image.Image:
    back = rgb(asset.brand.background)
    return chip(block, readable(rgb(asset.brand.text), back), back, _GROUND, align)


def _offer_row(page: _Page) -> None:
    """Price and call to action, side by side where reading begins."""
    roles = [role for role in ("price", "call_to_action") if page.spans(role)]
    room = (page.safe.width - page.gap) // 2 if len(roles) > 1 else page.safe.width
    high = round(0.2 * page.safe.height)
    images = {}
    if "price" in roles:
        images["price"] = _on_background(page.chip(page.asset.copy.price, _PRICE, room, high, _BOLD, 1), page.asset)
    if "call_to_action" in roles:
        block = page.chip(page.asset.copy.call_to_action, _ACTION, room, high, _BOLD)
        images["call_to_action"] = button(block, page.asset)
    if not images:
        return
    height = max(image.height for image in images.values())
    page.foot -= height
    place = 0
    for role, image in images.items():
        left = page.at_start(image.width) + (-place if page.mirrored else place)
        for start, end in page.spans(role):
            page.lay(role, image, left, page.foot + (height - image.height) // 2, start, end)
        place += image.width + page.gap
    page.foot -= page.gap


def button(block: Block, asset: Asset) -> Image.Image:
    """A call to action on the brand's accent colour."""
    accent = rgb(asset.brand.accent)
    return chip(block, readable(rgb(asset.brand.text), accent, LARGE), accent, 1.0)


def _subtitles(page: _Page) -> None:
    """In the middle of the picture's foot, above what is seen at the same time, on a dark ground, two lines at most."""
    width = round((0.75 if page.wide else 1.0) * page.safe.width)
    high = round(0.3 * page.safe.height)
    below = [layer for layer in page.layers if layer.name in ("legal", "price", "call_to_action")]
    subtitles = []
    for one in page.asset.copy.subtitles:
        if one.start < page.until:
            block = page.chip(one.text, _SUBTITLE, width, high, _MEDIUM, 2)
            subtitles.append((one.start, min(one.end, page.until), chip(block, WHITE, BLACK, _GROUND)))
        else:
            page.told.append(f"subtitle of frame {one.start} is left out: it comes over the end card")
    together = [layer for layer in below if any(layer.start < end and start < layer.end for start, end, _ in subtitles)]
    foot = min([layer.box[1] - page.gap for layer in together], default=page.safe.bottom)
    for start, end, image in subtitles:
        top = foot - image.height
        page.lay("subtitle", image, page.safe.left + (page.safe.width - image.width) // 2, top, start, end, soft=False)
        page.foot = min(page.foot, top - page.gap)


def _headline(page: _Page, behind: npt.NDArray[np.uint8], frames: Sequence[int]) -> None:
    """At the head, on a veil that is as thin as can be."""
    asset, spans = page.asset, page.spans("headline")
    if not spans:
        return
    width = round((0.66 if page.wide else 1.0) * page.safe.width)
    block = page.set(asset.copy.headline, _HEADLINE, width, page.foot - page.top, _BOLD, 4)
    back = rgb(asset.brand.background)
    ink = readable(rgb(asset.brand.text), back)
    left, top = page.at_start(block.width), page.top
    foot = top + block.height
    seen = [i for i, number in enumerate(frames) if any(start <= number < end for start, end in spans)]
    under = behind[seen or slice(None), top:foot, left : left + block.width]
    solid, got = scrim(hardest(under, ink), ink, back)
    reach = max(4, round(0.16 * block.size))
    image = shadowed(draw(block, ink), reach, 0.5)
    for start, end in spans:
        if solid:
            height = min(page.form.height, foot + max(3 * block.size, round(0.8 * foot)))
            page.lay("veil", veil(page.form.width, height, foot, back, solid), 0, 0, start, end)
            # Under everything else, which it must not dim.
            page.layers.insert(0, page.layers.pop())
        page.lay("headline", image, left - reach, top - reach, start, end)
    page.told.append(f"headline of {block.size} px in {block.font.getname()[0]}, veil {solid:.2f}, contrast {got:.1f}")
