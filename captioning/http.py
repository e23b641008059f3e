"""Requests to model endpoints: bounded, patient, and never more than needed.

A paid endpoint is a shared thing. So one client holds all requests of a process: no more than its share of
`concurrency` are open at once, whatever thread sends them; when the endpoint says that its limit is reached, by a
status or by its rate-limit headers, nobody sends until the time it named. Only what passes by itself is tried again:
broken connections, silence, the statuses that say "later", and answers that are cut or make no sense. What can't pass
by itself is told at once: a wrong key or a model that isn't there stops the job, a request that is refused fails its
element alone.

Requests run on fsspec's loop, as those of `transforms.web` do; to its callers the client is a plain function that any
thread may call. The key is read from the environment, and neither it nor a password in the address reaches a message.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import re
import time
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

import fsspec.asyn
import yarl

from captioning.statuses import NO_CREDIT, REFUSED, SET_UP, read_error
from captioning.waits import limit_reached, retry_after
from transforms.addresses import is_web, redact, redact_text
from transforms.attempts import LATER, LONGEST_WAIT, is_transient
from transforms.failures import ElementError
from transforms.settings import ConfigError, setting
from transforms.store import canonical

if TYPE_CHECKING:  # As in `transforms.web`: it takes a quarter of a second to import.
    import aiohttp

FAILURE: Final = "unreachable"
"""Failure class of a request that got no answer that can be used."""

_MOST_BYTES: Final = 64 * 2**20  # of an answer: what is longer is none
_SHOWN: Final = 300  # characters of an endpoint's own words in a message

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EndpointSettings:
    """How a model endpoint is reached. None of it changes what a model answers, so none of it is part of a key."""

    url: str = setting(
        "http://localhost:8000/v1", "Address of the endpoint, up to /v1", source="vLLM's default", scale=True
    )
    key_env: str = setting("", "Name of the environment variable that holds the key", source="project", scale=True)
    concurrency: int = setting(
        16, "Most requests of a job that are open at once", low=1, high=1024, source="project", scale=True
    )
    workers: int = setting(
        1, "Workers of a job that ask at the same time; they share `concurrency`", low=1, high=1024, scale=True
    )
    timeout: float = setting(
        300.0, "Longest time of one request", unit="s", low=0.1, high=86400, source="project", scale=True
    )
    connect_timeout: float = setting(
        10.0, "Longest time to connect", unit="s", low=0.1, high=600, source="project", scale=True
    )
    attempts: int = setting(
        5,
        "How often a request that fails is sent; being told to come later does not count",
        low=1,
        high=20,
        source="botocore legacy retry mode",
        scale=True,
    )
    first_wait: float = setting(
        1.0,
        "Pause after the first attempt; it doubles each time",
        unit="s",
        low=0.001,
        high=30,
        source="project",
        scale=True,
    )
    patience: float = setting(
        900.0,
        "Longest time a request waits in all because the endpoint says to come later",
        unit="s",
        low=0,
        high=86400,
        source="project",
        scale=True,
    )

    @property
    def open_at_once(self) -> int:
        """Most requests of one worker that are open at once."""
        return max(1, self.concurrency // self.workers)


class BadAnswer(Exception):
    """An answer of the right status that can't be used; asked again, another may come."""


class EndpointError(ElementError):
    """A request got no answer that can be used.

    Attributes:
        status: The last status that came; None where no answer came at all.
    """

    def __init__(self, message: str, status: int | None) -> None:
        super().__init__(FAILURE, message)
        self.status = status


class ContentRefused(EndpointError):
    """The endpoint will not look at what was sent. Asking again changes nothing."""


