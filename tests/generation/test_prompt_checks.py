"""Checks of words: claims, the brand's own list and minors, in every language, and what only looks like them."""

from __future__ import annotations

import datetime
from importlib.resources import files

import pytest
import yaml

from generation.prompt_checks import Said, check_words, reason


def found(text: str, **more) -> list[tuple[str, str]]:
    """Words and entries of what is found in a text."""
    (spans,) = check_words([Said("text", text, **more)])
    assert all(text[span.start : span.end] == span.words for span in spans)
    return [(span.words, span.entry) for span in spans]


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("a child laughs", [("child", "minors/en")]),
        ("a 12-year-old runner", [("12-year-old", "minors/en")]),
        ("she is seventeen years old", [("seventeen years old", "minors/en")]),
        ("aged 9", [("aged 9", "minors/en")]),
        ("ein Kind und ein Junge", [("Kind", "minors/de"), ("Junge", "minors/de")]),
        ("eine 12jährige Läuferin", [("12jährige", "minors/de")]),
        ("un bebé ríe", [("bebé", "minors/es")]),
        ("enfant de 8 ans", [("enfant", "minors/fr"), ("de 8 ans", "minors/fr")]),
        ("وبالأطفال", [("وبالأطفال", "minors/ar")]),
        ("عمره ١٢", [("عمره ١٢", "minors/ar")]),
        ("והילדים רצים", [("והילדים", "minors/he")]),
        ("10-летний", [("10-летний", "minors/ru")]),
        ("少女が走る", [("少女", "minors/ja")]),
        ("नाबालिग", [("नाबालिग", "minors/hi")]),
        ("12 साल की", [("12 साल की", "minors/hi")]),
    ],
)
def test_words_for_minors_and_ages_below_18_are_found(text, stands):
    assert found(text) == stands


@pytest.mark.parametrize(
    "text",
    [
        "a woman aged 25 and a man of 30",
        "she is 18 years old",
        "a 12 year old whisky",
        "the whisky, aged 12 years in oak",
        "with a 5 year warranty, a 10 year old tree",
        "a kind smile",
        "junge Frau, die Jungen Frauen",
        "una mujer bebe agua",
        "a baby blue bottle",
        "a cowboy and his girlfriend",
        "a table without children",
        "un vin, 10 ans d'âge",
        "a 112 year old house, 2012 years old",
    ],
)
def test_adults_things_and_other_words_are_no_minors(text):
    assert found(text) == []


def test_minors_are_looked_for_only_where_it_is_said_what_is_shown():
    assert found("for your kids", shown=False) == []
    assert found("for your kids") == [("kids", "minors/en")]


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("it cures colds", "cures"),
        ("das heilt", "cures"),
        ("klinisch bewiesen", "clinically-proven"),
        ("Clinically-proven", "clinically-proven"),
        ("the #1 flask", "number-one"),
        ("der beste der Welt", "number-one"),
        ("100% leakproof", "hundred-percent"),
        ("١٠٠٪ طبيعي", "hundred-percent"),
        ("cien por cien natural", "hundred-percent"),
        ("garantiert kalt", "guaranteed"),
        ("sans effets secondaires", "harmless"),
        ("Quema grasa", "slimming"),
        ("صديق للبيئة", "green"),
        ("CO2-neutral", "green"),
    ],
)
def test_claims_are_found_in_every_language(text, entry):
    assert [one for _, one in found(text)] == [f"claims/{entry}"]


def test_a_claim_that_the_product_may_make_is_no_fault_and_no_wider():
    claims = ("100 % recycled steel",)
    assert found("made of 100% Recycled steel", claims=claims) == []
    assert found("100 % recycled steel, 100 % leakproof", claims=claims) == [("100 %", "claims/hundred-percent")]


def test_words_that_the_brand_does_not_use_are_found_by_each_brand_alone():
    texts = [
        Said("text", "a cheap cup", banned=("cheap", "bargain")),
        Said("text", "a cheap cup", banned=("cup",)),
        Said("text", "a cheap cup"),
    ]
    entries = [[span.entry for span in spans] for spans in check_words(texts)]
    assert entries == [["banned/cheap"], ["banned/cup"], []]


def test_reasons_name_the_text_the_place_the_entry_and_the_source():
    spans = [check_words([Said("beside de", "das heilt Kinder", banned=("das",))])[0]][0]
    told = [reason(span) for span in spans]
    assert told[0] == "beside de: “das” at 0-3 is a word that the brand does not use (banned/das)"
    assert told[1].startswith("beside de: “heilt” at 4-9 says that it cures")
    assert "Directive 2005/29/EC" in told[1]
    assert told[2] == (
        "beside de: “Kinder” at 10-16 is a word for somebody below 18 (minors/de): nobody below 18 is shown"
    )


@pytest.mark.parametrize("name", ["claims.yaml", "minors.yaml", "meaning.yaml", "labels.yaml"])
def test_lists_are_words_and_nothing_that_yaml_took_for_something_else(name):
    def leaves(value):
        if isinstance(value, dict):
            for key, one in value.items():
                yield key
                yield from leaves(one)
        elif isinstance(value, list):
            for one in value:
                yield from leaves(one)
        else:
            yield value

    listed = yaml.safe_load(files("generation").joinpath(name).read_text(encoding="utf-8"))
    odd = [one for one in leaves(listed) if not isinstance(one, (str, int, float, datetime.date)) or one is False]
    assert not odd
    assert "as_of" in listed or name == "meaning.yaml"


def test_every_claim_has_words_in_five_languages_and_a_source():
    listed = yaml.safe_load(files("generation").joinpath("claims.yaml").read_text(encoding="utf-8"))["claims"]
    for entry in listed.values():
        assert set(entry["words"]) == {"en", "de", "es", "fr", "ar"}
        assert all(entry["words"].values())
        assert entry["why"]
        assert entry["source"]
