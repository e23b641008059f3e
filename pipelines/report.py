"""The report of a run: what came in, what became of it, and what it cost.

Every count is made from rows that were written, held against counts taken where the elements entered: in = kept +
dropped + failed, for every step. A run whose balance does not add up fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DONE, FAILURES, REFUSED = "done", "failures", "refused"
"""How a run ends: everything well; well with failures recorded; over the failure ratio, so only failures were
written."""


_OF_THEIR_OWN = ("list", "audio", "clip_files", "caption", "speech")
_GENERATED = {"request": "requests", "asset": "assets"}
"""Steps of failures that have a line of the balance to themselves; what else fails is a source."""


@dataclass(frozen=True)
class Step:
    """One line of the balance.

    Attributes:
        step: What went through: `list`, `sources`, `videos`, `audio`, `clips`, `clip_files`, `captions`,
            `transcripts`, `requests`, `assets`.
        came: Elements that came in.
        kept: Elements that went on.
        dropped: Elements left out on purpose, by reason. Reasons of one element may be several: see `dropped_total`.
        dropped_total: Elements left out on purpose.
        failed: Elements that could not be used, by class.
    """

    step: str
    came: int
    kept: int
    dropped: Mapping[str, int]
    dropped_total: int
    failed: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        """Whether in = kept + dropped + failed."""
        return self.came == self.kept + self.dropped_total + sum(self.failed.values())

    def to_json(self) -> dict[str, Any]:
        """As it stands in `report.json`."""
        return {
            "in": self.came,
            "kept": self.kept,
            "dropped": dict(self.dropped),
            "dropped_total": self.dropped_total,
            "failed": dict(self.failed),
        }


def _sum(summaries: Sequence[Mapping[str, Any]], name: str) -> Any:
    return sum(s.get(name, 0) for s in summaries)


def _add(summaries: Sequence[Mapping[str, Any]], name: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for summary in summaries:
        for word, count in summary.get(name, {}).items():
            total[word] = total.get(word, 0) + count
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def balance(tally: Mapping[str, int], summaries: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Step]:
    """The balance of a run.

    Args:
        tally: Counts taken where elements entered a step (`list.in`, `sources.in`, `clips.in`, ...).
        summaries: For each table, `merge.summarise` of every bucket's new rows.
    """
    by_step: dict[str, dict[str, int]] = {}
    for name, count in _add(summaries.get("failures", ()), "classes").items():
        step, _, error_class = name.partition("/")
        place = step if step in (*_OF_THEIR_OWN, *_GENERATED) else "sources"
        by_step.setdefault(place, {})[error_class] = by_step.get(place, {}).get(error_class, 0) + count
    rows = {table: _sum(found, "rows") for table, found in summaries.items()}
    clips = summaries.get("clips", ())
    steps = []
    if "list.in" in tally:
        repeated = tally.get("list.repeated", 0)
        steps.append(
            Step(
                "list",
                tally["list.in"],
                tally.get("sources.in", 0),
                {"repeated": repeated} if repeated else {},
                repeated,
                by_step.get("list", {}),
            )
        )
    if "sources.in" in tally:
        denied = _sum(summaries.get("verdicts", ()), "denied")
        dropped = {"denied": denied} if denied else {}
        kept = rows.get("sources", 0)
        steps.append(Step("sources", tally["sources.in"], kept, dropped, denied, by_step.get("sources", {})))
        same = rows.get("sources", 0) - rows.get("videos", 0)
        steps.append(
            Step(
                "videos",
                tally.get("sources.out", 0),
                rows.get("videos", 0),
                {"same_bytes": same} if same else {},
                same,
                {},
            )
        )
    elif "screened.in" in tally:
        denied = _sum(summaries.get("verdicts", ()), "denied")
        dropped = {"denied": denied} if denied else {}
        decided = _sum(summaries.get("verdicts", ()), "sources")
        steps.append(Step("screened", tally["screened.in"], decided - denied, dropped, denied, {}))
    elif "videos.in" in tally:
        steps.append(
            Step("videos", tally.get("videos.in", 0), tally.get("videos.out", 0), {}, 0, by_step.get("sources", {}))
        )
    if clips or "clips.in" in tally:
        kept = _sum(clips, "kept")
        withheld = _sum(clips, "withheld")
        dropped = _add(clips, "reasons") | ({"withheld": withheld} if withheld else {})
        left_out = rows.get("clips", 0) - kept + withheld
        steps.append(Step("clips", _sum(clips, "expected"), kept, dropped, left_out, {}))
        if tally.get("clip_files.wanted"):
            files, failed = _sum(clips, "files"), _add(clips, "files_failed")
            uncut = kept - files - sum(failed.values())
            steps.append(Step("clip_files", kept, files, {"not_cut": uncut} if uncut else {}, uncut, failed))
    if clips or "clips.in" in tally or "captions.asked" in tally:
        steps.append(_texts("captions", tally, summaries, by_step.get("caption", {})))
    if "transcripts.asked" in tally:
        steps.append(_texts("transcripts", tally, summaries, by_step.get("speech", {})))
    for failing, step in _GENERATED.items():
        if f"{step}.in" in tally:
            kept = _sum(summaries.get(step, ()), "kept")
            left = f"{step}.dropped."
            dropped = {name.removeprefix(left): n for name, n in sorted(tally.items()) if name.startswith(left)}
            total = sum(dropped.values())
            steps.append(Step(step, tally[f"{step}.in"], kept, dropped, total, by_step.get(failing, {})))
    return steps


def _texts(
    step: str, tally: Mapping[str, int], summaries: Mapping[str, Sequence[Mapping[str, Any]]], failed: Mapping[str, int]
) -> Step:
    """The balance of captions or transcripts: what was written, and what models were asked for and did not give."""
    found = summaries.get(step, ())
    written, rows = _sum(found, "expected"), _sum(found, "rows")
    missing = tally.get(f"{step}.asked", 0) - tally.get(f"{step}.answered", 0)
    kept = _sum(found, "kept") if step == "captions" else rows
    withheld = tally.get(f"{step}.withheld", 0) + _sum(found, "withheld")
    dropped = _add(found, "reasons") | ({"withheld": withheld} if withheld else {})
    return Step(step, written + missing, kept, dropped, rows - kept + withheld, failed)


def problems(steps: Sequence[Step], merge_problems: Sequence[str]) -> list[str]:
    """What does not add up, in words."""
    found = [p for p in merge_problems if p]
    for step in steps:
        if not step.adds_up:
            failed = sum(step.failed.values())
            found.append(
                f"{step.step}: in {step.came} is not kept {step.kept} + dropped {step.dropped_total} + failed {failed}"
            )
    return found


def over_ratio(step: Step, ratio: float, unreachable_ratio: float, least: int) -> str:
    """Whether more of something failed than the run may bear, in words; empty when not.

    Args:
        step: The balance of `sources`, `captions` or `transcripts`.
        ratio: Largest share of failed ones, unreachable ones aside.
        unreachable_ratio: Largest share of those that could not be reached.
        least: Fewer failures than this never stop a run.
    """
    what = step.step if step.step in ("captions", "transcripts") else "sources"
    away = step.failed.get("unreachable", 0)
    other = sum(step.failed.values()) - away
    for count, limit, words, option in (
        (other, ratio, "failed", "--failure-ratio"),
        (away, unreachable_ratio, "could not be reached", "--unreachable-ratio"),
    ):
        if count >= least and count > limit * step.came:
            return (
                f"{count} of {step.came} {what} {words}, over {option} {limit:g}:"
                " only `failures` and `runs` were written. "
                f"What was measured stays in the store; mend the cause or raise {option} and run again"
            )
    return ""
