"""Pictures: the fast way gives the numbers of the plain way, samples keep their colours, nothing hangs on batches."""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import Interpolation, VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.pictures import EDGE_LEAST, EDGE_SHARE, Meter, convert, jpeg_of, large_of, small_size
from transforms.signals import COLUMNS, hash_bits
from transforms.thumbnails import CHUNK

Array = npt.NDArray[Any]
DARK, BAR = 32, 24


def plain(bgr: Array, before: Array | None) -> dict[str, Any]:
    """Every number of a picture, by whole-picture NumPy and nothing kept."""
    hsv, gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2HSV).astype(int), cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    wide = np.pad(gray.astype(int), 1, mode="reflect") if min(gray.shape) > 1 else None
    numbers: dict[str, Any] = dict(zip(("blue", "green", "red"), bgr.reshape(-1, 3).sum(0).tolist(), strict=True))
    numbers |= {"gray": int(gray.sum()), "gray_squares": int((gray.astype(np.int64) ** 2).sum())}
    numbers["dark"] = int((gray <= DARK).sum())
    if wide is not None:
        bent = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:] - 4 * wide[1:-1, 1:-1]
        numbers |= {"laplacian": int(bent.sum()), "laplacian_squares": int((bent**2).sum())}
    rows, columns = (np.flatnonzero((gray > BAR).any(axis=axis)) for axis in (1, 0))
    height, width = gray.shape
    box = (rows[0], height - 1 - rows[-1], columns[0], width - 1 - columns[-1]) if len(rows) else (height, 0, width, 0)
    numbers |= dict(zip(("bar_top", "bar_bottom", "bar_left", "bar_right"), map(int, box), strict=True))
    square = cv2.resize(gray, (16, 16), interpolation=cv2.INTER_AREA)
    low = np.asarray(cv2.dct(np.divide(square, max(1, square.max()), dtype=np.float32)))[:8, :8]
    numbers["hash"] = low > np.median(low)
    deltas = dict.fromkeys(("delta_hue", "delta_sat", "delta_lum", "delta_gray", "delta_edges"), 0)
    if before is not None:
        changes = np.abs(hsv - cv2.cvtColor(before, cv2.COLOR_BGR2HSV)).reshape(-1, 3).sum(0)
        deltas = dict(zip(deltas, changes.tolist(), strict=False))
        deltas["delta_gray"] = int(np.abs(gray.astype(int) - cv2.cvtColor(before, cv2.COLOR_BGR2GRAY)).sum())
        deltas["delta_edges"] = 4 * 255 * int((edges(bgr) != edges(before)).sum())
    return numbers | deltas


