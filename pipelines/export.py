"""Export: a table or view as one plain file that anything reads."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipelines import options, show
from transforms import storage, tables, views
from transforms.settings import ConfigError

FORMATS = ("parquet", "csv", "jsonl")
DESCRIPTION = "Write a table or view of OUT as one plain file: Parquet, CSV or JSON Lines, by the suffix of FILE."
EPILOG = """\
examples:
  rushes export corpus clips clips.parquet
  rushes export corpus training train.jsonl
  rushes export corpus clips old.csv --snapshot 4 --columns clip_id,start_seconds,end_seconds

In CSV, lists and maps are JSON, and a text cell that a spreadsheet would run as a formula begins with an apostrophe."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes export", description=DESCRIPTION, epilog=EPILOG, usage="rushes export OUT TABLE FILE [options]"
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("table", metavar="TABLE", help=show.TABLES)
    made.add_argument("file", metavar="FILE", help="where to: local, s3:// or gs://; ends in .parquet, .csv or .jsonl")
    made.add_argument("--columns", metavar="A,B", help="columns to write [default all]")
    made.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    words = parser().parse_args(list(argv))
    kind = words.file.rsplit(".", 1)[-1].lower()
    if kind not in FORMATS:
        raise ConfigError(f"{words.file}: cannot tell the format; end the name in .{', .'.join(FORMATS)}")
    corpus = tables.open_corpus(words.output)
    table = show.select(show.read(corpus, words.table, words.snapshot), words.table, words.columns)
    with tempfile.TemporaryDirectory(prefix="rushes-export-") as folder:
        local = Path(folder) / f"export.{kind}"
        write(table, local, kind)
        storage.upload(str(local), words.file)
    print(f"{words.file}: {table.num_rows} rows")
    return 0


def write(table: pa.Table, path: Path, kind: str) -> None:
    """Write a table as one file of a kind out of `FORMATS`."""
    if kind == "parquet":
        pq.write_table(table, path, compression="zstd")
    elif kind == "csv":
        pa_csv.write_csv(views.escaped(views.flat(table)), path)
    else:
        with path.open("w", encoding="utf-8") as file:
            for batch in table.to_batches(max_chunksize=10_000):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    file.write(json.dumps(row, default=datetime.isoformat, ensure_ascii=False) + "\n")
