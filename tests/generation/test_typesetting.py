"""Texts are shaped, broken and fitted in any script, and never with a box in place of a letter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, features

from generation import fonts
from generation.fonts import face_for, font_for
from generation.typesetting import _pieces, draw, reads_right_to_left, right_to_left, set_text
from transforms.failures import ElementError
from transforms.settings import ConfigError

ARABIC = "يبقى باردًا لمدة 24 ساعة، حتى في أطول جري (500 مل)"


def widths(block, colour=(255, 255, 255)):
    """Columns of the picture that have ink."""
    return np.flatnonzero(np.asarray(draw(block, colour).getchannel("A")).max(axis=0))


def test_arabic_letters_join():
    joined = set_text("بيت", width=500, height=200, size=60, language="ar")
    apart = set_text("ب ي ت", width=500, height=200, size=60, language="ar")
    gaps = np.diff(widths(joined)).max()
    assert gaps == 1, "one stroke from end to end"
    assert np.diff(widths(apart)).max() > 1


def test_arabic_runs_from_right_to_left():
    # Alef is a narrow upright stroke; it is read first, so it stands on the right.
    first = np.asarray(draw(set_text("اس", width=500, height=200, size=80, language="ar"), (0, 0, 0)).getchannel("A"))
    tall = first.max(axis=0) * (first[: first.shape[0] // 3].max(axis=0) > 128)
    assert np.flatnonzero(tall).min() > first.shape[1] / 2


def test_a_mark_at_the_end_of_an_arabic_line_stands_on_its_left():
    block = set_text("مرحبا!", width=600, height=200, size=80, language="ar")
    columns = widths(block)
    first = columns[: np.flatnonzero(np.diff(columns) > 1)[0] + 1]
    assert len(first) < 0.3 * 80, "an exclamation mark is narrow"
    stem = np.asarray(draw(block, (0, 0, 0)).getchannel("A"))[:, first].max(axis=1)
    assert np.count_nonzero(np.diff(np.flatnonzero(stem > 64)) > 1) == 1, "a stem and a dot"


def test_devanagari_is_shaped_and_not_set_letter_by_letter():
    # The vowel sign i is written after its consonant and shown before it.
    font = font_for("कि", 80, "hi")
    plain = ImageFont.truetype(font.path, 80, layout_engine=ImageFont.Layout.BASIC)
    plain.set_variation_by_axes([400, 100])
    assert bytes(plain.getmask("क")) == bytes(font.getmask("क"))
    assert bytes(plain.getmask("कि")) != bytes(font.getmask("कि"))


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Rushes", "ar", False),
        ("Rushes للجري", "ar", True),
        ("Rushes للجري", "", False),
        ("للجري Rushes", "", True),
        ("שלום", "en", True),
        ("24", "ar", False),
    ],
)
def test_direction_follows_letters_and_language(text, language, expected):
    assert right_to_left(text, language) is expected


def test_a_script_in_the_tag_decides_the_direction():
    assert reads_right_to_left("ar-EG")
    assert reads_right_to_left("az-Arab-IR")
    assert not reads_right_to_left("ar-Latn")
    assert not reads_right_to_left("de-DE")


@pytest.mark.parametrize("text", ["Stays cold for 24 hours, even on the longest run", ARABIC, "24 घंटे तक ठंडा रहता है"])
def test_a_text_stays_inside_its_place_and_nothing_of_it_is_clipped(text):
    block = set_text(text, width=400, height=200, size=60)
    assert block.width <= 400
    assert block.height <= 200
    image = draw(block, (255, 255, 255))
    assert image.size == (block.width, block.height)
    # Set again on a page with room on all sides: as much ink as before, so none was cut off.
    framed = np.asarray(draw(block, (255, 255, 255), outline=0).getchannel("A"), np.int64).sum()
    page = Image.new("L", (900, 700), 0)
    for number, line in enumerate(block.lines):
        ImageDraw.Draw(page).text(
            (200, 200 + number * block.pitch), line, fill=255, font=block.font, anchor="ls",
            direction="rtl" if block.backwards else "ltr",
        )  # fmt: skip
    assert np.asarray(page, np.int64).sum() == pytest.approx(framed, rel=0.01)


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(st.text("abcdefghijklmnopqrstuvwxyzÄÖßé", min_size=1, max_size=9), min_size=1, max_size=14),
    width=st.integers(120, 600),
)
def test_every_word_is_kept_in_order_and_lines_are_as_wide_as_allowed(words, width):
    text = " ".join(words)
    block = set_text(text, width=width, height=4000, size=24, least=6)
    assert " ".join(block.lines) == text
    assert block.width <= width


def test_lines_of_a_text_are_of_about_one_length():
    block = set_text("one two three four five six seven eight", width=600, height=400, size=60)
    lengths = [block.font.getlength(line) for line in block.lines]
    assert len(lengths) == 2
    assert min(lengths) > 0.6 * max(lengths)


def test_no_break_space_is_no_place_to_break():
    block = set_text("costs only 19,90\u00a0€", width=170, height=400, size=40, least=20)
    assert any("19,90\u00a0€" in line for line in block.lines)


def test_chinese_breaks_between_characters_but_not_before_a_full_stop():
    assert _pieces("保冷一天。") == ["保", "冷", "一", "天。"]


def test_a_text_that_is_too_long_is_refused_with_its_words():
    with pytest.raises(ElementError, match="does not fit 100x30") as caught:
        set_text("a headline of far too many words for this place", width=100, height=30, size=30)
    assert caught.value.error_class == "bad_copy"


def test_an_empty_text_is_refused():
    with pytest.raises(ElementError, match="empty"):
        set_text(" \n", width=100, height=30, size=30)


def test_a_character_that_no_font_has_is_named_with_its_script(monkeypatch):
    monkeypatch.setattr(fonts, "_system", lambda: ())
    face_for.cache_clear()
    with pytest.raises(ElementError, match=r"U\+1201B CUNEIFORM.*Cuneiform") as caught:
        font_for("price 𒀛", 20)
    assert caught.value.error_class == "bad_copy"
    face_for.cache_clear()


def test_joiners_and_marks_of_direction_need_no_glyph():
    assert not face_for("a\u200d\u200f\ufe0f\n b").lacks("a\u200d\u200f\ufe0f\n b")


@pytest.mark.parametrize(
    ("text", "language", "family"),
    [
        ("Grüße", "de", "Noto Sans"),
        ("مرحبا", "ar", "Noto Sans Arabic"),
        ("Rushes 500", "ar", "Noto Sans Arabic"),
        ("שלום", "he", "Heebo"),
        ("नमस्ते", "hi", "Noto Sans"),
        ("Привет", "ru", "Noto Sans"),
    ],
)
def test_packaged_fonts_cover_the_scripts_of_advertising(text, language, family):
    assert face_for(text, language).family == family


def test_a_font_of_the_brand_comes_first_where_it_has_the_letters(monkeypatch):
    brand = face_for("שלום", "he").path
    assert font_for("Flask", 20, files=[brand]).getname()[0] == "Heebo"
    assert font_for("Фляга", 20, files=[brand]).getname()[0] == "Noto Sans"


def test_a_file_of_the_brand_that_is_no_font_is_refused_before_any_work(tmp_path: Path):
    wrong = tmp_path / "brand.ttf"
    wrong.write_bytes(b"not a font")
    with pytest.raises(ConfigError, match=r"brand\.ttf cannot be read as a font"):
        font_for("Flask", 20, files=[wrong])


def test_a_heavier_weight_has_more_ink():
    thin, bold = (set_text("Flask", width=500, height=200, size=60, weight=weight) for weight in (300, 800))
    ink = [np.asarray(draw(block, (0, 0, 0)).getchannel("A"), np.int64).sum() for block in (thin, bold)]
    assert ink[1] > 1.3 * ink[0]


def test_without_fribidi_texts_are_refused_with_what_to_install(monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(ConfigError, match="libfribidi0"):
        font_for("Flask", 20)


def test_the_start_of_a_line_is_right_where_it_is_read_from_the_right():
    block = set_text("قصير\nسطر أطول بكثير", width=500, height=300, size=40, language="ar")
    first = np.asarray(draw(block, (0, 0, 0)).getchannel("A"))[: block.ascent]
    assert np.flatnonzero(first.max(axis=0)).max() >= block.width - 2
    centred = np.asarray(draw(block, (0, 0, 0), align="centre").getchannel("A"))[: block.ascent]
    ink = np.flatnonzero(centred.max(axis=0))
    assert abs((ink.min() + ink.max()) / 2 - block.width / 2) <= 4
