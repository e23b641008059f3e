"""Measuring a source: what a child process does from bytes to results in the store, whole or segment by segment.

A source is staged, hashed and probed once. A short video is then measured and heard at once. A long one is left in
segments for whoever is free: each is measured by a task of its own, and the first task after them puts them together.
Every result is asked of the store first and put there the moment it exists, so that a killed run loses only what was in
flight. Nothing here imports Beam.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from av import library_versions

from pipelines.config import Config
from transforms import audio, measure, probe, ranged, samples, scan, segments, settings, storage
from transforms.child import phase, report
from transforms.failures import ElementError
from transforms.loudness import LOUDNESS_FILE
from transforms.sources import SourceRef, identity
from transforms.store import Store, digest
from transforms.store import key as store_key

LASTING = frozenset({"empty", "not_media", "no_streams", "unsupported_codec", "encrypted", "damaged"})
"""Failures that the same bytes and the same build will meet again: remembered, so that an unchanged source is not read
again."""

LONGEST_WAIT = 7 * 86_400.0
"""Seconds a task may wait for another that works on the same bytes; its own limit ends that one."""


def source_key(ref: SourceRef) -> str | None:
    """The key under which a listed source remembers its video; None where only reading tells whether it changed."""
    return _by_uri(ref, "source", [])


def refusal_key(ref: SourceRef) -> str | None:
    """The key under which a listed source remembers a lasting failure of this build."""
    build = [
        probe.RECIPE,
        measure.RECIPE,
        audio.RECIPE,
        library_versions["libavcodec"],
        library_versions["libavformat"],
    ]
    return _by_uri(ref, "refused", build)


def shard_of(ref: SourceRef) -> str:
    """The store shard of a source, from its uri alone: one listing answers for all sources of a shard."""
    return digest(ref.name)[:2]


def _by_uri(ref: SourceRef, step: str, inputs: list[Any]) -> str | None:
    known = identity(ref)
    return None if known is None else shard_of(ref) + store_key(step, 1, [known, *inputs])[2:]


def measure_key(video_id: str, config: Config) -> str:
    """The key of what measuring leaves of a video."""
    scanned = [scan.RECIPE] if config.measure.measure == "scan" else []
    return store_key("measure", measure.RECIPE, [video_id, *scanned], settings.key_fields(config.measure))


def audio_key(video_id: str, config: Config) -> str:
    """The key of a video's audio."""
    return store_key("audio", audio.RECIPE, [video_id], settings.key_fields(config.audio))


def _plan_key(video_id: str, config: Config) -> str:
    return store_key("segments", probe.RECIPE, [video_id, config.measure.segment_seconds])


def _segment_key(video_id: str, span: segments.Span, config: Config) -> str:
    return store_key("segment", measure.RECIPE, [video_id, *span], settings.key_fields(config.measure))


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold a lock among all processes of this run on this machine, so that equal work is done once."""
    folder = Path(tempfile.gettempdir()) / "locks"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{name[:3]}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Tally:
    """Counts of one task, the time its steps took, and the step it is at."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.step = ""

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time the block takes to a step."""
        start, self.step = time.monotonic(), step
        try:
            yield
        finally:
            self.counts[f"{step}_ms"] += round((time.monotonic() - start) * 1000)


@dataclasses.dataclass(frozen=True)
class Task:
    """What every step of one task needs."""

    source: SourceRef
    config: Config
    store: Store
    tally: Tally


def facts_in_store(store: Store, video_id: str, config: Config) -> dict[str, Any] | None:
    """The video's row as far as measuring and audio made it, if both are in the store."""
    measured = store.get("measure", measure_key(video_id, config), video_id)
    if not measured or not measured["facts"]["audio_streams"]:
        return dict(measured["facts"]) if measured else None
    heard = store.get("audio", audio_key(video_id, config), video_id)
    return {**measured["facts"], **audio.on_clock(heard["facts"], measured["facts"])} if heard else None


