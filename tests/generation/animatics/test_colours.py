"""Palettes: as they are named, as a picture has them, or by the seed."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from generation.animatics.colours import PALETTES, accent, brightness, palette


@given(st.lists(st.integers(0, 0xFFFFFF), max_size=6), st.text(max_size=8))
def test_there_are_always_four_colours_from_dark_to_light(colours, campaign):
    found = palette(",".join(f"#{colour:06x}" for colour in colours), None, campaign)
    assert len(found) == 4
    assert brightness(found[0]) <= brightness(found[-1])
    assert all(0 <= value <= 255 for colour in found for value in colour)


def test_a_named_colour_is_among_them():
    assert (228.0, 87.0, 46.0) in palette("#1f2a44, #e4572e, #f7e1c3", None, "")


def test_a_picture_gives_its_colours_and_the_same_each_time():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, 20:] = (200, 40, 40)
    first = palette("", picture, "a")
    assert first == palette("", picture, "b")
    assert any(abs(colour[0] - 200) < 12 and colour[1] < 60 for colour in first)


def test_the_campaign_chooses_where_nothing_else_does():
    assert len({palette("no colours", None, f"campaign {n}") for n in range(60)}) == len(PALETTES)
    assert palette("", None, "a") == palette("", None, "a")


def test_the_accent_is_the_most_vivid_that_is_seen_on_black():
    assert accent(((250.0, 250.0, 250.0), (0.0, 0.0, 120.0), (228.0, 87.0, 46.0))) == (228.0, 87.0, 46.0)
