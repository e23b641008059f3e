"""Timelines: cuts are where clips meet, thinning keeps peaks, and what does not fit is said."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import timeline
from tests.transforms.made_signals import made
from transforms import records
from transforms.settings import ConfigError
from transforms.signals import COLUMNS, signals_writer


def clip(first: int, end: int, start_reason: str, end_reason: str) -> dict[str, Any]:
    return {
        "start_frame": first, "frames": end - first, "start_seconds": first / 25, "end_seconds": end / 25,
        "start_reason": start_reason, "end_reason": end_reason,
    }  # fmt: skip


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u2")


@pytest.mark.parametrize(
    ("before", "after", "edge"),
    [
        ((0, 10, "start", "content"), (10, 20, "content", "end"), (10, 10, "content", False)),
        ((0, 10, "start", "dissolve"), (16, 20, "dissolve", "end"), (10, 16, "dissolve", True)),
        ((0, 10, "start", "fade+transnetv2"), (16, 20, "fade+transnetv2", "end"), (10, 16, "fade+transnetv2", True)),
        ((0, 9, "start", "hash"), (11, 20, "hash", "end"), (9, 11, "hash", False)),  # trimmed at a hard cut
        ((0, 10, "start", "length"), (10, 20, "length", "end"), None),  # only too long
    ],
)
def test_a_cut_is_where_two_clips_meet(before, after, edge):
    found = [(e["from"], e["to"], e["by"], e["gradual"]) for e in timeline.edges_of([clip(*before), clip(*after)])]
    assert found == ([edge] if edge else [])


@given(st.lists(st.floats(0, 200) | st.just(math.nan), max_size=40))
def test_packed_numbers_come_back_to_a_step(values):
    found = numbers(timeline.packed(np.array(values), 250)).astype(float)
    for value, step in zip(values, found, strict=True):
        assert step == 65535 if math.isnan(value) else step / 250 == pytest.approx(value, abs=0.0021)


def stored(folder, frames: int, scores: np.ndarray) -> None:
    """Signals of a video without sound, thumbnails or samples."""
    (folder / "store" / "m").mkdir(parents=True)
    signals = made(frames, delta_lum=scores * 64 * 36)
    writer = signals_writer(folder / "store" / "m" / "signals.parquet", signals.about)
    writer.add({name: signals[name] for name in COLUMNS})
    writer.close()


VIDEO = {"video_id": "v", "measure_uri": "store/m", "width": 640, "height": 360}
NO_CLIPS = records.schema(records.ClipRow).empty_table().select(timeline.COLUMNS)


def drawn(folder, **cut: Any) -> dict[str, Any]:
    return timeline.timeline(str(folder), VIDEO, "a.mp4", NO_CLIPS, {"cut": cut} if cut else {})


def test_a_long_video_is_thinned_without_losing_a_peak(tmp_path, monkeypatch):
    monkeypatch.setattr(timeline, "SAMPLES", 100)
    scores = np.zeros(1001, np.int64)
    scores[777] = 90
    stored(tmp_path, 1001, scores)
    found = drawn(tmp_path)
    assert (found["step"], found["frames"]) == (11, 1001)
    change = numbers(found["lanes"][0]["values"])
    assert len(change) == len(base64.b64decode(found["starts"])) / 4 == 91
    assert change.argmax() == 777 // 11
    assert change.max() / 250 == pytest.approx(30)  # a third of what lightness alone changed
    assert found["thumbnails"] is found["samples"] is None
    assert "nothing there" in found["absent"].lower() or "no such file" in found["absent"].lower()


def test_thresholds_are_those_of_the_detectors_in_force(tmp_path):
    stored(tmp_path, 50, np.arange(50))
    names = lambda found: [(lane["name"], [line["name"] for line in lane["lines"]]) for lane in found["lanes"]]  # noqa: E731
    cut = {"content_threshold": 30.0, "hash_threshold": 0.3, "fade_threshold": 9.0}
    found = drawn(tmp_path, detectors=["combined"], **cut)
    assert names(found) == [("Change", ["content"]), ("Structure", ["hash"]), ("Luma", [])]
    assert found["lanes"][0]["lines"] == [{"name": "content", "at": 30.0}]
    assert found["lanes"][0]["curve"]
    found = drawn(tmp_path, detectors=["threshold"], **cut)
    assert names(found) == [("Change", []), ("Structure", []), ("Luma", ["fade"])]
    assert found["lanes"][0]["curve"] is None
    assert names(drawn(tmp_path)) == [("Change", []), ("Structure", []), ("Luma", [])]


def test_the_adaptive_curve_is_what_a_frame_has_to_pass(tmp_path):
    scores = np.full(40, 30)
    scores[20] = 240
    stored(tmp_path, 40, scores)
    lane = drawn(tmp_path, detectors=["adaptive"], adaptive_threshold=3.0, adaptive_min_content=15.0)["lanes"][0]
    change, needed = numbers(lane["values"]) / 250, numbers(lane["curve"]) / 250
    assert change[20] == pytest.approx(80)
    assert needed[20] == pytest.approx(30)  # three times the neighbours' ten
    assert needed[19] == pytest.approx(3 * (10 + 10 + 80 + 10) / 4)
    assert (change >= needed).nonzero()[0].tolist() == [20]


def test_a_video_with_more_clips_than_fit_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(timeline, "_MOST_CLIPS", 3)
    stored(tmp_path, 50, np.zeros(50, np.int64))
    plain = {"string": "start", "int64": 0, "double": 0.0, "bool": True}
    rows = [
        {f.name: plain.get(str(f.type)) for f in NO_CLIPS.schema} | {"start_pts": k, "start_frame": k, "frames": 1}
        for k in (4, 2, 0, 3, 1)
    ]
    clips = pa.Table.from_pylist(rows, NO_CLIPS.schema)
    found = timeline.timeline(str(tmp_path), VIDEO, "a.mp4", clips, {})
    assert [c["first"] for c in found["clips"]] == [0, 1, 2]
    assert found["left_out"] == 2


def test_a_video_of_which_nothing_is_stored_is_refused(tmp_path):
    stored(tmp_path, 0, np.zeros(0, np.int64))
    with pytest.raises(ConfigError, match="no frame"):
        drawn(tmp_path)
