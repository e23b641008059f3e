"""Shots drawn frame by frame: what rendered footage shows, and which edits it holds.

A film is a list of shots, so every edit in it is known to the frame. Shots look enough like camera pictures (texture,
grain, things that move, a moving camera) that a detector meets what it meets in real films; nothing here knows any
detector. The same seeds draw the same frames.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Camera = Literal["static", "pan", "zoom", "shake", "still", "black"]

MARGIN = 0.4
"""How much larger than the picture the painted background is, for the camera to move in."""


@dataclasses.dataclass(frozen=True)
class Shot:
    """One uninterrupted view, and how it is entered.

    Args:
        frames: Its length in frames, those mixed with its neighbours included; > 0.
        seed: What is seen. Shots with different seeds differ in colours, texture and shapes.
        camera: `static` (tripod; things move), `pan`, `zoom` (in), `shake` (handheld), `still` (every frame the
            same, no grain) or `black`.
        enter: `cut`; `dissolve` (its first `enter_frames` are mixed with the last of the shot before); or `fade` (the
            shot before darkens over its last `enter_frames`, this one comes up over as many; a first shot only
            comes up).
        enter_frames: Length of the dissolve, or of each half of the fade.
        flashes: Frames of this shot on which a photo flash goes off; its light is gone two frames later.
        palette: Seed of the colours, when they are to be those of another shot.
    """

    frames: int
    seed: int = 0
    camera: Camera = "static"
    enter: Literal["cut", "dissolve", "fade"] = "cut"
    enter_frames: int = 0
    flashes: tuple[int, ...] = ()
    palette: int | None = None


@dataclasses.dataclass(frozen=True)
class Tone:
    """A stretch of sound: a sine of `hertz` at a quarter of full scale, or digital silence for 0 Hz."""

    seconds: float
    hertz: float = 0.0


@dataclasses.dataclass(frozen=True)
class _Step:
    """One frame of the film: a frame of a shot, possibly mixed with a frame of the next, times a light level."""

    shot: int
    frame: int
    mixed: float = 0.0
    mixed_frame: int = 0
    level: float = 1.0


class _Scene:
    """What a shot shows: a painted background, things that move before it, a camera and its grain."""

    def __init__(self, shot: Shot, width: int, height: int) -> None:
        self.shot, self.width, self.height = shot, width, height
        rng = np.random.default_rng([shot.seed, 1])
        hues = np.random.default_rng([shot.seed if shot.palette is None else shot.palette, 2])
        wide, high = (int(n * (1 + MARGIN)) for n in (width, height))
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
        self.canvas: Image = np.clip(paint * (1 + 0.6 * texture[..., None]), 0, 255).astype(np.uint8)
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
        grain = rng.normal(0, 3.0, (height + 32, width + 32)).astype(np.int16)
        self.grain = cv2.merge([grain, grain, grain])
        self.base = self._through_camera(0)

    def _through_camera(self, frame: int) -> Image:
        t = frame / max(1, self.shot.frames - 1)
        zoom, angle, x, y = 1.0, 0.0, 0.0, 0.0
        if self.shot.camera == "pan":
            x = self.direction * (t - 0.5) * MARGIN * 0.95 * self.width
        elif self.shot.camera == "zoom":
            zoom = 1.0 + 0.45 * t
        elif self.shot.camera == "shake":
            p = self.phases
            x = self.width * (0.012 * math.sin(0.31 * frame + p[0]) + 0.006 * math.sin(1.1 * frame + p[1]))
            y = self.height * (0.014 * math.sin(0.27 * frame + p[2]) + 0.007 * math.sin(0.9 * frame + p[3]))
            angle = 0.010 * math.sin(0.23 * frame + p[4])
        c, s = math.cos(angle) / zoom, math.sin(angle) / zoom
        high, wide = self.canvas.shape[:2]
        matrix = np.array([[c, -s, wide / 2 + x], [s, c, high / 2 + y]])
        matrix[:, 2] -= matrix[:, :2] @ (self.width / 2, self.height / 2)
        size = (self.width, self.height)
        return np.asarray(
            cv2.warpAffine(self.canvas, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP), np.uint8
        )

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
        dx, dy = np.random.default_rng([self.shot.seed, 3, frame]).integers(0, 32, 2)
        cv2.add(picture, self.grain[dy : dy + self.height, dx : dx + self.width], picture, dtype=cv2.CV_8U)
        for since in (frame - f for f in self.shot.flashes):
            if 0 <= since < 2:
                light = (0.9, 0.4)[since]
                cv2.addWeighted(picture, 1 - light, np.full_like(picture, 255), light, 0, picture)
        return picture


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
        room = min(shot.frames, shots[number - 1].frames) if number else shot.frames
        if shot.frames < 1 or n > room or (shot.enter != "cut" and n < 1) or (shot.enter == "dissolve" and not number):
            raise ValueError(f"shot {number}: {shot.enter} of {n} frames does not fit")
        if shot.enter == "dissolve":
            begin -= n
            for k in range(n):
                steps[begin + k] = dataclasses.replace(steps[begin + k], mixed=(k + 1) / (n + 1), mixed_frame=k)
            gradual.append(["dissolve", begin, begin + n - 1])
            steps += [_Step(number, k) for k in range(n, shot.frames)]
        elif shot.enter == "fade":
            for k in range(n if number else 0):
                steps[begin - n + k] = dataclasses.replace(steps[begin - n + k], level=1 - (k + 1) / n)
            gradual.append(["fade-to-black", begin - n, begin + n - 1] if number else ["fade-in", 0, n - 1])
            steps += [_Step(number, k, level=min(1.0, k / n)) for k in range(shot.frames)]
        else:
            if number:
                hard.append(begin)
            steps += [_Step(number, k) for k in range(shot.frames)]
        flashes += [[begin + f, min(begin + f + 1, begin + shot.frames - 1)] for f in shot.flashes]
    return steps, {"frames": len(steps), "hard": hard, "gradual": gradual, "flashes": flashes}


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
            picture = np.asarray(cv2.addWeighted(picture, 1 - step.mixed, following, step.mixed, 0), np.uint8)
        if step.level < 1:
            picture = np.asarray(cv2.convertScaleAbs(picture, alpha=step.level), np.uint8)
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
