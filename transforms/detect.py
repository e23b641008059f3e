"""Detectors: which frames open a new shot, decided from stored signals alone.

A detector here is PySceneDetect's own decision code fed with the numbers that one decode left behind, so that changing
a threshold reads no footage. Its frame arithmetic is replaced, its decisions are not: `content` and `adaptive` get
their score from stored sums of HSV and edge changes, `threshold` its mean level, `hash` its 64 bits. Times are the
frames' own PTS, so that lengths in seconds hold where the frame rate varies.

`combined` is the default and this project's own vote over the same signals (see `_combined`); a single detector gives
what PySceneDetect's command line gives, flashes included.
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

from transforms.settings import ConfigError, setting
from transforms.signals import Signals, hash_bits

Floats = NDArray[np.float64]

_CLI: Final = "PySceneDetect 0.7.2 command line"


class Cut(NamedTuple):
    """The first frame of a new shot: its index from 0, its PTS, and who found it (several names joined by `+`)."""

    frame: int
    pts: int
    detector: str


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
        0.2,
        "A disturbance at most this long after which the same picture returns is no cut (`combined` only; 0: off).",
        unit="s",
        low=0,
        high=2,
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
    total: Any = 0
    for name, weight in zip(("delta_hue", "delta_sat", "delta_lum", "delta_edges"), weights, strict=True):
        total = total + signals.mean(name) * weight
    return np.asarray(total / sum(abs(weight) for weight in weights), np.float64)


def mean_colours(signals: Signals) -> Floats:
    """Mean blue, green and red of each frame: shape (frames, 3), 0 to 255."""
    return np.stack([signals.mean("blue"), signals.mean("green"), signals.mean("red")], 1)


def average_rate(signals: Signals) -> Fraction:
    """Frames a second over the whole video, from the PTS themselves; 25 where a single frame tells nothing."""
    pts, about = signals["pts"], signals.about
    if len(pts) < 2:
        return Fraction(25)
    return Fraction((len(pts) - 1) * about.time_base_den, int(pts[-1] - pts[0]) * about.time_base_num)


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
_SAME_BITS: Final = 10
_SAME_LEVEL: Final = 8.0
_STANDS_OUT: Final = 2.0
_BLACK_SHARE: Final = 0.98
"""Constants of `combined`, in 8-bit levels, bits of 64 and ratios. Measured on known cuts (`benchmarks/eval_cuts.py`):
true cuts change mean luma by 24 levels or more and at least 22 bits; keyframe pulses and noise in dark pictures, which
`content` and `adaptive` take for cuts, at most 10 levels and 8 bits. A black frame is FFmpeg blackdetect's: 98 % of its
pixels."""


def black_frames(signals: Signals) -> NDArray[np.bool_]:
    """Frames with at least 98 % of their pixels at or below luma 32 (FFmpeg blackdetect's `picture_black_ratio_th` and,
    near enough, its `pixel_black_th` of 10 %)."""
    return np.asarray(signals["dark"] >= _BLACK_SHARE * signals.pixels)


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of true values as [first, past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _neighbour_ratio(scores: Floats, window: int) -> Floats:
    """Each score over the mean of `window` neighbours on each side (0 beyond the ends)."""
    padded = np.pad(scores, window)
    sums = sum(padded[k : k + len(scores)] for k in range(2 * window + 1)) - scores
    return np.minimum(scores / np.maximum(sums / (2.0 * window), 1e-5), 255.0)


def _returns(frame: int, reach: int, bits: NDArray[np.bool_], colours: Floats) -> bool:
    """Whether a picture from shortly before `frame` comes back shortly after: a flash, a dropped picture, a glitch."""
    for gap in range(1, reach + 1):
        # `gap` disturbed frames lie between the two pictures, and `frame` opens or follows the disturbance.
        for after in range(max(frame, gap + 1), min(frame + gap, len(bits) - 1) + 1):
            before = after - gap - 1
            if before >= frame:
                continue
            if np.count_nonzero(bits[before] != bits[after]) > _SAME_BITS:
                continue
            if np.abs(colours[before] - colours[after]).max() <= _SAME_LEVEL:
                return True
    return False


def keep_strongest(frames: Iterable[int], scores: Floats, seconds: Floats, gap: float) -> list[int]:
    """Of frames nearer than `gap` seconds to each other (or to the start) only the ones with the largest score."""
    kept: list[int] = []
    for frame in sorted(frames, key=lambda f: (-scores[f], f)):
        at = bisect_left(kept, frame)
        beside = [0, *kept[max(0, at - 1) : at + 1]]
        if all(abs(seconds[frame] - seconds[other]) >= gap for other in beside):
            kept.insert(at, frame)
    return kept


def _combined(signals: Signals, settings: DetectSettings) -> list[Cut]:
    """Hard cuts by vote, and the edges of black.

    A hard cut is a change that `adaptive` sees, or that both `content` and `hash` see and that is twice its
    neighbours'; and the picture must really be another one: by structure (hash bits), by light, or by mean colour.
    Keyframe pulses and chroma noise in the dark pass the first test and fail the second. Flashes are taken out
    (`_returns`), and of what lies within `flash_seconds` the strongest change stays. Black longer than
    `fade_min_seconds` is cut at both of its edges, so that no clip keeps a black tail; inside it nothing is.
    """
    seconds, colours = signals.seconds, mean_colours(signals)
    bits = hash_bits(signals["hash"]).reshape(-1, 64)
    scores = content_scores(signals, settings.weights)
    ratio = _neighbour_ratio(scores, settings.adaptive_window)
    moved = np.zeros(len(scores))
    moved[1:] = np.abs(np.diff(colours, axis=0)).max(1)
    turned = np.zeros(len(scores), np.int64)
    turned[1:] = np.count_nonzero(bits[1:] != bits[:-1], axis=1)
    light = signals.mean("delta_gray")
    votes = {
        "adaptive": (scores >= settings.adaptive_min_content) & (ratio >= settings.adaptive_threshold),
        "content": scores >= settings.content_threshold,
        "hash": turned / bits.shape[1] >= settings.hash_threshold,
    }
    seen = votes["adaptive"] | (votes["content"] & votes["hash"] & (ratio >= _STANDS_OUT))
    other = ((turned >= _LEAST_BITS) & (light >= _LEAST_CHANGE)) | (light >= _FLAT_CHANGE) | (moved >= _FLAT_CHANGE)
    black = black_frames(signals)
    between = ~(black & np.roll(black, 1))
    candidates = np.flatnonzero(seen & other & between).tolist()
    if settings.flash_seconds > 0:
        reach = max(1, round(settings.flash_seconds * average_rate(signals)))
        candidates = [f for f in candidates if not _returns(f, reach, bits, colours)]
    names = {
        frame: "+".join(name for name, vote in votes.items() if vote[frame])
        for frame in keep_strongest(candidates, scores, seconds, settings.flash_seconds)
    }
    ends = np.append(seconds, np.inf)
    for first, end in runs(black):
        if min(ends[end], seconds[-1]) - seconds[first] >= settings.fade_min_seconds:
            for frame in {first, end} - {0, len(seconds)}:
                names[frame] = names.get(frame, "fade")
    return [Cut(frame, int(signals["pts"][frame]), names[frame]) for frame in sorted(names)]


_SINGLE: Final[dict[str, Callable[[Signals, DetectSettings], list[int]]]] = {
    "content": _content,
    "adaptive": _adaptive,
    "threshold": _threshold,
    "hash": _hash,
    "stride": _stride,
}

DETECTORS: Final = ("combined", *_SINGLE)
"""Every detector by the name the command line gives it."""


def detect(signals: Signals, name: str, settings: DetectSettings) -> list[Cut]:
    """The cuts that one detector finds in a video.

    Args:
        signals: Stored signals of the whole video, PTS strictly increasing.
        name: One of `DETECTORS`.
        settings: Thresholds.

    Returns:
        Cuts in order; never the first frame, which opens the first shot anyway.

    Raises:
        ConfigError: There is no such detector, or the weights are not four with one above zero.
    """
    if name not in DETECTORS:
        raise ConfigError(f"--detectors {name}: not one of {', '.join(DETECTORS)}")
    if len(settings.weights) != 4 or not any(settings.weights):
        raise ConfigError("--weights: four numbers for hue, saturation, lightness and edges, not all zero")
    if len(signals) < 2:
        return []
    if name == "combined":
        return _combined(signals, settings)
    return [Cut(frame, int(signals["pts"][frame]), name) for frame in _SINGLE[name](signals, settings)]
