"""Numbered media: every picture carries its number and the sound never repeats, so that a clip tells what it is of."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import numpy as np
import numpy.typing as npt

BITS: Final = 8
SIZE: Final = (128, 80)
RATE: Final = 24
FRAMES: Final = 120
SOUND: Final = 48000


@functools.cache
def picture(number: int, width: int = SIZE[0], height: int = SIZE[1]) -> npt.NDArray[np.uint8]:
    """An RGB picture that moves, with its number as black and white blocks across its middle."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    level = 110 + 50 * np.sin(x / 9 + number / 5) + 40 * np.cos(y / 7 - number / 6)
    made = np.stack([level, 0.8 * level + 20, 200 - 0.6 * level], -1)
    block, top = width // BITS, height // 2 - 8
    for bit in range(BITS):
        made[top : top + 16, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 16
    return np.clip(made, 0, 255).astype(np.uint8)


def number_of(frame: Any) -> int:
    """The number that a picture carries, cropped or scaled as it may be, but not turned."""
    gray = frame.reformat(format="gray").to_ndarray()
    height, width = gray.shape
    row = gray[height // 2 - height // 16 : height // 2 + height // 16].mean(0)
    block = width / BITS
    levels = [row[int((bit + 0.3) * block) : int((bit + 0.7) * block)].mean() for bit in range(BITS)]
    return sum(1 << bit for bit, level in enumerate(levels) if level > 125)


@functools.cache
def noise(seconds: float, channels: int, rate: int = SOUND) -> npt.NDArray[np.float32]:
    """Sound as (channels, samples): noise under 3 kHz, another in each channel."""
    random = np.random.default_rng(11)
    samples = round(seconds * rate)
    spectrum = np.fft.rfft(random.standard_normal((channels, samples)))
    spectrum[:, round(3000 * seconds) :] = 0
    made = np.fft.irfft(spectrum, samples)
    return (0.3 * made / np.abs(made).max()).astype(np.float32)


def render(
    path: Path,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    size: tuple[int, int] = SIZE,
    pts: Sequence[int] | None = None,
    base: Fraction = Fraction(1, RATE),
    sound: str | None = "aac",
    layout: str = "stereo",
    rotation: int = 0,
    colour: tuple[int, int, int, int] | None = None,
    aspect: Fraction | None = None,
    frames: int = FRAMES,
    bars: int = 0,
    interlaced: bool = False,
) -> Path:
    """Render numbered pictures with sound that begins with them."""
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        stream: Any = out.add_stream(codec, rate=RATE, options={"threads": "1"} | (options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        context = stream.codec_context
        context.time_base = base
        if interlaced:
            context.flags |= av.codec.context.Flags.interlaced_dct
        if aspect:
            context.sample_aspect_ratio = aspect
        if colour:
            context.color_primaries, context.color_trc, context.colorspace, context.color_range = colour
        if rotation:
            stream.set_display_rotation(rotation)
        track: Any = out.add_stream(sound, rate=SOUND, layout=layout) if sound else None
        times = range(frames) if pts is None else pts
        for number in range(frames):
            rgb = picture(number, size[0], size[1] - 2 * bars)
            if bars:
                rgb = np.pad(rgb, ((bars, bars), (0, 0), (0, 0)))
            frame: Any = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixels)
            frame.pts, frame.time_base = times[number], base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if track is not None:
            end = float((times[-1] + 1) * base) if pts is None else float(times[-1] * base) + 0.2
            for part in sound_frames(end, layout):
                out.mux(track.encode(part))
            out.mux(track.encode(None))
    return path


def sound_frames(seconds: float, layout: str) -> list[av.AudioFrame]:
    """The sound in frames of 1024 samples."""
    data = noise(seconds, av.AudioLayout(layout).nb_channels)
    made = []
    for start in range(0, data.shape[1], 1024):
        part = np.ascontiguousarray(data[:, start : start + 1024].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(part, "flt", layout)
        frame.sample_rate, frame.pts, frame.time_base = SOUND, start, Fraction(1, SOUND)
        made.append(frame)
    return made


def opened(path: Path) -> Any:
    """A file, opened as any program would."""
    return av.open(str(path))


class Seen(NamedTuple):
    """A file decoded as any program would: number and time in seconds of each picture, sound on the same clock."""

    numbers: list[int]
    times: list[Fraction]
    frame: Any
    sound: npt.NDArray[np.float32] | None
    sound_start: Fraction
    packets: int


def see(path: Path) -> Seen:
    """Decode a file; whatever a decoder says is wrong with it raises."""
    numbers, times, first, packets = [], [], None, 0
    with opened(path) as container:
        stream = container.streams.video[0]
        for packet in container.demux(stream):
            packets += bool(packet.size)
            for frame in packet.decode():
                assert not frame.is_corrupt
                first = first or frame
                numbers.append(number_of(frame))
                times.append(frame.pts * stream.time_base)
    with opened(path) as container:
        if not container.streams.audio:
            return Seen(numbers, times, first, None, Fraction(0), packets)
        start: Fraction | None = None
        parts: list[Any] = []
        sound = container.streams.audio[0]
        packer = av.AudioResampler(format="flt", layout=sound.layout, rate=sound.rate)
        for frame in container.decode(sound):
            if start is None:
                start = frame.pts * sound.time_base
            count = frame.layout.nb_channels
            parts += [made.to_ndarray().reshape(-1, count).T for made in packer.resample(frame)]
    return Seen(numbers, times, first, np.concatenate(parts, 1), start or Fraction(0), packets)


def lag(whole: Seen, part: Seen, start: Fraction, rate: int = SOUND) -> int:
    """Samples by which the sound of a part comes late, when it is meant to begin at `start` of the whole."""
    assert whole.sound is not None
    assert part.sound is not None
    reach = rate // 10
    begin = round((start - whole.sound_start + part.sound_start) * rate)
    wanted = np.pad(whole.sound, ((0, 0), (reach, 2 * reach)))[:, begin : begin + part.sound.shape[1] + 2 * reach]
    size = 1 << (wanted.shape[1] + part.sound.shape[1]).bit_length()
    product = np.fft.rfft(wanted.mean(0), size) * np.conj(np.fft.rfft(part.sound.mean(0), size))
    return reach - int(np.argmax(np.fft.irfft(product, size)[: 2 * reach]))
