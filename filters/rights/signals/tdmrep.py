"""TDMRep (W3C community group): reservation of text and data mining in a site's file, in headers and in web pages.

Later places supersede earlier ones for the same resource: file, header, page. Silence resets nothing. Values other than
0 and 1 say nothing; what is no list of rules is not understood.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from filters.rights.signals import paths
from filters.rights.signals.page import Page
from filters.rights.signals.signal import NOTHING, PLACES, Says, Signal, Spot, saying
from filters.rights.signals.visit import Answer, Visit, unread

NAME: Final = "TDMRep"
ABOUT: Final = ("train", "caption")
"""Mining is any automated analysis of content; what is made from footage is not mined."""

WELL_KNOWN: Final = "/.well-known/tdmrep.json"
RESERVATION: Final = "tdm-reservation"
POLICY: Final = "tdm-policy"

_KEYS: Final = frozenset({"location", RESERVATION, POLICY})
_MOST_RULES: Final = 20_000


def of_site(uri: str, visit: Visit) -> list[Signal]:
    """What the rules of an address's site say of it."""
    limit = visit.settings.max_file_kb * 1024
    answer = visit.fetch(paths.origin(uri) + WELL_KNOWN, limit)
    spot = Spot(NAME, "site", uri, answer.uri, answer.fetched_at)
    if signal := unread(spot, answer, ABOUT):
        return [signal]
    if answer.is_page():
        return [spot.signal(NOTHING, "a web page is there, no rules", answer.body)]
    if not answer.whole:
        return [spot.signal(saying("unknown", ABOUT), f"longer than {limit // 1024} kB", answer.body)]
    return [spot.signal(*read(answer.body, uri), answer.body)]


def of_response(answer: Answer, uri: str, visit: Visit) -> list[Signal]:
    """What the header lines of a resource say of it."""
    return _told(
        Spot(NAME, "response", uri, answer.uri, answer.fetched_at),
        [(value, True) for value in answer.values(RESERVATION)],
        answer.values(POLICY),
    )


def of_page(page: Page, uri: str, visit: Visit) -> list[Signal]:
    """What the meta tags of a web page say of it."""
    return _told(
        Spot(NAME, "page", uri, uri, page.fetched_at),
        [(content, head) for name, content, head in page.metas if name == RESERVATION],
        [content for name, content, _ in page.metas if name == POLICY],
    )


def settled(signals: Sequence[Signal]) -> list[Signal]:
    """Those that count of several on one resource: for each use the last place that says yes or no."""
    kept = []
    for signal in signals:
        later = [s for s in signals if s.about == signal.about and _rank(s) > _rank(signal)]
        over = {use for s in later for use, one in s.says._asdict().items() if one in ("deny", "allow")}
        says = signal.says._replace(**dict.fromkeys(over, "unset"))
        if says == signal.says:
            kept.append(signal)
        elif says != NOTHING:
            kept.append(dataclasses.replace(signal, says=says, words=f"{signal.words} (superseded in part)"))
    return kept


def read(body: bytes, uri: str) -> tuple[Says, str]:
    """What a file of rules says of an address, and in words: the first rule that covers it counts."""
    try:
        rules = json.loads(body.decode("utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return saying("unknown", ABOUT), f"no rules in JSON: {str(error)[:120]}"
    if not isinstance(rules, list) or len(rules) > _MOST_RULES:
        return saying("unknown", ABOUT), "no list of rules, or too long a one"
    path, doubt = paths.target(uri), False
    for rule in rules:
        location = rule.get("location") if isinstance(rule, dict) else None
        if not isinstance(location, str):
            doubt = True
        elif paths.matches(location, path):
            answer = _of_json(rule.get(RESERVATION))
            if answer == "allow" and not rule.keys() <= _KEYS:
                return saying("unknown", ABOUT), f"rule for `{location[:200]}` says more than is known"
            if doubt and answer != "deny":
                break
            return saying(answer, ABOUT), f"rule for `{location[:200]}`: {_words(answer, rule.get(POLICY))}"
    if doubt:
        return saying("unknown", ABOUT), "a rule before the one that covers it has no location"
    return NOTHING, "no rule covers it"


def _told(spot: Spot, values: Sequence[tuple[str, bool]], policies: Sequence[str]) -> list[Signal]:
    if not values:
        return []
    parts = [part.strip() for value, _ in values for part in value.split(",")]
    # One value that says nothing takes a yes away, and no refusal.
    yes = all(part == "0" for part in parts) and all(may for _, may in values)
    says = saying("deny" if "1" in parts else "allow" if yes else "unset", ABOUT)
    raw = "\n".join((*(f"{RESERVATION}: {v}" for v, _ in values), *(f"{POLICY}: {p}" for p in policies)))
    return [spot.signal(says, _words(says.train, " ".join(policies) or None), raw)]


def _of_json(value: Any) -> str:
    # What can only be meant as a no is one, whatever its type; a yes has to be written as the protocol says.
    if value is True or (isinstance(value, str) and value.strip() == "1"):
        return "deny"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "unset"
    return "deny" if value == 1 else "allow" if value == 0 and isinstance(value, int) else "unset"


def _words(answer: str, policy: Any) -> str:
    said = {"deny": "mining is reserved", "allow": "mining is not reserved"}.get(
        answer, "neither 0 nor 1: says nothing"
    )
    return said + (f"; policy: {str(policy)[:300]}" if policy and answer == "deny" else "")


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made and key in ("location", RESERVATION):
            raise ValueError(f"{key!r} twice in one rule")
        made[key] = value
    return made


def _rank(signal: Signal) -> int:
    return PLACES.index(signal.place)
