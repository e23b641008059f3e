"""Windows cover a clip once, and show frames of their own."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.windows import spans, spread, stretches

SECONDS = st.floats(0.04, 600)


@given(SECONDS, st.floats(4, 120))
def test_spans_cover_a_length_without_gaps_and_none_is_too_short_or_too_long(seconds, longest):
    found = spans(seconds, longest)
    assert (found[0][0], found[-1][1]) == (0.0, seconds)
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    lengths = [end - start for start, end in found]
    assert all(abs(length - longest) < 1e-6 for length in lengths[:-1])
    assert lengths[-1] <= 1.5 * longest + 1e-6
    assert len(found) == 1 or lengths[-1] >= 0.5 * longest - 1e-6


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(4.0, [(0, 4)]), (14.9, [(0, 14.9)]), (15.0, [(0, 10), (10, 15)]), (24.9, [(0, 10), (10, 24.9)])],
)
def test_a_remainder_joins_the_window_before_it_or_stands_alone(seconds, wanted):
    assert spans(seconds, 10.0) == wanted


@given(st.lists(st.floats(0, 60), min_size=1, max_size=80, unique=True), SECONDS, SECONDS, st.integers(1, 16))
def test_frames_are_in_order_of_the_window_where_it_has_any_and_no_more_than_asked_for(times, one, other, most):
    times, start, end = sorted(times), min(one, other), max(one, other) + 0.01
    found = spread(times, start, end, most)
    inside = [n for n, at in enumerate(times) if start <= at < end]
    assert list(found) == sorted(set(found))
    assert 1 <= len(found) <= most
    assert set(found) <= set(inside) if inside else len(found) == 1
    if len(inside) <= most and inside:
        assert list(found) == inside


def test_frames_lie_evenly():
    times = [n / 2 for n in range(40)]
    assert [times[n] for n in spread(times, 0, 20, 4)] == [2.5, 7.5, 12.5, 17.5]


def test_a_short_caption_is_of_the_whole_clip_and_a_dense_one_of_its_windows():
    times = [n / 2 for n in range(60)]
    (short,) = stretches("short", 30.0, times, 3, 10.0)
    assert (short.start, short.end, len(short.frames)) == (0.0, 30.0, 3)
    dense = stretches("dense", 30.0, times, 3, 10.0)
    spans_of = [(one.index, one.count, one.start, one.end) for one in dense]
    assert spans_of == [(0, 3, 0, 10), (1, 3, 10, 20), (2, 3, 20, 30)]
    assert all(one.start <= times[n] < one.end for one in dense for n in one.frames)
