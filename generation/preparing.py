"""Preparing: the words of shots checked, rewritten and checked again, many at a time.

What is refused as the campaign says it goes to no rewriter; what a rewriter made of the rest is checked as if the
campaign had said it. Checked are the names of the registry (`filters.rights.prompts`), the claims, the brand's own list
and the words for minors (`generation.prompt_checks`). The strictest answer counts.

A text is screened as of the language that it is said to be in. What is quoted in it may be in another one, and of a
rewritten prompt nobody knows: there the names of every language count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from filters.rights import prompts as rights
from filters.rights.precedence import VERDICTS
from generation.faithfulness import locked_spans
from generation.prompt_checks import Said, check_words, reason
from generation.prompts import PreparedWords, ShotWords, WordSpan
from generation.rewriting import Rewriter, Rewritten, Template, source_of

NO_REGISTRY: Final = "rights: none: no registry was asked, nobody looked for names"
"""The note on every prompt that is prepared without a registry."""

_BATCH: Final = 8192  # shots: as many as are looked at in one piece, and their texts are in memory
_TOLD: Final = 4  # reasons of a named work


class _Text(NamedTuple):
    """A text that is checked, and what of it."""

    where: str
    text: str
    language: str | None
    shown: bool = True
    wanted: bool = True


class _Answer(NamedTuple):
    """What was found in the texts of one shot."""

    verdict: str
    reasons: tuple[str, ...]
    entries: tuple[str, ...]
    spans: tuple[WordSpan, ...]
    notes: tuple[str, ...]


def prepare(words: ShotWords, *, held: rights.Held | None, rewriter: Rewriter | None = None) -> PreparedWords:
    """The words of one shot; see `prepare_all`, which is the way for many."""
    return prepare_all([words], held=held, rewriter=rewriter)[0]


def prepare_all(
    words: Sequence[ShotWords],
    *,
    held: rights.Held | None,
    rewriter: Rewriter | None = None,
    recipient: str | None = None,
) -> list[PreparedWords]:
    """The words of many shots, in their order; equal ones are prepared once.

    Args:
        words: What the campaign says.
        held: The registry, with its regime and moment. None: names are not looked for, which every note says; it is
            for the caller to see that somebody wanted that (`--rights none`).
        rewriter: What writes the prompts; None: the template.
        recipient: Who makes the videos; a grant for certain recipients needs it.

    Raises:
        ConfigError: The rewriter cannot work at all.
        RegistryError: The registry cannot be read.
        ValueError: A dialect that is none.
    """
    unique = list(dict.fromkeys(words))
    found: dict[ShotWords, PreparedWords] = {}
    for at in range(0, len(unique), _BATCH):
        some = unique[at : at + _BATCH]
        found.update(zip(some, _batch(some, held, rewriter or Template(), recipient), strict=True))
    return [found[one] for one in words]


def _batch(
    words: Sequence[ShotWords], held: rights.Held | None, rewriter: Rewriter, recipient: str | None
) -> list[PreparedWords]:
    before = _checked(words, [_given(one) for one in words], held, recipient)
    passed = [number for number, answer in enumerate(before) if answer.verdict == "allow"]
    made = dict(zip(passed, rewriter.rewrite([words[number] for number in passed]), strict=True))
    # A prompt that is the shot's text, as where a shot has no slots, was checked already.
    changed = [n for n, one in made.items() if one.prompt and (one.prompt, one.language) != _said(words[n])]
    texts = [[_Text("prompt", made[n].prompt, made[n].language)] for n in changed]
    after = dict(zip(changed, _checked([words[n] for n in changed], texts, held, recipient), strict=True))
    return [_prepared(one, before[n], made.get(n), after.get(n)) for n, one in enumerate(words)]


def _given(words: ShotWords) -> list[_Text]:
    """Every text that a campaign gives with a shot."""
    language = words.language or None
    texts = [_Text("text", words.text, language)]
    for name, said in words.slots:
        texts.append(_Text(f"slot {name}", said, (words.speech or None) if name == "dialogue" else language))
    quoted = "\n".join(locked_spans(source_of(words), words.locked)) if language else ""
    if quoted:
        texts.append(_Text("quoted", quoted, None))
    if words.negative:
        texts.append(_Text("negative", words.negative, language, wanted=False))
    texts += [_Text(f"beside {name}".strip(), said, name or None, shown=False) for name, said in words.beside]
    return texts


def _said(words: ShotWords) -> tuple[str, str | None]:
    return words.text, words.language or None


def _checked(
    words: Sequence[ShotWords], texts: Sequence[Sequence[_Text]], held: rights.Held | None, recipient: str | None
) -> list[_Answer]:
    """What is found in the texts of each shot."""
    asked = [
        Said(text.where, text.text, text.shown, one.claims, one.banned)
        for one, some in zip(words, texts, strict=True)
        for text in some
        if text.wanted and text.where != "quoted"  # That stands in the text, and is checked there.
    ]
    spans = iter(check_words(asked))
    own = [[span for text in some if text.wanted and text.where != "quoted" for span in next(spans)] for some in texts]
    screened: Sequence[rights.Screened | None] = [None] * len(words)
    if held is not None:
        screened = rights.screen_prompts(
            held, [_question(one, some, recipient) for one, some in zip(words, texts, strict=True)]
        )
    return [_answer(some, mine, one) for some, mine, one in zip(texts, own, screened, strict=True)]


def _question(words: ShotWords, texts: Sequence[_Text], recipient: str | None) -> rights.Prompt:
    return rights.Prompt(
        tuple(rights.Text(text.text, text.language) for text in texts),
        frozenset(words.markets),
        words.product or None,
        words.speech or None,
        recipient,
        frozenset(words.components),
    )


def _answer(texts: Sequence[_Text], own: Sequence[WordSpan], screened: rights.Screened | None) -> _Answer:
    if not own and screened is not None and screened.verdict == "allow" and not screened.named and not screened.near:
        return _Answer("allow", (), (), (), ())  # By far the most.
    reasons, spans = [reason(span) for span in own], list(own)
    entries, notes = {span.entry for span in own}, []
    verdict = "deny" if own else "allow"
    if screened is None:
        notes.append(NO_REGISTRY)
        if lost := [f"{text.where}: {why}" for text in texts if (why := rights.unreadable(text.text))]:
            verdict, reasons = min(verdict, "unknown", key=VERDICTS.index), [*reasons, *lost]
    else:
        verdict = min(verdict, screened.verdict, key=VERDICTS.index)
        notes += [f"near miss: {near}" for near in screened.near]
        entries.update(screened.entries)
        refusing = [one for one in screened.named if one.verdict != "allow"]
        for work in refusing:
            found = [_span(texts[span.text], span, work.work_id) for span in work.spans]
            spans += found
            places = ", ".join(f"“{span.words}” at {span.start}-{span.end} of {span.where}" for span in found)
            said = f" ({', '.join(work.entries)})" if work.entries else ""
            reasons.append(f"{places} is {work.work_id}: {work.verdict}: {'; '.join(work.words[:_TOLD])}{said}")
        if screened.verdict != "allow" and not refusing:
            reasons += screened.words
    return _Answer(verdict, tuple(reasons), tuple(sorted(entries)), tuple(spans), tuple(notes))


def _span(text: _Text, span: rights.Span, work: str) -> WordSpan:
    return WordSpan(where=text.where, start=span.start, end=span.end, words=span.words, why="name", entry=work)


def _prepared(words: ShotWords, before: _Answer, made: Rewritten | None, after: _Answer | None) -> PreparedWords:
    source = source_of(words)
    if made is None or not made.prompt:
        failed = (made.failed or "the rewriter made no prompt",) if made is not None else ()
        return PreparedWords(
            prompt=words.text,
            negative=words.negative,
            source=source,
            verdict="unknown" if failed else before.verdict,
            reasons=(*before.reasons, *failed),
            entries=before.entries,
            spans=before.spans,
            notes=before.notes,
        )
    answers = [before] if after is None else [before, after]
    return PreparedWords(
        prompt=made.prompt,
        negative=words.negative,
        source=source,
        rewriter=made.by,
        verdict=min((one.verdict for one in answers), key=VERDICTS.index),
        reasons=tuple(why for one in answers for why in one.reasons),
        entries=tuple(sorted({entry for one in answers for entry in one.entries})),
        spans=tuple(span for one in answers for span in one.spans),
        notes=tuple(dict.fromkeys([*made.notes, *(note for one in answers for note in one.notes)])),
        lost=made.lost,
        added=made.added,
    )
