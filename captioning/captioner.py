"""The captioner protocols, and the list of captioners.

A captioner is one file and one line in `CAPTIONERS`. It never opens a source. There are two kinds: one that describes a
clip from the numbers in its row (`MeasuredCaptioner`), and one with a model that looks at the clip's stored frames, a
batch of windows at a time (`ModelCaptioner`). It is loaded by name in the process that uses it, so that naming one with
a model costs nothing until then.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeGuard

from transforms.failures import ElementError
from transforms.records import CaptionRow, to_dict
from transforms.settings import ConfigError, from_mapping, key_fields

CAPTIONERS: Final[Mapping[str, str]] = {
    "attributes": "captioning.attributes:Attributes",
    "coca": "captioning.coca:Coca",
    "openai": "captioning.endpoint:OpenAi",
    "vlm": "captioning.vlm:Vlm",
}
"""Every captioner by the name the command line gives it, as `module:class`."""

KINDS: Final = ("short", "dense")
"""What a model may write of a clip: one sentence about all of it; 50 to 200 words, window by window."""


_SETTING: Final = re.compile(r",(?=\s*[a-z_]+\s*=)")
"""A comma before the next setting; others belong to the value before them."""


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


class Captioner(Protocol):
    """Names itself and what it was set to, for every row that it writes."""

    @property
    def name(self) -> str:
        """As in `CAPTIONERS`."""
        ...

    @property
    def model(self) -> str:
        """The model that writes; the captioner's own name where none does."""
        ...

    @property
    def revision(self) -> str:
        """Revision of the model, from its weights, or of the rules."""
        ...

    @property
    def settings(self) -> Any:
        """A frozen dataclass of `transforms.settings` fields."""
        ...

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


class ModelCaptioner(Captioner, Protocol):
    """Looks at frames with a model, a batch of windows at a time."""

    @property
    def frames(self) -> int:
        """Most frames that it looks at in a window, 1 or more."""
        ...

    @property
    def batch_size(self) -> int:
        """Windows of one call of `answer`, at most."""
        ...

    def check(self) -> None:
        """See, before the first element and without loading them, that packages and weights are there.

        Raises:
            ConfigError: Something is missing; the text says how to get it.
        """
        ...

    def load(self) -> None:
        """Load the weights, once a process.

        Raises:
            ConfigError: They cannot be loaded.
        """
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


def made(option: str, spec: str, known: Mapping[str, str]) -> Any:
    """An object of the class that a word of the command line names, with its settings.

    Args:
        option: The option, for messages.
        spec: `NAME[:MODEL][,SETTING=VALUE...]`; what stands after the colon is the setting `model`.
        known: Names to `module:class`; the class takes its settings, whose class its annotation tells.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    head, *given = _SETTING.split(spec)
    name, colon, model = head.partition(":")
    if name not in known:
        raise ConfigError(f"{option} {name}: not one of {', '.join(known)}")
    values = {"model": model} if colon else {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"{option} {spec}: {word!r} is no SETTING=VALUE")
        values[key.strip()] = value.strip()
    module, _, attribute = known[name].partition(":")
    cls = getattr(importlib.import_module(module), attribute)
    try:
        return cls(from_mapping(_settings_class(cls), values))
    except ConfigError as error:
        raise ConfigError(f"{option} {name}: {error}") from None


def _settings_class(cls: Any) -> type[Any]:
    hints = {**typing.get_type_hints(cls.__init__), **typing.get_type_hints(cls)}
    found: type[Any] = hints["settings"]
    return found
