from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from filters.rights import lookup, publishing, registry
from filters.rights.precedence import Match, Question, decide
from filters.rights.publishing import Outdated, publish, revert, roll_forward
from filters.rights.records import BY_TABLE, EFFECTS, IDENTIFIER_KINDS, RECORDS, IdentifierRow
from filters.rights.registry import Registry, RegistryError
from tests.filters.rights.said import EVERYBODY, PARTIES, WORKS, batches, day, put, say
from tests.servers import s3_server
from transforms import records, storage
from transforms.settings import ConfigError


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    return registry.create(str(tmp_path / "rights"))


def verdict(held: Registry, as_of: Any = None, at: Any = None, number: int | None = None) -> str:
    state = registry.version(held, number, as_of)
    question = Question(use="train", regime="opt-out", at=at or day(60))
    return decide(question, [Match("film", "sha256")], lookup.entries(held, state, ["film"])).verdict


def statements(held: Registry, state: registry.Version) -> list[str]:
    found: list[str] = registry.current(held, "statements", state, ["statement_id"]).column(0).to_pylist()
    return found


def test_every_column_says_what_it_is():
    for record in RECORDS:
        for field in records.schema(record):
            assert field.metadata[b"doc"].endswith((b".", b")")), field.name
    assert all(words.endswith(".") for words in IDENTIFIER_KINDS.values())
    assert len(EFFECTS) == 3


def test_a_new_registry_is_empty_and_opens(held):
    assert registry.version(registry.open_registry(held.root)) == registry.EMPTY
    assert registry.history(held) == []
    for name in BY_TABLE:
        assert registry.read(held, name, registry.EMPTY).num_rows == 0
        assert DeltaTable(held.uri("tables", name)).to_pyarrow_table().num_rows == 0


def test_what_is_published_is_read_again_with_its_stamps(held):
    one = IdentifierRow(identifier_id="i", work_id="film", kind="text", value="The Film", aliases=["Фильм", "電影"])
    made = put(held, *EVERYBODY, one, say("no", "opt_out"), approver="bob")
    assert (made.number, made.author, made.approver, made.added["statements"]) == (1, "ann", "bob", 1)
    (row,) = registry.read(held, "identifiers", made).to_pylist()
    assert row["aliases"] == ["Фильм", "電影"]
    assert (row["recorded_at"], row["author"], row["registry_version"]) == (day(1), "ann", 1)
    everything = lookup.entries(held, made)
    assert (len(everything.parties), len(everything.works)) == (len(PARTIES), len(WORKS))
    assert registry.version(held) == made


def test_the_delta_tables_follow(held):
    put(held, *EVERYBODY, say("no", "opt_out"))
    put(held, say("more", "opt_out", on=2), on=2)
    assert DeltaTable(held.uri("tables", "statements")).to_pyarrow_table().num_rows == 2
    snapshot = json.loads(Path(held.uri("snapshots", "000001.json")).read_text())
    early = DeltaTable(held.uri("tables", "statements"), version=snapshot["versions"]["statements"])
    assert early.to_pyarrow_table().column("statement_id").to_pylist() == ["no"]


def test_what_did_we_know_on_one_day_about_another(held):
    put(held, *EVERYBODY, on=1)
    put(held, say("no", "opt_out", valid_from=day(32)), on=20)
    put(held, say("yes", "grant", valid_from=day(40)), on=62)
    known_on_3_march = day(62)
    assert verdict(held, at=day(31)) == "allow"
    assert verdict(held, as_of=known_on_3_march, at=day(32)) == "deny"
    assert verdict(held, as_of=known_on_3_march, at=day(45)) == "allow"
    assert verdict(held, as_of=known_on_3_march - timedelta(seconds=1), at=day(45)) == "deny"
    assert verdict(held, as_of=day(19), at=day(45)) == "allow"
    assert registry.version(held, as_of=day(0)) == registry.EMPTY


