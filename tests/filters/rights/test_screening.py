"""Screening: a site's no is lifted by a grant for the source's own address, and by no other column of its list."""

from __future__ import annotations

import pytest

from filters.rights import policy, registry
from filters.rights.policy import RightsSettings
from filters.rights.records import IdentifierRow, identifier_id
from filters.rights.screening import Screen, Subject
from filters.rights.signals.signal import Spot, saying
from tests.filters.rights.said import EVERYBODY, day, put, say

KNOWN = (("url_prefix", "b/film.mp4"), ("url_prefix", "ok.org/watch"), ("account", "x:1"))
FILM, ELSEWHERE, PAGE, OTHER = "s3://b/film.mp4", "https://evil.org/a.mp4", "https://ok.org/watch", "https://p.org/1"


@pytest.fixture(scope="module")
def screen(tmp_path_factory) -> Screen:
    held = registry.create(str(tmp_path_factory.mktemp("registry")))
    known = [
        IdentifierRow(identifier_id=identifier_id("film", kind, value), work_id="film", kind=kind, value=value)
        for kind, value in KNOWN
    ]
    put(held, *EVERYBODY, *known, say("yes", "grant"))
    return Screen(policy.pinned(RightsSettings(), held.root, 1))


@pytest.mark.parametrize("answer", ["deny", "unknown"])
@pytest.mark.parametrize(
    ("uri", "metadata", "about", "lifted"),
    [
        (ELSEWHERE, {}, ELSEWHERE, False),
        (ELSEWHERE, {"thumbnail": FILM}, ELSEWHERE, False),
        (ELSEWHERE, {"page": PAGE}, ELSEWHERE, False),
        (ELSEWHERE, {"page": PAGE}, PAGE, True),
        (ELSEWHERE, {"page": OTHER, "thumbnail": FILM}, OTHER, False),
        (FILM, {"page": OTHER}, OTHER, True),
        (PAGE, {}, PAGE, True),
        (PAGE + "?token=a", {}, "https://cdn.org/9.mp4", True),  # where it leads
        (ELSEWHERE, {"account": "x:1"}, ELSEWHERE, True),
    ],
)
def test_whose_grant_lifts_what_a_site_says(screen, uri, metadata, about, lifted, answer):
    signal = Spot("robots.txt", "site", about, about, day(1)).signal(saying(answer, ["train"]), "no")
    rows = {row.use: row for row in screen.rows(Subject(uri, metadata, "ab" * 32, signals=(signal,)))}
    assert rows["train"].verdict == ("allow" if lifted else answer)
