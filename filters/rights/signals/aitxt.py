"""ai.txt (Spawning): which files of a site may become training data.

Robots-like lines whose patterns usually name kinds of files (`Disallow: *.mp4`). The longest pattern that covers the
address counts, at equal length the no: this file is about permission, not about crawling.
"""

from __future__ import annotations

import re
from typing import Final

from filters.rights.signals import paths, robotsfile
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying
from filters.rights.signals.visit import SignalSettings, Visit, unread

NAME: Final = "ai.txt"
ABOUT: Final = ("train",)
PLACES: Final = ("/ai.txt", "/.well-known/ai.txt")

_RULE: Final = re.compile(r"(?:(allow)\s*:|disallow(?:\s*:|\s))\s*(.*)", re.IGNORECASE)  # A no needs no colon.
_AGENT: Final = re.compile(r"\s*user[- ]?agent(?:\s*:|\s)\s*(.*)", re.IGNORECASE)
_MOST_RULES: Final = 5000


def of_site(uri: str, visit: Visit) -> list[Signal]:
    """What the ai.txt of an address's site says of it, wherever it lies."""
    found = []
    for place in PLACES:
        answer = visit.fetch(paths.origin(uri) + place, robotsfile.PARSED + 1)
        spot = Spot(NAME, "site", uri, answer.uri, answer.fetched_at)
        if signal := unread(spot, answer, ABOUT):
            found.append(signal)
        elif answer.is_page():
            found.append(spot.signal(NOTHING, "a web page is there, no ai.txt", answer.body))
        else:
            found.append(spot.signal(*read(answer.body, uri, visit.settings), answer.body))
    return found


def read(body: bytes, uri: str, settings: SignalSettings) -> tuple[Says, str]:
    """What an ai.txt says of an address, and in words."""
    text, whole = robotsfile.decoded(body)
    ours = {*(name.lower() for name in settings.crawlers), "*", ""}
    names = ours | {name.lower() for name in settings.ai_crawlers}
    path, agents, opened, rules, understood = paths.target(uri), {""}, False, 0, whole
    longest: dict[tuple[str, bool], tuple[int, str]] = {}  # By whom it is for, us as "*", and whether it refuses.
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if agent := _AGENT.match(line):
            agents, opened = (agents if opened else set()) | {agent.group(1).strip().lower()}, True
        elif rule := _RULE.match(line):
            opened, rules = False, rules + 1
            refuses, pattern = not rule.group(1), rule.group(2).strip()
            if rules > _MOST_RULES:
                return saying("unknown", ABOUT), f"more than {_MOST_RULES} rules"
            for name in agents & names if _covers(pattern, path) else ():
                if refuses or name:  # Before anybody is named a yes is nobody's.
                    key = "*" if name in ours else name, refuses
                    longest[key] = max(longest.get(key, (0, "")), (len(pattern), pattern))
        elif line:
            understood = False
    rest = "" if whole else " in the first 500 KiB"
    for (name, refuses), (length, pattern) in sorted(longest.items()):
        if refuses and length >= longest.get((name, False), (0, ""))[0]:
            return saying("deny", ABOUT), f"`Disallow: {pattern[:200]}` covers it{rest}"
    if ("*", False) not in longest:
        return NOTHING, f"no rule covers it{rest}"
    words = f"`Allow: {longest['*', False][1][:200]}` covers it"
    return (saying("allow", ABOUT), words) if understood else (NOTHING, f"{words}, but not all is understood")


def _covers(pattern: str, path: str) -> bool:
    # Patterns without a slash are about the file's name, wherever it lies.
    return paths.matches(pattern if pattern.startswith(("/", "*")) else "*" + pattern, path)
