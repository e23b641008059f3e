"""Removing what crashes left in a registry: nothing that a version needs, and nothing that somebody just wrote."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from filters.rights import matching, publishing, registry
from filters.rights.registry import Registry
from pipelines import main, rights
from tests.filters.rights.said import EVERYBODY, put, say


class Crash(BaseException):
    """A death that nothing catches."""


def aged(held: Registry, days: float) -> None:
    """Make every file of a registry so old."""
    then = time.time() - days * 86_400
    for path in Path(held.root).rglob("*"):
        os.utime(path, (then, then))


def files(held: Registry) -> set[str]:
    return {str(p.relative_to(held.root)) for p in Path(held.root).rglob("*") if p.is_file()}


def test_what_a_crash_left_goes_when_it_is_old_and_every_version_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    held = registry.create(str(tmp_path / "rights"))
    put(held, *EVERYBODY)
    put(held, say("no", "opt_out"), on=2)
    for state in registry.history(held):
        matching.compile_version(held, state)

    def dies(*_: object) -> None:
        raise Crash

    before = files(held)
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "_seal", dies)
        with pytest.raises(Crash):
            put(held, say("yes", "grant"), on=3)
    orphans = files(held) - before
    assert [name.split("/")[:2] for name in orphans] == [["tables", "statements"]]
    publishing.revert(held, 1, base=2, author="ann", reason="test")  # A version that no longer has a part needs it yet.
    (Path(held.root) / "compiled" / "matcher-0-abc.bin").write_bytes(b"old")
    (Path(held.root) / "tables" / "works" / ".abc.rushes-part").write_bytes(b"cut")
    orphans |= {"compiled/matcher-0-abc.bin", "tables/works/.abc.rushes-part"}
    everything = files(held)

    def typed(*words: str) -> str:
        capsys.readouterr()
        assert main.guarded(rights.run, ["gc", "--registry", held.root, *words]) == 0
        return capsys.readouterr().out

    assert typed("--apply").startswith("Removed 0 files")  # Somebody may be about to publish them.
    aged(held, 2)
    told = typed()
    assert "3 files" in told
    assert "--apply" in told
    assert files(held) == everything
    assert typed("--apply").splitlines()[-1].startswith("Removed 3 files")
    assert files(held) == everything - orphans
    for state in registry.history(held):
        rows = registry.read(held, "statements", state).column("statement_id").to_pylist()
        assert rows == ([] if state.number in (1, 3) else ["no"])
        matching.open_version(held, state)
    put(held, say("yes", "grant"), on=4)


def test_nothing_goes_from_a_damaged_registry(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    held = registry.create(str(tmp_path / "rights"))
    put(held, *EVERYBODY)
    put(held, say("no", "opt_out"), on=2)
    (Path(held.root) / "versions" / "000001.json").write_text("{}")
    aged(held, 2)
    before = files(held)
    assert main.guarded(rights.run, ["gc", "--registry", held.root, "--apply"]) == 2
    assert "version 1" in capsys.readouterr().err
    assert files(held) == before
