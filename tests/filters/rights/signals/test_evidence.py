"""Evidence: a site's no is lifted by what its owners granted in writing, and by nothing less."""

from __future__ import annotations

import pytest

from filters.rights.precedence import Match, Question, decide
from filters.rights.signals import evidence
from filters.rights.signals.signal import Signal, saying
from tests.filters.rights.said import day, entries, say


def signal(place: str = "site", answer: str = "deny", protocol: str = "robots") -> Signal:
    return Signal(
        protocol=protocol, place=place, about="https://ex.org/a.mp4", uri="https://ex.org/robots.txt",
        fetched_at=day(1), says=saying(answer, ["train"]), words="no",
    )  # fmt: skip


HERE = Match("film", "url_prefix", "i-1")
BOTH = Match("both", "domain", "i-2")
DE = frozenset(["DE"])


@pytest.mark.parametrize(
    ("statements", "matches", "asked", "lifted"),
    [
        ([], [HERE], {}, False),
        ([say("yes", "grant")], [HERE], {}, True),
        ([say("yes", "grant", work="saga")], [HERE], {}, True),
        ([say("yes", "grant", uses=["display"])], [HERE], {}, False),
        ([say("yes", "grant", valid_until=day(19))], [HERE], {}, False),
        ([say("yes", "grant", "shady")], [HERE], {}, False),
        ([say("yes", "grant", "bolt")], [HERE], {}, False),  # not whose site it is
        ([say("yes", "grant", components=["picture"])], [HERE], {}, False),
        ([say("yes", "grant", territories=["DE"])], [HERE], {"territories": DE}, True),
        ([say("yes", "grant", territories=["DE"])], [HERE], {"territories": DE | {"FR"}}, False),
        ([say("yes", "grant", territories=["DE"])], [HERE], {}, False),
        ([say("yes", "grant", recipients=["lab"])], [HERE], {}, False),
        ([say("yes", "grant", recipients=["lab"])], [HERE], {"recipient": "lab"}, True),
        ([say("yes", "grant"), say("no", "opt_out", on=2)], [HERE], {}, False),
        ([say("yes", "grant"), say("r", "revoke", on=2, target="yes")], [HERE], {}, False),
        ([say("yes", "grant"), say("d", "dispute", "shady")], [HERE], {}, False),
        ([say("yes", "grant", "bolt", "both")], [BOTH], {}, False),
        ([say("yes", "grant", "bolt", "both"), say("too", "grant", "acme", "both")], [BOTH], {}, True),
        ([say("yes", "grant")], [Match("film", "text", "i-3")], {}, False),  # a title is no address
        ([say("yes", "grant")], [Match("film", "sha256", "i-4")], {}, False),
    ],
)
def test_what_lifts_the_word_of_a_site(statements, matches, asked, lifted):
    question = Question(**{"use": "train", "regime": "opt-in", "at": day(20), **asked})
    licensed = decide(question, matches, entries(*statements))
    assert bool(evidence.as_findings([signal()], "train", licensed)) is not lifted
    assert bool(evidence.gaps([signal(answer="unknown")], "train", registry=licensed)) is not lifted
    assert evidence.as_findings([signal("file", protocol="credentials")], "train", licensed)  # goes with the bytes
