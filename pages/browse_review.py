"""Browse review: other thresholds tried on what is stored, and marks that say whether a cut is right."""

from __future__ import annotations

import dataclasses
import hmac
import json
import shlex
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from filters.quality import REASONS, QualitySettings
from pages import thresholds as limits
from pages.browse_page import asked, page, picture_of, shelf_of, snapshot_of
from pages.browse_videos import video_row
from pages.queries import Refused, Snapshot
from pages.shelf import LATEST
from pages.trying import MOVED, TRIED
from transforms import marks
from transforms.detect import Cut
from transforms.scenes import CutSettings, find_cuts, spans_of
from transforms.settings import ConfigError, from_mapping
from transforms.signals import Signals

LARGEST_MARK: Final = 4096
"""Bytes of a posted mark."""


def _command(shelf_root: str) -> str:
    return f"rushes scenes --output {shlex.quote(shelf_root)} --config thresholds.yaml"


def thresholds(request: Request) -> Response:
    """The page on which the limits of the quality filter are moved."""
    snapshot = snapshot_of(request)
    names = limits.cuts(snapshot)
    cut = request.query_params.get("cut") or (names[0] if names else "default")
    quality = limits.settings_of(snapshot, cut)[1]
    scales = limits.scales(snapshot, cut)
    fields = {field.name: field for field in dataclasses.fields(QualitySettings)}
    rows = []
    for check in limits.CHECKS:
        scale = scales.get(check.setting)
        if scale is None:
            continue
        tallest = max(scale.counts) or 1
        rows.append(
            {
                "setting": check.setting,
                "reason": check.reason,
                "least": check.least,
                "doc": fields[check.setting].metadata["doc"],
                "unit": fields[check.setting].metadata["unit"],
                "value": getattr(quality, check.setting),
                "low": scale.low,
                "high": scale.high,
                "ratios": scale.ratios,
                # Square roots, so that rare values can be seen beside frequent ones.
                "bars": [round(40 * (count / tallest) ** 0.5, 1) for count in scale.counts],
            }
        )
    return page(
        request,
        "browse_thresholds.html.j2",
        snapshot=snapshot,
        cut=cut,
        cuts=names,
        rows=rows,
        bins=limits.BINS,
        meanings=REASONS,
    )


def _limits(snapshot: Snapshot, question: dict[str, str], cut: str) -> QualitySettings:
    """The run's limits with those that are asked for in their place; `none` switches one off."""
    now = limits.settings_of(snapshot, cut)[1]
    given = {name: None if text.lower() == "none" else text for name, text in question.items()}
    found: QualitySettings = from_mapping(QualitySettings, {**dataclasses.asdict(now), **given})
    return found


def tried(request: Request) -> Response:
    """What other limits of the quality filter would change."""
    snapshot, question = snapshot_of(request), asked(request)
    cut = question.pop("cut", "default")
    try:
        quality = _limits(snapshot, question, cut)
    except ConfigError as error:
        raise Refused(str(error)) from error
    change = limits.what_if(snapshot, quality, cut)
    cuts_now, _, bucket = limits.settings_of(snapshot, cut)
    at = f"/at/{request.path_params['snapshot']}"
    told = change._asdict() | {
        "clips": [{**one, "picture": picture_of(at, one)} for one in change.clips],
        "configuration": limits.configuration(cuts_now, quality, bucket),
        "command": _command(shelf_of(request).corpus.root),
    }
    return JSONResponse(told)


def _cut_settings(snapshot: Snapshot, question: dict[str, str], cut: str) -> CutSettings:
    """The run's thresholds with those that are asked for in their place.

    Raises:
        Refused: No threshold that can be moved, a value out of its range, or a detector that takes long.
    """
    if unknown := sorted(set(question) - {*MOVED, "detectors"}):
        raise Refused(f"cuts have no threshold {unknown[0]!r} here")
    now = limits.settings_of(snapshot, cut)[0]
    try:
        made: CutSettings = from_mapping(CutSettings, {**dataclasses.asdict(now), **question})
    except ConfigError as error:
        raise Refused(str(error)) from error
    if slow := [name for name in made.detectors if name not in TRIED]:
        raise Refused(f"{slow[0]} takes long: use rushes scenes")
    return made


