"""Rows in flight: how records travel between workers.

Rows of one table and bucket travel together as compressed JSON of at most `MAX_BYTES`, with the scopes they replace. A
scope says how many rows it must have; whoever merges checks it, so a row lost on the way is noticed. One encoding
serves the shuffle and the file that a conflicting commit is merged again from.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from transforms import records

MAX_BYTES = 60_000
"""Largest encoded batch: below the 64 kB that any shuffled element may have."""

_BUCKETED_BY = {
    "sources": "uri",
    "verdicts": "subject",
    "rights_signals": "subject",
    "requests": "request_id",
    "assets": "asset_id",
}


@dataclass
class Batch:
    """Rows of one table and bucket.

    Attributes:
        rows: Mappings of column to value.
        scopes: For each scope that the rows replace, how many rows it has now; 0 deletes what was there.
        gone: Videos of which no row stays, old or new.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    scopes: dict[tuple[str, ...], int] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


def encode(batch: Batch) -> Iterator[bytes]:
    """A batch as one or more byte strings of at most `MAX_BYTES`.

    Raises:
        ValueError: A single row or scope is larger than that.
    """
    scopes, gone = [[list(k), n] for k, n in batch.scopes.items()], sorted(batch.gone)
    raw = json.dumps({"r": batch.rows, "s": scopes, "g": gone}, separators=(",", ":"))
    packed = zlib.compress(raw.encode(), 6)
    if len(packed) <= MAX_BYTES:
        yield packed
        return
    if len(batch.rows) + len(scopes) + len(gone) <= 1:
        raise ValueError(f"one row of {len(packed)} bytes is over the {MAX_BYTES} that may travel: {raw[:200]}...")
    half, cut, away = len(batch.rows) // 2, len(scopes) // 2, len(gone) // 2
    items = list(batch.scopes.items())
    yield from encode(Batch(batch.rows[:half], dict(items[:cut]), set(gone[:away])))
    yield from encode(Batch(batch.rows[half:], dict(items[cut:]), set(gone[away:])))


def decode(parts: Iterable[bytes]) -> Batch:
    """Encoded batches, in any order, as one."""
    whole = Batch()
    for part in parts:
        value = json.loads(zlib.decompress(part))
        whole.rows.extend(value["r"])
        whole.scopes.update({tuple(k): n for k, n in value["s"]})
        whole.gone.update(value.get("g", ()))  # an older run that still waits has none
    return whole


class Collector:
    """Gathers rows by table and bucket until they are worth sending.

    Args:
        buckets: Buckets of a bucketed table.
        hold: Rows and scopes to hold before `full` says so.
    """

    def __init__(self, buckets: int, hold: int = 2_000) -> None:
        self._buckets, self._hold, self._held = buckets, hold, 0
        self._batches: dict[tuple[str, int], Batch] = {}

    def add(
        self,
        rows: Iterable[tuple[str, dict[str, Any]]],
        scopes: Iterable[tuple[str, str, tuple[str, ...], int]],
        gone: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Take rows and the scopes they replace.

        Args:
            rows: (table, row) pairs.
            scopes: (table, value that decides the bucket, scope, rows that the scope has).
            gone: (table, video) pairs: of the video no row stays in the table.
        """
        for table, row in rows:
            self._batch(table, bucket_value(table, row)).rows.append(row)
            self._held += 1
        for table, value, scope, count in scopes:
            self._batch(table, value).scopes[scope] = count
            self._held += 1
        for table, video_id in gone:
            self._batch(table, video_id).gone.add(video_id)
            self._held += 1

    def _batch(self, table: str, value: str | None) -> Batch:
        bucket = 0 if value is None else records.bucket_of(value, self._buckets)
        return self._batches.setdefault((table, bucket), Batch())

    @property
    def full(self) -> bool:
        """Whether enough is held to be sent."""
        return self._held >= self._hold

    def drain(self) -> Iterator[tuple[tuple[str, int], bytes]]:
        """Everything held, as ((table, bucket), encoded batch) pairs; nothing is held afterwards."""
        batches, self._batches, self._held = self._batches, {}, 0
        for where in sorted(batches):
            for part in encode(batches[where]):
                yield where, part


def bucket_value(table: str, row: dict[str, Any]) -> str | None:
    """The value whose hash decides a row's bucket: the video; the uri of a source and its verdicts; request; asset.
    None for a table that is only appended."""
    if not records.BY_TABLE[table].scope:
        return None
    value: str = row[_BUCKETED_BY.get(table, "video_id")]
    return value
