"""Explain: who said what of a work, a party or a piece of footage, what of it holds, and what follows for every use."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import lookup, registry, subjects
from filters.rights.policy import REGIMES, RightsSettings
from filters.rights.precedence import Decision, Match, Question, decide
from filters.rights.records import USES, StatementRow, chain
from filters.rights.registry import Registry, Version
from filters.rights.standing import Standing
from filters.rights.status import Standings, stamp
from pipelines import options, rights_uses, rights_words
from pipelines.columns import columns, readable, say
from pipelines.rights_words import Verb, moment, para, party, work
from transforms import tables
from transforms.settings import ConfigError

_SHOWN: Final = 20


class Explainer:
    """One state of a registry, asked about one moment.

    Args:
        held: The registry.
        state: Its version.
        subject: What is asked after.
        asked: Makes the question for a use.
        uses: The uses that are asked about.
        at: The moment, UTC.
    """

    def __init__(
        self,
        held: Registry,
        state: Version,
        subject: subjects.Subject,
        asked: Callable[[str], Question],
        uses: Sequence[str],
        at: datetime,
    ) -> None:
        self.held, self.state, self.subject, self.at = held, state, subject, at
        self.asked, self.uses = asked, uses
        self._versions: dict[int, Version] = {}
        self.owned = _works_of(held, state, subject)
        wanted = {*self.owned, *subject.works, *(m.work_id for m in subject.matches)}
        self.entries = lookup.entries(held, state, wanted)
        rows = registry.current(held, "identifiers", state)
        named = {*subject.works, *(m.work_id for m in subject.matches)}
        self._identifiers = rows.filter(
            pc.is_in(rows.column("work_id"), pa.array(sorted(named), pa.string()))
        ).to_pylist()
        self.standings = Standings(self.entries, at)
        self.standing = Standing(self.entries, at, None)

    def decisions(self, matches: Iterable[Match]) -> dict[str, Decision]:
        """The decision for every use that is asked about."""
        found = list(matches)
        return {use: decide(self.asked(use), found, self.entries) for use in self.uses}

    def about(self, work_id: str) -> list[StatementRow]:
        """What was said of a work, what it is part of and all that its owners have, the first word first."""
        return _in_order(self.standing.about(list(chain(self.entries.works, work_id))))

    def of_party(self, name: str) -> list[StatementRow]:
        """What a party said, the first word first."""
        return _in_order(s for s in self.entries.statements if s.party_id == name)

    def identifiers(self, work_id: str) -> list[dict[str, Any]]:
        """What a work is recognised by."""
        return [row for row in self._identifiers if row["work_id"] == work_id]

    def published(self, said: StatementRow) -> str:
        """Who published a statement, when and why."""
        number = said.registry_version or 0
        if number not in self._versions:
            self._versions[number] = registry.version(self.held, number)
        one = self._versions[number]
        approved = f", approved by {one.approver}" if one.approver else ""
        when = stamp(said.recorded_at) if said.recorded_at else "?"
        return f"published {when} by {said.author}{approved} in version {number}: {one.reason}"

    def said(self, statements: Iterable[StatementRow]) -> list[dict[str, Any]]:
        """Statements as plain data."""
        return [
            {
                **vars(one),
                "status": self.standings.status(one)._asdict(),
                "words": rights_words.statement(one, self.entries),
                "published": self.published(one),
            }
            for one in statements
        ]


def _works_of(held: Registry, state: Version, subject: subjects.Subject) -> list[str]:
    """Works that some parties own or spoke of, or that some statements are about."""
    said = registry.current(held, "statements", state, ["statement_id", "party_id", "work_id"])
    by = pc.is_in(said.column("party_id"), pa.array(subject.parties, pa.string()))
    these = pc.is_in(said.column("statement_id"), pa.array(subject.statements, pa.string()))
    found = set(said.filter(pc.or_(by, these)).column("work_id").drop_null().to_pylist())
    if subject.parties:
        for row in registry.current(held, "works", state, ["work_id", "owners"]).to_pylist():
            if set(row["owners"] or ()) & set(subject.parties):
                found.add(row["work_id"])
    return sorted(found)


def _in_order(found: Iterable[StatementRow]) -> list[StatementRow]:
    return sorted(found, key=lambda s: (str(s.recorded_at), s.statement_id))


def _decided(found: dict[str, Decision], asked: Callable[[str], Question]) -> dict[str, Any]:
    return {
        use: {
            "regime": asked(use).regime,
            "verdict": one.verdict,
            "words": one.words,
            "entries": one.entries,
            "conflicts": one.conflicts,
            "not_checked": one.not_checked,
            "findings": [{"verdict": f.verdict, "words": f.words, "entries": f.entries} for f in one.findings],
        }
        for use, one in found.items()
    }


def _to_json(told: Explainer) -> dict[str, Any]:
    subject, entries = told.subject, told.entries
    works = subject.works or tuple(dict.fromkeys(m.work_id for m in subject.matches))
    return {
        "subject": subject.text,
        "version": told.state.number,
        "at": told.at,
        "works": [
            {
                "line": [vars(one) for one in chain(entries.works, name)],
                "identifiers": told.identifiers(name),
                "statements": told.said(told.about(name)),
                "decisions": _decided(told.decisions([subjects.certain(name)]), told.asked),
            }
            for name in works
        ],
        "matches": [match._asdict() for match in subject.matches],
        "decisions": _decided(told.decisions(subject.matches), told.asked) if subject.matches else None,
        "parties": [
            {
                **vars(entries.parties[name]),
                "works": told.owned,
                "statements": told.said(told.of_party(name)),
            }
            for name in subject.parties
        ],
        "statements": told.said(s for s in entries.statements if s.statement_id in subject.statements),
    }


def _tell(told: Explainer, most: int | None) -> None:
    subject = told.subject
    say(f"version {told.state.number} of the registry, as things stood at {stamp(told.at)}")
    for name in subject.parties:
        say("")
        _tell_party(told, name, most)
    for name in subject.works:
        say("")
        _tell_work(told, name, most)
        _tell_decisions(told, f"Footage of {told.entries.works[name].title}", [subjects.certain(name)])
    found = [m for m in subject.matches if m.work_id not in subject.works]
    for name in dict.fromkeys(m.work_id for m in found):
        say("")
        for match in found:
            if match.work_id == name:
                para(f"{subject.text} is recognised by {match.words}", "", "  ")
        _tell_work(told, name, most)
    if found and not subject.works:
        _tell_decisions(told, subject.text, subject.matches)
    if subject.statements:
        _tell_statements(told, [s for s in told.entries.statements if s.statement_id in subject.statements], most)


def _tell_party(told: Explainer, name: str, most: int | None) -> None:
    row = told.entries.parties[name]
    when = f" on {stamp(row.verified_on)}" if row.verified_on else ""
    verified = f"verified by {row.verified_by}{when}" if row.verified_by else "not verified: may refuse, not grant"
    para(f"{party(told.entries, name)}: {row.kind}, {verified}", "", "  ")
    if row.represented_by:
        para(f"represented by {', '.join(party(told.entries, one) for one in row.represented_by)}", "  ")
    if told.owned:
        say("")
        say("Works that are its own or that it spoke of")
        rows = []
        for one in told.owned[:most]:
            decided = told.decisions([subjects.certain(one)])
            rows.append([readable(work(told.entries, one)), *(decided[use].verdict for use in told.uses)])
        say(columns(("work", *told.uses), rows, wrap=("work",)))
        _rest(told.owned, most)
    _tell_statements(told, told.of_party(name), most)


def _tell_work(told: Explainer, name: str, most: int | None) -> None:
    entries = told.entries
    if name not in entries.works:
        say(f"{name}: the registry has no such work")
        return
    row = entries.works[name]
    above = [work(entries, one.work_id) for one in list(chain(entries.works, name))[1:]]
    part = f", part of {', part of '.join(above)}" if above else ""
    para(f"{work(entries, name)}: {row.kind}{part}{', a minor' if row.minor else ''}", "", "  ")
    owners = told.standing.owners(list(chain(entries.works, name)))
    whose = ", ".join(party(entries, one) for one in owners) or "nobody is named: whoever speaks of it counts"
    para(f"owners: {whose}", "  ", "    ")
    known = told.identifiers(name)
    for one in known[:most]:
        para(f"recognised by {rights_words.identifier(one)}", "  ", "    ")
    _rest(known, most)
    _tell_statements(told, told.about(name), most)


def _tell_statements(told: Explainer, statements: Sequence[StatementRow], most: int | None) -> None:
    say("")
    say("What was said" if statements else "Nothing was said.")
    for said in statements[:most]:
        status = told.standings.status(said)
        para(f"{said.statement_id}: {rights_words.statement(said, told.entries)}", "  ", "    ")
        para(told.published(said), "    ")
        if said.evidence or said.note:
            para("; ".join(filter(None, (said.evidence and f"evidence: {said.evidence}", said.note))), "    ")
        para(f"{status.state}{': ' if status.why else ''}{status.why}", "    ")
    _rest(statements, most)


def _tell_decisions(told: Explainer, subject: str, matches: Iterable[Match]) -> None:
    say("")
    say("What follows")
    para(subject, "  ", "    ")
    for use, one in told.decisions(matches).items():
        ids = f" ({', '.join(one.entries)})" if one.entries else ""
        head = f"{use:<9} {one.verdict:<8} "
        para("; ".join(one.words) + ids, f"  {head}", " " * (len(head) + 2))
        for finding in one.findings:
            if finding.verdict not in (one.verdict, "allow"):
                para(f"also {finding.verdict}: {finding.words}", " " * (len(head) + 2))
        for ids_at_once in one.conflicts:
            para(f"a conflict: {', '.join(ids_at_once)}", " " * (len(head) + 2))
    others = sorted({told.asked(use).regime for use in told.uses})
    para(f"regime: {', '.join(others)}; {_where(told.asked(told.uses[0]))}", "  ", "    ")


def _where(question: Question) -> str:
    places = f"in {', '.join(sorted(question.territories))}" if question.territories else "everywhere"
    conditions = ((question.product, "for"), (question.language, "in language"), (question.recipient, "by"))
    return " ".join([places, *(f"{word} {value}" for value, word in conditions if value)])


def _rest(found: Sequence[Any], most: int | None) -> None:
    if most is not None and len(found) > most:
        say(f"  ... and {len(found) - most} more (--all)")


def _explain(words: argparse.Namespace) -> int:
    held = rights_words.opened(words)
    chosen = rights_words.state(words, held)
    now = moment("--as-of", words.as_of) if words.as_of else datetime.now(UTC)
    at = moment("--at", words.at) if words.at else min(now, datetime.now(UTC))
    if words.use is not None and words.use not in USES:
        raise ConfigError(f"--use {words.use}: one of {', '.join(USES)}")
    if words.regime is not None and words.regime not in REGIMES:
        raise ConfigError(f"--regime {words.regime}: one of {', '.join(REGIMES)}")
    subject = subjects.find(held, chosen, words.subject)
    places = frozenset(name.strip().upper() for name in (words.territories or "").split(",") if name.strip())

    def asked(use: str) -> Question:
        return Question(
            use=use,
            regime=words.regime or RightsSettings().regime(use),
            at=at,
            territories=places,
            subjects=subject.footage,
            product=words.product,
            language=words.language,
            recipient=words.recipient,
        )

    told = Explainer(held, chosen, subject, asked, [words.use] if words.use else USES, at)
    used = rights_uses.used_in(tables.open_corpus(words.output), subject) if words.output else []
    if words.json:
        rights_words.print_json({**_to_json(told), **({"used_in": used} if words.output else {})})
        return int(not subject and not used)
    if subject:
        _tell(told, None if words.all else _SHOWN)
    else:
        _nothing(held, chosen, words.subject)
    if words.output:
        rights_uses.tell(used, words.output)
    return int(not subject and not used)


def _nothing(held: Registry, chosen: Version, text: str) -> None:
    para(f"{rights_words.shown(text)}: nothing is known of it in version {chosen.number} of the registry", "", "  ")
    names: dict[str, str] = {}
    for table, key, name in (("works", "work_id", "title"), ("parties", "party_id", "name")):
        rows = registry.current(held, table, chosen, [key, name])
        names |= {str(n).casefold(): n for n in (*rows.column(name).to_pylist(), *rows.column(key).to_pylist())}
    for near in difflib.get_close_matches(text.casefold(), list(names)[:50_000], 3):
        para(f"near: {names[near]}", "  ")


def _arguments(parser: options.Parser) -> None:
    parser.add_argument("subject", metavar="SUBJECT", help="a work, party or statement; an address, SHA-256 or name")
    rights_words.add_registry(parser)
    parser.add_argument("--use", metavar="U", help=f"one of {', '.join(USES)} [default all]")
    parser.add_argument("--at", metavar="DATE", help="the day of the use [default today, or --as-of]")
    rights_words.add_state(parser)
    parser.add_argument("--territories", metavar="A,B", help="where it is used [default everywhere]")
    parser.add_argument("--regime", metavar="R", help="opt-out or opt-in [default opt-in for generate, else opt-out]")
    parser.add_argument("--product", metavar="P", help="what it is used for")
    parser.add_argument("--language", metavar="L", help="language of what is made")
    parser.add_argument("--recipient", metavar="P", help="who uses it")
    parser.add_argument("--output", metavar="OUT", help="a corpus: name its releases and assets that it is in")
    parser.add_argument("--all", action="store_true", help=f"every row, not the first {_SHOWN}")
    rights_words.add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "explain": Verb(
        "SUBJECT [options]",
        "tell who said what of a work, a party or footage, what of it holds, and what follows",
        _arguments,
        _explain,
        'rushes rights explain "The Film" --registry rights\n'
        "rushes rights explain example.org/film/ --use train --as-of 2026-03-03 --registry rights",
    )
}
"""What the rights team answers most."""
