"""Descent: what was handed out or made of footage and licensed works, and must be taken back now. Nothing is edited.

A release is asked about again for its own recipient, places and product, an asset for its own use, each with the grants
that it rested on when it was made. Nothing here imports Beam.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from filters.rights import subjects
from filters.rights.licences import Made, Recall, recall
from filters.rights.policy import kept_out
from filters.rights.precedence import Finding, Match
from filters.rights.screening import Conditions, Screen, Subject
from pipelines import asking, screening
from transforms import tables
from transforms.records import RetractionRow, to_dict
from transforms.sources import SourceRef

Told = frozenset[tuple[str, str, str, str, str]]
"""What was told before: kind, id, video, deciding statements and action."""


@dataclasses.dataclass(frozen=True)
class Back:
    """Something that must be taken back, or looked at.

    Attributes:
        kind: `release` or `asset`.
        id: Its id.
        video_id: The video that may no longer be in a release; empty of an asset.
        use: What it may no longer be used for.
        why: What is asked, and by whom.
    """

    kind: str
    id: str
    video_id: str
    use: str
    why: Recall

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What makes it the same news."""
        return self.kind, self.id, self.video_id, " ".join(self.why.entries), self.why.action


def releases(corpus: tables.Corpus, base: int) -> dict[str, dict[str, Any]]:
    """Every release by its id."""
    return {row["release_id"]: row for row in _read(corpus, "releases", base)}


def told(corpus: tables.Corpus, base: int) -> Told:
    """What earlier screenings told of releases and assets."""
    columns = ["kind", "id", "video_id", "entries", "action"]
    rows = _read(corpus, "retractions", base, columns, ds.field("kind").isin(["release", "asset"]))
    return frozenset(
        (row["kind"], row["id"], row["video_id"], " ".join(row["entries"] or ()), row["action"] or "") for row in rows
    )


def untold(corpus: tables.Corpus, base: int) -> frozenset[str]:
    """Videos of releases that no screening has told must be taken back."""
    if not releases(corpus, base):
        return frozenset()
    columns = ["release_id", "video_id"]
    pairs: set[tuple[str, str]] = set()
    for batch in tables.dataset(corpus, "release_clips", base).to_batches(columns=columns):
        found = pa.Table.from_batches([batch]).group_by(columns).aggregate([])
        pairs.update(zip(*(found.column(name).to_pylist() for name in columns), strict=True))
    pairs -= {(release, video) for _, release, video, _, _ in told(corpus, base)}
    return frozenset(video for _, video in pairs)


def _read(
    corpus: tables.Corpus, name: str, base: int, columns: Sequence[str] | None = None, where: Any = None
) -> list[dict[str, Any]]:
    if not base or not tables.live_parts(tables.delta(corpus, name, base)):
        return []
    return list(tables.read(corpus, name, base, columns, where).to_pylist())


def match_of(text: str) -> Match:
    """A match from how a row of `verdicts` tells it."""
    kind, identifier, rest = text.split(" ", 2)
    return Match(rest.split(": ", 1)[0], kind, identifier)


