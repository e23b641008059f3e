"""Measuring: one decode of a video, and everything later steps need of it in two files.

`signals.parquet` holds one row a frame shown (see `transforms.signals`), `samples.zip` sampled frames and thumbnails
(see `transforms.samples`). Every later question about cuts, motion, quality or captions is answered from these; nothing
here decides anything. Both are written as the decode goes, so memory does not grow with the length. The same bytes,
settings and build give the same files, and a span of a video gives exactly the rows and pictures that the whole pass
gives for it.

Sampled are: the first frame of every tick of the sampling rate, counted from the first frame shown; and both frames
beside a *local peak* of the content score, the last frame of one local scene and the first of the next. A peak is found
from the frames before it only, so that spans agree with the whole.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from av.video.reformatter import Interpolation, VideoReformatter

from transforms import media
from transforms.failures import ElementError
from transforms.frames import Counts, Shown, seek_point, shown_frames
from transforms.pictures import Meter, convert, jpeg_of, small_size
from transforms.probe import upright_turn
from transforms.samples import SamplesWriter
from transforms.series import SeriesWriter
from transforms.settings import setting
from transforms.signals import RECIPE, About, signals_writer

__all__ = ["RECIPE", "MeasureSettings", "measure"]

SIGNALS_FILE: Final = "signals.parquet"
SAMPLES_FILE: Final = "samples.zip"

_WINDOW: Final = 12
_LEAD: Final = _WINDOW + 1
"""Frames before a span whose deltas decide whether its first frame is a peak, and the one they start from."""

_MOST_INTERVALS: Final = 4096
"""Different frame intervals that are counted; a stream with more has a variable frame rate for certain."""


@dataclasses.dataclass(frozen=True)
class MeasureSettings:
    """What is kept of a video besides its signals."""

    frames_per_second: float = setting(2.0, "Sampled frames kept", unit="1/s", low=0.0, high=60.0, source="project")
    frame_side: int = setting(
        512, "Longest side of a sampled frame; smaller ones keep their size", unit="px", low=16, high=8192
    )
    jpeg_quality: int = setting(90, "JPEG quality of sampled frames", low=1, high=100)
    thumbnails: bool = setting(True, "Keep a 48x27 thumbnail of every frame")
    edges: bool = setting(True, "Measure edge changes, for detectors that weigh them; a third of the cost at 480p")
    dark_level: int = setting(32, "Gray level up to which a pixel is dark", low=0, high=254, source="FFmpeg blackframe")
    bar_level: int = setting(
        24, "Gray level up to which a line of pixels is a black bar", low=0, high=254, source="FFmpeg cropdetect"
    )
    peak_score: float = setting(
        27.0, "Content score that starts a local scene", low=0.0, high=255.0, source="PySceneDetect content"
    )
    peak_ratio: float = setting(
        3.0,
        "Times the mean score of the frames before that starts a local scene",
        low=1.0,
        source="PySceneDetect adaptive",
    )
    peak_least: float = setting(
        15.0, "Least content score of such a start", low=0.0, high=255.0, source="PySceneDetect adaptive"
    )


def measure(
    path: str,
    facts: Mapping[str, Any],
    folder: str | Path,
    settings: MeasureSettings,
    span: tuple[int, int] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Decode a video once and store its signals and samples.

    Args:
        path: A local file.
        facts: What `probe` found out; without `video_stream` nothing is decoded or written.
        folder: An existing folder; gets `signals.parquet` and `samples.zip`.
        settings: What to keep.
        span: Only frames with `start <= pts < end`. Deltas of the first are still against the frame before it.
        on_progress: Called now and then with the number of frames stored so far.

    Returns:
        The columns of `VideoRow` that only decoding can tell, and `decoded_frames`. For a span they describe the span.

    Raises:
        ElementError: No frame at all: `encrypted`, `unsupported_codec`, `no_streams`, `damaged` or `out_of_memory`.
    """
    if facts.get("video_stream") is None:
        return {"frames": 0, "decoded_frames": 0, "decode_errors": 0}
    if not facts.get("time_base_den"):
        raise ElementError("damaged", f"stream {facts['video_stream']} has no time base")
    counts = Counts()
    recorder = _Recorder(facts, Path(folder), settings, span, on_progress)
    try:
        with _frames(path, facts, counts, span) as frames:
            for shown in frames:
                if not recorder.add(shown):
                    break
            else:
                recorder.end_of_video()
    finally:
        recorder.close()
    if not recorder.decoded:
        raise _no_frame(facts, counts)
    return recorder.summary(counts)


