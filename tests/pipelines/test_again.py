"""Again: a run that decodes what was decoded says why; one that does not says nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.config import Config
from pipelines.measuring import measure_key
from tests.pipelines import corpora
from transforms import measure, scan, signals
from transforms.measure import MeasureSettings


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


def test_another_way_to_scan_scans_again_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = corpora.tiny_corpus(tmp_path) / "d_tiny.mp4"

    def curate(*options: str) -> tuple[list[str], bool]:
        _, report = corpora.curate(film, tmp_path / "out", *options)
        return report["decoded_again"], report["decoded_frames"] > 0

    number: Any = scan.RECIPE
    assert curate() == ([], True)
    monkeypatch.setattr(scan, "RECIPE", number + 1)
    assert curate() == ([], False)
    assert curate("--measure", "scan") == (["--measure exact -> scan"], True)
    assert curate("--measure", "scan") == ([], False)
    monkeypatch.setattr(scan, "RECIPE", number + 2)
    assert curate("--measure", "scan")[0] == [f"recipe of scan {number + 1} -> {number + 2}"]


def test_the_recipe_of_scan_is_in_the_key_of_scans_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> list[str]:
        return [measure_key("video", Config(measure=MeasureSettings(measure=way))) for way in ("scan", "exact", "lean")]

    before = keys()
    monkeypatch.setattr(scan, "RECIPE", scan.RECIPE + 1)
    assert [a == b for a, b in zip(before, keys(), strict=True)] == [False, True, True]
