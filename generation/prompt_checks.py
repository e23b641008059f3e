"""Checks of words before they are sent: claims that the product may not make, words of the brand's own list, minors.

They need no registry and always take place. What they look for stands in `claims.yaml` and `minors.yaml`, every list in
all its languages at once: a text need not be in the language that it is said to be in. They are a first net over words
alone, and no legal advice.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import yaml

from filters.rights import names
from generation.phrases import Hit, Phrases, inside
from generation.prompts import WordSpan

_AROUND: Final = 4  # words on each side of an age in which a thing may stand whose age it is
_NEAR: Final = 80  # characters that hold so many words
_MONTHS: Final = range(1, 37)
_ELSE: Final = "else/"


class Said(NamedTuple):
    """A text that is checked.

    Attributes:
        where: What it is, as in `WordSpan`.
        text: Its words.
        shown: It says what is to be seen or heard, so that minors are looked for.
        claims: Claims that may be made: what stands within one of them is no fault.
        banned: Words that may not stand anywhere.
    """

    where: str
    text: str
    shown: bool = True
    claims: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()


def check_words(said: Sequence[Said]) -> list[tuple[WordSpan, ...]]:
    """What must not stand in each text, by place: the fast way, for a hundred thousand at a time."""
    texts = [one.text for one in said]
    found: list[list[WordSpan]] = [[] for _ in said]
    for number, hits in enumerate(_claims().find(texts)):
        if hits:
            allowed = _allowed(said[number].claims).find([texts[number]])[0]
            found[number] += _told(said[number], "claim", _meant(hits, allowed))
    shown = [number for number, one in enumerate(said) if one.shown]
    minors = _minors().find([texts[number] for number in shown])
    for number, hits in zip(shown, minors, strict=True):
        if hits:
            found[number] += _told(said[number], "minor", _people(hits, texts[number]))
    by_list: dict[tuple[str, ...], list[int]] = {}
    for number, one in enumerate(said):
        if one.banned:
            by_list.setdefault(one.banned, []).append(number)
    for banned, numbers in by_list.items():
        phrases = Phrases({f"banned/{word}": [word] for word in banned})
        for number, hits in zip(numbers, phrases.find([texts[number] for number in numbers]), strict=True):
            found[number] += _told(said[number], "banned", hits)
    return [tuple(sorted(one, key=lambda span: (span.start, span.end, span.entry))) for one in found]


def reason(span: WordSpan) -> str:
    """Why a text with this in it is not sent, for a person: where it stands, what it is, and what may be done."""
    place = f"{span.where}: “{span.words}” at {span.start}-{span.end}"
    if span.why == "claim":
        entry = _list("claims.yaml")["claims"][span.entry.partition("/")[2]]
        return (
            f"{place} {entry['why']} ({span.entry}; {entry['source']}): leave it out, or have it approved among the"
            " product's claims"
        )
    if span.why == "minor":
        return f"{place} is a word for somebody below 18 ({span.entry}): nobody below 18 is shown"
    return f"{place} is a word that the brand does not use ({span.entry})"


def _told(said: Said, why: str, hits: Sequence[Hit]) -> Iterator[WordSpan]:
    for hit in hits:
        yield WordSpan(
            where=said.where,
            start=hit.start,
            end=hit.end,
            words=said.text[hit.start : hit.end],
            why=why,
            entry=hit.entry,
        )


def _meant(hits: Sequence[Hit], allowed: Sequence[Hit] = ()) -> list[Hit]:
    """Hits that lie neither within what means something else nor within what is allowed."""
    around = [*(hit for hit in hits if hit.entry.startswith(_ELSE)), *allowed]
    return [hit for hit in hits if not hit.entry.startswith(_ELSE) and not inside(hit, around)]


def _people(hits: Sequence[Hit], text: str) -> list[Hit]:
    """Hits that are people below 18: of words with an exact spelling those that have it, of ages those of no thing.

    A word of several languages is told once.
    """
    kept: dict[tuple[int, int], Hit] = {}
    for hit in _meant(hits):
        entry, _, kind = hit.entry.rpartition("/")
        if kind == "exact" and not _exact(text[hit.start : hit.end], entry.partition("/")[2]):
            continue
        if kind == "ages" and _of_thing(text, hit):
            continue
        kept.setdefault((hit.start, hit.end), hit._replace(entry=entry))
    return list(kept.values())


def _exact(words: str, language: str) -> bool:
    written = unicodedata.normalize("NFC", words)
    spellings = _list("minors.yaml")["languages"][language]["exact"]
    return any(written in (one, one.upper()) if one[0].isupper() else written.casefold() == one for one in spellings)


def _of_thing(text: str, hit: Hit) -> bool:
    before = names.fold(text[max(0, hit.start - _NEAR) : hit.start]).split()[-_AROUND:]
    after = names.fold(text[hit.end : hit.end + _NEAR]).split()[:_AROUND]
    return not _things().isdisjoint((*before, *after))


@functools.cache
def _list(name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(files("generation").joinpath(name).read_text(encoding="utf-8"))
    return found


@functools.cache
def _claims() -> Phrases:
    entries: dict[str, list[str]] = {}
    for name, entry in _list("claims.yaml")["claims"].items():
        entries[f"claims/{name}"] = [word for words in entry["words"].values() for word in words]
        entries[f"{_ELSE}{name}"] = entry.get("means_else", [])
    return Phrases(entries)


@functools.lru_cache(1024)
def _allowed(claims: tuple[str, ...]) -> Phrases:
    return Phrases({"": claims})


@functools.cache
def _minors() -> Phrases:
    entries: dict[str, list[str]] = {}
    adult = _list("minors.yaml")["youngest_adult"]
    for language, said in _list("minors.yaml")["languages"].items():
        numbers = [*map(str, range(adult)), *said["numbers"]]
        ages = [age.format(n=number) for age in said["ages"] for number in numbers]
        ages += [month.format(n=number) for month in said.get("months", ()) for number in _MONTHS]
        prefixes = ["", *said.get("prefixes", ())]
        for kind, words in {"words": said["words"], "ages": ages, "exact": said.get("exact", ())}.items():
            entries[f"minors/{language}/{kind}"] = [prefix + word for word in words for prefix in prefixes]
        entries[f"{_ELSE}{language}"] = said.get("means_else", [])
    return Phrases(entries)


@functools.cache
def _things() -> frozenset[str]:
    return frozenset(names.fold(word) for word in _list("minors.yaml")["things"])
