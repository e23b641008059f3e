"""Work: what a child process does for one source or one video, from bytes to rows.

Every result is asked of the store first and put there the moment it exists, so that a killed run loses only what was in
flight. Nothing here imports Beam.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import io
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import numpy as np

from captioning.captioner import Captioner, Frame, load_captioner, settings_json
from filters import quality
from pipelines.config import Config, from_json
from transforms import audio, clips, levels, measure, probe, records, samples, scenes, settings, signals, storage
from transforms.child import phase, report
from transforms.failures import ElementError
from transforms.sources import SourceRef, identity
from transforms.store import Store, canonical, digest
from transforms.store import key as store_key

RECIPE = 1
"""Raised when scenes, clips, quality decisions or the rows made of them change for unchanged settings."""

LASTING = frozenset({"empty", "not_media", "no_streams", "unsupported_codec", "encrypted", "damaged"})
"""Failures that the same bytes and the same build will meet again: remembered, so that an unchanged source is not read
again."""

_LONGEST_WAIT = 7 * 86_400.0

Rows = list[tuple[str, dict[str, Any]]]


def source_key(ref: SourceRef) -> str | None:
    """The key under which a listed source remembers its video; None where only reading tells whether it changed."""
    return _by_uri(ref, "source", [])


def refusal_key(ref: SourceRef) -> str | None:
    """The key under which a listed source remembers a lasting failure of this build."""
    build = [
        probe.RECIPE,
        measure.RECIPE,
        audio.RECIPE,
        av.library_versions["libavcodec"],
        av.library_versions["libavformat"],
    ]
    return _by_uri(ref, "refused", build)


def shard_of(ref: SourceRef) -> str:
    """The store shard of a source, from its uri alone: one listing answers for all sources of a shard."""
    return digest(ref.name)[:2]


def _by_uri(ref: SourceRef, step: str, inputs: list[Any]) -> str | None:
    known = identity(ref)
    return None if known is None else shard_of(ref) + store_key(step, 1, [known, *inputs])[2:]


def measure_key(video_id: str, config: Config) -> str:
    """The key of a video's signals and samples."""
    return store_key("measure", measure.RECIPE, [video_id], settings.key_fields(config.measure))


def audio_key(video_id: str, config: Config) -> str:
    """The key of a video's audio."""
    return store_key("audio", audio.RECIPE, [video_id], settings.key_fields(config.audio))


def rows_key(job: str, measured: str, heard: str, config: Config) -> str:
    """The key of a video's rows, for a job that makes clips (`curate`) or none (`ingest`), from the keys of what it
    reads."""
    chosen: dict[str, Any] = {}
    if job == "curate":
        chosen = {name: settings.key_fields(getattr(config, name)) for name in ("cut", "quality", "bucket")}
        chosen["captioners"] = [
            [c.name, c.model, c.revision, c.prompt_version, settings_json(c.settings)] for c in captioners(config)
        ]
    return store_key("rows", RECIPE, [measured, heard, job], chosen)


@functools.lru_cache(4)
def captioners(config: Config) -> list[Captioner]:
    """The configured captioners, loaded once a child."""
    return [load_captioner(name) for name in config.captions.captioners]


@functools.lru_cache(4)
def _settled(text: str) -> Config:
    """A configuration from its JSON: every task of a run brings the same one, and checking it takes milliseconds."""
    return from_json(json.loads(text))


