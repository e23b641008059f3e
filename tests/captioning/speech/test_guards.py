"""Guards: each strikes on what it is for, on nothing else, and nothing is dropped."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.recogniser import FLAGS, Utterance, Word
from captioning.speech.guards import (
    GuardSettings,
    compression_of,
    guarded,
    most_repeats,
    outside_share,
    token_probability,
)

GOOD = Utterance(
    start=0.0,
    end=3.0,
    text="Ask not what.",
    language="en",
    words=(Word(0.0, 1.0, " Ask", 0.9), Word(1.0, 2.0, " not", 0.9), Word(2.0, 3.0, " what.", 0.9)),
    log_probability=-0.3,
    no_speech=0.1,
    compression=1.1,
)


def times(*texts: str) -> tuple[Word, ...]:
    return tuple(Word(float(n), n + 1.0, text, 0.9) for n, text in enumerate(texts))


@pytest.mark.parametrize(
    ("change", "voice", "flags"),
    [
        ({}, [(0.0, 3.0)], ()),
        ({"no_speech": 0.61}, [(0.0, 3.0)], ("no_speech",)),
        ({"no_speech": 0.6, "log_probability": -1.0, "compression": 2.4}, [(0.0, 3.0)], ()),
        ({"log_probability": -1.01}, [(0.0, 3.0)], ("low_probability",)),
        ({"compression": 2.5}, [(0.0, 3.0)], ("compression",)),
        ({"no_speech": None, "log_probability": None}, [(0.0, 3.0)], ()),
        ({"words": times(" no", " No!", " no", " NO.")}, [(0.0, 4.0)], ("repetition",)),
        ({"words": times(" no", " no", " no")}, [(0.0, 3.0)], ()),
        ({}, [(0.5, 1.5)], ()),
        ({}, [(0.0, 1.0)], ("outside_voice",)),
        ({}, [], ("outside_voice",)),
        ({"words": ()}, [], ()),
        ({"no_speech": 0.9, "log_probability": -3.0, "flags": ("word_times_guessed",)}, [],
         ("no_speech", "low_probability", "outside_voice", "word_times_guessed")),
    ],
)  # fmt: skip
def test_guards(change: dict[str, Any], voice: list[tuple[float, float]], flags: tuple[str, ...]) -> None:
    said = dataclasses.replace(GOOD, **change)
    told = guarded(said, voice, GuardSettings())
    assert told.flags == flags
    assert dataclasses.replace(told, flags=said.flags) == said
    assert [flag for flag in FLAGS if flag in flags] == list(flags)


WORDS = st.lists(st.text("abcdef", min_size=1, max_size=5), min_size=1, max_size=10)


@given(WORDS, WORDS, st.integers(1, 6), WORDS)
def test_a_phrase_is_counted_wherever_it_stands(
    before: list[str], phrase: list[str], times: int, after: list[str]
) -> None:
    assert most_repeats([*before, *phrase * times, *after]) >= times


@given(st.lists(st.integers(), unique=True, max_size=40))
def test_what_never_repeats_stands_once(numbers: list[int]) -> None:
    assert most_repeats([f"n{number if number >= 0 else f'm{-number}'}" for number in numbers]) == (1 if numbers else 0)


def test_spelling_and_marks_do_not_hide_a_loop() -> None:
    assert most_repeats(["Thank", "you.", "thank", "you,", "THANK", "YOU!", "Thank", "-", "you"]) == 4
    assert most_repeats(["—", "..."]) == 0


def test_compression_is_that_of_whisper() -> None:
    whisper = pytest.importorskip("whisper.utils", reason="openai-whisper is not installed")
    for text in ("Ask not what your country can do for you.", "no " * 50, "砸自己的脚"):
        assert compression_of(text) == pytest.approx(whisper.compression_ratio(text))
    assert compression_of("") == 0


def test_small_numbers() -> None:
    assert outside_share((), []) == 0
    assert outside_share(GOOD.words, [(0.5, 0.6), (2.5, 9.0)]) == pytest.approx(1 / 3)
    assert (token_probability(None), token_probability(0.0)) == (1.0, 1.0)
    assert token_probability(-1.0) == pytest.approx(0.3679, abs=1e-4)
