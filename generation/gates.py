"""Gates: whether what an engine gave is what was asked for, as far as a machine sees it without a model.

The file is decoded once, from end to end, with FFmpeg's own detectors for black, frozen and silent stretches. Every
gate says what was measured, what was allowed, and what is wrong in words; a shot that fails one is made again alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.filter import Graph

from generation.request import Request
from transforms.failures import ElementError
from transforms.media import as_failure, choose_audio, choose_video, open_media, prepare_decoder
from transforms.settings import setting

GATES: Final[Mapping[str, str]] = {
    "decodable": "every frame decodes",
    "duration": "as long as asked for",
    "size": "as many pixels as asked for, or more",
    "shape": "the ratio of width and height that was asked for",
    "rate": "the frame rate that was asked for, and a constant one",
    "black": "not black for long",
    "frozen": "not standing still for long",
    "sound": "sound where it was asked for, and not silent for long",
}
"""What is looked at, in this order."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gate:
    """One thing that was looked at.

    Attributes:
        name: One of `GATES`.
        passed: Whether it is good enough.
        value: What was measured: seconds (`duration`), frames a second (`rate`), times what was asked for (`size`,
            `shape`), share of the running time (`black`, `frozen`, `sound`: the silent share), 1 or 0 (`decodable`).
        limit: What it is held against, in the same unit.
        message: What is wrong, in words; empty where it passed.
    """

    name: str
    passed: bool
    value: float
    limit: float
    message: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSettings:
    """How much is let pass."""

    short_by: float = setting(
        0.1, "How much shorter than asked for a video may be", unit="s", low=0.0, high=10.0, source="2 frames at 20/s"
    )
    long_by: float = setting(
        0.6, "How much longer than asked for a video may be", unit="s", low=0.0, high=60.0, source="8 frames at 14/s"
    )
    shape_off: float = setting(
        0.02, "How far the ratio of its sides may be off, as a share: 1920x1088 is 0.7 % off 16:9", low=0.0, high=1.0
    )
    rate_off: float = setting(0.02, "How far its frame rate may be off, as a share", low=0.0, high=1.0)
    black: float = setting(
        0.2, "Share of its time that it may be black; a fade in and out is about a tenth", low=0.0, high=1.0
    )
    frozen: float = setting(0.5, "Share of its time that it may stand still", low=0.0, high=1.0)
    silent: float = setting(
        0.9, "Share of its time without sound, where sound was asked for", low=0.0, high=1.0, source="one word in 5 s"
    )


_DETECTORS: Final = (
    # FFmpeg's own defaults but for the lengths: shots are a few seconds long, and a flash of black counts.
    ("blackdetect", "d=0.04:pic_th=0.98:pix_th=0.1"),
    ("freezedetect", "n=0.001:d=0.3"),
)
_SILENCE: Final = ("silencedetect", "n=-60dB:d=0.3")


