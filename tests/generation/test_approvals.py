"""Approvals: nothing that was decided is lost, and what was decided holds for the file that was looked at."""

from __future__ import annotations

import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.approvals import Approval, add, now, path_of, read, ready, sample_of, sha256_of, standings
from transforms.settings import ConfigError


def decided(asset: str, verdict: str = "approve", sha256: str = "1", **more) -> Approval:
    return Approval(asset_id=asset, sha256=sha256, verdict=verdict, who="ann", at="2026-11-23T09:00:00+00:00", **more)


def test_what_is_added_is_read_in_order(tmp_path):
    assert read(str(tmp_path)) == []
    first, second = decided("a", why="good — très bien"), decided("b", "reject", why="too dark")
    add(str(tmp_path), [first])
    add(str(tmp_path), [second, first])
    assert read(str(tmp_path)) == [first, second, first]
    assert path_of(str(tmp_path)).read_text().count("\n") == 3
    assert now().endswith("+00:00")


def test_a_line_that_was_cut_short_is_no_decision_and_spoils_no_other(tmp_path):
    add(str(tmp_path), [decided("a"), decided("b")])
    path = path_of(str(tmp_path))
    whole = path.read_bytes()
    for kept in range(len(whole)):
        path.write_bytes(whole[:kept])
        add(str(tmp_path), [decided("c")])
        found = [one.asset_id for one in read(str(tmp_path))]
        assert found[-1] == "c"
        assert found[:-1] == ["a", "b"][: whole[:kept].count(b"}")]


def test_a_line_that_is_no_decision_is_an_error_that_names_it(tmp_path):
    add(str(tmp_path), [decided("a")])
    with open(path_of(str(tmp_path)), "a") as file:
        file.write('{"asset_id": "b", "verdict": "maybe"}\n')
    with pytest.raises(ConfigError, match=r"approvals\.jsonl:2: no decision"):
        read(str(tmp_path))
    with pytest.raises(ValueError, match="verdict 'maybe': not one of approve, reject"):
        decided("a", "maybe")


def _add_many(folder: str, who: str) -> None:
    for n in range(40):
        add(folder, [decided(f"{who}{n}", why="x" * 500)])


def test_people_who_decide_at_the_same_time_lose_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    people = [context.Process(target=_add_many, args=(str(tmp_path), who)) for who in "ab"]
    for one in people:
        one.start()
    for one in people:
        one.join(60)
    assert len({one.asset_id for one in read(str(tmp_path))}) == 80


def test_objects_of_a_bucket_cannot_be_appended_to():
    with pytest.raises(ConfigError, match="give a local folder"):
        read("gs://bucket/out")


def test_a_decision_holds_for_the_bytes_that_were_looked_at():
    said = [decided("a"), decided("b", "reject"), decided("c", sha256="old"), decided("d", "reject"), decided("d")]
    files = dict.fromkeys("abcde", "1")
    assert standings(said, files) == {
        "a": "approved",
        "b": "rejected",
        "c": "changed",
        "d": "approved",
        "e": "open",
    }


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(str(tmp_path / "file")).startswith("ba7816bf")


CELLS = [f"product={p}/language={n}/format={f}" for p in "ab" for n in ("ar", "de", "en") for f in ("q", "s", "w")]


def test_a_sample_shows_every_level_with_few_cells():
    chosen = sample_of(reversed(CELLS), 3)
    assert chosen == (
        "product=a/language=ar/format=q",
        "product=b/language=de/format=s",
        "product=a/language=en/format=w",
    )
    assert sample_of(CELLS, 0) == ()
    assert sample_of(CELLS[:2], 5) == tuple(CELLS[:2])


@given(st.sets(st.sampled_from(CELLS)), st.integers(0, 20))
def test_a_sample_is_of_the_cells_and_no_larger_than_asked(cells, count):
    chosen = sample_of(cells, count)
    assert set(chosen) <= cells
    assert len(chosen) == len(set(chosen)) == min(count, len(cells))


def test_the_others_go_on_when_every_cell_of_the_sample_is_approved():
    cells = {"x": ["x0", "x1"], "y": ["y0"], "z": ["z0"]}
    files = dict.fromkeys(["x0", "x1", "y0"], "1")
    sample = ["x", "y", "gone"]
    assert ready(cells, sample, [], files) == {"x", "y"}
    assert ready(cells, sample, [decided("x1")], files) == {"x", "y"}
    assert ready(cells, sample, [decided("x1"), decided("y0")], files) == {"x", "y", "z"}
    assert ready(cells, sample, [decided("x1"), decided("y0", "reject")], files) == {"x", "y"}
    assert ready(cells, sample, [decided("x1"), decided("y0", sha256="old")], files) == {"x", "y"}
    assert ready(cells, [], [], {}) == {"x", "y", "z"}
