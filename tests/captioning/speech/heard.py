"""What a transcript says in a span, as clips ask it."""

from __future__ import annotations

from captioning.recogniser import Transcript, word_columns
from transforms.spoken import Spoken


def said(told: Transcript, start: float = 0.0, end: float = 1e9) -> str:
    """The words between two seconds of the sound."""
    return Spoken({**word_columns(one.words), "flags": one.flags} for one in told.utterances).between(start, end)
