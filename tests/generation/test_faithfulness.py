"""Faithfulness: what a rewriting may not lose or add, in words and across languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.faithfulness import compare, locked_spans

SOURCE = 'Three runners hold a red Nordlys flask, without a lid, in Lisbon. One says "Keep it cold".'


def faults(source: str, rewritten: str, language: str = "en", locked=()) -> tuple[str, ...]:
    return compare(source, rewritten, locked_spans(source, locked), language).faults


@pytest.mark.parametrize(
    ("rewritten", "fault"),
    [
        (SOURCE.replace("Three", "Two"), "a number is gone: 3"),
        (SOURCE.replace("red", "blue"), "a colour is gone: red"),
        (SOURCE.replace("without", "with"), "negations were lost: 1"),
        (SOURCE.replace("Nordlys", "steel"), "a name is gone: Nordlys"),
        (SOURCE.replace("Lisbon", "a city"), "a name is gone: Lisbon"),
        (SOURCE.replace("Keep it cold", "Keep it warm"), 'locked words are gone or changed: “"Keep it cold"”'),
        (SOURCE.replace("runners", "runners by Acme"), "a name was added: Acme"),
        (SOURCE.replace("hold", "never hold"), "negations were added: 1"),
    ],
)
def test_a_rewriting_that_changes_what_counts_is_refused(rewritten, fault):
    assert fault in faults(SOURCE, rewritten)


@pytest.mark.parametrize(
    "rewritten",
    [
        SOURCE,
        "At dawn in Lisbon, 3 runners slowly raise a red Nordlys flask without a lid. One of them says “Keep it cold”.",
        f"{SOURCE} The camera pushes in, a golden light falls from the left, and gulls can be heard.",
    ],
)
def test_a_rewriting_that_only_adds_is_taken(rewritten):
    assert not faults(SOURCE, rewritten)


def test_a_translation_keeps_numbers_colours_and_negations():
    assert not faults("drei rote flaschen ohne deckel", "Three red bottles without a lid.", "de")
    assert not faults("زجاجة حمراء بدون غطاء", "a red bottle without a lid", "ar")
    assert faults("zwei rote flaschen", "two bottles", "de") == ("a colour is gone: red",)


def test_german_nouns_are_no_names_but_names_with_capitals_inside_are():
    assert not faults("Eine Läuferin im Hafen", "A runner in the harbour", "de")
    assert faults("Eine Läuferin mit NordLys", "A runner", "de") == ("a name is gone: NordLys",)
    assert faults("Sie trägt das Modell X500", "She wears a model", "de-AT")[-1] == "a name is gone: X500"


def test_the_first_word_of_a_sentence_is_no_name():
    assert not faults("A cup. Steam rises", "Steam rises. Nearby stands a cup. Light falls on it")


def test_digits_are_equal_in_any_script_and_as_words():
    assert not faults("12 cups, ٣ spoons", "twelve cups, three spoons")
    assert faults("1,500 ml", "500 ml") == ("a number is gone: 1.500",)


def test_what_was_lost_and_added_is_told():
    found = compare("A red cup", "a red mug stands", (), "en")
    assert (found.lost, found.added) == (("cup",), ("mug", "stands"))


def test_locked_words_count_only_where_they_stand_and_quotations_always():
    text = "The flask holds 500 ml. „Immer kalt“, she says, 「冷たい」, «froid»."
    assert locked_spans(text, ("500 ml", "1 litre", "")) == ("500 ml", "„Immer kalt“", "「冷たい」", "«froid»")
    assert locked_spans("It's red and it's cold") == ()


@given(st.text(max_size=60))
def test_no_text_is_unfaithful_to_itself(text):
    assert not compare(text, text, locked_spans(text), "en").faults
    assert compare(text, text).lost == compare(text, text).added == ()
