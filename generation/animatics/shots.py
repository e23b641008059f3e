"""Shots: what is seen at each moment of one, by its mode and what it is given.

A shot is a function from a moment to a frame. Moments come in their order, each once: footage is read along.
"""

from __future__ import annotations

import dataclasses
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
_CLOSE: Final = ("close-up", "close up", "closeup", "macro", "detail")
"""Words of a shot that is seen from near."""
_MEETING: Final = 0.3, 0.7
"""When the first of two pictures begins to go over into the last, and when it has."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Wanted:
    """One shot: its words, the files it is given by role, its colours, move and seed, and its form."""

    words: str
    given: Mapping[str, Sequence[Path]]
    palette: tuple[colours.Colour, ...]
    move: str
    seed: int
    size: tuple[int, int]
    rate: Fraction
    frames: int

    @property
    def phase(self) -> float:
        """Of what sways, in radians."""
        return self.seed % 628 / 100

    def file(self, *roles: str) -> Path | None:
        """The first file of the first of some roles that has one."""
        return next((path for role in roles for path in self.given.get(role, ())), None)


def shots_of(request: Request, seed: int, inputs: Mapping[int, Path]) -> list[tuple[Shot, str, int]]:
    """The shots of a request, in order: each with its words and its length in frames.

    Raises:
        ElementError: An input cannot be read.
    """
    move = camera.move_named(dict(request.parameters).get("camera", ""))
    wanted = _Wanted(
        words=request.prompt,
        given=_given(request, inputs),
        palette=palette_of(request, inputs),
        move=move,
        seed=seed,
        size=(request.width, request.height),
        rate=Fraction(request.frame_rate),
        frames=request.frames,
    )
    if request.mode != "storyboard" or not request.shots:
        return [(_shot(wanted, request.mode), request.prompt, request.frames)]
    moves = [move, *(m for m in ("push_in", "pan_right", "pull_out", "tilt_up") if m != move)]
    each = [
        dataclasses.replace(wanted, words=one.prompt, frames=one.frames, move=moves[n % len(moves)], seed=seed + n)
        for n, one in enumerate(request.shots)
    ]
    return [(_shot(one, request.mode), one.words, one.frames) for one in each]


def palette_of(request: Request, inputs: Mapping[int, Path]) -> tuple[colours.Colour, ...]:
    """The colours of a request: its parameter `palette`, else those of a picture in the role `style`, else by name."""
    named = dict(request.parameters).get("palette", "")
    style = next(iter(_given(request, inputs).get("style", ())), None)
    picture = stills.read_still(style, 512)[..., :3] if style and not named else None
    return colours.palette(named, picture, request.campaign)


def _shot(wanted: _Wanted, mode: str) -> Shot:
    first, last = wanted.file("first_frame", "image"), wanted.file("last_frame")
    if video := wanted.file("video"):
        return _after(wanted, video) if mode == "extend" else _changed(wanted, video)
    if last is not None:
        return _meeting(wanted, first, last)
    if first is None or wanted.given.get("subject"):
        return _drawn(wanted, first)
    start = _still(first, wanted.size)
    return lambda t, seconds: _still_at(start, wanted.move, t, seconds, wanted.phase)


def _given(request: Request, inputs: Mapping[int, Path]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for n, one in enumerate(request.inputs):
        found.setdefault(one.role, []).append(inputs[n])
    return found


def _drawn(wanted: _Wanted, behind: Path | None = None) -> Shot:
    """A drawn place, with the subjects in it; or subjects before a picture, where there is one."""
    size = wanted.size
    side = round(max(size) * _LARGEST)
    subjects = [stills.cut_out(stills.read_still(path, side)) for path in wanted.given.get("subject", ())]
    name = scenery.place_named(wanted.words)
    if subjects and name == "ribbons":
        name = "studio"
    if behind is None:
        layers = scenery.place(name, wanted.palette, wanted.seed, *size)
    else:
        blurred = cv2.GaussianBlur(_still(behind, size), (0, 0), max(0.8, min(size) / 240))
        layers = [Layer(pixels=blurred, solid=True, depth=0.5)]
    layers += scenery.motes(wanted.palette[-1], wanted.seed, *size)
    if subjects:
        close = any(sign in wanted.words.lower() for sign in _CLOSE)
        stone = behind is None and name == "hills"
        layers += scenery.standing(subjects, wanted.palette, *size, close=close, stone=stone)
    return lambda t, seconds: composed(layers, camera.view(wanted.move, t, seconds, wanted.phase), seconds, *size)


def _after(wanted: _Wanted, video: Path) -> Shot:
    """What comes after a video: the camera goes on from its last frame."""
    # What lies around that frame is not known.
    move = "handheld" if wanted.move == "pull_out" else wanted.move
    before = footage.last_frame(video, wanted.size)
    # The frame after the last one, not the last one again.
    step, second = 1 / wanted.frames, float(1 / wanted.rate)
    return lambda t, seconds: _still_at(before, move, t * (1 - step) + step, seconds + second, wanted.phase)


def _changed(wanted: _Wanted, video: Path) -> Shot:
    """A video in other colours, or with the masked part of it drawn anew."""
    size = wanted.size
    frames = footage.frames_at(video, wanted.rate, size)
    if mask := wanted.file("mask"):
        return _filling(frames, _drawn(wanted), stills.covered(stills.read_still(mask, max(size)), *size))
    wash: Picture = np.full((size[1], size[0], 4), [*(round(v) for v in wanted.palette[1]), 255], np.uint8)
    return lambda t, seconds: cv2.addWeighted(next(frames), 1 - _WASH, wash, _WASH, 0)


def _still(path: Path, size: tuple[int, int]) -> Picture:
    return stills.covered(stills.read_still(path, round(max(size) * _LARGEST)), *size)


def _still_at(picture: Picture, move: str, t: float, seconds: float, phase: float) -> Picture:
    # A picture's own edges are upright, and stay so.
    seen = dataclasses.replace(camera.view(move, t, seconds, phase), turn=0.0)
    return composed([Layer(pixels=picture, solid=True)], seen, seconds, picture.shape[1], picture.shape[0])


def _meeting(wanted: _Wanted, first: Path | None, last: Path) -> Shot:
    """From the first picture, or a drawn place, to the last one, which is reached exactly."""
    begins = _shot(dataclasses.replace(wanted, given={"first_frame": [first]} if first else {}), "text")
    end = _still(last, wanted.size)

    def shot(t: float, seconds: float) -> Picture:
        share = min(1.0, max(0.0, (t - _MEETING[0]) / (_MEETING[1] - _MEETING[0])))
        share = share * share * (3 - 2 * share)
        to = _still_at(end, "pull_out", t, seconds, wanted.phase)
        return to if share == 1 else cv2.addWeighted(begins(t, seconds), 1 - share, to, share, 0)

    return shot


def _filling(frames: Any, drawn: Shot, mask: Picture) -> Shot:
    """A video whose masked part is drawn anew; white is new."""
    new = cv2.GaussianBlur(mask[..., 0], (0, 0), 1.5).astype(np.float32) / 255
    old = 1 - new

    def shot(t: float, seconds: float) -> Picture:
        return cv2.blendLinear(np.ascontiguousarray(drawn(t, seconds)), np.ascontiguousarray(next(frames)), new, old)

    return shot
