"""Rendering: from a request to a file, frame by frame. It runs in a child process, for what it reads is others' media.

The same request, seed and files give the same bytes on the same machine and build.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorRange, Colorspace

from generation.animatics import bed, colours, footage, light, shots, slate, voice
from generation.animatics.layers import Picture
from generation.request import Request
from transforms.child import phase, report

_BT709: Final = 1
"""Primaries, transfer and matrix of high-definition television (ITU-T H.273)."""
_TV: Final = 1
"""FFmpeg's number of the narrow range."""
_CRF: Final = "20"
"""Quality of x264: near to visually lossless for what is drawn."""
_RISE: Final = 0.8
"""Seconds in which the light over a shot comes or goes."""
_SOUND_RATE: Final = 160_000
"""Bits a second of the sound."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Work:
    """What is rendered.

    Attributes:
        request: The request, as `to_json` gave it.
        seed: Its seed.
        inputs: Local files of its inputs, by their number.
        to: The file that is written.
        voice: File of a piper voice; empty: espeak-ng; None: nothing is spoken.
        seconds: How long it may take.
    """

    request: Mapping[str, Any]
    seed: int
    inputs: Mapping[int, str]
    to: str
    voice: str | None
    seconds: float


def render(work: Work) -> str:
    """Render a request.

    Returns:
        What is not as it was asked for, in words; empty: all is.

    Raises:
        ElementError: An input cannot be read, or the file cannot be written.
    """
    phase("render", work.seconds)
    request = Request.from_json(work.request)
    inputs = {n: Path(path) for n, path in work.inputs.items()}
    rate = Fraction(request.frame_rate)
    sound, lack = _sound(request, inputs, work.voice, rate) if request.sound else (None, "")
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(work.to, "w", format="mp4", options=options) as container:
        container.metadata["comment"] = footage.MARK
        video: Any = container.add_stream("libx264", rate=rate)
        _configure(video, request, rate)
        audio: Any = None
        if sound is not None:
            audio = container.add_stream("aac", rate=bed.RATE, layout="stereo")
            audio.bit_rate = _SOUND_RATE
            audio.codec_context.flags |= Flags.bitexact
        n = 0
        told = dict(request.parameters)
        palette = shots.palette_of(request, inputs)
        lit = light.Light(request.width, request.height, work.seed)
        for shot, words, frames in shots.shots_of(request, work.seed, inputs):
            marked = slate.Slate(
                title=told.get("title") or request.shot,
                text=words,
                language=told.get("language", ""),
                seconds=float(frames / rate),
                colour=colours.accent(palette),
                size=(request.width, request.height),
            )
            for at in range(frames):
                seconds = float(at / rate)
                share = _share(request, seconds, float((frames - 1) / rate) - seconds)
                picture = lit.over(shot(at / max(1, frames - 1), seconds), seconds, share)
                marked.mark(picture, seconds)
                container.mux(video.encode(_frame(picture, n, rate)))
                n += 1
                report(frames=1)
        container.mux(video.encode(None))
        if audio is not None:
            _write_sound(container, audio, sound)
    return lack


def _share(request: Request, since: float, left: float) -> float:
    """How strong the light is: none where the first or last frame is given, for that is to be seen as it is."""
    roles = {one.role for one in request.inputs}
    begins = min(1.0, since / _RISE) if roles & {"first_frame", "image", "video"} else 1.0
    return begins * min(1.0, left / _RISE) if "last_frame" in roles else begins


def _configure(stream: Any, request: Request, rate: Fraction) -> None:
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = request.width, request.height, "yuv420p"
    context.time_base = 1 / rate
    context.color_primaries = context.color_trc = context.colorspace = _BT709
    context.color_range = _TV
    context.flags |= Flags.bitexact
    context.thread_count = 1
    # x264's AVX-512 code looks at memory that nobody wrote: without this the same frames give other bytes.
    context.options = {"preset": "veryfast", "crf": _CRF, "threads": "1", "x264-params": "cpu-independent=1"}


def _frame(picture: Picture, n: int, rate: Fraction) -> Any:
    frame = av.VideoFrame.from_ndarray(picture, format="rgba").reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
    frame.pts, frame.time_base = n, 1 / rate
    return frame


def _sound(request: Request, inputs: Mapping[int, Path], model: str | None, rate: Fraction) -> tuple[Any, str]:
    """The sound of a request, as long as its picture, and what it lacks."""
    samples = round(request.frames / rate * bed.RATE)
    roles = ("sound",) if request.mode == "extend" else ("sound", "video")
    path = next((inputs[n] for n, one in enumerate(request.inputs) if one.role in roles), None)
    given = footage.sound_of(path, samples) if path else None
    if given is None:
        made = bed.bed(request.campaign, request.shot, samples)
    else:
        made = bed.faded(np.pad(given, ((0, 0), (0, samples - given.shape[1]))))
    told = dict(request.parameters)
    words = told.get("dialogue", "").strip()
    if not words or model is None:
        return made, ""
    with tempfile.TemporaryDirectory() as folder:
        spoken = Path(folder) / "voice.wav"
        lack = voice.speak(words, told.get("language", ""), model, spoken)
        said = None if lack else footage.sound_of(spoken, samples)
    return (made if said is None else bed.under(made, said)), lack


def _write_sound(container: Any, stream: Any, sound: Any) -> None:
    step = 1024  # samples of an AAC frame
    whole = np.ascontiguousarray(sound.astype(np.float32))
    for start in range(0, whole.shape[1], step):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole[:, start : start + step]), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = bed.RATE, start, Fraction(1, bed.RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
