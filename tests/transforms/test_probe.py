"""Probing: the facts of rendered files, one read of the bytes, and real files that are odd."""

from __future__ import annotations

import hashlib
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.tinymedia import render, render_sound, tone_frames
from transforms import probe as p
from transforms.failures import ElementError
from transforms.media import READ_SIZE
from transforms.records import VideoRow

HEVC = {"x265-params": "log-level=none:pools=1"}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "b-frames": ("a.mp4", {"options": {"bf": "3", "g": "24"}}, {"video_codec": "h264", "packets": 60, "keyframes": 3}),
    "portrait": ("a.mp4", {"rotation": -90}, {"rotation": 90, "width": 96, "height": 160, "coded_width": 160}),
    "upside down": ("a.mp4", {"rotation": 180}, {"rotation": 180, "width": 160}),
    "10 bit": (
        "a.mp4",
        {"codec": "libx265", "pixels": "yuv420p10le", "frames": 4, "options": HEVC},
        {"video_codec": "hevc", "bit_depth": 10, "pixel_format": "yuv420p10le", "hdr": False},
    ),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", "frames": 4}, {"video_codec": "vp9", "container": "matroska,webm"}),
    "odd size": ("a.mkv", {"codec": "ffv1", "size": (161, 91), "pixels": "yuv444p"}, {"width": 161, "height": 91}),
    "tagged": (
        "a.mp4",
        {"tags": (1, 1), "frames": 3},
        {"color_space": "bt709", "color_range": "limited", "color_primaries": None},
    ),
    "full range": ("a.avi", {"codec": "mjpeg", "pixels": "yuvj420p", "frames": 3}, {"color_range": "full"}),
    "no audio": ("a.mp4", {}, {"audio_streams": 0, "streams": 1}),
    "audio": (
        "a.mp4",
        {"tone": True},
        {
            "audio_streams": 1,
            "audio_codec": "aac",
            "audio_sample_rate": 48000,
            "audio_channels": 1,
            "audio_layout": "mono",
        },
    ),
    "one frame": ("a.mp4", {"frames": 1}, {"packets": 1, "duration": pytest.approx(1 / 24)}),
    "start": ("a.mkv", {"pts": range(24, 84)}, {"start_pts": 1000, "time_base_num": 1, "time_base_den": 1000}),
    "late start": ("a.mp4", {"pts": range(24, 84)}, {"edit_list": True}),
    "transport stream": ("a.ts", {"codec": "mpeg2video"}, {"container": "mpegts", "packets": 60}),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_facts(tmp_path: Path, case: str) -> None:
    name, how, expected = CASES[case]
    path = render(tmp_path / name, **how)
    found = p.probe(str(path)).video
    assert {key: found[key] for key in expected} == expected
    assert found["video_id"] == hashlib.sha256(path.read_bytes()).hexdigest()
    VideoRow(**found)


def test_cover_art_and_audio_only(tmp_path: Path) -> None:
    song = render_sound(tmp_path / "song.mp3", "libmp3lame", tone_frames(2), cover=True)
    result = p.probe(str(song))
    expected = {"video_streams": 0, "attached_pictures": 1, "audio_streams": 1, "audio_codec": "mp3"}
    assert {key: result.video[key] for key in expected} == expected
    assert "video_stream" not in result.video
    assert len(result.index) == 0
    VideoRow(**result.video)


def test_the_name_decides_nothing(tmp_path: Path) -> None:
    path = render(tmp_path / "a.ts", codec="mpeg2video")
    other = tmp_path / "a.mp3"
    shutil.copy(path, other)
    first, second = p.probe(str(path)), p.probe(str(other))
    assert first.video == second.video
    assert first.index.pts.tolist() == second.index.pts.tolist()


