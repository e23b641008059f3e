"""Voice activity: where in a sound somebody speaks, by Silero VAD.

Recognisers invent text where nobody speaks, so only what holds a voice is given to them. Silero's network gives one
probability for every 32 ms; a span begins where it passes a threshold and ends where it stays below a lower one, as in
Silero's own code. Pauses between words stay inside a span, the gaps between sentences end it.

The network comes with the package `silero-vad` (MIT) and runs in ONNX Runtime, without PyTorch, at some 400 times the
speed of the sound on one core. The sound goes through it in blocks that carry their state on, so that memory does not
grow with the length.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from captioning.recogniser import Samples, Span
from transforms.audio import SAMPLE_RATE
from transforms.settings import ConfigError, setting

FRAME: Final = 512
"""Samples the network gives one probability for."""
_CONTEXT: Final = 64
_STATE: Final = (1, 1, 128)
"""What Silero VAD 6 sees of the frame before, and the shape of its memory."""
_BLOCK: Final = 512
"""Frames a call: 16 s."""
_FILE: Final = "silero_vad_16k_sequence.onnx"

Voice = Callable[[Samples], NDArray[np.float32]]
"""From samples to the probability of a voice in every frame of 512, the last one filled up with silence."""


@dataclasses.dataclass(frozen=True)
class VoiceSettings:
    """What counts as a voice. Defaults are those of Silero's `get_speech_timestamps`."""

    voice_threshold: float = setting(
        0.5, "Probability from which a frame counts as voice", low=0.0, high=1.0, source="Silero VAD"
    )
    voice_end: float = setting(
        0.35, "Probability below which a voice ends", low=0.0, high=1.0, source="Silero VAD: 0.15 below its start"
    )
    shortest_voice: float = setting(
        0.25, "Shorter spans of voice are noise", unit="s", low=0.0, high=10.0, source="Silero VAD"
    )
    shortest_pause: float = setting(
        0.1, "Shorter pauses do not part spans of voice", unit="s", low=0.0, high=10.0, source="Silero VAD"
    )


def _weights() -> Path:
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("speech needs silero_vad, which is not installed: pip install 'rushes[models]'")
    path = Path(spec.submodule_search_locations[0]) / "data" / _FILE
    if not path.is_file():
        raise ConfigError(f"silero_vad has no {_FILE}: pip install -U 'rushes[models]'")
    return path


def check_voice() -> None:
    """See that what `load_voice` needs is there.

    Raises:
        ConfigError: ONNX Runtime or Silero's package is not installed, or it is too old.
    """
    _weights()
    if importlib.util.find_spec("onnxruntime") is None:
        raise ConfigError("speech needs onnxruntime, which is not installed: pip install 'rushes[models]'")


@functools.cache
def load_voice() -> Voice:
    """Silero's network, on one thread of the CPU.

    Raises:
        ConfigError: As `check_voice`.
    """
    check_voice()
    # The package itself would load PyTorch and set its number of threads for the whole process.
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    network = runtime.InferenceSession(str(_weights()), sess_options=options, providers=["CPUExecutionProvider"])

    def ask(samples: Samples) -> NDArray[np.float32]:
        found = [np.zeros(0, np.float32)]
        hidden, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        before = np.zeros(_CONTEXT, np.float32)
        for first in range(0, len(samples), _BLOCK * FRAME):
            part = samples[first : first + _BLOCK * FRAME]
            frames = np.pad(part, (0, -len(part) % FRAME)).reshape(-1, FRAME)
            seen = np.empty((len(frames), _CONTEXT + FRAME), np.float32)
            seen[:, _CONTEXT:] = frames
            seen[0, :_CONTEXT], seen[1:, :_CONTEXT] = before, frames[:-1, -_CONTEXT:]
            before = frames[-1, -_CONTEXT:]
            given, hidden, cell = network.run(["speech_probs", "hn", "cn"], {"input": seen, "h": hidden, "c": cell})
            found.append(given.reshape(-1))
        return np.concatenate(found)

    return ask


def spans_of(
    probabilities: NDArray[np.float32], seconds: float, settings: VoiceSettings, longest: float = float("inf")
) -> list[Span]:
    """Spans of voice, in order and apart.

    Args:
        probabilities: Of a voice, one for every frame.
        seconds: Length of the sound; no span goes beyond.
        settings: What counts as a voice.
        longest: Seconds a span has at most, 1 or more; a longer one is cut where a voice is least likely.
    """
    frame = FRAME / SAMPLE_RATE
    shortest = settings.shortest_voice / frame
    pause = settings.shortest_pause / frame
    end = min(settings.voice_end, settings.voice_threshold)
    found: list[tuple[int, int]] = []
    first = past = -1  # of the span that is open; past: where its voice fell silent
    for number, probability in enumerate([*probabilities.tolist(), -1.0]):
        if probability >= settings.voice_threshold:
            first, past = number if first < 0 else first, -1
        elif first >= 0 and (probability < end or past >= 0):
            # Between the two thresholds a voice that has not ended goes on, and one that has does not begin anew.
            past = number if past < 0 else past
            if number + 1 - past >= pause or number == len(probabilities):
                if past - first >= shortest:
                    found.append((first, past))
                first = past = -1
    return [
        (a * frame, min(b * frame, seconds))
        for one in found
        for a, b in _cut(*one, probabilities, max(2, int(longest / frame)) if longest < seconds else len(probabilities))
    ]


def _cut(first: int, past: int, probabilities: NDArray[np.float32], most: int) -> list[tuple[int, int]]:
    """The parts of a span of frames, each of at most so many."""
    parts = []
    while past - first > most:
        half = first + max(1, most // 2)
        at = half + int(np.argmin(probabilities[half : first + most]))
        parts.append((first, at))
        first = at
    return [*parts, (first, past)]
