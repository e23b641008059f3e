"""Edits are planned to the frame, and shots look like what they are."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.footage import render
from pipelines.shots import LIGHTNING, PASS_FRAMES, Excerpt, Shot, Tone, Wipe, pictures, plan, sound, uncovered


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
            [Shot(10), Shot(8, enter="wipe", enter_frames=4, wipe=Wipe(90)), Shot(5)],
            {"frames": 19, "hard": [14], "gradual": [["wipe", 6, 9]], "flashes": []},
        ),
        (
            [Shot(10), Shot(8, enter="fade-white", enter_frames=3, hold=5, flashes=(4,)), Shot(4)],
            {"frames": 27, "hard": [23], "gradual": [["fade-to-white", 7, 17]], "flashes": [[19, 20]]},
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
        [Shot(10, enter="wipe", enter_frames=2)],
        [Shot(10), Shot(8, enter="dissolve", enter_frames=5), Shot(8, enter="wipe", enter_frames=4)],
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


@pytest.mark.parametrize(("enter", "end"), [("fade", 0), ("fade-white", 255)])
def test_a_fade_reaches_its_colour_and_stays_there_while_it_is_held(enter: Any, end: int):
    drawn = list(pictures([Shot(6, seed=5), Shot(6, seed=6, enter=enter, enter_frames=3, hold=4)], 64, 48))
    flat = [bool((p == end).all()) for p in drawn]
    assert flat == [5 <= k <= 10 for k in range(16)]


WAYS = (0, 45, 90, 180, 270, None)


@pytest.mark.parametrize("wipe", [None, *(Wipe(a, s) for a in WAYS for s in (0.0, 0.4))])
def test_each_frame_of_a_gradual_transition_shows_both_shots_and_no_other_frame_does(wipe: Wipe | None):
    before, after = Shot(8, seed=1, camera="still"), Shot(9, seed=2, camera="still", enter_frames=5)
    entered = replace(after, enter="wipe", wipe=wipe) if wipe else replace(after, enter="dissolve")
    alone = [next(pictures([replace(s, enter="cut")], 64, 36)).astype(int) for s in (before, after)]
    drawn = list(pictures([before, entered], 64, 36))
    same = [[bool((p == a).all()) for p in drawn] for a in alone]
    assert same == [[k < 3 for k in range(12)], [k >= 8 for k in range(12)]]
    gone = [float(np.abs(p - alone[0]).mean()) for p in drawn[2:9]]
    assert gone == sorted(gone), "the new shot comes in more and more"


@pytest.mark.parametrize("angle", WAYS)
def test_a_wipe_uncovers_its_share_sharply_or_softly(angle: float | None):
    sharp, soft = (uncovered(Wipe(angle, s), 0.5, 160, 90) for s in (0.0, 0.5))
    assert np.isin(sharp, (0, 1)).mean() > 0.95
    assert np.isin(soft, (0, 1)).mean() < 0.7
    assert 0.3 < sharp.mean() < 0.8
    assert 0.3 < soft.mean() < 0.8


@pytest.mark.parametrize(
    ("angle", "first"), [(0, (5, 0)), (180, (5, -1)), (90, (0, 5)), (270, (-1, 5)), (None, (5, 5))]
)
def test_a_wipe_goes_where_it_is_told(angle: float | None, first: tuple[int, int]):
    assert uncovered(Wipe(angle), 0.2, 11, 11)[first] == 1
    assert uncovered(Wipe(angle), 0.2, 11, 11).mean() < 0.4


def test_light_contrast_noise_and_pace_are_what_they_are_called():
    plain, dark, flat, noisy = (
        list(pictures([Shot(4, seed=3, **kinds)], 160, 90))
        for kinds in ({}, {"light": (0.2, 0.2)}, {"contrast": 0.3}, {"noise": 6.0})
    )
    assert dark[0].mean() < 0.4 * plain[0].mean()
    assert flat[0].std() < 0.8 * plain[0].std()
    coarse, fine = (float(np.abs(p[1].astype(int) - p[0]).mean()) for p in (noisy, plain))
    assert coarse > 1.5 * fine
    brighter = [p.mean() for p in pictures([Shot(9, seed=3, light=(0.3, 0.9))], 64, 36)]
    assert brighter == sorted(brighter)
    walk, run = (float(change(Shot(20, seed=3, camera="shake", pace=p)).mean()) for p in (1, 5))
    assert run > 1.5 * walk
    closer, out = (change(Shot(20, seed=3, camera="zoom", pace=p)) for p in (1, -1))
    assert closer == pytest.approx(out[::-1], rel=0.5)


def test_what_happens_in_a_shot_happens_when_it_should():
    plain = list(pictures([Shot(60, seed=8)], 96, 54))

    def changed(**event: Any) -> list[int]:
        drawn = pictures([Shot(60, seed=8, **event)], 96, 54)
        return [k for k, (a, b) in enumerate(zip(plain, drawn, strict=True)) if (a != b).any()]

    assert changed(lightning=(20,)) == list(range(20, 20 + len(LIGHTNING)))
    assert changed(titles=(40, 50)) == list(range(40, 60))
    passing = changed(passing=(20,))
    assert set(passing) <= set(range(20, 20 + PASS_FRAMES))
    assert len(passing) > PASS_FRAMES // 2


def test_a_whip_pan_rests_rushes_and_rests():
    moved = change(Shot(40, seed=4, camera="whip"))
    assert moved[:10].max() < 6
    assert moved[-10:].max() < 6
    assert moved[18:22].max() > 15


def test_an_excerpt_shows_the_frames_of_the_file_from_where_it_begins(tmp_path: Path):
    shots = [Shot(8, seed=1), Shot(8, seed=2, camera="shake")]
    render(tmp_path / "a.mp4", shots, width=128, height=96)
    drawn = list(pictures(shots, 128, 96))
    shown = list(pictures([Shot(12, excerpt=Excerpt(str(tmp_path / "a.mp4"), 5))], 128, 72))
    for k, picture in enumerate(shown[:11]):
        assert np.abs(picture.astype(int) - drawn[5 + k][12:-12]).mean() < 10, "the middle of the frame, in its order"
    assert (shown[11] == shown[10]).all(), "the last frame stays"


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
