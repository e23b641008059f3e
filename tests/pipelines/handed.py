"""A small screened corpus written through the tables themselves, and generated assets: no job, no footage."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filters.rights import policy, registry
from filters.rights.policy import RightsSettings
from filters.rights.registry import Registry
from filters.rights.screening import Screen, Subject
from tests.transforms import past
from transforms import commits, records, rows, tables
from transforms.records import LicensedUseRow, to_dict
from transforms.release_records import use_id
from transforms.store import canonical

RUNS = itertools.count()


def bytes_of(uri: str) -> str:
    """The video of an address."""
    return hashlib.sha256(uri.encode()).hexdigest()


def clip_id(uri: str, number: int) -> str:
    """The id of a clip of it."""
    return hashlib.sha256(f"{uri} {number}".encode()).hexdigest()[:32]


def committed(
    root: str | Path, made: Sequence[tuple[str, dict[str, Any]]], job: str = "made", rights: Any = None
) -> tables.Corpus:
    """Commit rows as a run would; those of tables that are only appended too."""
    corpus = tables.create_corpus(str(root), 2)
    base = tables.roll_forward(corpus)
    bases = tables.bucket_parts(corpus, [r.table for r in records.RECORDS if r.scope], base.number)
    scopes = collections.Counter(
        (table, rows.bucket_value(table, row) or "", tuple(row[name] for name in records.BY_TABLE[table].scope))
        for table, row in made
        if records.BY_TABLE[table].scope
    )
    collector = rows.Collector(2)
    collector.add(made, [(*scope, count) for scope, count in scopes.items()])
    parts: dict[tuple[str, int], list[bytes]] = collections.defaultdict(list)
    for where, part in collector.drain():
        parts[where].append(part)
    run_id = f"run{next(RUNS)}"
    staged = [commits.merge_bucket(corpus, run_id, bases, t, b, found) for (t, b), found in parts.items()]
    assert not [one.problem for one in staged if one.problem]
    whole = past.examples(records.RunRow)[0]
    config = {} if rights is None else {"rights": dataclasses.asdict(rights)}
    now = {"started": datetime.now(UTC), "ended": datetime.now(UTC), "config": canonical(config)}
    row = {**whole, **now, "run_id": run_id, "job": job}
    commits.commit(corpus, run_id, base.number, bases, staged, lambda n: records.RunRow(**{**row, "commit": n}))
    return corpus


def settings(held: Registry, **more: Any) -> RightsSettings:
    """What a job that screens with the registry as it is goes by."""
    return policy.pinned(RightsSettings(**more), held.root, registry.version(held).number)


def screened(root: str | Path, held: Registry, footage: Mapping[str, Sequence[float]], **more: Any) -> tables.Corpus:
    """A corpus of films by address, each with kept clips of some seconds, screened with the registry as it is."""
    rights = settings(held, **more)
    screen = Screen(rights)
    made: list[tuple[str, dict[str, Any]]] = []
    for uri, lengths in footage.items():
        video = bytes_of(uri)
        source = {**past.examples(records.SourceRow)[0], "uri": uri, "video_id": video, "metadata": {}}
        made.append(("sources", source))
        made += [("verdicts", to_dict(row)) for row in screen.rows(Subject(uri, {}, video))]
        made.append(("videos", {**past.examples(records.VideoRow)[0], "video_id": video}))
        start = 0
        for number, seconds in enumerate(lengths):
            end = start + round(seconds * 1000)
            row = past.examples(records.ClipRow)[0]
            span = {"start_pts": start, "end_pts": end, "time_base_num": 1, "time_base_den": 1000}
            own = {"clip_id": clip_id(uri, number), "video_id": video, "cut": "default", "kept": True}
            made.append(("clips", {**row, **span, **own, "seconds": seconds}))
            text = {"clip_id": own["clip_id"], "video_id": video, "kind": "short", "text": f"a view of {number}"}
            made.append(("captions", {**past.examples(records.CaptionRow)[0], **text}))
            start = end
    return committed(root, made, "screen", rights)


def asset(name: str, statement: str, work: str, party: str, seconds: float, **more: Any) -> tuple[str, dict[str, Any]]:
    """A licensed use in a generated asset."""
    values: dict[str, Any] = {
        "kind": "asset",
        "used_in": name,
        "use": "generate",
        "work_id": work,
        "works": [work],
        "party_id": party,
        "statement_id": statement,
        "microseconds": round(seconds * 1_000_000),
        "at": datetime.now(UTC).isoformat(),
        "registry_version": 1,
        **more,
    }
    return "licensed_uses", to_dict(LicensedUseRow(use_id=use_id(name, None, statement, work), **values))
