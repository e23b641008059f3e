"""Playing: ranges as RFC 9110 has them, what browsers play, and which source is still the one that was read."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from pages import playing
from transforms import storage

SIZE = 100


@pytest.mark.parametrize(
    ("header", "bytes_"),
    [
        (None, None),
        ("", None),
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-5", (95, 100)),
        ("bytes=-500", (0, 100)),
        ("bytes=5-4", None),
        ("bytes=0-1,5-6", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=x-", None),
        ("bytes=0-1\n", (0, 2)),
    ],
)
def test_ranges(header: str | None, bytes_: tuple[int, int] | None):
    assert playing.wanted(header, SIZE) == bytes_


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_that_are_not_there(header: str):
    with pytest.raises(ValueError, match="of 100"):
        playing.wanted(header, SIZE)


@pytest.mark.parametrize(
    ("container", "codec", "pixels", "depth", "why"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv420p", 8, ""),
        ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuvj420p", 8, ""),
        ("matroska,webm", "vp9", "yuv420p10le", 10, ""),
        ("mov,mp4,m4a,3gp,3g2,mj2", "av1", "yuv420p", 8, ""),
        ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv420p10le", 10, "10-bit"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv422p", 8, "yuv422p"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "hevc", "yuv420p", 8, "hevc"),
        ("avi", "mpeg4", "yuv420p", 8, "avi"),
        ("mpegts", "h264", "yuv420p", 8, "mpegts"),
        ("mp3", None, None, None, "no video"),
    ],
)
def test_what_browsers_play(container, codec, pixels, depth, why):
    found = playing.unplayable(
        {"container": container, "video_codec": codec, "pixel_format": pixels, "bit_depth": depth}
    )
    assert (why in found) if why else found == ""


def row(uri: str, size: int) -> dict:
    return {"uri": uri, "size": size, "etag": None, "modified": None}


def test_the_first_source_that_is_still_there_is_played(tmp_path: Path):
    data = bytes(range(256)) * 5000
    (tmp_path / "b.webm").write_bytes(data)
    (tmp_path / "a.webm").write_bytes(data + b"more")
    rows = [row(str(tmp_path / name), len(data)) for name in ("gone.webm", "b.webm", "a.webm")]
    media = playing.source_of(rows, "matroska,webm")
    assert media == playing.Media(str(tmp_path / "b.webm"), len(data), "video/webm")
    assert b"".join(playing.blocks(media, 5, 600_000)) == data[5:600_000]
    (tmp_path / "b.webm").unlink()
    with pytest.raises(playing.Gone, match="has changed since it was read"):
        playing.source_of(rows, "matroska,webm")
    with pytest.raises(playing.Gone, match="not fetched again"):
        playing.source_of([row("https://user:secret@example.org/a.mp4", 1)], "mp4")
    with pytest.raises(playing.Gone, match="no source"):
        playing.source_of([], None)


def test_an_object_elsewhere_is_read_by_ranges():
    data = bytes(range(256)) * 5000
    fsspec.filesystem("memory").pipe_file("/played/a.mp4", data)
    found = storage.stat("memory://played/a.mp4")
    rows = [{"uri": "memory://played/a.mp4", "size": len(data), "etag": found.etag, "modified": found.modified}]
    media = playing.source_of(rows, "mov,mp4")
    assert b"".join(playing.blocks(media, 100, 1_000_000)) == data[100:1_000_000]
