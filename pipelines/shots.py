"""Shots drawn frame by frame: what rendered footage shows, and which edits it holds.

A film is a list of shots, so every edit in it is known to the frame. Shots look enough like camera pictures (texture,
grain, things that move, a moving camera) that a detector meets what it meets in real films; nothing here knows any
detector. The same seeds draw the same frames.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import av
import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Camera = Literal["static", "pan", "zoom", "shake", "whip", "still", "black"]
Enter = Literal["cut", "dissolve", "fade", "fade-white", "wipe"]

MARGIN = 0.4
"""How much larger than the picture the painted background is, for the camera to move in."""

WHIP_MARGIN, WHIP_FRAMES = 2.0, 12
"""The same in width for a whip pan, and how long that takes from rest to rest."""

LIGHTNING = (0.9, 0.35, 0.7, 0.5, 0.2)
"""Light that a stroke of lightning adds, frame by frame (1: as much as there is)."""

PASS_FRAMES = 22
"""How long something close takes to pass in front of the camera."""


@dataclasses.dataclass(frozen=True)
class Excerpt:
    """Frames of a file shown instead of a drawing: from frame `first` (from 0, as shown) on, cropped to the picture."""

    path: str
    first: int = 0


@dataclasses.dataclass(frozen=True)
class Wipe:
    """How a wipe uncovers the new shot.

    Args:
        angle: Where its edge moves, in degrees: 0 to the right, 90 down; None for a circle that opens in the middle.
        soft: Width of its edge against the way it goes; 0 for a sharp one.
    """

    angle: float | None = 0.0
    soft: float = 0.0


@dataclasses.dataclass(frozen=True)
class Shot:
    """One uninterrupted view, and how it is entered.

    Args:
        frames: Its length in frames, those mixed with its neighbours included; > 0.
        seed: What is seen. Shots with different seeds differ in colours, texture and shapes.
        camera: `static` (tripod; things move), `pan`, `zoom` (in), `shake` (handheld), `whip` (a pan too fast to see
            anything, in the middle of the shot), `still` (every frame the same, no grain) or `black`.
        enter: `cut`; `dissolve` or `wipe` (its first `enter_frames` are mixed with the last of the shot before);
            `fade` through black or `fade-white` (the shot before goes over its last `enter_frames`, this one comes up
            over as many; a first shot only comes up).
        enter_frames: Length of the dissolve or wipe, or of each half of the fade.
        flashes: Frames of this shot on which a photo flash goes off; its light is gone two frames later.
        palette: Seed of the colours, when they are to be those of another shot.
        wipe: What the wipe looks like.
        hold: Frames of black or white between the halves of the fade, not counted in `frames`.
        pace: How strongly the camera moves against the usual, a zoom also how much sooner it is over; a `zoom` below 0
            is out.
        closer: How much larger everything is than painted: the same view from nearer by has the same seed.
        light: Exposure at its start and its end; 1 as painted.
        contrast: 1 as painted; below, all nears a middle gray.
        noise: Standard deviation of the grain in 8-bit levels; above 4 it is coloured, as in the dark.
        lightning: Frames on which lightning strikes, lasting `len(LIGHTNING)` frames.
        passing: Frames on which something close begins to pass in front, hiding all or most of the picture.
        titles: Frames on which a title appears, or changes.
        excerpt: Real frames in place of painted ones; everything but `seed`, `camera`, `palette` and `noise` still
            holds.
    """

    frames: int
    seed: int = 0
    camera: Camera = "static"
    enter: Enter = "cut"
    enter_frames: int = 0
    flashes: tuple[int, ...] = ()
    palette: int | None = None
    wipe: Wipe = Wipe()
    hold: int = 0
    pace: float = 1.0
    closer: float = 1.0
    light: tuple[float, float] = (1.0, 1.0)
    contrast: float = 1.0
    noise: float = 3.0
    lightning: tuple[int, ...] = ()
    passing: tuple[int, ...] = ()
    titles: tuple[int, ...] = ()
    excerpt: Excerpt | None = None


@dataclasses.dataclass(frozen=True)
class Tone:
    """A stretch of sound: a sine of `hertz` at a quarter of full scale, or digital silence for 0 Hz."""

    seconds: float
    hertz: float = 0.0


@dataclasses.dataclass(frozen=True)
class _Step:
    """One frame of the film: of a shot, possibly with a share of a frame of the next mixed in, or of one colour."""

    shot: int
    frame: int
    mixed: float = 0.0
    mixed_frame: int = 0
    wipe: Wipe | None = None
    level: float = 1.0
    towards: int = 0


class _Painted:
    """A painted background, things that move before it, a camera and its grain."""

    def __init__(self, shot: Shot, width: int, height: int) -> None:
        self.shot, self.width, self.height = shot, width, height
        rng = np.random.default_rng([shot.seed, 1])
        hues = np.random.default_rng([shot.seed if shot.palette is None else shot.palette, 2])
        wide, high = int(width * (1 + (WHIP_MARGIN if shot.camera == "whip" else MARGIN))), int(height * (1 + MARGIN))
        hue = hues.uniform(0, 180)
        top = _colour(hue, hues.uniform(60, 150), hues.uniform(110, 235))
        bottom = _colour(hue + hues.uniform(20, 100), hues.uniform(70, 170), hues.uniform(40, 150))
        ramp = np.linspace(0, 1, high, dtype=np.float32)[:, None, None]
        paint = np.broadcast_to(top * (1 - ramp) + bottom * ramp, (high, wide, 3)).copy()
        for _ in range(int(rng.integers(8, 16))):  # what stands there: blocks and mounds in the palette's colours
            colour = tuple(
                float(c) for c in _colour(hue + hues.uniform(-40, 120), hues.uniform(40, 200), rng.uniform(30, 230))
            )
            x, y = int(rng.uniform(0, wide)), int(rng.uniform(0.25, 1.0) * high)
            w, h = int(rng.uniform(0.04, 0.22) * wide), int(rng.uniform(0.08, 0.5) * high)
            if rng.random() < 0.6:
                cv2.rectangle(paint, (x, y), (x + w, y + h), colour, -1, cv2.LINE_AA)
            else:
                cv2.ellipse(
                    paint, (x, y), (w // 2 + 1, h // 2 + 1), rng.uniform(0, 90), 0, 360, colour, -1, cv2.LINE_AA
                )
        texture = np.zeros((high, wide), np.float32)
        for cells, weight in ((6, 0.35), (24, 0.25), (96, 0.2)):  # light and shade from broad to fine
            coarse = rng.uniform(-1, 1, (max(2, cells * high // wide), cells)).astype(np.float32)
            texture += weight * cv2.resize(coarse, (wide, high), interpolation=cv2.INTER_CUBIC)
        paint *= 1 + 0.6 * texture[..., None]
        if shot.contrast != 1:
            paint = 110 + (paint - 110) * shot.contrast
        self.canvas: Image = np.clip(paint, 0, 255).astype(np.uint8)
        count = 0 if shot.camera == "still" else int(rng.integers(2, 5))
        self.things = [
            (
                rng.uniform(0.05, 0.16) * height,  # half height
                rng.uniform(0.5, 1.6),  # width over height
                rng.uniform(0.1, 0.9, 2),  # where it starts
                rng.uniform(0.0008, 0.004) * rng.choice([-1, 1]),  # picture widths a frame
                rng.uniform(0.01, 0.05),  # how far it bobs
                rng.uniform(0.03, 0.12),  # radians a frame
                tuple(
                    float(c) for c in _colour(hue + hues.uniform(60, 200), hues.uniform(90, 220), rng.uniform(60, 245))
                ),
            )
            for _ in range(count)
        ]
        self.phases = rng.uniform(0, 2 * math.pi, 6)
        self.direction = float(rng.choice([-1, 1]))
        grain = rng.normal(0, shot.noise, (height + 32, width + 32)).astype(np.int16)
        self.grain = cv2.merge([grain, np.roll(grain, 7, 0), np.roll(grain, 5, 1)] if shot.noise > 4 else [grain] * 3)
        self.base = self._through_camera(0)

    def _through_camera(self, frame: int) -> Image:
        t = frame / max(1, self.shot.frames - 1)
        zoom, angle, x, y, blur, pace = 1.0, 0.0, 0.0, 0.0, 0, self.shot.pace
        if self.shot.camera == "pan":
            x = self.direction * (t - 0.5) * MARGIN * 0.95 * self.width * pace
        elif self.shot.camera == "zoom":
            t = min(1.0, max(0.0, 0.5 + (t - 0.5) * abs(pace)))
            zoom = 1.0 + 0.45 * abs(pace) * (t if pace >= 0 else 1 - t)
        elif self.shot.camera == "shake":
            p = self.phases
            x = self.width * (0.012 * math.sin(0.31 * frame + p[0]) + 0.006 * math.sin(1.1 * frame + p[1])) * pace
            y = self.height * (0.014 * math.sin(0.27 * frame + p[2]) + 0.007 * math.sin(0.9 * frame + p[3])) * pace
            angle = 0.010 * math.sin(0.23 * frame + p[4]) * pace
        elif self.shot.camera == "whip":
            at = min(1.0, max(0.0, (frame - (self.shot.frames - WHIP_FRAMES) / 2) / WHIP_FRAMES))
            way = self.direction * WHIP_MARGIN * 0.9 * self.width * pace
            x = way * (at * at * (3 - 2 * at) - 0.5)
            blur = int(abs(way) * 6 * at * (1 - at) / WHIP_FRAMES / 2)  # a shutter open for half of the frame
        zoom *= self.shot.closer
        c, s = math.cos(angle) / zoom, math.sin(angle) / zoom
        high, wide = self.canvas.shape[:2]
        matrix = np.array([[c, -s, wide / 2 + x], [s, c, high / 2 + y]])
        matrix[:, 2] -= matrix[:, :2] @ (self.width / 2, self.height / 2)
        size, how = (self.width, self.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(self.canvas, matrix, size, flags=how, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(cv2.blur(seen, (blur, 1)) if blur > 1 else seen, np.uint8)

    def draw(self, frame: int) -> Image:
        """The frame of the shot, (height, width, 3) BGR."""
        camera = self.shot.camera
        if camera == "black":
            return np.zeros((self.height, self.width, 3), np.uint8)
        if camera == "still":
            return self.base.copy()
        picture = self.base.copy() if camera == "static" else self._through_camera(frame)
        for half, aspect, (x0, y0), speed, bob, pace, colour in self.things:
            x = ((x0 + speed * frame + 0.2) % 1.4 - 0.2) * self.width
            y = (y0 + bob * math.sin(pace * frame)) * self.height
            centre, axes = (int(x * 16), int(y * 16)), (int(half * aspect * 16), int(half * 16))
            cv2.ellipse(picture, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, 4)
            shade = (colour[0] * 0.6, colour[1] * 0.6, colour[2] * 0.6)
            cv2.ellipse(
                picture,
                (centre[0], centre[1] + axes[1] // 3),
                (axes[0] // 2, axes[1] // 2),
                0,
                0,
                360,
                shade,
                -1,
                cv2.LINE_AA,
                4,
            )
        if self.shot.light != (1.0, 1.0):
            first, last = self.shot.light
            gain = first + (last - first) * frame / max(1, self.shot.frames - 1)
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=gain), np.uint8)
        dx, dy = np.random.default_rng([self.shot.seed, 3, frame]).integers(0, 32, 2)
        cv2.add(picture, self.grain[dy : dy + self.height, dx : dx + self.width], picture, dtype=cv2.CV_8U)
        return picture


class _Filmed:
    """Frames of a file, read in order; the last one stays where the file ends."""

    def __init__(self, shot: Shot, excerpt: Excerpt, width: int, height: int) -> None:
        self.shot, self.width, self.height = shot, width, height
        self.container = av.open(excerpt.path)
        self.frames = itertools.islice(self.container.decode(video=0), excerpt.first, None)
        self.at, self.picture = -1, np.zeros((height, width, 3), np.uint8)

    def draw(self, frame: int) -> Image:
        """The frame of the shot, (height, width, 3) BGR; never an earlier one than before."""
        while self.at < frame:
            if (decoded := next(self.frames, None)) is not None:
                full = decoded.to_ndarray(format="bgr24")
                high, wide = full.shape[:2]
                scale = max(self.width / wide, self.height / high)
                w, h = min(wide, round(self.width / scale)), min(high, round(self.height / scale))
                x, y = (wide - w) // 2, (high - h) // 2
                part = full[y : y + h, x : x + w]
                how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
                self.picture = np.asarray(cv2.resize(part, (self.width, self.height), interpolation=how), np.uint8)
            self.at += 1
        return self.picture.copy()


class _Scene:
    """What a shot shows: painted or filmed, and what happens before it."""

    def __init__(self, shot: Shot, width: int, height: int) -> None:
        self.shot = shot
        self.view = _Filmed(shot, shot.excerpt, width, height) if shot.excerpt else _Painted(shot, width, height)
        self.rng = np.random.default_rng([shot.seed, 4]).random(4)

    def draw(self, frame: int) -> Image:
        """The frame of the shot, (height, width, 3) BGR."""
        picture, shot = self.view.draw(frame), self.shot
        for since in (frame - f for f in shot.passing):
            if 0 <= since < PASS_FRAMES:
                _pass_by(picture, (since + 0.5) / PASS_FRAMES, self.rng)
        for since in (frame - f for f in shot.flashes):
            if 0 <= since < 2:
                light = (0.9, 0.4)[since]
                cv2.addWeighted(picture, 1 - light, np.full_like(picture, 255), light, 0, picture)
        for since in (frame - f for f in shot.lightning):
            if 0 <= since < len(LIGHTNING):
                picture = np.asarray(cv2.convertScaleAbs(picture, alpha=1 + LIGHTNING[since], beta=25), np.uint8)
        if shown := [n for n, first in enumerate(shot.titles) if first <= frame]:
            _write(picture, shot.seed * 31 + shown[-1])
        return picture


def _pass_by(picture: Image, at: float, chance: npt.NDArray[np.float64]) -> None:
    """Draw something close, out of focus, on its way across; `at` goes from 0 (not here yet) to 1 (gone)."""
    height, width = picture.shape[:2]
    half = width * (0.25 + 0.3 * chance[0])
    x = (
        (at * (width + 2.4 * half) - 1.2 * half)
        if chance[1] < 0.5
        else (width + 1.2 * half - at * (width + 2.4 * half))
    )
    shape = np.zeros((9, 16), np.float32)  # drawn tiny: the enlargement is its blur
    cv2.ellipse(
        shape, (int(x / width * 16 * 16), 5 * 16), (int(half / width * 16 * 16), 9 * 16), 0, 0, 360, (1.0,), -1, 8, 4
    )
    cover = cv2.resize(shape, (width, height), interpolation=cv2.INTER_LINEAR)
    tone = np.full_like(picture, (20 + 80 * chance[2], 25 + 60 * chance[3], 30 + 90 * chance[3]))
    picture[...] = cv2.blendLinear(tone, picture, np.asarray(cover, np.float32), np.asarray(1 - cover, np.float32))


def _write(picture: Image, number: int) -> None:
    """Write a title of two lines, low in the picture; each number gives another one."""
    height, width = picture.shape[:2]
    rng = np.random.default_rng([number, 5])
    scale, thick = height / 260, max(1, height // 180)
    for line in range(2):
        letters = "".join(chr(c) for c in rng.integers(65, 91, int(rng.integers(8, 18))))
        at = (int(width * 0.08), int(height * (0.78 + 0.12 * line)))
        cv2.putText(picture, letters, at, cv2.FONT_HERSHEY_DUPLEX, scale, (20, 20, 20), thick * 3, cv2.LINE_AA)
        cv2.putText(picture, letters, at, cv2.FONT_HERSHEY_DUPLEX, scale, (240, 240, 240), thick, cv2.LINE_AA)


def _colour(hue: float, saturation: float, value: float) -> npt.NDArray[np.float32]:
    hsv = np.array([[[hue % 180, min(saturation, 255), min(value, 255)]]], np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0], np.float32)


def plan(shots: Sequence[Shot]) -> tuple[list[_Step], dict[str, Any]]:
    """The film frame by frame, and its edits: `hard`, `gradual` and `flashes` as in `render`."""
    steps: list[_Step] = []
    hard: list[int] = []
    gradual: list[list[Any]] = []
    flashes: list[list[int]] = []
    for number, shot in enumerate(shots):
        n, begin = shot.enter_frames, len(steps)
        room = shot.frames
        if number:
            earlier = shots[number - 1]
            room = min(room, earlier.frames - (earlier.enter_frames if earlier.enter in ("dissolve", "wipe") else 0))
        mixes = shot.enter in ("dissolve", "wipe")
        if shot.frames < 1 or n > room or (shot.enter != "cut" and n < 1) or (mixes and not number):
            raise ValueError(f"shot {number}: {shot.enter} of {n} frames does not fit")
        if mixes:
            begin -= n
            wipe = shot.wipe if shot.enter == "wipe" else None
            for k in range(n):
                steps[begin + k] = dataclasses.replace(
                    steps[begin + k], mixed=(k + 1) / (n + 1), mixed_frame=k, wipe=wipe
                )
            gradual.append([shot.enter, begin, begin + n - 1])
            steps += [_Step(number, k) for k in range(n, shot.frames)]
        elif shot.enter != "cut":
            white = shot.enter == "fade-white"
            towards = 255 if white else 0
            for k in range(n if number else 0):
                steps[begin - n + k] = dataclasses.replace(steps[begin - n + k], level=1 - (k + 1) / n, towards=towards)
            steps += [_Step(number, 0, level=0.0, towards=towards)] * shot.hold
            first, begin = begin - n if number else 0, begin + shot.hold
            kind = "fade-in" if not number else "fade-to-white" if white else "fade-to-black"
            gradual.append([kind, first, begin + n - 1])
            steps += [_Step(number, k, level=min(1.0, k / n), towards=towards) for k in range(shot.frames)]
        else:
            if number:
                hard.append(begin)
            steps += [_Step(number, k) for k in range(shot.frames)]
        flashes += [[begin + f, min(begin + f + 1, begin + shot.frames - 1)] for f in shot.flashes]
    return steps, {"frames": len(steps), "hard": hard, "gradual": gradual, "flashes": flashes}


def uncovered(wipe: Wipe, share: float, width: int, height: int) -> npt.NDArray[np.float32]:
    """How much of the new shot each pixel shows, (height, width) from 0 to 1, `share` of the way through a wipe."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    if wipe.angle is None:
        way = np.sqrt((x * x + y * y) / 2)
    else:
        c, s = math.cos(math.radians(wipe.angle)), math.sin(math.radians(wipe.angle))
        way = (x * c + y * s) / (abs(c) + abs(s)) / 2 + 0.5
    soft = max(wipe.soft, 1e-3)
    return np.asarray(np.clip((share * (1 + soft) - way) / soft, 0, 1), np.float32)


