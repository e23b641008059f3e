"""Again: a run that decodes what was decoded says why; one that does not says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.pipelines import corpora
from transforms import measure, signals


def test_what_is_decoded_again_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = corpora.tiny_corpus(tmp_path) / "d_tiny.mp4"

    def curate(*options: str) -> tuple[list[str], int]:
        _, report = corpora.curate(film, tmp_path / "out", *options)
        return report["decoded_again"], report["decoded_frames"]

    frames = curate()[1]
    assert frames > 0
    # Thresholds, detectors, effort of a run: nothing that a decode leaves.
    assert curate("--detectors", "content", "--min-seconds", "3", "--segment-seconds", "9") == ([], 0)
    assert curate("--frames-per-second", "4") == (["--frames-per-second 2.0 -> 4.0"], frames)
    assert curate("--frames-per-second", "4") == ([], 0)
    assert curate("--keep", "lean") == (["--keep full -> lean", "--frames-per-second 4.0 -> 2.0"], frames)
    recipe: Any = signals.RECIPE
    monkeypatch.setattr(measure, "RECIPE", recipe + 1)
    told, _ = curate("--keep", "lean")
    assert told == [f"recipe of measure {recipe} -> {recipe + 1}"]
