"""Sheets: the rights team's spreadsheet, checked row by row and taken whole or not at all.

Every wrong cell is told with its row, column, value and remedy. Good rows wait in Parquet files, so a list of two
million takes no more memory than what finds its duplicates: some bytes a row. Nothing can be taken from a file that has
an error.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from filters.rights import rowrules, workbook
from filters.rights.columns import BY_NAME, CellError, SheetColumn, text_of
from filters.rights.records import BY_TABLE, WORLD, Entries, says
from filters.rights.workbook import FileError
from transforms import records
from transforms.settings import ConfigError

MOST_ERRORS: Final = 1000
"""Errors that are told one by one; the rest are counted."""

_Array = np.ndarray[Any, Any]
_BATCH: Final = 10_000
_IGNORED: Final = "x_"
_KEYS: Final = {"parties": "party", "works": "work", "identifiers": "value", "statements": "statement_id"}


@dataclass(frozen=True)
class SheetError:
    """One thing that is wrong.

    Attributes:
        row: The row as the spreadsheet numbers it; 0: the file as a whole.
        column: The column's header; empty: the row as a whole.
        value: What stands there, at most 80 characters of it.
        remedy: What to do.
    """

    row: int
    column: str
    value: str
    remedy: str

    def __str__(self) -> str:
        place = f"row {self.row}" if self.row else "file"
        return f"{place}{', ' + self.column if self.column else ''}: {self.value!r}: {self.remedy}"


@dataclass(frozen=True)
class Checked:
    """A file that was checked.

    Attributes:
        rows: Rows that hold something, without the header.
        errors: What is wrong, in order of rows, at most `MOST_ERRORS`.
        error_count: How much is wrong altogether.
        counts: Rows for the registry by table; empty where anything is wrong.
        folder: Where they wait.
    """

    rows: int
    errors: tuple[SheetError, ...]
    error_count: int
    counts: Mapping[str, int]
    folder: str

    def batches(self, table: str) -> Iterator[pa.RecordBatch]:
        """The rows for a table, as `filters.rights.publishing.publish` takes them.

        Raises:
            ConfigError: Something is wrong with the file: nothing of it can be taken.
        """
        if self.error_count:
            raise ConfigError(f"the file has {self.error_count} errors: nothing of it is published until none is left")
        path = Path(self.folder, f"{table}.parquet")
        if path.exists():
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(_BATCH)

    def new(self) -> dict[str, Iterator[pa.RecordBatch]]:
        """The rows for every table.

        Raises:
            ConfigError: As `batches`, when they are read.
        """
        return {table: self.batches(table) for table in BY_TABLE}


@dataclass
class _Hashes:
    """64-bit digests of names, of what is said of them, and the rows they stand in: 20 bytes each."""

    names: array[int] = field(default_factory=lambda: array("Q"))
    said: array[int] = field(default_factory=lambda: array("Q"))
    rows: array[int] = field(default_factory=lambda: array("I"))

    def add(self, name: str, row: int, said: str = "") -> None:
        self.names.append(digest64(name))
        self.said.append(digest64(said) if said else 0)
        self.rows.append(row)

    def arrays(self) -> tuple[_Array, _Array, _Array]:
        """Names, what is said, rows."""
        kinds = (np.uint64, np.uint64, np.uint32)
        names, said, rows = (
            np.frombuffer(a, k) for a, k in zip((self.names, self.said, self.rows), kinds, strict=True)
        )
        return names, said, rows

    def repeated(self) -> tuple[_Array, _Array]:
        """Places of names that stood before, in order, and of each the place where it stood first."""
        _, first, which = np.unique(self.arrays()[0], return_index=True, return_inverse=True)
        again = np.flatnonzero(first[which] != np.arange(len(which)))
        return again, first[which][again]


def digest64(text: str) -> int:
    """64 bits of a text's BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


def validate(path: str, folder: str, known: Entries | None = None) -> Checked:
    """Check a file.

    Args:
        path: A local CSV, TSV, XLSX or Parquet file with the columns of `filters.rights.columns`.
        folder: An empty local folder for what is good.
        known: What the registry holds already; rows may speak of its parties, works and statements.
    """
    check = _Check(folder, known or Entries({}, {}, ()))
    try:
        check.file(path)
    except FileError as error:
        check.wrong(0, "", Path(path).name, str(error).removeprefix(f"{path}: "))
    finally:
        check.close()
    if not check.count:
        check.across(path)
    errors = tuple(sorted(check.errors, key=lambda e: e.row))
    return Checked(check.seen, errors, check.count, {} if check.count else check.distinct(), folder)


