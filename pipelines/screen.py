"""Screen: a changed registry, or another day, against everything that was ever made. No source is opened.

Only works about which something changed since the last screening are looked for, in the columns that can name them;
what matches one of them is decided anew in full. So the cost is one scan of a few columns, and little else.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, PCollection

from filters.rights import delta, registry
from filters.rights.registry import EMPTY
from pipelines import engine, options, pinning, rescreening, screening
from pipelines.columns import say
from pipelines.config import Config
from pipelines.steps import ROWS, TALLY, Gathering
from pipelines.writing import RunPlan
from transforms import records, storage, tables
from transforms.settings import ConfigError
from transforms.store import Store

GROUPS = ("run", "rights")
"""Groups of settings the job takes."""

DESCRIPTION = """\
Screen everything in OUT again: against a newer version of the registry of rights, for another day, or both. What may no
longer be used is listed in the table `retractions` and leaves the view `trainable` at once. With --apply what is denied
is removed too: rows, results in the store, clip files, and the replaced parts of tables that still hold it."""

EPILOG = """\
examples:
  rushes screen --output corpus --rights rights
  rushes screen --output corpus --rights rights --as-of 2027-01-01
  rushes screen --output corpus --rights rights --apply

exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C"""


def parser() -> options.Parser:
    """The job's command line."""
    made = options.Parser(
        prog="rushes screen",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="rushes screen --output OUT --rights REGISTRY [options]",
    )
    options.add_job(made)
    made.add_argument("--apply", action="store_true", help="remove what is denied, and leave a receipt")
    options.add_settings(made, GROUPS)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the job from its command line; returns the exit code.

    Raises:
        ConfigError: Wrong usage.
    """
    own = parser()
    mine, beam_args = options.split_beam(argv, own)
    given = own.parse_args(mine)
    settled, words = options.settle(given, GROUPS)
    if settled.rights.rights is None:
        raise ConfigError("no --rights given: name the registry to screen with")
    corpus = tables.open_corpus(words.output)
    settled = pinning.pinned(settled, words.output)
    before = decided_by(corpus, settled)
    code = engine.run_job(
        "screen",
        words.output,
        lambda pipeline, plan: screened(pipeline, plan, settled, before, given.apply),
        settled,
        words.runner,
        beam_args,
        shlex.join(["rushes", "screen", *argv]),
    )
    if code in (engine.DONE, engine.WITH_FAILURES) and not options.is_dry(beam_args):
        _tell(corpus, given.apply)
    return code


def decided_by(corpus: tables.Corpus, config: Config) -> list[delta.Moment]:
    """What the verdicts that stand were decided by: the last screening and every run after it.

    Where one of them went by another registry or other regimes, or there was none, it is the empty registry: everything
    is new.
    """
    never = [delta.Moment(EMPTY, datetime.fromtimestamp(0, UTC))]
    there = registry.open_registry(str(config.rights.rights))
    runs = tables.read(corpus, "runs", columns=["job", "status", "started", "config"]).to_pylist()
    told = [(run["job"], json.loads(run["config"]).get("rights") or {}) for run in sorted(runs, key=_started)]
    done = [(job, rights) for job, rights in told if rights.get("rights")]
    last = max((place for place, (job, _) in enumerate(done) if job == "screen"), default=0)
    moments: dict[int, list[datetime]] = {}
    for _, rights in done[last:]:
        if rights["rights"] != there.root or _regimes(rights) != _regimes(dataclasses.asdict(config.rights)):
            return never
        moments.setdefault(rights["rights_version"], []).append(datetime.fromisoformat(rights["as_of"]))
    states = {number: registry.version(there, number) for number in moments}
    columns = ["registry_version", "registry_digest"]
    for one in tables.read(corpus, "verdicts", columns=columns).group_by(columns).aggregate([]).to_pylist():
        known = states.get(one["registry_version"]) or registry.version(there, one["registry_version"])
        if known.digest != one["registry_digest"]:
            return never
    found = {(number, at) for number, every in moments.items() for at in (min(every), max(every))}
    return [delta.Moment(states[number], at) for number, at in sorted(found)] or never


def _started(run: Mapping[str, Any]) -> datetime:
    started: datetime = run["started"]
    return started


def _regimes(rights: Mapping[str, Any]) -> list[Any]:
    names = ("train_regime", "caption_regime", "generate_regime", "display_regime", "on_review", "on_unknown")
    return [rights[name] for name in names] + [sorted(rights["territories"] or ()), rights["recipient"]]


def screened(
    pipeline: beam.Pipeline, plan: RunPlan, config: Config, before: Sequence[delta.Moment], apply: bool
) -> dict[str, PCollection[Any]]:
    """Wire the tables to verdicts and retractions, as `writing.WriteTables` takes them.

    Args:
        pipeline: The pipeline.
        plan: What the run was launched with.
        config: The configuration, pinned.
        before: What the verdicts that stand were decided by.
        apply: Remove what is denied.
    """
    places = pipeline | "Buckets" >> beam.Create(rescreening.buckets(plan.corpus, plan.base))
    found = (
        places
        | "SpreadBuckets" >> beam.Reshuffle()
        | "Find" >> beam.ParDo(_Find(plan, config, before, apply))
        | "Distinct" >> beam.Distinct()
        | "Named" >> beam.Map(lambda video: (video, None))
    )
    done = (
        places
        | "SpreadAgain" >> beam.Reshuffle()
        | "Gather"
        >> beam.FlatMap(lambda bucket, videos: rescreening.gather(plan.corpus, bucket[1], videos), AsDict(found))
        | "GroupByVideo" >> beam.GroupByKey()
        | "Decide" >> beam.ParDo(_Decide(plan, config, apply)).with_outputs(ROWS, TALLY)
    )
    # A screening that finds nothing has its line in the balance too.
    nothing = pipeline | "Nothing" >> beam.Create([("screened.in", 0)])
    return {ROWS: done[ROWS], TALLY: (done[TALLY], nothing) | "AllTallies" >> beam.Flatten()}


class _Find(beam.DoFn):
    """Buckets to the videos that something changed for."""

    def __init__(self, plan: RunPlan, config: Config, before: Sequence[delta.Moment], apply: bool) -> None:
        self._plan, self._config, self._before, self._apply = plan, config, before, apply

    def setup(self) -> None:
        self._news = rescreening.changed(self._config.rights, self._before)

    def process(self, element: tuple[int, rescreening.Parts]) -> Iterator[str]:
        """Look through one bucket; what was denied and is still there is met again by whoever removes."""
        yield from rescreening.find(
            self._plan.corpus, element[1], self._news, (None, "deny") if self._apply else (None,)
        )


class _Decide(Gathering):
    """Everything that is stored of one video to its verdicts and retractions."""

    def __init__(self, plan: RunPlan, config: Config, apply: bool) -> None:
        super().__init__(plan)
        self._config, self._apply, self._store = config, apply, Store(plan.root)

    def process(self, element: tuple[str, Iterable[tuple[str, dict[str, Any]]]]) -> Iterator[Any]:
        """Decide one video."""
        video_id, items = element
        screen = screening.screen(self._config)
        assert screen is not None
        change = rescreening.decide(screen, self._store, video_id, rescreening.held(items))
        gone = screening.FOOTAGE if "train" in change.denied else ("captions",) if "caption" in change.denied else ()
        removed = frozenset(gone if self._apply else ())
        for own, rows in zip(change.own, change.verdicts, strict=True):
            uri = rows[0]["subject"]
            screening.mark(self._store, video_id, own)
            self._rows.add([("verdicts", row) for row in rows], [("verdicts", uri, (uri,), len(rows))])
            if "videos" in removed:
                self._rows.add([], [("sources", uri, (uri,), 0)])
        self._counts["screened.in"] += len(change.verdicts)
        told = rescreening.retractions(change, self._plan.run_id, removed)
        self._rows.add([("retractions", row) for row in told], [], [(table, video_id) for table in removed])
        yield from self._sendable(everything=False)


def _tell(corpus: tables.Corpus, apply: bool) -> None:
    """Say what the newest screening found, remove replaced parts if asked, and leave a receipt."""
    told = tables.read(corpus, "runs", columns=["job", "run_id", "started"]).to_pylist()
    run_id = max((run for run in told if run["job"] == "screen"), key=lambda run: run["started"])["run_id"]
    rows = [row for row in tables.read(corpus, "retractions").to_pylist() if row["run_id"] == run_id]
    counts = Counter(kind for kind, _ in {(row["kind"], row["id"]) for row in rows})
    kinds = [(kind, counts[kind]) for kind in ("source", "video", "clip", "caption") if counts[kind]]
    counted = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds)
    say(f"To withdraw: {counted}." if rows else "Nothing is to be withdrawn.")
    if rows and not apply:
        say("They left the view `trainable`; --apply removes those that are denied.")
        say(f"  rushes show {storage.redact(corpus.root)} retractions")
    if not apply:
        return
    parts = [uri for record in records.RECORDS for uri in tables.replaced_parts(corpus, record.table)]
    for uri in parts:
        storage.delete(uri)
    receipt = {
        "run_id": run_id,
        "removed": [{name: row[name] for name in ("kind", "id", "entries")} for row in rows if row["removed"]],
        "table_parts": [uri[len(corpus.root) :].strip("/") for uri in parts],
        "at": datetime.now(UTC).isoformat(),
    }
    uri = corpus.uri("runs", run_id, "receipt.json")
    storage.write_bytes(uri, json.dumps(receipt, indent=1).encode())
    say(f"Removed: {sum(row['removed'] for row in rows)} rows and {len(parts)} replaced parts of tables.")
    say(f"Receipt: {storage.redact(uri)}")


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
