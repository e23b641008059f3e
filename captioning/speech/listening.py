"""Listening: a whole sound through one recogniser, voice first.

Every recogniser is asked in the same way: voice activity, windows of what holds a voice, the model's answer to each,
times laid back on the sound, guards. So they differ in the model alone, and what they write can be compared.

Each window has a language of its own, so that a sound may change it. Where the model is in doubt about a window's
language, the window is asked again in the language that most is said in: half a second of laughter is no Welsh.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Final

from captioning.batches import failure
from captioning.recogniser import Samples, Transcript, Utterance, Word
from captioning.speech.guards import GuardSettings, guarded, token_probability
from captioning.speech.sound import SoundSettings, shares_of
from captioning.speech.voice import VoiceSettings, load_voice, spans_of
from captioning.speech.windows import Window, WindowSettings, windows_of
from transforms.audio import SAMPLE_RATE
from transforms.settings import ConfigError, setting

_WORD: Final = re.compile(r"\s+\S+")


@dataclasses.dataclass(frozen=True)
class ListeningSettings(SoundSettings, GuardSettings, WindowSettings, VoiceSettings):
    """What all recognisers share."""

    language: str | None = setting(None, "ISO 639-1 code of what is spoken; none: heard for each window")
    language_doubt: float = setting(
        0.5,
        "Probability of its language below which a window is heard again in the language of the whole",
        low=0.0,
        high=1.0,
        source="faster-whisper",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Heard:
    """A recogniser's answer to one window.

    Attributes:
        language: ISO 639-1 code; None where the model does not tell.
        probability: Of that language; None where the model does not tell or was told.
        utterances: Their times and their words' are seconds from the window's start.
    """

    language: str | None
    probability: float | None
    utterances: tuple[Utterance, ...]


Ask = Callable[[Sequence[Samples], str | None], list[Heard]]
"""From windows and the language they are in (None: to be found for each) to an answer for each."""


def transcribe(sound: Samples, ask: Ask, settings: ListeningSettings, batch_size: int = 1) -> Transcript:
    """What is said in a sound.

    Args:
        sound: (n,), 16 kHz, mono, -1 to 1.
        ask: The recogniser.
        settings: How it is asked, and what is flagged.
        batch_size: Windows it is asked about at once.

    Raises:
        ConfigError: Voice activity is not installed.
        ElementError: The model cannot; see `captioning.batches.failure`.
    """
    seconds = len(sound) / SAMPLE_RATE
    longest = settings.window_seconds - 2 * settings.padding
    voice = spans_of(load_voice()(sound), seconds, settings, longest)
    windows = windows_of(voice, len(sound), settings)

    def heard_in(some: Sequence[int], language: str | None) -> list[Heard]:
        given: list[Heard] = []
        for first in range(0, len(some), batch_size):
            given += _asked(ask, [windows[n].samples(sound) for n in some[first : first + batch_size]], language)
        return given

    heard = heard_in(range(len(windows)), settings.language)
    language = _language(windows, heard)
    doubted = [
        n
        for n, one in enumerate(heard)
        if one.language != language and one.probability is not None and one.probability < settings.language_doubt
    ]
    for n, again in zip(doubted, heard_in(doubted, language), strict=True):
        heard[n] = dataclasses.replace(again, probability=heard[n].probability)
    return Transcript(
        language=language,
        language_probability=_probability(windows, heard, language),
        utterances=tuple(
            guarded(_placed(said, window), [span for span in voice if span[1] > said.start], settings)
            for window, one in zip(windows, heard, strict=True)
            for said in one.utterances
        ),
        speech=tuple(voice),
        shares=shares_of(sound, voice, settings),
    )


def _placed(said: Utterance, window: Window) -> Utterance:
    """An utterance of a window where it lies in the sound, with a word for everything it says."""
    flags = said.flags
    if not said.words and said.text:
        said, flags = dataclasses.replace(said, words=spread(said)), (*flags, "word_times_guessed")
    words = tuple(Word(*window.span(word.start, word.end), word.text, word.probability) for word in said.words)
    start, end = (words[0].start, words[-1].end) if words else window.span(said.start, said.end)
    return dataclasses.replace(said, start=start, end=max(start, end), words=words, flags=flags)


def spread(said: Utterance) -> tuple[Word, ...]:
    """The words of an utterance whose model told no times of words, each as long as it is written.

    What has no spaces is taken by the letter; each is as probable as a token is.
    """
    pieces = _WORD.findall(f" {said.text}") if " " in said.text else list(said.text)
    probability = token_probability(said.log_probability)
    length, at, words = sum(map(len, pieces)), 0, []
    for piece in pieces:
        start, end = (said.start + (said.end - said.start) * n / length for n in (at, at + len(piece)))
        words.append(Word(start, end, piece, probability))
        at += len(piece)
    return tuple(words)


def _asked(ask: Ask, windows: Sequence[Samples], language: str | None) -> list[Heard]:
    try:
        return ask(windows, language)
    except ConfigError:
        raise
    except Exception as error:  # any fault of a model's code or memory; `failure` tells what is made of it
        raise failure(error) from error


def _language(windows: Sequence[Window], heard: Sequence[Heard]) -> str | None:
    """The language that most is said in, each window counting by its length and how sure its language is."""
    weights: dict[str, float] = {}
    for window, one in zip(windows, heard, strict=True):
        if one.language is not None:
            weight = window.seconds * (1.0 if one.probability is None else one.probability)
            weights[one.language] = weights.get(one.language, 0.0) + weight
    return max(weights, key=lambda language: weights[language], default=None)


def _probability(windows: Sequence[Window], heard: Sequence[Heard], language: str | None) -> float | None:
    """Of the language of the whole, over the windows in it."""
    told = [
        (window.seconds, one.probability)
        for window, one in zip(windows, heard, strict=True)
        if one.language == language and one.probability is not None
    ]
    seconds = sum(length for length, _ in told)
    return sum(length * probability for length, probability in told) / seconds if told else None