class _Check:
    """The check of one file: what was seen so far."""

    def __init__(self, folder: str, known: Entries) -> None:
        self.folder, self.known = folder, known
        self.errors: list[SheetError] = []
        self.count = self.seen = 0
        self.contents = _Hashes()
        self.ids = {table: _Hashes() for table in BY_TABLE}
        self.references: dict[tuple[str, str], _Hashes] = {}
        self.parties: dict[str, bool] = {name: bool(row.verified_by) for name, row in known.parties.items()}
        self.granting: dict[str, tuple[int, str]] = {}
        self.shares: dict[str, list[tuple[int, str, list[str], int]]] = {}
        self.names: list[str] = []
        self._held: dict[str, list[dict[str, Any]]] = {table: [] for table in BY_TABLE}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def wrong(self, row: int, column: str, value: Any, remedy: str) -> None:
        self.count += 1
        if len(self.errors) < MOST_ERRORS:
            self.errors.append(SheetError(row, column, str(value)[:80].encode(errors="replace").decode(), remedy))

    def file(self, path: str) -> None:
        found = workbook.rows(path)
        number, cells = next(found, (0, ()))
        header = self._header(number, cells)
        if self.count:
            return
        for number, cells in found:
            self._row(number, header, cells)

    def _header(self, number: int, cells: Sequence[Any]) -> list[SheetColumn | None]:
        names = [str(cell).strip().casefold() if cell is not None else "" for cell in cells]
        for name in names:
            if name and name not in BY_NAME and not name.startswith(_IGNORED):
                near = get_close_matches(name, BY_NAME, 1)
                hint = f"write {near[0]}" if near else f"put {_IGNORED} before it to have it ignored"
                self.wrong(number, name, name, f"no such column: {hint}")
            elif name and names.count(name) > 1 and not name.startswith(_IGNORED):
                self.wrong(number, name, name, "the column stands there twice: delete one")
        if not self.count and not {"statement", "value", "title", "party_name"} & set(names):
            self.wrong(number, "", ", ".join(filter(None, names)), "no header: the first row names the columns")
        self.names = names
        return [BY_NAME.get(name) for name in names]

    def _row(self, number: int, header: Sequence[SheetColumn | None], cells: Sequence[Any]) -> None:
        values: dict[str, Any] = {}
        texts: list[str] = []
        before, blank = self.count, True
        for index, cell in enumerate(cells):
            if cell is None or cell == "":
                continue
            column = header[index] if index < len(header) else None
            if column is None:
                if index >= len(header) or not self.names[index]:
                    blank = False
                    self.wrong(number, "", cell, "stands under no header: quote cells that hold the delimiter")
                continue
            text = ""
            try:
                if text := text_of(cell):
                    blank = False
                    values[column.name] = column.parse(text)
                    texts.append(f"{column.name}={text}")
            except CellError as error:
                blank = False
                self.wrong(number, column.name, text or cell, str(error))
        if blank:
            return
        self.seen += 1
        if self.count > before:
            return
        for name, value, remedy in rowrules.problems(values):
            self.wrong(number, name, value, remedy)
        if self.count > before:
            return
        self.contents.add("\n".join(sorted(texts)), number)
        for table, row in rowrules.rows_of(values).items():
            row["digest"] = says(BY_TABLE[table], row)
            self._define(table, row[BY_TABLE[table].key[0]], row, number)
        for table, name_of_column, name in rowrules.references(values):
            if table != "parties" or name not in self.parties:
                self.references.setdefault((table, name_of_column), _Hashes()).add(name, number)
        if values.get("share_bp"):
            share = (number, values["party"], list(values["territory"]), values["share_bp"])
            self.shares.setdefault(values["work"], []).append(share)
        if values.get("statement") == "grant":
            self.granting.setdefault(values["party"], (number, "party"))
            if "through" in values:
                self.granting.setdefault(values["through"], (number, "through"))

    def _define(self, table: str, key: str, row: dict[str, Any], number: int) -> None:
        self.ids[table].add(key, number, row["digest"])
        if table == "parties":
            self.parties[key] = bool(row["verified_by"])
        self._held[table].append(row)
        if len(self._held[table]) >= _BATCH:
            self._flush(table)

    def _flush(self, table: str) -> None:
        rows = records.to_table(BY_TABLE[table], self._held[table])
        if table not in self._writers:
            Path(self.folder).mkdir(parents=True, exist_ok=True)
            self._writers[table] = pq.ParquetWriter(Path(self.folder, f"{table}.parquet"), rows.schema)
        self._writers[table].write_table(rows)
        self._held[table] = []

    def close(self) -> None:
        """Bring what waits to the disk; of a file with errors nothing stays."""
        for table, held in self._held.items():
            if held and not self.count:
                self._flush(table)
        for writer in self._writers.values():
            writer.close()

    def across(self, path: str) -> None:
        """What only shows when all rows are known."""
        found: list[tuple[int, str, str]] = []
        again, first = self.contents.repeated()
        rows = self.contents.arrays()[2]
        twice = dict(zip(rows[again].tolist(), rows[first].tolist(), strict=True))
        found += [(row, "", f"the same as row {before}: delete one of them") for row, before in twice.items()]
        for table, hashes in self.ids.items():
            again, first = hashes.repeated()
            _, said, rows = hashes.arrays()
            other = said[again] != said[first]
            for row, before in zip(rows[again[other]].tolist(), rows[first[other]].tolist(), strict=True):
                found.append((row, _KEYS[table], f"described otherwise in row {before}: make both alike"))
        found += [*self._unknown(), *self._too_much()]
        for name, (row, column) in self.granting.items():
            if not self.parties.get(name, False):
                found.append((row, column, f"{name} is not verified, and may refuse, never grant: fill verified_by"))
        shown = self._values(path, {(row, column) for row, column, _ in sorted(found)[:MOST_ERRORS]})
        for row, column, remedy in sorted(found):
            self.wrong(row, column, shown.get((row, column), ""), remedy)

    def _unknown(self) -> Iterator[tuple[int, str, str]]:
        """Names that nothing describes, here or in the registry."""
        held = {
            "parties": self.known.parties,
            "works": self.known.works,
            "statements": {s.statement_id for s in self.known.statements},
        }
        for (table, column), hashes in self.references.items():
            names, _, rows = hashes.arrays()
            there = [self.ids[table].arrays()[0], np.array([digest64(n) for n in held[table]], np.uint64)]
            if column == "target":  # A dispute may be aimed at an identifier.
                there.append(self.ids["identifiers"].arrays()[0])
            what = {"parties": "party", "works": "work"}.get(table, "statement")
            for row in rows[~np.isin(names, np.concatenate(there))].tolist():
                yield row, column, f"no such {what} here or in the registry: correct it, or describe it in a row"

    def _too_much(self) -> Iterator[tuple[int, str, str]]:
        """Works of which the parties take more than there is, in some territory: of each party its largest share."""
        for granted in self.shares.values():
            for place in sorted({name for _, _, places, _ in granted for name in places}):
                here = [one for one in granted if {place, WORLD} & set(one[2])]
                most: dict[str, int] = {}
                for _, party, _, share in here:
                    most[party] = max(share, most.get(party, 0))
                if sum(most.values()) > 10_000:
                    told = f"all shares of the work in {place} are {sum(most.values())} basis points, over 10000"
                    yield here[-1][0], "share_bp", f"{told}: mend one of them"
                    break

    def _values(self, path: str, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], str]:
        """Cells of a file, by row and column, read again: only digests were kept."""
        rows, shown = {row for row, _ in wanted}, {}
        for number, cells in workbook.rows(path) if wanted else ():
            if number in rows:
                for name, cell in zip(self.names, cells, strict=False):
                    if (number, name) in wanted:
                        shown[number, name] = text_of(cell)
                if (number, "") in wanted:
                    shown[number, ""] = ", ".join(text_of(cell) for cell in cells if cell not in (None, ""))
        return shown

    def distinct(self) -> dict[str, int]:
        """Leave out what was said several times in the same words; how many rows every table has then."""
        counts = {}
        for table, hashes in self.ids.items():
            again, _ = hashes.repeated()
            counts[table] = len(hashes.names) - len(again)
            if len(again):
                keep, path, at = np.ones(len(hashes.names), bool), Path(self.folder, f"{table}.parquet"), 0
                keep[again] = False
                whole = path.rename(path.with_suffix(".all"))
                with pq.ParquetFile(whole) as file, pq.ParquetWriter(path, file.schema_arrow) as writer:
                    for batch in file.iter_batches(_BATCH):
                        writer.write_batch(batch.filter(pa.array(keep[at : at + batch.num_rows])))
                        at += batch.num_rows
                whole.unlink()
        return counts