def _as_read(source: SourceRef, found: storage.Stat) -> SourceRef:
    """The source as it was when it was read, where that is not what was listed: another file may be there now."""
    said = ((source.size, found.size), (source.etag, found.etag), (source.modified, found.modified))
    if all(None in pair or pair[0] == pair[1] for pair in said):
        return source
    return dataclasses.replace(source, size=found.size, etag=found.etag, modified=found.modified)


@dataclasses.dataclass(frozen=True)
class Opened:
    """A source on this machine's disk, for as long as a task needs it.

    Attributes:
        task: With the source as it was read.
        staged: Its file.
        scratch: A folder for temporary files, removed afterwards.
    """

    task: Task
    staged: storage.StagedFile
    scratch: Path

    def count_read(self, count: int) -> None:
        """Count bytes read from it; those of a remote source were counted once, when it was staged."""
        if not self.staged.remote:
            self.task.tally.counts["read_bytes"] += count


@contextlib.contextmanager
def open_source(task: Task) -> Iterator[Opened]:
    """Stage a source.

    Raises:
        ElementError: It cannot be read, or may not be.
    """
    source, config, tally = task.source, task.config, task.tally
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-"))
        phase("read")
        storage.guard(source.uri, config.storage)
        with tally.timed("read"):
            staged = stack.enter_context(storage.stage(source.uri, scratch, config.storage))
        if staged.remote:
            tally.counts["read_bytes"] += staged.size
        yield Opened(dataclasses.replace(task, source=_as_read(source, staged.stat)), staged, Path(scratch))


def read_source(
    opened: Opened, whole: bool, admit: Callable[[str, Path], object] = lambda *_: None
) -> tuple[str, list[segments.Span]]:
    """Probe a source, and measure and hear it, or plan its segments.

    Args:
        opened: The source and where its results go.
        whole: Measure it here, however long it is.
        admit: Is told the video_id and the file before anything is decoded; what it raises ends the reading.

    Returns:
        Its video_id, and the segments that are left to be measured: with none, its results are in the store.
    """
    task = opened.task
    try:
        return _read_file(opened, whole, admit)
    except ElementError as error:
        if error.error_class in LASTING:
            refusal = {"error_class": error.error_class, "message": error.message, "step": task.tally.step}
            if key := refusal_key(task.source):
                task.store.put("refused", key, "failed", refusal)
        raise


def _read_file(opened: Opened, whole: bool, admit: Callable[[str, Path], object]) -> tuple[str, list[segments.Span]]:
    task, staged = opened.task, opened.staged
    config, store, tally = task.config, task.store, task.tally
    phase("probe")
    with tally.timed("probe"):
        probed = probe.probe(str(staged.path))
    video_id = str(probed.video["video_id"])
    opened.count_read(probed.read_bytes)
    if key := source_key(task.source):
        store.put("source", key, video_id, {"uri": task.source.name})
    admit(video_id, Path(staged.path))
    # Another child may be measuring the same bytes; its own limit ends that, and so this.
    phase("wait", LONGEST_WAIT)
    with alone(video_id):
        if facts_in_store(store, video_id, config) is not None:
            tally.counts["measure.reused"] += 1
            return video_id, []
        if not whole and store.get("measure", measure_key(video_id, config), video_id) is None:
            spans = _planned(opened, probed)
            if spans:
                return video_id, spans
        _measure_whole(opened, probed)
        with tally.timed("audio"):
            _hear(opened, probed.video)
    return video_id, []


def _planned(opened: Opened, probed: probe.ProbeResult) -> list[segments.Span]:
    """The segments of a long video whose seeking was seen to work; none where it is measured in one pass."""
    task, staged = opened.task, opened.staged
    config, video_id = task.config, str(probed.video["video_id"])
    seconds = config.measure.segment_seconds
    in_reach = not staged.remote or not storage.is_web(task.source.uri)
    if not seconds or config.measure.measure == "scan" or not in_reach:
        return []
    spans = segments.plan(probed.index, probed.video, seconds, 2 * seconds)
    if not spans or not segments.seekable(str(staged.path), probed.video, probed.index, spans):
        return []
    index = opened.scratch / "packets.parquet"
    probe.write_index(probed.index, str(index))
    plan = {"facts": probed.video, "spans": spans, "packet_bytes": int(probed.index.size.sum())}
    task.store.put("segments", _plan_key(video_id, config), video_id, plan, {index.name: str(index)})
    return spans


