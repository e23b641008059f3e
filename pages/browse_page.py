"""Browse page: what every page of the browser has in common, from the address it was asked by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from pages.explain import shown
from pages.queries import Snapshot
from pages.rendering import render
from pages.shelf import LATEST, Shelf

PER_PAGE: Final = 48
"""Clips on a page, rows of a table."""

_SAMPLE: Final = re.compile(r"#frames/(\d{20})\.jpg\Z")
_STATUS: Final = {400: "That cannot be asked", 404: "Nothing there", 405: "Not allowed", 500: "That went wrong"}


def shelf_of(request: Request) -> Shelf:
    """What the server holds open."""
    found: Shelf = request.app.state.shelf
    return found


def snapshot_of(request: Request) -> Snapshot:
    """The snapshot that the address names."""
    return shelf_of(request).snapshot(request.path_params["snapshot"])


def asked(request: Request, *without: str) -> dict[str, str]:
    """The question after the `?`: the last value of each name, blanks and some names left out."""
    return {k: v for k, v in request.query_params.items() if v.strip() and k not in without}


def link(at: str, path: str, question: Mapping[str, Any] | None = None) -> str:
    """The address of a page of a snapshot."""
    given = {k: v for k, v in (question or {}).items() if v not in (None, "")}
    return f"{at}/{path}" + (f"?{urlencode(given)}" if given else "")


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page out of a template, with what every page shows."""
    shelf, name = shelf_of(request), request.path_params.get("snapshot", LATEST)
    at = f"/at/{name}"
    snapshot = values.pop("snapshot", None)
    return HTMLResponse(
        render(
            template,
            at=at,
            here=request.url.path.removeprefix(at + "/"),
            link=lambda path, question=None: link(at, path, question),
            snapshot_name=name,
            snapshot_number=snapshot.number if snapshot is not None else None,
            corpus=shelf.corpus.root.rstrip("/").rsplit("/", 1)[-1],
            review=shelf.review,
            token=shelf.token if shelf.review else "",
            shown=shown,
            **values,
        ),
        status,
    )


def failed_page(request: Request, status: int, message: str) -> Response:
    """A page, or where data was asked for JSON, that says what is wrong."""
    if request.url.path.endswith(".json") or request.method == "POST":
        return JSONResponse({"error": message}, status)
    return page(request, "browse_error.html.j2", status, title=_STATUS.get(status, "Not here"), message=message)


def picture_of(at: str, clip: Mapping[str, Any]) -> str | None:
    """The address of a clip's picture: its thumbnail, else its middle sample; None where neither is."""
    if clip.get("thumbnail_uri"):
        return f"{at}/clips/{clip['clip_id']}/thumbnail"
    match = _SAMPLE.search(clip.get("frame_uri") or "")
    return f"{at}/videos/{clip['video_id']}/samples/{int(match[1])}.jpg" if match else None


def pager(at: str, path: str, question: Mapping[str, str], first: int, total: int, per_page: int) -> dict[str, Any]:
    """Where a list stands, and the addresses of the pages before and after."""
    before, after = max(0, first - per_page), first + per_page
    base = {k: v for k, v in question.items() if k != "first"}
    return {
        "from": min(first + 1, total),
        "to": min(first + per_page, total),
        "total": total,
        "before": link(at, path, {**base, "first": before or None}) if first else None,
        "after": link(at, path, {**base, "first": after}) if after < total else None,
    }


def texts(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with times as text, for scripts."""
    return [{k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]
