"""Precedence: what follows from everything that was matched and everything that was said.

Every match is judged by itself, for every territory and component, and the strictest judgement counts:

1. A hold, a minor and a revoked likeness deny, whatever is granted.
2. Within one party the more specific work counts, then the newest word; a tie refuses and is told as a conflict.
3. Across parties the strictest counts: a grant lifts its own party's refusal and nobody else's.
4. Where a use is opt-in, every owner of every recognised component must have a live grant.
5. A weak match (a name) denies nothing alone: it waits for a person.
6. What could not be checked, read or understood is unknown, never allowed.

Unverified parties may refuse, never grant; so may those who speak for a party without being named by it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from filters.rights.policy import REGIMES
from filters.rights.records import (
    COMPONENTS,
    LIKENESS,
    MODES,
    REFUSALS,
    USES,
    WEAK_KINDS,
    WORLD,
    Entries,
    StatementRow,
    WorkRow,
    parts_of,
)
from filters.rights.records import IDENTIFIER_KINDS as KINDS
from filters.rights.records import TERRITORIES as KNOWN_TERRITORIES
from filters.rights.standing import Standing

VERDICTS: Final = ("deny", "review", "unknown", "allow")
"""Every verdict, the strictest first."""


class Match(NamedTuple):
    """A work that was recognised in footage or in a prompt.

    Attributes:
        work_id: The work.
        kind: Kind of the identifier.
        identifier_id: The identifier.
        component: What was recognised, one of `COMPONENTS`; None is the default: of a face or voice what it is, of a
            person both, of a character `character`, of all else pictures and sound.
        strength: `decisive` or `weak`; None is the default of the kind (`strength`).
        words: What was seen, for a person: the text and where it stands, the matched span.
        above: Works that this one is part of and that were recognised in the same place: the decision on this one hears
            what was said of them, unless the footage is excluded from it.
    """

    work_id: str
    kind: str
    identifier_id: str = ""
    component: str | None = None
    strength: str | None = None
    words: str = ""
    above: tuple[str, ...] = ()


class Gap(NamedTuple):
    """Something that could not be checked.

    Attributes:
        check: What: `robots.txt`, `registry`, `likeness`, ...
        words: Why, for a person.
        needed: Without it nothing is allowed. A check that nobody asked for is told, and decides nothing.
    """

    check: str
    words: str
    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked.

    Attributes:
        use: `train`, `caption`, `generate` or `display`.
        regime: `opt-out` or `opt-in`.
        at: The moment of the use, UTC: statements must hold then.
        as_of: Only what was recorded up to then is known; None: everything.
        territories: Where; empty asks for the whole world.
        subjects: Names of the footage, as `exclude` statements name it: `sha256:HEX`, every address of the same bytes.
        product: What it is used for; a grant for certain products needs it.
        language: Language of what is made; a grant for certain languages needs it.
        recipient: Who uses it; a grant for certain recipients needs it.
        components: What is made will have these; empty: any. Of a person who is recognised it then needs only the face,
            or only the voice; of what has none of these, everything.
    """

    use: str
    regime: str
    at: datetime
    as_of: datetime | None = None
    territories: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    product: str | None = None
    language: str | None = None
    recipient: str | None = None
    components: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Finding:
    """One reason for a verdict.

    Attributes:
        verdict: What follows from this reason alone.
        words: Why, for a person.
        entries: Ids of the statements behind it.
        match: The match it is about.
        also: Ids of other refusals by the same party that hold too, but stand behind these.
    """

    verdict: str
    words: str
    entries: tuple[str, ...] = ()
    match: Match | None = None
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """The verdict and its chain of evidence.

    Attributes:
        verdict: `deny`, `review`, `allow` or `unknown`.
        entries: Ids of the statements that decided, sorted.
        words: The reasons that decided, for a person.
        findings: Every reason, the strictest first.
        conflicts: Statements of one party that contradict each other at one moment, each group sorted.
        not_checked: Checks that were not made, sorted.
    """

    verdict: str
    entries: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    not_checked: tuple[str, ...] = ()


