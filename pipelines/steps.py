"""Steps: the Beam side of ingest and curate: list sources, look up what is known, and hand the rest to child processes.

What travels between workers is a source reference or an encoded batch of rows, never media; nothing here decides
anything.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.pvalue import PCollection
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipelines import clipping, describing, measuring, recorded, screening
from pipelines.config import Config
from pipelines.writing import RunPlan
from transforms import progress, sources, storage
from transforms.failures import CLASSES, ElementError
from transforms.pool import Pool, shared_pool
from transforms.records import FailureRow, to_dict
from transforms.rows import Collector
from transforms.store import Store, canonical

ROWS, TALLY, NEXT, WANTED = "rows", "tally", "next", "wanted"

SOURCE_TASK = "pipelines.work:curate_source"
"""The task of a source, as a child process finds it."""

SEGMENT_TASK = "pipelines.work:segment_task"
"""The task of a segment of a long video."""

_LOOKUP_THREADS = 16


class Known(NamedTuple):
    """A listed source and what the store knows of it.

    Attributes:
        ref: The source's fields.
        video_id: The video that its bytes are; None where they must be read.
    """

    ref: dict[str, Any]
    video_id: str | None


def failure(run_id: str, step: str, subject: str, error: ElementError, video_id: str | None = None) -> dict[str, Any]:
    """The `failures` row of one refused element."""
    return to_dict(
        FailureRow(
            run_id=run_id,
            step=step,
            subject=subject,
            video_id=video_id,
            error_class=error.error_class,
            message=re.sub(r"\s+", " ", error.message).strip()[:2000] + f" ({CLASSES[error.error_class]})",
            attempts=error.attempts,
            traceback=getattr(error, "traceback", None),
        )
    )


class Gathering(beam.DoFn):
    """A DoFn that gathers rows, counts and what comes next over a bundle, and sends them in bounded batches."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan

    def start_bundle(self) -> None:
        self._rows, self._counts = Collector(self._plan.buckets), Counter[str]()
        self._next: list[Any] = []
        self._wanted: list[Any] = []

    def _sendable(self, everything: bool) -> Iterator[Any]:
        if everything or self._rows.full:
            for batch in self._rows.drain():
                yield beam.pvalue.TaggedOutput(ROWS, batch)
        yield from (beam.pvalue.TaggedOutput(NEXT, element) for element in self._next)
        yield from (beam.pvalue.TaggedOutput(WANTED, element) for element in self._wanted)
        self._next, self._wanted = [], []
        if everything:
            for count in self._counts.items():
                yield beam.pvalue.TaggedOutput(TALLY, count)

    def finish_bundle(self) -> Iterator[Any]:
        for one in self._sendable(everything=True):
            yield beam.pvalue.TaggedOutput(one.tag, WindowedValue(one.value, 0, (GlobalWindow(),)))


class ListSources(Gathering):
    """Inputs to ((shard of uris), source); rows of lists that name no source become failures."""

    def __init__(self, plan: RunPlan, config: Config) -> None:
        super().__init__(plan)
        self._config = config

    def process(self, element: str) -> Iterator[Any]:
        """Expand one input."""
        self._counts.update({"list.in": 0, "sources.in": 0})  # a run over nothing has its lines in the balance too
        for found in sources.expand([element], self._config.listing, self._config.storage, [self._plan.root]):
            self._counts["list.in"] += 1
            if isinstance(found, sources.SourceRef):
                yield measuring.shard_of(found), dataclasses.asdict(found)
            else:
                error = ElementError(found["error_class"], found["message"])
                self._rows.add([("failures", failure(self._plan.run_id, "list", found["subject"], error))], [])
                yield from self._sendable(everything=False)


