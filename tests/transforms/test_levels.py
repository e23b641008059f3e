"""Levels: what tones of known strength measure, however they arrive, at every rate and layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.levels import LevelsWriter, k_weighting, weights_of
from transforms.loudness import COLUMNS, FLOOR, Rows, loudness_of, read_loudness

STEREO = ("FL", "FR")
FIVE_ONE = ("FL", "FR", "FC", "LFE", "SL", "SR")
SEVEN_ONE = ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR")
FULL = np.ones(1, np.float32)


def sine(seconds: float, level: float, hertz: float = 997.0, rate: int = 48000, degrees: float = 0.0) -> np.ndarray:
    """A sine whose peak is at a level in dBFS."""
    time = np.arange(round(seconds * rate)) / rate
    return 10 ** (level / 20) * np.sin(2 * np.pi * hertz * time + np.radians(degrees))


def measured(
    path: Path,
    stretches: Sequence[tuple[np.ndarray, Sequence[str], int]],
    pieces: Sequence[int] = (48000,),
    kind: str = "flt",
) -> tuple[Rows, dict[str, Any]]:
    """Rows and facts of stretches of samples (channels, n), each with its channels and rate, cut into pieces."""
    writer = LevelsWriter(path)
    stored, turn = 0.0, 0
    for samples, channels, rate in stretches:
        writer.begin(rate, channels, kind, round(stored))
        at = 0
        while at < samples.shape[1]:
            size = pieces[turn % len(pieces)]
            turn += 1
            part = np.ascontiguousarray(samples[:, at : at + size], np.float32)
            before, at = round(stored), at + size
            stored += part.shape[1] * 16000 / rate
            writer.add(part)
            writer.store(np.zeros(round(stored) - before, np.int16))
    writer.close()
    return read_loudness(path), writer.image()


def loudness(rows: Rows) -> float | None:
    return loudness_of(rows)["loudness"]


def test_the_filters_are_those_of_the_standard_at_48_khz():
    shelf, high_pass = k_weighting(48000)
    assert shelf == pytest.approx(
        (1.53512485958697, -2.69169618940638, 1.19839281085285, -1.69065929318241, 0.73248077421585)
    )
    assert high_pass == pytest.approx((1.0, -2.0, 1.0, -1.99004745483398, 0.99007225036621))


@pytest.mark.parametrize(
    ("channels", "weights"),
    [
        (("FC",), [1]),
        (STEREO, [1, 1]),
        (FIVE_ONE, [1, 1, 1, 0, 1.41, 1.41]),
        (("FL", "FR", "FC", "LFE", "BL", "BR"), [1, 1, 1, 0, 1.41, 1.41]),
        (SEVEN_ONE, [1, 1, 1, 0, 1, 1, 1.41, 1.41]),
        (("FL", "FR", "FC", "BC"), [1, 1, 1, 1]),
        (("AMBI0", "AMBI1", "AMBI2", "AMBI3"), [1, 0, 0, 0]),
        (("NONE",) * 3, [1, 1, 1]),
    ],
)
def test_channels_weigh_what_the_standard_says(channels: Sequence[str], weights: list[float]):
    assert weights_of(channels).tolist() == weights


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 88200, 96000, 192000])
@pytest.mark.parametrize("channels", [("FC",), STEREO])
def test_a_sine_has_its_level_at_every_rate(tmp_path: Path, rate: int, channels: Sequence[str]):
    tone = np.tile(sine(4.05, -20, rate=rate), (len(channels), 1))
    rows, facts = measured(tmp_path / "a.parquet", [(tone, channels, rate)], [rate])
    assert len(rows["samples"]) == 41
    assert rows["samples"].tolist() == [1600] * 40 + [800]
    # One channel at full scale is -3.01 LUFS, two are 0.
    assert loudness(rows) == pytest.approx(-20 - 3.01 * (len(channels) == 1), abs=0.06)
    assert np.abs(rows["true_peak"][:-1] + 2000).max() <= 8
    assert np.all(rows["true_peak"] >= rows["sample_peak"])
    assert facts["audio_image"] == ("mono" if len(channels) == 1 else "dual_mono")


@pytest.mark.parametrize("channels", [FIVE_ONE, SEVEN_ONE, ("NONE",) * 16])
def test_each_channel_alone_counts_with_its_weight(tmp_path: Path, channels: Sequence[str]):
    for place, weight in enumerate(weights_of(channels)):
        samples = np.zeros((len(channels), 48000))
        samples[place] = sine(1, -20)
        rows, facts = measured(tmp_path / "a.parquet", [(samples, channels, 48000)])
        expected = -23.01 + 10 * np.log10(weight) if weight else None
        assert loudness(rows) == (pytest.approx(expected, abs=0.06) if weight else None)
        assert facts["audio_image"] == "surround"
        assert facts["audio_dead_channels"] == len([c for c in channels if c != "LFE"]) - (channels[place] != "LFE")


def test_loudness_goes_on_where_rate_and_layout_change(tmp_path: Path):
    parts = [
        (np.tile(sine(2.03, -23), (2, 1)), STEREO, 48000),
        (sine(2.5, -20, rate=44100)[None], ("FC",), 44100),
        (np.tile(sine(2.47, -23, rate=8000), (2, 1)), STEREO, 8000),
    ]
    rows, facts = measured(tmp_path / "a.parquet", parts, [1024])
    assert len(rows["samples"]) == 70
    assert np.abs(rows["loudness"] + 2300).max() < 60
    assert loudness(rows) == pytest.approx(-23, abs=0.1)
    assert facts["audio_image"] == "dual_mono"


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20000), min_size=1, max_size=6).map(lambda pieces: [*pieces, 8000]))
def test_rows_do_not_depend_on_how_samples_arrive(tmp_path_factory: pytest.TempPathFactory, pieces: list[int]):
    folder = tmp_path_factory.mktemp("levels")
    random = np.random.default_rng(0)
    samples = np.clip(random.normal(0, 0.3, (2, 30_000)), -1, 1)
    samples[0, 9990:10_030] = 1.0
    whole, _ = measured(folder / "a.parquet", [(samples, STEREO, 16000)], [30_000])
    parts, _ = measured(folder / "b.parquet", [(samples, STEREO, 16000)], pieces)
    for name in COLUMNS:
        # What is between two samples belongs to the row of the last one looked at; sums are rounded on the way.
        slack = {"loudness": 1, "true_peak": 1}.get(name, 0)
        assert np.abs(whole[name].astype(int) - parts[name]).max() <= slack, name


@pytest.mark.parametrize(
    ("hertz", "degrees", "level", "peak"),
    [
        (12000, 0, 20 * np.log10(0.5), -6.0),  # EBU Tech 3341, 15
        (12000, 45, 20 * np.log10(0.5), -6.0),  # 16
        (8000, 60, 20 * np.log10(0.5), -6.0),  # 17
        (6000, 67.5, 20 * np.log10(0.5), -6.0),  # 18
        (12000, 45, 20 * np.log10(1.41), 3.0),  # 19
        (17123, 10, -1.0, -1.0),
        (997, 0, 0.0, 0.0),
    ],
)
@pytest.mark.parametrize("rate", [48000, 96000])
def test_true_peaks(tmp_path: Path, rate: int, hertz: float, degrees: float, level: float, peak: float):
    tone = sine(1, level, hertz * rate / 48000, rate, degrees)
    rows, _ = measured(tmp_path / "a.parquet", [(np.tile(tone, (2, 1)), STEREO, rate)])
    found = loudness_of(rows)["true_peak"]
    # Tech 3341 allows +0.2 and -0.4 dB; twice the samples of 96 kHz see a quarter of its rate less well.
    assert found is not None
    assert peak - (0.4 if rate == 48000 else 0.7) <= found <= peak + 0.2


@pytest.mark.parametrize(("kind", "full"), [("s16", 32767 / 32768), ("u8p", 127 / 128), ("fltp", 1.2)])
def test_three_samples_at_full_scale_are_clipped(tmp_path: Path, kind: str, full: float):
    samples = np.zeros((2, 16000))
    samples[0, 100:102] = full
    samples[0, 5000:5003] = -full
    samples[1, 7999:8004] = full
    rows, _ = measured(tmp_path / "a.parquet", [(samples, STEREO, 16000)], [8001], kind)
    assert rows["clipped"].tolist() == [0, 0, 0, 1, 0, 3, 0, 0, 0, 0]
    assert loudness_of(rows)["clipped_share"] == pytest.approx(0.2)


def test_a_loud_sine_is_not_clipped(tmp_path: Path):
    rows, _ = measured(tmp_path / "a.parquet", [(sine(1, -0.01)[None], ("FC",), 48000)])
    assert rows["clipped"].sum() == 0


@pytest.mark.parametrize(
    ("left", "right", "word", "correlation", "dead"),
    [
        (FULL, FULL, "dual_mono", 1.0, 0),
        (FULL, 0.5 * FULL, "stereo", 1.0, 0),
        (FULL, -FULL, "opposed", -1.0, 0),
        (FULL, 0 * FULL, "one_sided", None, 1),
        (0.0005 * FULL, 0.0005 * FULL, "silent", 1.0, 2),
        (0 * FULL, 0 * FULL, "silent", None, 2),
    ],
)
def test_channels_are_told_apart(
    tmp_path: Path, left: np.ndarray, right: np.ndarray, word: str, correlation: float | None, dead: int
):
    tone = sine(1, -6)
    _, facts = measured(tmp_path / "a.parquet", [(np.stack([left * tone, right * tone]), STEREO, 48000)])
    assert facts == {
        "audio_image": word,
        "audio_correlation": pytest.approx(correlation) if correlation is not None else None,
        "audio_dead_channels": dead,
    }


def test_broken_numbers_do_no_harm(tmp_path: Path):
    samples = np.tile(sine(3, -20), (2, 1))
    samples[0, 60_000:60_010] = np.nan
    samples[1, 60_100] = np.inf
    samples[1, 60_200] = 1e30
    rows, facts = measured(tmp_path / "a.parquet", [(samples, STEREO, 48000)])
    assert rows["sample_peak"].max() == 6000
    assert rows["loudness"][20:].tolist() == pytest.approx([-2000] * 10, abs=6)
    assert facts["audio_image"] == "stereo"


def test_silence_has_the_floor_and_a_rate_too_low_is_not_measured(tmp_path: Path):
    for stretch in ((np.zeros((2, 48000)), STEREO, 48000), (np.ones((1, 100)), ("FC",), 100)):
        rows, _ = measured(tmp_path / "a.parquet", [stretch])
        assert len(rows["samples"]) == 10
        for name in ("rms", "loudness", "sample_peak", "true_peak"):
            assert set(rows[name].tolist()) == {FLOOR}


@pytest.mark.parametrize(("samples", "windows"), [(16000, 10), (1600, 1), (1599, 1), (1601, 2), (1, 1)])
def test_there_is_one_row_a_window_and_one_for_what_is_left(tmp_path: Path, samples: int, windows: int):
    writer = LevelsWriter(tmp_path / "a.parquet")
    writer.begin(16000, ("FC",), "s16", 0)
    writer.add(np.full((1, samples), 0.5, np.float32))
    writer.store(np.full(samples, 16384, np.int16))
    writer.close()
    rows = read_loudness(tmp_path / "a.parquet")
    assert len(rows["samples"]) == windows
    assert rows["samples"].sum() == samples
    assert rows["rms"].tolist() == [-602] * windows
