"""Views: joins over tables that a reader wants as one, made when they are asked for and stored nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from transforms import mixing, tables
from transforms.spoken import COLUMNS, Spoken


def training(corpus: tables.Corpus, number: int | None = None, originals: Sequence[str] = ()) -> pa.Table:
    """Kept clips with where they came from and what is said of them, without what a verdict keeps out or has no source.

    Every column of `clips`, then `uri` (the first of the video's sources in order of name), `caption` (the first
    `short` caption that was kept, in order of captioner, one of a model before `attributes`) and `speech` (what is said
    in the clip, without utterances that may be invented; null where nobody listened). Both are null where a source
    keeps its video from being captioned.

    With `originals`, columns of source lists, also what `mixing` chooses from: `original` (the text that a list gave
    for the video in one of them), and `captioner` and `caption_model` (who wrote `caption`). A video that may not be
    captioned has no original text either: nobody said that its owner's words are any freer than ours about it.
    """
    return _training(corpus, number, _rights(corpus, number), originals)


def trainable(corpus: tables.Corpus, number: int | None = None, originals: Sequence[str] = ()) -> pa.Table:
    """What a trainer may use: rows of `training` whose every source was screened and let in to train.

    Added: `registry_version`, the oldest that let one of its sources in, and `origin`, null where nobody says that the
    video was generated.
    """
    rights = _rights(corpus, number)
    rows = _training(corpus, number, rights, originals)
    screened = sorted(set(rights.versions) - rights.unscreened)
    rows = rows.filter(pc.is_in(rows.column("video_id"), pa.array(screened, pa.string())))
    versions = [rights.versions[video] for video in rows.column("video_id").to_pylist()]
    origins = [rights.origins.get(video) for video in rows.column("video_id").to_pylist()]
    rows = rows.append_column("registry_version", pa.array(versions, pa.int64()))
    return rows.append_column("origin", pa.array(origins, pa.string()))


class _Rights(NamedTuple):
    """Videos by what verdicts say of their sources; a video is as its strictest source."""

    versions: dict[str, int]
    unscreened: set[str]
    kept_out: set[str]
    silent: set[str]
    origins: dict[str, str]


def _rights(corpus: tables.Corpus, number: int | None) -> _Rights:
    columns = ["subject", "use", "kept_out", "registry_version", "origin"]
    verdicts = tables.read(corpus, "verdicts", number, columns).to_pylist()
    said = {(one["subject"], one["use"]): one for one in verdicts if one["use"] in ("train", "caption")}
    found = _Rights({}, set(), set(), set(), {})
    for source in tables.read(corpus, "sources", number, ["uri", "video_id"]).to_pylist():
        video, train = source["video_id"], said.get((source["uri"], "train"))
        if train is None:
            found.unscreened.add(video)
            continue
        found.versions[video] = min(train["registry_version"], found.versions.get(video, train["registry_version"]))
        if train["origin"]:
            # `generated` and `composite`: the former comes later in the alphabet and counts more.
            found.origins[video] = max(train["origin"], found.origins.get(video, ""))
        if train["kept_out"]:
            found.kept_out.add(video)
        caption = said.get((source["uri"], "caption"))
        if caption is None or caption["kept_out"]:
            found.silent.add(video)
    return found


def described(corpus: tables.Corpus, number: int | None = None) -> pa.Array:
    """Videos whose captions may be shown: they have a source, and none that is kept from training or captioning."""
    rights = _rights(corpus, number)
    return pa.array(sorted({*rights.versions, *rights.unscreened} - rights.kept_out - rights.silent), pa.string())


def _training(corpus: tables.Corpus, number: int | None, rights: _Rights, originals: Sequence[str]) -> pa.Table:
    clips = tables.read(corpus, "clips", number, where=ds.field("kept"))
    sources = tables.read(corpus, "sources", number, ["uri", "video_id", *(["metadata"] if originals else [])])
    usable = (ds.field("kind") == "short") & (ds.field("kept").is_null() | ds.field("kept"))
    captions = tables.read(corpus, "captions", number, ["clip_id", "captioner", "model", "text"], usable)
    uri = _first(sources.sort_by("uri"), "video_id", "uri")
    # A video whose last source was refused, or changed, has nobody left to ask about it.
    let_in = sorted(set(uri) - rights.kept_out)
    clips = clips.filter(pc.is_in(clips.column("video_id"), pa.array(let_in, pa.string())))
    measured = pc.equal(captions.column("captioner"), "attributes")
    order = [(name, "ascending") for name in ("measured", "captioner", "text", "model")]
    captions = captions.append_column("measured", measured).sort_by(order)
    columns = {name: clips.column(name) for name in clips.column_names}
    ids, videos = clips.column("clip_id").to_pylist(), clips.column("video_id").to_pylist()

    def said_of(keys: list[str], found: dict[str, str]) -> pa.Array:
        pairs = zip(keys, videos, strict=True)
        return pa.array([None if video in rights.silent else found.get(key) for key, video in pairs], pa.string())

    columns["uri"] = pa.array([uri.get(video) for video in videos], pa.string())
    columns["caption"] = said_of(ids, _first(captions, "clip_id", "text"))
    if originals:
        columns["original"] = said_of(videos, mixing.originals(sources, originals))
        columns["captioner"] = said_of(ids, _first(captions, "clip_id", "captioner"))
        columns["caption_model"] = said_of(ids, _first(captions, "clip_id", "model"))
    spoken = _spoken(corpus, number, set(let_in) - rights.silent)
    spans = zip(*(clips.column(name).to_pylist() for name in ("video_id", "start_seconds", "end_seconds")), strict=True)
    said = [spoken[video].between(start, end) if video in spoken else None for video, start, end in spans]
    columns["speech"] = pa.array(said, pa.string())
    return pa.table(columns)


def _spoken(corpus: tables.Corpus, number: int | None, videos: set[str]) -> dict[str, Spoken]:
    """What was heard in some videos; of several recognisers the first by name."""
    heard: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for row in tables.read(corpus, "transcripts", number, ["video_id", "recogniser", "model"]).to_pylist():
        if row["video_id"] in videos:
            heard.setdefault(row["video_id"], {})[row["recogniser"], row["model"]] = []
    for row in tables.read(corpus, "utterances", number, ["video_id", "recogniser", "model", *COLUMNS]).to_pylist():
        if row["video_id"] in videos:
            heard[row["video_id"]].setdefault((row["recogniser"], row["model"]), []).append(row)
    return {video: Spoken(by[min(by)], doubtful=False) for video, by in heard.items()}


def _first(table: pa.Table, key: str, value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in zip(table.column(key).to_pylist(), table.column(value).to_pylist(), strict=True):
        found.setdefault(name, text)
    return found


VIEWS = {"training": training, "trainable": trainable}
"""Every view: a function of an output folder and a snapshot."""

VIEW_DOCS = {
    "training": "kept clips with their source's uri and first short caption, without what a verdict keeps out",
    "trainable": "of these what was screened and let in to train, with the version of the registry that did",
}
"""What each view holds."""


def flat(table: pa.Table) -> pa.Table:
    """Nested columns as JSON text, for formats without nesting."""
    import json

    columns = []
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_nested(field.type):
            maps = pa.types.is_map(field.type)
            texts = [None if v is None else json.dumps(dict(v) if maps else v) for v in column.to_pylist()]
            column = pa.chunked_array([pa.array(texts, pa.string())])
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def escaped(table: pa.Table) -> pa.Table:
    """Text cells that a spreadsheet would run as a formula, made plain by a leading apostrophe (OWASP, CSV injection).

    A cell that reads so behind apostrophes of its own gets one more, so taking one away always gives the text back.
    """
    columns = []
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            risky = pc.match_substring_regex(column, r"\A'*[=+\-@\t\r\n]")
            column = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
        columns.append(column)
    return pa.table(columns, names=table.column_names)
