"""Rights records: parties, works, what works are recognised by, and what was said of them.

Rows are never changed. A party, work or identifier is described anew by a later row with its id; a statement stands as
it was said, and a later one may replace or revoke it. So what was known on any day can be read again.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from transforms.column import column
from transforms.store import canonical

USES: Final = ("train", "caption", "generate", "display")
"""What footage can be used for."""

MODES: Final = ("opt_out", "grant", "revoke", "exclude", "hold", "dispute")
"""What a statement can say."""

REFUSALS: Final = ("opt_out", "revoke", "hold")
"""Statements that refuse: anybody may make them, verified or not."""

PARTY_KINDS: Final = ("studio", "artist", "person", "agent", "platform", "team")
"""Kinds of party; `team` is the rights team itself, the only one that may say that a match is false for everybody."""

WORK_KINDS: Final = ("franchise", "title", "episode", "character", "person", "account", "recording", "site")
"""Kinds of work, in the widest sense: whatever a statement can be about."""

IDENTIFIER_KINDS: Final[Mapping[str, str]] = {
    "url_prefix": "Beginning of an address: `example.org/films/`, `s3://bucket/films/`, or the path of a local folder.",
    "domain": "Host name; covers what is below it.",
    "account": "`platform:stable id` of an account or channel.",
    "sha256": "SHA-256 of the bytes, 64 hexadecimal digits.",
    "fingerprint": "Reference to a fingerprint of pictures or sound.",
    "iscc": "ISCC code (ISO 24138).",
    "text": "Name, with aliases in any script and contexts in which it means something else.",
    "face": "Reference to a consented likeness of a face; never the template itself.",
    "voice": "Reference to a consented likeness of a voice; never the template itself.",
}
"""How a work can be recognised."""

WEAK_KINDS: Final = ("text", "iscc")
"""Kinds that alone decide nothing but what is generated: a match waits for a person."""

COMPONENTS: Final = ("picture", "sound", "character", "likeness", "face", "voice")
"""What of a work can be recognised, refused and licensed by itself; a `likeness` is a face and a voice."""

LIKENESS: Final = frozenset(("face", "voice"))
"""What the component `likeness` is made of."""

_EVERY: Final = frozenset(COMPONENTS) - {"likeness"}

EFFECTS: Final = ("future_only", "withdraw_outputs", "retrain")
"""What a revocation asks: no new use; withdraw what was made; train again without it."""

WORLD: Final = "WORLD"
"""The territory that holds all others."""

_COUNTRIES = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW WORLD
"""

TERRITORIES: Final = frozenset(_COUNTRIES.split())
"""ISO 3166-1 alpha-2 codes, and `WORLD`."""

STAMPS: Final = ("recorded_at", "author", "registry_version", "digest")
"""Columns that publishing fills in, the same in every table."""


def _recorded_at() -> Any:
    return column("When it was published, UTC; null in a draft.", default=None)


def _author() -> Any:
    return column("Who published it; null in a draft.", default=None)


def _version() -> Any:
    return column("Version of the registry that brought it; null in a draft.", span=">= 1", default=None)


def _digest() -> Any:
    return column("First 128 bits of the SHA-256 of what the row says; null in a draft.", default=None)


@dataclass(frozen=True, kw_only=True)
class PartyRow:
    """Somebody who can say no, or yes."""

    table: ClassVar[str] = "parties"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("party_id",)

    party_id: str = column("Stable id of the party.")
    name: str = column("Name for people.")
    kind: str = column("`studio`, `artist`, `person`, `agent`, `platform`, or `team` (the rights team itself).")
    verified_by: str | None = column(
        "Who checked that the party is who it says; null: unverified, may refuse but never grant.", default=None
    )
    verified_on: datetime | None = column("When that was checked, UTC.", default=None)
    represented_by: list[str] = column("Ids of parties that may speak for it.", default=None)
    recorded_at: datetime | None = _recorded_at()
    author: str | None = _author()
    registry_version: int | None = _version()
    digest: str | None = _digest()


