"""Rights in the main job: what is refused is not read, what was made of it goes, and a trainer never sees it."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from filters.rights import policy, registry
from filters.rights.policy import RightsSettings
from filters.rights.records import IdentifierRow, identifier_id
from filters.rights.registry import Registry
from filters.rights.screening import Screen, Subject
from filters.rights.signals.signal import Says, Spot
from pipelines import measuring, scenes, screening, steps
from pipelines.config import Config
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pipelines import corpora
from transforms import pool, tables, views
from transforms.records import to_dict
from transforms.settings import ConfigError
from transforms.sources import SourceRef
from transforms.store import Store

FILM = "b_sound.mp4"


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY)
    return made


def known(work: str, kind: str, value: str, **more: Any) -> IdentifierRow:
    return IdentifierRow(identifier_id=identifier_id(work, kind, value), work_id=work, kind=kind, value=value, **more)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def screened(inputs: Any, out: Path, held: Registry, *extra: str) -> dict[str, Any]:
    code, told = corpora.curate(inputs, out, "--rights", held.root, *extra)
    assert code in (0, 3)
    return told


def named(found: dict[str, list[dict[str, Any]]], table: str) -> set[str]:
    return {row["video_id"] for row in found[table]}


def left_of(out: Path, video: str) -> list[str]:
    """What the store has under a video's name, but how it was called and what was said of it."""
    said = ("source", screening.MARK, screening.SAID_INSIDE)
    return [p.name for p in (out / "store").glob(f"*/*/*{video}*") if p.parts[-3] not in said]


def test_bytes_that_are_refused_are_not_decoded_and_leave_their_verdict_alone(tmp_path: Path, held: Registry):
    footage = corpora.tiny_corpus(tmp_path)
    video = sha256(footage / FILM)
    put(held, known("film", "sha256", video), say("no", "opt_out"))
    told = screened(footage, tmp_path / "out", held)
    assert told["balance"]["sources"]["dropped"] == {"denied": 1}
    assert told["balance"]["videos"]["kept"] == corpora.VIDEOS - 1
    found = corpora.rows(tmp_path / "out")
    assert all(video not in named(found, table) for table in ("sources", "videos", "clips", "captions"))
    assert left_of(tmp_path / "out", video) == []
    (row,) = [v for v in found["verdicts"] if v["video_id"] == video and v["use"] == "train"]
    assert (row["verdict"], row["kept_out"], row["entries"], row["registry_version"]) == ("deny", True, ["no"], 2)
    assert row["words"] == ["The Film: refused by Acme"]
    assert {v["verdict"] for v in found["verdicts"] if v["video_id"] != video and v["use"] == "train"} == {"allow"}
    usable = views.trainable(tables.open_corpus(str(tmp_path / "out")))
    kept = {row["video_id"] for row in found["clips"] if row["kept"]}
    assert set(usable.column("video_id").to_pylist()) == kept
    assert set(usable.column("registry_version").to_pylist()) == {2}


def test_a_source_refused_by_its_address_is_not_opened(tmp_path: Path, held: Registry):
    footage = corpora.tiny_corpus(tmp_path)
    put(held, known("film", "url_prefix", str(footage / FILM)), say("no", "opt_out"))
    (footage / FILM).write_bytes(b"no film")  # Were it opened, it would be a failure.
    told = screened(footage, tmp_path / "out", held)
    assert told["balance"]["sources"]["dropped"] == {"denied": 1}
    assert [row["subject"] for row in corpora.rows(tmp_path / "out")["failures"]] == [str(footage / corpora.DAMAGED)]


