"""Trying a model: loaded and asked once, in a process of its own, which tells what that took.

A process of its own, because memory can only be told of one that did nothing else, and because one model's failure,
a kill for want of memory among them, must not end the others' checks. It is told to stay away from every hub.

The model describes one rendered frame, or hears one second of a rendered voice: enough to see that it runs, and what it
costs, not whether it is any good. What answers quickly is asked twice, as the first answer warms it up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from captioning.captioner import Captioner, Frame, Window, has_model, load_captioner
from captioning.http import EndpointSettings
from captioning.model import Named
from captioning.recogniser import Recogniser, Samples, load_recogniser
from captioning.scoring import Scorer, Seen, load_scorer
from captioning.weights import device_of
from pipelines.shots import Shot, pictures
from transforms.audio import SAMPLE_RATE
from transforms.childprocess import ending
from transforms.failures import ElementError
from transforms.settings import ConfigError

READY, MISSING, FAILED = "ready", "missing", "failed"
"""It runs; something is not there that can be got; it is there and does not run."""

_QUICK: Final = 5.0
"""Seconds under which an answer is asked for again."""
_WIDTH, _HEIGHT = 512, 288
"""Of the frame: as large as stored ones are."""
_OFFLINE: Final = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

_ONCE: Final[Mapping[str, Any]] = {"again": False, "retries": 0}
"""Settings of recognisers, and what keeps each from hearing a doubtful window once more."""

_TEXT: Final = "a photo of a landscape"
"""What a scorer holds against the rendered frame."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What became of a model that was tried.

    Attributes:
        option: `--captioner`, `--recogniser` or `--scorer`.
        word: What followed it.
        state: `READY`, `MISSING` or `FAILED`.
        said: Why it is not ready, in a line.
        revision: Digest of its weights.
        device: What it ran on, where that is known.
        load_seconds: From a process without it to its weights in memory.
        speeds: By kind of caption, or under `score`, windows of one frame a second; under `sound`, seconds of sound a
            second.
        answers: By the same names, what it said.
        memory: The most the process held, in bytes; 0 where the system doesn't tell.
        device_memory: The most PyTorch held of a GPU, in bytes.
    """

    option: str
    word: str
    state: str
    said: str = ""
    revision: str = ""
    device: str = ""
    load_seconds: float = 0.0
    speeds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    answers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    memory: int = 0
    device_memory: int = 0


def named(option: str, word: str) -> Named:
    """What a word of the command line names; nothing of it is loaded.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    return _LOAD[option](word)


def tried(option: str, word: str) -> Tried:
    """Try a model in a process of its own.

    Args:
        option: `--captioner`, `--recogniser` or `--scorer`.
        word: What follows it.

    Raises:
        ConfigError: The word names nothing that there is, or a setting is wrong.
    """
    found = named(option, word)
    if not hasattr(found, "load"):
        return Tried(option=option, word=word, state=READY, revision=found.revision)
    with tempfile.TemporaryDirectory() as folder:
        result, log = Path(folder) / "result", Path(folder) / "log"
        with log.open("wb") as written:
            process = subprocess.run(
                [sys.executable, "-P", "-m", "pipelines.trying", option, word, str(result)],
                env={
                    **os.environ,
                    **_OFFLINE,
                    "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                },
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                check=False,
            )
        if result.is_file():
            return Tried(**json.loads(result.read_text(encoding="utf-8")))
        last = (log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""])[-1]
    why = f": {last[:300]}" if last else ""
    return Tried(
        option=option, word=word, state=FAILED, said=f"its process ended with {ending(process.returncode)}{why}"
    )


def try_here(option: str, word: str) -> Tried:
    """Try a model in this process."""
    found: Any = named(option, word)
    begun = time.perf_counter()
    state = MISSING
    try:
        found.check()
        state = FAILED
        found.load()
        loaded = time.perf_counter() - begun
        speeds, answers = _ASK[option](found)
    except (ConfigError, ElementError) as error:
        # The option and its word are told with it.
        said = " ".join(str(error).split()).removeprefix(f"{option} {word.split(',')[0]}: ")
        return Tried(option=option, word=word, state=state, said=said)
    memory, device_memory = _memory()
    return Tried(
        option=option,
        word=word,
        state=READY,
        revision=found.revision,
        device=_device(found.settings),
        load_seconds=loaded,
        speeds=speeds,
        answers=answers,
        memory=memory,
        device_memory=device_memory,
    )


_Told = tuple[dict[str, float], dict[str, str]]
"""Speeds and answers."""


def _described(captioner: Captioner) -> _Told:
    """Windows a second and the answer, for every kind that a captioner with a model writes."""
    assert has_model(captioner)
    speeds, answers = {}, {}
    jpeg = frame()
    for kind in captioner.kinds:
        window = Window(
            clip={"clip_id": "frame", "video_id": "frame", "seconds": 1.0},
            kind=kind,
            index=0,
            count=1,
            start=0.0,
            end=1.0,
            frames=(Frame(0.5, jpeg),),
        )
        (answer,), seconds = _timed(functools.partial(captioner.answer, [window]), captioner.settings)
        if isinstance(answer, ElementError):
            raise answer
        speeds[kind], answers[kind] = 1 / seconds, answer.text
    return speeds, answers


