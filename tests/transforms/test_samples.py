"""Samples: a ZIP of pictures that gives back what went in, by byte ranges, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from transforms import samples as s


def write(path: Path, order: tuple[int, ...] = (-512, 0, 512)) -> None:
    """Three frames, in any order."""
    writer = s.SamplesWriter(path)
    for pts in order:
        writer.add(pts, b"jpeg%d" % pts, 8, 4)
        writer.note(pts, "sample")
        writer.settle(min(order))
    writer.settle(1)
    writer.note(0, "scene_start")
    writer.close()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write(tmp_path / "a.zip")
    for source in (tmp_path / "a.zip", (tmp_path / "a.zip").read_bytes()):
        with s.Samples(source) as found:
            assert [(f.pts, f.why, f.width) for f in found.frames] == [
                (-512, ("sample",), 8),
                (0, ("sample", "scene_start"), 8),
                (512, ("sample",), 8),
            ]
            assert [found.jpeg(f.pts) for f in found.frames] == [b"jpeg-512", b"jpeg0", b"jpeg512"]
            with pytest.raises(KeyError):
                found.jpeg(1)


def test_the_same_pictures_give_the_same_bytes_whatever_their_order(tmp_path: Path) -> None:
    write(tmp_path / "a.zip")
    write(tmp_path / "b.zip", (512, -512, 0))
    data = (tmp_path / "a.zip").read_bytes()
    assert data == (tmp_path / "b.zip").read_bytes()
    entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert {e.compress_type for e in entries} == {zipfile.ZIP_STORED}
    assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert entries[1].filename == s.frame_name(0) == "frames/00000000000000000000.jpg"
