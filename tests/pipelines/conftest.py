"""One curated output for all tests that only read it or work on a copy, and who captions it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import scenes
from tests.captioning.faultserver import FaultServer
from tests.captioning.smallmodels import small_coca
from tests.pipelines import corpora
from transforms import pool

__all__ = ["small_coca"]


@pytest.fixture(scope="session")
def curated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus with two snapshots: 1 keeps clips from a second on, 2 is cut again and keeps longer ones only.

    Its footage lies beside it in `footage`. It is not to be changed: copy it.
    """
    folder = tmp_path_factory.mktemp("curated")
    footage, out = corpora.tiny_corpus(folder), folder / "out"
    kept = ("--min-side", "64", "--min-seconds")
    code, told = corpora.curate(footage, out, *kept, "1")
    assert (code, told["status"]) == (3, "failures"), told
    try:
        assert scenes.run(["--output", str(out), "--children", "2", *kept, "1.45"]) == 0
    finally:
        pool.kill_all()
    return out


@pytest.fixture
def out(curated: Path, tmp_path: Path) -> Path:
    """A curated output whose footage is gone."""
    shutil.copytree(curated, tmp_path / "out")
    return tmp_path / "out"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """An endpoint that says of frames what is true of them alone."""
    with FaultServer() as running:
        yield running