@dataclass(frozen=True, kw_only=True)
class WorkRow:
    """What a statement can be about: a franchise, a title, an episode, a character, a person, an account, ..."""

    table: ClassVar[str] = "works"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("work_id",)

    work_id: str = column("Stable id of the work.")
    title: str = column("Title or name for people.")
    kind: str = column(
        "`franchise`, `title`, `episode`, `character`, `person`, `account`, `recording` or `site`;"
        " a person's likeness is the work of kind `person`."
    )
    parent: str | None = column("Id of the work it is part of: franchise > title > episode.", default=None)
    owners: list[str] = column(
        "Ids of the parties that hold its rights; empty: those of its parent, and where nobody is named, whoever made"
        " a statement about it.",
        default=None,
    )
    minor: bool = column("A person under age: never used, whatever is granted.", default=False)
    recorded_at: datetime | None = _recorded_at()
    author: str | None = _author()
    registry_version: int | None = _version()
    digest: str | None = _digest()


@dataclass(frozen=True, kw_only=True)
class IdentifierRow:
    """One thing that a work is recognised by."""

    table: ClassVar[str] = "identifiers"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("identifier_id",)

    identifier_id: str = column("Id: made of work, kind and value.")
    work_id: str = column("The work.")
    kind: str = column("`url_prefix`, `domain`, `account`, `sha256`, `fingerprint`, `iscc`, `text`, `face` or `voice`.")
    value: str = column("What is looked for.")
    aliases: list[str] = column("Other names of a `text`, in any script.", default=None)
    negative_contexts: list[str] = column("Words near a `text` that show that something else is meant.", default=None)
    language: str | None = column("Language of a `text` (BCP 47); null: any.", default=None)
    component: str | None = column(
        "What it recognises: `picture`, `sound`, `character`, `face`, `voice` or `likeness` (face and voice); null: a"
        " face or voice what it is, a person both, a character `character`, all else pictures and sound.",
        default=None,
    )
    withdrawn: bool = column("It no longer counts.", default=False)
    recorded_at: datetime | None = _recorded_at()
    author: str | None = _author()
    registry_version: int | None = _version()
    digest: str | None = _digest()


@dataclass(frozen=True, kw_only=True)
class StatementRow:
    """What a party said of a work, once."""

    table: ClassVar[str] = "statements"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("statement_id",)

    statement_id: str = column("Id: given, or made of what the statement says. Never used again for another.")
    party_id: str = column("The party whose word it is.")
    through: str | None = column("Id of the party that spoke for it; null: it spoke itself.", default=None)
    mode: str = column("`opt_out`, `grant`, `revoke`, `exclude`, `hold` or `dispute`.")
    work_id: str | None = column("The work; null: everything that the party owns.", default=None)
    uses: list[str] = column("`train`, `caption`, `generate`, `display`.")
    territories: list[str] = column("ISO 3166-1 alpha-2 codes, or `WORLD`.")
    components: list[str] = column(
        "`picture`, `sound`, `character`, `face`, `voice`, `likeness` (face and voice); empty: all.", default=None
    )
    products: list[str] = column("Products that a grant is for; empty: any.", default=None)
    languages: list[str] = column("Languages that a grant is for (BCP 47); empty: any.", default=None)
    recipients: list[str] = column("Who may use what a grant gives; empty: anybody.", default=None)
    valid_from: datetime | None = column(
        "First moment, UTC. Null: a refusal always held, a grant and a revocation hold from when they were recorded.",
        default=None,
    )
    valid_until: datetime | None = column(
        "First moment at which it no longer holds, UTC; null: no end.", span="> valid_from", default=None
    )
    share_bp: int | None = column(
        "Share of the revenue that a grant costs.", unit="basis points", span="0 to 10,000", default=None
    )
    revocation_effect: str | None = column(
        "Of a revocation: `future_only`, `withdraw_outputs` or `retrain`.", default=None
    )
    target: str | None = column(
        "Id of the grant that is revoked, or of the statement or identifier that is disputed; null of a revocation:"
        " every grant of the party on the work and what is below it.",
        default=None,
    )
    subject: str | None = column(
        "Of an `exclude`: the footage that is not the work, as `sha256:HEX` or its address.", default=None
    )
    supersedes: str | None = column("Id of the party's statement that this one takes the place of.", default=None)
    evidence: str | None = column("Where the proof lies: an address, a contract number.", default=None)
    note: str | None = column("Words for people.", default=None)
    recorded_at: datetime | None = _recorded_at()
    author: str | None = _author()
    registry_version: int | None = _version()
    digest: str | None = _digest()


