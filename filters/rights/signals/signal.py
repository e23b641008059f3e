"""A signal: what one protocol said of one resource, where, when and in which words.

Nothing said (`unset`) and not understood (`unknown`) are different answers: the first is silence, the second may hide a
no. A fetch that failed and a text that cannot be read are `unknown`, never `allow`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from transforms.addresses import redact

ANSWERS: Final = ("deny", "unknown", "allow", "unset")
"""Every answer, the strictest first."""

PLACES: Final = ("site", "response", "page", "file")
"""Where a protocol can speak: a file of the site, headers of an answer, a web page, inside the media."""

RAW_CHARACTERS: Final = 64 * 1024
"""Characters of the raw text that a signal keeps; the digest covers all of it."""


class Says(NamedTuple):
    """The answer for each use: `deny`, `unknown`, `allow` or `unset`. Fields are `filters.rights.records.USES`."""

    train: str = "unset"
    caption: str = "unset"
    generate: str = "unset"
    display: str = "unset"


NOTHING: Final = Says()


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What one protocol said of one resource.

    Attributes:
        protocol: Name of the protocol, as in `protocols.PROTOCOLS`.
        place: One of `PLACES`.
        about: The resource it is said of, without credentials.
        uri: Where it was found, without credentials; of a file its path.
        fetched_at: When it was read, UTC.
        says: The answer for each use.
        words: What was read and what follows from it, for a person.
        text: The raw text, its first `RAW_CHARACTERS` characters.
        digest: SHA-256 of the raw bytes, hexadecimal; empty where nothing was read.
        size: Raw bytes.
        origin: How the footage was made, as `origin.ORIGINS` has it; None: nothing was said of that.
    """

    protocol: str
    place: str
    about: str
    uri: str
    fetched_at: datetime
    says: Says
    words: str
    text: str = ""
    digest: str = ""
    size: int = 0
    origin: str | None = None

    @property
    def signal_id(self) -> str:
        """An id made of what was said, of what, where: the same words found again are the same signal."""
        said = "\0".join((self.protocol, self.place, self.about, self.uri, self.digest, *self.says))
        return "g-" + hashlib.sha256(said.encode(errors="replace")).hexdigest()[:24]


@dataclass(frozen=True)
class Spot:
    """Where a protocol speaks of what: the part of a signal that is known before anything is read."""

    protocol: str
    place: str
    about: str
    uri: str
    fetched_at: datetime

    def signal(self, says: Says, words: str, raw: bytes | str = b"", origin: str | None = None) -> Signal:
        """A signal from here."""
        data = raw.encode(errors="replace") if isinstance(raw, str) else raw
        text = data[: 4 * RAW_CHARACTERS].decode(errors="replace")[:RAW_CHARACTERS]
        return Signal(
            protocol=self.protocol,
            place=self.place,
            about=redact(self.about),
            uri=redact(self.uri),
            fetched_at=self.fetched_at,
            says=says,
            words=words,
            text=text,
            digest=hashlib.sha256(data).hexdigest() if data else "",
            size=len(data),
            origin=origin,
        )


def saying(answer: str, uses: Iterable[str]) -> Says:
    """One answer for some uses, nothing for the others."""
    return NOTHING._replace(**dict.fromkeys(uses, answer))


def strictest(*said: Says) -> Says:
    """Several answers as one: for each use a no, else what was not understood, else a yes, else silence."""
    return Says(*(min(answers, key=ANSWERS.index) for answers in zip(*said, strict=True))) if said else NOTHING


def without_allow(said: Says) -> Says:
    """The same without its yes: who cannot grant may still refuse."""
    return Says(*("unset" if answer == "allow" else answer for answer in said))


def in_words(said: Says) -> str:
    """`deny train, caption; unknown generate`, or `nothing said`."""
    parts = []
    for answer in ANSWERS[:-1]:
        if uses := [use for use, one in said._asdict().items() if one == answer]:
            parts.append(f"{answer} {', '.join(uses)}")
    return "; ".join(parts) or "nothing said"
