"""The checks of captions: what good ones never get, what bad ones always do."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioning import checks
from captioning.checks import (
    FLAGS,
    Caption,
    CheckSettings,
    checked,
    has_markup,
    is_boilerplate,
    is_refusal,
    repeated_share,
    repeats,
    sameness,
    sentences,
    unheard,
    words,
)
from transforms.settings import ConfigError, from_mapping

LINES = (Path(__file__).parent / "good_captions.txt").read_text(encoding="utf-8").splitlines()
GOOD = [line for line in LINES if not line.startswith("#")]
DENSE = 45
"""Words from which on a good caption is a dense one."""

LOOP = "a man in a white shirt and "
PARAGRAPH = next(text for text in GOOD if len(text.split()) > DENSE)

BAD: list[tuple[str, str, str]] = [
    # flags (in their order), kind, caption
    ("empty", "short", ""),
    ("empty", "short", " \n "),
    ("empty", "dense", "..."),
    ("empty", "short", "🙂"),
    ("refusal", "short", "I'm sorry, I can't help with that."),
    ("refusal boilerplate", "short", "I’m sorry, but I cannot describe people in this footage."),
    ("refusal", "short", "Sorry, but I am not able to identify the person."),
    ("refusal", "short", "As an AI language model, I don't have eyes."),
    ("refusal", "short", "Unfortunately, I cannot see any frames."),
    ("refusal", "short", "I am unable to provide a description of the content."),
    ("refusal", "short", "I apologize, the content goes against my guidelines."),
    ("refusal", "short", "I don't see a picture that I could describe."),
    ("refusal", "short", "No image was provided, so nothing can be described."),
    ("refusal", "short", "Please provide the frames of the clip."),
    ("refusal", "short", "The model is unable to comply with this request."),
    ("refusal", "short", "A man is visible, but I can't say who he is."),
    ("refusal language", "short", "抱歉，我无法描述这段视频的内容。"),
    ("refusal language", "short", "Lo siento, no puedo ayudar con esa petición."),
    ("boilerplate", "short", "The image shows a brown dog on a beach."),
    ("boilerplate", "short", "This video depicts a woman crossing a street."),
    ("boilerplate", "short", "The video clip begins with a man opening a door."),
    ("boilerplate", "short", "In this video, two boys kick a football."),
    ("boilerplate", "short", "A photo of a cat on a windowsill."),
    ("boilerplate", "short", "A dog runs, and in the last frame it jumps."),
    ("boilerplate", "short", "Caption: a dog runs along the beach."),
    ("boilerplate", "short", "Here is a description of the clip: a dog runs."),
    ("too_long boilerplate", "short", "Sure! A dog runs along the beach."),
    ("boilerplate", "short", "The scene captures the essence of a summer evening by the sea."),
    ("boilerplate", "short", "These frames show a dog at play in the water."),
    ("markup", "short", "**A brown dog** runs along the beach."),
    ("markup", "short", "- A brown dog runs along the beach."),
    ("markup", "short", "1. A brown dog runs along the beach."),
    ("markup", "short", "### A brown dog runs along the beach"),
    ("markup", "short", "A brown dog runs along the beach.<|im_end|>"),
    ("markup", "short", "A brown dog runs along the beach.</s>"),
    ("markup", "short", "A *very* happy dog runs along the beach."),
    ("markup", "short", '{"short": "A brown dog runs along the beach."}'),
    ("markup", "short", "A dog &amp; a cat run along the beach."),
    ("markup", "short", "```A brown dog runs along the beach.```"),
    ("repetition", "short", "A dog, a very very very very big dog, runs along the beach."),
    ("repetition", "short", "A dog on a beach on a beach on a beach on a beach."),
    ("too_long repetition", "short", "A dog runs on a beach. A dog runs on a beach."),
    ("too_long repetition", "short", LOOP * 8),
    ("repetition", "dense", LOOP * 12),
    ("repetition", "dense", f"{PARAGRAPH} {LOOP * 3}"),
    ("repetition", "dense", f"{PARAGRAPH} {PARAGRAPH.split('. ')[1]}."),
    ("language", "short", "Ein brauner Hund läuft am Strand entlang, während hinter ihm die Wellen brechen."),
    ("language", "short", "一只棕色的狗在海滩上奔跑，海浪在它身后拍打。"),
    ("language", "short", "A brown dog 奔跑 along the beach in the evening light."),
    ("too_short", "short", "A dog."),
    ("too_short", "dense", "A brown dog runs along a wet beach while waves break behind it."),
    ("too_long", "short", "A dog runs along the beach. Waves break behind it."),
    ("too_long", "short", " while ".join(text.rstrip(".") for text in GOOD[:5])),
    ("too_long repetition", "dense", " ".join([PARAGRAPH] * 3)),
]  # fmt: skip


def flags(caption: Caption, **limits: object) -> str:
    return " ".join(checked(caption, from_mapping(CheckSettings, limits)).flags)


def test_good_captions_are_kept_and_hardly_flagged():
    assert len(GOOD) > 150
    found: Counter[str] = Counter()
    for text in GOOD:
        one = checked(Caption(kind="dense" if len(text.split()) > DENSE else "short", text=text), CheckSettings())
        assert one.reasons == (), text
        found.update(one.flags)
    assert found == {"too_short": 1}


@pytest.mark.parametrize(("told", "kind", "text"), BAD, ids=[text[:40] or "nothing" for _, _, text in BAD])
def test_bad_captions_are_flagged(told, kind, text):
    found = checked(Caption(kind=kind, text=text), CheckSettings())
    assert " ".join(found.flags) == told
    assert set(found.reasons) == set(told.split()) & {"empty", "refused", "refusal", "repetition"}


@pytest.mark.parametrize("text", GOOD, ids=[text[:40] for text in GOOD])
def test_no_rule_but_that_of_length_flags_a_good_caption(text):
    assert not is_refusal(text)
    assert not is_boilerplate(text)
    assert not has_markup(text)
    assert not repeats(text, 0.3)


@pytest.mark.parametrize(
    "text",
    [
        "A lifeguard is unable to help a swimmer who drifts out.",
        "A politician says “I cannot accept this” at a press conference.",
        "A sorry-looking dog sits in the rain.",
        "A boy apologises and shakes hands.",
        "The man on stage, as an assistant hands him a hat, bows.",
        "A robot with AI written on its chest waves.",
        "A poster asks guests to please share the road.",
        "Nobody is able to open the jar, and a woman shrugs.",
    ],
)
def test_people_in_a_clip_may_be_sorry_or_unable(text):
    assert not is_refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "A framed picture shows a sailing ship, and a man straightens it.",
        "A video game character jumps from platform to platform.",
        "Teenagers sit in the video game arcade and shout.",
        "A frog leaps out of the frame.",
        "A window frame shines in the sun.",
        "A woman hangs pictures of her family on a wall.",
        "The clip is live action with natural colours.",
        "A street scene at night.",
        "Close-up of a hand with a paper clip.",
        "A film camera on a tripod.",
    ],
)
def test_pictures_and_frames_in_a_clip_are_no_boilerplate(text):
    assert not is_boilerplate(text)


@pytest.mark.parametrize(
    "text",
    [
        "A No. 7 jersey - blue and white - hangs in a locker.",
        "Temperatures fall below -5 °C, and 3 < 4 stands on the board.",
        "A hand writes 2 * 3 = 6 on a board.",
        "A keyboard with # and * keys.",
        "A man [off screen] hands over a cup.",
        "A twenty-four-hour diner at 10:15 p.m.",
    ],
)
def test_signs_in_a_sentence_are_no_markup(text):
    assert not has_markup(text)


@pytest.mark.parametrize(
    ("text", "transcript", "missing"),
    [
        ('A man says "good morning" to a woman.', "", True),
        ('A man says "good morning" to a woman.', "Well, good morning, Anna!", False),
        ('A man says "good morning" to a woman.', "The train leaves at ten.", True),
        ('"Good morning," says a man to a woman.', "", True),
        ('"Good morning everyone," says a man.', "good morning", False),
        ('A sign reads "OPEN".', "", False),
        ('A woman sings under a banner that reads "Welcome".', "", False),
        ('A man points at a sign and shouts "Stop"!', "", True),
        ('A boat named "Albatross" leaves the harbour.', "", False),
        ("A man speaks into a microphone.", "", False),
        ('A woman speaks. Behind her a poster is titled "Spring".', "", False),
        ("A man says 'hello' and waves.", "", True),
        ("A speaker's notes lie on the teachers' desk.", "", False),
        ('A man says "..." and leaves.', "", False),
    ],
)
def test_quoted_speech_must_have_been_heard(text, transcript, missing):
    assert unheard(text, transcript) is missing


def test_speech_is_judged_only_where_somebody_listened():
    text = 'A man says "good morning" to a woman in the hall.'
    assert flags(Caption(kind="short", text=text)) == ""
    assert flags(Caption(kind="short", text=text, transcript="")) == "unheard"


def test_scores_and_counts_have_limits():
    text = "A brown dog runs along a wet beach while waves break behind it."
    assert flags(Caption(kind="short", text=text, score=0.2, clips=19)) == ""
    assert flags(Caption(kind="short", text=text, score=0.19, clips=20)) == "low_score common"
    off = {"caption_min_score": None, "caption_common": None}
    assert flags(Caption(kind="short", text=text, score=-1.0, clips=10**6), **off) == ""


def test_lengths_and_repetition_are_those_of_each_window():
    one, two = [text for text in GOOD if len(text.split()) > DENSE][:2]
    assert flags(Caption(kind="dense", text=f"{one} {two}", windows=(one, two))) == ""
    # The same is said of two windows in which nothing changes; that is no circle.
    assert flags(Caption(kind="dense", text=f"{one} {one}", windows=(one, one))) == ""
    assert flags(Caption(kind="dense", text=f"{one} {one}")) == "repetition"
    assert flags(Caption(kind="dense", text=f"{one} A dog runs.", windows=(one, "A dog runs."))) == "too_short"
    assert flags(Caption(kind="dense", text=one, windows=(one, ""))) == "too_short"


def test_what_the_captioner_flagged_stays_and_flags_have_one_order():
    found = checked(
        Caption(kind="short", text="The image shows **a dog** on sand", flags=("truncated", "refused"), score=0.0),
        CheckSettings(caption_drop=("markup", "truncated")),
    )
    assert found.flags == ("refused", "truncated", "boilerplate", "markup", "low_score")
    assert found.reasons == ("truncated", "markup")


def test_a_flag_that_nobody_explains_is_a_fault():
    with pytest.raises(ValueError, match="does not explain: dull"):
        checked(Caption(kind="short", text="A dog runs along a beach.", flags=("dull",)), CheckSettings())


def test_other_languages_may_be_asked_for():
    text = "Ein brauner Hund läuft am Strand entlang, während hinter ihm die Wellen brechen."
    found = checked(Caption(kind="short", text=text), CheckSettings(caption_languages=("de", "en")))
    assert (found.flags, found.language) == ((), "de")


def test_a_flag_that_does_not_exist_cannot_drop():
    with pytest.raises(ConfigError, match="--caption-drop dull: not one of empty"):
        from_mapping(CheckSettings, {"caption_drop": "dull"})
    with pytest.raises(ConfigError, match="--caption-drop measured"):
        from_mapping(CheckSettings, {"caption_drop": "measured"})


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("A dog runs. Waves break!", 2),
        ("A No. 7 jersey hangs beside Dr. Smith's coat.", 1),
        ('A sign reads "Stop." A man stops.', 2),
        ("It costs 3.50 and opens at 9.30 a.m. daily.", 1),
        ("一只狗在跑。海浪拍打。", 2),
        ("One line\nanother line", 2),
        ("", 0),
    ],
)
def test_sentences(text, count):
    assert len(sentences(text)) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("A brown dog.", 3),
        ("A well-lit street at 9.30, isn't it?", 7),
        ("海浪拍打", 2),
        ("赤いシャツ", 3),
        ("Ein großer Hund läuft", 4),
        ("... 🙂 —", 0),
    ],
)
def test_words(text, count):
    assert len(words(text)) == count


@pytest.mark.parametrize(
    ("text", "share"),
    [("", 0.0), ("a b c d e f", 0.0), ("a b c d a b c d", 0.5), ("a b c d x a b c d", 4 / 9)],
)
def test_the_share_of_what_was_said_before(text, share):
    assert repeated_share(text.split()) == pytest.approx(share)


def test_two_captions_are_the_same_by_their_words():
    assert sameness("A plain, black screen.") == sameness("a plain black  screen")
    assert sameness("A plain black screen.") != sameness("A plain blue screen.")


@settings(deadline=None)
@given(st.text(max_size=300), st.sampled_from(["short", "dense", "structured"]), st.none() | st.text(max_size=50))
def test_any_text_can_be_checked(text, kind, transcript):
    caption = Caption(kind=kind, text=text, transcript=transcript)
    found = checked(caption, CheckSettings())
    assert list(found.flags) == [flag for flag in FLAGS if flag in found.flags]
    assert ("empty" in found.flags) == (not words(text))
    assert found == checked(caption, CheckSettings())


def test_no_rule_takes_long_on_hostile_text():
    for text in (
        "I " * 20_000,
        "* " * 20_000,
        "the image " * 10_000,
        '"' * 20_000,
        "<" * 20_000,
        "a." * 20_000,
        " " * 40_000,
    ):
        is_refusal(text), is_boilerplate(text), has_markup(text), unheard(text, ""), sentences(text)


def test_every_flag_is_explained_in_a_sentence_and_can_be_raised():
    source = Path(checks.__file__).read_text(encoding="utf-8")
    raised = set(re.findall(r'yield "(\w+)"', source))
    assert raised | {"measured", "refused", "truncated"} == set(FLAGS)
    assert all(meaning[0].isupper() and meaning.endswith(".") for meaning in FLAGS.values())
