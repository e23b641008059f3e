"""Rescreening: what is stored of footage, decided anew where the registry says something new. No source is opened.

A corpus is looked through bucket by bucket, in few columns, for videos that match a work about which something changed;
those are decided in full, with everything that is known of them. Nothing here imports Beam.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import delta, registry
from filters.rights.compiling import compile_matcher
from filters.rights.matching import Matcher, Source
from filters.rights.policy import RightsSettings
from filters.rights.prefilter import may_hold, pattern
from filters.rights.registry import EMPTY
from filters.rights.screening import Screen
from pipelines import asking, screening
from transforms import merge, records, tables
from transforms.merge import Part
from transforms.records import RetractionRow, SaidRow, to_dict
from transforms.sources import SourceRef
from transforms.store import Store

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "sources": ("uri", "video_id", "metadata"),
    "captions": ("video_id", "clip_id", "captioner", "model", "kind", "text"),
    "transcripts": ("video_id", "recogniser", "model"),
    "utterances": ("video_id", "text"),
    "clips": ("video_id", "clip_id", "kept", "seconds"),
    "verdicts": ("subject", "use", "verdict", "kept_out", "video_id", "matches"),
    "rights_signals": tuple(field.name for field in dataclasses.fields(SaidRow)),
    "release_clips": ("video_id", "release_id"),
    "licensed_uses": ("video_id", "used_in", "party_id", "work_id", "works"),
}
"""Columns that are read, by table."""

Parts = Mapping[str, Sequence[Part]]
UNSCREENED: Final = ("scenes", "recaption")
"""Jobs that write captions, and ask a registry only where one is named."""

_CLOCKS: Final = timedelta(minutes=10)
"""What the clocks of two machines may differ by, and a commit take."""

Held = dict[str, list[dict[str, Any]]]
"""What is stored of a video: rows by table."""


def buckets(corpus: tables.Corpus, base: int) -> list[tuple[int, Parts]]:
    """The parts of each bucket, by table: sources share buckets with their verdicts, captions with their clips."""
    bases = tables.bucket_parts(corpus, list(COLUMNS), base)
    numbers = sorted({bucket for parts in bases.values() for bucket in parts})
    return [(bucket, {table: bases[table].get(bucket, ()) for table in COLUMNS}) for bucket in numbers]


def decided_by(corpus: tables.Corpus, rights: RightsSettings) -> list[delta.Moment]:
    """What the verdicts that stand were decided by: the last screening and every run that it has not seen the end of.

    Where one of them went by another registry or other regimes, or there was none, it is the empty registry: everything
    is new.
    """
    never = [delta.Moment(EMPTY, datetime.fromtimestamp(0, UTC))]
    there = registry.open_registry(str(rights.rights))
    runs = tables.read(corpus, "runs", columns=["job", "started", "ended", "commit", "config"]).to_pylist()
    done = [(run, used) for run in runs if (used := json.loads(run["config"]).get("rights") or {}).get("rights")]
    screened = [run for run, _ in done if run["job"] == "screen"]
    last = max(screened, key=lambda run: run["commit"], default=None)
    without = [run for run in runs if run["job"] in UNSCREENED and not any(run is other for other, _ in done)]
    if any(last is None or run["ended"] >= last["started"] for run in without):
        return never
    moments: dict[int, list[datetime]] = {}
    for run, one in done:
        if last and run is not last and not _unseen(run, last):
            continue
        if one["rights"] != there.root or _regimes(one) != _regimes(dataclasses.asdict(rights)):
            return never
        moments.setdefault(one["rights_version"], []).append(datetime.fromisoformat(one["as_of"]))
    states = {number: registry.version(there, number) for number in moments}
    columns = ["registry_version", "registry_digest"]
    for one in tables.read(corpus, "verdicts", columns=columns).group_by(columns).aggregate([]).to_pylist():
        known = states.get(one["registry_version"]) or registry.version(there, one["registry_version"])
        if known.digest != one["registry_digest"]:
            return never
    found = {(number, at) for number, every in moments.items() for at in (min(every), max(every))}
    return [delta.Moment(states[number], at) for number, at in sorted(found)] or never


def _unseen(run: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    """Whether a screening may not have seen what a run wrote: it was still at work when the screening began."""
    return bool(run["commit"] > last["commit"] or run["ended"] >= last["started"] - _CLOCKS)


def _regimes(rights: Mapping[str, Any]) -> list[Any]:
    names = ("train_regime", "caption_regime", "generate_regime", "display_regime", "on_review", "on_unknown")
    generated = rights.get("on_generated", "keep-out")  # Runs from before the setting knew of no generated footage.
    return [*(rights[name] for name in names), generated, sorted(rights["territories"] or ()), rights["recipient"]]


class News(NamedTuple):
    """The works about which a registry says something new.

    Attributes:
        matcher: Recognises them.
        pattern: What a text that may hold one of their names matches, as `prefilter.pattern`.
        everything: Nothing that was decided counts: of all footage it has to be decided anew.
    """

    matcher: Matcher
    pattern: str | None
    everything: bool


def _moved(
    rights: RightsSettings, before: Sequence[delta.Moment]
) -> tuple[registry.Registry, delta.Moment, frozenset[str]]:
    there = registry.open_registry(str(rights.rights))
    now = delta.Moment(registry.version(there, rights.rights_version), rights.moment)
    return there, now, frozenset().union(*(delta.changed_works(there, one, now) for one in before))


def changed_works(rights: RightsSettings, before: Sequence[delta.Moment]) -> frozenset[str]:
    """The works about which the registry says something new, with all that are part of them; as `changed`."""
    return _moved(rights, before)[2]


def changed(rights: RightsSettings, before: Sequence[delta.Moment]) -> News:
    """The works about which the registry says something new.

    Args:
        rights: The job's settings, pinned.
        before: What was decided by until now.

    Raises:
        RegistryError: The registry cannot be read.
    """
    there, now, works = _moved(rights, before)
    found = delta.identifiers(there, [*before, now], set(works))
    parents = registry.current(there, "works", now.state, ["work_id", "parent"])
    said = found.filter(pc.equal(found.column("kind"), "text")).select(["value", "aliases"]).to_pylist()
    named = {name for row in said for name in (row["value"], *(row["aliases"] or ()))}
    with tempfile.TemporaryDirectory(prefix="rushes-matcher-") as folder:
        path = Path(folder, "changed.bin")
        path.write_bytes(compile_matcher(found, parents))
        # What is mapped stays when the file's name goes.
        return News(Matcher(path), pattern(named), any(one.state.number == EMPTY.number for one in before))


def _table(corpus: tables.Corpus, table: str, parts: Parts, names: Sequence[str] = ()) -> pa.Table:
    wanted = list(names or COLUMNS[table])
    return merge.read_parts(records.BY_TABLE[table], corpus.table_uri(table), parts[table], wanted)


def _column(table: pa.Table, name: str) -> list[Any]:
    return list(table.column(name).to_pylist())


def find(
    corpus: tables.Corpus,
    parts: Parts,
    news: News,
    due: Collection[str | None] = (),
    released: Collection[str] = frozenset(),
    marked: Collection[str] = frozenset(),
) -> Iterator[str]:
    """Videos of a bucket that match what is new.

    Args:
        corpus: The output folder.
        parts: The bucket's.
        news: What is new.
        due: Videos that one of these verdicts keeps from training or captions are found too; None stands for never
            screened.
        released: Of these videos those are found too that are kept out, whether or not anything of them is there.
        marked: Of these videos those are found too that no verdict keeps out: they were let in before the mark.
    """
    verdicts = _table(corpus, "verdicts", parts, ["subject", "use", "verdict", "kept_out", "video_id"])
    training, captioning = (verdicts.filter(pc.equal(verdicts.column("use"), use)) for use in ("train", "caption"))
    out, silent = (set(_column(rows.filter(rows.column("kept_out")), "video_id")) for rows in (training, captioning))
    yield from out & set(released)
    if news.everything:
        yield from _column(_table(corpus, "sources", parts, ["video_id"]), "video_id")
        return
    known = dict(zip(_column(training, "subject"), _column(training, "verdict"), strict=True))
    wanted = pa.array([verdict for verdict in due if verdict], pa.string())
    unheard = set(_column(captioning.filter(pc.is_in(captioning.column("verdict"), wanted)), "subject"))
    sources = _table(corpus, "sources", parts).to_pylist(maps_as_pydicts="strict")
    matches = news.matcher.sources([Source(row["uri"], row["metadata"] or {}) for row in sources])
    for row, found in zip(sources, matches, strict=True):
        uri, video = row["uri"], row["video_id"]
        asked = known.get(uri) in due or uri in unheard or (video in marked and video not in out | silent)
        if asked or found or news.matcher.bytes_hash(video):
            yield video
    for table in screening.TEXTS:
        said = _table(corpus, table, parts, ["video_id", "text"])
        said = said.filter(may_hold(said.column("text"), news.pattern))
        found_in = news.matcher.texts(said.column("text").to_pylist(), "caption")
        hits = pa.array([bool(text.matches or text.near) for text in found_in], pa.bool_())
        yield from said.filter(hits).column("video_id").unique().to_pylist()


def gather(
    corpus: tables.Corpus, parts: Parts, videos: Iterable[str]
) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """What a bucket holds of some videos: (video, (table, row)) pairs."""
    wanted = pa.array(sorted(videos), pa.string())
    if not len(wanted):
        return
    for table in COLUMNS:
        rows = _table(corpus, table, parts)
        for row in rows.filter(pc.is_in(rows.column("video_id"), wanted)).to_pylist(maps_as_pydicts="strict"):
            yield row["video_id"], (table, row)


def held(items: Iterable[tuple[str, dict[str, Any]]]) -> Held:
    """A video's (table, row) pairs by table, in a fixed order."""
    found: Held = {table: [] for table in COLUMNS}
    for table, row in items:
        found[table].append(row)
    found["sources"].sort(key=lambda row: str(row["uri"]))
    return found


