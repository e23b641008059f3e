"""Style: every text can be read on every ground it stands on, in light and in dark (WCAG 2.2, AA: 4.5 to 1)."""

from __future__ import annotations

import re

import pytest

from pages.rendering import asset_text

COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([a-z-]+): light-dark\((#\w{6}), (#\w{6})\)", asset_text("page.css"))
}
GROUNDS = ("ground", "panel", "sunk")
TEXTS = [(text, ground) for text in ("ink", "quiet", "accent", "kept", "dropped", "failed") for ground in GROUNDS]
CHIPS = [(name, f"{name}-soft") for name in ("kept", "dropped", "failed")]


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), [*TEXTS, *CHIPS, ("on-accent", "accent"), ("panel", "kept")])
def test_text_can_be_read(text, ground, theme):
    assert contrast(COLOURS[text][theme], COLOURS[ground][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["kept", "dropped", "failed", "gradual", "accent", "strong-line"])
def test_what_is_drawn_or_framed_can_be_seen(name, theme):
    assert min(contrast(COLOURS[name][theme], COLOURS[ground][theme]) for ground in ("ground", "panel")) >= 3


@pytest.mark.parametrize("name", ["page.css", "theme.js", "report.js", "timeline.js", "compare.css", "compare.js"])
def test_assets_ask_nothing_of_a_network(name):
    assert not re.search(r"https?:|@import|url\(|\bfetch\(|XMLHttpRequest|\beval\(", asset_text(name))