@pytest.mark.parametrize("container", [{}, {"movflags": "+faststart"}, {"movflags": "+frag_keyframe+empty_moov"}])
def test_a_file_is_read_about_once(tmp_path: Path, container: dict[str, str]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (30, 240, 320, 3), np.uint8)
    path = render(
        tmp_path / "a.mp4",
        size=(320, 240),
        frames=30,
        pictures=list(noise),
        tone=True,
        options={"crf": "1"},
        container=container,
    )
    size = path.stat().st_size
    assert size > 2_500_000
    result = p.probe(str(path))
    assert result.video["video_id"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert size <= result.read_bytes <= size + 4 * READ_SIZE
    assert len(result.index) == 30


def test_the_index_tells_times_and_keyframes(tmp_path: Path) -> None:
    index = p.probe(str(render(tmp_path / "a.mp4", options={"bf": "2", "g": "20", "sc_threshold": "0"}))).index
    assert sorted(index.pts.tolist()) == [512 * n for n in range(60)]
    assert np.all(np.diff(index.dts) > 0)
    assert index.pts[index.keyframe].tolist() == [0, 20 * 512, 40 * 512]
    assert index.bounds() == (0, 60 * 512)
    assert np.all(index.size > 0)
    assert np.all(index.position > 0)


def test_an_index_is_saved_and_read(tmp_path: Path) -> None:
    index = p.probe(str(render(tmp_path / "a.mp4"))).index
    for name in ("one", "two"):
        p.write_index(index, tmp_path / name)
    again = p.read_index(tmp_path / "one")
    assert all(np.array_equal(getattr(index, f), getattr(again, f)) for f in p.PacketIndex.__dataclass_fields__)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@given(st.integers(-720, 720) | st.just(-(1 << 31)) | st.floats(-1e30, 1e30))
def test_a_turn_is_one_of_four(rotation: float) -> None:
    assert p.upright_turn(rotation) in (0, 90, 180, 270)


@pytest.mark.parametrize(
    ("matrix", "turn"), [(0, 0), (-90, 90), (90, 270), (180, 180), (-180, 180), (-89, 90), (-(1 << 63), 0)]
)
def test_turns(matrix: int, turn: int) -> None:
    assert p.upright_turn(matrix) == turn


def test_a_directory_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(ElementError) as failure:
        p.probe(str(tmp_path))
    assert failure.value.error_class == "unreadable"


def test_a_bomb_of_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.y4m"
    path.write_bytes(b"YUV4MPEG2 W30000 H30000 F25:1 Ip A1:1 C420jpeg\nFRAME\n" + b"\0" * 1000)
    with pytest.raises(ElementError) as failure:
        p.probe(str(path))
    assert failure.value.error_class in ("damaged", "out_of_memory", "not_media")
    assert failure.value.message


REAL: dict[str, dict[str, Any]] = {
    "hostile/exo_dolbyVision-hdr.MOV": {"hdr": True, "color_transfer": "arib-std-b67", "rotation": 90, "bit_depth": 10},
    "hostile/exo_hdr10-video-with-sdr-container.mp4": {"hdr": True, "color_transfer": "smpte2084"},
    "hostile/mp4parsecapi_no_timescale.mp4": {"rotation": 0, "width": 320},
    "hostile/exo_sample_ac4.mp4": {"audio_codec": "unknown", "video_streams": 0},
    "hostile/mp4parse_bbb_sunflower_QCIF_30fps_h263_noaudio_1f.3gp": {"sample_aspect": "27:22"},
    "hostile/c2pa_C-recorded-as-mov.mov": {"edit_list": True, "packets": 374},
    "hostile/exo_sample_av1.mp4": {"video_codec": "av1"},
    "real/moviepy_fire2.mp4": {"rotation": 180, "width": 1280, "audio_codec": "aac"},
    "real/torchcodec_nasa_13013.mp4": {"video_stream": 3, "video_streams": 2, "width": 480},
    "real/copies_iscc/iscc_demo.avi": {"container": "avi", "nominal_frame_rate": float(Fraction(24))},
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_files(media: Path, name: str) -> None:
    found = p.probe(str(media / name)).video
    assert {key: found.get(key) for key in REAL[name]} == REAL[name]


@pytest.mark.parametrize(
    ("name", "encrypted"),
    [("mp4parsecapi_short-cenc.mp4", True), ("exo_subsample_encrypted_noaltref.webm", True), ("exo_sample.mp4", False)],
)
def test_encryption_is_seen(media: Path, name: str, encrypted: bool) -> None:
    assert p.probe(str(media / "hostile" / name)).encrypted is encrypted
