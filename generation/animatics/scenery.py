"""Scenery: what an animatic shows where no picture is given, and what a product stands in.

Three drawn places, chosen by the words of the shot, in the colours of the palette: hills under a sun, the arches of a
studio, ribbons of light. A product or person stands on the studio's floor, or on a stone before the hills.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np

from generation.animatics.camera import MARGIN
from generation.animatics.colours import Colour, mixed
from generation.animatics.layers import Layer, Picture, layer_of

PLACES: Final[Mapping[str, tuple[str, ...]]] = {
    "hills": (
        *("mountain", "hill", "ridge", "valley", "field", "forest", "desert", "sea", "beach", "lake", "coast", "sky"),
        *("sunrise", "sunset", "landscape", "garden", "meadow", "island", "trail", "outdoor"),
    ),
    "studio": (
        *("room", "kitchen", "street", "city", "station", "platform", "studio", "office", "table", "shop", "wall"),
        *("house", "window", "bridge", "car", "train", "gym", "indoor", "bathroom", "desk", "cafe"),
    ),
    "ribbons": ("abstract", "silk", "light trails", "smoke", "energy", "music", "wave", "texture", "liquid"),
}
"""Every place, with words of a shot that mean it."""

_FLOOR: Final = 0.72
"""Where the floor of the studio begins, as a share of the frame's height."""
_STAND: Final = 0.8
"""Where things stand on it."""
_TALL: Final = (0.5, 0.62)
"""Height of what stands there, as a share of the frame's, and in a close-up; less where it would be too wide."""
_WIDE: Final = (0.72, 0.88)
"""Most width of all that stands there, as a share of the frame's, and in a close-up."""

Colours = tuple[Colour, ...]


def place_named(words: str) -> str:
    """The place that the words of a shot mean; where they name none, one that is always the same for them."""
    said = words.lower()
    found = [(said.find(sign), name) for name, signs in PLACES.items() for sign in signs if sign in said]
    if found:
        return min(found)[1]
    return sorted(PLACES)[hashlib.sha256(said.encode()).digest()[0] % len(PLACES)]


def place(name: str, colours: Colours, seed: int, width: int, height: int) -> list[Layer]:
    """Layers of a place, the furthest first.

    Args:
        name: One of `PLACES`.
        colours: Four, from dark to light.
        seed: Chooses how it is drawn.
        width: Of the frame in pixels.
        height: Of the frame.
    """
    draw = {"hills": _hills, "studio": _studio, "ribbons": _ribbons}[name]
    return draw(colours, np.random.default_rng(seed), width, height)


def standing(
    things: Sequence[Any], colours: Colours, width: int, height: int, *, close: bool = False, stone: bool = False
) -> list[Layer]:
    """Layers of things that stand side by side, each with its shadow.

    Args:
        things: Pictures (height, width, 4) with transparency, from left to right.
        colours: Four, from dark to light.
        width: Of the frame in pixels.
        height: Of the frame.
        close: Whether they are seen from near.
        stone: Whether they stand on a stone, for a place that has no floor.
    """
    gap = 0.04 * width
    tall = _TALL[close] * height
    wide = sum(tall * one.shape[1] / one.shape[0] for one in things) + gap * (len(things) - 1)
    scale = min(1.0, _WIDE[close] * width / wide)
    tall, x, floor = tall * scale, (width - wide * scale) / 2, _STAND * height
    layers = [_stone(width / 2, floor, max(0.5 * width, wide * scale * 1.5), colours)] if stone else []
    for one in things:
        size = (max(2, round(tall * one.shape[1] / one.shape[0])), max(2, round(tall)))
        layers += _stood(_resized(one, size), x, floor, colours[0])
        x += size[0] + gap * scale
    return layers


