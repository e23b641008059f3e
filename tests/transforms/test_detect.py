from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, ThresholdDetector

from benchmarks.eval_cuts import f1, measured, score
from tests.transforms.made_signals import made, of_pictures, shot
from transforms.detect import DETECTORS, Cut, DetectSettings, average_rate, black_frames, detect
from transforms.settings import ConfigError, validate

SETTINGS = DetectSettings()


def black(frames: int) -> list[np.ndarray]:
    return [np.zeros((36, 64, 3), np.uint8)] * frames


def edited() -> list[np.ndarray]:
    """Cuts at 40, 80 and 95; a fade through black over 130 to 150."""
    fade_out = [(p * (1 - k / 10)).astype(np.uint8) for k, p in enumerate(shot(4, 10))]
    fade_in = [(p * (k / 10)).astype(np.uint8) for k, p in enumerate(shot(5, 10))]
    return [*shot(1, 40), *shot(2, 40), *shot(3, 15), *shot(4, 25), *fade_out, *black(8), *fade_in, *shot(6, 40)]


def frames_of(cuts: list[Cut]) -> list[int]:
    return [cut.frame for cut in cuts]


def test_single_detectors_are_pyscenedetect_on_the_same_pictures():
    pictures = edited()
    signals = of_pictures(pictures)
    peers = {
        "content": ContentDetector(min_scene_len=15),
        "adaptive": AdaptiveDetector(min_scene_len=15),
        "threshold": ThresholdDetector(
            min_scene_len=15, add_final_scene=True, min_out_length=FrameTimecode("0.1s", 25.0)
        ),
        "hash": HashDetector(min_scene_len=15),
    }
    for name, peer in peers.items():
        found = [cut for k, p in enumerate(pictures) for cut in peer.process_frame(FrameTimecode(k, 25.0), p)]
        found += peer.post_process(FrameTimecode(len(pictures) - 1, 25.0))
        theirs = sorted({cut.frame_num for cut in found})
        assert theirs, name
        assert frames_of(detect(signals, name, SETTINGS)) == theirs, name


def test_combined_finds_cuts_and_both_edges_of_black():
    found = detect(of_pictures(edited()), "combined", SETTINGS)
    hard = [cut.frame for cut in found if cut.detector != "fade"]
    fades = [cut.frame for cut in found if cut.detector == "fade"]
    assert {40, 80, 95} <= set(hard)
    assert len(fades) == 2
    assert 120 < fades[0] <= 130 <= 138 <= fades[1] < 148
    assert all("adaptive" in cut.detector or "content" in cut.detector for cut in found if cut.detector != "fade")


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("kind", ["white", "black", "bright"])
def test_a_flash_is_no_cut(length, kind):
    pictures = shot(7, 100, pan=0)
    for k in range(50, 50 + length):
        pictures[k] = {
            "white": np.full_like(pictures[k], 255),
            "black": np.zeros_like(pictures[k]),
            "bright": np.minimum(pictures[k].astype(int) * 2 + 60, 255).astype(np.uint8),
        }[kind]
    signals = of_pictures(pictures)
    long_black = kind == "black" and length >= 3
    assert [c for c in detect(signals, "combined", SETTINGS) if c.detector != "fade" or not long_black] == []
    assert detect(signals, "combined", DetectSettings(flash_seconds=0.0, fade_min_seconds=1.0)) != []


def test_a_cut_beside_a_flash_is_still_a_cut():
    pictures = [*shot(8, 60, pan=0), *shot(9, 60, pan=0)]
    pictures[30] = np.full_like(pictures[30], 255)
    assert frames_of(detect(of_pictures(pictures), "combined", SETTINGS)) == [60]


