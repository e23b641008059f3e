"""Recorder: takes the frames of a decode in order and writes what is kept of them.

Everything a frame leaves behind belongs to one place in time: a row of signals to the frame, a flow and a texture to
the first frame of their tick, a sample to the first frame of the half second in which it moves least, the two frames at
a sudden change to themselves. A span of a video records exactly what belongs to times inside it, looking at frames
before it and past its end where it must; so spans put together are the whole, bit for bit.

What is known of frames before a span (`head.parquet`) was recorded by the span before too: where the two differ, the
decoder did not give the same frames after seeking, and the spans are worth nothing.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from transforms import flow, media, texture
from transforms.fingerprint import COLUMNS as LOOK_COLUMNS
from transforms.fingerprint import fingerprint_row
from transforms.frames import Shown
from transforms.pictures import Meter, convert, jpeg_of, large_of, small_size
from transforms.probe import upright_turn
from transforms.samples import SamplesWriter
from transforms.series import Column, Columns, SeriesWriter
from transforms.settings import setting
from transforms.signals import RECIPE, About, signals_writer
from transforms.thumbnails import ThumbnailsWriter


def bars_of(bgr: npt.NDArray[np.uint8], level: int) -> tuple[int, int, int, int]:
    """Lines up to a gray level at the left, right, top and bottom of a picture; 0 where all are."""
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    columns, rows = (np.flatnonzero(gray.max(axis=axis) > level) for axis in (0, 1))
    if not len(rows):
        return 0, 0, 0, 0
    height, width = gray.shape
    return int(columns[0]), int(width - 1 - columns[-1]), int(rows[0]), int(height - 1 - rows[-1])


_PTS: Final = Column("int64", "Presentation timestamp of the frame.", "time base")
_GAP: Final = Column("int64", "Time from the earlier frame of the pair to this one.", "time base", "> 0")

SERIES: Final[dict[str, Columns]] = {
    "flow": {"pts": _PTS, "gap": _GAP, **flow.COLUMNS},
    "texture": {"pts": _PTS, **texture.COLUMNS},
    "looks": {"pts": _PTS, **LOOK_COLUMNS},
}
"""What is stored of some frames, by the name of its file; each row's frame is shown at its `pts`."""

WINDOW: Final = 8
"""Frames before one that its change must stand out of to be a peak."""

LEAD: Final = WINDOW + 1
"""Frames to decode before a span, after the time that a flow reaches back: the window, and the one it starts from."""

_FLOW_LONGEST: Final = 0.5
"""Seconds between two frames beyond which nothing is matched."""

_TEXTURES: Final = 16
"""Frames whose texture is worked out at once: a third of the cost of one by one, in 6 MB."""

_FLOWS: Final = 16
"""Flows worked out one after another: two thirds of the cost of one between other frames, in 1 MB."""

KEEPS: Final = ("full", "lean", "minimal")


@dataclasses.dataclass(frozen=True)
class MeasureSettings:
    """How a video is decoded, and what is kept of it."""

    measure: str = setting(
        "exact",
        "Effort: 'exact' decodes all; 'lean' leaves out the loop filter of B frames; 'scan' looks at packets, "
        "keyframes and what is suspicious only.",
        choices=("exact", "lean", "scan"),
    )
    keep: str = setting(
        "full",
        "What is stored: 'full' all; 'lean' no thumbnails; 'minimal' no pictures at all, numbers only.",
        choices=KEEPS,
    )
    frames_per_second: float = setting(2.0, "Sampled frames kept", unit="1/s", low=0.0, high=60.0, source="project")
    frame_side: int = setting(
        512, "Longest side of a sampled frame; smaller ones keep their size", unit="px", low=16, high=8192
    )
    jpeg_quality: int = setting(90, "JPEG quality of sampled frames", low=1, high=100)
    edges: bool = setting(True, "Measure edge changes, for detectors that weigh them")
    flow_per_second: float = setting(4.0, "Optical flows a second", unit="1/s", low=0.0, high=60.0, source="project")
    texture_per_second: float = setting(
        1.0, "Looks at the full-size texture a second", unit="1/s", low=0.0, high=60.0, source="project"
    )
    looks_per_second: float = setting(
        1.0, "PDQ fingerprints of sampled frames a second", unit="1/s", low=0.0, high=60.0, source="project"
    )
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
    segment_seconds: float = setting(
        60.0,
        "Length of the segments that a video of more than twice that is measured in, by several workers; 0: never",
        unit="s",
        low=0.0,
        scale=True,
    )
    hwaccel: str = setting(
        "none", "Device that decodes, such as 'cuda' or 'videotoolbox'; 'none': the processor. Its pixels may differ"
    )


