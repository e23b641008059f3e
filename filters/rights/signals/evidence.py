"""Evidence: what signals mean for a verdict.

A no of any protocol is a no; what was not understood is a gap; a yes decides nothing. A site that allows mining has
granted no licence, so where a use needs one its yes changes nothing, and where none is needed silence is as good.

What a site tells everybody is lifted by what its owners granted in writing: where the registry recognises the footage's
own address or account, or the very address that the site speaks of, and every owner of that work has a live grant for
the use, in every place and of everything that is there. What is said inside a file goes with its bytes and is not
lifted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from filters.rights.precedence import Decision, Finding, Gap, Match
from filters.rights.signals.protocols import PROTOCOLS
from filters.rights.signals.signal import Signal


def standing(signals: Iterable[Signal]) -> list[Signal]:
    """The signals that count, after each protocol's own precedence, in the order of protocols and places."""
    every, kept = list(signals), []
    for protocol in PROTOCOLS:
        mine = [s for s in every if s.protocol == protocol.name]
        kept += protocol.settled(mine) if protocol.settled else mine
    known = {protocol.name for protocol in PROTOCOLS}
    return kept + [s for s in every if s.protocol not in known]


def as_findings(signals: Iterable[Signal], use: str, registry: Decision | None = None) -> list[Finding]:
    """The refusals of one use, for `precedence.decide`; the id of the signal stands as the entry that decided.

    Args:
        signals: Everything that was collected.
        use: One of `records.USES`.
        registry: What the registry alone decides of the address, asked as under opt-in, which tells whose grant is
            missing. Where none is, what the site tells everybody is lifted.
    """
    return [
        Finding("deny", f"{signal.protocol} at {signal.uri}: {signal.words}", (signal.signal_id,))
        for signal in _counted(signals, registry)
        if signal.says._asdict().get(use) == "deny"
    ]


def gaps(
    signals: Iterable[Signal], use: str, expected: Sequence[str] = (), registry: Decision | None = None
) -> list[Gap]:
    """What could not be read or understood of one use, and every expected protocol that left no signal at all.

    Args:
        signals: Everything that was collected.
        use: One of `records.USES`.
        expected: Names of protocols that have to leave a signal: those of files, once the file is there.
        registry: As `as_findings`.
    """
    every = list(signals)
    found = [
        Gap(signal.protocol, f"{signal.uri}: {signal.words}")
        for signal in _counted(every, registry)
        if signal.says._asdict().get(use) not in ("deny", "allow", "unset")
    ]
    seen = {signal.protocol for signal in every}
    return found + [Gap(name, "was not asked") for name in expected if name not in seen]


def _counted(signals: Iterable[Signal], registry: Decision | None) -> list[Signal]:
    counted = standing(signals)
    return [s for s in counted if s.place == "file"] if registry and _grants_address(registry) else counted


def _grants_address(decision: Decision) -> bool:
    kinds = ("url_prefix", "domain", "account")
    by_match: dict[Match, list[Finding]] = {}
    for finding in decision.findings:
        if finding.match and finding.match.kind in kinds:
            by_match.setdefault(finding.match, []).append(finding)
    return any(all(f.verdict == "allow" and f.entries for f in found) for found in by_match.values())
