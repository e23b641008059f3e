"""Paths: whether a rule of a site is about an address (RFC 9309, 2.2.2 and 2.2.3).

A pattern covers every path that begins with it; `*` stands for any characters and `$` at its end for the end of the
path. Both sides are compared octet by octet with percent-encoding evened out. The time is linear in pattern and path.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")


def target(uri: str) -> str:
    """The part of a web address that rules are about: path and query."""
    parts = _split(uri)
    return even(parts.path or "/") + ("?" + even(parts.query) if parts.query else "")


def origin(uri: str) -> str:
    """Scheme, host and port of a web address, lower case, without user and password."""
    parts = _split(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def even(path: str) -> str:
    """One spelling: unreserved characters plain, all others that need it percent-encoded in upper case."""
    quoted = urllib.parse.quote(path, safe="%/:@!$&'()*+,;=~?[]|{}^`\\\"<>", errors="replace")
    return _ESCAPED.sub(_plain, quoted)


def matches(pattern: str, path: str) -> bool:
    """Whether a pattern covers a path as `target` gives it. An empty pattern covers nothing."""
    pattern = even(pattern)
    if not pattern:
        return False
    anchored = pattern.endswith("$")
    parts = pattern.removesuffix("$").split("*")
    if not path.startswith(parts[0]):
        return False
    at = len(parts[0])
    for part in parts[1:-1] if anchored else parts[1:]:
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if not anchored:
        return True
    if len(parts) == 1:
        return at == len(path)
    return len(path) - len(parts[-1]) >= at and path.endswith(parts[-1])


def _plain(match: re.Match[str]) -> str:
    character = chr(int(match.group(1), 16))
    return character if character in _UNRESERVED else match.group().upper()


def _split(uri: str) -> urllib.parse.SplitResult:
    try:
        return urllib.parse.urlsplit(uri)
    except ValueError:  # No address at all: it has no host, and nothing is fetched for it.
        return urllib.parse.SplitResult("", "", "/", "", "")