Row = PartyRow | WorkRow | IdentifierRow | StatementRow
RECORDS: Final[tuple[type[Any], ...]] = (PartyRow, WorkRow, IdentifierRow, StatementRow)
BY_TABLE: Final[dict[str, type[Any]]] = {r.table: r for r in RECORDS}
_SAID: Final = {r.table: sorted(f.name for f in dataclasses.fields(r) if f.name not in STAMPS) for r in RECORDS}


@dataclass(frozen=True)
class Entries:
    """What a registry holds, or the part of it that a question needs.

    Attributes:
        parties: Each party's row by id.
        works: Each work's row by id.
        statements: Every statement, in any order.
    """

    parties: Mapping[str, PartyRow]
    works: Mapping[str, WorkRow]
    statements: tuple[StatementRow, ...]

    @functools.cached_property
    def by_work(self) -> Mapping[str | None, list[StatementRow]]:
        """Statements by the work they are about, those about all of a party's under None."""
        return self._grouped("work_id")

    @functools.cached_property
    def by_target(self) -> Mapping[str | None, list[StatementRow]]:
        """Statements by the entry they are aimed at."""
        return self._grouped("target")

    @functools.cached_property
    def by_superseded(self) -> Mapping[str | None, list[StatementRow]]:
        """Statements by the statement they take the place of."""
        return self._grouped("supersedes")

    def _grouped(self, name: str) -> Mapping[str | None, list[StatementRow]]:
        found: dict[str | None, list[StatementRow]] = {}
        for said in self.statements:
            found.setdefault(getattr(said, name), []).append(said)
        return found


def says(record: type[Any], row: Mapping[str, Any]) -> str:
    """What a row says, without its stamps: the digest of its other columns, empty lists and nulls alike.

    Returns:
        32 hexadecimal digits.
    """
    content = [
        (name, value.isoformat() if isinstance(value, datetime) else value)
        for name in _SAID[record.table]
        if (value := row.get(name)) is not None and value != [] and value != ()
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def parts_of(components: Iterable[str] | None) -> frozenset[str]:
    """Components as those that have no parts: `likeness` as `face` and `voice`, none as all. Unknown words stay."""
    found = frozenset(components or ())
    return (found - {"likeness"}) | LIKENESS if "likeness" in found else found or _EVERY


def identifier_id(work_id: str, kind: str, value: str) -> str:
    """The id of an identifier: the same work, kind and value are the same identifier."""
    return "i-" + hashlib.sha256(canonical([work_id, kind, value]).encode()).hexdigest()[:24]


def statement_id(row: Mapping[str, Any]) -> str:
    """The id of a statement whose author gave none: the same words are the same statement."""
    return "s-" + says(StatementRow, {**row, "statement_id": None})[:24]


def from_mapping(record: type[Any], row: Mapping[str, Any]) -> Any:
    """A record from a row of its table; what the row lacks (an older part) is null."""
    return record(**{f.name: row.get(f.name) for f in dataclasses.fields(record)})


def chain(works: Mapping[str, WorkRow], work_id: str) -> Iterator[WorkRow]:
    """A work, its parent, and so on. Ends before a work that is unknown or that came already."""
    seen: set[str] = set()
    at: str | None = work_id
    while at is not None and at not in seen and at in works:
        seen.add(at)
        yield works[at]
        at = works[at].parent
