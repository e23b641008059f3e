"""Cutting off of a video what was there before."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from generation.videos.content import count_frames, cut_head, write_last_frame
from tests.generation.engines.videoserver import video
from transforms.failures import ElementError


@pytest.fixture
def clip(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(video(320, 192, Fraction(24), 1.0, 5))
    return tmp_path / "clip.mp4"


def test_exactly_the_first_frames_go(clip):
    with av.open(str(clip)) as whole:
        before = [frame.to_ndarray(format="gray") for frame in whole.decode(video=0)]
    cut_head(clip, 7)
    with av.open(str(clip)) as rest:
        after = [frame.to_ndarray(format="gray") for frame in rest.decode(video=0)]
    assert count_frames(clip) == len(after) == 17
    for old, new in zip(before[7:], after, strict=True):
        assert abs(old.astype(int) - new.astype(int)).mean() < 2
    assert [path.name for path in clip.parent.iterdir()] == ["clip.mp4"]


def test_a_video_with_nothing_new_is_refused_and_kept_as_it_was(clip):
    before = clip.read_bytes()
    with pytest.raises(ElementError, match="24 of them were there before"):
        cut_head(clip, 24)
    assert clip.read_bytes() == before
    assert [path.name for path in clip.parent.iterdir()] == ["clip.mp4"]


def test_the_last_frame_is_the_last(clip, tmp_path):
    write_last_frame(clip, tmp_path / "last.png")
    with Image.open(tmp_path / "last.png") as last:
        assert last.size == (320, 192)
        assert np.asarray(last.convert("L"))[:4, -4:].min() > 200  # the bar has reached the right side
