"""Compiled files: arrays in one file that is checked once and then read where it lies.

Every process of a machine that opens the file shares its pages. It holds the SHA-256 of its content, so a file that was
cut, damaged or made by another program is an error and never a list without entries.

    16 bytes   `rushes compiled`
    32 bytes   SHA-256 of everything below
     8 bytes   length of the header, little-endian
    header     JSON: what the maker says, and where each section lies
    sections   each on a multiple of 64 bytes
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from filters.rights.registry import RegistryError
from transforms.store import canonical

_MAGIC: Final = b"rushes compiled\n"
_START: Final = len(_MAGIC) + 32
_ALIGN: Final = 64


class Compiled(NamedTuple):
    """An open compiled file.

    Attributes:
        header: What its maker said.
        sections: Its arrays by name, as bytes that are not copied.
    """

    header: dict[str, Any]
    sections: dict[str, memoryview]


def pack(header: Mapping[str, Any], sections: Mapping[str, bytes]) -> bytes:
    """The bytes of a file: the same for the same content."""
    places, at = {}, 0
    for name, data in sections.items():
        places[name] = [at, len(data)]
        at += -(-len(data) // _ALIGN) * _ALIGN
    head = canonical({**header, "sections": places}).encode()
    head += b" " * (-(_START + 8 + len(head)) % _ALIGN)
    parts = [len(head).to_bytes(8, "little"), head]
    for data in sections.values():
        parts += [data, bytes(-len(data) % _ALIGN)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([_MAGIC, digest.digest(), *parts])


def opened(path: str | os.PathLike[str]) -> Compiled:
    """Open a file that lies on this machine.

    Raises:
        RegistryError: It is not there, not whole, or no such file.
    """
    try:
        with open(path, "rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:  # An empty file cannot be mapped.
        raise RegistryError(f"{os.fspath(path)}: cannot be read ({error}); compile it again") from error
    whole = (
        bytes(data[: len(_MAGIC)]) == _MAGIC and hashlib.sha256(data[_START:]).digest() == data[len(_MAGIC) : _START]
    )
    if not whole:
        raise RegistryError(f"{os.fspath(path)}: damaged, or no compiled file; delete it and compile it again")
    length = int.from_bytes(data[_START : _START + 8], "little")
    first = _START + 8 + length
    header = json.loads(bytes(data[_START + 8 : first]))
    places = header.pop("sections")
    return Compiled(header, {name: data[first + at : first + at + size] for name, (at, size) in places.items()})
