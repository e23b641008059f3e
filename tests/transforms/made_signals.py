"""Signals made by hand or from small pictures, for tests of what is decided from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from scenedetect.detectors import HashDetector

from transforms.signals import COLUMNS, About, Signals, pack_hash


def about(width: int = 64, height: int = 36, **given: Any) -> About:
    """What signals are about: a 64x36 small picture of a 640x360 video with 1/25 s ticks, unless given otherwise."""
    values: dict[str, Any] = {
        "recipe": 1,
        "width": width,
        "height": height,
        "coded_width": 10 * width,
        "coded_height": 10 * height,
        "rotation": 0,
        "time_base_num": 1,
        "time_base_den": 25,
        "dark_level": 32,
        "bar_level": 24,
        "edges": True,
    }
    return About(**{**values, **given})


def made(frames: int, about_: About | None = None, **columns: Any) -> Signals:
    """Signals of `frames` frames: PTS 0, 1, 2..., everything else 0, but for the columns given (arrays or numbers)."""
    filled = {name: np.zeros(frames, np.int64) for name in COLUMNS}
    filled |= {"pts": np.arange(frames), "duration": np.ones(frames, np.int64)}
    filled |= {name: np.broadcast_to(np.asarray(value, np.int64), frames).copy() for name, value in columns.items()}
    return Signals(about_ or about(), filled)


def _bar(lines: np.ndarray) -> tuple[int, int]:
    lit = np.flatnonzero(lines > 24)
    return (int(lit[0]), int(len(lines) - 1 - lit[-1])) if len(lit) else (len(lines), 0)


def of_pictures(pictures: Sequence[np.ndarray], pts: Sequence[int] | None = None, **given: Any) -> Signals:
    """Signals of small BGR pictures, counted the plain way."""
    height, width = pictures[0].shape[:2]
    rows: list[dict[str, Any]] = []
    before: list[np.ndarray] | None = None
    for picture in pictures:
        gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        planes = [*cv2.split(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)), gray]
        deltas = [int(cv2.norm(a, b, cv2.NORM_L1)) for a, b in zip(planes, before or planes, strict=True)]
        before = planes
        laplacian = cv2.Laplacian(gray, cv2.CV_16S).astype(np.int64)
        top, bottom = _bar(gray.max(1))
        left, right = _bar(gray.max(0))
        rows.append(
            dict(zip(("delta_hue", "delta_sat", "delta_lum", "delta_gray"), deltas, strict=True))
            | dict(zip(("blue", "green", "red"), picture.reshape(-1, 3).sum(0, dtype=np.int64), strict=True))
            | {
                "gray": int(gray.sum()),
                "gray_squares": int((gray.astype(np.int64) ** 2).sum()),
                "laplacian": int(laplacian.sum()),
                "laplacian_squares": int((laplacian**2).sum()),
                "dark": int((gray <= 32).sum()),
                "hash": int(pack_hash(HashDetector.hash_frame(picture, 8, 2)[None])[0]),
                "bar_top": top,
                "bar_bottom": bottom,
                "bar_left": left,
                "bar_right": right,
                "size": 1000,
            }
        )
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    if pts is not None:
        columns |= {"pts": np.asarray(pts), "duration": np.append(np.diff(pts), np.diff(pts)[-1:])}
    return made(len(pictures), about(width, height, **given), **columns)


def shot(
    seed: int, frames: int, *, light: float = 1.0, pan: int = 1, width: int = 64, height: int = 36
) -> list[np.ndarray]:
    """Pictures of one made-up shot: soft coloured blobs that move by `pan` pixels a frame."""
    random = np.random.default_rng(seed)
    scene = random.integers(0, 256, (height // 6 + 2, width // 6 + frames * pan // 6 + 4, 3)).astype(np.uint8)
    wide = cv2.resize(scene, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    views = (wide[:height, k * pan : k * pan + width] for k in range(frames))
    return [np.clip(view.astype(np.float64) * light, 0, 255).astype(np.uint8) for view in views]


def mixed(before: Sequence[np.ndarray], after: Sequence[np.ndarray], frames: int, kind: str) -> list[np.ndarray]:
    """Pictures of two shots with `frames` mixed ones between: the last of the one with the first of the other.

    Args:
        before: A shot; its last `frames` are mixed.
        after: A shot; its first `frames` are mixed.
        frames: How many mixed frames there are.
        kind: `dissolve`; `wipe`, from the left; `black` or `white`: one goes out over `frames`, the other comes up over
            as many, without sharing any.
    """
    if kind in ("black", "white"):
        flat = np.full_like(before[0], 255 * (kind == "white"))
        out = [_blend(p, flat, (k + 1) / frames) for k, p in enumerate(before[-frames:])]
        back = [_blend(flat, p, k / frames) for k, p in enumerate(after[:frames])]
        return [*before[:-frames], *out, *back, *after[frames:]]
    shares = [(k + 1) / (frames + 1) for k in range(frames)]
    pairs = zip(before[-frames:], after[:frames], shares, strict=True)
    if kind == "dissolve":
        between = [_blend(one, other, share) for one, other, share in pairs]
    else:
        between = [_wiped(one, other, share) for one, other, share in pairs]
    return [*before[:-frames], *between, *after[frames:]]


def _blend(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return np.asarray(cv2.addWeighted(one, 1 - share, other, share, 0))


def _wiped(one: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    edge = round(share * one.shape[1])
    return np.concatenate([other[:, :edge], one[:, edge:]], 1)


def thumbnails_of(pictures: Sequence[np.ndarray]) -> Callable[[int, int], np.ndarray]:
    """What reads the thumbnails of a video that shows these pictures (BGR): see `transforms.gradual.Thumbnails`."""
    made = np.stack([cv2.resize(p, (48, 27), interpolation=cv2.INTER_AREA)[:, :, ::-1] for p in pictures])
    return lambda first, end: made[first:end]
