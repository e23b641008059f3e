"""Quality: which clips are of use, decided from their measures alone.

A clip keeps its row whatever is decided. It gets every reason that holds, each with the number that was compared and
the limit it was compared with, so that anyone can see what another limit would change. Black bars are no reason: they
are cropped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from transforms.settings import setting

_SLACK: Final = 1e-6
"""Relative slack of a comparison: two seconds of frames are the two seconds asked for, whatever a float makes of
them."""


class Reason(NamedTuple):
    """Why a clip is dropped: the number that was compared and its limit."""

    value: float
    limit: float


@dataclasses.dataclass(frozen=True)
class QualitySettings:
    """Limits of what is kept. An empty limit (None) asks for nothing."""

    min_seconds: float | None = setting(
        2.0, "Shortest clip.", unit="s", low=0, source="NeMo Curator, cosmos-curate, Open-Sora 2.0 (Movie Gen 4)"
    )
    min_side: int | None = setting(
        144, "Smallest short side after cropping.", unit="px", low=1, source="project; Movie Gen asks for 720"
    )
    min_frame_rate: float | None = setting(16.0, "Lowest frame rate.", unit="1/s", low=0, source="Open-Sora 2.0")
    max_frame_rate: float | None = setting(None, "Highest frame rate.", unit="1/s", low=0)
    max_black_share: float | None = setting(
        0.5, "Largest share of time in black frames.", low=0, high=1, source="project; black as FFmpeg blackdetect"
    )
    max_frozen_share: float | None = setting(
        0.5,
        "Largest share of time in frozen stretches.",
        low=0,
        high=1,
        source="project; frozen as FFmpeg freezedetect",
    )
    min_motion: float | None = setting(
        0.05, "Least mean luma change, as at 24 frames a second.", unit="8-bit level", low=0, high=255, source="project"
    )
    max_motion: float | None = setting(
        None, "Most mean luma change, as at 24 frames a second.", unit="8-bit level", low=0, high=255
    )
    min_sharpness: float | None = setting(
        10.0, "Least variance of the Laplacian of the small picture.", low=0, source="project; measure of Open-Sora 2.0"
    )
    min_bits_per_pixel: float | None = setting(
        0.005,
        "Least bits a pixel.",
        unit="bit",
        low=0,
        source="project; Open-Sora 2.0 asks for 0.02, which drops clean VP8 and VP9 footage (0.007 to 0.013)",
    )
    min_aspect: float | None = setting(1 / 3, "Least width over height after cropping.", low=0, source="Open-Sora 2.0")
    max_aspect: float | None = setting(3.0, "Most width over height after cropping.", low=0, source="Open-Sora 2.0")


REASONS: Final[Mapping[str, str]] = {
    "too_short": "shorter than `min_seconds`",
    "too_small": "short side after cropping under `min_side`",
    "low_frame_rate": "frame rate under `min_frame_rate`",
    "high_frame_rate": "frame rate over `max_frame_rate`",
    "black": "more of it black than `max_black_share`",
    "frozen": "more of it frozen than `max_frozen_share`",
    "still": "less motion than `min_motion`",
    "hectic": "more motion than `max_motion`",
    "blurred": "less sharp than `min_sharpness`",
    "low_bit_rate": "fewer bits a pixel than `min_bits_per_pixel`",
    "too_narrow": "width over height under `min_aspect`",
    "too_wide": "width over height over `max_aspect`",
}
"""Every reason a clip can be dropped for."""


def _below(value: float, limit: float) -> bool:
    return value < limit - abs(limit) * _SLACK


def _above(value: float, limit: float) -> bool:
    return value > limit + abs(limit) * _SLACK


def _checks(clip: Mapping[str, Any], s: QualitySettings) -> Iterator[tuple[str, float | None, float | None, bool]]:
    """Every check as reason, value, limit, and whether the limit is a least one."""
    width = clip["width"] - clip["crop_left"] - clip["crop_right"]
    height = clip["height"] - clip["crop_top"] - clip["crop_bottom"]
    yield "too_short", clip["seconds"], s.min_seconds, True
    yield "too_small", min(width, height), s.min_side, True
    yield "low_frame_rate", clip["frame_rate"], s.min_frame_rate, True
    yield "high_frame_rate", clip["frame_rate"], s.max_frame_rate, False
    yield "black", clip["black_share"], s.max_black_share, False
    yield "frozen", clip["frozen_share"], s.max_frozen_share, False
    yield "still", clip["motion"], s.min_motion, True
    yield "hectic", clip["motion"], s.max_motion, False
    yield "blurred", clip["sharpness"], s.min_sharpness, True
    yield "low_bit_rate", clip["bits_per_pixel"], s.min_bits_per_pixel, True
    yield "too_narrow", width / height, s.min_aspect, True
    yield "too_wide", width / height, s.max_aspect, False


def decide(clip: Mapping[str, Any], settings: QualitySettings) -> dict[str, Reason]:
    """Every reason to drop a clip, sorted by name; empty when it is kept.

    Args:
        clip: Columns of a row of `clips`. What was not measured (None) is no reason.
        settings: The limits.
    """
    found = {
        name: Reason(float(value), float(limit))
        for name, value, limit, least in _checks(clip, settings)
        if value is not None and limit is not None and (_below if least else _above)(value, limit)
    }
    return dict(sorted(found.items()))


def judged(clip: Mapping[str, Any], settings: QualitySettings) -> dict[str, Any]:
    """The clip's row with its decision: `kept`, `reasons`, and the value and limit behind each."""
    found = decide(clip, settings)
    return {
        **clip,
        "kept": not found,
        "reasons": list(found),
        "reason_values": {name: reason.value for name, reason in found.items()},
        "reason_limits": {name: reason.limit for name, reason in found.items()},
    }
