"""Previews: a small picture of a clip's middle, and a strip of a few pictures side by side, as WebP."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from transforms.encoding import ClipSettings
from transforms.pictures import Picture, convert

_THUMBNAIL: Final = 320
_STRIP: Final = 160
"""Longer sides, in pixels."""
_QUALITY: Final = 75

THUMBNAIL: Final = ".webp"
STRIP: Final = ".strip.webp"
"""Endings of their names."""


class Previews:
    """The previews of one clip, from those of its pictures that are shown at set times.

    Attributes:
        times: PTS of the pictures wanted, in order: the middle, and the middles of equal parts.
    """

    def __init__(self, start: int, stop: int, settings: ClipSettings) -> None:
        parts = settings.clip_strip
        middle = [(start + stop) // 2] if settings.clip_thumbnail else []
        strip = [start + (stop - start) * (2 * n + 1) // (2 * parts) for n in range(parts)]
        self.times = sorted({*middle, *strip})
        self._middle, self._strip = middle, strip
        self._pictures: dict[int, Picture] = {}
        self._reformatter = VideoReformatter()

    def take(self, frame: Any, pts: int, until: int, aspect: Fraction, rotation: int) -> None:
        """Look at the picture shown from `pts` to `until`.

        Args:
            frame: The picture.
            pts: When it comes.
            until: When the next one comes.
            aspect: Of its samples; 0 where unknown.
            rotation: Clockwise turn that shows it upright.
        """
        wanted = [t for t in self.times if pts <= t < until]
        if wanted:
            self.put(frame, wanted, aspect, rotation)

    def put(self, frame: Any, times: Sequence[int], aspect: Fraction, rotation: int) -> None:
        """The picture shown at some of the times."""
        width, height = float(frame.width), float(frame.height)
        if aspect > 1:
            height /= float(aspect)
        elif aspect > 0:
            width *= float(aspect)
        side = _THUMBNAIL if any(t in self._middle for t in times) else _STRIP
        scale = min(1.0, side / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        made = convert(self._reformatter, frame, size, int(Interpolation.AREA), tagged_or_guessed=True)
        upright = np.ascontiguousarray(np.rot90(made, -rotation // 90))
        for time in times:
            self._pictures[time] = upright

    def write(self, path: Path) -> int:
        """Write what is wanted and there; `path` has no ending. Returns the bytes.

        Raises:
            OSError: The disk is full or broken.
        """
        size = 0
        if self._middle and self._middle[0] in self._pictures:
            size += _save(_image(self._pictures[self._middle[0]], _THUMBNAIL), path.with_name(path.name + THUMBNAIL))
        parts = [_image(self._pictures[t], _STRIP) for t in self._strip if t in self._pictures]
        if parts:
            width, height = parts[0].size
            strip = Image.new("RGB", (width * len(parts), height))
            for number, part in enumerate(parts):
                strip.paste(part.resize((width, height)), (number * width, 0))
            size += _save(strip, path.with_name(path.name + STRIP))
        return size


def _image(picture: Picture, side: int) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture[..., ::-1]))
    image.thumbnail((side, side), Image.Resampling.BOX)
    return image


def _save(image: Image.Image, path: Path) -> int:
    half = path.with_name(path.name + ".part")
    try:
        image.save(half, "WEBP", quality=_QUALITY, method=2)
        half.replace(path)
    except BaseException:
        half.unlink(missing_ok=True)
        raise
    return path.stat().st_size