class LookUp(Gathering):
    """A shard of listed sources to `Known` ones: repeated uris once, each joined with one listing of the store's
    shard."""

    def __init__(self, plan: RunPlan, config: Config) -> None:
        super().__init__(plan)
        self._config, self._store = config, Store(plan.root)

    def setup(self) -> None:
        self._sender = progress.Sender(self._plan.progress)

    def teardown(self) -> None:
        self._sender.close()

    def process(self, element: tuple[str, Iterable[dict[str, Any]]]) -> Iterator[Any]:
        """Look up one shard."""
        shard, listed = element
        distinct: dict[str, dict[str, Any]] = {}
        for ref in sorted(listed, key=lambda r: repr(sorted(r.items(), key=str))):
            if distinct.setdefault(storage.redact(ref["uri"]), ref) is not ref:
                self._counts["list.repeated"] += 1
        self._counts["sources.in"] += len(distinct)
        self._sender.send({"sources_total": len(distinct)})
        videos, refused = self._store.listing("source", shard), self._store.listing("refused", shard)
        distinct = {uri: ref for uri, ref in distinct.items() if not self._denied(uri, ref, videos)}
        again = self._config.run.retry_failed or self._config.run.verify
        with concurrent.futures.ThreadPoolExecutor(_LOOKUP_THREADS) as threads:
            for ref, known in zip(distinct.values(), threads.map(self._fresh, distinct.values()), strict=True):
                if isinstance(known, ElementError):
                    self._refuse(ref, known, "read")
                elif not again and (key := measuring.refusal_key(known)) and key in refused:
                    told = self._store.get("refused", key, "failed") or {}
                    self._refuse(ref, ElementError(told["error_class"], told["message"]), told["step"] or "read")
                    self._counts["failures.reused"] += 1
                else:
                    video_id = None if self._config.run.verify else videos.get(measuring.source_key(known) or "")
                    self._counts["sources.reused"] += video_id is not None
                    yield Known(dataclasses.asdict(known), video_id)
        yield from self._sendable(everything=False)

    def _denied(self, uri: str, ref: Mapping[str, Any], videos: Mapping[str, str]) -> bool:
        """Whether a source is denied by what it is called; nothing is asked of where it lies then."""
        screen = screening.screen(self._config)
        if screen is None:
            return False
        source = sources.SourceRef(**ref)
        video_id = videos.get(measuring.source_key(source) or "")
        rows = [to_dict(row) for row in screen.rows(screening.subject(source, video_id))]
        denied = screening.is_denied(rows)
        if denied and video_id is None and (video_id := recorded.last_video(self._plan.corpus, uri, self._plan.base)):
            rows = [{**row, "video_id": video_id} for row in rows]
        if video_id:
            # Before any source is read, so that equal bytes meet the same refusals in whatever order they come.
            screening.mark(self._store, video_id, rows, by_name=True)
        if denied:
            made = screening.refused(rows)
            self._rows.add(made["rows"], made["scopes"], made["gone"])
            self._sender.send({"sources_done": 1})
        return denied

    def _fresh(self, ref: Mapping[str, Any]) -> sources.SourceRef | ElementError:
        listed = sources.SourceRef(**ref)
        try:
            return listed if sources.identity(listed) else sources.refreshed(listed, self._config.storage)
        except ElementError as error:
            return error

    def _refuse(self, ref: Mapping[str, Any], error: ElementError, step: str) -> None:
        subject = storage.redact(ref["uri"])
        self._rows.add([("failures", failure(self._plan.run_id, step, subject, error))], [])
        self._sender.send({"sources_failed": 1})


