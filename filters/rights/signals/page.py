"""A web page: its meta tags, licence links and inline licences, read once for every protocol.

Tags in the body may come from anybody who may write a comment. So a tag knows whether it stood in the head: a no counts
wherever it stands, a yes only in the head. Tags are found in one walk from left to right, and only those of interest
are given to `html.parser`: over a whole hostile page its time grows with the square of the length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from typing import Final

RSL_TYPE: Final = "application/rsl+xml"

MOST_TAGS: Final = 2000
LONGEST_TAG: Final = 8192

_IN_HEAD: Final = frozenset(
    {"html", "head", "meta", "link", "title", "script", "style", "base", "noscript", "template"}
)
_HIDING: Final = frozenset({"noscript", "template"})
_RAW: Final = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
_READ: Final = frozenset({"meta", "link", "script"})

_OPEN: Final = re.compile(r"<!--|<(/?)([a-z][a-z0-9-]*)", re.IGNORECASE)
_REST: Final = re.compile(r"""(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_COMMENT_END: Final = re.compile(r"--!?>")
_RAW_END: Final = {name: re.compile(f"</{name}(?![a-z0-9-])", re.IGNORECASE) for name in _RAW}


@dataclass(frozen=True)
class Page:
    """What a page says that protocols know of.

    Attributes:
        fetched_at: When it was read, UTC.
        metas: Name (lower case), content, and whether it can say yes, of every named meta tag: it stood in the head
            and held its name and content, each once, and nothing else.
        licences: Addresses of RSL licences, as written.
        inline: RSL licences written into the page.
        whole: Whether all of the page was read and understood.
    """

    fetched_at: datetime
    metas: tuple[tuple[str, str, bool], ...] = ()
    licences: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    whole: bool = True


@dataclass
class _Found:
    metas: list[tuple[str, str, bool]] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    whole: bool = True
    head: bool = True
    hidden: int = 0


def read(text: str, fetched_at: datetime, whole: bool = True) -> Page:
    """The page of an HTML text, in time linear in its length. Never raises.

    Args:
        text: The page, or its beginning.
        fetched_at: When it was read, UTC.
        whole: Whether the text is all of it.
    """
    found, at, tags = _Found(whole=whole), 0, 0
    while tag := _OPEN.search(text, at):
        at, name = tag.end(), (tag.group(2) or "").lower()
        if not name:
            end = _COMMENT_END.search(text, at - 2)  # `<!-->` is a whole comment.
            if not end:
                break
            at = end.end()
        elif tag.group(1):
            found.head = found.head and name != "head"
            found.hidden = max(0, found.hidden - (name in _HIDING))
        else:
            found.head = found.head and name in _IN_HEAD
            found.hidden += name in _HIDING
            said: dict[str, str] = {}
            plain = False
            if name in _READ:
                tags += 1
                rest = _REST.match(text, at, at + LONGEST_TAG)
                if tags > MOST_TAGS or (not rest and len(text) > at + LONGEST_TAG):
                    found.whole = False
                    if tags > MOST_TAGS:
                        break
                said, plain = _attributes(text[tag.start() : rest.end() if rest else at + LONGEST_TAG])
                at = rest.end() if rest else at
            if name in _RAW:
                raw_end = _RAW_END[name].search(text, at)
                if name == "script" and _is_rsl(said):
                    found.inline.append(text[at : raw_end.start() if raw_end else len(text)])
                if not raw_end:
                    break
                at = raw_end.start()
            _keep(name, said, plain, found)
    return Page(fetched_at, tuple(found.metas), tuple(found.licences), tuple(found.inline), found.whole)


def _keep(tag: str, said: dict[str, str], plain: bool, found: _Found) -> None:
    if tag == "meta" and (name := said.get("name", "").strip().lower()):
        found.metas.append((name, said.get("content", ""), found.head and not found.hidden and plain))
    elif tag == "link" and "license" in said.get("rel", "").lower().split() and _is_rsl(said) and said.get("href"):
        found.licences.append(said["href"].strip())


def _attributes(text: str) -> tuple[dict[str, str], bool]:
    reader = _Reader()
    try:
        reader.feed(text)
    except (ValueError, AssertionError):  # What the parser gives up with.
        return {}, False
    # The first of equal ones counts.
    said = {name: value or "" for name, value in reversed(reader.attributes)}
    return said, len(reader.attributes) == 2 and said.keys() == {"name", "content"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes = self.attributes or attrs


def _is_rsl(said: dict[str, str]) -> bool:
    return said.get("type", "").partition(";")[0].strip().lower() == RSL_TYPE
