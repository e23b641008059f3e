"""Camera moves: what the words of a storyboard mean, and that no edge of a picture is ever seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.animatics.camera import MARGIN, MOVES, View, covering, move_named, placed, view


@pytest.mark.parametrize(
    ("words", "move"),
    [
        ("slow dolly in", "push_in"),
        ("Push-In", "push_in"),
        ("zoom out", "pull_out"),
        ("pull_out", "pull_out"),
        ("pan to the left", "pan_left"),
        ("PAN RIGHT", "pan_right"),
        ("tilt down", "tilt_down"),
        ("crane up", "tilt_up"),
        ("arc around the bottle", "orbit"),
        ("locked off, tripod", "static"),
        ("shaky handheld", "handheld"),
        ("close-up", "push_in"),
        ("", "push_in"),
        ("كاميرا", "push_in"),
    ],
)
def test_the_words_of_a_storyboard_name_a_move(words, move):
    assert move_named(words) == move


@settings(deadline=None)
@given(
    st.sampled_from(sorted(MOVES)),
    st.floats(0, 1),
    st.floats(0, 60),
    st.floats(0, 6.3),
    st.sampled_from([(1920, 1080), (1080, 1920), (720, 720)]),
    st.sampled_from([0.0, MARGIN]),
)
def test_a_picture_that_is_covered_shows_no_edge(move, t, seconds, phase, size, margin):
    width, height = size
    seen = covering(view(move, t, seconds, phase), margin)
    where = placed(seen, 1.0, width, height, (-margin * width, -margin * height))
    turned = np.linalg.inv(where[:, :2])
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    back = (corners - where[:, 2]) @ turned.T  # the frame's corners in the picture
    largest = np.array([width, height]) * (1 + 2 * margin)
    assert (back > -1.5).all()
    assert (back < largest + 0.5).all()


def test_every_move_moves():
    for move in MOVES:
        assert view(move, 0.0, 0.0) != view(move, 1.0, 4.0)


def test_what_is_far_follows_less():
    seen = View(1.2, 0.05, 0.0, 0.0)
    at = [placed(seen, depth, 1000, 500, (100, 100))[0, 2] for depth in (0.0, 0.5, 1.0)]
    assert at[0] == 100
    assert at[0] > at[1] > at[2]
