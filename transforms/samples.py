"""Samples: the pictures kept of a video, packed in one file, never an object a frame.

A plain ZIP without compression, so that one range read gets one picture: `frames/<pts>.jpg` in the order of time,
upright, sample aspect ignored, with `index.json` saying why each was kept. The same pictures give the same bytes,
however they came: entries have a fixed date, order and mode.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

WHY: Final = ("sample", "scene_start", "scene_end")
"""Reasons to keep a frame: the least-moving of a tick of the sampling rate, first and last of a local scene."""


def write_entry(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add an entry that depends on its name and bytes alone."""
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system, info.external_attr = 3, 0o100644 << 16
    archive.writestr(info, data)


@dataclass(frozen=True)
class FrameEntry:
    """One sampled frame.

    Attributes:
        pts: Its PTS.
        why: Why it was kept, any of `WHY`, in that order.
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
    """Writes `samples.zip`; pictures wait until no earlier one can come."""

    def __init__(self, path: str | Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._why: dict[int, set[str]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._waiting: dict[int, bytes] = {}

    def has(self, pts: int) -> bool:
        """Whether the frame of this PTS is in."""
        return pts in self._sizes

    def add(self, pts: int, jpeg: bytes, width: int, height: int) -> None:
        """Add a frame that is not in yet; say why with `note`."""
        self._why[pts], self._sizes[pts], self._waiting[pts] = set(), (width, height), jpeg

    def note(self, pts: int, *why: str) -> None:
        """Say why the frame of this PTS, which is in, was kept."""
        self._why[pts].update(why)

    def settle(self, before: int | None = None) -> None:
        """No frame with a PTS under `before` comes any more (None: none at all): write those that wait."""
        for pts in sorted(p for p in self._waiting if before is None or p < before):
            write_entry(self._zip, frame_name(pts), self._waiting.pop(pts))

    def close(self) -> None:
        """Write what waits and the index, and finish the file."""
        self.settle()
        frames = [
            {"pts": pts, "why": [w for w in WHY if w in why], "width": size[0], "height": size[1]}
            for pts, (why, size) in sorted((p, (w, self._sizes[p])) for p, w in self._why.items())
        ]
        write_entry(self._zip, "index.json", json.dumps({"frames": frames}, separators=(",", ":")).encode())
        self._zip.close()


class Samples:
    """Reads `samples.zip`, from a path or its bytes. To be used in a `with` statement."""

    def __init__(self, source: str | Path | bytes | IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source)
        index = json.loads(self._zip.read("index.json"))
        self.frames = [FrameEntry(f["pts"], tuple(f["why"]), f["width"], f["height"]) for f in index["frames"]]

    def jpeg(self, pts: int) -> bytes:
        """The JPEG of a sampled frame. Raises KeyError when that frame was not kept."""
        return self._zip.read(frame_name(pts))

    def __enter__(self) -> Samples:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()
