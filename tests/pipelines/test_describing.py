"""Models in the job: each clip gets its own caption, once; a film that a caption recognises is kept out."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from captioning.windows import stretches
from filters.rights import registry
from pipelines import describing, main, recaption
from pipelines.answering import Pictures
from pipelines.config import CaptionSettings
from tests.captioning.faultserver import Asked, Fault, FaultServer, error, said, seen
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pipelines import corpora
from tests.pipelines.test_release import KNOWN
from tests.pipelines.test_screening import known
from transforms import pool, storage, tables, views
from transforms.failures import ElementError
from transforms.settings import ConfigError
from transforms.store import Store


def asking(server: FaultServer, model: str = "eyes", **more: Any) -> list[str]:
    settings = {"url": server.url, "attempts": 2, "concurrency": 4, **more}
    return ["--captioner", ",".join([f"openai:{model}", *(f"{k}={v}" for k, v in settings.items())])]


def again(out: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Recaption; the exit code and the report."""
    try:
        code = recaption.run(["--output", str(out), "--no-report", *words])
    finally:
        pool.kill_all()
    return code, corpora.report(out)


def captions(out: Path, **columns: Any) -> list[dict[str, Any]]:
    every = tables.read(tables.open_corpus(str(out)), "captions").to_pylist()
    return [row for row in every if all(row[name] == value for name, value in columns.items())]


def kept_clips(out: Path) -> list[dict[str, Any]]:
    corpus = tables.open_corpus(str(out))
    videos = {row["video_id"]: row for row in tables.read(corpus, "videos").to_pylist()}
    clips = tables.read(corpus, "clips").to_pylist()
    return [{**row, "measure_uri": videos[row["video_id"]]["measure_uri"]} for row in clips if row["kept"]]


def true_text(out: Path, clip: dict[str, Any], kind: str) -> str:
    """What the server says of a clip's own frames."""
    with Pictures(Store(str(out))) as pictures:
        times = pictures.times(clip["measure_uri"], clip)
        windows = stretches(kind, clip["seconds"], times, 8, 10.0)
        shown = [pictures.frames(clip["measure_uri"], clip, window.frames) for window in windows]
    return " ".join(seen(frame.jpeg for frame in frames) for frames in shown)


def test_every_clip_gets_the_captions_of_its_own_frames_once_and_no_source_is_opened(server: FaultServer, out: Path):
    code, told = again(out, *asking(server))
    clips = kept_clips(out)
    assert code == 0
    assert len(clips) > 1
    assert told["balance"]["captions"]["in"] == told["balance"]["captions"]["kept"] == 2 * len(clips)
    assert (told["decoded_frames"], told["read_bytes"]) == (0, 0)
    assert 0 < told["step_seconds"]["caption"] < told["elapsed_seconds"]
    for kind in ("short", "dense"):
        found = {row["clip_id"]: row["text"] for row in captions(out, captioner="openai", kind=kind)}
        assert found == {clip["clip_id"]: true_text(out, clip, kind) for clip in clips}
    first = len(server.posts)

    code, told = again(out, *asking(server))
    assert (code, len(server.posts)) == (0, first)
    assert told["reused"] == {"captions": 2 * len(clips)}

    assert again(out, *asking(server, "other", kinds="short"))[0] == 0
    assert len(server.posts) == first + len(clips)
    by = {(row["captioner"], row["model"], row["kind"]) for row in captions(out)}
    assert by == {
        ("attributes", "attributes", "short"),
        ("attributes", "attributes", "structured"),
        ("openai", "eyes", "short"),
        ("openai", "eyes", "dense"),
        ("openai", "other", "short"),
    }


def test_a_caption_that_is_there_by_another_prompt_or_setting_is_made_anew(
    server: FaultServer, out: Path, tmp_path: Path
):
    clips = len(kept_clips(out))
    assert again(out, *asking(server, kinds="short"))[0] == 0
    own = tmp_path / "short.txt"
    own.write_text("# version: 7\nSay what you see in $frames.\n")
    assert again(out, *asking(server, kinds="short", prompt=own))[0] == 0
    assert len(server.posts) == 2 * clips
    assert len({row["prompt_version"] for row in captions(out, captioner="openai")}) == 2
    assert again(out, *asking(server, kinds="short", max_tokens=9))[0] == 0
    assert len(server.posts) == 3 * clips
    assert len(captions(out, captioner="openai")) == 2 * clips  # Newer settings take the older ones' place.


