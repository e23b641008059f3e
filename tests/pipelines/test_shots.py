"""Edits are planned to the frame, and shots look like what they are."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pipelines.shots import Shot, Tone, pictures, plan, sound


@pytest.mark.parametrize(
    ("shots", "edits"),
    [
        ([Shot(10)], {"frames": 10, "hard": [], "gradual": [], "flashes": []}),
        ([Shot(10), Shot(5), Shot(7)], {"frames": 22, "hard": [10, 15], "gradual": [], "flashes": []}),
        (
            [Shot(10), Shot(8, enter="dissolve", enter_frames=4), Shot(5)],
            {"frames": 19, "hard": [14], "gradual": [["dissolve", 6, 9]], "flashes": []},
        ),
        (
            [Shot(10, enter="fade", enter_frames=3), Shot(8, enter="fade", enter_frames=4)],
            {"frames": 18, "hard": [], "gradual": [["fade-in", 0, 2], ["fade-to-black", 6, 13]], "flashes": []},
        ),
        (
            [Shot(10), Shot(9, flashes=(3, 8))],
            {"frames": 19, "hard": [10], "gradual": [], "flashes": [[13, 14], [18, 18]]},
        ),
    ],
)
def test_edits_stand_where_the_shots_put_them(shots: list[Shot], edits: dict[str, Any]):
    steps, planned = plan(shots)
    assert planned == edits
    assert len(steps) == len(list(pictures(shots, 32, 18))) == edits["frames"]


@pytest.mark.parametrize(
    "shots",
    [
        [Shot(0)],
        [Shot(10, enter="dissolve", enter_frames=2)],
        [Shot(10), Shot(10, enter="dissolve")],
        [Shot(3), Shot(10, enter="dissolve", enter_frames=4)],
        [Shot(10), Shot(3, enter="fade", enter_frames=4)],
    ],
)
def test_an_edit_that_does_not_fit_is_refused(shots: list[Shot]):
    with pytest.raises(ValueError, match="does not fit"):
        plan(shots)


def change(shot: Shot) -> np.ndarray:
    drawn = [p.astype(int) for p in pictures([shot], 160, 90)]
    return np.array([np.abs(b - a).mean() for a, b in itertools.pairwise(drawn)])


def test_a_still_does_not_change_a_tripod_little_and_a_moving_camera_more():
    still, tripod, shake = (float(change(Shot(20, seed=3, camera=c)).mean()) for c in ("still", "static", "shake"))
    assert still == 0
    assert 1 < tripod < shake < 15


def test_a_flash_is_light_and_gone_two_frames_later():
    lit, dark = (np.array([p.mean() for p in pictures([Shot(8, seed=4, flashes=f)], 64, 36)]) for f in ((3,), ()))
    assert np.flatnonzero(lit - dark > 10).tolist() == [3, 4]
    assert lit[3] > 220


def test_fades_reach_black_and_bars_stay_black():
    shots = [Shot(6, seed=5), Shot(6, seed=6, enter="fade", enter_frames=3)]
    drawn = list(pictures(shots, 64, 48, (8, 6)))
    assert [p.max() == 0 for p in drawn] == [k in (5, 6) for k in range(12)]
    assert all(p[:8].max() == 0 and p[-6:].max() == 0 for p in drawn)


def test_a_palette_is_shared_and_the_picture_is_not():
    first, same_colours, other = (
        next(pictures([s], 160, 90)) for s in (Shot(1, seed=7), Shot(1, seed=8, palette=7), Shot(1, seed=9))
    )
    assert np.abs(first.astype(int) - same_colours).mean() > 10
    assert (
        np.abs(first.mean((0, 1)) - same_colours.mean((0, 1))).max()
        < np.abs(first.mean((0, 1)) - other.mean((0, 1))).max()
    )


def test_tones_follow_one_another_to_the_sample():
    samples = sound([Tone(0.25, 400), Tone(0.5), Tone(0.1, 100)], 16000)
    assert samples.dtype == np.float32
    assert len(samples) == 13600
    assert not samples[4000:12000].any()
    assert 0.24 < np.abs(samples).max() <= 0.25
    assert sound([], 16000).shape == (0,)