@dataclasses.dataclass(frozen=True)
class Change:
    """A video decided anew.

    Attributes:
        video_id: The video.
        stored: What is stored of it.
        verdicts: For each source the rows that hold now.
        own: For each source what was said of it alone.
    """

    video_id: str
    stored: Held
    verdicts: tuple[screening.Rows, ...]
    own: tuple[screening.Rows, ...]

    def now(self, use: str) -> list[dict[str, Any]]:
        """The rows of a use that hold now, a source each."""
        return [row for rows in self.verdicts for row in rows if row["use"] == use]

    def before(self, use: str) -> list[dict[str, Any]]:
        """The rows of a use that held until now; of a source that was never screened none."""
        subjects = {rows[0]["subject"] for rows in self.verdicts}
        return [row for row in self.stored["verdicts"] if row["use"] == use and row["subject"] in subjects]

    def was_let_in(self, use: str) -> bool:
        """Whether no source kept the video out: none that was screened, or none was."""
        return not any(row["kept_out"] for row in self.before(use))

    def kept_out_by(self, use: str) -> list[dict[str, Any]]:
        """The rows that keep the video out now."""
        return [row for row in self.now(use) if row["kept_out"]]

    @property
    def denied(self) -> frozenset[str]:
        """Uses that somebody refuses."""
        return frozenset(row["use"] for rows in self.verdicts for row in rows if row["verdict"] == "deny")


