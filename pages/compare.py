"""Compare: two captioners as one page, in one file that needs nothing else, for choosing between them.

It shows what `pages.writers` counted, and of the clips it chose the stored frames with both captions beside each other.
What cannot be read is left out and the rest is shown.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from captioning.agreement import conflicts, marked, told
from captioning.checks import FLAGS
from pages import rendering
from pages.contact import thumbnail
from pages.report import policy
from pages.stored import FAULTS
from pages.writers import ORDERS, Compared, Floats, Shown, Side, Writer
from transforms import storage, tables
from transforms.ranged import opened
from transforms.samples import Samples

FRAMES: Final = 4
"""Frames of a clip, spread over it."""
WIDTH: Final = 320
HEIGHT: Final = 96
"""Size of a histogram, in its own units."""

_BARS: Final = 24
_TAIL: Final = 0.95
"""Share of each one's captions whose words a histogram spans; longer ones count in its last bar."""
_READERS: Final = 8
_SCRIPTS: Final = ("theme.js", "compare.js")
_CLIP: Final = (
    *("clip_id", "video_id", "start_pts", "end_pts", "time_base_num", "time_base_den"),
    *("start_seconds", "seconds"),
)


class Spread(NamedTuple):
    """The middle of some numbers, and the span of nine tenths of them."""

    low: float
    middle: float
    high: float
    mean: float


class Histogram(NamedTuple):
    """Two distributions over one another, as shares, so that unequal numbers compare.

    Attributes:
        title: As a heading.
        outlines: Of each an SVG path over `WIDTH` by `HEIGHT`; empty where there is nothing.
        ticks: Places along the width and what stands there.
        most: Share of the highest bar.
        spreads: Of each; None where there is nothing.
    """

    title: str
    outlines: tuple[str, ...]
    ticks: tuple[tuple[float, str], ...]
    most: float
    spreads: tuple[Spread | None, ...]


def spread(values: Floats) -> Spread | None:
    """The spread of numbers; None of nothing."""
    if not len(values):
        return None
    low, middle, high = (float(value) for value in np.quantile(values, (0.05, 0.5, 0.95)))
    return Spread(low, middle, high, float(values.mean()))


def histogram(title: str, sets: Sequence[Floats], edges: Floats) -> Histogram:
    """Draw sets of numbers over one another.

    Args:
        title: A heading.
        sets: Numbers; what lies outside the edges counts in the outermost bars.
        edges: Edges of the bars, increasing.
    """
    counts = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / max(1, len(values)) for values in sets]
    most = max(float(shares.max()) for shares in counts)
    across = np.linspace(0, WIDTH, len(edges))
    outlines = []
    for values, shares in zip(sets, counts, strict=True):
        steps = [f"V{HEIGHT * (1 - share / most):.1f}H{x:.1f}" for share, x in zip(shares, across[1:], strict=True)]
        outlines.append(f"M0 {HEIGHT}{''.join(steps)}V{HEIGHT}Z" if len(values) else "")
    beyond = any(values.max() > edges[-1] for values in sets if len(values))
    ticks = tuple(
        (
            WIDTH * part,
            rendering.number(float(edges[0] + part * (edges[-1] - edges[0])), 2) + "+" * (beyond and part == 1),
        )
        for part in (0, 0.5, 1)
    )
    return Histogram(title, tuple(outlines), ticks, most, tuple(spread(values) for values in sets))


