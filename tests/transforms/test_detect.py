from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, ThresholdDetector

from tests.transforms.made_signals import about, made, mixed, of_pictures, shot, thumbnails_of
from transforms import thumbnails
from transforms.detect import DETECTORS, Cut, DetectSettings, detect
from transforms.gradual import Thumbnails
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe
from transforms.settings import ConfigError, validate
from transforms.signals import Signals, read_signals
from transforms.timeline import black_frames

SETTINGS = DetectSettings()
STORED = [name for name in DETECTORS if name != "transnetv2"]
"""What needs no network."""


def black(frames: int) -> list[np.ndarray]:
    return [np.zeros((36, 64, 3), np.uint8)] * frames


def edited() -> list[np.ndarray]:
    """Cuts at 40, 80 and 95; a fade through black over 120 to 148, black from 130 to 138."""
    last, first = shot(4, 35), shot(6, 50)
    out = [(p * (1 - k / 10)).astype(np.uint8) for k, p in enumerate(last[25:])]
    back = [(p * (k / 10)).astype(np.uint8) for k, p in enumerate(first[:10])]
    return [*shot(1, 40), *shot(2, 40), *shot(3, 15), *last[:25], *out, *black(8), *back, *first[10:]]


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


def test_combined_finds_cuts_and_the_fade_between_them():
    pictures = edited()
    for reader in (None, thumbnails_of(pictures)):
        found = detect(of_pictures(pictures), "combined", SETTINGS, reader)
        assert [(cut.frame, cut.gradual) for cut in found[:3]] == [(40, False), (80, False), (95, False)]
        (fade,) = [cut for cut in found if cut.gradual]
        assert fade is found[3]
        assert fade.detector == "fade"
        assert abs(fade.end_frame - 120) <= 2
        assert abs(fade.frame - 148) <= 2
        assert [cut.frame for cut in found[4:]] == []
        assert (fade.pts, fade.end_pts) == (fade.frame, fade.end_frame)
        assert all("adaptive" in cut.detector or "content" in cut.detector for cut in found[:3])


def test_combined_takes_the_hard_cuts_inside_a_gradual_transition():
    # Thresholds so low that the vote sees cuts in a wipe.
    pictures = mixed(shot(21, 60, pan=0), shot(22, 60, pan=0), 12, "wipe")
    signals, settings = of_pictures(pictures), DetectSettings(adaptive_threshold=1.0, adaptive_min_content=2.0)
    assert any(48 <= cut.frame <= 60 for cut in detect(signals, "combined", settings))
    (cut,) = detect(signals, "combined", settings, thumbnails_of(pictures))
    assert cut.detector == "wipe"
    assert cut.end_frame < cut.frame


@pytest.mark.parametrize("name", DETECTORS)
def test_a_scan_answers_with_its_own_cuts(name):
    signals = made(100, about(scan_cuts=[20, 61]), pts=np.arange(100) + 3)
    cuts = [Cut(17, 20, "scan", 17, 20), Cut(58, 61, "scan", 58, 61)]
    assert detect(signals, name, SETTINGS) == cuts


def test_black_with_hard_edges_is_cut_at_both():
    pictures = [*shot(1, 50), *black(20), *shot(2, 50)]
    found = detect(of_pictures(pictures), "combined", SETTINGS, thumbnails_of(pictures))
    assert [(cut.frame, cut.gradual) for cut in found] == [(50, False), (70, False)]


def test_a_dark_scene_is_not_black():
    random = np.random.default_rng(3)
    dim = [np.clip(p * 0.1 + random.normal(0, 3, p.shape), 0, 255).astype(np.uint8) for p in shot(3, 60, pan=0)]
    signals = of_pictures([np.maximum(p, 0) for p in dim])
    assert black_frames(signals).all()
    assert detect(signals, "combined", SETTINGS) == []


@pytest.mark.parametrize("length", [1, 2, 4, 9])
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
    found = detect(signals, "combined", SETTINGS, thumbnails_of(pictures))
    # Black of 0.1 s and more ends a shot.
    assert [cut.frame for cut in found] == ([50, 50 + length] if kind == "black" and length >= 3 else [])
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
    assert detect(signals, "combined", SETTINGS) == []


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
    assert detect(signals, "threshold", SETTINGS) == [Cut(50, 1_000_150, "threshold", 50, 1_000_150)]


def test_stride_cuts_at_the_first_frame_of_each_piece():
    signals = made(100, pts=np.arange(100) + 5_000)
    found = detect(signals, "stride", DetectSettings(stride_seconds=1.0))
    assert frames_of(found) == [25, 50, 75]


@pytest.mark.parametrize("name", STORED)
def test_shifting_time_shifts_the_cuts(name):
    pictures, settings = edited(), DetectSettings(stride_seconds=2.0)
    plain = detect(of_pictures(pictures), name, settings, thumbnails_of(pictures))
    later = of_pictures(pictures, range(-777, len(pictures) - 777))
    shifted = detect(later, name, settings, thumbnails_of(pictures))
    assert plain
    assert [cut._replace(pts=cut.pts - 777, end_pts=cut.end_pts - 777) for cut in plain] == shifted


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("frames", [0, 1, 2, 3])
def test_hardly_any_frames(name, frames):
    if name in STORED or frames < 2:
        assert detect(made(frames), name, SETTINGS) == []


def test_what_cannot_work_is_refused():
    with pytest.raises(ConfigError, match="content, adaptive"):
        detect(made(3), "magic", SETTINGS)
    with pytest.raises(ConfigError, match="--weights"):
        detect(made(3), "content", DetectSettings(weights=(0.0, 0.0, 0.0, 0.0)))
    with pytest.raises(ConfigError, match="thumbnails"):
        detect(made(3), "transnetv2", SETTINGS)
    with pytest.raises(ConfigError, match="--hash-threshold"):
        validate(DetectSettings(hash_threshold=2.0))
    validate(SETTINGS)


@pytest.mark.slow
def test_real_cuts(media: Path):
    truth = json.loads((media / "real" / "cuts.json").read_text())
    wrong: list[tuple[str, int]] = []
    met = 0
    for name, known in truth.items():
        if name.startswith("_"):
            continue
        with measured(media / "real" / name) as (signals, thumbnails):
            found = detect(signals, "combined", SETTINGS, thumbnails)
        assert len(signals) == known["frames"], name
        spans = [(first, last + 1) for _, first, last in known["gradual"]]
        hard = {cut.frame for cut in found if not cut.gradual}
        assert set(known["hard"]) <= hard, name
        wrong += [(name, f) for f in hard - set(known["hard"]) if not any(a <= f <= b for a, b in spans)]
        gradual = [(cut.end_frame, cut.frame) for cut in found if cut.gradual]
        met += sum(any(a < end and start < b for start, end in gradual) for a, b in spans)
    # One title on black after another.
    assert len(wrong) <= 2
    assert met >= 1


@contextlib.contextmanager
def measured(path: Path) -> Iterator[tuple[Signals, Thumbnails]]:
    """A file's signals, and what reads its thumbnails."""
    with tempfile.TemporaryDirectory() as folder:
        measure(str(path), probe(str(path)).video, folder, MeasureSettings(frames_per_second=0))
        signals = read_signals(Path(folder, "signals.parquet"))
        with thumbnails.Thumbnails(Path(folder, "thumbnails.zip")) as stored:
            yield signals, stored.read
