"""Image-text scores: how well a text goes with the frames it is said of.

A scorer is one file and one line in `SCORERS`. The one here takes an open_clip model: the score is the cosine between
the text and the frames in the model's common space, with the mean over frames, as a caption of a clip should fit all of
it, or with the frame that fits best. A text longer than the model reads is cut into pieces at ends of sentences; its
score is their mean, each weighing as much as it has tokens, so that the end of a dense caption counts as much as its
beginning.

Scores compare texts under one model; what is a good one differs from model to model.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from captioning import openclip
from captioning.batches import BATCHES, answered, decoded
from captioning.model import Model, made
from captioning.weights import device_setting, dtype_setting
from transforms.failures import ElementError
from transforms.settings import setting

SCORERS: Final[Mapping[str, str]] = {"open_clip": "captioning.scoring:ImageText"}
"""Every scorer by the name the command line gives it, as `module:class`."""

_ENDS: Final = 2
"""Tokens that begin and end a text."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoringSettings:
    """Settings of the image-text score."""

    model: str = setting(
        "",
        "open_clip model and weights: NAME@CHECKPOINT, CONFIG.json@CHECKPOINT, NAME@TAG that was fetched before, or a "
        "folder.",
        scale=True,  # rows carry the model's name and the digest of its weights; where they lie changes nothing
    )
    frames: int = setting(4, "Frames of a window that a text is held against, at most.", low=1, high=64)
    over: str = setting(
        "mean", "Frames that a text is held against: their mean, or the best.", choices=("mean", "best")
    )
    batch_size: int = setting(32, "Windows that the model looks at at once.", low=1, high=1024, scale=True)
    device: str = device_setting()
    dtype: str = dtype_setting()


class Seen(NamedTuple):
    """What is scored: one or more texts, each held against the same frames, one or more JPEGs."""

    texts: Sequence[str]
    frames: Sequence[bytes]


class Scorer(Model, Protocol):
    """Tells how well texts go with frames, a batch at a time. Its settings have `frames`."""

    @property
    def batch_size(self) -> int:
        """Sets of frames of one call of `score`, at most."""
        ...

    def score(self, seen: Sequence[Seen]) -> list[list[float] | ElementError]:
        """The scores of all texts, in their order, -1 to 1; of frames that cannot be read, the error."""
        ...


def load_scorer(spec: str) -> Scorer:
    """The scorer that a word of the command line names: `NAME[:MODEL][,SETTING=VALUE...]`.

    Its weights are not loaded: see `Scorer.load`.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    scorer: Scorer = made("--scorer", spec, SCORERS)
    return scorer


class _Ready(NamedTuple):
    images: list[Any]
    pieces: list[list[tuple[str, int]]]  # of every text: pieces, and how many tokens each has


class ImageText(openclip.OpenClip):
    """Scores texts by an open_clip model. See `Scorer`."""

    settings: ScoringSettings
    name = "open_clip"
    option = "--scorer open_clip"

    @property
    def batch_size(self) -> int:
        """Sets of frames of a call of `score` that are worth while: several of the model's batches."""
        return BATCHES * self.settings.batch_size

    def score(self, seen: Sequence[Seen]) -> list[list[float] | ElementError]:
        """The scores of all texts, in their order, -1 to 1; of frames that cannot be read, the error.

        An empty text scores 0.
        """
        loaded = self.loaded

        def prepare(one: Seen) -> _Ready:
            images = [loaded.transform(decoded(jpeg)) for jpeg in one.frames]
            return _Ready(images, [pieces(text, loaded.tokenizer) for text in one.texts])

        return answered(seen, prepare, list, functools.partial(self._ask, loaded), self.settings.batch_size)

    def _ask(self, loaded: openclip.Loaded, batch: list[_Ready]) -> list[list[float]]:
        torch = loaded.torch
        said = [piece for ready in batch for text in ready.pieces for piece, _ in text]
        with torch.inference_mode():
            images = torch.stack([image for ready in batch for image in ready.images])
            images = loaded.model.encode_image(images.to(device=loaded.device, dtype=loaded.dtype), normalize=True)
            if said:
                texts = loaded.model.encode_text(loaded.tokenizer(said).to(loaded.device), normalize=True)
                texts = iter(texts.float())
        found, first = [], 0
        for ready in batch:
            frames = images[first : first + len(ready.images)].float()
            first += len(ready.images)
            if self.settings.over == "mean":
                frames = torch.nn.functional.normalize(frames.mean(0, keepdim=True), dim=-1)
            scores = []
            for text in ready.pieces:
                total = sum(count for _, count in text)
                fits = [float((frames @ next(texts)).max()) * count for _, count in text]
                scores.append(sum(fits) / total if total else 0.0)
            found.append(scores)
        return found


def pieces(text: str, tokenizer: Any) -> list[tuple[str, int]]:
    """A text in pieces that the model reads whole, cut at ends of sentences, with the tokens of each.

    A sentence that is itself too long stays whole; the model reads its beginning.
    """
    room = tokenizer.context_length - _ENDS
    found: list[tuple[str, int]] = []
    for sentence in re.split(r"(?<=[.!?])\s+", " ".join(text.split())):
        count = len(tokenizer.encode(sentence))
        if not count:
            continue
        if found and found[-1][1] + count <= room:
            found[-1] = (f"{found[-1][0]} {sentence}", found[-1][1] + count)
        else:
            found.append((sentence, count))
    return found
