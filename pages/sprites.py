"""Sprites: many small pictures of a video on one sheet, so that a page can scrub through it without the video."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from pages.contact import LARGEST_JPEG, as_uri
from pages.stored import FAULTS, why
from transforms import storage
from transforms.ranged import opened
from transforms.samples import Samples
from transforms.thumbnails import CHUNK, HEIGHT, WIDTH, Thumbnails

Frames = npt.NDArray[np.int64]

_PICTURES: Final = 720
"""Thumbnails spread evenly over a video, and about as many again around its cuts."""
_CUTS_SHOWN: Final = 120
"""Cuts with thumbnails of the frames around them."""
_AROUND: Final = (-3, -2, -1, 0, 1, 2)
"""Frames around a cut that have a thumbnail, from the first frame after it."""
_COLUMNS: Final = 40

_SAMPLES: Final = 144
"""Sampled frames of a video, larger than thumbnails, spread evenly."""
_SAMPLE_SIDE: Final = 240
_SAMPLE_COLUMNS: Final = 12
_QUALITY: Final = 60


def wanted(frames: int, edges: Sequence[Mapping[str, Any]]) -> Frames:
    """Frames that have a thumbnail, in order: some evenly spread, and those around cuts.

    Args:
        frames: Frames of the video.
        edges: Its cuts: `from` and `to`, frames.
    """
    step = max(1, math.ceil(frames / _PICTURES))
    some = edges if len(edges) <= _CUTS_SHOWN else [edges[k * len(edges) // _CUTS_SHOWN] for k in range(_CUTS_SHOWN)]
    near = {at + k for edge in some for at in (edge["from"], edge["to"]) for k in _AROUND}
    return np.array(sorted({*range(0, frames, step), *(f for f in near if 0 <= f < frames)}), np.int64)


def _sheet(pictures: npt.NDArray[np.uint8], frames: Frames, columns: int) -> dict[str, Any]:
    """Pictures of one size on a sheet, row by row: its data URI, the frame of each, columns, and the size of a cell."""
    count, height, width, _ = pictures.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height, width, 3), np.uint8)
    cells[:count] = pictures
    sheet = cells.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    uri = as_uri(Image.fromarray(sheet), _QUALITY)
    return {"uri": uri, "frames": frames.tolist(), "columns": columns, "width": width, "height": height}


def thumbnail_sheet(folder: str, frames: Frames, rotation: int) -> tuple[dict[str, Any] | None, str]:
    """Stored thumbnails of some frames, upright, as one sheet; None, and why, where there are none.

    Args:
        folder: What measuring stored of the video.
        frames: Frames, in order.
        rotation: Clockwise turn that shows them upright: 0, 90, 180, 270.
    """
    try:
        with opened(storage.join(folder, "thumbnails.zip")) as file, Thumbnails(file) as thumbnails:
            frames = frames[frames < thumbnails.count]
            found = np.empty((len(frames), HEIGHT, WIDTH, 3), np.uint8)
            for chunk in np.unique(frames // CHUNK):
                here = np.flatnonzero(frames // CHUNK == chunk)
                first = int(frames[here[0]])
                found[here] = thumbnails.read(first, int(frames[here[-1]]) + 1)[frames[here] - first]
    except FAULTS as error:
        return None, why(error)
    if not len(frames):
        return None, "the file of thumbnails is empty"
    return _sheet(np.rot90(found, -(rotation // 90) % 4, axes=(1, 2)), frames, _COLUMNS), ""


def sample_sheet(folder: str, pts: npt.NDArray[np.int64]) -> dict[str, Any] | None:
    """Stored sampled frames, evenly spread, as one sheet; None where there are none.

    Args:
        folder: What measuring stored of the video.
        pts: PTS of its frames, increasing.
    """
    try:
        with opened(storage.join(folder, "samples.zip")) as file, Samples(file) as samples:
            entries = samples.frames
            chosen = [entries[k] for k in sorted({k * len(entries) // _SAMPLES for k in range(_SAMPLES)})]
            found = [_opened(samples.jpeg(entry.pts)) for entry in chosen]
    except (*FAULTS, IndexError):
        return None
    width, height = found[0].size
    scale = min(1.0, _SAMPLE_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    pictures = np.stack([np.asarray(one.resize(size, Image.Resampling.BILINEAR)) for one in found])
    frames = np.searchsorted(pts, [entry.pts for entry in chosen])
    return _sheet(pictures, np.asarray(frames, np.int64), _SAMPLE_COLUMNS)


def _opened(jpeg: bytes) -> Image.Image:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        if picture.width * picture.height > LARGEST_JPEG:
            raise OSError(f"a stored frame of {picture.width}x{picture.height}")
        picture.draft("RGB", (_SAMPLE_SIDE, _SAMPLE_SIDE))
        return picture.convert("RGB")
