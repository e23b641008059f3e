from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tests.transforms.made_signals import about, made, of_pictures, shot
from transforms.clips import (
    Bars,
    BucketSettings,
    Crop,
    audio_level,
    bars_of,
    clip_id,
    clip_rows,
    crop_of,
    latent_counts,
    shape_bucket,
)
from transforms.events import frozen_frames
from transforms.evidence import Evidence
from transforms.loudness import COLUMNS
from transforms.records import ClipRow, to_table
from transforms.scenes import Span
from transforms.signals import Signals

VIDEO = {"video_id": "ab" * 32, "width": 640, "height": 360, "audio_offset": None, "audio_seconds": None}


def span(first: int, end: int) -> Span:
    return Span(0, first, end, first, end, "start", "end")


def row(signals: Signals, first: int = 0, end: int | None = None, **given: Any) -> dict[str, Any]:
    spans = [span(first, len(signals) if end is None else end)]
    video = {**VIDEO, **{k: v for k, v in given.items() if k in ("audio_offset", "audio_seconds", "sample_aspect")}}
    rest = {k: v for k, v in given.items() if k not in video}
    (made_row,) = clip_rows(video, Evidence(signals, **rest), spans, "combined", BucketSettings())
    return made_row


def test_measures_are_what_they_say():
    pixels = 64 * 36
    signals = made(
        50,
        gray=pixels * np.concatenate([np.full(25, 60), np.full(25, 100)]),
        red=200 * pixels,
        green=100 * pixels,
        blue=50 * pixels,
        delta_gray=pixels * np.where(np.arange(50) == 0, 90, 3),
        laplacian=pixels * 2,
        laplacian_squares=pixels * 104,
        size=720,
    )
    found = row(signals)
    assert (found["luma"], found["luma_min"], found["luma_max"]) == (80, 60, 100)
    assert (found["red"], found["green"], found["blue"], found["saturation"]) == (200, 100, 50, 150)
    assert found["sharpness"] == pytest.approx(100)
    # The change into the span's first frame belongs to the cut, not to the span.
    assert found["motion"] == pytest.approx(3 * 25 / 24)
    assert found["motion_max"] == 3
    assert found["bits_per_pixel"] == pytest.approx(720 * 8 / (640 * 360))
    assert (found["seconds"], found["frames"], found["frame_rate"]) == (2.0, 50, 25.0)
    assert found["kept"] is True
    assert not found["has_audio"]
    assert found["audio_rms"] is None


def test_a_row_fits_the_table():
    found = row(made(10), samples_uri="store/x/samples.zip", sample_pts=[0, 4, 9])
    assert set(found) == {field.name for field in dataclasses.fields(ClipRow)}
    assert to_table(ClipRow, [found]).num_rows == 1
    assert found["frame_uri"] == "store/x/samples.zip#frames/00000000000000000004.jpg"


def test_middle_sample_is_inside_the_span():
    assert row(made(30), 10, 20, samples_uri="s", sample_pts=[9, 20])["frame_uri"] is None
    assert row(made(30), 10, 20, samples_uri="s", sample_pts=[0, 12, 19, 25])["frame_uri"].endswith("12.jpg")


def test_seconds_count_from_the_first_frame_shown():
    signals = made(30, pts=np.arange(30) + 1000)
    found = clip_rows(VIDEO, Evidence(signals), [Span(1, 10, 20, 1010, 1020, "content", "end")], "c", BucketSettings())[
        0
    ]
    assert (found["start_seconds"], found["end_seconds"]) == (0.4, 0.8)
    assert (found["start_pts"], found["end_pts"], found["start_frame"]) == (1010, 1020, 10)


def test_black_share_is_a_share_of_time():
    dark = np.array([64 * 36, 0, 0, 64 * 36])
    signals = made(4, dark=dark, pts=[0, 10, 20, 30], duration=[10, 10, 10, 30])
    assert row(signals, 0, 4)["black_share"] == pytest.approx(40 / 60)


def test_clip_id_is_a_name_for_ever():
    # Changing this value orphans every caption and verdict that names a clip.
    assert clip_id("ab" * 32, 0, 100, 1, 25) == "ce38f0aa29e92d69b1a5f6a2f5180b62"
    assert clip_id("a", 0, 1, 1, 25) != clip_id("a", 0, 1, 1, 50)


@pytest.mark.parametrize(
    ("moved", "seconds"),
    [
        ([0.0] * 50, 2.0),
        ([0.0] * 49, 0.0),
        ([5.0] + [0.0] * 49, 2.0),
        ([0.05] * 50, 0.0),
        ([0.03] * 100, 4.0),
        ([3.0] * 30 + [0.0] * 60 + [3.0] * 30, 61 / 25),
        ([0.0] * 60 + [9.0] + [0.0] * 60, 121 / 25),
        ([0.0] * 30 + [9.0] + [0.0] * 30, 0.0),
    ],
)
def test_frozen_stretches(moved, seconds):
    starts = np.arange(len(moved) + 1) / 25
    frozen = frozen_frames(np.array(moved), starts)
    assert np.diff(starts)[frozen].sum() == pytest.approx(seconds)


def letterboxed(top: int, bottom: int, frames: int = 60) -> Signals:
    pictures = [p.copy() for p in shot(1, frames, width=96, height=72)]
    for picture in pictures:
        picture[:top], picture[72 - bottom :] = 0, 0
    return of_pictures(pictures)


