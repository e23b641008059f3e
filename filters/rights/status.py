"""Status: how every statement stands at a moment, and why: live, not begun, lapsed, taken back, or void from the start.

Precedence decides on footage; this tells people about statements, with the names of those that ended one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from filters.rights.records import REFUSALS, WORLD, Entries, StatementRow, parts_of
from filters.rights.standing import Standing

STATES: Final[Mapping[str, str]] = {
    "live": "It holds.",
    "in part": "It holds, but for what another statement took from it.",
    "to come": "It begins later.",
    "lapsed": "Its last day is over.",
    "revoked": "Its party took it back.",
    "replaced": "Its party said something else in its place.",
    "without effect": "Its party, or who spoke for it, may not say so.",
    "absent": "The registry does not have it.",
}
"""What can be the matter with a statement at a moment."""


class Status(NamedTuple):
    """How a statement stands at a moment.

    Attributes:
        state: One of `STATES`.
        why: Why, for a person; empty where there is nothing to add.
        by: Ids of the statements that ended it.
    """

    state: str
    why: str = ""
    by: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it counts at the moment."""
        return self.state in ("live", "in part")


ABSENT: Final = Status("absent")


class Standings:
    """How statements stand at a moment, and why.

    Args:
        entries: Parties, works, and every statement that could end another.
        at: The moment, UTC.
    """

    def __init__(self, entries: Entries, at: datetime) -> None:
        self._entries, self._at = entries, at
        self._standing = Standing(entries, at, None)
        self._sweeping: dict[str, list[StatementRow]] = {}
        for said in entries.statements:
            if said.mode == "revoke" and said.target is None:
                self._sweeping.setdefault(said.party_id, []).append(said)

    def status(self, said: StatementRow) -> Status:
        """How a statement stands."""
        if not self._standing.valid(said):
            return self._invalid(said)
        return self._taken_back(said) if said.mode == "grant" else self._lifted(said)

    def _invalid(self, said: StatementRow) -> Status:
        name = self._standing.name
        if said.mode not in (*REFUSALS, "dispute") and not self._standing.may_grant(said):
            if not self._standing.may_grant(dataclasses.replace(said, through=None)):
                return Status("without effect", f"{name(said.party_id)} is not verified")
            return Status("without effect", f"{name(str(said.through))} is not verified, or may not speak for it")
        if said.valid_until is not None and said.valid_until <= self._at:
            return Status("lapsed", f"held until {last_moment(said.valid_until)}")
        return Status("to come", f"from {stamp(said.valid_from or said.recorded_at or self._at)}")

    def _taken_back(self, grant: StatementRow) -> Status:
        """Each statement that could end a grant is tried by itself, so that the one that did can be named."""
        found: list[tuple[bool, StatementRow]] = []
        entries = self._entries
        sweeping = [s for s in self._sweeping.get(grant.party_id, ()) if _touches(s, grant)]
        aimed = entries.by_target.get(grant.statement_id, ())
        for other in (*aimed, *entries.by_superseded.get(grant.statement_id, ()), *sweeping):
            alone = Standing(Entries(entries.parties, entries.works, (other,)), self._at, None)
            if alone.ended(grant, [other]):
                found.append((other.target is not None or other.supersedes is not None or _whole(other, grant), other))
        return self._told(found)

    def _lifted(self, refusal: StatementRow) -> Status:
        if refusal.mode not in REFUSALS:
            return Status("live")
        found: list[tuple[bool, StatementRow]] = []
        for other in self._after(refusal):
            grants = [other] if other.mode == "grant" and self.status(other).holds else []
            if not self._standing.lifted(refusal, grants):
                continue
            if grants or self._replaces(refusal, other):
                found.append((not grants or (_whole(other, refusal) and not _narrow(other)), other))
        return self._told(found)

    def _replaces(self, refusal: StatementRow, other: StatementRow) -> bool:
        """Whether one of the statements that follow a refusal replaces it for good."""
        return other.mode in REFUSALS and self._standing.lifted(refusal, ())

    def _after(self, said: StatementRow) -> list[StatementRow]:
        """The statements that take the place of one, and of those again."""
        found: dict[str, StatementRow] = {}
        ahead = [said.statement_id]
        while ahead:
            for other in self._entries.by_superseded.get(ahead.pop(), ()):
                if other.party_id == said.party_id and other.statement_id not in found:
                    found[other.statement_id] = other
                    ahead.append(other.statement_id)
        return [found[name] for name in sorted(found)]

    def _told(self, found: Sequence[tuple[bool, StatementRow]]) -> Status:
        if not found:
            return Status("live")
        wholly = [other for whole, other in found if whole]
        by = sorted(wholly or [other for _, other in found], key=lambda s: s.statement_id)
        names = tuple(s.statement_id for s in by)
        what = "revoked" if by[0].mode == "revoke" and by[0].supersedes is None else "replaced"
        if wholly:
            return Status(what, f"by {', '.join(names)}", names)
        return Status("in part", f"{what} in part by {', '.join(names)}", names)


def stamp(moment: datetime) -> str:
    """A moment as ISO 8601, UTC, to the second; midnight as the day alone."""
    return moment.strftime("%Y-%m-%d" if moment.time() == datetime.min.time() else "%Y-%m-%dT%H:%M:%SZ")


def last_moment(end: datetime) -> str:
    """The last day that an end, which is not included itself, leaves; a moment within a day as it is."""
    return stamp(end - timedelta(days=1)) if end.time() == datetime.min.time() else stamp(end)


def overlap(one: Iterable[str] | None, other: Iterable[str] | None) -> bool:
    """Whether two lists have something in common, where an empty one means everything."""
    mine, theirs = set(one or ()), set(other or ())
    return not mine or not theirs or bool(mine & theirs)


def places_meet(one: Sequence[str] | None, other: Sequence[str] | None) -> bool:
    """Whether two lists of territories have one in common; `WORLD`, or none, is all of them."""
    return WORLD in (one or ()) or WORLD in (other or ()) or overlap(one, other)


def _touches(said: StatementRow, other: StatementRow) -> bool:
    return (
        overlap(said.uses, other.uses)
        and bool(parts_of(said.components) & parts_of(other.components))
        and places_meet(said.territories, other.territories)
    )


def _whole(said: StatementRow, other: StatementRow) -> bool:
    """Whether a statement covers all uses, components and places of another."""
    places = set(said.territories or ())
    return (
        (not said.uses or set(other.uses or ()) <= set(said.uses))
        and (not said.components or parts_of(other.components) <= parts_of(said.components))
        and (not places or WORLD in places or (bool(other.territories) and set(other.territories) <= places))
    )


def _narrow(grant: StatementRow) -> bool:
    return bool(grant.products or grant.languages or grant.recipients)
