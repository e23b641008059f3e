"""Rewriting: from what a campaign says of a shot to the prompt that an engine reads best.

A rewriter is one file and one line in `REWRITERS`. `template` is the default: it puts the parts of a shot in the order
that the engine's maker advises and changes no word, so that it is the same every time and needs nobody's service.
`openai` asks a language model (`generation.asked_rewriting`) and takes what it says only where it is faithful.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from captioning.model import made
from generation.prompts import SLOTS, ShotWords

REWRITERS: Final[Mapping[str, str]] = {
    "template": "generation.rewriting:Template",
    "openai": "generation.asked_rewriting:AskedRewriter",
}
"""Every rewriter by the name that the command line gives it, as `module:class`. The class takes its settings."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dialect:
    """How an engine wants its prompts.

    Attributes:
        about: How a prompt is written, for a model that writes one.
        order: The shot's own words (`text`) and the slots, in the order in which they are said.
        most_words: Longest prompt that is read well, in words.
        source: Where that stands.
    """

    about: str
    order: tuple[str, ...] = ("text", *SLOTS)
    most_words: int
    source: str


DIALECTS: Final[Mapping[str, Dialect]] = {
    "plain": Dialect(about="one paragraph of plain sentences", most_words=300, source="project"),
    "ltx": Dialect(
        about="one flowing paragraph in order of time, the main action in its first sentence, then movements, looks,"
        " background, camera, light and colours; sounds and voices last",
        order=("text", "action", "subject", "setting", "camera", "light", "style", "sound", "dialogue"),
        most_words=200,
        source="README of Lightricks/LTX-Video, Prompt Engineering",
    ),
    "wan": Dialect(
        about="one paragraph: subject, its motion, the place, then shot size and camera, light and style; no sound",
        order=("text", "subject", "action", "setting", "camera", "light", "style", "dialogue", "sound"),
        most_words=100,
        source="prompt extension of Wan-Video/Wan2.2",
    ),
    "hunyuan": Dialect(
        about="one paragraph: subject, motion, scene, then shot type, camera movement, light, style and atmosphere",
        order=("text", "subject", "action", "setting", "camera", "light", "style", "sound", "dialogue"),
        most_words=200,
        source="HunyuanVideo 1.5 Prompt Handbook, Core Formula; length: project",
    ),
    "veo": Dialect(
        about="one paragraph: camera and framing first, then subject, action, surroundings, style and mood; sounds and"
        " quoted speech last, each in a sentence of its own",
        order=("camera", "text", "subject", "action", "setting", "light", "style", "sound", "dialogue"),
        most_words=300,
        source="Google Cloud, prompting guide for Veo 3.1; length: project",
    ),
}
"""Every dialect by the name that an engine's set-up gives it."""

_ENDS: Final = tuple('.!?…。！？؟।”"»」')
_QUOTES: Final = tuple('"“„«»「『')


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rewritten:
    """What a rewriter made of a shot's words.

    Attributes:
        prompt: The prompt; empty where there is none (see `failed`).
        by: What wrote it: name, version, and the model where there is one.
        language: Language of the prompt (BCP 47); None where nobody knows it.
        notes: What a person should know.
        failed: Why there is no prompt, though there may be one later; empty where there is one.
        lost: Words of the source that are gone, sorted.
        added: Words that were not in the source, sorted.
    """

    prompt: str
    by: str
    language: str | None
    notes: tuple[str, ...] = ()
    failed: str = ""
    lost: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


class Rewriter(Protocol):
    """Makes prompts. It gives the same ones again for the same words, or is given a store that remembers them."""

    @property
    def name(self) -> str:
        """As the command line gives it."""
        ...

    @property
    def settings(self) -> Any:
        """A frozen dataclass of `transforms.settings` fields."""
        ...

    def check(self) -> None:
        """See, before the first prompt, that what it needs is there.

        Raises:
            ConfigError: Something is missing; the text says how to get it.
        """
        ...

    def rewrite(self, words: Sequence[ShotWords]) -> list[Rewritten]:
        """A prompt for the words of each shot, in their order.

        Raises:
            ConfigError: Nothing can be rewritten; what was paid for is kept.
        """
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemplateSettings:
    """It has none."""


_NOTHING_SET: Final = TemplateSettings()


class Template:
    """Puts the parts of a shot in order. Every word of them is kept, in its place and as it is.

    Args:
        settings: None to set.
    """

    name: Final = "template"
    version: Final = "template-1"
    """Raised when the same words would become another prompt."""

    def __init__(self, settings: TemplateSettings = _NOTHING_SET) -> None:
        self.settings = settings

    def check(self) -> None:
        """Nothing is needed."""

    def rewrite(self, words: Sequence[ShotWords]) -> list[Rewritten]:
        """A prompt for the words of each shot, in their order.

        Raises:
            ValueError: A dialect that is none.
        """
        return [self._rewritten(one) for one in words]

    def _rewritten(self, words: ShotWords) -> Rewritten:
        dialect = dialect_of(words)
        said = {"text": words.text, **dict(words.slots)}
        if said.get("dialogue"):
            said["dialogue"] = _quoted(said["dialogue"])
        parts = [said[name].strip() for name in dialect.order if said.get(name, "").strip()]
        prompt = " ".join(_sentence(part, words.locked) for part in parts) if len(parts) > 1 else "".join(parts)
        return Rewritten(
            prompt=prompt, by=self.version, language=words.language or None, notes=too_long(prompt, dialect, words)
        )


def load_rewriter(spec: str) -> Rewriter:
    """The rewriter that a word names, with its settings: `NAME[:MODEL][,SETTING=VALUE...]`. Nothing is contacted.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    found: Rewriter = made("rewriter", spec, REWRITERS)
    return found


def dialect_of(words: ShotWords) -> Dialect:
    """The dialect that a shot's words name.

    Raises:
        ValueError: There is none of that name.
    """
    if words.engine_dialect not in DIALECTS:
        raise ValueError(f"dialect {words.engine_dialect!r}: not one of {', '.join(DIALECTS)}")
    return DIALECTS[words.engine_dialect]


def source_of(words: ShotWords) -> str:
    """All that a campaign says of what is to be seen and heard, one part a line."""
    return "\n".join([words.text, *(said for _, said in words.slots)])


def too_long(prompt: str, dialect: Dialect, words: ShotWords) -> tuple[str, ...]:
    """A note where a prompt has more words than its dialect reads well."""
    count = len(prompt.split())
    if count <= dialect.most_words:
        return ()
    return (f"{count} words, where {words.engine_dialect} reads {dialect.most_words} well: the end may have no effect",)


def _sentence(part: str, locked: Sequence[str]) -> str:
    """A part as a sentence; no letter of locked words is touched."""
    if not any(part.startswith(word) for word in locked if word):
        part = part[0].upper() + part[1:] if len(part[0].upper()) == 1 else part
    return part if part.endswith(_ENDS) else f"{part}."


def _quoted(line: str) -> str:
    line = line.strip()
    return line if any(mark in line for mark in _QUOTES) else f"“{line}”"
