"""The `whisper` recogniser: Whisper in PyTorch, by the package `openai-whisper` of those who made it.

`--recogniser whisper:FILE`, a checkpoint as the package writes it, or the name of a model (`base`, `large-v3`) whose
file is in the package's own cache. Nothing is downloaded.

Each window is decoded without the text of the one before: that text is what loops feed on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from captioning.recogniser import Samples, Transcript, Utterance, Word
from captioning.speech import listening
from captioning.speech.listening import Heard, ListeningSettings
from captioning.speech.voice import check_voice
from captioning.weights import check_packages, device_of, device_setting, digest_of, package
from transforms.settings import ConfigError, setting

_OPTION: Final = "--recogniser whisper"
_ALIASES: Final = {"large": "large-v3", "turbo": "large-v3-turbo"}
_SEED: Final = 1
"""Second tries are drawn by lot; the lots are the same for the same window."""
_HOTTER: Final = 0.2
"""How much the temperature rises with each try: Whisper's own steps."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WhisperSettings(ListeningSettings):
    """Which weights, and how they are run."""

    model: str = setting(
        "",
        "Checkpoint of a Whisper model, or its name where its file is in the package's cache",
        scale=True,  # rows carry its name and a digest of its weights; where they lie changes nothing
    )
    beam_size: int = setting(5, "Texts followed at once", low=1, high=100, source="Whisper")
    retries: int = setting(
        5, "How often a window whose text looks wrong is decoded again, drawn by lot", low=0, high=5, source="Whisper"
    )
    half: bool = setting(True, "Half precision on a GPU", source="Whisper")
    device: str = device_setting()


class Whisper:
    """Hears with PyTorch.

    Args:
        settings: Which weights, and how they are run.
    """

    name: Final = "whisper"

    def __init__(self, settings: WhisperSettings) -> None:
        self.settings = settings
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "_loaded": None}

    @functools.cached_property
    def _file(self) -> Path:
        check_packages(_OPTION, "torch", "whisper")
        given = self.settings.model
        if not given:
            raise ConfigError(f"{_OPTION}: name a model: whisper:/path/to/checkpoint.pt")
        file = Path(given)
        if not file.is_file():
            file = _cache() / f"{_ALIASES.get(given, given)}.pt"
        if not file.is_file():
            raise ConfigError(
                f"{_OPTION}:{given}: no such file, and no {file}: give the path of a checkpoint, or fetch it "
                f"beforehand with whisper.load_model({given!r})"
            )
        return file

    @property
    def model(self) -> str:
        """Name of the model or of its file."""
        return Path(self.settings.model).stem

    @functools.cached_property
    def revision(self) -> str:
        """Digest of the checkpoint."""
        return digest_of([self._file])

    def check(self) -> None:
        """See that packages and weights are there.

        Raises:
            ConfigError: Something is missing.
        """
        check_voice()
        self._file  # noqa: B018  (finding it is the check)

    def load(self) -> None:
        """Load the weights, once.

        Raises:
            ConfigError: They cannot be loaded, or not on this device.
        """
        if self._loaded is not None:
            return
        torch: Any = package(_OPTION, "torch")
        whisper: Any = package(_OPTION, "whisper")
        device = device_of(torch, self.settings.device)
        try:
            # By its path alone: under its name, the package would fetch a file whose digest it does not know.
            loaded = whisper.load_model(str(self._file), device=device)
        except (RuntimeError, ValueError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
            raise ConfigError(f"{_OPTION}:{self.settings.model}: no checkpoint of Whisper: {error}") from error
        _remember_last(torch, loaded.encoder)
        heads = getattr(whisper, "_ALIGNMENT_HEADS", {}).get(self._file.stem)
        if heads is not None:
            # The heads that tell when a word is said, known by the model's name; other models use half of all.
            with contextlib.suppress(RuntimeError):
                loaded.set_alignment_heads(heads)
        self._loaded = loaded

    def transcribe(self, samples: Samples) -> Transcript:
        """What is said in a sound: see `Recogniser.transcribe`."""
        self.load()
        return listening.transcribe(samples, self._ask, self.settings)

    def _ask(self, windows: Sequence[Samples], language: str | None) -> list[Heard]:
        torch: Any = package(_OPTION, "torch")
        cuda = self._loaded.device.type == "cuda"
        heard = []
        for window in windows:
            with torch.random.fork_rng(devices=[self._loaded.device] if cuda else []), torch.inference_mode():
                torch.manual_seed(_SEED)
                heard.append(self._heard(window, language, half=cuda and self.settings.half))
        return heard

    def _heard(self, window: Samples, language: str | None, half: bool) -> Heard:
        found, probability = (language, None) if language else self._language(window, half)
        told = self._loaded.transcribe(
            window,
            language=found,
            beam_size=self.settings.beam_size,
            temperature=tuple(_HOTTER * number for number in range(self.settings.retries + 1)),
            compression_ratio_threshold=self.settings.compression,
            logprob_threshold=self.settings.log_probability,
            no_speech_threshold=None,  # what is over it is flagged, not thrown away
            condition_on_previous_text=False,
            word_timestamps=True,
            fp16=half,
        )
        return Heard(
            language=found,
            probability=probability,
            utterances=tuple(_utterance(segment, found) for segment in told["segments"] if segment["text"].strip()),
        )

    def _language(self, window: Samples, half: bool) -> tuple[str, float | None]:
        audio: Any = package(_OPTION, "whisper.audio")
        if not self._loaded.is_multilingual:
            return "en", None
        # As `transcribe` makes it, so that it is encoded once.
        mel = audio.log_mel_spectrogram(window, self._loaded.dims.n_mels, padding=audio.N_SAMPLES)
        mel = audio.pad_or_trim(mel[:, : mel.shape[-1] - audio.N_FRAMES], audio.N_FRAMES).to(self._loaded.device)
        _, probabilities = self._loaded.detect_language(mel.half() if half else mel)
        language = max(probabilities, key=lambda code: probabilities[code])
        return language, float(probabilities[language])


def _remember_last(torch: Any, encoder: Any) -> None:
    """Have an encoder keep its last answer: it is asked about a window for its language, its words and their times."""
    encode = encoder.forward
    kept: list[Any] = []

    def remembered(mel: Any) -> Any:
        if not kept or kept[0].dtype != mel.dtype or not torch.equal(kept[0], mel):
            kept[:] = mel, encode(mel)
        return kept[1]

    encoder.forward = remembered


def _utterance(segment: Any, language: str | None) -> Utterance:
    words = (Word(float(w["start"]), float(w["end"]), w["word"], float(w["probability"])) for w in segment["words"])
    return Utterance(
        start=float(segment["start"]),
        end=float(segment["end"]),
        text=segment["text"].strip(),
        language=language,
        words=tuple(words),
        log_probability=float(segment["avg_logprob"]),
        no_speech=float(segment["no_speech_prob"]),
        compression=float(segment["compression_ratio"]),
    )


def _cache() -> Path:
    """Where the package keeps what it has fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "whisper"
