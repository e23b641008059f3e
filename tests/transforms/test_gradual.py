from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.transforms.made_signals import made, mixed, of_pictures, shot, thumbnails_of
from transforms import gradual
from transforms.gradual import Transition, find_gradual, find_mixed, products, ramp, reduced

Pictures = list[np.ndarray]


def found(pictures: Pictures, hard: list[int] | None = None) -> list[Transition]:
    return find_gradual(of_pictures(pictures), thumbnails_of(pictures), hard or [])


def moving(path: Callable[[int], tuple[float, float, float]], frames: int = 120, seed: int = 5) -> Pictures:
    """A shot whose camera is at (x, y) and zooms by z: pixels and a factor, for each frame."""
    random = np.random.default_rng(seed)
    coarse, fine = (random.integers(0, 256, (n, 2 * n, 3)).astype(np.float32) for n in (10, 40))
    parts = [cv2.resize(p, (480, 240), interpolation=cv2.INTER_CUBIC) for p in (coarse, fine)]
    scene = np.clip(0.8 * parts[0] + 0.2 * parts[1], 0, 255).astype(np.uint8)
    made = []
    for k in range(frames):
        x, y, z = path(k)
        matrix = np.array([[1 / z, 0, 240 + x - 32 / z], [0, 1 / z, 120 + y - 18 / z]])
        made.append(cv2.warpAffine(scene, matrix, (64, 36), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP))
    return made


def pan(seed: int, frames: int, speed: float = 0.3) -> Pictures:
    """A shot that pans by `speed` pixels of 64 a frame."""
    return moving(lambda k: (speed * k, 0, 1), frames, seed)


def close(one: Transition, kind: str, start: int, end: int, slack: int = 2) -> bool:
    return one.kind == kind and abs(one.start - start) <= slack and abs(one.end - end) <= slack


@pytest.mark.parametrize(("frames", "speed"), [(6, 0), (6, 0.5), (12, 0), (12, 0.3), (24, 0.3), (60, 0), (60, 0.1)])
def test_a_dissolve_is_found_with_its_ends(frames, speed):
    pictures = mixed(pan(1, 80 + frames, speed), pan(2, 80 + frames, speed), frames, "dissolve")
    (one,) = found(pictures)
    assert close(one, "dissolve", 80, 80 + frames, slack=2 + frames // 8)


@pytest.mark.parametrize("frames", [8, 16, 40])
def test_a_wipe_is_found_with_its_ends(frames):
    pictures = mixed(shot(3, 80 + frames, pan=0), shot(4, 80 + frames, pan=0), frames, "wipe")
    (one,) = found(pictures)
    assert close(one, "wipe", 80, 80 + frames, slack=2 + frames // 4)


@pytest.mark.parametrize("kind", ["black", "white"])
@pytest.mark.parametrize("frames", [6, 12, 24])
def test_a_fade_is_one_transition_with_the_black_or_white_between(frames, kind):
    pictures = mixed(shot(1, 70 + frames), shot(2, 70 + frames), frames, kind)
    assert [close(one, "fade", 70, 70 + 2 * frames, slack=2) for one in found(pictures)] == [True]
    without = find_gradual(of_pictures(pictures), None, [])
    assert without == found(pictures)


def test_without_thumbnails_only_fades_are_found():
    pictures = mixed(pan(1, 80), pan(2, 80), 20, "dissolve")
    assert found(pictures) != []
    assert find_gradual(of_pictures(pictures), None, []) == []


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(lambda k: (0, 0, 1), id="still"),
        pytest.param(lambda k: (0.3 * k, 0, 1), id="slow pan"),
        pytest.param(lambda k: (1.5 * k - 90, 0, 1), id="pan"),
        pytest.param(lambda k: (150 * np.tanh((k - 60) / 5), 0, 1), id="whip pan"),
        pytest.param(lambda k: (0, 0.5 * k - 30, 1), id="tilt"),
        pytest.param(lambda k: (0, 0, 1 + k / 60), id="zoom"),
        pytest.param(lambda k: (0, 0, 1 + 2 / (1 + np.exp((60 - k) / 3))), id="crash zoom"),
        pytest.param(lambda k: (8 * np.sin(0.3 * k) + 4 * np.sin(1.1 * k), 6 * np.sin(0.27 * k), 1), id="handheld"),
    ],
)
def test_a_moving_camera_is_no_transition(path):
    assert found(moving(path)) == []


