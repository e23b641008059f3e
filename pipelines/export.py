"""Export: a table or view as one plain file that anything reads."""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipelines import options, show
from transforms import mixing, storage, tables, views
from transforms.settings import ConfigError

FORMATS = ("parquet", "csv", "jsonl")
DESCRIPTION = "Write a table or view of OUT as one plain file: Parquet, CSV or JSON Lines, by the suffix of FILE."
EPILOG = """\
examples:
  rushes export corpus clips clips.parquet
  rushes export corpus training train.jsonl
  rushes export corpus training mixed.parquet --mix 5:95
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
    made.add_argument(
        "--mix", metavar="O:S", help="captions of a view: original texts of source lists to synthetic ones, as 5:95"
    )
    made.add_argument("--mix-seed", type=int, metavar="N", help="another one chooses other clips [default 0]")
    looked = ",".join(mixing.COLUMNS)
    made.add_argument("--original", metavar="A,B", help=f"columns of lists with original texts [default {looked}]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    words = parser().parse_args(list(argv))
    kind = words.file.rsplit(".", 1)[-1].lower()
    if kind not in FORMATS:
        raise ConfigError(f"{words.file}: cannot tell the format; end the name in .{', .'.join(FORMATS)}")
    corpus = tables.open_corpus(words.output)
    table = show.select(_read(corpus, words), words.table, words.columns)
    record = mixing.record(table)
    with tempfile.TemporaryDirectory(prefix="rushes-export-") as folder:
        local = Path(folder) / f"export.{kind}"
        write(table, local, kind)
        if record and kind != "parquet":
            with local.open("rb") as file:
                # By its digest a record tells whether the file beside it is its own.
                beside = {**record, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
            text = json.dumps(beside, indent=2, ensure_ascii=False) + "\n"
            storage.write_bytes(f"{words.file}.mix.json", text.encode())
        storage.upload(str(local), words.file)
    print(f"{words.file}: {table.num_rows} rows")
    if record:
        print(_told(record))
    return 0


def _read(corpus: tables.Corpus, words: argparse.Namespace) -> pa.Table:
    if words.mix is None:
        if words.mix_seed is not None or words.original is not None:
            raise ConfigError("--mix-seed and --original choose captions: give --mix ORIGINAL:SYNTHETIC with them")
        return show.read(corpus, words.table, words.snapshot)
    mix = mixing.parse(words.mix, words.mix_seed, words.original)
    if words.table not in views.VIEWS:
        raise ConfigError(f"--mix: {words.table} has no column `caption`; export {' or '.join(views.VIEWS)} instead")
    number = tables.snapshot(corpus, words.snapshot).number
    view = views.VIEWS[words.table](corpus, number or None, mix.columns)
    return mixing.mixed(view, mix, {"table": words.table, "snapshot": number})


def _told(record: Mapping[str, Any]) -> str:
    rows, instead = record["rows"], record["instead"]
    told = f"  captions: {rows['original']} original, {rows['synthetic']} synthetic, {rows['none']} without"
    if any(instead.values()):
        told += f"; of these {instead['original']} original and {instead['synthetic']} synthetic for want of the other"
    if instead["synthetic"] and not rows["original"]:
        looked = ", ".join(record["columns"])
        told += f"\n  no clip that was to have an original text has one in {looked}: name its column with --original"
    return told


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
