"""Stills: cut out of their background, and cropped to a frame."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from generation.animatics.stills import covered, cut_out, read_still
from transforms.failures import ElementError


def product() -> np.ndarray:
    """A dark bottle before white, opaque."""
    picture = np.full((200, 160, 4), 255, np.uint8)
    picture[50:180, 60:100, :3] = (30, 60, 90)
    picture[90:110, 70:90, :3] = 255  # its label is as white as the background
    return picture


def test_a_plain_background_goes_and_what_it_surrounds_stays():
    found = cut_out(product())
    assert found.shape[:2] == pytest.approx((130, 40), abs=4)
    assert found[len(found) // 2 - 15, found.shape[1] // 2, 3] == 255  # the label
    assert found[0, 0, 3] < 200


def test_transparency_is_taken_at_its_word():
    picture = product()
    picture[..., 3] = 0
    picture[60:80, 30:90, 3] = 255
    assert cut_out(picture).shape[:2] == (20, 60)


def test_a_photograph_becomes_a_card_with_round_corners():
    picture = np.random.default_rng(0).integers(0, 255, (120, 160, 4)).astype(np.uint8)
    picture[..., 3] = 255
    found = cut_out(picture)
    assert found.shape == picture.shape
    assert found[0, 0, 3] == 0
    assert found[60, 80, 3] == 255


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (300, 300)])
def test_a_picture_fills_the_frame_and_one_of_another_shape_is_whole(size):
    noise = np.random.default_rng(0).integers(0, 255, (90, 160, 4)).astype(np.uint8)
    for picture in (product(), noise):
        found = covered(picture, *size)
        assert found.shape == (size[1], size[0], 4)
        assert (found[..., 3] == 255).all()
    wide = covered(product(), 640, 360)
    assert (wide[5, 5, :3] == 255).all()  # its background goes on
    assert (wide[:, :, 2] < 120).any(axis=1).sum() == pytest.approx(360 * 130 / 200, abs=6)  # the bottle is whole


def test_a_picture_is_read_upright_and_no_larger_than_is_of_use(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    Image.new("RGB", (400, 100), (9, 9, 9)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_still(tmp_path / "turned.jpg", 200).shape == (200, 50, 4)


@pytest.mark.parametrize(("content", "error"), [(None, "unreadable"), (b"no picture", "damaged"), (b"", "damaged")])
def test_what_is_no_picture_is_one_failed_element(tmp_path, content, error):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ElementError) as told:
        read_still(tmp_path / "a.png", 100)
    assert told.value.error_class == error


def test_a_picture_too_large_is_refused_before_it_is_decoded(tmp_path):
    Image.new("1", (20_000, 6_000)).save(tmp_path / "huge.png")
    with pytest.raises(ElementError, match="pixels"):
        read_still(tmp_path / "huge.png", 100)
