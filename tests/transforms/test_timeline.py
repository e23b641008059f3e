from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.made_signals import about, made, of_pictures, shot
from transforms.timeline import Views, average_rate, black_frames, edge_pts, mean_colours, runs, white_frames


def test_average_rate_counts_intervals():
    assert average_rate(made(101)) == 25
    assert average_rate(made(11, about(time_base_den=1000), pts=np.arange(11) * 40)) == 25
    assert average_rate(made(1)) == 25


def test_black_is_98_percent_of_dark_pixels():
    pixels = 64 * 36
    assert black_frames(made(2, dark=[round(0.97 * pixels), round(0.99 * pixels)])).tolist() == [False, True]


def test_white_is_bright_and_flat():
    white = np.full((36, 64, 3), 250, np.uint8)
    spotted = white.copy()
    spotted[:12] = 0
    assert white_frames(of_pictures([white, spotted, white // 2])).tolist() == [True, False, False]


def test_mean_colours_are_blue_green_red():
    picture = np.zeros((36, 64, 3), np.uint8)
    picture[..., 0], picture[..., 2] = 10, 200
    assert mean_colours(of_pictures([picture])).tolist() == [[10, 0, 200]]


def test_edges_are_starts_and_the_last_end():
    assert edge_pts(made(3, pts=[5, 9, 20], duration=[4, 11, 7])).tolist() == [5, 9, 20, 27]
    assert edge_pts(made(0)).tolist() == []


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_true_values(values):
    found = runs(np.array(values, np.bool_))
    assert [k for first, past in found for k in range(first, past)] == [k for k, v in enumerate(values) if v]
    assert all(one[1] < two[0] for one, two in itertools.pairwise(found))


def test_the_same_view_with_noise_and_another_view():
    random = np.random.default_rng(1)
    view = shot(1, 1)[0]
    noisy = np.clip(view + random.normal(0, 4, view.shape), 0, 255).astype(np.uint8)
    views = Views(of_pictures([view, noisy, shot(2, 1)[0], (view * 0.6).astype(np.uint8)]))
    assert views.same(np.array([0, 0, 0]), np.array([1, 2, 3])).tolist() == [True, False, False]
