"""Where something was used: the releases and assets of a corpus that `rushes rights explain` tells of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from filters.rights.subjects import Subject
from pipelines import descent
from pipelines.columns import columns, readable, say
from pipelines.rights_words import para
from transforms import tables


def used_in(corpus: tables.Corpus, subject: Subject) -> list[dict[str, Any]]:
    """Every release that holds footage with this address or hash, or used a licence of this work, party or statement,
    and every asset that did; a row each, with how many clips, and of what was told to be taken back what was asked.

    Args:
        corpus: The output folder.
        subject: What was asked after.
    """
    base = tables.snapshot(corpus).number
    if not base:
        return []
    found: dict[tuple[str, str], Counter[str]] = {}
    for row in _uses(corpus, base, subject):
        found.setdefault((row["kind"], row["used_in"]), Counter())["licensed"] += 1
    if videos := _videos(corpus, base, subject):
        held = tables.read(corpus, "release_clips", base, ["release_id"], ds.field("video_id").isin(videos))
        for name, clips in Counter(held.column("release_id").to_pylist()).items():
            found.setdefault(("release", name), Counter())["clips"] += clips
    releases = descent.releases(corpus, base)
    asked = tables.read(corpus, "retractions", base, ["kind", "id", "action"], ds.field("action").is_valid())
    actions = {(row["kind"], row["id"]): row["action"] for row in asked.to_pylist()}
    return [
        {
            "kind": kind,
            "id": name,
            "name": releases.get(name, {}).get("name", ""),
            "recipient": releases.get(name, {}).get("recipient", ""),
            "at": releases.get(name, {}).get("at", ""),
            "clips": counts["clips"] or (counts["licensed"] if kind == "release" else 0),
            "licensed": counts["licensed"],
            "action": actions.get((kind, name), ""),
        }
        for (kind, name), counts in sorted(found.items())
    ]


def _uses(corpus: tables.Corpus, base: int, subject: Subject) -> Iterable[dict[str, Any]]:
    columns = ["kind", "used_in", "work_id", "party_id", "statement_id"]
    groups = (("work_id", subject.works), ("party_id", subject.parties), ("statement_id", subject.statements))
    where = None
    for name, values in groups:
        one = ds.field(name).isin(pa.array(values, pa.string()))
        where = one if where is None else where | one
    return list(tables.read(corpus, "licensed_uses", base, columns, where).to_pylist())


def _videos(corpus: tables.Corpus, base: int, subject: Subject) -> list[str]:
    """Videos with this hash, or that were read from, or refused under, this address."""
    hashes = [name.removeprefix("sha256:") for name in subject.footage if name.startswith("sha256:")]
    names = pa.array([name for name in subject.footage if not name.startswith("sha256:")], pa.string())
    for table, column in (("sources", "uri"), ("verdicts", "subject")):
        if len(names):
            rows = tables.read(corpus, table, base, [column, "video_id"], ds.field(column).isin(names))
            hashes += rows.column("video_id").drop_null().unique().to_pylist()
    return sorted(set(hashes))


def tell(found: list[dict[str, Any]], output: str) -> None:
    """Print where something was used."""
    say("")
    if not found:
        para(f"Nothing of it is in a release or asset of {output}.")
        return
    say(f"Used in, of {readable(output)}")
    names = ("kind", "id", "name", "recipient", "clips", "licensed", "asked for")
    rows = [[readable(str(row["action" if name == "asked for" else name])) for name in names] for row in found]
    say(columns(names, rows, right=("clips", "licensed")))