def check_take(path: Path, request: Request, settings: GateSettings | None = None) -> tuple[Gate, ...]:
    """Look at a file that an engine gave.

    Args:
        path: The file.
        request: What was asked for.
        settings: How much is let pass.

    Returns:
        The gates in the order of `GATES`; only `decodable` where the file cannot be decoded, and `sound` only where
        it was asked for.
    """
    limits = settings or GateSettings()
    try:
        seen = _watch(path, request.sound)
    except ElementError as error:
        return (Gate(name="decodable", passed=False, value=0.0, limit=1.0, message=error.message),)
    return (
        Gate(name="decodable", passed=True, value=1.0, limit=1.0),
        _duration(seen, request.seconds, limits),
        *_sizes(seen, request, limits),
        _rate(seen, float(Fraction(request.frame_rate)), limits),
        _share("black", seen.black, seen.seconds, limits.black, "black"),
        _share("frozen", seen.frozen, seen.seconds, limits.frozen, "standing still"),
        *([_sound(seen, limits)] if request.sound else []),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Seen:
    """What was seen of a file: its form, seconds black, frozen and silent (None: no sound), largest gap of frames."""

    width: int
    height: int
    seconds: float
    rate: float
    gap: float
    black: float
    frozen: float
    silent: float | None


def _duration(seen: _Seen, wanted: float, limits: GateSettings) -> Gate:
    low, high = wanted - limits.short_by, wanted + limits.long_by
    limit = high if seen.seconds > high else low
    short, long = seen.seconds < low - 1e-6, seen.seconds > high + 1e-6
    message = f"{seen.seconds:.3f} s long, {wanted:.3f} s asked for" if short or long else ""
    return Gate(name="duration", passed=not message, value=seen.seconds, limit=limit, message=message)


def _sizes(seen: _Seen, request: Request, limits: GateSettings) -> tuple[Gate, Gate]:
    wide, high = seen.width / request.width, seen.height / request.height
    size = f"{seen.width}x{seen.height} pixels, {request.width}x{request.height} asked for"
    off = max(wide / high, high / wide) - 1
    return (
        Gate(
            name="size",
            passed=min(wide, high) >= 1,
            value=min(wide, high),
            limit=1.0,
            message=size if min(wide, high) < 1 else "",
        ),
        Gate(
            name="shape",
            passed=off <= limits.shape_off,
            value=off,
            limit=limits.shape_off,
            message=size if off > limits.shape_off else "",
        ),
    )


def _rate(seen: _Seen, wanted: float, limits: GateSettings) -> Gate:
    message = ""
    if abs(seen.rate - wanted) > limits.rate_off * wanted:
        message = f"{seen.rate:.3f} frames a second, {wanted:.3f} asked for"
    elif seen.gap * wanted > 1.5:
        message = f"frames are missing: {seen.gap:.3f} s between two, at {wanted:.3f} frames a second"
    return Gate(name="rate", passed=not message, value=seen.rate, limit=wanted, message=message)


def _share(name: str, seconds: float, whole: float, limit: float, what: str) -> Gate:
    share = min(1.0, seconds / whole)
    passed = share <= limit
    message = "" if passed else f"{what} for {seconds:.2f} of {whole:.2f} s; {limit:.0%} may be"
    return Gate(name=name, passed=passed, value=share, limit=limit, message=message)


def _sound(seen: _Seen, limits: GateSettings) -> Gate:
    if seen.silent is None:
        return Gate(
            name="sound", passed=False, value=1.0, limit=limits.silent, message="no sound, and it was asked for"
        )
    return _share("sound", seen.silent, seen.seconds, limits.silent, "silent")


class _Detector:
    """A chain of FFmpeg's detectors, fed frame by frame; adds up how long what they find lasts."""

    def __init__(self, frame: Any, time_base: Fraction, filters: tuple[tuple[str, str], ...]) -> None:
        graph = Graph()
        graph.threads = 1
        if isinstance(frame, av.VideoFrame):
            last: Any = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=time_base
            )
            sink = graph.add("buffersink")
        else:
            last = graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=time_base
            )
            sink = graph.add("abuffersink")
        self._source = last
        for name, arguments in filters:
            following = graph.add(name, arguments)
            last.link_to(following)
            last = following
        last.link_to(sink)
        graph.configure()
        # The graph must outlive its filters.
        self._graph, self._sink = graph, sink
        self._begun: dict[str, float] = {}
        self._lasted: dict[str, float] = {}

    def push(self, frame: Any) -> None:
        self._source.push(frame)
        with contextlib.suppress(av.error.BlockingIOError, av.error.EOFError):
            while True:
                self._note(self._sink.pull().metadata)

    def _note(self, said: Mapping[str, str]) -> None:
        for key, value in said.items():
            what, _, edge = key.rpartition("_")
            if edge == "start":
                self._begun[what] = float(value)
            elif edge == "end" and what in self._begun:
                self._lasted[what] = self._lasted.get(what, 0.0) + float(value) - self._begun.pop(what)

    def seconds(self, word: str, end: float) -> float:
        """Seconds of what a detector found, by a word in its name; what has not ended lasts until `end`."""
        return sum(v for k, v in self._lasted.items() if word in k) + sum(
            max(0.0, end - v) for k, v in self._begun.items() if word in k
        )


def _watch(path: Path, sound: bool) -> _Seen:
    """Decode a whole file.

    Raises:
        ElementError: It cannot be read, has no video, or breaks off.
    """
    with open_media(str(path)) as container:
        video = choose_video(container)
        audio = choose_audio(container) if sound else None
        if video is None:
            raise ElementError("no_streams", "the file has no video")
        streams = [stream for stream in (video, audio) if stream is not None]
        for stream in streams:
            prepare_decoder(stream)
        times: list[float] = []
        detectors: dict[str, _Detector] = {}
        first, heard = None, 0.0
        try:
            for frame in (frame for packet in container.demux(*streams) for frame in packet.decode()):
                kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
                if kind not in detectors:
                    filters = _DETECTORS if kind == "video" else (_SILENCE,)
                    base = Fraction(frame.time_base or Fraction(1, 1000))
                    detectors[kind] = _Detector(frame, base, filters)
                if kind == "video":
                    first = first or frame
                    times.append(float(frame.time or 0.0))
                else:
                    heard = max(heard, float(frame.time or 0.0) + frame.samples / frame.sample_rate)
                detectors[kind].push(frame)
            for detector in detectors.values():
                detector.push(None)
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise as_failure(error, f"decoding after {len(times)} frames") from error
        if first is None:
            raise ElementError("no_streams", "not one frame decodes")
        gaps = np.diff(np.sort(np.array(times))) if len(times) > 1 else np.array([0.0])
        step = float(np.median(gaps)) or 1 / float(video.average_rate or 25)
        seconds = max(times) - min(times) + step
        begins = min(times)
        watched = detectors["video"]
        return _Seen(
            width=first.width,
            height=first.height,
            seconds=seconds,
            rate=(len(times) - 1) / (max(times) - begins) if len(times) > 1 else 1 / step,
            gap=float(gaps.max()),
            black=watched.seconds("black", begins + seconds),
            frozen=watched.seconds("freeze", begins + seconds),
            # What is missing at the end of the sound is silent too.
            silent=None
            if "audio" not in detectors
            else detectors["audio"].seconds("silence", heard) + max(0.0, begins + seconds - heard),
        )
