"""Pictures in planes, and layers over them, have the colours that they should."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.planes import Picture, darkened, layer_of, mixed

SIZE = (32, 24)


def flat(colour, size=SIZE):
    return Picture.of_image(Image.new("RGB", size, colour))


def shown(picture: Picture) -> np.ndarray:
    """As a player shows it, through FFmpeg's own conversion."""
    frame = picture.frame(0, 1)
    return frame.reformat(format="rgb24", src_colorspace="ITU709", dst_colorspace="ITU709").to_ndarray()


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_a_colour_comes_back_as_a_player_shows_it(colour):
    assert np.abs(shown(flat(colour)).astype(int) - colour).max() <= 3


def test_black_and_white_have_their_codes():
    assert (flat((0, 0, 0)).y == 16).all()
    assert (flat((255, 255, 255)).y == 235).all()
    assert (flat((255, 255, 255)).u == 128).all()


@pytest.mark.parametrize("size", [(32, 24), (34, 26), (36, 1350 // 27 * 2 - 50)])
def test_planes_are_views_of_what_is_encoded(size):
    picture = flat((200, 40, 90), size)
    frame = av.VideoFrame.from_ndarray(picture.data, "yuv420p")
    assert np.array_equal(Picture.of_frame(frame).v, picture.v)
    picture.v[:] = 7
    assert (Picture.of_frame(av.VideoFrame.from_ndarray(picture.data, "yuv420p")).v == 7).all()


@settings(max_examples=40, deadline=None)
@given(
    left=st.integers(-20, 40), top=st.integers(-20, 30), width=st.integers(1, 40), height=st.integers(1, 40),
)  # fmt: skip
def test_a_layer_at_any_place_covers_that_and_nothing_else(left, top, width, height):
    if left >= SIZE[0] or top >= SIZE[1] or left + width <= 0 or top + height <= 0:
        return
    picture = flat((0, 0, 0))
    image = Image.new("RGBA", (width, height), (255, 255, 255, 255))
    layer_of("it", image, left, top, SIZE, 0, 1).lay(picture, 0)
    expected = np.zeros((SIZE[1], SIZE[0]), bool)
    expected[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = True
    assert np.array_equal(picture.y > 125, expected)
    assert ((picture.y == 16) == ~expected).all()


@pytest.mark.parametrize("alpha", [0, 1, 64, 128, 254, 255])
def test_a_clear_layer_lets_through_what_is_below(alpha):
    picture = flat((10, 200, 60))
    layer_of("it", Image.new("RGBA", SIZE, (250, 20, 120, alpha)), 0, 0, SIZE, 0, 1).lay(picture, 0)
    expected = np.array((10, 200, 60)) * (1 - alpha / 255) + np.array((250, 20, 120)) * alpha / 255
    assert np.abs(shown(picture)[12, 16] - expected).max() <= 4


def test_a_layer_comes_up_stays_and_goes():
    layer = layer_of("it", Image.new("RGBA", SIZE, (255, 255, 255, 255)), 0, 0, SIZE, 5, 15, rise=2, fall=3)
    seen = []
    for number in range(20):
        picture = flat((0, 0, 0))
        layer.lay(picture, number)
        seen.append(int(picture.y[0, 0]))
    assert seen[4] == 16
    assert 16 < seen[5] < seen[6] < seen[7] == 235
    assert seen[11] == 235 > seen[12] > seen[13] > seen[14] > 16
    assert seen[15] == 16


def test_mixing_is_even_and_darkening_ends_in_black():
    one, other = flat((0, 0, 0)), flat((255, 255, 255))
    assert (mixed(one, other, 0.5).y == 126).all()
    assert (darkened(other, 0.0).y == 16).all()
    assert (darkened(other, 1.0).y == 235).all()
    assert (darkened(flat((200, 0, 0)), 0.0).v == 128).all()