@contextlib.contextmanager
def _alone(video_id: str) -> Iterator[None]:
    """Hold a lock on a video among all processes of this run on this machine, so that equal bytes are measured once."""
    folder = Path(tempfile.gettempdir()) / "locks"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{video_id[:3]}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class _Tally:
    """Counts of one task, the time its steps took, and the step it is at."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.step = ""

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        start, self.step = time.monotonic(), step
        try:
            yield
        finally:
            self.counts[f"{step}_ms"] += round((time.monotonic() - start) * 1000)


def curate_source(
    job: str, ref: Mapping[str, Any], video_id: str | None, config: Mapping[str, Any], root: str
) -> dict[str, Any]:
    """Bring one source into the store and make its rows.

    Args:
        job: `curate`, or `ingest` to stop after measuring.
        ref: The source's fields.
        video_id: The video that its bytes are, where an earlier run read them and it is unchanged.
        config: As `Config.to_json` wrote it.
        root: The output folder.

    Returns:
        `rows` as (table, row) pairs, `scopes` as (table, bucket value, scope, rows) and `tally`.

    Raises:
        ElementError: The source cannot be used; its `phase` names the step.
    """
    source, settled, store, tally = SourceRef(**ref), _settled(canonical(config)), Store(root), _Tally()
    made = None
    if video_id:
        made = store.get(
            "rows", rows_key(job, measure_key(video_id, settled), audio_key(video_id, settled), settled), video_id
        )
    if video_id and made:
        tally.counts["videos.reused"] += 1
    else:
        facts = _facts_in_store(store, video_id, settled) if video_id else None
        if facts is None:
            facts, video_id, source = _read_source(source, settled, store, tally)
        else:
            tally.counts["measure.reused"] += 1
        assert video_id is not None
        made = _make_rows(
            job, facts, measure_key(video_id, settled), audio_key(video_id, settled), settled, store, tally
        )
    video = next(row for table, row in made["rows"] if table == "videos")
    row = records.SourceRow(
        uri=source.name,
        size=video["size"],
        etag=source.etag,
        modified=source.modified,
        video_id=video_id,
        metadata=dict(source.metadata),
    )
    made_rows: Rows = [("sources", records.to_dict(row)), *((t, r) for t, r in made["rows"])]
    tally.counts["sources.out"] += 1
    tally.counts["source_bytes"] += video["size"]
    return {
        "rows": made_rows,
        "scopes": [("sources", row.uri, (row.uri,), 1), *((t, b, tuple(s), n) for t, b, s, n in made["scopes"])],
        "tally": dict(tally.counts),
    }


def recut_video(video: Mapping[str, Any], config: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Make a video's clips and captions again from the store; no source is opened.

    Args:
        video: Its row of the `videos` table.
        config: As `Config.to_json` wrote it.
        root: The output folder.
    """
    settled, store, tally = _settled(canonical(config)), Store(root), _Tally()
    video_id = video["video_id"]
    measured = _key_of(video["measure_uri"]) or measure_key(video_id, settled)
    heard = _key_of(video["audio_uri"]) or audio_key(video_id, settled)
    made = store.get("rows", rows_key("curate", measured, heard, settled), video_id)
    if made:
        tally.counts["videos.reused"] += 1
    else:
        made = _make_rows("curate", video, measured, heard, settled, store, tally)
    tally.counts["videos.out"] += 1
    return {
        "rows": [(t, r) for t, r in made["rows"] if t != "videos"],
        "scopes": [(t, b, tuple(s), n) for t, b, s, n in made["scopes"] if t != "videos"],
        "tally": dict(tally.counts),
    }


def _facts_in_store(store: Store, video_id: str, config: Config) -> dict[str, Any] | None:
    """The video's row as far as measuring and audio made it, if both are in the store."""
    measured = store.get("measure", measure_key(video_id, config), video_id)
    if not measured or not measured["facts"]["audio_streams"]:
        return dict(measured["facts"]) if measured else None
    heard = store.get("audio", audio_key(video_id, config), video_id)
    return {**measured["facts"], **heard["facts"]} if heard else None


def _as_read(source: SourceRef, found: storage.Stat) -> SourceRef:
    """The source as it was when it was read, where that is not what was listed: another file may be there now."""
    said = ((source.size, found.size), (source.etag, found.etag), (source.modified, found.modified))
    if all(None in pair or pair[0] == pair[1] for pair in said):
        return source
    return dataclasses.replace(source, size=found.size, etag=found.etag, modified=found.modified)


def _read_source(
    source: SourceRef, config: Config, store: Store, tally: _Tally
) -> tuple[dict[str, Any], str, SourceRef]:
    """Stage, probe, measure and hear a source, whose facts are in the store then; the source is as it was read."""
    with tempfile.TemporaryDirectory(prefix="rushes-") as scratch:
        phase("read")
        storage.guard(source.uri, config.storage)
        with tally.timed("read"), storage.stage(source.uri, scratch, config.storage) as staged:
            if staged.remote:
                tally.counts["read_bytes"] += staged.size
            source = _as_read(source, staged.stat)
            try:
                return *_measure_file(staged, source, scratch, config, store, tally), source
            except ElementError as error:
                if error.error_class in LASTING:
                    refusal = {"error_class": error.error_class, "message": error.message, "step": tally.step}
                    if key := refusal_key(source):
                        store.put("refused", key, "failed", refusal)
                raise


