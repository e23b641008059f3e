"""Timelines: everything lies on whole frames, and together it is exactly as long as the format."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from generation.asset import Shown
from generation.campaign import Format, Storyboard
from generation.timeline import SHORTEST, Slot, Timeline, shown, timeline

RATES = st.sampled_from(["24000/1001", "24", "25", "30000/1001", "30", "60"])


def form(seconds, rate="25"):
    return Format.model_validate({"width": 1280, "height": 720, "seconds": seconds, "frame_rate": rate})


def board(*shots, card=None, **more):
    made = [{"name": f"s{at}", "prompt": "p", **shot} for at, shot in enumerate(shots)]
    return Storyboard.model_validate({"shots": made, **({} if card is None else {"end_card": card}), **more})


def fits(found, whole) -> Timeline:
    """A timeline that is one."""
    laid = timeline(found, whole)
    assert not isinstance(laid, str), laid
    return laid


_SHOT = st.fixed_dictionaries(
    {"transition": st.sampled_from(["cut", "dissolve", "fade"])},
    optional={"seconds": st.floats(0.5, 5).map(lambda n: round(n, 2))},
)


@given(st.lists(_SHOT, min_size=1, max_size=6), st.floats(1, 60).map(lambda n: round(n, 2)), RATES, st.booleans())
def test_shots_and_end_card_lie_end_to_end_and_have_the_exact_length(shots, seconds, rate, card):
    whole = form(seconds, rate)
    laid = timeline(board(*shots, card={} if card else None), whole)
    if isinstance(laid, str):
        reject()
    at = 0
    for slot in laid.slots:
        assert slot.start == at
        at += slot.frames - (slot.overlap if slot.transition == "dissolve" else 0)
        assert slot.frames > 0
        assert slot.start + slot.frames <= whole.frames
        assert (slot.transition == "cut") == (slot.overlap == 0)
    assert at + (laid.card[1] if laid.card else 0) == whole.frames
    assert bool(laid.card) == card
    if laid.card:
        assert laid.card[0] == at
        assert laid.card[1] >= int(SHORTEST * whole.rate) - 1


def test_shots_that_say_no_seconds_share_what_the_others_leave():
    laid = fits(board({"seconds": 2}, {}, {}, card={"seconds": 1}), form(6))
    assert [slot.frames for slot in laid.slots] == [50, 38, 37]
    assert laid.card == (125, 25)


def test_the_end_card_has_all_that_remains():
    assert fits(board({"seconds": 4.4}, card={}), form(6)).card == (110, 40)


def test_an_end_card_has_more_than_it_says_where_the_shots_leave_more():
    assert fits(board({"seconds": 3}, card={"seconds": 1}), form(6)).card == (75, 75)


def test_a_dissolve_overlaps_and_a_fade_does_not():
    laid = fits(board({"seconds": 2, "transition": "dissolve"}, {"seconds": 2, "transition": "fade"}, {}), form(6))
    assert laid.slots == (Slot(0, 62, "dissolve", 12), Slot(50, 50, "fade", 12), Slot(100, 50, "cut", 0))


def test_a_transition_leaves_half_of_each_shot_whole():
    shots = [{"seconds": 3, "transition": {"kind": "dissolve", "seconds": 5}}, {"seconds": 1}]
    assert fits(board(*shots), form(4)).slots[0] == Slot(0, 75 + 12, "dissolve", 12)


def test_the_last_shot_dissolves_into_nothing_and_fades_out():
    assert fits(board({"transition": "dissolve"}), form(2)).slots == (Slot(0, 50, "cut", 0),)
    assert fits(board({"transition": "fade"}), form(2)).slots == (Slot(0, 50, "fade", 12),)


@pytest.mark.parametrize(
    ("shots", "card", "words"),
    [
        ([{"seconds": 4}, {"seconds": 3}], None, "shots take 7 s of 6 s: make shots shorter"),
        ([{"seconds": 4}], None, "shots take 4 s of 6 s: make shots longer, leave one without seconds, or add"),
        ([{"seconds": 5.8}], {}, "the end card would have less than 0.5 s"),
        ([{"seconds": 4.2}, {}], {}, "shots without seconds would have less than 0.5 s each"),
        ([{"seconds": 5}], {"seconds": 2}, "shots and end card take 7 s of 6 s"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_seconds(shots, card, words):
    laid = timeline(board(*shots, card=card), form(6))
    assert isinstance(laid, str)
    assert words in laid


def test_29_97_frames_a_second_come_out_exactly():
    whole = form(6, "30000/1001")
    assert whole.frames == 180
    assert Fraction(180) / whole.rate == Fraction(180180, 30000)


def test_copy_stands_over_the_shots_that_name_it():
    names = (["headline"], ["price", "headline"], ["headline", "legal"], ["price"])
    found = board(*({"seconds": 2, "copy": one, "transition": "dissolve"} for one in names))
    slots = fits(found, form(8)).slots
    assert shown(found, slots, ("headline", "price")) == (
        Shown(role="headline", start=0, end=150),
        Shown(role="price", start=50, end=100),
        Shown(role="price", start=150, end=200),
    )
