"""Sound of shots is joined on their frames, without clicks, and music lies under it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.sound import read_sound, shape, shots_sound, with_music
from tests.generation.takes import make_asset, make_takes, render_take

RATE = 48_000


def level(samples, start, end):
    """Root mean square between two frames at 24 a second."""
    return float(np.sqrt((samples[:, start * 2000 : end * 2000] ** 2).mean()))


def test_sound_lies_on_the_frames_of_its_shots(tmp_path):
    asset = make_asset(tmp_path)
    takes = {"a": render_take(tmp_path / "a.mp4", tone=0.1), "b": render_take(tmp_path / "b.mp4", tone=0.4)}
    heard = shots_sound(asset.shots, takes, asset.format, 44)
    assert heard.shape == (2, 88_000)
    assert level(heard, 2, 17) == pytest.approx(0.1 / 2**0.5, rel=0.05)
    assert level(heard, 26, 34) == pytest.approx(0.4 / 2**0.5, rel=0.05)
    assert abs(heard[:, -1]).max() < 1e-3, "it goes out at the end"


def test_a_shot_that_brings_none_is_silent(tmp_path):
    asset = make_asset(tmp_path)
    shots = (asset.shots[0], dataclasses.replace(asset.shots[1], sound=False))
    heard = shots_sound(shots, make_takes(tmp_path), asset.format, 44)
    assert level(heard, 5, 15) > 0.05
    assert not heard[:, 26 * 2000 :].any()


def test_a_take_without_sound_is_silent(tmp_path):
    assert read_sound(render_take(tmp_path / "a.mp4"), RATE).shape == (2, 0)


def test_sound_that_begins_later_than_the_picture_stays_later(tmp_path):
    heard = read_sound(render_take(tmp_path / "a.mp4", tone=0.2, late=0.5), RATE)
    assert np.abs(heard[:, : round(0.45 * RATE)]).max() < 0.02
    assert np.abs(heard[:, round(0.55 * RATE) : RATE]).max() > 0.15


def test_parts_follow_one_another_by_their_pictures(tmp_path):
    asset = make_asset(tmp_path)
    takes = {
        "p": render_take(tmp_path / "p.mp4", frames=12, tone=0.1),
        "q": render_take(tmp_path / "q.mp4", frames=12, tone=0.4),
    }
    shot = dataclasses.replace(asset.shots[0], requests=("p", "q"), frames=24, transition="cut", transition_frames=0)
    heard = shots_sound([shot], takes, asset.format, 24)
    assert level(heard, 2, 11) == pytest.approx(0.1 / 2**0.5, rel=0.06)
    assert level(heard, 13, 14) == pytest.approx(0.4 / 2**0.5, rel=0.06)


@settings(max_examples=25, deadline=None)
@given(length=st.integers(1, 3000), rise=st.integers(0, 4000), fall=st.integers(0, 4000))
def test_shaping_never_makes_anything_louder(length, rise, fall):
    samples = np.ones((2, length), np.float32)
    shape(samples, rise, fall)
    assert samples.min() >= -1e-6
    assert samples.max() <= 1.0


def test_a_dissolve_of_sounds_keeps_its_power():
    generator = np.random.default_rng(3)
    one, other = generator.normal(0, 0.1, (2, 2, 48_000)).astype(np.float32)
    shape(one, 0, 48_000)
    shape(other, 48_000, 0)
    power = ((one + other) ** 2).reshape(2, 10, -1).mean(axis=(0, 2))
    assert power == pytest.approx([0.01] * 10, rel=0.06)


@pytest.mark.parametrize("seconds", [0.5, 1.0, 7.0])
def test_music_is_as_long_as_the_picture_whatever_its_own_length(seconds):
    music = np.full((2, round(seconds * RATE)), 0.3, np.float32)
    bed = with_music(np.zeros((2, 3 * RATE), np.float32), music, RATE)
    assert bed.shape == (2, 3 * RATE)
    assert np.abs(bed[:, RATE // 10 : -RATE // 2]).min() > 0.2
    assert abs(bed[:, -1]).max() < 1e-3


def test_music_is_quieter_under_what_is_said():
    music = np.full((2, RATE), 0.3, np.float32)
    alone = with_music(np.zeros((2, RATE), np.float32), music, RATE)
    said = np.zeros((2, RATE), np.float32)
    said[:, 100:200] = 0.5
    under = with_music(said, music, RATE)
    assert under[0, RATE // 4] == pytest.approx(alone[0, RATE // 4] * 10 ** (-12 / 20), rel=1e-3)