def test_colour_noise_without_a_new_picture_is_no_cut():
    # A keyframe of a dark picture: hue and saturation jump, light and structure stay.
    pulse = np.zeros(100, np.int64)
    pulse[50] = 60 * 64 * 36
    signals = made(100, delta_hue=pulse, delta_sat=pulse, delta_lum=pulse // 20, delta_gray=pulse // 20)
    assert frames_of(detect(signals, "content", SETTINGS)) == [50]
    assert frames_of(detect(signals, "adaptive", SETTINGS)) == [50]
    assert [c for c in detect(signals, "combined", SETTINGS) if c.detector != "fade"] == []


def test_black_holds_no_cuts():
    # Noise in the dark can be any picture: only the edges of black are cuts.
    random = np.random.default_rng(1)
    noise = [random.integers(0, 30, (36, 64, 3)).astype(np.uint8) // (1 + k % 7) for k in range(30)]
    found = detect(of_pictures([*shot(1, 40), *noise, *shot(2, 40)]), "combined", SETTINGS)
    assert frames_of(found) == [40, 70]


def test_flat_pictures_of_another_colour_are_a_cut():
    blue, red = np.zeros((36, 64, 3), np.uint8), np.zeros((36, 64, 3), np.uint8)
    blue[..., 0], blue[..., 1], red[..., 2] = 255, 60, 215
    assert frames_of(detect(of_pictures([blue] * 30 + [red] * 30), "combined", SETTINGS)) == [30]


def test_lengths_are_seconds_where_the_frame_rate_varies():
    # Two changes 20 frames apart: 0.2 s in the dense part (one cut), 2 s in the sparse part (two).
    pts = np.concatenate([np.arange(100), 100 + 10 * np.arange(100)])
    jumps = np.zeros(200, np.int64)
    jumps[[60, 80, 130, 150]] = 50 * 64 * 36
    signals = made(200, pts=pts, delta_hue=jumps, delta_sat=jumps, delta_lum=jumps)
    signals = type(signals)(type(signals.about)(**{**vars(signals.about), "time_base_den": 100}), signals.columns)
    found = detect(signals, "adaptive", SETTINGS)
    assert frames_of(found) == [60, 130, 150]
    assert [cut.pts for cut in found] == [60, 400, 600]


def test_fade_cut_falls_on_the_frame_nearest_in_time():
    light = np.full(100, 100 * 64 * 36)
    light[40:61] = 0
    pts = np.arange(100) * 3 + 1_000_000
    signals = made(100, pts=pts, blue=light, green=light, red=light)
    assert detect(signals, "threshold", SETTINGS) == [Cut(50, 1_000_150, "threshold")]


def test_stride_cuts_at_the_first_frame_of_each_piece():
    signals = made(100, pts=np.arange(100) + 5_000)
    found = detect(signals, "stride", DetectSettings(stride_seconds=1.0))
    assert frames_of(found) == [25, 50, 75]


@pytest.mark.parametrize("name", DETECTORS)
def test_shifting_time_shifts_the_cuts(name):
    pictures = edited()
    plain = detect(of_pictures(pictures), name, DetectSettings(stride_seconds=2.0))
    shifted = detect(of_pictures(pictures, range(-777, len(pictures) - 777)), name, DetectSettings(stride_seconds=2.0))
    assert plain
    assert [(c.frame, c.pts - 777, c.detector) for c in plain] == [tuple(c) for c in shifted]


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_hardly_any_frames(name, frames):
    assert detect(made(frames), name, SETTINGS) == []


def test_what_cannot_work_is_refused():
    with pytest.raises(ConfigError, match="content, adaptive"):
        detect(made(3), "magic", SETTINGS)
    with pytest.raises(ConfigError, match="--weights"):
        detect(made(3), "content", DetectSettings(weights=(0.0, 0.0, 0.0, 0.0)))
    with pytest.raises(ConfigError, match="--hash-threshold"):
        validate(DetectSettings(hash_threshold=2.0))
    validate(SETTINGS)


def test_black_is_98_percent_of_dark_pixels():
    pixels = 64 * 36
    assert black_frames(made(2, dark=[round(0.97 * pixels), round(0.99 * pixels)])).tolist() == [False, True]


def test_average_rate_counts_intervals():
    assert average_rate(made(101)) == 25
    assert average_rate(made(1)) == 25


@pytest.mark.slow
def test_real_cuts(media: Path):
    truth = json.loads((media / "real" / "cuts.json").read_text())
    total = score([], [])
    for name, known in truth.items():
        if name.startswith("_"):
            continue
        _, signals = measured(media / "real" / name)
        assert len(signals) == known["frames"], name
        found = [c.frame for c in detect(signals, "combined", SETTINGS) if c.detector != "fade"]
        counts = score(found, known["hard"], [(a, b) for _, a, b in known["gradual"]])
        assert counts["missed"] == 0, name
        total += counts
    assert f1(total) > 0.97
