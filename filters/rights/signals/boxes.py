"""Boxes: the XMP packets of a media file, found by walking its boxes (ISO/IEC 14496-12) or chunks (RIFF).

Only headers are read, and payloads that are XMP; the walk is bounded in boxes, depth and bytes, whatever lengths the
file claims. XMP lies in a `uuid` box at the top, beside the tracks or in user data, or in `XMP_` of the user data
(QuickTime); in RIFF (AVI, WAVE, WebP) in a chunk `_PMX` or `XMP `.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO, Final

XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
"""The `uuid` box of XMP (XMP Specification Part 3, 2020)."""

MOST_BOXES: Final = 200_000
"""Most boxes of a file: four for each fragment of a streamed film, of which there may be one a second."""

MOST_PACKET: Final = 4 * 2**20
"""Most bytes of one packet."""

MOST_PACKETS: Final = 64

_INSIDE: Final = {b"": {b"moov", b"moof"}, b"moov": {b"udta", b"trak"}, b"trak": {b"udta"}}
_FIRST: Final = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"uuid", b"pnot", b"moof"})


class BrokenBoxes(ValueError):
    """The boxes of a file cannot be walked to their end."""


def is_boxed(file: IO[bytes]) -> bool:
    """Whether a file begins as MP4 and QuickTime files do."""
    file.seek(0)
    head = file.read(8)
    return len(head) == 8 and head[4:] in _FIRST


def is_riff(file: IO[bytes]) -> bool:
    """Whether a file is RIFF (AVI, WAVE, WebP)."""
    file.seek(0)
    return file.read(4) == b"RIFF"


def packets(file: IO[bytes]) -> Iterator[bytes]:
    """Every XMP packet of an MP4 or QuickTime file, in the order of the file.

    Raises:
        BrokenBoxes: A box claims more than there is, or there are too many, too long ones.
        OSError: As the file raises it.
    """
    file.seek(0, 2)
    left = [MOST_BOXES, MOST_PACKETS]
    yield from _walk(file, 0, file.tell(), b"", left)


def riff_packets(file: IO[bytes]) -> Iterator[bytes]:
    """Every XMP packet of a RIFF file.

    Raises:
        BrokenBoxes: As `packets`.
        OSError: As the file raises it.
    """
    file.seek(0, 2)
    end, at = file.tell(), 0
    found = 0
    for _ in range(MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        name, size = struct.unpack("<4sI", file.read(8))
        if name == b"RIFF":
            at += 12  # AVI files beyond 1 GB are several of them in a row.
            continue
        if name in (b"_PMX", b"XMP "):
            found += 1
            yield _payload(file, min(size, end - at - 8) if at + 8 + size <= end else -1, found <= MOST_PACKETS)
        at += 8 + size + size % 2
    raise BrokenBoxes(f"more than {MOST_BOXES} chunks")


def _walk(file: IO[bytes], at: int, end: int, parent: bytes, left: list[int]) -> Iterator[bytes]:
    while at + 8 <= end:
        left[0] -= 1
        if left[0] < 0:
            raise BrokenBoxes(f"more than {MOST_BOXES} boxes")
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        if parent == b"udta" and size == 0:
            return  # QuickTime ends user data with 32 zero bits.
        body = at + 8
        if size == 1:
            size, body = int.from_bytes(file.read(8), "big"), at + 16
        elif size == 0:
            size = end - at
        if size < body - at or at + size > end:
            if parent == b"" and name not in _FIRST and not name.isalnum():
                return  # Bytes after the last box are no box.
            raise BrokenBoxes(f"box {name!r} of {size} bytes at {at} does not fit")
        if name == b"uuid" and at + size >= body + 16:
            file.seek(body)
            if file.read(16) == XMP_UUID:
                left[1] -= 1
                yield _payload(file, at + size - body - 16, left[1] >= 0)
        elif name == b"XMP_" and parent == b"udta":
            left[1] -= 1
            file.seek(body)
            yield _payload(file, at + size - body, left[1] >= 0)
        elif name in _INSIDE.get(parent, ()):
            yield from _walk(file, body, at + size, name, left)
        at += size


def _payload(file: IO[bytes], size: int, may: bool) -> bytes:
    if not may:
        raise BrokenBoxes(f"more than {MOST_PACKETS} XMP packets")
    if size < 0 or size > MOST_PACKET:
        raise BrokenBoxes("an XMP packet is cut or over 4 MiB")
    return file.read(size)
