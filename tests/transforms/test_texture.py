"""Texture against footage whose coding, noise, fields and scaling are known."""

from __future__ import annotations

import functools

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.shots import Shot, pictures
from tests.transforms import tinymedia
from transforms import texture
from transforms.series import SeriesWriter, read_series
from transforms.texture import COLUMNS, luma_plane, texture_of, texture_row, texture_rows, tiles_of

WIDTH, HEIGHT = 640, 384


@functools.cache
def scene(seed, width=WIDTH, height=HEIGHT):
    """A sharp gray picture with flat places: grain-free shapes drawn at twice the size."""
    rng = np.random.default_rng(seed)
    large = np.full((2 * height, 2 * width), 90, np.uint8)
    for _ in range(60):
        centre = (int(rng.integers(0, 2 * width)), int(rng.integers(0, 2 * height)))
        axes = (int(rng.integers(10, 20 + width // 3)), int(rng.integers(10, 20 + height // 3)))
        cv2.ellipse(large, centre, axes, int(rng.integers(0, 180)), 0, 360, int(rng.integers(40, 215)), -1)
    for _ in range(40):
        corner = (int(rng.integers(0, 2 * width)), int(rng.integers(0, 2 * height)))
        cv2.putText(large, "Rushes", corner, cv2.FONT_HERSHEY_SIMPLEX, 2, int(rng.integers(30, 225)), 5)
    return cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)


def framed(gray, pixels="yuv420p"):
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(gray), "gray").reformat(format=pixels)


def row_of(gray):
    return texture_row(framed(gray, "gray"))


def clip_of(rows):
    return texture_of({name: np.array([row[name] for row in rows]) for name in COLUMNS})


def coded(path, frames, codec, pixels="yuv420p", **options):
    """The clip's texture after an encoder."""
    rgb = [np.repeat(frame[:, :, None], 3, axis=2) for frame in frames]
    size = frames[0].shape[::-1]
    tinymedia.render(path, codec, size, len(rgb), 25, pixels, pictures=rgb, options=options)
    with av.open(str(path)) as container:
        return clip_of([texture_row(frame) for frame in container.decode(video=0)])


def moving(seed, count=6):
    return [np.roll(scene(seed), 3 * k, axis=1) for k in range(count)]


LADDERS = {
    "h264": ("libx264", "yuv420p", [{"crf": "18"}, {"crf": "32"}, {"crf": "45"}]),
    "mpeg4": ("mpeg4", "yuv420p", [{"qmin": str(q), "qmax": str(q)} for q in (3, 12, 31)]),
    "mjpeg": ("mjpeg", "yuvj420p", [{"qmin": str(q), "qmax": str(q)} for q in (2, 8, 25)]),
}


@pytest.mark.parametrize("ladder", LADDERS)
def test_blockiness_grows_with_compression(tmp_path, ladder):
    codec, pixels, steps = LADDERS[ladder]
    values = [
        coded(tmp_path / f"{k}.mkv", moving(1), codec, pixels, **step)["blockiness"] for k, step in enumerate(steps)
    ]
    assert values == sorted(values)
    assert values[-1] > 1.1 * values[0]


def test_uncompressed_pictures_have_no_blocks():
    for seed in (1, 2, 3):
        assert row_of(scene(seed))["blockiness"] == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("sigma", [1.0, 2.0, 5.0, 10.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_noise_is_found_within_a_quarter(seed, sigma):
    noise = np.random.default_rng(seed).normal(0, sigma, (HEIGHT, WIDTH))
    level = np.clip(np.rint(scene(seed) + noise), 0, 255).astype(np.uint8)
    assert row_of(level)["noise"] == pytest.approx(sigma, rel=0.25)


def test_edges_and_slopes_are_not_noise():
    slope = np.add.outer(np.arange(HEIGHT) // 4, np.arange(WIDTH) // 8).astype(np.uint8) + 20
    assert row_of(scene(1))["noise"] < 0.2
    assert row_of(slope)["noise"] < 0.5


def woven(before, after):
    frame = before.copy()
    frame[1::2] = after[1::2]
    return frame


@pytest.mark.parametrize("shift", [2, 5, 12, 24])
def test_two_fields_of_movement_comb(shift):
    for seed in (1, 2, 3):
        still = scene(seed)
        assert row_of(woven(still, np.roll(still, shift, axis=1)))["combing"] > 0.5
        assert row_of(np.roll(still, shift, axis=1))["combing"] == 0.0


def stripes(period):
    lines = np.where(np.arange(HEIGHT) % period < period / 2, 60, 180)
    return np.broadcast_to(lines[:, None], (HEIGHT, WIDTH)).astype(np.uint8)


STEADY = {
    "stripes of one line": lambda: stripes(2),
    "stripes of two lines": lambda: stripes(4),
    "stripes over a picture": lambda: np.where(np.arange(HEIGHT)[:, None] % 2, scene(1) // 2, scene(1)),
    "stripes with noise": lambda: stripes(2) + np.random.default_rng(0).integers(0, 20, (HEIGHT, WIDTH)),
    "checkerboard": lambda: np.indices((HEIGHT, WIDTH)).sum(axis=0) % 2 * 120 + 60,
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH)),
}


@pytest.mark.parametrize("name", STEADY)
def test_progressive_patterns_do_not_comb(name):
    assert not row_of(STEADY[name]().astype(np.uint8))["combing"] > 0.0


@pytest.mark.parametrize("progressive", [True, False])
def test_footage_in_two_fields_is_interlaced_after_coding(tmp_path, progressive):
    shots = list(pictures([Shot(24, seed=3, camera="pan")], WIDTH, HEIGHT))
    fields = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in shots]
    frames = fields[::2] if progressive else [woven(*pair) for pair in zip(fields[::2], fields[1::2], strict=True)]
    share = coded(tmp_path / "clip.mp4", frames, "libx264", crf="23")["interlaced_share"]
    assert share == 0.0 if progressive else share > 0.6


KERNELS = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}


def enlarged(seed, factor, kernel):
    small = cv2.resize(scene(seed), None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=KERNELS[kernel])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_detail_tells_how_much_a_picture_was_enlarged(factor, kernel):
    for seed in (1, 2, 3):
        detail = clip_of([row_of(enlarged(seed, factor, kernel))])["detail"]
        assert 0.6 / factor <= detail <= 0.15 + 1 / factor


def test_sharp_pictures_have_full_detail():
    for seed in (1, 2, 3):
        assert clip_of([row_of(scene(seed))])["detail"] > 0.7


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_detail_survives_coding(tmp_path, factor):
    frame = scene(2) if factor == 1 else enlarged(2, factor, "bicubic")
    detail = coded(tmp_path / "clip.mp4", [frame] * 3, "libx264", crf="23")["detail"]
    assert detail > 0.7 if factor == 1 else 0.6 / factor <= detail <= 0.15 + 1 / factor


def test_each_direction_has_its_detail():
    half = cv2.resize(cv2.resize(scene(1), (WIDTH // 2, HEIGHT), interpolation=cv2.INTER_AREA), (WIDTH, HEIGHT))
    row = row_of(half)
    assert row["detail_across"] < 0.6 < 0.7 < row["detail_down"]


FORMATS = ["gray", "yuv420p", "yuv422p", "nv12", "gray10le", "yuv420p10le", "yuv444p12le", "p010le", "yuv420p16le"]


@pytest.mark.parametrize("pixels", [*FORMATS, "rgb24", "gbrp", "yuyv422", "gray10be", "yuvj420p", "ya8", "bgra"])
def test_every_pixel_format_says_the_same(pixels):
    noisy = scene(1, 400, 264) + np.random.default_rng(0).integers(0, 12, (264, 400))
    frame = av.VideoFrame.from_ndarray(noisy.astype(np.uint8), "gray")
    expected, found = texture_row(frame.reformat(format="yuv420p")), texture_row(frame.reformat(format=pixels))
    for name in COLUMNS:
        assert found[name] == pytest.approx(expected[name], rel=0.2, abs=0.05), name


@pytest.mark.parametrize(("pixels", "bits"), [("gray", 8), ("yuv420p10le", 10), ("gray12le", 12), ("p010le", 16)])
def test_luma_is_the_plane_as_decoded(pixels, bits):
    gray = scene(1, 150, 100)  # Lines of 150 samples are padded.
    plane, found = luma_plane(av.VideoFrame.from_ndarray(gray, "gray").reformat(format=pixels))
    assert (plane.shape, found) == ((100, 150), bits)
    if pixels == "gray":
        assert (plane == gray).all()
    else:
        assert np.corrcoef(plane.ravel(), gray.ravel())[0, 1] > 0.999
        assert plane.max() < 1 << bits
        assert plane.max() > 1 << (bits - 2)


def test_palettes_are_converted():
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
    frame = av.VideoFrame.from_ndarray((scene(1), palette), format="pal8")  # type: ignore[arg-type]
    assert texture_row(frame)["blockiness"] == pytest.approx(row_of(scene(1))["blockiness"], rel=0.05)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from(["gray", "yuv420p", "yuv420p10le"]))
def test_any_size_gives_numbers_in_range_or_nan(width, height, pixels):
    noise = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width)).astype(np.uint8)
    row = texture_row(av.VideoFrame.from_ndarray(noise, "gray").reformat(format=pixels))
    assert list(row) == list(COLUMNS)
    if min(width, height) < texture.TILE:
        assert np.isnan(list(row.values())).all()
    for name in ("combing", "detail_across", "detail_down"):
        assert np.isnan(row[name]) or 0.0 <= row[name] <= 1.0


@pytest.mark.parametrize("level", [0, 16, 128, 255])
def test_a_blank_frame_tells_nothing_but_that_it_has_no_blocks(level):
    row = row_of(np.full((HEIGHT, WIDTH), level, np.uint8))
    assert row["blockiness"] == 1.0
    assert np.isnan([row["combing"], row["detail_across"], row["detail_down"]]).all()
    assert row["noise"] == 0.0 if level == 128 else np.isnan(row["noise"])


def test_frames_measured_together_are_as_measured_alone():
    frames = [framed(scene(seed, *size)) for seed, size in enumerate([(640, 384), (1920, 1080), (50, 50), (176, 144)])]
    frames += [framed(woven(scene(5), np.roll(scene(5), 6, axis=1))), framed(enlarged(6, 2, "bicubic"), "yuv420p10le")]
    together = texture_rows([tiles_of(frame) for frame in frames])
    for k, frame in enumerate(frames):
        alone = texture_row(frame)
        for name in COLUMNS:
            assert np.array_equal(together[name][k], np.float32(alone[name]), equal_nan=True)


def test_no_frames_are_no_rows():
    assert all(len(values) == 0 for values in texture_rows([]).values())


def test_a_clip_goes_by_its_frames_that_tell():
    nan = float("nan")
    rows = {
        "blockiness": np.array([1.0, 1.2, 9.0, nan]),
        "noise": np.array([nan, nan, nan, nan]),
        "combing": np.array([0.0, 0.5, 0.02, nan]),
        "detail_across": np.array([0.2, 0.2, 0.2, nan]),
        "detail_down": np.array([0.1, 0.3, nan, nan]),
    }
    clip = texture_of(rows)
    assert clip == {"blockiness": 1.2, "noise": None, "interlaced_share": pytest.approx(1 / 3), "detail": 0.25}


def test_rows_are_what_the_columns_say(tmp_path):
    rows = texture_rows([tiles_of(framed(scene(seed))) for seed in (1, 2)])
    writer = SeriesWriter(tmp_path / "texture.parquet", COLUMNS, {"version": texture.VERSION})
    writer.add(rows)
    writer.close()
    _, stored = read_series(tmp_path / "texture.parquet")
    for name in COLUMNS:
        assert np.array_equal(stored[name], rows[name], equal_nan=True)


@pytest.mark.parametrize("folder", ["real", "hostile"])
def test_real_and_hostile_files_give_sane_numbers(media, folder):
    measured = 0
    for path in sorted((media / folder).glob("*.*")):
        for frame in some_frames(path):
            row = texture_row(frame)
            measured += 1
            if not np.isnan(row["blockiness"]):
                assert 0.3 < row["blockiness"] < 20
            assert np.isnan(row["noise"]) or 0.0 <= row["noise"] < 20
            assert not row["combing"] >= texture.COMBED, path.name  # None of these files is interlaced.
    assert measured > 15


def some_frames(path):
    try:
        with av.open(str(path)) as container:
            frames = container.decode(video=0) if container.streams.video else iter(())
            for _, frame in zip(range(3), frames, strict=False):
                yield frame
    except av.error.FFmpegError:
        return
