"""Scoring: what was found of the edits of a video, against what is known.

The rules are those of TRECVID's shot boundary task (https://www-nlpir.nist.gov/projects/t2002v/sbmeasures.html), with
two differences that clips ask for: a hard cut must be found on its very frame, and a cut found inside a known gradual
transition is told apart from the transition being found as one.

- An edit lies between the last frame of the shot before and the first of the shot after. What takes at most five
  frames is a *cut*, in the truth as in what was found; what takes more is a *gradual* transition.
- One finding meets one edit, of its own kind. In order of the known edits, each takes the finding that overlaps it
  most; among equals the shorter, then the earlier. Cuts may be `tolerance` frames apart (default 0; TRECVID: 5).
- A gradual transition is met by a gradual finding that shares one frame with it. How well their ends agree is said
  beside it: frame recall (share of the known frames that were found) and frame precision, means over what was met.
- A gradual transition that nothing met, but inside which a cut was found, is *touched*: it is missed, and that one cut
  is neither right nor false.
- Every other finding is false, also a second one of the same edit. Where only some edits of a video are known, because
  people marked some, a finding is false where somebody marked a cut as wrong, and elsewhere not judged.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from transforms.settings import ConfigError

SHORT: Final = 5
"""Frames of the longest transition that counts as a cut (TRECVID)."""

Span = tuple[int, int]
"""An edit: the first frame that is no longer of the shot before, and the first that is wholly of the shot after (for a
hard cut the same)."""


class Truth(NamedTuple):
    """What is known of a video.

    Attributes:
        edits: Its hard cuts and gradual transitions, each with its kind (`cut`, `dissolve`, ...).
        frames: How many frames it has; None when that is not known.
        looks: First frames of its stretches, in order, and what each is like, for people.
        wrong: Where it is known that there is no edit, if not all its edits are known; None where they are.
    """

    edits: Mapping[Span, str]
    frames: int | None = None
    looks: tuple[tuple[int, str], ...] = ()
    wrong: tuple[Span, ...] | None = None

    def words(self, edit: Span) -> str:
        """Where an edit is, known or found."""
        look = [text for first, text in self.looks if first <= edit[1]]
        where = f"{edit[1]}" if edit[0] == edit[1] else f"{edit[0]} to {edit[1] - 1}"
        return where + (f" ({look[-1]})" if look else "")


@dataclasses.dataclass(frozen=True)
class Kind:
    """What came of one kind of edit.

    Attributes:
        hits: Pairs of a known edit and what met it.
        false: What met nothing.
        missed: Known edits that nothing met.
    """

    hits: tuple[tuple[Span, Span], ...] = ()
    false: tuple[Span, ...] = ()
    missed: tuple[Span, ...] = ()

    @property
    def known(self) -> int:
        """How many there are."""
        return len(self.hits) + len(self.missed)

    @property
    def precision(self) -> float:
        """Share of the findings that are right; 1 where nothing was found."""
        return _share(len(self.hits), len(self.hits) + len(self.false))

    @property
    def recall(self) -> float:
        """Share of the known edits that were met; 1 where none is known."""
        return _share(len(self.hits), self.known)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 1 where nothing is known and nothing was found."""
        return _share(2 * len(self.hits), 2 * len(self.hits) + len(self.false) + len(self.missed))

    @property
    def frame_recall(self) -> float | None:
        """Mean share of the frames of a met transition that its finding covers; None when none was met."""
        return _mean([overlap(known, found) / (known[1] - known[0]) for known, found in self.hits])

    @property
    def frame_precision(self) -> float | None:
        """Mean share of the frames of a finding that are of the transition it met; None when none was met."""
        return _mean([overlap(known, found) / (found[1] - found[0]) for known, found in self.hits])

    def __add__(self, other: Kind) -> Kind:
        return Kind(self.hits + other.hits, self.false + other.false, self.missed + other.missed)


