"""Text can be read on whatever is behind it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.contrast import BLACK, LARGE, LEAST, WHITE, contrast, hardest, luminance, readable, rgb, scrim

COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def test_black_on_white_is_twenty_one_to_one():
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast((119, 119, 119), WHITE) == pytest.approx(4.48, abs=0.01)
    assert luminance((255, 0, 0)) == pytest.approx(0.2126)


@given(COLOURS, COLOURS)
def test_text_on_any_ground_is_readable(wanted, ground):
    assert contrast(readable(wanted, ground), ground) >= LEAST
    if contrast(wanted, ground) >= LEAST:
        assert readable(wanted, ground) == wanted


def test_large_text_keeps_its_colour_sooner():
    assert readable(WHITE, (228, 87, 46)) == BLACK
    assert readable(WHITE, (228, 87, 46), LARGE) == WHITE
    assert readable((242, 228, 205), (232, 106, 51), LARGE) == WHITE, "white stands in for cream"


@given(COLOURS, st.floats(0, 255))
def test_a_veil_makes_text_readable_on_any_picture(ground, grey):
    ink = readable(WHITE, ground)
    solid, got = scrim(grey, ink, ground)
    assert 0 <= solid <= 0.95
    assert got >= 4.0
    assert got == pytest.approx(contrast(ink, [grey * (1 - solid) + part * solid for part in ground]))


def test_no_veil_is_drawn_where_none_is_needed():
    assert scrim(20, WHITE, BLACK)[0] == 0
    assert scrim(250, BLACK, WHITE)[0] == 0
    assert scrim(250, WHITE, BLACK)[0] > 0.4


def test_the_worst_is_bright_for_light_text_and_dark_for_dark_text():
    half = np.full((10, 10), 16, np.uint8)
    half[5:] = 235
    assert hardest(half, WHITE) == pytest.approx(255)
    assert hardest(half, BLACK) == pytest.approx(0)
    half[:] = 126
    half[0, 0] = 235
    assert hardest(half, WHITE) == pytest.approx(128, abs=1)


@pytest.mark.parametrize("text", ["red", "#12345", "#1234567", "123456#"])
def test_a_colour_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"#rrggbb|invalid literal"):
        rgb(text)
