"""Preparing: nothing that may not be is sent, whatever text it stands in, before or after rewriting."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights import prompts as rights
from filters.rights import registry
from filters.rights.records import IdentifierRow, identifier_id
from generation.preparing import NO_REGISTRY, prepare, prepare_all
from generation.prompts import ShotWords
from generation.rewriting import Rewritten, Template
from tests.filters.rights.said import EVERYBODY, day, put, say


def name(work: str, value: str, **more: Any) -> IdentifierRow:
    return IdentifierRow(
        identifier_id=identifier_id(work, "text", value), work_id=work, kind="text", value=value, **more
    )


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    there = registry.create(str(tmp_path_factory.mktemp("registry")))
    names = [
        name("film", "The Film", negative_contexts=["photographic"]),
        name("saga", "Saga", language="de"),
        name("mia", "Ada King", aliases=["آدا كينغ"]),
        name("duck", "Duck"),
        name("eva", "Eva"),
    ]
    said = [
        say("film-yes", "grant", work="film", uses=["generate"], territories=["DE"], products=["shoes"]),
        say("eva-face", "grant", "eva", "eva", uses=["generate"], components=["face"], through="agent"),
        say("duck-no", "opt_out", "bolt", "duck", uses=["generate"]),
    ]
    state = put(there, *EVERYBODY, *names, *(dataclasses.replace(one, recorded_at=None) for one in said))
    return rights.ready(there, state, day(20), "opt-in")


class Says:
    """A rewriter that says something of its own, and remembers what it was asked."""

    name = "says"
    settings = None

    def __init__(self, prompt: str, failed: str = "") -> None:
        self.prompt, self.failed = prompt, failed
        self.asked: list[ShotWords] = []

    def check(self) -> None:
        pass

    def rewrite(self, words):
        self.asked += words
        return [
            Rewritten(prompt=self.prompt, by="says-1", language=None, failed=self.failed, added=("x",)) for _ in words
        ]


def test_words_in_which_nothing_stands_are_sent(held):
    made = prepare(ShotWords(text="a red shoe", language="en", negative="blur", slots=(("light", "dawn"),)), held=held)
    assert (made.prompt, made.negative, made.source) == ("A red shoe. Dawn.", "blur", "a red shoe\ndawn")
    assert (made.verdict, made.rewriter, made.reasons, made.notes) == ("allow", "template-1", (), ())


REFUSED = {
    "a name in the text": ({"text": "the duck runs"}, ("text", 4, 8, "duck", "name", "duck")),
    "a name in a slot": ({"slots": (("subject", "a duck"),)}, ("slot subject", 2, 6, "duck", "name", "duck")),
    "a name in the negative": ({"negative": "duck"}, ("negative", 0, 4, "duck", "name", "duck")),
    "a name in a headline of another language": (
        {"beside": (("ar", "مع آدا كينغ"),)},
        ("beside ar", 3, 11, "آدا كينغ", "name", "mia"),
    ),
    "a German name that is quoted in English": (
        {"text": "she reads “Saga” aloud", "language": "en"},
        ("quoted", 1, 5, "Saga", "name", "saga"),
    ),
    "a minor in the text": ({"text": "a girl runs"}, ("text", 2, 6, "girl", "minor", "minors/en")),
    "a minor in what is said": (
        {"slots": (("dialogue", "ein Kind"),), "speech": "de"},
        ("slot dialogue", 4, 8, "Kind", "minor", "minors/de"),
    ),
    "a claim in a headline": (
        {"beside": (("de", "heilt alles"),)},
        ("beside de", 0, 5, "heilt", "claim", "claims/cures"),
    ),
    "a word that the brand does not use": (
        {"text": "cheap", "banned": ("cheap",)},
        ("text", 0, 5, "cheap", "banned", "banned/cheap"),
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_is_refused_wherever_it_stands(held, case):
    words, stands = case
    asked = Says("never")
    made = prepare(ShotWords(**{"text": "a shoe", **words}), held=held, rewriter=asked)
    assert (made.verdict, made.rewriter) == ("deny", "none")
    assert stands in [dataclasses.astuple(span) for span in made.spans]
    assert any(f"“{stands[3]}”" in why and f"{stands[1]}-{stands[2]}" in why for why in made.reasons)
    assert not asked.asked, "what is refused goes to nobody"


def test_what_is_not_wanted_may_be_a_minor_or_a_banned_word(held):
    words = ShotWords(text="a shoe", negative="children, cheap look, 100 %", banned=("cheap",))
    assert prepare(words, held=held).verdict == "allow"


def test_what_a_rewriter_brings_in_is_refused_too(held):
    for prompt, entry in (("Ada King walks", "mia"), ("a child walks", "minors/en"), ("Eine Saga", "saga")):
        made = prepare(ShotWords(text="somebody walks", language="en"), held=held, rewriter=Says(prompt))
        assert made.verdict == "deny"
        assert [(span.where, span.entry) for span in made.spans] == [("prompt", entry)]
        assert (made.prompt, made.source, made.rewriter) == (prompt, "somebody walks", "says-1")


def test_a_rewriter_without_an_answer_leaves_it_unknown(held):
    made = prepare(ShotWords(text="somebody walks"), held=held, rewriter=Says("", "nobody there"))
    assert (made.verdict, made.reasons, made.prompt) == ("unknown", ("nobody there",), "somebody walks")


def test_a_licence_decides_for_its_market_and_product(held):
    words = ShotWords(text="as in The Film", markets=("DE",), product="shoes")
    assert prepare(words, held=held).entries == ("film-yes",)
    assert prepare(words, held=held).verdict == "allow"
    assert prepare(dataclasses.replace(words, markets=("AT", "DE")), held=held).verdict == "deny"
    assert prepare(dataclasses.replace(words, product="flask"), held=held).verdict == "deny"
    refused = prepare(ShotWords(text="the duck"), held=held)
    assert refused.entries == ("duck-no",)
    assert refused.reasons == (
        "“duck” at 4-8 of text is duck: deny: Duck: no live grant of Bolt; Duck: refused by Bolt (duck-no)",
    )


def test_a_consent_to_a_face_is_enough_where_nothing_is_heard(held):
    words = ShotWords(text="Eva runs")
    assert prepare(words, held=held).verdict == "deny"
    silent = dataclasses.replace(words, components=("character", "face", "picture"))
    assert prepare(silent, held=held).entries == ("eva-face",)
    assert prepare(silent, held=held).verdict == "allow"


def test_near_misses_are_told_and_stop_nothing(held):
    made = prepare(ShotWords(text="the film grain of photographic prints"), held=held)
    assert made.verdict == "allow"
    assert made.notes[0].startswith("near miss: film: prompt: “the film” at 0-8")


def test_what_cannot_be_read_is_never_allowed(held):
    for text in ("", "  ", "a \udce4"):
        made = prepare(ShotWords(text=text), held=held)
        assert made.verdict == "unknown"
        assert made.reasons
        assert prepare(ShotWords(text=text), held=None).verdict == "unknown"


def test_without_a_registry_every_prompt_says_so_and_all_else_is_checked():
    made = prepare(ShotWords(text="the duck", slots=(("light", "dawn"),)), held=None)
    assert (made.verdict, made.notes) == ("allow", (NO_REGISTRY,))
    assert prepare(ShotWords(text="a child"), held=None).verdict == "deny"


def test_equal_words_are_rewritten_once(held):
    asked = Says("a shoe")
    words = [ShotWords(text=f"shoe {n % 3}") for n in range(12)]
    assert len(prepare_all(words, held=held, rewriter=asked)) == 12
    assert len(asked.asked) == 3
    assert prepare_all([], held=held) == []


POOL = ["a shoe", "the duck", "a child", "Ada King", "100 %", "", "as in The Film", "eine Saga"]
SHOTS = st.builds(
    ShotWords,
    text=st.sampled_from(POOL),
    language=st.sampled_from(["", "en", "de"]),
    beside=st.sampled_from([(), (("de", "heilt"),), (("en", "a cup"),)]),
    slots=st.sampled_from([(), (("subject", "a duck"),), (("light", "dawn"),)]),
)


@settings(max_examples=40)
@given(words=st.lists(SHOTS, max_size=6))
def test_many_at_once_get_what_each_gets_alone(held, words):
    assert prepare_all(words, held=held) == [prepare(one, held=held) for one in words]


@given(words=SHOTS)
def test_with_a_registry_nothing_is_allowed_that_is_not_without_one(held, words):
    if prepare(words, held=None).verdict != "allow":
        assert prepare(words, held=held).verdict != "allow"


def test_ten_thousand_shots_are_prepared_in_seconds(held):
    words = [
        ShotWords(text=f"A runner {n} walks along the harbour", language="en", slots=(("camera", "slow push in"),))
        for n in range(10_000)
    ]
    began = time.monotonic()
    assert {made.verdict for made in prepare_all(words, held=held, rewriter=Template())} == {"allow"}
    assert time.monotonic() - began < 20  # 1.2 s on two cores that do nothing else
