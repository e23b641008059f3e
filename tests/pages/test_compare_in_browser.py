"""The compare page in a browser: nothing is asked of a network, samples are chosen and clips reached by keys, both
themes, a phone's width, and paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pages.browser import chromium, complaints, requested, resized, until
from tests.pages.test_compare import compared_output, written
from transforms import tables

keys = pytest.importorskip("selenium.webdriver.common.keys")


@pytest.fixture(scope="module")
def page(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The page, open in a browser."""
    out = compared_output(reported, tmp_path_factory.mktemp("page"))
    file = out / "compared.html"
    file.write_bytes(written(tables.open_corpus(str(out))))
    with chromium() as browser:
        browser.uri = file.as_uri()
        browser.get(browser.uri)
        yield browser


def shown(page: Any, order: str) -> list[int]:
    """The places in a sample of the clips that are to be seen, from the top."""
    every = "[...document.querySelectorAll('.pair')].filter((p) => p.checkVisibility())"
    return [int(rank) for rank in page.execute_script(f"return {every}.map((p) => p.dataset[arguments[0]])", order)]


def ids(page: Any) -> list[str]:
    """The clips that are to be seen."""
    found: list[str] = page.execute_script(
        "return [...document.querySelectorAll('.pair:not([hidden])')].map((p) => p.id)"
    )
    return found


def clicked(page: Any, element: Any) -> None:
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
    element.click()


def press(page: Any, key: str) -> str:
    page.switch_to.active_element.send_keys(key)
    return page.switch_to.active_element.get_attribute("id")


def test_it_loads_without_a_word_and_asks_for_itself_alone(page: Any):
    assert complaints(page) == []
    assert requested(page) == [page.uri]
    page.execute_script("for (const i of document.images) i.loading = 'eager'")
    until(lambda: page.execute_script("return [...document.images].every((i) => i.complete && i.naturalWidth)"))


def test_what_strangers_wrote_runs_nothing(page: Any):
    assert page.find_elements("css selector", "#pairs script") == []
    assert "<script>alert(5)</script> turns left" in page.find_element("id", "pairs").text


def test_a_sample_is_chosen_by_keys_and_comes_in_its_order(page: Any):
    first = page.find_element("css selector", "input[name=order]")
    clicked(page, first)
    seen = {}
    for order in ("least", "score", "random"):
        chosen = page.switch_to.active_element
        assert chosen.get_attribute("value") == order
        seen[order] = ids(page)
        assert shown(page, order) == list(range(len(seen[order])))
        chosen.send_keys(keys.Keys.ARROW_DOWN)
    assert seen["least"] != seen["random"]
    clicked(page, first)


def test_clips_are_reached_by_keys(page: Any):
    there = ids(page)
    clicked(page, page.find_element("css selector", "h1"))
    assert press(page, "j") == there[0]
    assert press(page, "j") == there[1]
    top = page.execute_script("return document.activeElement.getBoundingClientRect().top")
    assert 0 <= top < page.execute_script("return innerHeight")
    assert press(page, "k") == there[0]
    assert press(page, "k") == there[0]


def test_words_of_one_alone_are_underlined_unless_unwanted(page: Any):
    line = "return getComputedStyle(document.querySelector('.pair mark')).textDecorationLine"
    box = page.find_element("id", "marks")
    assert page.execute_script(line) == "underline"
    clicked(page, box)
    assert page.execute_script(line) == "none"
    clicked(page, box)
    scripted = next(one for one in page.find_elements("css selector", ".pair") if "alert(5)" in one.text)
    marked = [mark.text for mark in scripted.find_elements("css selector", "mark")]
    assert marked == ["script", "alert", "5", "script", "left", "red", "car", "right"]


@pytest.mark.parametrize("width", [360, 768, 1400])
def test_no_width_scrolls_sideways(page: Any, width: int):
    resized(page, width)
    until(lambda: page.execute_script("return document.documentElement.scrollWidth") <= width)


def test_both_themes_draw_a_and_b_apart(page: Any):
    strokes = "return [...document.querySelectorAll('.histogram path')].map((p) => getComputedStyle(p).stroke)"
    seen = {}
    for theme in ("light", "dark"):
        page.execute_script("document.documentElement.dataset.theme = arguments[0]", theme)
        seen[theme] = page.execute_script(strokes)
        assert len(set(seen[theme])) == 4  # Agreement, A, B and the axis.
    assert not set(seen["light"]) & set(seen["dark"])


def test_paper_has_the_clips_but_no_controls(page: Any):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not page.find_element("css selector", "fieldset.controls").is_displayed()
        assert page.find_element("css selector", ".pair .said").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_no_console_message_in_all_that(page: Any):
    assert complaints(page) == []
    assert requested(page) == []
