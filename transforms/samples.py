"""Samples: the pictures kept of a video, packed in one file, never an object a frame.

A plain ZIP without compression, so that one range read gets one picture. It holds

- `frames/<pts>.jpg`: sampled frames, upright, sample aspect ignored, with `index.json` saying why each was kept;
- `thumbnails/<chunk>.zst`: one 48x27 RGB picture a frame shown, as decoded (not rotated), 256 frames a chunk: the bytes
  of an array (frames, 27, 48, 3), compressed with Zstandard.

The same pictures give the same bytes: entries have a fixed date, order and mode.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

THUMBNAIL_WIDTH: Final = 48
THUMBNAIL_HEIGHT: Final = 27
"""The size TransNetV2 looks at (Soucek and Lokoc 2020)."""

CHUNK: Final = 256
"""Frames a chunk of thumbnails: about 1 MB when opened."""

_THUMBNAIL_BYTES: Final = THUMBNAIL_WIDTH * THUMBNAIL_HEIGHT * 3
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class FrameEntry:
    """One sampled frame.

    Attributes:
        pts: Its PTS.
        why: Why it was kept, any of `sample` (a tick of the sampling rate), `scene_start`, `scene_end`.
        width: Width of the JPEG, pixels.
        height: Height of the JPEG, pixels.
    """

    pts: int
    why: tuple[str, ...]
    width: int
    height: int


def frame_name(pts: int) -> str:
    """The entry of a sampled frame, zero-padded: `frames/00000000000000012800.jpg`."""
    return f"frames/{pts:020d}.jpg"


class SamplesWriter:
    """Writes `samples.zip` as pictures come; holds no picture, only the list of those written."""

    def __init__(self, path: str | Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._codec = pa.Codec("zstd", compression_level=1)
        self._frames: dict[int, tuple[list[str], int, int]] = {}
        self._chunks = 0
        self._thumbnails = 0

    def _write(self, name: str, data: bytes) -> None:
        info = zipfile.ZipInfo(name, _EPOCH)
        info.create_system, info.external_attr = 3, 0o100644 << 16
        self._zip.writestr(info, data)

    def has(self, pts: int) -> bool:
        """Whether the frame of this PTS is in."""
        return pts in self._frames

    def add_frame(self, pts: int, jpeg: bytes, width: int, height: int) -> None:
        """Add a frame that is not in yet; say why with `note`."""
        self._frames[pts] = ([], width, height)
        self._write(frame_name(pts), jpeg)

    def note(self, pts: int, why: str) -> None:
        """Say why the frame of this PTS, which is in, was kept."""
        self._frames[pts][0].append(why)

    def add_thumbnails(self, thumbnails: npt.NDArray[np.uint8]) -> None:
        """Add a chunk, (frames, 27, 48, 3) RGB; all but the last hold `CHUNK` frames."""
        data = self._codec.compress(np.ascontiguousarray(thumbnails), asbytes=True)
        self._write(f"thumbnails/{self._chunks:06d}.zst", data)
        self._chunks += 1
        self._thumbnails += len(thumbnails)

    def close(self) -> None:
        """Write the index and finish the file."""
        frames = [
            {"pts": pts, "why": why, "width": width, "height": height}
            for pts, (why, width, height) in sorted(self._frames.items())
        ]
        self._write(
            "index.json", json.dumps({"frames": frames, "thumbnails": self._thumbnails}, separators=(",", ":")).encode()
        )
        self._zip.close()


class Samples:
    """Reads `samples.zip`, from a path or its bytes. To be used in a `with` statement."""

    def __init__(self, source: str | Path | bytes) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
        index = json.loads(self._zip.read("index.json"))
        self.frames = [FrameEntry(f["pts"], tuple(f["why"]), f["width"], f["height"]) for f in index["frames"]]
        self.thumbnail_count: int = index["thumbnails"]

    def jpeg(self, pts: int) -> bytes:
        """The JPEG of a sampled frame. Raises KeyError when that frame was not kept."""
        return self._zip.read(frame_name(pts))

    def thumbnails(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.uint8]:
        """Thumbnails of the frames `start` to before `stop`, (frames, 27, 48, 3) RGB; only their chunks are read."""
        stop = self.thumbnail_count if stop is None else min(stop, self.thumbnail_count)
        if start >= stop:
            return np.empty((0, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH, 3), np.uint8)
        first, last = start // CHUNK, (stop - 1) // CHUNK
        chunks = np.concatenate([self._chunk(number) for number in range(first, last + 1)])
        return chunks[start - first * CHUNK : stop - first * CHUNK]

    def _chunk(self, number: int) -> npt.NDArray[np.uint8]:
        count = min(CHUNK, self.thumbnail_count - number * CHUNK)
        data = pa.decompress(
            self._zip.read(f"thumbnails/{number:06d}.zst"), count * _THUMBNAIL_BYTES, "zstd", asbytes=True
        )
        return np.frombuffer(data, np.uint8).reshape(count, THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH, 3)

    def __enter__(self) -> Samples:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
