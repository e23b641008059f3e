"""Merging: the rows of one bucket of one table, old and new, to one new Parquet part.

A run replaces the rows of the scopes it processed and leaves all others. Rows are sorted by key and the part is named
by its content, so an unchanged bucket yields the very part that is already there and nothing is added or removed.
"""

from __future__ import annotations

import collections
import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from transforms import records, rows, storage


@dataclass(frozen=True)
class Part:
    """A Parquet file of a table.

    Attributes:
        path: Relative to the table's folder.
        size: Bytes.
        rows: Rows in it.
    """

    path: str
    size: int
    rows: int


@dataclass(frozen=True)
class Merged:
    """What a merge wants changed in one bucket, and what it saw among the new rows.

    Attributes:
        table: The table.
        bucket: The bucket.
        add: New parts.
        remove: Parts they replace.
        pending: Where the new rows lie, for a commit that must merge them again.
        summary: Counts among the new rows.
        problem: Why the balance of the bucket does not add up; empty when it does.
    """

    table: str
    bucket: int
    add: tuple[Part, ...] = ()
    remove: tuple[Part, ...] = ()
    pending: str = ""
    summary: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """A plain mapping."""
        return asdict(self)


def new_table(record: type[Any], batch: rows.Batch) -> pa.Table:
    """The distinct new rows of a batch, sorted by key: of rows with one key the first in canonical order stays."""
    chosen: dict[str, tuple[str, dict[str, Any]]] = {}
    for row in batch.rows:
        name, text = json.dumps([row.get(k) for k in record.key]), json.dumps(row, sort_keys=True, default=str)
        if name not in chosen or text < chosen[name][0]:
            chosen[name] = (text, row)
    table = records.to_table(record, [row for _, row in chosen.values()])
    return table.sort_by([(k, "ascending") for k in record.key])


def check_scopes(record: type[Any], table: pa.Table, scopes: dict[tuple[str, ...], int]) -> str:
    """Whether each scope has as many rows as whoever made them said; the first difference in words, or nothing."""
    if not record.scope:
        return ""
    have = collections.Counter(zip(*(table.column(c).to_pylist() for c in record.scope), strict=True))
    for scope in sorted(set(have) | set(scopes)):
        if have.get(scope, 0) != scopes.get(scope, 0):
            said, came = scopes.get(scope, 0), have.get(scope, 0)
            return f"{record.table}: {'/'.join(scope)} should have {said} rows and has {came}"
    return ""


def without_videos(table: pa.Table, videos: Iterable[str]) -> pa.Table:
    """Rows of other videos."""
    gone = pa.array(sorted(videos), pa.string())
    return table.filter(pc.invert(pc.is_in(table.column("video_id"), gone))) if len(gone) else table


def replace_scopes(record: type[Any], base: pa.Table, new: pa.Table, scopes: Iterable[tuple[str, ...]]) -> pa.Table:
    """Base rows outside the scopes, with the new rows, sorted by key."""
    gone = set(scopes)
    if gone and base.num_rows:
        owners = zip(*(base.column(c).to_pylist() for c in record.scope), strict=True)
        base = base.filter(pa.array([owner not in gone for owner in owners], pa.bool_()))
    whole = pa.concat_tables([base, new]) if base.num_rows else new
    return whole.sort_by([(k, "ascending") for k in record.key])


