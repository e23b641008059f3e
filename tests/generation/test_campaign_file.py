"""Campaign files: what is wrong is told with its line, all of it at once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from generation.campaign import Campaign
from generation.campaign_file import load_campaign, load_offers, schema, with_engine
from generation.cells import cells, exclusion
from generation.plans import REFUSALS
from tests.generation.campaigns import SMALL, loaded, small
from transforms.settings import ConfigError

BASE = """\
campaign: test
brand: {name: Lumbrel}
languages:
  en: {}
  ar: {}
formats:
  wide: {width: 1280, height: 720, seconds: 6}
storyboards:
  main:
    shots:
      - name: one
        prompt: a cup
copy:
  headline: {en: Warm, ar: دفء}
"""
"""A campaign whose lines are known: what follows is line 15."""


def told(folder, text):
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return str(caught.value).splitlines()


def test_the_example_is_right_and_has_24_cells_in_three_languages_and_formats():
    campaign = load_campaign(str(Path(__file__).parents[2] / "examples" / "campaign.yaml"))
    made = [cell for cell in cells(campaign) if exclusion(campaign, cell) is None]
    assert len(made) == 24
    assert {cell.level("language") for cell in made} == {"en", "de", "ar"}
    assert {cell.level("format") for cell in made} == {"wide", "story", "square"}


def test_files_have_the_digests_of_their_bytes(tmp_path):
    (tmp_path / "flask.png").write_bytes(b"here")
    campaign = loaded(tmp_path, small())
    assert campaign.file("flask.png").sha256 == hashlib.sha256(b"here").hexdigest()
    assert campaign.file("flask.png").uri == str(tmp_path / "flask.png")


@pytest.mark.parametrize(
    ("was", "now", "line", "words"),
    [
        ("seconds: 6", "seconds: soon", 7, "formats.wide.seconds: 'soon': input should be a valid number"),
        ("width: 1280", "widht: 1280", 7, "formats.wide.widht: there is no such name here; did you mean width?"),
        ("width: 1280", "width: 1281", 7, "formats.wide.width: an even number of pixels"),
        ("campaign: test", "campaign: a b", 1, "campaign: 'a b' is not a name of letters"),
        ("name: one", "nam: one", 11, "storyboards.main.shots[0].nam: there is no such name here"),
        ("a cup", "a {product.name}", 12, "storyboards.main.shots[0].prompt: 'product.name' is not in what may stand"),
        ("ar: دفء", "fr: Chaud", 14, "copy.headline: no text in ar, and none for all languages"),
        ("ar: دفء", "Arabic: x", 14, "copy.headline.Arabic: 'Arabic' is no language tag"),
        ("  ar: {}", "  ar: {markets: [sa]}", 5, "languages.ar.markets[0]: 'sa' is not a country by its two letters"),
        ("  ar: {}", "  arabic: {}", 5, "languages.arabic: 'arabic' is no language tag"),
        ("{name: Lumbrel}", "{name: Lumbrel, logo: no.png}", 2, "brand.logo: no.png: No such file"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, was, now, line, words):
    assert was in BASE
    found = told(tmp_path, BASE.replace(was, now, 1))
    assert any(one.startswith(f"campaign.yaml:{line}: {words}") for one in found), found


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("matrix: {languages: [en]}", 15, "matrix.languages: 'languages' is not in the dimensions of this campaign"),
        ("matrix: {language: [en, fr]}", 15, "matrix.language[1]: 'fr' is not in language"),
        ("matrix: {language: [en, en]}", 15, "matrix.language[1]: 'en' stands twice"),
        ("exclude:\n  - {format: tall}", 16, "exclude[0].format: 'tall' is not in format"),
        ("exclude: [{}]", 15, "exclude[0]: it names no dimension"),
        ("variants: {language: {a: {b: c}}}", 15, "variants.language: 'language' means something else already"),
        ("variants: {hook: {}}", 15, "variants.hook: it has no levels"),
        ("budget: {campaign: 1.0000001}", 15, "budget.campaign: 1.0000001 is no amount of money"),
        ("budget: {currency: euro}", 15, "budget.currency: 'euro' is not a currency"),
        ("naming: '{camel}'", 15, "naming: 'camel' is not in what may stand in braces"),
        ("compare: [hook]", 15, "compare[0]: 'hook' is not in the dimensions"),
        ("tiers: {draft: {engine: animatic, dialect: klingon}}", 15, "tiers.draft.dialect: 'klingon' is not in"),
        ("matrix: {rows: cells.csv}", 15, "matrix.rows: cells.csv"),
        ("products: {p: {name: {en: P}, price: 5}}", 15, "products.p.price: a text, or texts by language"),
    ],
)
def test_what_names_what_is_not_there_is_told_with_its_line(tmp_path, more, line, words):
    found = told(tmp_path, BASE + more + "\n")
    assert any(one.startswith(f"campaign.yaml:{line}: {words}") for one in found), found


def test_shots_that_go_on_from_what_is_not_before_them_are_told(tmp_path):
    shots = [
        {"name": "one", "prompt": "a", "continues": "two"},
        {"name": "two", "prompt": "b", "references": ["last", "song"]},
        {"name": "two", "prompt": "c", "continues": "one", "remixes": "one"},
    ]
    references = {"last": {"file": "anna.png", "role": "last_frame"}, "song": {"file": "song.m4a", "role": "sound"}}
    boards = {"main": {"shots": shots, "music": "last"}}
    found = told(tmp_path, small(storyboards=boards, references=references))
    for words in (
        "main.shots[0].continues: 'two' is not in the shots before it",
        "main.shots[1].references: a last frame needs a first one",
        "main.shots[2].name: 'two' is the name of shot 2 already",
        "main.shots[2].remixes: a shot goes on from another or is it again, not both",
        "main.music: 'last' has the role last_frame, and music has the role sound",
    ):
        assert any(words in one for one in found), (words, found)


def test_everything_wrong_is_told_at_once_in_the_order_of_lines(tmp_path):
    found = told(tmp_path, BASE.replace("campaign: test", "campaign: a b").replace("seconds: 6", "seconds: 0"))
    assert [one.split(":")[1] for one in found] == ["1", "7"]


def test_a_legal_line_is_needed_only_where_its_market_is(tmp_path):
    brand = {"name": "Lumbrel", "legal": {"DE": {"de": "inkl. MwSt."}}}
    loaded(tmp_path, small(brand=brand))
    found = told(tmp_path, small(brand={"name": "Lumbrel", "legal": {"US": {"de": "ohne Steuer"}}}))
    assert found[0].endswith("brand.legal.US: no text in en, and none for all languages (`*`)")


def test_texts_that_nobody_needs_may_lack_a_language(tmp_path):
    loaded(tmp_path, small(exclude=[{"audience": "riders", "language": "de"}], audiences={
        "hikers": {"place": "a", "headline": {"en": "Up", "de": "Hinauf"}},
        "riders": {"place": "b", "headline": {"en": "On"}},
    }))  # fmt: skip


def test_rows_are_checked_with_their_own_lines(tmp_path):
    (tmp_path / "cells.csv").write_text("product,language,samples\nflask,en,2\nmug,en,\nflask,en,9\ncup,de,no\n")
    found = told(tmp_path, small(matrix={"rows": "cells.csv"}))
    for words in (
        "cells.csv:3: 'mug' is not in product",
        "cells.csv:4: the same combination as in line 2",
        "cells.csv:5: samples: 'no'",
    ):
        assert any(words in one for one in found), (words, found)
    assert all(one.startswith(f"campaign.yaml:{found[0].split(':')[1]}: matrix.rows: ") for one in found)


def test_a_dimension_of_the_matrix_cannot_be_a_column_too(tmp_path):
    (tmp_path / "cells.csv").write_text("product\nflask\n")
    found = told(tmp_path, small(matrix={"rows": "cells.csv", "product": ["cup"]}))
    assert "cells.csv has a column of that name" in found[0]


def test_what_an_engine_cannot_be_is_told_with_its_line(tmp_path):
    campaign = loaded(tmp_path, BASE + "tiers:\n  draft: {engine: 'animatic,colour=3'}\n")
    with pytest.raises(ConfigError, match=r"campaign\.yaml:16: tiers\.draft\.engine: .*colour"):
        load_offers(campaign)
    assert load_offers(with_engine(campaign, "animatic"))["draft"].model == "animatic"


def test_only_tiers_that_are_used_have_to_work(tmp_path):
    tiers = {"draft": {"engine": "animatic"}, "final": {"engine": "nothing"}}
    assert list(load_offers(loaded(tmp_path, small(tiers=tiers)))) == ["draft"]
    with pytest.raises(ConfigError, match="nothing"):
        load_offers(loaded(tmp_path, small(tiers=tiers, matrix={"tier": ["final"]})))


def test_a_file_that_is_not_there_or_is_no_text_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_campaign(str(tmp_path / "none.yaml"))
    (tmp_path / "x.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"x\.yaml:2: letters that are no UTF-8"):
        load_campaign(str(tmp_path / "x.yaml"))


def test_the_schema_names_every_part_and_its_meaning():
    made = schema()
    assert set(yaml.safe_load(BASE)) <= set(made["properties"])
    assert made["properties"]["sample_cells"]["description"] == "Cells to be approved before the others are made."
    json.dumps(made)


def test_a_campaign_cannot_be_changed():
    campaign = Campaign.model_validate({**SMALL, "copy": {}})
    with pytest.raises(ValueError, match="frozen"):
        campaign.samples = 2


def test_the_smallest_campaign_of_the_documentation_is_right(tmp_path):
    text = (Path(__file__).parents[2] / "docs" / "campaign.md").read_text("utf-8")
    smallest = text.split("## The smallest one")[1].split("```text\n")[1].split("```")[0]
    assert len(list(cells(loaded(tmp_path, smallest)))) == 1


def test_the_documentation_names_every_part_and_reason():
    text = (Path(__file__).parents[2] / "docs" / "campaign.md").read_text("utf-8")
    parts = {field.alias or name for name, field in Campaign.model_fields.items()} - {"version", "campaign", "salt"}
    assert all(f"`{name}`" in text for name in parts)
    assert all(f"| `{name}` |" in text for name in REFUSALS)
