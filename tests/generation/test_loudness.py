"""Sound comes out of the codec at the loudness that was asked for, its true peaks under the limit."""

from __future__ import annotations

import numpy as np
import pytest

from generation.loudness import heard, level_of, limited, to_level
from generation.sound import shape

RATE = 48_000


def tone(amplitude, seconds=3.0, frequency=997.0, phase=0.0):
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE + phase)
    return np.stack([wave, wave]).astype(np.float32)


def bursts(seconds=4.0):
    """Quiet noise with sharp peaks: more than a limiter can let pass unchanged."""
    generator = np.random.default_rng(5)
    samples = generator.normal(0, 0.02, (2, round(seconds * RATE))).astype(np.float32)
    samples[:, :: RATE // 4] = 0.9
    return samples


def test_the_meter_reads_the_standards_own_example():
    # EBU Tech 3341, case 1: a stereo sine of -23 dBFS peak at 1 kHz reads -23 LUFS.
    level = level_of(tone(10 ** (-23 / 20), 20, 1000), RATE)
    assert level.loudness == pytest.approx(-23.0, abs=0.1)
    assert level.true_peak == pytest.approx(-23.0, abs=0.2)


def test_true_peaks_are_those_between_the_samples():
    # A quarter of the rate, 45 degrees off: every sample is 3 dB below the peak of the wave (Tech 3341, case 16).
    sound = tone(0.5, 2, RATE / 4, np.pi / 4)
    shape(sound, RATE // 10, RATE // 10)
    assert np.abs(sound).max() < 0.36
    level = level_of(sound, RATE)
    assert level.true_peak == pytest.approx(-6.0, abs=0.4)


@pytest.mark.parametrize(("target", "peak"), [(-14.0, -1.0), (-23.0, -1.0), (-24.0, -6.0)])
@pytest.mark.parametrize("sound", [tone(0.05), tone(0.9), bursts()], ids=["quiet", "loud", "bursts"])
def test_any_sound_comes_out_at_the_target(sound, target, peak):
    track, level = to_level(sound, RATE, target, peak, 192)
    again = level_of(heard(track), RATE)
    assert again == level
    assert level.true_peak is not None
    assert level.true_peak <= peak
    assert level.loudness == pytest.approx(target, abs=0.5)


def test_where_peaks_forbid_the_target_the_level_says_so():
    clicks = np.zeros((2, 4 * RATE), np.float32)
    clicks[:, :: RATE // 2] = 0.5
    _, level = to_level(clicks, RATE, -14.0, -1.0, 192)
    assert level.true_peak is not None
    assert level.true_peak <= -1.0
    assert level.loudness is None or level.loudness < -14.0


def test_silence_stays_silent_and_has_no_loudness():
    track, level = to_level(np.zeros((2, RATE), np.float32), RATE, -14.0, -1.0, 192)
    assert level.loudness is None
    assert level.true_peak is None
    assert not track.samples.any()


def test_what_is_next_to_silent_is_not_lifted():
    track, _ = to_level(tone(1e-4), RATE, -14.0, -1.0, 192)
    assert np.abs(track.samples).max() == pytest.approx(1e-4, rel=0.01)


def test_limiting_leaves_alone_what_is_low_enough():
    quiet = tone(0.1)
    assert limited(quiet, RATE, -1.0) is quiet


def test_limiting_sees_peaks_between_the_samples():
    # Bursts whose samples are 3 dB below the wave's peak: a limiter of samples alone would let them through.
    sound = tone(0.9, 2, RATE / 4, np.pi / 4)
    sound *= (np.arange(sound.shape[1]) // 4800 % 4 == 0).astype(np.float32)
    before, after = (level_of(one, RATE).true_peak for one in (sound, limited(sound, RATE, -3.0)))
    assert before is not None
    assert after is not None
    assert after <= -2.7 < -1.5 < before


def test_a_codec_that_adds_to_the_peaks_is_made_up_for():
    generator = np.random.default_rng(9)
    sound = np.clip(generator.normal(0, 0.3, (2, 3 * RATE)), -0.5, 0.5).astype(np.float32)
    _, level = to_level(sound, RATE, -6.0, -2.0, 192)
    assert level.true_peak is not None
    assert level.true_peak <= -2.0


def test_limiting_keeps_the_time():
    sound = bursts()
    made = limited(sound, RATE, -12.0)
    assert made.shape == sound.shape
    middle = np.s_[0, RATE : RATE * 2]
    lag = np.argmax(np.correlate(made[middle][:4000], sound[middle][:4000], "full")) - 3999
    assert abs(lag) <= 1
