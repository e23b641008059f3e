"""One output for all tests of pages that only read it: footage with hostile names, and failures with hostile words."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines import corpora

HOSTILE = "<img src=x onerror=alert(1)>'\"&{{7*7}}<!--<script>"
"""A name that a file may have, and no page may take for more than a text."""
GONE = "/gone</script><script>alert(2)</script>\u2028.mp4"
"""A uri that a list may hold."""


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of one run over the tiny corpus, two names of which are hostile. It is not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("reported")
    footage = corpora.tiny_corpus(folder)
    named = footage / f"{HOSTILE}.mp4"
    (footage / "a_cuts.mp4").rename(named)
    listed = folder / "list.txt"
    listed.write_text(f"{GONE}\n", "utf-8")
    code, told = corpora.curate([footage, listed], folder / "out", "--min-seconds", "1.25")
    assert code == 3, told
    return folder / "out"
