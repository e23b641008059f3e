from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from benchmarks.camera import REAL, Clip, clip_of, decoded, flow_of, rendered
from tests.transforms.test_flow import scene, view
from transforms.camera import WORDS, Camera, camera_of
from transforms.flow import COLUMNS

BASE = Fraction(1, 24)
RNG = np.random.default_rng(1)
GRAIN = [RNG.normal(0, 2.0, (144, 256)) for _ in range(72)]


def found(move, size=(256, 144), rotation=0, frames=72, pictures=None) -> Camera:
    """The camera over pictures whose content moved, at each frame, as `move(frame)` says."""
    pictures = pictures or [view(*move(k), size=size) for k in range(frames)]
    return camera_of(flow_of(enumerate(pictures), BASE), BASE, size, rotation)


@pytest.mark.parametrize("size", [(256, 144), (144, 256), (192, 192)])
@pytest.mark.parametrize(
    ("word", "move"),
    [
        ("static", lambda k: ()),
        ("pan right", lambda k: (0.1 - 0.003 * k,)),
        ("pan left", lambda k: (0.001 * k,)),
        ("tilt down", lambda k: (0, 0.1 - 0.003 * k)),
        ("tilt up", lambda k: (0, 0.0012 * k)),
        ("zoom in", lambda k: (0, 0, 0.004 * k)),
        ("zoom out", lambda k: (0, 0, 0.4 - 0.005 * k)),
        ("roll ccw", lambda k: (0, 0, 0, 0.006 * k)),
        ("roll cw", lambda k: (0, 0, 0, -0.003 * k)),
        ("handheld", lambda k: (0.02 * math.sin(0.5 * k), 0.015 * math.cos(0.7 * k))),
    ],
)
def test_words(word, move, size):
    camera = found(move, size)
    assert camera.word == word
    assert camera.confidence > 0.5
    assert camera.moving < 0.1


def test_flat_and_noisy_pictures_are_unknown():
    rng = np.random.default_rng(2)
    for level, noise in ((0, 0), (128, 0), (90, 2)):
        pictures = [
            np.clip(level + rng.normal(0, noise, (144, 256)), 0, 255).astype(np.uint8)
            if noise
            else np.full((144, 256), level, np.uint8)
            for _ in range(48)
        ]
        camera = found(None, pictures=pictures)
        assert camera.word == "unknown"
        assert camera.confidence == 0
    assert found(None, pictures=[np.zeros((144, 256), np.uint8)] * 48) == Camera("unknown", 0.0, 0.0, 0.0)


def test_motion_is_in_picture_widths_a_second_and_moving_is_a_share():
    camera = found(lambda k: (0.002 * k,))
    assert camera.motion == pytest.approx(0.002 * 24, rel=0.1)
    pictures, thing = [], scene(seed=4, side=120)
    for k in range(60):
        picture = view()
        picture[40 : 40 + 72, 20 + 2 * k : 20 + 2 * k + 64] = thing[:72, :64]
        pictures.append(picture)
    camera = found(None, pictures=pictures)
    assert camera.word == "static"
    assert 0.08 < camera.moving < 0.3  # an eighth of the picture, and what it uncovers
    assert 0.01 < camera.motion < 2 / 256 * 24 * 0.3


@pytest.mark.parametrize(
    ("rotation", "word"), [(0, "pan right"), (90, "tilt down"), (180, "pan left"), (270, "tilt up")]
)
def test_directions_are_those_of_the_picture_as_shown(rotation, word):
    # What is stored moves left; turned clockwise by 90 it moves up, which is a camera that tilts down.
    camera = found(lambda k: (-0.002 * k,), rotation=rotation)
    assert camera.word == word
    wide = 256 / 144 if rotation in (90, 270) else 1.0
    assert camera.motion == pytest.approx(0.002 * 24 * wide, rel=0.1)
    assert found(lambda k: (0, 0, 0, 0.006 * k), rotation=rotation).word == "roll ccw"
    assert found(lambda k: (0, 0, 0.004 * k), rotation=rotation).word == "zoom in"


def test_only_pairs_inside_the_clip_count():
    other = scene(seed=8)
    pictures = [view(0.004 * k) for k in range(30)] + [view(0, 0.003 * k, source=other) for k in range(42)]
    rows = flow_of(enumerate(pictures), BASE)
    size = (256, 144)
    assert any(
        pts - gap < 30 <= pts for pts, gap in zip(rows["pts"], rows["gap"], strict=True)
    )  # one lies over the cut
    assert camera_of(rows, BASE, size, span=(0, 30)).word == "pan left"
    inside = camera_of(rows, BASE, size, span=(30, 72))
    assert inside.word == "tilt up"
    assert inside.moving < 0.05
    nothing = camera_of(rows, BASE, size, span=(30, 31))
    assert nothing == Camera("unknown", 0.0, 0.0, 0.0)


def test_slides_are_not_compared():
    rows = {name: np.zeros(4, np.int64) for name in COLUMNS}
    rows |= {"pts": np.arange(1, 5), "gap": np.ones(4, np.int64), "texture": np.full(4, 9000)}
    rows["followers"] = np.full(4, 9000)
    assert camera_of(rows, Fraction(1, 4), (256, 144)).word == "static"
    assert camera_of(rows, Fraction(1, 1), (256, 144)).word == "unknown"
    none = {name: column[:0] for name, column in rows.items()}
    assert camera_of(none, BASE, (256, 144)).word == "unknown"


def test_grain_and_a_pause_change_no_word():
    still = [np.clip(view() + grain, 0, 255).astype(np.uint8) for grain in GRAIN]
    assert found(None, pictures=still).word == "static"
    assert found(lambda k: (0.004 * max(0, k - 36),)).word == "pan left"  # rests for half of the clip


def test_the_benchmark_draws_every_word_and_the_same_clips_again():
    clips = [clip_of(1, k, 200) for k in range(200)]
    assert clips == [clip_of(1, k, 200) for k in range(200)]
    assert {clip.word for clip in clips} == set(WORDS)
    assert 0.4 < sum(clip.encoded for clip in clips) / 200 < 0.6
    assert isinstance(clips[0], Clip)


@pytest.mark.slow
def test_rendered_clips_of_known_movement():
    results = list(rendered(seed=7, clips=40))
    right = [clip.word == camera.word for clip, camera in results]
    assert sum(right) >= 0.9 * len(right)
    sure = [r for r, (_, camera) in zip(right, results, strict=True) if camera.confidence > 0.6]
    assert len(sure) > 15
    assert sum(sure) >= 0.95 * len(sure)


@pytest.mark.parametrize(
    "file", ["moviepy_fire2.mp4", "torchcodec_nasa_13013.mp4", "mdn_rabbit320.mp4", "libopenshot_run.mp4"]
)
def test_real_scenes_labelled_by_eye(media: Path, file):
    for label in (label for label in REAL if label.file == file):
        rows, base, size, rotation = decoded(media / "real" / file, label.start, label.end)
        assert camera_of(rows, base, size, rotation).word == label.word, label
