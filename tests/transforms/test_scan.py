"""Scanning: every frame at its time, cuts on their frames for less than a decode, odd files as in `measure`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipelines.footage import Shot
from pipelines.footage import render as film
from tests.transforms.tinymedia import render, render_sound, tone_frames
from transforms import clues
from transforms.clues import Judged, Stretch, first_looks, glimpses, judge, timeline_of, within_budget
from transforms.detect import DetectSettings, detect
from transforms.failures import ElementError
from transforms.measure import MeasureSettings, measure
from transforms.probe import NO_PTS, PacketIndex, probe
from transforms.samples import Samples
from transforms.scan import RECALL, WHOLE, scan
from transforms.signals import Signals, hash_distance, read_signals

SHOTS = [
    Shot(70, seed=1),
    Shot(40, seed=2, camera="pan"),
    Shot(17, seed=3),
    Shot(90, seed=4, camera="shake"),
    Shot(60, seed=5, flashes=(20,)),
    Shot(45, seed=6, camera="zoom"),
]
CUTS = [70, 110, 127, 217, 277]

X265 = {"x265-params": "log-level=none:pools=1:scenecut=40"}
STREAMS: dict[str, tuple[str, dict[str, Any], str]] = {
    "x264": ("a.mp4", {"options": {"preset": "medium"}}, "h264, keyframes at cuts"),
    "transport stream": ("a.ts", {"options": {"preset": "medium"}}, "h264, keyframes at cuts"),
    "open": ("a.mkv", {"options": {"preset": "medium", "x264-params": "open-gop=1"}}, "h264, keyframes at cuts"),
    "fixed": ("a.mp4", {"options": {"x264-params": "scenecut=0:keyint=48:min-keyint=48"}}, "h264, regular keyframes"),
    "x265": ("a.mp4", {"codec": "libx265", "options": X265}, "hevc, keyframes at cuts"),
    "intra": ("a.mp4", {"options": {"x264-params": "keyint=1"}}, "h264, intra only"),
    "no B frames": ("a.mp4", {"options": {"x264-params": "scenecut=0:keyint=48:bframes=0"}}, "h264, regular keyframes"),
}
"""File, how it is rendered, and the kind of stream that it is. The budget is lifted, so that all cuts can be found."""


def run(path: Path, folder: Path, **settings: Any) -> tuple[dict[str, Any], Signals]:
    """Probe and scan a file into a folder."""
    folder.mkdir()
    probed = probe(str(path))
    found = scan(str(path), probed.video, probed.index, folder, MeasureSettings(**settings))
    return found, read_signals(folder / "signals.parquet")


def exactly(path: Path, folder: Path) -> tuple[dict[str, Any], Signals]:
    """Probe and measure a file into a folder."""
    folder.mkdir()
    found = measure(str(path), probe(str(path)).video, folder, MeasureSettings(flow_per_second=0, keep="minimal"))
    return found, read_signals(folder / "signals.parquet")


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything suspicious may be decoded."""
    monkeypatch.setattr(clues, "SHARE", 1.0)
    monkeypatch.setattr(clues, "SHARE_AT_CUTS", 1.0)


@pytest.mark.slow
@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("name", sorted(STREAMS))
def test_cuts_on_their_frames_and_facts_of_a_full_decode(tmp_path: Path, name: str) -> None:
    file, how, kind = STREAMS[name]
    path = tmp_path / file
    # Where nothing shows that a large packet is a flash, it passes for a cut.
    shots = [dataclasses.replace(shot, flashes=()) for shot in SHOTS] if name == "no B frames" else SHOTS
    film(path, shots, width=192, height=108, **how)
    found, signals = run(path, tmp_path / "scan")
    facts, exact = exactly(path, tmp_path / "exact")
    assert found["scan_kind"] == kind
    assert found["scan_recall"] == RECALL.get(kind)
    assert [cut.frame for cut in detect(signals, "combined", DetectSettings())] == CUTS
    same = set(facts) - {"decoded_frames", "interlaced"}
    assert {key: found[key] for key in same} == {key: facts[key] for key in same}
    for column in ("pts", "duration", "size", "keyframe"):
        assert signals[column].tolist() == exact[column].tolist(), column
    looked = np.flatnonzero(signals["picture"])
    assert 0 < len(looked) < len(exact)
    # What was looked at is what a full decode measures, but for the loop filter; what was not is the picture before.
    assert signals["picture"][looked].tolist() == exact["picture"][looked].tolist()
    assert signals["gray"][looked] == pytest.approx(exact["gray"][looked], rel=0.002)
    assert hash_distance(signals["hash"][looked], exact["hash"][looked]).max() <= 4
    assert (np.diff(signals["gray"])[~np.isin(np.arange(1, len(exact)), looked)] == 0).all()
    changed = np.flatnonzero(signals["delta_gray"])
    assert set(changed) <= {*CUTS, *(looked[1:][np.diff(looked) == 1]).tolist()}


