"""Writing: rows to tables, and the one step that makes them visible.

Rows arrive as encoded batches keyed by (table, bucket); each bucket is merged where Beam puts it, and a last step,
which hangs on nothing but side inputs so that it fires on empty input too, holds the balance against what was merged,
commits, and leaves the report.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines import report, screening
from transforms import commits, merge, records, storage, tables
from transforms.commits import Bases
from transforms.merge import Merged, Part
from transforms.store import Store, canonical, read_if_there


@dataclass(frozen=True)
class RunPlan:
    """What a run was launched with; the same on every worker.

    Attributes:
        run_id: Start time and a random part.
        job: Name of the job.
        root: The output folder.
        buckets: Buckets of its tables.
        started: Launch time, ISO 8601 in UTC.
        config: The resolved configuration.
        versions: Versions of what decides results.
        base: Number of the snapshot the run builds on.
        bases: Live parts of the tables the run rewrites, as of that snapshot.
        failure_ratio: Largest share of failed sources.
        unreachable_ratio: Largest share of unreachable sources.
        least_failures: Fewer failures never stop a run.
        decoded_again: Why sources are decoded that earlier runs decoded.
        progress: Where the main process listens for progress, if it does and runs on this machine.
    """

    run_id: str
    job: str
    root: str
    buckets: int
    started: str
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    base: int
    bases: Bases
    failure_ratio: float = 0.1
    unreachable_ratio: float = 0.1
    least_failures: int = 20
    decoded_again: tuple[str, ...] = ()
    progress: str | None = None

    @property
    def corpus(self) -> tables.Corpus:
        """The output folder."""
        return tables.Corpus(self.root, self.buckets)

    def stored(self, table: str, bucket: int, names: Sequence[str]) -> list[dict[str, Any]]:
        """Columns of one bucket of a table, as the run found it."""
        parts = self.bases.get(table, {}).get(bucket, ())
        rows: list[dict[str, Any]] = merge.read_parts(
            records.BY_TABLE[table], self.corpus.table_uri(table), parts, names
        ).to_pylist()
        return rows


class WriteTables(beam.PTransform[Any, Any]):
    """Encoded batches and tallies to tables.

    Input: a mapping with `rows` ((table, bucket), bytes) and `tally` (name, count). Output: the report, as one mapping.

    Args:
        plan: What the run was launched with.
    """

    def __init__(self, plan: RunPlan) -> None:
        super().__init__()
        self.plan = plan

    def expand(self, pcolls: Mapping[str, PCollection[Any]]) -> PCollection[Any]:
        """Wire the steps."""
        staged = (
            pcolls["rows"] | "GroupByBucket" >> beam.GroupByKey() | "MergeBucket" >> beam.ParDo(_MergeBucket(self.plan))
        )
        tally = pcolls["tally"] | "SumTally" >> beam.CombinePerKey(sum)
        committed: PCollection[Any] = (
            staged.pipeline
            | "CommitOnce" >> beam.Create([None])
            | "Commit" >> beam.ParDo(_Commit(self.plan), beam.pvalue.AsList(staged), beam.pvalue.AsDict(tally))
        )
        return committed


class _MergeBucket(beam.DoFn):
    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan

    def process(self, element: tuple[tuple[str, int], Iterable[bytes]]) -> Iterator[dict[str, Any]]:
        (table, bucket), parts = element
        plan = self._plan
        yield commits.merge_bucket(plan.corpus, plan.run_id, plan.bases, table, bucket, sorted(parts)).to_json()


class _Commit(beam.DoFn):
    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan

    def process(self, _: None, staged: list[dict[str, Any]], tally: dict[str, int]) -> Iterator[dict[str, Any]]:
        yield commit_run(self._plan, [_merged(s) for s in staged], tally)


def _merged(value: dict[str, Any]) -> Merged:
    parts = {name: tuple(Part(**p) for p in value[name]) for name in ("add", "remove")}
    return Merged(**{**value, **parts})


class BalanceError(RuntimeError):
    """The balance of a run does not add up: nothing was committed."""


def commit_run(plan: RunPlan, staged: Sequence[Merged], tally: Mapping[str, int]) -> dict[str, Any]:
    """Check the balance, commit, and write the report.

    Raises:
        BalanceError: Something was lost or doubled on the way; nothing was committed.
    """
    corpus = plan.corpus
    report_uri = corpus.uri("runs", plan.run_id, "report.json")
    if told := read_if_there(report_uri):  # A retry of a step that had done its work: the row says the same.
        return dict(json.loads(told))
    summaries: dict[str, list[dict[str, Any]]] = {}
    for one in staged:
        summaries.setdefault(one.table, []).append(dict(one.summary))
    steps = report.balance(tally, summaries)
    if wrong := report.problems(steps, [m.problem for m in staged]):
        raise BalanceError("the balance of this run does not add up, so nothing was committed: " + "; ".join(wrong))
    counted = ("sources" if "sources.in" in tally else "videos", "captions", "transcripts")
    limits = plan.failure_ratio, plan.unreachable_ratio, plan.least_failures
    refused = next(filter(None, (report.over_ratio(s, *limits) for s in steps if s.step in counted)), "")
    if refused:
        staged = [m for m in staged if m.table == "failures"]
    ended = datetime.now(UTC)
    any_failure = bool(summaries.get("failures"))
    body = {
        "run_id": plan.run_id,
        "job": plan.job,
        "status": report.REFUSED if refused else report.FAILURES if any_failure else report.DONE,
        "message": refused,
        "started": plan.started,
        "ended": ended.isoformat(),
        "elapsed_seconds": round((ended - datetime.fromisoformat(plan.started)).total_seconds(), 3),
        "balance": {s.step: s.to_json() for s in steps},
        "reused": {n.removesuffix(".reused"): c for n, c in sorted(tally.items()) if n.endswith(".reused")},
        "decoded_again": list(plan.decoded_again),
        "decoded_frames": tally.get("decoded_frames", 0),
        "source_frames": tally.get("source_frames", 0),
        "source_bytes": tally.get("source_bytes", 0),
        "read_bytes": tally.get("read_bytes", 0),
        "stored_bytes": {
            n.removesuffix(".stored_bytes"): c for n, c in sorted(tally.items()) if n.endswith(".stored_bytes")
        },
        "footage_seconds": sum(s.get("seconds", 0.0) for s in summaries.get("videos", ())),
        "clip_seconds": sum(s.get("seconds", 0.0) for s in summaries.get("clips", ())),
        "kept_seconds": sum(s.get("kept_seconds", 0.0) for s in summaries.get("clips", ())),
        "stored_seconds": tally.get("stored_milliseconds", 0) / 1000,
        "step_seconds": {n.removesuffix("_ms"): c / 1000 for n, c in sorted(tally.items()) if n.endswith("_ms")},
        "config": plan.config,
        "versions": plan.versions,
    }
    found = commits.commit(corpus, plan.run_id, plan.base, plan.bases, staged, lambda number: _run_row(body, number))
    body["commit"] = commits.own_commit(corpus, plan.run_id, plan.base)
    if not refused:
        screening.sweep(Store(corpus.root), (video for one in summaries.get("videos", ()) for video in one["gone"]))
    body["snapshot"] = found.number
    storage.write_bytes(report_uri, json.dumps(body, indent=1).encode())
    return body


def _run_row(body: Mapping[str, Any], number: int) -> records.RunRow:
    return records.RunRow(
        run_id=body["run_id"],
        job=body["job"],
        status=body["status"],
        started=datetime.fromisoformat(body["started"]),
        ended=datetime.fromisoformat(body["ended"]),
        commit=number,
        config=canonical(body["config"]),
        versions=canonical(body["versions"]),
        balance=canonical(body["balance"]),
        step_seconds=body["step_seconds"],
        decoded_frames=body["decoded_frames"],
        source_frames=body["source_frames"],
        source_bytes=body["source_bytes"],
        read_bytes=body["read_bytes"],
        footage_seconds=body["footage_seconds"],
    )


def plan_run(
    corpus: tables.Corpus,
    job: str,
    config: Mapping[str, Any],
    versions: Mapping[str, str],
    offline: bool = False,
    **limits: Any,
) -> RunPlan:
    """Start a run: roll forward what others left, and note what this one builds on.

    Args:
        corpus: The output folder.
        job: Name of the job.
        config: The resolved configuration.
        versions: Versions of what decides results.
        offline: Touch nothing: the graph is only to be looked at.
        limits: The remaining fields of `RunPlan`.
    """
    base = 0 if offline else tables.roll_forward(corpus).number
    started = datetime.now(UTC)
    scoped = [r.table for r in records.RECORDS if r.scope]
    return RunPlan(
        run_id=f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        job=job,
        root=corpus.root,
        buckets=corpus.buckets,
        started=started.isoformat(),
        config=config,
        versions=versions,
        base=base,
        bases={} if offline else tables.bucket_parts(corpus, scoped, base),
        **limits,
    )
