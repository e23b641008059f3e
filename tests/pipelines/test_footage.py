"""Rendered files hold what they say: decoded again, every frame, time and tone is where the truth puts it."""

from __future__ import annotations

import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scenedetect import ContentDetector, detect

from pipelines import footage
from pipelines.footage import Shot, Tone, render
from pipelines.shots import pictures

CUT = [Shot(20, seed=1), Shot(15, seed=2, camera="shake")]


def decode(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def upright(frame: av.VideoFrame) -> np.ndarray:
    return np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90)


@pytest.mark.parametrize(
    ("name", "shots", "options"),
    [
        ("plain.mp4", CUT, {}),
        ("rate.mkv", CUT, {"fps": "24000/1001"}),
        ("vp9.webm", CUT, {"codec": "libvpx-vp9"}),
        ("mpeg4.mp4", CUT, {"codec": "mpeg4"}),
        ("barred.mp4", CUT, {"bars": (24, 24)}),
        ("quarter.mp4", CUT, {"rotation": 90, "width": 180, "height": 320}),
        ("half.mov", CUT, {"rotation": 180}),
        ("three_quarters.mp4", CUT, {"rotation": 270, "width": 180, "height": 320}),
        ("mixed.mp4", [Shot(20, seed=3), Shot(20, seed=4, enter="dissolve", enter_frames=8)], {}),
        ("faded.mp4", [Shot(20, seed=5, enter="fade", enter_frames=5), Shot(9, enter="fade", enter_frames=6)], {}),
        ("flashed.mp4", [Shot(20, seed=6, flashes=(7,))], {}),
        ("unmoving.mp4", [Shot(12, seed=7, camera="still"), Shot(5, camera="black")], {}),
    ],
)
def test_every_frame_shown_is_the_frame_drawn(tmp_path: Path, name: str, shots: list[Shot], options: dict[str, Any]):
    truth = render(tmp_path / name, shots, **options)
    shown = [upright(f) for f in decode(tmp_path / name)]
    drawn = list(pictures(shots, truth["width"], truth["height"], tuple(truth["bars"])))
    assert len(shown) == len(drawn) == truth["frames"]
    for k, (a, b) in enumerate(zip(shown, drawn, strict=True)):
        errors = [float(np.abs(a.astype(int) - d).mean()) for d in (b, drawn[0], drawn[-1])]
        assert errors[0] < 8, f"frame {k}"
        assert errors[0] <= min(errors) + 1, f"frame {k} looks more like another shot"
    for cut in truth["hard"]:
        assert np.abs(drawn[cut].astype(int) - drawn[cut - 1]).mean() > 15


def test_a_variable_rate_file_has_the_times_asked_for(tmp_path: Path):
    truth = render(tmp_path / "v.mp4", [Shot(10)], ticks=(20, 40, 60))
    frames = decode(tmp_path / "v.mp4")
    assert np.allclose(
        [f.time for f in frames], np.array([0, 20, 60, 120, 140, 180, 240, 260, 300, 360]) / 600, atol=1e-4
    )
    assert truth["variable_frame_rate"]
    assert truth["seconds"] == pytest.approx(380 / 600)
    with av.open(str(tmp_path / "v.mp4")) as container:
        lengths = [(p.duration or 0) * (p.time_base or 0) for p in container.demux(video=0) if p.size]
    assert [float(length) for length in lengths] == pytest.approx([t / 600 for t in [20, 40, 60] * 3 + [20]], abs=1e-4)
    assert not render(tmp_path / "c.mp4", [Shot(10)])["variable_frame_rate"]


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
def test_sound_is_heard_and_silence_is_not(tmp_path: Path, name: str):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    tones = [Tone(0.5, 440), Tone(0.5), Tone(0.5, 1000)]
    truth = render(tmp_path / name, [Shot(38)], codec=codec, tones=tones, width=64, height=64)
    with av.open(str(tmp_path / name)) as container:
        samples = np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])
    assert truth["sound"] == [[440.0, 0.0, 0.5], [0.0, 0.5, 1.0], [1000.0, 1.0, 1.5]]
    for hertz, start, end in truth["sound"]:
        middle = samples[round((start + 0.1) * 48000) : round((end - 0.1) * 48000)]
        level = float(np.sqrt((middle**2).mean()))
        assert level == pytest.approx(0.25 / np.sqrt(2) if hertz else 0, abs=0.01)
        if hertz:
            strongest = np.abs(np.fft.rfft(middle)).argmax() * 48000 / len(middle)
            assert strongest == pytest.approx(hertz, abs=5)


