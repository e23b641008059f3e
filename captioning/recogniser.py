"""The recogniser protocol, the list of recognisers, and what a transcript is.

A recogniser hears the sound of a whole video once, and every word of its transcript has a time. What a clip says
is then found by time (`transforms.spoken`). A recogniser is one file and one line in `RECOGNISERS`; it is loaded by
name in the process that uses it.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import av
import av.error
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from captioning.model import Model, made
from transforms.audio import SAMPLE_RATE
from transforms.failures import ElementError

RECOGNISERS: Final[Mapping[str, str]] = {
    "faster-whisper": "captioning.speech.faster:FasterWhisper",
    "whisper": "captioning.speech.whisper:Whisper",
    "openai": "captioning.speech.endpoint:Endpoint",
}
"""Every recogniser by the name the command line gives it, as `module:class`."""

FLAGS: Final[Mapping[str, str]] = {
    "no_speech": "The model holds it likely that there is no speech here.",
    "low_probability": "The model is unsure of the words.",
    "compression": "The text repeats itself so much that it packs too well.",
    "repetition": "A phrase stands many times in a row.",
    "outside_voice": "Most of its words lie where no voice was found.",
    "word_times_guessed": "The model gave no times of words: they are spread over the utterance by their length.",
}
"""Every flag of an utterance, with what it says. All but the last are guards against invention."""

Samples = NDArray[np.float32]
"""Sound as (samples,), 16 kHz, mono, full scale 1."""

Span = tuple[float, float]
"""Seconds from the first sample: start, end."""


class Word(NamedTuple):
    """A word and when it is said, in seconds from the first sample.

    Joined without anything between them, the texts of words are the text of their utterance: each keeps the space
    before it where its script has one. The probability is 1 where the model tells none.
    """

    start: float
    end: float
    text: str
    probability: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Utterance:
    """What is said in one go, as the model cuts it.

    Attributes:
        start: Seconds from the first sample.
        end: Seconds from the first sample.
        text: Without space around it.
        language: Its code, as Whisper writes it (ISO 639-1 mostly); None where the model does not tell.
        words: In order of time; together they are the text.
        log_probability: Natural logarithm, average a token; None where the model does not tell.
        no_speech: Probability that it is no speech; None where the model does not tell.
        compression: Length of the text over that of its compressed bytes.
        flags: Out of `FLAGS`, in their order.
    """

    start: float
    end: float
    text: str
    language: str | None
    words: tuple[Word, ...]
    log_probability: float | None
    no_speech: float | None
    compression: float
    flags: tuple[str, ...] = ()


class Shares(NamedTuple):
    """Parts of a sound's length, 0 to 1, that add up to 1; of no sound at all, everything is silence."""

    speech: float
    music: float
    noise: float
    silence: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transcript:
    """What is heard in a whole sound.

    Attributes:
        language: Code of the language most is said in; None where nothing is said or the model does not tell.
        language_probability: Of that language, averaged over the windows it was heard in; None as above.
        utterances: In order of time.
        speech: Spans with a voice, in order, apart from each other.
        shares: What the sound is made of.
    """

    language: str | None
    language_probability: float | None
    utterances: tuple[Utterance, ...]
    speech: tuple[Span, ...]
    shares: Shares


class Recogniser(Model, Protocol):
    """Writes down what is said in a sound."""

    def transcribe(self, samples: Samples) -> Transcript:
        """What is said in a sound. On one machine, the same samples and settings give the same words.

        Args:
            samples: (n,), 16 kHz, mono, -1 to 1.

        Raises:
            ElementError: This sound cannot be transcribed.
        """
        ...


def load_recogniser(spec: str) -> Recogniser:
    """The recogniser that a word of the command line names: `NAME[:MODEL][,SETTING=VALUE...]`.

    Its weights are not loaded: see `Recogniser.load`.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    recogniser: Recogniser = made("--recogniser", spec, RECOGNISERS)
    return recogniser


def word_columns(words: Sequence[Word], offset: float = 0.0) -> dict[str, list[Any]]:
    """Words as columns of `utterances`, their times moved by some seconds."""
    return {
        "words": [word.text for word in words],
        "word_starts": [word.start + offset for word in words],
        "word_ends": [word.end + offset for word in words],
        "word_probabilities": [word.probability for word in words],
    }


def read_sound(data: bytes) -> Samples:
    """The samples of stored sound, from the bytes of its file.

    Raises:
        ElementError: `damaged` or `no_streams`: there is nothing to hear.
    """
    resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    held = bytearray()  # two bytes a sample: two hours take 230 MB, and 460 more once they are numbers
    try:
        with av.open(io.BytesIO(data), "r") as container:
            if not container.streams.audio:
                raise ElementError("no_streams", "the stored sound has no audio stream")
            for frame in container.decode(container.streams.audio[0]):
                for part in resampler.resample(frame):
                    held += part.to_ndarray().tobytes()
            for part in resampler.resample(None):
                held += part.to_ndarray().tobytes()
    except (av.error.FFmpegError, ValueError) as error:
        raise ElementError("damaged", f"the stored sound cannot be decoded: {error}") from error
    samples = np.frombuffer(held, np.int16).astype(np.float32)
    samples /= 32768
    return samples
