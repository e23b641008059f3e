"""`whisper`: set-up told before it is loaded, checkpoints by path or by a name that is already there."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from captioning.recogniser import Samples, load_recogniser
from captioning.speech.voice import Voice
from captioning.speech.whisper import Whisper
from tests.captioning.speech import tinywhisper
from transforms.settings import ConfigError


def recogniser(model: Path | str, **more: Any) -> Whisper:
    words = {"retries": 0, "beam_size": 1, "device": "cpu", **more}
    made = load_recogniser(f"whisper:{model}," + ",".join(f"{name}={value}" for name, value in words.items()))
    assert isinstance(made, Whisper)
    return made


@pytest.mark.slow
def test_a_transcript_from_a_checkpoint(tiny_checkpoint: Path, speech: Samples) -> None:
    import torch

    heard = recogniser(tiny_checkpoint)
    heard.check()
    heard.load()
    loaded = heard._loaded
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    told = heard.transcribe(speech[:40000])
    assert torch.equal(torch.random.get_rng_state(), before), "what others draw is not changed"
    assert heard._loaded is loaded
    assert told.language is not None
    assert told.language_probability is not None
    assert 0 < told.language_probability <= 1
    assert told.utterances, "random weights never fall silent"
    for one in told.utterances:
        assert 0 <= one.start <= one.end <= 11.01
        assert all(0 <= word.start <= word.end <= 11.01 for word in one.words)
    assert any({"compression", "repetition"} & set(one.flags) for one in told.utterances)
    again = heard.transcribe(speech[:40000])
    assert [one.text for one in again.utterances] == [one.text for one in told.utterances]


def test_it_travels_without_its_weights(tiny_checkpoint: Path) -> None:
    heard = recogniser(tiny_checkpoint)
    heard.load()
    assert len(pickle.dumps(heard)) < 5000


def test_other_weights_are_another_revision(tiny_checkpoint: Path, tmp_path: Path) -> None:
    other = tinywhisper.write_checkpoint(tmp_path / "tiny.pt", tinywhisper.random_state(2))
    assert recogniser(other).revision != recogniser(tiny_checkpoint).revision
    assert recogniser(other).model == "tiny"


def test_a_name_is_looked_up_where_the_package_keeps_its_files(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"fetch it\s+beforehand"):
        recogniser("turbo").check()
    (tmp_path / "whisper").mkdir()
    shutil.copy(tiny_checkpoint, tmp_path / "whisper" / "large-v3-turbo.pt")
    heard = recogniser("turbo")
    heard.check()
    # Under this name the package would fetch another file: these bytes are not those it knows.
    heard.load()
    assert heard._loaded.dims.n_audio_state == tinywhisper.STATE


def test_what_is_missing_or_no_checkpoint_is_told(tmp_path: Path, silero: Voice) -> None:
    pytest.importorskip("whisper", reason="openai-whisper is not installed")
    for given, words in (("", "name a model"), (tmp_path / "none.pt", "no such file")):
        with pytest.raises(ConfigError, match=words):
            recogniser(given).check()
    file = tmp_path / "other.pt"
    for data in (b"", b"not a checkpoint", pickle.dumps({"dims": 1})):
        file.write_bytes(data)
        with pytest.raises(ConfigError, match="no checkpoint of Whisper"):
            recogniser(file).load()


def test_a_device_that_is_not_there_is_told(tiny_checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="--device cuda:99"):
        recogniser(tiny_checkpoint, device="cuda:99").load()
