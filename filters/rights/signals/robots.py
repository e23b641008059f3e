"""robots.txt (RFC 9309): may the address be fetched by us, and by those who gather for training?

That fetching is allowed says nothing of any use, so this protocol never says `allow`.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from filters.rights.records import USES
from filters.rights.signals import paths, robotsfile
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying, strictest
from filters.rights.signals.visit import SignalSettings, Visit, missing, unread

NAME: Final = "robots.txt"
ABOUT: Final = USES


def of_site(uri: str, visit: Visit) -> list[Signal]:
    """What the robots.txt of an address's site says of it."""
    answer = visit.fetch(paths.origin(uri) + "/robots.txt", robotsfile.PARSED + 1)
    spot = Spot(NAME, "site", uri, answer.uri, answer.fetched_at)
    if signal := unread(spot, answer, ABOUT):
        return [signal]
    try:
        says, words = read(answer.body, uri, visit.settings)
    except ImportError:
        return [missing(spot, ABOUT, "protego", "rights")]
    return [spot.signal(says, words, answer.body)]


def read(body: bytes, uri: str, settings: SignalSettings) -> tuple[Says, str]:
    """What a robots.txt says of an address, and in words.

    Raises:
        ImportError: Protego is not installed.
    """
    names = (*settings.crawlers, *settings.ai_crawlers)
    try:
        rules, whole = _rules(body, names)
        closed = [name for name in names if not rules.can_fetch(uri, name)]
    except (ValueError, TypeError, RecursionError) as error:
        return saying("unknown", ABOUT), f"cannot be read: {type(error).__name__}"
    ours = [name for name in closed if name in settings.crawlers]
    says = strictest(
        NOTHING, saying("deny", ABOUT if ours else ()), saying("deny", ("train",) if len(closed) > len(ours) else ())
    )
    words = f"fetching is forbidden to {', '.join(closed)}" if closed else "fetching is forbidden to nobody asked for"
    return says, words if whole else words + " in the first 500 KiB"


@functools.lru_cache(maxsize=64)
def _rules(body: bytes, names: tuple[str, ...]) -> tuple[Any, bool]:
    import protego

    text, whole = robotsfile.decoded(body)
    return protego.Protego.parse(robotsfile.narrowed(text, names)), whole
