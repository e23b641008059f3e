"""Render a film for judging detectors: ten minutes with every edit known to the frame.

    python -m benchmarks.film --output FOLDER [--size 640x360] [--seconds 600] [--seed 1] [--shots MEDIA/real]

writes `film.mp4` (24 frames a second, H.264) and `truth.json`. A minute holds about sixteen hard cuts and three gradual
transitions (dissolves of 8 to 48 frames, fades through black and white, wipes), and what is taken for them: photo
flashes and lightning, whip pans, handheld cameras, crash zooms, changing light, something passing close in front of
the camera, titles. Shots come in scenes of one light, often alike in colours: some are dark and noisy, some of low
contrast; some cuts go back to the view before the last, or nearer to the same one. Some shots last 0.4 s.

`--shots` takes every second shot from real files between their known cuts (`cuts.json` beside them). The same seed,
size and length give the same pictures; which bytes depends on the build of the encoder.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipelines.footage import TRUTH, render
from pipelines.shots import PASS_FRAMES, Camera, Enter, Excerpt, Shot, Wipe

FPS: Final = 24
NAME: Final = "film.mp4"
SHORTEST: Final = 10
"""Frames of the shortest shots: 0.4 s."""

_SHOTS_A_MINUTE: Final = 19
_GRADUAL_A_MINUTE: Final = 3

_LOOKS: Final[tuple[tuple[str, float], ...]] = (
    ("static", 4),
    ("pan", 3),
    ("handheld", 4),
    ("running", 3),
    ("zoom", 2),
    ("crash zoom", 1),
    ("whip pan", 1.5),
    ("light changes", 1.5),
    ("flashes", 1.5),
    ("lightning", 1),
    ("passing", 2),
    ("titles", 2),
)
"""What a shot may be like, with how often against each other."""

_SCENES: Final[tuple[tuple[str, float], ...]] = (("bright", 7), ("dark", 1.5), ("faint", 1))
"""What a scene may be like."""

_BACK, _NEARER, _ALIKE = 0.12, 0.06, 0.4
"""Shares of the shots inside a scene that go back to the view before the last, go nearer to the one before, or have the
colours of the scene's first."""

_GRADUAL: Final[tuple[Enter, ...]] = ("dissolve", "dissolve", "dissolve", "fade", "wipe", "fade-white")
_DISSOLVES: Final = (8, 12, 16, 24, 32, 48)
_WIPES: Final = (
    Wipe(0),
    Wipe(180, soft=0.3),
    Wipe(90),
    Wipe(45, soft=0.15),
    Wipe(None, soft=0.1),
    Wipe(270, soft=0.5),
)


def _deck(rng: np.random.Generator, weighted: tuple[tuple[str, float], ...], count: int) -> list[str]:
    """`count` words in random order, each as often as its weight says."""
    total = sum(weight for _, weight in weighted)
    words = [word for word, weight in weighted for _ in range(round(weight / total * count))]
    words += [weighted[k % len(weighted)][0] for k in range(count - len(words))]
    return [str(word) for word in rng.permutation(words[:count])]


