"""Report: one page about one run, in one file that needs nothing else.

It shows what the tables, the store and the run's `report.json` say, as of the snapshot that the run made, and decides
nothing. Its size does not grow with the corpus: measures are counted into bars, clips and pictures are samples, and the
page says so. What cannot be read is named with the reason, and the rest is shown.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pages import contact, plots, rendering
from pages.failed import failed_groups
from pages.stored import FAULTS, why
from pages.timeline import COLUMNS, VIDEO_COLUMNS, timeline
from transforms import storage, tables
from transforms.settings import ConfigError
from transforms.store import read_if_there

TIMELINES: Final = 3
"""Videos with a timeline, those with most cuts."""
TIMELINE_BYTES: Final = 7_000_000
"""Timelines that would take more together are left out; pictures of film take about 1 MB a video."""
_TRIED: Final = 8
"""Videos that are tried until so many have a timeline."""
_SCRIPTS: Final = ("theme.js", "plotly", "report.js", "timeline.js")
_SHEET_COLUMNS: Final = (
    *("clip_id", "video_id", "start_seconds", "seconds", "frames", "width", "height", "motion", "luma", "sharpness"),
    *("kept", "reasons", "reason_values", "reason_limits", "frame_uri"),
    *("clip_mode", "clip_fallback", "clip_lead_seconds", "clip_tail_seconds", "clip_bytes", "clip_error"),
)

_UNTOLD: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("message", "started", "job", "status"), ""),
    **{name: {} for name in ("balance", "reused", "stored_bytes", "step_seconds", "config", "versions")},
    **dict.fromkeys(("elapsed_seconds", "footage_seconds", "clip_seconds", "kept_seconds", "stored_seconds"), 0.0),
    **dict.fromkeys(("decoded_frames", "source_frames", "source_bytes", "read_bytes", "snapshot"), 0),
    "decoded_again": [],
}
"""What a report of an older version may lack."""


class Part(NamedTuple):
    """A part of the page: what it shows, or why there is nothing to show."""

    shown: Any
    absent: str


def _part(make: Callable[[], Any], nothing: str) -> Part:
    """What `make` gives; where it gives nothing, `nothing`, and where it fails, the fault in a line."""
    try:
        found = make()
    except FAULTS as error:
        return Part(None, f"Not shown: {why(error)}")
    return Part(found, "" if found else nothing)


def plotly_script() -> str:
    """The plotting library's JavaScript, out of its Python package: no network."""
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_text("utf-8")


def _script(name: str) -> str:
    return plotly_script() if name == "plotly" else rendering.asset_text(name)


def policy(scripts: Sequence[str]) -> str:
    """A Content-Security-Policy under which a page runs these scripts, shows pictures it brings, and fetches nothing.

    Styles may stand inline: the plotting library writes them. Scripts are known by their hash.
    """
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
        " form-action 'none'"
    )


def find_run(corpus: tables.Corpus, run_id: str | None) -> dict[str, Any]:
    """The report of a run, the latest that left one if none is named.

    Raises:
        ConfigError: There is no such run, or it left no report.
    """
    runs = storage.names(corpus.uri("runs"))
    if run_id is not None and run_id not in runs:
        raise ConfigError(f"--run {run_id}: no such run in {storage.redact(corpus.root)}; `rushes runs` lists them")
    for name in [run_id] if run_id is not None else reversed(runs):
        data = read_if_there(corpus.uri("runs", name, "report.json"))
        if data is None:
            continue
        try:
            return {**_UNTOLD, **json.loads(data), "run_id": name}
        except (ValueError, TypeError) as error:
            raise ConfigError(f"runs/{name}/report.json: not a report ({error}); choose another run") from error
    told = f"run {run_id}" if run_id else "no run"
    raise ConfigError(f"{storage.redact(corpus.root)}: {told} has left a report; a run leaves one when it commits")


class _Corpus:
    """The tables as of the snapshot of a run, read once each."""

    def __init__(self, corpus: tables.Corpus, told: Mapping[str, Any]) -> None:
        self.corpus, self.number = corpus, told["snapshot"] or None
        # Every job's configuration has the group, but this one cuts nothing.
        self.cut: str | None = None if told["job"] == "ingest" else told["config"].get("cut", {}).get("cut")

    def clips(self, columns: Sequence[str], where: Any = None) -> pa.Table:
        """Columns of the clips of the run's set of cuts; none where it made no cuts."""
        mine = pc.field("cut") == self.cut if self.cut is not None else pc.scalar(False)
        found = tables.dataset(self.corpus, "clips", self.number)
        return found.to_table(columns=list(columns), filter=mine if where is None else mine & where)

    def table(self, name: str, columns: Sequence[str], where: Any) -> pa.Table:
        return tables.dataset(self.corpus, name, self.number).to_table(columns=list(columns), filter=where)

    def names(self, video_ids: Sequence[str]) -> dict[str, str]:
        """The first uri of each video."""
        found = self.table("sources", ("uri", "video_id"), pc.field("video_id").isin(list(video_ids)))
        rows = sorted(found.to_pylist(), key=lambda row: row["uri"], reverse=True)
        return {row["video_id"]: storage.redact(row["uri"]) for row in rows}


