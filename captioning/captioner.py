"""The captioner protocols, and the list of captioners.

A captioner is one file and one line in `CAPTIONERS`. It never opens a source. There are two kinds: one that describes a
clip from the numbers in its row (`MeasuredCaptioner`), and one with a model that looks at the clip's stored frames, a
batch of windows at a time (`ModelCaptioner`). It is loaded by name in the process that uses it, so that naming one with
a model costs nothing until then.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

from captioning.model import Model, Named, made
from transforms.failures import ElementError
from transforms.records import CaptionRow, to_dict
from transforms.settings import key_fields

CAPTIONERS: Final[Mapping[str, str]] = {
    "attributes": "captioning.attributes:Attributes",
    "coca": "captioning.coca:Coca",
    "openai": "captioning.endpoint:OpenAi",
    "vlm": "captioning.vlm:Vlm",
}
"""Every captioner by the name the command line gives it, as `module:class`."""

KINDS: Final = ("short", "dense")
"""What a model may write of a clip: one sentence about all of it; 50 to 200 words, window by window."""


class Frame(NamedTuple):
    """One stored frame of a clip: seconds from the clip's start; the picture as JPEG, upright, 512 pixels at most."""

    seconds: float
    jpeg: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of a clip that is described at once.

    Attributes:
        clip: Columns of the clip's row, `clip_id` and `video_id` among them.
        kind: One of `KINDS`.
        index: Which of the clip's windows of this kind, from 0.
        count: How many there are.
        start: Where it begins, in seconds from the clip's start.
        end: Where it ends.
        frames: Stored frames in it, in order of time; one or more.
    """

    clip: Mapping[str, Any]
    kind: str
    index: int
    count: int
    start: float
    end: float
    frames: tuple[Frame, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model said of a window.

    Attributes:
        text: The text.
        flags: `truncated` where it ran into a limit of length, `refused` where the model or its endpoint said no.
        tokens_in: Tokens that were read, where they are known.
        tokens_out: Tokens that were written, where they are known.
        cost: US dollars, where prices are known.
    """

    text: str
    flags: tuple[str, ...] = ()
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: float | None = None


class Captioner(Named, Protocol):
    """Describes clips."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of captions that it writes of every clip."""
        ...

    def prompt_version(self, kind: str) -> str:
        """Version of the prompt of a kind; empty where there is none."""
        ...


class MeasuredCaptioner(Captioner, Protocol):
    """Describes a clip by its row alone."""

    def caption(self, clip: Mapping[str, Any], video: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The texts of one clip, as rows of `captions` (see `caption_row`).

        Args:
            clip: The clip's row.
            video: The video's row.

        Raises:
            ElementError: This clip cannot be captioned.
        """
        ...


class ModelCaptioner(Captioner, Model, Protocol):
    """Looks at frames with a model, a batch of windows at a time."""

    @property
    def frames(self) -> int:
        """Most frames that it looks at in a window, 1 or more."""
        ...

    @property
    def batch_size(self) -> int:
        """Windows of one call of `answer`, at most."""
        ...

    def answer(self, windows: Sequence[Window]) -> list[Answer | ElementError]:
        """What the model says of each window, in their order; of one that it cannot describe, the error.

        Raises:
            ConfigError: Nothing can be described: the set-up is wrong.
        """
        ...


def has_model(captioner: Captioner) -> TypeGuard[ModelCaptioner]:
    """Whether a captioner looks at frames with a model; nothing of it is loaded to tell."""
    return hasattr(captioner, "answer")


def settings_json(settings: Any, **more: Any) -> str:
    """The settings that decide what a model writes, and what else does, as canonical JSON."""
    return json.dumps({**key_fields(settings), **more}, sort_keys=True, separators=(",", ":"))


def caption_row(
    captioner: Captioner, clip: Mapping[str, Any], kind: str, text: str, *, settings: str = "", **more: Any
) -> dict[str, Any]:
    """One row of `captions`, signed by its captioner.

    Args:
        captioner: Who wrote it.
        clip: The clip's row.
        kind: Kind of the caption.
        text: The caption.
        settings: What decided it, where that is more than the captioner's own settings.
        more: Other columns.
    """
    row = CaptionRow(
        clip_id=clip["clip_id"],
        video_id=clip["video_id"],
        captioner=captioner.name,
        kind=kind,
        text=text,
        model=captioner.model,
        revision=captioner.revision,
        settings=settings or settings_json(captioner.settings),
        prompt_version=captioner.prompt_version(kind),
        **{"kept": True, **more},
    )
    return to_dict(row)


def load_captioner(spec: str) -> Captioner:
    """The captioner that a word of the command line names: `NAME[:MODEL][,SETTING=VALUE...]`.

    Its weights are not loaded: see `ModelCaptioner.load`.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    captioner: Captioner = made("--captioner", spec, CAPTIONERS)
    return captioner
