from __future__ import annotations

import numpy as np
import pytest

from tests.transforms.made_signals import made, mixed, of_pictures, shot
from transforms.fades import find_fades

BLACK = np.zeros((36, 64, 3), np.uint8)
WHITE = np.full((36, 64, 3), 255, np.uint8)


def out(seed: int, frames: int, ramp: int, flat: np.ndarray = BLACK) -> list[np.ndarray]:
    """A shot whose last `ramp` frames go to a flat picture, which they reach with the frame after them."""
    return mixed(shot(seed, frames), [flat] * ramp, ramp, "dissolve")


def up(seed: int, frames: int, ramp: int, flat: np.ndarray = BLACK) -> list[np.ndarray]:
    return out(seed, frames, ramp, flat)[::-1]


def near(found: list[tuple[int, int]], *known: tuple[int, int], slack: int = 2) -> bool:
    return len(found) == len(known) and bool(np.abs(np.array(found) - np.array(known)).max() <= slack)


@pytest.mark.parametrize("flat", [BLACK, WHITE], ids=["black", "white"])
@pytest.mark.parametrize("hold", [0, 1, 12, 40])
@pytest.mark.parametrize("ramp", [6, 12, 30])
def test_out_and_up_are_one_with_what_lies_between(ramp, hold, flat):
    pictures = [*out(1, 60 + ramp, ramp, flat), *[flat] * (1 + hold), *up(2, 60 + ramp, ramp, flat)]
    assert near(find_fades(of_pictures(pictures), []), (60, 60 + 2 * ramp + 1 + hold), slack=1 + ramp // 10)


def test_the_ends_may_be_of_unequal_length():
    pictures = [*out(1, 80, 30), *[BLACK] * 5, *up(2, 80, 8)]
    assert near(find_fades(of_pictures(pictures), []), (50, 93), slack=3)


def test_a_video_fades_from_and_to_nothing():
    begun = [*[BLACK] * 10, *up(1, 100, 12)]
    assert near(find_fades(of_pictures(begun), []), (0, 22))
    assert near(find_fades(of_pictures(begun[::-1]), []), (88, 110))
    assert find_fades(of_pictures(begun), [])[0][0] == 0
    assert find_fades(of_pictures(begun[::-1]), [])[0][1] == 110


def test_long_black_is_a_scene_between_two_fades():
    pictures = [*out(1, 80, 12), *[BLACK] * 60, *up(2, 80, 12)]
    assert near(find_fades(of_pictures(pictures), []), (68, 80), (140, 152))


def test_a_hard_edge_keeps_its_cut():
    pictures = [*out(1, 80, 12), *[BLACK] * 8, *shot(2, 60)]
    assert near(find_fades(of_pictures(pictures), [88]), (68, 80))
    pictures = [*shot(2, 60), *[BLACK] * 8, *up(1, 80, 12)]
    assert near(find_fades(of_pictures(pictures), [60]), (68, 80))
    assert find_fades(of_pictures([*shot(1, 60), *[BLACK] * 8, *shot(2, 60)]), [60, 68]) == []


def test_no_fade_reaches_across_a_cut():
    # Another, paler shot that lasts until just before the fade is done.
    pictures = [*shot(3, 60, light=0.2), *out(1, 20, 12), *[BLACK] * 4, *up(2, 60, 12)]
    ((start, _),) = find_fades(of_pictures(pictures), [60])
    assert 66 <= start <= 70


@pytest.mark.parametrize("length", [1, 2, 5])
def test_a_blink_is_no_fade(length):
    view = shot(7, 1, pan=0)[0]
    dip = [(view * (1 - k / 6)).astype(np.uint8) for k in range(6)]
    assert find_fades(of_pictures([*[view] * 50, *dip, *[BLACK] * length, *dip[::-1], *[view] * 50]), []) == []


def test_a_photo_flash_and_a_dark_scene_are_no_fades():
    random = np.random.default_rng(3)
    flash = shot(7, 80, pan=0)
    flash[40], flash[41] = WHITE, (flash[41] * 0.5 + 127).astype(np.uint8)
    assert find_fades(of_pictures(flash), []) == []
    dim = [np.clip(p * (0.2 - 0.001 * k), 0, 255) for k, p in enumerate(shot(3, 100, pan=0))]
    noisy = [np.clip(p + random.normal(0, 4, p.shape), 0, 255).astype(np.uint8) for p in dim]
    assert find_fades(of_pictures([*shot(1, 60), *noisy, *shot(2, 60)]), [60, 160]) == []


@pytest.mark.parametrize("frames", [0, 1, 2, 5])
def test_hardly_any_frames(frames):
    assert find_fades(made(frames, dark=64 * 36), []) == []
    assert find_fades(made(frames), []) == []
