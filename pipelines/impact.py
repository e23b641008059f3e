"""Impact: what a list would change in a corpus if it were published, by party, before anybody is bound by it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from filters.rights import delta
from filters.rights.policy import kept_out
from filters.rights.screening import Screen
from pipelines import descent, rescreening
from pipelines.descent import Back
from pipelines.descent import match_of as match_of  # where it was looked for before
from pipelines.rescreening import Change, Held
from transforms import tables
from transforms.store import Store

EFFECTS = ("denied", "to review", "freed", "freed, to be read again")
"""What can become of footage: no longer allowed; kept out until a person looked; allowed; allowed, but nothing of it is
there any more: a job has to read it again."""


@dataclass(frozen=True)
class Line:
    """What a list changes by one party's word.

    Attributes:
        party: Name of the party; empty where nobody's word decided, as of a minor.
        effect: Out of `EFFECTS`.
        sources: Sources.
        videos: Distinct videos.
        clips: Clips that the filters kept.
        seconds: Their length.
        captions: Captions.
        releases: Releases that would have to be taken back, or looked at.
        assets: Generated assets that would.
    """

    party: str
    effect: str
    sources: int = 0
    videos: int = 0
    clips: int = 0
    seconds: float = 0.0
    captions: int = 0
    releases: int = 0
    assets: int = 0


@dataclass(frozen=True)
class Impact:
    """What a list would change in a corpus.

    Attributes:
        lines: By party and effect. Footage that two parties refuse is in the lines of both.
        total: By effect, everything once.
        videos: Videos in the corpus.
        examples: Addresses of some sources that would be denied, with the reason.
    """

    lines: tuple[Line, ...]
    total: tuple[Line, ...]
    videos: int
    examples: tuple[tuple[str, str], ...]

    @property
    def denied_share(self) -> float:
        """Share of the corpus' videos that would be denied, 0 to 1."""
        denied = sum(line.videos for line in self.total if line.effect == "denied")
        return denied / self.videos if self.videos else 0.0


def impact(corpus: tables.Corpus, old: Screen, new: Screen, examples: int = 20) -> Impact:
    """Hold two states of a registry against each other over a corpus. Nothing is written.

    Args:
        corpus: The output folder.
        old: The state that holds.
        new: The state that would hold; it knows all statements of the old one.
        examples: Most sources to name.

    Raises:
        RegistryError: A registry cannot be read.
    """
    base = tables.snapshot(corpus).number
    buckets = rescreening.buckets(corpus, base)
    news = rescreening.changed(new.settings, [delta.Moment(old.state, old.at)])
    found = {video for _, parts in buckets for video in rescreening.find(corpus, parts, news)}
    items: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for _, parts in buckets:
        for video, item in rescreening.gather(corpus, parts, found):
            items[video].append(item)
    store, made = Store(corpus.root), descent.releases(corpus, base)
    taken: list[Back] = []
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    named: list[tuple[str, str]] = []
    for video in sorted(items):
        if not (stored := rescreening.held(items.pop(video)))["sources"]:
            continue
        taken += _newly(*(descent.taken_back(screen, video, stored, made) for screen in (old, new)))
        before, after = (rescreening.decide(screen, store, video, stored) for screen in (old, new))
        effect, deciding = _effect(before, after)
        if effect:
            _count(sums, effect, new.said_by(deciding), stored)
            if effect == "denied" and len(named) < examples:
                named.append((stored["sources"][0]["uri"], after.kept_out_by("train")[0]["words"][0]))
    for parties in _freed_unread(corpus, old, new):
        for party in {"", *parties}:
            sums[party, EFFECTS[3]]["sources"] += 1
    if assets := descent.assets(corpus, base):
        works = rescreening.changed_works(new.settings, [delta.Moment(old.state, old.at)])
        taken += _newly(*(descent.assets_back(screen, assets, works) for screen in (old, new)))
    _count_back(sums, taken, new)
    lines = [_line(party, effect, counts) for (party, effect), counts in sums.items()]
    order = sorted(lines, key=lambda line: (EFFECTS.index(line.effect), -line.videos, line.party))
    total = tuple(line for line in order if line.party == "")
    videos = tables.read(corpus, "videos", columns=["video_id"]).num_rows
    return Impact(tuple(line for line in order if line.party), total, videos, tuple(named))


def _line(party: str, effect: str, counts: Counter[str]) -> Line:
    whole = {name: counts[name] for name in ("sources", "videos", "clips", "captions", "releases", "assets")}
    return Line(party, effect, seconds=counts["milliseconds"] / 1000, **whole)


def _effect(before: Change, after: Change) -> tuple[str, set[str]]:
    """What becomes of a video, and the statements that decide so."""
    old, new = before.kept_out_by("train"), after.kept_out_by("train")
    was = {row["verdict"] for row in old}
    now = {row["verdict"] for row in new}
    if "deny" in now and "deny" not in was:
        return "denied", {entry for row in new for entry in row["entries"]}
    if now and not was:
        return "to review", {entry for row in new for entry in row["entries"]}
    if was and not now:
        return "freed", {entry for row in old for entry in row["entries"]}
    return "", set()


def _count(sums: dict[tuple[str, str], Counter[str]], effect: str, parties: Iterable[str], stored: Held) -> None:
    kept = [row for row in stored["clips"] if row["kept"]]
    counts = Counter(
        sources=len(stored["sources"]),
        videos=1,
        clips=len(kept),
        milliseconds=round(sum(row["seconds"] for row in kept) * 1000),
        captions=len(stored["captions"]),
    )
    for party in {"", *parties}:
        sums[party, effect].update(counts)


def _newly(before: Iterable[Back], after: Iterable[Back]) -> list[Back]:
    """What has to be taken back after a change and had not to be before, or only looked at."""
    known = {(one.id, one.use, one.why.verdict) for one in before}
    return [one for one in after if (one.id, one.use, one.why.verdict) not in known]


def _count_back(sums: dict[tuple[str, str], Counter[str]], taken: Iterable[Back], new: Screen) -> None:
    """Count each release and asset once, however many of its clips are concerned."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for one in taken:
        effect = "denied" if one.why.verdict == "deny" else "to review"
        for party in {"", *new.said_by(one.why.entries)}:
            found[party, effect, f"{one.kind}s"].add(one.id)
    for (party, effect, kind), ids in found.items():
        sums[party, effect][kind] += len(ids)


def _freed_unread(corpus: tables.Corpus, old: Screen, new: Screen) -> Iterator[set[str]]:
    """For each source that was denied and of which nothing is there, and that would be let in: whose word kept it out.

    It is decided by what it matched when it was denied, as nothing else is known of it.
    """
    there = set(tables.read(corpus, "sources", columns=["uri"]).column("uri").to_pylist())
    rows = tables.read(corpus, "verdicts").to_pylist()
    for row in rows:
        if row["use"] == "train" and row["verdict"] == "deny" and row["subject"] not in there:
            matches = [match_of(text) for text in row["matches"] or ()]
            subjects = {row["subject"]} | ({f"sha256:{row['video_id']}"} if row["video_id"] else set())
            before, after = (s.decided(matches, subjects)["train"].verdict for s in (old, new))
            if kept_out(before, old.settings) and not kept_out(after, new.settings):
                yield set(old.said_by(row["entries"] or ()))