class SetUpError(ConfigError):
    """No request can work: the key, the model or the address is wrong.

    Attributes:
        status: What the endpoint answered.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Upload(NamedTuple):
    """A file of a form: its name, its bytes and their media type."""

    name: str
    data: bytes
    media_type: str


class Reply(NamedTuple, Generic[_T]):
    """What was read from an answer, and how often the request was sent for it."""

    value: _T
    attempts: int


class _Later(Exception):
    """A status after which the same request may succeed.

    Attributes:
        seconds: When, where the endpoint says it.
        limited: It is not a fault but a limit: we are asked to come later.
    """

    def __init__(self, status: int, said: str, seconds: float | None) -> None:
        super().__init__(f"status {status}{said and ': '}{said}")
        self.status = status
        self.seconds = seconds
        self.limited = status == 429 or seconds is not None


class Client:
    """All requests of a process to one endpoint.

    Args:
        settings: How it is reached.

    Attributes:
        sent: Requests sent so far, retries included.

    Raises:
        ConfigError: `url` is no web address, or the variable that `key_env` names is not set.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        if not is_web(settings.url):
            raise ConfigError(f"url={redact(settings.url)}: not a web address; give one such as http://HOST:8000/v1")
        self.sent = 0
        self._settings = settings
        self._url = yarl.URL(settings.url)
        self._key = _key(settings.key_env)
        if self._key and self._url.user:
            raise ConfigError(f"url={redact(settings.url)}: names a user, and key_env a key; give one of them")
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(settings.open_at_once)
        self._closed_until = 0.0  # on the monotonic clock
        self._stopped: SetUpError | None = None

    def path(self, path: str) -> str:
        """The path of an address at the endpoint, without its host and query."""
        return self._address(path).path

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        form: Mapping[str, str | Upload] | None = None,
        read: Callable[[Any], _T],
    ) -> Reply[_T]:
        """Send a request and wait for its answer. Any thread may call this, but for the one of fsspec's loop.

        Args:
            path: What follows the endpoint's url, such as `chat/completions`.
            body: Sent as JSON.
            form: Sent as a multipart form instead.
            read: Makes the value of the decoded JSON. It raises `BadAnswer` where that is not what was asked for; then
                the request is sent again.

        Raises:
            ContentRefused: The endpoint will not look at the content.
            EndpointError: No usable answer; `attempts` says how often it was sent.
            ConfigError: Wrong key, no such model or address. Requests that come later raise it unsent.
        """
        return self._wait("POST", path, body, form, read)

    def get(self, path: str, read: Callable[[Any], _T]) -> Reply[_T]:
        """Look something up: as `post`, but tried twice at most, and a ConfigError stops no other request."""
        return self._wait("GET", path, None, None, read)

    def close(self) -> None:
        """Close the connections. A client that is used again opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            asyncio.run_coroutine_threadsafe(session.close(), fsspec.asyn.get_loop()).result()

    def _wait(self, method: str, path: str, body: Any, form: Any, read: Callable[[Any], _T]) -> Reply[_T]:
        work = self._ask(method, path, body, form, read)
        running = asyncio.run_coroutine_threadsafe(work, fsspec.asyn.get_loop())
        try:
            return running.result()
        finally:
            running.cancel()  # An interrupted caller wants no answer any more; what is done stays done.

    async def _ask(self, method: str, path: str, body: Any, form: Any, read: Callable[[Any], _T]) -> Reply[_T]:
        import aiohttp

        settings = self._settings
        attempts = settings.attempts if method == "POST" else min(2, settings.attempts)
        sent = failed = 0
        wait, patience = settings.first_wait, settings.patience
        while True:
            sent += 1
            # Jitter, so that those who failed together don't come back together.
            pause = min(wait, LONGEST_WAIT) * random.uniform(0.5, 1.5)
            wait *= 2
            try:
                return Reply(read(await self._send(method, path, body, form)), sent)
            except ElementError as error:
                error.attempts = sent
                raise
            except (_Later, BadAnswer, OSError, aiohttp.ClientError) as error:
                if isinstance(error, _Later) and error.limited:
                    patience -= max(pause, error.seconds or 0.0)
                    final = patience < 0
                else:
                    failed += 1
                    final = failed >= attempts or not _passes(error)
                if final:
                    raise self._failure(path, error, sent) from None  # the chain holds whole addresses
            await asyncio.sleep(pause)

    async def _send(self, method: str, path: str, body: Any, form: Any) -> Any:
        """The decoded JSON of one answer.

        Raises:
            BadAnswer: It is cut or no JSON.
            OSError: The connection failed, or time ran out.
            _Later: A status that may pass.
            SetUpError: A status that no request can change.
            EndpointError: Any other.
        """
        data: Any = _form(form) if form is not None else None if body is None else canonical(body).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        async with self._slots:
            await self._opened()
            self.sent += 1
            async with self._connected().request(
                method, self._address(path), data=data, headers=headers, allow_redirects=False
            ) as answer:
                wait = retry_after(answer.headers, time.time())
                self._close_for(max(limit_reached(answer.headers), wait or 0.0))
                content = await _content(answer)
        text = content.decode("utf-8", "replace")
        if answer.status == 200:
            try:
                return json.loads(text)
            except ValueError as error:
                raise BadAnswer(f"no JSON ({error}): {text[:_SHOWN]!r}") from None
        raise self._refusal(method, answer.status, answer.headers, text, wait)

    def _refusal(
        self, method: str, status: int, headers: Mapping[str, str], text: str, wait: float | None
    ) -> Exception:
        code, said = read_error(text)
        said = self._clean(said)
        if code.lower() in REFUSED:
            return ContentRefused(f"{redact(self._settings.url)}: will not look at the content: {said}", status)
        if status in SET_UP or code in NO_CREDIT or 300 <= status < 400:
            if 300 <= status < 400:
                fix = f"it has moved; set url to where it is now ({redact(headers.get('Location', 'unknown'))})"
            else:
                fix = SET_UP[402 if code in NO_CREDIT else status]
            # What an endpoint says of a key may hold some of it.
            more = f" ({said})" if said and status not in (401, 403) else ""
            stop = SetUpError(f"url={redact(self._settings.url)}: status {status}: {fix}{more}", status)
            if method == "POST":
                self._stopped = stop
            return stop
        if status in LATER:
            return _Later(status, said, (limit_reached(headers) or None) if wait is None and status == 429 else wait)
        return EndpointError(f"{redact(self._settings.url)}: refused the request with status {status}: {said}", status)

    async def _opened(self) -> None:
        while (left := self._closed_until - time.monotonic()) > 0:
            await asyncio.sleep(left)
        if self._stopped is not None:
            raise SetUpError(str(self._stopped), self._stopped.status)

    def _close_for(self, seconds: float) -> None:
        # Who asks for more than anybody's patience fails that request and holds up no other.
        if seconds <= self._settings.patience:
            self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _connected(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `_slots` bounds them; waiting there costs no time-out
                timeout=aiohttp.ClientTimeout(total=settings.timeout, sock_connect=settings.connect_timeout),
                headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
            weakref.finalize(self, _close, self._session)
        return self._session

    def _address(self, path: str) -> yarl.URL:
        return self._url.joinpath(*path.split("/")).with_query(self._url.query)

    def _failure(self, path: str, error: Exception, sent: int) -> EndpointError:
        said, status = self._clean(str(error)), getattr(error, "status", None)
        if isinstance(error, TimeoutError):
            said = f"no answer in {self._settings.timeout:g} s"
        elif isinstance(error, BadAnswer):
            status = 200
        elif not isinstance(error, _Later):
            said = f"{type(error).__name__}: {said}"
        elif error.limited:
            said += f"; to wait longer, raise patience={self._settings.patience:g}"
        failure = EndpointError(f"{redact(self._settings.url)}: {path}: {said} (sent {sent} times)", status)
        failure.attempts = sent
        return failure

    def _clean(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, "***")
        return re.sub(r"\s+", " ", redact_text(text)).strip()[:_SHOWN]


def _key(variable: str) -> str:
    if variable and not os.environ.get(variable):
        raise ConfigError(f"key_env={variable}: no such environment variable; set it to the endpoint's key")
    return os.environ.get(variable, "").strip() if variable else ""


def _passes(error: Exception) -> bool:
    return isinstance(error, (_Later, BadAnswer)) or is_transient(error)


def _form(fields: Mapping[str, str | Upload]) -> aiohttp.FormData:
    """A form of its own for each attempt: one is used up by being sent."""
    import aiohttp

    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        if isinstance(value, Upload):
            made.add_field(name, value.data, filename=value.name, content_type=value.media_type)
        else:
            made.add_field(name, value)
    return made


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_chunked(2**20):
        size += len(part)
        if size > _MOST_BYTES:
            raise BadAnswer(f"longer than {_MOST_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


def _close(session: aiohttp.ClientSession) -> None:
    if not session.closed:
        asyncio.run_coroutine_threadsafe(session.close(), fsspec.asyn.get_loop())
