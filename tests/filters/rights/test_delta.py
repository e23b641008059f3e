"""Delta: whatever two moments say differently of a work, the work is among those that changed."""

from __future__ import annotations

import itertools
import tempfile

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.rights import lookup, registry
from filters.rights.delta import Moment, changed_works, identifiers
from filters.rights.precedence import Match, Question, decide
from filters.rights.records import IdentifierRow, PartyRow, StatementRow, WorkRow, identifier_id
from filters.rights.registry import Registry
from tests.filters.rights.said import EVERYBODY, WORKS, day, put, say

DAYS = st.integers(1, 15)
SAID = st.builds(
    say,
    st.uuids().map(str),
    st.sampled_from(["opt_out", "grant", "revoke", "hold", "dispute"]),
    st.sampled_from(["acme", "bolt", "agent", "mia"]),
    st.sampled_from(["saga", "film", "part", "duck", "both", "mia", "free", None]),
    recorded_at=st.none(),
    valid_from=st.none() | DAYS.map(day),
    valid_until=st.none() | st.integers(10, 14).map(day),
)


def verdicts(held: Registry, moment: Moment) -> dict[str, str]:
    entries = lookup.entries(held, moment.state)
    question = Question(use="train", regime="opt-in", at=moment.at)
    return {work: decide(question, [Match(work, "sha256")], entries).verdict for work in WORKS}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(SAID, max_size=4), st.lists(SAID, max_size=3), DAYS, DAYS, st.booleans())
def test_no_decision_changes_of_a_work_that_did_not(
    early: list[StatementRow], late: list[StatementRow], first: int, then: int, described: bool
):
    with tempfile.TemporaryDirectory() as folder:
        held = registry.create(folder)
        before = Moment(put(held, *EVERYBODY, *early, on=2), day(first))
        more = [PartyRow(party_id="agent", name="Agent", kind="agent")] if described else []
        after = Moment(put(held, *late, *more, on=4), day(then)) if late or more else Moment(before.state, day(then))
        changed = changed_works(held, before, after)
        was, now = verdicts(held, before), verdicts(held, after)
        assert {work for work in WORKS if was[work] != now[work]} <= changed


def test_only_what_changed_is_named(tmp_path):
    held = registry.create(str(tmp_path))
    first = put(held, *EVERYBODY, say("old", "opt_out", work="duck", party="bolt", recorded_at=None))
    second = put(held, say("no", "opt_out", recorded_at=None), on=2)
    assert changed_works(held, Moment(first, day(5)), Moment(second, day(5))) == {"film", "part"}
    assert changed_works(held, Moment(second, day(5)), Moment(second, day(9))) == set()
    named = IdentifierRow(
        identifier_id=identifier_id("duck", "text", "Duck"), work_id="duck", kind="text", value="Duck"
    )
    third = put(held, named, on=3)
    assert changed_works(held, Moment(second, day(5)), Moment(third, day(5))) == {"duck"}
    moved = WorkRow(work_id="free", title="Free", kind="title", parent="saga")
    fourth = put(held, moved, on=4)
    assert changed_works(held, Moment(third, day(5)), Moment(fourth, day(5))) == {"free"}


def test_a_statement_that_begins_or_lapses_changes_its_work_without_a_new_version(tmp_path):
    held = registry.create(str(tmp_path))
    soon = say("soon", "opt_out", recorded_at=None, valid_from=day(6), valid_until=day(8))
    state = put(held, *EVERYBODY, soon)
    at = [Moment(state, day(number)) for number in (5, 7, 9)]
    assert [changed_works(held, a, b) for a, b in itertools.pairwise(at)] == [{"film", "part"}] * 2


def test_a_withdrawn_identifier_is_still_looked_for(tmp_path):
    held = registry.create(str(tmp_path))
    named = IdentifierRow(
        identifier_id=identifier_id("duck", "text", "Duck"), work_id="duck", kind="text", value="Duck"
    )
    first = put(held, *EVERYBODY, named)
    gone = IdentifierRow(
        **{**{f: getattr(named, f) for f in ("identifier_id", "work_id", "kind", "value")}, "withdrawn": True}
    )
    second = put(held, gone, on=2)
    moments = [Moment(first, day(5)), Moment(second, day(5))]
    assert changed_works(held, *moments) == {"duck"}
    rows = identifiers(held, moments, {"duck"})
    assert rows.column("withdrawn").to_pylist() == [False, False]
