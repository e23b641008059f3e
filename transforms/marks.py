"""Marks: what people say of cuts, kept as a table of the corpus.

A mark is one commit, so that several people may mark at once and nobody's word is lost; its author's later word on the
same frame replaces it. Marks say what is known of a video only where somebody looked: a cut that nobody marked is
neither right nor wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

from transforms import commits, records, rows, tables
from transforms.review_records import MarkRow
from transforms.run_records import RunRow
from transforms.settings import ConfigError
from transforms.store import canonical

MARKS: Final = ("right", "wrong", "missing")
"""What can be said of a cut."""

JOB: Final = "review"
"""The job that a mark's commit is a run of."""

LONGEST_NAME: Final = 80
"""Characters of an author's or a detector's name."""


def mark_row(
    video_id: str,
    pts: int,
    mark: str,
    *,
    before_pts: int | None = None,
    detector: str | None = None,
    author: str = "",
    at: datetime | None = None,
) -> MarkRow:
    """A mark.

    Args:
        video_id: The video.
        pts: First frame that is wholly of the new shot, in the video's time base.
        mark: One of `MARKS`.
        before_pts: First frame that is no longer wholly of the shot before; `pts` where it is not given.
        detector: Who found the cut.
        author: Who says so.
        at: When; now where it is not given.

    Raises:
        ConfigError: The word is none of `MARKS`, the frames are out of order, or a name is too long.
    """
    if mark not in MARKS:
        raise ConfigError(f"mark {mark!r}: not one of {', '.join(MARKS)}")
    before = pts if before_pts is None else before_pts
    if before > pts:
        raise ConfigError(f"a transition from {before} to {pts} ends before it begins")
    for name in (author, detector or ""):
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise ConfigError(f"a name has at most {LONGEST_NAME} printable characters")
    said = (at or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    return MarkRow(
        video_id=video_id, pts=pts, before_pts=before, mark=mark, detector=detector, author=author.strip(), at=said
    )


def save(corpus: tables.Corpus, marks: Sequence[MarkRow], gone: Iterable[MarkRow] = ()) -> int:
    """Make marks visible, as one commit.

    Args:
        corpus: The output folder.
        marks: New marks; each replaces its author's mark on the same frame.
        gone: Marks to take back.

    Returns:
        Number of the snapshot in which they are.

    Raises:
        ConfigError: The output folder cannot be written.
    """
    corpus = tables.create_corpus(corpus.root, corpus.buckets)  # An older one lacks the table.
    base = tables.roll_forward(corpus).number
    bases = tables.bucket_parts(corpus, [MarkRow.table], base)
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    batches: dict[int, rows.Batch] = {}
    for row, there in [*((one, 0) for one in gone), *((one, 1) for one in marks)]:
        batch = batches.setdefault(records.bucket_of(row.video_id, corpus.buckets), rows.Batch())
        scope: Any = (row.video_id, row.pts, row.author)
        batch.scopes[scope] = there
        if there:
            batch.rows.append(records.to_dict(row))
    staged = [
        commits.merge_bucket(corpus, run_id, bases, MarkRow.table, bucket, list(rows.encode(batch)))
        for bucket, batch in sorted(batches.items())
    ]
    return commits.commit(corpus, run_id, base, bases, staged, lambda number: _run_row(run_id, started, number)).number


def _run_row(run_id: str, started: datetime, number: int) -> RunRow:
    return RunRow(
        run_id=run_id,
        job=JOB,
        status="done",
        started=started,
        ended=datetime.now(UTC),
        commit=number,
        config="{}",
        versions=canonical({"rushes": version("rushes")}),
        balance="{}",
        decoded_frames=0,
        source_frames=0,
        source_bytes=0,
        read_bytes=0,
        footage_seconds=0.0,
    )


def standing(marks: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The marks that stand, by video and in order of time: of several on one frame the last one said."""
    last: dict[tuple[str, int], dict[str, Any]] = {}
    for row in sorted(marks, key=lambda one: (one["at"], one["author"])):
        last[row["video_id"], row["pts"]] = dict(row)
    found: dict[str, list[dict[str, Any]]] = {}
    for (video_id, _), row in sorted(last.items()):
        found.setdefault(video_id, []).append(row)
    return found
