"""Workbook: rows out of the files that spreadsheet programs write, a few at a time, and the empty file to begin with.

CSV comes as those programs save it: with commas, semicolons or tabs, as UTF-8 or UTF-16, with or without a mark at its
start. XLSX is read cell by cell without being calculated, so that a formula is seen as one.
"""

from __future__ import annotations

import codecs
import csv
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from filters.rights.columns import BY_NAME, COLUMNS
from transforms import lists
from transforms.settings import ConfigError

SHEET: Final = "rights"
"""Name of the sheet that is read; a workbook without one is read from its first sheet."""

FORMATS: Final = ("csv", "tsv", "xlsx", "parquet")
"""File extensions that are read."""

MOST_COLUMNS: Final = 200
"""Columns of a sheet that are looked at."""

MOST_ROWS: Final = 1_048_576
"""Rows of an XLSX sheet, by its format."""

MOST_UNPACKED: Final = 4 * 2**30
"""Bytes that an XLSX file may unpack to; a quarter of it for the texts, which are held in memory."""


class FileError(ConfigError):
    """The file as a whole cannot be read; the text says what to do."""


Cells = Sequence[Any]


def rows(path: str) -> Iterator[tuple[int, Cells]]:
    """The rows of a file, its header first.

    Args:
        path: A local file.

    Yields:
        The number a person finds the row by (the header is row 1, in Parquet row 0), and its cells.

    Raises:
        FileError: It is none of `FORMATS`, or damaged.
    """
    extension = Path(path).suffix.lower().lstrip(".")
    readers = {"csv": _text_rows, "tsv": _text_rows, "xlsx": _xlsx_rows, "parquet": _parquet_rows}
    if extension not in readers:
        raise FileError(f"{path}: not one of {', '.join(FORMATS)}: save the spreadsheet as XLSX or `CSV UTF-8`")
    try:
        if os.path.getsize(path) == 0:
            raise FileError(f"{path}: the file is empty")
        yield from readers[extension](path)
    except UnicodeError as error:
        raise FileError(f"{path}: not in the encoding it seems ({error}): save it as `CSV UTF-8`") from error
    except (OSError, pa.ArrowException, csv.Error) as error:
        raise FileError(f"{path}: cannot be read ({error}): save it again") from error


def _text_rows(path: str) -> Iterator[tuple[int, Cells]]:
    with open(path, "rb") as raw:
        start = raw.read(4)
    wide = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if not wide and b"\x00" in start:
        raise FileError(f"{path}: UTF-16 without a mark at its start: save it as `CSV UTF-8`")
    encoding, errors = ("utf-16", "strict") if wide else ("utf-8-sig", "surrogateescape")
    with open(path, encoding=encoding, errors=errors, newline="") as file:
        lines, skipped = lists.lines_of(file), 0
        header = next(lines, "")
        if header.lower().startswith("sep="):  # Excel's own mark of the delimiter
            header, skipped = next(lines, ""), 1
        delimiter = max(",;\t", key=lambda d: _known(header, d))
        yield 1 + skipped, next(csv.reader([header], delimiter=delimiter), [])
        reader = csv.reader(lines, delimiter=delimiter)
        number = 1 + skipped
        while True:
            number += 1
            try:
                yield number, next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise FileError(
                    f"{path}: row {number} is no row of a table ({error}); look for a quotation mark without its twin"
                ) from error


def _known(header: str, delimiter: str) -> int:
    return sum(name.strip().strip('"').casefold() in BY_NAME for name in header.strip().split(delimiter))


def _xlsx_rows(path: str) -> Iterator[tuple[int, Cells]]:
    openpyxl = _openpyxl(path)
    _check_archive(path)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=False, keep_links=False)
    except Exception as error:  # openpyxl raises whatever its XML parser and its own assertions raise
        raise FileError(f"{path}: no readable XLSX ({error}): save it again") from error
    try:
        sheet = book[SHEET] if SHEET in book.sheetnames else book.worksheets[0]
        sheet.reset_dimensions()  # What the file says of its own size is often wrong.
        begun = False
        shown = sheet.iter_rows(max_row=MOST_ROWS, max_col=MOST_COLUMNS, values_only=True)
        for number, cells in enumerate(shown, 1):
            if begun or any(cell is not None for cell in cells):
                begun = True
                width = len(cells)
                while width and cells[width - 1] is None:
                    width -= 1
                yield number, cells[:width]
    except FileError:
        raise
    except Exception as error:
        raise FileError(f"{path}: no readable XLSX ({error}): save it again") from error
    finally:
        book.close()


def _openpyxl(path: str) -> Any:
    try:
        import openpyxl  # half a second, which only this format costs
    except ImportError as error:
        raise FileError(f"{path}: XLSX needs `pip install 'rushes[rights]'`; or save it as `CSV UTF-8`") from error
    return openpyxl


def _check_archive(path: str) -> None:
    """An XLSX file is an archive; a small one can unpack to more than there is memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
    except zipfile.BadZipFile as error:
        raise FileError(f"{path}: no XLSX, or one with a password: save it as XLSX without a password") from error
    texts = sum(size for name, size in sizes.items() if name.casefold().endswith("sharedstrings.xml"))
    if sum(sizes.values()) > MOST_UNPACKED or texts > MOST_UNPACKED / 4:
        raise FileError(f"{path}: unpacks to {sum(sizes.values()) / 2**30:.1f} GiB: save it as `CSV UTF-8`")


def _parquet_rows(path: str) -> Iterator[tuple[int, Cells]]:
    with pq.ParquetFile(path) as file:
        yield 0, file.schema_arrow.names
        number = 0
        for batch in file.iter_batches(lists.PARQUET_ROWS, use_threads=False):
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                number += 1
                yield number, cells


def template(path: str) -> None:
    """Write the empty spreadsheet: the header alone as CSV; as XLSX with a sheet that explains every column.

    Raises:
        FileError: The name ends in neither, or the file is there already.
    """
    extension = Path(path).suffix.lower().lstrip(".")
    if os.path.exists(path):
        raise FileError(f"{path}: exists already, and is not written over: choose another name")
    if extension == "csv":
        Path(path).write_text("\ufeff" + ",".join(column.name for column in COLUMNS) + "\r\n", encoding="utf-8")
        return
    if extension != "xlsx":
        raise FileError(f"{path}: a template is .xlsx or .csv")
    openpyxl = _openpyxl(path)
    from openpyxl.styles import Alignment, Font

    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = SHEET
    explained = book.create_sheet("explanations")
    explained.append(["column", "what to write in it", "example", "belongs to"])
    for index, column in enumerate(COLUMNS, 1):
        head = sheet.cell(1, index, column.name)
        head.font = Font(bold=True)
        letter = head.column_letter
        sheet.column_dimensions[letter].width = max(12, len(column.name) + 2)
        sheet.column_dimensions[letter].number_format = "@"  # Text: no id becomes a number, no day a date.
        explained.append([column.name, column.doc, column.example, column.group or "every part of the row"])
    for cells in explained.iter_rows():
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.font = Font(bold=cell.row == 1)
    for letter, width in zip("ABCD", (20, 90, 30, 24), strict=True):
        explained.column_dimensions[letter].width = width
    sheet.freeze_panes = explained.freeze_panes = "A2"
    book.save(path)
