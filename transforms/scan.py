"""Scan: the cuts of a video from its packets and keyframes, for a fraction of a decode.

Pictures that are coded without others are decoded and compared; with the sizes of the packets they tell of most cuts
(`transforms.clues`). Where a keyframe may come late, a P frame before it is *glimpsed* at: decoded without what it was
predicted from, as one at a cut holds nearly all of its picture itself. What this leaves open is decoded from the
keyframe before, which puts a cut on its very frame, as long as the budget lasts; afterwards the time of a packet far
larger than those around it is the guess.

This is triage, and what is stored says so. Every frame has a row with its exact time, size and keyframe flag; but its
picture is the one looked at last, and deltas are 0 except at cuts and between frames side by side that were looked at.
Which share of the cuts of a full decode is found was measured by kind of stream (`RECALL`, by `benchmarks/scan.py`).

A stream whose packets do not tell when its frames are shown is decoded whole, and so is a short one.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import av.error
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags
from av.video.reformatter import Interpolation, VideoReformatter

from transforms import media
from transforms.clues import NEAR, REACH, Stretch, Timeline, first_looks, glimpses, judge, timeline_of, within_budget
from transforms.detect import DetectSettings, detect
from transforms.joining import is_intra
from transforms.measure import MeasureSettings, Timing, measure, stream_of
from transforms.pictures import Meter, convert, jpeg_of, large_of, small_size
from transforms.probe import PacketIndex, upright_turn
from transforms.samples import SamplesWriter
from transforms.series import ROW_GROUP
from transforms.sights import Sights, colours_of, is_other, joined, merged, returning
from transforms.signals import COLUMNS, About, Signals, signals_writer
from transforms.signals import RECIPE as SIGNALS_RECIPE

Integers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

RECIPE: Final = 2
"""Raised whenever the code changes what a scan yields for the same bytes and settings."""

WHOLE: Final = "decoded whole"
"""The kind of what was not scanned but decoded like `exact`."""

RECALL: Final[dict[str, float]] = {
    WHOLE: 1.0,
    "h264, intra only": 1.0,
    "h264, keyframes at cuts": 0.82,
    "h264, regular keyframes": 0.38,
    "h264, few keyframes": 0.46,
    "hevc, keyframes at cuts": 0.93,
    "hevc, regular keyframes": 0.61,
    "vp9, regular keyframes": 0.25,
}
"""Share of the hard cuts of a full decode that a scan puts on their very frame, by kind of stream: the smallest of the
files with ten cuts or more of `python -m benchmarks.scan`, rounded down. A kind that is not here was not measured."""

_INTRA_CODECS: Final = frozenset({"h264", "hevc"})
"""Codecs whose decoder passes over all but intra pictures when asked to; of others only keyframes are looked at."""

_CONCEALED: Final = frozenset({"h264"})
"""Codecs whose decoder takes the picture before for one that is missing (FFmpeg's of HEVC takes gray)."""

_I: Final = 1
"""FFmpeg's number of intra pictures."""

_TURNED: Final = 3
"""Intra pictures that wait to be put in order: a decoder that misses what lies between may turn neighbours around."""

_STRANGE: Final = 0.1
"""Share of decoded frames whose time no packet announced from which on the packets are not believed."""


def scan(
    path: str,
    facts: Mapping[str, Any],
    index: PacketIndex,
    folder: str | Path,
    settings: MeasureSettings,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Find the cuts of a video without decoding it whole, and store approximate signals and some keyframes.

    Args:
        path: A local file.
        facts: What `probe` found out.
        index: The packets that `probe` listed.
        folder: An existing folder; gets `signals.parquet` and, unless nothing is to be kept, `samples.zip`.
        settings: What to keep.
        on_progress: Called now and then with the number of frames looked at so far.

    Returns:
        What `measure` returns, of which `decoded_frames` and `interlaced` are of the frames looked at; with
        `scan_kind`, the kind of stream, and `scan_recall`, the share of cuts found in such streams (None: unknown).

    Raises:
        ElementError: As `measure`.
    """
    timeline = timeline_of(facts, index)
    found = None if timeline is None else _Scan(path, facts, index, timeline, Path(folder), settings, on_progress).run()
    if found is None:
        found = measure(path, facts, folder, replace(settings, measure="exact"), on_progress=on_progress)
        found["scan_kind"] = WHOLE
    return {**found, "scan_recall": RECALL.get(found["scan_kind"])}


class _Scan:
    """One scan of one video."""

    def __init__(
        self,
        path: str,
        facts: Mapping[str, Any],
        index: PacketIndex,
        timeline: Timeline,
        folder: Path,
        settings: MeasureSettings,
        on_progress: Callable[[int], None] | None,
    ) -> None:
        self._path, self._facts, self._index, self._timeline = path, facts, index, timeline
        self._folder, self._settings, self._on_progress = folder, settings, on_progress
        self._codec: str = facts["video_codec"]
        self._reformatter = VideoReformatter()
        self._about: About | None = None
        self._interlaced = False
        self._decoded = self._errors = self._strange = 0
        self._early: dict[int, int] = {}

    def run(self) -> dict[str, Any] | None:
        """Scan and store; None where the frames are not those that the packets announce."""
        index, timeline = self._index, self._timeline
        samples = SamplesWriter(self._folder / "samples.zip") if self._settings.keep != "minimal" else None
        try:
            sights = self._measured(self._sampled(self._intra(), samples), intra=True)
            if self._about is None or self._strange > _STRANGE * self._decoded:
                return None
            signals = self._signals(sights)
            found = judge(index, timeline, sights.rows, is_other(signals, sights.shared), returning(signals))
            stretches, unseen = within_budget(index, found)
            runs, cuts = self._look_closer(stretches, sights)
            inside = [range(run.rows[0] + 1, run.rows[-1] + 1) for run in runs]
            certain = [row for row in found.certain if not any(row in rows for rows in inside)]
            early = [self._early[row] for row in certain if row in self._early]
            guesses = np.concatenate([timeline.row[unseen], np.array(early, np.int64)])
            cuts = sorted({*(self._early.get(row, row) for row in certain), *cuts, *guesses.tolist()} - {0})
            for pts in timeline.pts[cuts].tolist():
                if samples is not None and samples.has(pts):
                    samples.note(pts, "scene_start")
        finally:
            if samples is not None:
                samples.close()
        timing = self._store(merged(sights, runs, guesses), cuts)
        return {
            "frames": timing.frames,
            "decode_errors": self._errors,
            "decoded_frames": self._decoded,
            "rotation": self._about.rotation,
            "interlaced": self._interlaced,
            "scan_kind": f"{self._codec}, {found.placing}",
            **timing.facts(int(index.size.sum())),
        }

    def _packets(self, unfiltered: str = "") -> Iterator[tuple[int, Any, Any]]:
        """Every packet with its number and the decoder (see `prepare_decoder`); none of an encrypted stream."""
        with media.open_media(self._path) as container:
            stream = stream_of(container, self._facts)
            media.prepare_decoder(stream, unfiltered)
            if media.encrypted_stream(stream):
                return
            number = 0
            for packet in media.packets(container, stream):
                if packet.size == 0 and packet.pts is None and packet.dts is None:
                    continue
                if number == len(self._index):
                    return
                if packet.size:
                    yield number, packet, stream.codec_context
                number += 1

    def _decode(self, context: Any, packet: Any) -> Iterator[tuple[int, Any]]:
        """The frames that a packet (None: the end) brings out, with their rows."""
        pts = self._timeline.pts
        if packet is not None and packet.has_sidedata("encryption_info"):
            return
        try:
            frames = context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            self._errors += packet is not None
            return
        for frame in frames:
            self._decoded += 1
            row = int(np.searchsorted(pts, frame.pts)) if frame.pts is not None else len(pts)
            if row == len(pts) or pts[row] != frame.pts:
                self._strange += 1
            else:
                self._interlaced |= bool(frame.interlaced_frame)
                yield row, frame

    def _intra(self) -> Iterator[tuple[int, Any]]:
        """Intra pictures in order, with their rows. Where a shot opens before the one that shows it first is noted."""
        glimpsed = glimpses(self._index, self._timeline)
        if self._codec not in _CONCEALED:
            glimpsed[:] = False
        before: tuple[int, Any] | None = None
        glimpse: tuple[int, Any] | None = None
        for row, frame in self._first_look(glimpsed):
            if glimpsed[self._timeline.packet[row]] and int(frame.pict_type) != _I:
                glimpse = row, frame
                continue
            if before is not None and glimpse is not None and self._opens(before, glimpse, (row, frame)):
                self._early[row] = glimpse[0]
            before, glimpse = (row, frame), None
            yield row, frame

    def _opens(self, before: tuple[int, Any], glimpse: tuple[int, Any], after: tuple[int, Any]) -> bool:
        """Whether a glimpse shows another picture than the one before, and the same as the one after."""
        sights = self._measured([before, glimpse], intra=True)
        if len(sights.rows) < 2 or not is_other(self._signals(sights), sights.shared)[1]:
            return False
        sights = self._measured([glimpse, after], intra=True)
        return len(sights.rows) == 2 and not is_other(self._signals(sights), sights.shared)[1]

    def _first_look(self, glimpsed: Bools) -> Iterator[tuple[int, Any]]:
        """Intra pictures, all where they can be told, else keyframes, and glimpses; in order, with their rows.

        A glimpse is decoded without what it was predicted from, and in its stead shows the intra picture before.
        """
        keys, others = first_looks(self._index, self._timeline)
        if self._codec not in _INTRA_CODECS:
            others[:] = False
        waiting: list[tuple[int, Any]] = []
        decoder, again = None, False
        for number, packet, context in self._packets("all"):
            alone, other = bool(keys[number]), bool(others[number])
            if other and self._codec == "h264":
                alone, other = is_intra(bytes(packet), context.extradata), False
            # Of a second glimpse, the decoder may not know that it comes later than the first, and drop it.
            if not (alone or other or (glimpsed[number] and not again)):
                continue
            found: list[tuple[int, Any]] = []
            if alone and decoder is not None:
                # What was passed over is missed by what comes next, unless it starts anew.
                found += self._decode(decoder, None)
                decoder.flush_buffers()
            decoder, again = context, not alone
            # An intra picture that is no keyframe may be where it starts: the decoder would wait for a keyframe.
            decoder.flags |= int(Flags.output_corrupt)
            decoder.skip_frame = "NONINTRA" if other else "DEFAULT"
            found += self._decode(decoder, packet)
            for one in found:
                insort(waiting, one, key=itemgetter(0))
            while len(waiting) > _TURNED:
                yield waiting.pop(0)
        if decoder is not None:
            waiting += self._decode(decoder, None)
        yield from sorted(waiting, key=itemgetter(0))

    def _closer_look(self, stretches: list[Stretch]) -> Iterator[tuple[int, int, Any]]:
        """The frames of stretches, with the number of the stretch and their rows."""
        at, decoder = 0, None
        for number, packet, context in self._packets():
            if decoder is not None and number > stretches[at].end:
                yield from ((at, *found) for found in self._decode(decoder, None))
                decoder.flush_buffers()
                at, decoder = at + 1, None
            if at == len(stretches):
                return
            if number >= stretches[at].start:
                decoder = context
                # An intra picture that is no keyframe may be where it starts: the decoder would wait for a keyframe.
                decoder.flags |= int(Flags.output_corrupt)
                decoder.skip_frame = "NONREF" if number < stretches[at].full else "DEFAULT"
                yield from ((at, *found) for found in self._decode(decoder, packet))
        if decoder is not None:
            yield from ((at, *found) for found in self._decode(decoder, None))

    def _sampled(self, frames: Iterable[tuple[int, Any]], samples: SamplesWriter | None) -> Iterator[tuple[int, Any]]:
        """The same frames; those at least a tick of the sampling rate apart are kept as JPEGs."""
        settings, large, due = self._settings, VideoReformatter(), 0.0
        for row, frame in frames:
            second = int(self._timeline.pts[row] - self._timeline.pts[0]) / self._timeline.second
            if samples is not None and settings.frames_per_second and second >= due:
                due = second + 1 / settings.frames_per_second
                bgr = large_of(large, frame, settings.frame_side)
                samples.add(frame.pts, *jpeg_of(bgr, settings.jpeg_quality, upright_turn(frame.rotation)))
                samples.note(frame.pts, "sample")
                samples.settle(frame.pts + 1)
            yield row, frame

    def _measured(self, frames: Iterable[tuple[int, Any]], intra: bool = False) -> Sights:
        """Measure frames, intra pictures or others, each against the one before; those out of order are left out."""
        index, meter = self._index, None
        colours: npt.NDArray[np.float32] | None = None
        rows: list[int] = []
        shared: list[float] = []
        batches: list[dict[str, npt.NDArray[Any]]] = []
        for row, frame in frames:
            if rows and row <= rows[-1]:
                continue
            if meter is None:
                about = self._about or self._begin(frame)
                size = (about.width, about.height)
                meter = Meter(*size, about.dark_level, about.edges, False, about.bar_level)
            bgr = convert(self._reformatter, frame, size, Interpolation.FAST_BILINEAR)
            packet = self._timeline.packet[row]
            numbers = (int(index.duration[packet]), int(index.size[packet]), int(frame.pict_type))
            meter.measure(bgr, frame.pts, *numbers, bool(index.keyframe[packet]))
            meter.keep()
            rows.append(row)
            if intra:
                before, colours = colours, colours_of(bgr)
                shared.append(1.0 if before is None else float(np.minimum(before, colours).sum()))
            if meter.full:
                batches.append(meter.take()[0])
                if self._on_progress is not None:
                    self._on_progress(self._decoded)
        if meter is not None and meter.count:
            batches.append(meter.take()[0])
        columns = {
            name: np.concatenate([np.empty(0, column.kind), *(batch[name] for batch in batches)])
            for name, column in COLUMNS.items()
        }
        return Sights(np.array(rows, np.int64), columns, np.array(shared if intra else [1.0] * len(rows)))

    def _begin(self, frame: Any) -> About:
        """What the signals are about; what is the same for all frames comes from the first."""
        media.check_size(frame.width, frame.height)
        facts, settings = self._facts, self._settings
        width, height = facts.get("coded_width") or frame.width, facts.get("coded_height") or frame.height
        small = small_size(width, height)
        self._about = About(
            recipe=SIGNALS_RECIPE,
            width=small[0],
            height=small[1],
            coded_width=width,
            coded_height=height,
            rotation=upright_turn(frame.rotation),
            time_base_num=facts["time_base_num"],
            time_base_den=facts["time_base_den"],
            dark_level=settings.dark_level,
            bar_level=settings.bar_level,
            edges=settings.edges,
            measured="scan",
        )
        return self._about

    def _signals(self, sights: Sights) -> Signals:
        """What was looked at, as if nothing lay between; rows before the first are as long as that."""
        assert self._about is not None
        pts, rows = self._timeline.pts, sights.rows
        times = pts[np.maximum(rows, 0)] + np.minimum(rows, 0) * (pts[1] - pts[0])
        return Signals(self._about, {**sights.columns, "pts": times})

    def _look_closer(self, stretches: list[Stretch], sights: Sights) -> tuple[list[Sights], list[int]]:
        """Decode stretches: runs of frames without a gap, and the rows of the cuts in them."""
        runs: list[Sights] = []
        cuts: list[int] = []
        row = self._timeline.row
        for at, group in groupby(self._closer_look(stretches), key=itemgetter(0)):
            stretch = stretches[at]
            near = {int(row[place]) + k for place in stretch.places for k in range(-NEAR, NEAR + 1)}
            seen = self._measured((number, frame) for _, number, frame in group if number in near)
            for places in np.split(np.arange(len(seen.rows)), np.flatnonzero(np.diff(seen.rows) > 1) + 1):
                if len(places) < 3:
                    continue
                run = seen.part(places).alone()
                runs.append(run)
                # Detectors want something before a cut: the first picture, or that before a possible flash at it.
                lead = run.part([0] * (REACH + 1)).alone(REACH + 1)
                if stretch.before >= 0 and run.rows[0] == row[stretch.start]:
                    lead = sights.part([stretch.before] * REACH + [stretch.before + 1]).alone(REACH)
                lead.rows = np.arange(run.rows[0] - REACH, run.rows[0] + 1)
                run = joined([lead, run.part(np.arange(1, len(places)))])
                found = detect(self._signals(run), "combined", DetectSettings())
                cuts += [int(run.rows[cut.frame]) for cut in found if not cut.gradual and cut.detector != "black"]
        # Where the decoder gave nothing, the keyframe keeps its word.
        starts = {int(run.rows[0]) for run in runs}
        cuts += [int(row[s.start]) for s in stretches if s.before >= 0 and int(row[s.start]) not in starts]
        return runs, cuts

    def _store(self, sights: Sights, cuts: list[int]) -> Timing:
        """Write a row for every frame shown."""
        assert self._about is not None
        timeline, index = self._timeline, self._index
        about = replace(self._about, scan_cuts=timeline.pts[cuts].tolist())
        writer, timing = signals_writer(self._folder / "signals.parquet", about), Timing(self._facts)
        compared = (np.diff(sights.rows, prepend=-2) == 1) | np.isin(sights.rows, cuts)
        for start in range(0, len(timeline.pts), ROW_GROUP):
            rows = np.arange(start, min(start + ROW_GROUP, len(timeline.pts)))
            packets = timeline.packet[rows]
            place = np.maximum(np.searchsorted(sights.rows, rows, side="right") - 1, 0)
            here = sights.rows[place] == rows
            batch = {name: column[place] for name, column in sights.columns.items()}
            for name in batch:
                if name.startswith("delta_"):
                    batch[name] = np.where(here & compared[place], batch[name], 0).astype(COLUMNS[name].kind)
            batch |= {
                "pts": timeline.pts[rows],
                "duration": index.duration[packets],
                "size": index.size[packets],
                "picture": np.where(here, batch["picture"], 0).astype(np.int8),
                "keyframe": index.keyframe[packets],
            }
            writer.add(batch)
            timing.add_all(zip(batch["pts"].tolist(), batch["duration"].tolist(), strict=True))
        writer.close()
        return timing
