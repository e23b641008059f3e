"""Screen: a changed registry, or another day, against everything that was ever made. No source is opened.

Only works about which something changed since the last screening are looked for, in the columns that can name them;
what matches one of them is decided anew in full. So the cost is one scan of a few columns, and little else.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsDict, PCollection

from filters.rights import delta
from filters.rights.licences import ACTIONS
from pipelines import descent, engine, options, pinning, rescreening, screening
from pipelines.columns import readable, say
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
longer be used is listed in the table `retractions` and leaves the view `trainable` at once; releases and generated
assets that must be taken back are listed with it. With --apply what is denied is removed too: rows, results in the
store, clip files, and the replaced parts of tables that still hold it. Releases are never edited."""

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
    before = rescreening.decided_by(corpus, settled.rights)
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
    made = (
        pipeline
        | "Once" >> beam.Create([None])
        | "Assets" >> beam.ParDo(_Assets(plan, config, apply)).with_outputs(ROWS, TALLY)
    )
    # A screening that finds nothing has its line in the balance too.
    nothing = pipeline | "Nothing" >> beam.Create([("screened.in", 0)])
    return {
        ROWS: (done[ROWS], made[ROWS]) | "AllRows" >> beam.Flatten(),
        TALLY: (done[TALLY], made[TALLY], nothing) | "AllTallies" >> beam.Flatten(),
    }


class _Find(beam.DoFn):
    """Buckets to the videos that something changed for."""

    def __init__(self, plan: RunPlan, config: Config, before: Sequence[delta.Moment], apply: bool) -> None:
        self._plan, self._config, self._before, self._apply = plan, config, before, apply

    def setup(self) -> None:
        self._news = rescreening.changed(self._config.rights, self._before)
        self._released = descent.untold(self._plan.corpus, self._plan.base)
        self._marked = screening.marked(Store(self._plan.root))

    def process(self, element: tuple[int, rescreening.Parts]) -> Iterator[str]:
        """Look through one bucket; what was denied and is still there is met again by whoever removes."""
        due = (None, "deny") if self._apply else (None,)
        yield from rescreening.find(self._plan.corpus, element[1], self._news, due, self._released, self._marked)


class _Decide(Gathering):
    """Everything that is stored of one video to its verdicts and retractions."""

    def __init__(self, plan: RunPlan, config: Config, apply: bool) -> None:
        super().__init__(plan)
        self._config, self._apply, self._store = config, apply, Store(plan.root)

    def setup(self) -> None:
        self._releases = descent.releases(self._plan.corpus, self._plan.base)
        self._told = descent.told(self._plan.corpus, self._plan.base) if self._releases else frozenset()

    def process(self, element: tuple[str, Iterable[tuple[str, dict[str, Any]]]]) -> Iterator[Any]:
        """Decide one video, and ask again about every release that holds clips of it."""
        video_id, items = element
        screen = screening.screen(self._config)
        assert screen is not None
        change = rescreening.decide(screen, self._store, video_id, rescreening.held(items))
        gone = screening.FOOTAGE if "train" in change.denied else screening.SPOKEN if "caption" in change.denied else ()
        removed = frozenset(gone if self._apply else ())
        for own, rows in zip(change.own, change.verdicts, strict=True):
            uri = rows[0]["subject"]
            screening.mark(self._store, video_id, own)
            self._rows.add([("verdicts", row) for row in rows], [("verdicts", uri, (uri,), len(rows))])
            if "videos" in removed:
                self._rows.add([], [("sources", uri, (uri,), 0)])
        self._counts["screened.in"] += len(change.verdicts)
        told = list(rescreening.retractions(change, self._plan.run_id, removed))
        for back in descent.taken_back(screen, video_id, change.stored, self._releases, change.kept_out_by("train")):
            if removed or back.key not in self._told:
                told.append(descent.row_of(back, screen, self._plan.run_id))
        self._rows.add([("retractions", row) for row in told], [], [(table, video_id) for table in removed])
        yield from self._sendable(everything=False)


