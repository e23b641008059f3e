"""Checks: what a reader must know of a caption before it is trained on.

Every check is a pure function of the text and of what is known beside it: its kind, its frames' score, what was heard,
how many clips have the same text. What it finds is a flag on the caption's row; few flags drop a caption, and those do
so with their name as the reason. Nothing here repairs a text: one that is wrong is asked for again.

Words in quotation marks are text in the picture or speech, so they are no refusal, no boilerplate, and no language of
the caption's own.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from captioning.language import language_of, mixes_scripts, quotations, without_quotes
from transforms.settings import setting

FLAGS: Final[Mapping[str, str]] = {
    "measured": "No model wrote it: it says what was measured.",
    "empty": "There is no word in it.",
    "refused": "The model or its endpoint declined to answer.",
    "refusal": "It speaks of its writer, who is sorry, unable or an AI, or who saw nothing, and not of the clip.",
    "truncated": "It ran into the limit of tokens and ends before its end.",
    "too_short": "It has fewer words than its kind asks for.",
    "too_long": "It has more words than its kind asks for, or more than one sentence where one is asked for.",
    "repetition": "It says the same again and again.",
    "language": "It is not, or not wholly, in a language that was asked for.",
    "boilerplate": "It speaks of the picture, the video or its frames, or begins as an answer to somebody.",
    "markup": "It holds Markdown, a list, HTML, JSON or a model's own marks.",
    "unheard": "It quotes speech, and the transcript does not have these words.",
    "low_score": "Its frames and its text are less alike than `caption_min_score`.",
    "common": "So many clips have the same text that it says little about this one.",
}
"""Every flag of a caption and what it means, in the order in which rows have them."""

_NEVER_DROP: Final = ("measured",)


@dataclasses.dataclass(frozen=True)
class CheckSettings:
    """Limits of the checks, and which flags drop a caption. An empty limit (None) asks for nothing."""

    caption_drop: tuple[str, ...] = setting(
        ("empty", "refused", "refusal", "repetition"),
        "Flags that drop a caption; all others only stand on its row.",
        choices=[flag for flag in FLAGS if flag not in _NEVER_DROP],
        source="project",
    )
    caption_languages: tuple[str, ...] = setting(
        ("en",), "Languages that captions may be in (ISO 639).", source="project: the prompts are in English"
    )
    short_min_words: int = setting(3, "Fewest words of a short caption.", low=0, source="project")
    short_max_words: int = setting(40, "Most words of a short caption.", low=1, source="project")
    dense_min_words: int = setting(50, "Fewest words of a dense caption, of each window.", low=0, source="project")
    dense_max_words: int = setting(
        200, "Most words of a dense caption, of each window.", low=1, source="project; Koala-36M writes 202 on average"
    )
    caption_repetition: float = setting(
        0.3,
        "Largest share of words in runs of four that came before.",
        low=0,
        high=1,
        source="project; Gopher (arXiv:2112.11446) has limits of 0.1 to 0.3 for such shares of web pages",
    )
    caption_min_score: float | None = setting(
        0.2, "Least cosine of text and frames, where a model for it is named.", low=-1, high=1, source="project"
    )
    caption_common: int | None = setting(
        20, "Clips with the same text from which on it is common.", low=2, source="project"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Caption:
    """A caption and what is known beside it.

    Attributes:
        kind: `short` or `dense`.
        text: All of it.
        windows: The texts of its windows, where there are several; lengths and repetition are those of each.
        flags: What its captioner flagged.
        score: Cosine of the text and its frames, -1 to 1; None where it was not measured.
        transcript: What was heard in the clip; empty where nobody speaks, None where nobody listened.
        clips: How many clips have this text from this captioner (see `sameness`), itself among them.
    """

    kind: str
    text: str
    windows: Sequence[str] = ()
    flags: Sequence[str] = ()
    score: float | None = None
    transcript: str | None = None
    clips: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checked:
    """What the checks found.

    Attributes:
        flags: All flags, the captioner's own among them, in the order of `FLAGS`.
        reasons: Those that drop the caption; none where it is kept.
        language: ISO 639 code; None where it cannot be told.
    """

    flags: tuple[str, ...]
    reasons: tuple[str, ...]
    language: str | None


def checked(caption: Caption, settings: CheckSettings) -> Checked:
    """Check a caption.

    Args:
        caption: A text that a model wrote about a clip.
        settings: The limits.

    Raises:
        ValueError: Its captioner flagged what `FLAGS` does not explain.
    """
    language = language_of(caption.text)
    found = {*caption.flags, *_flags(caption, settings, language)}
    if unknown := sorted(found - FLAGS.keys()):
        raise ValueError(f"flags that FLAGS does not explain: {', '.join(unknown)}")
    flags = tuple(flag for flag in FLAGS if flag in found)
    return Checked(flags=flags, reasons=tuple(f for f in flags if f in settings.caption_drop), language=language)


def _flags(caption: Caption, settings: CheckSettings, language: str | None) -> Iterator[str]:
    text = caption.text
    if not words(text):
        yield "empty"
        return
    parts = caption.windows or (text,)
    if is_refusal(text):
        yield "refusal"
    yield from _lengths(caption.kind, parts, settings)
    if any(repeats(part, settings.caption_repetition) for part in parts):
        yield "repetition"
    if (language is not None and language not in settings.caption_languages) or mixes_scripts(text):
        yield "language"
    if is_boilerplate(text):
        yield "boilerplate"
    if has_markup(text):
        yield "markup"
    if caption.transcript is not None and unheard(text, caption.transcript):
        yield "unheard"
    if (
        caption.score is not None
        and settings.caption_min_score is not None
        and caption.score < settings.caption_min_score
    ):
        yield "low_score"
    if settings.caption_common is not None and caption.clips >= settings.caption_common:
        yield "common"


def _lengths(kind: str, parts: Sequence[str], settings: CheckSettings) -> Iterator[str]:
    limits = {
        "short": (settings.short_min_words, settings.short_max_words),
        "dense": (settings.dense_min_words, settings.dense_max_words),
    }
    if kind not in limits:
        return
    fewest, most = limits[kind]
    counts = [len(words(part)) for part in parts]
    if min(counts) < fewest:
        yield "too_short"
    if max(counts) > most or (kind == "short" and any(len(sentences(part)) > 1 for part in parts)):
        yield "too_long"


_WORD: Final = re.compile(
    # Chinese and Japanese write no spaces, and their words have about two characters.
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{1,2}|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+(?:['’.-][^\W_]+)*"
)
_END: Final = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“‘(]?[A-ZÀ-Þ0-9])|(?<=[。！？])|\n+")
_ABBREVIATED: Final = re.compile(r"\b(?:No|Mr|Mrs|Ms|Dr|St|Mt|vs|approx|ca|[A-Z])\.$|^\d{1,2}\.$")


def words(text: str) -> list[str]:
    """The words of a text in lower case. Of Chinese and Japanese every two characters count as one."""
    return _WORD.findall(text.lower())


def sentences(text: str) -> list[str]:
    """The sentences of a text; an abbreviation such as `No. 7` ends none, nor does the number of a list."""
    found: list[str] = []
    for part in filter(str.strip, _END.split(text.strip())):
        if found and _ABBREVIATED.search(found[-1]):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found


_UNABLE: Final = (
    r"(?:cannot|can\s?not|can['’]t|could\s?n['’]t|am\s+(?:not\s+able|unable)\s+to|['’]m\s+(?:not\s+able|unable)\s+to|"
    r"am\s+not\s+permitted|do\s+not\s+have|don['’]t\s+have|do\s+not\s+see|don['’]t\s+see|won['’]t|will\s+not)"
)
_BEGIN: Final = r"(?:^|[.!?:;,\n]\s*|\b(?:but|and|that|unfortunately|however)\s+)"
_REFUSALS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"{_BEGIN}I\s*{_UNABLE}\b",
        rf"{_BEGIN}(?:I\s+am|I['’]m|we\s+are|we['’]re)\s+(?:very\s+|really\s+|so\s+)?(?:sorry|afraid)\b",
        rf"{_BEGIN}(?:my\s+apologies|I\s+apologi[sz]e)\b",
        r"^\s*sorry\s*(?:[,.!]|but\b|I\b)",
        rf"{_BEGIN}as\s+an?\s+(?:AI|artificial\s+intelligence|(?:large\s+)?language\s+model|assistant,?\s+I)\b",
        r"\bI\s+am\s+an?\s+(?:AI|language\s+model)\b|\bI['’]m\s+an?\s+(?:AI|language\s+model)\b",
        r"\bunable\s+to\s+(?:\w+\s+){1,2}(?:this|that|your)\s+request\b",
        r"\bno\s+(?:image|images|video|frames?|picture)\s+(?:is|are|was|were|has\s+been|have\s+been)\s+"
        r"(?:provided|attached|given|uploaded|included|supplied)\b",
        r"\b(?:please|could\s+you)\s+(?:provide|upload|attach)\s+(?:the|an?|your|more|some)\b",
        r"抱歉|对不起|無法|无法(?:识别|描述|提供|回答|查看)|申し訳|lo\s+siento|es\s+tut\s+mir\s+leid|je\s+suis\s+désolée?",
    )
)

_PICTURE: Final = (
    r"(?:images?|pictures?|photos?|photographs?|videos?(?:\s+clips?)?|clips?|footage|frames?|sequences?|scenes?|"
    r"screenshots?|stills?|snapshots?|gifs?)"
)
_SHOWS: Final = (
    r"(?:shows?|showing|depicts?|depicting|captures?|features?|displays?|presents?|portrays?|illustrates?|showcases?|"
    r"begins?|starts?|opens?|ends?|concludes?|contains?|consists?|seems?|appears?)"
)
_BOILERPLATE: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:\b(?:the|this|these)\s+(?:\w+\s+)?|^\s*an?\s+){_PICTURE}\s+(?:\w+ly\s+)?{_SHOWS}\b",
        r"\b(?:in|throughout|across)\s+(?:the|this|these)\s+(?:\w+\s+)?(?:images?|photos?|photographs?|videos?|clips?|"
        r"footage)\b(?!\s+(?:game|shop|store|call|camera))",
        r"\b(?:in|from|by|between)\s+the\s+(?:first|second|third|fourth|fifth|last|final|next|previous|initial|"
        r"subsequent|later|earlier|following)\s+(?:\w+\s+)?(?:frames?|images?|pictures?)\b",
        r"^\s*(?:an?|the|this)\s+(?:\w+\s+)?(?:images?|pictures?|photos?|photographs?|videos?|clips?|footage|screenshots?)"
        r"\s+of\b",
        r"^\s*(?:sure|certainly|of\s+course|absolutely|okay|great)\b\s*[,!.:]",
        r"^\s*(?:here\s+is|here['’]s|below\s+is)\s+(?:an?|the|your|my)\b",
        r"^\s*(?:caption|description|answer|output|response|summary|short|dense|assistant|user|frame\s+\d+)\s*:",
        r"\b(?:hope\s+this\s+helps|let\s+me\s+know|feel\s+free\s+to|would\s+you\s+like\s+me\s+to)\b",
    )
)

_MARKUP: Final = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"\*\*|__\w|(?<!\w)\*\w[^*\n]*\w\*(?!\w)",
        r"^\s{0,3}#{1,6}\s",
        r"^\s*(?:[-*+•–]|\d{1,2}[.)])\s+\S",
        r"```|`[^`\n]+`",
        r"\[[^\]\n]+\]\([^)\n]+\)",
        r"</?[A-Za-z][\w-]*(?:\s[^<>\n]*)?/?>",
        r"<\|[^|<>\n]*\|>|\[/?(?:INST|SEP|CLS|PAD|UNK|EOS|BOS|IMG|IMAGE|VIDEO)\]|<<SYS>>|▁|\ufffd",
        r"^\s*[\[{][\s\"'{\[]",
        r"\\[nt\"]|&(?:amp|quot|lt|gt|nbsp|#\d+);",
        r"^\s*\|.*\|\s*$",
    )
)


def is_refusal(text: str) -> bool:
    """Whether the text speaks of a writer who is sorry, unable, or an AI; a quoted speaker may be all that."""
    bare = without_quotes(text)
    return any(pattern.search(bare) for pattern in _REFUSALS)


def is_boilerplate(text: str) -> bool:
    """Whether the text speaks of the picture and not of what is in it, or begins as an answer."""
    bare = without_quotes(text)
    return any(pattern.search(bare) for pattern in _BOILERPLATE)


def has_markup(text: str) -> bool:
    """Whether marks are left that no reader of a caption should see."""
    return any(pattern.search(text) for pattern in _MARKUP)


_RUN: Final = 4  # words
_LONGEST_LOOP: Final = 12  # words
_SAME: Final = 4  # words of a sentence that counts as said twice


def repeats(text: str, most: float) -> bool:
    """Whether a text goes in circles.

    It does if a word comes four times in a row, a phrase of up to 12 words three times in a row, a sentence of four or
    more words twice, or if more than a share of all words stands in runs of four words that came before.

    Args:
        text: The text of one window.
        most: That share, 0 to 1.
    """
    said = words(text)
    if any(_loops(said, length) for length in range(1, _LONGEST_LOOP + 1)):
        return True
    counts = Counter(tuple(words(sentence)) for sentence in sentences(text))
    if any(count > 1 for sentence, count in counts.items() if len(sentence) >= _SAME):
        return True
    return repeated_share(said) > most


def _loops(said: Sequence[str], length: int) -> bool:
    """Whether a phrase of so many words comes three times in a row; a single word, four times."""
    wanted, run = length * (3 if length == 1 else 2), 0
    for at in range(length, len(said)):
        run = run + 1 if said[at] == said[at - length] else 0
        if run >= wanted:
            return True
    return False


def repeated_share(said: Sequence[str]) -> float:
    """Share of words that stand in a run of four words which came before, 0 to 1."""
    seen: set[tuple[str, ...]] = set()
    again = [False] * len(said)
    for at in range(len(said) - _RUN + 1):
        run = tuple(said[at : at + _RUN])
        if run in seen:
            again[at : at + _RUN] = [True] * _RUN
        seen.add(run)
    return sum(again) / len(said) if said else 0.0


_SPEECH: Final = re.compile(
    r"\b(?:says?|said|saying|speaks?|speaking|shouts?|shouting|yells?|yelling|asks?|asking|answers?|answering|repl(?:y|ies)|"
    r"replying|tells?|telling|whispers?|whispering|sings?|singing|exclaims?|calls?\s+out|announces?|chants?|narrat\w+|"
    r"voice\s?over|voice)\b",
    re.IGNORECASE,
)
_WRITTEN: Final = re.compile(
    r"\b(?:reads?|reading|signs?|banners?|posters?|labels?|labelled|labeled|titles?|titled|texts?|words?|letters?|written|"
    r"writing|captions?|captioned|subtitles?|logos?|boards?|billboards?|screens?|displays?|printed|inscri\w+|marked|"
    r"stickers?|headlines?|placards?|shirts?|spells?|overlay)\b",
    re.IGNORECASE,
)
_HEARD: Final = 0.5  # share of a quotation's words
_NEAR: Final = 30  # characters after a quotation in which its speaker is named


def unheard(text: str, transcript: str) -> bool:
    """Whether the text quotes somebody whose words were not heard.

    A quotation counts as speech if the last word before it in its sentence that tells is one of speaking and not one of
    writing, or if one of speaking follows at once. It was heard if half of its words are in the transcript.

    Args:
        text: The caption.
        transcript: What was heard in the clip; empty if nothing was.
    """
    heard = set(words(transcript))
    for start, end in quotations(text):
        said = words(text[start:end])
        if said and _is_spoken(text, start, end) and sum(word in heard for word in said) < _HEARD * len(said):
            return True
    return False


def _is_spoken(text: str, start: int, end: int) -> bool:
    before = re.split(r"[.!?]\s", text[:start])[-1]
    spoken, written = ([found.end() for found in words.finditer(before)] for words in (_SPEECH, _WRITTEN))
    if spoken or written:
        return max(spoken, default=0) > max(written, default=0)
    return _SPEECH.search(text[end : end + _NEAR].partition(".")[0]) is not None


def sameness(text: str) -> str:
    """What two captions have in common if they are the same: their words, whatever case and punctuation.

    Whoever counts captions counts these, over the clips of one captioner and kind.
    """
    return " ".join(words(text))
