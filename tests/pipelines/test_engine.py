"""Engine: a run's temporary folder is its own, and what is said of a stopped run is true."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pipelines import engine, writing
from transforms import tables
from transforms.merge import Merged


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_run_has_a_temporary_folder_of_its_own_and_leaves_none(temp):
    with engine._scratch():
        inside = Path(tempfile.gettempdir())
        assert inside.parent == temp
        assert os.environ["TMPDIR"] == str(inside)
        (inside / "left").write_text("by a killed child")
    assert list(temp.iterdir()) == []
    assert (os.environ["TMPDIR"], tempfile.gettempdir()) == (str(temp), str(temp))


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_holds_is_not(temp):
    dead, alive = temp / "rushes-run-dead", temp / "rushes-run-alive"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "frame").write_bytes(b"x")
    with engine._locked(alive), engine._scratch():
        assert not dead.exists()
        assert (alive / "frame").exists()


def test_a_stopped_run_says_whether_it_had_committed(tmp_path):
    corpus = tables.create_corpus(str(tmp_path / "out"), 2)
    plan = writing.plan_run(corpus, "curate", {}, {})
    assert "Nothing of this run was committed" in engine._where_it_stands(corpus, plan, True)
    told = writing.commit_run(plan, [Merged("failures", 0)], {})
    assert writing.commit_run(plan, [Merged("failures", 0)], {}) == told
    assert "committed, as number 1" in engine._where_it_stands(corpus, plan, True)
    assert "goes on at its runner" in engine._where_it_stands(corpus, plan, False)
