"""Licences: which grants a use rests on, and what the end of one asks for what was made while it held."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights.licences import Licence, Made, Recall, licences, recall
from filters.rights.precedence import Match, Question, decide
from filters.rights.records import StatementRow
from tests.filters.rights.said import day, entries, say

OUT = frozenset(("deny", "review"))


def match(work: str, component: str | None = None, kind: str = "sha256") -> Match:
    return Match(work, kind, component=component)


def asked(on: int = 30, regime: str = "opt-out", **more: Any) -> Question:
    return Question(use="train", regime=regime, at=day(on), **more)


def names(found: list[Licence]) -> dict[str, tuple[str, ...]]:
    return {one.grant.statement_id: one.works for one in found}


G_BOTH, H_BOTH = say("g", "grant", work="both"), say("h", "grant", "bolt", "both")
GRANTS: dict[str, tuple[list[str], list[StatementRow], dict[str, tuple[str, ...]]]] = {
    "its own": (["film"], [say("g", "grant")], {"g": ("film",)}),
    "of what it is part of": (["part"], [say("g", "grant", work="saga")], {"g": ("part",)}),
    "of everything": (["part"], [say("g", "grant", work=None)], {"g": ("part",)}),
    "the more specific": (["part"], [say("g", "grant", work="saga"), say("h", "grant", on=0)], {"h": ("part",)}),
    "the newest": (["film"], [say("g", "grant", on=2), say("h", "grant", on=3)], {"h": ("film",)}),
    "two parts": (
        ["film"],
        [say("g", "grant", components=["picture"]), say("h", "grant", components=["sound"])],
        {"g": ("film",), "h": ("film",)},
    ),
    "two works under one": (["film", "part"], [say("g", "grant", work="saga")], {"g": ("film", "part")}),
    "each owner": (["both"], [G_BOTH, H_BOTH], {"g": ("both",), "h": ("both",)}),
    "one owner alone": (["both"], [H_BOTH], {"h": ("both",)}),
    "in spite of another": (["both"], [G_BOTH, say("n", "opt_out", "bolt", "both")], {"g": ("both",)}),
    "not of others' everything": (["duck"], [say("g", "grant", work=None)], {}),
    "unverified": (["film"], [say("g", "grant", "shady")], {}),
    "lapsed": (["film"], [say("g", "grant", valid_until=day(20))], {}),
    "to come": (["film"], [say("g", "grant", valid_from=day(31))], {}),
    "revoked": (["film"], [say("g", "grant"), say("r", "revoke", on=2, target="g")], {}),
    "refused since": (["film"], [say("g", "grant"), say("n", "opt_out", on=2)], {}),
    "for others": (["film"], [say("g", "grant", recipients=["lab"])], {}),
    "elsewhere": (["film"], [say("g", "grant", territories=["DE"])], {}),
    "not the work": (["film"], [say("g", "grant"), say("x", "exclude", "team", subject="s3://b/a.mp4")], {}),
}  # fmt: skip


@pytest.mark.parametrize("case", GRANTS)
@pytest.mark.parametrize("regime", ["opt-out", "opt-in"])
def test_a_use_rests_on_the_grants_that_decide_what_each_party_says(case: str, regime: str):
    works, said, wanted = GRANTS[case]
    question = asked(regime=regime, subjects=frozenset(("s3://b/a.mp4",)))
    assert names(licences(question, [match(work) for work in works], entries(*said))) == wanted


def told(
    said: list[StatementRow], seen: Match, regime: str = "opt-out", grants: tuple[str, ...] = ("g",)
) -> Recall | None:
    """What is asked on day 30 for what was made on day 10 under some grants, known from version 1."""
    known = entries(*(dataclasses.replace(s, registry_version=s.registry_version or 1) for s in said))
    licensed: dict[str, frozenset[str]] = {
        s.party_id: frozenset((seen.work_id,)) for s in said if s.statement_id in grants
    }
    made = Made(day(10), 1, licensed)
    return recall(decide(asked(regime=regime), [seen], known).findings, made, known, OUT)


def later(name: str, mode: str, party: str = "acme", work: str = "film", **more: Any) -> StatementRow:
    return dataclasses.replace(say(name, mode, party, work, on=20, **more), registry_version=2)


def taken_back(effect: str, work: str = "film", target: str | None = "g") -> StatementRow:
    return later("l", "revoke", work=work, target=target, revocation_effect=effect)


G, NO = say("g", "grant", on=2, supersedes="n"), say("n", "opt_out")
ENDED = dataclasses.replace(G, valid_until=day(20))
MIA = say("g", "grant", "mia", "mia", on=2)
BACK: dict[str, tuple[list[StatementRow], Match, str | None]] = {
    "still granted": ([NO, G], match("film"), None),
    "lapsed": ([NO, ENDED], match("film"), None),
    "never granted": ([NO], match("film"), "withdraw"),
    "refused anew": ([G, later("l", "opt_out")], match("film"), "withdraw"),
    "refused as announced": ([ENDED, say("n", "opt_out", valid_from=day(25))], match("film"), "withdraw"),
    "held": ([G, later("l", "hold", "bolt")], match("film"), "withdraw"),
    "disputed": ([G, later("l", "dispute", "bolt")], match("film"), "review"),
    "revoked for the future": ([NO, G, taken_back("future_only")], match("film"), None),
    "revoked": ([NO, G, taken_back("withdraw_outputs")], match("film"), "withdraw"),
    "revoked with all above": ([NO, G, taken_back("withdraw_outputs", "saga", None)], match("film"), "withdraw"),
    "revoked, then again for the future": (
        [NO, G, taken_back("withdraw_outputs"), later("m", "revoke", work="part", revocation_effect="future_only")],
        match("part"), "withdraw"
    ),
    "to be forgotten": ([NO, G, taken_back("retrain")], match("film"), "retrain"),
    "with nothing said of it": ([G, later("l", "revoke", target="g")], match("film"), "withdraw"),
    "a person, for the future": (
        [MIA, later("l", "revoke", "mia", "mia", target="g", revocation_effect="future_only")], match("mia"), "withdraw"
    ),
    "a face, for the future": (
        [G, later("l", "revoke", revocation_effect="future_only")], match("film", "face"), "withdraw"
    ),
    "a minor": ([], match("kid"), "withdraw"),
    "only a name": ([NO], match("film", kind="text"), "review"),
}  # fmt: skip


@pytest.mark.parametrize("case", BACK)
@pytest.mark.parametrize("regime", ["opt-out", "opt-in"])
def test_what_is_asked_for_what_was_made(case: str, regime: str):
    said, seen, wanted = BACK[case]
    found = told(said, seen, regime)
    assert (found.action if found else None) == wanted
    if found and found.entries:
        assert set(found.entries) <= {"l", "n"}


def test_a_grant_of_one_party_excuses_no_other_and_no_other_work():
    joint = say("g", "grant", "acme", "both", on=2)
    found = told([joint, say("n", "opt_out", "bolt", "both")], match("both"))
    assert found is not None
    assert found.entries == ("n",)
    made = Made(day(10), 1, {"acme": frozenset(("part",))})
    known = entries(dataclasses.replace(NO, registry_version=1))
    assert recall(decide(asked(), [match("film")], known).findings, made, known, OUT) is not None


@pytest.mark.parametrize("regime", ["opt-out", "opt-in"])
def test_a_grant_on_a_whole_excuses_its_parts_but_not_what_was_said_of_them(regime: str):
    made = Made(day(10), 1, {"acme": frozenset(("film",))})
    never = say("never", "opt_out", work="part")
    known = entries(*(dataclasses.replace(one, registry_version=1) for one in (NO, ENDED, never)))
    found = recall(decide(asked(regime=regime), [match("part")], known).findings, made, known, OUT)
    assert found is not None
    assert found.entries == ("never",)
    known = entries(*(dataclasses.replace(one, registry_version=1) for one in (NO, ENDED)))
    assert recall(decide(asked(regime=regime), [match("part")], known).findings, made, known, OUT) is None


def test_what_was_let_in_for_review_asks_nothing_back():
    known = entries(NO)
    findings = decide(asked(), [match("film", kind="text")], known).findings
    made = Made(day(10), 1, {})
    assert recall(findings, made, known, OUT) is not None
    assert recall(findings, made, known, frozenset(("deny",))) is None


MODES = st.sampled_from(["opt_out", "grant", "revoke", "dispute"])
EFFECTS = st.sampled_from([None, "future_only", "withdraw_outputs", "retrain"])
SAID = st.lists(
    st.tuples(MODES, st.sampled_from(["acme", "bolt"]), st.sampled_from(["saga", "film", "part"]), EFFECTS), max_size=5
)


@settings(max_examples=40, deadline=None)
@given(SAID, st.sampled_from(["opt-out", "opt-in"]))
def test_a_hold_takes_everything_back_and_no_refusal_takes_less(said: Any, regime: str):
    rows = [
        later(f"s{n}", mode, party, on, revocation_effect=effect if mode == "revoke" else None)
        for n, (mode, party, on, effect) in enumerate(said)
    ]
    before = told([G, *rows], match("part"), regime)
    after = told([G, *rows, later("hold", "hold", "bolt", "part")], match("part"), regime)
    assert after is not None
    assert after.verdict == "deny"
    assert "hold" in after.entries
    if before is not None:
        order = ("retrain", "withdraw", "review")
        assert order.index(after.action) <= order.index(before.action)
