"""Subjects: what somebody may mean who asks after a name."""

from __future__ import annotations

from typing import Any

import pytest

from filters.rights import registry
from filters.rights.records import IdentifierRow, identifier_id
from filters.rights.registry import Registry, Version
from filters.rights.subjects import find
from tests.filters.rights.said import PARTIES, WORKS, put, say

HASH = "ab" * 32


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> tuple[Registry, Version]:
    held = registry.create(str(tmp_path_factory.mktemp("subjects") / "rights"))
    known: list[tuple[str, str, str, dict[str, Any]]] = [
        ("film", "url_prefix", "example.org/film/", {}),
        ("duck", "url_prefix", "example.org/duck/", {"withdrawn": True}),
        ("film", "text", "The Film", {"aliases": ["Фильм", "電影"]}),
        ("duck", "sha256", HASH, {"component": "character"}),
        ("both", "account", "youtube:UCabc", {}),
    ]
    rows = [
        IdentifierRow(identifier_id=identifier_id(work, kind, value), work_id=work, kind=kind, value=value, **more)
        for work, kind, value, more in known
    ]
    said = [say("acme-1", "opt_out"), say("x", "exclude", subject="https://example.org/other.mp4")]
    return held, put(held, *PARTIES.values(), *WORKS.values(), *rows, *said)


@pytest.mark.parametrize(
    ("text", "works", "parties", "statements", "matched"),
    [
        ("film", ["film"], [], [], []),
        ("the film", ["film"], [], [], ["text"]),
        (" Mia ", ["mia"], ["mia"], [], []),
        ("RIGHTS TEAM", [], ["team"], [], []),
        ("acme-1", [], [], ["acme-1"], []),
        ("фильм", [], [], [], ["text"]),
        ("電影", [], [], [], ["text"]),
        ("https://Example.org/film/", [], [], [], ["url_prefix"]),
        ("example.org/duck/", [], [], [], []),  # withdrawn
        (HASH.upper(), [], [], [], ["sha256"]),
        (f"sha256:{HASH}", [], [], [], ["sha256"]),
        ("youtube:ucabc", [], [], [], ["account"]),
        ("HTTPS://example.org:443/other.mp4", [], [], ["x"], []),
        ("nobody", [], [], [], []),
        ("", [], [], [], []),
    ],
)
def test_the_table(state, text, works, parties, statements, matched):
    found = find(state[0], state[1], text)
    assert [list(found.works), list(found.parties), list(found.statements)] == [works, parties, statements]
    assert [match.kind for match in found.matches] == matched
    assert bool(found) == bool(works or parties or statements or matched)


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("https://example.org/film/one.mp4?x=1", "url_prefix", "within example.org/film"),
        ("example.org/film/one.mp4", "url_prefix", "within example.org/film"),
        ("a poster of THE FILM, in colour", "text", "the question: “THE FILM” at 12-20"),
    ],
)
def test_footage_is_recognised_as_jobs_recognise_it(state, text, kind, words):
    (match,) = find(state[0], state[1], text).matches
    assert (match.work_id, match.kind) == ("film", kind)
    assert words in match.words
    assert not find(state[0], state[1], text.replace("ilm", "ilter").replace("ILM", "ILTER"))


def test_a_match_says_which_component_it_recognises(state):
    (match,) = find(state[0], state[1], HASH).matches
    assert (match.work_id, match.component, match.strength) == ("duck", "character", None)
    assert find(state[0], state[1], HASH).footage == {f"sha256:{HASH}"}
