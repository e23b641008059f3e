"""Samples: a ZIP of pictures that gives back what went in, by byte ranges, the same bytes each time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from transforms import samples as s


def thumbnails(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Random thumbnails."""
    return np.random.default_rng(1).integers(0, 256, (count, 27, 48, 3), np.uint8)


def write(path: Path) -> None:
    """Three frames and 600 thumbnails."""
    writer = s.SamplesWriter(path)
    for pts in (-512, 0, 512):
        writer.add_frame(pts, b"jpeg%d" % pts, 8, 4)
        writer.note(pts, "sample")
    writer.note(0, "scene_start")
    for start in range(0, 600, s.CHUNK):
        writer.add_thumbnails(thumbnails(600)[start : start + s.CHUNK])
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
            assert np.array_equal(found.thumbnails(), thumbnails(600))
            with pytest.raises(KeyError):
                found.jpeg(1)


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (255, 257), (256, 512), (599, 700), (10, 10), (300, 600)])
def test_a_range_of_thumbnails(tmp_path: Path, start: int, stop: int) -> None:
    write(tmp_path / "a.zip")
    with s.Samples(tmp_path / "a.zip") as found:
        assert np.array_equal(found.thumbnails(start, stop), thumbnails(600)[start:stop])


def test_the_same_pictures_give_the_same_bytes_uncompressed(tmp_path: Path) -> None:
    write(tmp_path / "a.zip")
    write(tmp_path / "b.zip")
    data = (tmp_path / "a.zip").read_bytes()
    assert data == (tmp_path / "b.zip").read_bytes()
    entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert {e.compress_type for e in entries} == {zipfile.ZIP_STORED}
    assert {e.date_time for e in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert entries[1].filename == s.frame_name(0) == "frames/00000000000000000000.jpg"
