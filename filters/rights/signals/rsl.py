"""RSL 1.0 (Really Simple Licensing): licences named in robots.txt, in Link headers and in web pages, or written there.

A list of what is permitted permits nothing else. What has to be paid for, fetched from a licence server or attributed
is refused until somebody has a contract, which is a grant in the registry. Among several licences that cover an address
a prohibition wins. A licence that was announced and cannot be read is not understood, whatever the status.
"""

from __future__ import annotations

import dataclasses
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from filters.rights.signals import paths, robotsfile
from filters.rights.signals.page import RSL_TYPE, Page
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying, strictest, without_allow
from filters.rights.signals.visit import Answer, Visit, missing, unread

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

NAME: Final = "RSL"
NAMESPACE: Final = "{https://rslstandard.org/rsl}"
ABOUT: Final = ("train", "caption", "generate")

VOCABULARY: Final[Mapping[str, tuple[str, ...]]] = {
    "all": ABOUT,
    "ai-all": ABOUT,
    "ai-train": ("train",),
    "train-ai": ("train",),  # as AIPREF says it
    "ai-input": ("caption", "generate"),
    "ai-index": (),
    "search": (),
}
"""Which uses each usage token is about."""

_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "content": frozenset({"url", "server", "encrypted", "lastmod"}),
    "license": frozenset(),
    "permits": frozenset({"type"}),
    "prohibits": frozenset({"type"}),
    "payment": frozenset({"type"}),
    "legal": frozenset({"type"}),
    "copyright": frozenset({"type", "contactEmail", "contactUrl"}),
    "terms": frozenset(),
    "schema": frozenset(),
}
"""Elements that a content holds, with their attributes: beside anything else a yes is not understood."""

