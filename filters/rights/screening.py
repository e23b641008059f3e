"""Screening: everything that a registry says of one source, use by use, as rows of the table `verdicts`.

A source is recognised by its address, by the names and accounts in what its list said of it, by its bytes, and by what
captions say. Nearly all sources are recognised by nothing, so that case costs a lookup and no more. A registry that
cannot be read stops the job: nothing is let in on the word of a list that nobody could open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from filters.rights import matching, registry
from filters.rights.lookup import Lookup
from filters.rights.policy import RightsSettings, kept_out
from filters.rights.precedence import Decision, Gap, Match, Question, decide
from filters.rights.records import USES, Entries
from filters.rights.signals import evidence
from filters.rights.signals.signal import Signal
from transforms.addresses import redact
from transforms.records import VerdictRow
from transforms.settings import ConfigError

NOT_CHECKED = (
    Gap("fingerprints", "footage is not compared by picture and sound yet", needed=False),
    Gap("likeness", "no recogniser of faces and voices is configured", needed=False),
)
"""What no job checks yet. A refusal is not missed for it under opt-out; under opt-in nothing is allowed without it."""

NOBODY = Entries({}, {}, ())
"""What a decision needs where nothing was recognised."""


@dataclass(frozen=True)
class Subject:
    """A source as it is screened.

    Attributes:
        uri: Its address.
        metadata: What its list said of it: every text is looked through for names, `account` columns for accounts.
        video_id: SHA-256 of its bytes; None where they were not read.
        texts: What captions and transcripts say.
        signals: What machine-readable signals say.
    """

    uri: str
    metadata: Mapping[str, str]
    video_id: str | None = None
    texts: tuple[str, ...] = ()
    signals: tuple[Signal, ...] = ()


class Screen:
    """A version of a registry, ready to decide.

    Args:
        settings: The job's, pinned.

    Raises:
        RegistryError: The registry cannot be read.
        ConfigError: There is no such version.
    """

    def __init__(self, settings: RightsSettings) -> None:
        if settings.rights is None:
            raise ConfigError("--rights: name the registry to screen with")
        there = registry.open_registry(settings.rights)
        self.settings, self.at = settings, settings.moment
        self.state = registry.version(there, settings.rights_version)
        self._matcher = matching.open_version(there, self.state)
        self._lookup = Lookup(there, self.state)

    def matches(self, subject: Subject) -> list[Match]:
        """Everything that the registry recognises in a source."""
        found = list(self._matcher.source(subject.uri, subject.metadata))
        if subject.video_id is not None:
            found += self._matcher.bytes_hash(subject.video_id)
        for said in self._matcher.texts(subject.texts, "caption") if subject.texts else ():
            found += said.matches
        return found

    def decided(
        self, matches: Sequence[Match], subjects: Iterable[str], signals: Sequence[Signal] = ()
    ) -> dict[str, Decision]:
        """The decision for every use, from what was recognised.

        Args:
            matches: Everything that was recognised.
            subjects: Names of the footage, as `exclude` statements name it.
            signals: What machine-readable signals say.

        Raises:
            RegistryError: The registry cannot be read.
        """
        entries = self._lookup.entries(m.work_id for m in matches) if matches else NOBODY
        names, found = frozenset(subjects), {}
        for use in USES:
            question = Question(
                use=use,
                regime=self.settings.regime(use),
                at=self.at,
                territories=frozenset(self.settings.territories),
                subjects=names,
                recipient=self.settings.recipient,
            )
            found[use] = decide(question, matches, entries, NOT_CHECKED)
            if signals:
                by_registry = found[use]
                open_gaps = [*NOT_CHECKED, *evidence.gaps(signals, use, registry=by_registry)]
                said = evidence.as_findings(signals, use, by_registry)
                found[use] = decide(question, matches, entries, open_gaps, said)
        return found

    def said_by(self, entries: Iterable[str]) -> set[str]:
        """Names of the parties whose statements these are."""
        return self._lookup.said_by(entries)

    def rows(self, subject: Subject) -> list[VerdictRow]:
        """What is decided of a source, a row a use."""
        matches = self.matches(subject)
        names = {redact(subject.uri)} | ({f"sha256:{subject.video_id}"} if subject.video_id else set())
        decisions = self.decided(matches, names, subject.signals)
        seen = sorted({f"{m.kind} {m.identifier_id} {m.work_id}: {m.words}" for m in matches})
        return [self._row(subject, use, decision, seen) for use, decision in decisions.items()]

    def _row(self, subject: Subject, use: str, decision: Decision, seen: Iterable[str]) -> VerdictRow:
        return VerdictRow(
            subject=redact(subject.uri),
            use=use,
            verdict=decision.verdict,
            kept_out=kept_out(decision.verdict, self.settings),
            regime=self.settings.regime(use),
            video_id=subject.video_id,
            entries=list(decision.entries),
            words=list(decision.words),
            matches=list(seen),
            not_checked=list(decision.not_checked),
            registry_version=self.state.number,
            registry_digest=self.state.digest,
            at=self.at.isoformat(),
        )
