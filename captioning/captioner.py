"""The captioner protocol and the list of captioners.

A captioner is one file and one line in `CAPTIONERS`. It sees a clip's row, its video's row and, if it asks, the clip's
stored frames; it never opens a source. It is loaded by name in the process that uses it, so that naming one with a
model costs nothing until then.
"""

from __future__ import annotations

import importlib
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from transforms.records import CaptionRow, to_dict
from transforms.settings import ConfigError, from_mapping, key_fields

CAPTIONERS: Final[Mapping[str, str]] = {
    "attributes": "captioning.attributes:Attributes",
}
"""Every captioner by the name the command line gives it, as `module:class`."""


class Frame(NamedTuple):
    """One stored frame of a clip: seconds from the clip's start, and the picture as JPEG."""

    seconds: float
    jpeg: bytes


FrameSource = Callable[[], Sequence[Frame]]
"""Gives a clip's stored frames in order when called; a captioner that needs none never calls it."""


class Captioner(Protocol):
    """Writes texts about one clip."""

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
        """Revision of the model or of the rules."""
        ...

    @property
    def prompt_version(self) -> str:
        """Version of the prompt; empty where there is none."""
        ...

    @property
    def settings(self) -> Any:
        """A frozen dataclass of `transforms.settings` fields."""
        ...

    def caption(self, clip: Mapping[str, Any], video: Mapping[str, Any], frames: FrameSource) -> list[dict[str, Any]]:
        """The texts of one clip, as rows of `captions` (see `caption_row`).

        Args:
            clip: The clip's row.
            video: The video's row.
            frames: The clip's stored frames, read when called.

        Raises:
            ElementError: This clip cannot be captioned.
        """
        ...


def settings_json(settings: Any) -> str:
    """The settings that decide what a captioner writes, as canonical JSON."""
    return json.dumps(key_fields(settings), sort_keys=True, separators=(",", ":"))


def caption_row(
    captioner: Captioner,
    clip: Mapping[str, Any],
    kind: str,
    text: str,
    *,
    language: str = "en",
    window: int = 0,
    flags: Sequence[str] = (),
) -> dict[str, Any]:
    """One row of `captions`, signed by its captioner."""
    row = CaptionRow(
        clip_id=clip["clip_id"],
        video_id=clip["video_id"],
        captioner=captioner.name,
        kind=kind,
        text=text,
        language=language,
        model=captioner.model,
        revision=captioner.revision,
        settings=settings_json(captioner.settings),
        prompt_version=captioner.prompt_version,
        window=window,
        flags=list(flags),
    )
    return to_dict(row)


def load_captioner(name: str, settings: Mapping[str, Any] | None = None) -> Captioner:
    """The captioner of a name, with its settings from a mapping.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    if name not in CAPTIONERS:
        raise ConfigError(f"--captioner {name}: not one of {', '.join(CAPTIONERS)}")
    module, _, attribute = CAPTIONERS[name].partition(":")
    made = getattr(importlib.import_module(module), attribute)
    captioner: Captioner = made(from_mapping(typing.get_type_hints(made)["settings"], settings or {}))
    return captioner
