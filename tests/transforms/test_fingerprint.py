"""PDQ against the reference implementation's hashes, and what a fingerprint has to survive."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.shots import Shot, pictures
from transforms import fingerprint
from transforms.fingerprint import COLUMNS, distance, fingerprint_row
from transforms.series import SeriesWriter, read_series

NO_BARS = (0, 0, 0, 0)

REFERENCE = [
    (288, 512, "16e1a75c27771ce3e91ec70fc784693adc88d888237796c5387b387816e1e31c", 100),
    (512, 288, "03f81cb4f203f34bfc06bc5ef61de390d68a2d7529751c6f09e243a103f91cf4", 31),
    (512, 512, "286aab7fc685d688c795676f09f567294dbaba45b24598d2f60a9890386a2977", 13),
    (384, 512, "e9005caa96fba35716ff12e6f81596c33a70593cc78f693c07e2ed11e9005caa", 8),
    (270, 480, "a94fed1e16f112e054a409ea09e44da012f492dded0bb25ff21bf615a94fe91e", 100),
    (64, 64, "3a6863a727ee3a2843beed5185d83c24cdc1cdc53a3cc3d9722312aebe6841b7", 34),
    (65, 130, "f81cc93e693eb65807eb87d658a2d891a706e60258b956eea75d6029f81c49b7", 14),
    (63, 64, "9c428def43fdda9069ac0cf46c27237e236798c1dc98dc8193d9730b9c520d6f", 7),
    (120, 160, "e30223662366d9831cfe16e93c7de739d815f81527eb14ee87cae916e700236c", 100),
    (33, 400, "69212763037ff80a07f5d69698cc98dc87c189c1dc9e326667336971692b07f7", 29),
    (5, 5, "ce73ca73318c318c9b263c8f8b62c2f064d9ce73ce73ca73318c318c9b263c8f", 7),
    (512, 5, "cb72398c6e1bc673348d4e5364d994a5c4f13b0e3b0e6b5a9b26318ccb72398e", 6),
]
"""Height, width, hash and quality of `made(number, height, width)` by pdqhash 0.2.8 (ThreatExchange's C++)."""


def made(seed, height, width):
    """A BGR picture of blocks, a slope and grain, some flatter, in whole numbers so that it is the same everywhere."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    coarse = rng.integers(0, 200, (7, 11, 3))[y * 7 // height, x * 11 // width]
    slope = (x * rng.integers(1, 40) // width + y * rng.integers(1, 40) // height)[..., None]
    levels = np.clip(coarse + slope + rng.integers(-8, 9, (height, width, 3)), 0, 255)
    return (levels // (1 + seed % 4 * 4)).astype(np.uint8)


def apart(one, other, column="hash"):
    return int(distance(*(np.frombuffer(row[column], np.uint8) for row in (one, other))))


@functools.cache
def shot(seed, width=512, height=288):
    return next(iter(pictures([Shot(1, seed=seed, camera="pan")], width, height)))


@pytest.mark.parametrize("number", range(len(REFERENCE)))
def test_hash_and_quality_are_the_reference_implementations(number):
    height, width, expected, quality = REFERENCE[number]
    row = fingerprint_row(made(number, height, width), NO_BARS)
    assert distance(np.frombuffer(row["hash"], np.uint8), np.frombuffer(bytes.fromhex(expected), np.uint8)) <= 2
    assert row["quality"] == quality


def test_too_small_a_picture_has_an_empty_hash():
    row = fingerprint_row(made(0, 4, 100), NO_BARS)
    assert (row["hash"], row["quality"]) == (bytes(32), 0)


def test_half_the_bits_are_set():
    bits = np.unpackbits(np.frombuffer(fingerprint_row(shot(1), NO_BARS)["hash"], np.uint8))
    assert bits.sum() == 128


EDITS = {
    "jpeg": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR),
    "smaller": lambda p: cv2.resize(p, (320, 180), interpolation=cv2.INTER_AREA),
    "larger": lambda p: cv2.resize(p, (1024, 576), interpolation=cv2.INTER_CUBIC),
    "brighter": lambda p: np.clip(p.astype(int) + 20, 0, 255).astype(np.uint8),
    "contrast": lambda p: np.clip(p * 1.15, 0, 255).astype(np.uint8),
    "blur": lambda p: cv2.GaussianBlur(p, (0, 0), 1.5),
    "grain": lambda p: np.clip(p + np.random.default_rng(0).normal(0, 10, p.shape), 0, 255).astype(np.uint8),
    "gray": lambda p: cv2.cvtColor(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_edits_leave_a_fingerprint_within_the_usual_match(edit, seed):
    picture = shot(seed)
    assert apart(fingerprint_row(picture, NO_BARS), fingerprint_row(EDITS[edit](picture), NO_BARS)) <= 31


def test_different_pictures_are_far_apart():
    rows = [fingerprint_row(shot(seed), NO_BARS) for seed in range(8)]
    assert min(apart(one, other) for one, other in itertools.combinations(rows, 2)) > 80


def test_different_real_pictures_are_far_apart(media):
    names = ["skv_bikes.mp4", "moviepy_chaplin.mp4", "libopenshot_run.mp4", "imageio-binaries_cockatoo.mp4"]
    rows = [fingerprint_row(first_frame(media / "real" / name), NO_BARS) for name in names]
    assert min(apart(one, other) for one, other in itertools.combinations(rows, 2)) > 80
    for name, row in zip(names, rows, strict=True):
        assert apart(row, fingerprint_row(EDITS["jpeg"](first_frame(media / "real" / name)), NO_BARS)) <= 31


def first_frame(path: Path):
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    return frame.reformat(512, round(frame.height * 512 / frame.width), "bgr24").to_ndarray()


@pytest.mark.parametrize("bars", [(0, 0, 40, 40), (60, 60, 0, 0), (30, 10, 20, 44)])
def test_bars_change_the_hash_but_not_the_bare_one(bars):
    left, right, top, bottom = bars
    picture = shot(4)
    boxed = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT)
    plain, framed = fingerprint_row(picture, NO_BARS), fingerprint_row(boxed, bars)
    assert framed["bare_hash"] == plain["hash"] == plain["bare_hash"]
    assert framed["bare_quality"] == plain["quality"] == plain["bare_quality"]
    assert apart(framed, plain) > 31


@pytest.mark.parametrize("bars", [(0, 0, 288, 0), (512, 0, 0, 0), (0, 0, 142, 142)])
def test_bars_over_everything_are_none(bars):
    row = fingerprint_row(shot(5), bars)
    assert row["bare_hash"] == row["hash"]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 3))
def test_any_size_has_a_fingerprint_and_padded_rows_do_not_matter(height, width, pad):
    picture = made(height * 1000 + width, height, width)
    wide = np.zeros((height, width + pad, 3), np.uint8)
    wide[:, :width] = picture
    row = fingerprint_row(wide[:, :width], NO_BARS)
    assert row == fingerprint_row(picture, NO_BARS)
    assert len(row["hash"]) == 32
    assert 0 <= row["quality"] <= 100


def test_distance_counts_bits_and_broadcasts():
    hashes = np.zeros((3, 32), np.uint8)
    hashes[1, 0], hashes[2] = 0b101, 255
    assert distance(hashes, hashes[0]).tolist() == [0, 2, 256]
    assert distance(hashes[:, None], hashes).tolist() == [[0, 2, 256], [2, 0, 254], [256, 254, 0]]


def test_rows_are_what_the_columns_say(tmp_path):
    path = tmp_path / "looks.parquet"
    rows = [fingerprint_row(shot(seed), (0, 0, 20, 20)) for seed in (6, 7)]
    writer = SeriesWriter(path, COLUMNS, {"version": fingerprint.VERSION})
    writer.add({name: [row[name] for row in rows] for name in COLUMNS})
    writer.close()
    _, stored = read_series(path)
    assert set(rows[0]) == set(COLUMNS)
    for name in COLUMNS:
        assert stored[name].tolist() == [row[name] for row in rows]
