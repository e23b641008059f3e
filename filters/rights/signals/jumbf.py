"""JUMBF (ISO/IEC 19566-5): a look at C2PA manifests before the library reads them, which takes their lengths on trust.

A byte string inside that claims gigabytes has the library reserve and clear them: seconds and all of a machine's memory
for a file of a few kilobytes. So every length of boxes and CBOR items (RFC 8949) is held against what is there first,
in MP4, QuickTime, RIFF, JPEG and PNG; the reading of other kinds is bounded by its process alone (`--time-limit`,
`--memory-limit-mb`).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator
from typing import IO, Final

from filters.rights.signals import boxes
from filters.rights.signals.boxes import BrokenBoxes

C2PA_UUID: Final = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""The `uuid` box of manifests (C2PA 2.2, A.5.1)."""

MOST_BYTES: Final = 64 * 2**20
"""Most bytes of all manifests of a file: they hold thumbnails, of ingredients too."""

MOST_ITEMS: Final = 200_000
"""Most boxes and CBOR items in them."""

_DEEPEST: Final = 64
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def check(file: IO[bytes]) -> None:
    """Hold every length in the manifests of a file against what is there.

    Raises:
        BrokenBoxes: One claims more, or there is too much of it.
        OSError: As the file raises it.
    """
    left = [MOST_BYTES, MOST_ITEMS]
    for store in _stores(file, left):
        at = store.find(b"jumb") - 4
        if at >= 0:
            _walk(store, at, len(store), 0, left)


def _stores(file: IO[bytes], left: list[int]) -> Iterator[bytes]:
    file.seek(0)
    head = file.read(8)
    if boxes.is_boxed(file):
        yield from _of_boxes(file, left)
    elif head[:4] == b"RIFF":
        yield from _of_chunks(file, left, "<4sI", 12, b"C2PA", 0)
    elif head == _PNG:
        yield from _of_chunks(file, left, ">I4s", 8, b"caBX", 4)
    elif head[:2] == b"\xff\xd8":
        yield from _of_jpeg(file, left)


def _take(file: IO[bytes], size: int, left: list[int]) -> bytes:
    left[0] -= size
    if left[0] < 0:
        raise BrokenBoxes(f"manifests of over {MOST_BYTES >> 20} MiB")
    return file.read(size)


def _end(file: IO[bytes]) -> int:
    return file.seek(0, 2)


def _of_boxes(file: IO[bytes], left: list[int]) -> Iterator[bytes]:
    at, end = 0, _end(file)
    for _ in range(boxes.MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        body = at + 8
        if size == 1:
            size, body = int.from_bytes(file.read(8), "big"), at + 16
        elif size == 0:
            size = end - at
        if size < body - at or at + size > end:
            if not name.isalnum():
                return  # Bytes after the last box are no box.
            raise BrokenBoxes(f"box {name!r} of {size} bytes at {at} does not fit")
        if name == b"uuid" and file.read(16) == C2PA_UUID:
            yield _take(file, max(0, at + size - body - 16), left)
        at += size
    raise BrokenBoxes(f"more than {boxes.MOST_BOXES} boxes")


def _of_chunks(file: IO[bytes], left: list[int], head: str, at: int, wanted: bytes, checksum: int) -> Iterator[bytes]:
    """Chunks of RIFF (padded to even lengths) and PNG (with a checksum)."""
    end = _end(file)
    for _ in range(boxes.MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        said = struct.unpack(head, file.read(8))
        name, size = said if isinstance(said[0], bytes) else said[::-1]
        if name == wanted:
            if at + 8 + size > end:
                raise BrokenBoxes(f"chunk {name!r} of {size} bytes does not fit")
            yield _take(file, size, left)
        at += 12 if name == b"RIFF" else 8 + size + (checksum or size % 2)
    raise BrokenBoxes(f"more than {boxes.MOST_BOXES} chunks")


def _of_jpeg(file: IO[bytes], left: list[int]) -> Iterator[bytes]:
    """Segments APP11, of which those that go on with a box repeat its head (ISO/IEC 19566-5, D.2)."""
    at, end, store = 2, _end(file), bytearray()
    for number in itertools.count():
        if at + 4 > end:
            break
        if number > boxes.MOST_BOXES:
            raise BrokenBoxes(f"more than {boxes.MOST_BOXES} segments")
        file.seek(at)
        mark, kind, size = struct.unpack(">BBH", file.read(4))
        if mark != 0xFF or kind == 0xDA:
            break
        if kind == 0xEB and size >= 18:
            said = _take(file, size - 2, left)
            if said[:2] == b"JP" and int.from_bytes(said[4:8], "big") > 1:
                store += said[16:]
            elif said[:2] == b"JP":
                yield bytes(store)
                store = bytearray(said[8:])
        at += 1 if kind == 0xFF else 2 + size  # A mark may be preceded by any number of 0xFF.
    yield bytes(store)


def _walk(data: bytes, at: int, end: int, deep: int, left: list[int]) -> None:
    while at + 8 <= end:
        left[1] -= 1
        if left[1] < 0 or deep > _DEEPEST:
            raise BrokenBoxes("too many boxes in a manifest")
        size, name = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if size == 1:
            size, body = int.from_bytes(data[body : body + 8], "big"), at + 16
        elif size == 0:
            size = end - at
        if deep == 0 and name != b"jumb":
            return  # What follows the manifests, such as padding.
        if size < body - at or at + size > end:
            raise BrokenBoxes(f"box {name!r} in a manifest claims {size} bytes where {end - at} are")
        if name == b"jumb":
            _walk(data, body, at + size, deep + 1, left)
        elif name == b"cbor":
            _check_cbor(data, body, at + size, left)
        at += size


def _check_cbor(data: bytes, at: int, end: int, left: list[int]) -> None:
    """One CBOR item with all in it: no length over what is left, no nesting without end."""
    open_items = [1]  # still to come at each level; -1: until a break
    for count in itertools.count():
        while open_items and open_items[-1] == 0:
            open_items.pop()
        if not open_items:
            left[1] -= count
            return
        if at >= end or count > left[1] or len(open_items) > 2 * _DEEPEST:
            raise BrokenBoxes("data in a manifest is cut, too much, or nested too deep")
        head, at = data[at], at + 1
        if head == 0xFF:
            if open_items.pop() >= 0:
                raise BrokenBoxes("data in a manifest ends before it is whole")
            continue
        open_items[-1] -= open_items[-1] > 0
        major, value = head >> 5, head & 31
        if value == 31 and 2 <= major <= 5:
            open_items.append(-1)
            continue
        if value > 23:
            if value > 27:
                raise BrokenBoxes("data in a manifest is no CBOR")
            width = 1 << (value - 24)
            value, at = int.from_bytes(data[at : at + width], "big"), at + width
        value *= 2 if major == 5 else 1  # A map has keys too; an item takes a byte at least.
        if at > end or (2 <= major <= 5 and value > end - at):
            raise BrokenBoxes(f"data in a manifest claims {value} where {max(0, end - at)} bytes are left")
        if major in (2, 3):
            at += value
        elif major in (4, 5):
            open_items.append(value)
        elif major == 6:
            open_items.append(1)
