"""Attempts: which I/O faults pass by themselves, how often they are tried, and what the others are called.

Timeouts, broken connections and answers that say "later" (408, 425, 429, 5xx) are tried again with exponential backoff.
All else is
final at once: trying a missing object or a refused permission again only costs time. The libraries below speak five
    dialects of error (OSError, aiohttp, botocore, gcsfs, requests); this is the one place that knows them.
"""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import random
import socket
import time
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar

from transforms.addresses import redact, redact_text
from transforms.failures import ElementError
from transforms.settings import setting

Doing = Literal["read", "write"]

_T = TypeVar("_T")

LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which the same request may succeed (RFC 9110, RFC 6585, RFC 8470)."""

LONGEST_WAIT: Final = 30.0
"""Longest pause between two attempts, in seconds; also the most a server's Retry-After is heeded."""

_TRANSIENT_ERRNO: Final = frozenset(
    {
        errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EPIPE, errno.EREMOTEIO, errno.ETIMEDOUT,
        errno.ECONNRESET, errno.ECONNABORTED, errno.ECONNREFUSED,
        errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.EHOSTUNREACH,
    }
)  # fmt: skip
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# By name, because botocore, requests and google.auth are imported only where their scheme is used.
_TRANSIENT_NAMES: Final = frozenset(
    {
        "ChecksumError", "ChunkedEncodingError", "ClientPayloadError", "ContentDecodingError", "FSTimeoutError",
        "HTTPClientError", "IncompleteReadError", "ProxyError", "ResponseStreamingError", "ServerDisconnectedError",
        "ServerTimeoutError", "TransportError",
    }
)  # fmt: skip
_NO_CREDENTIALS: Final = frozenset(
    {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "RefreshError", "TokenRetrievalError"}
)


class StorageError(ElementError):
    """The store or a temporary folder cannot be read or written. Its class is `storage`."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """How sources and the store are reached."""

    allow_private_addresses: bool = setting(
        False, "Allow web addresses that are private, loopback or link-local", source="project", scale=True
    )
    io_attempts: int = setting(
        5,
        "How often a transient read or write fault is tried",
        low=1,
        high=20,
        source="botocore legacy retry mode",
        scale=True,
    )
    io_first_wait: float = setting(
        0.5,
        "Pause after the first attempt; it doubles each time",
        unit="s",
        low=0,
        high=30,
        source="project",
        scale=True,
    )
    io_timeout: float = setting(
        60.0,
        "How long a web server may be silent",
        unit="s",
        low=0.1,
        high=3600,
        source="botocore read timeout",
        scale=True,
    )
    max_source_gb: float | None = setting(
        None, "Refuse sources larger than this", unit="GB", low=0, source="project", scale=True
    )


DEFAULTS: Final = StorageSettings()


def attempt(
    action: Callable[[], _T],
    uri: str,
    settings: StorageSettings,
    doing: Doing = "read",
    progress: Callable[[], int] | None = None,
) -> _T:
    """Run an I/O action; try it again while its faults are transient.

    Args:
        action: The work. It is run from the beginning each time.
        uri: What it works on, for messages.
        settings: How often and how long.
        doing: Whether a fault is one of reading a source or of writing the store.
        progress: Bytes done so far, when the action goes on where it stopped: attempts count from the last gain.

    Raises:
        ElementError: The fault that remained, explained.
        FileExistsError: As the action raised it.
    """
    tried, wait, done = 0, settings.io_first_wait, 0
    while True:
        tried += 1
        try:
            return action()
        except (ElementError, FileExistsError):
            raise
        except Exception as error:
            if progress is not None and progress() > done:
                tried, wait, done = 1, settings.io_first_wait, progress()
            if tried >= settings.io_attempts or not is_transient(error):
                # The chain is cut: what libraries put in their messages holds whole addresses.
                failure = explain(error, uri, doing, tried)
                failure.attempts = tried
                raise failure from None
            asked = float(getattr(error, "retry_after", 0.0) or 0.0)
        time.sleep(min(max(wait * random.uniform(0.5, 1.5), asked), LONGEST_WAIT))
        wait *= 2


class NothingThere(ElementError):
    """There is no such object: of all that can be wrong with one, what a store may expect."""


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if (status := _status(error)) is not None:
        return status in LATER or _code(error) == "ConditionalRequestConflict"
    if isinstance(error, (TimeoutError, asyncio.TimeoutError, ConnectionError)):
        return True
    cause = getattr(error, "os_error", error)
    if isinstance(cause, socket.gaierror):
        return cause.errno == socket.EAI_AGAIN
    if {kind.__name__ for kind in type(error).__mro__} & _TRANSIENT_NAMES:
        return True
    if any(kind.__name__ in ("ConnectionError", "Timeout") for kind in type(error).__mro__):  # of requests
        return True
    return isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNO


def explain(error: BaseException, uri: str, doing: Doing, tried: int = 1) -> ElementError:
    """The failure that an I/O fault is: class and message, without credentials."""
    shown, status = redact(uri), _status(error)
    times = f" ({tried} attempts)" if tried > 1 else ""
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return StorageError("storage", f"{shown}: no space left ({error.strerror}); free some or choose another folder")
    names = {kind.__name__ for kind in type(error).__mro__}
    refused = isinstance(error, PermissionError) or status in (401, 403) or str(error).startswith("Forbidden")
    if refused or names & _NO_CREDENTIALS:
        reason = "no valid credentials" if names & _NO_CREDENTIALS else "permission denied"
        if doing == "write":
            return StorageError(
                "storage", f"{shown}: cannot be written, {reason}; choose another folder or grant write access"
            )
        return ElementError("unreadable", f"{shown}: {reason}" + (f" (status {status})" if status else ""))
    if doing == "write":
        return StorageError("storage", f"{shown}: cannot be written, {_reason(error)}{times}")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)) or status in (404, 410):
        return NothingThere("unreachable", f"{shown}: nothing there")
    if isinstance(error, IsADirectoryError):
        return ElementError("unreadable", f"{shown}: is a folder")
    return ElementError("unreachable", f"{shown}: {_reason(error)}{times}")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    text = redact_text(getattr(error, "strerror", None) or str(error) or type(error).__name__)
    return f"{type(error).__name__}: {text}"[:300]


def _response(error: BaseException) -> Any:
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return response
    return None


def _code(error: BaseException) -> str | None:
    response = _response(error)
    return response.get("Error", {}).get("Code") if response else None


def _status(error: BaseException) -> int | None:
    response = _response(error)
    found = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if response else None
    for value in (found, getattr(error, "status", None)):
        if isinstance(value, int):
            return value
    code = getattr(error, "code", None) if type(error).__name__ == "HttpError" else None  # of gcsfs
    return int(code) if code is not None and str(code).isdecimal() else None
