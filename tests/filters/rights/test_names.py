from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.rights.names import fold, fold_all, found_in, joined, may_end, spans

SAME = {
    "case": ("The LION King", "the lion king"),
    "spaces and signs": ("  The\tLion –\n King!! ", "the lion king"),
    "full-width Latin": ("Ｓｈｒｅｋ　２", "shrek 2"),
    "a ligature": ("ﬁlm", "film"),
    "Roman numerals": ("Rocky Ⅳ", "rocky iv"),
    "a trade mark": ("Shrek™ 2®", "shrek 2"),
    "soft hyphens and zero width": ("Sh\u00adre\u200bk\ufeff", "shrek"),
    "bidirectional controls": ("\u202bShrek\u202c\u200f", "shrek"),
    "French": ("Amélie Poulain", "amelie poulain"),
    "decomposed": ("Ame\u0301lie", "amelie"),
    "ligatures of two vowels": ("Œuvre Ænima", "oeuvre aenima"),
    "German sharp s": ("Straße", "STRASSE"),
    "Turkish dotted and dotless i": ("İSTANBUL IŞIK ışık", "istanbul isik isik"),
    "Danish and Polish": ("Ørsted Łódź", "orsted lodz"),
    "Vietnamese": ("Phở Việt Đặng", "pho viet dang"),
    "Greek final sigma and accents": ("ΟΔΥΣΣΈΑΣ", "οδυσσεας"),
    "Cyrillic yo": ("Ёлки", "елки"),
    "Cyrillic stress": ("За\u0301мок", "замок"),
    "Arabic points and stretching": ("القِطَّـة", "القطه"),
    "Arabic hamza": ("أحمد", "احمد"),
    "Persian letters and a non-joiner": ("کتاب می\u200cخوانم", "كتاب ميخوانم"),
    "Hebrew points": ("שָׁלוֹם", "שלום"),
    "Devanagari nukta": ("फ़िल्म", "फिल्म"),
    "Arabic digits": ("٣٠٠", "300"),
    "Han with spaces": ("千 と 千 尋", "千と千尋"),
    "Katakana with a middle dot": ("ハリー・ポッター", "ハリーポッター"),
    "half-width Katakana": ("ﾊﾘｰ･ﾎﾟｯﾀｰ", "ハリーポッター"),
    "Thai with a space": ("ภาพ ยนตร์", "ภาพยนตร์"),
    "a lone surrogate": ("a\ud800b", "a b"),
    "an end of text inside": ("a\0b", "a b"),
}

OTHER = {
    "Cyrillic i and short i": ("мой", "мои"),
    "Devanagari vowel signs": ("कि", "की"),
    "Thai vowels": ("กา", "กิ"),
    "voiced Kana": ("か", "が"),
    "a full stop between Han": ("千。と", "千と"),
    "Hangul": ("게", "개"),
    "words": ("spiderman", "spider man"),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_spellings_of_one_name(pair):
    assert fold(pair[0]) == fold(pair[1]) != ""


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_spellings_of_two_names(pair):
    assert fold(pair[0]) != fold(pair[1])


def test_everything_invisible_is_dropped_and_every_sign_is_a_space():
    kinds = {chr(code): unicodedata.category(chr(code)) for code in range(1, 0x30000) if not 0xD800 <= code < 0xE000}
    hidden = [letter for letter, kind in kinds.items() if kind == "Cf"]
    signs = [letter for letter, kind in kinds.items() if kind[0] in "PSZ" and not unicodedata.decomposition(letter)]
    assert set(fold_all([f"a{letter}b" for letter in hidden]).text.split("\n")) == {"ab", ""}
    assert set(fold_all([f"a{letter}b" for letter in signs]).text.split("\n")) == {"a b", ""}


@given(st.text(max_size=40))
@example("ᄀ\u200bᅡ")
@example("千。と")
@example("и\u0301\u0306")
@settings(max_examples=300, deadline=None)
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_folding_many_is_folding_each(texts):
    together = fold_all(texts)
    assert [line.strip(" ") for line in together.text.split("\n")[:-1]] == [fold(text) for text in texts]
    assert len(together.kinds) == len(together.text)
    assert list(together.ends) == [i for i, letter in enumerate(together.text) if letter == "\n"]


@pytest.mark.parametrize(
    ("text", "name", "stands"),
    [
        ("a lion sleeps", "lion", True),
        ("a sea-lion", "lion", True),
        ("sealions", "lion", False),
        ("lion2", "lion", False),
        ("(LION)", "lion", True),
        ("кот Шрекс", "Шрек", False),
        ("شريكان", "شريك", False),
        ("我看了怪物史瑞克二", "怪物史瑞克", True),
        ("iPhone手机", "iPhone", True),
        ("ดูชเร็คกัน", "ชเร็ค", True),
        ("กา", "ก", True),
        ("กิ", "ก", False),
        ("ខ្មែរ", "ខ", False),
        ("슈렉은", "슈렉", True),
        ("슈렉에서는", "슈렉", True),
        ("슈렉카", "슈렉", False),
        ("슈렉 2", "슈렉", True),
        ("간", "가", False),
        ("हिन्दी", "हिन्द", False),
    ],
)
def test_where_names_end(text, name, stands):
    folded = fold_all([text])
    assert found_in(folded, fold(name), 0, len(folded.text)) is stands


def test_a_long_korean_word_is_no_particle():
    folded = fold_all(["가" * 40])
    assert not may_end(folded, 2)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("Spider-Man’s x-x", "SpiderMans xx"),
        ("rock 'n' roll - live", "rock 'n' roll - live"),
        ("a--b", "ab"),
        ("plain", "plain"),
        ("Ocean's", "Oceans"),
    ],
)
def test_signs_inside_words(text, without):
    assert joined(text) == without


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("I saw Shrek 2 twice", "Shrek 2"),
        ("I saw\u200b Sh\u00adrek", "Sh\u00adrek"),
        ("Die Straße hier", "Straße"),
        ("x ﬁlm y", "ﬁlm"),
        ("caf\u0065\u0301 noir", "cafe\u0301"),
        ("見た ハリー・ポッター を", "ハリー・ポッター"),
        ("ㅋ 오징어 게임은", "오징어 게임"),
        ("a Spider-Man b", "Spider-Man"),
    ],
)
def test_spans_are_of_the_text_as_it_was(text, name):
    at = text.index(name)
    letters = lambda part: len(fold(part).replace(" ", ""))  # noqa: E731
    first = letters(text[:at])
    assert spans([text], [(0, first, first + letters(name))]) == [(at, at + len(name))]
