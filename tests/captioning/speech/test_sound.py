"""Shares of sound on rendered tones, chords, melodies, drums, noises and hum, and on real recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioning.recogniser import Samples, Shares, read_sound
from captioning.speech.sound import SoundSettings, shares_of
from captioning.speech.voice import VoiceSettings, load_voice, spans_of
from transforms.audio import SAMPLE_RATE as RATE
from transforms.settings import ConfigError

SECONDS = 10
TIMES = np.arange(SECONDS * RATE) / RATE


def added(*sounds: Samples) -> Samples:
    found: Samples = np.sum(sounds, axis=0, dtype=np.float32)
    return found


def noise(power: float, seed: int = 0, level: float = 0.3) -> Samples:
    """Noise whose power falls with the frequency to a power: 0 is white, 1 pink, 2 brown."""
    bins = np.fft.rfftfreq(SECONDS * RATE, 1 / RATE)
    bins[0] = bins[1]
    made = np.fft.irfft(np.fft.rfft(np.random.default_rng(seed).standard_normal(SECONDS * RATE)) * bins ** (-power / 2))
    found: Samples = (made / np.abs(made).max() * level).astype(np.float32)
    return found


def chords(step: float, seed: int = 0, voices: int = 3, decay: float = 3.0) -> Samples:
    """Notes of a major scale with five overtones, another chord every `step` seconds."""
    chance, parts = np.random.default_rng(seed), []
    for _ in range(round(SECONDS / step)):
        times = np.arange(round(step * RATE)) / RATE
        notes = 220 * 2 ** (chance.choice([0, 2, 4, 5, 7, 9, 11, 12, 16], voices, replace=False) / 12)
        wave = np.sum([np.sin(2 * np.pi * f * k * times) / k for f in notes for k in range(1, 6)], axis=0)
        parts.append(wave * np.exp(-decay * times) * 0.3 / voices)
    return np.concatenate(parts).astype(np.float32)


def hum(pitch: float, overtones: int) -> Samples:
    wave = np.sum([np.sin(2 * np.pi * pitch * k * TIMES + k * k) / k for k in range(1, overtones + 1)], axis=0)
    made: Samples = (0.1 * wave).astype(np.float32)
    return made


def drums() -> Samples:
    made = np.zeros(SECONDS * RATE, np.float32)
    for beat in range(2 * SECONDS):
        at = beat * RATE // 2
        hit = np.random.default_rng(beat).standard_normal(3000) * np.exp(-np.arange(3000) / 600)
        made[at : at + 3000] += (0.3 * hit).astype(np.float32)
    return made


def siren() -> Samples:
    found: Samples = (np.sin(2 * np.pi * (700 * TIMES + 95 * np.sin(np.pi * TIMES))) / 4).astype(np.float32)
    return found


RENDERED: dict[str, tuple[Callable[[], Samples], str]] = {
    "melody": (lambda: chords(0.25, voices=1), "music"),
    "fast melody": (lambda: chords(0.12, seed=1, voices=1), "music"),
    "chords": (lambda: chords(0.5, seed=2), "music"),
    "slow chords": (lambda: chords(2.0, seed=3, decay=0.5), "music"),
    "chords in white noise": (lambda: added(chords(0.5, seed=4), noise(0, level=0.02)), "music"),
    "chords over hum": (lambda: added(chords(0.5, seed=5), hum(50, 8)), "music"),
    "chords and drums": (lambda: added(chords(0.5, seed=6), drums()), "music"),
    "white noise": (lambda: noise(0), "noise"),
    "pink noise": (lambda: noise(1), "noise"),
    "brown noise": (lambda: noise(2), "noise"),
    "quiet white noise": (lambda: noise(0, level=0.002), "noise"),
    "hum of the mains": (lambda: hum(50, 20), "noise"),
    "hum in noise": (lambda: added(hum(60, 10), noise(1, level=0.05)), "noise"),
    "test tone": (lambda: hum(1000, 1), "noise"),
    "nothing": (lambda: np.zeros(SECONDS * RATE, np.float32), "silence"),
    "dither": (lambda: noise(0, level=1 / 32768), "silence"),
    # What it cannot tell, as it stands: see the module's text.
    "drums alone": (drums, "noise"),
    "a held chord": (lambda: added(hum(220, 3), hum(277.2, 3), hum(329.6, 3)), "noise"),
    "a siren": (siren, "music"),
}


@pytest.mark.parametrize("name", RENDERED)
def test_rendered_sounds(name: str) -> None:
    render, kind = RENDERED[name]
    shares = shares_of(render(), [], SoundSettings())
    assert sum(shares) == pytest.approx(1)
    assert shares._asdict()[kind] >= 0.85, shares


@pytest.mark.parametrize("parts", [("music", "silence", "noise"), ("noise", "music"), ("silence", "noise")])
def test_one_after_the_other(parts: tuple[str, ...]) -> None:
    of = {"music": chords(0.25, voices=1), "noise": noise(1), "silence": np.zeros(SECONDS * RATE, np.float32)}
    shares = shares_of(np.concatenate([of[part] for part in parts]), [], SoundSettings())
    for part in parts:
        assert shares._asdict()[part] == pytest.approx(1 / len(parts), abs=0.06)


def test_speech_counts_as_long_as_it_is() -> None:
    shares = shares_of(noise(1), [(1.0, 2.5), (7.123, 9.0)], SoundSettings())
    assert shares.speech == pytest.approx((1.5 + 1.877) / 10)
    assert shares.noise == pytest.approx(1 - shares.speech)


def test_a_voice_between_silences_is_no_noise() -> None:
    sound = np.zeros(SECONDS * RATE, np.float32)
    sound[3 * RATE : 5 * RATE] = chords(0.25)[: 2 * RATE]
    assert shares_of(sound, [(3.0, 5.0)], SoundSettings()) == pytest.approx((0.2, 0.0, 0.0, 0.8))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 70_000), st.lists(st.floats(0, 4), max_size=6, unique=True), st.integers(0, 9))
def test_shares_add_up(length: int, times: list[float], seed: int) -> None:
    sound = np.random.default_rng(seed).uniform(-1, 1, length).astype(np.float32)
    sound[: length // 3] = 0
    ends = sorted(min(time, length / RATE) for time in times)
    voice = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=False) if a < b]
    shares = shares_of(sound, voice, SoundSettings())
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1)
    assert shares.speech == pytest.approx(sum(b - a for a, b in voice) * RATE / length if length else 0)


def test_no_sound_is_silence() -> None:
    assert shares_of(np.zeros(0, np.float32), [], SoundSettings()) == Shares(0, 0, 0, 1)


REAL = {
    "speech/speechbrain_noise1.wav": "noise",
    "speech/pyannote-audio_empty.wav": "noise",  # noise at full scale, for all its name
    "speech/copies_iscc_audio/iscc_demo.mp3": "music",
    "real/moviepy_chaplin.mp4": "music",
    "real/moviepy_big_buck_bunny_0_30.webm": "music",
    "real/exoplayer_video_big_buck_bunny.mp4": "music",
    "real/mdn_rabbit320.mp4": "noise",
    "speech/speechbrain_LJ050-0131.wav": "speech",
    "speech/whisper_jfk.flac": "speech",
    "real/torchcodec_nasa_13013.mp4": "speech",
}


@pytest.mark.parametrize("name", REAL)
def test_real_sounds(media: Path, name: str) -> None:
    sound = read_sound((media / name).read_bytes())
    try:
        probabilities = load_voice()(sound)
    except ConfigError as error:
        pytest.skip(str(error))
    voice = spans_of(probabilities, len(sound) / RATE, VoiceSettings())
    shares = shares_of(sound, voice, SoundSettings())
    assert max(shares._asdict(), key=lambda kind: shares._asdict()[kind]) == REAL[name]
    assert shares._asdict()[REAL[name]] > 0.65