def recognised(
    screen: Screen, video_id: str, stored: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[tuple[Subject, list[Match]]]:
    """What a registry recognises in each source of a video; in one that is gone also what it was denied for.

    Args:
        screen: The registry.
        video_id: The video.
        stored: What is stored of it, rows by table.
    """
    texts = screening.texts_of(stored)
    signals: dict[str, list[Any]] = {}
    for row in stored["rights_signals"]:
        signals.setdefault(row["subject"], []).append(asking.signal(dict(row)))
    found = []
    for row in stored["sources"]:
        source = SourceRef(uri=row["uri"], metadata=row["metadata"] or {})
        one = screening.subject(source, video_id, texts, signals.get(row["uri"], ()))
        found.append((one, screen.matches(one)))
    there = {row["uri"] for row in stored["sources"]}
    for row in stored["verdicts"]:
        if row["use"] == "train" and row["subject"] not in there:
            one = screening.subject(SourceRef(uri=row["subject"]), video_id, (), signals.get(row["subject"], ()))
            matches = [*screen.matches(one), *(match_of(text) for text in row["matches"] or ())]
            found.append((one, matches))
    return found


def conditions_of(row: Mapping[str, Any]) -> Conditions:
    """What a release was made, or a licence used, for."""
    places = frozenset(row["territories"] or ())
    return Conditions(row["recipient"], places, row["product"], row.get("language"))


def taken_back(
    screen: Screen,
    video_id: str,
    stored: Mapping[str, Sequence[Mapping[str, Any]]],
    made: Mapping[str, Mapping[str, Any]],
    out: Sequence[Mapping[str, Any]] = (),
) -> list[Back]:
    """Releases that hold clips of a video and have to be taken back.

    Args:
        screen: The registry.
        video_id: The video.
        stored: What is stored of it, rows by table.
        made: Every release by its id.
        out: Its rows of `verdicts` that keep it out now. Where nobody refuses, they tell of what was learnt later: that
            it was generated, or that something can no longer be checked.
    """
    learnt = _learnt(out)
    counts = Counter(row["release_id"] for row in stored["release_clips"] if row["release_id"] in made)
    if not counts:
        return []
    sources = recognised(screen, video_id, stored)
    known = screen.entries(match for _, matches in sources for match in matches)
    decided: dict[tuple[str, Conditions], list[Finding]] = {}
    found = []
    for name, clips in sorted(counts.items()):
        release = made[name]
        use, conditions = release["use"], conditions_of(release)
        if (use, conditions) not in decided:
            asked = screen.under(conditions)
            decided[use, conditions] = [
                finding
                for one, matches in sources
                for finding in asked.decided(matches, names(one), one.signals)[use].findings
            ]
        licensed = _licensed(row for row in stored["licensed_uses"] if row["used_in"] == name)
        when = Made(datetime.fromisoformat(release["at"]), release["registry_version"], licensed)
        if why := recall(decided[use, conditions], when, known, _kept_out(screen)) or learnt:
            holds = f"release {release['name']} for {release['recipient']} holds {clips} clip{'s' * (clips != 1)} of it"
            found.append(Back("release", name, video_id, use, dataclasses.replace(why, words=(*why.words, holds))))
    return found


def _learnt(out: Sequence[Mapping[str, Any]]) -> Recall | None:
    made = [row for row in out if row["origin"] and row["verdict"] not in ("deny", "review")]
    unsure = [row for row in out if row["verdict"] == "unknown"]
    if not (rows := made or unsure):
        return None
    entries = tuple(sorted({name for row in rows for name in row["entries"] or ()}))
    words = tuple(dict.fromkeys(text for row in rows for text in row["words"] or ()))
    return Recall("withdraw" if made else "review", rows[0]["verdict"], entries, words)


def assets(corpus: tables.Corpus, base: int) -> dict[str, list[dict[str, Any]]]:
    """Licensed uses in generated assets, by asset."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _read(corpus, "licensed_uses", base, None, ds.field("kind") == "asset"):
        found.setdefault(row["used_in"], []).append(row)
    return found


def assets_back(
    screen: Screen, made: Mapping[str, Sequence[Mapping[str, Any]]], works: Collection[str] | None
) -> list[Back]:
    """Assets that have to be taken back, by the works that they were made with.

    Args:
        screen: The registry.
        made: Licensed uses by asset.
        works: Works about which something changed; None looks at all of them.
    """
    found = []
    for name, rows in sorted(made.items()):
        if works is not None and not any(work in works for row in rows for work in _works(row)):
            continue
        groups: dict[tuple[str, Conditions], list[Mapping[str, Any]]] = {}
        for row in rows:
            groups.setdefault((row["use"], conditions_of(row)), []).append(row)
        for (use, conditions), some in sorted(groups.items(), key=str):
            matches = [subjects.certain(w)._replace(component=row["component"]) for row in some for w in _works(row)]
            asked = screen.under(conditions)
            # What is shown needs its grants for as long as it is, whatever the regime of other footage.
            asked.settings = dataclasses.replace(asked.settings, display_regime="opt-in")
            findings = asked.decided(matches, ())[use].findings
            first = min(some, key=lambda row: str(row["at"]))
            when = Made(datetime.fromisoformat(first["at"]), first["registry_version"], _licensed(some))
            if why := recall(findings, when, screen.entries(matches), _kept_out(screen), ongoing=use == "display"):
                found.append(Back("asset", name, "", use, why))
    return found


def withdrawn(corpus: tables.Corpus, base: int, backs: Iterable[Back]) -> list[dict[str, Any]]:
    """The rows of the assets among what must be withdrawn, with the reason in them."""
    why: dict[str, list[str]] = {}
    for back in backs:
        if back.kind == "asset" and back.why.action != "review":
            why.setdefault(back.id, []).extend(back.why.entries or back.why.words)
    rows = _read(corpus, "assets", base, None, ds.field("asset_id").isin(list(why))) if why else []
    return [
        {**row, "factors": dict(row["factors"] or ()), "withdrawn": "; ".join(dict.fromkeys(why[row["asset_id"]]))}
        for row in rows
    ]


def row_of(back: Back, screen: Screen, run_id: str, removed: bool = False) -> dict[str, Any]:
    """The row of `retractions` that tells it."""
    return to_dict(
        RetractionRow(
            run_id=run_id,
            kind=back.kind,
            id=back.id,
            video_id=back.video_id,
            use=back.use,
            was="allow",
            verdict=back.why.verdict,
            entries=list(back.why.entries),
            words=list(back.why.words),
            registry_version=screen.state.number,
            at=screen.at.isoformat(),
            removed=removed,
            action=back.why.action,
        )
    )


def _works(row: Mapping[str, Any]) -> list[str]:
    return list(row["works"] or [row["work_id"]])


def _licensed(rows: Iterable[Mapping[str, Any]]) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["party_id"], set()).update(_works(row))
    return {party: frozenset(works) for party, works in found.items()}


def names(one: Subject) -> Iterator[str]:
    """Names of a source's footage, as `exclude` statements name it."""
    yield one.uri
    if one.video_id:
        yield f"sha256:{one.video_id}"


def _kept_out(screen: Screen) -> frozenset[str]:
    return frozenset(verdict for verdict in ("deny", "review") if kept_out(verdict, screen.settings))
