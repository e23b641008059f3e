"""Content-Usage (IETF AIPREF, drafts of 2026): preferences in headers and in robots.txt.

Its labels still change, so what each means for a use is data. `n` refuses, `y` allows, any other value of a known label
is not understood. In robots.txt the longest path counts, at equal length the no; in headers the last of one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from filters.rights.signals import paths, robotsfile
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying, strictest, without_allow
from filters.rights.signals.visit import Answer, SignalSettings, Visit, missing, unread

NAME: Final = "Content-Usage"
FIELD: Final = "content-usage"

VOCABULARY: Final[Mapping[str, tuple[str, ...]]] = {
    "train-ai": ("train",),  # draft-ietf-aipref-vocab of 2026
    "train-genai": ("train",),  # draft 02
    "ai-use": ("caption", "generate"),
    "ai-input": ("caption", "generate"),
    "ai-output": ("caption", "generate"),
    "bots": ("train", "caption"),
    "tdm": ("train", "caption"),
    "all": ("train", "caption", "generate"),
    "search": (),
}
"""Which uses each label is about, of every draft so far."""

ABOUT: Final = ("train", "caption", "generate")
VALUES: Final[Mapping[str, str]] = {"y": "allow", "n": "deny"}

_MOST_LINES: Final = 2000


def of_response(answer: Answer, uri: str, visit: Visit) -> list[Signal]:
    """What the header lines of a resource say of it."""
    lines = answer.values(FIELD)
    if not lines:
        return []
    spot = Spot(NAME, "response", uri, answer.uri, answer.fetched_at)
    try:
        # A no in any line is one, whatever a later line takes back.
        says = strictest(*(read(line) for line in (*lines, ", ".join(lines))))
    except ImportError:
        return [missing(spot, ABOUT, "http-sf", "rights")]
    return [spot.signal(says, f"`{NAME}: {', '.join(lines)[:300]}`", "\n".join(f"{FIELD}: {line}" for line in lines))]


def of_site(uri: str, visit: Visit) -> list[Signal]:
    """What the robots.txt of an address's site prefers for it."""
    return of_robots(uri, visit, NAME, FIELD, VOCABULARY, VALUES, ABOUT)


def of_robots(
    uri: str,
    visit: Visit,
    name: str,
    field: str,
    vocabulary: Mapping[str, tuple[str, ...]],
    values: Mapping[str, str],
    about: tuple[str, ...],
) -> list[Signal]:
    """What lines of one kind in the robots.txt of an address's site prefer for it."""
    answer = visit.fetch(paths.origin(uri) + "/robots.txt", robotsfile.PARSED + 1)
    spot = Spot(name, "site", uri, answer.uri, answer.fetched_at)
    if signal := unread(spot, answer, about):
        return [signal]
    try:
        says, lines = read_robots(answer.body, uri, visit.settings, field, vocabulary, values)
    except ImportError:
        return [missing(spot, about, "http-sf", "rights")]
    words = f"`{field}: {' / '.join(lines)[:300]}`" if lines else f"no `{field}` line is about it"
    return [spot.signal(says, words, "\n".join(f"{field}: {line}" for line in lines))]


def read(line: str, vocabulary: Mapping[str, tuple[str, ...]] = VOCABULARY, values: Mapping[str, str] = VALUES) -> Says:
    """What one dictionary of preferences (RFC 9651) says; where it cannot be parsed, `unknown` for all it could say.

    Raises:
        ImportError: http-sf is not installed.
    """
    import http_sf

    try:
        parsed: Any = http_sf.parse(line.encode("ascii", errors="replace"), tltype="dictionary")
    except (ValueError, IndexError, RecursionError, OverflowError):
        return saying("unknown", [use for uses in vocabulary.values() for use in uses])
    found = [NOTHING]
    for label, uses in vocabulary.items():
        if label in parsed:
            value = parsed[label][0]
            token = str(value) if type(value).__name__ == "Token" else ""
            found.append(saying(values.get(token, "unknown"), uses))
    return strictest(*found)


def read_robots(
    body: bytes,
    uri: str,
    settings: SignalSettings,
    field: str = FIELD,
    vocabulary: Mapping[str, tuple[str, ...]] = VOCABULARY,
    values: Mapping[str, str] = VALUES,
) -> tuple[Says, list[str]]:
    """What lines of one kind in a robots.txt say of an address, and those lines.

    Raises:
        ImportError: http-sf is not installed.
    """
    names = (*settings.crawlers, *settings.ai_crawlers)
    read_lines, own = robotsfile.parsed(body, names)
    every = [line for line in read_lines if line.field == field]
    if not every:
        return NOTHING, []
    if len(every) > _MOST_LINES:
        return saying("unknown", [u for uses in vocabulary.values() for u in uses]), [f"more than {_MOST_LINES} lines"]
    path = paths.target(uri)
    found, shown = [NOTHING], []
    ours = {robotsfile.group_of(name, own) for name in settings.crawlers}
    theirs = {robotsfile.group_of(name, own) for name in settings.ai_crawlers} - ours
    for group in (*sorted(ours), *sorted(theirs)):
        lines = _longest([line.value for line in every if group in line.agents], path)
        says = strictest(NOTHING, *(read(_split(line)[1], vocabulary, values) for line in lines))
        if group in theirs:  # Others are asked for their no to training alone.
            says = NOTHING._replace(train=without_allow(says).train)
        found.append(says)
        shown += lines
    stray = [line.value for line in every if not line.agents and _covers(line.value, path)]
    found += [without_allow(read(_split(line)[1], vocabulary, values)) for line in stray]
    return strictest(*found), list(dict.fromkeys((*shown, *stray)))


def _longest(lines: Iterable[str], path: str) -> list[str]:
    covering = [line for line in lines if _covers(line, path)]
    most = max((len(_split(line)[0]) for line in covering), default=0)
    return [line for line in covering if len(_split(line)[0]) == most]


def _covers(line: str, path: str) -> bool:
    return paths.matches(_split(line)[0] or "/", path)


def _split(line: str) -> tuple[str, str]:
    if not line.startswith("/"):
        return "", line
    prefix, *rest = line.split(None, 1)
    return prefix, rest[0] if rest else ""