def test_light_flashes_noise_and_what_passes_are_no_transitions():
    view = shot(7, 120, pan=0)
    light = [np.clip(p * (0.4 + 0.01 * k), 0, 255).astype(np.uint8) for k, p in enumerate(view)]
    flash = [np.minimum(p.astype(int) + {50: 230, 51: 100}.get(k, 0), 255).astype(np.uint8) for k, p in enumerate(view)]
    random = np.random.default_rng(2)
    dark = [np.clip(p * 0.08 + random.normal(0, 6, p.shape), 0, 255).astype(np.uint8) for p in view]
    passing = [p.copy() for p in view]
    for k, p in enumerate(passing):
        p[:, max(0, 3 * k - 200) : max(0, 3 * k - 110)] = (30, 60, 40)
    title = [p.copy() for p in view]
    for k, p in enumerate(title):
        share = np.clip((k - 40) / 24, 0, 1)
        p[24:34, 8:56] = _to(p[24:34, 8:56], 240, share)
    for name, pictures in {"light": light, "flash": flash, "dark": dark, "passing": passing, "title": title}.items():
        assert found(pictures) == [], name


def _to(part: np.ndarray, level: int, share: float) -> np.ndarray:
    return (part * (1 - share) + level * share).astype(np.uint8)


def test_a_hard_cut_is_no_transition_and_bounds_one():
    pictures = [*pan(1, 60), *mixed(pan(2, 40), pan(3, 80), 16, "dissolve"), *pan(4, 60)]
    (one,) = found(pictures, [60, 164])
    assert close(one, "dissolve", 84, 100, slack=3)
    assert found([*pan(1, 90), *pan(2, 90)], [90]) == []


@pytest.mark.parametrize("step", [2, 3])
def test_the_frame_rate_does_not_matter(step):
    pictures = mixed(shot(1, 90, pan=0), shot(2, 90, pan=0), 20, "dissolve")
    often = [p for p in pictures for _ in range(step)]
    signals = of_pictures(often, time_base_den=25 * step)
    (one,) = find_gradual(signals, thumbnails_of(often), [])
    assert close(one, "dissolve", 70 * step, 90 * step, slack=3 * step)


def test_where_the_blocks_lie_does_not_matter(monkeypatch):
    pictures = mixed(pan(1, 150), pan(2, 150), 16, "dissolve") + mixed(pan(3, 90), pan(4, 90), 30, "dissolve")
    whole = found(pictures, [284])
    assert len(whole) == 2
    for size in (64, 100, 136, 150):
        monkeypatch.setattr(gradual, "_BLOCK", size)
        assert found(pictures, [284]) == whole, size


def test_thumbnails_are_read_only_where_the_picture_changes():
    pictures = [*shot(1, 1, pan=0) * 400, *mixed(shot(1, 40, pan=0), shot(2, 40, pan=0), 16, "dissolve")]
    pictures += pictures[-1:] * 400
    inner, asked = thumbnails_of(pictures), []

    def reader(first: int, end: int) -> np.ndarray:
        asked.append((first, end))
        return inner(first, end)

    assert len(find_mixed(of_pictures(pictures), reader, [])) == 1
    assert sum(end - first for first, end in asked) < len(pictures)
    assert find_mixed(of_pictures(pictures[:400]), lambda first, end: pytest.fail("read"), []) == []


@pytest.mark.parametrize("frames", [0, 1, 2, 3, 9])
def test_hardly_any_frames(frames):
    pictures = shot(1, frames)
    reader = thumbnails_of(shot(1, max(1, frames)))
    signals = of_pictures(pictures) if frames else made(0)
    assert find_gradual(signals, reader, []) == []


@given(st.integers(0, 20), st.integers(2, 20), st.integers(0, 20), st.floats(0.2, 3))
@hypothesis_settings(max_examples=50, deadline=None)
def test_a_ramp_is_found_exactly(before, length, after, height):
    curve = height * np.clip((np.arange(before + length + after + 1) - before) / length, 0, 1)
    assert ramp(curve) == (before, before + length)


def test_products_are_those_of_every_pair():
    random = np.random.default_rng(3)
    pictures = reduced(random.integers(0, 256, (300, 27, 48, 3)).astype(np.uint8))
    assert pictures.shape == (300, 432)
    band = products(pictures, 12)
    full = pictures.astype(np.float64) @ pictures.T.astype(np.float64) / 432
    for lag in range(13):
        np.testing.assert_array_equal(band[: 300 - lag, lag], np.diagonal(full, lag))
    assert (band[-1, 1:] == 0).all()


def test_a_reduced_picture_is_the_mean_of_its_cells():
    random = np.random.default_rng(4)
    thumbnails = random.integers(0, 256, (3, 27, 48, 3)).astype(np.uint8)
    cells = thumbnails.reshape(3, 9, 3, 16, 3, 3).mean((2, 4)).reshape(3, 432)
    np.testing.assert_allclose(reduced(thumbnails) + 128, cells, atol=0.5)