def test_a_later_row_describes_a_party_anew_and_the_older_state_stays(held):
    shady = PARTIES["shady"]
    first = put(held, *EVERYBODY)
    second = put(held, type(shady)(party_id="shady", name="Shady", kind="artist", verified_by="legal"), on=2)
    assert lookup.entries(held, second).parties["shady"].verified_by == "legal"
    assert lookup.entries(held, first).parties["shady"].verified_by is None
    third = put(held, shady, on=3)  # as at first: an old description may come back
    assert third.added == {"parties": 1, "works": 0, "identifiers": 0, "statements": 0}
    assert lookup.entries(held, third).parties["shady"].verified_by is None


def test_what_is_there_already_is_not_published_again(held):
    made = put(held, *EVERYBODY, say("no", "opt_out"))
    assert put(held, *EVERYBODY, say("no", "opt_out"), on=2) == made
    assert registry.numbers(held) == [1]


def test_a_statement_is_never_changed(held):
    put(held, *EVERYBODY, say("no", "opt_out"))
    with pytest.raises(ConfigError, match="statement no: the id is taken"):
        put(held, say("no", "opt_out", uses=["display"]), on=2)
    assert registry.numbers(held) == [1]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"author": " "}, "--author"),
        ({"reason": ""}, "--reason"),
        ({"approver": "Ann"}, "cannot approve"),
        ({"base": 3}, "version 0 was published since"),
    ],
)
def test_a_version_needs_author_reason_and_base(held, change, told):
    with pytest.raises(ConfigError, match=told):
        put(held, say("no", "opt_out"), **change)
    assert registry.numbers(held) == []


def test_of_two_who_publish_at_once_one_wins_and_the_other_is_told(held):
    put(held, *EVERYBODY)
    ready = threading.Barrier(4)
    told: list[Any] = []

    def run(number: int) -> None:
        rows = batches(say(f"s{number}", "opt_out"))
        ready.wait()
        try:
            told.append(publish(held, rows, base=1, author=f"a{number}", reason="at once"))
        except Outdated as error:
            told.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [t for t in told if isinstance(t, registry.Version)]
    lost = [str(t) for t in told if isinstance(t, Outdated)]
    assert (len(won), len(lost)) == (1, 3)
    assert all("version 2 was published since" in words and won[0].author in words for words in lost)
    assert registry.numbers(held) == [1, 2]
    assert len(statements(held, registry.version(held))) == 1
    assert DeltaTable(held.uri("tables", "statements")).to_pyarrow_table().num_rows == 1


