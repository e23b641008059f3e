"""Measuring: exact frames and times, PySceneDetect's numbers bit for bit, spans equal to the whole, odd files."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image
from scenedetect import FrameTimecode, StatsManager
from scenedetect.detectors import ContentDetector, HashDetector
from scenedetect.scene_manager import compute_downscale_factor

from tests.transforms.tinymedia import CUTS, render, render_sound, tone_frames
from transforms import failures, pictures
from transforms.failures import ElementError
from transforms.measure import WHOLE, MeasureSettings, measure
from transforms.probe import probe
from transforms.recorder import SERIES
from transforms.samples import Samples
from transforms.series import read_series
from transforms.signals import Signals, hash_bits, read_signals
from transforms.thumbnails import Thumbnails

EVERY_FOURTH = [40 * n + 50 * (n // 4) for n in range(60)]
HEVC = {"x265-params": "log-level=none:pools=1"}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "b-frames": (
        "a.mp4",
        {"options": {"bf": "3", "g": "24"}},
        {"start_pts": 0, "end_pts": 60 * 512, "frame_rate": 24.0},
    ),
    "variable rate": (
        "a.mkv",
        {"pts": EVERY_FOURTH, "time_base": Fraction(1, 1000)},
        {"variable_frame_rate": True, "start_pts": 0},
    ),
    "portrait": ("a.mp4", {"rotation": -90}, {"rotation": 90}),
    "10 bit": ("a.mp4", {"codec": "libx265", "pixels": "yuv420p10le", "frames": 9, "options": HEVC}, {"frames": 9}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "frames": 12, "options": {"deadline": "realtime"}}, {"frames": 12}),
    "odd": ("a.mkv", {"codec": "ffv1", "size": (161, 91), "pixels": "yuv444p", "frames": 9}, {"frames": 9}),
    "gray": ("a.mkv", {"codec": "ffv1", "pixels": "gray", "frames": 9}, {"frames": 9}),
    "rgb planes": ("a.avi", {"codec": "utvideo", "pixels": "gbrp", "frames": 9}, {"frames": 9}),
    "full range": ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p", "frames": 9}, {"frames": 9}),
    "one frame": (
        "a.mp4",
        {"frames": 1},
        {"frames": 1, "duration": pytest.approx(1 / 24), "variable_frame_rate": False},
    ),
    "transport stream": ("a.ts", {"codec": "mpeg2video", "options": {"bf": "2"}}, {"frame_rate": 24.0}),
    "late start": ("a.mkv", {"pts": range(24, 84)}, {"start_pts": 1000}),
    "interlaced": (
        "a.mp4",
        {"options": {"flags": "+ilme+ildct", "x264-params": "tff=1"}},
        {"interlaced": True},
    ),
    "large": ("a.mp4", {"size": (640, 360), "frames": 5}, {"frames": 5}),
}


def run(
    path: Path, folder: Path, settings: MeasureSettings | None = None, span: tuple[int, int] | None = None
) -> tuple[dict[str, Any], Signals]:
    """Probe and measure a file into a folder."""
    folder.mkdir()
    found = measure(str(path), probe(str(path)).video, folder, settings or MeasureSettings(), span or WHOLE)
    return found, read_signals(folder / "signals.parquet")


@pytest.mark.parametrize("case", sorted(CASES))
def test_every_frame_at_its_time(tmp_path: Path, case: str) -> None:
    name, how, expected = CASES[case]
    path = render(tmp_path / name, **how)
    found, signals = run(path, tmp_path / "out")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert {key: found[key] for key in expected} == expected
    assert signals["pts"].tolist() == [frame.pts for frame in frames]
    assert found["frames"] == found["decoded_frames"] == len(frames) == len(signals)
    assert found["decode_errors"] == 0
    assert found["end_pts"] == signals.ends[-1]
    assert found["interlaced"] is (case == "interlaced")
    assert found["variable_frame_rate"] is (case == "variable rate")
    assert signals["keyframe"][0]
    assert signals["picture"].tolist() == [int(frame.pict_type) for frame in frames]
    with Thumbnails(tmp_path / "out" / "thumbnails.zip") as thumbnails:
        assert thumbnails.count == len(frames)
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        upright = frames[0].rotation % 180 == 90
        for entry in samples.frames:
            picture = Image.open(io.BytesIO(samples.jpeg(entry.pts)))
            size = (frames[0].height, frames[0].width) if upright else (frames[0].width, frames[0].height)
            largest = min(1.0, 512 / max(size))
            assert picture.size == (entry.width, entry.height) == tuple(round(s * largest) for s in size)


def small_pictures(path: Path) -> list[Any]:
    """The small pictures of a file, made apart from the code under test but for the conversion."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        factor = compute_downscale_factor(max(stream.width, stream.height))
        size = (max(1, round(stream.width / factor)), max(1, round(stream.height / factor)))
        reformatter = VideoReformatter()
        return [
            np.ascontiguousarray(pictures.convert(reformatter, frame, size, Interpolation.FAST_BILINEAR))
            for frame in container.decode(stream)
        ]


