from __future__ import annotations

import dataclasses

import pytest

from transforms import settings
from transforms.store import Store, canonical, digest, key


def test_a_result_is_found_by_key_and_by_listing(tmp_path):
    store, name = Store(str(tmp_path)), key("measure", 1, ["v"])
    assert store.get("measure", name, "v") is None
    assert store.listing("measure", name[:2]) == {}
    file = tmp_path / "made"
    file.write_bytes(b"numbers")
    store.put("measure", name, "v", {"frames": 3}, {"signals": str(file)})
    assert store.get("measure", name, "v") == {"frames": 3}
    assert store.listing("measure", name[:2]) == {name: "v"}
    assert (tmp_path / store.path("measure", name, "signals")).read_bytes() == b"numbers"


def test_a_result_is_written_once(tmp_path):
    store = Store(str(tmp_path))
    store.put("s", "ab" * 32, "v", {"n": 1})
    store.put("s", "ab" * 32, "v", {"n": 2})
    assert store.get("s", "ab" * 32, "v") == {"n": 1}


def test_files_without_a_marker_are_no_result(tmp_path):
    """What a kill between the files and the marker leaves."""
    store, name = Store(str(tmp_path)), "cd" * 32
    left = tmp_path / store.path("measure", name, "signals")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert store.get("measure", name, "v") is None
    assert store.listing("measure", "cd") == {}


def test_a_key_depends_on_everything_that_matters_and_on_nothing_else():
    @dataclasses.dataclass(frozen=True)
    class Some:
        threshold: float = settings.setting(1.0, "A threshold.")
        children: int = settings.setting(1, "How many.", scale=True)

    def made(step="s", recipe=1, inputs=("v",), chosen=None):
        return key(step, recipe, list(inputs), settings.key_fields(chosen or Some()))

    assert made() == made(chosen=Some(children=9))
    others = [made(step="t"), made(recipe=2), made(inputs=("w",)), made(chosen=Some(threshold=2.0))]
    assert len({made(), *others}) == 5
    assert all(len(k) == 64 for k in others)


def test_canonical_json_is_one_spelling_and_refuses_what_has_none():
    assert canonical({"b": (1, 2.5), "a": None}) == '{"a":null,"b":[1,2.5]}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    with pytest.raises(ValueError, match="Out of range"):
        canonical(float("nan"))
