"""Evidence: everything that is stored of a video, and what it says of a span besides light, colour and movement."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy.typing as npt

from transforms.camera import camera_of
from transforms.events import Marks, clip_events
from transforms.loudness import loudness_of
from transforms.signals import Signals
from transforms.texture import texture_of

Rows = Mapping[str, npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What is stored of a video.

    Attributes:
        signals: One row a frame.
        flow: Rows of optical flow; None where none was measured.
        texture: Rows of texture; None alike.
        loudness: Rows of the audio, ten a second; None without audio.
        sample_pts: PTS of every stored frame.
        samples_uri: The file that holds them, below the output folder.
    """

    signals: Signals
    flow: Rows | None = None
    texture: Rows | None = None
    loudness: Rows | None = None
    sample_pts: Sequence[int] = ()
    samples_uri: str = ""


def seen(evidence: Evidence, marks: Marks, frames: tuple[int, int], pts: tuple[int, int]) -> dict[str, Any]:
    """Columns of a clip about its camera, its texture and what happens to its light and frames.

    Args:
        evidence: Of the video.
        marks: Of the video's frames.
        frames: First frame of the clip, and the first after it.
        pts: PTS of both.
    """
    about = evidence.signals.about
    row: dict[str, Any] = {"camera": "unknown", "camera_confidence": 0.0, **clip_events(marks, *frames)}
    if evidence.flow is not None and len(evidence.flow["pts"]):
        base, size = Fraction(about.time_base_num, about.time_base_den), (about.coded_width, about.coded_height)
        camera = camera_of(evidence.flow, base, size, about.rotation, pts)
        row |= {"camera": camera.word, "camera_confidence": camera.confidence}
        row |= {"flow": camera.motion, "moving_share": camera.moving}
    if evidence.texture is not None:
        inside = (evidence.texture["pts"] >= pts[0]) & (evidence.texture["pts"] < pts[1])
        row |= texture_of({name: column[inside] for name, column in evidence.texture.items()})
    return row


def heard(evidence: Evidence, start: float, end: float) -> dict[str, Any]:
    """Columns of a clip about its sound, between two times in seconds from the first stored sample."""
    if evidence.loudness is None:
        return {}
    found = loudness_of(evidence.loudness, start, end)
    return {name: found[name] for name in ("loudness", "true_peak", "silence_share", "clipped_share")}
