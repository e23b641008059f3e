"""Agreement: how far two captions of a clip say the same, measured without a model.

The measure is the F1 of two bags of words, as SQuAD scores an answer against the true one (Rajpurkar et al. 2016,
arXiv:1606.05250). SQuAD leaves out punctuation and articles. Here all words of grammar are left out, since captions of
any two clips share `of` and `in`, and a word counts without its `s`, by Harman's S stemmer (1991). It knows no
synonyms: `dog` and `puppy` disagree, so a low value asks for a look and proves nothing.

A conflict is a hint of another kind: both captions name something of one group (a side, a colour, a number), and no
word of it is the same. They may still speak of two things.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

_SAID_OF_ANYTHING: Final = """
    a an the this that these those it its he she they them his her their him i we you one there here
    and or but nor while as if then than so also
    of in on at to from with without by for into onto over under near behind beside between across through around
    about against along toward towards upon within during before after
    is are was were be been being am has have had having do does did can could may might will would
    who which what where when whose some any each both very
"""
_GRAMMAR: Final = frozenset(_SAID_OF_ANYTHING.split())
"""English words that say nothing of a clip. Of other languages every word counts."""

_WORD: Final = re.compile(
    # Scripts without spaces: every character is a word, as ROUGE is counted for Chinese.
    r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
    r"|[^\W_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
    r"(?:['’.-][^\W_\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+)*"
)

_NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_STEMS: Final = {
    **{str(number): word for number, word in enumerate(_NUMBERS, 2)},
    **{"gray": "grey", "leftward": "left", "rightward": "right", "upward": "up", "downward": "down"},
    **{"daytime": "day", "nighttime": "night", "sunset": "dusk", "sunrise": "dawn"},
}
GROUPS: Final[Mapping[str, frozenset[str]]] = {
    "side": frozenset({"left", "right"}),
    "height": frozenset({"up", "down"}),
    "colour": frozenset(
        ("black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")
    ),
    "number": frozenset(_NUMBERS),
    "time of day": frozenset({"day", "night", "dusk", "dawn"}),
    "place": frozenset({"indoor", "outdoor"}),
}
"""Words of which two captions of one thing can have only one, by what they tell. `one` is not among the numbers: it is
more often a pronoun."""


class Conflict(NamedTuple):
    """Two captions name something of one group and agree in none of it.

    Attributes:
        group: One of `GROUPS`.
        one: Words of the first caption, in order of the alphabet.
        other: Words of the second.
    """

    group: str
    one: tuple[str, ...]
    other: tuple[str, ...]


@functools.lru_cache(1 << 16)
def _stem(word: str) -> str:
    """A word without its `s`, by Harman's S stemmer, and with one spelling of numbers and directions."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        word = word[:-3] + "y" if len(word) > 4 else word
    elif (word.endswith("es") and not word.endswith(("aes", "ees", "oes"))) or (
        word.endswith("s") and not word.endswith(("us", "ss", "es"))
    ):
        word = word[:-1] if len(word) > 3 else word
    return _STEMS.get(word, word)


def told(text: str) -> Counter[str]:
    """What a caption tells: its words without case and `s`; those of grammar only where it has no others."""
    every = [found.lower() for found in _WORD.findall(text)]
    return Counter(map(_stem, [word for word in every if word not in _GRAMMAR] or every))


def agreement(one: Counter[str], other: Counter[str]) -> float:
    """The F1 of the words of two captions, 0 (none in common) to 1 (the same, in any order).

    Args:
        one: What a caption tells, from `told`.
        other: What the other tells.
    """
    sizes = one.total() + other.total()
    if not sizes:
        return 1.0
    few, many = (one, other) if len(one) <= len(other) else (other, one)
    return 2.0 * sum(min(count, many[word]) for word, count in few.items() if word in many) / sizes


def conflicts(one: Counter[str], other: Counter[str]) -> list[Conflict]:
    """Where two captions seem to contradict each other, by group.

    Args:
        one: What a caption tells, from `told`.
        other: What the other tells.
    """
    found = []
    for group, names in GROUPS.items():
        mine, theirs = names & one.keys(), names & other.keys()
        if mine and theirs and not mine & theirs:
            found.append(Conflict(group, tuple(sorted(mine)), tuple(sorted(theirs))))
    return found


def marked(text: str, other: Counter[str]) -> list[tuple[str, bool]]:
    """A caption in pieces, which put together are the caption: those words are marked that the other does not tell.

    Args:
        text: The caption.
        other: What the other tells, from `told`.
    """
    pieces: list[tuple[str, bool]] = []
    at = 0
    for found in _WORD.finditer(text):
        word = found.group().lower()
        if word in _GRAMMAR or _stem(word) in other:
            continue
        pieces += [(text[at : found.start()], False), (found.group(), True)]
        at = found.end()
    return [piece for piece in [*pieces, (text[at:], False)] if piece[0]]
