"""The rights team and the jobs on one corpus: impact foretold, a work kept out, licensed, revoked, withdrawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines import main
from tests.filters.rights.test_sheets import NO, PARTY, WORK, YES, text
from tests.pipelines import corpora
from tests.pipelines.test_screening import FILM, sha256
from transforms import tables, views

PEOPLE = ["--author", "legal", "--reason", "letter", "--registry", "rights"]


def trainable() -> set[str]:
    return set(views.trainable(tables.open_corpus("corpus")).column("video_id").to_pylist())


def listed(name: str, *rows: dict[str, Any]) -> str:
    Path(name).write_text(text(rows), encoding="utf-8")
    return name


@pytest.mark.slow
def test_from_a_list_to_what_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    footage = corpora.tiny_corpus(tmp_path)
    monkeypatch.chdir(tmp_path)
    video = sha256(footage / FILM)

    def typed(*words: str) -> str:
        capsys.readouterr()
        code = main.main(list(words))
        assert code in (0, 3), capsys.readouterr()
        return capsys.readouterr().out

    assert corpora.curate(footage, "corpus")[0] == 3  # Before there was a registry; one file is damaged.
    assert trainable() == set()

    said = {**PARTY, **WORK, "identify_by": "sha256", "value": video, **NO, "statement_id": "acme-1"}
    no = listed("no.csv", said)
    other = {"party": "acme", "work": "other", "title": "Other", "work_kind": "title"}
    typed("rights", "publish", listed("empty.csv", {**PARTY, **other}), "--create", *PEOPLE)
    foretold = typed("rights", "impact", no, "--registry", "rights", "--output", "corpus", "--page", "impact.html")
    assert "Acme   denied" in foretold
    assert "Acme" in Path("impact.html").read_text(encoding="utf-8")
    typed("rights", "publish", no, *PEOPLE)

    typed("curate", "footage", "--output", "corpus", "--rights", "rights", *corpora.QUICK)
    others = trainable()
    assert others
    assert video not in others

    licence = {**YES, "statement_id": "acme-2", "territory": "WORLD", "supersedes": "acme-1"}
    typed("rights", "publish", listed("yes.csv", licence), *PEOPLE)
    typed("curate", "footage", "--output", "corpus", "--rights", "rights", *corpora.QUICK)
    assert trainable() == others | {video}

    revoke = {**NO, "statement": "revoke", "target": "acme-2", "revocation_effect": "withdraw_outputs"}
    typed("rights", "publish", listed("revoke.csv", {**revoke, "statement_id": "acme-3"}), *PEOPLE)
    told = typed("screen", "--output", "corpus", "--rights", "rights", "--apply", "--no-report")
    assert "To withdraw: 1 source, 1 video" in told.replace("\n", " ")
    assert trainable() == others
    (receipt,) = Path("corpus").glob("runs/*/receipt.json")
    assert video in {one["id"] for one in json.loads(receipt.read_bytes())["removed"]}
    why = typed("rights", "explain", video, "--use", "train", "--registry", "rights")
    assert "deny" in why
    assert "acme-3" in why