def _measure_file(
    staged: storage.StagedFile, source: SourceRef, scratch: str, config: Config, store: Store, tally: _Tally
) -> tuple[dict[str, Any], str]:
    def read(count: int) -> None:
        if not staged.remote:  # A remote source was read once, when it was staged.
            tally.counts["read_bytes"] += count

    phase("probe")
    with tally.timed("probe"):
        probed = probe.probe(str(staged.path))
    video_id = str(probed.video["video_id"])
    read(probed.read_bytes)
    if key := source_key(source):
        store.put("source", key, video_id, {"uri": source.name})
    # Another child may be measuring the same bytes; its own limit ends that, and so this.
    phase("wait", _LONGEST_WAIT)
    with _alone(video_id):
        facts = _facts_in_store(store, video_id, config)
        if facts is not None:
            tally.counts["measure.reused"] += 1
            return facts, video_id
        facts = dict(probed.video)
        key = measure_key(video_id, config)
        stored = store.get("measure", key, video_id)
        if stored:
            facts = stored["facts"]
            tally.counts["measure.reused"] += 1
        else:
            phase("measure", _limit(config, facts))
            folder = Path(scratch) / "measure"
            folder.mkdir()
            with tally.timed("measure"):
                if facts["video_streams"]:
                    measured = measure.measure(
                        str(staged.path), facts, str(folder), config.measure, on_progress=_frames_seen()
                    )
                    tally.counts["decoded_frames"] += measured.pop("decoded_frames")
                    tally.counts["source_frames"] += measured["frames"]
                    facts.update(measured)
                    facts["measure_uri"] = store.path("measure", key)
                    probe.write_index(probed.index, str(folder / "packets.parquet"))
                    read(staged.size)
            files = {p.name: str(p) for p in sorted(folder.iterdir())}
            for name, path in files.items():
                tally.counts[f"{Path(name).stem}.stored_bytes"] += Path(path).stat().st_size
            store.put(
                "measure", key, video_id, {"facts": facts, "sample_pts": _sample_pts(folder / "samples.zip")}, files
            )
        phase("audio", _limit(config, facts))
        with tally.timed("audio"):
            heard = _hear(staged, facts, scratch, config, store, tally)
        if heard.get("audio_uri"):
            read(staged.size)
        return {**facts, **heard}, video_id


def _limit(config: Config, facts: Mapping[str, Any]) -> float:
    """Time limit of a pass over a file: the configured one, and again for every 240 packets or ten seconds."""
    tens = max(facts.get("packets", 0) / 240, (facts.get("container_duration") or 0.0) / 10)
    return float(config.pool.time_limit * (1 + tens))


def _frames_seen() -> Any:
    last = 0

    def seen(frames: int) -> None:
        nonlocal last
        report(decoded_frames=frames - last)
        last = frames

    return seen


def _hear(
    staged: storage.StagedFile, facts: Mapping[str, Any], scratch: str, config: Config, store: Store, tally: _Tally
) -> dict[str, Any]:
    """The video's audio in the store; audio that can't be decoded is noted, and its video goes on without."""
    if not facts["audio_streams"]:
        return {}
    video_id = facts["video_id"]
    key = audio_key(video_id, config)
    if stored := store.get("audio", key, video_id):
        tally.counts["audio.reused"] += 1
        return dict(stored["facts"])
    out, level_file = Path(scratch) / "audio.flac", Path(scratch) / "levels.npy"
    heard: dict[str, Any] = {}
    files = {}
    try:
        heard = audio.extract(str(staged.path), facts, str(out), config.audio)
        np.save(level_file, levels.levels(out))
        heard["audio_uri"] = store.path("audio", key, out.name)
        files = {p.name: str(p) for p in (out, level_file)}
        tally.counts["audio.stored_bytes"] += out.stat().st_size
    except ElementError as error:
        if not facts["video_streams"]:
            raise
        heard = {"audio_error": str(error)}
    store.put("audio", key, video_id, {"facts": heard}, files)
    return heard