class _Ticks:
    """Numbers the ticks of a rate, counted from the first frame shown; without a rate there is one, number 0."""

    def __init__(self, per_second: float, start: int, time_base: Fraction) -> None:
        step = Fraction(per_second).limit_denominator(1000) * time_base
        self._start, self._num, self._den = start, step.numerator, step.denominator
        self.on = self._num > 0
        self._last: int | None = None

    def new(self, pts: int) -> int | None:
        """The number of the tick that a frame opens; None where it is in the tick of the frame before."""
        tick = (pts - self._start) * self._num // self._den
        if tick == self._last or not self.on:
            return None
        self._last = tick
        return tick


@dataclasses.dataclass
class _Pick:
    """The least-moving frame of a tick, so far."""

    change: float
    shown: Shown
    look: bool


class _Pending:
    """Rows of a series that may come late: they wait until no earlier one can come."""

    def __init__(self, writer: SeriesWriter) -> None:
        self._writer = writer
        self._waiting: dict[int, Mapping[str, Any]] = {}
        self._seen: set[int] = set()

    def __contains__(self, pts: int) -> bool:
        return pts in self._seen

    def add(self, pts: int, row: Mapping[str, Any]) -> None:
        self._waiting[pts] = {"pts": pts, **row}
        self._seen.add(pts)

    def settle(self, before: int | None = None) -> None:
        for pts in sorted(p for p in self._waiting if before is None or p < before):
            self._writer.add({name: [value] for name, value in self._waiting.pop(pts).items()})

    def close(self) -> None:
        self.settle()
        self._writer.close()


