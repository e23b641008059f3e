"""Ranged: an object elsewhere, read where it is wanted: a segment of a film costs a segment's bytes, one of many stored
frames a frame's."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import IO, Final

from transforms import media
from transforms.addresses import is_remote
from transforms.attempts import StorageSettings, attempt
from transforms.failures import ElementError
from transforms.listing import Stat, clean, filesystem, path_of, stat

BLOCK: Final = 2 * 2**20
"""Bytes of one request."""

_PICTURES: Final = 256 * 2**10
"""Bytes of one request for pictures: a few of them, or the directory of a ZIP."""

_BLOCKS: Final = 4
"""Blocks in memory: where the pictures are, where the sound beside them is, and the index at the end."""


class RangedFile(media.NamelessFile):
    """An `s3://`, `gs://` or `memory://` object as a file that fetches blocks when they are read.

    Args:
        uri: The object.
        settings: Attempts and waits.

    Raises:
        ElementError: As `storage.stat`; `unreadable` where the storage does not tell its length.
    """

    def __init__(self, uri: str, settings: StorageSettings) -> None:
        uri = clean(uri)
        self.stat: Stat = stat(uri, settings)
        if self.stat.size is None:
            raise ElementError("unreadable", "the storage does not tell how long the object is")
        self.size = self.stat.size
        self.read_bytes = 0
        self._uri, self._settings = uri, settings
        self._files, self._path = filesystem(uri), path_of(uri)
        self._position, self._fd = 0, -1
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def read(self, size: int) -> bytes:
        """At most `size` bytes from where the file stands: what the block there still holds."""
        number, offset = divmod(self._position, BLOCK)
        if self._position >= self.size or size <= 0:
            return b""
        data = self._block(number)[offset : offset + size]
        self._position += len(data)
        return data

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start, end = number * BLOCK, min((number + 1) * BLOCK, self.size)
        data = attempt(lambda: self._files.cat_file(self._path, start=start, end=end), self._uri, self._settings)
        if len(data) != end - start:
            raise ElementError("changed", f"shorter than its announced {self.size} bytes")
        self.read_bytes += len(data)
        self._blocks[number] = bytes(data)
        if len(self._blocks) > _BLOCKS:
            self._blocks.popitem(last=False)
        return self._blocks[number]


@contextlib.contextmanager
def opened(uri: str) -> Iterator[IO[bytes]]:
    """A file for reading, with seeks; a remote one brings only the ranges that are read.

    Raises:
        OSError: Nothing there, no permission, no answer.
    """
    uri = clean(uri)
    if is_remote(uri):
        with filesystem(uri).open(path_of(uri), "rb", block_size=_PICTURES) as file:
            yield file
    else:
        with open(uri, "rb") as file:
            yield file
