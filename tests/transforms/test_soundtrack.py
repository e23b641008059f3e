"""Soundtracks: packets stand where their sound is, however their container rounds times."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from transforms.soundtrack import PacketClock


@pytest.mark.parametrize(
    ("codec", "lengths", "size"),
    [
        ("vorbis", [128, 576, 1024], 0),
        ("flac", [4096], 0),
        ("opus", [960], 0),
        ("aac", [1024], 1024),
        ("mp3", [1152], 1152),
    ],
)
def test_a_packet_is_off_by_its_own_rounding_only(codec: str, lengths: list[int], size: int) -> None:
    """Matroska's clock of a millisecond rounds the time and the length of each packet; what counts adds nothing up."""
    rate, chance = 48000 if codec == "opus" else 44100, np.random.default_rng(5)
    context = SimpleNamespace(codec=SimpleNamespace(canonical_name=codec), sample_rate=rate, frame_size=size or None)
    clock, true = PacketClock(context, Fraction(1, 1000)), 0
    for _ in range(4000):
        length = int(chance.choice(lengths))
        packet = SimpleNamespace(pts=round(1000 * true / rate), duration=1000 * length // rate)
        placed = clock.place(packet)
        assert placed is not None
        assert abs(placed[0] - true) <= rate / 1000
        true += length
