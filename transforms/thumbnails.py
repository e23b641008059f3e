"""Thumbnails: one 48x27 RGB picture of every frame shown, for detectors that look at pictures.

`thumbnails.zip` holds `000000.zst`, `000001.zst`, ...: 256 frames each, as decoded (not rotated), the bytes of an array
(frames, 27, 48, 3) compressed with Zstandard. The ZIP itself is not compressed, so one range read gets one chunk. The
same pictures give the same bytes, however they came.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.samples import write_entry

WIDTH: Final = 48
HEIGHT: Final = 27
"""The size TransNetV2 looks at (Soucek and Lokoc 2020)."""

CHUNK: Final = 256
"""Frames a chunk: about 1 MB when opened."""

_BYTES: Final = WIDTH * HEIGHT * 3


class ThumbnailsWriter:
    """Writes `thumbnails.zip` as pictures come; holds at most a chunk."""

    def __init__(self, path: str | Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._codec = pa.Codec("zstd", compression_level=1)
        self._waiting = np.empty((0, HEIGHT, WIDTH, 3), np.uint8)
        self._count = 0

    def add(self, thumbnails: npt.NDArray[np.uint8]) -> None:
        """Add the next pictures, (frames, 27, 48, 3) RGB."""
        self._waiting = np.concatenate([self._waiting, thumbnails]) if len(self._waiting) else thumbnails
        while len(self._waiting) >= CHUNK:
            self._write(self._waiting[:CHUNK])
            self._waiting = self._waiting[CHUNK:]

    def _write(self, chunk: npt.NDArray[np.uint8]) -> None:
        data = self._codec.compress(np.ascontiguousarray(chunk), asbytes=True)
        write_entry(self._zip, f"{self._count // CHUNK:06d}.zst", data)
        self._count += len(chunk)

    def close(self) -> None:
        """Write what waits and finish the file."""
        if len(self._waiting):
            self._write(self._waiting)
        write_entry(self._zip, "index.json", json.dumps({"frames": self._count}).encode())
        self._zip.close()


class Thumbnails:
    """Reads `thumbnails.zip`, from a path or its bytes. To be used in a `with` statement."""

    def __init__(self, source: str | Path | bytes | IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
        self.count: int = json.loads(self._zip.read("index.json"))["frames"]

    def read(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.uint8]:
        """Thumbnails of the frames `start` to before `stop`, (frames, 27, 48, 3) RGB; only their chunks are read."""
        stop = self.count if stop is None else min(stop, self.count)
        if start >= stop:
            return np.empty((0, HEIGHT, WIDTH, 3), np.uint8)
        first, last = start // CHUNK, (stop - 1) // CHUNK
        chunks = np.concatenate([self._chunk(number) for number in range(first, last + 1)])
        return chunks[start - first * CHUNK : stop - first * CHUNK]

    def _chunk(self, number: int) -> npt.NDArray[np.uint8]:
        count = min(CHUNK, self.count - number * CHUNK)
        data = pa.decompress(self._zip.read(f"{number:06d}.zst"), count * _BYTES, "zstd", asbytes=True)
        return np.frombuffer(data, np.uint8).reshape(count, HEIGHT, WIDTH, 3)

    def __enter__(self) -> Thumbnails:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
