"""Prompts: which names of the registry stand in the words that something is generated from, and whether they may.

A prompt is known by its words alone, so what can be checked of it are names, and there a name is enough: where footage
that only carries a name waits for a person, a prompt that names a work asks for that work. Every name needs what the
regime of `generate` asks; a person who is named needs a consent whatever the regime is, to face and voice, unless it is
said that what is made has only one of them; a minor is never allowed.

A prompt in which no name stands is allowed: of no names, all are granted, and else nothing could be made at all. That
is the answer on the words and on nothing else. A person who is described and not named, the pictures that go with a
prompt and what comes out of it are seen by nobody where no recogniser of likenesses is configured: every answer says
`not checked: likeness`, and pictures and outputs are screened as footage, where without a recogniser nothing is allowed
under opt-in. A prompt that cannot be read is `unknown`, never allowed.

A name beside one of its negative contexts means something else, and so does a work's in a text that is said to be in
another language; people have their names in every language. Such near misses are told with the answer, for people to
look at.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from filters.rights import matching, registry
from filters.rights.lookup import Lookup
from filters.rights.matching import Matcher
from filters.rights.policy import RightsSettings
from filters.rights.precedence import VERDICTS, Decision, Gap, Match, Question, decide, strictest
from filters.rights.records import LIKENESS, Entries, chain
from filters.rights.registry import Registry, Version
from filters.rights.standing import Standing

USE: Final = "generate"
"""The use that prompts are decided for."""

NOT_CHECKED: Final = ("likeness",)
"""What no prompt is checked for: who is described without a name, and who is in what comes out."""

_LOST: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffd]")
_NOBODY: Final = Entries({}, {}, ())


class Text(NamedTuple):
    """Words of a prompt.

    Attributes:
        text: The words.
        language: Language they are written in (BCP 47), where it is known: names of works in another language are then
            near misses. None, or no language: the names of every language count.
    """

    text: str
    language: str | None = None


@dataclass(frozen=True)
class Prompt:
    """What is to be generated from, and what for.

    Attributes:
        texts: Its words: the prompt and the negative prompt, before and after rewriting, in every language it has.
        territories: Where what is made is to be shown; empty: everywhere.
        product: What it is made for; a consent for certain products needs it.
        language: Language of what is made; a consent for certain languages needs it.
        recipient: Who makes it; a grant for certain recipients needs it.
        components: What is made has these, of `records.COMPONENTS`; empty: all that is named. See `Question`.
    """

    texts: tuple[Text, ...]
    territories: frozenset[str] = frozenset()
    product: str | None = None
    language: str | None = None
    recipient: str | None = None
    components: frozenset[str] = frozenset()


class Span(NamedTuple):
    """Where a name stands.

    Attributes:
        text: Which of the prompt's texts, from 0.
        start: Its first code point.
        end: One after its last.
        words: What stands there.
    """

    text: int
    start: int
    end: int
    words: str


@dataclass(frozen=True)
class Named:
    """A work that a prompt names.

    Attributes:
        verdict: What follows from it alone.
        work_id: The work.
        title: Its title or name.
        identifiers: Ids of what it was recognised by, sorted.
        spans: Where its names stand.
        parties: Ids of the parties whose word decided, or whose word is missing, sorted.
        entries: Ids of the statements that decided, sorted.
        words: Why, for a person.
    """

    verdict: str
    work_id: str
    title: str
    identifiers: tuple[str, ...]
    spans: tuple[Span, ...]
    parties: tuple[str, ...]
    entries: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Screened:
    """What is decided of a prompt.

    Attributes:
        verdict: `deny`, `review`, `unknown`, or `allow` of its words.
        named: The works it names, the strictest first.
        near: What looks like a name and was not taken for one, with where it stands.
        entries: Ids of the statements that decided, sorted.
        words: Why, for a person.
        conflicts: Statements of one party that contradict each other, each group sorted.
        not_checked: What was not checked, sorted; always `likeness`.
    """

    verdict: str
    named: tuple[Named, ...]
    near: tuple[str, ...]
    entries: tuple[str, ...]
    words: tuple[str, ...]
    conflicts: tuple[tuple[str, ...], ...]
    not_checked: tuple[str, ...]


class Held(NamedTuple):
    """A version of a registry, ready to decide prompts.

    Attributes:
        matcher: Its names.
        lookup: What was said.
        regime: Regime of `generate`.
        at: The moment that is decided for, UTC.
    """

    matcher: Matcher
    lookup: Lookup
    regime: str
    at: datetime


def ready(there: Registry, state: Version, at: datetime, regime: str | None = None) -> Held:
    """Make a version ready.

    Args:
        there: The registry.
        state: The version.
        at: The moment, UTC.
        regime: Regime of `generate`; None: that of the settings' default.

    Raises:
        RegistryError: It is damaged.
    """
    regime = RightsSettings().regime(USE) if regime is None else regime
    return Held(matching.open_version(there, state), Lookup(there, state), regime, at)


def of_settings(settings: RightsSettings) -> Held:
    """The registry, version, moment and regime that a job's settings name.

    Raises:
        ConfigError: They name no registry, or one that cannot be read.
    """
    there = registry.open_registry(settings.rights or "")
    return ready(there, registry.version(there, settings.rights_version), settings.moment, settings.regime(USE))


def screen_prompt(
    by: Held,
    prompt: str | Mapping[str, str],
    *,
    territories: Iterable[str] = (),
    product: str | None = None,
    language: str | None = None,
    recipient: str | None = None,
    components: Iterable[str] = (),
) -> Screened:
    """Decide one prompt.

    Args:
        by: The registry.
        prompt: A text, or texts by the language that each is written in.
        territories: Where what is made is to be shown; this and what follows as in `Prompt`.
        product: What it is made for.
        language: Its language.
        recipient: Who makes it.
        components: What it has.

    Raises:
        RegistryError: The registry cannot be read.
    """
    texts = (Text(prompt),) if isinstance(prompt, str) else tuple(Text(text, name) for name, text in prompt.items())
    what = Prompt(texts, frozenset(territories), product, language, recipient, frozenset(components))
    return screen_prompts(by, [what])[0]


def screen_prompts(by: Held, prompts: Sequence[Prompt]) -> list[Screened]:
    """Decide many prompts: the fast way, for thousands at a time.

    Raises:
        RegistryError: The registry cannot be read.
    """
    known: dict[tuple[Question, frozenset[Match]], tuple[Entries, Decision]] = {}
    nameless: dict[tuple[Any, ...], Screened] = {}
    decided = []
    for prompt, found in zip(prompts, _found(by.matcher, prompts), strict=True):
        if found is None and prompt.texts and not any(unreadable(text.text) for text in prompt.texts):
            asked = (prompt.territories, prompt.product, prompt.language, prompt.recipient, prompt.components)
            if asked not in nameless:  # By far the most prompts, and all alike.
                nameless[asked] = _screened(by, prompt, (), known)
            decided.append(nameless[asked])
        else:
            decided.append(_screened(by, prompt, found or (), known))
    return decided


def unreadable(text: str) -> str:
    """Why names cannot be looked for in a text; empty where they can."""
    if not text or text.isspace():
        return "there are no words"
    return "letters were lost, or it is no text: save it as UTF-8" if _LOST.search(text) else ""


def _found(matcher: Matcher, prompts: Sequence[Prompt]) -> list[list[matching.Found] | None]:
    """What stands in every text of a prompt, None where nothing does; texts of one language are searched at once."""
    by_language: dict[str | None, list[tuple[int, int]]] = defaultdict(list)
    for number, prompt in enumerate(prompts):
        for place, text in enumerate(prompt.texts):
            by_language[text.language or None].append((number, place))
    found: list[list[matching.Found] | None] = [None] * len(prompts)
    for language, places in by_language.items():
        texts = [prompts[number].texts[place].text for number, place in places]
        for (number, place), one in zip(places, matcher.texts(texts, _where(language), language), strict=True):
            if one.matches or one.near:
                every = found[number] or [matching.Found([], [])] * len(prompts[number].texts)
                every[place] = one
                found[number] = every
    return found


def _where(language: str | None) -> str:
    return f"prompt ({language})" if language else "prompt"


def _with_people(by: Held, text: Text, found: matching.Found) -> matching.Found:
    """What stands in a text, with the names of people that are near misses for their language alone."""
    if not text.language or not found.near:
        return found
    every = by.matcher.texts([text.text], _where(text.language))[0]
    entries = by.lookup.entries(match.work_id for match in every.matches)
    have = {match.identifier_id for match in found.matches}
    people = [
        (match, spans)
        for match, spans in zip(every.matches, every.spans, strict=True)
        if match.identifier_id not in have and _of_person(match, entries)
    ]
    names = {match.identifier_id for match, _ in people}
    return matching.Found(
        [*found.matches, *(match for match, _ in people)],
        [match for match in found.near if match.identifier_id not in names or match in every.near],
        [*found.spans, *(spans for _, spans in people)],
    )


def _screened(
    by: Held,
    prompt: Prompt,
    found: Sequence[matching.Found],
    known: dict[tuple[Question, frozenset[Match]], tuple[Entries, Decision]],
) -> Screened:
    found = [_with_people(by, text, one) for text, one in zip(prompt.texts, found, strict=False)]
    spans: dict[str, list[Span]] = defaultdict(list)
    for place, (text, one) in enumerate(zip(prompt.texts, found, strict=False)):
        for match, stands in zip(one.matches, one.spans, strict=False):
            spans[match.work_id] += [Span(place, start, end, text.text[start:end]) for start, end in stands]
    question = Question(
        use=USE,
        regime=by.regime,
        at=by.at,
        territories=prompt.territories,
        product=prompt.product or None,
        language=prompt.language or None,
        recipient=prompt.recipient or None,
        components=prompt.components,
    )
    matches = frozenset(match._replace(words="") for one in found for match in one.matches)
    if (question, matches) not in known:
        entries = by.lookup.entries(m.work_id for m in matches) if matches else _NOBODY
        known[question, matches] = entries, decide_named(question, matches, entries)
    entries, decision = known[question, matches]
    lost = [Gap("prompt", why) for text in prompt.texts if (why := unreadable(text.text))]
    if lost or not prompt.texts:
        gaps = lost or [Gap("prompt", "there are no words")]
        decision = strictest([decision, decide(dataclasses.replace(question, regime="opt-out"), (), _NOBODY, gaps)])
    named = [_named(question, work, matches, entries, decision, tuple(sorted(set(spans[work])))) for work in spans]
    return Screened(
        decision.verdict,
        tuple(sorted(named, key=lambda one: (VERDICTS.index(one.verdict), one.spans, one.work_id))),
        tuple(f"{match.work_id}: {match.words}" for one in found for match in one.near),
        decision.entries,
        decision.words,
        decision.conflicts,
        tuple(sorted({*decision.not_checked, *NOT_CHECKED})),
    )


def decide_named(question: Question, matches: Iterable[Match], entries: Entries) -> Decision:
    """Names of people need a consent in every regime; where there is no name, nothing is missing."""
    people = [m for m in matches if _of_person(m, entries)]
    others = [m for m in matches if m not in people]
    consent = dataclasses.replace(question, regime="opt-in")
    if not people and not others:
        no_name = question if question.regime != "opt-in" else dataclasses.replace(question, regime="opt-out")
        decision = decide(no_name, (), entries)
        words = ("no name of the registry stands in it",) if decision.verdict == "allow" else decision.words
        return dataclasses.replace(decision, words=words)
    parts = [decide(consent, people, entries)] if people else []
    return strictest([*parts, *([decide(question, others, entries)] if others else [])])


def _of_person(match: Match, entries: Entries) -> bool:
    if match.kind in LIKENESS or match.component in (*LIKENESS, "likeness"):
        return True
    return any(work.kind == "person" for work in chain(entries.works, match.work_id))


def _named(
    question: Question,
    work_id: str,
    matches: Iterable[Match],
    entries: Entries,
    decision: Decision,
    spans: tuple[Span, ...],
) -> Named:
    found = [f for f in decision.findings if f.match is not None and f.match.work_id == work_id]
    verdict = min((f.verdict for f in found), key=VERDICTS.index, default="allow")
    if not found and work_id not in entries.works:
        verdict = "unknown"
    deciding = [f for f in found if f.verdict == verdict]
    said = {name for f in deciding for name in f.entries}
    parties = {s.party_id for s in entries.statements if s.statement_id in said}
    if any(not f.entries for f in deciding):  # A grant is missing, or nobody could give one.
        parties |= set(Standing(entries, question.at, question.as_of).owners(list(chain(entries.works, work_id))))
    work = entries.works.get(work_id)
    return Named(
        verdict,
        work_id,
        work.title if work else work_id,
        tuple(sorted({m.identifier_id for m in matches if m.work_id == work_id})),
        spans,
        tuple(sorted(parties)),
        tuple(sorted(said)),
        tuple(dict.fromkeys(f.words for f in deciding)),
    )
