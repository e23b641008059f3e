"""Screening: everything that a registry says of one source, use by use, as rows of the table `verdicts`.

A source is recognised by its address, by the names and accounts in what its list said of it, by its bytes, and by what
captions say. Nearly all sources are recognised by nothing, so that case costs a lookup and no more. A registry that
cannot be read stops the job: nothing is let in on the word of a list that nobody could open.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from filters.rights import matching, registry
from filters.rights.licences import Licence, licences
from filters.rights.lookup import Lookup
from filters.rights.policy import RightsSettings, kept_out
from filters.rights.precedence import Decision, Gap, Match, Question, decide
from filters.rights.records import USES, Entries
from filters.rights.signals import evidence
from filters.rights.signals.origin import ORIGINS
from filters.rights.signals.signal import Signal
from transforms.addresses import redact
from transforms.records import VerdictRow
from transforms.settings import ConfigError

NOT_CHECKED = (
    Gap("fingerprints", "footage is not compared by picture and sound yet", needed=False),
    Gap("likeness", "no recogniser of faces and voices is configured", needed=False),
)
"""What no job checks yet. A refusal is not missed for it under opt-out; under opt-in nothing is allowed without it."""

UNSEEN = ("watermark",)
"""What nobody looks for when footage may be generated: marks in pictures and sound. Told of training, decides nothing.
"""

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


@dataclass(frozen=True)
class Conditions:
    """Whom footage or what is made of it is for, where, and for what.

    Attributes:
        recipient: Who uses it; grants made to certain recipients need it.
        territories: Where; empty: the whole world.
        product: What it is used for; grants for certain products need it.
        language: Its language; grants for certain languages need it.
        components: What is made has these; empty: any.
    """

    recipient: str | None = None
    territories: frozenset[str] = frozenset()
    product: str | None = None
    language: str | None = None
    components: frozenset[str] = frozenset()


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
        self.conditions = Conditions(settings.recipient, frozenset(settings.territories))
        self.state = registry.version(there, settings.rights_version)
        self._matcher = matching.open_version(there, self.state)
        self._lookup = Lookup(there, self.state)

    def under(self, conditions: Conditions) -> Screen:
        """The same version and moment, asked under other conditions."""
        other = copy.copy(self)
        other.conditions = conditions
        return other

    def question(self, use: str, subjects: Iterable[str] = ()) -> Question:
        """What is asked about a use, of footage with these names."""
        asked = self.conditions
        return Question(
            use=use,
            regime=self.settings.regime(use),
            at=self.at,
            territories=asked.territories,
            subjects=frozenset(subjects),
            product=asked.product,
            language=asked.language,
            recipient=asked.recipient,
            components=asked.components,
        )

    def entries(self, matches: Iterable[Match]) -> Entries:
        """What is needed to decide on some matches: works, parties and statements."""
        return self._lookup.entries(m.work_id for m in matches)

    def licences(self, use: str, matches: Sequence[Match], subjects: Iterable[str] = ()) -> list[Licence]:
        """The grants that a use rests on."""
        return licences(self.question(use, subjects), matches, self.entries(matches)) if matches else []

    def matches(self, subject: Subject) -> list[Match]:
        """Everything that the registry recognises in a source."""
        found = list(self._matcher.source(subject.uri, subject.metadata))
        if subject.video_id is not None:
            found += self._matcher.bytes_hash(subject.video_id)
        for said in self._matcher.texts(subject.texts, "caption") if subject.texts else ():
            found += said.matches
        return found

    def naming(self, texts: Sequence[str]) -> set[str]:
        """Those of some texts in which something of the registry is named."""
        return {text for text, found in zip(texts, self._matcher.texts(texts, "caption"), strict=True) if found.matches}

    def decided(
        self, matches: Sequence[Match], subjects: Iterable[str], signals: Sequence[Signal] = ()
    ) -> dict[str, Decision]:
        """The decision for every use, from what was recognised.

        Args:
            matches: Everything that was recognised.
            subjects: Names of the footage, as `exclude` statements name it: its address, `sha256:HEX`.
            signals: What machine-readable signals say.

        Raises:
            RegistryError: The registry cannot be read.
        """
        entries = self._lookup.entries(m.work_id for m in matches) if matches else NOBODY
        names, found = frozenset(subjects), {}
        spoken = self._spoken(matches, names, signals) if signals else []
        there = {match.work_id for _, some in spoken for match in some}
        granted = self._lookup.entries(there) if there else NOBODY
        for use in USES:
            question = self.question(use, names)
            found[use] = decide(question, matches, entries, NOT_CHECKED)
            if signals:
                opt_in, open_gaps, said = dataclasses.replace(question, regime="opt-in"), [*NOT_CHECKED], []
                for some, here in spoken:
                    licensed = decide(opt_in, here, granted)
                    open_gaps += evidence.gaps(some, use, registry=licensed)
                    said += evidence.as_findings(some, use, licensed)
                found[use] = decide(question, matches, entries, open_gaps, said)
        return found

    def _spoken(
        self, matches: Iterable[Match], names: Iterable[str], signals: Iterable[Signal]
    ) -> list[tuple[list[Signal], list[Match]]]:
        """Signals by the address they are about, and what is recognised of it: by the footage's own address and account
        and by that address. Other columns of a list may name anybody's address, and lift nothing."""
        own = [match for match in matches if match.kind == "account"]
        for name in names:
            own += [] if name.startswith("sha256:") else self._matcher.source(name)
        by_address: dict[str, list[Signal]] = {}
        for signal in signals:
            by_address.setdefault(signal.about, []).append(signal)
        return [(some, [*own, *self._matcher.source(about)]) for about, some in by_address.items()]

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
        made = [signal for signal in subject.signals if signal.origin in ORIGINS]
        training = use == "train"
        # Nobody refuses it: what keeps it out is how it was made, so it stays, and the verdict with it.
        barred = made if training and self.settings.on_generated != "let-in" else []
        words = [f"{signal.origin}: {signal.protocol} at {signal.uri}: {signal.words}" for signal in barred]
        return VerdictRow(
            subject=redact(subject.uri),
            use=use,
            verdict=decision.verdict,
            kept_out=bool(barred) or kept_out(decision.verdict, self.settings),
            regime=self.settings.regime(use),
            video_id=subject.video_id,
            entries=sorted({*decision.entries, *(signal.signal_id for signal in barred)}),
            words=[*decision.words, *words],
            matches=list(seen),
            not_checked=sorted({*decision.not_checked, *(UNSEEN if training else ())}),
            registry_version=self.state.number,
            registry_digest=self.state.digest,
            at=self.at.isoformat(),
            origin=min((str(signal.origin) for signal in made), key=ORIGINS.index, default=None),
        )
