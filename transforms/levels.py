"""Levels: how loud stored audio is, ten times a second, so that a clip's level is known without opening the audio
again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt

WINDOW: Final = 0.1
"""Seconds a level covers; the last one covers what is left."""

FLOOR: Final = -100.0
"""Level of digital silence in dBFS: below the 16-bit noise floor of -98 dB."""


def levels(path: str | Path) -> npt.NDArray[np.float32]:
    """RMS of every tenth of a second of a mono file, in dBFS (0 is a full-scale square wave), shape (windows,)."""
    found = []
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        for block in _blocks(
            (f.to_ndarray().reshape(-1).astype(np.int16) for f in container.decode(audio=0)), round(rate * WINDOW)
        ):
            power = float(np.mean(np.square(block.astype(np.float64) / 32768.0)))
            found.append(max(FLOOR, 10 * np.log10(power)) if power > 0 else FLOOR)
    return np.array(found, np.float32)


def _blocks(arrays: Iterator[npt.NDArray[np.int16]], size: int) -> Iterator[npt.NDArray[np.int16]]:
    rest = np.empty(0, np.int16)
    for array in arrays:
        rest = np.concatenate([rest, array])
        whole = len(rest) // size * size
        yield from rest[:whole].reshape(-1, size)
        rest = rest[whole:]
    if len(rest):
        yield rest
