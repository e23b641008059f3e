"""Browse: the tables, clips and cuts of one output folder as pages on loopback.

The server answers whoever calls it by a loopback name and its own port, so that a page elsewhere cannot reach it
through a name of its own (DNS rebinding). It reads; the one thing it writes is a mark, and only when it was started for
review, from its own page, with the token that page was given. Media and pictures are named by video and number, never
by path. What strangers wrote (captions, uris, error messages) is escaped in every page, and no page may run, load or
send anything but the server's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages import browse_clips, browse_review, browse_tables, browse_videos
from pages.browse_page import failed_page
from pages.playing import Gone
from pages.queries import Refused
from pages.rendering import asset_text
from pages.shelf import Shelf
from pages.stored import FAULTS, why
from transforms import tables
from transforms.settings import ConfigError

HOST: Final = "127.0.0.1"
"""The only address it binds."""

_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_ASSETS: Final = {
    "page.css": "text/css",
    "browse.css": "text/css",
    "theme.js": "text/javascript",
    "browse.js": "text/javascript",
    "browse_video.js": "text/javascript",
    "browse_thresholds.js": "text/javascript",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Guard:
    """Refuses calls by another name and methods that write, and sets the headers that keep pages to themselves.

    Args:
        app: What answers the rest.
        port: The port it is reached at.
        review: Whether marks may be posted.
    """

    def __init__(self, app: ASGIApp, port: int, review: bool) -> None:
        self._app, self._review = app, review
        self._hosts = {f"{name}:{port}" for name in _NAMES} | (set(_NAMES) if port == 80 else set())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                have = {name for name, _ in message["headers"]}
                added = [(k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in have]
                if b"cache-control" not in have:
                    added.append((b"cache-control", b"no-store"))
                message["headers"] = [*message["headers"], *added]
            await send(message)

        hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        method = scope["method"]
        answer: ASGIApp = self._app
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            answer = Response("This server answers to localhost only.\n", 421, media_type="text/plain")
        elif method not in ("GET", "HEAD") and not (method == "POST" and scope["path"] == "/marks"):
            answer = Response("This server is read-only.\n", 405, {"allow": "GET, HEAD"}, "text/plain")
        elif method == "POST" and not self._review:
            answer = Response("Started without --review: nothing is written.\n", 403, media_type="text/plain")
        elif method == "POST":
            origins = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"origin"]
            if origins != [f"http://{hosts[0]}"]:
                answer = Response("Marks come from this server's own page only.\n", 403, media_type="text/plain")
        await answer(scope, receive, marked)


def make_app(
    root: str, snapshot: int | None = None, *, port: int, review: bool = False, prepare: bool = True
) -> Starlette:
    """The application.

    Args:
        root: The output folder.
        snapshot: Number of the snapshot shown first; None is the latest, also when a newer one comes.
        port: The port it is served at: calls by any other are refused.
        review: Marks may be written.
        prepare: Copy clips and words of captions, for speed.

    Raises:
        ConfigError: There is no such output or snapshot.
    """
    shelf = Shelf(tables.open_corpus(root), snapshot, review, prepare)
    at = "/at/{snapshot}"
    routes = [
        Route("/", lambda request: RedirectResponse(f"/at/{shelf.first}/", 303)),
        Route("/assets/{name}", _asset),
        Route(f"{at}/", browse_tables.overview),
        Route(f"{at}/ready.json", browse_tables.ready),
        Route(f"{at}/tables/{{table}}", browse_tables.rows),
        Route(f"{at}/clips", browse_clips.listing),
        Route(f"{at}/clips/{{clip}}", browse_clips.story),
        Route(f"{at}/clips/{{clip}}/file", browse_clips.file),
        Route(f"{at}/clips/{{clip}}/thumbnail", browse_clips.thumbnail),
        Route(f"{at}/thresholds", browse_review.thresholds),
        Route(f"{at}/thresholds.json", browse_review.tried),
        Route(f"{at}/videos/{{video}}", browse_videos.video),
        Route(f"{at}/videos/{{video}}/media", browse_videos.media),
        Route(f"{at}/videos/{{video}}/signals.json", browse_videos.signals),
        Route(f"{at}/videos/{{video}}/cuts.json", browse_review.cuts),
        Route(f"{at}/videos/{{video}}/cuts/{{frame:int}}", browse_videos.boundary),
        Route(f"{at}/videos/{{video}}/samples/{{pts:int}}.jpg", browse_videos.sample),
        Route(f"{at}/videos/{{video}}/frames/{{frame:int}}.png", browse_videos.thumbnail),
        Route("/marks", browse_review.mark, methods=["POST"]),
    ]
    handlers: Mapping[Any, Callable[[Request, Exception], Response | Awaitable[Response]]] = {
        Refused: lambda request, error: failed_page(request, 404 if "no " in str(error)[:8] else 400, str(error)),
        ConfigError: lambda request, error: failed_page(request, 404, str(error)),
        Gone: lambda request, error: failed_page(request, 404, str(error)),
        HTTPException: lambda request, error: failed_page(request, getattr(error, "status_code", 500), str(error)),
        **{fault: _faulty for fault in FAULTS if fault is not ConfigError},
    }
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.add_middleware(Guard, port=port, review=review)
    app.state.shelf = shelf
    return app


def _faulty(request: Request, error: Exception) -> Response:
    return failed_page(request, 404, f"This could not be read: {why(error)}")


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise HTTPException(404, "there is no such file")
    return Response(asset_text(name), media_type=_ASSETS[name], headers={"cache-control": "no-cache"})
