"""Prefilter: no text that holds a name is left out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights import prefilter
from filters.rights.compiling import compile_matcher
from filters.rights.matching import Matcher
from filters.rights.prefilter import may_hold, pattern
from filters.rights.records import IdentifierRow, WorkRow, identifier_id
from transforms import records

NAMES = [
    "Spider-Man",
    "l'Amour",
    "Ocean's 11",
    "Amélie",
    "映画",
    "Tom & Jerry",
    "a",
    "Ω",
    "x_y",
    "rock 'n' roll",
    "Ⅷ",
    "--",
]
PIECES = [
    *NAMES,
    "spiderman",
    "SPIDER MAN",
    "oceans 11",
    "amelie",
    "the",
    " ",
    "-",
    "'",
    "_",
    ".",
    "tom",
    "jerry",
    "rocknroll",
]


@pytest.fixture(scope="module")
def matcher(tmp_path_factory: pytest.TempPathFactory) -> Matcher:
    rows = [
        IdentifierRow(identifier_id=identifier_id(f"w{n}", "text", name), work_id=f"w{n}", kind="text", value=name)
        for n, name in enumerate(NAMES)
    ]
    works = [WorkRow(work_id=f"w{n}", title=name, kind="title") for n, name in enumerate(NAMES)]
    identifiers = records.to_table(IdentifierRow, map(records.to_dict, rows))
    parents = records.to_table(WorkRow, map(records.to_dict, works))
    path = Path(tmp_path_factory.mktemp("prefilter"), "names.bin")
    path.write_bytes(compile_matcher(identifiers, parents))
    return Matcher(path)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6).map("".join), min_size=1, max_size=8)
)
def test_no_text_with_a_name_is_left_out(matcher: Matcher, texts: list[str]):
    held = [bool(found.matches or found.near) for found in matcher.texts(texts, "caption")]
    may = may_hold(pa.chunked_array([texts], pa.string()), pattern(NAMES)).to_pylist()
    assert all(chance for sure, chance in zip(held, may, strict=True) if sure)


def test_texts_without_any_are_left_out():
    texts = pa.chunked_array([["a quiet harbour", None, "SPIDERMAN", "spider man", "el niño"]], pa.string())
    assert may_hold(texts, pattern(["Spider-Man"])).to_pylist() == [False, False, True, True, True]
    assert may_hold(texts, pattern(["映画"])).to_pylist() == [False, False, False, False, True]
    assert may_hold(texts, pattern([])).to_pylist() == [False, False, False, False, True]


def test_very_many_names_are_matched_in_full(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefilter, "MOST_NAMES", 1)
    texts = pa.chunked_array([["a quiet harbour", "b"]], pa.string())
    assert may_hold(texts, pattern(["one name", "other word"])).to_pylist() == [True, True]
