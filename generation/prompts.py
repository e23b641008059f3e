"""The words of a shot: as a campaign gives them, and as they are sent once they are rewritten and screened.

Both are plain values that planning passes around. How the one becomes the other stands in `generation.preparing`.
"""

from __future__ import annotations

import dataclasses
from typing import Final

SLOTS: Final = ("subject", "action", "setting", "camera", "light", "style", "sound", "dialogue")
"""Parts that a shot may say apart from its text, in the order in which engines read them best."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShotWords:
    """What a campaign says of a shot, for one engine. Equal words are prepared once, however many cells need them.

    Attributes:
        text: The shot in the campaign's own words.
        language: Language of the text (BCP 47); empty: nobody said.
        locked: Words that have to be sent exactly as they are where the text or a slot has them: facts of the product,
            legal text. What stands in quotation marks is locked without being named here.
        engine_dialect: How the engine wants its prompts, one of `rewriting.DIALECTS`.
        negative: What is not wanted; empty: nothing is said.
        slots: Parts said apart from the text, as pairs of a word of `SLOTS` and what it is.
        beside: Words that go with the shot and to no engine, as pairs of language and text: headlines, subtitles,
            spoken lines. They are screened with it.
        markets: Where it is to be shown (ISO 3166-1 alpha-2), sorted; empty: everywhere.
        product: Id of the product it is made for; empty: none.
        speech: Language of what is made, that of its voice and its text on screen; empty: nobody said.
        components: What is made has these, of `filters.rights.records.COMPONENTS`, sorted: `picture`, `face` and
            `character` of a silent shot, so that who is named needs no consent to a voice; empty: all.
        claims: Claims that the product may make, in any language.
        banned: Words and claims that the brand never uses, in any language.
    """

    text: str
    language: str = ""
    locked: tuple[str, ...] = ()
    engine_dialect: str = "plain"
    negative: str = ""
    slots: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[str, str], ...] = ()
    markets: tuple[str, ...] = ()
    product: str = ""
    speech: str = ""
    components: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    banned: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, _ in self.slots:
            if name not in SLOTS:
                raise ValueError(f"slot {name!r}: not one of {', '.join(SLOTS)}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordSpan:
    """Where something stands that decided over a prompt.

    Attributes:
        where: Which of its texts: `text` (as the campaign says it), `prompt` (as it would be sent), `negative`, a slot
            such as `slot sound`, `beside ar` with the language, or `quoted`: what is quoted or locked in text and
            slots, a line each.
        start: Its first code point, from 0.
        end: One after its last.
        words: What stands there.
        why: What it was found by: `name`, `minor`, `claim` or `banned`.
        entry: What found it: the registry's work, or the entry of the list.
    """

    where: str
    start: int
    end: int
    words: str
    why: str
    entry: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PreparedWords:
    """The words of a shot as they may be sent, or why not.

    Attributes:
        prompt: The prompt that is sent; of words that are refused, their text.
        negative: The negative prompt that is sent; empty: none.
        source: What the campaign said, whole: its text and its slots.
        rewriter: What wrote the prompt: its name, version, and model where it has one; `none` where nothing was
            rewritten because the words are refused.
        verdict: `allow`; or `deny`, `review` or `unknown`: then nothing is sent. The strictest of all checks.
        reasons: Why it is not allowed, for a person, each naming the entry and where it stands; empty where allowed.
        entries: Ids of the registry's statements that decided, and entries of the lists as `claims/cures`, sorted.
        spans: Where what decided stands.
        notes: What a person should know and what stops nothing: a rewrite that was refused, a near miss, what was not
            checked.
        lost: Words of the source that are not in the prompt, sorted.
        added: Words of the prompt that are not in the source, sorted.
    """

    prompt: str
    negative: str = ""
    source: str
    rewriter: str = "none"
    verdict: str = "allow"
    reasons: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    spans: tuple[WordSpan, ...] = ()
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
