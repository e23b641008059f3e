from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.flow import COLUMNS, UNIT, flow_row

FIT = ("shift_x", "shift_y", "zoom", "roll")


def scene(seed: int = 0, side: int = 900) -> np.ndarray:
    """Texture from broad to fine, (side, side)."""
    rng = np.random.default_rng(seed)
    level = np.full((side, side), 128, np.float32)
    for cells, weight in ((8, 40), (30, 25), (100, 20), (300, 10)):
        coarse = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
        level += weight * cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(level, 0, 255).astype(np.uint8)


SCENE = scene()


def view(x=0.0, y=0.0, zoom=0.0, roll=0.0, *, size=(256, 144), source=SCENE) -> np.ndarray:
    """What is seen after the picture moved: widths to the right and down, growth, clockwise radians."""
    width, height = size
    scale = width / 256 * (1 + zoom)
    c, s = scale * math.cos(roll), scale * math.sin(roll)
    matrix = np.array([[c, -s, 0.0], [s, c, 0.0]])
    middle = np.array([source.shape[1], source.shape[0]]) / 2
    matrix[:, 2] = np.array([width / 2 + x * width, height / 2 + y * width]) - matrix[:, :2] @ middle
    return cv2.warpAffine(source, matrix, (width, height), flags=cv2.INTER_LINEAR)


def fit(row: dict[str, int]) -> list[float]:
    return [row[name] / UNIT for name in FIT]


@pytest.mark.parametrize("size", [(256, 144), (144, 256), (200, 200), (256, 109), (128, 72)])
@pytest.mark.parametrize(
    "moved",
    [
        (0, 0, 0, 0),
        (0.002, -0.001, 0, 0),
        (-0.03, 0.01, 0, 0),
        (0.06, 0, 0, 0),
        (0, -0.05, 0, 0),
        (0, 0, 0.02, 0),
        (0, 0, -0.04, 0),
        (0, 0, 0, 0.03),
        (0.01, 0.02, 0.02, -0.04),
    ],
)
def test_movement_of_the_whole_picture_is_found(moved, size):
    width = size[0]
    row = flow_row(view(size=size), view(*moved, size=size))
    far = max(abs(v) for v in moved)
    # The larger of a thirtieth and 0.15 pixels of 128, in widths.
    assert fit(row) == pytest.approx(moved, abs=max(0.035 * far, 0.15 / 128 * max(size) / width))
    assert row["followers"] > 8500
    assert row["texture"] > 7000


def test_what_is_stored_is_integers_in_their_columns_types():
    for pair in ((view(), view(0.5)), (view(), np.zeros((144, 256), np.uint8)), (view(), 255 - view())):
        row = flow_row(*pair)
        assert list(row) == list(COLUMNS)
        assert all(type(value) is int for value in row.values())
        for name, value in row.items():
            assert value == np.array(value).astype(COLUMNS[name].kind), name


def test_units_do_not_depend_on_the_resolution():
    large = flow_row(view(), view(0.02, 0.01, 0.01, 0.01))
    small = flow_row(view(size=(128, 72)), view(0.02, 0.01, 0.01, 0.01, size=(128, 72)))
    for name in (*FIT, "motion", "motion_high"):
        assert small[name] == pytest.approx(large[name], rel=0.06, abs=30), name


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_flat_pictures_say_nothing_and_move_nowhere(level):
    flat = np.full((144, 256), level, np.uint8)
    row = flow_row(flat, flat)
    assert fit(row) == [0, 0, 0, 0]
    assert row["texture"] == row["motion"] == row["motion_high"] == row["change"] == 0


def test_noise_is_no_texture():
    rng = np.random.default_rng(3)
    a, b = (np.clip(100 + rng.normal(0, 2, (144, 256)), 0, 255).astype(np.uint8) for _ in range(2))
    assert flow_row(a, b)["texture"] == 0


def test_a_thing_that_moves_is_no_camera():
    still, moved = view(), view()
    patch = scene(seed=5, side=100)
    still[30:110, 60:140], moved[30:110, 66:146] = patch[:80, :80], patch[:80, :80]
    row = flow_row(still, moved)
    assert np.abs(fit(row)).max() < 0.0006
    assert 0.7 < row["followers"] / 1e4 < 0.92  # the thing is 0.17 of the picture
    assert 0.015 < row["motion_high"] / UNIT < 0.03
    assert row["motion"] < row["motion_high"] / 2


def test_a_large_thing_before_a_still_camera():
    still, moved = view(), view()
    patch = scene(seed=5, side=300)
    still[:, 60:170], moved[:, 60:170] = patch[:144, :110], patch[9:153, :110]
    assert np.abs(fit(flow_row(still, moved))).max() < 0.001


def test_black_bars_do_not_hold_the_picture():
    a, b = view(), view(0.0, 0.02, 0.01, 0.02)
    for picture in (a, b):
        picture[:20] = picture[-20:] = 0
    assert fit(flow_row(a, b)) == pytest.approx((0, 0.02, 0.01, 0.02), abs=0.0012)


def test_a_fade_is_no_movement():
    row = flow_row(view(), (view() * 0.93).astype(np.uint8))
    assert np.abs(fit(row)).max() < 0.0005
    assert row["unexplained"] < row["change"] / 5


def test_too_far_a_movement_and_another_picture_are_not_followed():
    assert flow_row(view(), view(0.4, 0.1))["followers"] < 3000
    assert flow_row(view(), view(source=scene(seed=9)))["followers"] < 3000


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 256), st.integers(1, 256), st.integers(0, 2**32 - 1))
def test_any_picture_gives_the_same_row_again_whatever_came_between(width, height, seed):
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, (height, width), np.uint8) for _ in range(2))
    first = flow_row(a, b)
    flow_row(view(), view(0.05))
    flow_row(b, a)
    assert flow_row(a.copy(), b.copy()) == first
    assert 0 <= first["followers"] <= 10_000
    assert 0 <= first["texture"] <= 10_000


def test_the_pictures_are_left_alone():
    a, b = view(), view(0.02)
    kept = a.copy(), b.copy()
    a.flags.writeable = b.flags.writeable = False
    flow_row(a, b)
    assert (a == kept[0]).all()
    assert (b == kept[1]).all()
