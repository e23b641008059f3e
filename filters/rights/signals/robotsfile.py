"""The lines of a robots.txt file by the crawlers they are for, for everything that lives in it beside Allow.

The rules of crawling themselves are read by Protego. It knows nothing of `Content-Usage` and `License` lines, takes a
crawler for another whose name begins alike, and needs memory in the product of crawlers and rules; so it is given
the file with every foreign crawler's name replaced by one.
"""

from __future__ import annotations

import codecs
import functools
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

PARSED: Final = 500 * 1024
"""Bytes of a robots.txt file that are parsed (RFC 9309, 2.5)."""

FOREIGN: Final = "-"
"""Stands for every crawler that was not asked for."""

_AGENT: Final = re.compile(r"\s*user[- ]?agent(?:\s*:|\s)\s*(.*)", re.IGNORECASE)
_FIELD: Final = re.compile(r"\s*([A-Za-z-]{1,40})\s*:(.*)")
_SITE_WIDE: Final = ("sitemap", "sitemaps", "site-map", "host")


class Line(NamedTuple):
    """One `field: value` line.

    Attributes:
        field: Lower case.
        value: Without comment and surrounding space.
        agents: The crawlers it is for, lower case; empty before the first `User-agent`.
    """

    field: str
    value: str
    agents: frozenset[str]


def decoded(body: bytes) -> tuple[str, bool]:
    """The text of a robots.txt or its like, and whether all of it was read: the first 500 KiB, up to a line's end."""
    cut, whole = body[:PARSED], len(body) <= PARSED
    if not whole:  # Half a rule is another rule.
        cut = cut[: max(cut.rfind(b"\n"), cut.rfind(b"\r")) + 1]
    if cut.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return cut.decode("utf-16", errors="replace"), whole
    return cut.decode("utf-8-sig", errors="replace"), whole


def lines(text: str, known: Iterable[str]) -> list[Line]:
    """Every line of a file but rules and comments, with the crawlers of its group.

    Args:
        text: The file.
        known: Names that are told apart, in any case; every other is `FOREIGN`.
    """
    names = {*(name.lower() for name in known), "*"}
    found, agents, open_group = [], frozenset[str](), False
    for raw in text.splitlines():
        line = raw.partition("#")[0]
        if agent := _AGENT.match(line):
            agents = (agents if open_group else frozenset()) | {_name(agent.group(1), names)}
            open_group = True
        elif field := _FIELD.match(line):
            name = field.group(1).lower()
            open_group = open_group and name in _SITE_WIDE
            if name not in ("allow", "disallow"):
                found.append(Line(name, field.group(2).strip(), agents))
        elif line.strip():
            open_group = False
    return found


@functools.lru_cache(maxsize=64)
def parsed(body: bytes, known: tuple[str, ...]) -> tuple[tuple[Line, ...], frozenset[str]]:
    """The `lines` and `groups` of a file: sources come by site, and several protocols read the same file."""
    text, _ = decoded(body)
    return tuple(lines(text, known)), groups(text, known)


def groups(text: str, known: Iterable[str]) -> frozenset[str]:
    """Which of some names have a group of their own, lower case, `*` included."""
    names = {*(name.lower() for name in known), "*"}
    seen = (_AGENT.match(line.partition("#")[0]) for line in text.splitlines())
    return frozenset(_name(agent.group(1), names) for agent in seen if agent) - {FOREIGN}


def narrowed(text: str, known: Iterable[str]) -> str:
    """The same file with every crawler that is not known called `FOREIGN`."""
    names = {*(name.lower() for name in known), "*"}
    kept = []
    for line in text.splitlines():
        agent = _AGENT.match(line.partition("#")[0])
        kept.append(f"User-agent: {_name(agent.group(1), names)}" if agent else line)
    return "\n".join(kept)


def group_of(name: str, own: frozenset[str]) -> str:
    """The group that is for a crawler: its own where it has one (`groups`), else everybody's."""
    return name.lower() if name.lower() in own else "*"


def _name(value: str, names: set[str]) -> str:
    name = value.strip().lower()
    if name != "*":
        name = re.split(r"[/\s]", name.replace("*", ""), maxsplit=1)[0]
    return name if name in names else FOREIGN