def strength(kind: str, use: str) -> str:
    """How far a match of some kind can be trusted: names and ISCC are weak but for prompts (`generate`)."""
    return "weak" if kind in WEAK_KINDS and use != "generate" else "decisive"


def strictest(decisions: Iterable[Decision]) -> Decision:
    """Several decisions on one thing as one: of the sources of the same bytes, of the parts of a whole.

    Nothing decided is unknown.
    """
    every = list(decisions)
    return _sum_up(
        [f for d in every for f in d.findings] or [Finding("unknown", "nothing was decided")],
        {c for d in every for c in d.conflicts},
        {n for d in every for n in d.not_checked},
        tuple(d.verdict for d in every),
    )


def decide(
    question: Question,
    matches: Iterable[Match],
    entries: Entries | None,
    gaps: Sequence[Gap] = (),
    said: Iterable[Finding] = (),
) -> Decision:
    """The verdict on one use of footage or a prompt.

    Args:
        question: Use, regime, moment, place.
        matches: Everything that was recognised, of all sources of the same bytes.
        entries: Parties, the matched works with all their ancestors, and all statements on them and on their owners;
            None where the registry could not be read: then nothing is allowed.
        gaps: What could not be checked.
        said: Refusals that are no statements of the registry: machine-readable signals.
    """
    conflicts: set[tuple[str, ...]] = set()
    open_gaps = [*gaps, *_misunderstood(question)]
    found = list(said)
    if entries is None:
        open_gaps.append(Gap("registry", "the registry could not be read"))
    elif question.use in USES:
        judge = _Judge(question, entries, conflicts)
        for match in sorted(set(matches), key=lambda m: tuple(str(part) for part in m)):
            found += judge.findings(match)
        open_gaps += judge.gaps()
    for gap in open_gaps:
        if gap.needed or question.regime != "opt-out":
            found.append(Finding("unknown", f"not checked: {gap.check}: {gap.words}"))
    if question.regime == "opt-out":
        found.append(Finding("allow", "nobody who was found refuses"))
    elif not any(f.match for f in found):
        found.append(Finding("unknown", "nothing was recognised, and this use needs a grant"))
    return _sum_up(found, conflicts, {gap.check for gap in open_gaps})


def _sum_up(
    found: Sequence[Finding], conflicts: Iterable[tuple[str, ...]], not_checked: Iterable[str], also: Sequence[str] = ()
) -> Decision:
    ordered = sorted(set(found), key=lambda f: (VERDICTS.index(f.verdict), f.words, f.entries, str(f.match)))
    verdict = min((*also, ordered[0].verdict), key=VERDICTS.index)
    deciding = [f for f in ordered if f.verdict == verdict]
    if verdict == "allow" and len(deciding) > 1:  # Grants say more than that nobody refuses.
        deciding = [f for f in deciding if f.match is not None]
    return Decision(
        verdict,
        tuple(sorted({e for f in deciding for e in f.entries})),
        tuple(dict.fromkeys(f.words for f in deciding)),
        tuple(ordered),
        tuple(sorted(conflicts)),
        tuple(sorted(set(not_checked))),
    )


def _misunderstood(question: Question) -> list[Gap]:
    found = []
    if question.use not in USES:
        found.append(Gap("use", f"{question.use!r} is none of {', '.join(USES)}"))
    if question.regime not in REGIMES:
        found.append(Gap("regime", f"{question.regime!r} is none of {', '.join(REGIMES)}"))
    for name in sorted(question.territories - KNOWN_TERRITORIES):
        found.append(Gap("territory", f"{name!r} is no territory of ISO 3166-1"))
    for name in sorted(question.components - set(COMPONENTS)):
        found.append(Gap("component", f"{name!r} is none of {', '.join(COMPONENTS)}"))
    return found


