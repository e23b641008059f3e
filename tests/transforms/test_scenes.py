from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.made_signals import about, made, of_pictures, shot
from transforms.detect import Cut
from transforms.scenes import CutSettings, Span, find_cuts, find_spans, spans_of
from transforms.settings import ConfigError, from_mapping, validate
from transforms.signals import Signals


def cuts_at(signals: Signals, *frames: int) -> list[Cut]:
    return [Cut(frame, int(signals["pts"][frame]), "content") for frame in frames]


def shape(spans: list[Span]) -> list[tuple[int, int, str, str]]:
    return [(s.start_frame, s.end_frame, s.start_reason, s.end_reason) for s in spans]


@st.composite
def videos(draw: st.DrawFn) -> tuple[Signals, list[Cut]]:
    steps = draw(st.lists(st.integers(1, 90), min_size=1, max_size=120))
    start = draw(st.integers(-1000, 1000))
    pts = start + np.cumsum([0, *steps[:-1]])
    moved = draw(st.lists(st.integers(0, 9), min_size=len(steps), max_size=len(steps)))
    signals = made(len(steps), about(time_base_den=30), pts=pts, duration=steps, delta_gray=moved)
    frames = draw(st.sets(st.integers(1, max(1, len(steps) - 1)), max_size=8)) if len(steps) > 1 else set()
    return signals, cuts_at(signals, *sorted(frames))


settings = st.builds(
    CutSettings,
    max_seconds=st.sampled_from([0.5, 1.0, 3.3, 10.0, 60.0]),
    edge_trim_seconds=st.sampled_from([0.0, 0.0, 0.1, 0.5, 3.0]),
    merge_seconds=st.sampled_from([0.0, 0.0, 1.0]),
)


@given(videos(), settings)
def test_spans_are_whole_ordered_disjoint_and_short_enough(video, chosen):
    signals, cuts = video
    spans = spans_of(cuts, signals, chosen)
    ends = signals.ends
    limit = chosen.max_seconds * 30
    assert spans
    for span in spans:
        assert span.end_frame > span.start_frame
        assert span.start_pts == signals["pts"][span.start_frame]
        assert span.end_pts == ends[span.end_frame - 1]
        assert span.end_pts - span.start_pts <= limit or span.end_frame - span.start_frame == 1
    for one, two in pairwise(spans):
        assert one.end_frame <= two.start_frame
        assert one.scene <= two.scene
        assert (one.scene == two.scene) == (one.end_reason == two.start_reason == "length")
    assert spans[0].start_reason == "start"
    assert spans[-1].end_reason == "end"
    assert [s.scene for s in spans][-1] <= len(cuts)
    if not chosen.edge_trim_seconds:
        assert [f for s in spans for f in range(s.start_frame, s.end_frame)] == list(range(len(signals)))


@given(videos(), settings, st.integers(-(10**9), 10**9))
def test_shifting_time_moves_spans_and_changes_nothing_else(video, chosen, shift):
    signals, cuts = video
    moved = Signals(signals.about, {**signals.columns, "pts": signals["pts"] + shift})
    later = [cut._replace(pts=cut.pts + shift) for cut in cuts]
    back = [
        span._replace(start_pts=span.start_pts - shift, end_pts=span.end_pts - shift)
        for span in spans_of(later, moved, chosen)
    ]
    assert back == spans_of(cuts, signals, chosen)


def test_trim_takes_time_at_cuts_only():
    signals = made(100)
    spans = spans_of(cuts_at(signals, 40), signals, CutSettings(edge_trim_seconds=0.2))
    assert shape(spans) == [(0, 35, "start", "content"), (45, 100, "content", "end")]
    assert (spans[0].end_pts, spans[1].start_pts) == (35, 45)


def test_a_scene_shorter_than_its_trims_keeps_its_middle_frame():
    signals = made(100)
    spans = spans_of(cuts_at(signals, 40, 45), signals, CutSettings(edge_trim_seconds=0.5))
    assert shape(spans)[1] == (42, 43, "content", "content")


def test_a_long_scene_is_split_where_it_moves_least():
    moved = np.full(250, 1000)
    moved[[110, 131]] = [5, 500]
    spans = spans_of([], made(250, delta_gray=moved), CutSettings(max_seconds=6.0))
    assert shape(spans) == [(0, 110, "start", "length"), (110, 250, "length", "end")]


def test_equal_division_where_nothing_moves():
    spans = spans_of([], made(250), CutSettings(max_seconds=4.0))
    assert [s.end_frame - s.start_frame for s in spans] == [83, 83, 84]


def test_a_single_long_frame_stays_whole():
    signals = made(3, pts=[0, 10, 500], duration=[10, 490, 10])
    spans = spans_of([], signals, CutSettings(max_seconds=1.0))
    assert [(s.start_pts, s.end_pts) for s in spans] == [(0, 10), (10, 500), (500, 510)]


def test_merging_drops_the_weaker_cut_of_a_short_scene():
    change = np.zeros(100, np.int64)
    change[[40, 50]] = [900_000, 500_000]
    signals = made(100, delta_hue=change)
    cuts = cuts_at(signals, 40, 50)
    assert shape(spans_of(cuts, signals, CutSettings(merge_seconds=1.0))) == [
        (0, 40, "start", "content"),
        (40, 100, "content", "end"),
    ]
    assert len(spans_of(cuts, signals, CutSettings(merge_seconds=0.4))) == 3
    assert len(spans_of(cuts, signals, CutSettings(merge_seconds=10.0))) == 1


def test_several_detectors_join_on_one_frame():
    signals = of_pictures([*shot(1, 60), *shot(2, 60)])
    cuts = find_cuts(signals, CutSettings(detectors=("content", "hash", "stride"), stride_seconds=2.0))
    assert [(c.frame, c.detector) for c in cuts] == [(50, "stride"), (60, "content+hash"), (100, "stride")]
    assert find_cuts(signals, CutSettings(detectors=("content",))) == [Cut(60, 60, "content")]


def test_no_frames_no_spans():
    assert find_spans(made(0), CutSettings()) == []


def test_settings_from_a_command_line():
    chosen = from_mapping(CutSettings, {"detectors": "content, hash", "max-seconds": "10", "weights": "1,1,1,0.5"})
    assert chosen.detectors == ("content", "hash")
    assert (chosen.max_seconds, chosen.weights) == (10.0, (1.0, 1.0, 1.0, 0.5))
    with pytest.raises(ConfigError, match="--detectors magic"):
        validate(CutSettings(detectors=("magic",)))
