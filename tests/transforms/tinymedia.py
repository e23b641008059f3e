"""Tiny media for tests: moving patterns with cuts at known frames, in many codecs and containers."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

CUTS = (0, 17, 41)
"""Frames at which a new pattern starts."""


def picture(number: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """An RGB picture: a coloured pattern that drifts, another one from each frame of `CUTS`."""
    shot = sum(number >= cut for cut in CUTS)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    phase = number / 9.0 + shot
    waves = [np.sin(x / (3 + shot + c) + phase * (c + 1)) + np.cos(y / (5 + 2 * shot - c)) for c in range(3)]
    level = np.stack(waves, -1) * 45 + np.array([(90, 160, 120), (190, 60, 100), (60, 90, 200)][shot % 3])
    return np.clip(level, 0, 255).astype(np.uint8)


def render(
    path: Path,
    codec: str = "libx264",
    size: tuple[int, int] = (160, 96),
    frames: int = 60,
    rate: int = 24,
    pixels: str = "yuv420p",
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    tone: bool = False,
    container: dict[str, str] | None = None,
    pictures: Sequence[npt.NDArray[np.uint8]] | None = None,
    tags: tuple[int, int] | None = None,
) -> Path:
    """Render a file.

    Args:
        path: Where; the ending names the container.
        codec: An encoder of the build.
        size: Width and height.
        frames: How many.
        rate: Frames a second.
        pixels: Pixel format.
        pts: Times of the frames in the time base, for a variable rate or another start.
        time_base: Of `pts`; a frame by default.
        rotation: Counter-clockwise degrees of the display matrix.
        options: Of the encoder.
        tone: Add a second of 440 Hz a second of video, AAC.
        container: Options of the container.
        pictures: RGB pictures instead of the pattern.
        tags: Matrix and range numbers of H.273 and FFmpeg to tag frames with.
    """
    base = time_base or Fraction(1, rate)
    default = {"threads": "1"} | ({"preset": "veryfast"} if codec == "libx264" else {})
    with av.open(str(path), "w", container_options=container or {}, options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream(codec, rate=rate, options=default | (options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = base
        if tags:
            stream.codec_context.colorspace, stream.codec_context.color_range = tags
        if rotation:
            stream.set_display_rotation(rotation)
        sound: Any = out.add_stream("aac", rate=48000, layout="mono") if tone else None
        for number in range(frames):
            rgb = picture(number, *size) if pictures is None else pictures[number]
            frame = av.VideoFrame.from_ndarray(rgb, "rgb24")
            if tags:
                frame = frame.reformat(format=pixels, dst_colorspace=tags[0], dst_color_range=tags[1])
            frame.pts, frame.time_base = (number if pts is None else pts[number]), base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if sound is not None:
            for part in tone_frames(frames / rate):
                out.mux(sound.encode(part))
            out.mux(sound.encode(None))
    return path


def tone_frames(
    seconds: float, rate: int = 48000, hertz: float = 440.0, layout: str = "mono", first: int = 0
) -> list[av.AudioFrame]:
    """Audio frames of a sine, 1024 samples each; `first` is the number of the first sample on the clock."""
    made = []
    total = round(seconds * rate)
    for start in range(0, total, 1024):
        count = min(1024, total - start)
        wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(first + start, first + start + count) / rate)
        channels = 2 if layout == "stereo" else 1
        frame = av.AudioFrame.from_ndarray(np.tile(wave.astype(np.float32), (channels, 1)), "fltp", layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + start, Fraction(1, rate)
        made.append(frame)
    return made


def render_sound(path: Path, codec: str, frames: Sequence[av.AudioFrame], cover: bool = False) -> Path:
    """Write audio frames to a file, with a cover picture if asked."""
    rate, layout = frames[0].sample_rate, frames[0].layout.name
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream(codec, rate=rate, layout=layout)
        art: Any = None
        if cover:
            art = out.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt = 64, 64, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
        wanted = stream.codec_context.format.name
        resampler = av.AudioResampler(format=wanted, layout=layout, rate=rate)
        if art is not None:
            picture_frame = av.VideoFrame.from_ndarray(picture(0, 64, 64), "rgb24").reformat(format="yuvj420p")
            out.mux(art.encode(picture_frame))
            out.mux(art.encode(None))
        for frame in frames:
            pts = frame.pts
            frame.pts = None
            for made in resampler.resample(frame):
                made.pts, made.time_base = pts, Fraction(1, rate)
                out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    return path