def measure_segment(task: Task, video_id: str, span: segments.Span) -> None:
    """Measure one segment of a video whose plan is in the store, unless it is there."""
    config, store, tally = task.config, task.store, task.tally
    key = _segment_key(video_id, span, config)
    plan = store.get("segments", _plan_key(video_id, config), video_id)
    if plan is None or store.get("segment", key, video_id) is not None:
        return
    facts = plan["facts"]
    phase("measure", config.pool.time_limit * (1 + config.measure.segment_seconds / 2))
    with (
        alone(key),
        tempfile.TemporaryDirectory(prefix="rushes-") as scratch,
        _in_ranges(task) as (path, opener),
        tally.timed("measure"),
    ):
        result = measure.measure(path, facts, scratch, config.measure, span, _frames_seen(), opener)
        tally.counts["decoded_frames"] += result["decoded_frames"]
        files = {p.name: str(p) for p in sorted(Path(scratch).iterdir())}
        store.put("segment", key, video_id, result, files)


@contextlib.contextmanager
def _in_ranges(task: Task) -> Iterator[tuple[str, measure.Opener | None]]:
    """The path of a local source, or what opens a remote one where it lies."""
    uri = task.source.uri
    if not storage.is_remote(uri):
        yield storage.normalise(uri), None
        return
    opened: list[ranged.RangedFile] = []

    def opener() -> ranged.RangedFile:
        opened.append(ranged.RangedFile(uri, task.config.storage))
        if _as_read(task.source, opened[-1].stat) is not task.source:
            raise ElementError("changed", "another object was put in its place while it was read")
        return opened[-1]

    yield "", opener
    task.tally.counts["read_bytes"] += sum(file.read_bytes for file in opened)


def hear_source(task: Task, video_id: str) -> None:
    """Extract the audio of a video whose plan is in the store, unless it is there."""
    plan = task.store.get("segments", _plan_key(video_id, task.config), video_id)
    if plan is None or task.store.get("audio", audio_key(video_id, task.config), video_id):
        return
    with alone(video_id), open_source(task) as opened, task.tally.timed("audio"):
        _hear(opened, plan["facts"])


def join_segments(task: Task, video_id: str) -> bool:
    """Put the segments of a video together, if all are there and fit; its measure is in the store then."""
    config, store, tally = task.config, task.store, task.tally
    if store.get("measure", measure_key(video_id, config), video_id) is not None:
        return True
    plan = store.get("segments", _plan_key(video_id, config), video_id)
    if plan is None:
        return False
    keys = [_segment_key(video_id, (start, end), config) for start, end in plan["spans"]]
    results = [store.get("segment", key, video_id) for key in keys]
    found = [result for result in results if result is not None]
    with (
        tempfile.TemporaryDirectory(prefix="rushes-") as scratch,
        alone(video_id),
        tally.timed("measure"),
    ):
        if len(found) < len(keys):
            return False
        phase("measure", limit(config, plan["facts"]))
        folder = Path(scratch) / "measure"
        folder.mkdir()
        try:
            parts = [store.local("segment", key, Path(scratch) / key) for key in keys]
            index = store.local("segments", _plan_key(video_id, config), Path(scratch) / "plan")
            shutil.copy(index / "packets.parquet", folder)
            measured = segments.stitch(parts, found, folder, plan["facts"], plan["packet_bytes"])
        except segments.SeamError:
            tally.counts["segments.refused"] += 1
            return False
        except FileNotFoundError:  # Another run put them together in the meantime.
            return store.get("measure", measure_key(video_id, config), video_id) is not None
        del measured["decoded_frames"]  # Counted where they were decoded.
        _put_measured(task, {**plan["facts"], **measured}, folder)
        for key in keys:
            store.drop("segment", key, video_id)
        store.drop("segments", _plan_key(video_id, config), video_id)
    return True


