"""The slate: what every frame says of itself, in every script and size."""

from __future__ import annotations

import numpy as np
import pytest

from generation.animatics.slate import Slate, bar_height


def drawn(text: str, *, language: str = "", size: tuple[int, int] = (1280, 720), at: float = 1.0) -> np.ndarray:
    frame = np.full((size[1], size[0], 4), 255, np.uint8)
    slate = Slate(title="hero", text=text, language=language, seconds=4.0, colour=(228.0, 87.0, 46.0), size=size)
    slate.mark(frame, at)
    return frame


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (720, 720), (320, 180), (64, 64)])
def test_the_bar_is_at_the_top_and_nothing_else_is_touched(size):
    frame, high = drawn("a red kite", size=size), bar_height(*size)
    assert (frame[high:] == 255).all()
    assert frame[: high // 2].mean() < 200


def test_the_line_grows_with_the_time():
    row = bar_height(1280, 720) - 1
    lengths = [int((drawn("x", at=at)[row, :, 0] > 200).sum()) for at in (0.0, 1.0, 2.0, 4.0)]
    assert lengths == [0, 320, 640, 1280]


def test_text_begins_at_the_side_where_its_language_does():
    def weight(frame: np.ndarray) -> float:
        words = (frame[: bar_height(1280, 720), 200:1100, :3].min(axis=2) > 150).sum(axis=0)
        return float((words * np.arange(len(words))).sum() / words.sum())

    assert weight(drawn("A flask stands on a rock")) < 300
    assert weight(drawn("قارورة على صخرة في ضوء الصباح", language="ar")) > 500


def test_text_too_long_is_cut_off_and_reaches_no_clock():
    long, none = drawn("many words " * 80), drawn("")
    text = np.flatnonzero((long != none).any(axis=(0, 2)))
    bar = none[: bar_height(1280, 720) - 4, 640:, :3].max(axis=2)
    clock = 640 + np.flatnonzero((bar > 150).any(axis=0))
    assert 1000 < text.max() < clock.min() - 5


def test_what_no_font_can_write_is_left_out():
    without, with_ = drawn(""), drawn("\U000130fa\U000130fb")
    assert (without == with_).all()