def decide(screen: Screen, store: Store, video_id: str, stored: Held) -> Change:
    """Decide a video anew, with what was said of sources that are no longer there.

    Args:
        screen: The registry.
        store: Where refusals are marked.
        video_id: The video.
        stored: What is stored of it.
    """
    own, texts = [], screening.texts_of(stored)
    for row in stored["sources"]:
        source = SourceRef(uri=row["uri"], metadata=row["metadata"] or {})
        said = [asking.signal(one) for one in stored["rights_signals"] if one["subject"] == row["uri"]]
        own.append([to_dict(one) for one in screen.rows(screening.subject(source, video_id, texts, said))])
    there = {rows[0]["subject"] for rows in own}
    others = [*own, *(rows for rows in screening.marks(store, video_id) if rows[0]["subject"] not in there)]
    verdicts = [screening.strictest(rows, [one for one in others if one is not rows]) for rows in own]
    return Change(video_id, stored, tuple(verdicts), tuple(own))


def retractions(change: Change, run_id: str, removed: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Rows of `retractions`: everything of a video that was let in and no longer is, or is removed.

    Args:
        change: The video decided anew.
        run_id: The run.
        removed: Tables that its rows are removed from.
    """
    stored = change.stored
    names = ("clip_id", "captioner", "kind")
    captions = [("caption", "/".join(row[name] for name in names)) for row in stored["captions"]]
    captions += [("transcript", "/".join(row.values())) for row in stored["transcripts"]]
    clips = [("clip", row["clip_id"]) for row in stored["clips"]]
    sources = [("source", row["uri"]) for row in stored["sources"]]
    everything = [*sources, ("video", change.video_id), *clips, *captions]
    for use, things, table in (("train", everything, "videos"), ("caption", captions, "captions")):
        out = change.kept_out_by(use)
        if not out or not (change.was_let_in(use) or table in removed):
            continue
        before = sorted({row["verdict"] for row in change.before(use)}) or ["none"]
        for kind, name in sorted(set(things)):
            row = RetractionRow(
                run_id=run_id,
                kind=kind,
                id=name,
                video_id=change.video_id,
                use=use,
                was=before[0],
                verdict=out[0]["verdict"],
                entries=out[0]["entries"],
                words=out[0]["words"],
                registry_version=out[0]["registry_version"],
                at=out[0]["at"],
                removed=table in removed,
            )
            yield to_dict(row)
