"""Measuring: one decode of a video, and everything later steps need of it in a few files.

`signals.parquet` holds one row a frame shown (see `transforms.signals`); `flow.parquet`, `texture.parquet` and
`looks.parquet` optical flow, texture and fingerprints of some frames; `samples.zip` sampled frames as JPEG and
`thumbnails.zip` a small picture of every frame. Every later question about cuts, motion, quality, copies or captions is
answered from these; nothing here decides anything. All are written as the decode goes, so memory does not grow with the
length. The same bytes, settings and build give the same files, and spans of a video put together
(`transforms.segments`) give those of the whole.

Sampled are: the least-moving frame of every tick of the sampling rate, counted from the first frame shown; and both
frames beside a *local peak* of the content score, the last frame of one local scene and the first of the next. A peak
is found from the frames before it only, so that spans agree with the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from transforms import flow, media
from transforms.failures import ElementError
from transforms.frames import Counts, Shown, decoded_ahead, prime, seek_point, shown_frames
from transforms.recorder import LEAD, MeasureSettings, Recorder
from transforms.signals import RECIPE

__all__ = ["RECIPE", "MeasureSettings", "Timing", "measure"]

Opener = Callable[[], media.NamelessFile]

_EARLIEST: Final = -(1 << 62)
_LATEST: Final = 1 << 62
WHOLE: Final = (_EARLIEST, _LATEST)
"""The span of everything."""

_AHEAD: Final = 8
_AHEAD_PIXELS: Final = 16_000_000
"""Most frames decoded ahead, and most pixels of them: 24 MB of 8-bit 4:2:0. Of 1, 4, 8, 16 and 24 frames of 480p, 8
took least: 5 % less than 1."""

_MOST_INTERVALS: Final = 4096
"""Different frame intervals that are counted; a stream with more has a variable frame rate for certain."""


def measure(
    path: str,
    facts: Mapping[str, Any],
    folder: str | Path,
    settings: MeasureSettings,
    span: tuple[int, int] = WHOLE,
    on_progress: Callable[[int], None] | None = None,
    opener: Opener | None = None,
) -> dict[str, Any]:
    """Decode a video once and store what is kept of it.

    Args:
        path: A local file.
        facts: What `probe` found out; without `video_stream` nothing is decoded or written.
        folder: An existing folder; gets the files.
        settings: How to decode and what to keep.
        span: Only what belongs to `start <= pts < end`; then `head.parquet` says what was seen before it.
        on_progress: Called now and then with the number of frames stored so far.
        opener: Opens what is read instead of `path`: a file elsewhere, read in ranges.

    Returns:
        The columns of `VideoRow` that only decoding can tell, and `decoded_frames`; of a span also `after`, the PTS of
        the first frame past it (None: the video ended), and `mended`, frames whose time was. They describe the span.

    Raises:
        ElementError: No frame at all: `encrypted`, `unsupported_codec`, `no_streams`, `damaged` or `out_of_memory`.
    """
    if facts.get("video_stream") is None:
        return {"frames": 0, "decoded_frames": 0, "decode_errors": 0}
    if not facts.get("time_base_den"):
        raise ElementError("damaged", f"stream {facts['video_stream']} has no time base")
    counts = Counts()
    recorder = Recorder(facts, Path(folder), settings, span, on_progress)
    timing = Timing(facts)
    try:
        with _frames(path, facts, counts, settings, span, opener) as frames:
            for shown in frames:
                if span[0] <= shown.pts < span[1]:
                    timing.add(shown.pts, shown.duration)
                if not recorder.add(shown):
                    break
            else:
                recorder.end_of_video()
    finally:
        recorder.close()
    if not recorder.decoded:
        raise _no_frame(facts, counts)
    if span == WHOLE:
        (Path(folder) / "head.parquet").unlink()
    found = {
        "frames": timing.frames,
        "decode_errors": counts.errors,
        "decoded_frames": counts.decoded,
        "rotation": recorder.rotation,
        "interlaced": recorder.interlaced,
        **timing.facts(counts.packet_bytes),
    }
    return found if span == WHOLE else {**found, "after": recorder.after, "mended": counts.mended}


@contextmanager
def _frames(
    path: str,
    facts: Mapping[str, Any],
    counts: Counts,
    settings: MeasureSettings,
    span: tuple[int, int],
    opener: Opener | None,
) -> Iterator[Iterator[Shown]]:
    target: int | None = None
    if span[0] > _EARLIEST:
        with _opened(path, opener) as container:
            target = span_start(container, stream_of(container, facts), span[0])
    with _opened(path, opener, settings.hwaccel) as container:
        stream = stream_of(container, facts)
        media.prepare_decoder(stream, "bidir" if settings.measure == "lean" else "", settings.hwaccel)
        if target is not None:
            prime(container, stream)
            container.seek(target, stream=stream)
        frames = shown_frames(container, stream, counts, facts.get("nominal_frame_rate"), after_seek=target is not None)
        context = stream.codec_context
        yield decoded_ahead(frames, min(_AHEAD, _AHEAD_PIXELS // max(1, context.width * context.height)))


def _opened(path: str, opener: Opener | None, hwaccel: str = media.SOFTWARE) -> Any:
    return media.open_media(path, opener() if opener is not None else None, hwaccel)


def span_start(container: Any, stream: Any, start: int) -> int | None:
    """Where to seek for a span that starts at a PTS: early enough for everything that looks back; None: nowhere."""
    return seek_point(container, stream, start - round(flow.GAP_SECONDS / stream.time_base), LEAD)


def stream_of(container: Any, facts: Mapping[str, Any]) -> Any:
    """The stream that was probed, the only one that the container will read.

    Raises:
        ElementError: `changed`, when it is another one.
    """
    number = facts["video_stream"]
    if number >= len(container.streams) or container.streams[number].type != "video":
        raise ElementError("changed", f"stream {number} is no longer a video stream: the file changed")
    stream = container.streams[number]
    if stream.time_base != Fraction(facts["time_base_num"], facts["time_base_den"]):
        raise ElementError("changed", f"stream {number} has another time base than before: the file changed")
    media.only(container, stream)
    return stream


def _no_frame(facts: Mapping[str, Any], counts: Counts) -> ElementError:
    codec = facts.get("video_codec") or "unknown codec"
    if counts.encrypted:
        return ElementError("encrypted", f"all {counts.packets} packets of the {codec} video are encrypted")
    if counts.packets == 0:
        return ElementError("no_streams", f"the container describes a {codec} video but holds no packet of it")
    if counts.decoded:
        return ElementError("damaged", f"none of the {counts.decoded} decoded {codec} frames can be shown")
    said = f": {getattr(counts.last_error, 'strerror', None) or counts.last_error}" if counts.last_error else ""
    return ElementError(
        media.as_failure(counts.last_error, "").error_class if counts.last_error else "damaged",
        f"the {codec} decoder gave no frame for any of {counts.packets} packets{said}",
    )


class Timing:
    """Facts about a video's time from its frames, one after another."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._time_base = Fraction(facts["time_base_num"], facts["time_base_den"])
        self._nominal: float | None = facts.get("nominal_frame_rate")
        self._intervals: Counter[int] = Counter()
        self._first: int | None = None
        self._last = self._duration = 0
        self.frames = 0

    def add(self, pts: int, duration: int) -> None:
        """Take the next frame: its PTS and the duration it claims (0: none)."""
        if self._first is None:
            self._first = pts
        else:
            interval = pts - self._last
            if len(self._intervals) < _MOST_INTERVALS or interval in self._intervals:
                self._intervals[interval] += 1
        self._last, self._duration = pts, duration
        self.frames += 1

    def add_all(self, frames: Iterable[tuple[int, int]]) -> None:
        """Take several frames."""
        for pts, duration in frames:
            self.add(pts, duration)

    def facts(self, packet_bytes: int) -> dict[str, Any]:
        """`start_pts`, `end_pts`, `duration`, `frame_rate`, `variable_frame_rate` and `bit_rate`; none of no frames."""
        if self._first is None:
            return {}
        middle = _median(self._intervals)
        step = middle or (round(1 / (self._nominal * self._time_base)) if self._nominal else 1)
        end = self._last + max(1, self._duration or step)
        seconds = float((end - self._first) * self._time_base)
        return {
            "start_pts": self._first,
            "end_pts": end,
            "duration": seconds,
            "frame_rate": self.frames / seconds,
            "variable_frame_rate": len(self._intervals) >= _MOST_INTERVALS
            or any(abs(i - middle) > max(1.0, 0.01 * middle) for i in self._intervals),
            "bit_rate": 8 * packet_bytes / seconds,
        }


def _median(counted: Counter[int]) -> int:
    """The (lower) median of counted values; 0 of none."""
    left = (sum(counted.values()) + 1) // 2
    for value in sorted(counted):
        left -= counted[value]
        if left <= 0:
            return value
    return 0
