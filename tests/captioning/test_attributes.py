from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.attributes import Attributes, attributes_of
from transforms.records import CaptionRow, to_table

CLIP: dict[str, Any] = {
    "clip_id": "c" * 32,
    "video_id": "v" * 64,
    "seconds": 4.04,
    "start_reason": "adaptive+content",
    "end_reason": "end",
    "width": 1280,
    "height": 720,
    "crop_left": 0,
    "crop_right": 0,
    "crop_top": 0,
    "crop_bottom": 0,
    "luma": 100.0,
    "red": 120.0,
    "green": 110.0,
    "blue": 105.0,
    "motion": 1.0,
    "black_share": 0.0,
    "frozen_share": 0.0,
    "has_audio": True,
    "audio_rms": -20.0,
}
VIDEO: dict[str, Any] = {"rotation": 0, "sample_aspect": None}


def texts(clip: dict[str, Any], video: dict[str, Any] = VIDEO) -> tuple[str, dict[str, Any]]:
    short, structured = Attributes().caption(clip, video)
    assert (short["kind"], structured["kind"]) == ("short", "structured")
    return short["text"], json.loads(structured["text"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {},
            "A 4.0-second landscape shot: moderately bright, on average muted orange, changing gently from frame to "
            "frame. With sound.",
        ),
        (
            {"seconds": 8.0, "luma": 20, "red": 80, "green": 80, "blue": 80, "motion": 0.1, "has_audio": False},
            "An 8.0-second landscape shot: dark, on average neutral grey, hardly changing from frame to frame. "
            "No sound.",
        ),
        (
            {"crop_top": 92, "crop_bottom": 92, "audio_rms": -90.0, "frozen_share": 0.7, "black_share": 0.1},
            "A 4.0-second landscape shot: moderately bright, on average muted orange, changing gently from frame to "
            "frame. Some of it is black. Most of it is frozen. Black bars above and below. The sound track is silent.",
        ),
        (
            {"start_reason": "length", "width": 720, "height": 1280, "audio_rms": None, "luma": 200, "motion": 20},
            "A 4.0-second part of a portrait shot: bright, on average muted orange, changing strongly from frame to "
            "frame. With a sound track.",
        ),
        ({"black_share": 1.0, "luma": 3}, "A 4.0-second landscape shot, all of it black. With sound."),
        (
            {"seconds": 0.04, "black_share": 1.0, "has_audio": False},
            "Less than 0.1 seconds: landscape shot, all of it black. No sound.",
        ),
    ],
)
def test_sentences(change, text):
    assert texts({**CLIP, **change})[0] == text


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((200, 100, 100), "strong red"),
        ((200, 180, 100), "strong yellow"),
        ((100, 130, 100), "clear green"),
        ((100, 120, 120), "clear cyan"),
        ((90, 90, 100), "muted blue"),
        ((120, 100, 120), "clear magenta"),
        ((100, 100, 103), "neutral grey"),
    ],
)
def test_colours(rgb, colour):
    red, green, blue = rgb
    assert texts({**CLIP, "red": red, "green": green, "blue": blue})[1]["colour"] == colour


def test_orientation_is_of_the_picture_as_displayed():
    tall = {**CLIP, "width": 576, "height": 720}
    assert attributes_of(tall, VIDEO)["orientation"] == "portrait"
    assert attributes_of(tall, {**VIDEO, "sample_aspect": "2:1"})["orientation"] == "landscape"
    assert attributes_of({**CLIP, "crop_left": 280, "crop_right": 280}, VIDEO)["orientation"] == "square"


levels = st.floats(0, 255)
clips = st.fixed_dictionaries(
    {
        "seconds": st.floats(0.001, 1e4),
        "start_reason": st.sampled_from(["start", "fade", "length", "stride", "content"]),
        "crop_top": st.sampled_from([0, 40]),
        "crop_left": st.sampled_from([0, 40]),
        "luma": levels,
        "red": levels,
        "green": levels,
        "blue": levels,
        "motion": st.floats(0, 600),
        "black_share": st.floats(0, 1),
        "frozen_share": st.floats(0, 1),
        "has_audio": st.booleans(),
        "audio_rms": st.none() | st.floats(-120, 0),
    }
)


@given(clips)
def test_captions_never_contradict_the_numbers(change):
    clip = {**CLIP, **change}
    text, found = texts(clip)
    assert text == texts(dict(reversed(clip.items())))[0]
    assert text.endswith(".")
    assert found["seconds"] == round(clip["seconds"], 1)
    assert ("all of it black" in text) == (clip["black_share"] >= 0.99)
    assert ("is black" in text) == (0 < clip["black_share"] < 0.99)
    assert ("No sound" in text) == (not clip["has_audio"])
    if "With sound" in text:
        assert clip["audio_rms"] >= -60
    if "silent" in text:
        assert clip["audio_rms"] < -60
    if "frozen" in text:
        assert clip["frozen_share"] > 0
    if ": dark" in text:
        assert clip["luma"] < 40
    if "neutral grey" in text:
        assert max(clip["red"], clip["green"], clip["blue"]) - min(clip["red"], clip["green"], clip["blue"]) < 6
    assert ("Black bars" in text) == bool(clip["crop_top"] or clip["crop_left"])
    assert ("part of" in text) == (clip["start_reason"] in ("length", "stride"))
    for claim in ("speech", "camera", "person", "voice", "music"):
        assert claim not in text


def test_rows_are_signed_and_fit_the_table():
    rows = Attributes().caption(CLIP, VIDEO)
    assert to_table(CaptionRow, rows).num_rows == 2
    for row in rows:
        assert row["clip_id"] == CLIP["clip_id"]
        assert (row["captioner"], row["model"], row["revision"]) == ("attributes", "attributes", "1")
        assert (row["settings"], row["prompt_version"], row["flags"]) == ("{}", "", ["measured"])
