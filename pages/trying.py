"""Trying: which thresholds of cuts can be moved on a page, how far, and which detectors listen to each."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from transforms.detect import DETECTORS
from transforms.scenes import CutSettings

TRIED: Final = tuple(name for name in DETECTORS if name != "transnetv2")
"""Detectors that answer at once: the network would be run on every thumbnail."""

MOVED: Final = {
    "content_threshold": ("content", "combined", "gradual"),
    "adaptive_threshold": ("adaptive", "combined", "gradual"),
    "adaptive_min_content": ("adaptive", "combined", "gradual"),
    "hash_threshold": ("hash", "combined", "gradual"),
    "flash_seconds": ("combined", "gradual"),
    "fade_threshold": ("threshold",),
    "stride_seconds": ("stride",),
    "min_gap_seconds": ("content", "adaptive", "hash", "threshold"),
    "merge_seconds": TRIED,
    "max_seconds": TRIED,
}
"""Thresholds that can be moved, and the detectors that listen to each."""

_STEPS: Final = {
    "content_threshold": (5, 80, 0.5),
    "adaptive_threshold": (1, 10, 0.1),
    "adaptive_min_content": (0, 60, 0.5),
    "hash_threshold": (0.05, 0.8, 0.01),
    "flash_seconds": (0, 2, 0.05),
    "fade_threshold": (0, 60, 0.5),
    "stride_seconds": (1, 60, 0.5),
    "min_gap_seconds": (0, 5, 0.1),
    "merge_seconds": (0, 10, 0.1),
    "max_seconds": (1, 120, 1),
}


def controls() -> list[dict[str, Any]]:
    """The thresholds of cuts that can be moved, each with its range on the page."""
    fields = {field.name: field for field in dataclasses.fields(CutSettings)}
    return [
        {
            "name": name,
            "doc": fields[name].metadata["doc"],
            "unit": fields[name].metadata["unit"],
            "of": of,
            "low": _STEPS[name][0],
            "high": _STEPS[name][1],
            "step": _STEPS[name][2],
        }
        for name, of in MOVED.items()
    ]
