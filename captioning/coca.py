"""The `coca` captioner: a sentence about a clip's best frame, or about several, by an open_clip CoCa model.

CoCa describes one picture. With one frame it is the stored frame nearest the middle of the window, where nothing is cut
off or fading; with more, frames spread over the window are described one by one, and what they say differently is
joined in order of time. What moves and how, it cannot see: see `vlm`.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Sequence
from typing import Any, Final

from captioning import openclip
from captioning.batches import BATCHES, answered, decoded
from captioning.captioner import Answer, Window
from captioning.decoding import Limits, Sentence, decode
from captioning.weights import device_setting, dtype_setting
from captioning.windows import spread
from transforms.failures import ElementError
from transforms.settings import ConfigError, setting

_START: Final = 49406
_END: Final = 49407
"""Tokens that begin and end a text in CLIP's vocabulary, which CoCa's training uses too."""
_SHORTEST: Final = 4
"""Tokens of a sentence, at least: open_clip's `generate` forbids shorter ones as well."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CocaSettings:
    """Settings of the `coca` captioner."""

    model: str = setting(
        "",
        "Model and weights: NAME@CHECKPOINT, CONFIG.json@CHECKPOINT, NAME@TAG that was fetched before, or a folder.",
        scale=True,  # rows carry the model's name and the digest of its weights; where they lie changes nothing
    )
    frames: int = setting(1, "Frames of a clip that are described; more than one are joined.", low=1, high=16)
    beams: int = setting(1, "Sentences followed at once; 1 takes the likeliest word each time.", low=1, high=16)
    max_length: int = setting(
        30, "Tokens of a frame's sentence, at most.", low=5, high=75, source="open_clip's generate"
    )
    batch_size: int = setting(16, "Frames that the model looks at at once.", low=1, high=1024, scale=True)
    device: str = device_setting()
    dtype: str = dtype_setting()


class Coca(openclip.OpenClip):
    """Writes `short` captions. See `captioning.captioner.ModelCaptioner`."""

    settings: CocaSettings
    name = "coca"
    option = "--captioner coca"
    kinds = ("short",)

    def suits(self, located: openclip.Located) -> None:
        """Refuse what is no CoCa.

        Raises:
            ConfigError: It cannot write.
        """
        if "multimodal_cfg" not in located.config:
            raise ConfigError(
                f"{self.option}:{located.name}: not a CoCa model: it cannot write; try coca_ViT-B-32@CHECKPOINT"
            )

    @property
    def frames(self) -> int:
        """Frames of a window, at most."""
        return self.settings.frames

    @property
    def batch_size(self) -> int:
        """Windows of a call of `answer`: several of the model's batches, so that frames are decoded while it works."""
        return BATCHES * self._windows

    @property
    def _windows(self) -> int:
        return max(1, self.settings.batch_size // self.settings.frames)

    def prompt_version(self, kind: str) -> str:
        """Empty: CoCa is asked nothing."""
        return ""

    def answer(self, windows: Sequence[Window]) -> list[Answer | ElementError]:
        """A sentence about each window, in their order; of one whose frames cannot be decoded, the error."""
        loaded = self.loaded

        def prepare(window: Window) -> list[Any]:
            times = [frame.seconds for frame in window.frames]
            chosen = spread(times, window.start, window.end, self.settings.frames)
            return [loaded.transform(decoded(window.frames[k].jpeg)) for k in chosen]

        def gather(windows: list[list[Any]]) -> tuple[Any, list[int]]:
            return loaded.torch.stack([image for images in windows for image in images]), list(map(len, windows))

        return answered(windows, prepare, gather, functools.partial(self._ask, loaded), self._windows)

    def _ask(self, loaded: openclip.Loaded, batch: tuple[Any, list[int]]) -> list[Answer]:
        images, counts = batch
        sentences = iter(self.describe(loaded, images.to(device=loaded.device, dtype=loaded.dtype)))
        answers = []
        for count in counts:
            said = list(itertools.islice(sentences, count))
            answers.append(
                Answer(
                    text=joined([loaded.tokenizer.decode(sentence.tokens) for sentence in said]),
                    flags=("truncated",) if any(sentence.truncated for sentence in said) else (),
                    tokens_out=sum(len(sentence.tokens) for sentence in said),
                )
            )
        return answers

    def describe(self, loaded: openclip.Loaded, images: Any) -> list[Sentence]:
        """The model's sentence about each picture.

        Args:
            loaded: The model.
            images: (n, 3, height, width) on its device, as its transform makes them.
        """
        model, torch = loaded.model, loaded.torch
        with torch.inference_mode():
            seen = model(images)
            latent, embeddings = seen["image_features"], seen["image_embs"]

            def step(rows: Any, tokens: Any) -> Any:
                # The picture itself is not looked at again.
                said = model(None, tokens, image_latent=latent[rows], image_embs=embeddings[rows], output_labels=False)
                return said["logits"][:, -1]

            longest = min(self.settings.max_length, model.context_length - 1)
            limits = Limits(_START, _END, _SHORTEST, longest)
            return decode(torch, step, len(images), limits, self.settings.beams, loaded.device)


def joined(texts: Sequence[str]) -> str:
    """One text from a sentence for each frame: each different one once, in order of time."""
    tidy = [re.sub(r"\s+([.,;:!?'])", r"\1", " ".join(text.split())) for text in texts]
    if len(tidy) == 1:
        return tidy[0]
    different: dict[str, str] = {}
    for text in tidy:
        different.setdefault(re.sub(r"\W+", " ", text).strip().casefold(), text.rstrip(" ."))
    said = [text for key, text in different.items() if key]
    return ". ".join(said) + "." if said else ""
