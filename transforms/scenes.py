"""Scenes and spans: from cuts to the stretches of a video that become clips.

A scene lies between two cuts, from the first clean frame after the one to the first frame that is no longer clean at
the other: the mixed frames of a gradual transition belong to no scene. Its edges may be trimmed, and one longer than
the limit is split where the picture moves least. Spans are half-open in integer PTS, [first frame's PTS, PTS of the
first frame after it), so neighbours at a hard cut touch without sharing a frame and nothing is rounded. A scene that is
too short stays a span: whether it is of use is a quality decision, which leaves a row with the reason; merging it into
a neighbour is an option.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.detect import (
    DETECTORS,
    NEAREST_SECONDS,
    Cut,
    DetectSettings,
    content_scores,
    detect,
    keep_strongest,
    without_inner,
)
from transforms.gradual import Thumbnails
from transforms.settings import setting
from transforms.signals import Signals
from transforms.timeline import black_frames, edge_pts

RULES: Final = 2
"""Version of the rules of this module and the detectors: raised when the same settings would give other spans."""

_BLACK_TAIL_SECONDS: Final = 2.0
"""The longest black beside a gradual transition that goes with it (FFmpeg blackdetect: longer is black footage)."""
_UNTRIMMED: Final = frozenset({"start", "end", "length", "stride"})
_SPLIT_REACH: Final = 0.25
"""How far from an equal division, as a share of the piece, a split may look for the least-moving instant."""


@dataclasses.dataclass(frozen=True)
class CutSettings(DetectSettings):
    """How a video is cut into spans: the detectors' thresholds, and what is done with the scenes between cuts."""

    cut: str = setting("default", "Name of this set of detectors and thresholds; cuts of other names stay beside it.")
    detectors: tuple[str, ...] = setting(
        ("combined",), "Detectors whose cuts are used; several add up.", choices=DETECTORS
    )
    merge_seconds: float = setting(
        0.0, "Scenes shorter than this join the neighbour across the weaker cut (0: none).", unit="s", low=0, high=60
    )
    max_seconds: float = setting(
        60.0,
        "Longest span; longer scenes are split at their least-moving instants.",
        unit="s",
        low=0.5,
        source="Cosmos, Panda-70M (NeMo Curator 10, Movie Gen 16)",
    )
    edge_trim_seconds: float = setting(
        0.0,
        "Time left out on both sides of a cut (never at the ends of the video, splits or strides).",
        unit="s",
        low=0,
        high=10,
        source="off, as cuts are exact to the frame; NeMo Curator and cosmos-curate 0.5, Step-Video 3 frames",
    )


class Span(NamedTuple):
    """A stretch of a video: frames [start_frame, end_frame), time [start_pts, end_pts) in the video's time base."""

    scene: int
    start_frame: int
    end_frame: int
    start_pts: int
    end_pts: int
    start_reason: str
    end_reason: str


def find_cuts(signals: Signals, settings: CutSettings, thumbnails: Thumbnails | None = None) -> list[Cut]:
    """The cuts of all configured detectors together, in order.

    One detector's cuts are taken as they are. Of several, gradual transitions that share frames become one over all
    their frames; hard cuts inside one vanish; hard cuts on the same frame become one, and of those closer than 0.2 s
    the one with the largest change stays. Names are joined.

    Raises:
        ConfigError: An unknown detector, or what one needs is not there.
    """
    found = [cut for name in dict.fromkeys(settings.detectors) for cut in detect(signals, name, settings, thumbnails)]
    if len(set(settings.detectors)) < 2 or not found:
        return found
    if signals.about.scan_cuts is not None:
        return sorted(set(found))
    gradual: list[Cut] = []
    for cut in sorted((cut for cut in found if cut.gradual), key=lambda cut: (cut.end_frame, cut.frame)):
        if gradual and cut.end_frame <= gradual[-1].frame:
            last = gradual[-1]
            later = max(last, cut, key=lambda one: one.frame)
            names = _joined(last.detector.split("+") + cut.detector.split("+"))
            gradual[-1] = last._replace(frame=later.frame, pts=later.pts, detector=names)
        else:
            gradual.append(cut)
    hard: dict[int, list[str]] = {}
    for cut in without_inner((cut for cut in found if not cut.gradual), gradual):
        hard.setdefault(cut.frame, []).extend(cut.detector.split("+"))
    kept = keep_strongest(hard, content_scores(signals, settings.weights), signals.seconds, NEAREST_SECONDS)
    pts = signals["pts"]
    return sorted(gradual + [Cut(f, int(pts[f]), _joined(hard[f]), f, int(pts[f])) for f in kept])


def _joined(names: list[str]) -> str:
    return "+".join(sorted(set(names)))


def _scenes(cuts: list[Cut], count: int) -> list[tuple[int, int]]:
    """Frames [first, end) between the cuts: one scene more than cuts; empty where a video begins or ends mixed."""
    return list(zip([0, *(cut.frame for cut in cuts)], [*(cut.end_frame for cut in cuts), count], strict=True))


