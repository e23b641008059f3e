"""Text records: what is said about clips, and in them (`transforms.records` lists them with all others)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from transforms.column import column


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaptionRow:
    """One text of one clip, by one captioner with one model and prompt."""

    table: ClassVar[str] = "captions"
    version: ClassVar[int] = 2
    key: ClassVar[tuple[str, ...]] = ("clip_id", "captioner", "model", "kind", "prompt_version")
    scope: ClassVar[tuple[str, ...]] = ("clip_id", "captioner", "model", "kind", "prompt_version")

    clip_id: str = column("The clip it describes.")
    video_id: str = column("The video the clip belongs to.")
    captioner: str = column("Name of the captioner, as on the command line.")
    kind: str = column("`short` (a sentence), `dense` (50 to 200 words) or `structured` (JSON).")
    text: str = column("The caption; of a clip in several windows their texts, joined in order of time.")
    language: str | None = column("Language of the text (BCP 47), where it is known.", default=None)
    model: str = column("Model that wrote it; the captioner's own name where no model did.")
    revision: str = column("Revision of the model, from its weights, or of the captioner's rules.")
    settings: str = column("Settings of the captioner as canonical JSON.")
    prompt_version: str = column("Version of the prompt; empty where there is none.")
    window_starts: list[float] = column(
        "Where each window begins, from the clip's start; empty where one holds the whole clip.",
        unit="s",
        span=">= 0",
        default=None,
    )
    window_texts: list[str] = column("What was said of each window, in the same order.", default=None)
    kept: bool | None = column("Whether it may be used: no check dropped it; null in rows of version 1.", default=None)
    reasons: list[str] = column("Flags for which it was dropped.", default=None)
    flags: list[str] = column(
        "What a reader must know: `measured` (rules over measures, no model), and what the checks found.", default=None
    )
    score: float | None = column(
        "Cosine of text and frames, where a model for it was named.", span="-1 to 1", default=None
    )
    tokens_in: int | None = column("Tokens that the model read, where it tells.", span=">= 0", default=None)
    tokens_out: int | None = column("Tokens that the model wrote, where it tells.", span=">= 0", default=None)
    cost: float | None = column("What it cost, where prices were given.", unit="USD", span=">= 0", default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranscriptRow:
    """What one recogniser heard in one video: its words stand in `utterances`."""

    table: ClassVar[str] = "transcripts"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("video_id", "recogniser", "model")
    scope: ClassVar[tuple[str, ...]] = ("video_id", "recogniser", "model")

    video_id: str = column("The video.")
    recogniser: str = column("Name of the recogniser, as on the command line.")
    model: str = column("The model that heard.")
    revision: str = column("Revision of the model, from its weights.")
    settings: str = column("Settings of the recogniser as canonical JSON.")
    seconds: float = column("Length of the sound.", unit="s", span=">= 0")
    language: str | None = column("Language spoken most (BCP 47); null where nobody speaks.", default=None)
    language_probability: float | None = column("How sure the model is of it.", span="0 to 1", default=None)
    utterances: int = column("Utterances, flagged ones too.", span=">= 0")
    words: int = column("Words in them.", span=">= 0")
    speech_share: float = column("Share of the sound in which somebody speaks.", span="0 to 1")
    music_share: float = column("Share that sounds tonal and is not speech.", span="0 to 1")
    noise_share: float = column("Share of any other sound.", span="0 to 1")
    silence_share: float = column("Share that is silent.", span="0 to 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class UtteranceRow:
    """Words said in one go, with their times on the clock of the video's clips."""

    table: ClassVar[str] = "utterances"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("video_id", "recogniser", "model", "number")
    scope: ClassVar[tuple[str, ...]] = ("video_id", "recogniser", "model")

    video_id: str = column("The video.")
    recogniser: str = column("Name of the recogniser, as on the command line.")
    model: str = column("The model that heard.")
    number: int = column("Place among the video's utterances.", span=">= 0")
    start_seconds: float = column("Where it begins, from the first frame shown.", unit="s")
    end_seconds: float = column("Where it ends.", unit="s")
    text: str = column("What was said.")
    language: str | None = column("Its language (BCP 47), where it is known.", default=None)
    words: list[str] = column("Its words, each with the space before it that the model gave.", default=None)
    word_starts: list[float] = column("Where each word begins, from the first frame shown.", unit="s", default=None)
    word_ends: list[float] = column("Where each word ends.", unit="s", default=None)
    word_probabilities: list[float] = column("How sure the model is of each word.", span="0 to 1", default=None)
    log_probability: float | None = column("Mean log probability of its tokens.", span="<= 0", default=None)
    no_speech: float | None = column("Probability that nobody speaks.", span="0 to 1", default=None)
    compression: float | None = column("How far its text can be compressed (zlib).", span="> 0", default=None)
    flags: list[str] = column("Why it may be invented; empty where nothing speaks for that.", default=None)
