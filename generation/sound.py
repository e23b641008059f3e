"""Sound: that of the shots joined as their pictures are, and music under it.

All of it is two channels at the format's rate. A cut between two sounds is softened by a hundredth of a second, so that
it does not click; a dissolve keeps the loudness even (equal power); what ends before the asset does goes out gently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
import numpy.typing as npt

from generation.asset import Format, ShotTake
from transforms.failures import ElementError
from transforms.media import as_failure, choose_audio, choose_video, open_media, prepare_decoder

Samples = npt.NDArray[np.float32]

_CLICK: Final = 0.01
"""Seconds of a fade that hides a cut."""
_TAIL: Final = 0.4
"""Seconds in which sound goes out at an end."""
_UNDER: Final = 10 ** (-12 / 20)
"""Music under sound of the shots: 12 dB below."""
_QUIET: Final = 10 ** (-50 / 20)
"""Shots whose loudest sample is below have nothing that music could cover."""


def read_sound(path: Path, rate: int) -> Samples:
    """The sound of a file, on the clock of its pictures: shape (2, samples); of no samples where it has none.

    Raises:
        ElementError: It cannot be read or decoded.
    """
    with open_media(str(path)) as container:
        audio, video = choose_audio(container), choose_video(container)
        if audio is None:
            return np.zeros((2, 0), np.float32)
        prepare_decoder(audio)
        begins = video.start_time * video.time_base if video is not None and video.start_time is not None else None
        resampler = av.AudioResampler("fltp", "stereo", rate)
        parts: list[npt.NDArray[Any]] = []
        first: Fraction | None = None
        try:
            for frame in (frame for packet in container.demux(audio) for frame in packet.decode()):
                if first is None and frame.pts is not None:
                    first = frame.pts * Fraction(frame.time_base)
                frame.pts = None  # A gap or a jump in the times must not stop the resampler.
                parts += [part.to_ndarray() for part in resampler.resample(frame)]
            parts += [part.to_ndarray() for part in resampler.resample(None)]
        except (av.error.FFmpegError, ValueError, OSError) as error:
            raise as_failure(error, f"decoding the sound of {path.name}") from error
    samples = np.concatenate(parts, axis=1).astype(np.float32) if parts else np.zeros((2, 0), np.float32)
    late = 0 if first is None or begins is None else round((first - begins) * rate)
    return samples[:, -late:] if late < 0 else np.pad(samples, ((0, 0), (late, 0)))


def shots_sound(shots: Sequence[ShotTake], takes: Mapping[str, Path], form: Format, frames: int) -> Samples:
    """The sound of shots, joined: shape (2, samples of `frames`). A shot that brings none is silent.

    Raises:
        ElementError: A take's sound cannot be decoded.
    """
    rate = form.sample_rate / Fraction(form.frame_rate)
    whole = np.zeros((2, round(frames * rate)), np.float32)
    overlap = 0
    for number, shot in enumerate(shots):
        first, last = round(shot.start * rate), round((shot.start + shot.frames) * rate)
        lead = round(overlap * rate)
        overlap = shot.transition_frames if shot.transition == "dissolve" and number < len(shots) - 1 else 0
        if shot.sound:
            samples = np.zeros((2, last - first), np.float32)
            place = 0
            for request in shot.requests:
                path = takes[request]
                heard, length = read_sound(path, form.sample_rate), round(_seconds(path) * form.sample_rate)
                room = min(length, samples.shape[1] - place)
                part = heard[:, :room]
                samples[:, place : place + part.shape[1]] = part
                place += max(room, 0)
            tail = _TAIL if number == len(shots) - 1 else _CLICK
            out = overlap * rate if overlap else tail * form.sample_rate
            if shot.transition == "fade":
                out = max(out, shot.transition_frames / 2 * rate)
            shape(samples, lead or round(_CLICK * form.sample_rate), round(out))
            whole[:, first:last] += samples[:, : whole.shape[1] - first]
    return whole


def shape(samples: Samples, rise: int, fall: int) -> None:
    """Let sound come up over its first `rise` samples and go over its last `fall`, with equal power, in place."""
    length = samples.shape[1]
    rise, fall = min(rise, length), min(fall, length)
    samples[:, :rise] *= np.sin(np.linspace(0, math.pi / 2, rise, endpoint=False, dtype=np.float32))
    samples[:, length - fall :] *= np.cos(np.linspace(0, math.pi / 2, fall, dtype=np.float32))


def with_music(sound: Samples, music: Samples, rate: int) -> Samples:
    """Music under sound, as long as the sound: begun again where it is shorter, quieter where there is something said.

    Args:
        sound: Of the shots: shape (2, samples).
        music: The music, of any length.
        rate: Samples a second.
    """
    length = sound.shape[1]
    if not music.shape[1]:
        return sound
    bed = np.zeros_like(sound)
    place, seam = 0, min(round(_CLICK * 20 * rate), music.shape[1] // 4)
    while place < length:
        part = music[:, : length - place].copy()
        shape(part, seam if place else round(_CLICK * rate), seam)
        bed[:, place : place + part.shape[1]] += part
        place += music.shape[1] - seam
    shape(bed, 0, round(_TAIL * rate))
    speaks = float(np.abs(sound).max(initial=0.0)) > _QUIET
    return np.asarray(sound + bed * np.float32(_UNDER if speaks else 1.0), np.float32)


def _seconds(path: Path) -> Fraction:
    """How long a file's pictures last."""
    with open_media(str(path)) as container:
        video: Any = choose_video(container)
        if video is None:
            raise ElementError("no_streams", f"{path.name} has no video")
        times: list[tuple[int, int]] = [
            (p.pts, p.duration or 0) for p in container.demux(video) if p.size and p.pts is not None
        ]
        if not times:
            raise ElementError("no_streams", f"{path.name} has no frames")
        last = max(times)
        return Fraction(last[0] - min(times)[0] + last[1]) * Fraction(video.time_base)