def keyed(source: Path, path: Path, keys: set[int], b_frames: int) -> Path:
    """Encode a film again with keyframes where they are told, and nowhere else."""
    with av.open(str(source)) as read, av.open(str(path), "w") as out:
        options = {"x264-params": f"scenecut=0:keyint=infinite:bframes={b_frames}:threads=1"}
        stream: Any = out.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = 192, 108, "yuv420p"
        for number, frame in enumerate(read.decode(video=0)):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 24), int(number in keys)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("late", [1, 7, 15])
def test_a_cut_before_a_late_keyframe_is_on_its_frame(tmp_path: Path, late: int) -> None:
    film(tmp_path / "film.mp4", SHOTS[:4], width=192, height=108)
    path = keyed(tmp_path / "film.mp4", tmp_path / "late.mp4", {0, 70, 110 + late, 127 + late}, 0)
    found, signals = run(path, tmp_path / "scan")
    assert found["scan_kind"] == "h264, keyframes at cuts"
    cuts = np.searchsorted(signals["pts"], signals.about.scan_cuts or []).tolist()
    assert cuts == [70, 110, 127]
    # The cut is told by the numbers too, although the frame is glimpsed at only.
    assert set(np.flatnonzero(signals["delta_gray"])) >= set(cuts)


def test_what_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    film(path, SHOTS, width=192, height=108)
    progress: list[int] = []
    (tmp_path / "out").mkdir()
    probed = probe(str(path))
    found = scan(str(path), probed.video, probed.index, tmp_path / "out", MeasureSettings(), progress.append)
    again, signals = run(path, tmp_path / "again")
    assert found == again
    assert found["decoded_frames"] < found["frames"] / 2
    for name in ("signals.parquet", "samples.zip"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        kept = {entry.pts: entry for entry in samples.frames}
        assert signals["pts"][0] in kept
        assert all(samples.jpeg(pts).startswith(b"\xff\xd8") for pts in kept)
        opening = [pts for pts, entry in kept.items() if "scene_start" in entry.why]
        assert opening
        assert set(opening) <= set(signals.about.scan_cuts or [])
    _, none = run(path, tmp_path / "none", keep="minimal")
    assert not (tmp_path / "none" / "samples.zip").exists()
    assert none.about == signals.about


WHOLES: dict[str, Callable[[Path], Path]] = {
    "short": lambda folder: render(folder / "a.mp4", frames=60),
    "no times": lambda folder: render(folder / "a.h264", frames=130),
    "cheap codec": lambda folder: render(folder / "a.mp4", codec="mpeg4", frames=130),
    "hidden frames": lambda folder: render(
        folder / "a.webm", codec="libvpx", frames=130, options={"deadline": "realtime"}
    ),
}


def test_recall_is_stated_for_kinds_of_stream_that_there_are() -> None:
    assert set(RECALL) <= {WHOLE, *(f"{codec}, {placing}" for codec in clues.SCANNED for placing in clues.PLACINGS)}
    assert set(RECALL) >= {kind for _, _, kind in STREAMS.values()}, "what is tested is measured"
    assert {codec for kind in set(RECALL) - {WHOLE} for codec in kind.split(", ")[:1]} == clues.SCANNED
    assert RECALL[WHOLE] == 1.0
    assert all(0 < recall <= 1 for recall in RECALL.values())


@pytest.mark.parametrize("name", sorted(WHOLES))
def test_what_cannot_be_scanned_is_decoded_whole(tmp_path: Path, name: str) -> None:
    path = WHOLES[name](tmp_path)
    found, signals = run(path, tmp_path / "scan")
    facts, exact = exactly(path, tmp_path / "exact")
    assert found == {**facts, "scan_kind": WHOLE, "scan_recall": 1.0}
    assert (signals.about.measured, signals.about.scan_cuts) == ("exact", None)
    assert all((signals[column] == exact[column]).all() for column in exact.columns)


def test_sound_alone_has_no_frames(tmp_path: Path) -> None:
    path = render_sound(tmp_path / "a.m4a", "aac", tone_frames(0.5))
    probed = probe(str(path))
    found = scan(str(path), probed.video, probed.index, tmp_path, MeasureSettings())
    assert found["frames"] == 0
    assert not (tmp_path / "signals.parquet").exists()


def index_of(sizes: list[int], keys: list[int], **changed: Any) -> PacketIndex:
    """An index of packets shown in order."""
    count = len(sizes)
    index = PacketIndex(
        pts=np.arange(count, dtype=np.int64),
        dts=np.arange(count, dtype=np.int64),
        duration=np.ones(count, np.int64),
        size=np.array(sizes, np.int32),
        position=np.arange(count, dtype=np.int64),
        keyframe=np.isin(np.arange(count), keys),
        discard=np.zeros(count, np.bool_),
    )
    return dataclasses.replace(index, **changed)


FACTS = {"video_codec": "h264", "time_base_num": 1, "time_base_den": 25}


@pytest.mark.parametrize(
    ("changed", "facts"),
    [
        ({"pts": np.array([*range(149), NO_PTS])}, {}),
        ({"pts": np.array([*range(149), 3])}, {}),
        ({"pts": np.array([*range(100), *range(1000, 1050)])[::-1].copy()}, {}),
        ({"keyframe": np.zeros(150, np.bool_)}, {}),
        ({}, {"time_base_den": None}),
        ({}, {"video_codec": "mpeg2video"}),
    ],
)
def test_packets_that_do_not_tell(changed: dict[str, Any], facts: dict[str, Any]) -> None:
    plain = index_of([100] * 150, [0, 75])
    assert timeline_of(FACTS, plain) is not None
    assert timeline_of({**FACTS, **facts}, dataclasses.replace(plain, **changed)) is None


def test_frames_hidden_by_an_edit_list_and_turned_ones_keep_their_places() -> None:
    pts = np.arange(150)
    pts[[10, 11]] = 11, 10
    timeline = timeline_of(FACTS, index_of([100] * 150, [0], pts=pts, discard=pts < 4))
    assert timeline is not None
    assert timeline.pts.tolist() == list(range(4, 150))
    assert timeline.packet[[6, 7]].tolist() == [11, 10]
    assert timeline.row[:5].tolist() == [-1, -1, -1, -1, 0]


def judged(index: PacketIndex, rows: list[int], other: list[int], returning: tuple[int, ...] = ()) -> Any:
    """The verdict on looks at some rows, of which those in `other` show another picture."""
    timeline = timeline_of(FACTS, index)
    assert timeline is not None
    return judge(index, timeline, np.array(rows), np.isin(rows, other), np.isin(rows, returning))


def test_a_keyframe_off_the_grid_opens_a_shot_where_the_picture_is_another() -> None:
    keys = [0, 50, 100, 130, 180, 207, 257, 283]
    index = index_of([900 if n in keys else 100 for n in range(300)], keys)
    verdict = judged(index, keys, [130, 207])
    assert verdict == ("keyframes at cuts", [130, 207], [])


def test_a_flash_is_looked_into_or_left_out() -> None:
    keys = [0, 50, 100, 130, 133, 180, 207, 257]
    index = index_of([900 if n in keys else 100 for n in range(300)], keys)
    assert judged(index, keys, [130, 133], returning=(130,)).certain == []
    later = judged(index, keys, [133, 180], returning=(133,))
    assert later.certain == [180]
    assert [(s.start, s.before) for s in later.stretches] == [(133, 3)]


def test_a_large_packet_between_keyframes_of_a_grid_is_the_place_of_a_cut() -> None:
    keys = list(range(0, 300, 50))
    sizes = [1000 if n in keys else 900 if n == 120 else 100 for n in range(300)]
    turned = np.arange(300)
    turned[[5, 6]] = 6, 5
    assert judged(index_of(sizes, keys), keys, [150]).certain == [120], "the first of its shot where none is turned"
    verdict = judged(index_of(sizes, keys, pts=turned), keys, [150])
    assert verdict.certain == []
    assert [(s.start, s.full, s.end, s.places) for s in verdict.stretches] == [(100, 108, 132, [120])]


def test_the_budget_goes_to_what_is_likeliest() -> None:
    index = index_of([100] * 1000, [0, 300, 600])
    likely, unlikely = Stretch(300, 480, 504, 9.0, [492]), Stretch(0, 276, 300, 2.0, [288])
    flash = Stretch(600, 600, 612, np.inf, [600], 1)
    chosen, unseen = within_budget(index, Judged("regular keyframes", [], [unlikely, likely, flash]))
    assert [(s.start, s.end) for s in chosen] == [(300, 504), (600, 612)]
    assert unseen == [288], "left to its time"
    unlikely.places.insert(0, 100)
    chosen, unseen = within_budget(index, Judged("regular keyframes", [], [unlikely, likely, flash]))
    left = int(1000 * clues.SHARE) - 204 - 12
    assert [(s.start, s.end) for s in chosen] == [(0, left), (300, 504), (600, 612)]
    assert unseen == [288], "beyond what is decoded"
    assert within_budget(index, Judged("regular keyframes", [], [])) == ([], [])


def test_where_keyframes_stand_at_cuts_few_flashes_are_looked_into() -> None:
    index = index_of([100] * 2000, [0, 300, 600])
    flashes = [Stretch(place, place, place + 12, np.inf, [place], 1) for place in (300, 600)]
    chosen, unseen = within_budget(index, Judged(clues.AT_CUTS, [], flashes))
    assert [(s.start, s.end) for s in chosen] == [(300, 312)]
    assert unseen == [600], "the keyframe keeps its word"


def test_dense_keyframes_are_thinned_and_small_packets_passed_over() -> None:
    index = index_of([100] * 200, list(range(200)))
    timeline = timeline_of(FACTS, index)
    assert timeline is not None
    keys, others = first_looks(index, timeline)
    assert np.flatnonzero(keys).tolist() == list(range(0, 200, 8))
    assert not others.any()
    sparse = index_of([1000 if n in (0, 90) else 300 if n == 40 else 20 for n in range(200)], [0, 90])
    keys, others = first_looks(sparse, timeline)
    assert (np.flatnonzero(keys).tolist(), np.flatnonzero(others).tolist()) == ([0, 90], [40])


def test_glimpses_are_the_first_p_frame_alone_before_a_keyframe_off_the_grid_and_the_largest() -> None:
    keys = [0, 50, 100, 130, 180, 230]
    sizes = [1000 if n in keys else 20 for n in range(300)]
    sizes[90] = 900  # before a keyframe of the grid
    sizes[115:118] = [60, 80, 90]  # too early for the keyframe at 130 are those up to 113
    sizes[105] = sizes[110] = 300
    index = index_of(sizes, keys)
    timeline = timeline_of(FACTS, index)
    assert timeline is not None
    assert np.flatnonzero(glimpses(index, timeline)).tolist() == [105, 115]
    turned = np.arange(300)
    turned[[115, 116]] = 116, 115
    timeline = timeline_of(FACTS, reordered := index_of(sizes, keys, pts=turned))
    assert timeline is not None
    assert np.flatnonzero(glimpses(reordered, timeline)).tolist() == [105, 117], "not what B frames lie beside"


def test_few_packets_are_glimpsed_at(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = np.cumsum([0, *np.random.default_rng(1).integers(11, 60, 30)]).tolist()
    index = index_of([1000 if n in keys else 100 for n in range(keys[-1] + 50)], keys)
    timeline = timeline_of(FACTS, index)
    assert timeline is not None
    assert 0 < glimpses(index, timeline).sum() <= clues.GLIMPSES * len(index)
    monkeypatch.setattr(clues, "GLIMPSES", 0.0)
    assert not glimpses(index, timeline).any()


@pytest.mark.slow
def test_hostile_files_end_as_in_a_full_decode(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clues, "_SHORT", 1)
    monkeypatch.setattr(clues, "SCANNED", frozenset(av.codecs_available))
    kinds: Counter[str] = Counter()
    for number, path in enumerate(sorted((media / "hostile").iterdir())):
        try:
            probed = probe(str(path))
        except ElementError:
            continue
        results: list[Any] = []
        for name in ("scan", "exact"):
            folder = tmp_path / f"{number}-{name}"
            folder.mkdir()
            settings = MeasureSettings(frames_per_second=1, flow_per_second=0)
            try:
                if name == "scan":
                    found = scan(str(path), probed.video, probed.index, folder, settings)
                else:
                    found = measure(str(path), probed.video, folder, settings)
            except ElementError as error:
                results.append(error.error_class)
                continue
            results.append(bool(found["frames"]))
            if found["frames"]:
                signals = read_signals(folder / "signals.parquet")
                assert len(signals) == found["frames"], path.name
                assert (np.diff(signals["pts"]) > 0).all(), path.name
            kinds[str(found.get("scan_kind"))] += name == "scan"
        assert results[0] == results[1], path.name
    assert len(kinds) > 5


def test_keyframes_of_nothing_leave_a_row_for_every_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    film(path, SHOTS, width=192, height=108)
    data = bytearray(path.read_bytes())
    packet = probe(str(path)).index
    for place in np.flatnonzero(packet.keyframe)[1::2]:
        start = int(packet.position[place]) + 8
        data[start : start + int(packet.size[place]) - 8] = bytes(int(packet.size[place]) - 8)
    path.write_bytes(data)
    found, signals = run(path, tmp_path / "out")
    assert found["frames"] == len(signals) == sum(shot.frames for shot in SHOTS)
    assert found["decoded_frames"] < found["frames"]