def _merged(cuts: list[Cut], signals: Signals, shortest: int, scores: NDArray[np.float64]) -> list[Cut]:
    """Without the weaker cut of every scene shorter than `shortest` ticks, the shortest scene first.

    Only hard cuts go: what a gradual transition mixes is of no one scene.
    """
    pts, cuts = edge_pts(signals), list(cuts)
    while True:
        weak = []
        for scene, (first, end) in enumerate(_scenes(cuts, len(signals))):
            sides = [k for k in (scene - 1, scene) if 0 <= k < len(cuts) and not cuts[k].gradual]
            if sides and pts[end] - pts[first] < shortest:
                weak.append((int(pts[end] - pts[first]), min(sides, key=lambda k: scores[cuts[k].frame])))
        if not weak:
            return cuts
        del cuts[min(weak, key=lambda one: one[0])[1]]


def _trim(span: Span, pts: NDArray[Any], trim: int) -> Span:
    """The span without `trim` ticks at the edges that are cuts; one frame near the middle at least."""
    first, end = span.start_frame, span.end_frame
    if span.start_reason not in _UNTRIMMED:
        first = int(np.searchsorted(pts[:-1], span.start_pts + trim))
    if span.end_reason not in _UNTRIMMED:
        end = int(np.searchsorted(pts, span.end_pts - trim, side="right")) - 1
    if end <= first:
        first = min(max((first + end) // 2, span.start_frame), span.end_frame - 1)
        end = first + 1
    return span._replace(start_frame=first, end_frame=end, start_pts=int(pts[first]), end_pts=int(pts[end]))


def _split(span: Span, pts: NDArray[Any], moved: NDArray[Any], limit: int) -> list[Span]:
    """The span in pieces of at most `limit` ticks, as equal as the least-moving instants allow.

    A single frame that lasts longer than the limit stays whole.
    """
    pieces: list[Span] = []
    rest = span
    while (length := rest.end_pts - rest.start_pts) > limit and rest.end_frame - rest.start_frame > 1:
        count = math.ceil(length / limit)
        ideal = length / count
        low = max(ideal * (1 - _SPLIT_REACH), length - (count - 1) * limit)
        high = min(ideal * (1 + _SPLIT_REACH), limit)
        first = int(np.searchsorted(pts, rest.start_pts + low))
        past = int(np.searchsorted(pts, rest.start_pts + high, side="right"))
        first, past = max(first, rest.start_frame + 1), min(past, rest.end_frame)
        if first < past:
            away = np.abs(pts[first:past] - (rest.start_pts + ideal))
            at = first + int(np.lexsort((away, moved[first:past]))[0])
        else:
            # Frames are sparse here: as many as fit, one at least.
            fit = int(np.searchsorted(pts, rest.start_pts + limit, side="right")) - 1
            at = min(max(fit, rest.start_frame + 1), rest.end_frame - 1)
        pieces.append(rest._replace(end_frame=at, end_pts=int(pts[at]), end_reason="length"))
        rest = rest._replace(start_frame=at, start_pts=int(pts[at]), start_reason="length")
    return [*pieces, rest]


def spans_of(cuts: list[Cut], signals: Signals, settings: CutSettings) -> list[Span]:
    """The spans between cuts: trimmed, and split where longer than `max_seconds`.

    Args:
        cuts: Cuts in order of frames, none on the first frame, gradual ones disjoint.
        signals: The video's signals; no frames give no spans.
        settings: What to do with the scenes.

    Returns:
        Spans in order, disjoint, each with at least one frame; none of a black between a fade and a hard cut. Frames in
        no span are of such a black, of a gradual transition, or trimmed.
    """
    if len(signals) == 0:
        return []
    ticks = signals.about.time_base_den / signals.about.time_base_num
    if settings.merge_seconds > 0:
        scores = content_scores(signals, settings.weights)
        cuts = _merged(cuts, signals, math.ceil(settings.merge_seconds * ticks), scores)
    trim, limit = round(settings.edge_trim_seconds * ticks), max(1, math.floor(settings.max_seconds * ticks))
    pts, moved, black = edge_pts(signals), signals["delta_gray"], black_frames(signals)
    names, fades = ["start", *(cut.detector for cut in cuts), "end"], [False, *(cut.gradual for cut in cuts), False]
    spans: list[Span] = []
    for scene, (first, end) in enumerate(_scenes(cuts, len(signals))):
        tail = (fades[scene] or fades[scene + 1]) and pts[end] - pts[first] <= _BLACK_TAIL_SECONDS * ticks
        if first >= end or (tail and black[first:end].all()):
            continue
        span = Span(scene, first, end, int(pts[first]), int(pts[end]), names[scene], names[scene + 1])
        spans += _split(_trim(span, pts, trim), pts, moved, limit)
    return spans


def find_spans(signals: Signals, settings: CutSettings, thumbnails: Thumbnails | None = None) -> list[Span]:
    """The spans of a video from what was stored of it: `spans_of` the cuts of `find_cuts`."""
    return spans_of(find_cuts(signals, settings, thumbnails), signals, settings)
