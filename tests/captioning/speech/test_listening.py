"""Listening: voice first, windows, languages, times and guards, whatever the model says."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.recogniser import Samples, Utterance, Word
from captioning.speech.listening import Heard, ListeningSettings, spread, transcribe
from captioning.speech.voice import Voice
from transforms.audio import SAMPLE_RATE as RATE
from transforms.failures import ElementError
from transforms.settings import ConfigError


def said(text: str, start: float, end: float, language: str | None = "en", **more: Any) -> Utterance:
    numbers: dict[str, Any] = {"words": (), "log_probability": -0.1, "no_speech": 0.0, "compression": 1.0}
    return Utterance(start=start, end=end, text=text, language=language, **{**numbers, **more})


class Model:
    """Answers with what it is given for each window, and remembers what it was asked."""

    def __init__(self, *answers: tuple[str, float | None]) -> None:
        self.answers = answers
        self.asked: list[tuple[Samples, str | None]] = []

    def __call__(self, windows: Sequence[Samples], language: str | None) -> list[Heard]:
        given = []
        for window in windows:
            found, probability = self.answers[len(self.asked) % len(self.answers)]
            self.asked.append((window, language))
            found = language or found
            text = said(f"said in {found}", 0.0, len(window) / RATE, found)
            given.append(Heard(language=found, probability=probability, utterances=(text,)))
        return given


def apart(speech: Samples, times: int) -> Samples:
    """The same speech several times, half a minute of silence before and after each."""
    silence = np.zeros(30 * RATE, np.float32)
    return np.concatenate([silence, *[speech, silence] * times])


SETTINGS = ListeningSettings(window_seconds=14.0)


def test_silence_and_noise_are_never_given_to_the_model(silero: Voice) -> None:
    model = Model(("en", 0.9))
    noise = np.random.default_rng(1).uniform(-0.1, 0.1, 20 * RATE).astype(np.float32)
    for sound in (noise, np.zeros(20 * RATE, np.float32), np.zeros(0, np.float32)):
        told = transcribe(sound, model, SETTINGS)
        assert (told.language, told.language_probability, told.utterances, told.speech) == (None, None, (), ())
    assert model.asked == []


def test_only_what_holds_a_voice_is_given(speech: Samples) -> None:
    model = Model(("en", 0.9))
    told = transcribe(apart(speech, 2), model, SETTINGS)
    assert sum(len(window) for window, _ in model.asked) < 2.1 * len(speech)
    assert [round(one.start) for one in told.utterances] == [30, 71]
    assert all(any(a - 0.5 <= one.start <= b for a, b in told.speech) for one in told.utterances)
    assert told.shares.silence > 0.7
    assert told.shares.speech == pytest.approx(2 * 7.6 / 112, abs=0.02)


def test_a_sound_may_change_its_language(speech: Samples) -> None:
    told = transcribe(apart(speech, 3), Model(("fr", 0.9), ("de", 0.7), ("de", 0.8)), SETTINGS)
    assert [one.language for one in told.utterances] == ["fr", "de", "de"]
    assert told.language == "de"
    assert told.language_probability == pytest.approx(0.75, abs=0.01)


def test_a_window_in_doubt_is_heard_again_in_the_language_of_the_whole(speech: Samples) -> None:
    model = Model(("en", 0.9), ("cy", 0.3), ("en", 0.8))
    told = transcribe(apart(speech, 3), model, SETTINGS)
    assert [one.text for one in told.utterances] == ["said in en"] * 3
    assert [language for _, language in model.asked] == [None, None, None, "en"]
    assert np.array_equal(model.asked[3][0], model.asked[1][0])
    assert told.language_probability == pytest.approx((0.9 + 0.3 + 0.8) / 3, abs=0.01)


def test_a_language_that_is_told_is_not_looked_for(speech: Samples) -> None:
    model = Model(("cy", 0.2))
    told = transcribe(apart(speech, 2), model, dataclasses.replace(SETTINGS, language="en"))
    assert [language for _, language in model.asked] == ["en", "en"]
    assert told.language == "en"


def test_a_model_that_tells_no_language(speech: Samples) -> None:
    def ask(windows: Sequence[Samples], language: str | None) -> list[Heard]:
        return [Heard(language=None, probability=None, utterances=(said("hm", 0, 1, None),)) for _ in windows]

    told = transcribe(speech, ask, SETTINGS)
    assert (told.language, told.language_probability) == (None, None)
    assert told.utterances[0].language is None


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batches_change_nothing(speech: Samples, batch_size: int) -> None:
    sizes = []

    def ask(windows: Sequence[Samples], language: str | None) -> list[Heard]:
        sizes.append(len(windows))
        return [Heard(language="en", probability=1.0, utterances=(said(f"{len(w)}", 0, 1),)) for w in windows]

    told = transcribe(apart(speech, 3), ask, SETTINGS, batch_size)
    assert len(told.utterances) == 3
    assert sum(sizes) == 3
    assert max(sizes) == min(batch_size, 3)


def test_guards_strike_and_nothing_is_dropped(speech: Samples) -> None:
    sound = apart(speech, 1)
    invented = (
        said("Thanks for watching", 0.0, 3.0, no_speech=0.9, log_probability=-2.0),
        said("no no no no no", 1.0, 2.2, words=tuple(Word(1 + n / 4, 1.2 + n / 4, " no", 0.9) for n in range(5))),
        said("quiet", 0.0, 0.1, words=(Word(0.0, 0.1, "quiet", 0.9),)),
    )
    told = transcribe(sound, lambda windows, _: [Heard(language="en", probability=1.0, utterances=invented)], SETTINGS)
    assert [one.flags for one in told.utterances] == [
        ("no_speech", "low_probability", "word_times_guessed"),
        ("repetition",),
        ("outside_voice",),
    ]


def test_a_fault_of_the_model_is_the_fault_of_this_sound(speech: Samples) -> None:
    def fault(error: Exception) -> str:
        def ask(windows: Sequence[Samples], language: str | None) -> list[Heard]:
            raise error

        with pytest.raises(ElementError) as failure:
            transcribe(speech, ask, SETTINGS)
        return failure.value.error_class

    assert fault(RuntimeError("CUDA out of memory")) == "out_of_memory"
    assert fault(ValueError("shapes differ")) == "internal"
    assert fault(ElementError("unreachable", "no answer")) == "unreachable"


def test_a_wrong_set_up_stops_the_job(speech: Samples) -> None:
    def ask(windows: Sequence[Samples], language: str | None) -> list[Heard]:
        raise ConfigError("wrong key")

    with pytest.raises(ConfigError, match="wrong key"):
        transcribe(speech, ask, SETTINGS)


@given(st.text(min_size=1, max_size=60).map(str.strip).filter(bool), st.floats(0, 50), st.floats(0, 10))
def test_words_without_times_are_spread_over_their_utterance(text: str, start: float, seconds: float) -> None:
    text = " ".join(text.split())
    words = spread(said(text, start, start + seconds))
    assert "".join(word.text for word in words).strip() == text
    assert words[0].start == pytest.approx(start)
    assert words[-1].end == pytest.approx(start + seconds)
    assert all(one.start <= one.end for one in words)
    assert all(one.end == pytest.approx(other.start) for one, other in itertools.pairwise(words))