def test_letterbox_is_found_and_even():
    signals = letterboxed(9, 9)
    assert crop_of(signals.about, bars_of(signals, np.zeros(60, bool), 0, 60)) == Crop(0, 0, 90, 90)
    found = clip_rows({**VIDEO, "width": 960, "height": 720}, Evidence(signals), [span(0, 60)], "c", BucketSettings())[
        0
    ]
    assert (found["crop_top"], found["crop_bottom"], found["crop_left"]) == (90, 90, 0)
    assert found["shape_bucket"] == "16:9/480p/2s"


@pytest.mark.parametrize(
    ("bars", "why"),
    [
        (Bars(0, 0, 9, 0), "only at the top: a dark sky"),
        (Bars(0, 0, 9, 14), "not a pair"),
        (Bars(0, 0, 1, 1), "a soft edge"),
        (Bars(0, 0, 30, 30), "a title on black"),
        (Bars(0, 0, 13, 13), "no picture has this shape"),
    ],
)
def test_what_is_no_bar_is_not_cropped(bars, why):
    assert crop_of(about(96, 72), bars) == Crop(0, 0, 0, 0), why


def test_crop_turns_with_the_picture():
    bars = Bars(left=0, right=0, top=6, bottom=7)
    crops = {turn: crop_of(about(64, 60, rotation=turn), bars) for turn in (0, 90, 180, 270)}
    assert crops[0] == Crop(left=0, right=0, top=60, bottom=70)
    assert crops[90] == Crop(left=70, right=60, top=0, bottom=0)
    assert crops[180] == Crop(left=0, right=0, top=70, bottom=60)
    assert crops[270] == Crop(left=60, right=70, top=0, bottom=0)


def test_a_dark_scene_takes_the_bars_of_its_video():
    bright, dim = letterboxed(9, 9), letterboxed(17, 16)
    joined = Signals(
        bright.about,
        {k: np.concatenate([v, dim[k]]) for k, v in bright.columns.items()} | {"pts": np.arange(120)},
    )
    video = {**VIDEO, "width": 960, "height": 720}
    rows = clip_rows(video, Evidence(joined), [span(0, 60), span(60, 120)], "c", BucketSettings())
    assert [(r["crop_top"], r["crop_bottom"]) for r in rows] == [(90, 90), (90, 90)]


@pytest.mark.parametrize(
    ("width", "height", "seconds", "bucket"),
    [
        (1920, 1080, 4.0, "16:9/1080p/4s"),
        (1920, 800, 3.999, "21:9/720p/4s"),
        (1080, 1920, 0.5, "9:16/1080p/sub1s"),
        (640, 480, 61.0, "4:3/480p/60s"),
        (500, 500, 31.0, "1:1/480p/16s"),
        (160, 90, 1.0, "16:9/sub240p/1s"),
        (3840, 2160, 2.0, "16:9/2160p/2s"),
        (480, 720, 8.0, "2:3/480p/8s"),
    ],
)
def test_shape_buckets(width, height, seconds, bucket):
    assert shape_bucket(width, height, seconds) == bucket


def test_sample_aspect_counts_for_the_bucket():
    assert shape_bucket(720, 576, 4, 64 / 45).startswith("16:9/")
    assert row(made(100), sample_aspect="3:4")["shape_bucket"].startswith("4:3/")


@pytest.mark.parametrize(
    ("frames", "width", "height", "latent", "patches"),
    [
        (1, 832, 480, 1, 1 * 30 * 52),
        (81, 832, 480, 21, 21 * 30 * 52),
        (82, 832, 480, 22, 22 * 30 * 52),
        (5, 17, 9, 2, 2 * 1 * 2),
    ],
)
def test_latent_counts(frames, width, height, latent, patches):
    assert latent_counts(frames, width, height, BucketSettings()) == (latent, patches)


def test_audio_level_covers_the_span():
    levels = np.array([-20.0] * 10 + [-np.inf] * 10 + [-40.0] * 10)
    assert audio_level(levels, 0.0, 0.0, 1.0) == pytest.approx(-20)
    assert audio_level(levels, 0.0, 1.0, 2.0) == -120
    assert audio_level(levels, 5.0, 7.0, 8.0) == pytest.approx(-40)
    assert audio_level(levels, 5.0, 0.0, 5.0) is None
    assert audio_level(None, 0.0, 0.0, 1.0) is None
    assert audio_level(levels, 0.0, 0.0, 2.0) == pytest.approx(-20 - 10 * np.log10(2))


def test_audio_belongs_to_the_spans_it_covers():
    signals = made(100)
    sound = {"audio_offset": 2.0, "audio_seconds": 1.0}
    assert not row(signals, 0, 50, **sound)["has_audio"]
    assert row(signals, 40, 60, **sound)["has_audio"]
    assert not row(signals, 75, 100, **sound)["has_audio"]
    loudness = {name: np.zeros(10, np.int16) for name in COLUMNS} | {"rms": np.full(10, -3000, np.int16)}
    found = row(signals, 50, 75, **sound, loudness=loudness)
    assert found["audio_rms"] == pytest.approx(-30)
    assert found["true_peak"] == 0
    assert row(signals, 0, 50, **sound, loudness=loudness)["loudness"] is None