def summarise(record: type[Any], table: pa.Table) -> dict[str, Any]:
    """Counts among new rows, for the report: made from the rows themselves, not from what a worker said."""
    counts: dict[str, Any] = {"rows": table.num_rows}
    if record is records.ClipRow:
        kept = table.column("kept").to_pylist()
        seconds = table.column("seconds").to_pylist()
        counts["kept"] = sum(kept)
        counts["kept_seconds"] = sum(s for s, k in zip(seconds, kept, strict=True) if k)
        counts["seconds"] = sum(seconds)
        reasons = collections.Counter(r for row in table.column("reasons").to_pylist() for r in row or ())
        files, errors = table.column("clip_uri").to_pylist(), table.column("clip_error").to_pylist()
        counts["files"] = sum(uri is not None for uri in files)
        counts["files_failed"] = dict(sorted(collections.Counter(e.partition(":")[0] for e in errors if e).items()))
        counts["reasons"] = dict(sorted(reasons.items()))
    elif record is records.CaptionRow:
        kept = [one is not False for one in table.column("kept").to_pylist()]
        counts["kept"] = sum(kept)
        reasons = collections.Counter(r for row in table.column("reasons").to_pylist() for r in row or ())
        counts["reasons"] = dict(sorted(reasons.items()))
    elif record is records.RequestRow:
        counts["kept"] = table.column("state").to_pylist().count("stored")
    elif record is records.AssetRow:
        counts["kept"] = sum(why is None for why in table.column("withdrawn").to_pylist())
    elif record is records.VideoRow:
        counts["seconds"] = sum(d or 0.0 for d in table.column("duration").to_pylist())
        counts["frames"] = sum(table.column("frames").to_pylist())
    elif record is records.VerdictRow:
        said = list(zip(*(table.column(c).to_pylist() for c in ("use", "verdict")), strict=True))
        counts["sources"] = sum(use == "train" for use, _ in said)
        counts["denied"] = said.count(("train", "deny"))
    elif record is records.FailureRow:
        # A video goes on without its sound, and its failure names it; a source that is sound alone has failed.
        steps = (
            "sources" if step == "audio" and video is None else step
            for step, video in zip(table.column("step").to_pylist(), table.column("video_id").to_pylist(), strict=True)
        )
        pairs = zip(steps, table.column("error_class").to_pylist(), strict=True)
        counts["classes"] = {f"{step}/{name}": n for (step, name), n in sorted(collections.Counter(pairs).items())}
    return counts


def write_part(table_uri: str, bucket: int, table: pa.Table) -> Part:
    """Write rows as one Parquet part named by its content, whole or not at all."""
    with tempfile.TemporaryDirectory(prefix="rushes-part-") as folder:
        local = Path(folder) / "part.parquet"
        pq.write_table(table, local, compression="zstd", row_group_size=100_000)
        with local.open("rb") as file:
            name = hashlib.file_digest(file, "sha256").hexdigest()[:40]
        path = f"b={bucket:04d}/{name}.parquet"
        storage.upload(str(local), storage.join(table_uri, *path.split("/")))
        return Part(path, local.stat().st_size, table.num_rows)


def read_parts(
    record: type[Any], table_uri: str, parts: Sequence[Part], names: Sequence[str] | None = None
) -> pa.Table:
    """The rows of some parts, with the record's schema or some of its columns: one that an older part lacks is null."""
    wanted = records.schema(record)
    if names is not None:
        wanted = pa.schema([wanted.field(name) for name in names], wanted.metadata)
    tables = [wanted.empty_table()]
    for part in parts:
        file = pq.ParquetFile(pa.BufferReader(storage.read_bytes(storage.join(table_uri, *part.path.split("/")))))
        found = file.read([f.name for f in wanted if f.name in file.schema_arrow.names])
        columns = [
            found.column(f.name).cast(f.type)
            if f.name in found.column_names
            else pa.nulls(file.metadata.num_rows, f.type)
            for f in wanted
        ]
        tables.append(pa.table(columns, schema=wanted))
    return pa.concat_tables(tables)


def merge(table: str, bucket: int, table_uri: str, base: Sequence[Part], batch: rows.Batch, pending: str) -> Merged:
    """Merge new rows into one bucket.

    Args:
        table: Name of the table.
        bucket: Number of the bucket.
        table_uri: Folder of the table.
        base: The bucket's parts that the run builds on.
        batch: New rows, and the scopes they replace.
        pending: Where the encoded new rows are kept until the run has committed.
    """
    record = records.BY_TABLE[table]
    new = new_table(record, batch)
    problem = check_scopes(record, new, batch.scopes)
    made, new = new.num_rows, without_videos(new, batch.gone)
    summary = {
        **summarise(record, new),
        "expected": sum(batch.scopes.values()),
        "withheld": made - new.num_rows,
        "gone": sorted(batch.gone),
    }
    if not record.scope:
        add = (write_part(table_uri, bucket, new),) if new.num_rows else ()
        return Merged(table, bucket, add, (), pending, summary, problem)
    old = without_videos(read_parts(record, table_uri, base), batch.gone)
    whole = replace_scopes(record, old, new, batch.scopes)
    add = (write_part(table_uri, bucket, whole),) if whole.num_rows else ()
    same = {p.path for p in add} & {p.path for p in base}
    return Merged(
        table,
        bucket,
        tuple(p for p in add if p.path not in same),
        tuple(p for p in base if p.path not in same),
        pending,
        summary,
        problem,
    )
