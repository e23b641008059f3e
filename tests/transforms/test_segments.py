"""Segments: measured in pieces and put together, every awkward stream leaves what one pass leaves, or is left whole."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.transforms.awkward import CUTS, FRAMES, x264
from tests.transforms.matrix import SHAPES, render
from transforms import media
from transforms.frames import Counts, decode_alone, prime, seek_point, shown_frames
from transforms.measure import WHOLE, MeasureSettings, measure
from transforms.probe import NO_PTS, PacketIndex, probe
from transforms.recorder import LEAD
from transforms.segments import SeamError, Span, plan, seekable, stitch
from transforms.signals import read_signals

SECONDS = 1.5
"""Length of the segments of a film of six seconds."""

SETTINGS = MeasureSettings()


@dataclass
class Film:
    """A rendered shape, what one pass left of it, and the PTS of its frames."""

    path: str
    facts: dict[str, Any]
    index: PacketIndex
    found: dict[str, Any]
    files: dict[str, bytes]
    pts: list[int]


_films: dict[str, Film] = {}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where films are rendered, once a session each."""
    return tmp_path_factory.mktemp("matrix")


def film(name: str, folder: Path) -> Film:
    """A shape, rendered and measured in one pass when first asked for."""
    if name not in _films:
        place = folder / f"{len(_films)}"
        place.mkdir()
        _films[name] = measured(render(name, place), place / "whole")
    return _films[name]


def measured(path: Path, out: Path) -> Film:
    """A file and what one pass leaves of it."""
    out.mkdir()
    probed = probe(str(path))
    found = measure(str(path), probed.video, out, SETTINGS)
    files = {file.name: file.read_bytes() for file in out.iterdir()}
    pts = read_signals(files["signals.parquet"])["pts"].tolist()
    return Film(str(path), probed.video, probed.index, found, files, pts)


def spans_of(bounds: Sequence[int]) -> list[Span]:
    """The spans between these bounds and the ends of time."""
    edges = [WHOLE[0], *bounds, WHOLE[1]]
    return list(itertools.pairwise(edges))


def assert_pieces_equal_the_whole(film: Film, spans: Sequence[Span], folder: Path) -> dict[str, Any]:
    """Measure spans, stitch them, compare every byte and every fact with the single pass.

    Raises:
        SeamError: The pieces do not fit, so nothing came out.
    """
    parts, results = [], []
    for number, span in enumerate(spans):
        part = folder / f"part{number}"
        part.mkdir(parents=True)
        parts.append(part)
        results.append(measure(film.path, film.facts, part, SETTINGS, span=span))
    joined = folder / "joined"
    joined.mkdir()
    found = stitch(parts, results, joined, film.facts, int(film.index.size.sum()))
    assert {file.name for file in joined.iterdir()} == set(film.files)
    for name, data in film.files.items():
        assert (joined / name).read_bytes() == data, name
    assert {**found, "decoded_frames": 0} == {**film.found, "decoded_frames": 0}
    return found


