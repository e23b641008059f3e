"""Storyboards from words: what is written can be planned."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.campaign_file import load_offers, parse_campaign
from generation.planning import plan
from generation.storyboards import read, storyboard, together
from tests.generation.campaigns import as_said
from transforms.settings import ConfigError

SCRIPT = """\
EXT. MOUNTAIN HUT - DAWN

Snow slides off the roof.
A door opens.

INT. KITCHEN - MORNING

A kettle on the stove. Somebody sets {two} cups on the table.

GRANDMOTHER (V.O.)
(softly)
Forty winters,
one kettle.

DISSOLVE TO:

EXT. RIDGE - DAY

GRANDCHILD
Still hot.
"""


def made(text, **more):
    return parse_campaign("made.yaml", storyboard(text, campaign="made", brand="Lumbrel", **more), str)


def test_a_screenplay_is_read_by_its_form():
    shots = made(SCRIPT, seconds=20).storyboards["main"].shots
    assert [shot.setting for shot in shots] == [
        "mountain hut, dawn, outdoors", "kitchen, morning, indoors", "ridge, day, outdoors"
    ]  # fmt: skip
    assert [shot.prompt for shot in shots] == [
        "Snow slides off the roof. A door opens.",
        "A kettle on the stove. Somebody sets {{two}} cups on the table.",
        "Grandchild speaks",
    ]
    assert [[(line.speaker, line.text) for line in shot.dialogue] for shot in shots] == [
        [], [("Grandmother", {"en": "Forty winters, one kettle."})], [("Grandchild", {"en": "Still hot."})]
    ]  # fmt: skip
    assert [shot.transition.kind for shot in shots] == ["cut", "dissolve", "cut"]


@pytest.mark.parametrize(
    ("sentence", "prompt", "said"),
    [
        ('A girl lifts a cup and says "Tea at last."', "A girl lifts a cup", "Tea at last."),
        ("Eine Frau trinkt und sagt: „Noch heiß.“ Sie lacht dabei", "Eine Frau trinkt Sie lacht dabei", "Noch heiß."),
        ("«Encore chaud»", "Encore chaud", "Encore chaud"),
    ],
)
def test_what_is_quoted_is_said(sentence, prompt, said):
    scene = read(f"First there is snow.\n\n{sentence}")[1]
    assert (scene.words, scene.said) == (prompt, [("", said)])


def test_a_sentence_becomes_three_views_and_more_one_shot_each():
    assert [scene.words for scene in read("A cup steams.")] == [
        "Wide view: a cup steams.", "A cup steams.", "Close-up of what matters most: a cup steams."
    ]  # fmt: skip
    assert len(read("A cup steams. A door opens! Who is there? 雪が降る。")) == 4
    assert len(read("هل الشاي ساخن؟ نعم.")) == 2


def test_a_shot_that_names_its_camera_gets_no_other():
    shots = made("A close-up of tea. A wide field.", seconds=6).storyboards["main"].shots
    assert [bool(shot.camera) for shot in shots] == [False, True]


def test_more_than_fits_goes_together_and_nothing_is_lost():
    text = " ".join(f"Number {n} walks by." for n in range(40))
    shots = made(text, seconds=6).storyboards["main"].shots
    assert len(shots) == 4
    said = " ".join(shot.prompt for shot in shots)
    assert all(f"Number {n} " in said for n in range(40))


_WORDS = st.text(st.characters(max_codepoint=0xFFFF), min_size=1, max_size=60)


def _has_words(text):
    return any(letter.isprintable() and not letter.isspace() for letter in text)


_SENTENCES = st.lists(_WORDS | _WORDS.map(lambda words: f"“{words}”"), min_size=1, max_size=12).map(". ".join)


@given(
    st.one_of(_SENTENCES.filter(_has_words), st.just(SCRIPT)),
    st.floats(2.5, 60),
    st.sampled_from(["wide", "story", "square", "portrait"]),
)
@settings(max_examples=100, deadline=None)
def test_whatever_the_words_are_what_is_written_can_be_planned(text, seconds, name):
    campaign = made(text, seconds=round(seconds, 1), formats=(name,))
    found = plan(campaign, load_offers(campaign), words=as_said)
    assert not found.refusals
    assert len(found.assets) == 1


def test_the_same_words_give_the_same_file():
    assert storyboard(SCRIPT, campaign="a", brand="b") == storyboard(SCRIPT, campaign="a", brand="b")


def test_together_keeps_what_is_said():
    whole = together(read(SCRIPT), 1)
    assert len(whole) == 1
    assert [words for _, words in whole[0].said] == ["Forty winters, one kettle.", "Still hot."]


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("  ", {}, "there are no words"),
        ("A cup.", {"seconds": 2}, "at least 2.5 are needed"),
        ("A cup.", {"formats": ("tall",)}, "not one of wide"),
    ],
)
def test_what_cannot_be_is_told(text, more, words):
    with pytest.raises(ConfigError, match=words):
        made(text, **more)


def test_who_says_it_is_no_shot_of_its_own():
    scenes = read('A runner ties a red shoe at dawn. "Go," she says. Then the city wakes up.')
    assert [scene.words for scene in scenes] == ["A runner ties a red shoe at dawn.", "Then the city wakes up."]
    assert scenes[0].said == [("", "Go")]
