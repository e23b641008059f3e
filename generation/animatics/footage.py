"""Footage: videos and sounds that a shot is given, read frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av.error
import numpy as np
from av.audio.resampler import AudioResampler

from generation.animatics.bed import RATE
from generation.animatics.layers import Picture
from generation.animatics.slate import bar_height
from transforms import media
from transforms.failures import ElementError
from transforms.frames import Counts, shown_frames

MARK: Final = "animatic"
"""What the metadata of an animatic's file say in `comment`: its frames have a bar along the top."""

_LONGEST: Final = 600.0
"""Seconds of a sound that are read at most."""


def frames_at(path: Path, rate: Fraction, size: tuple[int, int]) -> Iterator[Picture]:
    """Frames of a video at a constant rate, in a size; the last one again and again after its end.

    The bar of an animatic is covered by what lies below it, as in a mirror: it says what is no longer true.

    Raises:
        ElementError: It is no video, or has no frame.
    """
    frame = None
    with media.open_media(str(path)) as container:
        stream = media.choose_video(container)
        if stream is None:
            raise ElementError("no_streams", f"{path.name}: no video in it")
        media.only(container, stream)
        media.prepare_decoder(stream)
        barred = container.metadata.get("comment") == MARK
        first: int | None = None
        n = 0
        for shown in shown_frames(container, stream, Counts(), float(stream.average_rate or 25)):
            first = shown.pts if first is None else first
            at = (shown.pts - first) * stream.time_base
            while frame is not None and n / rate < at:
                yield frame
                n += 1
            frame = _picture(shown.frame, size, barred)
    if frame is None:
        raise ElementError("damaged", f"{path.name}: not one frame can be decoded")
    while True:
        yield frame


def last_frame(path: Path, size: tuple[int, int]) -> Picture:
    """The last frame of a video, in a size.

    Raises:
        ElementError: As `frames_at`.
    """
    with media.open_media(str(path)) as container:
        stream = media.choose_video(container)
        if stream is None:
            raise ElementError("no_streams", f"{path.name}: no video in it")
        media.prepare_decoder(stream)
        barred = container.metadata.get("comment") == MARK
        last = None
        for shown in shown_frames(container, stream, Counts()):
            last = shown.frame
        if last is None:
            raise ElementError("damaged", f"{path.name}: not one frame can be decoded")
        return _picture(last, size, barred)


def sound_of(path: Path, samples: int) -> Any | None:
    """The beginning of a file's sound, in stereo.

    Args:
        path: The file.
        samples: How many are wanted, at 48 kHz.

    Returns:
        (2, n), n at most `samples`; None where it has no sound.

    Raises:
        ElementError: It is no media file.
    """
    parts, have = [], 0
    wanted = min(samples, round(_LONGEST * RATE))
    with media.open_media(str(path)) as container:
        stream = media.choose_audio(container)
        if stream is None:
            return None
        media.prepare_decoder(stream)
        resampler = AudioResampler(format="fltp", layout="stereo", rate=RATE)
        try:
            for frame in container.decode(stream):
                frame.pts = None
                for made in resampler.resample(frame):
                    parts.append(made.to_ndarray())
                    have += made.samples
                if have >= wanted:
                    break
            else:
                parts += [made.to_ndarray() for made in resampler.resample(None)]
        except (av.error.FFmpegError, ValueError) as error:
            if not parts:
                raise media.as_failure(error, f"reading the sound of {path.name}") from error
    return np.concatenate(parts, axis=1)[:, :wanted].astype(np.float64) if parts else None


def _picture(frame: Any, size: tuple[int, int], barred: bool) -> Picture:
    """A frame scaled until it covers the size, and cropped."""
    scale = max(size[0] / frame.width, size[1] / frame.height)
    width, height = max(size[0], round(frame.width * scale)), max(size[1], round(frame.height * scale))
    made = frame.reformat(width=width, height=height, format="rgba").to_ndarray()
    if barred:
        high = bar_height(frame.width, frame.height) * height // frame.height + 2
        made[:high] = made[high : 2 * high][::-1]
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    return np.ascontiguousarray(made[y : y + size[1], x : x + size[0]])
