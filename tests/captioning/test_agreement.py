"""Agreement: 1 for the same words in any order, 0 for none in common, the same from both sides, grammar aside."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.agreement import GROUPS, agreement, conflicts, marked, told

WORDS = "a the of red Dogs dog's runs left two 3 berries glass über 犬が走る ’s - ."
TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(WORDS.split())).map(" ".join))


def between(one: str, other: str) -> float:
    return agreement(told(one), told(other))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("A dog runs.", "the dog, runs", 1.0),
        ("Two dogs in the snow", "2 dog of snow", 1.0),
        ("a gray cat moves leftward", "The grey cats move left", 1.0),
        ("a red ball on the grass", "a green cube on the sand", 0.0),
        ("a red ball on the grass", "the red cube on a table", 2 / 6),
        ("red red red", "red", 2 / 4),
        ("", "", 1.0),
        ("", "a dog", 0.0),
        ("It is there.", "It was here.", 2 / 6),  # Of grammar alone, grammar counts.
        ("犬が走る", "犬が眠る", 6 / 8),
    ],
)
def test_what_two_captions_have_in_common(one: str, other: str, expected: float):
    assert between(one, other) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("dogs", "dog"),
        ("berries", "berry"),
        ("houses", "house"),
        ("man's", "man"),
        ("man’s", "man"),
        ("glass", "glass"),
    ],
)
def test_plurals_are_their_singular(plural: str, singular: str):
    assert told(plural) == told(singular)


@pytest.mark.parametrize(("one", "other"), [("bus", "bu"), ("glass", "glas"), ("gas", "ga"), ("toes", "toe")])
def test_what_only_looks_like_a_plural_stays(one: str, other: str):
    assert told(one) != told(other)


@given(TEXTS, TEXTS)
def test_it_is_a_share_and_the_same_from_both_sides(one: str, other: str):
    assert 0.0 <= between(one, other) <= 1.0
    assert between(one, other) == between(other, one)


@given(TEXTS, st.randoms(use_true_random=False))
def test_order_and_case_do_not_count(text: str, chance: random.Random):
    words = [word for word in text.split() if word.isascii()]
    shuffled = chance.sample(words, len(words))
    assert between(" ".join(words), " ".join(shuffled).upper()) == pytest.approx(1.0)


@given(TEXTS, TEXTS)
def test_zero_is_nothing_in_common_and_one_the_same(one: str, other: str):
    mine, theirs = told(one), told(other)
    if mine or theirs:
        assert (agreement(mine, theirs) == 0.0) == (not mine.keys() & theirs.keys())
    assert (agreement(mine, theirs) == 1.0) == (mine == theirs)


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (
            "A red car turns left",
            "A blue car turns right",
            [("side", ("left",), ("right",)), ("colour", ("red",), ("blue",))],
        ),
        ("A red and blue car", "A blue car", []),
        ("two dogs", "5 dogs", [("number", ("two",), ("five",))]),
        ("one dog", "two dogs", []),
        ("It moves upwards", "It falls down", [("height", ("up",), ("down",))]),
        ("a street at night", "a street in the daytime", [("time of day", ("night",), ("day",))]),
        ("a beach at sunset", "a beach at dusk", []),
        ("People indoors", "People outdoors", [("place", ("indoor",), ("outdoor",))]),
        ("A car", "A red car", []),
    ],
)  # fmt: skip
def test_conflicts_are_words_of_one_group_with_none_in_common(one: str, other: str, found: list[tuple]):
    assert conflicts(told(one), told(other)) == found
    assert conflicts(told(other), told(one)) == [(group, theirs, mine) for group, mine, theirs in found]


@given(TEXTS)
def test_a_caption_has_no_conflict_with_itself(text: str):
    assert conflicts(told(text), told(text)) == []


def test_every_word_of_a_group_can_be_met():
    for names in GROUPS.values():
        assert all(told(name) == {name: 1} for name in names)


@given(TEXTS, TEXTS)
def test_marked_pieces_are_the_caption_and_mark_what_the_other_lacks(one: str, other: str):
    pieces = marked(one, told(other))
    assert "".join(piece for piece, _ in pieces) == one
    assert not any(told(piece).keys() & told(other).keys() for piece, only in pieces if only)
    assert all(piece for piece, _ in pieces)
    assert [piece for piece, only in marked(one, told(one)) if only] == []


def test_marked_words_are_those_of_only_one():
    assert marked("A red dog, running.", told("The dog sleeps")) == [
        ("A ", False), ("red", True), (" dog, ", False), ("running", True), (".", False),
    ]  # fmt: skip
