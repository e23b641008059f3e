"""What tests of recognisers share: voice activity, a tiny model in both formats, and real weights where they are."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from benchmarks import whisper_base
from captioning.recogniser import Samples, read_sound
from captioning.speech.voice import Voice, load_voice
from tests.captioning.speech import tinywhisper
from transforms.settings import ConfigError


def _need(*packages: str) -> None:
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")


@pytest.fixture(scope="session")
def silero() -> Voice:
    """Voice activity; skips where it is not installed."""
    try:
        return load_voice()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def speech(media: Path, silero: Voice) -> Samples:
    """Eleven seconds of a speech."""
    return read_sound((media / "speech/whisper_jfk.flac").read_bytes())


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights, as openai-whisper stores one."""
    _need("torch", "whisper")
    return tinywhisper.write_checkpoint(tmp_path_factory.mktemp("whisper") / "tiny.pt", tinywhisper.random_state())


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights, as faster-whisper reads them."""
    _need("torch", "whisper", "faster_whisper")
    return tinywhisper.write_folder(tmp_path_factory.mktemp("whisper") / "tiny", tinywhisper.random_state())


@pytest.fixture(scope="session")
def real_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for Whisper base's real weights; skips where their packages are not installed."""
    if said := whisper_base.missing():
        pytest.skip(said)
    return tmp_path_factory.mktemp("weights")
