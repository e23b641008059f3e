from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.quality import REASONS, QualitySettings, decide, judged
from transforms.settings import from_mapping, validate

GOOD: dict[str, Any] = {
    "seconds": 4.0,
    "width": 1280,
    "height": 720,
    "crop_left": 0,
    "crop_right": 0,
    "crop_top": 0,
    "crop_bottom": 0,
    "frame_rate": 24.0,
    "black_share": 0.0,
    "frozen_share": 0.0,
    "motion": 2.0,
    "sharpness": 500.0,
    "bits_per_pixel": 0.1,
}
NOTHING = QualitySettings(**{field.name: None for field in dataclasses.fields(QualitySettings)})


def test_ordinary_footage_is_kept():
    assert decide(GOOD, QualitySettings()) == {}
    row = judged({**GOOD, "kept": False, "reasons": ["old"]}, QualitySettings())
    assert (row["kept"], row["reasons"], row["reason_values"], row["reason_limits"]) == (True, [], {}, {})


@pytest.mark.parametrize(
    ("change", "settings", "reason", "value", "limit"),
    [
        ({"seconds": 1.9}, {}, "too_short", 1.9, 2.0),
        ({"width": 140, "height": 140}, {}, "too_small", 140, 144),
        ({"crop_top": 400, "crop_bottom": 200}, {"max_aspect": None}, "too_small", 120, 144),
        ({"frame_rate": 15.0}, {}, "low_frame_rate", 15.0, 16.0),
        ({"frame_rate": 120.0}, {"max_frame_rate": 60.0}, "high_frame_rate", 120.0, 60.0),
        ({"black_share": 0.6}, {}, "black", 0.6, 0.5),
        ({"frozen_share": 0.9}, {}, "frozen", 0.9, 0.5),
        ({"motion": 0.01}, {}, "still", 0.01, 0.05),
        ({"motion": 40.0}, {"max_motion": 30.0}, "hectic", 40.0, 30.0),
        ({"sharpness": 2.0}, {}, "blurred", 2.0, 10.0),
        ({"bits_per_pixel": 0.001}, {}, "low_bit_rate", 0.001, 0.005),
        ({"width": 200}, {}, "too_narrow", 200 / 720, 1 / 3),
        ({"width": 2400}, {}, "too_wide", 2400 / 720, 3.0),
    ],
)
def test_each_reason_with_its_number_and_limit(change, settings, reason, value, limit):
    chosen = QualitySettings(**settings)
    found = decide({**GOOD, **change}, chosen)
    assert list(found) == [reason]
    assert found[reason] == pytest.approx((value, limit))
    assert decide({**GOOD, **change}, NOTHING) == {}
    assert reason in REASONS


def test_every_reason_that_holds_is_given_sorted():
    row = judged({**GOOD, "seconds": 0.5, "black_share": 1.0, "frozen_share": 1.0, "sharpness": 0.0}, QualitySettings())
    assert row["reasons"] == ["black", "blurred", "frozen", "too_short"]
    assert row["reason_values"] == {"black": 1.0, "blurred": 0.0, "frozen": 1.0, "too_short": 0.5}
    assert row["reason_limits"] == {"black": 0.5, "blurred": 10.0, "frozen": 0.5, "too_short": 2.0}
    assert row["kept"] is False


def test_black_bars_are_no_reason():
    assert decide({**GOOD, "crop_top": 92, "crop_bottom": 92}, QualitySettings()) == {}


def test_what_was_not_measured_is_no_reason():
    assert decide({**GOOD, "bits_per_pixel": None}, QualitySettings()) == {}


@pytest.mark.parametrize("seconds", [2.0, 2.0 - 1e-9, 48 * (1 / 24)])
def test_two_seconds_are_two_seconds(seconds):
    assert decide({**GOOD, "seconds": seconds}, QualitySettings()) == {}


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_clip_is_dropped_exactly_beyond_its_limit(value, limit):
    found = decide({**GOOD, "seconds": value}, dataclasses.replace(NOTHING, min_seconds=limit))
    if abs(value - limit) > 1e-3:
        assert bool(found) == (value < limit)


def test_a_limit_can_be_lifted_by_configuration():
    assert from_mapping(QualitySettings, {"min-seconds": None}).min_seconds is None
    validate(QualitySettings())