def _measures(corpus: _Corpus, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many clips there are, and every measure's distribution: its figure, limits, and percentiles of kept and
    dropped clips."""
    sides = ("width", "height", "crop_left", "crop_right", "crop_top", "crop_bottom")
    plain = [m.name for m in plots.MEASURES if m.name not in ("side", "aspect")]
    read = corpus.clips(("kept", *sides, *plain))
    if not read.num_rows:
        return None
    columns = {name: pc.cast(read[name], pa.float64()).to_numpy() for name in (*sides, *plain)}
    width = columns["width"] - columns["crop_left"] - columns["crop_right"]
    height = columns["height"] - columns["crop_top"] - columns["crop_bottom"]
    columns |= {"side": np.minimum(width, height), "aspect": width / np.maximum(height, 1)}
    kept = read["kept"].to_numpy(zero_copy_only=False).astype(bool)
    shown = []
    for measure in plots.MEASURES:
        values = columns[measure.name]
        there = np.isfinite(values)
        if not there.any():
            continue
        values, mine = values[there], kept[there]
        limits = plots.limits_of(measure, config)
        shown.append({
            "name": measure.name, "title": measure.title, "unit": measure.unit, "limits": limits,
            "figure": plots.distribution(measure, values, mine, limits),
            "kept": plots.spread(values[mine]), "dropped": plots.spread(values[~mine]),
            "missing": int((~there).sum()),
        })  # fmt: skip
    return {"clips": read.num_rows, "measures": shown}


def _sheets(corpus: _Corpus) -> list[contact.Sheet]:
    chosen = contact.choose(corpus.clips(("clip_id", "kept", "reasons", "frame_uri")))
    if not chosen:
        return []
    ids = sorted({clip_id for sheet in chosen for clip_id in sheet[2]})
    read = corpus.clips(_SHEET_COLUMNS, pc.field("clip_id").isin(ids)).to_pylist(maps_as_pydicts="lossy")
    rows = {row["clip_id"]: row for row in read}
    made = contact.pictures(corpus.corpus.root, [r["frame_uri"] for r in rows.values() if r["frame_uri"]])
    names = corpus.names([row["video_id"] for row in rows.values()])
    for row in rows.values():
        row["picture"] = made.get(row["frame_uri"])
        row["story"] = contact.story(row)
        row["source"] = names.get(row["video_id"], row["video_id"])
    return [contact.Sheet(reason, of, [rows[i] for i in shown if i in rows]) for reason, of, shown in chosen]


def _likely(corpus: _Corpus) -> list[str]:
    """Videos worth a timeline, the first ones first."""
    if corpus.cut is not None:
        counted = corpus.clips(("video_id",)).group_by("video_id").aggregate([([], "count_all")])
    else:
        stored = pc.field("measure_uri").is_valid() & (pc.field("frames") > 0)
        counted = corpus.table("videos", ("video_id", "frames"), stored).rename_columns(["video_id", "count_all"])
    order = [("count_all", "descending"), ("video_id", "ascending")]
    found: list[str] = counted.sort_by(order).slice(0, _TRIED)["video_id"].to_pylist()
    return found


def _timelines(corpus: _Corpus, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Timelines of the videos with most clips, of the longest where the job makes none; by id where they are equal."""
    likely = _likely(corpus)
    if not likely:
        return []
    rows = corpus.table("videos", VIDEO_COLUMNS, pc.field("video_id").isin(likely)).to_pylist()
    videos = {row["video_id"]: row for row in rows}
    names = corpus.names(likely)
    found: list[dict[str, Any]] = []
    fault: BaseException | None = None
    size = 0
    for video_id in likely:
        video = videos.get(video_id)
        if video is None or not video["measure_uri"]:
            continue
        clips = corpus.clips(COLUMNS, pc.field("video_id") == video_id)
        try:
            made = timeline(corpus.corpus.root, video, names.get(video_id, video_id), clips, config)
        except FAULTS as error:
            fault = error
            continue
        size += len(json.dumps(made))
        if size > TIMELINE_BYTES:
            break
        found.append(made)
        if len(found) == TIMELINES:
            break
    if not found and fault is not None:
        raise ConfigError(why(fault)) from fault
    return found


def render_report(root: str, run_id: str | None = None) -> bytes:
    """The page about a run: HTML in UTF-8, with everything it needs inside.

    Args:
        root: The output folder.
        run_id: The run; the latest that left a report if None.

    Raises:
        ConfigError: There is no such output or run.
        ElementError: The storage of the output folder does not answer.
    """
    corpus = tables.open_corpus(root)
    told = find_run(corpus, run_id)
    config = told["config"]
    at = _Corpus(corpus, told)
    no_clips = (
        "This run was refused: nothing but failures was written."
        if told["status"] == "refused"
        else "This job makes no clips: rushes scenes or rushes curate does."
        if at.cut is None
        else "There are no clips."
    )
    measures = _part(lambda: _measures(at, config) if at.cut else None, no_clips)
    figures = {m["name"]: m["figure"] for m in measures.shown["measures"]} if measures.shown else {}
    flow = plots.flow(told["balance"])
    if flow:
        figures["flow"] = flow
    timelines = _part(lambda: _timelines(at, config if at.cut else {}), "Nothing was measured that could be drawn.")
    page = rendering.render(
        "report.html.j2",
        told=told,
        cut=at.cut,
        root=storage.redact(corpus.root),
        policy=policy([_script(name) for name in _SCRIPTS]),
        plotly=rendering.trusted(plotly_script()),
        flow=flow,
        measures=measures,
        sheets=_part(lambda: _sheets(at) if at.cut else None, no_clips),
        timelines=timelines,
        failures=_part(lambda: failed_groups(corpus, told), "Nothing failed."),
        figures=figures,
    )
    return page.encode()


def write_report(root: str, run_id: str | None = None) -> str:
    """Write the page about a run beside its `report.json`; the URI of the file.

    Raises:
        ConfigError, ElementError: As `render_report`; and where the file cannot be written.
    """
    corpus = tables.open_corpus(root)
    told = find_run(corpus, run_id)
    uri = corpus.uri("runs", told["run_id"], "report.html")
    storage.write_bytes(uri, render_report(root, told["run_id"]))
    return uri
