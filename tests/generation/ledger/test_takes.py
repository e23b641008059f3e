"""Files: what is cut short is found, what is in its place is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from generation.ledger.takes import look_at
from tests.generation.ledger.paidserver import tiny_video
from transforms.failures import ElementError


def test_a_whole_video_passes(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(tiny_video())
    look_at(tmp_path / "a.mp4")


@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_a_video_that_is_cut_short_does_not(tmp_path: Path, part: float, faststart: bool):
    whole = tiny_video(str(tmp_path / "a.mp4"), **({"movflags": "faststart"} if faststart else {}))
    (tmp_path / "a.mp4").write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(ElementError):
        look_at(tmp_path / "a.mp4")


def test_what_is_no_video_does_not(tmp_path: Path):
    (tmp_path / "a.mp4").write_bytes(b"<html>gone</html>" * 100)
    with pytest.raises(ElementError, match="not_media"):
        look_at(tmp_path / "a.mp4")