def motes(light: Colour, seed: int, width: int, height: int) -> list[Layer]:
    """A few soft, bright spots before a place, as of dust in the light."""
    dice, layers = np.random.default_rng(seed), []
    for _ in range(7):
        radius = (0.008 + 0.03 * dice.random() ** 2) * min(width, height)
        rows, columns = np.mgrid[0 : 2 * math.ceil(radius) + 2, 0 : 2 * math.ceil(radius) + 2].astype(np.float32)
        away = np.hypot(rows - radius - 0.5, columns - radius - 0.5)
        cover = np.clip((radius - away) / (0.35 * radius + 1), 0, 1) * (0.1 + 0.14 * dice.random())
        layers.append(
            layer_of(
                _filled(light, cover),
                at=(dice.random() * width, (0.15 + 0.75 * dice.random()) * height),
                depth=1.3 + dice.random() * 0.5,
                drift=(0.02 * width, 0.03 * height),
                period=7.0 + 5 * dice.random(),
                phase=float(dice.random() * 6),
            )
        )
    return layers


def _stone(x: float, floor: float, wide: float, colours: Colours) -> Layer:
    """A broad, flat stone whose top is seen from a little above."""
    dark, low, high, _ = colours
    radius, flat, thick = wide / 2, wide * 0.09, wide * 0.12
    rows, columns = np.mgrid[0 : math.ceil(2 * flat + thick) + 4, 0 : math.ceil(wide) + 4].astype(np.float32)
    across = (columns - radius - 2) / radius
    bow = flat * np.sqrt(np.clip(1 - across**2, 0, 1))
    down = rows - flat - 2
    top = np.clip(bow - np.abs(down) + 0.5, 0, 1) * (np.abs(across) < 1)
    body = np.clip(np.minimum(bow + thick - down, down + bow) + 0.5, 0, 1) * (np.abs(across) < 1)
    side = _shaded(mixed(low, dark, 0.25), mixed(dark, low, 0.2), np.clip(across * 0.5 + 0.5, 0, 1), body)
    lit = _shaded(mixed(high, low, 0.35), mixed(low, high, 0.2), np.clip(across * 0.5 + 0.5, 0, 1), top)
    share = top[..., None]
    both = np.dstack([side[..., :3] * (1 - share) + lit[..., :3] * share, np.maximum(side[..., 3], lit[..., 3])])
    return layer_of(both.astype(np.uint8), at=(x - radius - 2, floor - flat - 2), depth=0.95)


def _stood(thing: Any, x: float, floor: float, dark: Colour) -> list[Layer]:
    """A thing with its foot at `floor`: the shadow that lies on the floor, the one where it touches, and itself."""
    high, wide = thing.shape[:2]
    pad = round(wide * 0.35)
    shadow = np.zeros((max(8, round(wide * 0.3)), wide + 2 * pad), np.float32)
    middle = (shadow.shape[1] // 2, shadow.shape[0] // 2)
    cv2.ellipse(shadow, middle, (round(wide * 0.56), max(2, round(wide * 0.07))), 0, 0, 360, 0.42, -1)
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(1.0, wide * 0.05))
    cv2.ellipse(shadow, middle, (round(wide * 0.4), max(1, round(wide * 0.025))), 0, 0, 360, 0.75, -1)
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(1.0, wide * 0.018))
    return [
        layer_of(_filled(dark, shadow), at=(x - pad, floor - middle[1]), depth=1.0),
        layer_of(thing, at=(x, floor - high), depth=1.0, drift=(0.0, max(0.6, high * 0.006)), period=5.0),
    ]


def _studio(colours: Colours, dice: Any, width: int, height: int) -> list[Layer]:
    """A lit wall with arches, and a floor."""
    dark, low, high, light = colours
    wall = _canvas(mixed(high, light, 0.55), mixed(low, high, 0.55), width, height, dice, _FLOOR)
    tall = min(height * _FLOOR * 0.88, width * 1.05) * (0.82 + 0.18 * dice.random())
    turned = 1 if dice.random() < 0.5 else -1
    layers = [Layer(pixels=wall, solid=True, depth=0.35)]
    for n, (share, tone) in enumerate(((1.0, mixed(high, light, 0.25)), (0.68, mixed(low, high, 0.25)))):
        x = width / 2 + turned * width * ((0.13 if n else -0.1) + 0.05 * (dice.random() - 0.5))
        layers.append(_arch(x, height * _FLOOR, tall * share, mixed(tone, light, 0.25), tone, 0.45 + 0.15 * n))
    floor = _floor(mixed(low, high, 0.3), mixed(dark, low, 0.55), width, height)
    return [*layers, floor]


