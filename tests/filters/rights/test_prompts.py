"""Prompts: what names in them decide, where they stand, and that nothing unread is ever allowed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.rights import prompts, registry
from filters.rights.policy import RightsSettings
from filters.rights.precedence import VERDICTS
from filters.rights.prompts import Prompt, Text, screen_prompt, screen_prompts
from filters.rights.records import IdentifierRow, identifier_id
from tests.filters.rights.said import EVERYBODY, day, put, say


def name(work: str, value: str, **more):
    return IdentifierRow(
        identifier_id=identifier_id(work, "text", value), work_id=work, kind="text", value=value, **more
    )


NAMES = [
    name("film", "The Film", aliases=["映画作品"], negative_contexts=["photographic"]),
    name("saga", "Saga", language="de"),
    name("duck", "Duck"),
    name("mia", "Ada King", language="en", negative_contexts=["chess"], aliases=["艾达·金氏", "Ада Кинг"]),
    name("eva", "Eva"),
    name("una", "Una"),
    name("kid", "Tiny Tim"),
    name("free", "Free Willing"),
]
MADE: dict[str, Any] = {"uses": ["generate"]}
SAID = [
    say("film-yes", "grant", work="saga", **MADE, territories=["DE"], products=["shoes"]),
    say("duck-no", "opt_out", "bolt", "duck", **MADE),
    say("mia-voice", "grant", "mia", "mia", **MADE, components=["voice"], languages=["de"], valid_until=day(30)),
    say("eva-yes", "grant", "eva", "eva", **MADE, through="agent"),
    say("una-yes", "grant", "una", "una", **MADE, through="agent"),
    say("kid-yes", "grant", "acme", "kid", **MADE),
    say("free-dispute", "dispute", "shady", "free", **MADE),
    say("free-yes", "grant", "bolt", "free", **MADE),
]


@pytest.fixture(scope="module")
def by(tmp_path_factory):
    held = registry.create(str(tmp_path_factory.mktemp("registry")))
    state = put(held, *EVERYBODY, *NAMES, *(dataclasses.replace(s, recorded_at=None) for s in SAID))
    return prompts.ready(held, state, day(20))


SHOES = {"territories": ["DE"], "product": "shoes"}
CASES = {
    # prompt, what is asked, verdict, what stands where, entries
    "no name": ("a red shoe on a table", {}, "allow", [], ()),
    "a work with a licence": ("as in The Film", SHOES, "allow", [("film", "The Film", 6, 14)], ("film-yes",)),
    "for another product": ("as in the  film", {"territories": ["DE"]}, "deny", [("film", "the  film", 6, 15)], ()),
    "in another country": ("The Film", {"product": "shoes"}, "deny", [("film", "The Film", 0, 8)], ()),
    "in a country too many": (
        "The Film", {**SHOES, "territories": ["DE", "AT"]}, "deny", [("film", "The Film", 0, 8)], (),
    ),
    "by another name": ("「映画作品」のように", {}, "deny", [("film", "映画作品", 1, 5)], ()),
    "a near miss": ("the film grain of photographic prints", {}, "allow", [], ()),
    "a refusal": ("the DUCK!", {}, "deny", [("duck", "DUCK", 4, 8)], ("duck-no",)),
    "a person without a consent": ("Ada King", {}, "deny", [("mia", "Ada King", 0, 8)], ()),
    "in other letters": ("портрет: ада кинг", {}, "deny", [("mia", "ада кинг", 9, 17)], ()),
    "with signs nobody sees": ("Ada\u200b K\u00ading", {}, "deny", [("mia", "Ada\u200b K\u00ading", 0, 10)], ()),
    "in wide letters": ("Ａｄａ　Ｋｉｎｇ", {}, "deny", [("mia", "Ａｄａ　Ｋｉｎｇ", 0, 8)], ()),
    "a voice with a consent": (
        "says Ada King", {"language": "de", "components": ["sound", "voice"]}, "allow", [("mia", "Ada King", 5, 13)],
        ("mia-voice",),
    ),
    "a voice in another language": (
        "says Ada King", {"language": "en", "components": ["sound", "voice"]}, "deny", [("mia", "Ada King", 5, 13)], (),
    ),
    "a consent through her agent": ("Eva runs", {}, "allow", [("eva", "Eva", 0, 3)], ("eva-yes",)),
    "the consent of somebody unverified": ("Una runs", {}, "deny", [("una", "Una", 0, 3)], ()),
    "a minor, whatever is granted": ("Tiny Tim plays", {}, "deny", [("kid", "Tiny Tim", 0, 8)], ()),
    "a dispute": ("free willing", {}, "review", [("free", "free willing", 0, 12)], ("free-dispute",)),
    "one of two": (
        "Eva and the duck, Eva", {}, "deny", [("duck", "duck", 12, 16), ("eva", "Eva", 0, 3), ("eva", "Eva", 18, 21)],
        ("duck-no",),
    ),
    "a country that is none": ("a shoe", {"territories": ["UK"]}, "unknown", [], ()),
    "a component that is none": ("a shoe", {"components": ["smell"]}, "unknown", [], ()),
    "nothing": ("", {}, "unknown", [], ()),
    "blanks": (" \n", {}, "unknown", [], ()),
    "letters that were lost": ("M\ufffda", {}, "unknown", [], ()),
    "bytes that are no letters": ("a shoe \udce4", {}, "unknown", [], ()),
    "a name among letters that were lost": ("the duck \udce4", {}, "deny", [("duck", "duck", 4, 8)], ("duck-no",)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_table(by, case):
    text, asked, verdict, stands, deciding = case
    found = screen_prompt(by, text, **asked)
    assert (found.verdict, found.entries) == (verdict, deciding), found
    assert [(one.work_id, span.words, span.start, span.end) for one in found.named for span in one.spans] == stands
    assert all(text[span.start : span.end] == span.words for one in found.named for span in one.spans)
    assert found.words
    assert "likeness" in found.not_checked  # nobody looked for whom the words describe


def test_who_is_told_with_the_reasons(by):
    mia, kid, duck = screen_prompt(by, "Ada King, Tiny Tim and a duck").named
    assert (duck.verdict, duck.title, duck.parties, duck.entries) == ("deny", "Duck", ("bolt",), ("duck-no",))
    assert duck.words == ("Duck: no live grant of Bolt", "Duck: refused by Bolt")
    assert (mia.parties, mia.entries, mia.identifiers) == (("mia",), (), (identifier_id("mia", "text", "Ada King"),))
    assert mia.words == ("Mia: no live grant of Mia for the face", "Mia: no live grant of Mia for the voice")
    assert "Kid: a minor" in kid.words


def test_near_misses_are_told(by):
    (near,) = screen_prompt(by, "the film grain of photographic prints").near
    assert near == "film: prompt: “the film” at 0-8; “photographic” is near"


def test_texts_in_several_languages_are_one_prompt(by):
    found = screen_prompt(by, {"en": "a saga of shoes", "de": "eine Saga und die Duck", "": "a duck"})
    assert found.verdict == "deny"
    spans = {one.work_id: one.spans for one in found.named}
    assert spans == {
        "duck": ((1, 18, 22, "Duck"), (2, 2, 6, "duck")),
        "saga": ((1, 5, 9, "Saga"),),
    }
    assert found.near == ("saga: prompt (en): “saga” at 2-6; a name in de, a text in en",)
    assert screen_prompt(by, "a saga of shoes").verdict == "deny"  # nobody said that it is in English
    assert screen_prompt(by, {"en": "a shoe", "de": ""}).verdict == "unknown"
    assert screen_prompts(by, [Prompt(())])[0].verdict == "unknown"


@pytest.mark.parametrize("language", ["de", "en", "eng", "English", "['en']", "xx", "en ", "EN-us", "de-AT"])
def test_people_are_named_in_every_language(by, language):
    found = screen_prompt(by, {language: "Ada King mit der Saga"})
    assert (found.verdict, found.named[0].spans) == ("deny", ((0, 0, 8, "Ada King"),))
    assert [one.work_id for one in found.named] == ["mia", *["saga"] * (language not in ("en", "en ", "EN-us"))]
    assert [near[:5] for near in found.near] == ["saga:"] * (len(found.named) == 1)
    said = f"prompt ({language}): “Ada King” at 0-8; “chess” is near"
    assert screen_prompt(by, {language: "Ada King wins at chess"}).near == (f"mia: {said}",)


def test_people_opt_in_whatever_the_regime(by, tmp_path):
    loose = by._replace(regime="opt-out")
    assert screen_prompt(loose, "The Film").verdict == "allow"
    assert screen_prompt(loose, "Ada King in The Film").verdict == "deny"
    assert screen_prompt(loose, "The Duck").verdict == "deny"
    odd = by._replace(regime="opt-maybe")
    assert screen_prompt(odd, "a shoe").verdict == "unknown"
    with pytest.raises(registry.RegistryError):
        prompts.of_settings(RightsSettings(rights=str(tmp_path / "nowhere")))


def test_a_consent_that_is_revoked_counts_no_more(tmp_path):
    held = registry.create(str(tmp_path))
    put(held, *EVERYBODY, *NAMES, *(dataclasses.replace(s, recorded_at=None) for s in SAID))
    revoke = say("eva-no", "revoke", "eva", "eva", **MADE, revocation_effect="withdraw_outputs", recorded_at=None)
    put(held, revoke, on=2)
    asked = RightsSettings(rights=str(tmp_path), as_of=day(20).isoformat())
    assert screen_prompt(prompts.of_settings(asked), "Eva").entries == ("eva-no",)
    before = prompts.of_settings(dataclasses.replace(asked, rights_version=1))
    assert screen_prompt(before, "Eva").verdict == "allow"
    lapsed = before._replace(at=day(30))
    assert screen_prompt(before, "Ada King", language="de", components=["voice"]).verdict == "allow"
    assert screen_prompt(lapsed, "Ada King", language="de", components=["voice"]).verdict == "deny"


WORDS = st.lists(
    st.sampled_from(
        ["a shoe", "Ada King", "duck", "The Film", "Eva", "Tiny Tim", "photographic", "猫", "Free Willing"]
    ),
    min_size=1,
    max_size=5,
).map(" ".join)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WORDS, WORDS, st.sampled_from([(), ("DE",)]), st.sampled_from([None, "shoes"]))
def test_more_words_never_loosen(by, one, more, territories, product):
    asked = {"territories": territories, "product": product}
    before, after = screen_prompt(by, one, **asked), screen_prompt(by, {"en": one, "": more}, **asked)
    together = [before.verdict, screen_prompt(by, more, **asked).verdict]
    assert after.verdict == min(together, key=VERDICTS.index)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS | st.text(max_size=12), max_size=6))
def test_many_are_decided_as_each_by_itself(by, texts):
    made = [Prompt((Text(text),)) for text in texts]
    assert screen_prompts(by, made) == [screen_prompts(by, [one])[0] for one in made]
