"""Recognisers are named on the command line, and stored sound is read as it was."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from captioning.recogniser import (
    FLAGS,
    RECOGNISERS,
    load_recogniser,
    read_sound,
)
from captioning.speech.endpoint import flac_of
from transforms.failures import ElementError
from transforms.settings import ConfigError


@pytest.mark.parametrize("name", sorted(RECOGNISERS))
def test_recognisers_are_loaded_by_name_without_their_weights(name: str) -> None:
    recogniser = load_recogniser(f"{name}:some/model,window_seconds=20")
    assert recogniser.name == name
    assert recogniser.settings.window_seconds == 20
    assert recogniser.settings.model == "some/model"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sphinx:en", "not one of faster-whisper, whisper, openai"),
        ("faster-whisper:base,beam_size=0", "out of range"),
        ("faster-whisper:base,beams=2", "unknown setting"),
        ("whisper:base,beam_size=two", "expected int"),
        ("openai", "no model is named"),
    ],
)
def test_a_wrong_recogniser_is_told(spec: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        load_recogniser(spec)
    assert str(told.value).startswith("--recogniser ")


def test_flags_are_explained() -> None:
    assert all(text.endswith(".") for text in FLAGS.values())


def test_sound_is_read_as_it_was_stored() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, 50_000).astype(np.float32)
    read = read_sound(flac_of(samples))
    assert read.dtype == np.float32
    assert read.shape == samples.shape
    assert np.abs(read - samples).max() <= 1 / 32768


def test_other_rates_and_channels_are_made_to_fit() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=48000, layout="stereo")
        wave = np.round(8000 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(wave, 2).reshape(1, -1), "s16", "stereo")
        frame.sample_rate = 48000
        out.mux([*stream.encode(frame), *stream.encode(None)])
    read = read_sound(file.getvalue())
    assert len(read) == pytest.approx(16000, abs=2)
    assert np.abs(read[4000:12000]).max() == pytest.approx(8000 / 32768, rel=0.02)


def test_the_shortest_of_sounds() -> None:
    assert read_sound(flac_of(np.full(1, 0.5, np.float32))).tolist() == [0.5]


@pytest.mark.parametrize("data", [b"", b"fLaC", flac_of(np.zeros(16000, np.float32))[:60], b"\0" * 5000])
def test_damaged_sound_is_told(data: bytes) -> None:
    with pytest.raises(ElementError) as failure:
        read_sound(data)
    assert failure.value.error_class == "damaged"


def test_a_picture_has_no_sound(clips: dict[str, Path]) -> None:
    with pytest.raises(ElementError) as failure:
        read_sound(clips["tiny"].read_bytes())
    assert failure.value.error_class == "no_streams"
