from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms.made_signals import about, made, mixed, of_pictures, shot, thumbnails_of
from transforms import scenes
from transforms.detect import Cut
from transforms.scenes import CutSettings, Span, find_cuts, find_spans, spans_of
from transforms.settings import ConfigError, from_mapping, validate
from transforms.signals import Signals
from transforms.timeline import edge_pts


def cuts_at(signals: Signals, *frames: int) -> list[Cut]:
    return [Cut(frame, int(signals["pts"][frame]), "content", frame, int(signals["pts"][frame])) for frame in frames]


def mixed_at(signals: Signals, *spans: tuple[int, int], kind: str = "dissolve") -> list[Cut]:
    """Gradual transitions over frames [start, end)."""
    pts = edge_pts(signals)
    return [Cut(end, int(pts[end]), kind, start, int(pts[start])) for start, end in spans]


def shape(spans: list[Span]) -> list[tuple[int, int, str, str]]:
    return [(s.start_frame, s.end_frame, s.start_reason, s.end_reason) for s in spans]


@st.composite
def videos(draw: st.DrawFn) -> tuple[Signals, list[Cut]]:
    steps = draw(st.lists(st.integers(1, 90), min_size=1, max_size=120))
    start = draw(st.integers(-1000, 1000))
    pts = start + np.cumsum([0, *steps[:-1]])
    moved = draw(st.lists(st.integers(0, 9), min_size=len(steps), max_size=len(steps)))
    signals = made(len(steps), about(time_base_den=30), pts=pts, duration=steps, delta_gray=moved)
    if len(steps) < 2:
        return signals, []
    places = sorted(draw(st.sets(st.integers(0, len(steps)), max_size=12)))
    cuts: list[Cut] = []
    while places:
        first, *places = places
        both: Any = st.booleans()
        if places and draw(both):
            cuts += mixed_at(signals, (first, places.pop(0)))
        elif 0 < first < len(steps):
            cuts += cuts_at(signals, first)
    return signals, cuts


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
    for span in spans:
        assert span.end_frame > span.start_frame
        assert span.start_pts == signals["pts"][span.start_frame]
        assert span.end_pts == ends[span.end_frame - 1]
        assert span.end_pts - span.start_pts <= limit or span.end_frame - span.start_frame == 1
    for one, two in pairwise(spans):
        assert one.end_frame <= two.start_frame
        assert one.scene <= two.scene
        assert (one.scene == two.scene) == (one.end_reason == two.start_reason == "length")
    mixtures = {f for cut in cuts for f in range(cut.end_frame, cut.frame)}
    inside = [f for s in spans for f in range(s.start_frame, s.end_frame)]
    assert not mixtures & set(inside)
    if not chosen.edge_trim_seconds:
        assert inside == [f for f in range(len(signals)) if f not in mixtures]
    if spans and 0 not in mixtures:
        assert spans[0].start_reason == "start"
    if spans and len(signals) - 1 not in mixtures:
        assert spans[-1].end_reason == "end"
    assert len({s.scene for s in spans}) <= len(cuts) + 1


@given(videos(), settings, st.integers(-(10**9), 10**9))
def test_shifting_time_moves_spans_and_changes_nothing_else(video, chosen, shift):
    signals, cuts = video
    moved = Signals(signals.about, {**signals.columns, "pts": signals["pts"] + shift})
    later = [cut._replace(pts=cut.pts + shift, end_pts=cut.end_pts + shift) for cut in cuts]
    back = [
        span._replace(start_pts=span.start_pts - shift, end_pts=span.end_pts - shift)
        for span in spans_of(later, moved, chosen)
    ]
    assert back == spans_of(cuts, signals, chosen)


def test_a_gradual_transition_is_in_no_span():
    signals = made(100)
    spans = spans_of(mixed_at(signals, (40, 52)), signals, CutSettings())
    assert shape(spans) == [(0, 40, "start", "dissolve"), (52, 100, "dissolve", "end")]
    assert (spans[0].end_pts, spans[1].start_pts) == (40, 52)