def assert_equals_scenedetect(path: Path, signals: Signals) -> None:
    """Every delta and hash equals what PySceneDetect makes of the same small pictures, bit for bit."""
    detector, stats = ContentDetector(weights=ContentDetector.Components(1, 1, 1, 0)), StatsManager()
    detector.stats_manager = stats
    names = ["delta_hue", "delta_sat", "delta_lum"]
    means, bits = {name: signals.mean(name) for name in names}, hash_bits(signals["hash"])
    for number, small in enumerate(small_pictures(path)):
        code = FrameTimecode(number, 24.0)
        detector.process_frame(code, small)
        assert np.array_equal(bits[number], HashDetector.hash_frame(small, 8, 2))
        gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.int64)
        assert signals["gray"][number] == gray.sum()
        assert signals["gray_squares"][number] == (gray**2).sum()
        assert signals["dark"][number] == (gray <= 32).sum()
        assert [signals[c][number] for c in ("blue", "green", "red")] == small.sum(axis=(0, 1), dtype=np.int64).tolist()
        laplacian = cv2.Laplacian(gray.astype(np.uint8), cv2.CV_16S).astype(np.int64)
        assert signals["laplacian"][number] == laplacian.sum()
        assert signals["laplacian_squares"][number] == (laplacian**2).sum()
        assert signals.sharpness[number] == pytest.approx(cv2.Laplacian(gray.astype(np.float64), cv2.CV_64F).var())
        if number:
            assert [means[name][number] for name in names] == [float(v) for v in stats.get_metrics(code, names)]
            assert detector._frame_score == pytest.approx(signals.content[number])


@pytest.mark.parametrize("case", ["b-frames", "odd", "10 bit", "large", "gray"])
def test_the_numbers_are_scenedetects(tmp_path: Path, case: str) -> None:
    name, how, _ = CASES[case]
    path = render(tmp_path / name, **how)
    _, signals = run(path, tmp_path / "out")
    assert_equals_scenedetect(path, signals)


@pytest.mark.parametrize("name", ["exo_bear-vp9-odd-dimensions.webm", "exo_hdr10-video-with-sdr-container.mp4"])
def test_the_numbers_are_scenedetects_on_real_files(tmp_path: Path, media: Path, name: str) -> None:
    _, signals = run(media / "hostile" / name, tmp_path / "out")
    assert_equals_scenedetect(media / "hostile" / name, signals)


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    path = render(tmp_path / "a.mp4")
    assert run(path, tmp_path / "one")[0] == run(path, tmp_path / "two")[0]
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == [
        *("flow.parquet", "looks.parquet", "samples.zip"),
        *("signals.parquet", "texture.parquet", "thumbnails.zip"),
    ]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_span_does_not_decode_everything(tmp_path: Path) -> None:
    path = render(tmp_path / "a.mp4", frames=240, options={"g": "24"})
    found, signals = run(path, tmp_path / "out", span=(200 * 512, 210 * 512))
    assert len(signals) == 10
    assert found["decoded_frames"] < 70


