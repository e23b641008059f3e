"""Rights in the main job: what is refused is not read, what was made of it goes, and a trainer never sees it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from filters.rights import registry
from filters.rights.records import IdentifierRow, identifier_id
from filters.rights.registry import Registry
from pipelines import screening
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pipelines import corpora
from transforms import tables, views
from transforms.settings import ConfigError

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
