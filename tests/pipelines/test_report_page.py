"""The page of a run: written at its end and on demand, and never the reason that a run fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pages import report as page
from pipelines import report_page
from tests.pipelines import corpora
from transforms.settings import ConfigError

WITH_FAILURES = 3


def test_a_run_leaves_its_page_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    footage = corpora.tiny_corpus(tmp_path)
    code, told = corpora.curate(footage, tmp_path / "out", "--report")
    assert code == WITH_FAILURES
    made = tmp_path / "out" / "runs" / told["run_id"] / "report.html"
    assert str(made) in capsys.readouterr().out
    first = made.read_bytes()
    assert told["run_id"].encode() in first
    assert len(first) < 20_000_000
    made.unlink()
    assert report_page.run([str(tmp_path / "out"), "--run", told["run_id"]]) == 0
    assert made.read_bytes() == first, "the same tables give the same page"
    assert capsys.readouterr().out.strip() == str(made)


def test_a_page_that_cannot_be_made_costs_the_run_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(root: str, run_id: str) -> str:
        raise ZeroDivisionError("no reason")

    footage = corpora.tiny_corpus(tmp_path)
    monkeypatch.setattr(page, "write_report", broken)
    assert corpora.curate(footage, tmp_path / "out", "--report")[0] == WITH_FAILURES
    assert "could not be made (no reason); rushes report" in capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "pages.report", None)
    assert corpora.curate(footage, tmp_path / "out", "--report")[0] == WITH_FAILURES
    assert "pip install 'rushes[pages]'" in capsys.readouterr().out


def test_what_is_not_there_is_told(curated: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="20200101T000000Z"):
        report_page.run([str(curated), "--run", "20200101T000000Z-000000"])
    with pytest.raises(ConfigError):
        report_page.run([str(tmp_path / "nothing")])
