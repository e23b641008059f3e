"""Opening media: what is let in, by its bytes, and what is refused."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available

from tests.transforms.tinymedia import render, render_sound, tone_frames
from transforms import media as m
from transforms.failures import ElementError
from transforms.settings import ConfigError

PLAYLIST = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{target}\n#EXT-X-ENDLIST\n"
REFUSED = {
    "hls": PLAYLIST,
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'profiles="urn:mpeg:dash:profile:isoff-live:2011"><BaseURL>{target}</BaseURL><Period></Period></MPD>\n',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "text": "this is not a video\n" * 50,
}


@pytest.mark.parametrize("kind", sorted(REFUSED))
@pytest.mark.parametrize("name", ["film.mp4", "film.m3u8"])
def test_what_names_other_files_is_refused_and_opens_none(
    tmp_path: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = render(tmp_path / "target.ts", codec="mpeg2video", frames=5)
    listed = tmp_path / name
    listed.write_text(REFUSED[kind].format(target=target))
    opened: list[str] = []
    real = os.open

    def noted(path: Any, *args: Any, **options: Any) -> int:
        opened.append(str(path))
        return real(path, *args, **options)

    monkeypatch.setattr(os, "open", noted)
    before = target.stat().st_atime_ns
    with pytest.raises(ElementError) as failure, m.open_media(str(listed)):
        pass
    assert failure.value.error_class == "not_media"
    assert failure.value.message
    assert str(target) not in opened
    assert target.stat().st_atime_ns == before


def test_the_name_decides_nothing(tmp_path: Path) -> None:
    made = render(tmp_path / "film.mkv", frames=5)
    for name in ("film.mp4", "film.m3u8", "film.jpg", "http:film.mp3", "film"):
        shutil.copy(made, tmp_path / name)
        with m.open_media(str(tmp_path / name)) as container:
            assert container.format.name == "matroska,webm"


@pytest.mark.parametrize(
    ("content", "error_class"),
    [(b"", "empty"), (b"\0" * 4096, "not_media"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "not_media")],
)
def test_bytes_that_are_no_media(tmp_path: Path, content: bytes, error_class: str) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(ElementError) as failure:
        m.open_media(str(path))
    assert failure.value.error_class == error_class


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ElementError) as failure:
        m.open_media(str(tmp_path / "absent.mp4"))
    assert failure.value.error_class == "unreadable"


def test_every_demuxer_exists_in_this_build() -> None:
    known = {part for name in av.formats_available for part in name.split(",")}
    assert not set(m.DEMUXERS) - known
    assert not {"hls", "dash", "concat", "image2", "rtsp", "sdp", "lavfi", "rtp", "sap", "webm_dash_manifest"} & set(
        m.DEMUXERS
    )


def test_cover_art_is_no_footage(tmp_path: Path) -> None:
    song = render_sound(tmp_path / "song.mp3", "libmp3lame", tone_frames(1), cover=True)
    with m.open_media(str(song)) as container:
        assert len(container.streams.video) == 1
        assert m.choose_video(container) is None
        assert m.choose_audio(container) is not None


def width_of(container: Any) -> int:
    """Width of the chosen video stream."""
    chosen: Any = m.choose_video(container)
    return int(chosen.width)


def test_the_default_stream_is_chosen_before_the_largest(tmp_path: Path) -> None:
    path, none = tmp_path / "two.mkv", av.stream.Disposition(0)
    with av.open(str(path), "w") as out:
        streams = []
        for size, disposition in ((64, none), (128, none), (32, av.stream.Disposition.default)):
            stream = out.add_stream("mpeg4", rate=25)
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.disposition = disposition
            streams.append(stream)
        for stream in streams:
            frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
            frame.pts = 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    with m.open_media(str(path)) as container:
        assert width_of(container) == 32
        container.streams[2].disposition = none
        assert width_of(container) == 128


@pytest.mark.parametrize(
    ("size", "error_class"), [((100_000, 10), "damaged"), ((16_000, 16_000), "out_of_memory"), ((7680, 4320), None)]
)
def test_frame_sizes(size: tuple[int, int], error_class: str | None) -> None:
    if error_class is None:
        m.check_size(*size)
        return
    with pytest.raises(ElementError) as failure:
        m.check_size(*size)
    assert failure.value.error_class == error_class


def test_a_cut_off_file_ends_where_it_was_cut(tmp_path: Path) -> None:
    whole = render(tmp_path / "whole.mkv", options={"g": "10"})
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with m.open_media(str(cut)) as container:
        count = sum(p.size > 0 for p in m.packets(container, m.choose_video(container)))
    assert 10 < count < 60


CODECS = {
    "libx264": (".mp4", {"bf": "3", "crf": "35"}, True),
    "libx265": (".mp4", {"crf": "38", "x265-params": "log-level=none:pools=1"}, True),
    "libvpx-vp9": (".webm", {"deadline": "realtime", "cpu-used": "8", "b": "60000"}, False),
    "libsvtav1": (".mp4", {"preset": "12", "crf": "50"}, False),
}


def lumas(path: Path, unfiltered: str = "", hwaccel: str = "none") -> list[tuple[int, bytes]]:
    """Picture type and brightness plane of every frame."""
    with m.open_media(str(path), hwaccel=hwaccel) as container:
        stream: Any = m.choose_video(container)
        m.prepare_decoder(stream, unfiltered, hwaccel)
        return [
            (int(frame.pict_type), frame.to_ndarray()[: frame.height].tobytes()) for frame in container.decode(stream)
        ]


@pytest.mark.parametrize("codec", sorted(CODECS))
def test_the_loop_filter_is_left_out_where_the_decoder_can(tmp_path: Path, codec: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this build has no {codec}")
    ending, options, can = CODECS[codec]
    path = render(tmp_path / f"a{ending}", codec=codec, size=(320, 192), frames=20, options=options)
    exact, lean, none = lumas(path), lumas(path, "bidir"), lumas(path, "all")
    assert [kind for kind, _ in lean] == [kind for kind, _ in exact] == [kind for kind, _ in none]
    first = [kind for kind, _ in exact].index(1)
    assert lean[first] == exact[first]  # keyframes are untouched
    assert (lean != exact) is can
    assert (none[first] != exact[first]) is can


@pytest.mark.parametrize(
    ("name", "said"), [("abacus", "this build of FFmpeg knows none"), ("", "this build of FFmpeg knows none")]
)
def test_a_device_nobody_knows_is_a_configuration_error(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        m.hardware(name)
    with pytest.raises(ConfigError, match="--hwaccel"):
        m.open_media(str(render(tmp_path / "a.mp4", frames=2)), hwaccel=name)


def test_no_device_is_asked_for_by_default() -> None:
    assert m.hardware("none") is None


def refused(name: str) -> str:
    """Why a device cannot be used here; nothing when it can."""
    try:
        m.hardware(name)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", sorted(hwdevices_available()))
def test_a_device_that_is_not_there_says_so(tmp_path: Path, name: str) -> None:
    why = refused(name)
    if not why:
        pytest.skip(f"{name} opens here")
    assert why.startswith(f"--hwaccel {name}:")
    assert why.endswith("use none")
    with pytest.raises(ConfigError):
        m.open_media(str(render(tmp_path / "a.mp4", frames=2)), hwaccel=name)


@pytest.mark.parametrize("name", sorted(hwdevices_available()))
def test_a_device_decodes_the_same_pictures(tmp_path: Path, name: str) -> None:
    if why := refused(name):
        pytest.skip(f"no such device here: {why}")
    path = render(tmp_path / "a.mp4", size=(320, 192), frames=20)
    software, device = lumas(path), lumas(path, hwaccel=name)
    assert len(device) == len(software)
    for (_, expected), (_, got) in zip(software, device, strict=True):
        difference = np.frombuffer(got, np.uint8).astype(int) - np.frombuffer(expected, np.uint8)
        assert np.abs(difference).mean() < 1.0


def test_a_stream_the_device_left_to_software_is_refused(tmp_path: Path) -> None:
    path = render(tmp_path / "a.mp4", frames=2)
    with m.open_media(str(path)) as container, pytest.raises(ElementError) as failure:
        m.prepare_decoder(m.choose_video(container), hwaccel="cuda")
    assert failure.value.error_class == "unsupported_codec"
    assert "cuda does not decode h264" in failure.value.message
