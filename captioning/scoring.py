"""Image-text scores: how well a text goes with the frames it is said of, by an open_clip model.

The score is the cosine between the text and the frames in the model's common space: with the mean over frames, as a
caption of a clip should fit all of it, or with the frame that fits best. A text longer than the model reads is cut into
pieces at ends of sentences, and its score is their mean, each weighing as much as it has tokens, so that the end of a
dense caption counts as much as its beginning.

Scores compare texts under one model; what is a good one differs from model to model.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from captioning import openclip
from captioning.batches import BATCHES, answered, decoded
from captioning.weights import device_setting, dtype_setting
from transforms.failures import ElementError
from transforms.settings import setting

_OPTION: Final = "--scorer"
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
    over: str = setting(
        "mean", "Frames that a text is held against: their mean, or the best.", choices=("mean", "best")
    )
    batch_size: int = setting(32, "Sets of frames that the model looks at at once.", low=1, high=1024, scale=True)
    device: str = device_setting()
    dtype: str = dtype_setting()


class Seen(NamedTuple):
    """What is scored: one or more texts, each held against the same frames, one or more JPEGs."""

    texts: Sequence[str]
    frames: Sequence[bytes]


class _Ready(NamedTuple):
    images: list[Any]
    pieces: list[list[tuple[str, int]]]  # of every text: pieces, and how many tokens each has


class ImageText:
    """Scores texts by frames. `check`, `load`, `model` and `revision` are those of a captioner."""

    settings: ScoringSettings

    def __init__(self, settings: ScoringSettings) -> None:
        self.settings = settings
        self._loaded: openclip.Loaded | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "_loaded": None}

    @functools.cached_property
    def _located(self) -> openclip.Located:
        return openclip.locate(_OPTION, self.settings.model)

    @property
    def model(self) -> str:
        """Name of the architecture or of the model's folder."""
        return self._located.name

    @functools.cached_property
    def revision(self) -> str:
        """Digest of the weights."""
        return self._located.revision

    @property
    def batch_size(self) -> int:
        """Sets of frames of a call of `score` that are worth while: several of the model's batches."""
        return BATCHES * self.settings.batch_size

    def check(self) -> None:
        """See that packages and weights are there.

        Raises:
            ConfigError: Something is missing.
        """
        self._located  # noqa: B018  (finding it is the check)

    def load(self) -> None:
        """Load the weights, once.

        Raises:
            ConfigError: They cannot be loaded.
        """
        if self._loaded is None:
            self._loaded = openclip.load(self._located, self.settings.device, self.settings.dtype)

    def score(self, seen: Sequence[Seen]) -> list[list[float] | ElementError]:
        """The scores of all texts, in their order, -1 to 1; of frames that cannot be read, the error.

        An empty text scores 0.
        """
        self.load()
        loaded = self._loaded
        assert loaded is not None

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
