"""End card: the brand's last word on its own background, laid out anew for every shape of picture.

In wide pictures the product stands beside the words, in tall and square ones above them. Everything lies in the safe
area; what does not fit is made smaller, all of it alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from generation.asset import Asset
from generation.contrast import readable, rgb
from generation.drawing import chip, gradient, padding, shadowed, with_round_corners, within
from generation.overlays import Box, button, label, safe_box, sized
from generation.typesetting import Block, draw, reads_right_to_left, set_text
from transforms.failures import ElementError

_HEADLINE: Final = 0.082
_PRICE: Final = 0.07
_ACTION: Final = 0.05
_LEGAL: Final = 0.024
"""Sizes of texts at full size, as shares of the picture's smaller side."""
_LINES: Final = 5
"""Most lines of a headline: more is no headline."""
_SHRINK: Final = 0.92
_SMALLEST: Final = 0.45
_PICTURE_WIDE: Final = 0.44
"""Share of the safe width that a product has beside the words."""
_PICTURE_HIGH: Final = 0.45
"""Share of the safe height that it has above them."""


def end_card(asset: Asset, logo: Image.Image | None, product: Image.Image | None, fonts: Sequence[Path]) -> Image.Image:
    """The picture of an asset's end card, in the size of its format.

    Raises:
        ElementError: `bad_copy`: a text has no font, or all of it does not fit.
    """
    form, brand = asset.format, asset.brand
    back = rgb(brand.background)
    # A quarter of the main colour at the foot gives depth and keeps the contrast of the text.
    foot = tuple(round(b * 0.72 + p * 0.28) for b, p in zip(back, rgb(brand.primary), strict=True))
    card = gradient(form.width, form.height, back, (foot[0], foot[1], foot[2])).convert("RGBA")
    safe = safe_box(form)
    mirrored = reads_right_to_left(asset.copy.language)
    ink = readable(rgb(brand.text), back)
    top, bottom = safe.top, safe.bottom
    if asset.copy.disclosure:
        # The label itself is a layer over the whole asset; the card leaves it its room.
        top += label(asset, fonts).height + sized(form, 0.02)
    if asset.copy.legal:
        block = _text(asset, asset.copy.text("legal"), _LEGAL, safe.width, round(0.22 * safe.height), 400, fonts)
        bottom -= block.height
        card.alpha_composite(draw(block, ink, align="centre"), (_middle(safe, block.width), bottom))
        bottom -= sized(form, 0.03)
    room = Box(left=safe.left, top=top, right=safe.right, bottom=bottom)
    wide = form.width > 1.2 * form.height
    if product is not None:
        room = _with_product(card, product, room, wide, mirrored)
    _column(card, asset, logo, room, "start" if wide and product is not None else "centre", fonts)
    return card.convert("RGB")


def _with_product(card: Image.Image, product: Image.Image, room: Box, wide: bool, mirrored: bool) -> Box:
    """Put the product in its place; what is left for the words."""
    gap = round(0.04 * min(card.size))
    reach = round(0.025 * min(card.size))
    if wide:
        width = round(_PICTURE_WIDE * room.width)
        left = room.left if mirrored else room.right - width
        place = Box(left=left, top=room.top, right=left + width, bottom=room.bottom)
        rest = (room.left + width + gap, room.right) if mirrored else (room.left, room.right - width - gap)
        words = Box(left=rest[0], top=room.top, right=rest[1], bottom=room.bottom)
    else:
        height = round(_PICTURE_HIGH * room.height)
        place = Box(left=room.left, top=room.top, right=room.right, bottom=room.top + height)
        words = Box(left=room.left, top=place.bottom + gap, right=room.right, bottom=room.bottom)
    fitted = within(product, place.width - 2 * reach, place.height - 2 * reach)
    image = shadowed(with_round_corners(fitted, reach), reach, 0.5)
    card.alpha_composite(image, (_middle(place, image.width), place.top + (place.height - image.height) // 2))
    return words


def _column(
    card: Image.Image, asset: Asset, logo: Image.Image | None, room: Box, align: str, fonts: Sequence[Path]
) -> None:
    """Logo, headline, price and button below one another, in the middle of a place."""
    scale = 1.0
    while True:
        try:
            images = _parts(asset, logo, room, scale, align, fonts)
            gap = round(0.045 * scale * min(card.size))
            height = sum(image.height for image in images) + gap * max(0, len(images) - 1)
            if height <= room.height:
                break
            problem = (
                f"{asset.name}: logo and texts of the end card need {height} of {room.height} pixels: shorten them"
            )
        except ElementError as error:
            problem = error.message
        if scale * _SHRINK < _SMALLEST:
            raise ElementError("bad_copy", problem)
        scale *= _SHRINK
    place = room.top + (room.height - height) // 2
    starts_right = align == "start" and reads_right_to_left(asset.copy.language)
    for image in images:
        left = _middle(room, image.width)
        if align == "start":
            left = room.right - image.width if starts_right else room.left
        card.alpha_composite(image, (left, place))
        place += image.height + gap


def _parts(
    asset: Asset, logo: Image.Image | None, room: Box, scale: float, align: str, fonts: Sequence[Path]
) -> list[Image.Image]:
    form, brand, copy = asset.format, asset.brand, asset.copy
    back = rgb(brand.background)
    ink = readable(rgb(brand.text), back)
    made: list[Image.Image] = []
    if logo is not None:
        wide = round(1.7 * brand.logo_width * scale * min(form.width, form.height))
        made.append(within(logo, min(wide, room.width), round(0.3 * room.height)))
    if copy.headline:
        block = _text(asset, copy.headline, _HEADLINE * scale, room.width, room.height, 700, fonts, _LINES)
        made.append(draw(block, ink, align=align))
    for text, share, is_button in ((copy.price, _PRICE, False), (copy.call_to_action, _ACTION, True)):
        if text:
            across, down = padding(sized(form, share * scale))
            size = (room.width - 2 * across, room.height - 2 * down)
            block = _text(asset, text, share * scale, *size, 700, fonts)
            made.append(button(block, asset) if is_button else _price(block, asset))
    return made


def _price(block: Block, asset: Asset) -> Image.Image:
    """The price, on the second colour where that sets it off."""
    ground = rgb(asset.brand.primary)
    return chip(block, readable(rgb(asset.brand.text), ground), ground, 1.0)


def _text(
    asset: Asset, text: str, share: float, width: int, height: int, weight: int, fonts: Sequence[Path], lines: int = 0
) -> Block:
    size = sized(asset.format, share)
    return set_text(
        text, width=width, height=height, size=size, least=max(10, round(0.8 * size)), language=asset.copy.language,
        weight=weight, files=fonts, lines=lines,
    )  # fmt: skip


def _middle(room: Box, width: int) -> int:
    return room.left + (room.width - width) // 2
