"""Sound bed: a soft chord that holds an animatic together, so that its sound can be judged and levelled.

All shots of a campaign are in one key; which of its chords a shot has, its name decides. So shots that are put in a row
sound as if they belonged together.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np

RATE: Final = 48_000
"""Samples a second."""

_CHORDS: Final = ((0, 7, 12, 16, 19), (-3, 4, 12, 16, 21), (-7, 5, 12, 17, 21), (-5, 7, 11, 14, 19))
"""I, vi, IV and V of a major key, in semitones from its root: any of them may follow any other."""
_ROOT: Final = 110.0
"""The lowest root, in Hz: A2."""
_LEVEL: Final = 0.05
"""Root mean square of the bed: -26 dBFS."""
_EDGE: Final = 0.04
"""Seconds of its rise and fall."""


def bed(campaign: str, shot: str, samples: int) -> Any:
    """A stereo bed.

    Args:
        campaign: Chooses the key.
        shot: Chooses the chord.
        samples: Its length.

    Returns:
        (2, samples), -1 to 1.
    """
    key = hashlib.sha256(campaign.encode()).digest()[0] % 12
    chord = _CHORDS[hashlib.sha256(shot.encode()).digest()[0] % len(_CHORDS)]
    times = np.arange(samples, dtype=np.float64) / RATE
    made = np.zeros((2, samples))
    for n, step in enumerate(chord):
        tone = _ROOT * 2 ** ((key + step) / 12)
        swell = 0.75 + 0.25 * np.sin(2 * np.pi * (0.11 + 0.03 * n) * times + n)
        for side, tuned in enumerate((0.9985, 1.0015)):
            angle = 2 * np.pi * tone * tuned * times + n
            made[side] += swell * (np.sin(angle) + 0.22 * np.sin(2 * angle) + 0.06 * np.sin(3 * angle)) / (1 + 0.6 * n)
    loud = np.sqrt(np.mean(made**2)) if samples else 1.0
    return faded(made * (_LEVEL / loud))


def faded(sound: Any) -> Any:
    """A sound whose ends do not click."""
    count = min(round(_EDGE * RATE), sound.shape[1] // 2)
    if count:
        ramp = np.sin(np.linspace(0, np.pi / 2, count)) ** 2
        sound = sound.copy()
        sound[:, :count] *= ramp
        sound[:, -count:] *= ramp[::-1]
    return sound


def under(bed: Any, voice: Any) -> Any:
    """A bed with a voice over it: while somebody speaks, and a little around that, the bed is a third as loud."""
    count = min(bed.shape[1], voice.shape[1])
    speaking = np.zeros(bed.shape[1])
    speaking[:count] = np.abs(voice[:, :count]).max(axis=0) > 0.01
    window = round(0.35 * RATE)
    ends = np.cumsum(np.concatenate([np.zeros(window), speaking, np.zeros(window)]))
    near = np.minimum(1.0, (ends[2 * window :] - ends[: -2 * window]) / (0.3 * window))
    mixed = bed * (1 - 0.67 * near)
    mixed[:, :count] += faded(voice[:, :count])
    return np.clip(mixed, -0.98, 0.98)