ALIKE = {
    *("no B frames", "closed groups, mkv", "closed groups, ts", "open groups, mkv", "interlaced", "rotated"),
    *("hevc closed groups", "hevc intra refresh", "vp9 realtime, mp4", "av1 open groups", "mpeg1, program stream"),
    *("mpeg2 closed groups, ts", "mpeg2, mxf", "mpeg4", "h264, flv with an index", "h264, nut", "prores", "ffv1"),
    *("raw hevc", "late start", "variable rate, mkv", "a gap of 30 s, ts", "damaged mpeg2, ts", "truncated, mkv"),
}
"""Shapes that go the way of another; looked at with the slow tests."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in ALIKE else []) for n in SHAPES])
def test_planned_pieces_equal_one_pass_or_the_film_is_left_whole(name: str, folder: Path, tmp_path: Path) -> None:
    shape, made = SHAPES[name], film(name, folder)
    spans = plan(made.index, made.facts, SECONDS, 2 * SECONDS)
    split = len(spans) > 1 and seekable(made.path, made.facts, made.index, spans)
    if split:
        try:
            found = assert_pieces_equal_the_whole(made, spans, tmp_path)
        except SeamError:
            split = False
        else:
            # What a segment of this length decodes besides: its lead, half a second at its end, what reordering holds.
            assert found["decoded_frames"] < 2 * made.found["decoded_frames"]
    assert shape.split in (split, None)


def bounds_of(film: Film, places: Sequence[int], early: Sequence[int]) -> list[int]:
    """Bounds at the PTS of these frames or a little before, in order, each with frames enough before it to compare."""
    bounds, last = [], 0
    for place, by in zip(sorted(places), early, strict=True):
        if place - last > LEAD + 1 and place < len(film.pts):
            bounds.append(film.pts[place] - by)
            last = place
    return bounds


TRUSTED = [name for name, shape in SHAPES.items() if shape.split]
QUICK = [name for name in TRUSTED if name not in ALIKE]


def any_plan(made: Film, draw: random.Random) -> list[Span]:
    """Up to four bounds anywhere."""
    places = [draw.randrange(len(made.pts)) for _ in range(draw.randint(1, 4))]
    bounds = bounds_of(made, places, [draw.choice((0, 0, 1, 3)) for _ in places])
    assume(bounds)
    return spans_of(bounds)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(QUICK), draw=st.randoms(use_true_random=False))
def test_pieces_of_any_plan_equal_one_pass(
    name: str, draw: random.Random, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = film(name, folder)
    assert_pieces_equal_the_whole(made, any_plan(made, draw), tmp_path_factory.mktemp("plan"))


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(sorted(SHAPES)), draw=st.randoms(use_true_random=False))
@pytest.mark.timeout(3000)
def test_no_plan_for_any_shape_gives_anything_wrong(
    name: str, draw: random.Random, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = film(name, folder)
    if not made.index.steady():  # No plan is ever made for these.
        assert plan(made.index, made.facts, SECONDS, SECONDS) == []
        return
    try:
        assert_pieces_equal_the_whole(made, any_plan(made, draw), tmp_path_factory.mktemp("plan"))
    except SeamError:
        assert name not in TRUSTED


@pytest.mark.parametrize("name", ["closed groups", "open groups, mkv", "vp9 hidden frames", "variable rate"])
def test_a_cut_on_a_bound(name: str, folder: Path, tmp_path: Path) -> None:
    made = film(name, folder)
    cuts = [made.pts[cut] for cut in CUTS[1:]]
    assert_pieces_equal_the_whole(made, spans_of(cuts), tmp_path / "on")
    assert_pieces_equal_the_whole(made, spans_of([cut + 1 for cut in cuts]), tmp_path / "after")


def planes(frame: Any) -> list[bytes]:
    """The pixels of a frame, without what pads its rows."""
    found = []
    for plane in frame.planes:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        found.append(rows[:, : plane.width * ((frame.format.components[0].bits + 7) // 8)].tobytes())
    return found


def decoded(path: str, start: int | None, count: int) -> list[tuple[Any, ...]]:
    """The frames of a file from `start` on, in full, after a seek if there is a point for it; all for None."""
    with media.open_media(path) as container:
        stream: Any = media.choose_video(container)
        target = seek_point(container, stream, start, LEAD) if start is not None else None
    found: list[tuple[Any, ...]] = []
    with media.open_media(path) as container:
        stream = media.choose_video(container)
        media.prepare_decoder(stream)
        if target is not None:
            prime(container, stream)
            container.seek(target, stream=stream)
        for shown in shown_frames(container, stream, Counts(), 24.0, after_seek=target is not None):
            if start is None or shown.pts >= start:
                found.append((shown.pts, shown.size, shown.keyframe, planes(shown.frame)))
            if len(found) == count:
                break
    return found


@pytest.mark.parametrize("name", ["deep pyramid", "hevc open groups, ts", "intra refresh, ts", "av1", "mpeg2, ts"])
def test_frames_after_a_seek_are_those_of_one_pass(name: str, folder: Path) -> None:
    made = film(name, folder)
    whole = decoded(made.path, None, -1)
    for place in (13, 40, 71, 72, 100, 130):
        assert decoded(made.path, made.pts[place], 20) == whole[place : place + 20], place


def test_a_stream_that_hides_its_reordering_loses_no_frame(folder: Path) -> None:
    made = film("reordering not told, late", folder)
    assert made.found["frames"] == FRAMES
    assert made.pts == sorted(made.index.pts.tolist())


def test_what_the_first_packet_says_is_known_after_a_seek(media: Path) -> None:
    path = str(next(media.rglob("imageio-binaries_cockatoo.mp4")))  # 4:4:4 by an x264 before build 151.
    whole = decoded(path, None, 130)
    assert decoded(path, whole[110][0], 20) == whole[110:130]


def test_a_decoder_forgets_what_it_decoded_alone(folder: Path) -> None:
    made = film("closed groups", folder)
    with media.open_media(made.path) as container:
        stream: Any = media.choose_video(container)
        packets = [packet for packet in container.demux(stream) if packet.size]
        alone = [decode_alone(stream, packets[number]) for number in (0, 24, 0, 5)]
    assert planes(alone[0]) == planes(alone[2]) != planes(alone[1])
    assert alone[3] is None


def index_of(pts: Sequence[int], hidden: Sequence[int] = ()) -> PacketIndex:
    """An index of packets with these times; some are hidden by an edit list."""
    count = len(pts)
    times, sizes = np.array(pts, np.int64), np.ones(count, np.int32)
    discard = np.isin(np.arange(count), hidden)
    return PacketIndex(times, times, np.ones(count, np.int64), sizes, times, np.ones(count, np.bool_), discard)


@pytest.mark.parametrize(
    ("pts", "hidden", "steady"),
    [
        (range(200), (), True),
        ([n ^ 3 for n in range(200)], (), True),
        ([*range(100), *range(1000, 1100)], (), True),
        ([*range(0, 300, 3), *range(1, 300, 3)], (), False),
        ([*range(100), 50, *range(100, 200)], (), False),
        ([*range(100), 50, *range(100, 200)], (100,), True),
        ([*range(100), NO_PTS, *range(100, 200)], (), False),
        ([*range(100, 200), *range(100)], (), False),
        ([3, 2, 1], (), True),
        ([], (), True),
    ],
    ids=["plain", "reordered", "gap", "leap", "twice", "hidden", "missing", "behind", "few", "none"],
)
def test_steady_times(pts: Sequence[int], hidden: Sequence[int], steady: bool) -> None:
    assert index_of(list(pts), hidden).steady() is steady


@pytest.mark.slow
def test_segments_of_a_minute_decode_hardly_more_than_one_pass(tmp_path: Path) -> None:
    count = 5 * 60 * 24
    path = x264(tmp_path / "long.mp4", "keyint=250", "min-keyint=25", "scenecut=40", "bframes=3", frames=count)
    made = measured(path, tmp_path / "whole")
    assert made.found["frames"] == count
    spans = plan(made.index, made.facts)
    assert len(spans) == 5
    assert seekable(made.path, made.facts, made.index, spans)
    found = assert_pieces_equal_the_whole(made, spans, tmp_path / "pieces")
    assert found["decoded_frames"] <= 1.02 * count
    print(f"decoded frames per source frame: {found['decoded_frames'] / count:.4f}")