def _arch(x: float, floor: float, tall: float, top: Colour, foot: Colour, depth: float) -> Layer:
    """A round arch that stands on the floor, and goes on behind it: the floor moves more than the arch."""
    wide = tall * 0.62
    rows, columns = np.mgrid[0 : math.ceil(tall * 1.08) + 2, 0 : math.ceil(wide) + 4].astype(np.float32)
    radius = wide / 2
    away = np.hypot(columns - radius - 2, np.minimum(rows - radius - 1, 0))
    cover = np.clip(radius - away + 0.5, 0, 1)
    return layer_of(_shaded(top, foot, np.minimum(rows / tall, 1), cover), at=(x - radius, floor - tall), depth=depth)


def _floor(near: Colour, far: Colour, width: int, height: int) -> Layer:
    rim = (MARGIN + 0.05) * width
    rows, _ = np.mgrid[0 : math.ceil(height * (1 - _FLOOR + 2 * MARGIN)), 0 : math.ceil(width + 2 * rim)].astype(
        np.float32
    )
    cover = np.clip(rows, 0, 1)
    share = np.clip(rows / (height * (1 - _FLOOR)), 0, 1) ** 0.7
    return layer_of(_shaded(near, far, share, cover), at=(-rim, _FLOOR * height), depth=0.85)


def _hills(colours: Colours, dice: Any, width: int, height: int) -> list[Layer]:
    """A sun over rows of hills."""
    dark, low, high, light = colours
    sky = _canvas(mixed(low, light, 0.4), mixed(high, light, 0.8), width, height, dice, 0.75)
    side, x = min(width, height), (0.3 + 0.4 * dice.random()) * width
    layers = [Layer(pixels=sky, solid=True, depth=0.2), *_sun(x, 0.4 * height, side * 0.17, light, high)]
    for n in range(4):
        share = n / 3
        tone = mixed(mixed(high, low, 0.35), dark, share**1.3)
        top = 0.52 + 0.1 * n + 0.02 * dice.random()
        layers.append(_ridge(tone, mixed(tone, light, 0.22 * (1 - share)), top, 0.35 + 0.28 * n, dice, width, height))
    return layers


def _sun(x: float, y: float, radius: float, light: Colour, glow: Colour) -> list[Layer]:
    reach = radius * 3.2
    rows, columns = np.mgrid[0 : 2 * math.ceil(reach), 0 : 2 * math.ceil(reach)].astype(np.float32)
    away = np.hypot(rows - reach, columns - reach)
    halo = 0.5 * np.clip(1 - away / reach, 0, 1) ** 2.2
    disc = np.clip(radius - away + 0.5, 0, 1)
    where: dict[str, Any] = {"at": (x - reach, y - reach), "depth": 0.28}
    return [layer_of(_filled(mixed(light, glow, 0.3), halo), **where), layer_of(_filled(light, disc), **where)]


def _ridge(tone: Colour, crest: Colour, top: float, depth: float, dice: Any, width: int, height: int) -> Layer:
    """One row of hills: a few waves on top of each other."""
    rim = 0.3 * width * depth
    x = np.arange(math.ceil(width + 2 * rim), dtype=np.float32) / width
    line, shape = np.zeros_like(x), 1.4 * (width / height) ** 0.4
    for waves, share in ((0.7, 1.0), (1.6, 0.45), (3.1, 0.18)):
        line += share * np.sin(2 * math.pi * (waves * x * shape + dice.random()))
    tall = 0.055 * height * min(1.0, width / height)
    rows = np.arange(math.ceil((1 - top + 0.3) * height), dtype=np.float32)[:, None]
    below = rows - (line * tall + 2 * tall)[None, :]
    return layer_of(
        _shaded(crest, tone, np.clip(below / (0.3 * height), 0, 1), np.clip(below, 0, 1)),
        at=(-rim, top * height - 2 * tall),
        depth=depth,
        drift=(width * 0.002 * depth, 0.0),
        period=9.0,
        phase=depth,
    )


