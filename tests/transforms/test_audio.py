"""Audio: every sample at its time: priming cut, gaps filled, overlaps cut, the offset kept."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.tinymedia import render, render_sound, tone_frames
from transforms import audio as a
from transforms.failures import ElementError
from transforms.loudness import LOUDNESS_FILE, read_loudness
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe


def heard(path: Path, tmp_path: Path) -> tuple[dict[str, Any], npt.NDArray[np.int16]]:
    """Extract the audio of a file; the facts and the samples."""
    facts = probe(str(path)).video
    facts |= measure(str(path), facts, tmp_path, MeasureSettings(frames_per_second=0))
    out = tmp_path / "audio.flac"
    found = a.on_clock(a.extract(str(path), facts, out, a.AudioSettings(), levels_file=tmp_path / LOUDNESS_FILE), facts)
    with av.open(str(out)) as container:
        stream = container.streams.audio[0]
        assert (stream.rate, stream.layout.name, stream.codec_context.name) == (16000, "mono", "flac")
        parts = [frame.to_ndarray().reshape(-1) for frame in container.decode(stream)]
    samples = np.concatenate(parts).astype(np.int16)
    assert len(samples) == found["samples"]
    assert found["audio_seconds"] == len(samples) / 16000
    assert read_loudness(tmp_path / LOUDNESS_FILE)["samples"].sum() == len(samples)
    return found, samples


def phase_error(samples: npt.NDArray[np.int16], offset: float, hertz: float = 440.0) -> float:
    """Seconds by which a sine is off where it should be, if its first sample stood at time 0."""
    times = np.arange(len(samples)) / 16000 + offset
    middle = slice(len(samples) // 4, len(samples) // 2)
    turned = np.sum(samples[middle] * np.exp(-2j * np.pi * hertz * times[middle]))
    angle = np.angle(turned) + np.pi / 2
    return float((angle + np.pi) % (2 * np.pi) - np.pi) / (2 * np.pi * hertz)


CODECS = {
    "aac.mp4": "aac",
    "opus.mkv": "libopus",
    "flac.flac": "flac",
    "pcm.wav": "pcm_s16le",
    "mp3.mp3": "libmp3lame",
}


@pytest.mark.parametrize("name", sorted(CODECS))
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_tone_stays_where_it_was(tmp_path: Path, name: str, layout: str) -> None:
    path = render_sound(tmp_path / name, CODECS[name], tone_frames(2, layout=layout))
    found, samples = heard(path, tmp_path)
    # Lossy formats end on a whole packet; nothing may be missing or put in front.
    assert found["audio_seconds"] == pytest.approx(2.0, abs=0.03)
    assert abs(phase_error(samples, 0.0)) < 1e-4
    level = np.sqrt(np.mean(np.square(samples[4000:28000] / 32768.0)))
    assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert found["audio_offset"] is None


def test_sound_and_picture_start_together(tmp_path: Path) -> None:
    found, samples = heard(render(tmp_path / "a.mp4", tone=True), tmp_path)
    assert found["audio_offset"] == pytest.approx(0.0, abs=1e-3)
    assert abs(phase_error(samples, found["audio_offset"])) < 1e-3


def laid_out(path: Path, starts: Sequence[int], rate: int = 48000, picture_at: int = 0) -> Path:
    """A Matroska file of PCM packets of 4800 samples of one sine, the packets at the given samples on its clock."""
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound: Any = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        for number in range(2):
            frame = av.VideoFrame(32, 32, "yuv420p")
            frame.pts, frame.time_base = picture_at + 40 * number, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for start in starts:
            wave = (8192 * np.sin(2 * np.pi * 440 * np.arange(start, start + 4800) / rate)).astype(np.int16)
            part = av.AudioFrame.from_ndarray(wave.reshape(1, -1), "s16", "mono")
            part.sample_rate, part.pts, part.time_base = rate, start, Fraction(1, rate)
            for packet in sound.encode(part):
                out.mux(packet)
    return path


@pytest.mark.parametrize(
    ("starts", "seconds"),
    [
        ([0, 4800, 9600, 14400], 0.4),
        ([0, 4800, 19200, 24000], 0.6),  # a gap of 0.2 s
        ([0, 4800, 7200, 12000], 0.35),  # an overlap of 0.05 s
        ([0, 4800, 4800, 9600], 0.3),  # a packet twice
    ],
)
def test_gaps_are_filled_and_overlaps_cut(tmp_path: Path, starts: list[int], seconds: float) -> None:
    found, samples = heard(laid_out(tmp_path / "a.mkv", starts), tmp_path)
    assert found["audio_seconds"] == pytest.approx(seconds, abs=0.002)
    expected = np.zeros(len(samples))
    for start in starts:
        first = start // 3
        expected[first : first + 1600] = (
            8192 * np.sin(2 * np.pi * 440 * np.arange(first, first + 1600) / 16000)[: len(expected) - first]
        )
    quiet = expected == 0
    assert np.abs(samples[quiet]).max(initial=0) < 2000
    loud = np.convolve(~quiet, np.ones(65), "same") == 65
    assert np.corrcoef(samples[loud], expected[loud])[0, 1] > 0.97


def test_jitter_of_a_millisecond_is_no_gap(tmp_path: Path) -> None:
    found, samples = heard(laid_out(tmp_path / "a.mkv", [0, 4848, 9600, 14448]), tmp_path)
    assert found["samples"] == pytest.approx(6400, abs=2)
    assert np.all(np.abs(samples).reshape(-1, 40).max(axis=1) > 5000)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_the_length_is_that_of_the_clock(tmp_path_factory: pytest.TempPathFactory, gaps: list[int]) -> None:
    folder = tmp_path_factory.mktemp("audio")
    starts = [0]
    for gap in gaps:
        starts.append(starts[-1] + 4800 + 4800 * gap)
    found, _ = heard(laid_out(folder / "a.mkv", starts), folder)
    assert found["samples"] == pytest.approx((starts[-1] + 4800) / 3, abs=32)


@pytest.mark.parametrize(("start", "picture_at", "offset"), [(9600, 0, 0.2), (0, 120, -0.12), (4800, 100, 0.0)])
def test_the_offset_is_kept(tmp_path: Path, start: int, picture_at: int, offset: float) -> None:
    path = laid_out(tmp_path / "a.mkv", [start, start + 4800], picture_at=picture_at)
    found, samples = heard(path, tmp_path)
    assert found["audio_offset"] == pytest.approx(offset, abs=0.002)
    assert found["audio_seconds"] == pytest.approx(0.2, abs=0.002)
    assert np.abs(samples).max() > 7000


def test_a_timestamp_far_away_makes_no_silence(tmp_path: Path) -> None:
    far = 48000 * 3600 * 5
    found, _ = heard(laid_out(tmp_path / "a.mkv", [0, 4800, far, far + 4800]), tmp_path)
    assert found["audio_seconds"] == pytest.approx(0.4, abs=0.01)


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    path = render_sound(tmp_path / "a.mp3", "libmp3lame", tone_frames(3))
    facts = probe(str(path)).video
    made = []
    for rows in (tmp_path / "one.parquet", tmp_path / "two.parquet", None):
        a.extract(str(path), facts, tmp_path / "a.flac", a.AudioSettings(), levels_file=rows)
        made.append((rows.read_bytes() if rows else b"", (tmp_path / "a.flac").read_bytes()))
    assert made[0] == made[1]
    assert made[2] == (b"", made[0][1])


def test_the_name_decides_nothing(tmp_path: Path) -> None:
    path = render_sound(tmp_path / "a.wav", "pcm_s16le", tone_frames(1))
    shutil.copy(path, tmp_path / "b.mp4")
    assert np.array_equal(heard(path, tmp_path)[1], heard(tmp_path / "b.mp4", tmp_path)[1])


def tones(layout: str, levels: Sequence[float], seconds: float = 1.0, rate: int = 48000) -> list[av.AudioFrame]:
    """A 997 Hz sine in every channel of a layout, of the given peak levels in dBFS (-inf: silence)."""
    wave = np.sin(2 * np.pi * 997 * np.arange(round(seconds * rate)) / rate)
    samples = 10 ** (np.array(levels)[None] / 20) * wave[:, None]
    made = []
    for start in range(0, len(samples), 1024):
        part = np.ascontiguousarray(samples[start : start + 1024], np.float32).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        made.append(frame)
    return made


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("a.wav", "pcm_s16le", "mono"),
        ("a.wav", "pcm_u8", "stereo"),
        ("a.wav", "pcm_s24le", "stereo"),
        ("a.wav", "pcm_f64le", "5.1"),
        ("a.mka", "pcm_s64le", "stereo"),
        ("a.mka", "ac3", "5.1"),
        ("a.mka", "aac", "7.1(wide)"),  # eight planes: PyAV reads past their end
        ("a.wav", "pcm_s16le", "9 channels"),  # FFmpeg knows no way from these to mono
        ("a.wav", "pcm_s16le", "16 channels"),
    ],
)
def test_any_number_of_channels(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    count = av.AudioLayout(layout).nb_channels
    levels = [-20.0] + [-math.inf] * (count - 1)
    path = tmp_path / name
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=48000, layout=layout)
        for frame in tones(layout, levels, 2.0):
            if frame.format.name != stream.codec_context.format.name:
                kind = stream.codec_context.format.name
                (frame,) = av.AudioResampler(format=kind, layout=layout, rate=48000).resample(frame)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    found, samples = heard(path, tmp_path)
    assert found["audio_loudness"] == pytest.approx(-23.01, abs=0.15)
    assert found["audio_true_peak"] == pytest.approx(-20, abs=0.5)
    assert found["audio_image"] == {1: "mono", 2: "one_sided"}.get(count, "surround")
    assert abs(samples[8000:16000]).max() > 32768 * 0.1 / count / 2


def test_a_gap_is_silent_and_rows_stand_where_the_sound_is(tmp_path: Path) -> None:
    starts = [4800 * k for k in (*range(5), *range(15, 20))]
    found, _ = heard(laid_out(tmp_path / "a.mkv", starts), tmp_path)
    rows = read_loudness(tmp_path / LOUDNESS_FILE)
    loud = [True] * 5 + [False] * 10 + [True] * 5
    assert (rows["sample_peak"] > -2000).tolist() == (rows["rms"] > -3000).tolist() == loud
    assert (rows["loudness"] > -3000).tolist() == loud
    assert found["audio_silence_share"] == pytest.approx(0.5)
    assert found["audio_clipped_share"] == 0


def test_sound_that_changes_its_layout_is_measured_on(tmp_path: Path) -> None:
    bytes_ = b""
    for layout, level, rate in (("stereo", -23.0, 48000), ("mono", -20.0, 48000)):
        part = tmp_path / f"{layout}.aac"
        with av.open(str(part), "w", format="adts") as out:
            stream: Any = out.add_stream("aac", rate=rate, layout=layout)
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=1024)
            for frame in tones(layout, [level] * (1 + (layout == "stereo")), 3.0, rate):
                for planar in resampler.resample(frame):
                    out.mux(stream.encode(planar))
            out.mux(stream.encode(None))
        bytes_ += part.read_bytes()
    path = tmp_path / "both.aac"
    path.write_bytes(bytes_)
    found, _ = heard(path, tmp_path)
    assert found["audio_seconds"] == pytest.approx(6.0, abs=0.2)
    assert found["audio_loudness"] == pytest.approx(-23, abs=0.2)


def test_one_of_sixteen_tracks_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        streams: list[Any] = [out.add_stream("pcm_s16le", rate=48000, layout="mono") for _ in range(16)]
        streams[5].disposition = av.stream.Disposition.default
        for number, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if number == 5 else 0
        for number, stream in enumerate(streams):
            for frame in tones("mono", [-float(number) - 10], 1.0):
                (whole,) = av.AudioResampler(format="s16", layout="mono", rate=48000).resample(frame)
                out.mux(stream.encode(whole))
    found, _ = heard(path, tmp_path)
    assert found["audio_stream"] == 5
    assert found["audio_sample_peak"] == pytest.approx(-15, abs=0.01)


@pytest.mark.parametrize(("starts", "end"), [([0, 4800, 9600], 0.22), ([0], 0.02)])
def test_how_the_ends_differ(tmp_path: Path, starts: list[int], end: float) -> None:
    found, _ = heard(laid_out(tmp_path / "a.mkv", starts), tmp_path)
    assert found["audio_end_offset"] == pytest.approx(end, abs=0.005)


def test_no_audio(tmp_path: Path) -> None:
    path = render(tmp_path / "a.mp4", frames=3)
    with pytest.raises(ElementError) as failure:
        a.extract(str(path), probe(str(path)).video, tmp_path / "a.flac", a.AudioSettings())
    assert failure.value.error_class == "no_streams"


REAL = {
    "hostile/exo_bear.opus": 2.74,
    "hostile/exo_sample_eac3joc.mp4": 2.048,
    "hostile/exo_bear_vorbis_gap.ogg": 2.741,
    "real/copies_iscc/iscc_demo.avi": 60.21,
    "speech/whisper_jfk.flac": 11.0,
    "hostile/exo_sample_ac4.mp4": "unsupported_codec",
    "hostile/mp4parsecapi_short-cenc.mp4": "encrypted",
    "hostile/mp4parse_test_case_1185230.mp4": "damaged",
    "hostile/mp4parsecapi_bipbop_audioinit.mp4": "no_streams",
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_files(media: Path, tmp_path: Path, name: str) -> None:
    path, expected = str(media / name), REAL[name]
    facts = probe(path).video
    if isinstance(expected, float):
        found = a.extract(path, facts, tmp_path / "a.flac", a.AudioSettings())
        assert found["audio_seconds"] == pytest.approx(expected, abs=0.01)
        return
    with pytest.raises(ElementError) as failure:
        a.extract(path, facts, tmp_path / "a.flac", a.AudioSettings())
    assert failure.value.error_class == expected
