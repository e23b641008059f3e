"""Boxes: the outermost ones of an MP4 file."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple


class Box(NamedTuple):
    """A box: its name, and the byte behind it as its length says."""

    name: str
    end: int


def boxes(path: Path) -> list[Box]:
    """The outermost boxes in order, up to what is none.

    Each begins with its length and its name, 4 bytes each; a length of 1 is followed by one of 8 bytes, and 0 means to
    the end (ISO/IEC 14496-12, 4.2).
    """
    found: list[Box] = []
    at, size = 0, path.stat().st_size
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, name = struct.unpack_from(">I4s", head)
            length = int.from_bytes(head[8:], "big") if length == 1 else length or size - at
            if length < 8:
                break
            at += length
            found.append(Box(name.decode("latin-1"), at))
    return found
