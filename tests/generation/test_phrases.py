"""Phrases: found as whole words in any spelling, told where they stand in the text as it was written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.phrases import Hit, Phrases, inside

LIST = Phrases(
    {
        "hundred": ["100 %"],
        "cure": ["cures", "cure for"],
        "one": ["#1", "number one"],
        "kid": ["子供", "طفل", "아이"],
        "age": ["12 year old"],
        "long": ["a very long phrase indeed"],
        "nothing": ["", "...", " "],
    }
)


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("It CURES colds", [("CURES", "cure")]),
        ("a cure  for it", [("cure  for", "cure")]),
        ("secures the cure", []),
        ("100% or 100 % of 100 things", [("100%", "hundred"), ("100 %", "hundred")]),
        ("the #1, not 1", [("#1", "one")]),
        ("number-one!", [("number-one", "one")]),
        ("a 12-year-old", [("12-year-old", "age")]),
        ("ｃｕｒｅｓ", [("ｃｕｒｅｓ", "cure")]),
        ("١٠٠٪", [("١٠٠٪", "hundred")]),
        ("小さな子供です", [("子供", "kid")]),
        ("아이가, 아이스", [("아이", "kid")]),
        ("cu\u00adres", [("cu\u00adres", "cure")]),
        ("A very, long phrase - indeed", [("A very, long phrase - indeed", "long")]),
        ("a very long phrase", []),
        ("", []),
        ("...", []),
    ],
)
def test_a_phrase_is_found_where_it_stands_as_words(text, stands):
    (hits,) = LIST.find([text])
    assert [(text[hit.start : hit.end], hit.entry) for hit in hits] == stands


def test_of_phrases_of_one_entry_the_longest_is_told():
    phrases = Phrases({"a": ["red", "red wine", "wine"], "b": ["wine"]})
    assert phrases.find(["red wine"]) == [[Hit(0, 8, "a"), Hit(4, 8, "b")]]


def test_a_hit_is_inside_what_lies_around_it():
    assert inside(Hit(4, 8, "b"), [Hit(0, 8, "a")])
    assert not inside(Hit(4, 9, "b"), [Hit(0, 8, "a")])


def test_no_phrases_find_nothing():
    assert Phrases({}).find(["anything", ""]) == [[], []]
    assert LIST.find([]) == []


WORDS = st.sampled_from(
    ["the", "cures", "Cures", "ÇURES", "number", "one", "100", "%", "#1", "子供", "طفل", "x", "é", "🙂"]
)


@given(st.lists(st.lists(WORDS, max_size=8).map(" ".join), max_size=8))
def test_many_texts_at_once_give_what_each_gives_alone(texts):
    assert LIST.find(texts) == [LIST.find([text])[0] for text in texts]


@given(st.text(max_size=20), st.text(max_size=20))
def test_places_are_right_whatever_stands_around(before, after):
    text = f"{before} . cures . {after}"
    (hits,) = LIST.find([text])
    found = [text[hit.start : hit.end] for hit in hits if hit.entry == "cure"]
    assert "cures" in found
    assert all(unicodedata.normalize("NFKC", words).casefold().startswith("cure") for words in found if words.isalpha())
