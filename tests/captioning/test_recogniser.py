"""Transcripts: words are where their middle is, and stored sound is read as it was."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.recogniser import (
    FLAGS,
    RECOGNISERS,
    Utterance,
    Word,
    load_recogniser,
    read_sound,
    utterances_in,
    words_in,
)
from captioning.speech.endpoint import flac_of
from transforms.failures import ElementError
from transforms.settings import ConfigError

SECONDS = st.floats(0, 60, allow_nan=False)


def said(*words: Word, language: str = "en", flags: tuple[str, ...] = ()) -> Utterance:
    return Utterance(
        start=words[0].start,
        end=words[-1].end,
        text="".join(word.text for word in words).strip(),
        language=language,
        words=words,
        log_probability=-0.2,
        no_speech=0.1,
        compression=1.0,
        flags=flags,
    )


@st.composite
def transcripts(draw: st.DrawFn) -> list[Utterance]:
    """Utterances in order of time whose words are numbered, so that each is known again; some last no time."""
    times = sorted(draw(st.lists(SECONDS, min_size=2, max_size=30)))
    words = [Word(a, b, f" w{n}", 0.5) for n, (a, b) in enumerate(itertools.pairwise(times))]
    made, first = [], 0
    while first < len(words):
        past = first + draw(st.integers(1, 6))
        made.append(said(*words[first:past]))
        first = past
    return made


@given(transcripts(), st.lists(SECONDS, max_size=6))
def test_cuts_lose_no_word_and_double_none(utterances: list[Utterance], cuts: list[float]) -> None:
    bounds = [0.0, *sorted(cuts), 61.0]
    parts = [words_in(utterances, a, b) for a, b in itertools.pairwise(bounds)]
    assert " ".join(part for part in parts if part) == " ".join(one.text for one in utterances)


def test_a_word_across_a_cut_is_where_most_of_it_is() -> None:
    spoken = [said(Word(0.0, 1.0, " one", 0.9), Word(1.0, 2.0, " two,", 0.9), Word(2.0, 3.0, " three", 0.9))]
    assert (words_in(spoken, 0, 1.4), words_in(spoken, 1.4, 9)) == ("one", "two, three")
    assert (words_in(spoken, 0, 1.6), words_in(spoken, 1.6, 9)) == ("one two,", "three")
    assert words_in(spoken, 3, 9) == ""


def test_scripts_without_spaces_keep_none() -> None:
    spoken = [said(Word(0.0, 0.2, "砸", 0.9), Word(0.2, 0.5, "自己", 0.9), Word(0.5, 0.8, "的脚", 0.9), language="zh")]
    assert words_in(spoken, 0, 0.6) == "砸自己"
    assert words_in(spoken, 0, 1) == "砸自己的脚"


def test_a_part_of_an_utterance_keeps_its_flags() -> None:
    whole = said(Word(0.0, 1.0, " one", 0.9), Word(1.0, 2.0, " two", 0.9), flags=("no_speech",))
    (part,) = utterances_in([whole], 1.0, 9.0)
    assert (part.text, part.start, part.end, part.flags) == ("two", 1.0, 2.0, ("no_speech",))


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
