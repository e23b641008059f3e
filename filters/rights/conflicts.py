"""Conflicts: what the registry says twice and differently, for the rights team to clear up before it decides for them.

A party that refuses and grants the same thing in one breath is taken to refuse, so a grant somebody counts on may be
void; and shares of one work over the whole cannot be paid. Both are found now and for every later moment that the
registry names.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from filters.rights.precedence import Match, Question, decide
from filters.rights.records import REFUSALS, USES, WORLD, Entries, StatementRow, chain, parts_of
from filters.rights.status import Standings

WHOLE = 10_000
"""All shares of a work, in basis points."""


class Conflict(NamedTuple):
    """Statements that cannot all be meant.

    Attributes:
        kind: `contradiction` or `shares`.
        work_id: The work; None: everything that the party owns.
        statements: Their ids, sorted.
        since: The first moment at which they meet that is not over, UTC.
        words: What is wrong, for a person.
    """

    kind: str
    work_id: str | None
    statements: tuple[str, ...]
    since: datetime
    words: str


def conflicts(entries: Entries, at: datetime) -> list[Conflict]:
    """Every conflict at a moment or later, sorted by work.

    Args:
        entries: Parties, works, statements.
        at: The moment, UTC; what was over by then is left out.
    """
    found = [*_contradictions(entries, at), *_shares(entries, at)]
    return sorted(found, key=lambda c: (str(c.work_id), c.kind, c.statements))


def _contradictions(entries: Entries, at: datetime) -> Iterator[Conflict]:
    """A party's refusals and grants of one work that were recorded at once: the newest word does not decide."""
    breaths: dict[tuple[str, str | None, datetime | None], list[StatementRow]] = {}
    for said in entries.statements:
        if said.mode in (*REFUSALS, "grant"):
            breaths.setdefault((said.party_id, said.work_id, said.recorded_at), []).append(said)
    for (party, work, _), said_at_once in breaths.items():
        grants = [s for s in said_at_once if s.mode == "grant"]
        refusals = [s for s in said_at_once if s.mode != "grant"] if grants else []
        for no in refusals:
            for yes in grants:
                since = _meet(entries, no, yes, at)
                if since is not None:
                    name = entries.parties[party].name if party in entries.parties else party
                    words = f"{name} refuses ({no.statement_id}) and grants ({yes.statement_id}) at once: it is refused"
                    yield Conflict(
                        "contradiction", work, tuple(sorted((no.statement_id, yes.statement_id))), since, words
                    )


def _meet(entries: Entries, no: StatementRow, yes: StatementRow, at: datetime) -> datetime | None:
    """The first moment, not before `at`, at which a refusal and a grant tie somewhere: what `decide` says counts."""
    work = yes.work_id or next((w.work_id for w in entries.works.values() if yes.party_id in (w.owners or ())), None)
    if work is None:
        return None
    wanted = {no.statement_id, yes.statement_id}
    for moment in _moments((no, yes), at):
        for question, component in _points(no, yes, moment):
            found = decide(question, [Match(work, "text", component=component, strength="decisive")], entries)
            if any(wanted <= set(group) for group in found.conflicts):
                return moment
    return None


def _points(no: StatementRow, yes: StatementRow, at: datetime) -> Iterator[tuple[Question, str]]:
    """Questions about uses, places and components that a refusal and a grant have in common."""
    places = set(yes.territories) if WORLD in (no.territories or [WORLD]) else set(no.territories)
    places &= places if WORLD in yes.territories else set(yes.territories)
    uses = set(yes.uses) & set(no.uses or USES)
    components = parts_of(no.components) & parts_of(yes.components)
    for use, place, component in itertools.product(sorted(uses), sorted(places), sorted(components)):
        asked = Question(
            use=use,
            regime="opt-out",
            at=at,
            territories=frozenset({place}),
            product=next(iter(yes.products or ()), None),
            language=next(iter(yes.languages or ()), None),
            recipient=next(iter(yes.recipients or ()), None),
        )
        yield asked, component


def _moments(said: Iterable[StatementRow], at: datetime) -> list[datetime]:
    """A moment, and every later one at which one of some statements begins."""
    begins = {begin for s in said if (begin := s.valid_from or s.recorded_at) is not None and begin > at}
    return sorted({at, *begins})


class _Clock:
    """What holds at every moment that is looked at."""

    def __init__(self, entries: Entries) -> None:
        self.entries = entries
        self._known: dict[datetime, Standings] = {}

    def holds(self, said: StatementRow, at: datetime) -> bool:
        if at not in self._known:
            self._known[at] = Standings(self.entries, at)
        return self._known[at].status(said).holds


def _shares(entries: Entries, at: datetime) -> Iterator[Conflict]:
    """Works of which the parties take more than there is, in some territory: of each party its largest share.

    What was granted on a work counts for all that is part of it; what already shows on a parent is told there.
    """
    clock = _Clock(entries)
    paid = {s.work_id for s in entries.statements if s.mode == "grant" and s.share_bp and s.work_id}
    told: set[tuple[str, ...]] = set()
    for work in sorted(paid, key=lambda name: (len(list(chain(entries.works, str(name)))), str(name))):
        line = [w.work_id for w in chain(entries.works, str(work))]
        costs = [s for w in line for s in entries.by_work.get(w, ()) if s.mode == "grant" and s.share_bp]
        found = _too_much(clock, costs, at)
        if found and found[0] not in told:
            told.add(found[0])
            yield Conflict("shares", work, *found)


def _too_much(clock: _Clock, costs: list[StatementRow], at: datetime) -> tuple[tuple[str, ...], datetime, str] | None:
    for moment in _moments(costs, at) if sum(s.share_bp or 0 for s in costs) > WHOLE else ():
        live = [s for s in costs if clock.holds(s, moment)]
        for place in sorted({name for s in live for name in s.territories}, key=lambda name: (name != WORLD, name)):
            most: dict[str, StatementRow] = {}
            for said in live:
                share = most[said.party_id].share_bp if said.party_id in most else 0
                if {place, WORLD} & set(said.territories) and (said.share_bp or 0) > (share or 0):
                    most[said.party_id] = said
            total = sum(s.share_bp or 0 for s in most.values())
            if total > WHOLE:
                where = "everywhere" if place == WORLD else f"in {place}"
                parties = ", ".join(f"{s.party_id} {s.share_bp}" for s in most.values())
                words = f"shares {where} are {total} basis points, over {WHOLE}: {parties}"
                return tuple(sorted(s.statement_id for s in most.values())), moment, words
    return None