class InChildren(Gathering):
    """Elements to rows, each by one task in the pool of child processes.

    Tasks are submitted as elements come and collected as they end, at the latest when the bundle does, so that a runner
    that gives one thread one bundle of everything still keeps every core busy.

    Args:
        plan: What the run was launched with.
        config: The configuration.
        task: Makes the task of an element: function name, arguments, and what the element is called in failures.
        after: What an element becomes once its task has ended, well or not; without it nothing.
    """

    def __init__(
        self,
        plan: RunPlan,
        config: Config,
        task: Callable[[Any], tuple[str, dict[str, Any], str]],
        after: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(plan)
        self._config, self._task, self._after = config, task, after

    def setup(self) -> None:
        settings = self._config.pool
        if self._plan.progress is None and not settings.children:
            # A runner elsewhere has a worker process for each core already.
            settings = dataclasses.replace(settings, children=1)
        self._pool: Pool = shared_pool(settings, ("pipelines.work",), self._plan.progress)
        self._sender = progress.Sender(self._plan.progress)

    def teardown(self) -> None:
        self._sender.close()

    def start_bundle(self) -> None:
        super().start_bundle()
        self._running: dict[concurrent.futures.Future[Any], tuple[str, Any]] = {}

    def process(self, element: Any) -> Iterator[Any]:
        """Submit one element; collect what has ended."""
        function, arguments, subject = self._task(element)
        self._running[self._pool.submit(function, arguments, subject)] = subject, element
        for future in [f for f in self._running if f.done()]:
            self._collect(future)
        yield from self._sendable(everything=False)

    def finish_bundle(self) -> Iterator[Any]:
        while self._running:
            self._collect(next(concurrent.futures.as_completed(list(self._running))))
        yield from super().finish_bundle()

    def _collect(self, future: concurrent.futures.Future[Any]) -> None:
        subject, element = self._running.pop(future)
        run_id = self._plan.run_id
        if self._after is not None:
            self._next.append(self._after(element))
        try:
            made = future.result()
        except ElementError as error:
            if self._after is not None:
                self._counts["segments.failed"] += 1  # What comes after misses it, and says so.
                return
            phase = getattr(error, "phase", "") or "read"
            if phase == clipping.PHASE:
                # What was measured is in the store: only the clips' files are missed.
                function, arguments, _ = self._task(element)
                again = {**arguments, "uncut": (error.error_class, error.message)}
                self._running[self._pool.submit(function, again, subject)] = subject, element
                return
            self._rows.add([("failures", failure(run_id, phase, subject, error))], [])
            self._sender.send({"sources_failed": 1})
            return
        self._rows.add(made["rows"], made["scopes"], made.get("gone", ()))
        self._counts.update(made["tally"])
        self._next += made.get("segments", ())
        self._wanted += made.get("wanted", ())
        if not made["scopes"]:
            return  # Nothing is done yet: the source is left to the tasks of its segments, or this was one.
        clips = [row for table, row in made["rows"] if table == "clips"]
        video = next((row for table, row in made["rows"] if table == "videos"), None)
        if video and video["audio_error"]:
            unheard = ElementError(*video["audio_error"].split(": ", 1))
            self._rows.add([("failures", failure(run_id, "audio", subject, unheard, video["video_id"]))], [])
        for clip in clips:
            if clip["clip_error"]:
                uncut = ElementError(*clip["clip_error"].split(": ", 1))
                row = failure(run_id, "clip_files", clip["clip_id"], uncut, clip["video_id"])
                self._rows.add([("failures", row)], [])
        self._counts["clip_files.wanted"] += bool(clipping.recipe(self._config))
        kept = sum(c["kept"] for c in clips)
        self._sender.send(
            {
                "sources_done": 1,
                "sources_reused": made["tally"].get("videos.reused", 0),
                "footage_seconds": (video or {}).get("duration") or 0.0,
                "clips_kept": kept,
                "clips_dropped": len(clips) - kept,
            }
        )


def read_sources(
    pipeline: beam.Pipeline, plan: RunPlan, config: Config, inputs: Iterable[str], job: str
) -> dict[str, PCollection[Any]]:
    """Wire inputs to rows and tallies, as `writing.WriteTables` takes them, and to what models are to describe."""
    listed = (
        pipeline
        | "Inputs" >> beam.Create(list(inputs), reshuffle=False)
        | "List" >> beam.ParDo(ListSources(plan, config)).with_outputs(ROWS, TALLY, main="refs")
    )
    known = (
        listed.refs
        | "GroupByShard" >> beam.GroupByKey()
        | "LookUp" >> beam.ParDo(LookUp(plan, config)).with_outputs(ROWS, TALLY, main="known")
    )
    done = (
        known.known
        | "Spread" >> beam.Reshuffle()
        | "Work"
        >> beam.ParDo(InChildren(plan, config, _SourceTask(job, config.to_json(), plan.root, False))).with_outputs(
            ROWS, TALLY, NEXT, WANTED
        )
    )
    # A long video comes by twice: its segments go to whoever is free, and once all are done it comes again.
    measured = (
        done[NEXT]
        | "SpreadSegments" >> beam.Reshuffle()
        | "Measure" >> beam.ParDo(InChildren(plan, config, _segment_task, after=_same_video)).with_outputs(TALLY, NEXT)
    )
    again = _JoinTask(_SourceTask(job, config.to_json(), plan.root, True))
    joined = (
        measured[NEXT]
        | "GroupByVideo" >> beam.GroupByKey()
        | "Join" >> beam.ParDo(InChildren(plan, config, again)).with_outputs(ROWS, TALLY, WANTED)
    )
    rows = (listed[ROWS], known[ROWS], done[ROWS], joined[ROWS])
    tallies = (listed[TALLY], known[TALLY], done[TALLY], measured[TALLY], joined[TALLY])
    return {
        ROWS: rows | "AllRows" >> beam.Flatten(),
        TALLY: tallies | "AllTallies" >> beam.Flatten(),
        WANTED: (done[WANTED], joined[WANTED]) | "AllWanted" >> beam.Flatten(),
    }


def _segment_task(element: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
    return SEGMENT_TASK, element, storage.redact(element["ref"]["uri"])


def _same_video(element: dict[str, Any]) -> tuple[str, None]:
    return canonical([element["ref"], element["video_id"]]), None


@dataclasses.dataclass(frozen=True)
class _SourceTask:
    job: str
    config: dict[str, Any]
    root: str
    whole: bool

    def __call__(self, element: Known) -> tuple[str, dict[str, Any], str]:
        ref, video_id = element
        place = {"config": self.config, "root": self.root}
        arguments = {"job": self.job, "ref": ref, "video_id": video_id, **place, "whole": self.whole}
        return SOURCE_TASK, arguments, storage.redact(ref["uri"])


@dataclasses.dataclass(frozen=True)
class _JoinTask:
    task: _SourceTask

    def __call__(self, element: tuple[str, Iterable[None]]) -> tuple[str, dict[str, Any], str]:
        return self.task(Known(*json.loads(element[0])))


def recut_videos(
    pipeline: beam.Pipeline, plan: RunPlan, config: Config, videos: Iterable[str]
) -> dict[str, PCollection[Any]]:
    """Wire parts of the `videos` table to rows, tallies and what models are to describe: only the store is read."""
    done = (
        pipeline
        | "Parts" >> beam.Create(list(videos))
        | "ReadVideos" >> beam.ParDo(_ReadVideos(plan)).with_outputs(ROWS, TALLY, main="videos")
    )
    cut = (
        done.videos
        | "Spread" >> beam.Reshuffle()
        | "Work"
        >> beam.ParDo(InChildren(plan, config, _VideoTask(config.to_json(), plan.root))).with_outputs(
            ROWS, TALLY, WANTED
        )
    )
    merged = {name: (done[name], cut[name]) | f"All_{name}" >> beam.Flatten() for name in (ROWS, TALLY)}
    return {**merged, WANTED: cut[WANTED]}


class _ReadVideos(Gathering):
    def process(self, element: str) -> Iterator[Any]:
        for row in pq.read_table(io.BytesIO(storage.read_bytes(element))).to_pylist():
            self._counts["videos.in"] += 1
            yield row


@dataclasses.dataclass(frozen=True)
class _VideoTask:
    config: dict[str, Any]
    root: str

    def __call__(self, video: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
        return (
            "pipelines.work:recut_video",
            {"video": video, "config": self.config, "root": self.root},
            video["video_id"],
        )


def described(made: Mapping[str, PCollection[Any]], plan: RunPlan, config: Config) -> dict[str, PCollection[Any]]:
    """Rows and tallies of a job with those of its captions and transcripts; without a model as they are."""
    own = {name: made[name] for name in (ROWS, TALLY)}
    if not describing.asks(config.captions):
        return own
    # Where PyTorch is installed, Beam's part of it imports that: 5 s and 600 MB, which a job without models saves.
    from pipelines import inference

    found = made[WANTED] | "Describe" >> inference.Describe(plan, config)
    return {name: (own[name], found[name]) | f"Described_{name}" >> beam.Flatten() for name in own}
