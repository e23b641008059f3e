"""Reshaping: pictures cropped and scaled for a clip, as little as the settings ask.

A crop is given on the picture as shown and turned back to the picture as decoded. Where chroma is subsampled, edges lie
on even pixels: an encoder cannot tell an odd one, so an odd source loses its last line.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any, Final

import av
import av.error
from av.filter import Graph

from transforms.encoding import ClipSettings, Look, encoder_name, pixels_for
from transforms.failures import ElementError
from transforms.probe import upright_turn

Box = tuple[int, int, int, int]
"""Left, top, width and height, in pixels."""

_LEAST: Final = 16
"""Shortest side that a crop or an encoder is given."""
_RGB_CODED: Final = (6, 1)
"""Matrix and range that swscale gives RGB: BT.601, limited."""


def decoded_box(shown: Box, rotation: int, width: int, height: int) -> Box:
    """A box of the picture as shown, on the picture as decoded.

    Args:
        shown: Of the upright picture.
        rotation: Clockwise turn that shows the decoded one upright: 0, 90, 180 or 270 degrees.
        width: Of the decoded picture.
        height: The same.
    """
    x, y, w, h = shown
    return {
        0: (x, y, w, h),
        90: (y, height - x - w, h, w),
        180: (width - x - w, height - y - h, w, h),
        270: (width - y - h, x, h, w),
    }[rotation % 360]


class Reshaper:
    """Crops, scales and converts frames of one look for an encoder.

    Attributes:
        look: What comes out.
        changed: Frames do not stay as they are.
    """

    def __init__(self, source: Look, frame: Any, crop: Box | None, settings: ClipSettings) -> None:
        """
        Args:
            source: What goes in.
            frame: One of the frames.
            crop: Of the picture as shown; none for all of it.
            settings: Size and pixel format.

        Raises:
            ElementError: `unsupported_codec`, for pixels that cannot be converted.
        """
        self._source = source
        pixels = pixels_for(encoder_name(settings), source.pixels, settings.clip_pixel_format)
        kind = av.VideoFormat(pixels, 16, 16)
        chroma = kind.components[1] if len(kind.components) > 2 else kind.components[0]
        steps = (16 // chroma.width, 16 // chroma.height)
        box = (0, 0, source.width, source.height)
        if crop is not None:
            box = decoded_box(crop, upright_turn(frame.rotation), source.width, source.height)
        self._box = _aligned(box, steps, (source.width, source.height))
        width, height = self._box[2:]
        shorter = min(width, height)
        if 0 < settings.clip_side < shorter:
            width, height = (
                max(_LEAST, round(side * settings.clip_side / shorter / step) * step)
                for side, step in zip((width, height), steps, strict=True)
            )
        self._scaled = (width, height) != self._box[2:]
        aspect = source.aspect
        if aspect and self._scaled:
            aspect = (aspect * Fraction(self._box[2] * height, self._box[3] * width)).limit_denominator(255)
        colour = source.colour
        if av.VideoFormat(source.pixels, 16, 16).is_rgb and not kind.is_rgb:
            colour = (colour[0], colour[1], *_RGB_CODED)
        elif source.pixels.startswith("yuvj") and not pixels.startswith("yuvj"):
            colour = (*colour[:3], 1)  # swscale takes the plain format to be limited
        rate = Fraction(settings.clip_frame_rate).limit_denominator(1001)
        self.look = dataclasses.replace(
            source,
            pixels=pixels,
            width=width,
            height=height,
            aspect=aspect,
            colour=colour,
            rate=rate or source.rate,
            time_base=1 / rate if rate else source.time_base,
            # Where the matrix moves the picture, it does so by the old size.
            matrix=(*source.matrix[:6], 0, 0, source.matrix[8]) if source.matrix else (),
        )
        self.changed = self._scaled or self._box != (0, 0, source.width, source.height) or pixels != source.pixels
        self._graph: Graph | None = None

    def __call__(self, frame: Any) -> Any:
        """The frame in its new shape; without one, the frame itself."""
        if (frame.width, frame.height, frame.format.name) != (
            self._source.width,
            self._source.height,
            self._source.pixels,
        ):
            # The source changed on the way: the whole of it is fitted into what the clip began with.
            return frame.reformat(width=self.look.width, height=self.look.height, format=self.look.pixels, threads=1)
        if not self.changed:
            return frame
        try:
            if self._graph is None:
                self._graph = self._made(frame)
            self._graph.push(frame)
            made: Any = self._graph.pull()
        except (av.error.FFmpegError, ValueError) as error:
            raise ElementError(
                "unsupported_codec", f"pixels {frame.format.name} cannot be reshaped: {error}"
            ) from error
        return made

    def _made(self, frame: Any) -> Graph:
        graph = Graph()
        graph.threads = 1
        x, y, width, height = self._box
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=self._source.time_base
        )
        steps = []
        if self._box != (0, 0, frame.width, frame.height):
            steps.append(graph.add("crop", f"{width}:{height}:{x}:{y}:exact=1"))
        size = f"{self.look.width}:{self.look.height}"
        if self._scaled or self.look.pixels != self._source.pixels:
            steps.append(graph.add("scale", f"{size}:flags=bicubic+accurate_rnd+full_chroma_int+bitexact"))
            steps.append(graph.add("format", self.look.pixels))
        for step in [*steps, graph.add("buffersink")]:
            last.link_to(step)
            last = step
        graph.configure()
        return graph


def _aligned(box: Box, steps: tuple[int, int], size: tuple[int, int]) -> Box:
    """The largest box inside one and a picture, with edges on whole chroma samples; all of it where none is left."""
    made = []
    for start, length, step, full in zip(box[:2], box[2:], steps, size, strict=True):
        first = -(-max(0, start) // step) * step
        last = min(full, start + length) // step * step
        if last - first < min(_LEAST, full):
            first, last = 0, max(step, full // step * step)
        made.append((first, last - first))
    return made[0][0], made[1][0], made[0][1], made[1][1]
