"""Phrases: where words of a list stand in texts, many texts at a time.

Texts and phrases are compared as names of the registry are (`filters.rights.names`): without case, accents, invisible
characters and the difference between digits of one script and another, and as whole words. `%` and `#` count as letters
here: `100 %` is a claim and `100` is none.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from filters.rights import names

_SIGNS: Final = str.maketrans({"%": "ꙮ", "٪": "ꙮ", "％": "ꙮ", "#": "ꙩ", "＃": "ꙩ"})
"""Signs as letters that no text has, one for one, so that places stay."""
_SIGN_ALONE: Final = re.compile(r"\s+(?=[%٪％])")
_BLOCK: Final = 2**18  # characters that are folded at once, as in `filters.rights.matching`


class Hit(NamedTuple):
    """A phrase in a text.

    Attributes:
        start: First code point of the text.
        end: One after the last.
        entry: The entry that the phrase belongs to.
    """

    start: int
    end: int
    entry: str


class Phrases:
    """A list of phrases, ready to be looked for.

    Args:
        entries: Phrases by the name of their entry; what is empty, or of signs alone, is never found.
    """

    def __init__(self, entries: Mapping[str, Iterable[str]]) -> None:
        said = [(entry, phrase) for entry, phrases in entries.items() for phrase in phrases]
        spellings = [(entry, spelling) for entry, phrase in said for spelling in _spellings(phrase)]
        folded = names.fold_all([spelling.translate(_SIGNS) for _, spelling in spellings])
        every = folded.text[:-1].split("\n") if spellings else []
        # Of how many units the hash is that a phrase is found by, then the hash, then the phrases.
        self._known: list[dict[int, list[tuple[str, str]]]] = [defaultdict(list) for _ in range(names.UNITS)]
        if not len(folded.units):
            return
        hashes, owners = names.hashes(folded), np.searchsorted(folded.ends, folded.units)
        firsts = np.searchsorted(owners, np.arange(len(spellings) + 1))
        for number, (entry, _) in enumerate(spellings):
            if count := min(int(firsts[number + 1] - firsts[number]), names.UNITS):
                hashed = int(hashes[count - 1][firsts[number]])
                self._known[count - 1][hashed].append((every[number].strip(" "), entry))

    def find(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Where phrases stand in each text: by place, the longest of those that begin together first.

        A phrase within a longer one of the same entry is not told.
        """
        found: dict[str, list[Hit]] = {}
        if any(self._known):
            wanted = [np.fromiter(known, np.uint64, len(known)) for known in self._known]
            for some in _blocks(dict.fromkeys(texts)):
                self._find(wanted, some, found)
        return [found.get(text, []) for text in texts]

    def _find(self, wanted: Sequence[names.Hashes], texts: Sequence[str], found: dict[str, list[Hit]]) -> None:
        folded = names.fold_all([text.translate(_SIGNS) for text in texts])
        if not len(folded.units):
            return
        may_begin = names.may_begin(folded)
        letters = np.append(0, np.cumsum(np.frombuffer(folded.kinds, np.uint8) > names.END))
        before = letters[np.append(0, folded.ends)]
        parts, entries = [], []
        for known, hashes, some in zip(self._known, names.hashes(folded), wanted, strict=True):
            units = np.flatnonzero(np.isin(hashes, some) & may_begin)
            places = folded.units[units]
            owners = np.searchsorted(folded.ends, places)
            for at, hashed, text in zip(places.tolist(), hashes[units].tolist(), owners.tolist(), strict=True):
                for phrase, entry in known[hashed]:
                    stop = at + len(phrase)
                    if folded.text.startswith(phrase, at) and names.may_end(folded, stop):
                        parts.append((text, int(letters[at] - before[text]), int(letters[stop] - before[text])))
                        entries.append(entry)
        if not parts:
            return
        # Counted in the text as it was folded: signs are letters there too.
        spans = names.spans([text.translate(_SIGNS) for text in texts], parts)
        told: dict[int, list[Hit]] = defaultdict(list)
        for (text, _, _), (start, end), entry in zip(parts, spans, entries, strict=True):
            told[text].append(Hit(start, end, entry))
        for text, hits in told.items():
            found[texts[text]] = list(_longest(sorted(set(hits), key=lambda hit: (hit.start, -hit.end, hit.entry))))


def inside(hit: Hit, around: Iterable[Hit]) -> bool:
    """Whether a hit lies within one of others."""
    return any(one.start <= hit.start and hit.end <= one.end for one in around)


def _spellings(phrase: str) -> set[str]:
    """A phrase, and the same with its per cent sign at the number."""
    return {phrase, _SIGN_ALONE.sub("", phrase)}


def _longest(hits: Iterable[Hit]) -> Iterator[Hit]:
    ends: dict[str, int] = {}
    for hit in hits:
        if hit.end > ends.get(hit.entry, 0):
            ends[hit.entry] = hit.end
            yield hit


def _blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts, as many as are folded at once; ASCII by itself, it is faster."""
    held: dict[bool, list[str]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for text in texts:
        plain = text.isascii() and not ("%" in text or "#" in text)
        held[plain].append(text)
        sizes[plain] += len(text) + 1
        if sizes[plain] >= _BLOCK:
            yield held[plain]
            held[plain], sizes[plain] = [], 0
    yield from filter(None, held.values())
