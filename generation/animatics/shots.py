"""Shots: what is seen at each moment of one, by its mode and what it is given.

A shot is a function from a moment to a frame. Moments come in their order, each once: footage is read along.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from generation.animatics import camera, colours, footage, scenery, stills
from generation.animatics.layers import Layer, Picture, composed
from generation.request import Request

Shot = Callable[[float, float], Picture]
"""From how much has passed (0 to 1) and how many seconds to a frame, (height, width, 4)."""

_LARGEST: Final = 1.5
"""Pixels of a still that are kept, by pixels of the frame's longer side: a camera that goes near needs no more."""
_WASH: Final = 0.18
"""Share of the palette's colour over a video that is changed: it is seen that something will be different."""
_MEETING: Final = 0.3, 0.7
"""When the first of two pictures begins to go over into the last, and when it has."""


def shots_of(request: Request, seed: int, inputs: Mapping[int, Path]) -> list[tuple[Shot, str, int]]:
    """The shots of a request, in order: each with its words and its length in frames.

    Raises:
        ElementError: An input cannot be read.
    """
    told = dict(request.parameters)
    given = _given(request, inputs)
    move = camera.move_named(told.get("camera", ""))
    palette = palette_of(request, seed, inputs)
    if request.mode == "storyboard" and request.shots:
        moves = [move, *(m for m in ("push_in", "pan_right", "pull_out", "tilt_up") if m != move)]
        return [
            (_shot(request, given, palette, moves[n % len(moves)], seed + n * len(palette)), one.prompt, one.frames)
            for n, one in enumerate(request.shots)
        ]
    return [(_shot(request, given, palette, move, seed), request.prompt, request.frames)]


def palette_of(request: Request, seed: int, inputs: Mapping[int, Path]) -> tuple[colours.Colour, ...]:
    """The colours of a request: its parameter `palette`, else those of a picture in the role `style`, else by seed."""
    named = dict(request.parameters).get("palette", "")
    style = next(iter(_given(request, inputs).get("style", ())), None)
    picture = stills.read_still(style, 512)[..., :3] if style and not named else None
    return colours.palette(named, picture, seed)


def _shot(
    request: Request, given: Mapping[str, Sequence[Path]], palette: tuple[colours.Colour, ...], move: str, seed: int
) -> Shot:
    size, rate = (request.width, request.height), Fraction(request.frame_rate)
    video, first, last = (
        next(itertools.chain.from_iterable(given.get(role, ()) for role in roles), None)
        for roles in (("video",), ("first_frame", "image"), ("last_frame",))
    )
    phase = seed % 628 / 100
    if video and request.mode == "extend":
        if move == "pull_out":  # What lies around the last frame is not known.
            move = "handheld"
        before = footage.last_frame(video, size)
        # The frame after the last one, not the last one again.
        step = 1 / request.frames
        return lambda t, seconds: _still_at(before, move, t * (1 - step) + step, seconds + 1 / float(rate), phase)
    drawn = _drawn(given, palette, move, seed, size, phase)
    if video:
        frames = footage.frames_at(video, rate, size)
        if mask := next(iter(given.get("mask", ())), None):
            return _filling(frames, drawn, stills.covered(stills.read_still(mask, max(size)), *size))
        wash: Picture = np.full((size[1], size[0], 4), [*(round(v) for v in palette[1]), 255], np.uint8)
        return lambda t, seconds: cv2.addWeighted(next(frames), 1 - _WASH, wash, _WASH, 0)
    start = _still(first, size) if first else None
    end = _still(last, size) if last else None
    if start is not None and given.get("subject"):
        return _drawn(given, palette, move, seed, size, phase, start)
    if end is not None:
        return _meeting(start, drawn, end, move, phase)
    return drawn if start is None else lambda t, seconds: _still_at(start, move, t, seconds, phase)


def _given(request: Request, inputs: Mapping[int, Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for n, one in enumerate(request.inputs):
        found.setdefault(one.role, []).append(inputs[n])
    return found


def _drawn(
    given: Mapping[str, Sequence[Path]],
    palette: tuple[colours.Colour, ...],
    move: str,
    seed: int,
    size: tuple[int, int],
    phase: float,
    behind: Picture | None = None,
) -> Shot:
    """A drawn place, with the subjects in it; or before a picture, where there is one."""
    side = round(max(size) * _LARGEST)
    subjects = [stills.cut_out(stills.read_still(path, side)) for path in given.get("subject", ())]
    if subjects:
        layers = scenery.stage(subjects, palette, seed, *size)
        if behind is not None:
            blurred = cv2.GaussianBlur(behind, (0, 0), max(0.8, min(size) / 240))
            layers = [Layer(pixels=blurred, solid=True, depth=0.5), *layers[scenery.BEHIND :]]
    else:
        layers = scenery.place(palette, seed, *size)
    return lambda t, seconds: composed(layers, camera.view(move, t, seconds, phase), seconds, *size)


def _still(path: Path, size: tuple[int, int]) -> Picture:
    return stills.covered(stills.read_still(path, round(max(size) * _LARGEST)), *size)


def _still_at(picture: Picture, move: str, t: float, seconds: float, phase: float) -> Picture:
    # A picture's own edges are upright, and stay so.
    seen = dataclasses.replace(camera.view(move, t, seconds, phase), turn=0.0)
    return composed([Layer(pixels=picture, solid=True)], seen, seconds, picture.shape[1], picture.shape[0])


def _meeting(start: Picture | None, drawn: Shot, end: Picture, move: str, phase: float) -> Shot:
    """From the first picture, or a drawn place, to the last one, which is reached exactly."""

    def shot(t: float, seconds: float) -> Picture:
        share = min(1.0, max(0.0, (t - _MEETING[0]) / (_MEETING[1] - _MEETING[0])))
        share = share * share * (3 - 2 * share)
        last = _still_at(end, "pull_out", t, seconds, phase)
        if share == 1:
            return last
        first = drawn(t, seconds) if start is None else _still_at(start, move, t, seconds, phase)
        return cv2.addWeighted(first, 1 - share, last, share, 0)

    return shot


def _filling(frames: Any, drawn: Shot, mask: Picture) -> Shot:
    """A video whose masked part is drawn anew; white is new."""
    new = cv2.GaussianBlur(mask[..., 0], (0, 0), 1.5).astype(np.float32) / 255
    old = 1 - new

    def shot(t: float, seconds: float) -> Picture:
        return cv2.blendLinear(np.ascontiguousarray(drawn(t, seconds)), np.ascontiguousarray(next(frames)), new, old)

    return shot
