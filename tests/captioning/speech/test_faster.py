"""`faster-whisper`: set-up told before it is loaded, weights loaded once, loops decoded again."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from captioning.recogniser import Samples, Transcript, load_recogniser
from captioning.speech.faster import FasterWhisper
from tests.captioning.speech.heard import said
from transforms.settings import ConfigError


def recogniser(folder: Path, **more: Any) -> FasterWhisper:
    words = {"again": "no", "beam_size": 1, "threads": 1, **more}
    made = load_recogniser(f"faster-whisper:{folder}," + ",".join(f"{name}={value}" for name, value in words.items()))
    assert isinstance(made, FasterWhisper)
    return made


def texts(told: Transcript) -> list[str]:
    return [one.text for one in told.utterances]


@pytest.mark.slow
def test_a_transcript_from_a_folder(tiny_folder: Path, speech: Samples) -> None:
    heard = recogniser(tiny_folder)
    heard.check()
    heard.load()
    loaded = heard._loaded
    told = heard.transcribe(speech)
    assert heard._loaded is loaded
    assert told.language in ("en", "de", "fr")
    assert told.language_probability is not None
    assert 0 < told.language_probability <= 1
    assert told.utterances, "random weights never fall silent"
    for one in told.utterances:
        assert 0 <= one.start <= one.end <= 11.01
        assert one.log_probability is not None
        assert all(0 <= word.start <= word.end <= 11.01 for word in one.words)
    # What random weights say is a loop, and nothing says so more plainly than the flags.
    assert any({"compression", "repetition"} & set(one.flags) for one in told.utterances)
    assert texts(told) == texts(heard.transcribe(speech))


def test_a_language_can_be_set(tiny_folder: Path, speech: Samples) -> None:
    told = recogniser(tiny_folder, language="de").transcribe(speech)
    assert (told.language, told.language_probability) == ("de", None)


@pytest.mark.slow
def test_a_loop_is_decoded_again(tiny_folder: Path, speech: Samples) -> None:
    looping = recogniser(tiny_folder).transcribe(speech)
    told = recogniser(tiny_folder, again="yes").transcribe(speech)
    assert max(one.compression for one in looping.utterances) > 10
    assert max(one.compression for one in told.utterances) < 5
    assert told.language == looping.language
    assert told.language_probability == pytest.approx(looping.language_probability)
    assert texts(told) == texts(recogniser(tiny_folder, again="yes").transcribe(speech))


def test_it_travels_without_its_weights(tiny_folder: Path, speech: Samples) -> None:
    heard = recogniser(tiny_folder)
    heard.load()
    sent = pickle.dumps(heard)
    assert len(sent) < 5000
    assert texts(pickle.loads(sent).transcribe(speech[:48000])) == texts(heard.transcribe(speech[:48000]))


def test_other_weights_are_another_revision(tiny_folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny_folder, tmp_path / "moved")
    assert recogniser(moved).revision == recogniser(tiny_folder).revision
    data = bytearray((moved / "model.bin").read_bytes())
    data[-1] ^= 1
    (moved / "model.bin").write_bytes(data)
    assert recogniser(moved).revision != recogniser(tiny_folder).revision
    assert (recogniser(moved).model, recogniser(tiny_folder).model) == ("moved", "tiny")


def test_what_is_missing_is_told_before_anything_is_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    for given, words in (("", "name a model"), (tmp_path / "none", "no such folder"), ("base", "hub cache")):
        with pytest.raises(ConfigError, match=words):
            load_recogniser(f"faster-whisper:{given}").check()
    for needed in ("model.bin", "tokenizer.json"):
        folder = shutil.copytree(tiny_folder, tmp_path / needed)
        (folder / needed).unlink()
        with pytest.raises(ConfigError, match=f"no {needed} in it"):
            recogniser(folder).check()


def test_what_is_no_model_is_told(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    (folder / "model.bin").write_bytes(b"not a model")
    heard = recogniser(folder)
    heard.check()
    with pytest.raises(ConfigError, match="--recogniser faster-whisper:"):
        heard.load()
    with pytest.raises(ConfigError, match="--recogniser faster-whisper:"):
        recogniser(tiny_folder, compute_type="int5").load()


@pytest.mark.slow
def test_real_weights_hear_words_at_their_times(real_weights: Path, speech: Samples) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    from benchmarks import whisper_base

    heard = recogniser(whisper_base.ctranslate2_folder(real_weights), beam_size=5, compute_type="int8")
    silence = np.zeros(40 * 16000, np.float32)
    told = heard.transcribe(np.concatenate([silence, speech, silence]))
    assert told.language == "en"
    assert [one.flags for one in told.utterances] == [()] * len(told.utterances)
    whole = said(told)
    assert "ask not what your country can do for you" in whole
    # The pause before the last clause is at 7.9 s, and so is the cut that a clip would have there.
    assert said(told, 47.9).lower().startswith("ask what you can do")
    assert f"{said(told, 0, 47.9)} {said(told, 47.9)}" == whole
