"""Browse clips: a wall of clips with filters, and one clip's whole story."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pages import explain, playing
from pages.browse_page import PER_PAGE, asked, link, page, pager, picture_of, shelf_of, snapshot_of
from pages.browse_tables import first_of
from pages.browse_videos import answer
from pages.playing import Gone, Media
from pages.queries import Refused, Snapshot, kinds
from pages.stored import FAULTS
from pages.thresholds import cuts
from transforms import records, storage

_SHOWN: Final = (
    *("clip_id", "video_id", "cut", "start_seconds", "seconds", "kept", "reasons", "frame_uri", "thumbnail_uri"),
    *("width", "height", "motion", "sharpness", "luma", "shape_bucket"),
)
_FIRST_MEASURES: Final = ("seconds", "motion", "sharpness", "luma", "contrast", "saturation", "frame_rate")


def measures() -> list[str]:
    """The columns of `clips` that are numbers, those most asked for first."""
    found = [name for name, kind in kinds("clips").items() if kind == "number"]
    return [*_FIRST_MEASURES, *(name for name in found if name not in _FIRST_MEASURES)]


def listing(request: Request) -> Response:
    """The wall: clips that meet the filters, in any order."""
    snapshot, question = snapshot_of(request), asked(request)
    at = f"/at/{request.path_params['snapshot']}"
    if "measure" in question or "low" in question or "high" in question:
        return RedirectResponse(link(at, "clips", _with_measure(question)), 303)
    plain = dict(question)
    sort, descending, first = plain.pop("sort", ""), plain.pop("order", "") == "desc", first_of(plain)
    known = kinds("clips")
    columns = [name for name in dict.fromkeys([*_SHOWN, *([sort] if sort else [])]) if name in known]
    found = snapshot.page("clips", columns, snapshot.where("clips", plain), sort, descending, first, PER_PAGE)
    chips = [
        (name, text, link(at, "clips", {k: v for k, v in question.items() if k not in (name, "first")}))
        for name, text in plain.items()
        if name not in ("q", "kept", "reasons", "cut")
    ]
    return page(
        request,
        "browse_clips.html.j2",
        snapshot=snapshot,
        clips=[{**row, "picture": picture_of(at, row)} for row in found.rows],
        found=found,
        question=question,
        plain=plain,
        sort=sort,
        descending=descending,
        chips=chips,
        measures=measures(),
        reasons=_reasons(snapshot),
        cuts=cuts(snapshot),
        pager=pager(at, "clips", question, first, found.total, PER_PAGE),
    )


def _with_measure(question: dict[str, str]) -> dict[str, str]:
    """A question whose fields `measure`, `low` and `high` are one filter of a measure."""
    made = {k: v for k, v in question.items() if k not in ("measure", "low", "high", "first")}
    name = question.get("measure", "")
    for field, end in (("low", "min"), ("high", "max")):
        if name and question.get(field):
            made[f"{name}.{end}"] = question[field]
    return made


def _reasons(snapshot: Snapshot) -> list[str]:
    clips = snapshot.table("clips")
    found = snapshot.once(
        "reasons", f"SELECT DISTINCT unnest(reasons) AS reason FROM {clips} WHERE NOT kept ORDER BY reason"
    )
    return [row["reason"] for row in found]


def story(request: Request) -> Response:
    """One clip: player, what became of it and why, and what every table knows."""
    snapshot = snapshot_of(request)
    told = explain.story(snapshot, request.path_params["clip"])
    at, clip, video = f"/at/{request.path_params['snapshot']}", told.clip, told.video
    if request.path_params["clip"] != clip["clip_id"]:
        return RedirectResponse(link(at, f"clips/{clip['clip_id']}"), 303)
    around = snapshot.rows(
        f"SELECT clip_id, start_pts, kept FROM {snapshot.table('clips')} WHERE video_id = ? AND cut = ?"
        " ORDER BY start_pts",
        [clip["video_id"], clip["cut"]],
    )
    place = next((k for k, one in enumerate(around) if one["clip_id"] == clip["clip_id"]), 0)
    captions = [row for part in told.parts if part.table == "captions" for row in part.rows]
    return page(
        request,
        "browse_clip.html.j2",
        snapshot=snapshot,
        told=told,
        clip=clip,
        video=video,
        captions=captions,
        player=_player(at, told),
        picture=picture_of(at, clip),
        samples=_samples(request, snapshot, clip, video),
        before=around[place - 1]["clip_id"] if place else None,
        after=around[place + 1]["clip_id"] if place + 1 < len(around) else None,
        place=place + 1,
        count=len(around),
        units={p.table: _units(p.table) for p in told.parts},
    )


def _units(table: str) -> dict[str, str]:
    schema = records.schema(records.BY_TABLE[table])
    return {field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in schema}


def _player(at: str, told: explain.Story) -> dict[str, Any]:
    """How a clip is played: from its own file, else from its source; or why it is not."""
    clip, video = told.clip, told.video
    if clip.get("clip_uri"):
        lead = clip.get("clip_lead_seconds") or 0.0
        span = f"#t={lead:.3f},{lead + clip['seconds']:.3f}" if lead or clip.get("clip_tail_seconds") else ""
        return {"src": f"{at}/clips/{clip['clip_id']}/file{span}", "from": "its clip file", "why": ""}
    if video is None:
        return {"src": "", "from": "", "why": "its video is in no table any more"}
    why = playing.unplayable(video)
    if not why:
        sources = next((part.rows for part in told.parts if part.table == "sources"), ())
        try:
            playing.source_of(list(sources), video["container"])
        except Gone as error:
            why = str(error)
    # A browser's clock starts with whatever starts first; a quarter of a frame keeps rounding off its neighbours.
    early, quarter = max(0.0, -(video.get("audio_offset") or 0.0)), 0.25 / clip["frame_rate"]
    span = f"#t={clip['start_seconds'] + early + quarter:.4f},{clip['end_seconds'] + early - quarter:.4f}"
    src = "" if why else f"{at}/videos/{clip['video_id']}/media{span}"
    return {"src": src, "from": "the source", "why": why}


def _samples(request: Request, snapshot: Snapshot, clip: dict[str, Any], video: dict[str, Any] | None) -> list[int]:
    """PTS of up to eight sampled frames of a clip; none where they are gone."""
    if video is None:
        return []
    try:
        every = shelf_of(request).samples(video, lambda found: [frame.pts for frame in found.frames])
    except FAULTS:
        return []
    inside = [pts for pts in every if clip["start_pts"] <= pts < clip["end_pts"]]
    step = max(1, -(-len(inside) // 8))
    return inside[::step]


def _row(request: Request) -> tuple[Snapshot, dict[str, Any]]:
    snapshot, clip_id = snapshot_of(request), request.path_params["clip"]
    found = snapshot.rows(
        f"SELECT * FROM {snapshot.table('clips')} WHERE clip_id = ? ORDER BY cut <> 'default', cut LIMIT 1", [clip_id]
    )
    if not found:
        raise Refused(f"no clip {clip_id!r}")
    return snapshot, found[0]


def file(request: Request) -> Response:
    """A clip file, by range."""
    snapshot, clip = _row(request)
    return answer(request, _own(snapshot, clip.get("clip_uri"), "video/mp4", "clip file"))


def thumbnail(request: Request) -> Response:
    """A clip's thumbnail."""
    snapshot, clip = _row(request)
    return answer(request, _own(snapshot, clip.get("thumbnail_uri"), "image/webp", "thumbnail"))


def _own(snapshot: Snapshot, relative: str | None, kind: str, what: str) -> Media:
    """A file of the output folder that a row names."""
    if not relative or ".." in relative.split("/"):
        raise Gone(f"this clip has no {what}")
    uri = storage.join(snapshot.corpus.root, *relative.split("/"))
    return Media(uri, storage.stat(uri).size or 0, kind)