def _sample_pts(path: Path) -> list[int]:
    if not path.exists():
        return []
    with samples.Samples(path) as found:
        return [entry.pts for entry in found.frames]


def _key_of(uri: str | None) -> str | None:
    """The key in a path below the output folder: `store/STEP/ab/KEY...`."""
    return uri.split("/")[3] if uri else None


def cut_video(video: Mapping[str, Any], measured: str, config: Config, store: Store) -> list[dict[str, Any]]:
    """A video's clips from its stored signals, each judged; none where nothing moves."""
    if not video["measure_uri"]:
        return []
    stored = store.get("measure", measured, video["video_id"])
    if stored is None:
        raise ElementError(
            "storage", f"{video['measure_uri']}: its signals are gone from the store; curate its source again"
        )
    found = signals.read_signals(storage.read_bytes(store.uri(f"{video['measure_uri']}/signals.parquet")))
    loudness = None
    if video["audio_uri"]:
        folder = video["audio_uri"].rsplit("/", 1)[0]
        loudness = np.load(io.BytesIO(storage.read_bytes(store.uri(f"{folder}/levels.npy"))), allow_pickle=False)
    rows = clips.clip_rows(
        video,
        found,
        scenes.find_spans(found, config.cut),
        config.cut.cut,
        config.bucket,
        stored["sample_pts"],
        f"{video['measure_uri']}/samples.zip",
        loudness,
    )
    return [quality.judged(row, config.quality) for row in rows]


def caption_clips(
    chosen: Iterable[Captioner], kept: Iterable[Mapping[str, Any]], video: Mapping[str, Any], store: Store
) -> list[dict[str, Any]]:
    """Every captioner's texts about every kept clip."""
    described = []
    for captioner in chosen:
        for clip in kept:
            described += captioner.caption(clip, video, functools.partial(_frames, clip, video, store))
    return described


def _frames(clip: Mapping[str, Any], video: Mapping[str, Any], store: Store) -> list[Frame]:
    """A clip's stored frames, in order."""
    data = storage.read_bytes(store.uri(f"{video['measure_uri']}/samples.zip"))
    base = clip["time_base_num"] / clip["time_base_den"]
    with samples.Samples(data) as found:
        inside = [e.pts for e in found.frames if clip["start_pts"] <= e.pts < clip["end_pts"]]
        return [Frame((pts - clip["start_pts"]) * base, found.jpeg(pts)) for pts in sorted(inside)]


def _make_rows(
    job: str, facts: Mapping[str, Any], measured: str, heard: str, config: Config, store: Store, tally: _Tally
) -> dict[str, Any]:
    """A video's rows from the store alone, put there as one result."""
    video_id = facts["video_id"]
    names = {f.name for f in dataclasses.fields(records.VideoRow)}
    video = records.to_dict(records.VideoRow(**{k: v for k, v in facts.items() if k in names}))
    if not video["video_streams"]:
        video["duration"] = video["audio_seconds"]
    rows: Rows = [("videos", video)]
    scopes: list[tuple[str, str, tuple[str, ...], int]] = [("videos", video_id, (video_id,), 1)]
    if job == "curate":
        phase("scenes", _limit(config, facts))
        with tally.timed("scenes"):
            found = cut_video(video, measured, config, store)
        phase("caption", _limit(config, facts))
        with tally.timed("caption"):
            texts = caption_clips(captioners(config), [c for c in found if c["kept"]], video, store)
        rows += [("clips", c) for c in found] + [("captions", t) for t in texts]
        scopes.append(("clips", video_id, (video_id, config.cut.cut), len(found)))
        described = Counter((t["clip_id"], t["captioner"], t["prompt_version"]) for t in texts)
        scopes += [("captions", video_id, scope, count) for scope, count in described.items()]
    made = {"rows": rows, "scopes": scopes}
    store.put("rows", rows_key(job, measured, heard, config), video_id, made)
    return made
