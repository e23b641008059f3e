"""Ingredients: what is made with a work or a likeness needs its grants, and its showing must not be refused."""

from __future__ import annotations

from typing import Any

import pytest

from filters.rights import prompts, registry
from filters.rights.ingredients import screen_ingredients
from filters.rights.prompts import Prompt
from tests.filters.rights.said import EVERYBODY, day, put, say

MADE_AND_SHOWN: dict[str, Any] = {"uses": ["generate", "display"]}
SAID = [
    say("film-yes", "grant", work="saga", territories=["DE"], **MADE_AND_SHOWN),
    say("duck-made", "grant", "bolt", "duck", uses=["generate"]),
    say("eva-yes", "grant", "eva", "eva", through="agent", valid_until=day(30), **MADE_AND_SHOWN),
    say("mia-yes", "grant", "mia", "mia", **MADE_AND_SHOWN),
    say("mia-hidden", "opt_out", "mia", "mia", uses=["display"]),
]


@pytest.fixture(scope="module")
def by(tmp_path_factory):
    held = registry.create(str(tmp_path_factory.mktemp("registry")))
    return lambda when: prompts.ready(held, put(held, *EVERYBODY, *SAID), day(when))


CASES = {
    # works, where, the day, verdict, grants by use
    "nothing": ([], [], 20, "allow", []),
    "made and shown": (["film"], ["DE"], 20, "allow", [("display", "film-yes")]),
    "shown elsewhere": (["film"], ["DE", "AT"], 20, "deny", None),
    "a grant to make alone": (["duck"], [], 20, "allow", [("generate", "duck-made")]),
    "a likeness": (["eva"], [], 20, "allow", [("display", "eva-yes")]),
    "a likeness after its last day": (["eva"], [], 40, "deny", []),
    "a likeness without consent": (["una"], [], 20, "deny", []),
    "showing refused": (["mia"], [], 20, "deny", None),
    "one of two": (["duck", "una"], [], 20, "deny", [("generate", "duck-made")]),
    "a stranger": (["duck", "nobody-knows-it"], [], 20, "unknown", []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_may_be_made_with_and_on_whose_word(by, case):
    works, places, when, verdict, grants = CASES[case]
    found = screen_ingredients(by(when), works, Prompt((), frozenset(places)))
    assert found.verdict == verdict
    assert bool(found.words) == (verdict != "allow")
    if grants is not None:
        assert [(use, licence.grant.statement_id) for use, licence in found.licences] == grants