def pictures(shots: Sequence[Shot], width: int, height: int, bars: tuple[int, int] = (0, 0)) -> Iterator[Image]:
    """Draw a film, one (height, width, 3) BGR picture after another; `bars` are black rows at top and bottom."""
    top, bottom = bars
    scenes: dict[int, _Scene] = {}

    def scene(number: int) -> _Scene:
        if number not in scenes:
            scenes[number] = _Scene(shots[number], width, height - top - bottom)
        return scenes[number]

    for step in plan(shots)[0]:
        for gone in [n for n in scenes if n < step.shot]:
            del scenes[gone]
        picture = scene(step.shot).draw(step.frame)
        if step.mixed:
            following = scene(step.shot + 1).draw(step.mixed_frame)
            if step.wipe is None:
                picture = np.asarray(cv2.addWeighted(picture, 1 - step.mixed, following, step.mixed, 0), np.uint8)
            else:
                share = uncovered(step.wipe, step.mixed, picture.shape[1], picture.shape[0])
                picture = np.asarray(cv2.blendLinear(following, picture, share, 1 - share), np.uint8)
        if step.level < 1:
            beta = step.towards * (1 - step.level)
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=step.level, beta=beta), np.uint8)
        yield (
            cv2.copyMakeBorder(picture, top, bottom, 0, 0, cv2.BORDER_CONSTANT).astype(np.uint8)
            if top or bottom
            else picture
        )


def sound(tones: Sequence[Tone], rate: int) -> npt.NDArray[np.float32]:
    """The samples of tones one after another, in [-1, 1], at `rate` Hz."""
    parts = []
    for tone in tones:
        t = np.arange(round(tone.seconds * rate)) / rate
        wave = 0.25 * np.sin(2 * math.pi * tone.hertz * t)
        ramp = (
            np.minimum(1.0, np.minimum(t, t[::-1]) / 0.005) if len(t) else t
        )  # 5 ms, so that tones begin without a click
        parts.append((wave * ramp).astype(np.float32))
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
