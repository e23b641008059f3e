"""Scores in the job: of each caption that of its own frames, from the store, whoever wrote it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from captioning.scoring import ImageText, Seen, load_scorer
from captioning.windows import stretches
from pipelines.answering import Pictures
from tests.captioning.faultserver import FaultServer
from tests.pipelines import corpora
from tests.pipelines.test_describing import again, asking, captions, kept_clips
from transforms.failures import ElementError
from transforms.samples import Samples, SamplesWriter
from transforms.settings import ConfigError
from transforms.store import Store

pytestmark = pytest.mark.slow
FRAMES = 3


@pytest.fixture
def scorer(small_coca: str) -> str:
    return f"open_clip:{small_coca},device=cpu,frames={FRAMES}"


def expected(out: Path, spec: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """The scores of captions of whole clips, by clip, one at a time."""
    scorer = load_scorer(spec)
    clips = {clip["clip_id"]: clip for clip in kept_clips(out)}
    found = {}
    with Pictures(Store(str(out))) as pictures:
        for row in rows:
            clip = clips[row["clip_id"]]
            times = pictures.times(clip["measure_uri"], clip)
            (window,) = stretches("short", clip["seconds"], times, FRAMES, 10.0)
            frames = pictures.frames(clip["measure_uri"], clip, window.frames)
            ((score,),) = scorer.score([Seen([row["text"]], [frame.jpeg for frame in frames])])  # type: ignore[misc]
            found[row["clip_id"]] = score
    return found


def test_a_scorer_that_comes_later_scores_what_was_said_and_asks_nobody(server: FaultServer, out: Path, scorer: str):
    assert again(out, *asking(server))[0] == 0
    assert {row["score"] for row in captions(out, captioner="openai")} == {None}
    shutil.rmtree(out / "store" / "answer")
    before = len(server.posts)
    code, told = again(out, *asking(server), "--scorer", scorer, "--caption-min-score", "-1")
    rows = captions(out, captioner="openai")
    assert (code, len(server.posts)) == (0, before)
    assert told["balance"]["captions"]["kept"] == len(rows) == 2 * len(kept_clips(out))
    for kind in ("short", "dense"):
        some = [row for row in rows if row["kind"] == kind]
        assert {row["clip_id"]: row["score"] for row in some} == pytest.approx(expected(out, scorer, some), abs=1e-4)
    (who,) = {json.dumps(json.loads(row["settings"])["scorer"]) for row in rows}
    assert json.loads(who)["revision"] == load_scorer(scorer).revision
    assert not any("low_score" in row["flags"] for row in rows)


def test_another_limit_judges_stored_scores_without_a_model_or_a_frame(server: FaultServer, out: Path, scorer: str):
    words = (*asking(server, kinds="short"), "--scorer", scorer)
    assert again(out, *words, "--caption-min-score", "-1")[0] == 0
    scores = sorted(row["score"] for row in captions(out, captioner="openai"))
    assert len(set(scores)) > 1
    for folder in ("answer", "measure"):
        shutil.rmtree(out / "store" / folder)
    before = len(server.posts)
    limit = (scores[0] + scores[-1]) / 2
    assert again(out, *words, "--caption-min-score", f"{limit}", "--caption-drop", "low_score")[0] == 0
    assert len(server.posts) == before
    for row in captions(out, captioner="openai"):
        low = row["score"] < limit
        assert (row["kept"], row["reasons"], "low_score" in row["flags"]) == (not low, ["low_score"] * low, low)
        assert row["score"] in scores


def test_a_caption_whose_frames_cannot_be_read_fails_alone_and_is_scored_once_they_can(
    server: FaultServer, out: Path, scorer: str
):
    clips = kept_clips(out)
    bad = clips[1]
    file = out / bad["measure_uri"] / "samples.zip"
    whole = file.read_bytes()
    rewritten = {}
    with file.open("rb") as read, Samples(read) as samples:
        for entry in samples.frames:
            inside = bad["start_pts"] <= entry.pts < bad["end_pts"]
            rewritten[entry.pts] = b"no picture" if inside else samples.jpeg(entry.pts)
    writer = SamplesWriter(file)
    for pts, jpeg in rewritten.items():
        writer.add(pts, jpeg, 8, 8)
    writer.close()
    words = (*asking(server, kinds="short"), "--scorer", scorer)
    code, told = again(out, *words)
    assert code == 3
    (failure,) = [row for row in corpora.rows(out)["failures"] if row["step"] == "caption"]
    assert (failure["subject"].split()[0], failure["error_class"]) == (bad["clip_id"], "damaged")
    assert failure["message"].startswith("open_clip ")
    assert told["balance"]["captions"]["kept"] == len(clips) - 1

    file.write_bytes(whole)
    before = len(server.posts)
    assert again(out, *words)[0] == 0
    rows = captions(out, captioner="openai")
    assert len(server.posts) == before  # What was said of broken frames was said; the store has it.
    assert len(rows) == len(clips)
    assert None not in {row["score"] for row in rows}


def test_the_scores_of_a_dense_caption_are_those_of_its_windows(out: Path, scorer: str, server: FaultServer):
    assert again(out, *asking(server, kinds="dense"), "--scorer", scorer, "--window-seconds", "0.6")[0] == 0
    rows = [row for row in captions(out, captioner="openai") if len(row["window_texts"]) > 1]
    assert rows
    clips = {clip["clip_id"]: clip for clip in kept_clips(out)}
    model = load_scorer(scorer)
    assert isinstance(model, ImageText)
    with Pictures(Store(str(out))) as pictures:
        for row in rows:
            clip = clips[row["clip_id"]]
            times = pictures.times(clip["measure_uri"], clip)
            each = []
            windows = stretches("dense", clip["seconds"], times, FRAMES, 0.6)
            for window, text in zip(windows, row["window_texts"], strict=True):
                frames = pictures.frames(clip["measure_uri"], clip, window.frames)
                (scores,) = model.score([Seen([text], [frame.jpeg for frame in frames])])
                assert not isinstance(scores, ElementError)
                each += scores
            assert row["score"] == pytest.approx(sum(each) / len(each), abs=1e-4)


def test_a_scorer_with_nothing_to_score_is_refused(out: Path, scorer: str):
    with pytest.raises(ConfigError, match="--scorer open_clip: no --captioner has a model"):
        again(out, "--recogniser", "openai:ears,url=http://127.0.0.1:9/v1", "--scorer", scorer)
