"""Lists: files whose rows name sources, read row by row.

A list of a million rows takes no more memory than one of ten: text is read line by line and no line is longer than a
megabyte, Parquet in small batches. A row that cannot be read is passed on as a message, with its number, and the next
one is read.
"""

from __future__ import annotations

import codecs
import csv
import json
import os
from collections.abc import Iterator
from typing import IO, Any, Final

import pyarrow.parquet as pq

from transforms.settings import ConfigError

LISTS: Final = {
    "txt": "text",
    "lst": "text",
    "csv": ",",
    "tsv": "\t",
    "jsonl": "json",
    "ndjson": "json",
    "parquet": "parquet",
}
"""File extensions that are lists of sources, and how each is read (a delimiter for tables)."""

LONGEST_LINE: Final = 2**20
"""Longest line of a list that is read, in characters: a longer one is no list."""

PARQUET_ROWS: Final = 1024
"""Rows of a Parquet list in memory at a time."""

_BROKEN: Final = "\udfff"  # a lone surrogate, which no valid text holds: stands for a line that is too long

Row = dict[str, Any] | str
"""The cells of a row by column, or what is wrong with it."""


def rows(path: str, extension: str, uri_column: str, shown: str) -> Iterator[tuple[int, Row]]:
    """The rows of a list.

    Args:
        path: A local file.
        extension: A key of `LISTS`.
        uri_column: The column that holds the uri; text lists have that one only.
        shown: The list's name for messages.

    Yields:
        The number a person finds the row by, and its cells: the line in text and JSON Lines, the row with the header as
        row 1 in CSV and TSV, the row from 1 in Parquet. Text cells that were not valid UTF-8 hold lone surrogates.

    Raises:
        ConfigError: A table without the column.
        pyarrow.ArrowException, OSError: A Parquet file that is none.
    """
    if os.path.getsize(path) == 0:
        return
    how = LISTS[extension]
    if how == "parquet":
        yield from _parquet_rows(path, uri_column, shown)
        return
    with open(path, encoding=_encoding(path), errors="surrogateescape", newline="") as file:
        if how == "text":
            for number, line in enumerate(lines_of(file), 1):
                if (line := line.strip()) and not line.startswith("#"):
                    yield (
                        number,
                        {uri_column: line} if line != _BROKEN else f"line longer than {LONGEST_LINE} characters",
                    )
        elif how == "json":
            for number, line in enumerate(lines_of(file), 1):
                if line.strip():
                    yield number, _json_row(line)
        else:
            yield from _table_rows(file, how, uri_column, shown)


def _encoding(path: str) -> str:
    with open(path, "rb") as file:
        start = file.read(2)
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def lines_of(file: IO[str]) -> Iterator[str]:
    """The lines of a text file; one longer than `LONGEST_LINE` is replaced by a mark, so that memory holds."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            while line and not line.endswith("\n"):
                line = file.readline(LONGEST_LINE)
            line = _BROKEN + "\n"
        yield line


def _json_row(line: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({str(error)[:100]})"
    return row if isinstance(row, dict) else "not a JSON object"


def _table_rows(file: IO[str], delimiter: str, uri_column: str, shown: str) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(lines_of(file), delimiter=delimiter)
    header: list[str] | None = None
    number = 0
    while True:
        number += 1
        row: Row
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"not a row of a table ({error})"
            continue
        if header is None:
            header = [name.strip() for name in cells]
            _check_columns(header, uri_column, shown)
            continue
        if not cells:
            continue
        if len(cells) > len(header):
            row = f"{len(cells)} cells under {len(header)} columns: quote cells that hold a delimiter"
        else:
            row = dict(zip(header, cells, strict=False))
        yield number, row


def _parquet_rows(path: str, uri_column: str, shown: str) -> Iterator[tuple[int, Row]]:
    with pq.ParquetFile(path) as file:
        _check_columns(file.schema_arrow.names, uri_column, shown)
        number = 0
        for batch in file.iter_batches(PARQUET_ROWS, use_threads=False):
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _check_columns(names: list[str], uri_column: str, shown: str) -> None:
    if uri_column not in names:
        raise ConfigError(
            f"list {shown} has no column {uri_column!r}, only {', '.join(names[:20])}: "
            "name the one that holds the address with --uri-column"
        )
