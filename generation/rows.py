"""Rows: combinations of a campaign's matrix from a CSV or Parquet file, each with the line it stands in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from transforms import storage
from transforms.failures import ElementError
from transforms.settings import ConfigError

MOST: Final = 2_000_000
"""Rows that a file may have: a plan is made in memory."""

Row = dict[str, str]


def read_rows(uri: str, name: str = "") -> list[tuple[int, Row]]:
    """Rows of a file as text, in order, each with its line (CSV) or number (Parquet), from 1.

    Every row has all columns, an empty cell is an empty text. Lines that are empty are passed over.

    Args:
        uri: Where it is; `.parquet` is Parquet, anything else CSV in UTF-8, separated by commas, semicolons or tabs.
        name: What it is called in messages; empty: by its uri.

    Raises:
        ConfigError: It cannot be read, a column stands twice or has no name, or a row has too many or too few cells.
    """
    name = name or storage.redact(uri)
    try:
        data = storage.read_bytes(uri)
    except ElementError as error:
        raise ConfigError(f"{name}: {error.message}") from None
    found = list(_parquet(name, data) if uri.lower().endswith(".parquet") else _csv(name, data))
    if not found:
        raise ConfigError(f"{name}: it has no rows")
    if len(found) > MOST:
        raise ConfigError(f"{name}: {len(found):,} rows; at most {MOST:,} are planned at once: split the file")
    return found


def _csv(name: str, data: bytes) -> Iterable[tuple[int, Row]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{name}:{line}: letters that are no UTF-8: save the file as UTF-8") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = _columns(name, next(reader, []))
        begins = reader.line_num + 1
        for cells in reader:
            line, begins = begins, reader.line_num + 1  # A quoted cell may span lines: a row is where it begins.
            if not cells or not any(cells):
                continue
            if len(cells) != len(columns):
                raise ConfigError(f"{name}:{line}: {len(cells)} cells, but {len(columns)} columns")
            yield line, {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    except csv.Error as error:
        raise ConfigError(f"{name}:{reader.line_num}: {error}") from None


def _parquet(name: str, data: bytes) -> Iterable[tuple[int, Row]]:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{name}: it is no Parquet: {str(error).splitlines()[0]}") from None
    columns = _columns(name, table.column_names)
    for number, values in enumerate(table.to_pylist(), 1):
        yield number, {column: _text(values[given]) for column, given in zip(columns, table.column_names, strict=True)}


def _columns(name: str, given: Iterable[str]) -> list[str]:
    columns = [column.strip() for column in given]
    if not columns or not all(columns):
        raise ConfigError(f"{name}:1: a column has no name: the first line names them all")
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise ConfigError(f"{name}:1: column {twice[0]!r} stands twice")
    return columns


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (Mapping, list, bytes)):
        raise ConfigError(f"a cell holds a {type(value).__name__}: rows are plain texts and numbers")
    return str(value).strip()
