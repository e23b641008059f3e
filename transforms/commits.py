"""Committing: one file makes a run's rows visible in every table at once.

The commit is `commits/N.json`, created only if absent. Where another run took the number first, that commit is rolled
forward, the buckets it changed are merged again from the rows kept aside, and the next number is tried: nobody's rows
are lost and no snapshot mixes two runs. A run that is asked to commit twice finds its own commit and changes nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from transforms import merge, records, rows, storage, tables
from transforms.merge import Merged, Part
from transforms.records import to_dict
from transforms.tables import Corpus, Snapshot

Bases = Mapping[str, Mapping[int, tuple[Part, ...]]]
"""Live parts by table and bucket, as of the commit a run builds on."""


def pending_uri(corpus: Corpus, run_id: str, table: str, bucket: int) -> str:
    """Where a bucket's new rows are kept until their run has committed."""
    return corpus.uri("commits", "pending", run_id, f"{table}-{bucket:04d}.bin")


def save_pending(uri: str, parts: Sequence[bytes]) -> None:
    """Keep encoded rows aside, length-prefixed."""
    storage.write_bytes(uri, b"".join(len(p).to_bytes(4, "big") + p for p in parts))


def load_pending(uri: str) -> rows.Batch:
    """The rows that were kept aside."""
    data, at, parts = storage.read_bytes(uri), 0, []
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return rows.decode(parts)


def merge_bucket(corpus: Corpus, run_id: str, bases: Bases, table: str, bucket: int, parts: Sequence[bytes]) -> Merged:
    """Merge a bucket's new rows with what the run builds on, keeping the new rows aside."""
    pending = pending_uri(corpus, run_id, table, bucket)
    save_pending(pending, parts)
    base = bases.get(table, {}).get(bucket, ())
    return merge.merge(table, bucket, corpus.table_uri(table), base, rows.decode(parts), pending)


def own_commit(corpus: Corpus, run_id: str, after: int) -> int | None:
    """The number of the commit that a run has made already, or None."""
    for number in tables.commit_numbers(corpus):
        if number > after and tables.read_commit(corpus, number)["run_id"] == run_id:
            return number
    return None


def _changed(live: dict[tuple[str, int], tuple[Part, ...]], commit: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Apply a commit to the live parts; the (table, bucket) pairs it changed."""
    changed = set()
    for table, change in commit["tables"].items():
        for kind in ("remove", "add"):
            for value in change.get(kind, ()):
                part = Part(**value)
                where = (table, int(part.path.split("/")[0].removeprefix("b=")))
                changed.add(where)
                kept = tuple(p for p in live.get(where, ()) if p.path != part.path)
                live[where] = (*kept, part) if kind == "add" else kept
    return changed


def commit(
    corpus: Corpus,
    run_id: str,
    base: int,
    bases: Bases,
    staged: Sequence[Merged],
    run_row: Callable[[int], Any],
) -> Snapshot:
    """Make a run's rows visible, once.

    Args:
        corpus: The output folder.
        run_id: The run.
        base: Number of the snapshot that the rows were merged with.
        bases: That snapshot's live parts.
        staged: What the merges want changed.
        run_row: Makes the `runs` row for the commit number it is given.

    Returns:
        The latest snapshot after rolling everything forward.
    """
    if own_commit(corpus, run_id, base) is None:
        live = {(t, b): parts for t, by_bucket in bases.items() for b, parts in by_bucket.items()}
        merged = {(m.table, m.bucket): m for m in staged}
        seen = base
        while True:
            for number in range(seen + 1, len(tables.commit_numbers(corpus)) + 1):
                changed = _changed(live, tables.read_commit(corpus, number))
                for where in sorted(changed & set(merged)):
                    merged[where] = _merge_again(corpus, merged[where], live.get(where, ()))
                seen = number
            if storage.create_bytes(
                tables.commit_uri(corpus, seen + 1), _body(corpus, run_id, seen + 1, merged.values(), run_row)
            ):
                break
    found = tables.roll_forward(corpus)
    with contextlib.suppress(OSError):  # What stays is an orphan, and `gc` knows it.
        storage.delete(corpus.uri("commits", "pending", run_id), recursive=True)
    return found


def _merge_again(corpus: Corpus, old: Merged, base: Sequence[Part]) -> Merged:
    if not old.pending or not records.BY_TABLE[old.table].scope:
        return old
    batch = load_pending(old.pending)
    return replace(
        merge.merge(old.table, old.bucket, corpus.table_uri(old.table), base, batch, old.pending), summary=old.summary
    )


def _body(corpus: Corpus, run_id: str, number: int, merged: Any, run_row: Callable[[int], Any]) -> bytes:
    changes: dict[str, dict[str, list[dict[str, Any]]]] = {}
    batch = rows.Batch([to_dict(run_row(number))])
    own = merge.merge("runs", 0, corpus.table_uri("runs"), (), batch, "")
    for one in [*merged, own]:
        change = changes.setdefault(one.table, {"add": [], "remove": []})
        change["add"] += [asdict(p) for p in one.add]
        change["remove"] += [asdict(p) for p in one.remove]
    body = {
        "number": number,
        "run_id": run_id,
        "tables": {t: c for t, c in sorted(changes.items()) if c["add"] or c["remove"]},
    }
    return json.dumps(body, indent=1).encode()
