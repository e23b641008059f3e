"""Lookup: what a decision needs of a registry's version, from tables that are read once and kept as columns.

Most footage matches nothing; of what does, the matched works, their ancestors and what was said of them are made into
records, a few of perhaps millions.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights.records import BY_TABLE, Entries, PartyRow, from_mapping
from filters.rights.registry import Registry, Version, current, read


class Lookup:
    """A version's parties, works and statements; read when the first work is asked for.

    Args:
        registry: The registry.
        state: The version.
    """

    def __init__(self, registry: Registry, state: Version) -> None:
        self._registry, self._state = registry, state
        self._entries = functools.lru_cache(1024)(self._found)

    def entries(self, works: Iterable[str] | None) -> Entries:
        """The matched works, their ancestors, and what was said of all of them and by their owners.

        Args:
            works: The works; None: all.

        Raises:
            RegistryError: A part is gone or damaged.
        """
        return self._entries(None if works is None else frozenset(works))

    def said_by(self, statements: Iterable[str]) -> set[str]:
        """Names of the parties that made some statements.

        Raises:
            RegistryError: A part is gone or damaged.
        """
        said = _rows(self._statements, "statement_id", statements)
        return {row["name"] for row in _rows(self._parties, "party_id", {row["party_id"] for row in said})}

    @functools.cached_property
    def _parties(self) -> pa.Table:
        return current(self._registry, "parties", self._state)

    @functools.cached_property
    def _works(self) -> pa.Table:
        return current(self._registry, "works", self._state)

    @functools.cached_property
    def _parents(self) -> dict[str, str]:
        works = self._works.filter(pc.is_valid(self._works.column("parent")))
        return dict(zip(works.column("work_id").to_pylist(), works.column("parent").to_pylist(), strict=True))

    @functools.cached_property
    def _statements(self) -> pa.Table:
        return read(self._registry, "statements", self._state)

    @functools.cached_property
    def _wide(self) -> pa.Array:
        # Revocations and corrections name statements, and some are about all that a party owns: those are kept.
        said = self._statements
        aimed = pc.or_(pc.is_valid(said.column("target")), pc.is_valid(said.column("supersedes")))
        return pc.or_(aimed, pc.is_null(said.column("work_id")))

    @functools.cached_property
    def everybody(self) -> dict[str, PartyRow]:
        """Every party by id."""
        return {row["party_id"]: from_mapping(PartyRow, row) for row in self._parties.to_pylist()}

    def _found(self, works: frozenset[str] | None) -> Entries:
        if works is None:
            works_found, said = self._works.to_pylist(), self._statements.to_pylist()
        else:
            wanted = self._with_ancestors(works)
            works_found = _rows(self._works, "work_id", wanted)
            about = pc.is_in(self._statements.column("work_id"), pa.array(sorted(wanted), pa.string()))
            said = self._statements.filter(pc.or_(self._wide, about)).to_pylist()
        named = {row[name] for row in said for name in ("party_id", "through")}
        named |= {owner for row in works_found for owner in row["owners"] or ()}
        parties = _rows(self._parties, "party_id", {name for name in named if name})
        return Entries(
            {row["party_id"]: from_mapping(BY_TABLE["parties"], row) for row in parties},
            {row["work_id"]: from_mapping(BY_TABLE["works"], row) for row in works_found},
            tuple(from_mapping(BY_TABLE["statements"], row) for row in said),
        )

    def _with_ancestors(self, works: Iterable[str]) -> set[str]:
        found: set[str] = set()
        ahead = list(works)
        while ahead:
            if (one := ahead.pop()) not in found:
                found.add(one)
                ahead += [self._parents[one]] if one in self._parents else []
        return found


def entries(registry: Registry, state: Version, works: Iterable[str] | None = None) -> Entries:
    """What one question needs of a version, with every party.

    Args:
        registry: The registry.
        state: The version: the latest, or `version(registry, as_of=...)`.
        works: The works that were matched; None: all.

    Raises:
        RegistryError: A part is gone or damaged.
    """
    looked_up = Lookup(registry, state)
    return dataclasses.replace(looked_up.entries(works), parties=looked_up.everybody)


def _rows(table: pa.Table, key: str, names: Iterable[str]) -> list[dict[str, Any]]:
    found = table.filter(pc.is_in(table.column(key), pa.array(sorted(names), pa.string())))
    return list(found.to_pylist())
