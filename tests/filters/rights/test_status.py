"""Status: how a statement stands at a moment, and which other one ended it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights.records import COMPONENTS, USES, Entries
from filters.rights.standing import Standing
from filters.rights.status import STATES, Standings
from tests.filters.rights.said import PARTIES, WORKS, day, entries, say

GRANT = say("yes", "grant", on=1)
REFUSAL = say("no", "opt_out", on=1)


def status(said: Any, *others: Any, at: int = 30) -> tuple[str, tuple[str, ...]]:
    found = Standings(entries(said, *others), day(at)).status(said)
    assert found.state in STATES
    assert found.why or found.state in ("live", "absent")
    return found.state, found.by


@pytest.mark.parametrize(
    ("said", "others", "expected"),
    [
        (GRANT, [], ("live", ())),
        (REFUSAL, [], ("live", ())),
        (say("a", "grant", valid_from=day(31)), [], ("to come", ())),
        (say("a", "grant", on=31), [], ("to come", ())),
        (say("a", "opt_out", on=31), [], ("live", ())),  # a refusal always held
        (say("a", "opt_out", valid_from=day(31)), [], ("to come", ())),
        (say("a", "grant", valid_until=day(30)), [], ("lapsed", ())),
        (say("a", "hold", valid_until=day(3)), [], ("lapsed", ())),
        (say("a", "grant", party="shady"), [], ("without effect", ())),
        (say("a", "grant", through="agent"), [], ("live", ())),
        (say("a", "grant", through="bolt"), [], ("without effect", ())),
        (say("a", "grant", party="shady", valid_from=day(31)), [], ("without effect", ())),
        (say("a", "opt_out", party="shady"), [], ("live", ())),
        (say("a", "dispute", party="shady"), [], ("live", ())),
        (GRANT, [say("r", "revoke", target="yes", on=2)], ("revoked", ("r",))),
        # Who names a grant ends it whole, whatever uses and places stand beside its name.
        (GRANT, [say("r", "revoke", target="yes", on=2, territories=["DE"])], ("revoked", ("r",))),
        (GRANT, [say("r", "revoke", target="yes", on=2, valid_from=day(31))], ("live", ())),
        (GRANT, [say("r", "revoke", party="bolt", target="yes", on=2)], ("live", ())),
        (GRANT, [say("r", "revoke", on=2)], ("revoked", ("r",))),
        (GRANT, [say("r", "revoke", work="saga", on=2)], ("revoked", ("r",))),
        (GRANT, [say("r", "revoke", work="part", on=2)], ("live", ())),
        (GRANT, [say("r", "revoke", work=None, on=2)], ("revoked", ("r",))),
        (GRANT, [say("r", "revoke", on=2, territories=["DE"])], ("in part", ("r",))),
        (GRANT, [say("r", "revoke", on=2, uses=["display"])], ("live", ())),
        (GRANT, [say("r", "revoke", on=2, components=["sound"])], ("in part", ("r",))),
        (GRANT, [say("r", "grant", on=2, supersedes="yes")], ("replaced", ("r",))),
        (say("g", "grant", on=3), [say("r", "revoke", on=2)], ("live", ())),  # granted after the revocation
        (REFUSAL, [say("r", "opt_out", on=2, supersedes="no")], ("replaced", ("r",))),
        (REFUSAL, [say("r", "opt_out", on=2, supersedes="no", valid_from=day(31))], ("live", ())),
        (REFUSAL, [say("g", "grant", on=2, supersedes="no")], ("replaced", ("g",))),
        (REFUSAL, [say("g", "grant", on=2, supersedes="no", territories=["DE"])], ("in part", ("g",))),
        (REFUSAL, [say("g", "grant", on=2, supersedes="no", recipients=["lab"])], ("in part", ("g",))),
        (REFUSAL, [say("g", "grant", on=2, supersedes="no", valid_until=day(9))], ("live", ())),
        (
            REFUSAL,
            [say("g", "grant", on=2, supersedes="no"), say("r", "revoke", on=3, target="g")],
            ("live", ()),
        ),
        (
            REFUSAL,
            [say("g", "grant", on=2, supersedes="no"), say("r", "opt_out", on=3, supersedes="g")],
            ("replaced", ("r",)),
        ),
        (REFUSAL, [say("g", "grant", party="bolt", on=2, supersedes="no")], ("live", ())),
        (say("h", "hold"), [say("r", "opt_out", on=2, supersedes="h")], ("replaced", ("r",))),
        (say("m", "revoke", party="mia", work="mia", valid_until=day(2)), [], ("live", ())),  # consent stays withdrawn
    ],
)
def test_the_table(said, others, expected):
    assert status(said, *others) == expected


SOME = st.builds(
    say,
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["revoke", "grant", "opt_out"]),
    party=st.sampled_from(["acme", "acme", "bolt"]),
    work=st.sampled_from(["film", "saga", None]),
    on=st.integers(1, 6),
    uses=st.sampled_from([["train"], ["display"], ["train", "display"]]),
    territories=st.sampled_from([["WORLD"], ["DE"], ["DE", "FR"]]),
    components=st.sampled_from([None, ["sound"]]),
    target=st.sampled_from([None, "yes"]),
    supersedes=st.sampled_from([None, None, "yes"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(SOME, max_size=3, unique_by=lambda s: s.statement_id), st.sampled_from([["WORLD"], ["DE"]]))
def test_what_is_told_of_a_grant_is_what_decides(others, places):
    """Live: nothing ends it for any use, place or component; revoked or replaced: something does for all of them."""
    grant = say("yes", "grant", on=3, territories=places, uses=["train", "display"])
    others = [s for s in others if s.mode == "revoke" or s.target is None]
    known = entries(grant, *others)
    standing = Standing(Entries(PARTIES, WORKS, known.statements), day(5), None)
    ended = set()
    for use in set(USES) & set(grant.uses):
        for place in {"DE", "FR", "GB"} if places == ["WORLD"] else {"DE"}:
            for component in COMPONENTS:
                covering = [
                    s
                    for s in others
                    if use in s.uses
                    and component in (s.components or COMPONENTS)
                    and {place, "WORLD"} & set(s.territories)
                ]
                ended.add(standing.ended(grant, covering))
    state = Standings(known, day(5)).status(grant).state
    if state == "live":
        assert ended == {False}
    elif state in ("revoked", "replaced"):
        assert ended == {True}
    else:
        assert state == "in part"
        assert True in ended
