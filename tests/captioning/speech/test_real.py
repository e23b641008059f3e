"""Whisper base's real weights on real recordings, through both recognisers: `benchmarks.speech` measures them all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import speech as benchmark
from benchmarks import whisper_base
from captioning.recogniser import load_recogniser, read_sound
from captioning.speech.voice import Voice
from tests.captioning.speech import tinywhisper
from tests.captioning.speech.heard import said

CHOSEN = ("spk1_snt1.wav", "LJ050-0131.wav", "sr_french.aiff", "sr_chinese.flac", "noise1.wav", "empty.wav")
RECORDINGS = [one for one in benchmark.RECORDINGS if one.path.endswith(CHOSEN)]


@pytest.mark.slow
def test_faster_whisper_hears_what_is_said(real_weights: Path, media: Path, silero: Voice) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    folder = whisper_base.ctranslate2_folder(real_weights)
    heard = load_recogniser(f"faster-whisper:{folder},compute_type=int8")
    wrong = words = 0
    for recording in RECORDINGS:
        told = heard.transcribe(read_sound((media / recording.path).read_bytes()))
        assert benchmark.languages_of(told) == recording.languages, recording.path
        if errors := benchmark.errors_of(recording, told):
            wrong, words = wrong + errors.wrong, words + errors.words
    assert wrong <= 0.12 * words


@pytest.mark.slow
def test_both_recognisers_hear_the_same_with_the_same_weights(real_weights: Path, media: Path, silero: Voice) -> None:
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    pytest.importorskip("whisper", reason="openai-whisper is not installed")
    sound = read_sound((media / "speech/speechbrain_spk2_snt1.wav").read_bytes())
    specs = (
        f"faster-whisper:{whisper_base.ctranslate2_folder(real_weights)}",
        f"whisper:{whisper_base.whisper_checkpoint(real_weights)}",
    )
    one, other = (load_recogniser(spec).transcribe(sound) for spec in specs)
    assert said(one) == said(other) == "We are sure that one war is enough."
    assert (one.language, other.language) == ("en", "en")
    for a, b in zip(one.utterances[0].words, other.utterances[0].words, strict=True):
        assert (a.start, a.end) == pytest.approx((b.start, b.end), abs=0.15)
        assert a.probability == pytest.approx(b.probability, abs=0.1)


def test_the_mapping_between_both_formats_is_exact(tiny_folder: Path) -> None:
    wanted = tinywhisper.random_state()
    found = whisper_base.state_of(whisper_base.read_arrays(tiny_folder / "model.bin"))
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    ("wanted", "heard", "language", "wrong"),
    [
        ("Ask not, what?", "ask NOT what", "en", 0),
        ("one two three", "1, 2, 3", "en", 0),
        ("ask not what", "ask what now", "en", 2),
        ("", "thanks for watching", "en", 3),
        ("ask not", "", "en", 2),
        ("砸自己的脚", "扎自己的脚。", "zh", 1),
        ("et c'est la dictée numéro 1", "Et c’est la dictée numéro 1.", "fr", 0),
    ],
)
def test_errors_are_counted(wanted: str, heard: str, language: str, wrong: int) -> None:
    found = benchmark.errors_between(benchmark.words_of(wanted, language), benchmark.words_of(heard, language))
    assert found == wrong
