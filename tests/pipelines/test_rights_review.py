"""Review: what waits is told with its evidence, and a person's word is an entry that the next screening hears."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from filters.rights import registry
from filters.rights.registry import Registry
from pipelines import options, rights_review, screen
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pipelines import corpora
from tests.pipelines.test_screening import FILM, known, screened, sha256
from transforms import tables
from transforms.settings import ConfigError

DECIDE = ["--work", "film", "--author", "ann", "--reason", "looked at it", "--decide"]


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    named = known("film", "text", "The Film", negative_contexts=["developing"])
    put(made, *EVERYBODY, named, say("no", "opt_out", recorded_at=None))
    return made


@pytest.fixture
def out(tmp_path: Path, held: Registry) -> Path:
    """A corpus with a source whose title is a work's name."""
    footage = corpora.tiny_corpus(tmp_path)
    listed = tmp_path / "list.csv"
    listed.write_text(
        f"uri,title,note\n{footage / FILM},The Film,developing the film\n{footage / 'c_film.webm'},Other,\n"
    )
    assert screened(listed, tmp_path / "out", held)["balance"]["videos"]["kept"] == 2
    return tmp_path / "out"


def review(held: Registry, out: Path, *argv: str) -> int:
    verb = rights_review.VERBS["review"]
    parser = options.Parser()
    verb.arguments(parser)
    return verb.run(parser.parse_args(["--registry", held.root, "--output", str(out), *argv]))


def verdicts(held: Registry, out: Path) -> dict[str, str]:
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report"]) == 0
    rows = tables.read(tables.open_corpus(str(out)), "verdicts").to_pylist()
    return {Path(row["subject"]).name: row["verdict"] for row in rows if row["use"] == "train"}


def test_what_waits_is_told_with_its_evidence(held: Registry, out: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert review(held, out, "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert Path(one["subject"]).name == FILM
    ((work, title, kind, seen),) = one["matches"]
    assert (work, title, kind) == ("film", "The Film", "text")
    assert "“The Film” at 0-8" in seen
    assert "developing" in one["near"][0]
    assert review(held, out) == 0
    told = capsys.readouterr().out
    assert "1 to be looked at by a person" in told
    assert max(map(len, told.splitlines())) <= 120


@pytest.mark.parametrize(("decision", "verdict"), [("other", "allow"), ("same", "deny")])
def test_a_decision_is_heard_by_the_next_screening(held: Registry, out: Path, decision: str, verdict: str):
    assert verdicts(held, out)[FILM] == "review"
    footage = next(p for p in (out.parent / "footage").iterdir() if p.name == FILM)
    assert review(held, out, "--subject", sha256(footage), *DECIDE, decision) == 0
    assert verdicts(held, out) == {FILM: verdict, "c_film.webm": "allow"}
    assert registry.version(held).author == "ann"


def test_what_cannot_be_decided_is_refused(held: Registry, out: Path):
    film = str(out.parent / "footage" / FILM)
    for argv, words in (
        (["--decide", "same"], "give --subject, --work, --author, --reason"),
        (["--subject", "nobody", *DECIDE, "same"], "does not wait"),
        (["--subject", film, "--team", "acme", *DECIDE, "other"], "--team acme"),
        (["--subject", film, "--work", "duck", *DECIDE[2:], "same"], "was not recognised"),
    ):
        with pytest.raises(ConfigError, match=words):
            review(held, out, *argv)
    assert registry.version(held).number == 1
