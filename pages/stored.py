"""Stored: files of the store opened for reading where they lie, on this machine or elsewhere, a range at a time."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from typing import IO, Final

import pyarrow as pa
from deltalake.exceptions import DeltaError

from transforms.failures import ElementError
from transforms.listing import clean, filesystem, path_of
from transforms.settings import ConfigError
from transforms.storage import is_remote

_BLOCK: Final = 256 * 2**10
"""Bytes of one remote request: a few pictures and the directory of a ZIP."""

FAULTS: Final = (ElementError, ConfigError, OSError, KeyError, zipfile.BadZipFile, pa.ArrowException, DeltaError)
"""What reading a table or the store may raise: the page then says what is absent, and why."""


@contextlib.contextmanager
def opened(uri: str) -> Iterator[IO[bytes]]:
    """A file for reading, with seeks; a remote one brings only the ranges that are read.

    Raises:
        OSError: Nothing there, no permission, no answer.
    """
    uri = clean(uri)
    if is_remote(uri):
        with filesystem(uri).open(path_of(uri), "rb", block_size=_BLOCK) as file:
            yield file
    else:
        with open(uri, "rb") as file:
            yield file


def why(error: BaseException) -> str:
    """An exception of `FAULTS` in a line for a reader."""
    return " ".join(str(error).split())[:300] or type(error).__name__
