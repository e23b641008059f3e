"""Licences: the grants that a use rests on, and what the end of one asks for what was made while it held.

Every party is heard by itself: which of its grants counts for a work is decided as for the verdict, whatever others
say. What a grant allowed stays allowed when the grant lapses; taking one back asks what the revocation says; any other
refusal asks for everything back.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from filters.rights.precedence import VERDICTS, Finding, Match, Question, decide
from filters.rights.records import LIKENESS, REFUSALS, Entries, StatementRow, WorkRow, chain, parts_of

ACTIONS: Final = ("retrain", "withdraw", "review")
"""What can be asked for what was made, the most first: withdraw it and train again without; withdraw it; look at it."""


@dataclass(frozen=True)
class Licence:
    """A live grant, and what of what was recognised it licenses.

    Attributes:
        grant: The grant.
        works: The works, sorted.
    """

    grant: StatementRow
    works: tuple[str, ...]


def licences(question: Question, matches: Sequence[Match], entries: Entries) -> list[Licence]:
    """The grants that a use rests on, sorted by id: of each party the ones that decide what it says of each work.

    Args:
        question: The use. Its regime does not matter: a grant is one whether or not it is needed.
        matches: Everything that was recognised.
        entries: Parties, the matched works with all their ancestors, and all statements on them and on their owners.
    """
    asked = dataclasses.replace(question, regime="opt-out")
    found: dict[str, set[str]] = {}
    grants = {s.statement_id: s for s in entries.statements if s.mode == "grant"}
    for party in sorted({s.party_id for s in grants.values()}):
        for finding in decide(asked, matches, _heard(entries, party)).findings:
            if finding.verdict == "allow" and finding.match:
                for name in finding.entries:
                    found.setdefault(name, set()).add(finding.match.work_id)
    return [Licence(grants[name], tuple(sorted(works))) for name, works in sorted(found.items())]


def _heard(entries: Entries, party: str) -> Entries:
    """A registry in which one party speaks, and whoever says that footage is not the work."""
    works = {
        name: dataclasses.replace(work, owners=[one for one in work.owners or () if one == party])
        for name, work in entries.works.items()
    }
    said = tuple(s for s in entries.statements if s.party_id == party or s.mode == "exclude")
    return Entries(entries.parties, works, said)


@dataclass(frozen=True)
class Made:
    """Something that was made or handed out, and the licences it rested on.

    Attributes:
        at: When, UTC.
        registry_version: The version of the registry that allowed it.
        licensed: Works by the party whose grant licensed them.
    """

    at: datetime
    registry_version: int
    licensed: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Recall:
    """What is asked for something that was made.

    Attributes:
        action: One of `ACTIONS`.
        verdict: What is decided of its use now: `deny` or `review`.
        entries: Ids of the statements that ask it, sorted.
        words: Why, for a person.
    """

    action: str
    verdict: str
    entries: tuple[str, ...]
    words: tuple[str, ...]


def recall(
    findings: Iterable[Finding], made: Made, entries: Entries, kept_out: Collection[str], ongoing: bool = False
) -> Recall | None:
    """What today's findings on a use ask for what was made of it; None where it may stay.

    Args:
        findings: Every reason, as a decision gives them.
        made: When it was made, and under whose grants.
        entries: What the findings were made from.
        kept_out: Verdicts that keep footage out; what none of them is asks nothing back.
        ongoing: The use goes on, as showing does: a grant whose last day has passed allows it no longer.
    """
    said = {s.statement_id: s for s in entries.statements}
    asking: list[tuple[str, Finding, tuple[str, ...]]] = []
    for finding in findings:
        if finding.verdict in ("deny", "review") and finding.verdict in kept_out:
            action, names = _asked(finding, made, entries, said, ongoing)
            if action:
                asking.append((action if finding.verdict == "deny" else "review", finding, names))
    if not asking:
        return None
    return Recall(
        min((action for action, _, _ in asking), key=ACTIONS.index),
        min((finding.verdict for _, finding, _ in asking), key=VERDICTS.index),
        tuple(sorted({name for _, _, names in asking for name in names})),
        tuple(dict.fromkeys(finding.words for _, finding, _ in asking)),
    )


def _asked(
    finding: Finding, made: Made, entries: Entries, said: Mapping[str, StatementRow], ongoing: bool
) -> tuple[str, tuple[str, ...]]:
    """The action that one reason asks for, empty if none, and the statements that ask it."""
    if not finding.entries:
        # A minor, or a grant that is missing: where all owners gave one, it lapsed, and what it allowed stays allowed.
        line = list(chain(entries.works, finding.match.work_id)) if finding.match else []
        if any(work.minor for work in line) or not _all_granted(line, made, entries):
            return "withdraw", ()
        reasons = _taken_back(line, made, entries)
        if ongoing and not reasons:
            return "withdraw", ()
    else:
        reasons = (*finding.entries, *finding.also)
    asked: dict[str, str] = {}
    for name in reasons:
        one = said.get(name)
        if one is None:  # A signal of a site or file.
            asked[name] = "withdraw"
        elif one.mode in REFUSALS or one.mode == "dispute":
            asked[name] = _asks(one, finding, made, entries)
    names = tuple(name for name, action in asked.items() if action)
    return min((asked[name] for name in names), key=ACTIONS.index, default=""), names


def _all_granted(line: Sequence[WorkRow], made: Made, entries: Entries) -> bool:
    """Whether every owner there is now had licensed it, and still is somebody who may."""
    owners = next((work.owners for work in line if work.owners), list(made.licensed))
    return all(
        _verified(party, entries) and any(work.work_id in made.licensed.get(party, ()) for work in line)
        for party in owners
    )


def _verified(party: str, entries: Entries) -> bool:
    return party in entries.parties and bool(entries.parties[party].verified_by)


def _taken_back(line: Sequence[WorkRow], made: Made, entries: Entries) -> tuple[str, ...]:
    """Revocations of grants on a work, whatever work they are filed under."""
    works = {None, *(work.work_id for work in line)}
    grants = {
        s.statement_id: s.party_id
        for s in entries.statements
        if s.mode == "grant" and s.party_id in made.licensed and s.work_id in works
    }
    revokes = (s for s in entries.statements if s.mode == "revoke" and s.target in grants)
    return tuple(sorted(s.statement_id for s in revokes if s.party_id == grants[str(s.target)]))


def _asks(one: StatementRow, finding: Finding, made: Made, entries: Entries) -> str:
    if one.mode == "dispute":
        return "review"
    if one.mode == "revoke":
        if one.revocation_effect == "retrain":
            return "retrain"
        return "" if one.revocation_effect == "future_only" and not _of_likeness(one, finding, entries) else "withdraw"
    if one.mode == "opt_out" and _lifted(one, finding, made, entries):
        known = one.registry_version is not None and one.registry_version <= made.registry_version
        if known and (one.valid_from is None or one.valid_from <= made.at):
            return ""
    return "withdraw"


def _lifted(one: StatementRow, finding: Finding, made: Made, entries: Entries) -> bool:
    """Whether a grant of the same party licensed what a refusal is about, or a part of that, and so lifted it."""
    if not _verified(one.party_id, entries):
        return False
    line = chain(entries.works, finding.match.work_id) if finding.match else ()
    for work in line:
        if work.work_id in made.licensed.get(one.party_id, ()):
            above = {other.work_id for other in chain(entries.works, work.work_id)}
            if one.work_id is None or one.work_id in above:
                return True
    return False


def _of_likeness(one: StatementRow, finding: Finding, entries: Entries) -> bool:
    match = finding.match
    works = [entries.works.get(name) for name in (one.work_id, match.work_id if match else None) if name]
    named = parts_of(one.components) if one.components else frozenset()
    shown = parts_of([match.component]) if match and match.component else frozenset()
    return bool((named | shown) & LIKENESS) or any(work is not None and work.kind == "person" for work in works)