class _Assets(Gathering):
    """Generated assets, all of them at once, to what must be taken back of them."""

    def __init__(self, plan: RunPlan, config: Config, apply: bool) -> None:
        super().__init__(plan)
        self._config, self._apply = config, apply

    def process(self, _: None) -> Iterator[Any]:
        """Ask again about every one: some are recorded long after the version that allowed them."""
        corpus, base = self._plan.corpus, self._plan.base
        if made := descent.assets(corpus, base):
            screen = screening.screen(self._config)
            assert screen is not None
            told = frozenset() if self._apply else descent.told(corpus, base)
            backs = [back for back in descent.assets_back(screen, made, None) if back.key not in told]
            gone = descent.withdrawn(corpus, base, backs) if self._apply else []
            names = {row["asset_id"] for row in gone}
            for row in gone:
                self._rows.add([("assets", row)], [("assets", row["asset_id"], (row["asset_id"],), 1)])
            for back in backs:
                removed = back.id in names and back.why.action != "review"
                self._rows.add([("retractions", descent.row_of(back, screen, self._plan.run_id, removed))], [])
        yield from self._sendable(everything=False)


def _assets(corpus: tables.Corpus, names: Collection[str]) -> list[dict[str, Any]]:
    """Rows of some assets. A plate may be of several, and one that still stands needs it."""
    rows = tables.read(corpus, "assets").to_pylist() if names else []
    needed = {row["plate_uri"] for row in rows if row["withdrawn"] is None}
    return [
        {**row, "plate_uri": None if row["plate_uri"] in needed else row["plate_uri"]}
        for row in rows
        if row["asset_id"] in names
    ]


def _tell(corpus: tables.Corpus, apply: bool) -> None:
    """Say what the newest screening found, remove replaced parts if asked, and leave a receipt."""
    told = tables.read(corpus, "runs", columns=["job", "run_id", "started"]).to_pylist()
    run_id = max((run for run in told if run["job"] == "screen"), key=lambda run: run["started"])["run_id"]
    rows = [row for row in tables.read(corpus, "retractions").to_pylist() if row["run_id"] == run_id]
    counts = Counter(kind for kind, _ in {(row["kind"], row["id"]) for row in rows})
    order = ("source", "video", "clip", "caption", "release", "asset")
    kinds = [(kind, counts[kind]) for kind in order if counts[kind]]
    counted = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in kinds)
    say(f"To withdraw: {counted}." if rows else "Nothing is to be withdrawn.")
    back = [row for row in rows if row["action"]]
    for kind, name in sorted({(row["kind"], row["id"]) for row in back}):
        actions = {row["action"] for row in back if row["id"] == name}
        say(f"  {kind} {readable(name)}: {min(actions, key=ACTIONS.index)}")
    if len(rows) > len(back) and not apply:
        say("Footage left the view `trainable`; --apply removes what is denied.")
    if counts["asset"] and not apply:
        say("--apply removes the files of assets that must be withdrawn.")
    if back:
        say("Releases are never edited, and assets may be out: who has them must be told.")
    if rows and not apply:
        say(f"  rushes show {storage.redact(corpus.root)} retractions")
    if not apply:
        return
    parts = [uri for record in records.RECORDS for uri in tables.replaced_parts(corpus, record.table)]
    taken = {row["id"] for row in rows if row["kind"] == "asset" and row["removed"]}
    files = [row[name] for row in _assets(corpus, taken) for name in ("uri", "plate_uri") if row[name]]
    for uri in (*parts, *(corpus.uri(*name.split("/")) for name in files)):
        storage.delete(uri)
    receipt = {
        "run_id": run_id,
        "removed": [{name: row[name] for name in ("kind", "id", "entries")} for row in rows if row["removed"]],
        "to_take_back": [{name: row[name] for name in ("kind", "id", "video_id", "action", "entries")} for row in back],
        "asset_files": files,
        "table_parts": [uri[len(corpus.root) :].strip("/") for uri in parts],
        "at": datetime.now(UTC).isoformat(),
    }
    uri = corpus.uri("runs", run_id, "receipt.json")
    storage.write_bytes(uri, json.dumps(receipt, indent=1).encode())
    of_assets = f", {len(files)} files of assets" if files else ""
    say(f"Removed: {sum(row['removed'] for row in rows)} rows{of_assets} and {len(parts)} replaced parts of tables.")
    say(f"Receipt: {storage.redact(uri)}")


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
