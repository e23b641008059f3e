"""Timelines: a video's signals, cuts and clips as compact data that a script draws and scrubs.

Nothing is decided here: clips, cuts and reasons are those of the table, thresholds those of the run's configuration,
and signals those that measuring stored. What does not fit is thinned: a long video's samples stand for several frames,
of which changes show the largest and levels the mean, and pictures are some frames of all and those around cuts.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pages import sprites
from pages.contact import story
from pages.stored import FAULTS
from transforms import storage
from transforms.detect import content_scores
from transforms.loudness import momentary, read_loudness
from transforms.settings import ConfigError
from transforms.signals import Signals, hash_distance, read_signals
from transforms.thumbnails import HEIGHT, WIDTH

Floats = npt.NDArray[np.float64]

SAMPLES: Final = 24_000
"""Samples of a timeline: every frame of 16 minutes of film."""
_NOTHING: Final = 65535
"""Stands for no value."""
_MOST_CLIPS: Final = 4000
"""Clips of a timeline; a video that has more shows its first ones."""
_QUIET: Final = -60.0
"""Bottom of the loudness lane, LUFS."""

COLUMNS: Final = (
    *("clip_id", "video_id", "cut", "scene", "start_pts", "end_pts", "start_seconds", "end_seconds", "start_frame"),
    *("frames", "start_reason", "end_reason", "kept", "reasons", "reason_values", "reason_limits"),
)
"""Columns of `clips` that a timeline is made of."""

VIDEO_COLUMNS: Final = (
    *("video_id", "measure_uri", "audio_uri", "audio_offset", "width", "height", "sample_aspect", "rotation"),
)
"""Columns of `videos` that a timeline is made of."""

_ASKED: Final = {
    "combined": ("content", "adaptive", "hash"),
    "content": ("content",),
    "adaptive": ("adaptive",),
    "hash": ("hash",),
    "threshold": ("fade",),
    "gradual": ("content", "adaptive", "hash"),
}
"""Thresholds that each detector holds against what is drawn; the others compare what is not."""

_SPLITS: Final = frozenset({"start", "end", "length"})
"""Edges of clips that no detector found."""

_GRADUAL: Final = frozenset({"dissolve", "wipe", "fade", "transnetv2"})
"""What opens a clip after frames of two shots."""


def packed(values: Floats, scale: float) -> str:
    """Numbers from 0 as base64 of little-endian 16-bit integers, `scale` steps a unit; NaN is `65535`."""
    steps = np.clip(np.round(np.nan_to_num(values, nan=0.0) * scale), 0, _NOTHING - 1)
    steps[np.isnan(values)] = _NOTHING
    return base64.b64encode(steps.astype("<u2").tobytes()).decode()


def _thinned(values: Floats, step: int, largest: bool) -> Floats:
    if step == 1:
        return values
    # The last group is filled up with its own last value.
    groups = np.pad(values, (0, -len(values) % step), mode="edge").reshape(-1, step)
    return np.asarray(groups.max(axis=1) if largest else groups.mean(axis=1), np.float64)


def edges_of(clips: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cuts of a video as its clips tell them: where a clip ends and the next begins.

    Args:
        clips: Rows of `clips` of one video and cut, in order.

    Returns:
        For each `from` (frame at which the clip before ends), `to` (first frame of the next, the same at a hard cut),
        `a` and `b` (the same in seconds), `by` (who found it), and `gradual` (a transition lies between; else what lies
        between two frames was left out).
    """
    found = []
    for before, after in itertools.pairwise(clips):
        by = after["start_reason"] if after["start_reason"] not in _SPLITS else before["end_reason"]
        first, to = before["start_frame"] + before["frames"], after["start_frame"]
        if by in _SPLITS and first == to:
            continue
        found.append({
            "from": first, "to": to, "a": before["end_seconds"], "b": after["start_seconds"], "by": by,
            "gradual": first < to and not _GRADUAL.isdisjoint(by.split("+")),
        })  # fmt: skip
    return found


