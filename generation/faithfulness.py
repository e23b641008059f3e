"""Faithfulness: what a rewriting changed, and whether it may be sent.

A rewriter may add a camera move or the smell of rain; it may not turn three runners into two, make the red bottle blue,
drop `without`, or leave a name out. So two texts are compared by what they say of numbers, colours and negations
(`meaning.yaml`, in five languages: a translation is no change), by the names in them, and by the words that have to
stay as they are. Of all other words it is told which went and which came.

A name is known by its capital inside a sentence. German writes all nouns so, and scripts without capitals show none:
there a name is only what has a capital or a digit inside the word, or is locked.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import yaml

from filters.rights import names
from generation.phrases import Phrases

_QUOTED: Final = re.compile(r"\"[^\"\n]+\"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|»[^«\n]+«|「[^」\n]+」|『[^』\n]+』")
_WORD: Final = re.compile(r"[^\W_](?:[^\W_]|['’\-](?=[^\W_]))*")
_DIGITS: Final = re.compile(r"\d+(?:[.,]\d+)*")
_SENTENCE: Final = re.compile(r"(?:^|[.!?…:;\n\"“„«»()–—-]|\n)\s*$")
_CAPITAL_NOUNS: Final = frozenset({"de", "lb"})
_TOLD: Final = 40


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """What a rewriting changed.

    Attributes:
        lost: Words of the source that are gone, as they are compared, sorted.
        added: Words that were not in the source, sorted.
        faults: Why it may not be sent, for a person; empty where it may.
    """

    lost: tuple[str, ...]
    added: tuple[str, ...]
    faults: tuple[str, ...]


def locked_spans(text: str, locked: Iterable[str] = ()) -> tuple[str, ...]:
    """What of a text has to stay as it is: those of the locked words that stand in it, and all that is quoted.

    Args:
        text: The source.
        locked: Words that are locked.

    Returns:
        Each once: the locked words in their order, then the quotations with their marks.
    """
    held = [word for word in locked if word and word in text]
    return tuple(dict.fromkeys([*held, *_QUOTED.findall(text)]))


def compare(source: str, rewritten: str, locked: Sequence[str] = (), language: str = "") -> Difference:
    """What a rewriting changed of a text.

    Args:
        source: The text.
        rewritten: What was made of it.
        locked: What has to stay, as `locked_spans` gives it.
        language: Language of the source (BCP 47); empty: unknown.
    """
    faults = [f"locked words are gone or changed: “{span}”" for span in locked if not _kept(span, rewritten)]
    before, after = _meanings([source, rewritten])
    for kind in ("number", "colour"):
        faults += [f"a {kind} is gone: {name}" for name in sorted(before[kind]) if not after[kind][name]]
    if (change := after["negation"].total() - before["negation"].total()) != 0:
        faults.append(f"negations were {'added' if change > 0 else 'lost'}: {abs(change)}")
    said, told = _words(source), _words(rewritten)
    capitals = language.partition("-")[0].lower() not in _CAPITAL_NOUNS
    faults += [f"a name is gone: {name}" for name in _names(source, capitals) if not _stands(name, rewritten, told)]
    faults += [f"a name was added: {name}" for name in _names(rewritten, capitals) if not _stands(name, source, said)]
    return Difference(lost=tuple(sorted(said - told)), added=tuple(sorted(told - said)), faults=tuple(faults[:_TOLD]))


def _kept(span: str, rewritten: str) -> bool:
    """Whether words stand in a text as they are; of a quotation the marks may be others."""
    return span in rewritten or (bool(_QUOTED.fullmatch(span)) and span[1:-1] in rewritten)


def _stands(name: str, text: str, words: set[str]) -> bool:
    """Whether a name stands in a text, in whatever spelling."""
    return set(names.fold(name).split()) <= words or name in text


def _words(text: str) -> set[str]:
    folded = names.fold_all([text])
    return {folded.text[start:stop] for start, stop in zip(folded.units.tolist(), folded.stops.tolist(), strict=True)}


def _names(text: str, capitals: bool) -> list[str]:
    """Names in a text, each once: see the head of this file."""
    found = []
    for match in _WORD.finditer(text):
        word = match[0]
        inside = any(letter.isupper() for letter in word[1:]) or (word[0].isalpha() and any(map(str.isdigit, word)))
        begins = _SENTENCE.search(text, max(0, match.start() - 8), match.start())
        if inside or (capitals and word[0].isupper() and len(word) > 1 and not begins):
            found.append(word)
    return list(dict.fromkeys(found))


def _meanings(texts: Sequence[str]) -> list[Mapping[str, Counter[str]]]:
    """How often each number, colour and negation stands in each text."""
    found: list[Mapping[str, Counter[str]]] = []
    for text, hits in zip(texts, _phrases().find(texts), strict=True):
        counted: dict[str, Counter[str]] = {kind: Counter() for kind in ("number", "colour", "negation")}
        for start, end, entry in dict.fromkeys(hits):
            kind, _, name = entry.partition("/")
            if not (kind == "number" and any(map(str.isdigit, text[start:end]))):
                counted[kind][name] += 1
        counted["number"].update(_number(digits) for digits in _DIGITS.findall(text))
        found.append(counted)
    return found


def _number(digits: str) -> str:
    """A number in plain digits: those of any script, `1,5` as `1.5`."""
    return "".join(str(int(sign)) if sign.isdigit() else "." for sign in digits)


@functools.cache
def _phrases() -> Phrases:
    found: Mapping[str, Any] = yaml.safe_load(files("generation").joinpath("meaning.yaml").read_text(encoding="utf-8"))
    return Phrases(
        {
            f"{kind}/{name}": [word for words in said.values() for word in words]
            for kind, entries in found.items()
            for name, said in entries.items()
        }
    )
