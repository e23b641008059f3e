"""Planes: pictures as they are encoded (8 bits, 4:2:0, BT.709 in its limited range), and what is laid over them.

Nothing is turned into RGB and back: a layer is made once in the pictures' own form, and only the part of a picture that
it covers is touched.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, Final

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Plane = npt.NDArray[np.uint8]

_MATRIX: Final = np.array(
    [
        [0.2126, 0.7152, 0.0722],
        [-0.2126 / 1.8556, -0.7152 / 1.8556, 0.9278 / 1.8556],
        [0.7874 / 1.5748, -0.7152 / 1.5748, -0.0722 / 1.5748],
    ]
)
"""R'G'B' to Y'CbCr: ITU-R BT.709-6, items 3.2 and 3.3."""
_SCALE: Final = np.array([219.0, 224.0, 224.0])
_OFFSET: Final = np.array([16.0, 128.0, 128.0])
"""Limited range of 8 bits: ITU-R BT.709-6, item 4.4."""


class Picture:
    """A picture in planes, which may be changed.

    Attributes:
        data: All three planes, one below the other, as PyAV lays them: shape (height * 3 / 2, width).
        y: Luma, a view of `data`: shape (height, width), 16 to 235.
        u: Blue difference, a view: shape (height / 2, width / 2), 16 to 240.
        v: Red difference, a view.
    """

    __slots__ = ("data", "u", "v", "y")

    def __init__(self, data: Plane) -> None:
        height, width = data.shape[0] * 2 // 3, data.shape[1]
        flat, luma, chroma = data.reshape(-1), height * width, height * width // 4
        self.data = data
        self.y: Plane = flat[:luma].reshape(height, width)
        self.u: Plane = flat[luma : luma + chroma].reshape(height // 2, width // 2)
        self.v: Plane = flat[luma + chroma :].reshape(height // 2, width // 2)

    @classmethod
    def of_frame(cls, frame: Any) -> Picture:
        """A copy of a decoded frame in the format yuv420p."""
        return cls(np.ascontiguousarray(frame.to_ndarray()))

    @classmethod
    def of_image(cls, image: Image.Image) -> Picture:
        """An RGB picture with even sides."""
        y, u, v = _planes(np.asarray(image.convert("RGB"), np.float32))
        width, height = image.size
        made = cls(np.empty((height * 3 // 2, width), np.uint8))
        made.y[:], made.u[:], made.v[:] = _whole(y), _whole(_halved(u)), _whole(_halved(v))
        return made

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.y.shape[1], self.y.shape[0]

    def frame(self, number: int, time_base: Any) -> av.VideoFrame:
        """An encoder's frame of it, tagged BT.709."""
        made: Any = av.VideoFrame.from_ndarray(self.data, "yuv420p")
        made.pts, made.time_base = number, time_base
        made.colorspace, made.color_primaries, made.color_trc, made.color_range = 1, 1, 1, 1
        return made  # type: ignore[no-any-return]


def mixed(one: Picture, other: Picture, share: float) -> Picture:
    """One picture over another: `share` (0 to 1) of the second and the rest of the first."""
    return Picture(cv2.addWeighted(one.data, 1.0 - share, other.data, share, 0.0).astype(np.uint8, copy=False))