def _lanes(
    signals: Signals, rows: Mapping[str, Any] | None, offset: float, cut: Mapping[str, Any], step: int
) -> list[dict[str, Any]]:
    weights = tuple(cut.get("weights", (1.0, 1.0, 1.0, 0.0)))
    scores = content_scores(signals, weights)
    window, ratio = int(cut.get("adaptive_window", 2)), float(cut.get("adaptive_threshold", 3.0))
    around = np.convolve(np.pad(scores, window, mode="constant"), np.ones(2 * window + 1), "valid") - scores
    needed = np.maximum(ratio * around / (2 * window), float(cut.get("adaptive_min_content", 15.0)))
    turned = np.zeros(len(signals))
    turned[1:] = hash_distance(signals["hash"][1:], signals["hash"][:-1]) / 64
    asked = {name for detector in cut.get("detectors", ()) for name in _ASKED.get(detector, ())}
    lanes: list[dict[str, Any]] = [
        {
            "name": "Change",
            "unit": "levels",
            "top": float(max(60.0, min(255.0, np.quantile(scores, 0.999) * 1.15))),
            "scale": 250,
            "values": packed(_thinned(scores, step, True), 250),
            "curve": packed(np.minimum(_thinned(needed, step, False), 255), 250) if "adaptive" in asked else None,
            "lines": _lines(cut, asked, "content"),
            "height": 96,
        },
        {
            "name": "Structure",
            "unit": "of hash bits",
            "top": 0.8,
            "scale": 1000,
            "values": packed(_thinned(turned, step, True), 1000),
            "lines": _lines(cut, asked, "hash"),
            "height": 52,
        },
        {
            "name": "Luma",
            "unit": "levels",
            "top": 255.0,
            "scale": 250,
            "values": packed(_thinned(signals.mean("gray"), step, False), 250),
            "lines": _lines(cut, asked, "fade"),
            "height": 52,
        },
    ]
    if rows is not None and len(heard := momentary(rows)):
        # A value stands at the end of its 0.4 s; the frame shown at that time gets it.
        at = np.floor((signals.seconds[::step] - offset) * 10).astype(int) - 4
        inside = (at >= 0) & (at < len(heard))
        loud = np.where(inside, heard[np.clip(at, 0, len(heard) - 1)] - _QUIET, np.nan)
        lanes.append(
            {
                "name": "Loudness",
                "unit": "LUFS",
                "top": -_QUIET,
                "bottom": _QUIET,
                "scale": 250,
                "values": packed(np.where(loud < 0, 0, loud), 250),
                "lines": [],
                "height": 46,
            }
        )
    return lanes


def _lines(cut: Mapping[str, Any], asked: set[str], name: str) -> list[dict[str, Any]]:
    value = cut.get(f"{name}_threshold")
    return [{"name": name, "at": float(value)}] if name in asked and value is not None else []


def timeline(
    root: str,
    video: Mapping[str, Any],
    name: str,
    clips: pa.Table,
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """One video's timeline.

    Args:
        root: The output folder.
        video: Columns of its row, `VIDEO_COLUMNS`.
        name: What to call it.
        clips: Its rows of `clips` of one cut, with `COLUMNS`; any order, or none.
        config: The run's configuration.

    Raises:
        ConfigError: Nothing that can be drawn is stored of it.
        ElementError, OSError: The store does not answer.
    """
    folder = storage.join(root, *str(video["measure_uri"]).split("/"))
    signals = read_signals(storage.read_bytes(storage.join(folder, "signals.parquet")))
    if not len(signals):
        raise ConfigError("no frame of it was measured")
    step = max(1, math.ceil(len(signals) / SAMPLES))
    ordered = clips.sort_by("start_pts").slice(0, _MOST_CLIPS).to_pylist(maps_as_pydicts="lossy")
    edges = edges_of(ordered)
    rows = _loudness(root, video.get("audio_uri"))
    offset = video.get("audio_offset") or 0.0
    thumbnails, absent = sprites.thumbnail_sheet(folder, sprites.wanted(len(signals), edges), signals.about.rotation)
    base = signals.about.time_base_num / signals.about.time_base_den
    return {
        "name": name,
        "video_id": video["video_id"],
        "aspect": (video.get("width") or WIDTH) / (video.get("height") or HEIGHT) * _sample_aspect(video),
        "frames": len(signals),
        "step": step,
        "seconds": round(float((signals.ends[-1] - signals["pts"][0]) * base), 4),
        "starts": base64.b64encode(signals.seconds[::step].astype("<f4").tobytes()).decode(),
        "lanes": _lanes(signals, rows, offset, config.get("cut", {}), step),
        "cuts": edges,
        "clips": [_clip(clip) for clip in ordered],
        "left_out": clips.num_rows - len(ordered),
        "thumbnails": thumbnails,
        "samples": sprites.sample_sheet(folder, signals["pts"]),
        "absent": absent,
    }


def _loudness(root: str, audio_uri: str | None) -> Mapping[str, Any] | None:
    """The rows of loudness that lie beside the stored audio; None where there are none."""
    if not audio_uri:
        return None
    try:
        folder = audio_uri.split("/")[:-1]
        return read_loudness(storage.read_bytes(storage.join(root, *folder, "loudness.parquet")))
    except FAULTS:
        return None


def _clip(clip: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": clip["clip_id"],
        "a": round(clip["start_seconds"], 4),
        "b": round(clip["end_seconds"], 4),
        "first": clip["start_frame"],
        "frames": clip["frames"],
        "kept": clip["kept"],
        "why": [list(one) for one in story(clip)],
    }


def _sample_aspect(video: Mapping[str, Any]) -> float:
    n, _, d = (video.get("sample_aspect") or "1:1").partition(":")
    shape = int(n) / int(d) if n.isdigit() and d.isdigit() and int(n) and int(d) else 1.0
    return 1 / shape if (video.get("rotation") or 0) % 180 == 90 else shape