@dataclass
class _Judge:
    """Judges matches for one question; gathers conflicts and what it did not understand."""

    question: Question
    entries: Entries
    conflicts: set[tuple[str, ...]]
    unknown: set[Gap] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.standing = Standing(self.entries, self.question.at, self.question.as_of)

    def gaps(self) -> list[Gap]:
        return sorted(self.unknown)

    def findings(self, match: Match) -> list[Finding]:
        """What follows from one match, over territories and components."""
        line = list(self.standing.line(match.work_id))
        sure = match.strength or strength(match.kind, self.question.use)
        if not line or line[0].work_id != match.work_id:
            self.unknown.add(Gap("registry", f"work {match.work_id!r} is not in it"))
        elif line[-1].parent is not None:
            self.unknown.add(Gap("registry", f"ancestors of work {match.work_id!r} end at {line[-1].parent!r}"))
        if match.kind not in KINDS or sure not in ("weak", "decisive"):
            self.unknown.add(Gap("match", f"of unknown kind {match.kind!r} or strength {sure!r}"))
        components = _components(match, line)
        for name in sorted(set(components) - set(COMPONENTS)):
            self.unknown.add(Gap("component", f"{name!r} is none of {', '.join(COMPONENTS)}"))
        if not line:
            return []
        made = parts_of(self.question.components)
        components = tuple(c for c in components if c in made) or components
        if self._excluded(match, line):
            others = (match._replace(work_id=work, above=()) for work in match.above)
            return [finding for other in others for finding in self.findings(other)]
        found: list[Finding] = []
        for territory in sorted(self.question.territories) or [WORLD]:
            for component in components:
                found += self._judged(match, line, territory, component)
        return [self._softened(f) if sure != "decisive" else f for f in found]

    def _softened(self, found: Finding) -> Finding:
        # Neither a no nor a needed yes that hangs on a name alone is one: somebody has to look.
        if found.verdict == "deny" or (found.verdict == "allow" and self.question.regime != "opt-out"):
            return dataclasses.replace(found, verdict="review", words=f"{found.words} (weak evidence: to be looked at)")
        return found

    def _excluded(self, match: Match, line: Sequence[WorkRow]) -> bool:
        """Whether this footage was said not to be the work, by the team or by all who claim something of it."""
        about = self.standing.about(line)
        said = [
            s
            for s in about
            if s.mode == "exclude"
            and s.subject in self.question.subjects
            and s.work_id == match.work_id
            and s.target in (None, match.identifier_id)
            and self.standing.may_grant(s)
            and self.standing.valid(s)
        ]
        by = {s.party_id for s in said}
        claimants = set(self.standing.owners(line)) | {s.party_id for s in about if s.mode != "exclude"}
        return any(self.entries.parties[p].kind == "team" for p in by) or (bool(claimants) and claimants <= by)

    def _judged(self, match: Match, line: Sequence[WorkRow], territory: str, component: str) -> list[Finding]:
        title, place = line[0].title, "" if territory == WORLD else f" in {territory}"
        found: list[Finding] = []
        if any(work.minor for work in line):
            found.append(Finding("deny", f"{title}: a minor", (), match))
        covering: list[StatementRow] = []
        for said in self.standing.about(line):
            if (
                said.mode not in MODES
                or set(said.uses or ()) - set(USES)
                or set(said.components or ()) - set(COMPONENTS)
            ):
                self.unknown.add(Gap("statement", f"{said.statement_id} says what this version does not understand"))
                if said.mode not in REFUSALS:
                    continue
            if self._covers(said, territory, component):
                covering.append(said)
        live = [s for s in covering if self.standing.valid(s)]
        grants = [s for s in live if s.mode == "grant" and not self.standing.ended(s, covering)]
        stand: Callable[[StatementRow], bool] = lambda s: not self.standing.lifted(s, grants)  # noqa: E731
        refusals = [s for s in live if s.mode in REFUSALS and stand(s)]
        for said in refusals:
            revoked = said.mode == "revoke" and self._is_likeness(said, line, component)
            if said.mode == "hold" or revoked:
                what = "consent to the likeness was revoked" if revoked else "on hold"
                found.append(
                    Finding("deny", f"{title}: {what} by {self._name(said)}{place}", (said.statement_id,), match)
                )
        of = f" for the {component}" if component in LIKENESS else ""
        found += self._parties(match, line, refusals, grants, place, of)
        for said in live:
            if said.mode == "dispute":
                found.append(Finding("review", f"{title}: disputed by {self._name(said)}", (said.statement_id,), match))
        return found

    def _parties(
        self,
        match: Match,
        line: Sequence[WorkRow],
        refusals: Sequence[StatementRow],
        grants: Sequence[StatementRow],
        place: str,
        of: str,
    ) -> list[Finding]:
        """Who refuses, who grants, and under opt-in who is missing."""
        found: list[Finding] = []
        title, granted = line[0].title, {}
        for party in sorted({s.party_id for s in (*refusals, *grants)}):
            mine = [s for s in (*refusals, *grants) if s.party_id == party]
            ranks = {s.statement_id: self.standing.rank(s, line) for s in mine}
            best = min(ranks.values())
            first = sorted((s for s in mine if ranks[s.statement_id] == best), key=lambda s: s.statement_id)
            ids, name = tuple(s.statement_id for s in first), self._name(first[0])
            if all(s.mode == "grant" for s in first):
                granted[party] = ids
                continue
            words = f"{title}: refused by {name}{place}"
            if any(s.mode == "grant" for s in first):
                self.conflicts.add(ids)
                words = f"{title}: {name} refuses and grants at once{place}"
            behind = tuple(sorted(s.statement_id for s in mine if s.mode in REFUSALS and s.statement_id not in ids))
            found.append(Finding("deny", words, ids, match, behind))
        owners = self.standing.owners(line)
        missing = [p for p in owners if p not in granted] if owners else ([] if granted else [""])
        if not missing:
            ids = tuple(sorted(e for p in (owners or granted) for e in granted[p]))
            found.append(Finding("allow", f"{title}: granted{place}", ids, match))
        elif self.question.regime != "opt-out":
            names = ", ".join(self.standing.name(p) for p in missing if p) or "anybody"
            found.append(Finding("deny", f"{title}: no live grant of {names}{of}{place}", (), match))
        return found

    def _covers(self, said: StatementRow, territory: str, component: str) -> bool:
        """Whether a statement is about the use, place and component. A refusal covers whatever it touches."""
        q = self.question
        if (said.uses or said.mode not in REFUSALS) and q.use not in (said.uses or ()):
            return False
        if said.components and component not in parts_of(said.components):
            return False
        if said.mode != "grant":
            return territory == WORLD or not said.territories or bool({territory, WORLD} & set(said.territories))
        return (
            bool({territory, WORLD} & set(said.territories or ()))
            and (not said.products or q.product in said.products)
            and (not said.languages or q.language in said.languages)
            and (not said.recipients or q.recipient in said.recipients)
        )

    def _is_likeness(self, said: StatementRow, line: Sequence[WorkRow], component: str) -> bool:
        depth = self.standing.depth(said, line)
        return component in LIKENESS or (depth is not None and line[min(depth, len(line) - 1)].kind == "person")

    def _name(self, said: StatementRow) -> str:
        return self.standing.name(said.party_id)


def _components(match: Match, line: Sequence[WorkRow]) -> tuple[str, ...]:
    if match.component is not None:
        return tuple(sorted(parts_of([match.component])))
    kind = line[0].kind if line else ""
    own = (match.kind,) if match.kind in LIKENESS else ()
    if kind == "character":  # Whose face or voice it is, is for others to say.
        return ("character", *own)
    return own or (tuple(sorted(LIKENESS)) if kind == "person" else ("picture", "sound"))
