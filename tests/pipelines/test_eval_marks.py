"""Eval-cuts on marks: only what somebody looked at counts, for and against a detector."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pipelines import eval_cuts
from pipelines.scoring import score
from transforms import marks, tables
from transforms.settings import ConfigError


@pytest.mark.parametrize(
    ("wrong", "false", "unjudged"),
    [(None, ((50, 50), (90, 90)), 0), ((), (), 2), (((90, 90),), ((90, 90),), 1), (((91, 91),), (), 2)],
)
def test_a_finding_is_false_only_where_that_is_known(wrong, false, unjudged):
    found = score([(10, 10), (50, 50), (90, 90)], [(10, 10), (20, 20)], wrong=wrong)
    assert found.hard.hits == (((10, 10), (10, 10)),)
    assert found.hard.missed == ((20, 20),)
    assert found.hard.false == false
    assert found.unjudged == unjudged


def test_near_a_wrong_one_counts_within_the_tolerance_and_gradual_ones_where_they_overlap():
    assert score([(50, 50)], [], tolerance=2, wrong=[(52, 52)]).hard.false == ((50, 50),)
    found = score([(40, 60)], [], wrong=[(45, 55)])
    assert (found.gradual.false, found.unjudged) == (((40, 60),), 0)
    assert (score([(40, 60)], [], wrong=[(70, 70)]) + found).unjudged == 1


def test_detectors_are_scored_against_what_people_marked(curated: Path, tmp_path: Path, capsys):
    out = tmp_path / "out"
    shutil.copytree(curated, out)
    with pytest.raises(ConfigError, match="no cut is marked"):
        eval_cuts.run([str(out)])
    corpus = tables.open_corpus(str(out))
    clips = [c for c in tables.read(corpus, "clips").to_pylist() if c["start_frame"]]
    videos = [c["video_id"] for c in clips]
    most = max(videos, key=videos.count)
    first, second = sorted((c for c in clips if c["video_id"] == most), key=lambda c: c["start_pts"])[:2]
    step = first["end_pts"] - first["start_pts"]
    said = [
        marks.mark_row(first["video_id"], first["start_pts"], "right"),
        marks.mark_row(first["video_id"], first["start_pts"] + step // first["frames"] * 5, "missing"),
        marks.mark_row(first["video_id"], second["start_pts"], "wrong"),
    ]
    marks.save(corpus, said)
    capsys.readouterr()
    assert eval_cuts.run([str(out), "--detectors", "combined", "--json"]) == 0
    hard = json.loads(capsys.readouterr().out)["detectors"]["combined"]["hard"]
    assert (hard["hits"], hard["false"], hard["missed"]) == (1, 1, 1)
    with pytest.raises(ConfigError, match="its marks are scored"):
        eval_cuts.run([str(out), "--corpus", str(out)])