def test_a_video_may_begin_and_end_in_a_fade():
    signals = made(100)
    spans = spans_of(mixed_at(signals, (0, 12), (90, 100), kind="fade"), signals, CutSettings())
    assert shape(spans) == [(12, 90, "fade", "fade")]
    assert spans_of(mixed_at(signals, (0, 100), kind="fade"), signals, CutSettings()) == []


@pytest.mark.parametrize(("black", "kept"), [(20, False), (60, True)])
def test_a_short_black_beside_a_fade_goes_with_it(black, kept):
    dark = np.zeros(200, np.int64)
    dark[50 : 50 + black] = 64 * 36
    signals = made(200, dark=dark)
    cuts = sorted(mixed_at(signals, (40, 50), kind="fade") + cuts_at(signals, 50 + black))
    edges = [(s.start_frame, s.end_frame) for s in spans_of(cuts, signals, CutSettings())]
    assert edges == [(0, 40), *[(50, 50 + black)] * kept, (50 + black, 200)]


def test_merging_keeps_gradual_transitions():
    signals = made(100)
    cuts = [*cuts_at(signals, 30), *mixed_at(signals, (34, 50)), *cuts_at(signals, 55, 80)]
    assert shape(spans_of(cuts, signals, CutSettings(merge_seconds=0.4))) == [
        (0, 34, "start", "dissolve"),
        (50, 80, "dissolve", "content"),
        (80, 100, "content", "end"),
    ]


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
    assert find_cuts(signals, CutSettings(detectors=("content",))) == [Cut(60, 60, "content", 60, 60)]


def test_several_detectors_join_over_a_gradual_transition(monkeypatch):
    signals = made(100)
    said = {
        "gradual": mixed_at(signals, (20, 30), (60, 70)),
        "transnetv2": [*mixed_at(signals, (24, 34), kind="transnetv2"), *cuts_at(signals, 80)],
        "content": cuts_at(signals, 20, 27, 34, 50, 80),
    }
    monkeypatch.setattr(scenes, "detect", lambda signals, name, settings, thumbnails: said[name])
    cuts = find_cuts(signals, CutSettings(detectors=("content", "gradual", "transnetv2")))
    assert [(c.end_frame, c.frame, c.detector) for c in cuts] == [
        (20, 34, "dissolve+transnetv2"),
        (50, 50, "content"),
        (60, 70, "dissolve"),
        (80, 80, "content"),
    ]


@pytest.mark.parametrize("detectors", [("combined",), ("combined", "stride"), ("hash", "content")])
def test_a_scan_is_cut_where_it_says(detectors):
    signals = made(100, about(scan_cuts=[20, 61]))
    spans = find_spans(signals, CutSettings(detectors=detectors))
    assert shape(spans) == [(0, 20, "start", "scan"), (20, 61, "scan", "scan"), (61, 100, "scan", "end")]


def test_pictures_decide_where_spans_end():
    pictures = mixed(shot(1, 80, pan=0), shot(2, 80, pan=0), 20, "dissolve")
    signals = of_pictures(pictures)
    one, two = find_spans(signals, CutSettings(), thumbnails_of(pictures))
    assert abs(one.end_frame - 60) <= 1
    assert abs(two.start_frame - 80) <= 1
    assert (one.end_reason, two.start_reason) == ("dissolve", "dissolve")
    (whole,) = find_spans(signals, CutSettings())
    assert (whole.start_frame, whole.end_frame) == (0, 140)


def test_no_frames_no_spans():
    assert find_spans(made(0), CutSettings()) == []


def test_settings_from_a_command_line():
    chosen = from_mapping(CutSettings, {"detectors": "content, hash", "max-seconds": "10", "weights": "1,1,1,0.5"})
    assert chosen.detectors == ("content", "hash")
    assert (chosen.max_seconds, chosen.weights) == (10.0, (1.0, 1.0, 1.0, 0.5))
    with pytest.raises(ConfigError, match="--detectors magic"):
        validate(CutSettings(detectors=("magic",)))
