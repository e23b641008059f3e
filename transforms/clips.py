"""Clips: a span and the video's signals become one row of measures, a crop and a shape.

Everything here is computed from stored integers, so that the same span always gives the same row. Whether a clip is
kept is decided elsewhere; these functions only measure.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transforms.events import frozen_frames, mark
from transforms.evidence import Evidence, heard, seen
from transforms.records import ClipRow, to_dict
from transforms.samples import frame_name
from transforms.scenes import Span
from transforms.settings import setting
from transforms.signals import About, Signals

_BAR_ROWS: Final = 2
"""Bars thinner than this in the small picture are taken for a soft edge."""
_BAR_QUANTILE: Final = 0.02
_BAR_LARGEST: Final = 0.7
"""Two bars together never take more than this of a side: 16:9 in an upright 9:16 frame takes 0.68."""
_SHAPES: Final = (1.0, 1.25, 4 / 3, 1.375, 1.5, 1.66, 16 / 9, 1.85, 2.0, 2.2, 2.35, 2.39, 2.76)
"""Width over height (or the reverse) of pictures in film, television and on phones."""
_SHAPE_TOLERANCE: Final = 0.03
"""How far, as a logarithm, a cropped picture may be from one of them: one line of the small picture at each bar."""
_SILENCE: Final = -120.0
"""Level in dBFS that stands for digital silence."""

ASPECTS: Final = {
    name: int(name.split(":")[0]) / int(name.split(":")[1])
    for name in ("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16", "9:21")
}
RESOLUTIONS: Final = (240, 360, 480, 720, 1080, 1440, 2160)
LENGTHS: Final = (1, 2, 4, 8, 16, 32, 60)


@dataclasses.dataclass(frozen=True)
class BucketSettings:
    """The video autoencoder and patch size that clips are counted for.

    A causal autoencoder keeps the first frame by itself: latent frames = 1 + ceil((frames - 1) / temporal_compression).
    Patches = ceil(latent frames / patch_frames) x ceil(h / patch_side) x ceil(w / patch_side), where h and w are the
    cropped height and width divided by spatial_compression, rounded up.
    """

    temporal_compression: int = setting(4, "Frames per latent frame.", low=1, high=64, source="Wan 2.1, HunyuanVideo")
    spatial_compression: int = setting(
        8, "Pixels per latent row or column.", low=1, high=128, source="Wan 2.1, HunyuanVideo"
    )
    patch_frames: int = setting(1, "Latent frames per patch.", low=1, high=64, source="Wan 2.1, HunyuanVideo (1x2x2)")
    patch_side: int = setting(
        2, "Latent rows and columns per patch.", low=1, high=64, source="Wan 2.1, HunyuanVideo (1x2x2)"
    )


class Crop(NamedTuple):
    """Pixels to cut away at each side of the picture as shown."""

    left: int
    right: int
    top: int
    bottom: int


_WHOLE: Final = Crop(0, 0, 0, 0)


def clip_id(video_id: str, start_pts: int, end_pts: int, time_base_num: int, time_base_den: int) -> str:
    """The name of a span, the same under every set of cuts: 32 hexadecimal digits."""
    text = json.dumps([video_id, start_pts, end_pts, time_base_num, time_base_den], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Bars(NamedTuple):
    """Rows and columns of bars in the small picture, in the orientation that was decoded."""

    left: int
    right: int
    top: int
    bottom: int


def bars_of(signals: Signals, black: NDArray[np.bool_], first: int, end: int) -> Bars:
    """The smallest bars over the frames [first, end) that are not black (of 50 or more, all but the lowest 2 %).

    None where every frame is black.
    """
    lit = ~black[first:end] & (signals["bar_top"][first:end] < signals.about.height)
    if not lit.any():
        return Bars(0, 0, 0, 0)
    sides = (signals[f"bar_{side}"][first:end][lit] for side in Bars._fields)
    return Bars(*(int(np.quantile(side, _BAR_QUANTILE, method="lower")) for side in sides))


def _pair(a: int, b: int, small: int, full: int) -> tuple[int, int]:
    """Bars at the two ends of one axis, in pixels of the decoded frame; (0, 0) where they are no bars."""
    if min(a, b) < _BAR_ROWS or abs(a - b) > max(1, 0.1 * max(a, b)) or a + b > _BAR_LARGEST * small:
        return 0, 0
    # Rounded up, to even pixels: chroma is subsampled, and a line of black hurts more than a line of picture.
    first, last = (2 * math.ceil(side * full / small / 2) for side in (a, b))
    return first, last + (full - first - last) % 2


def crop_of(about: About, bars: Bars, sample_aspect: float = 1.0) -> Crop:
    """Letterbox and pillarbox as shown, from bars as decoded.

    What is not surely a bar is not cropped: bars come in pairs of about the same size and leave a picture of a shape
    that pictures have (`_SHAPES`), which a dark sky, a vignette or a title on black hardly does.
    """
    left, right = _pair(bars.left, bars.right, about.width, about.coded_width)
    top, bottom = _pair(bars.top, bars.bottom, about.height, about.coded_height)
    shape = (about.coded_width - left - right) * sample_aspect / (about.coded_height - top - bottom)
    if all(abs(math.log(shape * side)) > _SHAPE_TOLERANCE for known in _SHAPES for side in (known, 1 / known)):
        return _WHOLE
    # Clockwise: what was on top of the decoded frame is at the right of the picture shown, and so on round.
    turned = {
        0: Crop(left, right, top, bottom),
        90: Crop(bottom, top, left, right),
        180: Crop(right, left, bottom, top),
        270: Crop(top, bottom, right, left),
    }
    return turned[about.rotation % 360]


def _span_crop(signals: Signals, span: Span, black: NDArray[np.bool_], usual: Bars, sample_aspect: float) -> Crop:
    """The crop of one span: the video's usual bars where the span has them too, else its own.

    A dark scene looks as if its bars were larger than they are; the rest of the video knows better.
    """
    own = bars_of(signals, black, span.start_frame, span.end_frame)
    crop = crop_of(signals.about, usual, sample_aspect)
    if crop != _WHOLE and all(mine >= theirs - 1 for mine, theirs in zip(own, usual, strict=True)):
        return crop
    return crop_of(signals.about, own, sample_aspect)


def shape_bucket(width: int, height: int, seconds: float, sample_aspect: float = 1.0) -> str:
    """`ASPECT/RESOLUTION/LENGTH`: the nearest aspect as displayed, and the classes of short side and length it reaches.

    What is below the smallest class is `sub240p` or `sub1s`.
    """
    shape = math.log(width * sample_aspect / height)
    aspect = min(ASPECTS, key=lambda name: abs(math.log(ASPECTS[name]) - shape))
    sizes = [size for size in RESOLUTIONS if size <= min(width, height)]
    # A hair of slack: 96 frames of 23.976 a second are the 4 s they were meant to be.
    lengths = [length for length in LENGTHS if length <= seconds + 0.01]
    return "/".join((
        aspect,
        f"{sizes[-1]}p" if sizes else f"sub{RESOLUTIONS[0]}p",
        f"{lengths[-1]}s" if lengths else f"sub{LENGTHS[0]}s",
    ))  # fmt: skip


def latent_counts(frames: int, width: int, height: int, settings: BucketSettings) -> tuple[int, int]:
    """Latent frames and space-time patches of a clip of `frames` pictures of `width` x `height` (see
    `BucketSettings`)."""
    latent = 1 + math.ceil((frames - 1) / settings.temporal_compression)
    rows, columns = (
        math.ceil(math.ceil(side / settings.spatial_compression) / settings.patch_side) for side in (height, width)
    )
    return latent, math.ceil(latent / settings.patch_frames) * rows * columns


def audio_level(levels: NDArray[np.float64] | None, offset: float, start: float, end: float) -> float | None:
    """Level of the audio between two times of the video.

    Args:
        levels: RMS in dBFS of every 0.1 s of the stored audio; None or empty where it was not measured.
        offset: Start of the stored audio in the video's time, in seconds.
        start: Start in the video's time, in seconds.
        end: End in the video's time, in seconds.

    Returns:
        RMS in dBFS, -120 for digital silence; None where no audio lies between.
    """
    if levels is None or not len(levels):
        return None
    first, last = (
        max(0, math.floor((start - offset) * 10 + 1e-6)),
        min(len(levels), math.ceil((end - offset) * 10 - 1e-6)),
    )
    if first >= last:
        return None
    power = float(np.mean(10.0 ** (np.asarray(levels[first:last], np.float64) / 10)))
    return min(0.0, max(_SILENCE, 10 * math.log10(power))) if power > 0 else _SILENCE


def _aspect(text: str | None) -> float:
    """A sample aspect `n:d` as a number; 1 where there is none."""
    n, _, d = (text or "1:1").partition(":")
    return int(n) / int(d) if n.isdigit() and d.isdigit() and int(n) and int(d) else 1.0


def _middle_sample(span: Span, sample_pts: Sequence[int]) -> int | None:
    """PTS of the sample in the span that is nearest to its middle, the earlier of two; None where there is none."""
    inside = sample_pts[bisect_left(sample_pts, span.start_pts) : bisect_left(sample_pts, span.end_pts)]
    return min(inside, key=lambda pts: (abs(2 * pts - span.start_pts - span.end_pts), pts), default=None)


def clip_rows(
    video: Mapping[str, Any], evidence: Evidence, spans: Sequence[Span], cut: str, buckets: BucketSettings
) -> list[dict[str, Any]]:
    """One row of `clips` for each span, with every measure; kept, as nobody has judged it yet.

    Args:
        video: Columns of the video's row: `video_id`, `width`, `height`, `sample_aspect`, `audio_offset`,
            `audio_seconds`.
        evidence: What is stored of it, in the orientation it was decoded in.
        spans: Spans of the video.
        cut: Name of the set of cuts.
        buckets: What to count patches for.
    """
    signals, marks = evidence.signals, mark(evidence.signals)
    pixels = float(signals.pixels)
    num, den = signals.about.time_base_num, signals.about.time_base_den
    base = num / den
    starts = marks.starts
    luma, moved, sharpness = signals.mean("gray"), signals.mean("delta_gray"), signals.sharpness
    black, contrast = marks.black, signals.contrast
    # Taken once: a long video's columns are read each time they are asked for.
    some = ("size", "blue", "green", "red", *(f"bar_{side}" for side in Bars._fields))
    framed = Signals(signals.about, {name: signals[name] for name in some})
    strength = np.maximum(np.maximum(framed["blue"], framed["green"]), framed["red"])
    strength -= np.minimum(np.minimum(framed["blue"], framed["green"]), framed["red"])
    usual = bars_of(framed, black, 0, len(signals))
    aspect = _aspect(video.get("sample_aspect"))
    turned = signals.about.rotation % 180 == 90
    offset, audio_seconds = video.get("audio_offset") or 0.0, video.get("audio_seconds") or 0.0
    width, height = int(video["width"]), int(video["height"])
    levels = evidence.loudness["rms"] / 100 if evidence.loudness is not None else None

    rows = []
    for span in spans:
        first, end = span.start_frame, span.end_frame
        frames = end - first
        start_seconds, end_seconds = float(starts[first]), float(starts[end])
        seconds = (span.end_pts - span.start_pts) * base
        rate = frames / seconds
        inside = moved[first + 1 : end]
        shares = np.diff(starts[first : end + 1])
        crop = _span_crop(framed, span, black, usual, aspect)
        inner = width - crop.left - crop.right, height - crop.top - crop.bottom
        packets = int(framed["size"][first:end].sum())
        latent, patches = latent_counts(frames, *inner, buckets)
        blue, green, red = (float(framed[name][first:end].mean() / pixels) for name in ("blue", "green", "red"))
        sample = _middle_sample(span, evidence.sample_pts)
        has_audio = min(end_seconds, offset + audio_seconds) > max(start_seconds, offset)
        row = ClipRow(
            clip_id=clip_id(video["video_id"], span.start_pts, span.end_pts, num, den),
            video_id=video["video_id"],
            cut=cut,
            scene=span.scene,
            start_pts=span.start_pts,
            end_pts=span.end_pts,
            time_base_num=num,
            time_base_den=den,
            start_seconds=start_seconds,
            end_seconds=end_seconds,
            seconds=seconds,
            start_frame=first,
            frames=frames,
            frame_rate=rate,
            start_reason=span.start_reason,
            end_reason=span.end_reason,
            width=width,
            height=height,
            crop_left=crop.left,
            crop_right=crop.right,
            crop_top=crop.top,
            crop_bottom=crop.bottom,
            luma=float(luma[first:end].mean()),
            luma_min=float(luma[first:end].min()),
            luma_max=float(luma[first:end].max()),
            saturation=float(strength[first:end].mean() / pixels),
            red=red,
            green=green,
            blue=blue,
            sharpness=float(np.median(sharpness[first:end])),
            motion=float(inside.mean()) * rate / 24 if len(inside) else 0.0,
            motion_max=float(inside.max()) if len(inside) else 0.0,
            black_share=float(shares[black[first:end]].sum() / shares.sum()),
            frozen_share=float(shares[frozen_frames(moved[first:end], starts[first : end + 1])].sum() / shares.sum()),
            contrast=float(contrast[first:end].mean()),
            **seen(evidence, marks, (first, end), (span.start_pts, span.end_pts)),
            bits_per_pixel=8 * packets / (frames * width * height) if packets else None,
            has_audio=has_audio,
            audio_rms=audio_level(levels, offset, start_seconds, end_seconds) if has_audio else None,
            **(heard(evidence, start_seconds - offset, end_seconds - offset) if has_audio else {}),
            kept=True,
            reasons=[],
            reason_values={},
            reason_limits={},
            shape_bucket=shape_bucket(*inner, seconds, aspect if not turned else 1 / aspect),
            latent_frames=latent,
            latent_patches=patches,
            frame_uri=f"{evidence.samples_uri}#{frame_name(sample)}" if sample is not None else None,
        )
        rows.append(to_dict(row))
    return rows
