"""Content-Signal lines in robots.txt: `search=yes, ai-train=no`, as content delivery networks write them by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from filters.rights.signals import aipref
from filters.rights.signals.signal import Signal
from filters.rights.signals.visit import Visit

NAME: Final = "Content-Signal"
FIELD: Final = "content-signal"
ABOUT: Final = ("train", "caption", "generate")

VOCABULARY: Final[Mapping[str, tuple[str, ...]]] = {
    "ai-train": ("train",),
    "ai-input": ("caption", "generate"),
    "search": (),
}
VALUES: Final[Mapping[str, str]] = {"yes": "allow", "no": "deny"}


def of_site(uri: str, visit: Visit) -> list[Signal]:
    """What the robots.txt of an address's site signals for it."""
    return aipref.of_robots(uri, visit, NAME, FIELD, VOCABULARY, VALUES, ABOUT)
