"""Work: what a child process does for one source or one video, from bytes to rows.

Every result is asked of the store first and put there the moment it exists, so that a killed run loses only what was in
flight. Nothing here imports Beam.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from captioning.captioner import MeasuredCaptioner, settings_json
from filters import quality
from pipelines import asking, clipping, describing, finishing, measuring, screening
from pipelines.config import Config, from_json
from pipelines.measuring import Opened, Tally, Task, audio_key, facts_in_store, measure_key
from transforms import clips, gradual, records, scenes, settings, signals, storage, thumbnails
from transforms.child import phase
from transforms.evidence import Evidence
from transforms.failures import ElementError
from transforms.loudness import LOUDNESS_FILE, read_loudness
from transforms.records import CaptionRow
from transforms.series import read_series
from transforms.sources import SourceRef
from transforms.store import Store, canonical, read_if_there
from transforms.store import key as store_key

RECIPE = 3
"""Raised when scenes, clips, quality decisions or the rows made of them change for unchanged settings."""

_OF_SOURCES = ("sources", "verdicts", "rights_signals")
"""Tables with rows of a source, not of its video."""

Rows = list[tuple[str, dict[str, Any]]]


def rows_key(job: str, measured: str, heard: str, config: Config) -> str:
    """The key of a video's rows, for a job that makes clips (`curate`) or none (`ingest`), from the keys of what it
    reads."""
    chosen: dict[str, Any] = {}
    if job == "curate":
        chosen = {name: settings.key_fields(getattr(config, name)) for name in ("cut", "quality", "bucket")}
        if files := clipping.recipe(config):
            chosen["clips"] = files
        measured_by = describing.measured(config.captions)
        chosen["captioners"] = [[c.name, c.revision, settings_json(c.settings)] for c in measured_by]
    return store_key("rows", RECIPE, [measured, heard, job], chosen)


@functools.lru_cache(4)
def _settled(text: str) -> Config:
    """A configuration from its JSON: every task of a run brings the same one, and checking it takes milliseconds."""
    return from_json(json.loads(text))


def curate_source(
    job: str,
    ref: Mapping[str, Any],
    video_id: str | None,
    config: Mapping[str, Any],
    root: str,
    whole: bool = False,
    uncut: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """Bring one source into the store and make its rows.

    Args:
        job: `curate`, or `ingest` to stop after measuring.
        ref: The source's fields.
        video_id: The video that its bytes are, where an earlier run or task read them and it is unchanged.
        config: As `Config.to_json` wrote it.
        root: The output folder.
        whole: Leave nothing to other tasks: a long video's segments were measured, or it is measured in one pass.
        uncut: Failure class and message of an attempt that ended while clips were cut: none are cut then.

    Returns:
        `rows` as (table, row) pairs, `scopes` as (table, bucket value, scope, rows) and `tally`; or, of a long video,
        `segments`: the arguments of `segment_task` for each; of a denied one its verdicts, and its video under `gone`;
        where models are to describe its clips, `wanted` with the rows that wait for what they say.

    Raises:
        ElementError: The source cannot be used; its `phase` names the step.
    """
    source, settled, store, tally = SourceRef(**ref), _settled(canonical(config)), Store(root), Tally()
    outside = asking.outside(source, settled)
    said, verdicts = list(outside), screening.Rows()

    def decide(found: str | None, texts: Sequence[str] = ()) -> None:
        nonlocal verdicts
        verdicts = screening.decided(source, found, settled, store, texts, said)

    def admit(found: str, path: Path | None = None) -> None:
        said.extend(asking.inside(source, found, settled, store, path) or ())
        decide(found)

    def signals() -> screening.Rows:
        return asking.rows(said, source.name, verdicts[0]["video_id"] if verdicts else None)

    try:
        if outside:
            decide(video_id)
        if video_id and asking.inside(source, video_id, settled, store) is None:
            video_id = None  # Its bytes are known, but not what they say: it is opened again, and nothing decoded.
        if video_id:
            admit(video_id)
        source, video_id, made = _curated(job, source, video_id, settled, store, tally, whole, uncut, admit)
        if "segments" in made:
            return made
        if texts := [row["text"] for table, row in made["rows"] if table == "captions"]:
            decide(video_id, texts)
    except screening.Denied as denied:
        verdicts = denied.rows
        if verdicts[0]["video_id"] is None and (last := _last_video(root, source.name)):
            # Its bytes were not asked for: what was made of those it had goes.
            verdicts = [{**row, "video_id": last} for row in verdicts]
            screening.mark(store, last, verdicts)
        return {**screening.refused(verdicts, signals(), settled.signals.signals), "tally": dict(tally.counts)}
    found = _of_source(source, made, video_id, verdicts, tally)
    if settled.signals.signals:
        found["rows"] += [("rights_signals", row) for row in signals()]
        found["scopes"].append(("rights_signals", source.name, (source.name,), len(signals())))
    found = _hushed(found, store, video_id)
    if job == "ingest" or found["gone"] or not describing.asks(settled.captions):
        return found
    return _waiting(found, source, signals(), settled)


def _waiting(found: Mapping[str, Any], source: SourceRef, said: screening.Rows, settled: Config) -> dict[str, Any]:
    """What a task gives of a source whose video models are to describe: its own rows wait for what they say."""
    own = {name: [one for one in found[name] if one[0] in _OF_SOURCES] for name in ("rows", "scopes")}
    rest = {name: [one for one in found[name] if one[0] not in _OF_SOURCES] for name in ("rows", "scopes")}
    texts = [row["text"] for table, row in rest["rows"] if table == "captions"]
    named = finishing.naming(texts, settled)
    held = {"ref": dataclasses.asdict(source), "said": said, "texts": sorted(named), **own}
    video = next(row for table, row in rest["rows"] if table == "videos")
    kept = [row for table, row in rest["rows"] if table == "clips" and row["kept"]]
    return {**found, **rest, "wanted": list(describing.wanted(video, kept, held))}


def _last_video(root: str, uri: str) -> str | None:
    from pipelines import recorded  # Tables are large, and few tasks read one.
    from transforms import tables

    return recorded.last_video(tables.open_corpus(root), uri)


def _hushed(found: Mapping[str, Any], store: Store, video_id: str) -> dict[str, Any]:
    """What a task gives, without captions, old or new, where its video may not be captioned."""
    if not screening.silenced(store, video_id):
        return {**found, "gone": []}
    rest = {name: [one for one in found[name] if one[0] not in screening.SPOKEN] for name in ("rows", "scopes")}
    return {**found, **rest, "gone": [(table, video_id) for table in screening.SPOKEN]}


def _curated(
    job: str,
    source: SourceRef,
    video_id: str | None,
    settled: Config,
    store: Store,
    tally: Tally,
    whole: bool,
    uncut: tuple[str, str] | None,
    admit: Callable[[str, Path], None],
) -> tuple[SourceRef, str, dict[str, Any]]:
    """A source as it was read, its video, and its rows or the tasks of its segments."""
    task, made = Task(source, settled, store, tally), None
    if video_id:
        asked = screening.captioned(settled, store, video_id)
        made = store.get(
            "rows", rows_key(job, measure_key(video_id, asked), audio_key(video_id, asked), asked), video_id
        )
    if video_id and made:
        tally.counts["videos.reused"] += 1
        return source, video_id, made
    with contextlib.ExitStack() as stack:
        opened: Opened | None = None
        facts = facts_in_store(store, video_id, settled) if video_id else None

        @contextlib.contextmanager
        def once() -> Iterator[Opened]:
            # Opened at most once a task: a remote source is staged once, whatever it is needed for.
            nonlocal opened
            if opened is None:
                opened = stack.enter_context(measuring.open_source(task))
                if facts is not None and opened.task.source is not task.source:
                    raise ElementError("changed", "it is not what was listed any more: run again")
            yield opened

        if facts is not None:
            tally.counts["measure.reused"] += 1
        elif video_id and whole and measuring.join_segments(task, video_id):
            facts = facts_in_store(store, video_id, settled)
        if facts is None:
            with once() as there:
                source = there.task.source
                video_id, spans = measuring.read_source(there, whole, admit)
            if spans:
                place = {"config": settled.to_json(), "root": store.root}
                shared = {"ref": dataclasses.asdict(source), "video_id": video_id, **place}
                found = [{**shared, "span": list(span)} for span in spans]
                heard = [{**shared, "span": None}]
                return (
                    source,
                    video_id,
                    {"rows": [], "scopes": [], "segments": heard + found, "tally": dict(tally.counts)},
                )
            facts = facts_in_store(store, video_id, settled)
        assert video_id is not None
        assert facts is not None
        keys = measure_key(video_id, settled), audio_key(video_id, settled)
        made = _make_rows(job, facts, *keys, screening.captioned(settled, store, video_id), store, tally, once, uncut)
    return source, video_id, made


def _of_source(
    source: SourceRef, made: Mapping[str, Any], video_id: str, verdicts: screening.Rows, tally: Tally
) -> dict[str, Any]:
    """What the task of a source gives: the rows of its video, and its own."""
    video = next(row for table, row in made["rows"] if table == "videos")
    row = records.SourceRow(
        uri=source.name,
        size=video["size"],
        etag=source.etag,
        modified=source.modified,
        video_id=video_id,
        metadata=dict(source.metadata),
    )
    made_rows: Rows = [("sources", records.to_dict(row)), *(("verdicts", v) for v in verdicts)]
    made_rows += [(t, r) for t, r in made["rows"]]
    scopes = [("sources", row.uri, (row.uri,), 1), *((t, b, tuple(s), n) for t, b, s, n in made["scopes"])]
    if verdicts:
        scopes.append(("verdicts", row.uri, (row.uri,), len(verdicts)))
    tally.counts["sources.out"] += 1
    tally.counts["source_bytes"] += video["size"]
    return {
        "rows": made_rows,
        "scopes": scopes,
        "tally": dict(tally.counts),
    }


def segment_task(
    ref: Mapping[str, Any], video_id: str, span: tuple[int, int] | None, config: Mapping[str, Any], root: str
) -> dict[str, Any]:
    """Measure one segment of a long video, or extract its audio (no span), into the store.

    A failure is left to the task that puts the segments together: it misses one, and measures in one pass.
    """
    tally = Tally()
    task = Task(SourceRef(**ref), _settled(canonical(config)), Store(root), tally)
    try:
        if span is None:
            measuring.hear_source(task, video_id)
        else:
            measuring.measure_segment(task, video_id, (span[0], span[1]))
    except ElementError:
        tally.counts["segments.failed"] += 1
    return {"rows": [], "scopes": [], "tally": dict(tally.counts)}


def recut_video(video: Mapping[str, Any], config: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Make a video's clips and captions again from the store; no source is opened.

    Where captions name something in the registry that the job screens with, its sources are decided anew.

    Args:
        video: Its row of the `videos` table.
        config: As `Config.to_json` wrote it.
        root: The output folder.
    """
    store, tally = Store(root), Tally()
    video_id = video["video_id"]
    settled = screening.captioned(_settled(canonical(config)), store, video_id)
    measured = _key_of(video["measure_uri"]) or measure_key(video_id, settled)
    heard = _key_of(video["audio_uri"]) or audio_key(video_id, settled)
    made = store.get("rows", rows_key("curate", measured, heard, settled), video_id)
    if made:
        tally.counts["videos.reused"] += 1
    else:
        made = _make_rows("curate", video, measured, heard, settled, store, tally)
    tally.counts["videos.out"] += 1
    rows: Rows = [(t, r) for t, r in made["rows"] if t != "videos"]
    scopes = [(t, b, tuple(s), n) for t, b, s, n in made["scopes"] if t != "videos"]
    found = {"rows": rows, "scopes": scopes, "tally": dict(tally.counts)}
    if describing.asks(settled.captions):
        return {**found, "wanted": list(describing.wanted(video, [r for t, r in rows if t == "clips" and r["kept"]]))}
    texts = [row["text"] for table, row in rows if table == "captions"]
    try:
        for verdicts in finishing.decided_again(video_id, texts, settled, store):
            subject = verdicts[0]["subject"]
            rows += [("verdicts", row) for row in verdicts]
            scopes.append(("verdicts", subject, (subject,), len(verdicts)))
    except screening.Denied as denied:
        return {**screening.refused(denied.rows), "tally": dict(tally.counts)}
    return _hushed(found, store, video_id)


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
    evidence = _evidence(video, stored["sample_pts"], store)
    spans = scenes.find_spans(evidence.signals, config.cut, _thumbnails(video, store))
    rows = clips.clip_rows(video, evidence, spans, config.cut.cut, config.bucket)
    return [quality.judged(row, config.quality) for row in rows]


