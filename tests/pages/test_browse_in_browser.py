"""Browse in a browser: pages load without a word on the console and without another host; filters, players, thresholds,
marks and keys work; a phone needs no sideways scrolling."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.pages.browser import chromium, complaints, requested, resized, until
from tests.pages.served import Server, served, with_script
from transforms import tables

keys = pytest.importorskip("selenium.webdriver.common.keys")


class Open(NamedTuple):
    """A browser, the server it looks at, and what that serves."""

    browser: Any
    server: Server
    out: Path
    clips: list[dict[str, Any]]

    def go(self, path: str) -> None:
        self.browser.get(f"{self.server.address}/at/latest/{path}")

    def one(self, selector: str) -> Any:
        return self.browser.find_element("css selector", selector)

    def every(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def text(self, selector: str) -> str:
        return self.browser.execute_script("return document.querySelector(arguments[0]).textContent", selector)

    def run(self, script: str, *given: Any) -> Any:
        return self.browser.execute_script(script, *given)

    def slide(self, selector: str, value: float) -> None:
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        self.run(script, self.one(selector), value)


@pytest.fixture(scope="module")
def opened(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    out = with_script(reported, tmp_path_factory.mktemp("browsed"))
    clips = tables.read(tables.open_corpus(str(out)), "clips").to_pylist(maps_as_pydicts="strict")
    with served(out, review=True) as server, chromium() as browser:
        yield Open(browser, server, out, clips)


@pytest.fixture(autouse=True)
def quiet(opened: Open) -> Iterator[None]:
    """Whatever a test does: nothing on the console, and nobody else is asked."""
    resized(opened.browser, 1400)
    complaints(opened.browser), requested(opened.browser)
    yield
    assert complaints(opened.browser) == []
    assert {urlsplit(url).netloc for url in requested(opened.browser)} <= {f"127.0.0.1:{opened.server.port}"}


def webm(opened: Open) -> dict[str, Any]:
    """The clip of the WebM, which every Chromium can play."""
    found = tables.read(tables.open_corpus(str(opened.out)), "videos").to_pylist()
    video = next(row["video_id"] for row in found if row["video_codec"] == "vp9")
    return next(clip for clip in opened.clips if clip["video_id"] == video)


def cut(opened: Open) -> dict[str, Any]:
    """A clip that a detected cut opens."""
    return next(clip for clip in opened.clips if clip["start_frame"] > 0)


def test_every_page_loads_and_fits_a_phone(opened: Open):
    clip = cut(opened)
    video = f"videos/{clip['video_id']}"
    paths = ["", "clips", f"clips/{clip['clip_id']}", "clips?q=alert", "thresholds", "nothing", video]
    paths += [f"{video}/cuts/{clip['start_frame']}", "tables/clips?columns=all", "tables/failures", "tables/captions"]
    for width in (1400, 390):
        resized(opened.browser, width)
        for path in paths:
            opened.go(path)
            assert opened.text("h1").strip()
            over = opened.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert over <= 0, (path, width)
    # The page that is not there is a complaint of the browser's own, and the only one.
    said = complaints(opened.browser)
    assert all("404" in line and "/nothing" in line for line in said), said


def test_dark_and_light(opened: Open):
    def ground() -> str:
        return opened.run("return getComputedStyle(document.body).backgroundColor")

    opened.go("clips")
    found = set()
    for _ in range(3):
        opened.one("#theme").click()
        found.add(ground())
    assert len(found) == 2
    opened.run("localStorage.clear()")


def test_filters_narrow_the_wall_and_lead_to_a_story(opened: Open):
    opened.go("clips")
    kept = sum(clip["kept"] for clip in opened.clips)
    assert len(opened.every(".wall li")) == len(opened.clips)
    opened.run("document.querySelector('[name=kept]').value = 'yes'")
    opened.run("document.querySelector('[name=measure]').value = 'seconds'")
    opened.one("[name=low]").send_keys("1.5")
    opened.one("form.filters button.main").click()
    longer = sum(clip["kept"] and clip["seconds"] >= 1.5 for clip in opened.clips)
    until(lambda: opened.text("#total") == str(longer))
    assert 0 < longer < kept
    opened.one(".chips a").click()
    until(lambda: opened.text("#total") == str(kept))
    until(lambda: opened.run("return [...document.images].every(i => i.complete && i.naturalWidth)"))
    opened.one(".wall a").click()
    until(lambda: opened.every(".story"))


def test_captions_are_searched_and_shown_as_text(opened: Open):
    opened.go("clips")
    body = opened.one("body")
    body.send_keys("/")
    assert opened.run("return document.activeElement.id") == "q"
    opened.browser.switch_to.active_element.send_keys("alert", keys.Keys.ENTER)
    until(lambda: opened.text("#total") == "1")
    opened.one("body").send_keys("j")
    opened.browser.switch_to.active_element.send_keys(keys.Keys.ENTER)
    until(lambda: opened.every(".said"))
    assert any("<script>alert(3)</script>" in one.text for one in opened.every(".said blockquote"))


def test_keys_walk_the_wall_and_the_clips_of_a_video(opened: Open):
    opened.go("clips")
    body = opened.one("body")
    body.send_keys("j")
    first = opened.run("return document.activeElement.href")
    opened.browser.switch_to.active_element.send_keys("j")
    second = opened.run("return document.activeElement.href")
    opened.browser.switch_to.active_element.send_keys("k")
    assert opened.run("return document.activeElement.href") == first != second
    clip = cut(opened)
    opened.go(f"clips/{clip['clip_id']}")
    opened.one("body").send_keys("k")
    until(lambda: clip["clip_id"] not in opened.browser.current_url)
    opened.one("body").send_keys("j")
    until(lambda: clip["clip_id"] in opened.browser.current_url)


def test_a_clip_plays_from_its_source(opened: Open):
    clip = webm(opened)
    opened.go(f"clips/{clip['clip_id']}")
    until(lambda: opened.run("return document.querySelector('video').readyState") >= 1)
    opened.run("const v = document.querySelector('video'); v.muted = true; v.play()")
    begun = opened.run("return document.querySelector('video').currentTime")
    until(lambda: opened.run("return document.querySelector('video').currentTime") > max(begun, 0.2))
    assert opened.run("return document.querySelector('video').videoWidth") == clip["width"]


def test_what_a_browser_cannot_play_is_said_and_shown_in_frames(opened: Open):
    clip = webm(opened)
    opened.go(f"clips/{clip['clip_id']}")
    opened.run("document.querySelector('video').dispatchEvent(new Event('error'))")
    assert "could not play" in opened.one(".unplayed").text
    assert opened.every(".frames img")


def test_a_moved_threshold_changes_the_counts(opened: Open):
    opened.go("thresholds")
    kept = sum(clip["kept"] for clip in opened.clips)

    def number(name: str) -> int:
        return int(
            opened.run("return document.getElementById(arguments[0]).firstChild.textContent", name).strip("\u2013")
            or -1
        )

    until(lambda: number("kept") == kept)
    assert "default" in opened.text("#yaml") or "quality" in opened.text("#yaml")
    opened.slide("[data-name=min_seconds] input[type=range]", 1000)
    until(lambda: number("kept") < kept)
    assert number("lost") == kept - number("kept")
    assert len(opened.every("#changing li")) == number("lost")
    assert "min_seconds" in opened.text("#yaml")
    assert opened.every("[data-name=min_seconds] rect.out")
    opened.one("#limits button[type=reset]").click()
    until(lambda: number("kept") == kept)


def test_a_moved_threshold_moves_the_cuts_of_a_video(opened: Open):
    clip = cut(opened)
    opened.go(f"videos/{clip['video_id']}")
    until(lambda: opened.every("#drawn g.stays"))
    before = len(opened.every("#listed li"))
    opened.run(
        "const d = document.getElementById('detectors'); d.value = 'stride'; d.dispatchEvent(new Event('change'))"
    )
    until(lambda: opened.every("#sliders [data-name=stride_seconds]"))
    opened.slide("#sliders [data-name=stride_seconds]", 1)
    until(lambda: opened.every("#listed li.comes"))
    assert len(opened.every("#listed li")) > before
    assert "stride_seconds: 1" in opened.text("#yaml")


def test_a_cut_is_marked_and_taken_back(opened: Open):
    clip = cut(opened)
    corpus = tables.open_corpus(str(opened.out))
    opened.go(f"videos/{clip['video_id']}/cuts/{clip['start_frame']}")
    assert len(opened.every(".frames-around li")) >= 12
    until(lambda: opened.run("return [...document.images].every(i => i.complete && i.naturalWidth)"))
    opened.one("#author").send_keys("Ada")
    opened.one("[data-mark=wrong]").click()
    until(lambda: opened.text("#told").startswith("Marked wrong"))
    (row,) = tables.read(corpus, "marks").to_pylist()
    assert (row["video_id"], row["pts"], row["mark"]) == (clip["video_id"], clip["start_pts"], "wrong")
    assert (row["author"], row["detector"]) == ("Ada", clip["start_reason"])
    opened.browser.refresh()
    assert opened.one("[data-mark=wrong]").get_attribute("aria-pressed") == "true"
    opened.one("[data-mark='']").click()
    until(lambda: opened.text("#told") == "Taken back.")
    assert tables.read(corpus, "marks").num_rows == 0


def test_a_page_of_an_earlier_start_writes_nothing(opened: Open, reported: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    clip = cut(opened)
    with served(out, review=True) as server:
        opened.browser.get(f"{server.address}/at/latest/videos/{clip['video_id']}/cuts/{clip['start_frame']}")
        server.shelf.token = "another"
        opened.one("[data-mark=right]").click()
        until(lambda: "load it again" in opened.text("#told"))
    assert tables.read(tables.open_corpus(str(out)), "marks").num_rows == 0
    assert all("403" in line for line in complaints(opened.browser))
    requested(opened.browser)