def _ribbons(colours: Colours, dice: Any, width: int, height: int) -> list[Layer]:
    """Broad bands of light that wave across the frame."""
    dark, low, high, light = colours
    night = _canvas(mixed(dark, low, 0.7), dark, width, height, dice, 1.0)
    layers = [Layer(pixels=night, solid=True, depth=0.25)]
    rim = 0.25 * width
    x = np.arange(math.ceil(width + 2 * rim), dtype=np.float32)[None, :] / width
    for n, tone in enumerate((low, mixed(low, high, 0.6), high, mixed(high, light, 0.6))):
        wave = 0.1 * np.sin(2 * math.pi * (x * (0.5 + 0.12 * n) + dice.random()))
        centre = (0.16 + 0.22 * n + wave - 0.18 * (x - 0.5)) * height
        thick = (0.17 - 0.012 * n) * height * (1 + 0.3 * np.sin(2 * math.pi * (x * 0.7 + dice.random())))
        tall = math.ceil(height * 1.2)
        rows = np.arange(tall, dtype=np.float32)[:, None] - 0.1 * height
        share = (rows - centre) / thick
        cover = np.clip((1 - np.abs(share)) * thick / 2, 0, 1) * (0.82 - 0.35 * np.clip(share, -1, 1))
        layers.append(
            layer_of(
                _shaded(mixed(tone, light, 0.25), tone, np.clip(share / 2 + 0.5, 0, 1), np.clip(cover, 0, 1)),
                at=(-rim, -0.1 * height),
                depth=0.45 + 0.25 * n,
                drift=(width * 0.012, height * 0.012),
                period=6.0 + n,
                phase=float(dice.random() * 6),
            )
        )
    return layers


def _canvas(top: Colour, foot: Colour, width: int, height: int, dice: Any, reach: float) -> Picture:
    """A wall from one colour to another, darker in the corners, with a grain that keeps the steps from being seen."""
    wide, tall = math.ceil(width * (1 + 2 * MARGIN)), math.ceil(height * (1 + 2 * MARGIN))
    rows = (np.arange(tall, dtype=np.float32)[:, None] / height - MARGIN) / reach
    columns = np.arange(wide, dtype=np.float32)[None, :] / wide - 0.5
    share = np.clip(rows, 0, 1)[..., None]
    away = (columns / 0.5) ** 2 + ((np.arange(tall, dtype=np.float32)[:, None] / tall - 0.45) / 0.55) ** 2
    picture = np.array(top, np.float32) * (1 - share) + np.array(foot, np.float32) * share
    picture = picture * (1 - 0.16 * away[..., None] / 2)
    grain = dice.random((tall, wide, 1), np.float32) * 2.4 - 0.7
    opaque = np.full((tall, wide, 1), 255, np.float32)
    made: Picture = np.dstack([np.clip(picture + grain, 0, 255), opaque]).astype(np.uint8)
    return made


def _shaded(top: Colour, foot: Colour, share: Any, cover: Any) -> Any:
    """A picture with transparency whose colour goes from one to another, and whose cover is 0 to 1."""
    made = np.empty((*cover.shape, 4), np.uint8)
    for n, (begins, ends) in enumerate(zip(top, foot, strict=True)):
        made[..., n] = share * np.float32(ends - begins) + np.float32(begins + 0.5)
    made[..., 3] = cover * np.float32(255) + np.float32(0.5)
    return made


def _filled(colour: Colour, cover: Any) -> Any:
    return _shaded(colour, colour, np.float32(0), cover)


def _resized(rgba: Any, size: tuple[int, int]) -> Any:
    """A picture with transparency in another size; colours weigh by their cover, so that no fringe is seen."""
    smaller = size[0] < rgba.shape[1]
    cover = rgba[..., 3:].astype(np.float32) / 255
    made = cv2.resize(
        np.dstack([rgba[..., :3] * cover, cover]), size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    )
    share = np.clip(made[..., 3:], 0, 1)
    return np.dstack([made[..., :3] / np.maximum(share, 1e-4), share * 255]).round().clip(0, 255).astype(np.uint8)