def test_an_edit_list_hides_frames(tmp_path: Path) -> None:
    source = render(tmp_path / "a.mp4", options={"g": "60", "bf": "2", "sc_threshold": "0"})
    cut = tmp_path / "cut.mp4"
    with av.open(str(source)) as reader, av.open(str(cut), "w") as writer:
        stream = reader.streams.video[0]
        copy = writer.add_stream_from_template(stream)
        for packet in reader.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts, packet.stream = packet.pts - 20 * 512, packet.dts - 20 * 512, copy
            writer.mux(packet)
    result = probe(str(cut))
    found, signals = run(cut, tmp_path / "out")
    assert len(result.index) == 60
    assert result.video["edit_list"] is True
    assert len(signals) == found["frames"] == 40
    assert found["start_pts"] == result.video["start_pts"] == 0


def test_samples_are_the_stillest_of_each_half_second_and_both_sides_of_a_cut(tmp_path: Path) -> None:
    _, signals = run(render(tmp_path / "a.mp4"), tmp_path / "out")
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        why = {f.pts // 512: set(f.why) for f in samples.frames}
    moved = signals["delta_gray"].astype(float)
    moved[0] = np.inf
    stillest = {n + int(moved[n : n + 12].argmin()) for n in range(0, 60, 12)}
    assert {n for n, reasons in why.items() if "sample" in reasons} == stillest
    assert {n for n, reasons in why.items() if "scene_start" in reasons} == set(CUTS)
    assert {n for n, reasons in why.items() if "scene_end" in reasons} == {16, 40, 59}


def test_flow_texture_and_looks_come_at_their_rates(tmp_path: Path) -> None:
    run(render(tmp_path / "a.mp4"), tmp_path / "out")
    rows = {name: read_series(tmp_path / "out" / f"{name}.parquet")[1] for name in SERIES}
    assert [p // 512 for p in rows["flow"]["pts"]] == list(range(6, 60, 6))
    assert set(rows["flow"]["gap"]) == {2 * 512}
    assert [p // 512 for p in rows["texture"]["pts"]] == [0, 24, 48]
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        ends = {f.pts for f in samples.frames if "scene_start" in f.why or "scene_end" in f.why}
    seconds = [p for p in rows["looks"]["pts"] if p not in ends]
    assert ends <= set(rows["looks"]["pts"])
    assert len(seconds) == 3
    assert {len(h) for h in rows["looks"]["hash"]} == {32}
    assert {name: list(found) for name, found in rows.items()} == {n: list(columns) for n, columns in SERIES.items()}


@pytest.mark.parametrize(
    ("keep", "files"), [("full", {"samples.zip", "thumbnails.zip"}), ("lean", {"samples.zip"}), ("minimal", set())]
)
def test_what_is_kept(tmp_path: Path, keep: str, files: set[str]) -> None:
    _, signals = run(render(tmp_path / "a.mp4"), tmp_path / "out", MeasureSettings(keep=keep))
    assert {p.name for p in (tmp_path / "out").iterdir() if p.suffix == ".zip"} == files
    assert len(signals) == 60


def test_what_is_not_wanted_is_not_measured(tmp_path: Path) -> None:
    settings = MeasureSettings(
        frames_per_second=0.0,
        flow_per_second=0.0,
        texture_per_second=0.0,
        looks_per_second=0.0,
        edges=False,
        frame_side=64,
    )
    _, signals = run(render(tmp_path / "a.mp4"), tmp_path / "out", settings)
    assert not signals.about.edges
    assert not signals["delta_edges"].any()
    for name in SERIES:
        assert len(read_series(tmp_path / "out" / f"{name}.parquet")[1]["pts"]) == 0
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        assert not any("sample" in f.why for f in samples.frames)
        assert max(max(f.width, f.height) for f in samples.frames) == 64


@pytest.mark.parametrize(
    ("size", "matrix", "level"), [((96, 64), 5, 1), ((96, 64), 1, 1), ((96, 64), 5, 2), ((96, 64), 1, 2)]
)
def test_colours_of_samples_follow_the_tags(tmp_path: Path, size: tuple[int, int], matrix: int, level: int) -> None:
    colour = np.array([200, 40, 90], np.uint8)
    flat = [np.tile(colour, (size[1], size[0], 1))] * 3
    path = render(
        tmp_path / "a.mkv", codec="ffv1", size=size, frames=3, pixels="yuv444p", pictures=flat, tags=(matrix, level)
    )
    run(path, tmp_path / "out")
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        shown = np.asarray(Image.open(io.BytesIO(samples.jpeg(0))))
        assert np.abs(shown.astype(int) - colour).max() <= 4
    with Thumbnails(tmp_path / "out" / "thumbnails.zip") as thumbnails:
        assert np.abs(thumbnails.read(0, 1).astype(int) - colour).max() <= 3


def test_an_upright_sample(tmp_path: Path) -> None:
    still = np.zeros((64, 96, 3), np.uint8)
    still[:16, :16] = 255
    path = render(tmp_path / "a.mp4", size=(96, 64), frames=2, pictures=[still] * 2, rotation=-90)
    run(path, tmp_path / "out")
    with Samples(tmp_path / "out" / "samples.zip") as samples:
        shown = np.asarray(Image.open(io.BytesIO(samples.jpeg(0))))
        assert shown.shape == (96, 64, 3)
        assert shown[4, -4].min() > 200  # A clockwise turn takes the top left corner to the top right.
        assert shown[4, 4].max() < 60
    with Thumbnails(tmp_path / "out" / "thumbnails.zip") as thumbnails:
        assert thumbnails.read().shape == (2, 27, 48, 3)


def test_letterbox_bounds(tmp_path: Path) -> None:
    def barred(top: int, bottom: int, left: int, right: int) -> Any:
        picture = np.zeros((96, 160, 3), np.uint8)
        picture[top : 96 - bottom, left : 160 - right] = 128
        return picture

    boxes = [(12, 8, 0, 0), (0, 0, 20, 4), (0, 0, 0, 0)]
    stills = [*(barred(*box) for box in boxes), np.zeros((96, 160, 3), np.uint8)]
    _, signals = run(
        render(tmp_path / "a.mkv", codec="ffv1", pixels="yuv444p", frames=4, pictures=stills), tmp_path / "out"
    )
    names = ("bar_top", "bar_bottom", "bar_left", "bar_right")
    assert [tuple(int(signals[n][k]) for n in names) for k in range(4)] == [*boxes, (96, 0, 160, 0)]
    assert signals["dark"][3] == 96 * 160


def test_a_size_and_a_format_that_change_on_the_way(tmp_path: Path) -> None:
    parts = [
        render(tmp_path / "a.ts", size=(160, 96), frames=40, options={"bf": "0"}),
        render(tmp_path / "b.ts", size=(320, 200), frames=40, pixels="yuv444p", options={"bf": "0"}),
        render(tmp_path / "c.ts", size=(98, 50), frames=40, options={"bf": "0"}),
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    found, signals = run(joined, tmp_path / "out")
    assert found["frames"] == 120
    assert (signals.about.width, signals.about.height) == (160, 96)
    # Each part starts the clock anew: time moves on from where the part before ended.
    assert np.all(np.diff(signals["pts"]) > 0)
    assert found["duration"] == pytest.approx(5.0, abs=0.2)


def test_a_broken_middle_is_counted_and_passed_over(tmp_path: Path) -> None:
    data = bytearray(render(tmp_path / "a.mkv", codec="ffv1", frames=60).read_bytes())
    for place in range(len(data) // 2, len(data) // 2 + 4000, 3):
        data[place] ^= 0x5A
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(data)
    found, signals = run(broken, tmp_path / "out")
    assert 30 < found["frames"] <= 60
    assert len(signals) == found["frames"]


def test_a_file_cut_off_gives_what_is_there(tmp_path: Path) -> None:
    data = render(tmp_path / "a.mkv", options={"g": "6"}).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 2 // 3])
    found, _ = run(tmp_path / "cut.mkv", tmp_path / "out")
    assert 20 < found["frames"] < 60


def test_sound_alone_is_not_decoded(tmp_path: Path) -> None:
    song = render_sound(tmp_path / "song.mp3", "libmp3lame", tone_frames(1), cover=True)
    found = measure(str(song), probe(str(song)).video, tmp_path, MeasureSettings())
    assert found == {"frames": 0, "decoded_frames": 0, "decode_errors": 0}
    assert not (tmp_path / "signals.parquet").exists()


def test_progress_is_told(tmp_path: Path) -> None:
    path = render(tmp_path / "a.mkv", codec="ffv1", frames=600)
    seen: list[int] = []
    measure(str(path), probe(str(path)).video, tmp_path, MeasureSettings(), on_progress=seen.append)
    assert seen == [256, 512, 600]


NO_FRAME = {
    "mp4parsecapi_short-cenc.mp4": "encrypted",
    "exo_subsample_encrypted_noaltref.webm": "encrypted",
    "exo_invalid-bitstream.webm": "damaged",
    "mp4parse_test_case_1185230.mp4": "damaged",
    "c2pa_dashinit.mp4": "no_streams",
}


@pytest.mark.parametrize("name", sorted(NO_FRAME))
def test_no_frame_at_all(tmp_path: Path, media: Path, name: str) -> None:
    path = media / "hostile" / name
    with pytest.raises(ElementError) as failure:
        measure(str(path), probe(str(path)).video, tmp_path, MeasureSettings())
    assert failure.value.error_class == NO_FRAME[name]


ONE_FILE = """
import json, sys, tempfile
from transforms.failures import ElementError
from transforms.measure import WHOLE, MeasureSettings, measure
from transforms.probe import probe
for path in sys.argv[1:]:
    try:
        facts = probe(path).video
        with tempfile.TemporaryDirectory() as folder:
            found = measure(path, facts, folder, MeasureSettings())
        print(json.dumps([path, "ok", {**facts, **found}]), flush=True)
    except ElementError as error:
        print(json.dumps([path, error.error_class, error.message]), flush=True)
"""


@pytest.mark.slow
def test_every_hostile_file_is_a_video_or_a_failure(media: Path) -> None:
    files = sorted(str(path) for path in (media / "hostile").iterdir())
    # One process for all is enough: none of these files kills or hangs this build's decoders.
    done = subprocess.run([sys.executable, "-c", ONE_FILE, *files], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [path for path, *_ in results] == files
    for path, outcome, rest in results:
        if outcome == "ok":
            assert rest["frames"] > 0 or rest["audio_streams"] > 0, path
        else:
            assert outcome in failures.CLASSES
            assert len(rest) > 10, path
    assert sum(outcome == "ok" for _, outcome, _ in results) > 0.7 * len(files)


@pytest.mark.parametrize("change", [lambda f: f | {"time_base_den": 7}, lambda f: f | {"video_stream": 9}])
def test_facts_of_another_file_are_refused(tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    path = render(tmp_path / "a.mp4", frames=2)
    with pytest.raises(ElementError) as failure:
        measure(str(path), change(probe(str(path)).video), tmp_path, MeasureSettings())
    assert failure.value.error_class == "changed"


def test_settings_document_themselves() -> None:
    assert all(field.metadata["doc"] for field in dataclasses.fields(MeasureSettings))
