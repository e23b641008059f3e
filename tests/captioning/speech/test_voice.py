"""Voice activity: spans from probabilities, and Silero's network on rendered and real sound."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.recogniser import read_sound
from captioning.speech import voice
from captioning.speech.voice import FRAME, Voice, VoiceSettings, check_voice, spans_of
from tests.captioning.speech.test_sound import RENDERED
from transforms.audio import SAMPLE_RATE as RATE
from transforms.settings import ConfigError

SETTINGS = VoiceSettings()
PROBABILITIES = st.lists(st.sampled_from([0.0, 0.1, 0.4, 0.6, 0.9, 1.0]), max_size=120)


@given(PROBABILITIES, st.sampled_from([0.5, 1.0, float("inf")]))
def test_spans_hold_the_voice_and_little_else(given_: list[float], longest: float) -> None:
    probabilities = np.array(given_, np.float32)
    seconds = len(probabilities) * FRAME / RATE
    spans = spans_of(probabilities, seconds, SETTINGS, longest)
    assert all(0 <= start < end <= seconds + 1e-9 for start, end in spans)
    assert all(end - start <= longest + 1e-9 for start, end in spans)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(spans))
    inside = np.zeros(len(probabilities), bool)
    for start, end in spans:
        inside[round(start * RATE / FRAME) : round(end * RATE / FRAME)] = True
    # A voice that is left out is shorter than the shortest, with the pauses in it.
    loud = np.flatnonzero((probabilities >= 0.5) & ~inside)
    for first in loud.tolist():
        run = itertools.takewhile(lambda n: probabilities[n] >= 0.5, range(first, len(probabilities)))
        assert len(list(run)) * FRAME / RATE < SETTINGS.shortest_voice
    # What is inside is voice, or less than a pause of what is none.
    low = "".join(
        "x" if one < SETTINGS.voice_end and within else " " for one, within in zip(given_, inside, strict=True)
    )
    assert all(len(run) * FRAME / RATE < SETTINGS.shortest_pause + FRAME / RATE for run in low.split())


def test_pauses_and_coughs() -> None:
    frames = (
        [0.0] * 10 + [0.9] * 20 + [0.0] * 2 + [0.9] * 20 + [0.0] * 4 + [0.9] * 20 + [0.0] * 9 + [0.9] * 4 + [0.0] * 9
    )
    found = spans_of(np.array(frames, np.float32), 99.0, SETTINGS)
    assert [(round(a * RATE / FRAME), round(b * RATE / FRAME)) for a, b in found] == [(10, 52), (56, 76)]


def test_a_voice_that_hesitates_goes_on() -> None:
    frames = [0.9] * 10 + [0.4] * 50 + [0.9] * 10
    assert len(spans_of(np.array(frames, np.float32), 99.0, SETTINGS)) == 1
    assert len(spans_of(np.array([0.4] * 50, np.float32), 99.0, SETTINGS)) == 0


def test_a_long_voice_is_cut_where_it_is_least_likely() -> None:
    frames = np.full(200, 0.9, np.float32)
    frames[70] = 0.5
    cuts = [round(end * RATE / FRAME) for _, end in spans_of(frames, 99.0, SETTINGS, 100 * FRAME / RATE)]
    assert cuts[0] == 70
    assert cuts[-1] == 200


@pytest.mark.parametrize("name", [name for name, (_, kind) in RENDERED.items() if kind in ("noise", "silence")])
def test_noise_and_silence_are_no_voice(silero: Voice, name: str) -> None:
    sound = RENDERED[name][0]()
    assert spans_of(silero(sound), len(sound) / RATE, SETTINGS) == []


def test_blocks_carry_their_state_on(silero: Voice, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = read_sound((media / "speech/faster-whisper_multilingual.mp3").read_bytes())
    found = silero(sound)
    assert len(found) == -(-len(sound) // FRAME)
    monkeypatch.setattr(voice, "_BLOCK", 100)
    assert np.allclose(silero(sound), found, atol=1e-4)


def test_speech_is_found_where_it_is(silero: Voice, media: Path) -> None:
    """Two minutes of silence around a sentence do not hide it, nor move it."""
    sound = read_sound((media / "speech/speechbrain_LJ050-0131.wav").read_bytes())
    alone = spans_of(silero(sound), len(sound) / RATE, SETTINGS)
    assert sum(end - start for start, end in alone) > 0.7 * len(sound) / RATE
    silence = np.zeros(60 * RATE, np.float32)
    around = np.concatenate([silence, sound, silence])
    found = spans_of(silero(around), len(around) / RATE, SETTINGS)
    assert found[0][0] - 60 == pytest.approx(alone[0][0], abs=0.1)
    assert found[-1][1] - 60 == pytest.approx(alone[-1][1], abs=0.3)


def test_no_sound_no_voice(silero: Voice) -> None:
    assert silero(np.zeros(0, np.float32)).shape == (0,)
    assert len(silero(np.zeros(1, np.float32))) == 1


@pytest.mark.parametrize("package", ["silero_vad", "onnxruntime"])
def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"needs .*, which is not installed: pip install 'rushes\[models\]'"):
        check_voice()
