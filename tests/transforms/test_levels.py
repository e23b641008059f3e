"""Levels: what a tone of known strength measures, however the file is cut into frames."""

from __future__ import annotations

import math
from pathlib import Path

import av
import numpy as np
import pytest

from transforms.levels import FLOOR, WINDOW, _blocks, levels

RATE = 16_000


def stored(folder: Path, samples: np.ndarray) -> Path:
    """Mono samples in -1 to 1, as the store keeps them: 16-bit FLAC at 16 kHz."""
    path = folder / "audio.flac"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono", format="s16")
        whole = np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sine(seconds: float, peak: float = 1.0) -> np.ndarray:
    return peak * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)


@pytest.mark.parametrize(
    ("samples", "level", "off"),
    [
        (np.full(RATE, -1.0), 0.0, 0.001),
        (sine(1.0), 20 * math.log10(1 / math.sqrt(2)), 0.02),
        (sine(1.0, 0.5), 20 * math.log10(0.5 / math.sqrt(2)), 0.02),
        (sine(1.0, 0.001), 20 * math.log10(0.001 / math.sqrt(2)), 0.3),
        (np.zeros(RATE), FLOOR, 0.0),
    ],
    ids=["square", "sine", "half", "faint", "silence"],
)
def test_a_level_is_the_root_mean_square_against_full_scale(tmp_path, samples, level, off):
    found = levels(stored(tmp_path, samples))
    assert found.dtype == np.float32
    assert found.shape == (10,)
    assert np.abs(found - level).max() <= off


@pytest.mark.parametrize(("samples", "windows"), [(RATE, 10), (1600, 1), (1599, 1), (1601, 2), (4000, 3)])
def test_there_is_one_level_a_window_and_one_for_what_is_left(tmp_path, samples, windows):
    assert levels(stored(tmp_path, np.full(samples, 0.5))).shape == (windows,)
    assert round(RATE * WINDOW) == 1600


def test_levels_stand_where_the_sound_is(tmp_path):
    found = levels(stored(tmp_path, np.concatenate([np.zeros(RATE // 2), sine(0.3), np.zeros(RATE // 5)])))
    assert (found > -10).tolist() == [False] * 5 + [True] * 3 + [False] * 2


def test_the_last_level_is_of_what_is_left_alone(tmp_path):
    found = levels(stored(tmp_path, np.concatenate([np.zeros(1600), np.full(100, -1.0)])))
    assert found.tolist() == pytest.approx([FLOOR, 0.0], abs=0.001)


@pytest.mark.parametrize("sizes", [[4000], [1, 1599, 2400], [1599, 2, 2399], [100] * 40, [0, 4000, 0]])
def test_blocks_do_not_depend_on_how_samples_arrive(sizes):
    whole = np.arange(4000, dtype=np.int16)
    pieces = np.split(whole, np.cumsum(sizes)[:-1])
    blocks = list(_blocks(iter(pieces), 1600))
    assert [len(b) for b in blocks] == [1600, 1600, 800]
    assert np.array_equal(np.concatenate(blocks), whole)