def histograms(found: Compared) -> dict[str, Histogram]:
    """What there is to draw: agreement of clips with both, words of each, and scores where there are any."""
    drawn = {}
    if len(found.agreement):
        drawn["agreement"] = histogram("Agreement", [found.agreement], np.linspace(0, 1, 21))
    words = [side.words for side in found.sides]
    every = np.concatenate(words)
    if len(every):
        low, high = int(every.min()), int(max(np.quantile(one, _TAIL) for one in words if len(one)))
        step = max(1, -(-(high - low + 1) // _BARS))
        drawn["words"] = histogram("Words", words, np.arange(low, high + 2 * step, step, dtype=np.float64))
    scores = [side.scores for side in found.sides]
    every = np.concatenate(scores)
    if len(every):
        low_score, high_score = float(every.min()), float(every.max())
        edges = np.linspace(low_score, max(high_score, low_score + 0.01), _BARS + 1)
        drawn["score"] = histogram("Score", scores, edges)
    return drawn


class Line(NamedTuple):
    """A line of the table of figures: its name, what both have, and what it means."""

    name: str
    values: tuple[str, str]
    meaning: str = ""


def figures(sides: tuple[Side, Side]) -> list[Line]:
    """The table of figures."""

    def both(name: str, values: Iterable[str], meaning: str = "") -> Line:
        one, other = values
        return Line(name, (one, other), meaning)

    def share(part: float, side: Side) -> str:
        return rendering.percent(part / side.captions) if side.captions else rendering.number(None)

    lines = [
        both("captions", (rendering.count(s.captions) for s in sides)),
        both("kept", (share(s.kept, s) for s in sides), "No check dropped them."),
    ]
    for flag, meaning in FLAGS.items():
        if any(s.flags[flag] for s in sides):
            drops = " It drops a caption." if any(s.reasons[flag] for s in sides) else ""
            lines.append(
                both(f"flag {flag}", (share(s.flags[flag], s) for s in sides), (meaning + drops).replace("`", ""))
            )
    spreads = [spread(s.words) for s in sides]
    lines += [
        both("words", (_spread(one) for one in spreads), "Median, and the span of nine tenths."),
        both("distinct texts", (rendering.count(s.texts) for s in sides), "Whatever case and punctuation."),
        both("vocabulary", (rendering.count(len(s.vocabulary)) for s in sides), "Distinct words, grammar aside."),
    ]
    for language in sorted({name for s in sides for name in s.languages}):
        lines.append(both(f"language {language}", (share(s.languages[language], s) for s in sides)))
    for name, title in (("tokens_in", "tokens read"), ("tokens_out", "tokens written")):
        means = [s.mean(name) for s in sides]
        if any(mean is not None for mean in means):
            lines.append(both(title, map(rendering.number, means), "Of a caption, on average."))
    costs = [s.mean("cost") for s in sides]
    if any(cost is not None for cost in costs):
        per = (None if cost is None else 1000 * cost for cost in costs)
        lines.append(both("cost", (rendering.number(c) for c in per), "US dollars for 1,000 captions."))
    scores = [spread(s.scores) for s in sides]
    if any(scores):
        lines.append(both("score", (_spread(one) for one in scores), "Median, and the span of nine tenths."))
        lines.append(both("score, mean", (rendering.number(one.mean if one else None) for one in scores)))
    return lines


def scorers(sides: tuple[Side, Side]) -> list[str]:
    """Who scored the captions of both, as their settings tell it; scores of different ones cannot be compared."""
    found = set()
    for settings in {name for side in sides for name in side.signed["settings"]}:
        try:
            told_of = json.loads(settings)["scorer"]
            found.add(" ".join(str(told_of[name]) for name in ("name", "model", "revision")))
        except (ValueError, TypeError, KeyError):
            continue  # It names none.
    return sorted(found)


def _spread(found: Spread | None) -> str:
    if found is None:
        return rendering.number(None)
    low, middle, high = (rendering.number(value, 2) for value in found[:3])
    return f"{middle} ({low} to {high})"


def _pairs(corpus: tables.Corpus, found: Compared, number: int | None) -> list[dict[str, Any]]:
    """The clips of all samples, each once, in the order of the first sample it is in."""
    ranks: dict[str, dict[str, int]] = {}
    shown: dict[str, Shown] = {}
    for order in ORDERS:
        for rank, one in enumerate(found.samples[order]):
            clip_id = one.rows[0]["clip_id"]
            ranks.setdefault(clip_id, {})[order] = rank
            shown[clip_id] = one
    clips = {row["clip_id"]: row for row in _rows(corpus, "clips", _CLIP, "clip_id", list(ranks), number)}
    videos = sorted({row["video_id"] for row in clips.values()})
    stored = {
        row["video_id"]: row["measure_uri"]
        for row in _rows(corpus, "videos", ("video_id", "measure_uri"), "video_id", videos, number)
    }
    sources = sorted(_rows(corpus, "sources", ("uri", "video_id"), "video_id", videos, number), key=lambda r: r["uri"])
    names = {row["video_id"]: storage.redact(row["uri"]) for row in reversed(sources)}
    frames = pictures(corpus.root, clips.values(), stored)
    pairs = []
    for clip_id, one in shown.items():
        tells = [told(row["text"]) for row in one.rows]
        pairs.append({
            "clip": clips.get(clip_id), "clip_id": clip_id, "ranks": ranks[clip_id], "agreement": one.agreement,
            "source": names.get(one.rows[0]["video_id"], ""), "frames": frames.get(clip_id, []),
            "conflicts": conflicts(*tells),
            "sides": [
                {**row, "pieces": marked(row["text"], other)}
                for row, other in zip(one.rows, reversed(tells), strict=True)
            ],
        })  # fmt: skip
    return pairs


def _rows(
    corpus: tables.Corpus, table: str, columns: Sequence[str], key: str, values: Sequence[str], number: int | None
) -> list[dict[str, Any]]:
    here = ds.field(key).isin(pa.array(values, pa.string()))
    found: list[dict[str, Any]] = tables.read(corpus, table, number, columns, here).to_pylist()
    return found


def pictures(
    root: str, clips: Iterable[Mapping[str, Any]], stored: Mapping[str, str | None]
) -> dict[str, list[tuple[float, str]]]:
    """Thumbnails of some frames of each clip, by its id: seconds from its start, and a data URI.

    Args:
        root: The output folder.
        clips: Rows of `clips`.
        stored: The `measure_uri` of each video.
    """
    by_video = {
        video: list(mine)
        for video, mine in itertools.groupby(sorted(clips, key=lambda c: c["video_id"]), lambda c: c["video_id"])
    }

    def read(video: str) -> dict[str, list[tuple[float, str]]]:
        folder = stored.get(video) or ""
        found: dict[str, list[tuple[float, str]]] = {}
        # A table may be anybody's: what does not lie in the store is not opened.
        if not folder.startswith("store/") or ".." in folder.split("/"):
            return found
        try:
            with opened(storage.join(root, *folder.split("/"), "samples.zip")) as file, Samples(file) as samples:
                every = sorted(entry.pts for entry in samples.frames)
                for clip in by_video[video]:
                    inside = [pts for pts in every if clip["start_pts"] <= pts < clip["end_pts"]]
                    found[clip["clip_id"]] = [(_seconds(p, clip), thumbnail(samples.jpeg(p))) for p in some(inside)]
        except FAULTS:
            return found
        return found

    with ThreadPoolExecutor(_READERS) as threads:
        return {clip_id: shown for one in threads.map(read, by_video) for clip_id, shown in one.items()}


def some(frames: Sequence[int]) -> list[int]:
    """At most `FRAMES` of a clip's frames, each from the middle of its part of the clip."""
    return [
        frames[k] for k in sorted({(2 * n + 1) * len(frames) // (2 * FRAMES) for n in range(FRAMES)} if frames else ())
    ]


def _seconds(pts: int, clip: Mapping[str, Any]) -> float:
    seconds: float = (pts - clip["start_pts"]) * clip["time_base_num"] / clip["time_base_den"]
    return seconds


def render_compare(
    corpus: tables.Corpus, kind: str, pair: tuple[Writer, Writer], found: Compared, number: int | None = None
) -> bytes:
    """The page about two captioners: HTML in UTF-8, with everything it needs inside.

    Args:
        corpus: The output folder.
        kind: Kind of caption.
        pair: The two.
        found: What was counted of them.
        number: The snapshot that was counted; None is the latest.

    Raises:
        ConfigError: No such snapshot, or its parts are gone.
        ElementError: The storage of the output folder does not answer.
    """
    at = tables.snapshot(corpus, number)
    root = storage.redact(corpus.root)
    page = rendering.render(
        "compare.html.j2",
        policy=policy([rendering.asset_text(name) for name in _SCRIPTS]),
        root=root,
        names=[str(one if pair[0][:2] == pair[1][:2] else one._replace(prompt_version="")) for one in pair],
        explain=f"rushes explain {shlex.quote(root)}" + (f" --snapshot {number}" if number is not None else ""),
        snapshot=at,
        kind=kind,
        writers=list(zip("AB", pair, found.sides, strict=True)),
        found=found,
        both=len(found.agreement),
        same=int((found.agreement == 1.0).sum()),
        middle=spread(found.agreement),
        scored=sum(found.higher),
        scorers=scorers(found.sides),
        figures=figures(found.sides),
        drawn=histograms(found),
        size=(WIDTH, HEIGHT),
        pairs=_pairs(corpus, found, number),
    )
    return page.encode()
