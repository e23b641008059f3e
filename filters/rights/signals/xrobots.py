"""X-Robots-Tag and `<meta name="robots">`: noai, noimageai, noml, for everybody or for one crawler.

Names and values are taken in any case, every header line counts, and a line may begin with the crawler it is for. What
follows a comma after another crawler's name may be its or everybody's (proxies join lines), so a no there is not
understood rather than passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from filters.rights.signals.page import Page
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying, strictest
from filters.rights.signals.visit import Answer, SignalSettings, Visit

NAME: Final = "X-Robots-Tag"
HEADER: Final = "x-robots-tag"
ABOUT: Final = ("train", "caption", "generate")

TOKENS: Final[dict[str, tuple[str, ...]]] = {
    "noai": ("train", "caption", "generate"),
    "noimageai": ("train", "caption", "generate"),
    "noml": ("train", "caption"),
    "noaitraining": ("train",),
}
"""What each directive refuses."""

_SCOPE: Final = re.compile(r"\s*([A-Za-z0-9_.*-]+)\s*:(.*)", re.DOTALL)
_VALUED: Final = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")


def of_response(answer: Answer, uri: str, visit: Visit) -> list[Signal]:
    """What the header lines of a resource say of it."""
    lines = answer.values(HEADER)
    if not lines:
        return []
    says = strictest(*(read(line, visit.settings) for line in lines))
    spot = Spot(NAME, "response", uri, answer.uri, answer.fetched_at)
    return [spot.signal(says, _words(says, lines), "\n".join(f"{HEADER}: {line}" for line in lines))]


def of_page(page: Page, uri: str, visit: Visit) -> list[Signal]:
    """What the robots tags of a web page say of it."""
    names = {"robots", *(n.lower() for n in (*visit.settings.crawlers, *visit.settings.ai_crawlers))}
    tags = [(name, content) for name, content, _ in page.metas if name in names]
    if not tags:
        return []
    says = strictest(*(read(c if n == "robots" else f"{n}: {c}", visit.settings) for n, c in tags))
    lines = [f'<meta name="{name}" content="{content}">' for name, content in tags]
    return [Spot(NAME, "page", uri, uri, page.fetched_at).signal(says, _words(says, lines), "\n".join(lines))]


def read(line: str, settings: SignalSettings) -> Says:
    """What one line of directives refuses. It cannot allow anything."""
    ours = {"*", "robots", *(name.lower() for name in settings.crawlers)}
    theirs = {name.lower() for name in settings.ai_crawlers}
    scope, sure, found = "", True, [NOTHING]
    for part in line.split(","):
        while (named := _SCOPE.match(part)) and named.group(1).lower() not in _VALUED:
            scope, part, sure = named.group(1).lower(), named.group(2), True
        uses = TOKENS.get("".join(part.split()).lower(), ())
        if not scope or scope in ours:
            found.append(saying("deny", uses))
        elif scope in theirs:
            found.append(saying("deny", [use for use in uses if use == "train"]))
        elif not sure:
            found.append(saying("unknown", uses))
        sure = False
    return strictest(*found)


def _words(says: Says, lines: Iterable[str]) -> str:
    shown = " / ".join(lines)[:300]
    if "deny" in says:
        return f"refused by `{shown}`"
    return f"not sure whom `{shown}` is for" if "unknown" in says else f"`{shown}` refuses nothing"
