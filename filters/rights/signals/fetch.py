"""Fetching: one address, with everything bounded that a server decides: redirects, bytes, time.

The socket is made by `transforms.web`, so every hop's real address must be public. Reading stops at the limit and the
connection is closed, whatever length was announced. One deadline covers redirects, head and body, so a server that
drips byte by byte ends like one that is silent. Nothing is raised: an answer says what went wrong.
"""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import yarl

from filters.rights.signals.answers import Answers
from filters.rights.signals.paths import origin
from filters.rights.signals.visit import Answer, SignalSettings
from transforms import addresses, web
from transforms.attempts import DEFAULTS, StorageSettings
from transforms.failures import ElementError

if TYPE_CHECKING:
    import aiohttp

CHUNK: Final = 64 * 1024
"""Bytes that are asked of the socket at once."""

REMEMBERED: Final = 256
"""Answers in memory, the latest: sources come by site more often than not."""

PAGES: Final = 8
"""Web pages in memory, the latest: neighbours in a list often share one. None is kept in the folder of answers."""

HEADER_LINES: Final = 500
"""Most header lines of one answer."""


@dataclass
class Fetcher:
    """Fetches addresses for protocols, and remembers what sites' own files answered.

    Within one fetcher a file is fetched once, failures included: a site that does not answer is not waited for again.
    With a folder, what was answered is used again for `cache_hours`, by later runs too.

    Attributes:
        settings: Bounds.
        access: Whether private addresses are allowed.
        answers: What is remembered beyond this run; None: nothing.
        now: The clock, UTC.
        fetched: Requests made so far.
    """

    settings: SignalSettings = SignalSettings()
    access: StorageSettings = DEFAULTS
    answers: Answers | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    fetched: int = 0
    _pages: OrderedDict[str, Answer] = field(default_factory=OrderedDict, repr=False)
    _run: OrderedDict[tuple[str, int], Answer] = field(default_factory=OrderedDict, repr=False)
    _locks: list[threading.Lock] = field(default_factory=lambda: [threading.Lock() for _ in range(64)], repr=False)

    def __call__(self, uri: str, limit: int) -> Answer:
        """The answer of an address, at most `limit` bytes of its body, from memory where it is there."""
        # One request to a site at a time: its robots.txt is wanted by several at once.
        with self._locks[zlib.crc32(origin(uri).encode(errors="replace")) % len(self._locks)]:
            key = (uri, limit)
            answer = self._run.get(key)
            if answer is None:
                answer = self.answers.get(uri, limit, self.now()) if self.answers else None
                if answer is None:
                    answer = self.get(uri, limit)
                    if self.answers:
                        self.answers.put(uri, limit, answer)
                self._run[key] = answer
                while len(self._run) > REMEMBERED:
                    self._run.popitem(last=False)
            return answer

    def get(self, uri: str, limit: int, method: str = "GET", start: bool = False) -> Answer:
        """The answer of an address as it is now.

        Args:
            uri: `http://` or `https://`.
            limit: Most bytes of the body.
            method: `GET` or `HEAD`.
            start: Ask for the first byte alone.
        """
        self.fetched += 1
        at = self.now()
        try:
            if not addresses.is_web(uri):
                raise ElementError("unreachable", f"{addresses.redact(uri)}: no web address")
            uri = addresses.normalise(uri)
            return web.run(
                lambda session: self._ask(session, uri, limit, method, start, at),
                self.access.allow_private_addresses,
                self.access.io_timeout,
            )
        except ElementError as error:
            return Answer(addresses.redact(uri), 0, at, error=error.message)
        except Exception as error:  # Whatever the client, the server and the address make of each other.
            return Answer(addresses.redact(uri), 0, at, error=_reason(error, self.settings))

    def page(self, uri: str) -> Answer:
        """A web page, from memory where it was one of the last; its failure too."""
        with self._locks[zlib.crc32(uri.encode(errors="replace")) % len(self._locks)]:
            answer = self._pages.get(uri)
            if answer is None:
                answer = self._pages[uri] = self.get(uri, self.settings.max_page_kb * 1024)
                while len(self._pages) > PAGES:
                    self._pages.popitem(last=False)
            return answer

    def head(self, uri: str) -> Answer:
        """The header lines of a resource, without its body; servers that refuse HEAD are asked for the first byte."""
        answer = self.get(uri, 0, "HEAD")
        settled = answer.error or answer.good or answer.status >= 500 or answer.status in (404, 410, 429)
        return answer if settled else self.get(uri, 0, start=True)

    async def _ask(
        self, session: aiohttp.ClientSession, uri: str, limit: int, method: str, start: bool, at: datetime
    ) -> Answer:
        headers = {"User-Agent": self.settings.crawlers[0] if self.settings.crawlers else "rushes"}
        if start:
            headers["Range"] = "bytes=0-0"
        async with asyncio.timeout(self.settings.max_request_seconds):
            answer = await session.request(
                method,
                yarl.URL(uri, encoded=True),
                headers=headers,
                allow_redirects=self.settings.max_redirects > 0,
                max_redirects=self.settings.max_redirects + 1,
            )
            try:
                made = Answer(addresses.redact(str(answer.url)), answer.status, at, tuple(answer.headers.items()))
                if len(made.headers) > HEADER_LINES:
                    return replace(made, headers=(), error=f"more than {HEADER_LINES} header lines")
                if method == "HEAD" or limit == 0 or not made.good:
                    return made
                body, whole = await _body(answer, limit)
                return _plain(replace(made, body=body, whole=whole), limit)
            finally:
                answer.close()  # Never back to the pool: what is left of the body may have no end.


async def _body(answer: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    held = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK):
        held += chunk
        if len(held) > limit:
            return bytes(held[:limit]), False
    return bytes(held), True


def _plain(answer: Answer, limit: int) -> Answer:
    """The answer with its body unpacked: some servers compress what nobody asked them to."""
    packed = ", ".join(answer.values("Content-Encoding")).strip().lower()
    if packed in ("", "identity"):
        return answer
    if packed not in ("gzip", "x-gzip", "deflate") or not answer.whole:
        return replace(answer, body=b"", error=f"compressed as {packed[:40]!r}, or too long")
    reader = zlib.decompressobj(wbits=47)
    try:
        body = reader.decompress(answer.body, limit + 1)
    except zlib.error:
        return replace(answer, body=b"", error="its compression is broken")
    if not reader.eof and len(body) <= limit:
        return replace(answer, body=b"", error="its compression is cut")
    return replace(answer, body=body[:limit], whole=len(body) <= limit)


def _reason(error: Exception, settings: SignalSettings) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer within {settings.max_request_seconds:g} s"
    if type(error).__name__ == "TooManyRedirects":
        return f"more than {settings.max_redirects} redirects"
    return addresses.redact_text(f"{type(error).__name__}: {error}")[:300]
