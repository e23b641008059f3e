"""Web reading: HTTP sources, one request at a time, with the address checked that is really connected to.

A name can resolve to a public address when it is checked and to a private one when it is opened, and a redirect can
lead anywhere. So the check sits where the socket is made: every hop and every reconnect passes it. Requests run on
fsspec's loop and session. A download that was cut goes on where it stopped, if the server can prove that the bytes are
still the same.
"""

from __future__ import annotations

import dataclasses
import email.utils
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import fsspec
import fsspec.asyn
import yarl

from transforms import addresses
from transforms.failures import ElementError

if TYPE_CHECKING:  # It takes a quarter of a second to import, which commands that open no address need not pay.
    import aiohttp

CHUNK = 4 * 2**20
"""Most bytes in memory of one download, in bytes."""

MAX_REDIRECTS = 10

_T = TypeVar("_T")


class Facts(NamedTuple):
    """What a server says of a resource: length in bytes, entity tag, last modification (ISO 8601, UTC)."""

    size: int | None
    etag: str | None
    modified: str | None


class StatusError(Exception):
    """An answer that is not the resource. `retry_after` is what the server asks to wait, in seconds."""

    def __init__(self, status: int, retry_after: float = 0.0) -> None:
        super().__init__(status, retry_after)
        self.status = status
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"the server answered with status {self.status}"


@dataclasses.dataclass
class Download:
    """A download in progress. It can be cut and resumed: `file` holds what has come, `facts` what it was promised."""

    url: str
    file: IO[bytes]
    write: Callable[[bytes], None]
    begin: Callable[[Facts], None]
    facts: Facts | None = None


def _public_socket(info: Any) -> socket.socket:
    family, kind, protocol, _, address = info
    if not addresses.is_public(str(address[0])):
        raise ElementError("forbidden_address", f"{address[0]}, not a public address")
    return socket.socket(family, kind, protocol)


async def _open_guarded(**options: Any) -> aiohttp.ClientSession:
    import aiohttp

    return _session(aiohttp.TCPConnector(socket_factory=_public_socket), options)


async def _open_free(**options: Any) -> aiohttp.ClientSession:
    import aiohttp

    return _session(aiohttp.TCPConnector(), options)


def _session(connector: aiohttp.TCPConnector, options: dict[str, Any]) -> aiohttp.ClientSession:
    import aiohttp

    options.pop("loop", None)
    # No cookies and no proxy from the environment: one source must not change what another gets, nor hide where it is.
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False, **options
    )


def run(work: Callable[[aiohttp.ClientSession], Coroutine[Any, Any, _T]], allow_private: bool, timeout: float) -> _T:
    """Work with a session that reaches public addresses only, and wait for its end.

    Args:
        work: What to do with the session.
        allow_private: Whether private addresses may be reached too.
        timeout: Longest silence of a connection, s.

    Raises:
        ElementError: `forbidden_address`; and whatever the work raises.
    """
    import aiohttp

    limits = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
    files = fsspec.filesystem(
        "http",
        get_client=_open_free if allow_private else _open_guarded,
        client_kwargs={"timeout": limits, "headers": {"Accept-Encoding": "identity"}},
    )

    async def start() -> _T:
        return await work(await files.set_session())

    made: _T = fsspec.asyn.sync(files.loop, start)
    return made


def head(url: str, allow_private: bool, timeout: float) -> Facts:
    """Size, tag and modification of a web resource, without its bytes.

    Asks with HEAD; a server that refuses it (signed addresses are for one method only) is asked for the first byte.

    Raises:
        StatusError: Any status but success.
        ElementError: `forbidden_address`.
    """

    async def ask(session: aiohttp.ClientSession) -> Facts:
        try:
            async with _request(session, "HEAD", url, {}) as answer:
                return _facts(answer)
        except StatusError as error:
            if not 400 <= error.status < 500 or error.status in (404, 410, 429):
                raise
        async with _request(session, "GET", url, {"Range": "bytes=0-0"}) as answer:
            return _facts(answer)

    return run(ask, allow_private, timeout)


def fetch(download: Download, allow_private: bool, timeout: float) -> Facts:
    """Bring what is missing of a download; call it again after a cut.

    Bytes that came before count only when the server still names the same strong tag for them; else it begins anew.

    Raises:
        StatusError: Any status but success.
        ElementError: `forbidden_address`, and whatever `begin` and `write` raise.
    """

    async def bring(session: aiohttp.ClientSession) -> Facts:
        have, headers = download.file.tell(), {}
        if have and (validator := _validator(download.facts)):
            headers = {"Range": f"bytes={have}-", "If-Range": validator}
        async with _request(session, "GET", download.url, headers) as answer:
            first = _first_byte(answer)
            if first != have or not headers:
                if first:
                    raise StatusError(416)
                download.file.seek(0)
                download.file.truncate()
            download.facts = _facts(answer)
            download.begin(download.facts)
            async for chunk in answer.content.iter_chunked(CHUNK):
                download.write(chunk)
        return download.facts

    return run(bring, allow_private, timeout)


@asynccontextmanager
async def _request(
    session: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    target = yarl.URL(url, encoded=True)
    try:
        opened = await session.request(
            method, target, headers=headers, max_redirects=MAX_REDIRECTS, allow_redirects=True
        )
    except ElementError as error:
        raise ElementError(error.error_class, f"{addresses.redact(url)}: leads to {error.message}") from None
    async with opened as answer:
        if answer.status not in (200, 206):
            wait = answer.headers.get("Retry-After", "")
            raise StatusError(answer.status, float(wait) if wait.isdecimal() else 0.0)
        yield answer


def _facts(answer: aiohttp.ClientResponse) -> Facts:
    size: int | None = None
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    if answer.status == 206:
        size = int(total) if total.isdecimal() else None
    elif "Content-Encoding" not in answer.headers:
        length = answer.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
    return Facts(size, answer.headers.get("ETag"), _iso(answer.headers.get("Last-Modified")))


def _iso(date: str | None) -> str | None:
    try:
        return email.utils.parsedate_to_datetime(date).astimezone(UTC).isoformat() if date else None
    except ValueError:
        return None


def _validator(facts: Facts | None) -> str | None:
    # Only a strong entity tag proves that bytes are the same (RFC 9110, 13.1.5).
    return facts.etag if facts and facts.etag and not facts.etag.startswith("W/") else None


def _first_byte(answer: aiohttp.ClientResponse) -> int:
    if answer.status != 206:
        return 0
    start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(start) if start.isdecimal() else 0