def test_the_same_shots_give_the_same_bytes(tmp_path: Path):
    for name, codec in (("x.mp4", "libx264"), ("x.webm", "libvpx-vp9")):
        made = []
        for seed in (1, 1, 2):
            render(tmp_path / name, [Shot(8, seed=seed)], codec=codec, width=64, height=48, tones=[Tone(0.3, 500)])
            made.append((tmp_path / name).read_bytes())
        assert made[0] == made[1] != made[2]


def test_a_detector_that_knows_nothing_of_it_finds_the_cuts(clips: dict[str, Path]):
    found = [start.frame_num for start, _ in detect(str(clips["cuts"]), ContentDetector())]
    assert found == [0, 40, 75]


def test_tiny_files_are_all_different_and_all_play(tmp_path: Path):
    made = set()
    for seed in [*range(40), 2**40]:
        footage.render_tiny(tmp_path / "t.mp4", seed)
        made.add((tmp_path / "t.mp4").read_bytes())
        assert 3 <= len(decode(tmp_path / "t.mp4")) <= 6
    assert len(made) == 41


def test_a_long_file_joins_without_gap_or_overlap(tmp_path: Path):
    truth = footage.render_long(tmp_path / "l.mp4", 150, width=64, height=36, fps=6, shot_seconds=8)
    times: dict[str, list[Fraction]] = {"video": [], "audio": []}
    with av.open(str(tmp_path / "l.mp4")) as container:
        for packet in container.demux():
            if packet.pts is not None:
                times[packet.stream.type].append(packet.pts * packet.time_base)
    assert times["video"] == [Fraction(k, 6) for k in range(900)]
    assert {b - a for a, b in itertools.pairwise(times["audio"])} == {Fraction(1024, 48000)}
    assert abs(times["audio"][-1] - 150) < Fraction(1024, 48000) + Fraction(1, 48000)
    assert truth["frames"] == 900
    assert truth["hard"] == list(range(48, 900, 48))
    shown = [f.to_ndarray(format="bgr24").astype(int) for f in decode(tmp_path / "l.mp4")]
    changes = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(shown)]
    strongest = sorted(int(k) + 1 for k in np.argsort(changes)[-len(truth["hard"]) :])
    assert strongest == truth["hard"]


@pytest.fixture
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"width": 64, "height": 48}
    films = {
        n: (n, [Shot(6, seed=i), Shot(6, seed=i + 9)], small) for i, n in enumerate(("flash.mp4", "letterbox.mp4"))
    }
    monkeypatch.setattr(footage, "_films", lambda: films)


@pytest.mark.usefixtures("short_demo")
def test_a_finished_demo_is_not_rendered_again_and_an_unfinished_one_is(tmp_path: Path):
    path = footage.render_demo(tmp_path / "demo")
    first = path.stat().st_mtime_ns
    assert footage.render_demo(tmp_path / "demo").stat().st_mtime_ns == first
    (path.parent / "flash.mp4").unlink()
    assert footage.render_demo(tmp_path / "demo").stat().st_mtime_ns > first
    assert (path.parent / "flash.mp4").is_file()
    old = json.loads(path.read_text())
    path.write_text(json.dumps(old | {"_recipe": old["_recipe"] - 1}))
    footage.render_demo(tmp_path / "demo")
    assert json.loads(path.read_text()) == old


@pytest.mark.slow
def test_the_demo_is_what_its_truth_says(demo_footage: Path):
    path = demo_footage
    truth = {name: facts for name, facts in json.loads(path.read_text()).items() if not name.startswith("_")}
    found = {str(p.relative_to(path.parent)) for p in path.parent.rglob("*") if p.is_file() and p != path}
    assert found == set(truth)
    for name, facts in truth.items():
        if facts["outcome"] == "failure":
            with pytest.raises(av.error.FFmpegError):
                decode(path.parent / name)
            continue
        frames = 0
        with av.open(str(path.parent / name)) as container:
            for frame in container.decode(video=0):
                frames, turn, stored = frames + 1, (-frame.rotation) % 360, (frame.width, frame.height)
        assert frames == facts["frames"], name
        assert turn == facts["rotation"]
        assert (stored[::-1] if turn in (90, 270) else stored) == (facts["width"], facts["height"])
        if facts["outcome"] == "duplicate":
            assert (path.parent / name).read_bytes() == (path.parent / facts["of"]).read_bytes()
