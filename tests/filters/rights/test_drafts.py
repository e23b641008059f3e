"""Drafts: several files are one list: they may speak of each other, must agree, and none is published alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from filters.rights import publishing, registry
from filters.rights.drafts import check, rows_of
from tests.filters.rights.said import day
from tests.filters.rights.test_sheets import GOOD, NO, PARTY, URL, WORK, YES, text
from transforms.settings import ConfigError


@pytest.fixture
def lists(tmp_path: Path) -> Any:
    held = registry.create(str(tmp_path / "rights"))

    def run(*files: list[dict[str, Any]], publish: bool = False) -> Any:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        paths = [str(folder / f"{number}.csv") for number in range(len(files))]
        for path, rows in zip(paths, files, strict=True):
            Path(path).write_text(text(rows), encoding="utf-8")
        base = registry.version(held)
        found = check(paths, str(folder / "good"), held, base)
        if publish:
            at = day(base.number + 1)
            return publishing.publish(held, rows_of(found), base=base.number, author="ann", reason="list", now=at)
        return [[(e.row, e.column, e.value) for e in one.errors] for one in found]

    return run


def test_a_later_file_may_speak_of_an_earlier_one(lists):
    party, work = [PARTY], [{**PARTY, **WORK, **URL}]
    assert lists(party, [{**WORK, **URL}], [NO]) == [[], [], []]
    assert lists([NO], work)[0] != []
    made = lists(party, work, [NO], [{**YES, "statement_id": "a"}], publish=True)
    assert made.added == {"parties": 1, "works": 1, "identifiers": 1, "statements": 2}


def test_what_two_files_say_alike_is_taken_once_and_what_they_say_otherwise_is_told(lists):
    assert lists(GOOD, [*GOOD, {**NO, "uses": "display"}]) == [[], []]
    other = {**PARTY, "party_name": "ACME"}
    assert lists(GOOD, [other]) == [[], [(2, "party", "acme")]]
    one, two = {**NO, "statement_id": "a"}, {**NO, "statement_id": "a", "uses": "display"}
    assert lists([*GOOD, one], [{**PARTY}, two]) == [[], [(3, "statement_id", "a")]]
    alias = {**WORK, "identify_by": "text", "value": "The Film", "aliases": "Der Film"}
    assert lists([PARTY, alias], [{**alias, "aliases": "Le Film"}]) == [[], [(2, "value", "The Film")]]
    made = lists(GOOD, [*GOOD, {**NO, "uses": "display"}], publish=True)
    assert made.added == {"parties": 1, "works": 1, "identifiers": 1, "statements": 3}


def test_an_id_that_the_registry_has_for_another_statement_is_told_in_its_row(lists):
    lists([*GOOD, {**NO, "statement_id": "acme-1"}], publish=True)
    assert lists([{**NO, "statement_id": "acme-1"}]) == [[]]  # the same words again
    told = lists([{**NO, "uses": "train"}, {**NO, "statement_id": "acme-1", "uses": "display"}])
    assert told == [[(3, "statement_id", "acme-1")]]


def test_nothing_is_taken_from_files_of_which_one_has_errors(lists):
    with pytest.raises(ConfigError, match="nothing of it is published"):
        lists(GOOD, [{**NO, "territory": "UK"}], publish=True)
    assert lists([{**NO, "uses": "train"}])[0] != []  # the good file was not published either
