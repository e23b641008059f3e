"""Cutting clips: what it costs, against FFmpeg called once a clip, against the codecs alone, and mode against mode.

    python -m benchmarks.cutting [--seconds 7200] [--ffmpeg PATH]

Three claims, each a ratio of CPU seconds (children included) taken in one run, one after the other:

- `copy` of 500 clips of a long source is at least 20 times cheaper than `ffmpeg -ss … -t … -i … -c copy` called once a
  clip on the same spans (skipped where no ffmpeg is on PATH; previews off, as FFmpeg makes none);
- `transcode` takes at most 10 % more than decoding the same packets and encoding the same frames with the same settings
  in memory does, with no file, sound, preview or bookkeeping;
- `smart` is at least 5 times cheaper than `transcode`, on the same clips of ten groups of pictures, each begun and
  ended in the middle of a group, both without previews.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipelines.footage import render_long
from transforms import media
from transforms.cutting import ClipSettings, Span, cut
from transforms.encoding import configure, encoder_name, look_of
from transforms.groups import Groups
from transforms.probe import ProbeResult, probe

CHEAPER_COPY = 20.0
"""Least ratio of FFmpeg called once a clip to `copy`."""
OVERHEAD = 1.10
"""Most ratio of `transcode` to the codecs alone."""
CHEAPER_SMART = 5.0
"""Least ratio of `transcode` to `smart`."""
_GROUP = 48
"""Frames of a group of pictures."""


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of a call and of the children it waits for."""

    def used() -> float:
        return sum(
            u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )

    before = used()
    work()
    return used() - before


def spans_of(found: ProbeResult, count: int, frames: int, first: int = 0) -> list[Span]:
    """`count` spans of some frames, spread evenly over a video from one of its frames on."""
    pts = np.sort(found.index.pts)
    starts = np.linspace(first, len(pts) - 1 - frames, count).astype(int)
    return [Span(f"clip{n}", int(pts[at]), int(pts[at + frames])) for n, at in enumerate(starts)]


def clips(path: Path, found: ProbeResult, spans: list[Span], folder: Path, settings: ClipSettings) -> None:
    """Cut, and see that nothing fell back or failed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for piece in cut(str(path), found.video, found.index, spans, settings, folder):
        assert piece.error is None, piece
        assert piece.fell_back is None, piece


def by_ffmpeg(ffmpeg: str, path: Path, found: ProbeResult, spans: list[Span], folder: Path) -> None:
    """FFmpeg once a clip."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    base = Fraction(found.video["time_base_num"], found.video["time_base_den"])
    for span in spans:
        start, length = float(span.start_pts * base), float((span.end_pts - span.start_pts) * base)
        command = [ffmpeg, "-v", "error", "-y", "-ss", f"{start}", "-i", str(path), "-t", f"{length}", "-c", "copy"]
        subprocess.run([*command, "-movflags", "+faststart", str(folder / f"{span.clip_id}.mp4")], check=True)


def codecs_alone(path: Path, found: ProbeResult, spans: list[Span], settings: ClipSettings) -> None:
    """Decode the packets that the spans need, and encode their frames; keep nothing."""
    groups = Groups(found.index)
    ranges = [groups.decoded(s.start_pts, s.end_pts) for s in spans]
    with media.open_media(str(path)) as container:
        stream: Any = container.streams.video[0]
        media.only(container, stream)
        media.prepare_decoder(stream)
        packets = [p for p in container.demux(stream) if p.size]
        for needed in ranges:
            assert needed is not None
            encoder: Any = av.CodecContext.create(encoder_name(settings), "w")
            frames = [f for p in packets[needed.first : needed.end] for f in stream.codec_context.decode(p)]
            frames += stream.codec_context.decode(None)
            stream.codec_context.flush_buffers()
            for frame in frames:
                if needed.start <= frame.pts < needed.stop:
                    if not encoder.is_open:
                        configure(encoder, look_of(frame, stream), settings)
                    frame.pict_type = 0
                    encoder.encode(frame)
            encoder.encode(None)


def source(path: Path, seconds: float, size: tuple[int, int]) -> ProbeResult:
    """A long film whose groups of pictures are closed and have `_GROUP` frames; its sound is a tone and silence."""
    made = path.with_name(f"{path.stem}-shots.mp4")
    render_long(made, seconds, width=size[0], height=size[1], shot_seconds=_GROUP / 24)
    made.rename(path)
    return probe(str(path))


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the claims hold: 0 when they do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=7200.0, help="length of the long source [%(default)s]")
    parser.add_argument("--length", type=float, default=2.0, help="of each of them in seconds [%(default)s]")
    parser.add_argument("--clips", type=int, default=500, help="clips copied of it [%(default)s]")
    parser.add_argument("--only-copy", action="store_true", help="leave the other two out")
    parser.add_argument("--ffmpeg", default=shutil.which("ffmpeg"), help="an ffmpeg [the one on PATH]")
    asked = parser.parse_args(argv)
    held = []
    with tempfile.TemporaryDirectory(prefix="rushes-cutting-") as name:
        folder = Path(name)
        out = folder / "out"
        long = folder / "long.mp4"
        began = time.monotonic()
        found = source(long, asked.seconds, (640, 360))
        print(
            f"long source: {asked.seconds:g} s, {long.stat().st_size / 1e6:.0f} MB, {len(found.index)} packets", end=" "
        )
        print(f"(made in {time.monotonic() - began:.0f} s)")
        spans = spans_of(found, asked.clips, round(asked.length * 24))
        ours = cpu(
            lambda: clips(long, found, spans, out, ClipSettings(clips="copy", clip_thumbnail=False, clip_strip=0))
        )
        print(f"copy, {len(spans)} clips of {asked.length:g} s: {ours:.2f} s")
        if asked.ffmpeg:
            theirs = cpu(lambda: by_ffmpeg(asked.ffmpeg, long, found, spans, out))
            print(f"ffmpeg called {len(spans)} times: {theirs:.2f} s, {theirs / ours:.1f}x (at least {CHEAPER_COPY:g})")
            held.append(theirs / ours >= CHEAPER_COPY)
        else:
            print("no ffmpeg on PATH: not compared")
        if asked.only_copy:
            return 0 if all(held) else 1
        short = folder / "short.mp4"
        found = source(short, 120.0, (1280, 720))
        spans = spans_of(found, 4, 10 * _GROUP, _GROUP // 2)
        whole = ClipSettings(clips="transcode", clip_thumbnail=False, clip_strip=0)
        alone = cpu(lambda: codecs_alone(short, found, spans, whole))
        with_file = cpu(lambda: clips(short, found, spans, out, whole))
        joined = cpu(
            lambda: clips(short, found, spans, out, ClipSettings(clips="smart", clip_thumbnail=False, clip_strip=0))
        )
        pictured = cpu(lambda: clips(short, found, spans, out, ClipSettings(clips="transcode")))
        print(f"transcode, {len(spans)} clips of {10 * _GROUP} frames of 1280x720: {with_file:.2f} s; ", end="")
        print(f"codecs alone {alone:.2f} s: {with_file / alone:.3f}x (at most {OVERHEAD})")
        print(f"with previews: {pictured:.2f} s, {pictured / alone:.3f}x")
        print(f"smart: {joined:.2f} s, {with_file / joined:.1f}x cheaper (at least {CHEAPER_SMART:g})")
        held += [with_file / alone <= OVERHEAD, with_file / joined >= CHEAPER_SMART]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
