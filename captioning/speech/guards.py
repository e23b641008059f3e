"""Guards against invention: what makes an utterance doubtful.

Recognisers write fluent text over music and noise, and fall into loops. None of that is dropped: each guard that
strikes is a flag on the utterance, and whoever uses the text decides. The thresholds of the model's own numbers are
those at which Whisper itself throws a window away or decodes it again.
"""

from __future__ import annotations

import dataclasses
import math
import unicodedata
import zlib
from collections.abc import Sequence

from captioning.recogniser import Span, Utterance, Word
from transforms.settings import setting

_LONGEST_PHRASE = 10
"""Words in a phrase that is looked for."""


@dataclasses.dataclass(frozen=True)
class GuardSettings:
    """When an utterance is doubtful."""

    no_speech: float = setting(
        0.6, "Probability of no speech above which an utterance is flagged", low=0.0, high=1.0, source="Whisper"
    )
    log_probability: float = setting(
        -1.0,
        "Average natural logarithm of its tokens' probability below which an utterance is flagged",
        low=-20.0,
        high=0.0,
        source="Whisper",
    )
    compression: float = setting(
        2.4, "Compression ratio of the text above which an utterance is flagged", low=0.0, high=100.0, source="Whisper"
    )
    repeats: int = setting(
        4, "How often in a row a phrase stands in a flagged utterance", low=2, high=100, source="project"
    )
    voiceless: float = setting(
        0.5,
        "Share of words outside of every voice from which an utterance is flagged",
        low=0.0,
        high=1.0,
        source="project",
    )


def compression_of(text: str) -> float:
    """Length of a text over that of its compressed bytes, as Whisper measures it; 0 of no text."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def token_probability(log_probability: float | None) -> float:
    """Of a token of an utterance, on average, where nothing is told of its words; 1 where nothing is told at all."""
    return 1.0 if log_probability is None else min(1.0, math.exp(log_probability))


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def most_repeats(words: Sequence[str]) -> int:
    """How often a phrase of at most ten words stands in a row, at most; spelling and punctuation count for nothing."""
    plain = [word for word in map(_plain, words) if word]
    most = 1 if plain else 0
    for length in range(1, min(_LONGEST_PHRASE, len(plain) // 2) + 1):
        same = 0
        for at in range(length, len(plain)):
            same = same + 1 if plain[at] == plain[at - length] else 0
            most = max(most, same // length + 1)
    return most


def outside_share(words: Sequence[Word], voice: Sequence[Span]) -> float:
    """Share of words that touch no span of voice; 0 of no words."""
    outside = [not any(start < word.end and word.start < end for start, end in voice) for word in words]
    return sum(outside) / len(outside) if outside else 0.0


def guarded(said: Utterance, voice: Sequence[Span], settings: GuardSettings) -> Utterance:
    """The utterance with a flag for each guard that strikes, before those it has."""
    struck = {
        "no_speech": said.no_speech is not None and said.no_speech > settings.no_speech,
        "low_probability": said.log_probability is not None and said.log_probability < settings.log_probability,
        "compression": said.compression > settings.compression,
        "repetition": most_repeats([word.text for word in said.words]) >= settings.repeats,
        "outside_voice": bool(said.words) and outside_share(said.words, voice) >= settings.voiceless,
    }
    return dataclasses.replace(said, flags=(*(flag for flag, strikes in struck.items() if strikes), *said.flags))
