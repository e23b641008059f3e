"""Difference: what publishing would add, and what it does to statements that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import filters.rights.difference as module
from filters.rights import lookup, registry
from filters.rights.difference import compare, of_rows, of_versions
from filters.rights.publishing import revert
from filters.rights.records import IdentifierRow, PartyRow, StatementRow, WorkRow, says
from filters.rights.registry import Registry
from tests.filters.rights.said import EVERYBODY, PARTIES, WORKS, batches, day, put, say
from transforms import records


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    return registry.create(str(tmp_path / "rights"))


def told(held: Registry, *rows: Any, on: int = 9) -> Any:
    return of_rows(held, registry.version(held), batches(*rows), day(on))


def effects(found: Any) -> dict[str, tuple[str, str, str]]:
    return {e.said.statement_id: (e.kind, e.before.state, e.after.state) for e in found.effects}


def test_rows_are_new_or_described_otherwise(held):
    put(held, *EVERYBODY, say("no", "opt_out"))
    other = PartyRow(party_id="acme", name="Acme Pictures", kind="studio", verified_by="legal")
    name = IdentifierRow(identifier_id="i", work_id="film", kind="text", value="The Film")
    found = told(held, other, PARTIES["bolt"], WORKS["film"], name, say("no", "opt_out"), say("more", "opt_out"))
    assert found.changed["parties"].changed == ("acme",)
    assert found.old["parties"]["acme"]["name"] == "Acme"
    assert found.new["parties"]["acme"]["name"] == "Acme Pictures"
    assert not found.changed["works"]
    assert (found.changed["identifiers"].new, found.changed["statements"].new) == (("i",), ("more",))
    assert found.after is None
    assert not told(held, *EVERYBODY, say("no", "opt_out"))


def test_a_revocation_shows_on_what_it_ends(held):
    put(held, *EVERYBODY, say("yes", "grant"), say("other", "grant", work="duck", party="bolt"))
    found = told(held, say("r", "revoke", work="saga", uses=["train"]))
    assert effects(found) == {"yes": ("ends", "live", "revoked"), "r": ("begins", "absent", "live")}
    assert found.effects[1].after.by == ("r",)
    assert found.entries.works["film"].title == "The Film"


def test_what_begins_later_or_never(held):
    put(held, *EVERYBODY)
    found = told(
        held,
        say("later", "grant", valid_from=day(40)),
        say("void", "grant", party="shady"),
        say("over", "opt_out", valid_until=day(2)),
    )
    assert effects(found) == {
        "later": ("announced", "absent", "to come"),
        "void": ("without effect", "absent", "without effect"),
        "over": ("otherwise", "absent", "lapsed"),
    }


def test_a_party_that_is_verified_may_grant_from_then_on(held):
    put(held, *EVERYBODY, say("yes", "grant", party="shady"))
    verified = PartyRow(party_id="shady", name="Shady", kind="artist", verified_by="legal")
    assert effects(told(held, verified)) == {"yes": ("begins", "without effect", "live")}


def test_conflicts_that_publishing_would_make(held):
    put(held, *EVERYBODY, say("no", "opt_out", work="duck"), say("yes", "grant", work="duck"))
    found = told(held, say("one", "opt_out"), say("two", "grant"))
    assert [one.statements for one in found.conflicts] == [("one", "two")]


def test_between_versions_time_counts_too(held):
    first = put(held, *EVERYBODY, say("no", "opt_out", valid_until=day(20)), on=1)
    second = put(held, say("yes", "grant", valid_from=day(25)), on=9)
    found = of_versions(held, first, second, now=day(30))
    assert effects(found) == {"no": ("ends", "live", "lapsed"), "yes": ("begins", "absent", "live")}
    third = revert(held, 1, base=2, author="ann", reason="oops", now=day(31))
    back = of_versions(held, second, third, now=day(31))
    assert (back.changed["statements"].gone, effects(back)["yes"][0]) == (("yes",), "otherwise")
    assert back.old["statements"]["yes"]["mode"] == "grant"
    assert not of_versions(held, third, third, now=day(31)).changed["statements"]
    # The second is not the latest any more: it is looked at when it was published.
    assert effects(of_versions(held, first, second)) == {"yes": ("announced", "absent", "to come")}


def test_too_many_statements_are_compared_and_not_looked_at(held, monkeypatch):
    put(held, *EVERYBODY, *(say(f"s{n}", "opt_out") for n in range(3)))
    monkeypatch.setattr(module, "MOST_STATEMENTS", 2)
    found = told(held, *(say(f"t{n}", "opt_out") for n in range(3)))
    assert found.effects is None
    assert len(found.changed["statements"].new) == 3
    assert len(found.new["statements"]) == 2
    assert bool(found)
    few = told(held, say("t", "opt_out"))  # one work is looked at, whatever else there is
    assert effects(few) == {"t": ("begins", "absent", "live")}


def table(rows: dict[str, str]) -> Any:
    made = [{**records.to_dict(WorkRow(work_id=k, title=v, kind="title")), "digest": v} for k, v in rows.items()]
    return records.to_table(WorkRow, made)


STATES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=4)


@settings(max_examples=60, deadline=None)
@given(STATES, STATES)
def test_two_states_compared(before, after):
    found = compare("works", table(before), table(after))
    assert set(found.new) == set(after) - set(before)
    assert set(found.gone) == set(before) - set(after)
    assert set(found.changed) == {k for k in set(before) & set(after) if before[k] != after[k]}
    assert compare("works", table(before), table(after), whole=False).gone == ()


def test_only_the_touched_works_are_read(held, monkeypatch):
    put(held, *EVERYBODY, say("a", "grant", work="part"), say("b", "grant", work="duck", party="bolt"))
    asked: list[Any] = []
    read = lookup.entries

    def spy(held: Registry, state: Any, works: Any = None) -> Any:
        asked.append(works)
        return read(held, state, works)

    monkeypatch.setattr(lookup, "entries", spy)
    assert effects(told(held, say("r", "revoke", work="saga")))["a"] == ("ends", "live", "revoked")
    assert asked == [{"saga", "film", "part"}]


def test_a_draft_is_stamped_with_the_moment_that_is_looked_at(held, tmp_path: Path):
    put(held, *EVERYBODY)
    found = told(held, say("no", "opt_out"), on=9)
    row = found.new["statements"]["no"]
    assert row["recorded_at"] == day(9)
    assert row["digest"] == says(StatementRow, row)
    assert list(tmp_path.glob("rights/versions/*")) == [tmp_path / "rights/versions/000001.json"]


@pytest.mark.parametrize("target", ["yes", None])
def test_what_a_revocation_of_another_party_does_not_end(held, target):
    put(held, *EVERYBODY, say("yes", "grant"))
    assert effects(told(held, say("r", "revoke", party="bolt", target=target))) == {"r": ("begins", "absent", "live")}
