"""Standing: which statements are live, whose they are, how specific, and which of them were ended.

Two clocks run. A statement is known from the moment it was recorded, and holds from one moment to another; "what did we
know on 3 March about 1 February" sets them apart. Where one says nothing of time, the strict reading counts: a refusal
always held, a grant holds from when it was recorded, and the revocation of a likeness at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from filters.rights.records import LIKENESS, REFUSALS, Entries, StatementRow, WorkRow, chain, parts_of


class Standing:
    """The statements that are known at a moment, seen from another.

    Args:
        entries: Parties, works, statements.
        at: The moment that is asked about, UTC.
        as_of: Only what was recorded up to then counts; None: everything.
    """

    def __init__(self, entries: Entries, at: datetime, as_of: datetime | None) -> None:
        self._entries, self._at, self._as_of = entries, at, as_of

    def _known(self, statements: Iterable[StatementRow]) -> list[StatementRow]:
        """Those that are recorded by now, sorted by id."""
        known = (s for s in statements if s.recorded_at and (self._as_of is None or s.recorded_at <= self._as_of))
        return sorted(known, key=lambda s: (s.statement_id, str(s)))

    def about(self, line: Sequence[WorkRow]) -> list[StatementRow]:
        """Known statements about a work, its ancestors, or everything their owners have, sorted by id; whether one
        holds at the moment is `valid`'s to say."""
        by_work = self._entries.by_work
        found = [s for work in line for s in by_work.get(work.work_id, ())]
        return self._known([*found, *(s for s in by_work.get(None, ()) if self.depth(s, line) is not None)])

    def line(self, work_id: str) -> Iterable[WorkRow]:
        """A work and its ancestors, the nearest first."""
        return chain(self._entries.works, work_id)

    def name(self, party_id: str) -> str:
        """A party's name, its id where it is unknown."""
        party = self._entries.parties.get(party_id)
        return party.name if party else party_id

    def owners(self, line: Sequence[WorkRow]) -> tuple[str, ...]:
        """Who holds the rights of a work: as it says, else as its nearest ancestor does."""
        return next((tuple(sorted(set(work.owners))) for work in line if work.owners), ())

    def depth(self, said: StatementRow, line: Sequence[WorkRow]) -> int | None:
        """How far above a work a statement stands: 0 on it, 1 on its parent; None where it is about other works.

        A statement about everything a party owns stands above all.
        """
        if said.work_id is None:
            return len(line) if any(said.party_id in (work.owners or ()) for work in line) else None
        return next((depth for depth, work in enumerate(line) if work.work_id == said.work_id), None)

    def rank(self, said: StatementRow, line: Sequence[WorkRow]) -> tuple[int, float]:
        """Order within a party, smallest first: the more specific, then the newest."""
        depth = self.depth(said, line)
        assert depth is not None
        assert said.recorded_at is not None
        return depth, -said.recorded_at.timestamp()

    def may_grant(self, said: StatementRow) -> bool:
        """Whether its party, and whoever spoke for it, may say yes: both verified, the speaker named by the party."""
        party = self._entries.parties.get(said.party_id)
        if party is None or not party.verified_by:
            return False
        if said.through in (None, said.party_id):
            return True
        speaker = self._entries.parties.get(str(said.through))
        return bool(speaker and speaker.verified_by and said.through in (party.represented_by or ()))

    def valid(self, said: StatementRow) -> bool:
        """Whether a statement holds at the moment; a yes also has to come from somebody who may say it."""
        if said.mode == "revoke" and self._about_person(said):
            return self._begun(said)  # It does not lapse: only another word of the person's ends it.
        if said.mode not in REFUSALS and said.mode != "dispute" and not self.may_grant(said):
            return False
        return self._begun(said) and (said.valid_until is None or self._at < said.valid_until)

    def _begun(self, said: StatementRow) -> bool:
        begin = said.valid_from
        if said.mode == "revoke" and self._about_person(said) and begin and said.recorded_at:
            begin = min(begin, said.recorded_at)
        if begin is None and said.mode in ("grant", "revoke", "exclude"):
            begin = said.recorded_at
        return begin is None or begin <= self._at

    def _about_person(self, said: StatementRow) -> bool:
        party = self._entries.parties.get(said.party_id)
        if said.work_id is None and party is not None and party.kind == "person":
            return True
        work = self._entries.works.get(said.work_id or "")
        if work is not None and work.kind == "person":
            return True
        return bool(said.components and parts_of(said.components) & LIKENESS)

    def ended(self, grant: StatementRow, covering: Iterable[StatementRow]) -> bool:
        """Whether a grant was revoked or replaced.

        Args:
            grant: The grant.
            covering: Statements about the same use, place and component, for revocations that name no grant.
        """
        aimed = self._known(self._entries.by_target.get(grant.statement_id, ()))
        if any(s.mode == "revoke" and s.party_id == grant.party_id and self._begun(s) for s in aimed):
            return True
        later = self._known(self._entries.by_superseded.get(grant.statement_id, ()))
        if any(s.party_id == grant.party_id for s in later):
            return True
        return any(
            s.mode == "revoke"
            and s.target is None
            and s.party_id == grant.party_id
            and self._begun(s)
            and (s.recorded_at or self._at) >= (grant.recorded_at or self._at)
            and self._above(s, grant)
            for s in covering
        )

    def _above(self, revoke: StatementRow, grant: StatementRow) -> bool:
        if revoke.work_id is None:
            return True
        return grant.work_id is not None and any(w.work_id == revoke.work_id for w in self.line(grant.work_id))

    def lifted(self, refusal: StatementRow, grants: Sequence[StatementRow]) -> bool:
        """Whether a refusal was replaced by its own, verified party: for good by another refusal that has begun, and by
        a grant for what the grant covers and as long as it is live.

        Args:
            refusal: The refusal.
            grants: Live grants for the same use, place and component.
        """
        seen, ahead = {refusal.statement_id}, [refusal.statement_id]
        while ahead:
            for later in self._known(self._entries.by_superseded.get(ahead.pop(), ())):
                if later.statement_id in seen or later.party_id != refusal.party_id or not self.may_grant(later):
                    continue
                if later.recorded_at is None or refusal.recorded_at is None or later.recorded_at <= refusal.recorded_at:
                    continue  # Only what was said later replaces: no circles.
                if later in grants or (later.mode in REFUSALS and self._begun(later)):
                    return True
                seen.add(later.statement_id)
                ahead.append(later.statement_id)
        return False