def _told(cut: Cut, signals: Signals) -> dict[str, Any]:
    seconds, count = signals.seconds, len(signals)
    end = float(seconds[-1]) if count else 0.0
    return {
        "frame": cut.frame,
        "before": cut.end_frame,
        "pts": cut.pts,
        "seconds": float(seconds[cut.frame]) if cut.frame < count else end,
        "before_seconds": float(seconds[cut.end_frame]) if cut.end_frame < count else end,
        "detector": cut.detector,
    }


def cuts(request: Request) -> Response:
    """The cuts of one video under the run's thresholds and under other ones."""
    shelf, snapshot, question = shelf_of(request), snapshot_of(request), asked(request)
    row = video_row(snapshot, request.path_params["video"])
    name = question.pop("cut", "default")
    settings = _cut_settings(snapshot, question, name)
    before, quality, bucket = limits.settings_of(snapshot, name)
    with shelf.lock:
        signals = shelf.signals(row)

        def pictures(first: int, end: int) -> Any:
            return shelf.thumbnails(row, first, end)

        try:
            pictures(0, 1)
            thumbnails = pictures
        except (OSError, KeyError, ValueError):
            thumbnails = None
        found = find_cuts(signals, settings, thumbnails)
        was = found if settings == before else None
        if was is None and set(before.detectors) <= set(TRIED):
            was = find_cuts(signals, before, thumbnails)
        spans = spans_of(found, signals, settings)
        told = [_told(one, signals) for one in found]
        old = [_told(one, signals) for one in was or ()]
    return JSONResponse(
        {
            "cuts": told,
            "was": old,
            "spans": len(spans),
            "configuration": limits.configuration(settings, quality, bucket),
            "command": _command(shelf.corpus.root),
        }
    )


async def mark(request: Request) -> Response:
    """Store what somebody says of a cut. The body is JSON: `video`, `frame`, `before`, `mark` (empty: take it back),
    `detector`, `author`."""
    from starlette.concurrency import run_in_threadpool

    shelf = shelf_of(request)
    if not hmac.compare_digest(request.headers.get("x-rushes-token", ""), shelf.token):
        return JSONResponse({"error": "this page is of an earlier start of the server: load it again"}, 403)
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        return JSONResponse({"error": "a mark is JSON"}, 415)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_MARK:
            return JSONResponse({"error": "too long for a mark"}, 413)
    try:
        value = json.loads(body)
        frame, before = value["frame"], value.get("before", value["frame"])
        words = [value["video"], value["mark"], value.get("detector") or "", value.get("author") or ""]
        if not all(isinstance(one, str) for one in words) or type(frame) is not int or type(before) is not int:
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return JSONResponse({"error": "a mark names video, frame and mark"}, 400)
    try:
        number = await run_in_threadpool(_save, request, frame, before, *words)
    except (ConfigError, Refused) as error:
        return JSONResponse({"error": str(error)}, 400)
    return JSONResponse({"snapshot": number})


def _save(request: Request, frame: int, before: int, video: str, word: str, detector: str, author: str) -> int:
    shelf = shelf_of(request)
    row = video_row(shelf.snapshot(LATEST), video)
    with shelf.lock:
        signals = shelf.signals(row)
        edges = [*signals["pts"].tolist(), int(signals.ends[-1])] if len(signals) else []
    if not 0 <= before <= frame < len(edges):
        raise ConfigError(f"frames {before} to {frame}: the video has {len(edges) - 1}")
    made = marks.mark_row(
        video, edges[frame], word or marks.MARKS[0], before_pts=edges[before], detector=detector or None, author=author
    )
    # One after the other: each is a commit, and those of one server need not race.
    with shelf.writing:
        number = marks.save(shelf.corpus, [made] if word else [], [] if word else [made])
    shelf.changed()
    return number
