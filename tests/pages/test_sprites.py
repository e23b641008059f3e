"""Sprites: the cell of a frame holds that frame, upright, whatever is left out between."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pages import sprites
from transforms.samples import SamplesWriter
from transforms.thumbnails import CHUNK, ThumbnailsWriter

FRAMES = 2 * CHUNK + 40


def cell(sheet: dict[str, Any], index: int) -> np.ndarray:
    """The middle colour of each quarter of a cell, as (2, 2, 3)."""
    with Image.open(io.BytesIO(base64.b64decode(sheet["uri"].partition(",")[2]))) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    row, column = divmod(index, sheet["columns"])
    width, height = sheet["width"], sheet["height"]
    one = pixels[row * height : (row + 1) * height, column * width : (column + 1) * width]
    return one[height // 4 :: height // 2][:2, width // 4 :: width // 2][:, :2]


@pytest.fixture
def folder(tmp_path):
    """Thumbnails whose grey tells the frame, the upper left quarter white; samples of every tenth frame."""
    pictures = np.zeros((FRAMES, 27, 48, 3), np.uint8)
    pictures += (np.arange(FRAMES) % 200).astype(np.uint8)[:, None, None, None]
    pictures[:, :13, :24] = 255
    writer = ThumbnailsWriter(tmp_path / "thumbnails.zip")
    writer.add(pictures)
    writer.close()
    samples = SamplesWriter(tmp_path / "samples.zip")
    for k in range(0, 100, 10):
        made = io.BytesIO()
        Image.new("RGB", (480, 270), (2 * k, 0, 0)).save(made, "JPEG")
        samples.add(7 * k, made.getvalue(), 480, 270)
    samples.close()
    return str(tmp_path)


@pytest.mark.parametrize(("rotation", "corner"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_a_cell_holds_its_frame_upright(folder, rotation, corner):
    frames = np.array([0, 3, CHUNK - 1, CHUNK, FRAMES - 1, FRAMES + 5])
    sheet, absent = sprites.thumbnail_sheet(folder, frames, rotation)
    assert absent == ""
    assert sheet is not None
    assert sheet["frames"] == frames[:-1].tolist()
    assert (sheet["width"], sheet["height"]) == ((48, 27) if rotation % 180 == 0 else (27, 48))
    other = 1 - corner[0], 1 - corner[1]
    for index, frame in enumerate(sheet["frames"]):
        found = cell(sheet, index)
        assert found[corner].min() > 235
        assert abs(found[other] - frame % 200).max() < 14


def test_sampled_frames_stand_at_their_own_frame(folder):
    sheet = sprites.sample_sheet(folder, np.arange(0, 7 * 100, 7))
    assert sheet is not None
    assert sheet["frames"] == list(range(0, 100, 10))
    assert (sheet["width"], sheet["height"]) == (240, 135)
    assert [round(int(cell(sheet, k)[0, 0, 0]) / 20) for k in range(10)] == list(range(10))


def test_what_is_not_stored_is_none_and_says_why(tmp_path):
    sheet, absent = sprites.thumbnail_sheet(str(tmp_path), np.array([0]), 0)
    assert sheet is None
    assert "thumbnails.zip" in absent
    assert sprites.sample_sheet(str(tmp_path), np.arange(3)) is None
    (tmp_path / "thumbnails.zip").write_bytes(b"no zip")
    assert sprites.thumbnail_sheet(str(tmp_path), np.array([0]), 0)[0] is None


@pytest.mark.parametrize(("frames", "cuts"), [(1, 0), (50, 3), (5_000, 100), (2_000_000, 5_000)])
def test_pictures_are_bounded_and_lie_around_cuts(frames, cuts):
    edges = [{"from": k, "to": k} for k in np.linspace(0, frames - 1, cuts, dtype=int).tolist()]
    found = sprites.wanted(frames, edges)
    assert (np.diff(found) > 0).all()
    assert 0 <= found[0] <= found[-1] < frames
    assert len(found) <= 720 + 6 * 120
    if cuts and cuts <= 120:
        assert {max(edge["to"] - 1, 0) for edge in edges} | {edge["to"] for edge in edges} <= set(found.tolist())
