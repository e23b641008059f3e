"""Windows: every voice is heard once, in windows no longer than allowed, and times come back to where they were."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.recogniser import Span
from captioning.speech.windows import Window, WindowSettings, windows_of
from transforms.audio import SAMPLE_RATE as RATE

SETTINGS = WindowSettings()
LONGEST = SETTINGS.window_seconds - 2 * SETTINGS.padding


@st.composite
def voices(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Spans of voice and the length of their sound, in samples; some meet, some are far apart."""
    spans, at = [], 0.0
    for _ in range(draw(st.integers(0, 25))):
        start = at + draw(st.sampled_from([0.0, 0.1, 0.5, 1.3, 2.5, 60.0]))
        at = start + draw(st.floats(0.1, LONGEST))
        spans.append((start, at))
    return spans, int((at + draw(st.floats(0, 3))) * RATE) + 1


@given(voices(), st.sampled_from([10.0, 30.0]))
def test_every_voice_is_heard_once(voice: tuple[list[Span], int], seconds: float) -> None:
    settings = WindowSettings(window_seconds=seconds)
    length = voice[1]
    spans = [(a, min(b, a + seconds - 2 * settings.padding)) for a, b in voice[0]]
    windows = windows_of(spans, length, settings)
    parts = [part for window in windows for part in window.parts]
    assert all(first < past for first, past in parts)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(parts))
    assert all(first >= 0 and past <= length for first, past in parts)
    assert all(window.seconds <= seconds + 1e-3 for window in windows)
    for start, end in spans:
        inside = [first <= start * RATE + 1 and min(end * RATE, length) - 1 <= past for first, past in parts]
        assert sum(inside) == 1


@given(voices())
def test_times_come_back_to_the_samples_they_were_taken_from(voice: tuple[list[Span], int]) -> None:
    spans, length = voice
    sound = np.arange(min(length, 40 * RATE), dtype=np.float32)
    spans = [span for span in spans if span[1] * RATE < len(sound)]
    for window in windows_of(spans, len(sound), SETTINGS):
        heard = window.samples(sound)
        assert len(heard) == round(window.seconds * RATE)
        for at in np.linspace(0, len(heard) - 1, 7).astype(int).tolist():
            start, end = window.span(at / RATE, at / RATE)
            assert start == end
            assert start * RATE == pytest.approx(heard[at], abs=0.01)


def test_a_word_is_not_spread_over_what_was_cut_out() -> None:
    window = Window(((0, RATE), (10 * RATE, 12 * RATE)))
    assert window.span(0.7, 1.1) == (0.7, 1.0)
    assert window.span(0.9, 1.5) == (10.0, 10.5)
    assert window.span(2.5, 9.0) == (11.5, 12.0)


def test_a_full_window_ends_at_its_longest_late_pause() -> None:
    # 26 s of voice fit, with pauses of 0.1 s but for one of 0.4 s after 20 s and one of 0.8 s after 8 s.
    spans, at = [], 0.0
    for number in range(20):
        spans.append((at, at + 2.0))
        at += 2.0 + {3: 0.8, 9: 0.4}.get(number, 0.1)
    first, *_ = windows_of(spans, int(at * RATE), SETTINGS)
    assert first.parts[-1][1] == pytest.approx((spans[9][1] + 0.2) * RATE, abs=2)


def test_long_pauses_are_cut_out_and_short_ones_kept() -> None:
    spans = [(1.0, 2.0), (3.5, 4.0), (9.0, 10.0)]
    (window,) = windows_of(spans, 20 * RATE, SETTINGS)
    assert [(first / RATE, past / RATE) for first, past in window.parts] == [(0.6, 4.4), (8.6, 10.4)]


def test_no_voice_no_window() -> None:
    assert windows_of([], RATE, SETTINGS) == []