def edges(bgr: Array) -> Array:
    """The edge map as its description says."""
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    height, width = gray.shape
    size = max(3, width // 2), max(3, height // 2)
    even = gray[: max(1, height // 2 * 2), : max(1, width // 2 * 2)]
    half = cv2.resize(even, size, interpolation=cv2.INTER_AREA).astype(int)
    across, down = np.abs(half[1:-1, 2:] - half[1:-1, :-2]), np.abs(half[2:, 1:-1] - half[:-2, 1:-1])
    return np.asarray(np.maximum(across, down) > max(EDGE_LEAST, int(gray.mean()) // EDGE_SHARE))


def drawn(seed: int, width: int, height: int, kind: str) -> Array:
    """A picture: noise, flat areas, all of one colour, or a bright part between black bars."""
    rng = np.random.default_rng(seed)
    if kind == "flat":
        return np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
    if kind == "noise":
        return rng.integers(0, 256, (height, width, 3), np.uint8)
    coarse = cv2.resize(rng.integers(0, 256, (5, 7, 3), np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)
    if kind == "barred":
        coarse[: height // 5] = coarse[:, width - width // 7 :] = 0
    return np.asarray(coarse, np.uint8)


def measured(pictures: list[Array], edges_too: bool = True) -> tuple[dict[str, Array], Array]:
    meter = Meter(pictures[0].shape[1], pictures[0].shape[0], DARK, edges_too, True, BAR)
    for number, picture in enumerate(pictures):
        meter.measure(picture, number, 1, 100 + number, 2, number == 0)
        meter.keep()
    return meter.take()


KINDS = st.sampled_from(["flat", "noise", "soft", "barred"])
SIDES = st.integers(1, 256)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), KINDS), min_size=1, max_size=4), SIDES, SIDES)
def test_every_number_is_that_of_the_plain_way(shots: list[tuple[int, str]], width: int, height: int) -> None:
    pictures = [drawn(seed, width, height, kind) for seed, kind in shots]
    columns, thumbnails = measured(pictures)
    assert set(columns) == set(COLUMNS)
    for number, picture in enumerate(pictures):
        expected = plain(picture, pictures[number - 1] if number else None)
        got = {name: columns[name][number] for name in expected} | {"hash": hash_bits(columns["hash"])[number]}
        for name, value in expected.items():
            assert np.array_equal(got[name], value), (name, got[name], value)
        half = cv2.resize(picture, (96, 54), interpolation=cv2.INTER_LINEAR)
        small = cv2.resize(half, (48, 27), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(thumbnails[number], small[:, :, ::-1])
    assert columns["size"].tolist() == [100 + n for n in range(len(pictures))]
    assert {name: column.dtype for name, column in columns.items()} == {
        name: np.dtype(COLUMNS[name].kind) for name in columns
    }


def test_what_is_not_kept_is_only_the_one_before() -> None:
    pictures = [drawn(seed, 160, 90, "soft") for seed in range(4)]
    whole, _ = measured(pictures)
    meter = Meter(160, 90, DARK, True, False, BAR)
    scores = [
        meter.measure(picture, number, 1, 100 + number, 2, number == 0) for number, picture in enumerate(pictures[:3])
    ]
    assert scores == [int(sum(whole[f"delta_{n}"][k] for n in ("hue", "sat", "lum"))) for k in range(3)]
    meter.measure(pictures[3], 3, 1, 103, 2, False)
    meter.keep()
    last, thumbnails = meter.take()
    assert {name: column.tolist() for name, column in last.items()} == {n: c[3:].tolist() for n, c in whole.items()}
    assert thumbnails.shape == (0, 27, 48, 3)


def test_batches_leave_no_trace() -> None:
    pictures = [drawn(seed % 7, 64, 36, "soft") for seed in range(CHUNK + 9)]
    meter = Meter(64, 36, DARK, True, True, BAR)
    parts = []
    for number, picture in enumerate(pictures):
        meter.measure(picture, number, 1, 1, 2, False)
        meter.keep()
        if meter.full or number in (3, len(pictures) - 1):
            parts.append(meter.take())
    assert [len(part["pts"]) for part, _ in parts] == [4, CHUNK, 5]
    for number, picture in enumerate(pictures):
        expected = plain(picture, pictures[number - 1] if number else None)
        place, row = next((k, number - s) for k, s in reversed([(0, 0), (1, 4), (2, CHUNK + 4)]) if number >= s)
        assert parts[place][0]["delta_hue"][row] == expected["delta_hue"]
        assert np.array_equal(hash_bits(parts[place][0]["hash"])[row], expected["hash"])


def test_nothing_measured_is_nothing_taken() -> None:
    columns, thumbnails = Meter(64, 36, DARK, True, True).take()
    assert {len(column) for column in columns.values()} == {0}
    assert len(thumbnails) == 0


def test_the_last_picture_is_there_to_use() -> None:
    meter = Meter(64, 36, DARK, False, False)
    first, second, third = (drawn(seed, 64, 36, "soft") for seed in range(3))
    grays = []
    for picture in (first, second):
        meter.measure(picture, 0, 0, 0, 0, False)
        grays.append((meter.gray, meter.change))
    assert grays[0][1] == 0
    assert grays[1][1] == plain(second, first)["delta_gray"]
    for (gray, _), picture in zip(grays, (first, second), strict=True):
        assert np.array_equal(gray, cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))
    meter.measure(third, 0, 0, 0, 0, False)
    assert not np.array_equal(
        grays[0][0], cv2.cvtColor(first, cv2.COLOR_BGR2GRAY)
    )  # as documented: its buffer is reused


def test_edges_move_with_a_cut_and_not_with_the_light() -> None:
    scene, other = drawn(1, 256, 144, "noise"), drawn(2, 256, 144, "noise")
    scene, other = (cv2.resize(p[:18, :32], (256, 144), interpolation=cv2.INTER_NEAREST) for p in (scene, other))
    darker = cv2.convertScaleAbs(scene, alpha=0.7)
    columns, _ = measured([scene, np.asarray(darker, np.uint8), np.asarray(other, np.uint8)])
    dimmed, cut = columns["delta_edges"][1:].tolist()
    assert cut > 20 * dimmed
    assert not measured([scene, np.asarray(other, np.uint8)], edges_too=False)[0]["delta_edges"].any()


@pytest.mark.parametrize(
    ("size", "small"),
    [((1920, 1080), (256, 144)), ((854, 480), (256, 144)), ((480, 854), (144, 256)), ((99, 3), (99, 3))],
)
def test_small_size(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert small_size(*size) == small


FORMATS = ("yuv420p", "yuvj420p", "yuv420p10le", "nv12", "yuv422p", "yuv444p", "bgr24", "gray")


@pytest.mark.parametrize("pixels", FORMATS)
@pytest.mark.parametrize("size", [(1280, 720), (641, 361), (360, 640), (100, 60)])
def test_a_large_picture_is_the_whole_frame_scaled(pixels: str, size: tuple[int, int]) -> None:
    whole = np.asarray(cv2.GaussianBlur(drawn(3, *size, "soft"), (0, 0), 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(whole, "bgr24").reformat(
        format=pixels, dst_colorspace="ITU709", dst_color_range="JPEG" if pixels in ("yuvj420p", "gray") else "MPEG"
    )
    large = large_of(VideoReformatter(), frame, 512)
    scale = min(1.0, 512 / max(size))
    assert large.shape == (round(size[1] * scale), round(size[0] * scale), 3)
    direct = convert(VideoReformatter(), frame, large.shape[1::-1], Interpolation.AREA, tagged_or_guessed=True)
    assert np.abs(large.astype(int) - direct).mean() < 1.5  # the colours of the plain way: matrix, range and all
    if pixels != "gray":
        expected = cv2.resize(whole, large.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(large.astype(int) - expected).mean() < 4.0
    assert np.array_equal(large, large_of(VideoReformatter(), frame, 512))


def test_an_untagged_large_frame_has_the_colours_players_show() -> None:
    colour = np.full((720, 1280, 3), (40, 180, 60), np.uint8)
    tagged = av.VideoFrame.from_ndarray(colour, "rgb24").reformat(format="yuv420p", dst_colorspace="ITU709")
    untagged = av.VideoFrame.from_ndarray(tagged.to_ndarray(), "yuv420p")
    for frame in (tagged, untagged):
        assert np.abs(large_of(VideoReformatter(), frame, 512)[100, 100].astype(int) - (60, 180, 40)).max() <= 3


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_a_jpeg_is_upright(rotation: int) -> None:
    bgr = np.zeros((48, 80, 3), np.uint8)
    bgr[:16, :16] = (0, 0, 255)
    data, width, height = jpeg_of(bgr, 95, rotation)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[:2] == (height, width) == ((48, 80) if rotation % 180 == 0 else (80, 48))
    corner = {0: (4, 4), 90: (4, -4), 180: (-4, -4), 270: (-4, 4)}[rotation]
    assert shown[corner].tolist() == pytest.approx([0, 0, 255], abs=12)
    assert len(data) > len(jpeg_of(bgr, 30, rotation)[0])