class Recorder:
    """Takes frames in order and writes what is kept of them.

    Args:
        facts: Columns of `VideoRow` that probing found.
        folder: An existing folder, which gets the files.
        settings: What to keep.
        span: Record what belongs to `start <= pts < end`, in the time base; frames before and after are only looked at.
        on_progress: Called now and then with the number of frames recorded so far.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        folder: Path,
        settings: MeasureSettings,
        span: tuple[int, int],
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._facts, self._folder, self._settings = facts, folder, settings
        self._start, self._end = span
        self._on_progress = on_progress
        self._meter: Meter | None = None
        self._small, self._large = VideoReformatter(), VideoReformatter()
        self.time_base = Fraction(facts["time_base_num"], facts["time_base_den"])
        self._gap = round(flow.GAP_SECONDS / self.time_base)
        self._longest = round(_FLOW_LONGEST / self.time_base)
        first = facts.get("start_pts") or 0
        rates = (settings.frames_per_second, settings.looks_per_second)
        self._ticks, self._look_ticks = (_Ticks(rate, first, self.time_base) for rate in rates)
        self._flow_ticks = _Ticks(settings.flow_per_second, first, self.time_base)
        self._texture_ticks = _Ticks(settings.texture_per_second, first, self.time_base)
        self._grays: deque[tuple[int, npt.NDArray[np.uint8]]] = deque()
        self._pairs: list[tuple[int, int, npt.NDArray[np.uint8], npt.NDArray[np.uint8]]] = []
        self._tiles: list[tuple[int, Any]] = []
        self._larges: dict[int, npt.NDArray[np.uint8]] = {}
        self._scores: deque[int] = deque(maxlen=WINDOW)
        self._pick: _Pick | None = None
        self._before: Shown | None = None
        self.rotation = 0
        self.interlaced = False
        self.frames = 0
        self.after: int | None = None
        """PTS of the first frame past the span, when there is one."""

    @property
    def decoded(self) -> bool:
        """A frame was seen, inside the span or not."""
        return self._before is not None

    def _open(self, shown: Shown) -> Meter:
        """Open the files; everything that is the same for all frames comes from the first."""
        frame, settings, facts = shown.frame, self._settings, self._facts
        media.check_size(frame.width, frame.height)
        width, height = facts.get("coded_width") or frame.width, facts.get("coded_height") or frame.height
        self._size = small_size(width, height)
        self.rotation = upright_turn(frame.rotation)
        about = About(
            recipe=RECIPE,
            width=self._size[0],
            height=self._size[1],
            coded_width=width,
            coded_height=height,
            rotation=self.rotation,
            time_base_num=self.time_base.numerator,
            time_base_den=self.time_base.denominator,
            dark_level=settings.dark_level,
            bar_level=settings.bar_level,
            edges=settings.edges,
            measured=settings.measure,
        )
        folder = self._folder
        self._signals = signals_writer(folder / "signals.parquet", about)
        self._head = signals_writer(folder / "head.parquet", about)
        self._flow = SeriesWriter(folder / "flow.parquet", SERIES["flow"], {})
        self._texture = SeriesWriter(folder / "texture.parquet", SERIES["texture"], {})
        self._looks = _Pending(SeriesWriter(folder / "looks.parquet", SERIES["looks"], {}))
        self._samples = SamplesWriter(folder / "samples.zip") if settings.keep != "minimal" else None
        self._thumbnails = ThumbnailsWriter(folder / "thumbnails.zip") if settings.keep == "full" else None
        self._meter = Meter(
            *self._size, settings.dark_level, settings.edges, self._thumbnails is not None, settings.bar_level
        )
        return self._meter

    def add(self, shown: Shown) -> bool:
        """Take the next frame; False when all that belongs to the span is recorded."""
        meter = self._meter or self._open(shown)
        frame, pts, before = shown.frame, shown.pts, self._before
        bgr = convert(self._small, frame, self._size, Interpolation.FAST_BILINEAR)
        score = meter.measure(bgr, pts, shown.duration, shown.size, int(frame.pict_type), shown.keyframe)
        inside = self._start <= pts < self._end
        # The first frame before a span has nothing to be compared with; the others are the span's proof.
        if inside or (before is not None and pts < self._start):
            meter.keep()
        if self._is_peak(score) and before is not None:
            if self._start <= before.pts < self._end:
                self._keep(before, True, "scene_end")
            if inside:
                self._keep(shown, True, "scene_start")
        elif before is None and inside:
            self._keep(shown, True, "scene_start")
        self._sample(shown, float(meter.change) if before is not None else float("inf"), inside)
        self._move(pts, meter.gray, inside)
        if self._texture_ticks.new(pts) is not None and inside:
            self._tiles.append((pts, texture.tiles_of(frame)))
            if len(self._tiles) == _TEXTURES:
                self._flush_texture()
        if inside:
            self.frames += 1
            self.interlaced |= bool(frame.interlaced_frame)
        elif pts >= self._end and self.after is None:
            self.after = pts
        if meter.full:
            self._flush(meter)
        self._before = shown
        return self.after is None or self._pick is not None

    def _is_peak(self, score: int) -> bool:
        """A score that stands out of the frames before: high, or high for here, and higher than each of them."""
        settings, scores = self._settings, self._scores
        unit = 3 * self._size[0] * self._size[1]
        high = score >= settings.peak_score * unit
        high |= score >= settings.peak_least * unit and score * len(scores) >= settings.peak_ratio * sum(scores)
        peak = high and score > max(scores, default=0)
        scores.append(score)
        return peak

    def _sample(self, shown: Shown, change: float, inside: bool) -> None:
        """Follow the least-moving frame of each tick of the sampling rate that opens inside the span."""
        look = self._look_ticks.new(shown.pts) is not None
        if self._ticks.new(shown.pts) is not None:
            self._end_pick()
            if inside:
                self._pick = _Pick(change, shown, look)
            self._settle(self._before.pts if self._before is not None else shown.pts)
        elif self._pick is not None:
            self._pick.look |= look
            if change < self._pick.change:
                self._pick.change, self._pick.shown = change, shown

    def _end_pick(self) -> None:
        if self._pick is not None:
            self._keep(self._pick.shown, self._pick.look, "sample")
            self._pick = None

    def _move(self, pts: int, gray: npt.NDArray[np.uint8], inside: bool) -> None:
        """The flow to the first frame of each tick, from the newest frame at least `flow.GAP_SECONDS` before it."""
        if not self._flow_ticks.on:
            return
        grays, gray = self._grays, gray.copy()
        while len(grays) > 1 and grays[1][0] <= pts - self._gap:
            grays.popleft()
        if self._flow_ticks.new(pts) is not None and inside and grays:
            gap = pts - grays[0][0]
            if self._gap <= gap <= self._longest:
                self._pairs.append((pts, gap, grays[0][1], gray))
                if len(self._pairs) == _FLOWS:
                    self._flush_flow()
        grays.append((pts, gray))

    def _flush_flow(self) -> None:
        if self._pairs:
            rows = [{"pts": pts, "gap": gap, **flow.flow_row(before, now)} for pts, gap, before, now in self._pairs]
            self._flow.add({name: [row[name] for row in rows] for name in rows[0]})
            self._pairs = []

    def _flush_texture(self) -> None:
        if self._tiles:
            rows = texture.texture_rows([tiles for _, tiles in self._tiles])
            self._texture.add({"pts": [pts for pts, _ in self._tiles], **rows})
            self._tiles = []

    def _keep(self, shown: Shown, look: bool, why: str) -> None:
        settings, samples, pts = self._settings, self._samples, shown.pts
        if samples is not None and not samples.has(pts):
            samples.add(pts, *jpeg_of(self._large_of(shown), settings.jpeg_quality, self.rotation))
        if samples is not None:
            samples.note(pts, why)
        if look and self._look_ticks.on and pts not in self._looks:
            bgr = self._large_of(shown)
            self._looks.add(pts, fingerprint_row(bgr, bars_of(bgr, settings.bar_level)))

    def _large_of(self, shown: Shown) -> npt.NDArray[np.uint8]:
        """The frame at the size of samples; the two asked for last are kept, as a scene's ends are asked for twice."""
        if shown.pts not in self._larges:
            if len(self._larges) > 1:
                del self._larges[next(iter(self._larges))]
            self._larges[shown.pts] = large_of(self._large, shown.frame, self._settings.frame_side)
        return self._larges[shown.pts]

    def _settle(self, before: int | None = None) -> None:
        self._looks.settle(before)
        if self._samples is not None:
            self._samples.settle(before)

    def _flush(self, meter: Meter) -> None:
        batch, thumbnails = meter.take()
        early = int(np.searchsorted(batch["pts"], self._start))
        self._head.add({name: column[:early] for name, column in batch.items()})
        self._signals.add({name: column[early:] for name, column in batch.items()})
        if self._thumbnails is not None:
            self._thumbnails.add(thumbnails[early:])
        if self._on_progress is not None:
            self._on_progress(self.frames)

    def end_of_video(self) -> None:
        """The decode reached the end, so the frame before was the last of its scene."""
        self._end_pick()
        if self._before is not None and self._start <= self._before.pts < self._end:
            self._keep(self._before, True, "scene_end")

    def close(self) -> None:
        """Write what waits and finish the files."""
        if self._meter is None:
            return
        if self._meter.count:
            self._flush(self._meter)
        self._flush_flow()
        self._flush_texture()
        writers = (self._signals, self._head, self._flow, self._texture, self._looks, self._samples, self._thumbnails)
        for writer in writers:
            if writer is not None:
                writer.close()
