"""The sound bed: as long as asked for, never clipping, quieter while somebody speaks."""

from __future__ import annotations

import numpy as np
import pytest

from generation.animatics.bed import RATE, bed, faded, under


@pytest.mark.parametrize("samples", [0, 1, 100, 2 * RATE])
def test_a_bed_is_as_long_as_asked_for_and_begins_and_ends_in_silence(samples):
    found = bed("kites", "hero", samples)
    assert found.shape == (2, samples)
    assert abs(found).max(initial=0) < 0.5
    if samples > RATE:
        assert abs(found[:, [0, -1]]).max() < 1e-3
        assert 20 * np.log10(np.sqrt((found**2).mean())) == pytest.approx(-26, abs=0.5)


def test_shots_of_a_campaign_share_a_key_and_the_same_shot_its_sound():
    assert (bed("kites", "hero", 4800) == bed("kites", "hero", 4800)).all()
    others = [bed("kites", shot, 4800) for shot in "abcdefgh"]
    assert any(not np.allclose(others[0], other) for other in others)


def test_the_bed_makes_room_for_a_voice():
    sound = bed("kites", "hero", 6 * RATE)
    voice = np.zeros((2, 6 * RATE))
    voice[:, 2 * RATE : 4 * RATE] = 0.3 * np.sin(np.arange(2 * RATE) / 20)
    mixed = under(sound, voice)
    left = mixed - faded(voice)
    quiet = np.sqrt((left[:, int(2.5 * RATE) : int(3.5 * RATE)] ** 2).mean())
    loud = np.sqrt((left[:, : int(1.2 * RATE)] ** 2).mean())
    assert quiet == pytest.approx(loud / 3, rel=0.25)
    assert abs(mixed).max() <= 0.98