def _evidence(video: Mapping[str, Any], sample_pts: Sequence[int], store: Store) -> Evidence:
    """What the store has of a video."""

    def rows(name: str) -> Mapping[str, Any] | None:
        data = read_if_there(store.uri(f"{video['measure_uri']}/{name}.parquet"))
        return read_series(data)[1] if data is not None else None

    heard = None
    if video["audio_uri"]:
        folder = video["audio_uri"].rsplit("/", 1)[0]
        heard = read_loudness(storage.read_bytes(store.uri(f"{folder}/{LOUDNESS_FILE}")))
    found = signals.read_signals(storage.read_bytes(store.uri(f"{video['measure_uri']}/signals.parquet")))
    return Evidence(found, rows("flow"), rows("texture"), heard, sample_pts, f"{video['measure_uri']}/samples.zip")


def _thumbnails(video: Mapping[str, Any], store: Store) -> gradual.Thumbnails | None:
    """Reads ranges of a video's thumbnails, which are fetched when the first is wanted; None where none were kept."""
    uri = store.uri(f"{video['measure_uri']}/thumbnails.zip")
    if not storage.exists(uri):
        return None

    @functools.cache
    def opened() -> thumbnails.Thumbnails:
        return thumbnails.Thumbnails(storage.read_bytes(uri) if storage.is_remote(uri) else uri)

    return lambda start, stop: opened().read(start, stop)


