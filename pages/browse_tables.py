"""Browse tables: what the snapshot holds, and any table with a filter on every column."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pages.browse_page import PER_PAGE, asked, page, pager, snapshot_of
from pages.explain import verdicts
from pages.queries import Refused, kinds
from transforms import records

_FEW = {
    "sources": ("uri", "size", "modified", "video_id"),
    "videos": ("video_id", "container", "video_codec", "width", "height", "duration", "frames", "frame_rate"),
    "clips": ("clip_id", "cut", "start_seconds", "seconds", "kept", "reasons", "motion", "sharpness", "luma"),
    "captions": ("clip_id", "captioner", "kind", "text", "flags"),
    "runs": ("commit", "run_id", "job", "status", "started", "ended", "footage_seconds", "decoded_frames"),
    "failures": ("step", "error_class", "subject", "message", "attempts", "run_id"),
}
"""Columns shown of wide tables until all are asked for."""


def first_of(question: dict[str, str]) -> int:
    """Where a list starts.

    Raises:
        Refused: That is no number.
    """
    text = question.pop("first", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused(f"first: {text!r} is no number")
    return int(text)


def overview(request: Request) -> Response:
    """The front page: balance, reasons, failures, tables, snapshots."""
    snapshot = snapshot_of(request)
    clips = snapshot.table("clips")
    (totals,) = snapshot.rows(
        f"SELECT count(*) AS clips, count(*) FILTER (kept) AS kept, coalesce(sum(seconds), 0) AS seconds,"
        f" coalesce(sum(seconds) FILTER (kept), 0) AS kept_seconds FROM {clips}"
    )
    reasons = snapshot.rows(
        f"SELECT reason, count(*) AS clips FROM (SELECT unnest(reasons) AS reason FROM {clips}) GROUP BY reason"
        " ORDER BY clips DESC, reason"
    )
    failures = snapshot.rows(
        f"SELECT step, error_class, count(*) AS found, any_value(message) AS message FROM {snapshot.table('failures')}"
        " GROUP BY step, error_class ORDER BY found DESC, step, error_class LIMIT 50"
    )
    runs = snapshot.rows(
        f"SELECT commit, run_id, job, status, started, ended FROM {snapshot.table('runs')} "
        " ORDER BY commit DESC LIMIT 50"
    )
    tables = [
        (name, snapshot.rows(f"SELECT count(*) AS n FROM {snapshot.table(name)}")[0]["n"], _meaning(record))
        for name, record in records.BY_TABLE.items()
    ]
    sizes = dict((name, count) for name, count, _ in tables)
    return page(
        request,
        "browse_overview.html.j2",
        snapshot=snapshot,
        totals=totals,
        reasons=reasons,
        failures=failures,
        runs=runs,
        tables=tables,
        sizes=sizes,
    )


def ready(request: Request) -> Response:
    """Whether the copy that makes questions fast is complete."""
    return JSONResponse({"ready": snapshot_of(request).ready})


def _meaning(record: type[Any]) -> str:
    return (record.__doc__ or "").split("\n")[0].rstrip(".")


def rows(request: Request) -> Response:
    """One table: its rows, with a filter on every column, any order."""
    snapshot, table = snapshot_of(request), request.path_params["table"]
    known = kinds(table)
    question = asked(request)
    plain = dict(question)
    sort, descending, wide = plain.pop("sort", ""), plain.pop("order", "") == "desc", plain.pop("columns", "") == "all"
    first = first_of(plain)
    few = [name for name in _FEW.get(table, ()) if name in known] or list(known)
    also = [name for name in {sort, *(key.split(".")[0] for key in plain)} if name in known and name not in few]
    columns = list(known) if wide else [*few, *sorted(also)]
    found = snapshot.page(table, columns, snapshot.where(table, plain), sort, descending, first, PER_PAGE)
    at = f"/at/{request.path_params['snapshot']}"
    docs = {f.name: {k.decode(): v.decode() for k, v in (f.metadata or {}).items()} for f in _schema(table)}
    return page(
        request,
        "browse_table.html.j2",
        snapshot=snapshot,
        table=table,
        meaning=_meaning(records.BY_TABLE[table]),
        kinds=known,
        docs=docs,
        columns=columns,
        rows=found.rows,
        filters=plain,
        sort=sort,
        descending=descending,
        wide=wide,
        question=question,
        pager=pager(at, f"tables/{table}", question, first, found.total, PER_PAGE),
        names=list(records.BY_TABLE),
        text=_text,
        verdicts=verdicts,
    )


def _schema(table: str) -> Any:
    return records.schema(records.BY_TABLE[table])


def _text(value: Any) -> str:
    """A long cell shortened for a table; the whole stands in its title."""
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict) else str(value)
    return text if len(text) <= 160 else text[:157] + "..."
