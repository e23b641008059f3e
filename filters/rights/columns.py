"""Columns of the rights team's spreadsheet: what each means, and how a cell of it is read.

A row may describe a party and a work, add one thing the work is recognised by, and make one statement; what is left
blank is not said. A cell that cannot be read as it stands is refused with what to do about it: nothing is guessed, for
a guessed date or territory is a wrong right.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from filters.rights.records import (
    COMPONENTS,
    EFFECTS,
    IDENTIFIER_KINDS,
    MODES,
    PARTY_KINDS,
    TERRITORIES,
    USES,
    WORK_KINDS,
)
from transforms.addresses import has_scheme, normalise, redact, scheme

LONGEST_CELL: Final = 4000
"""Most characters of a cell."""

_FORMULA: Final = re.compile(r"=|[+\-@]\s*[A-Za-z]+\d*\s*[(!:]")
_EXCEL_ERROR: Final = re.compile(r"#(REF!|N/A|NAME\?|VALUE!|DIV/0!|NUM!|NULL!|SPILL!|CALC!|GETTING_DATA)")
_SCIENTIFIC: Final = re.compile(r"\d([.,]\d+)?[eE]\+?\d+")
_ID: Final = re.compile(r"[^\s|,;\x00-\x1f]{1,128}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SPACE: Final = re.compile(r"\s")
_SCHEME: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_EVERY_FILE: Final = re.compile(r"/\*$")
_WORDS: Final = re.compile(r"[,;|\n]+|\s{2,}")


class CellError(ValueError):
    """A cell cannot be read; the text says what to do."""


def text_of(cell: Any) -> str:
    """A cell as text, as a person would have typed it: numbers without `.0`, dates as `YYYY-MM-DD`, lists with `|`.

    Raises:
        CellError: A formula, an error of the spreadsheet program, letters that were lost in saving, or too much.
    """
    if cell is None:
        return ""
    if not isinstance(cell, str):
        cell = _typed(cell)
    text = cell.strip().removeprefix("\ufeff")
    if text.isascii() and text.isalnum():  # By far the most cells: nothing below can be wrong with them.
        return text if len(text) <= LONGEST_CELL else _too_long(text)
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise CellError("letters were lost, or the row is no text: save the file as `CSV UTF-8` and check the row")
    if "\x00" in text:
        raise CellError("the file is not in the encoding it seems: save it as `CSV UTF-8`")
    if _FORMULA.match(text):
        raise CellError("a formula: copy the cell and paste it as values")
    if _EXCEL_ERROR.match(text):
        raise CellError("an error of the spreadsheet program: mend the formula and paste it as values")
    return text if len(text) <= LONGEST_CELL else _too_long(text)


def _too_long(text: str) -> str:
    raise CellError(f"{len(text)} characters: at most {LONGEST_CELL}; split it over several rows")


def _typed(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        if cell != cell:
            return ""
        if cell.is_integer() and abs(cell) < 1e15:
            return str(int(cell))
        if abs(cell) >= 1e15:
            raise CellError("a number too long for a spreadsheet, its end is lost: format the column as text")
    if isinstance(cell, datetime):
        if cell.time() != datetime.min.time():
            raise CellError("a day with a time: give the day only, YYYY-MM-DD")
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, (list, tuple)):
        return "|".join(text_of(one) for one in cell)
    return str(cell)


def _name(text: str) -> str:
    if _SCIENTIFIC.fullmatch(text):
        raise CellError("a number that the spreadsheet cut short: format the column as text and enter it again")
    if not _ID.fullmatch(text):
        raise CellError("an id has 1 to 128 characters, without spaces and none of , ; |")
    return text


def _names(text: str) -> list[str]:
    return sorted({_name(part.strip()) for part in _WORDS.split(text) if part.strip()})


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    @functools.lru_cache(1024)
    def parse(text: str) -> str:
        word = text.casefold().replace("-", "_").replace(" ", "_")
        if word not in words:
            raise CellError(f"one of {', '.join(words)}")
        return word

    return parse


def _some_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    one = _one_of(words)

    def parse(text: str) -> list[str]:
        found = {one(part.strip()) for part in re.split(r"[,;|\s]+", text) if part.strip()}
        return [word for word in words if word in found]

    return parse


@functools.lru_cache(1024)
def _places(text: str) -> tuple[str, ...]:
    found = {part.upper() for part in re.split(r"[,;|\s]+", text) if part}
    if wrong := sorted(found - TERRITORIES):
        hint = "the United Kingdom is GB; " if wrong[0] == "UK" else ""
        hint = "list the countries; " if wrong[0] in ("EU", "EEA", "DACH", "LATAM", "APAC", "EMEA") else hint
        raise CellError(f"{wrong[0]} is no country of ISO 3166-1: {hint}two letters each, or WORLD")
    return tuple(sorted(found))


@functools.lru_cache(1024)
def _day(text: str) -> datetime:
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise ValueError
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise CellError("a day as YYYY-MM-DD, so that nobody takes the month for the day") from None


def _last_day(text: str) -> datetime:
    try:
        return _day(text) + timedelta(days=1)
    except OverflowError:
        raise CellError("an earlier day; leave it blank where there is no end") from None


def _yes(text: str) -> bool:
    word = text.casefold()
    if word not in ("yes", "no", "true", "false", "1", "0"):
        raise CellError("yes or no")
    return word in ("yes", "true", "1")


def _basis_points(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text) or int(text) > 10_000:
        raise CellError("whole basis points from 0 to 10000; 2.5 % is 250")
    return int(text)


def _texts(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in re.split(r"[|\n]", text) if part.strip()))


def _languages(text: str) -> list[str]:
    return sorted({_language(part) for part in re.split(r"[,;|\s]+", text) if part})


def _language(text: str) -> str:
    if not _LANGUAGE.fullmatch(text):
        raise CellError("a language of BCP 47: en, de, pt-BR, zh-Hant")
    return text


def value_of(kind: str, text: str) -> str:
    """The value of an identifier of a kind, in its one spelling; addresses are normalised where they are matched.

    Raises:
        CellError: It cannot be one.
    """
    if kind == "sha256":
        text = text.casefold().removeprefix("sha256:")
        if not _SHA256.fullmatch(text):
            raise CellError("SHA-256 has 64 hexadecimal digits (sha256sum FILE shows it)")
    elif kind == "domain":
        text = text.casefold().rstrip(".")
        if "/" in text or "." not in text or _SPACE.search(text):
            raise CellError("a host name alone, as example.org: an address is identified by url_prefix")
    elif kind == "url_prefix":
        text = _prefix(text)
    elif kind == "account":
        if not re.fullmatch(r"[A-Za-z0-9._-]+:[^\s|]+", text):
            raise CellError("platform:id, as youtube:UCabc (the id that never changes, not the display name)")
    elif kind == "text":
        if sum(letter.isalnum() for letter in text) < 2:
            raise CellError("a name of at least two letters: a single one is found everywhere")
    elif _SCIENTIFIC.fullmatch(text) or _SPACE.search(text):
        raise CellError("a reference without spaces, as text: format the column as text")
    return text


def _prefix(text: str) -> str:
    """A prefix of addresses: of sites without scheme, of buckets with it, of local files as a path."""
    where = scheme(text)
    if where in ("s3", "gs") or (not where and (has_scheme(text) or text.startswith("/"))):
        place = _EVERY_FILE.sub("", text)
        if not where and text.startswith("//"):
            raise CellError("an address, as example.org/films/, or a path, as /mnt/films/: not both")
        try:
            place = normalise(place)
        except ValueError as error:
            raise CellError(f"no address ({error})") from None
        if place == "/":
            raise CellError("every file there is: name a folder")
        return place.rstrip("/")
    bare = _SCHEME.sub("", text)
    host = bare.partition("/")[0]
    if _SPACE.search(text) or (host and "." not in host and not has_scheme(text)) or not host or where == "memory":
        raise CellError("an address, as example.org/films/: host and path without spaces; s3://bucket/, or /folder/")
    return bare if "." in host else text


def _footage(text: str) -> str:
    name, colon, digits = text.casefold().partition(":")
    if colon and name == "sha256":
        return f"sha256:{value_of('sha256', digits)}"
    if not has_scheme(text) and not text.startswith("/"):
        raise CellError("the footage as sha256:HEX, or as the address it is listed with")
    try:
        return redact(normalise(text))
    except ValueError as error:
        raise CellError(f"no address ({error})") from None


@dataclass(frozen=True)
class SheetColumn:
    """A column of the spreadsheet.

    Attributes:
        name: Its header.
        doc: What to write in it, for a person.
        example: A cell.
        parse: Reads a cell's text; raises `CellError`.
        group: Which part of the row it belongs to: `party`, `work`, `identifier` or `statement`.
    """

    name: str
    doc: str
    example: str
    parse: Callable[[str], Any]
    group: str


def _words(words: Sequence[str]) -> str:
    return ", ".join(words)


COLUMNS: Final = (
    SheetColumn("party", "Id of the party the row is about. Your own choice, always the same.", "acme", _name, ""),
    SheetColumn("party_name", "Its name. Given once; other rows of the party leave it blank.", "Acme", str, "party"),
    SheetColumn("party_kind", f"One of {_words(PARTY_KINDS)}.", "studio", _one_of(PARTY_KINDS), "party"),
    SheetColumn(
        "verified_by",
        "Who checked that the party is who it says. Blank: it may refuse, not grant.",
        "legal",
        str,
        "party",
    ),
    SheetColumn("verified_on", "When, YYYY-MM-DD.", "2026-01-31", _day, "party"),
    SheetColumn("represented_by", "Ids of parties that may speak for it.", "agency", _names, "party"),
    SheetColumn(
        "work", "Id of the work the row is about. Blank in a statement: everything the party owns.", "film", _name, ""
    ),
    SheetColumn("title", "Its title or name. Given once.", "The Film", str, "work"),
    SheetColumn(
        "work_kind",
        f"One of {_words(WORK_KINDS)}. A face or a voice belongs to a person.",
        "title",
        _one_of(WORK_KINDS),
        "work",
    ),
    SheetColumn("parent", "Id of the work it is part of: franchise > title > episode.", "saga", _name, "work"),
    SheetColumn(
        "owners", "Ids of the parties that hold its rights. Blank: as its parent says.", "acme", _names, "work"
    ),
    SheetColumn("minor", "yes of a person under age: never used, whatever is granted.", "no", _yes, "work"),
    SheetColumn(
        "identify_by",
        f"How it is recognised: {_words(tuple(IDENTIFIER_KINDS))}.",
        "url_prefix",
        _one_of(tuple(IDENTIFIER_KINDS)),
        "identifier",
    ),
    SheetColumn(
        "value",
        "What is looked for: the address, host, platform:id, hash, reference or name.",
        "example.org/film/",
        str,
        "identifier",
    ),
    SheetColumn("aliases", "Other names, in any script, between | signs.", "Der Film|映画", _texts, "identifier"),
    SheetColumn(
        "negative_contexts",
        "Words near the name that show that something else is meant, between | signs.",
        "photographic film",
        _texts,
        "identifier",
    ),
    SheetColumn("language", "Language of the name; blank: any.", "en", _language, "identifier"),
    SheetColumn(
        "component",
        f"What it recognises: one of {_words(COMPONENTS)}. Blank: of a person face and voice (a likeness), of a"
        " character the character, else pictures and sound.",
        "picture",
        _one_of(COMPONENTS),
        "identifier",
    ),
    SheetColumn("withdrawn", "yes: it no longer counts.", "no", _yes, "identifier"),
    SheetColumn("statement", f"What the party says: one of {_words(MODES)}.", "opt_out", _one_of(MODES), "statement"),
    SheetColumn(
        "statement_id",
        "Its id. Blank: made of what it says. Needed to revoke or replace it.",
        "acme-7",
        _name,
        "statement",
    ),
    SheetColumn("through", "Id of the party that spoke for it. Blank: it spoke itself.", "agency", _name, "statement"),
    SheetColumn(
        "uses",
        f"Any of {_words(USES)}. Blank, of a refusal: all; so a revoke refuses every use, not only those of its grant.",
        "train, generate",
        _some_of(USES),
        "statement",
    ),
    SheetColumn(
        "territory", "Countries as two letters, or WORLD. Blank, of a refusal: WORLD.", "WORLD", _places, "statement"
    ),
    SheetColumn(
        "components",
        f"Any of {_words(COMPONENTS)}; a likeness is a face and a voice. Blank: all.",
        "voice",
        _some_of(COMPONENTS),
        "statement",
    ),
    SheetColumn("products", "Products a grant is for. Blank: any.", "shoes", _texts, "statement"),
    SheetColumn("languages", "Languages a grant is for. Blank: any.", "en, de", _languages, "statement"),
    SheetColumn(
        "recipients", "Ids of those who may use what a grant gives. Blank: anybody.", "lab", _names, "statement"
    ),
    SheetColumn(
        "from",
        "First day, YYYY-MM-DD. Blank: a refusal always held, a grant holds from publishing.",
        "2026-01-01",
        _day,
        "statement",
    ),
    SheetColumn("until", "Last day, YYYY-MM-DD, included. Blank: no end.", "2026-12-31", _last_day, "statement"),
    SheetColumn(
        "share_bp",
        "Share of the revenue that a grant costs, in basis points (100 are 1 %).",
        "250",
        _basis_points,
        "statement",
    ),
    SheetColumn(
        "revocation_effect",
        f"Of a revoke: one of {_words(EFFECTS)}.",
        "withdraw_outputs",
        _one_of(EFFECTS),
        "statement",
    ),
    SheetColumn(
        "target", "Id of the grant that is revoked, or of the statement that is disputed.", "acme-3", _name, "statement"
    ),
    SheetColumn(
        "subject",
        "Of an exclude: the footage that is not the work, as sha256:HEX or its address.",
        "https://example.org/other.mp4",
        _footage,
        "statement",
    ),
    SheetColumn(
        "supersedes", "Id of the party's statement that this one takes the place of.", "acme-2", _name, "statement"
    ),
    SheetColumn(
        "evidence",
        "Where the proof lies: contract number, address. A grant needs it.",
        "contract 2026-17",
        str,
        "statement",
    ),
    SheetColumn("note", "Words for people.", "", str, "statement"),
)
"""Every column, in the order of the template."""

BY_NAME: Final = {column.name: column for column in COLUMNS}
