"""YAML with the line of every value."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from generation.marks import read_marked, written
from transforms.settings import ConfigError


def test_every_value_has_the_line_of_its_key():
    found = read_marked("a.yaml", "one: 1\ntwo:\n  - x\n  - {three: 3,\n     four: 4}\n")
    assert found.values == {"one": 1, "two": ["x", {"three": 3, "four": 4}]}
    assert [found.line(path) for path in ((), ("one",), ("two", 1), ("two", 1, "four"))] == [1, 1, 4, 5]
    assert found.where(("two", 1, "four")) == "a.yaml:5: two[1].four"


def test_what_is_missing_has_the_line_of_what_is_around_it():
    found = read_marked("a.yaml", "one: 1\ntwo:\n  three: {}\n")
    assert found.where(("two", "three", "nothing", 3)) == "a.yaml:3: two.three.nothing[3]"


@pytest.mark.parametrize(
    ("text", "value"),
    [("NO", "NO"), ("on", "on"), ("16:9", "16:9"), ("1:30", "1:30"), ("010", 10), ("2026-11-23", "2026-11-23"),
     ("true", True), ("1.5", 1.5), ("1e3", 1000.0), ("~", None), ("'3'", "3"), ("0x10", "0x10")],
)  # fmt: skip
def test_values_are_those_of_yaml_1_2(text, value):
    found = read_marked("a.yaml", f"key: {text}\n").values["key"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x:\n  a: 1\n  a: 1\n"])
def test_a_key_that_stands_twice_is_told_with_both_lines(text):
    with pytest.raises(ConfigError, match=r"a\.yaml:3: (x\.)?a: stands twice; first in line [12]"):
        read_marked("a.yaml", text)


def test_anchors_and_merges_are_fine_and_a_mappings_own_keys_win():
    found = read_marked("a.yaml", "base: &b {x: 1, y: 2}\nmade:\n  <<: *b\n  y: 3\nlist: [*b, *b]\n")
    assert found.values["made"] == {"x": 1, "y": 3}
    assert found.line(("made", "y")) == 4
    assert found.line(("made", "x")) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [("a: [1,\nb: 2\n", r"a\.yaml:\d:\d+: "), ("", "a.yaml:1: the file is empty"), ("a: &a [*a]\n", "alias within"),
     ("a: !!python/object:os.system x\n", r"a\.yaml:1:4: "), ("[a]: 1\n", "a key is a word")],
)  # fmt: skip
def test_what_is_no_yaml_is_told_with_its_place(text, told):
    with pytest.raises(ConfigError, match=told):
        read_marked("a.yaml", text)


def test_aliases_cannot_fill_the_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(ConfigError, match="too many values"):
        read_marked("a.yaml", "\n".join(lines))


_PLAIN = st.none() | st.booleans() | st.integers() | st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]))


@given(
    st.recursive(
        _PLAIN, lambda inner: st.lists(inner) | st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), inner)
    )
)
def test_what_is_written_as_yaml_is_read_back(value):
    """What PyYAML writes is YAML 1.1, so texts that only 1.2 takes for texts come quoted."""
    assert read_marked("a.yaml", yaml.safe_dump({"key": value}, allow_unicode=True)).values == {"key": value}


def test_a_path_is_written_as_a_person_does():
    assert written(("formats", 1, "seconds")) == "formats[1].seconds"