@dataclasses.dataclass(frozen=True)
class Score:
    """What came of both kinds; `touched` are the missed gradual transitions with a cut inside, `unjudged` counts the
    findings of which nobody knows."""

    hard: Kind = Kind()
    gradual: Kind = Kind()
    touched: tuple[Span, ...] = ()
    unjudged: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.hard + other.hard,
            self.gradual + other.gradual,
            self.touched + other.touched,
            self.unjudged + other.unjudged,
        )

    def to_json(self) -> dict[str, Any]:
        """Counts and ratios of both kinds."""
        made: dict[str, Any] = {}
        for name, kind in (("hard", self.hard), ("gradual", self.gradual)):
            counts: dict[str, Any] = {k: len(getattr(kind, k)) for k in ("hits", "false", "missed")}
            made[name] = counts | {k: round(getattr(kind, k), 4) for k in ("precision", "recall", "f1")}
        for name in ("frame_recall", "frame_precision"):
            ratio = getattr(self.gradual, name)
            made["gradual"][name] = None if ratio is None else round(ratio, 4)
        made["gradual"]["touched"] = len(self.touched)
        return made | ({"unjudged": self.unjudged} if self.unjudged else {})

    def mistakes(self, truth: Truth) -> list[str]:
        """Every false and every missed edit in words, in order."""
        found = [(edit, f"false cut {truth.words(edit)}") for edit in self.hard.false]
        found += [(edit, f"false transition {truth.words(edit)}") for edit in self.gradual.false]
        for edit in self.hard.missed + self.gradual.missed:
            touched = ", though a cut was found in it" if edit in self.touched else ""
            found.append((edit, f"missed {truth.edits[edit]} {truth.words(edit)}{touched}"))
        return [text for _, text in sorted(found)]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def overlap(a: Span, b: Span) -> int:
    """Frames that two edits share; below 0 how far they are apart."""
    return min(a[1], b[1]) - max(a[0], b[0])


def _match(known: Sequence[Span], found: Sequence[Span], least: int) -> tuple[Kind, list[Span]]:
    """One to one, by an overlap of at least `least`; and the findings left over."""
    left = sorted(found)
    hits, missed = [], []
    for edit in sorted(known):
        fits = [f for f in left if overlap(edit, f) >= least]
        if not fits:
            missed.append(edit)
            continue
        best = min(fits, key=lambda f: (-overlap(edit, f), f[1] - f[0], f))
        left.remove(best)
        hits.append((edit, best))
    return Kind(tuple(hits), (), tuple(missed)), left


def _is_cut(edit: Span) -> bool:
    return edit[1] - edit[0] <= SHORT


def score(
    found: Sequence[Span], known: Sequence[Span], tolerance: int = 0, wrong: Sequence[Span] | None = None
) -> Score:
    """Compare what was found in a video with what is known of it, by the rules above.

    Args:
        found: Findings, in any order.
        known: Known edits, in any order.
        tolerance: Frames that a cut may be off; >= 0.
        wrong: Where it is known that there is no edit; None where all edits are known.
    """
    hard, cuts = _match([k for k in known if _is_cut(k)], [f for f in found if _is_cut(f)], -tolerance)
    gradual, spans = _match([k for k in known if not _is_cut(k)], [f for f in found if not _is_cut(f)], 1)
    touched = []
    for edit in gradual.missed:
        if inside := [c for c in cuts if overlap(edit, c) >= 0]:
            cuts.remove(inside[0])
            touched.append(edit)
    left = len(cuts) + len(spans)
    if wrong is not None:
        cuts, spans = (
            [one for one in some if any(overlap(one, edit) >= -tolerance for edit in wrong)] for some in (cuts, spans)
        )
    hard = dataclasses.replace(hard, false=tuple(cuts))
    unjudged = left - len(cuts) - len(spans)
    return Score(hard, dataclasses.replace(gradual, false=tuple(spans)), tuple(touched), unjudged)


def read_truth(path: Path) -> dict[str, Truth]:
    """What a JSON file says is known of each video, by name; entries without `hard` are passed over.

    Raises:
        ConfigError: The file can't be read, or says nothing that can be scored.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        found = {n: _truth(n, e) for n, e in entries.items() if isinstance(e, dict) and "hard" in e}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not found:
        raise ConfigError(f"{path}: no entry has `hard`; name a file that says where the cuts are")
    return found


def _truth(name: str, entry: Mapping[str, Any]) -> Truth:
    edits = {(int(n), int(n)): "cut" for n in entry["hard"]}
    edits |= {(int(first), int(last) + 1): str(kind) for kind, first, last in entry.get("gradual", ())}
    for first, after in edits:
        if first < 0 or after < first:
            raise ValueError(f"{name}: no edit takes the frames {first} to {after - 1}")
    return Truth(edits, entry.get("frames"), tuple((int(a), str(b)) for a, b in entry.get("shots", ())))
