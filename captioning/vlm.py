"""The `vlm` captioner: any transformers image-text-to-text model, shown several frames of a window at once.

Frames of a window go into one question in order of time, as pictures or, where the model's processor takes videos, as a
video, so that the model can tell what moves and how. The question is a versioned prompt in the processor's own chat
template. Answers are greedy by default, so that the same frames give the same text.

The model is a local folder as `save_pretrained` writes it, or a hub's name that is in the local cache already; nothing
is downloaded, and no code that lies beside weights is run.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from PIL import Image

from captioning.batches import BATCHES, answered, decoded
from captioning.captioner import KINDS, Answer, Window
from captioning.prompt import PROMPT_HELP, load_prompts
from captioning.weights import (
    check_packages,
    device_of,
    device_setting,
    digest_of,
    dtype_of,
    dtype_setting,
    package,
)
from captioning.windows import spread
from transforms.failures import ElementError
from transforms.settings import ConfigError, setting

_OPTION: Final = "--captioner vlm"
_WEIGHTS: Final = ("*.safetensors", "*.bin")
_DEFINING: Final = (*_WEIGHTS, "*.json", "*.jinja", "*.model", "*.txt")
"""Files of a model's folder that decide what it says: weights, settings, chat template and vocabulary."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class VlmSettings:
    """Settings of the `vlm` captioner."""

    model: str = setting(
        "",
        "Folder of the model, as transformers saves it; or its name on the hub, where it was fetched before.",
        scale=True,  # rows carry the model's name and the digest of its files; where they lie changes nothing
    )
    kinds: tuple[str, ...] = setting(KINDS, "Kinds of captions that are written.", choices=KINDS, scale=True)
    prompt: str = setting("", f"{PROMPT_HELP}.", scale=True)  # rows carry its version
    frames: int = setting(8, "Frames of a window that are shown, at most.", low=1, high=128, source="Cosmos: 8")
    show: str = setting("images", "How frames are shown: as images, or as one video.", choices=("images", "video"))
    tiles: bool = setting(
        False, "Let the processor cut each frame into tiles where it can: more detail, many more tokens."
    )
    beams: int = setting(1, "Texts followed at once; 1 takes the likeliest word each time.", low=1, high=16)
    repetition_penalty: float = setting(1.0, "How much a word that was said is made less likely.", low=1, high=2)
    max_new_tokens: int = setting(
        512, "Tokens of an answer, at most; what runs into it is flagged.", low=1, high=8192, source="NeMo Curator"
    )
    batch_size: int = setting(4, "Windows that the model is asked about at once.", low=1, high=1024, scale=True)
    device: str = device_setting()
    dtype: str = dtype_setting()


class _Question(NamedTuple):
    """A window, ready to be asked about."""

    text: str
    frames: list[Image.Image]
    window: Window


class _Loaded(NamedTuple):
    torch: Any
    model: Any
    processor: Any
    device: str