@contextmanager
def _frames(
    path: str, facts: Mapping[str, Any], counts: Counts, span: tuple[int, int] | None
) -> Iterator[Iterator[Shown]]:
    target: int | None = None
    rate = facts.get("nominal_frame_rate")
    if span is not None:
        with media.open_media(path) as container:
            stream = _stream(container, facts)
            target = seek_point(container, stream, span[0], _LEAD)
    with media.open_media(path) as container:
        stream = _stream(container, facts)
        media.prepare_decoder(stream)
        if target is not None:
            container.seek(target, stream=stream)
        yield shown_frames(container, stream, counts, rate, after_seek=target is not None)


def _stream(container: Any, facts: Mapping[str, Any]) -> Any:
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


class _Recorder:
    """Takes frames in order and writes what is kept of them."""

    def __init__(
        self,
        facts: Mapping[str, Any],
        folder: Path,
        settings: MeasureSettings,
        span: tuple[int, int] | None,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._facts, self._folder, self._settings, self._span = facts, folder, settings, span
        self._on_progress = on_progress
        self._meter: Meter | None = None
        self._signals: SeriesWriter | None = None
        self._samples: SamplesWriter | None = None
        self._small, self._large = VideoReformatter(), VideoReformatter()
        self._time_base = Fraction(facts["time_base_num"], facts["time_base_den"])
        self._rotation = 0
        self._before: Shown | None = None
        self._scores: deque[int] = deque(maxlen=_WINDOW)
        self._tick: int | None = None
        self._intervals: Counter[int] = Counter()
        self._first_pts: int | None = None
        self._last: Shown | None = None
        self._after: int | None = None
        self._frames = 0
        self._bytes = 0
        self._interlaced = False
        self.decoded = False
        """A frame was seen, inside the span or not."""

    def _start(self, shown: Shown) -> Meter:
        """Open the files; everything that is the same for all frames comes from the first."""
        frame, settings, facts = shown.frame, self._settings, self._facts
        media.check_size(frame.width, frame.height)
        width, height = facts.get("coded_width") or frame.width, facts.get("coded_height") or frame.height
        small = small_size(width, height)
        self._rotation = upright_turn(frame.rotation)
        about = About(
            recipe=RECIPE,
            width=small[0],
            height=small[1],
            coded_width=width,
            coded_height=height,
            rotation=self._rotation,
            time_base_num=self._time_base.numerator,
            time_base_den=self._time_base.denominator,
            dark_level=settings.dark_level,
            bar_level=settings.bar_level,
            edges=settings.edges,
        )
        self._size = small
        self._signals = signals_writer(self._folder / SIGNALS_FILE, about)
        self._samples = SamplesWriter(self._folder / SAMPLES_FILE)
        self._meter = Meter(*small, settings.dark_level, settings.edges, settings.thumbnails)
        return self._meter

    def add(self, shown: Shown) -> bool:
        """Take the next frame; False when the span has ended and no more are wanted."""
        self.decoded = True
        meter = self._meter or self._start(shown)
        frame, pts = shown.frame, shown.pts
        inside = self._span is None or self._span[0] <= pts < self._span[1]
        over = self._span is not None and pts >= self._span[1]
        bgr = convert(self._small, frame, self._size, Interpolation.FAST_BILINEAR)
        score = meter.measure(bgr, pts, shown.duration, shown.size, int(frame.pict_type), shown.keyframe)
        peak = self._is_peak(score)
        if peak and self._last is not None:
            self._keep(self._last, "scene_end")
        if over:
            self._after = pts
            return False
        ticked = self._ticked(pts)
        if inside:
            meter.keep()
            if ticked:
                self._keep(shown, "sample")
            if peak or self._before is None:
                self._keep(shown, "scene_start")
            self._count(shown)
            if meter.full:
                self._flush(meter)
        self._before = shown
        return True

    def _is_peak(self, score: int) -> bool:
        """A score that stands out of the frames before: high, or high for here, and higher than each of them."""
        settings, scores = self._settings, self._scores
        unit = 3 * self._size[0] * self._size[1]
        high = score >= settings.peak_score * unit
        high |= score >= settings.peak_least * unit and score * len(scores) >= settings.peak_ratio * sum(scores)
        peak = high and score > max(scores, default=0) and self._before is not None
        scores.append(score)
        return peak

    def _ticked(self, pts: int) -> bool:
        """The first frame in its tick of the sampling rate."""
        if not self._settings.frames_per_second:
            return False
        start = self._facts.get("start_pts") or 0
        rate = Fraction(self._settings.frames_per_second).limit_denominator(1000)
        tick, last = (pts - start) * self._time_base * rate // 1, self._tick
        self._tick = tick
        return tick != last

    def _count(self, shown: Shown) -> None:
        if self._last is not None:
            interval = shown.pts - self._last.pts
            if len(self._intervals) < _MOST_INTERVALS or interval in self._intervals:
                self._intervals[interval] += 1
        if self._first_pts is None:
            self._first_pts = shown.pts
        self._last = shown
        self._frames += 1
        self._bytes += shown.size
        self._interlaced |= bool(shown.frame.interlaced_frame)

    def _keep(self, shown: Shown, why: str) -> None:
        assert self._samples is not None
        if not self._samples.has(shown.pts):
            settings = self._settings
            jpeg = jpeg_of(self._large, shown.frame, settings.frame_side, settings.jpeg_quality, self._rotation)
            self._samples.add_frame(shown.pts, *jpeg)
        self._samples.note(shown.pts, why)

    def _flush(self, meter: Meter) -> None:
        assert self._signals is not None
        assert self._samples is not None
        batch, thumbnails = meter.take(self._settings.bar_level)
        self._signals.add(batch)
        if self._settings.thumbnails:
            self._samples.add_thumbnails(thumbnails)
        if self._on_progress is not None:
            self._on_progress(self._frames)

    def end_of_video(self) -> None:
        """The decode reached the end, so the frame before was the last of its scene."""
        if self._last is not None:
            self._keep(self._last, "scene_end")

    def close(self) -> None:
        """Write what waits and finish the files."""
        if self._meter is not None and self._signals is not None and self._samples is not None:
            if self._meter.count:
                self._flush(self._meter)
            self._signals.close()
            self._samples.close()

    def summary(self, counts: Counts) -> dict[str, Any]:
        found: dict[str, Any] = {
            "frames": self._frames,
            "decode_errors": counts.errors,
            "decoded_frames": counts.decoded,
            "rotation": self._rotation,
            "interlaced": self._interlaced,
        }
        if self._first_pts is None or self._last is None:
            return found
        middle = _median(self._intervals)
        nominal = self._facts.get("nominal_frame_rate")
        step = middle or (round(1 / (nominal * self._time_base)) if nominal else 1)
        end = self._after if self._after is not None else self._last.pts + max(1, self._last.duration or step)
        seconds = float((end - self._first_pts) * self._time_base)
        packet_bytes = self._bytes if self._span is not None else counts.packet_bytes
        return found | {
            "start_pts": self._first_pts,
            "end_pts": end,
            "duration": seconds,
            "frame_rate": self._frames / seconds,
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