def test_a_death_before_the_version_file_leaves_the_old_version(held, monkeypatch):
    put(held, *EVERYBODY)

    def dies(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(storage, "create_bytes", dies)
        with pytest.raises(KeyboardInterrupt):
            put(held, say("no", "opt_out"), on=2)
    assert registry.numbers(held) == [1]
    assert verdict(held) == "allow"
    assert put(held, say("no", "opt_out"), on=3).number == 2
    assert verdict(held) == "deny"


def test_a_death_after_the_version_file_is_mended_by_who_comes_next(held, monkeypatch):
    put(held, *EVERYBODY)

    def dies(*_: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "roll_forward", dies)
        with pytest.raises(KeyboardInterrupt):
            put(held, say("no", "opt_out"), on=2)
    assert verdict(held) == "deny"
    assert DeltaTable(held.uri("tables", "statements")).to_pyarrow_table().num_rows == 0
    roll_forward(held)
    roll_forward(held)
    assert DeltaTable(held.uri("tables", "statements")).to_pyarrow_table().num_rows == 1


def test_revert_brings_an_earlier_state_back_and_forgets_nothing(held):
    put(held, *EVERYBODY, on=1)
    put(held, say("no", "opt_out"), on=2)
    back = revert(held, 1, base=2, author="ann", reason="too much", now=day(3))
    assert (back.number, back.reverts_to) == (3, 1)
    assert (verdict(held), verdict(held, number=2), verdict(held, as_of=day(2))) == ("allow", "deny", "deny")
    assert DeltaTable(held.uri("tables", "statements")).to_pyarrow_table().num_rows == 0
    put(held, say("again", "opt_out"), on=4)
    assert statements(held, registry.version(held)) == ["again"]
    assert DeltaTable(held.uri("tables", "statements")).to_pyarrow_table().column(0).to_pylist() == ["again"]
    assert revert(held, 0, base=4, author="ann", reason="all", now=day(5)).parts["works"] == ()


def test_a_clock_that_lags_puts_no_version_before_another(held):
    first = put(held, *EVERYBODY, on=9)
    second = put(held, say("no", "opt_out"), on=2)
    assert second.recorded_at > first.recorded_at
    assert [v.number for v in registry.history(held)] == [1, 2]
    assert registry.version(held, as_of=first.recorded_at).number == 1


def damages(root: Path) -> Iterator[tuple[str, Path, bytes | None]]:
    newest = root / "versions" / "000002.json"
    part = sorted((root / "tables" / "statements").rglob("*.parquet"))[0]
    yield "a version that is cut", newest, newest.read_bytes()[:100]
    yield "a version that is empty", newest, b""
    yield "a version that was edited", newest, newest.read_bytes().replace(b'"ann"', b'"eve"')
    yield "a version that lost its parts", newest, newest.read_bytes().replace(b"statements", b"statementz")
    yield "the newest version gone", newest, None
    yield "an older version gone", root / "versions" / "000001.json", None
    yield "a part that is gone", part, None
    yield "a part that is cut", part, part.read_bytes()[:-9]
    yield (
        "a part with a bit turned",
        part,
        bytes([*part.read_bytes()[:50], part.read_bytes()[50] ^ 1]) + part.read_bytes()[51:],
    )
    yield "the layout gone", root / "registry.json", None
    yield "the layout not JSON", root / "registry.json", b"{"
    yield "the layout of a newer program", root / "registry.json", b'{"format": 99}'


@pytest.mark.parametrize("number", range(12))
def test_what_is_damaged_is_told_and_never_read_as_empty(held, number):
    put(held, *EVERYBODY)
    put(held, say("no", "opt_out"), on=2)
    what, path, content = list(damages(Path(held.root)))[number]
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RegistryError):
        pytest.fail(f"{what}: {verdict(registry.open_registry(held.root))}")
    with pytest.raises(RegistryError):
        put(registry.create(held.root), say("more", "opt_out"), on=3)


def test_a_version_that_was_exchanged_shows_in_the_history(held):
    put(held, *EVERYBODY)
    put(held, say("no", "opt_out"), on=2)
    first = registry.version(held, 1)
    other = registry.Version(**{**vars(first), "author": "eve"})
    Path(held.uri("versions", "000001.json")).write_text(json.dumps({**other.body(), "digest": other.digest}))
    with pytest.raises(RegistryError, match="version 1 is not the one"):
        registry.history(held)


def test_only_what_a_question_needs_is_read(held):
    made = put(
        held,
        *EVERYBODY,
        say("a", "opt_out", work="saga"),
        say("b", "opt_out", work="duck"),
        say("c", "hold", work=None),
    )
    found = lookup.entries(held, made, ["part"])
    assert set(found.works) == {"part", "film", "saga"}
    assert {s.statement_id for s in found.statements} == {"a", "c"}


def test_many_rows_go_into_several_parts(held, monkeypatch):
    monkeypatch.setattr(publishing, "PART_ROWS", 2)
    made = put(held, *EVERYBODY, *(say(f"s{n}", "opt_out") for n in range(5)))
    assert [part.rows for part in made.parts["statements"]] == [2, 2, 1]
    assert len(statements(held, made)) == 5


def test_a_registry_in_an_object_store():
    with s3_server("rights") as bucket:
        held = registry.create(f"{bucket}/registry")
        put(held, *EVERYBODY, say("no", "opt_out"))
        assert verdict(held) == "deny"
        with pytest.raises(Outdated):
            put(held, say("more", "opt_out"), base=0)
        storage.delete(held.uri("versions", "000001.json"))
        with pytest.raises(RegistryError, match="version 1 is missing"):
            verdict(held)
