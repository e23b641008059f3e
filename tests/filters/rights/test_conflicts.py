"""Conflicts: contradictions are the ties that decide, and shares are added up per territory and moment."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights.conflicts import conflicts
from filters.rights.precedence import Match, Question, decide
from filters.rights.records import COMPONENTS, USES
from tests.filters.rights.said import day, entries, say

NO = say("no", "opt_out")


def found(*statements, at: int = 30):
    told = conflicts(entries(*statements), day(at))
    assert all(one.words for one in told)
    return [(one.kind, one.work_id, one.statements, (one.since - day(0)).days) for one in told]


TIE = ("contradiction", "film", ("no", "yes"))


@pytest.mark.parametrize(
    ("yes", "expected"),
    [
        (say("yes", "grant"), [(*TIE, 30)]),
        (say("yes", "grant", on=2), []),  # the newest word counts
        (say("yes", "grant", work="part"), []),  # the more specific counts
        (say("yes", "grant", party="bolt"), []),  # across parties nothing contradicts
        (say("yes", "grant", uses=["display"]), []),
        (say("yes", "grant", territories=["DE"]), [(*TIE, 30)]),
        (say("yes", "grant", components=["sound"]), [(*TIE, 30)]),
        (say("yes", "grant", products=["shoes"], languages=["de"], recipients=["lab"]), [(*TIE, 30)]),
        (say("yes", "grant", valid_from=day(40)), [(*TIE, 40)]),
        (say("yes", "grant", valid_until=day(20)), []),
        (say("yes", "grant", supersedes="no"), [(*TIE, 30)]),  # only what was said later replaces
    ],
)
def test_a_refusal_and_a_grant_in_one_breath(yes, expected):
    assert found(NO, yes) == expected


def test_a_tie_that_was_cleared_up_is_none():
    tie = [NO, say("yes", "grant")]
    assert found(*tie)
    assert found(*tie, say("clear", "revoke", target="yes", on=2)) == []
    assert found(*tie, say("clear", "opt_out", on=2)) == []
    assert found(*tie, say("clear", "grant", on=2)) == []


def test_a_tie_about_everything_a_party_has():
    assert found(say("no", "opt_out", work=None), say("yes", "grant", work=None)) == [
        ("contradiction", None, ("no", "yes"), 30)
    ]


SOME = st.builds(
    say,
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["grant", "opt_out", "hold", "revoke"]),
    work=st.sampled_from(["film", "saga"]),
    on=st.integers(1, 2),
    uses=st.sampled_from([["train"], ["display"], ["train", "display"]]),
    territories=st.sampled_from([["WORLD"], ["DE"], ["FR"], ["DE", "FR"]]),
    components=st.sampled_from([None, ["sound"], ["picture", "sound"]]),
    valid_until=st.sampled_from([None, day(20)]),
    supersedes=st.sampled_from([None, None, "a"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SOME, max_size=4, unique_by=lambda s: s.statement_id))
def test_every_tie_that_decides_is_told_and_no_other(statements):
    known, decided = entries(*statements), set()
    for use, place, component in itertools.product(USES, ["WORLD", "DE", "FR"], COMPONENTS):
        for work in ("film", "saga"):
            asked = Question(use=use, regime="opt-out", at=day(30), territories=frozenset([place]))
            decided |= set(decide(asked, [Match(work, "sha256", component=component)], known).conflicts)
    by_id = {s.statement_id: s for s in statements}
    pairs = {
        (a, b)
        for group in decided
        for a, b in itertools.combinations(group, 2)
        if (by_id[a].mode == "grant") != (by_id[b].mode == "grant")
    }
    told = {one.statements for one in conflicts(known, day(30)) if one.since == day(30)}
    assert told == pairs


def share(name: str, party: str, points: int, **more):
    return say(name, "grant", party=party, share_bp=points, on=1, **more)


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        (share("b", "bolt", 5000), [30]),
        (share("b", "bolt", 4000), []),
        (share("b", "bolt", 5000, territories=["DE"]), [30]),
        (share("b", "bolt", 5000, work="saga"), [30]),  # what is granted on the whole counts for its parts
        (share("b", "bolt", 5000, work="duck"), []),
        (share("b", "bolt", 5000, valid_from=day(50)), [50]),
        (share("b", "bolt", 5000, valid_until=day(20)), []),
        (share("b", "shady", 5000), []),  # an unverified party grants nothing
        (share("b", "acme", 5000), []),  # of a party its largest share
    ],
)
def test_shares_over_the_whole(theirs, expected):
    told = conflicts(entries(share("a", "acme", 6000), theirs), day(30))
    assert [(one.since - day(0)).days for one in told] == expected
    for one in told:
        assert (one.kind, one.work_id, one.statements) == ("shares", "film", ("a", "b"))
        assert "11000 basis points" in one.words


def test_shares_in_different_places_do_not_add_up():
    mine = share("a", "acme", 6000, territories=["FR"])
    assert found(mine, share("b", "bolt", 5000, territories=["DE"])) == []


def test_shares_of_just_the_whole_are_none():
    just = [share("a", "acme", 6000), share("b", "bolt", 4000)]
    assert found(*just, share("c", "acme", 10)) == []
    assert found(*just, share("c", "agent", 1)) == [("shares", "film", ("a", "b", "c"), 30)]


def test_what_shows_on_a_parent_is_told_there_alone():
    both = [share("a", "acme", 6000, work="saga"), share("b", "bolt", 5000, work="saga")]
    assert found(*both, share("c", "acme", 10, work="film")) == [("shares", "saga", ("a", "b"), 30)]