def _measure_whole(opened: Opened, probed: probe.ProbeResult) -> None:
    task, staged = opened.task, opened.staged
    config, store, tally = task.config, task.store, task.tally
    facts = dict(probed.video)
    if store.get("measure", measure_key(facts["video_id"], config), facts["video_id"]):
        tally.counts["measure.reused"] += 1
        return
    phase("measure", limit(config, facts))
    folder = opened.scratch / "measure"
    folder.mkdir()
    with tally.timed("measure"):
        if facts["video_streams"]:
            arguments = (str(staged.path), facts)
            if config.measure.measure == "scan":
                found = scan.scan(*arguments, probed.index, folder, config.measure, _frames_seen())
            else:
                found = measure.measure(*arguments, folder, config.measure, on_progress=_frames_seen())
            tally.counts["decoded_frames"] += found.pop("decoded_frames")
            facts.update(found)
            probe.write_index(probed.index, str(folder / "packets.parquet"))
            opened.count_read(staged.size)
        _put_measured(task, facts, folder)


def _put_measured(task: Task, facts: dict[str, Any], folder: Path) -> None:
    video_id, key = facts["video_id"], measure_key(facts["video_id"], task.config)
    task.tally.counts["source_frames"] += facts.get("frames", 0)
    task.tally.counts["stored_milliseconds"] += round(1000 * (facts.get("duration") or 0.0))
    files = {p.name: str(p) for p in sorted(folder.iterdir())}
    if files:
        facts["measure_uri"] = task.store.path("measure", key)
    facts["measure"] = task.config.measure.measure if files else None
    for name, path in files.items():
        task.tally.counts[f"{Path(name).stem}.stored_bytes"] += Path(path).stat().st_size
    task.store.put("measure", key, video_id, {"facts": facts, "sample_pts": _sample_pts(folder / "samples.zip")}, files)


def limit(config: Config, facts: Mapping[str, Any]) -> float:
    """Time limit of a pass over a file: the configured one, and again for every 240 packets or ten seconds."""
    tens = max(facts.get("packets", 0) / 240, (facts.get("container_duration") or 0.0) / 10)
    return float(config.pool.time_limit * (1 + tens))


def _frames_seen() -> Callable[[int], None]:
    last = 0

    def seen(frames: int) -> None:
        nonlocal last
        report(decoded_frames=frames - last)
        last = frames

    return seen


def _hear(opened: Opened, facts: Mapping[str, Any]) -> None:
    """Put the video's audio in the store; audio that can't be decoded is noted, and its video goes on without."""
    task, staged, scratch = opened.task, opened.staged, opened.scratch
    config, store = task.config, task.store
    if not facts["audio_streams"]:
        return
    video_id = facts["video_id"]
    key = audio_key(video_id, config)
    if store.get("audio", key, video_id):
        task.tally.counts["audio.reused"] += 1
        return
    phase("audio", limit(config, facts))
    out, series = scratch / "audio.flac", scratch / LOUDNESS_FILE
    heard: dict[str, Any] = {}
    files = {}
    try:
        heard = audio.extract(str(staged.path), facts, str(out), config.audio, levels_file=series)
        heard["audio_uri"] = store.path("audio", key, out.name)
        files = {p.name: str(p) for p in (out, series)}
        task.tally.counts["loudness.stored_bytes"] += series.stat().st_size
        task.tally.counts["audio.stored_bytes"] += out.stat().st_size
        opened.count_read(staged.size)
    except ElementError as error:
        if not facts["video_streams"]:
            raise
        heard = {"audio_error": str(error)}
    store.put("audio", key, video_id, {"facts": heard}, files)


def _sample_pts(path: Path) -> list[int]:
    if not path.exists():
        return []
    with samples.Samples(path) as found:
        return [entry.pts for entry in found.frames]