class Vlm:
    """Writes `short` and `dense` captions. See `captioning.captioner.ModelCaptioner`."""

    settings: VlmSettings
    name = "vlm"

    def __init__(self, settings: VlmSettings) -> None:
        """Read the prompts, which travel with the captioner.

        Raises:
            ConfigError: A prompt is missing or wrong.
        """
        self.settings = settings
        self._prompts = load_prompts(settings.kinds, settings.prompt)
        self._loaded: _Loaded | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "_prompts": self._prompts, "_loaded": None}

    @functools.cached_property
    def _folder(self) -> Path:
        return local_folder(_OPTION, self.settings.model)

    @property
    def model(self) -> str:
        """Name of the model's folder, or its name on the hub."""
        given = Path(self.settings.model)
        return given.resolve().name if given.is_dir() else self.settings.model

    @functools.cached_property
    def revision(self) -> str:
        """Digest of the weights, the settings, the chat template and the vocabulary."""
        return digest_of({path for pattern in _DEFINING for path in self._folder.glob(pattern)})

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of captions that are written."""
        return tuple(self._prompts)

    @property
    def frames(self) -> int:
        """Frames of a window, at most."""
        return self.settings.frames

    @property
    def batch_size(self) -> int:
        """Windows of a call of `answer`: several of the model's batches, so that frames are decoded while it works."""
        return BATCHES * self.settings.batch_size

    def prompt_version(self, kind: str) -> str:
        """Name, number and digest of the prompt of a kind."""
        return self._prompts[kind].version

    def check(self) -> None:
        """See that packages, weights, processor and chat template are there.

        Raises:
            ConfigError: Something is missing.
        """
        check_packages(_OPTION, "torch", "transformers", "torchvision")
        check_folder(_OPTION, self._folder)

    def load(self) -> None:
        """Load the weights, once.

        Raises:
            ConfigError: They cannot be loaded, or the processor cannot be asked with pictures.
        """
        if self._loaded is not None:
            return
        torch, transformers = package(_OPTION, "torch"), package(_OPTION, "transformers")
        device = device_of(torch, self.settings.device)
        dtype = getattr(torch, dtype_of(torch, self.settings.dtype, device))
        package(_OPTION, "transformers.utils.logging").disable_progress_bar()  # the job itself tells how far it is
        try:
            processor = transformers.AutoProcessor.from_pretrained(self._folder, local_files_only=True)
            model = transformers.AutoModelForImageTextToText.from_pretrained(
                self._folder, local_files_only=True, dtype=dtype
            )
        except Exception as error:  # whatever transformers makes of a folder of another kind
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise ConfigError(
                f"{_OPTION}:{self.model}: cannot be loaded as an image-text-to-text model: {said}"
            ) from error
        if not getattr(processor, "chat_template", None):
            raise ConfigError(f"{_OPTION}:{self.model}: {_NO_TEMPLATE}")
        if self.settings.show == "video" and getattr(processor, "video_processor", None) is None:
            raise ConfigError(f"{_OPTION}:{self.model}: its processor takes no videos: set show=images")
        processor.tokenizer.padding_side = "left"
        if processor.tokenizer.pad_token is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        self._loaded = _Loaded(torch, model.to(device).eval(), processor, device)

    def answer(self, windows: Sequence[Window]) -> list[Answer | ElementError]:
        """What the model says of each window, in their order; of one that cannot be shown or asked, the error."""
        self.load()
        assert self._loaded is not None
        loaded = self._loaded
        return answered(
            windows,
            self._question,
            functools.partial(self._gathered, loaded),
            functools.partial(self._ask, loaded),
            self.settings.batch_size,
        )

    def _question(self, window: Window) -> _Question:
        assert self._loaded is not None
        times = [frame.seconds for frame in window.frames]
        chosen = spread(times, window.start, window.end, self.settings.frames)
        frames = [decoded(window.frames[k].jpeg) for k in chosen]
        asked = self._prompts[window.kind].filled(len(frames), window.end - window.start)
        shown = [{"type": "video"}] if self.settings.show == "video" else [{"type": "image"}] * len(frames)
        message = {"role": "user", "content": [*shown, {"type": "text", "text": asked}]}
        text = self._loaded.processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
        return _Question(text, frames, window)

    def _gathered(self, loaded: _Loaded, questions: list[_Question]) -> Any:
        begin = loaded.processor.tokenizer.bos_token
        return loaded.processor(
            text=[question.text for question in questions],
            **self._shown(loaded.processor, questions),
            # Many templates write the token that begins a text themselves.
            add_special_tokens=not (begin and questions[0].text.startswith(begin)),
            padding=True,
            return_tensors="pt",
        )

    def _ask(self, loaded: _Loaded, batch: Any) -> list[Answer]:
        inputs = batch.to(loaded.device, dtype=loaded.model.dtype)
        read = inputs["input_ids"].shape[1]
        with loaded.torch.inference_mode():
            said = loaded.model.generate(
                **inputs,
                do_sample=False,
                num_beams=self.settings.beams,
                repetition_penalty=self.settings.repetition_penalty,
                max_new_tokens=self.settings.max_new_tokens,
                pad_token_id=loaded.processor.tokenizer.pad_token_id,
            )[:, read:]
        texts = loaded.processor.batch_decode(said, skip_special_tokens=True)
        ends = _ends(loaded)
        answers = []
        for text, tokens, mask in zip(texts, said.tolist(), inputs["attention_mask"].tolist(), strict=True):
            written = next((n + 1 for n, token in enumerate(tokens) if token in ends), None)
            answers.append(
                Answer(
                    text=" ".join(text.split()),
                    flags=() if written else ("truncated",),
                    tokens_in=sum(mask),
                    tokens_out=written or len(tokens),
                )
            )
        return answers

    def _shown(self, processor: Any, questions: Sequence[_Question]) -> dict[str, Any]:
        """The frames as the processor takes them."""
        if self.settings.show == "images":
            shown: dict[str, Any] = {"images": [question.frames for question in questions]}
            if not self.settings.tiles:
                # Families name it differently; one that does not cut has neither.
                for name in ("do_image_splitting", "crop_to_patches"):
                    if hasattr(processor.image_processor, name):
                        shown[name] = False
            return shown
        return {
            "videos": [question.frames for question in questions],
            "video_metadata": [_metadata(question.window, len(question.frames)) for question in questions],
            "do_sample_frames": False,
        }


