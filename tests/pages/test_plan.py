"""The page about a plan: long tables are cut and say so, and nothing of a campaign becomes markup."""

from __future__ import annotations

from pages.plan import MOST, Strip, render_plan

FACTS = {
    "campaign": "<i>c</i>",
    "cells": 3,
    "excluded": 0,
    "cost": "0.00",
    "budget": "1.00",
    "currency": "USD",
    "policy": "",
}
CELL = {
    "cell": "language=en", "planned": True, "name": "<script>x</script>", "language": "en", "format": "wide",
    "width": 1, "height": 1, "seconds": 6.0, "platform": "", "markets": [], "requests": ["r"], "lint": [],
}  # fmt: skip
REFUSED = {"cell": "language=ar", "planned": False, "reason": "words", "words": "why & where", "entries": []}


def page(cells, notes=()):
    strips = [Strip("wide", 6.0, (("one", 0.0, 0.75), ("end card", 0.75, 0.25)))]
    return render_plan(FACTS, [], strips, cells, [], notes).decode()


def test_nothing_of_a_campaign_becomes_markup():
    made = page([CELL, REFUSED], ["<b>note</b>"])
    for markup in ("<i>c</i>", "<script>x</script>", "<b>note</b>"):
        assert markup not in made
    assert "why &amp; where" in made
    assert "end card from 4.5 s" in made


def test_long_tables_are_cut_and_say_so():
    made = page([CELL] * (MOST + 1))
    assert made.count("&lt;script&gt;x") == MOST
    assert f"The first {MOST} of {MOST + 1}" in made


def test_a_plan_of_nothing_says_so():
    made = page([])
    assert "There is nothing to send." in made
    assert 'href="#refused"' not in made
