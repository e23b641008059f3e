"""A visit: who asks, by which means, and how far it may go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from filters.rights.signals.signal import Says, Signal, Spot, saying
from transforms.attempts import LATER
from transforms.settings import setting

AI_CRAWLERS: Final = (
    "AI2Bot", "Amazonbot", "anthropic-ai", "Applebot-Extended", "Bytespider", "CCBot", "ClaudeBot", "cohere-ai",
    "Diffbot", "FacebookBot", "Google-Extended", "GPTBot", "img2dataset", "Meta-ExternalAgent", "omgili", "PanguBot",
)  # fmt: skip
"""Names under which others gather training data, as their operators document them."""


@dataclass(frozen=True, kw_only=True)
class SignalSettings:
    """How machine-readable signals are looked for."""

    signals: bool = setting(
        False, "Ask sites and files for machine-readable signals too: robots.txt, TDMRep, C2PA, ...", scale=True
    )
    generated: str | None = setting(
        None,
        "List of SHA-256 of generated assets, as text or with a column sha256: they are known wherever they come from",
        scale=True,
    )
    crawlers: tuple[str, ...] = setting(
        ("rushes",), "Names this crawler goes by: what robots.txt forbids one of them is forbidden altogether"
    )
    ai_crawlers: tuple[str, ...] = setting(
        AI_CRAWLERS, "Names of others' training crawlers: what robots.txt forbids one of them is not trained on"
    )
    skip_protocols: tuple[str, ...] = setting((), "Protocols that are not asked")
    max_redirects: int = setting(5, "Redirects that are followed", low=0, high=20, source="RFC 9309, 2.3.1.2")
    max_request_seconds: float = setting(
        15.0, "Longest time of one request, its redirects and its last byte included", unit="s", low=0.1, high=600
    )
    max_page_kb: int = setting(2048, "Most of a web page that is read", unit="kB", low=1, high=65536)
    max_file_kb: int = setting(1024, "Most of a site's own file that is read", unit="kB", low=1, high=65536)
    cache_hours: float = setting(
        24.0, "How long what a site answered is used again", unit="h", low=0, high=24, source="RFC 9309, 2.4"
    )
    c2pa_trust_anchors: str | None = setting(
        None, "PEM file of certificates whose signers may say yes in a file; anybody's no counts"
    )


@dataclass(frozen=True)
class Answer:
    """What came back for one address.

    Attributes:
        uri: The address that answered, after redirects.
        status: HTTP status; 0 where nothing came.
        headers: Header lines in their order, names as sent.
        body: What was read of the body.
        whole: Whether that is all of it.
        fetched_at: When, UTC.
        error: Why there is no answer; empty where there is one.
    """

    uri: str
    status: int
    fetched_at: datetime
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    whole: bool = True
    error: str = ""

    @property
    def good(self) -> bool:
        """The resource itself came."""
        return not self.error and 200 <= self.status < 300

    @property
    def absent(self) -> bool:
        """The server answered that there is nothing for us (4xx, but not "later")."""
        return not self.error and 400 <= self.status < 500 and self.status not in LATER

    @property
    def trouble(self) -> str:
        """Why it is neither, in words."""
        return self.error or f"the server answered with status {self.status}"

    def values(self, name: str) -> list[str]:
        """Every value of a header, its name in any case."""
        return [value for key, value in self.headers if key.strip().lower() == name.lower()]

    def is_page(self) -> bool:
        """Whether a web page came where a file was asked for, as sites do that answer everything with one."""
        start = self.body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body"))


Fetch = Callable[[str, int], Answer]
"""Fetches an address, at most so many bytes of it. Never raises."""


@dataclass(frozen=True)
class Visit:
    """Who asks and by which means."""

    settings: SignalSettings
    fetch: Fetch
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def unread(spot: Spot, answer: Answer, uses: tuple[str, ...]) -> Signal | None:
    """The signal that follows where an address gave nothing to read; None where it did.

    What is not there says nothing (RFC 9309, 2.3.1.3); a server that fails may have had a no to tell.
    """
    if answer.good:
        return None
    if answer.absent:
        return spot.signal(Says(), f"nothing there (status {answer.status})")
    return spot.signal(saying("unknown", uses), f"could not be fetched: {answer.trouble}")


def missing(spot: Spot, uses: tuple[str, ...], library: str, extra: str) -> Signal:
    """The signal of a protocol whose library is not installed."""
    return spot.signal(
        saying("unknown", uses), f"not read: {library} is not installed; pip install 'rushes[{extra}]' and look again"
    )
