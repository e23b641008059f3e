"""Which language a caption is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioning.language import language_of, mixes_scripts, quotations, without_quotes

HERE = Path(__file__).parent


def lines(name: str) -> list[str]:
    return [line for line in (HERE / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def test_captions_in_many_languages_are_told():
    rows = [line.split("\t") for line in lines("languages.tsv")]
    assert len({language for language, _ in rows}) == 30
    assert [(language, language_of(text), text) for language, text in rows if language_of(text) != language] == []


def test_english_captions_are_never_taken_for_others_and_rarely_left_open():
    told = [language_of(text) for text in lines("good_captions.txt")]
    assert set(told) <= {"en", None}
    assert told.count(None) <= 4


@pytest.mark.parametrize(
    "text", ["", " \n", "12 14 15", "###", "😀😀", "Paris", "ok", '"Öffnungszeiten Montag bis Freitag"']
)
def test_what_is_too_little_is_left_open(text):
    assert language_of(text) is None


def test_words_in_the_picture_do_not_count():
    assert language_of('The sign reads "Öffnungszeiten Montag bis Freitag" and a man stands before it.') == "en"


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("Soft light filters through a lace窗帘 onto the floor.", True),
        ("A man walks подъезд past a shop.", True),
        ("A dog runs along the beach.", False),
        ("Crêpes, smörgåsbord and phở on a table.", False),
        ('A banner reads "北京欢迎你" above the crowd.', False),
        ("A banner reads “北京欢迎你” above the crowd.", False),
        ("A π is drawn on a blackboard.", False),
        ("一只狗穿着 T-shirt 在海滩上奔跑。", False),
        ("赤いTシャツを着た女性が歩いている。", False),
        ("1234", False),
        ("", False),
    ],
)
def test_a_latin_text_with_words_in_another_script_is_mixed(text, mixed):
    assert mixes_scripts(text) is mixed


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ('A sign says "Open" twice.', "A sign says   twice."),
        ("A man's dog doesn't like the dogs' bowl.", "A man's dog doesn't like the dogs' bowl."),
        ("A bottle labelled 'Olive Oil' stands.", "A bottle labelled   stands."),
        ("„Halt“ and «stop» and “go” and 「止まれ」.", "  and   and   and  ."),
        ('A 5" screen.', 'A 5" screen.'),
    ],
)
def test_quotations_are_cut_out_and_apostrophes_stay(text, without):
    assert without_quotes(text) == without


def test_quotations_are_known_by_their_places():
    text = 'A man says "good morning" and “bye”.'
    assert [text[start:end] for start, end in quotations(text)] == ['"good morning"', "“bye”"]