def test_a_new_refusal_takes_away_what_was_made_and_its_end_brings_it_back(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    video = sha256(footage / "a_cuts.mp4")
    first = screened(footage, out, held)
    before = corpora.rows(out)
    assert first["balance"]["sources"]["dropped"] == {}
    assert left_of(out, video)
    # One address is refused; its copy under another has the same bytes.
    put(held, known("film", "url_prefix", str(footage / "a_cuts.mp4")), say("no", "opt_out"), on=2)
    told = screened(footage, out, held)
    assert told["balance"]["sources"]["dropped"] == {"denied": 2}
    assert told["decoded_frames"] == 0
    found = corpora.rows(out)
    assert all(video not in named(found, table) for table in ("sources", "videos", "clips", "captions"))
    assert left_of(out, video) == []
    copied = next(v for v in found["verdicts"] if v["subject"].endswith("e_copy.mp4") and v["use"] == "train")
    assert copied["words"] == [f"The Film: refused by Acme (said of {footage / 'a_cuts.mp4'}, the same bytes)"]
    # The copy alone stays refused: what was said of its bytes is remembered.
    alone = screened(footage / "e_copy.mp4", out, held)
    assert alone["balance"]["sources"] == {
        "in": 1,
        "kept": 0,
        "dropped": {"denied": 1},
        "dropped_total": 1,
        "failed": {},
    }
    put(held, say("yes", "grant", supersedes="no"), on=3)
    again = screened(footage, out, held)
    assert again["decoded_frames"] > 0
    after = corpora.rows(out)
    for table in ("sources", "videos", "captions"):
        assert after[table] == before[table]


def test_a_source_refused_by_name_again_is_still_known_by_its_bytes(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path) / FILM, tmp_path / "out"
    screened(footage, out, held)
    video = sha256(footage)
    footage.write_bytes(b"no film")  # What is listed is not what was read.
    put(held, known("film", "url_prefix", str(footage)), say("no", "opt_out"), on=2)
    for _ in range(2):
        screened(footage, out, held)
        found = corpora.rows(out)
        assert (found["sources"], found["clips"]) == ([], [])
        assert named(found, "verdicts") == {video}


def test_what_was_heard_of_a_source_stays_marked_when_it_is_listed_and_what_the_registry_said_does_not(
    tmp_path: Path, held: Registry
):
    uri, store = "s3://b/film.mp4", Store(str(tmp_path))
    put(held, known("film", "url_prefix", "b/film.mp4"), say("no", "opt_out", uses=["caption"]), on=2)
    silent, refusing = (policy.pinned(RightsSettings(), held.root, number) for number in (1, 2))
    config = dataclasses.replace(Config(), rights=silent)
    plan: Any = SimpleNamespace(root=str(tmp_path), buckets=2)
    step = steps.LookUp(plan, config)
    ref: dict[str, Any] = {"uri": uri, "size": 1, "etag": "e"}

    def silenced(video: str, *said: Says, by: RightsSettings = silent) -> tuple[bool, bool]:
        spot = Spot("robots.txt", "site", uri, f"{uri}/robots.txt", datetime.now(UTC))
        heard = tuple(spot.signal(one, "no captions") for one in said)
        screening.mark(store, video, [to_dict(row) for row in Screen(by).rows(Subject(uri, {}, video, signals=heard))])
        before = screening.silenced(store, video)
        assert not step._denied(uri, ref, {str(measuring.source_key(SourceRef(**ref))): video})
        return before, screening.silenced(store, video)

    assert silenced("a" * 64, Says(caption="deny")) == (True, True)
    assert silenced("b" * 64, Says(caption="unknown")) == (True, True)
    assert silenced("c" * 64, by=refusing) == (True, False)
    assert silenced("d" * 64) == (False, False)


def test_captions_that_are_made_again_are_screened(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path) / FILM, tmp_path / "out"
    screened(footage, out, held)
    before = corpora.rows(out)
    cut = ["--output", str(out), "--children", "1", "--min-side", "64", "--min-seconds", "1", "--no-report"]
    with pytest.raises(ConfigError, match="give --rights"):
        scenes.run(cut)
    words = before["captions"][0]["text"].split(", ")[1]
    spare = tmp_path / "spare"
    shutil.copytree(out, spare)
    put(held, known("film", "text", words), say("no", "opt_out", uses=["train", "caption"]), on=2)
    try:
        assert scenes.run([*cut, "--rights", held.root]) == 0
    finally:
        pool.kill_all()
    screened(footage, spare, held)  # And by the job that reads sources.
    for folder in (out, spare):
        found = corpora.rows(folder)
        assert (found["captions"], len(found["clips"])) == ([], len(before["clips"]))
        assert {(v["verdict"], v["kept_out"]) for v in found["verdicts"] if v["use"] == "train"} == {("review", True)}
        assert views.trainable(tables.open_corpus(str(folder))).num_rows == 0


def test_a_name_in_what_a_list_says_waits_for_a_person(tmp_path: Path, held: Registry):
    footage = corpora.tiny_corpus(tmp_path)
    listed = tmp_path / "list.csv"
    listed.write_text(f"uri,title\n{footage / FILM},Trailer of THE  FILM!\n{footage / 'c_film.webm'},Another\n")
    put(held, known("film", "text", "The Film"), say("no", "opt_out"))
    told = screened(listed, tmp_path / "out", held)
    assert told["balance"]["sources"]["kept"] == 2
    found = corpora.rows(tmp_path / "out")
    verdicts = {v["subject"]: v["verdict"] for v in found["verdicts"] if v["use"] == "train"}
    assert verdicts == {str(footage / FILM): "review", str(footage / "c_film.webm"): "allow"}
    usable = views.trainable(tables.open_corpus(str(tmp_path / "out"))).column("uri").to_pylist()
    assert set(usable) <= {str(footage / "c_film.webm")}
    assert {row["kept"] for row in found["clips"] if row["video_id"] == sha256(footage / FILM)} >= {True}


def test_what_may_not_be_captioned_has_no_captions(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    video = sha256(footage / FILM)
    screened(footage / FILM, out, held)
    assert video in named(corpora.rows(out), "captions")
    put(held, known("film", "sha256", video), say("no", "opt_out", uses=["caption"]), on=2)
    screened(footage / FILM, out, held)
    found = corpora.rows(out)
    assert video in named(found, "clips")
    assert video not in named(found, "captions")
    assert set(views.trainable(tables.open_corpus(str(out))).column("caption").to_pylist()) == {None}


def test_a_corpus_that_was_screened_is_never_run_without_its_registry(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    screened(footage / FILM, out, held)
    with pytest.raises(ConfigError, match="give --rights"):
        corpora.curate(footage / FILM, out)


def test_without_a_registry_nothing_is_trainable(tmp_path: Path):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    corpora.curate(footage / FILM, out)
    assert views.training(tables.open_corpus(str(out))).num_rows
    assert views.trainable(tables.open_corpus(str(out))).num_rows == 0


@pytest.mark.parametrize("broken", ["gone", "damaged", "no such version", "empty"])
def test_a_registry_that_cannot_be_read_stops_the_job_before_anything_is_read(
    tmp_path: Path, held: Registry, broken: str
):
    footage = corpora.tiny_corpus(tmp_path)
    extra: tuple[str, ...] = ()
    if broken == "gone":
        (Path(held.root) / "registry.json").unlink()
    elif broken == "damaged":
        put(held, known("film", "sha256", sha256(footage / FILM)))
        (part,) = Path(held.root).glob("tables/identifiers/*/*.parquet")
        part.write_bytes(part.read_bytes()[:-10])
    elif broken == "empty":
        held = registry.create(str(tmp_path / "empty"))
    else:
        extra = ("--rights-version", "7")
    with pytest.raises(ConfigError):
        corpora.curate(footage, tmp_path / "out", "--rights", held.root, *extra)
    assert not (tmp_path / "out" / "store").exists()
