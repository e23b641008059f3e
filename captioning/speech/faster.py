"""The `faster-whisper` recogniser: Whisper in CTranslate2, several times as fast as the original on the same weights.

`--recogniser faster-whisper:FOLDER`, where FOLDER holds `model.bin` as CTranslate2's converter writes it, with
`config.json`, `tokenizer.json` and, for models with 128 mel bands, `preprocessor_config.json`. A name of the Hugging
Face hub works where its files are in the local cache. Nothing is downloaded.

Each window is decoded without the text of the one before: that text is what loops feed on. One that comes out as a loop
is decoded again without repetitions. Nothing is drawn by lot, as Whisper's own second tries are: CTranslate2's lots
cannot be fixed, and the same sound must give the same words.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from captioning.recogniser import Samples, Transcript, Utterance, Word
from captioning.speech import listening
from captioning.speech.listening import Heard, ListeningSettings
from captioning.speech.voice import check_voice
from captioning.weights import check_packages, device_setting, digest_of, package
from transforms.settings import ConfigError, setting

_OPTION: Final = "--recogniser faster-whisper"
_WEIGHTS: Final = "model.bin"
_TOKENIZER: Final = "tokenizer.json"
"""Without it, faster-whisper asks the hub for one."""
_PHRASE: Final = 3
"""Tokens that may not follow each other twice in a text that is decoded again because it is a loop."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FasterWhisperSettings(ListeningSettings):
    """Which weights, and how they are run."""

    model: str = setting(
        "",
        "Folder of a Whisper model in CTranslate2's format, or its name in the local hub cache",
        scale=True,  # rows carry its name and a digest of its weights; where they lie changes nothing
    )
    beam_size: int = setting(5, "Texts followed at once", low=1, high=100, source="Whisper")
    again: bool = setting(True, "Decode a window again, without repetitions, whose text is a loop", source="project")
    compute_type: str = setting(
        "default",
        "Number format: int8, int8_float32, int8_float16, float16, bfloat16, float32, default (as stored) or auto",
    )
    device: str = device_setting()
    threads: int = setting(0, "Threads of the CPU; 0 for CTranslate2's choice", low=0, high=1024, scale=True)


class FasterWhisper:
    """Hears with CTranslate2.

    Args:
        settings: Which weights, and how they are run.
    """

    name: Final = "faster-whisper"

    def __init__(self, settings: FasterWhisperSettings) -> None:
        self.settings = settings
        self._loaded: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings, "_loaded": None}

    @functools.cached_property
    def _folder(self) -> Path:
        check_packages(_OPTION, "faster_whisper")
        given = self.settings.model
        if not given:
            raise ConfigError(f"{_OPTION}: name a model: faster-whisper:/path/to/folder")
        folder = Path(given)
        if not folder.is_dir():
            folder = _cached(given)
        for needed in (_WEIGHTS, _TOKENIZER):
            if not (folder / needed).is_file():
                raise ConfigError(
                    f"{_OPTION}:{given}: no {needed} in it: convert a checkpoint with "
                    "ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json"
                )
        return folder

    @property
    def model(self) -> str:
        """Name of the folder, or the name in the hub."""
        path = Path(self.settings.model)
        return path.resolve().name if path.is_dir() else self.settings.model

    @functools.cached_property
    def revision(self) -> str:
        """Digest of the weights, the tokenizer and the configuration."""
        return digest_of(path for path in self._folder.iterdir() if path.suffix in {".bin", ".json", ".txt"})

    def check(self) -> None:
        """See that packages and weights are there.

        Raises:
            ConfigError: Something is missing.
        """
        check_voice()
        self._folder  # noqa: B018  (finding it is the check)

    def load(self) -> None:
        """Load the weights, once.

        Raises:
            ConfigError: They cannot be loaded, or not on this device in this number format.
        """
        if self._loaded is not None:
            return
        faster: Any = package(_OPTION, "faster_whisper")
        device, _, index = self.settings.device.partition(":")
        try:
            self._loaded = faster.WhisperModel(
                str(self._folder),
                device=device,
                device_index=int(index or 0),
                compute_type=self.settings.compute_type,
                cpu_threads=self.settings.threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise ConfigError(f"{_OPTION}:{self.settings.model}: {error}") from error

    def transcribe(self, samples: Samples) -> Transcript:
        """What is said in a sound: see `Recogniser.transcribe`."""
        self.load()
        return listening.transcribe(samples, self._ask, self.settings)

    def _ask(self, windows: Sequence[Samples], language: str | None) -> list[Heard]:
        return [self._heard(window, language) for window in windows]

    def _heard(self, window: Samples, language: str | None) -> Heard:
        first = self._decoded(window, language)
        if not self.settings.again or _compression(first) <= self.settings.compression:
            return first
        second = self._decoded(window, first.language, no_repeat_ngram_size=_PHRASE)
        return min(first, dataclasses.replace(second, probability=first.probability), key=_compression)

    def _decoded(self, window: Samples, language: str | None, **more: Any) -> Heard:
        segments, told = self._loaded.transcribe(
            window,
            language=language,
            beam_size=self.settings.beam_size,
            temperature=0.0,
            no_speech_threshold=None,  # what is over it is flagged, not thrown away
            condition_on_previous_text=False,
            word_timestamps=True,
            **more,
        )
        return Heard(
            language=told.language,
            probability=None if language else float(told.language_probability),
            utterances=tuple(_utterance(segment, told.language) for segment in segments),
        )


def _compression(heard: Heard) -> float:
    return max((said.compression for said in heard.utterances), default=0.0)


def _utterance(segment: Any, language: str) -> Utterance:
    words = tuple(Word(float(w.start), float(w.end), w.word, float(w.probability)) for w in segment.words or ())
    return Utterance(
        start=float(segment.start),
        end=float(segment.end),
        text=segment.text.strip(),
        language=language,
        words=words,
        log_probability=float(segment.avg_logprob),
        no_speech=float(segment.no_speech_prob),
        compression=float(segment.compression_ratio),
    )


def _cached(name: str) -> Path:
    """The folder of a name in the hub's local cache.

    Raises:
        ConfigError: It is not there.
    """
    missing = ConfigError(
        f"{_OPTION}:{name}: no such folder, and not in the local hub cache: give the path of a folder with model.bin, "
        f"or fetch it beforehand with faster_whisper.download_model({name!r})"
    )
    try:
        return Path(package(_OPTION, "faster_whisper").download_model(name, local_files_only=True))
    except (OSError, ValueError) as error:
        raise missing from error
