"""Series: rows of numbers that come as a video is decoded, in one small Parquet file.

A series is a table of plain columns, each with its meaning, unit, range and source; what the rows are about stands as
JSON in the file's metadata. Rows are written as they come, one row group in memory, and the same rows give the same
bytes however they came, so that a video measured in pieces leaves the same file as one measured in one go.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP: Final = 4096
"""Rows a Parquet row group: what the writer holds in memory."""

AT_ONCE: Final = 500_000
"""Rows up to which a file is read whole: six hours of film."""

_METADATA_KEY: Final = b"rushes"


class Column(NamedTuple):
    """A stored column: Arrow type, what it says, unit, range and the source of the measure."""

    kind: str
    doc: str
    unit: str = ""
    span: str = ""
    source: str = ""


Columns = Mapping[str, Column]


def schema(columns: Columns) -> pa.Schema:
    """The columns as an Arrow schema with their documentation, for people; the files carry types only."""
    return pa.schema(
        [
            pa.field(name, _type(c.kind), False, {"doc": c.doc, "unit": c.unit, "span": c.span, "source": c.source})
            for name, c in columns.items()
        ]
    )


def _type(kind: str) -> pa.DataType:
    """`binary(32)` is 32 bytes a row; anything else an alias of Arrow's."""
    return pa.binary(int(kind[7:-1])) if kind.startswith("binary(") else pa.type_for_alias(kind)


class SeriesWriter:
    """Writes rows as they come, holding one row group.

    Args:
        path: The Parquet file.
        columns: What a row holds.
        about: JSON-able; what the rows are about.
    """

    def __init__(self, path: str | Path, columns: Columns, about: Mapping[str, Any]) -> None:
        self._columns = columns
        self._schema = pa.schema(
            [pa.field(name, _type(c.kind), False) for name, c in columns.items()],
            {_METADATA_KEY: json.dumps(dict(about)).encode()},
        )
        # A hash has no neighbours that its difference would be small to.
        whole = [n for n, c in columns.items() if c.kind.startswith("int") and "hash" not in n]
        plain = [n for n in columns if n not in whole and columns[n].kind != "bool"]
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=False,
            write_statistics=False,
            column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED") | dict.fromkeys(plain, "PLAIN"),
        )
        self._batches: list[Mapping[str, Any]] = []
        self.waiting = 0
        """Rows not written yet."""

    def add(self, batch: Mapping[str, Any]) -> None:
        """Add rows: for every column an array or a list, all of one length."""
        self._batches.append(batch)
        self.waiting += len(batch[next(iter(self._columns))])
        while self.waiting >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def _flush(self, rows: int) -> None:
        joined = {name: _joined([b[name] for b in self._batches]) for name in self._columns}
        arrays = [pa.array(joined[field.name][:rows], field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema), row_group_size=ROW_GROUP)
        self._batches = [{name: column[rows:] for name, column in joined.items()}]
        self.waiting -= rows

    def close(self) -> None:
        """Write what is left and finish the file."""
        if self.waiting:
            self._flush(self.waiting)
        self._writer.close()


def _joined(parts: list[Any]) -> Any:
    if isinstance(parts[0], list):
        return [value for part in parts for value in part]
    return np.concatenate(parts)


class _Stored(Mapping[str, npt.NDArray[Any]]):
    """The columns of a long file, each read when it is asked for, but for times, which everybody asks for."""

    def __init__(self, file: pq.ParquetFile) -> None:
        self._file = file
        self._pts: npt.NDArray[Any] | None = None

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._file.schema_arrow.names:
            raise KeyError(name)
        if name != "pts":
            return self._read(name)
        if self._pts is None:
            self._pts = self._read(name)
        return self._pts

    def _read(self, name: str) -> npt.NDArray[Any]:
        column: npt.NDArray[Any] | None = None
        start = 0
        # A batch at a time into one array: Arrow's own buffers, kept until the end, take several times the memory.
        for batch in self._file.iter_batches(ROW_GROUP, columns=[name], use_threads=False):
            part = batch[name].to_numpy(zero_copy_only=False)
            if column is None:
                column = np.empty(self._file.metadata.num_rows, part.dtype)
            column[start : start + len(part)] = part
            start += len(part)
        assert column is not None
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self._file.schema_arrow.names)

    def __len__(self) -> int:
        return len(self._file.schema_arrow.names)


def read_series(source: str | Path | bytes) -> tuple[dict[str, Any], Mapping[str, npt.NDArray[Any]]]:
    """A series from its path or its bytes: what it is about, and an array a column.

    Of a file with more than `AT_ONCE` rows a column is read each time it is asked for: take it once for many rows.
    """
    file = pq.ParquetFile(io.BytesIO(source) if isinstance(source, bytes) else source)
    about = json.loads((file.schema_arrow.metadata or {})[_METADATA_KEY])
    if file.metadata.num_rows > AT_ONCE:
        return about, _Stored(file)
    # In this thread: starting others costs more than reading a short film's numbers.
    table = file.read(use_threads=False)
    return about, {name: table[name].to_numpy() for name in table.column_names}