def darkened(picture: Picture, light: float) -> Picture:
    """A picture on its way to black: `light` is 0 for black and 1 for itself."""
    black = np.empty_like(picture.data)
    made = Picture(black)
    made.y[:], made.u[:], made.v[:] = 16, 128, 128
    return mixed(made, picture, light)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Something that is laid over pictures at one place: its own light, and how much of the picture shines through.

    Attributes:
        name: What it is.
        left: Of its place in the picture, in pixels, even.
        top: Of its place, in pixels, even.
        colour: Its planes, already weighed by how solid it is.
        through: How much shines through it, 0 to 255, of luma and of chroma.
        start: First frame that it is seen in.
        end: One after the last.
        rise: Frames in which it comes up.
        fall: Frames in which it goes.
    """

    name: str
    left: int
    top: int
    colour: tuple[Plane, Plane, Plane]
    through: tuple[Plane, Plane]
    start: int
    end: int
    rise: int = 0
    fall: int = 0

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of its place, in pixels."""
        height, width = self.colour[0].shape
        return self.left, self.top, self.left + width, self.top + height

    def opacity(self, number: int) -> float:
        """How much of it is seen in a frame, 0 to 1."""
        if not self.start <= number < self.end:
            return 0.0
        up = (number - self.start + 1) / (self.rise + 1)
        down = (self.end - number) / (self.fall + 1)
        return min(1.0, up, down)

    def lay(self, picture: Picture, number: int) -> None:
        """Lay it over the picture of a frame; nothing happens where it is not seen."""
        opacity = self.opacity(number)
        if not opacity:
            return
        colour, through = _faded(self, round(opacity * 255)) if opacity < 1 else (self.colour, self.through)
        left, top, right, bottom = self.box
        _blend(picture.y[top:bottom, left:right], colour[0], through[0])
        half = np.s_[top // 2 : bottom // 2, left // 2 : right // 2]
        _blend(picture.u[half], colour[1], through[1])
        _blend(picture.v[half], colour[2], through[1])


@functools.lru_cache(maxsize=32)
def _faded(layer: Layer, opacity: int) -> tuple[tuple[Plane, Plane, Plane], tuple[Plane, Plane]]:
    y, u, v = (cv2.convertScaleAbs(plane, alpha=opacity / 255) for plane in layer.colour)
    luma, chroma = (255 - cv2.convertScaleAbs(255 - plane, alpha=opacity / 255) for plane in layer.through)
    return (y, u, v), (luma, chroma)  # type: ignore[return-value]


def _blend(under: Plane, colour: Plane, through: Plane) -> None:
    cv2.add(cv2.multiply(under, through, scale=1 / 255), colour, dst=under)


def layer_of(
    name: str,
    image: Image.Image,
    left: int,
    top: int,
    size: tuple[int, int],
    start: int,
    end: int,
    rise: int = 0,
    fall: int = 0,
) -> Layer:
    """A layer from a picture with alpha.

    Args:
        name: What it is.
        image: The picture.
        left: Where it stands; what would lie outside is cut off, and odd places get clear pixels around.
        top: The same.
        size: Width and height of the pictures that it is laid over.
        start: First frame that it is seen in.
        end: One after the last.
        rise: Frames in which it comes up.
        fall: Frames in which it goes.
    """
    image = image.crop(
        (max(0, -left), max(0, -top), min(image.width, size[0] - left), min(image.height, size[1] - top))
    )
    left, top = max(0, left), max(0, top)
    right, bottom = left + image.width, top + image.height
    even = Image.new("RGBA", (right + right % 2 - left + left % 2, bottom + bottom % 2 - top + top % 2), (0, 0, 0, 0))
    even.paste(image, (left % 2, top % 2))
    pixels = np.asarray(even, np.float32)
    alpha = pixels[..., 3] / 255
    y, u, v = (plane * alpha for plane in _planes(pixels[..., :3]))
    return Layer(
        name=name,
        left=left - left % 2,
        top=top - top % 2,
        colour=(_whole(y), _whole(_halved(u)), _whole(_halved(v))),
        through=(_whole(255 * (1 - alpha)), _whole(255 * (1 - _halved(alpha)))),
        start=start,
        end=end,
        rise=rise,
        fall=fall,
    )


def _planes(pixels: npt.NDArray[np.float32]) -> tuple[npt.NDArray[Any], ...]:
    made = pixels @ (_MATRIX * (_SCALE / 255)[:, None]).T.astype(np.float32) + _OFFSET.astype(np.float32)
    return made[..., 0], made[..., 1], made[..., 2]


def _halved(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Means of two by two."""
    height, width = plane.shape
    return np.asarray(plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))


def _whole(plane: npt.NDArray[Any]) -> Plane:
    return np.ascontiguousarray(np.clip(np.rint(plane), 0, 255).astype(np.uint8))
