"""Browse videos: a video's timeline, its cuts frame by frame, its stored pictures, and its bytes by range."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from pages import playing
from pages.browse_page import link, page, shelf_of, snapshot_of
from pages.playing import Gone, Media
from pages.queries import Refused, Snapshot
from pages.shelf import Shelf
from pages.stored import FAULTS
from pages.thresholds import settings_of
from pages.trying import controls
from transforms.detect import content_scores
from transforms.marks import standing
from transforms.signals import Signals, hash_distance
from transforms.thumbnails import HEIGHT, WIDTH
from transforms.timeline import edge_pts

BINS: Final = 1600
"""Steps of a drawn signal; each shows the largest of its frames."""
AROUND: Final = 12
"""Frames shown on each side of a boundary."""
_LONGEST: Final = 500
"""Frames of the longest transition that is shown."""
_NO_CUT: Final = frozenset({"start", "length", "end"})
"""What opens a clip without a cut."""
_KEEP: Final = {"cache-control": "private, max-age=86400"}
"""What is stored of a video never changes."""


def video_row(snapshot: Snapshot, video_id: str) -> dict[str, Any]:
    """A video's row.

    Raises:
        Refused: There is no such video.
    """
    found = snapshot.rows(f"SELECT * FROM {snapshot.table('videos')} WHERE video_id = ?", [video_id])
    if not found:
        raise Refused(f"no video {video_id!r} in snapshot {snapshot.number}")
    return found[0]


def sources_of(snapshot: Snapshot, video_id: str) -> list[dict[str, Any]]:
    """A video's rows of `sources`."""
    return snapshot.rows(f"SELECT * FROM {snapshot.table('sources')} WHERE video_id = ? ORDER BY uri", [video_id])


def answer(request: Request, media: Media) -> Response:
    """A file's bytes, or the range that is asked for."""
    headers = {"accept-ranges": "bytes", "cache-control": "private, no-cache"}
    try:
        part = playing.wanted(request.headers.get("range"), media.size)
    except ValueError:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{media.size}"})
    start, end = part or (0, media.size)
    headers["content-length"] = str(end - start)
    if part is not None:
        headers["content-range"] = f"bytes {start}-{end - 1}/{media.size}"
    body: Iterable[bytes] = () if request.method == "HEAD" else playing.blocks(media, start, end)
    return StreamingResponse(body, 206 if part is not None else 200, headers, media.kind)


def media(request: Request) -> Response:
    """The source of a video, by range."""
    snapshot, video_id = snapshot_of(request), request.path_params["video"]
    row = video_row(snapshot, video_id)
    return answer(request, playing.source_of(sources_of(snapshot, video_id), row["container"]))


def sample(request: Request) -> Response:
    """A sampled frame of a video."""
    row = video_row(snapshot_of(request), request.path_params["video"])
    pts = request.path_params["pts"]
    return Response(
        shelf_of(request).samples(row, lambda found: found.jpeg(pts)), media_type="image/jpeg", headers=_KEEP
    )


