"""Cells, and what stands in braces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.cells import Cell, cells, dimensions, exclusion, fields, fill, known_names, tiers_used, used
from tests.generation.campaigns import loaded, small

CELL = Cell(coordinates={"product": "flask", "audience": "riders", "language": "de", "format": "wide"})


def test_every_combination_is_a_cell_once(tmp_path):
    found = [cell.name for cell in cells(loaded(tmp_path, small()))]
    assert len(found) == len(set(found)) == 16
    assert found[0] == "product=flask/audience=hikers/storyboard=main/language=en/format=wide/tier=draft"


def test_a_matrix_takes_some_levels_and_the_first_tier_where_it_names_none(tmp_path):
    tiers = {"draft": {"engine": "animatic"}, "final": {"engine": "animatic"}}
    campaign = loaded(tmp_path, small(tiers=tiers, matrix={"product": ["cup"], "language": ["de", "en"]}))
    assert {cell.level("tier") for cell in cells(campaign)} == {"draft"}
    assert {cell.level("product") for cell in cells(campaign)} == {"cup"}
    campaign = loaded(tmp_path, small(tiers=tiers, matrix={"tier": ["final", "draft"]}))
    assert tiers_used(campaign) == ("final", "draft")
    assert len(list(cells(campaign))) == 32


def test_a_campaign_without_products_has_no_such_dimension(tmp_path):
    boards = {"main": {"shots": [{"name": "one", "prompt": "p"}]}}
    campaign = loaded(tmp_path, small(products=None, audiences=None, copy=None, storyboards=boards))
    assert list(dimensions(campaign)) == ["storyboard", "language", "format", "tier"]


def test_an_exclusion_needs_all_that_it_names(tmp_path):
    campaign = loaded(tmp_path, small(exclude=[{"product": "cup", "language": ["de", "en"], "format": "wide"}]))
    left = [cell for cell in cells(campaign) if exclusion(campaign, cell) is None]
    assert len(left) == 12
    assert all(cell.level("product") == "flask" or cell.level("format") == "story" for cell in left)


def test_names_in_braces_are_filled_in_the_language_that_is_asked_for(tmp_path):
    campaign = loaded(tmp_path, small())
    text = "{brand.name}: {product.name} ({product}) for {audience.place}, {{not this}} {campaign}"
    assert fill(campaign, CELL, text, "de") == "Lumbrel: Flasche (flask) for a platform, {not this} test"
    assert fill(campaign, CELL, "{product.name}", "en-GB") == "Flask"
    assert fields(text) == ["brand.name", "product.name", "product", "audience.place", "campaign"]
    assert used([text]) == {"brand", "product", "audience", "campaign"}


@pytest.mark.parametrize("name", ["product.weight", "audience.nothing", "row.city", "nobody", "hook.line"])
def test_a_name_that_is_not_there_is_told(tmp_path, name):
    with pytest.raises(LookupError, match=name.replace(".", r"\.")):
        fill(loaded(tmp_path, small()), CELL, f"{{{name}}}", "en")


def test_a_text_that_lacks_the_language_is_told(tmp_path):
    with pytest.raises(LookupError, match=r"products\.flask\.name: no text in fr, only in en, de"):
        fill(loaded(tmp_path, small()), CELL, "{product.name}", "fr")


def test_every_known_name_can_be_filled(tmp_path):
    campaign = loaded(tmp_path, small())
    for name in known_names(campaign, ()):
        if name not in ("storyboard", "tier", "product.price", "product.facts"):
            assert fill(campaign, CELL, f"{{{name}}}", "de")


@given(st.text().filter(lambda text: "{" not in text and "}" not in text))
def test_a_text_without_braces_stays_as_it_is(text):
    assert fill(None, CELL, text, "de") == text  # type: ignore[arg-type]
