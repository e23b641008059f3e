"""Works in references: the registry's word for each of them, and a whole plan with it."""

from __future__ import annotations

import functools

import pytest

from filters.rights import prompts, registry
from generation.preparing import prepare_all
from generation.works import WorksAsked, decide_works
from tests.filters.rights.said import EVERYBODY, day, put, say
from tests.generation.campaigns import planned, shots, small

SAID = [say("eva-yes", "grant", "eva", "eva", through="agent", uses=["generate", "display"], territories=["DE"])]


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    there = registry.create(str(tmp_path_factory.mktemp("registry")))
    return prompts.ready(there, put(there, *EVERYBODY, *SAID), day(20))


@pytest.mark.parametrize(
    ("works", "markets", "verdict"),
    [(("eva",), ("DE",), "allow"), (("eva",), ("DE", "US"), "deny"), (("una",), ("DE",), "deny"),
     (("eva", "nobody"), ("DE",), "unknown")],
)  # fmt: skip
def test_a_consent_holds_where_it_was_given(held, works, markets, verdict):
    (found,) = decide_works(held, [WorksAsked(works=works, components=("face", "picture"), markets=markets)])
    assert found.verdict == verdict
    assert bool(found.words) == (verdict != "allow")


def test_a_person_is_planned_only_for_the_markets_of_the_consent(held, tmp_path):
    references = {"eva": {"file": "anna.png", "likeness": "eva"}}
    values = small(storyboards=shots({}, subjects=["eva"]), references=references)
    works = functools.partial(decide_works, held)
    found = planned(tmp_path, values, works=works, words=functools.partial(prepare_all, held=held))
    assert {one.copy.language for one in found.assets} == {"de"}
    assert {(one.reason, "language=en" in one.cell) for one in found.refusals} == {("works", True)}
    assert all(one.works == ("eva",) for one in found.assets)
