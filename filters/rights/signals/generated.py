"""Generated lists: SHA-256 of assets that this or another program generated, so that they are known as footage again.

A list is held as 32 bytes an entry and read again when it has changed, so that what is added is heard by a process that
lives on. A web server that tells neither tag, date nor length of a list is believed that it stays the same. One with a
row that cannot be understood is refused whole: an asset that is missing for a slip would be trained on.
"""

from __future__ import annotations

import functools
import re
import tempfile
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.rights.signals.origin import GENERATED
from filters.rights.signals.signal import NOTHING, Signal, Spot
from transforms import addresses, storage
from transforms.failures import ElementError
from transforms.lists import LISTS, Row, rows
from transforms.settings import ConfigError
from transforms.storage import Stat, StorageSettings

NAME: Final = "generated list"

COLUMNS: Final = ("sha256", "video_id")
"""Columns of a table that hold what is listed; every cell of them that is filled counts."""

_SHA256: Final = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})(?:\s.*)?", re.DOTALL)

Hashes = npt.NDArray[np.bytes_]


def load(uri: str, access: StorageSettings) -> Hashes:
    """Every SHA-256 of a list, sorted.

    Args:
        uri: Text (one a line, as `sha256sum` writes it), or CSV, TSV, JSON Lines or Parquet with a column of `COLUMNS`.
        access: How it is fetched.

    Raises:
        ConfigError: It cannot be read, or a row holds no SHA-256.
    """
    shown, kind = addresses.redact(uri), addresses.extension(uri)
    if kind not in LISTS:
        raise ConfigError(f"--generated {shown}: no list; end its name in .{', .'.join(LISTS)}")
    try:
        return _read(uri, access, storage.stat(addresses.normalise(uri), access))
    except (ElementError, OSError, ValueError, pa.ArrowException) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"--generated {shown}: cannot be read as a list ({error})") from error


@functools.lru_cache(2)
def _read(uri: str, access: StorageSettings, _stamp: Stat) -> Hashes:
    shown, kind = addresses.redact(uri), addresses.extension(uri)
    with (
        tempfile.TemporaryDirectory(prefix="rushes-generated-") as folder,
        storage.stage(addresses.normalise(uri), folder, access) as staged,
    ):
        held = b"".join(_hashes(staged.path, kind, shown))
    return np.sort(np.frombuffer(held, "S32"))


def of_bytes(video_id: str, about: str, uri: str, access: StorageSettings, at: datetime) -> list[Signal]:
    """The signal of a video that a list names; of one that it does not name, none.

    Args:
        video_id: SHA-256 of its bytes.
        about: Its source.
        uri: The list.
        access: How the list is fetched.
        at: When this is asked, UTC.

    Raises:
        ConfigError: As `load`.
    """
    # Arrays of bytes lose the zeros at their end: so must what is looked for.
    listed, wanted = load(uri, access), np.frombuffer(bytes.fromhex(video_id), "S32")[0]
    place = int(np.searchsorted(listed, wanted))
    if place == len(listed) or listed[place] != wanted:
        return []
    return [Spot(NAME, "file", about, uri, at).signal(NOTHING, "lists these bytes as generated", video_id, GENERATED)]


def _hashes(path: str, kind: str, shown: str) -> Iterator[bytes]:
    for number, row in _rows(path, kind, shown):
        if isinstance(row, str):
            raise ConfigError(f"--generated {shown}: row {number}: no SHA-256 ({row[:80]})")
        filled = [(name, row[name]) for name in COLUMNS if row.get(name)]
        for name, cell in filled or [(COLUMNS[0], None)]:
            said = _SHA256.fullmatch(str(cell).strip())
            if said is None:
                raise ConfigError(f"--generated {shown}: row {number}: no SHA-256 ({str(cell)[:80]!r}) under {name}")
            yield bytes.fromhex(said[1])


def _rows(path: str, kind: str, shown: str) -> Iterator[tuple[int, Row]]:
    for name in COLUMNS:
        try:
            yield from rows(path, kind, name, shown)
        except ConfigError:  # A table without the column says so before its first row.
            continue
        return
    raise ConfigError(f"--generated {shown}: no column {' or '.join(COLUMNS)}")