def upright(pictures: NDArray[np.uint8], rotation: int | None) -> NDArray[np.uint8]:
    """Thumbnails as shown: (frames, rows, columns, 3) turned clockwise by `rotation` degrees."""
    return np.rot90(pictures, -((rotation or 0) // 90), axes=(1, 2))


def thumbnail(request: Request) -> Response:
    """The thumbnail of a frame of a video, upright."""
    row = video_row(snapshot_of(request), request.path_params["video"])
    frame = request.path_params["frame"]
    found = shelf_of(request).thumbnails(row, frame, frame + 1)
    if len(found) == 0:
        raise Refused(f"no frame {frame}")
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(upright(found, row["rotation"])[0])).save(out, "PNG", compress_level=1)
    return Response(out.getvalue(), media_type="image/png", headers=_KEEP)


def clips_of(snapshot: Snapshot, video_id: str, cut: str) -> list[dict[str, Any]]:
    """A video's clips under one cut, in order."""
    names = "clip_id, start_seconds, end_seconds, seconds, start_frame, frames, start_reason, end_reason, kept, reasons"
    sql = f"SELECT {names} FROM {snapshot.table('clips')} WHERE video_id = ? AND cut = ? ORDER BY start_pts"
    return snapshot.rows(sql, [video_id, cut])


def marks_of(snapshot: Snapshot, video_id: str) -> list[dict[str, Any]]:
    """The marks that stand on a video's cuts."""
    rows = snapshot.rows(f"SELECT * FROM {snapshot.table('marks')} WHERE video_id = ?", [video_id])
    return standing(rows).get(video_id, [])


def cuts_of_video(snapshot: Snapshot, video_id: str) -> list[str]:
    """Names of the cuts under which a video has clips, `default` first."""
    sql = f"SELECT DISTINCT cut FROM {snapshot.table('clips')} WHERE video_id = ? ORDER BY cut <> 'default', cut"
    return [row["cut"] for row in snapshot.rows(sql, [video_id])]


def video(request: Request) -> Response:
    """A video: player, timeline, cuts under other thresholds, clips."""
    snapshot, video_id = snapshot_of(request), request.path_params["video"]
    row = video_row(snapshot, video_id)
    names = cuts_of_video(snapshot, video_id)
    cut = request.query_params.get("cut") or (names[0] if names else "default")
    why = playing.unplayable(row)
    sources, settings = sources_of(snapshot, video_id), settings_of(snapshot, cut)[0]
    if not why:
        try:
            playing.source_of(sources, row["container"])
        except Gone as error:
            why = str(error)
    return page(
        request,
        "browse_video.html.j2",
        snapshot=snapshot,
        video=row,
        sources=sources,
        clips=clips_of(snapshot, video_id, cut),
        cut=cut,
        cuts=names,
        settings=settings,
        controls=controls(),
        values={one["name"]: getattr(settings, one["name"]) for one in controls()},
        why=why,
        marks=marks_of(snapshot, video_id),
    )


def _largest(values: NDArray[np.float64], bins: int) -> list[float]:
    """The largest value of each of `bins` stretches of frames, to four digits."""
    if len(values) > bins:
        edges = np.linspace(0, len(values), bins + 1).astype(int)
        values = np.maximum.reduceat(values, edges[:-1])
    return [round(float(value), 3) for value in values]


def curves(signals: Signals, weights: tuple[float, ...], window: int) -> dict[str, NDArray[np.float64]]:
    """What the detectors compare, a value a frame: `content`, `adaptive` (times its neighbours) and `hash` (share)."""
    content = content_scores(signals, weights)
    padded = np.pad(content, window)
    around = sum(padded[k : k + len(content)] for k in range(2 * window + 1)) - content
    turned = np.zeros(len(signals))
    turned[1:] = hash_distance(signals["hash"][1:], signals["hash"][:-1]) / 64
    return {
        "content": content,
        "adaptive": np.minimum(content / np.maximum(around / (2 * window), 1e-5), 255.0),
        "hash": turned,
    }


def signals(request: Request) -> Response:
    """A video's signals for drawing."""
    shelf, snapshot = shelf_of(request), snapshot_of(request)
    row = video_row(snapshot, request.path_params["video"])
    settings = settings_of(snapshot, request.query_params.get("cut", "default"))[0]
    with shelf.lock:
        found = shelf.signals(row)
        lines = curves(found, settings.weights, settings.adaptive_window)
        seconds = float((found.ends[-1] - found["pts"][0]) * found.about.time_base_num / found.about.time_base_den)
        made = {name: _largest(values, BINS) for name, values in lines.items()}
    return JSONResponse({"seconds": seconds, "frames": len(found), "curves": made})


def boundary(request: Request) -> Response:
    """The frames around a boundary, one by one, with what the detectors compare.

    A frame at which a clip ends, where the next does not begin yet, leads to the frame at which that begins.
    """
    shelf, snapshot = shelf_of(request), snapshot_of(request)
    video_id, frame = request.path_params["video"], request.path_params["frame"]
    row = video_row(snapshot, video_id)
    cut = request.query_params.get("cut", "default")
    clips = clips_of(snapshot, video_id, cut)
    starts = {one["start_frame"]: one for one in clips}
    ends = {one["start_frame"] + one["frames"]: one for one in clips}
    later = min((one for one in starts if one >= frame), default=None)
    if frame in ends and later is not None and later != frame:
        return RedirectResponse(
            link(f"/at/{request.path_params['snapshot']}", f"videos/{video_id}/cuts/{later}", {"cut": cut}), 303
        )
    opened = starts[frame]["start_reason"] if frame in starts else ""
    detector = "" if opened in _NO_CUT else opened
    before = _before(request.query_params.get("before"), frame, ends if detector else {})
    settings = settings_of(snapshot, cut)[0]
    with shelf.lock:
        signals = shelf.signals(row)
        count = len(signals)
        if not 0 <= frame <= count:
            raise Refused(f"no frame {frame}: the video has {count}")
        first, end = max(0, before - AROUND), min(count, frame + AROUND)
        lines = curves(signals, settings.weights, settings.adaptive_window)
        pts, seconds = edge_pts(signals), signals.seconds
        shown = [
            {
                "frame": k,
                "seconds": float(seconds[k]),
                "side": "before" if k < before else "between" if k < frame else "after",
                **{name: float(values[k]) for name, values in lines.items()},
            }
            for k in range(first, end)
        ]
    pictured, near = _pictures(shelf, row, first, (int(pts[first]), int(pts[end])))
    return page(
        request,
        "browse_cut.html.j2",
        snapshot=snapshot,
        video=row,
        frame=frame,
        before=before,
        frames=shown,
        pictured=pictured,
        near=near,
        marks=[one for one in marks_of(snapshot, video_id) if one["pts"] == int(pts[frame])],
        cut=cut,
        settings=settings,
        size=_shape(row),
        detector=detector,
        previous=max((one for one in starts if 0 < one < frame), default=None),
        next=min((one for one in starts if one > frame), default=None),
        starts=starts,
        ends=ends,
    )


def _pictures(shelf: Shelf, row: dict[str, Any], frame: int, span: tuple[int, int]) -> tuple[bool, list[int]]:
    """Whether thumbnails were kept, and the PTS of the sampled frames in a span."""
    try:
        pictured = len(shelf.thumbnails(row, frame, frame + 1)) > 0
    except FAULTS:
        pictured = False
    try:
        every = shelf.samples(row, lambda samples: [one.pts for one in samples.frames])
    except FAULTS:
        every = []
    return pictured, [one for one in every if span[0] <= one < span[1]]


def _before(text: str | None, frame: int, ends: Mapping[int, Any]) -> int:
    """Where the transition to a frame begins: where it is said, else where the clip before ends; the frame itself at a
    hard cut."""
    if not text:
        return max((one for one in ends if 0 <= frame - one <= _LONGEST), default=frame)
    if not (text.isascii() and text.isdigit() and 0 <= frame - int(text) <= _LONGEST):
        raise Refused(f"before: {text!r} is no frame shortly before {frame}")
    return int(text)


def _shape(row: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height in which a thumbnail is shown, in CSS pixels: the video's shape, 128 on its long side."""
    width, height = row.get("width") or WIDTH, row.get("height") or HEIGHT
    long = 128 / max(width, height)
    return max(24, round(width * long)), max(24, round(height * long))
