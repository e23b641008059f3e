"""Scenes and spans: from cuts to the stretches of a video that become clips.

A scene lies between two cuts. Its edges may be trimmed, and one longer than the limit is split where the picture moves
least. Spans are half-open in integer PTS, [first frame's PTS, PTS of the first frame after it), so neighbours touch
without sharing a frame and nothing is rounded. A scene that is too short stays a span: whether it is of use is a
quality decision, which leaves a row with the reason; merging it into a neighbour is an option.
"""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.detect import DETECTORS, Cut, DetectSettings, content_scores, detect, keep_strongest
from transforms.settings import setting
from transforms.signals import Signals

RULES: Final = 1
"""Version of the rules of this module and `detect`: raised when the same settings would give other spans."""

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


def find_cuts(signals: Signals, settings: CutSettings) -> list[Cut]:
    """The cuts of all configured detectors together, in order.

    One detector's cuts are taken as they are. Of several, cuts on the same frame become one with joined names, and of
    cuts closer than `flash_seconds` the one with the largest change stays.

    Raises:
        ConfigError: An unknown detector.
    """
    found = [cut for name in dict.fromkeys(settings.detectors) for cut in detect(signals, name, settings)]
    if len(set(settings.detectors)) < 2 or not found:
        return found
    names: dict[int, list[str]] = {}
    for cut in found:
        names.setdefault(cut.frame, []).extend(cut.detector.split("+"))
    scores, seconds = content_scores(signals, settings.weights), signals.seconds
    kept = keep_strongest(names, scores, seconds, settings.flash_seconds)
    return [Cut(frame, int(signals["pts"][frame]), "+".join(sorted(set(names[frame])))) for frame in kept]


def edge_pts(signals: Signals) -> NDArray[np.int64]:
    """PTS of every frame's start, and of the end of the last: shape (frames + 1,)."""
    return np.append(signals["pts"], signals.ends[-1:])


def _merged(cuts: list[Cut], signals: Signals, shortest: int, scores: NDArray[np.float64]) -> list[Cut]:
    """Without the weaker cut of every scene shorter than `shortest` ticks, the shortest scene first."""
    pts, cuts = edge_pts(signals), list(cuts)
    while cuts:
        lengths = np.diff(pts[[0, *(cut.frame for cut in cuts), len(signals)]])
        scene = int(np.argmin(lengths))
        if lengths[scene] >= shortest:
            break
        sides = [k for k in (scene - 1, scene) if 0 <= k < len(cuts)]
        del cuts[min(sides, key=lambda k: scores[cuts[k].frame])]
    return cuts


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
        cuts: Cuts in order of frames, none on the first frame.
        signals: The video's signals; no frames give no spans.
        settings: What to do with the scenes.

    Returns:
        Spans in order, disjoint, each with at least one frame. Without trims they cover every frame.
    """
    if len(signals) == 0:
        return []
    ticks = signals.about.time_base_den / signals.about.time_base_num
    if settings.merge_seconds > 0:
        scores = content_scores(signals, settings.weights)
        cuts = _merged(cuts, signals, math.ceil(settings.merge_seconds * ticks), scores)
    trim, limit = round(settings.edge_trim_seconds * ticks), max(1, math.floor(settings.max_seconds * ticks))
    pts, moved = edge_pts(signals), signals["delta_gray"]
    edges = [(0, "start"), *((cut.frame, cut.detector) for cut in cuts), (len(signals), "end")]
    spans: list[Span] = []
    for scene, ((first, opened), (end, closed)) in enumerate(pairwise(edges)):
        span = Span(scene, first, end, int(pts[first]), int(pts[end]), opened, closed)
        spans += _split(_trim(span, pts, trim), pts, moved, limit)
    return spans


def find_spans(signals: Signals, settings: CutSettings) -> list[Span]:
    """The spans of a video from its signals alone: `spans_of` the cuts of `find_cuts`."""
    return spans_of(find_cuts(signals, settings), signals, settings)
