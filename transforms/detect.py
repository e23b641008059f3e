"""Detectors: which frames open a new shot, decided from what was stored.

A single detector is PySceneDetect's own decision code fed with the numbers that one decode left behind, so that
changing a threshold reads no footage. Its frame arithmetic is replaced, its decisions are not: `content` and `adaptive`
get their score from stored sums of HSV and edge changes, `threshold` its mean level, `hash` its 64 bits. Times are the
frames' own PTS, so that lengths in seconds hold where the frame rate varies. `gradual` finds dissolves, wipes and fades
with their ends (`transforms.gradual`), `transnetv2` asks a neural network (`transforms.transnet`).

`combined` is the default and this project's own: a vote for hard cuts over the same signals (see `_votes`), and
`gradual`. A single detector of PySceneDetect gives what its command line gives, flashes included.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scenedetect.common import FrameTimecode, Timecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, ThresholdDetector

from transforms.gradual import Thumbnails, find_gradual
from transforms.settings import ConfigError, setting
from transforms.signals import Signals, hash_bits, hash_distance
from transforms.timeline import (
    Floats,
    Mask,
    Views,
    average_rate,
    black_frames,
    colour_change,
    edge_pts,
    runs,
)
from transforms.transnet import find_shots

_CLI: Final = "PySceneDetect 0.7.2 command line"


class Cut(NamedTuple):
    """Where one shot ends and the next begins.

    Attributes:
        frame: First frame that is wholly of the new shot, from 0; the number of frames where the video fades out at its
            end.
        pts: Its PTS; the end of the last frame where there is no such frame.
        detector: Who found it, several names joined by `+`; of a gradual transition its kind: `dissolve`, `wipe`,
            `fade` (`transnetv2` does not tell kinds).
        end_frame: First frame that is no longer wholly of the shot before: `frame` itself at a hard cut.
        end_pts: Its PTS.
    """

    frame: int
    pts: int
    detector: str
    end_frame: int
    end_pts: int

    @property
    def gradual(self) -> bool:
        """Frames lie between the two shots that are of neither."""
        return self.end_frame < self.frame


@dataclasses.dataclass(frozen=True)
class DetectSettings:
    """Thresholds of the detectors."""

    content_threshold: float = setting(
        27.0, "Mean HSV change that `content` takes for a cut.", low=0, high=255, source=_CLI
    )
    adaptive_threshold: float = setting(
        3.0,
        "How many times its neighbours' mean a frame's change must be for `adaptive`.",
        low=0,
        high=255,
        source=_CLI,
    )
    adaptive_min_content: float = setting(
        15.0, "Smallest change that `adaptive` may take for a cut.", low=0, high=255, source=_CLI
    )
    adaptive_window: int = setting(
        2, "Neighbours on each side that `adaptive` averages.", unit="frames", low=1, high=100, source=_CLI
    )
    weights: tuple[float, ...] = setting(
        (1.0, 1.0, 1.0, 0.0), "Weights of the change in hue, saturation, lightness and edges.", source=_CLI
    )
    fade_threshold: float = setting(
        12.0, "Mean level below which `threshold` sees black.", low=0, high=255, source=_CLI
    )
    fade_bias: float = setting(
        0.0, "Where in the black `threshold` cuts: -1 its start, 0 its middle, 1 its end.", low=-1, high=1, source=_CLI
    )
    fade_min_seconds: float = setting(
        0.1, "Shortest black that `threshold` takes for a fade.", unit="s", low=0, source=_CLI
    )
    hash_threshold: float = setting(
        0.35, "Share of differing hash bits that `hash` takes for a cut.", low=0, high=1, source=_CLI
    )
    min_gap_seconds: float = setting(
        0.6,
        "Shortest time between two cuts of one detector, to the nearest frame (not of `combined`).",
        unit="s",
        low=0,
        source=_CLI,
    )
    flash_seconds: float = setting(
        0.4,
        "A disturbance at most this long after which the same picture returns is no cut (`combined` only; 0: off).",
        unit="s",
        low=0,
        high=2,
    )
    transnet_threshold: float = setting(
        0.5,
        "Probability from which `transnetv2` takes a frame for part of a transition.",
        low=0.01,
        high=0.99,
        source="TransNetV2 (NeMo Curator and cosmos-curate 0.4)",
    )
    stride_seconds: float = setting(
        10.0,
        "Length of the pieces that `stride` cuts.",
        unit="s",
        low=0.1,
        source="NeMo Curator, cosmos-curate, Data-Juicer",
    )


class _Content(ContentDetector):
    """`ContentDetector` whose frame is already its score."""

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Any) -> float:
        return float(frame_img)


class _Adaptive(AdaptiveDetector):
    """`AdaptiveDetector` whose frame is already its score."""

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Any) -> float:
        return float(frame_img)


class _Hash(HashDetector):
    """`HashDetector` whose frame is already its 8x8 bits."""

    @staticmethod
    def hash_frame(frame_img: Any, hash_size: int, factor: int) -> Any:
        return frame_img


def content_scores(signals: Signals, weights: Iterable[float] = (1.0, 1.0, 1.0, 0.0)) -> Floats:
    """The score that `content` compares, for each frame against the one before: weighted mean HSV change, 0 to 255."""
    weights = tuple(weights)
    # The order of the additions is PySceneDetect's, so that the last bit of a score is the same.
    total = np.zeros(len(signals))
    for name, weight in zip(("delta_hue", "delta_sat", "delta_lum", "delta_edges"), weights, strict=True):
        part = signals.mean(name)
        part *= weight
        total += part
    total /= sum(abs(weight) for weight in weights)
    return total


def _min_gap(signals: Signals, settings: DetectSettings) -> int:
    # As the command line does: seconds to the nearest frame. PySceneDetect compares it with times, rounded alike.
    return round(settings.min_gap_seconds * average_rate(signals))


def _run(signals: Signals, detector: Any, frames: Iterable[Any]) -> list[int]:
    """Drive a PySceneDetect detector over stand-in frames: the indices of its cuts."""
    pts, about = signals["pts"], signals.about
    base, rate = Fraction(about.time_base_num, about.time_base_den), average_rate(signals)
    times = [int(p) for p in pts - pts[0]]
    found: list[FrameTimecode] = []
    position = FrameTimecode(Timecode(0, base), rate)
    for time, frame in zip(times, frames, strict=True):
        position = FrameTimecode(Timecode(time, base), rate)
        found += detector.process_frame(position, frame)
    found += detector.post_process(position)
    # A cut is one of the times given, or (fades) a frame number at the average rate: the frame nearest to it.
    seconds = signals.seconds
    middles = (seconds[1:] + seconds[:-1]) / 2
    return sorted({int(np.searchsorted(middles, cut.seconds)) for cut in found} - {0})


def _content(signals: Signals, settings: DetectSettings) -> list[int]:
    detector = _Content(settings.content_threshold, _min_gap(signals, settings))
    return _run(signals, detector, content_scores(signals, settings.weights))


def _adaptive(signals: Signals, settings: DetectSettings) -> list[int]:
    detector = _Adaptive(
        settings.adaptive_threshold,
        _min_gap(signals, settings),
        settings.adaptive_window,
        settings.adaptive_min_content,
    )
    return _run(signals, detector, content_scores(signals, settings.weights))


def _threshold(signals: Signals, settings: DetectSettings) -> list[int]:
    detector = ThresholdDetector(
        settings.fade_threshold,
        _min_gap(signals, settings),
        settings.fade_bias,
        add_final_scene=True,
        min_out_length=FrameTimecode(float(settings.fade_min_seconds), average_rate(signals)),
    )
    sums = signals["blue"].astype(np.int64) + signals["green"] + signals["red"]
    # The detector takes the mean of what it is given: a frame of one value, which is the mean.
    return _run(signals, detector, (sums / (3.0 * signals.pixels))[:, None])


def _hash(signals: Signals, settings: DetectSettings) -> list[int]:
    detector = _Hash(settings.hash_threshold, min_scene_len=_min_gap(signals, settings))
    return _run(signals, detector, hash_bits(signals["hash"]))


def _stride(signals: Signals, settings: DetectSettings) -> list[int]:
    seconds = signals.seconds
    marks = np.arange(settings.stride_seconds, seconds[-1], settings.stride_seconds)
    # Half a tick of slack: a frame meant for the mark may lie a rounding before it.
    tick = signals.about.time_base_num / signals.about.time_base_den
    return sorted(set(np.searchsorted(seconds, marks - tick / 2).tolist()) - {0, len(seconds)})


_FLAT_CHANGE: Final = 20.0
_LEAST_CHANGE: Final = 4.0
_LEAST_BITS: Final = 12
_HASH_BITS: Final = 64
_STANDS_OUT: Final = 2.0
"""Constants of `combined`, in 8-bit levels, bits of 64 and ratios. Measured on known cuts (`benchmarks/eval_cuts.py`):
true cuts change mean luma by 24 levels or more and at least 22 bits; keyframe pulses and noise in dark pictures, which
`content` and `adaptive` take for cuts, at most 10 levels and 8 bits."""
NEAREST_SECONDS: Final = 0.2
"""Of cuts nearer to each other the strongest stays."""
_BLACK_CONTRAST: Final = 3.0
_BLACK_LEVEL: Final = 8.0
"""Contrast and mean level that a black stretch falls to, in levels; dark scenes seldom do."""


def _neighbour_ratio(scores: Floats, window: int) -> Floats:
    """Each score over the mean of `window` neighbours on each side (0 beyond the ends)."""
    padded = np.pad(scores, window)
    ratio = np.zeros(len(scores))
    for k in range(2 * window + 1):
        ratio += padded[k : k + len(scores)]
    ratio -= scores
    ratio /= 2.0 * window
    np.divide(scores, np.maximum(ratio, 1e-5, out=ratio), out=ratio)
    return np.minimum(ratio, 255.0, out=ratio)


def _returns(frame: int, reach: int, views: Views) -> bool:
    """Whether a view from shortly before `frame` comes back shortly after: a flash, a dropped picture, a glitch.

    Up to `reach` disturbed frames lie between the two, and `frame` opens or follows the disturbance.
    """
    before = np.arange(max(0, frame - reach - 1), frame)
    after = np.arange(frame, min(frame + reach, len(views) - 1) + 1)
    gaps = after[None, :] - before[:, None] - 1
    rows, columns = np.nonzero((gaps >= 1) & (gaps <= reach))
    return bool(views.same(before[rows], after[columns]).any())


def keep_strongest(frames: Iterable[int], scores: Floats, seconds: Floats, gap: float) -> list[int]:
    """Of frames nearer than `gap` seconds to each other (or to the start) only the ones with the largest score."""
    kept: list[int] = []
    for frame in sorted(frames, key=lambda f: (-scores[f], f)):
        at = bisect_left(kept, frame)
        beside = [0, *kept[max(0, at - 1) : at + 1]]
        if all(abs(seconds[frame] - seconds[other]) >= gap for other in beside):
            kept.insert(at, frame)
    return kept


def _another(signals: Signals, turned: NDArray[np.uint8]) -> Mask:
    """Frames whose picture is another one than that before: by structure (hash bits turned), light or mean colour."""
    light = signals.mean("delta_gray")
    other = ((turned >= _LEAST_BITS) & (light >= _LEAST_CHANGE)) | (light >= _FLAT_CHANGE)
    other[1:] |= colour_change(signals) >= _FLAT_CHANGE
    return np.asarray(other)


def _votes(signals: Signals, settings: DetectSettings) -> dict[int, str]:
    """Hard cuts by vote, with who voted for each.

    A hard cut is a change that `adaptive` sees, or that both `content` and `hash` see and that is twice its
    neighbours'; and the picture must really be another one: by structure (hash bits), by light, or by mean colour.
    Keyframe pulses and chroma noise in the dark pass the first test and fail the second. Flashes are taken out
    (`_returns`), and inside black nothing is a cut.
    """
    scores = content_scores(signals, settings.weights)
    ratio = _neighbour_ratio(scores, settings.adaptive_window)
    hashes = signals["hash"]
    turned = np.concatenate([np.zeros(1, np.uint8), hash_distance(hashes[1:], hashes[:-1])])
    votes = {
        "adaptive": (scores >= settings.adaptive_min_content) & (ratio >= settings.adaptive_threshold),
        "content": scores >= settings.content_threshold,
        "hash": turned / _HASH_BITS >= settings.hash_threshold,
    }
    seen = votes["adaptive"] | (votes["content"] & votes["hash"] & (ratio >= _STANDS_OUT))
    black = black_frames(signals)
    between = ~(black & np.roll(black, 1))
    candidates = np.flatnonzero(seen & _another(signals, turned) & between).tolist()
    if settings.flash_seconds > 0:
        reach = max(1, round(settings.flash_seconds * average_rate(signals)))
        views = Views(signals)
        candidates = [frame for frame in candidates if not _returns(frame, reach, views)]
    kept = keep_strongest(candidates, scores, signals.seconds, NEAREST_SECONDS)
    return {frame: "+".join(name for name, vote in votes.items() if vote[frame]) for frame in kept}


def _black_edges(signals: Signals, least: float) -> list[int]:
    """First frames of black stretches of at least `least` seconds, and first frames after them."""
    ends, contrast, light = np.append(signals.seconds, np.inf), signals.contrast, signals.mean("gray")
    found: set[int] = set()
    for first, past in runs(black_frames(signals)):
        lasts = min(ends[past], ends[-2]) - ends[first]
        black = contrast[first:past].min() <= _BLACK_CONTRAST and light[first:past].min() <= _BLACK_LEVEL
        if black and lasts >= least:
            found |= {first, past} - {0, len(signals)}
    return sorted(found)


def _hard(signals: Signals, frame: int, names: str) -> Cut:
    pts = int(signals["pts"][frame])
    return Cut(frame, pts, names, frame, pts)


def _gradual(signals: Signals, settings: DetectSettings, thumbnails: Thumbnails | None) -> list[Cut]:
    """`gradual`: between the hard cuts of the vote."""
    pts = edge_pts(signals)
    return [
        Cut(end, int(pts[end]), kind, start, int(pts[start]))
        for kind, start, end in find_gradual(signals, thumbnails, sorted(_votes(signals, settings)))
    ]


def without_inner(cuts: Iterable[Cut], gradual: Iterable[Cut]) -> list[Cut]:
    """Hard cuts that lie in no gradual transition and at none of its ends."""
    spans = [(one.end_frame, one.frame) for one in gradual]
    return [cut for cut in cuts if not any(start <= cut.frame <= end for start, end in spans)]


def _combined(signals: Signals, settings: DetectSettings, thumbnails: Thumbnails | None) -> list[Cut]:
    """Hard cuts by vote and gradual transitions, which take the hard cuts inside them.

    Black longer than `fade_min_seconds` whose edges are neither is cut at both, so that no clip keeps a black tail.
    """
    gradual = _gradual(signals, settings, thumbnails)
    names = dict.fromkeys(_black_edges(signals, settings.fade_min_seconds), "black") | _votes(signals, settings)
    hard = without_inner((_hard(signals, frame, names[frame]) for frame in names), gradual)
    return sorted(gradual + hard)


def _transnet(signals: Signals, settings: DetectSettings, thumbnails: Thumbnails | None) -> list[Cut]:
    """`transnetv2`, on all thumbnails."""
    if thumbnails is None:
        raise ConfigError("--detectors transnetv2 needs thumbnails: measure with --keep full, or use another detector")
    pts = edge_pts(signals)
    return [
        Cut(end, int(pts[end]), "transnetv2", start, int(pts[start]))
        for start, end in find_shots(len(signals), thumbnails, settings.transnet_threshold)
    ]


_SINGLE: Final[dict[str, Callable[[Signals, DetectSettings], list[int]]]] = {
    "content": _content,
    "adaptive": _adaptive,
    "threshold": _threshold,
    "hash": _hash,
    "stride": _stride,
}

_PICTURED: Final[dict[str, Callable[[Signals, DetectSettings, Thumbnails | None], list[Cut]]]] = {
    "combined": _combined,
    "gradual": _gradual,
    "transnetv2": _transnet,
}

DETECTORS: Final = ("combined", "gradual", *_SINGLE, "transnetv2")
"""Every detector by the name the command line gives it."""


def detect(signals: Signals, name: str, settings: DetectSettings, thumbnails: Thumbnails | None = None) -> list[Cut]:
    """The cuts that one detector finds in a video.

    Args:
        signals: Stored signals of the whole video, PTS strictly increasing. Of a scan, its cuts are the answer,
            whatever the detector: what it did not decode cannot be judged again.
        name: One of `DETECTORS`.
        settings: Thresholds.
        thumbnails: Reads the stored thumbnails of a range of frames. None where they were not kept: `combined` and
            `gradual` then find no dissolves and no wipes.

    Returns:
        Cuts in order. Never a hard one on the first frame, which opens the first shot anyway.

    Raises:
        ConfigError: There is no such detector, what it needs is not there, or the weights are not four with one above
            zero.
    """
    if name not in DETECTORS:
        raise ConfigError(f"--detectors {name}: not one of {', '.join(DETECTORS)}")
    if len(settings.weights) != 4 or not any(settings.weights):
        raise ConfigError("--weights: four numbers for hue, saturation, lightness and edges, not all zero")
    if signals.about.scan_cuts is not None:
        frames = np.searchsorted(signals["pts"], signals.about.scan_cuts).tolist()
        return [Cut(f, pts, "scan", f, pts) for f, pts in zip(frames, signals.about.scan_cuts, strict=True)]
    if len(signals) < 2:
        return []
    if name in _PICTURED:
        return _PICTURED[name](signals, settings, thumbnails)
    return [_hard(signals, frame, name) for frame in _SINGLE[name](signals, settings)]
