"""Subjects: what somebody may mean who asks after a name: a work, a party, a statement, or footage."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import registry
from filters.rights.columns import CellError, value_of
from filters.rights.precedence import Match
from filters.rights.records import IDENTIFIER_KINDS
from filters.rights.registry import Registry, Version
from transforms.addresses import has_scheme, normalise, redact

_HOST: Final = re.compile(r"[^\s/:]+\.[^\s/:]{2,}(/|$)")
"""How an address without a scheme begins."""


@dataclass(frozen=True)
class Subject:
    """What a text stands for in a version of the registry.

    Attributes:
        text: The text.
        works: Works with this id or title, sorted.
        parties: Parties with this id or name, sorted.
        statements: The statement with this id, and those that say of this footage that it is not a work.
        matches: What the text is recognised as, if it is footage or a name in it.
        footage: The text as `exclude` statements name footage; empty where it is none.
    """

    text: str
    works: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    matches: tuple[Match, ...] = ()
    footage: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.works or self.parties or self.statements or self.matches)


def find(held: Registry, state: Version, text: str) -> Subject:
    """Look a text up.

    Args:
        held: The registry.
        state: Its version.
        text: An id, title, name, address, hash, or whatever else works are recognised by. Case does not matter.

    Raises:
        RegistryError: The registry is damaged.
    """
    text = text.strip()
    works = _called(registry.current(held, "works", state, ["work_id", "title"]), text)
    parties = _called(registry.current(held, "parties", state, ["party_id", "name"]), text)
    footage = _footage(text)
    said = registry.current(held, "statements", state, ["statement_id", "subject"])
    named = pc.or_(pc.equal(said.column("statement_id"), text), _in(said.column("subject"), set(footage)))
    statements = tuple(sorted(said.filter(named).column("statement_id").to_pylist()))
    return Subject(text, works, parties, statements, tuple(recognised(held, state, text)), footage)


def certain(work_id: str) -> Match:
    """The match of footage that is the work without a doubt: what somebody asks after who names a work."""
    return Match(work_id, "text", strength="decisive", words="named in the question")


def recognised(held: Registry, state: Version, text: str) -> list[Match]:
    """What is recognised in an address, a hash, an account or words, sorted: one match for each identifier.

    Raises:
        RegistryError: The registry is damaged.
    """
    found = {match.identifier_id: match for match in (*_matched(held, state, text), *_equal(held, state, text))}
    return sorted(found.values(), key=lambda m: (m.work_id, m.kind, m.identifier_id))


def _equal(held: Registry, state: Version, text: str) -> list[Match]:
    """Identifiers that are a text, in any case; of every kind, also those that nothing but a recogniser matches."""
    rows = registry.current(held, "identifiers", state)
    rows = rows.filter(pc.invert(rows.column("withdrawn")))
    wanted = {text.lower(), text.casefold(), *_spelled(text)}
    aliases = rows.column("aliases").combine_chunks()
    also = pc.list_parent_indices(aliases).filter(_in(pc.utf8_lower(pc.list_flatten(aliases)), wanted))
    numbers = pa.array(range(rows.num_rows), pa.int64())
    named = pc.or_(_in(pc.utf8_lower(rows.column("value")), wanted), pc.is_in(numbers, also.cast(pa.int64())))
    return [
        Match(r["work_id"], r["kind"], r["identifier_id"], r["component"], words=f"{r['kind']} {r['value']}")
        for r in rows.filter(named).to_pylist()
    ]


def _matched(held: Registry, state: Version, text: str) -> list[Match]:
    """What a job would recognise: an address within a prefix or domain, names in words."""
    from filters.rights import matching  # a second, which only this question costs

    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        matcher = matching.open_version(held, state, folder)
        if any(name.startswith("sha256:") for name in _footage(text)):
            return matcher.bytes_hash(text)
        if has_scheme(text) or _HOST.match(text):
            return matcher.source(text)
        return matcher.text(text, "the question")


def _called(table: pa.Table, text: str) -> tuple[str, ...]:
    """Ids whose row has a text as its id, or in any case as its name."""
    ids, names = table.column(0), table.column(1)
    mask = pc.or_(pc.equal(ids, text), _in(pc.utf8_lower(names), {text.casefold(), text.lower()}))
    return tuple(sorted(table.filter(mask).column(0).to_pylist()))


def _in(column: Any, values: set[str]) -> Any:
    return pc.is_in(column, pa.array(sorted(values), pa.string()))


def _spelled(text: str) -> set[str]:
    """A text as identifiers of every kind would spell it."""
    found = set()
    for kind in IDENTIFIER_KINDS:
        try:
            found.add(value_of(kind, text).casefold())
        except CellError:
            continue
    return found


def _footage(text: str) -> frozenset[str]:
    try:
        if text.casefold().startswith("sha256:") or len(text) == 64:
            return frozenset({f"sha256:{value_of('sha256', text)}"})
        return frozenset({redact(normalise(text))}) if has_scheme(text) or text.startswith("/") else frozenset()
    except ValueError:
        return frozenset()