def test_a_clip_that_fails_is_named_alone_and_asked_again_by_the_next_run(server: FaultServer, out: Path):
    bad = kept_clips(out)[1]
    text = true_text(out, bad, "short")

    def wrong(asked: Asked) -> Fault | None:
        return error(500) if asked.method == "POST" and _says(asked) == text else None

    server.wrong = wrong
    code, told = again(out, *asking(server, kinds="short"))
    clips = kept_clips(out)
    assert code == 3
    assert told["balance"]["captions"] == {
        "in": len(clips), "kept": len(clips) - 1, "dropped": {}, "dropped_total": 0, "failed": {"unreachable": 1},
    }  # fmt: skip
    (failure,) = [row for row in corpora.rows(out)["failures"] if row["step"] == "caption"]
    assert failure["subject"].split()[:-1] == [bad["clip_id"], "openai", "eyes", "short"]
    assert failure["attempts"] == 2
    assert "openai eyes" in failure["message"]

    server.wrong = lambda asked: None
    before = len(server.posts)
    assert again(out, *asking(server, kinds="short"))[0] == 0
    assert len(server.posts) == before + 1
    assert len(captions(out, captioner="openai")) == len(clips)


def test_a_clip_that_lacks_two_kinds_is_two_failures(server: FaultServer, out: Path):
    server.wrong = lambda asked: error(500) if asked.method == "POST" else None
    code, told = again(out, *asking(server, attempts=1))
    wanted = 2 * len(kept_clips(out))
    assert code == 3
    assert told["balance"]["captions"]["failed"] == {"unreachable": wanted}
    assert len([row for row in corpora.rows(out)["failures"] if row["step"] == "caption"]) == wanted


def _says(asked: Asked) -> str:
    from tests.captioning.faultserver import completion

    text: str = completion(asked)["choices"][0]["message"]["content"]
    return text


def test_what_a_model_said_is_in_the_store_before_the_run_ends(
    server: FaultServer, out: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> Any:
        raise OSError(5, "the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.writing.commit_run", broken)
        assert again(out, *asking(server))[0] == 1
    assert captions(out, captioner="openai") == []
    shutil.rmtree(out / "store" / "answer")  # What the endpoint said is kept twice over; here the run's own.
    asked = len(server.posts)
    assert again(out, *asking(server))[0] == 0
    assert len(server.posts) == asked
    assert len(captions(out, captioner="openai")) == 2 * len(kept_clips(out))


def test_curate_captions_in_the_same_run(server: FaultServer, tmp_path: Path):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    words = ("--captioner", "attributes", *asking(server, kinds="short"))
    code, told = corpora.curate(footage, out, *words)
    clips = kept_clips(out)
    assert code == 3  # One source is damaged.
    assert told["balance"]["captions"]["kept"] == 3 * len(clips)
    assert told["balance"]["sources"]["kept"] == corpora.GOOD
    found = {row["clip_id"]: row["text"] for row in captions(out, captioner="openai")}
    assert found == {clip["clip_id"]: true_text(out, clip, "short") for clip in clips}

    asked = len(server.posts)
    code, told = corpora.curate(footage, out, *words)
    assert (told["decoded_frames"], len(server.posts)) == (0, asked)
    assert told["reused"]["captions"] == len(clips)


@pytest.fixture
def held(tmp_path: Path) -> registry.Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY, *KNOWN)
    return made


