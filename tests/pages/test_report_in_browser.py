"""Report in a browser: it loads from a file without a word on the console or the network; themes, contact sheets and
the timeline answer to mouse, touch and keys; a phone needs no sideways scrolling."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pages.report import write_report
from tests.pages.browser import chromium, complaints, requested, resized, until

keys = pytest.importorskip("selenium.webdriver.common.keys")
CENTRED = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})"
actions = pytest.importorskip("selenium.webdriver.common.action_chains")


@pytest.fixture(scope="module")
def page(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The report, open in a browser, with how to ask it."""
    out = tmp_path_factory.mktemp("page") / "out"
    shutil.copytree(reported, out)
    uri = write_report(str(out))
    with chromium() as browser:
        browser.uri = Path(uri).as_uri()
        browser.get(browser.uri)
        until(lambda: len(browser.find_elements("css selector", ".js-plotly-plot .main-svg")) >= 9)
        yield browser


def one(page: Any, selector: str) -> Any:
    return page.find_element("css selector", selector)


def shown(page: Any) -> str:
    return page.execute_script("return document.getElementById('track').getAttribute('aria-valuetext')")


def value(page: Any, name: str) -> str:
    pairs = re.findall(r"(time|frame) ([\d:.,]+) of", shown(page))
    return dict(pairs)[name].replace(",", "")


def theme(page: Any, wanted: str) -> None:
    until(lambda: (one(page, "#theme").text == wanted) or one(page, "#theme").click())


def test_it_loads_without_a_word_and_asks_for_itself_alone(page):
    assert complaints(page) == []
    assert requested(page) == [page.uri]
    ink = page.execute_script("return getComputedStyle(document.querySelector('#plot-flow .node-label')).fill")
    assert ink == page.execute_script("return colourOf('--ink')")


def test_what_strangers_wrote_runs_nothing(page):
    assert page.execute_script("return document.querySelectorAll('[onerror], img[src=x]').length") == 0
    assert one(page, "#failures").text.count("</script><script>alert(2)</script>") >= 1


def test_the_theme_switch_recolours_page_and_plots(page):
    seen = {}
    for name in ("Light", "Dark"):
        theme(page, name)
        seen[name] = page.execute_script(
            "return [getComputedStyle(document.body).backgroundColor,"
            " getComputedStyle(document.querySelector('#plot-seconds .point path')).fill,"
            " document.getElementById('lanes').toDataURL()]"
        )
    assert all(light != dark for light, dark in zip(seen["Light"], seen["Dark"], strict=True))
    assert seen["Dark"][0] == "rgb(19, 22, 25)"


def test_a_clip_tells_its_story_to_mouse_keys_and_touch(page):
    resized(page, 1400)
    dropped = one(page, "[aria-label^='Clips dropped'] .frame")
    tip = one(page, f"#{dropped.get_attribute('id')}-tip")
    page.execute_script(CENTRED, dropped)
    actions.ActionChains(page).move_to_element(dropped).perform()
    until(tip.is_displayed)
    assert re.search(r"too short\s+[\d.]+ \(limit 1\.25\)", tip.text)
    assert dropped.get_attribute("aria-describedby") == tip.get_attribute("id")
    actions.ActionChains(page).move_to_element(one(page, "h1")).perform()
    until(lambda: not tip.is_displayed())

    kept = page.find_elements("css selector", "[aria-label='Kept clips'] .frame")
    assert [frame.get_attribute("tabindex") for frame in kept] == ["0"] + ["-1"] * (len(kept) - 1)
    page.execute_script("arguments[0].focus()", kept[0])
    page.switch_to.active_element.send_keys(keys.Keys.ARROW_RIGHT)
    second = page.switch_to.active_element
    assert second == kept[1]
    told = one(page, f"#{second.get_attribute('id')}-tip")
    until(told.is_displayed)
    assert "Kept" in told.text
    second.send_keys(keys.Keys.ESCAPE)
    until(lambda: not told.is_displayed())

    page.execute_script("arguments[0].dispatchEvent(new PointerEvent('pointerenter', {pointerType: 'touch'}))", dropped)
    assert not tip.is_displayed(), "a finger that scrolls past opens nothing"
    page.execute_script("arguments[0].click()", dropped)
    until(tip.is_displayed)
    page.execute_script("arguments[0].dispatchEvent(new PointerEvent('pointerdown', {bubbles: true}))", one(page, "h1"))
    assert not tip.is_displayed()


def test_the_timeline_is_scrubbed_by_keys(page):
    track = one(page, "#track")
    track.send_keys(keys.Keys.HOME)
    assert value(page, "frame") == "0"
    track.send_keys(keys.Keys.ARROW_RIGHT)
    assert value(page, "frame") == "1"
    assert "0.040" in value(page, "time")
    track.send_keys(keys.Keys.SHIFT + keys.Keys.ARROW_RIGHT)
    assert value(page, "time") == "0:01.040"
    track.send_keys(keys.Keys.NULL + keys.Keys.HOME)
    track.send_keys(".")
    frames = page.execute_script("return JSON.parse(document.getElementById('timelines').textContent)[0].cuts")
    assert value(page, "frame") == str(frames[0]["to"])
    assert "cut by " in shown(page)
    assert "change" in one(page, "#readout").text
    track.send_keys(keys.Keys.END)
    track.send_keys(",")
    assert value(page, "frame") == str(frames[-1]["to"])
    assert f"frame {frames[-1]['to']}" in one(page, "#screen + figcaption").text


def test_the_timeline_is_scrubbed_by_the_mouse_and_a_video_chosen(page):
    track = one(page, "#track")
    page.execute_script(CENTRED, track)
    track.send_keys(keys.Keys.HOME)
    drag = actions.ActionChains(page).move_to_element(track).click_and_hold().perform
    drag()
    middle = int(value(page, "frame"))
    actions.ActionChains(page).move_by_offset(200, 0).release().perform()
    later = int(value(page, "frame"))
    assert 0 < middle < later
    actions.ActionChains(page).move_by_offset(-300, 0).perform()
    assert int(value(page, "frame")) == later, "a mouse that is not pressed moves nothing"
    picture = "return document.getElementById('screen').toDataURL()"
    before = page.execute_script(picture)
    name = shown(page)
    page.execute_script(
        "const c = document.getElementById('video'); c.selectedIndex = 1; c.dispatchEvent(new Event('change'))"
    )
    until(lambda: page.execute_script(picture) != before)
    assert shown(page) != name


@pytest.mark.parametrize("width", [360, 390, 768, 1400])
def test_no_width_scrolls_sideways(page, width):
    resized(page, width)
    wide = "return [innerWidth, document.documentElement.scrollWidth, document.body.scrollWidth]"
    until(lambda: max(page.execute_script(wide)) <= width)


def test_no_console_message_in_all_that(page):
    assert complaints(page) == []
    assert requested(page) == []
