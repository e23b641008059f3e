"""Spoken: what is said in a clip, from the utterances of its video.

A recogniser hears a whole video once, and every word has a time. A clip says the words whose middle lies in it, so that
a cut in mid-sentence gives each side its words, loses none, and doubles none; a video that is cut anew is not heard
again.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from typing import Any, Final

DOUBTFUL: Final = frozenset({"no_speech", "compression", "repetition", "outside_voice"})
"""Flags of utterances that are more likely invented than heard."""

COLUMNS: Final = ("words", "word_starts", "word_ends", "flags")
"""Columns of `utterances` that are needed."""


class Spoken:
    """The words of one video by one recogniser, in order of time.

    Args:
        utterances: Rows of `utterances`, of which `COLUMNS` are needed.
        doubtful: Whether words count that may be invented.
    """

    def __init__(self, utterances: Iterable[Mapping[str, Any]], doubtful: bool = True) -> None:
        words: list[tuple[float, str]] = []
        for row in utterances:
            if not doubtful and DOUBTFUL & set(row["flags"] or ()):
                continue
            times = zip(row["word_starts"] or (), row["word_ends"] or (), row["words"] or (), strict=True)
            found = [((start + end) / 2, word) for start, end, word in times]
            # Models put a space before a word, but not always before the first.
            words += [(middle, f" {word.lstrip()}" if not n else word) for n, (middle, word) in enumerate(found)]
        words.sort(key=lambda word: word[0])
        self._middles = [middle for middle, _ in words]
        self._words = [word for _, word in words]

    def between(self, start: float, end: float) -> str:
        """What is said from one second to before another, on the clock of clips; empty where nobody speaks."""
        low, high = bisect.bisect_left(self._middles, start), bisect.bisect_left(self._middles, end)
        return "".join(self._words[low:high]).strip()
