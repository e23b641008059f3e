"""Stored: what reading the store for a page may raise, and how the page says it."""

from __future__ import annotations

import zipfile
from typing import Final

import pyarrow as pa
from deltalake.exceptions import DeltaError

from transforms.failures import ElementError
from transforms.settings import ConfigError

FAULTS: Final = (ElementError, ConfigError, OSError, KeyError, zipfile.BadZipFile, pa.ArrowException, DeltaError)
"""What reading a table or the store may raise: the page then says what is absent, and why."""


def why(error: BaseException) -> str:
    """An exception of `FAULTS` in a line for a reader."""
    return " ".join(str(error).split())[:300] or type(error).__name__