def caption_clips(
    chosen: Iterable[MeasuredCaptioner], kept: Iterable[Mapping[str, Any]], video: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What is said of every kept clip by those who need no model."""
    return [row for captioner in chosen for clip in kept for row in captioner.caption(clip, video)]


def _make_rows(
    job: str,
    facts: Mapping[str, Any],
    measured: str,
    heard: str,
    config: Config,
    store: Store,
    tally: Tally,
    source: Callable[[], contextlib.AbstractContextManager[Opened]] | None = None,
    uncut: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """A video's rows from the store alone, put there as one result; its source is opened for missing clip files only.

    Rows of which one lacks its file are no result: the next run makes them again.
    """
    video_id = facts["video_id"]
    names = {f.name for f in dataclasses.fields(records.VideoRow)}
    video = records.to_dict(records.VideoRow(**{k: v for k, v in facts.items() if k in names}))
    if not video["video_streams"]:
        video["duration"] = video["audio_seconds"]
    rows: Rows = [("videos", video)]
    scopes: list[tuple[str, str, tuple[str, ...], int]] = [("videos", video_id, (video_id,), 1)]
    if job == "curate":
        phase("scenes", measuring.limit(config, facts))
        with tally.timed("scenes"):
            found = cut_video(video, measured, config, store)
        found = clipping.with_files(found, video, config, store, tally, source, uncut)
        phase("caption", measuring.limit(config, facts))
        with tally.timed("caption"):
            texts = caption_clips(describing.measured(config.captions), [c for c in found if c["kept"]], video)
        rows += [("clips", c) for c in found] + [("captions", t) for t in texts]
        scopes.append(("clips", video_id, (video_id, config.cut.cut), len(found)))
        described = Counter(tuple(t[name] for name in CaptionRow.scope) for t in texts)
        scopes += [("captions", video_id, scope, count) for scope, count in described.items()]
    made = {"rows": rows, "scopes": scopes}
    if not clipping.recipe(config) or all(c["clip_uri"] or not c["kept"] for t, c in rows if t == "clips"):
        store.put("rows", rows_key(job, measured, heard, config), video_id, made)
    return made