_MOST_LICENCES: Final = 8
_MOST_CONTENTS: Final = 20_000
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_PARAMETER: Final = re.compile(r";\s*([a-z]+)\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)


def of_site(uri: str, visit: Visit) -> list[Signal]:
    """What the licences named in the robots.txt of an address's site say of it."""
    answer = visit.fetch(paths.origin(uri) + "/robots.txt", robotsfile.PARSED + 1)
    spot = Spot(NAME, "site", uri, answer.uri, answer.fetched_at)
    if signal := unread(spot, answer, ABOUT):
        return [signal]
    ours = {"*", *(name.lower() for name in visit.settings.crawlers)}
    mine: dict[str, bool] = {}
    for line in robotsfile.parsed(answer.body, (*visit.settings.crawlers, *visit.settings.ai_crawlers))[0]:
        if line.field == "license" and line.value:
            mine[line.value] = mine.get(line.value, False) or not line.agents or bool(line.agents & ours)
    if not mine:
        return [spot.signal(NOTHING, "no licence is named")]
    found = _fetched(list(mine), answer.uri, uri, visit, "site")
    return [s if mine[link] else _refusing(s) for link, s in zip(mine, found, strict=False)] + found[len(mine) :]


def of_response(answer: Answer, uri: str, visit: Visit) -> list[Signal]:
    """What the licences that a resource's Link headers name say of it."""
    return _fetched(list(links(answer.values("link"))), answer.uri, uri, visit, "response")


def of_page(page: Page, uri: str, visit: Visit) -> list[Signal]:
    """What the licences that a web page names or holds say of it."""
    found = _fetched(page.licences, uri, uri, visit, "page")
    spot = Spot(NAME, "page", uri, uri, page.fetched_at)
    for text in page.inline[:_MOST_LICENCES]:
        found.append(_told(spot, text.encode(errors="replace"), uri, uri))
    if len(page.inline) > _MOST_LICENCES:
        found.append(spot.signal(saying("unknown", ABOUT), f"more than {_MOST_LICENCES} licences"))
    return found


def links(values: Sequence[str]) -> Iterator[str]:
    """The addresses of RSL licences in Link headers; licences of other kinds are no business of this protocol."""
    for link in _LINK.finditer(", ".join(values)):
        said = {p.group(1).lower(): p.group(2) or p.group(3) or "" for p in _PARAMETER.finditer(link.group(2))}
        if "license" in said.get("rel", "").lower().split() and said.get("type", "").lower().startswith(RSL_TYPE):
            yield link.group(1).strip()


def read(body: bytes, uri: str, base: str) -> tuple[Says, str]:
    """What a licence document says of an address, and in words.

    Args:
        body: The XML.
        uri: The address that is asked about.
        base: Where the document was found: its paths are paths of that site.

    Raises:
        ImportError: defusedxml is not installed.
    """
    import defusedxml.ElementTree as tree

    try:
        root = tree.fromstring(body, forbid_dtd=True)
    except (SyntaxError, ValueError, LookupError, RecursionError) as error:
        return saying("unknown", ABOUT), f"no XML that can be read: {type(error).__name__} {str(error)[:120]}"
    contents = [e for e in root.iter() if _local(e) == "content"]
    if _local(root) != "rsl" or not contents or len(contents) > _MOST_CONTENTS:
        return saying("unknown", ABOUT), "no RSL document, one without content, or too long a one"
    covering = [c for c in contents if _covers(c.get("url"), uri, base)]
    if not covering:
        return NOTHING, "no content of the licence is this address"
    says = strictest(*(_of_content(c) for c in covering))
    if root.tag != NAMESPACE + "rsl" or any(c.get("url") is None for c in covering):
        says = without_allow(says)
    return says, "the licence is about it"


def _fetched(named: Sequence[str], base: str, uri: str, visit: Visit, place: str) -> list[Signal]:
    found = []
    for link in named[:_MOST_LICENCES]:
        try:
            where = urllib.parse.urljoin(base, link)
        except ValueError:
            where = link
        answer = visit.fetch(where, visit.settings.max_file_kb * 1024)
        spot = Spot(NAME, place, uri, answer.uri, answer.fetched_at)
        if answer.good and answer.whole:
            found.append(_told(spot, answer.body, uri, answer.uri))
        else:
            why = answer.trouble if answer.whole else f"longer than {visit.settings.max_file_kb} kB"
            found.append(spot.signal(saying("unknown", ABOUT), f"a licence is named and cannot be read: {why}"))
    if len(named) > _MOST_LICENCES:
        spot = Spot(NAME, place, uri, base, visit.now())
        found.append(spot.signal(saying("unknown", ABOUT), f"more than {_MOST_LICENCES} licences are named"))
    return found


def _told(spot: Spot, body: bytes, uri: str, base: str) -> Signal:
    try:
        says, words = read(body, uri, base)
    except ImportError:
        return missing(spot, ABOUT, "defusedxml", "rights")
    return spot.signal(says, words, body)


def _refusing(signal: Signal) -> Signal:
    return dataclasses.replace(signal, says=without_allow(signal.says))


def _covers(url: str | None, uri: str, base: str) -> bool:
    if url is None:
        return True
    url = url.strip()
    site = paths.origin(base)
    if "://" in url:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        site, url = f"{scheme}://{host}".lower(), slash + path or "/"
    return site == paths.origin(uri) and paths.matches(url, paths.target(uri))


def _of_content(content: Element) -> Says:
    found: dict[str, list[str]] = {use: [] for use in ABOUT}
    bound = content.get("server") is not None
    licences = [e for e in content if _local(e) == "license"]
    for licence in licences:
        for use, answer in _of_licence(licence, bound).items():
            found[use].append(answer)
    if not licences and bound:
        return saying("deny", ABOUT)
    if not all(_is_known(e) for e in (content, *content, *(e for licence in licences for e in licence))):
        found = {use: [a.replace("allow", "unknown") for a in answers] for use, answers in found.items()}
    settled: dict[str, Any] = {}
    for use, answers in found.items():
        # What one licence leaves out another may permit: each is an offer. What one forbids is forbidden.
        offered = {"allow", "unknown"} & set(answers)
        firm = [a for a in answers if a != "left out"] if offered else answers
        settled[use] = strictest(*(saying(a.replace("left out", "deny"), [use]) for a in firm))._asdict()[use]
    return NOTHING._replace(**settled)


def _of_licence(licence: Element, bound: bool) -> dict[str, str]:
    permitted: list[str] = []
    prohibited: list[str] = []
    doubt = limited = False
    lists = False
    for element in licence:
        name, kind = _local(element), (element.get("type") or "usage").strip().lower()
        tokens = re.split(r"[\s,]+", (element.text or "").strip())
        if name in ("permits", "prohibits") and kind != "usage":
            limited = True
        elif name == "permits":
            lists = True
            permitted += tokens
        elif name == "prohibits":
            prohibited += [token.lower() for token in tokens]
        elif name == "payment":
            bound = bound or not _is_free(element)
        doubt = doubt or (name == "prohibits" and kind == "usage" and any(t.lower() not in VOCABULARY for t in tokens))
    no = {use for token in prohibited for use in VOCABULARY.get(token, ())}
    yes = {use for token in permitted for use in VOCABULARY.get(token, ())}
    said = {}
    for use in ABOUT:
        if use in no or (bound and (use in yes or not lists)):
            said[use] = "deny"
        elif doubt or (limited and (use in yes or not lists)):
            said[use] = "unknown"
        elif lists:
            said[use] = "allow" if use in yes else "left out"
        else:
            said[use] = "unset"
    return said


def _is_free(payment: Element) -> bool:
    kind = payment.get("type")
    return len(payment) == 0 and kind in (None, "free") and not (payment.text or "").strip()


def _is_known(element: Element) -> bool:
    """Whether a yes beside an element can be understood: it is one of RSL's, with its attributes and no stray text."""
    name = element.tag.removeprefix(NAMESPACE) if isinstance(element.tag, str) else ""
    text = element.text if name in ("content", "license") else ""
    return name in _KNOWN and set(element.keys()) <= _KNOWN[name] and not ((text or "") + (element.tail or "")).strip()


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else ""
