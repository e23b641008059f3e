"""Impact: what a list would change is what publishing it and screening then change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filters.rights import registry
from filters.rights.registry import Registry
from pipelines import options, release, rights, rights_impact, screen
from tests.filters.rights.said import EVERYBODY, put, say
from tests.filters.rights.test_sheets import text
from tests.pipelines import corpora, handed
from tests.pipelines.test_screening import FILM, known, screened, sha256
from transforms import tables, views

NO = {"party": "acme", "work": "film", "statement": "opt_out", "statement_id": "no"}


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY)
    return made


def listed(folder: Path, *rows: dict[str, str]) -> str:
    path = folder / "list.csv"
    path.write_text(text(rows), encoding="utf-8")
    return str(path)


def impact(held: Registry, out: Path, file: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    verb = rights_impact.VERBS["impact"]
    parser = options.Parser()
    verb.arguments(parser)
    argv = [file, "--registry", held.root, "--output", str(out), "--json", "--page", str(out / "impact.html")]
    capsys.readouterr()
    assert verb.run(parser.parse_args(argv)) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def lines(told: dict[str, Any]) -> list[tuple[str, str, int, int]]:
    return [(one["party"], one["effect"], one["sources"], one["videos"]) for one in (*told["lines"], *told["total"])]


def trainable(out: Path) -> set[str]:
    return set(views.trainable(tables.open_corpus(str(out))).column("video_id").to_pylist())


def test_what_is_foretold_is_what_happens(tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    copied = sha256(footage / "a_cuts.mp4")
    put(held, known("film", "sha256", copied), known("duck", "sha256", sha256(footage / FILM)), on=2)
    screened(footage, out, held)
    argv = ["--output", str(out), "--rights", held.root, "--name", "first", "--recipient", "lab"]
    assert release.run(argv) == 0
    ads = [
        handed.asset(f"ad-{work}", f"yes-{work}", work, party, 6.0)
        for work, party in (("film", "acme"), ("duck", "bolt"))
    ]
    handed.committed(out, ads)
    before = corpora.rows(out)
    told = impact(held, out, listed(tmp_path, NO), capsys)
    assert [(one["releases"], one["assets"]) for one in (*told["lines"], *told["total"])] == [(1, 1), (1, 1)]
    assert lines(told) == [("Acme", "denied", 2, 1), ("", "denied", 2, 1)]
    clips = [row for row in before["clips"] if row["video_id"] == copied and row["kept"]]
    (line,) = told["lines"]
    captions = [row for row in before["captions"] if row["video_id"] == copied]
    assert (line["clips"], line["captions"]) == (len(clips), len(captions))
    assert line["seconds"] == pytest.approx(sum(row["seconds"] for row in clips), abs=0.01)
    assert told["denied_share"] == pytest.approx(1 / corpora.VIDEOS)
    assert told["examples"] == [[str(footage / "a_cuts.mp4"), "The Film: refused by Acme"]]
    page = (out / "impact.html").read_text(encoding="utf-8")
    assert "Acme" in page
    assert page.count("to take back") == 2
    assert "http" not in page.replace("http-equiv", "")
    assert corpora.rows(out) == before
    assert registry.version(held).number == 2

    usable = trainable(out)
    put(held, say("no", "opt_out", recorded_at=None), on=3)
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report"]) == 0
    assert usable - trainable(out) == {copied}


def test_what_is_freed_is_told_apart_from_what_has_to_be_read_again(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    screened(footage, out, held)
    put(held, known("film", "sha256", sha256(footage / FILM)), say("no", "opt_out", recorded_at=None), on=2)
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report"]) == 0
    yes = {
        "party": "acme",
        "work": "film",
        "statement": "grant",
        "uses": "train",
        "territory": "WORLD",
        "supersedes": "no",
        "evidence": "contract 7",
    }
    freed = listed(tmp_path, yes)
    assert lines(impact(held, out, freed, capsys)) == [("Acme", "freed", 1, 1), ("", "freed", 1, 1)]
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report", "--apply"]) == 0
    again = "freed, to be read again"
    assert lines(impact(held, out, freed, capsys)) == [("Acme", again, 1, 0), ("", again, 1, 0)]


def test_a_list_about_nothing_that_is_there_changes_nothing(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    corpora.curate(footage, out)
    assert lines(impact(held, out, listed(tmp_path, NO), capsys)) == []


def test_a_list_that_denies_too_much_has_to_be_confirmed(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    put(held, known("film", "sha256", sha256(footage / FILM)), on=2)
    screened(footage, out, held)
    argv = ["publish", listed(tmp_path, NO), "--registry", held.root, "--author", "ann", "--reason", "letter"]
    capsys.readouterr()
    assert rights.run([*argv, "--output", str(out)]) == 1
    told = capsys.readouterr().out
    assert "denies 25.0% of the videos there" in told
    assert "--confirm" in told
    assert registry.version(held).number == 2
    assert rights.run([*argv, "--output", str(out), "--most-denied", "0.25"]) == 0
    assert registry.version(held).number == 3