def _heard(recogniser: Recogniser) -> _Told:
    """Seconds of sound a second, and what was heard."""
    # Everything counts as voice: what is rendered need not pass for one, and is to reach the model. Hearing what may be
    # nonsense once more is no measure of anything.
    given = {field.name for field in dataclasses.fields(recogniser.settings)}
    once = {name: value for name, value in _ONCE.items() if name in given}
    settings = dataclasses.replace(recogniser.settings, voice_threshold=0.0, voice_end=0.0, **once)
    listening: Recogniser = type(recogniser)(settings)  # type: ignore[call-arg]
    listening.check()
    listening.load()
    samples = sound()
    transcript, seconds = _timed(lambda: listening.transcribe(samples), settings)
    said = " ".join(utterance.text for utterance in transcript.utterances)
    return {"sound": len(samples) / SAMPLE_RATE / seconds}, {"sound": said}


def _scored(scorer: Scorer) -> _Told:
    """Windows a second, and the score of a plain text."""
    seen = Seen([_TEXT], [frame()])
    (scores,), seconds = _timed(lambda: scorer.score([seen]), scorer.settings)
    if isinstance(scores, ElementError):
        raise scores
    return {"score": 1 / seconds}, {"score": f"{scores[0]:.3f} for {_TEXT!r}"}


_LOAD: Final[Mapping[str, Callable[[str], Named]]] = {
    "--captioner": load_captioner,
    "--recogniser": load_recogniser,
    "--scorer": load_scorer,
}
_ASK: Final[Mapping[str, Callable[[Any], _Told]]] = {
    "--captioner": _described,
    "--recogniser": _heard,
    "--scorer": _scored,
}


def _timed(ask: Callable[[], _Found], settings: Any) -> tuple[_Found, float]:
    """An answer and the seconds that it took; the second one where it is quick and nobody is paid for it."""
    for _ in range(2):
        begun = time.perf_counter()
        answer = ask()
        seconds = time.perf_counter() - begun
        if seconds > _QUICK or isinstance(settings, EndpointSettings):
            break
    return answer, seconds


def frame() -> bytes:
    """The rendered frame, as JPEG."""
    picture = next(pictures([Shot(1, seed=1)], _WIDTH, _HEIGHT))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).save(file, "JPEG", quality=90)
    return file.getvalue()


def sound() -> Samples:
    """The rendered second of sound, (16000,) at half of full scale: a voice that says "ee", then "oh"."""
    wave = _vowel(0.1, 0.45, (130.0, 150.0), (270, 2290, 3010)) + _vowel(0.55, 0.95, (140.0, 90.0), (570, 840, 2410))
    found: Samples = (0.5 * wave / np.abs(wave).max()).astype(np.float32)
    return found


def _vowel(start: float, end: float, pitch: tuple[float, float], formants: Sequence[int]) -> NDArray[np.float64]:
    """A second of sound with a vowel in it.

    Args:
        start: Second that it begins at.
        end: Second that it ends at.
        pitch: Of the voice at either end, in Hz.
        formants: What makes it that vowel, in Hz (Peterson and Barney, 1952: a man's).
    """
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    share = np.clip((t - start) / (end - start), 0, 1)
    hertz = pitch[0] + (pitch[1] - pitch[0]) * share
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    wave = np.zeros_like(t)
    for number in range(1, 31):
        level = sum(np.exp(-(((number * hertz - formant) / 150) ** 2)) for formant in formants)
        wave += (level + 0.03) * np.sin(number * phase)
    return np.asarray(wave * np.sqrt(np.sin(np.pi * share).clip(0)))


def _device(settings: Any) -> str:
    """What a model with these settings was put on; empty where it is not in this process."""
    given: str | None = getattr(settings, "device", None)
    if given is None or given != "auto":
        return given or ""
    if translate := sys.modules.get("ctranslate2"):
        return "cuda" if translate.get_cuda_device_count() else "cpu"
    return device_of(sys.modules["torch"], given) if "torch" in sys.modules else ""


def _memory() -> tuple[int, int]:
    """The most that this process held of the machine's memory, and PyTorch of a GPU's, in bytes."""
    held = 0
    # Not getrusage's figure: a process inherits that of the one it was forked from.
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        held = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024
    torch = sys.modules.get("torch")
    return held, torch.cuda.max_memory_reserved() if torch and torch.cuda.is_available() else 0


if __name__ == "__main__":
    _option, _word, _result = sys.argv[1:]
    Path(_result).write_text(json.dumps(dataclasses.asdict(try_here(_option, _word))), encoding="utf-8")