def _shot(rng: np.random.Generator, scene: str, look: str, frames: int, seed: int) -> Shot:
    """A painted shot of a look, in a scene."""
    cameras: tuple[Camera, ...] = ("static", "pan", "shake", "zoom")
    camera = cameras[int(rng.integers(4))]
    some = tuple(sorted({int(n) for n in rng.integers(5, max(6, frames - 8), 1 + frames // 40)}))
    looks: dict[str, dict[str, Any]] = {
        "static": {},
        "pan": {"camera": "pan"},
        "handheld": {"camera": "shake", "pace": float(rng.uniform(1, 2))},
        "running": {"camera": "shake", "pace": float(rng.uniform(3, 7))},
        "zoom": {"camera": "zoom", "pace": float(rng.choice([-1, 1]))},
        "crash zoom": {"camera": "zoom", "pace": float(rng.choice([-4, 4]))},
        "whip pan": {"camera": "whip"},
        "light changes": {"camera": camera},
        "flashes": {"camera": camera, "flashes": some},
        "lightning": {"camera": camera, "lightning": some},
        "passing": {"camera": camera, "passing": (int(rng.integers(0, max(1, frames - PASS_FRAMES))),)},
        "titles": {"camera": camera, "titles": some},
    }
    light, noise = {"bright": (1.0, 3.0), "dark": (0.28, 4.5), "faint": (0.9, 2.0)}[scene]
    light *= float(rng.uniform(0.8, 1.2)) * (0.5 if look == "lightning" else 1.0)
    until = light * float(rng.choice([0.4, 2.0])) if look == "light changes" else light
    contrast = float(rng.uniform(0.25, 0.4)) if scene == "faint" else 1.0
    return Shot(frames, seed=seed, light=(light, until), noise=noise, contrast=contrast, **looks[look])


def _again(shot: Shot, seen: Shot, closer: float) -> Shot:
    """A shot with the view of another one."""
    return dataclasses.replace(shot, seed=seen.seed, palette=seen.palette, closer=closer)


def excerpts(folder: Path) -> list[tuple[Excerpt, int]]:
    """Stretches without an edit of the files that `cuts.json` in a folder describes, with their lengths in frames."""
    found = []
    for name, about in json.loads((folder / "cuts.json").read_text()).items():
        if name.startswith("_") or "hard" not in about or not (folder / name).is_file():
            continue
        # A gradual transition is known to a few frames only: stay clear of it.
        edges = [(cut, cut) for cut in about["hard"]] + [(first - 6, last + 7) for _, first, last in about["gradual"]]
        begin = 0
        for first, after in [*sorted(edges), (about["frames"], about["frames"])]:
            if first - begin >= SHORTEST:
                found.append((Excerpt(str(folder / name), begin), first - begin))
            begin = max(begin, after)
    return found


def film(seconds: float = 600, seed: int = 1, shots: Path | None = None) -> tuple[list[Shot], list[str]]:
    """The shots of a film, and what each is like.

    Args:
        seconds: Length of the film, met to a few seconds.
        seed: Another one gives another film of the same kind.
        shots: Folder of real files with `cuts.json`, to take every second shot from.
    """
    rng = np.random.default_rng([seed, 10])
    minutes = seconds / 60
    count, slow = max(2, round(_SHOTS_A_MINUTE * minutes)), round(_GRADUAL_A_MINUTE * minutes)
    lengths = np.exp(rng.normal(np.log(2.4), 0.75, count))
    lengths[rng.permutation(count)[: max(1, count // 16)]] = rng.uniform(0.4, 0.6)
    frames = np.round(lengths * (seconds / lengths.sum()) * FPS).clip(SHORTEST, 15 * FPS).astype(int)
    looks, scenes = _deck(rng, _LOOKS, count), iter(_deck(rng, _SCENES, count))
    real = excerpts(shots) if shots else []
    ways: dict[int, tuple[Enter, int]] = {}
    lasting = itertools.cycle(_DISSOLVES)
    for k, place in enumerate(rng.permutation(np.arange(1, count))[:slow]):
        kind = _GRADUAL[k % len(_GRADUAL)]
        ways[int(place)] = (kind, next(lasting) if kind == "dissolve" else int(rng.integers(8, 25)))
    made: list[Shot] = []
    words: list[str] = []
    last: list[int] = []
    scene, begun, more = "", 0, 0
    for n in range(count):
        if not more:
            scene, begun, more = next(scenes), n, int(rng.integers(1, 8))
        more -= 1
        kind, length = ways.get(n, ("cut", 0))
        least = length + ways.get(n + 1, ("cut", 0))[1] + SHORTEST
        long = max(int(frames[n]), least)
        shot = _shot(rng, scene, looks[n], long, seed * 1000 + n)
        if rng.random() < _ALIKE:
            shot = dataclasses.replace(shot, palette=seed * 1000 + begun)
        word = f"{scene}, {looks[n]}"
        view = rng.random()
        fits = [k for k, (_, most) in enumerate(real) if n % 2 and k not in last and most >= least]
        if fits:
            pick = int(rng.choice(fits))
            last = [*last[-5:], pick]  # so that no two shots near each other are one in the file
            excerpt, most = real[pick]
            long = min(long, most)
            excerpt = dataclasses.replace(excerpt, first=excerpt.first + int(rng.integers(0, most - long + 1)))
            shot, word = Shot(long, seed=seed * 1000 + n, excerpt=excerpt), "real"
        elif n - begun >= 2 and view < _BACK:
            shot, word = _again(shot, made[-2], made[-2].closer), f"{word}, back"
        elif n - begun >= 1 and kind == "cut" and view < _BACK + _NEARER:
            shot, word = _again(shot, made[-1], 1.7), f"{word}, nearer"
        words.append(word)
        hold = int(rng.integers(0, 13)) if kind.startswith("fade") else 0
        wipe = _WIPES[int(rng.integers(len(_WIPES)))]
        made.append(dataclasses.replace(shot, enter=kind, enter_frames=length, hold=hold, wipe=wipe))
    return made, words


def write(folder: Path, size: tuple[int, int], seconds: float, seed: int, shots: Path | None = None) -> dict[str, Any]:
    """Render the film and `truth.json` into a folder; returns what is true of the film."""
    folder.mkdir(parents=True, exist_ok=True)
    made, words = film(seconds, seed, shots)
    truth = render(folder / NAME, made, width=size[0], height=size[1], fps=FPS)
    starts, begin = [], 0
    for shot in made:
        begin += shot.hold - (shot.enter_frames if shot.enter in ("dissolve", "wipe") else 0)
        starts.append(begin)
        begin += shot.frames
    truth["shots"] = [[start, word] for start, word in zip(starts, words, strict=True)]
    about = {
        "_doc": "What is true of each file: hard = first frame (from 0, as shown) of each shot entered by a cut; "
        "gradual = [kind, first, last frame that is a mixture]; flashes = [first, last]; shots = [first frame, look].",
        NAME: truth,
    }
    (folder / TRUTH).write_text(json.dumps(about, indent=1))
    return truth


def main(argv: list[str] | None = None) -> int:
    """Render, and say what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder for film.mp4 and truth.json")
    parser.add_argument("--size", default="640x360", help="WIDTHxHEIGHT, even")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shots", type=Path, help="folder with real files and their cuts.json, for every second shot")
    arguments = parser.parse_args(argv)
    width, height = (int(n) for n in arguments.size.split("x"))
    begun = time.process_time()
    truth = write(arguments.output, (width, height), arguments.seconds, arguments.seed, arguments.shots)
    print(
        f"{arguments.output / NAME}: {truth['frames']} frames, {len(truth['hard'])} hard cuts, "
        f"{len(truth['gradual'])} gradual transitions, {len(truth['flashes'])} photo flashes; "
        f"{time.process_time() - begun:.0f} s of CPU"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
