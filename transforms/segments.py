"""Segments: a long video measured in segments that, put together, are what one pass would have left, bit for bit.

They are bounded by PTS of presentation and begin a few frames after a keyframe, so that each decodes little that the
one before decoded too. Whether a file can be read like that is not believed but seen: every bound is sought and what
comes must be the packets of the index (`seekable`), and the frames that two neighbours both decoded must have left the
same numbers (`stitch`). Where they do not, the video is measured in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av.error
import numpy as np

from transforms import flow, media
from transforms.failures import ElementError
from transforms.measure import WHOLE, Opener, Timing, span_start, stream_of
from transforms.probe import NO_PTS, PacketIndex
from transforms.recorder import LEAD, SERIES
from transforms.samples import Samples, SamplesWriter
from transforms.series import Columns, SeriesWriter, read_series
from transforms.signals import read_signals, signals_writer
from transforms.thumbnails import CHUNK, Thumbnails, ThumbnailsWriter

Span = tuple[int, int]

_CHECKED: Final = 48
"""Packets compared with the index after each seek: more than any decoder reorders."""


class SeamError(Exception):
    """Two segments do not fit: the frames that both decoded differ, or frames are missing between them."""


def plan(index: PacketIndex, facts: Mapping[str, Any], seconds: float = 60.0, longest: float = 120.0) -> list[Span]:
    """Segments of about `seconds` for a video longer than `longest` seconds.

    Returns:
        Half-open spans of PTS that cover all time, or none where the video is short, has times that are missing,
        repeated or unsteady, or too few keyframes.
    """
    shown = ~index.discard
    if not facts.get("time_base_den") or not shown.any() or (index.pts[shown] == NO_PTS).any() or not index.steady():
        return []
    time_base = Fraction(facts["time_base_num"], facts["time_base_den"])
    pts = np.sort(index.pts[shown])
    step, reach = round(Fraction(seconds) / time_base), round(flow.GAP_SECONDS / time_base)
    if (pts[-1] - pts[0]) * time_base <= longest or (np.diff(pts) == 0).any() or step < 1:
        return []
    keys = np.sort(index.pts[shown & index.keyframe])
    # The first frame that finds enough frames before it, when decoding starts at the keyframe.
    opened = np.searchsorted(pts, pts[np.minimum(np.searchsorted(pts, keys) + LEAD, len(pts) - 1)] + reach)
    bounds = pts[opened[opened < len(pts)]]
    chosen: list[int] = []
    for number in range(1, round(int(pts[-1] - pts[0]) / step)):
        ideal, after = pts[0] + number * step, chosen[-1] + step // 2 if chosen else pts[0] + step // 2
        low = max(int(after) + 1, int(ideal) - step // 2)
        high = min(int(ideal) + step // 2, int(pts[-1]) - step // 2 - 1)
        near = bounds[np.searchsorted(bounds, low) : np.searchsorted(bounds, high, side="right")]
        if len(near):
            chosen.append(int(near[np.abs(near - ideal).argmin()]))
    edges = [WHOLE[0], *chosen, WHOLE[1]]
    return list(pairwise(edges)) if chosen else []


def seekable(
    path: str, facts: Mapping[str, Any], index: PacketIndex, spans: Sequence[Span], opener: Opener | None = None
) -> bool:
    """Whether a seek to the start of every span lands on a keyframe early enough, and the packets that follow are those
    of the index. Reads a few dozen packets a span, decodes nothing."""
    try:
        with media.open_media(path, opener() if opener else None) as container:
            stream = stream_of(container, facts)
            for start, _ in spans[1:]:
                target = span_start(container, stream, start)
                if target is None:
                    return False
                container.seek(target, stream=stream)
                if not _as_indexed(container, stream, index, start):
                    return False
    except (ElementError, av.error.FFmpegError, ValueError):
        return False
    return True


def _as_indexed(container: Any, stream: Any, index: PacketIndex, start: int) -> bool:
    at: int | None = None
    left = _CHECKED
    for packet in media.packets(container, stream):
        if packet.size == 0:
            continue
        if at is None:
            if not packet.is_keyframe:
                continue
            found = np.flatnonzero(index.pts == (NO_PTS if packet.pts is None else packet.pts))
            at = int(found[0]) if len(found) else -1
        if not 0 <= at < len(index) or (packet.pts, packet.size) != (int(index.pts[at]), int(index.size[at])):
            return False
        at, left = at + 1, left - (packet.pts >= start)
        if left <= 0:
            return True
    return at == len(index)


def stitch(
    parts: Sequence[Path],
    results: Sequence[Mapping[str, Any]],
    folder: Path,
    facts: Mapping[str, Any],
    packet_bytes: int,
) -> dict[str, Any]:
    """Put the segments of a video together.

    Args:
        parts: Folders that `measure` filled, one a span, in order.
        results: What it returned for each.
        folder: An existing folder; gets the files of the whole.
        facts: What `probe` found out.
        packet_bytes: Bytes of all packets of the stream.

    Returns:
        What `measure` returns for the whole; `decoded_frames` is the sum.

    Raises:
        SeamError: They do not fit.
    """
    timing = Timing(facts)
    tail: Mapping[str, Any] = {}
    after: int | None = None
    for number, (part, result) in enumerate(zip(parts, results, strict=True)):
        for trouble in ("decode_errors", "mended"):
            if result[trouble]:
                raise SeamError(f"segment {number}: {trouble} {result[trouble]}")
        if not (part / "signals.parquet").exists():
            raise SeamError(f"segment {number} has no frames")
        signals, head = read_signals(part / "signals.parquet"), read_signals(part / "head.parquet")
        if number == 0:
            writer = signals_writer(folder / "signals.parquet", signals.about)
            about = signals.about
        elif signals.about != about:
            raise SeamError(f"segment {number} is of another picture")
        else:
            _check_seam(number, tail, head.columns, after, int(signals["pts"][0]) if len(signals) else None)
        writer.add(signals.columns)
        timing.add_all(zip(signals["pts"].tolist(), signals["duration"].tolist(), strict=True))
        if len(signals):
            tail = signals.columns
        after = result["after"]
    if after is not None:
        raise SeamError("frames follow the last segment")
    writer.close()
    for name, columns in SERIES.items():
        _join_series([part / f"{name}.parquet" for part in parts], folder / f"{name}.parquet", columns)
    if (parts[0] / "samples.zip").exists():
        _join_samples([part / "samples.zip" for part in parts], results, folder / "samples.zip")
    if (parts[0] / "thumbnails.zip").exists():
        _join_thumbnails([part / "thumbnails.zip" for part in parts], folder / "thumbnails.zip")
    return {
        "frames": timing.frames,
        "decode_errors": 0,
        "decoded_frames": sum(r["decoded_frames"] for r in results),
        "rotation": results[0]["rotation"],
        "interlaced": any(r["interlaced"] for r in results),
        **timing.facts(packet_bytes),
    }


def _check_seam(
    number: int, tail: Mapping[str, Any], head: Mapping[str, Any], after: int | None, first: int | None
) -> None:
    if after is None or first is None or after != first:
        raise SeamError(f"segment {number} begins at PTS {first}, the one before ended before {after}")
    # The last `LEAD` - 1 at least were decoded by both; more where the keyframe lies further back.
    shared = min(len(head["pts"]), len(tail.get("pts", ())))
    if shared < LEAD - 1:
        raise SeamError(f"segment {number} shares {shared} frames with the one before: too few to compare")
    for name, column in head.items():
        if not np.array_equal(column[len(column) - shared :], tail[name][len(tail[name]) - shared :]):
            raise SeamError(f"segment {number}: {name} of the frames before it is not what the one before saw")


def _join_series(parts: Sequence[Path], path: Path, columns: Columns) -> None:
    """One series from segments; a row that two of them hold (a sample past its segment's end) counts once."""
    read = [read_series(part) for part in parts]
    joined = {name: np.concatenate([rows[name] for _, rows in read]) for name in columns}
    _, order = np.unique(joined["pts"], return_index=True)
    writer = SeriesWriter(path, columns, read[0][0])
    writer.add({name: column[order] for name, column in joined.items()})
    writer.close()


def _join_samples(parts: Sequence[Path], results: Sequence[Mapping[str, Any]], path: Path) -> None:
    writer = SamplesWriter(path)
    for part, result in zip(parts, results, strict=True):
        with Samples(part) as samples:
            for entry in samples.frames:
                if not writer.has(entry.pts):
                    writer.add(entry.pts, samples.jpeg(entry.pts), entry.width, entry.height)
                writer.note(entry.pts, *entry.why)
        writer.settle(result["after"])
    writer.close()


def _join_thumbnails(parts: Sequence[Path], path: Path) -> None:
    writer = ThumbnailsWriter(path)
    for part in parts:
        with Thumbnails(part) as thumbnails:
            for start in range(0, thumbnails.count, CHUNK):
                writer.add(thumbnails.read(start, start + CHUNK))
    writer.close()
