"""Collecting: every protocol is asked about a source, and asked again later to see what changed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filters.rights.signals import page as pages
from filters.rights.signals import robots, rsl
from filters.rights.signals.fetch import Fetcher
from filters.rights.signals.paths import origin
from filters.rights.signals.paths import target as path_of
from filters.rights.signals.protocols import NAMES, PROTOCOLS, Protocol
from filters.rights.signals.signal import Signal, Spot, in_words, saying, strictest
from filters.rights.signals.visit import Answer, SignalSettings, Visit
from transforms import addresses
from transforms.settings import ConfigError

_K = TypeVar("_K", bound=Hashable)


@dataclass(frozen=True)
class Target:
    """What is asked about.

    Attributes:
        uri: The source: a web address, or whatever else names a file.
        page: Web page that shows it, if one is known.
        path: The file on local disk, once it is there.
    """

    uri: str
    page: str | None = None
    path: Path | None = None


@dataclass(frozen=True)
class Difference:
    """What changed of one signal between two looks.

    Attributes:
        before: The signal then; None where there was none.
        after: The signal now; None where there is none any more.
        words: What changed, for a person.
    """

    before: Signal | None
    after: Signal | None
    words: str


def check(settings: SignalSettings) -> None:
    """Check before any work that the protocols that are skipped exist.

    Raises:
        ConfigError: Naming the option and the fix.
    """
    for name in settings.skip_protocols:
        if name not in NAMES:
            raise ConfigError(f"--skip-protocols {name}: not one of {', '.join(NAMES)}")


def asked(settings: SignalSettings) -> tuple[Protocol, ...]:
    """The protocols that are asked."""
    return tuple(p for p in PROTOCOLS if p.name not in settings.skip_protocols)


def collect(target: Target, fetcher: Fetcher) -> list[Signal]:
    """Everything that the protocols say of a source: of its site, its headers, its page, its file.

    Never raises. A place that was not given (no page, no file yet) is not asked and leaves no signal, nor do headers
    and pages that the site's robots.txt forbids this crawler to fetch.
    """
    visit = Visit(fetcher.settings, fetcher, fetcher.now)
    found = []
    if addresses.is_web(target.uri):
        found += _web(target.uri, False, fetcher, visit)
    if target.page and addresses.is_web(target.page):
        found += _web(target.page, True, fetcher, visit)
    if target.path:
        found += of_file(target.path, target.uri, visit)
    return found


def of_file(path: Path, uri: str, visit: Visit) -> list[Signal]:
    """Everything that the protocols say inside a media file on local disk."""
    return [s for p in asked(visit.settings) if p.of_file for s in p.of_file(path, uri, visit)]


def recheck(old: Iterable[Signal], fetcher: Fetcher, targets: Iterable[Target] = ()) -> list[Difference]:
    """Ask again for everything that signals were about, and tell what changed.

    Args:
        old: Signals of an earlier look, of any number of sources.
        fetcher: A new one, without a folder of answers: what is kept is what is to be checked.
        targets: Where resources are now. Needed of addresses that open by a signature, which signals do not keep, and
            of files: what lies inside a file is compared only where its path is given.

    Returns:
        One difference a signal that says something else, or the same in other words. In the order of the old
        signals, then what is new.
    """
    known = {addresses.redact(target.uri): target for target in targets}
    visit = Visit(fetcher.settings, fetcher, fetcher.now)
    before, after = list[Signal](), list[Signal]()
    for about, mine in _grouped(old, lambda s: s.about).items():
        target, places = known.get(about, Target(about)), {s.place for s in mine}
        now = _web(target.uri, "page" in places, fetcher, visit) if addresses.is_web(target.uri) else []
        unseen = {"response", "page"} if _closed(now) else set[str]()
        unseen |= set() if target.path else {"file"}
        after += now + (of_file(target.path, target.uri, visit) if target.path else [])
        before += [s for s in mine if s.place not in unseen]
    return _differences(before, after)


def _differences(before: Iterable[Signal], after: Iterable[Signal]) -> list[Difference]:
    old, new, found = _grouped(before, _key), _grouped(after, _key), []
    for key in dict.fromkeys((*old, *new)):
        then, now = old.get(key, []), new.get(key, [])
        was, says = strictest(*(s.says for s in then)), strictest(*(s.says for s in now))
        if was != says:
            words = f"said {in_words(was)}; says {in_words(says)}"
        elif then and now and {s.digest for s in then} != {s.digest for s in now}:
            words = "says the same in other words"
        else:
            continue
        first = then[0] if then else None, now[0] if now else None
        found.append(Difference(*first, f"{key[0]} of {key[2]}: {words}"))
    return found


def _key(signal: Signal) -> tuple[str, str, str, str]:
    # Where a resource or a site's file is kept may change with every look; which file of several it is does not.
    several = signal.place == "site" or signal.protocol == rsl.NAME
    return signal.protocol, signal.place, signal.about, path_of(signal.uri) if several else ""


def _grouped(signals: Iterable[Signal], key: Callable[[Signal], _K]) -> dict[_K, list[Signal]]:
    found: dict[_K, list[Signal]] = {}
    for signal in signals:
        found.setdefault(key(signal), []).append(signal)
    return found


def _web(uri: str, is_page: bool, fetcher: Fetcher, visit: Visit) -> list[Signal]:
    found = _site(uri, visit)
    if _closed(found):
        return found
    if is_page:
        return found + _page(uri, fetcher, visit)
    answer = fetcher.head(uri)
    found += _response(answer, uri, visit)
    if answer.good and origin(answer.uri) != origin(uri):  # Where it led has rules of its own.
        found += _site(answer.uri, visit)
    return found


def _closed(signals: Iterable[Signal]) -> bool:
    return any(s.protocol == robots.NAME and set(s.says) == {"deny"} for s in signals)


def _site(uri: str, visit: Visit) -> list[Signal]:
    return [s for p in asked(visit.settings) if p.of_site for s in p.of_site(uri, visit)]


def _response(answer: Answer, uri: str, visit: Visit) -> list[Signal]:
    readers = [p for p in asked(visit.settings) if p.of_response]
    if answer.good:
        return [s for p in readers if p.of_response for s in p.of_response(answer, uri, visit)]
    words = f"headers could not be fetched: {answer.trouble}"
    spots = [(p, Spot(p.name, "response", uri, answer.uri, answer.fetched_at)) for p in readers]
    return [spot.signal(saying("unknown", p.about), words) for p, spot in spots]


def _page(uri: str, fetcher: Fetcher, visit: Visit) -> list[Signal]:
    answer = fetcher.page(uri)
    found = _response(answer, uri, visit)
    readers = [p for p in asked(visit.settings) if p.of_page]
    if not answer.good:
        return found
    page = pages.read(_text(answer), answer.fetched_at, answer.whole)
    for protocol in readers:
        if protocol.of_page:
            found += protocol.of_page(page, uri, visit)
        if not page.whole:
            spot = Spot(protocol.name, "page", uri, answer.uri, answer.fetched_at)
            found.append(spot.signal(saying("unknown", protocol.about), "not all of the page could be read"))
    return found


def _text(answer: Answer) -> str:
    kind = ", ".join(answer.values("Content-Type")).lower()
    charset = kind.partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8-sig"
    try:
        return answer.body.decode(charset, errors="replace")
    except (LookupError, UnicodeError, ValueError):
        return answer.body.decode("utf-8-sig", errors="replace")
