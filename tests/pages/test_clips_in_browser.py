"""Clip files play in a real browser, to their end, at their size and length, however they were made."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pages.browser import chromium, until
from tests.transforms.numbered import FRAMES, RATE, SIZE, render
from transforms.cutting import ClipSettings, Span, cut
from transforms.probe import probe

_X264 = {"preset": "veryfast", "g": "24", "bf": "2", "sc_threshold": "0"}
_QUICK = ClipSettings(clip_preset="veryfast", clip_thumbnail=False, clip_strip=0)
MADE = {
    "copied": dataclasses.replace(_QUICK, clips="copy"),
    "joined": dataclasses.replace(_QUICK, clips="smart"),
    "encoded": dataclasses.replace(_QUICK, clips="transcode"),
    "encoded, AV1 and Opus": dataclasses.replace(_QUICK, clips="transcode", clip_codec="av1", clip_preset="12"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all."""
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A numbered film with sound."""
    path = tmp_path_factory.mktemp("playing") / "a.mp4"
    render(path, options=_X264)
    return path


@pytest.mark.parametrize("how", MADE)
def test_a_clip_plays_to_its_end(how: str, browser: Any, source: Path, tmp_path: Path) -> None:
    found = probe(str(source))
    tick = found.video["time_base_den"] // found.video["time_base_num"] // RATE
    start, end = found.index.bounds() or (0, 0)
    span = Span("clip", start + 13 * tick, start + (FRAMES - 20) * tick)
    assert span.end_pts < end
    (piece,) = cut(str(source), found.video, found.index, [span], MADE[how], tmp_path)
    assert piece.error is None
    assert piece.fell_back is None
    page = tmp_path / "page.html"
    page.write_text(f'<video id="v" muted src="{piece.name}"></video>')
    browser.get(page.as_uri())
    browser.execute_script("document.getElementById('v').playbackRate = 4; document.getElementById('v').play()")
    said = "const v = document.getElementById('v');"

    def over() -> Any:
        return browser.execute_script(f"{said} return v.ended || v.error && v.error.message")

    assert until(over) is True
    width, height, seconds, shown = browser.execute_script(
        f"{said} return [v.videoWidth, v.videoHeight, v.duration, v.getVideoPlaybackQuality().totalVideoFrames]"
    )
    assert (width, height) == SIZE
    # Sound comes in packets: a copied or padded last one may end up to one later than the pictures.
    assert seconds == pytest.approx(piece.frames / RATE, abs=0.5 / RATE + 1024 / 48000)
    assert shown > 0