def _metadata(window: Window, count: int) -> dict[str, Any]:
    """When frames were taken, as processors of videos want it: the frames are all that there is of the video."""
    seconds = max(window.end - window.start, 1e-3)
    return {
        "total_num_frames": count,
        "fps": count / seconds,
        "duration": seconds,
        "frames_indices": list(range(count)),
    }


def _ends(loaded: _Loaded) -> frozenset[int]:
    """Tokens that end an answer."""
    ends = loaded.model.generation_config.eos_token_id
    if ends is None:
        ends = loaded.processor.tokenizer.eos_token_id
    return frozenset(ends if isinstance(ends, list) else [ends])


_NO_TEMPLATE: Final = (
    "its processor has no chat template, so that it cannot be asked: choose a model that was tuned for conversation, "
    "or put its chat_template.jinja into the folder"
)


def local_folder(option: str, given: str) -> Path:
    """The folder of a model, given itself or by its name on the hub where it was fetched before.

    Raises:
        ConfigError: There is none.
    """
    if given and Path(given).is_dir():
        return Path(given)
    if given.count("/") == 1 and not given.startswith((".", "/", "~")):
        hub = package(option, "huggingface_hub")
        try:
            return Path(hub.snapshot_download(given, local_files_only=True))
        except (OSError, ValueError):
            raise ConfigError(
                f"{option}:{given}: neither a folder nor in the local cache, and nothing is downloaded during a job: "
                f"fetch it once with `hf download {given}`"
            ) from None
    raise ConfigError(f"{option}:{given}: there is no such folder: give one that `save_pretrained` wrote")


def check_folder(option: str, folder: Path) -> None:
    """See that a folder holds weights, a processor and a chat template.

    Raises:
        ConfigError: Something is missing.
    """

    def missing(what: str, hint: str) -> ConfigError:
        return ConfigError(f"{option}:{folder}: {what} is missing: {hint}")

    again = "copy the whole folder of the model"
    if not (folder / "config.json").is_file():
        raise missing("config.json", again)
    indexes = list(folder.glob("*.index.json"))
    for index in indexes:
        for name in sorted(set(_read(option, index).get("weight_map", {}).values())):
            if not (folder / name).is_file():
                raise missing(f"{name}, a part of the weights,", again)
    if not indexes and not any(True for pattern in _WEIGHTS for _ in folder.glob(pattern)):
        raise missing("the file of weights", again)
    processors = [name for name in ("processor_config.json", "preprocessor_config.json") if (folder / name).is_file()]
    if not processors:
        raise missing(
            "processor_config.json or preprocessor_config.json", f"not a model that sees pictures, or {again}"
        )
    configs = [*processors, "tokenizer_config.json", "chat_template.json"]
    if not (folder / "chat_template.jinja").is_file() and not any(
        (folder / name).is_file() and _read(option, folder / name).get("chat_template") for name in configs
    ):
        raise ConfigError(f"{option}:{folder}: {_NO_TEMPLATE}")


def _read(option: str, path: Path) -> Mapping[str, Any]:
    try:
        read: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return read if isinstance(read, dict) else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{option}:{path}: cannot be read as JSON: {error}") from None
