"""Screening again: a changed registry or another day against everything made, without a source being opened."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from filters.rights import registry
from filters.rights.registry import Registry
from pipelines import screen
from tests.filters.rights.said import EVERYBODY, day, put, say
from tests.pipelines import corpora
from tests.pipelines.test_screening import known, left_of, named, screened, sha256
from transforms import tables, views
from transforms.settings import ConfigError

FILM = "b_sound.mp4"


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY)
    return made


@pytest.fixture
def made(tmp_path: Path, held: Registry) -> tuple[Path, str]:
    """A corpus that was screened, its footage gone, and the video of one of its films."""
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    video = sha256(footage / FILM)
    screened(footage, out, held)
    shutil.rmtree(footage)
    return out, video


def again(out: Path, held: Registry, *extra: str) -> dict[str, Any]:
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report", *extra]) == 0
    return corpora.report(out)


def trainable(out: Path) -> set[str]:
    return set(views.trainable(tables.open_corpus(str(out))).column("video_id").to_pylist())


def test_nothing_new_decides_nothing(made: tuple[Path, str], held: Registry, capsys: pytest.CaptureFixture[str]):
    out, _ = made
    told = again(out, held)
    assert told["balance"]["screened"]["in"] == 0
    assert "Nothing is to be withdrawn." in capsys.readouterr().out


def test_a_refusal_lists_what_to_withdraw_and_leaves_what_is_trainable_at_once(made: tuple[Path, str], held: Registry):
    out, video = made
    before = corpora.rows(out)
    assert video in trainable(out)
    put(held, known("film", "sha256", video), say("no", "opt_out"), on=2)
    told = again(out, held)
    assert told["balance"]["screened"] == {
        "in": 1,
        "kept": 0,
        "dropped": {"denied": 1},
        "dropped_total": 1,
        "failed": {},
    }
    assert video not in trainable(out)
    found = corpora.rows(out)
    listed = {(row["kind"], row["id"]) for row in found["retractions"] if row["use"] == "train"}
    clips = [row for row in before["clips"] if row["video_id"] == video]
    captions = [row for row in before["captions"] if row["video_id"] == video]
    uris = [row["uri"] for row in before["sources"] if row["video_id"] == video]
    assert listed == (
        {("video", video)}
        | {("source", uri) for uri in uris}
        | {("clip", row["clip_id"]) for row in clips}
        | {("caption", f"{row['clip_id']}/{row['captioner']}/{row['kind']}") for row in captions}
    )
    assert {(r["was"], r["verdict"], tuple(r["entries"]), r["removed"]) for r in found["retractions"]} == {
        ("allow", "deny", ("no",), False)
    }
    assert found["clips"] == before["clips"]
    again(out, held)
    assert corpora.rows(out)["retractions"] == found["retractions"]  # said once


def test_applied_it_removes_rows_results_and_replaced_parts_and_leaves_a_receipt(
    made: tuple[Path, str], held: Registry
):
    out, video = made
    put(held, known("film", "sha256", video), say("no", "opt_out"), on=2)
    again(out, held)
    told = again(out, held, "--apply")
    found = corpora.rows(out)
    assert all(video not in named(found, table) for table in ("sources", "videos", "clips", "captions"))
    assert left_of(out, video) == []
    receipt = json.loads((out / "runs" / told["run_id"] / "receipt.json").read_bytes())
    assert {one["kind"] for one in receipt["removed"]} == {"source", "video", "clip", "caption"}
    assert receipt["table_parts"]
    for part in (out / "tables").glob("*/*/*.parquet"):
        table = part.parts[-3]
        if table in ("videos", "clips", "captions", "sources"):
            assert video.encode() not in part.read_bytes(), part


def test_a_statement_that_begins_later_is_found_on_its_day(made: tuple[Path, str], held: Registry):
    out, video = made
    later = say("no", "opt_out", recorded_at=None, valid_from=day(20_000), valid_until=day(20_010))
    put(held, known("film", "sha256", video), later, on=2)
    assert again(out, held)["balance"]["screened"]["dropped"] == {}
    assert video in trainable(out)
    again(out, held, "--as-of", day(20_005).isoformat())
    assert video not in trainable(out)
    again(out, held, "--as-of", day(20_011).isoformat())
    assert video in trainable(out)


def test_a_run_that_went_back_to_an_older_state_is_screened_from_there(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    video = sha256(footage / FILM)
    put(held, known("film", "sha256", video), say("no", "opt_out", recorded_at=None), on=2)
    screened(footage / "a_cuts.mp4", out, held)
    again(out, held, "--as-of", day(20_000).isoformat())
    screened(footage / FILM, out, held, "--rights-version", "1")
    assert video in trainable(out)
    again(out, held)
    assert video not in trainable(out)


def test_a_name_in_a_caption_waits_for_a_person(made: tuple[Path, str], held: Registry):
    out, _ = made
    (first, *_) = corpora.rows(out)["captions"]
    words = " ".join(first["text"].split()[:3])
    put(held, known("film", "text", words), say("no", "opt_out"), on=2)
    told = again(out, held, "--apply")
    assert told["balance"]["screened"]["in"] > 0
    found = corpora.rows(out)
    assert first["video_id"] in named(found, "clips")  # Nothing is removed for a name alone.
    assert first["video_id"] not in trainable(out)
    assert {row["verdict"] for row in found["retractions"]} == {"review"}


def test_footage_that_was_never_screened_is_screened_whole(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    corpora.curate(footage, out)
    assert trainable(out) == set()
    told = again(out, held)
    assert told["balance"]["screened"]["kept"] == corpora.GOOD
    assert trainable(out)


def test_a_registry_is_needed(made: tuple[Path, str]):
    with pytest.raises(ConfigError, match="no --rights"):
        screen.run(["--output", str(made[0])])
