"""Loudness: the EBU's test signals (Tech 3341 and 3342), spans, silence, and FFmpeg's own meter on real files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest
from av.filter import Graph

from tests.transforms.test_levels import FIVE_ONE, STEREO, measured, sine
from transforms import audio
from transforms.loudness import (
    COLUMNS,
    FLOOR,
    Rows,
    hundredths,
    loudness_of,
    momentary,
    read_loudness,
    short_term,
    silent,
)
from transforms.media import choose_audio, open_media
from transforms.probe import probe


def stereo(path: Path, parts: Sequence[tuple[float, float]]) -> Rows:
    """Rows of a 1 kHz stereo sine: stretches of (seconds, level)."""
    wave = np.concatenate([sine(seconds, level, 1000, 8000) for seconds, level in parts])
    return measured(path, [(np.tile(wave, (2, 1)), STEREO, 8000)], [80_000])[0]


def rows_of(levels: Sequence[float], **given: Any) -> Rows:
    """Rows of a tenth of a second each, of one loudness and peak in dB; -inf for silence."""
    stored = np.array([FLOOR if level == -math.inf else round(100 * level) for level in levels], np.int16)
    columns: dict[str, Any] = {name: stored for name in ("rms", "loudness", "sample_peak", "true_peak")}
    columns |= {"samples": np.full(len(stored), 1600, np.int16), "clipped": np.zeros(len(stored), np.int32)}
    return columns | {name: np.asarray(value) for name, value in given.items()}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(20, -23)], -23),  # EBU Tech 3341, 1
        ([(20, -33)], -33),  # 2
        ([(10, -36), (60, -23), (10, -36)], -23),  # 3
        ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23),  # 4
        ([(20, -26), (20.1, -20), (20, -26)], -23),  # 5
    ],
)
def test_integrated_loudness(tmp_path: Path, parts: list[tuple[float, float]], expected: float):
    assert loudness_of(stereo(tmp_path / "a.parquet", parts))["loudness"] == pytest.approx(expected, abs=0.1)


def test_integrated_loudness_of_five_channels(tmp_path: Path):  # Tech 3341, 6
    levels = (-28, -28, -24, 0, -30, -30)
    wave = np.stack([sine(20, level, 1000, 16000) for level in levels])
    rows, _ = measured(tmp_path / "a.parquet", [(wave, FIVE_ONE, 16000)])
    assert loudness_of(rows)["loudness"] == pytest.approx(-23, abs=0.1)


def test_short_term_and_momentary_loudness(tmp_path: Path):  # Tech 3341, 9 and 12
    rows = stereo(tmp_path / "a.parquet", [(1.34, -20), (1.66, -30)] * 5)
    assert short_term(rows) == pytest.approx(np.full(len(rows["samples"]) - 29, -23), abs=0.1)
    assert loudness_of(rows)["short_term_max"] == pytest.approx(-23, abs=0.1)
    rows = stereo(tmp_path / "a.parquet", [(0.18, -20), (0.22, -30)] * 25)
    assert momentary(rows)[7:] == pytest.approx(np.full(len(rows["samples"]) - 10, -23), abs=0.1)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([-20, -30], 10),  # EBU Tech 3342, 1
        ([-20, -15], 5),  # 2
        ([-40, -20], 20),  # 3
        ([-50, -35, -20, -35, -50], 15),  # 4
    ],
)
def test_loudness_range(tmp_path: Path, levels: list[float], expected: float):
    rows = stereo(tmp_path / "a.parquet", [(20, level) for level in levels])
    assert loudness_of(rows)["loudness_range"] == pytest.approx(expected, abs=1)


def test_what_is_too_short_has_no_loudness():
    assert loudness_of(rows_of([-20] * 3))["loudness"] is None
    assert loudness_of(rows_of([-20] * 4))["loudness"] == pytest.approx(-20)
    # A last row that is not a whole tenth of a second completes no block.
    assert loudness_of(rows_of([-20] * 4, samples=[1600, 1600, 1600, 1599]))["loudness"] is None
    assert loudness_of(rows_of([-20] * 29))["short_term_max"] is None
    assert loudness_of(rows_of([-20] * 30))["loudness_range"] == 0
    assert len(momentary(rows_of([]))) == len(short_term(rows_of([]))) == 0


def test_silence_is_none_not_minus_infinity():
    assert loudness_of(rows_of([-math.inf] * 50)) == {
        "loudness": None,
        "loudness_range": None,
        "short_term_max": None,
        "true_peak": None,
        "sample_peak": None,
        "silence_share": 1.0,
        "clipped_share": 0.0,
    }
    assert loudness_of(rows_of([-71] * 50))["loudness"] is None
    assert set(loudness_of(rows_of([-20] * 5), 3.0, 4.0).values()) == {None}
    assert set(loudness_of(rows_of([])).values()) == {None}


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([-20] * 5 + [-61] * 5 + [-20] * 5, "000001111100000"),
        ([-20] * 5 + [-61] * 4 + [-20] * 6, "0" * 15),
        ([-60] * 9, "0" * 9),
        ([-61, -61], "11"),
        ([-61] * 5 + [-20], "111110"),
    ],
)
def test_silence_lasts_half_a_second(levels: list[float], expected: str):
    assert "".join("01"[int(quiet)] for quiet in silent(rows_of(levels))) == expected


def test_a_span_has_its_own_loudness():
    rows = rows_of([-40] * 20 + [-10] * 20 + [-math.inf] * 20)
    # What lies across the edge of a span counts for neither side.
    first, loud, quiet = (loudness_of(rows, *span) for span in ((0.0, 2.04), (1.96, 4.04), (3.96, 9.0)))
    assert first["loudness"] == pytest.approx(-40)
    assert first["true_peak"] == -40
    assert loud["loudness"] == pytest.approx(-10)
    assert loud["silence_share"] == 0
    assert (quiet["loudness"], quiet["sample_peak"], quiet["silence_share"]) == (None, None, 1.0)
    # A short span inside a long silence is silent too; one inside a single row has that row's values.
    assert loudness_of(rows, 5.0, 5.3)["silence_share"] == 1.0
    assert loudness_of(rows, 2.53, 2.58)["true_peak"] == -10
    assert loudness_of(rows, -1.0, 0.5)["true_peak"] == -40


def test_hundredths():
    assert hundredths(np.array([1.0, 0.5, 0.0, 1e-20, 1e12])).tolist() == [0, -301, FLOOR, FLOOR, 6000]
    assert set(COLUMNS) == set(rows_of([0]))


def _ffmpeg(path: Path) -> dict[str, float]:
    """What FFmpeg's `ebur128` says at the end."""
    said: dict[str, str] = {}
    with open_media(str(path)) as container:
        graph: Graph | None = None
        frames: Any = container.decode(choose_audio(container))
        for frame in frames:
            frame.pts = None
            if graph is None:
                graph = Graph()
                source = graph.add_abuffer(
                    sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name
                )
                meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
                source.link_to(meter)
                meter.link_to(sink)
                graph.configure()
            source.push(frame)
            while True:
                try:
                    said.update(sink.pull().metadata)
                except av.error.FFmpegError:
                    break
    return {name: float(said[f"lavfi.r128.{name}"]) for name in ("I", "LRA", "true_peak")}


REAL = ("hostile/webcodecs_bbb_audio_aac_frag.mp4", "hostile/exo_sample_eac3joc.mp4", "real/copies_iscc/iscc_demo.webm")


@pytest.mark.parametrize("name", REAL)
def test_real_files_measure_what_ffmpeg_says(media: Path, tmp_path: Path, name: str):
    path, rows = media / name, tmp_path / "loudness.parquet"
    audio.extract(str(path), probe(str(path)).video, tmp_path / "a.flac", audio.AudioSettings(), levels_file=rows)
    found, said = loudness_of(read_loudness(rows)), _ffmpeg(path)
    assert found["loudness"] == pytest.approx(said["I"], abs=0.05)
    assert found["true_peak"] == pytest.approx(20 * math.log10(said["true_peak"]), abs=0.1)
    if found["loudness_range"] is not None:
        assert found["loudness_range"] == pytest.approx(said["LRA"], abs=0.1)