@pytest.mark.parametrize("job", ["curate", "recaption"])
def test_a_film_that_its_caption_recognises_is_kept_out_with_all_its_sources(
    server: FaultServer, held: registry.Registry, tmp_path: Path, job: str
):
    put(held, known("film", "text", "The Film"), say("no", "opt_out"), on=2)
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    assert corpora.curate(footage, out, "--rights", held.root)[0] == 3
    there = {row["uri"]: row["video_id"] for row in corpora.rows(out)["sources"]}
    film = next(video for uri, video in there.items() if uri.endswith("a_cuts.mp4"))
    texts = {true_text(out, clip, "short") for clip in kept_clips(out) if clip["video_id"] == film}
    assert texts
    if job == "curate":
        shutil.rmtree(out)

    def wrong(asked: Asked) -> Fault | None:
        return said("A scene of The Film.") if asked.method == "POST" and _says(asked) in texts else None

    server.wrong = wrong
    words = (*asking(server, kinds="short"), "--rights", held.root)
    code, told = corpora.curate(footage, out, *words) if job == "curate" else again(out, *words)
    assert code in (0, 3), told
    rows = corpora.rows(out)
    waiting = {row["subject"] for row in rows["verdicts"] if (row["use"], row["verdict"]) == ("train", "review")}
    assert {uri for uri, video in there.items() if video == film} == waiting  # The film, and a copy of it.
    trainable = set(views.trainable(tables.open_corpus(str(out))).column("video_id").to_pylist())
    assert film not in trainable
    assert trainable
    assert told["balance"]["sources"]["kept"] == corpora.GOOD if job == "curate" else True


def test_a_film_that_may_not_be_captioned_loses_what_a_model_said(
    server: FaultServer, held: registry.Registry, out: Path, tmp_path: Path
):
    shutil.rmtree(out)
    footage = corpora.tiny_corpus(tmp_path)
    put(held, known("film", "text", "The Film"), say("no", "opt_out", uses=("caption",)), on=2)
    server.wrong = lambda asked: said("A scene of The Film.") if asked.method == "POST" else None
    words = (*asking(server, kinds="short"), "--rights", held.root)
    code, told = corpora.curate(footage, out, *words)
    assert code == 3
    assert told["balance"]["captions"]["dropped_total"] > 0
    rows = corpora.rows(out)
    assert len(rows["sources"]) == corpora.GOOD
    silent = {row["video_id"] for row in rows["clips"] if row["kept"]}
    assert not [row for row in rows["captions"] if row["video_id"] in silent]
    asked = len(server.posts)
    assert again(out, *words)[0] == 0
    assert len(server.posts) == asked  # Nobody asks about what may not be captioned.


def test_a_job_without_what_it_needs_stops_before_it_begins(out: Path, capsys: pytest.CaptureFixture[str]):
    for words, complaint in (
        ([], "no model is named"),
        (["--captioner", "openai:eyes,url=http://127.0.0.1:9/v1,attempts=1"], "the endpoint does not answer"),
        (["--captioner", "vlm:/nowhere"], "--captioner vlm"),
        (["--recogniser", "faster-whisper:/nowhere"], "--recogniser faster-whisper"),
    ):
        before = len(corpora.runs(out))
        assert main.main(["recaption", "--output", str(out), *words]) == 2
        assert complaint in capsys.readouterr().err
        assert len(corpora.runs(out)) == before


def test_no_part_of_what_travels_is_large():
    clip = dict.fromkeys(describing.CLIP_COLUMNS, 2**60) | {"clip_id": "c" * 32, "video_id": "v" * 64}
    video = dict.fromkeys(describing.VIDEO_COLUMNS, "x" * 100)
    parts = list(describing.wanted(video, [clip] * 5000))
    assert sum(len(part["clips"]) for part in parts) == 5000
    assert max(len(str(part)) for part in parts) < 64_000
    assert describing.together(reversed(parts))["clips"] == [clip] * 5000


def test_a_recogniser_is_refused_by_its_name():
    with pytest.raises(ConfigError, match="--recogniser ears: not one of"):
        describing.recogniser(CaptionSettings(recogniser="ears:x"))


def test_storage_is_where_frames_come_from(out: Path):
    clip = kept_clips(out)[0]
    storage.delete(str(out / clip["measure_uri"] / "samples.zip"))
    with Pictures(Store(str(out))) as pictures, pytest.raises(ElementError, match="curate its source again"):
        pictures.times(clip["measure_uri"], clip)
