"""The matrix of awkward streams: one small film in every shape that a seek can go wrong in.

Each shape says whether a plan must split it (True), must leave it whole (False), or may do either (None) as long as
what comes out is right. Files are rendered when asked for, with nothing random but a seeded film.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple

from tests.transforms.awkward import (
    FRAMES,
    VPX,
    by,
    cut_in,
    encode,
    false_keyframes,
    hidden_vp8,
    in_a_row,
    moved,
    old_444,
    packed,
    remuxed,
    reordered_late,
    spoilt,
    still,
    truncated,
    two_edits,
    without_reorder,
    x264,
    x265,
)


class Shape(NamedTuple):
    """A file to be rendered: the name of its ending, how, and whether a plan must split it."""

    ending: str
    make: Callable[[Path], object]
    split: bool | None


_FRAGMENTS: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer"}
_INDEXED: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof+global_sidx"}
_FINE: Final = Fraction(1, 90000)
_BETWEEN: Final = [n * 3750 + 1000 for n in range(FRAMES)]
_CLOSED: Final = by(x264, "bframes=3")
_HIDDEN: Final = {
    **{"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16", "g": "24", "b": "200k"},
    "threads": "1",
}
_MPEG2: Final = {"g": "12", "bf": "2", "q": "5"}

SHAPES: Final[dict[str, Shape]] = {
    "closed groups": Shape("mp4", _CLOSED, True),
    "no B frames": Shape("mp4", by(x264, "bframes=0"), True),
    "closed groups, mkv": Shape("mkv", _CLOSED, True),
    "closed groups, ts": Shape("ts", _CLOSED, None),
    "open groups": Shape("mp4", by(x264, "bframes=3", "open-gop=1"), True),
    "open groups, mkv": Shape("mkv", by(x264, "bframes=3", "open-gop=1"), True),
    "open groups, ts": Shape("ts", by(x264, "bframes=3", "open-gop=1"), None),
    "deep pyramid": Shape("mp4", by(x264, "bframes=16", "b-adapt=0", "ref=16", "b-pyramid=normal", "open-gop=1"), True),
    "temporal direct": Shape("mkv", by(x264, "bframes=5", "direct=temporal", "weightp=2", "ref=6"), True),
    "intra refresh": Shape("mp4", by(x264, "intra-refresh=1", "bframes=0"), False),
    "intra refresh, ts": Shape("ts", by(x264, "intra-refresh=1", "bframes=2"), False),
    "one group": Shape("mp4", by(x264, "keyint=infinite", "bframes=3"), None),
    "reordering not told": Shape("mp4", without_reorder, None),
    "reordering not told, late": Shape("mkv", remuxed("mp4", reordered_late), None),
    "false keyframes": Shape("mp4", false_keyframes, False),
    "old 4:4:4": Shape("mp4", old_444, None),
    "interlaced": Shape("mp4", by(x264, "tff=1", "bframes=3"), True),
    "rotated": Shape("mp4", by(x264, "bframes=3", rotation=-90), True),
    "hevc open groups": Shape("mp4", by(x265, "open-gop=1", "bframes=4"), True),
    "hevc open groups, ts": Shape("ts", by(x265, "open-gop=1", "bframes=4"), None),
    "hevc closed groups": Shape("mkv", by(x265, "open-gop=0", "bframes=8", "rc-lookahead=20"), True),
    "hevc intra refresh": Shape("mkv", by(x265, "intra-refresh=1", "bframes=0"), False),
    "vp8": Shape("webm", by(encode, codec="libvpx", options=_HIDDEN), True),
    "vp8 hidden frames": Shape("webm", hidden_vp8, None),
    "vp9 hidden frames": Shape("webm", by(encode, codec="libvpx-vp9", options=_HIDDEN), True),
    "vp9 realtime, mp4": Shape("mp4", by(encode, codec="libvpx-vp9", options=VPX | {"g": "30"}), True),
    "av1": Shape(
        "mp4", by(encode, codec="libsvtav1", options={"preset": "12", "g": "24", "svtav1-params": "lp=1"}), True
    ),
    "av1 open groups": Shape(
        "mkv",
        by(encode, codec="libsvtav1", options={"preset": "12", "g": "32", "svtav1-params": "lp=1:irefresh-type=1"}),
        None,
    ),
    "mpeg2, ts": Shape("ts", by(encode, codec="mpeg2video", options=_MPEG2), None),
    "mpeg2 closed groups, ts": Shape(
        "ts", by(encode, codec="mpeg2video", options=_MPEG2 | {"flags": "+cgop", "sc_threshold": "1000000000"}), None
    ),
    "mpeg2, program stream": Shape("vob", by(encode, codec="mpeg2video", options=_MPEG2), None),
    "mpeg1, program stream": Shape("mpg", by(encode, codec="mpeg1video", options=_MPEG2), None),
    "mpeg2, mxf": Shape("mxf", by(encode, codec="mpeg2video", options=_MPEG2, rate=25), None),
    "mpeg2 interlaced": Shape(
        "mkv", by(encode, codec="mpeg2video", options=_MPEG2 | {"flags": "+ildct+ilme", "field_order": "tt"}), None
    ),
    "mpeg4": Shape("mp4", by(encode, codec="mpeg4", options=_MPEG2), None),
    "mpeg4, avi": Shape("avi", by(encode, codec="mpeg4", options=_MPEG2), None),
    "mpeg4 packed, avi": Shape("avi", packed, None),
    "h264, flv": Shape("flv", _CLOSED, None),
    "h264, flv with an index": Shape("flv", by(x264, "bframes=3", muxer={"flvflags": "add_keyframe_index"}), None),
    "wmv2, asf": Shape("asf", by(encode, codec="wmv2", options={"g": "24", "q": "5"}), None),
    "h264, nut": Shape("nut", _CLOSED, None),
    "mjpeg, avi": Shape("avi", by(encode, codec="mjpeg", pixels="yuvj420p"), None),
    "prores": Shape("mov", by(encode, codec="prores_ks", pixels="yuv422p10le"), True),
    "ffv1": Shape("mkv", by(encode, codec="ffv1"), True),
    "ffv1 with memory": Shape("mkv", by(encode, codec="ffv1", options={"g": "12", "coder": "1", "context": "1"}), None),
    "gif": Shape(
        "gif", by(encode, codec="gif", pixels="rgb8", frames=96, base=Fraction(1, 100), pts=range(0, 400, 4)), False
    ),
    "raw h264": Shape("h264", _CLOSED, False),
    "raw hevc": Shape("hevc", by(x265, "open-gop=1", "bframes=4"), False),
    "edit list, start": Shape("mp4", functools.partial(cut_in, start=30), True),
    "edit list, two": Shape("mp4", two_edits, None),
    "times missing": Shape(
        "mkv", remuxed("mp4", _CLOSED, change=moved(-270000), muxer={"avoid_negative_ts": "disabled"}), False
    ),
    "late start": Shape("mkv", remuxed("mp4", _CLOSED, change=moved(9000000)), True),
    "negative times, ts": Shape(
        "ts", remuxed("mp4", _CLOSED, change=moved((1 << 33) - 4 * 90000), muxer={"mpegts_copyts": "1"}), None
    ),
    "variable rate": Shape("mp4", still, True),
    "variable rate, mkv": Shape("mkv", still, True),
    "a gap of 30 s": Shape("mkv", by(x264, "bframes=3", pts=[n + 720 * (n > 90) for n in range(FRAMES)]), True),
    "a gap of 30 s, ts": Shape("ts", by(x264, "bframes=3", pts=[n + 720 * (n > 90) for n in range(FRAMES)]), None),
    "the same time twice": Shape("mkv", by(x264, "bframes=0", pts=[n - (n % 30 == 7) for n in range(FRAMES)]), False),
    "fragments": Shape("mp4", by(x264, "bframes=3", muxer=_FRAGMENTS), None),
    "fragments with an index": Shape("mp4", by(x264, "bframes=3", muxer=_INDEXED), True),
    "no cues": Shape("mkv", by(x264, "bframes=3", muxer={"live": "1"}), None),
    "clock leaps back between": Shape("ts", in_a_row(_CLOSED, by(x264, "bframes=0", pts=_BETWEEN, base=_FINE)), False),
    "clock leaps back": Shape("ts", in_a_row(_CLOSED, by(x264, "bframes=0", frames=100)), False),
    "damaged": Shape("mp4", spoilt(_CLOSED, (0.3, 0.5, 0.51, 0.7)), None),
    "damaged, ts": Shape("ts", spoilt(_CLOSED, (0.3, 0.5, 0.51, 0.7), 2000), None),
    "damaged, mkv": Shape("mkv", spoilt(by(x264, "bframes=3", "open-gop=1"), (0.3, 0.5, 0.51, 0.7)), None),
    "damaged mpeg2, ts": Shape(
        "ts", spoilt(by(encode, codec="mpeg2video", options=_MPEG2), (0.3, 0.5, 0.7), 2000), None
    ),
    "damaged hevc": Shape("mkv", spoilt(by(x265, "open-gop=1", "bframes=4"), (0.3, 0.5, 0.7)), None),
    "truncated, ts": Shape("ts", truncated(_CLOSED, 0.77), None),
    "truncated, mkv": Shape("mkv", truncated(_CLOSED, 0.77), None),
    "truncated": Shape("mp4", truncated(by(x264, "bframes=3", muxer={"movflags": "faststart"}), 0.77), None),
}
"""Every shape by name."""


def render(name: str, folder: Path) -> Path:
    """Render a shape into a folder."""
    shape = SHAPES[name]
    path = folder / f"film.{shape.ending}"
    shape.make(path)
    return path
