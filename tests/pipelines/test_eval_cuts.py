"""Detectors scored on files whose edits are known: rendered ones, real ones, and those of a finished corpus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines import eval_cuts, main
from pipelines.footage import Shot, render
from transforms.detect import DETECTORS, detect
from transforms.settings import ConfigError


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`truth.json` beside a film of two hard cuts, one with a flash, and a clip without any edit."""
    folder = tmp_path_factory.mktemp("known")
    films = {
        "cuts.mp4": [Shot(30, seed=1), Shot(40, seed=2, flashes=(20,)), Shot(30, seed=3, camera="pan")],
        "below/none.mp4": [Shot(30, seed=4)],
    }
    truth = {}
    for name, shots in films.items():
        (folder / name).parent.mkdir(exist_ok=True)
        truth[name] = render(folder / name, shots, width=160, height=90)
    (folder / "truth.json").write_text(json.dumps({"_doc": "edits"} | truth))
    return folder / "truth.json"


def told(capsys: pytest.CaptureFixture[str], *argv: Any) -> tuple[int, dict[str, Any]]:
    """The exit code and what `--json` printed."""
    code = eval_cuts.run([*map(str, argv), "--json"])
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, printed


def test_cuts_are_found_and_a_flash_is_false_for_detectors_that_take_it_for_one(
    known: Path, capsys: pytest.CaptureFixture[str]
):
    code, made = told(capsys, known, "--detectors", "combined,adaptive", "--min-gap-seconds", "0.1", "--details")
    assert code == 0
    assert list(made["detectors"]) == ["combined", "adaptive"]
    right = {"hits": 2, "false": 0, "missed": 0, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert made["detectors"]["combined"]["hard"] == right
    assert made["files"]["cuts.mp4"]["combined"]["hard"] == right
    assert made["files"]["below/none.mp4"]["combined"]["hard"]["hits"] == 0
    assert made["detectors"]["adaptive"]["hard"]["false"] >= 1
    assert made["mistakes"]["cuts.mp4"]["combined"] == []
    assert made["mistakes"]["cuts.mp4"]["adaptive"][0] in ("false cut 50", "false cut 51", "false cut 52")


def test_a_dissolve_is_met_by_what_is_found_as_one_and_touched_by_a_cut_in_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    shots = [Shot(60, seed=4), Shot(60, seed=5, enter="fade", enter_frames=12), Shot(50, seed=6)]
    truth = {"f.mp4": render(tmp_path / "f.mp4", shots, width=160, height=90)}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    _, made = told(capsys, tmp_path / "truth.json", "--detectors", "combined,threshold")
    assert made["detectors"]["combined"]["gradual"]["hits"] == 1
    assert made["detectors"]["combined"]["gradual"]["frame_recall"] > 0.6
    assert made["detectors"]["combined"]["hard"]["hits"] == 1
    by_threshold = made["detectors"]["threshold"]
    assert (by_threshold["gradual"]["hits"], by_threshold["gradual"]["touched"]) == (0, 1)
    assert by_threshold["hard"]["false"] == 0


def test_every_detector_but_stride_is_scored_and_settings_reach_them(known: Path, capsys: pytest.CaptureFixture[str]):
    assert set(eval_cuts.BY_DEFAULT) == set(DETECTORS) - {"stride"}
    _, usual = told(capsys, known, "--detectors", "content")
    _, deaf = told(capsys, known, "--detectors", "content", "--content-threshold", "255")
    assert usual["detectors"]["content"]["hard"]["hits"] == 2
    assert deaf["detectors"]["content"]["hard"]["hits"] == 0


def test_the_tables_say_what_was_scored_and_details_what_is_wrong(known: Path, capsys: pytest.CaptureFixture[str]):
    assert main.main(["eval-cuts", str(known), "--detectors", "threshold,hash", "--details"]) == 0
    said = capsys.readouterr().out
    assert "2 hard cuts" in said
    assert "0 gradual transitions" in said
    assert "2 videos scored" in said
    assert "cuts.mp4 threshold: missed cut 30" in said
    rows = [line.split() for line in said.splitlines()]
    assert ["threshold", "0", "0", "2", "-", "0.000", "0.000"] in rows
    assert ["hash", "2", "0", "0", "1.000", "1.000", "1.000"] in rows
    assert ["hash", "0", "0", "0", "-", "-", "1.000", "0", "-", "-"] in rows


def test_a_detector_that_lacks_something_is_left_out_unless_it_is_asked_for(
    known: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def lacking(signals: Any, name: str, *rest: Any) -> Any:
        if name in lacks:
            raise ConfigError(f"--detectors {name} needs a network")
        return detect(signals, name, *rest)

    monkeypatch.setattr(eval_cuts, "detect", lacking)
    lacks = {"transnetv2", "hash"}
    code, made = told(capsys, known)
    assert code == 0
    assert set(made["detectors"]) == set(eval_cuts.BY_DEFAULT) - lacks
    assert made["left_out"] == {name: f"--detectors {name} needs a network" for name in ("hash", "transnetv2")}
    assert eval_cuts.run([str(known)]) == 0
    assert "left out: --detectors hash needs a network" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="hash needs"):
        eval_cuts.run([str(known), "--detectors", "combined,hash"])
    lacks = set(DETECTORS)
    with pytest.raises(ConfigError, match="needs a network"):
        eval_cuts.run([str(known)])


def test_a_video_that_cannot_be_scored_is_named_and_the_others_are(
    known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    truth = json.loads(known.read_text())
    (tmp_path / "noise.mp4").write_bytes(b"not a film at all" * 100)
    other = tmp_path / "truth.json"
    for name in ("cuts.mp4", "short.mp4"):
        (tmp_path / name).write_bytes((known.parent / "cuts.mp4").read_bytes())
    entries = {
        "noise.mp4": {"hard": [1]},
        "gone.mp4": {"hard": [1]},
        "short.mp4": {"hard": [1], "frames": 99},
        "cuts.mp4": truth["cuts.mp4"],
    }
    other.write_text(json.dumps(entries))
    code, made = told(capsys, other, "--detectors", "combined")
    assert code == 1
    assert list(made["files"]) == ["cuts.mp4"]
    assert made["detectors"]["combined"]["hard"]["hits"] == 2
    assert {n: text.split(":")[0] for n, text in made["failed"].items()} == {
        "noise.mp4": "not_media",
        "gone.mp4": "unreachable",
        "short.mp4": "changed",
    }
    assert "100 frames, where 99 are known" in made["failed"]["short.mp4"]
    assert main.main(["eval-cuts", str(other), "--detectors", "combined"]) == 1
    assert "gone.mp4: unreachable" in capsys.readouterr().out


def test_nothing_that_can_be_scored_leaves_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "truth.json").write_text('{"gone.mp4": {"hard": [1]}}')
    assert eval_cuts.run([str(tmp_path / "truth.json")]) == 1
    assert capsys.readouterr().out.split() == [
        "0",
        "videos",
        "scored,",
        "1",
        "could",
        "not",
        "be:",
        *(f"gone.mp4: unreachable: {tmp_path}/gone.mp4: no such file".split()),
    ]


def test_videos_may_lie_elsewhere(known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "cuts.json").write_text(known.read_text())
    code, made = told(capsys, tmp_path / "cuts.json", "--media", known.parent, "--detectors", "combined")
    assert (code, made["detectors"]["combined"]["hard"]["hits"]) == (0, 2)


def test_a_corpus_gives_the_same_scores_without_its_footage(
    curated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"a_cuts.mp4": {"frames": 75, "hard": [35, 65]}, "b_sound.mp4": {"hard": [40]}}))
    shared = (truth, "--detectors", "combined,hash")
    code, from_corpus = told(capsys, *shared, "--corpus", curated)
    assert code == 0
    assert from_corpus["detectors"]["combined"]["hard"]["hits"] == 3
    assert told(capsys, *shared, "--media", curated.parent / "footage") == (0, from_corpus)
    truth.write_text(json.dumps({"unknown.mp4": {"hard": []}, "cuts.mp4": {"hard": []}}))
    code, made = told(capsys, *shared, "--corpus", curated)
    assert code == 1
    assert all("no videos" in text for text in made["failed"].values()), "a name is matched from a slash on"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["gone.json"], "gone.json"),
        (["t.json", "--tolerance", "-1"], "--tolerance"),
        (["t.json", "--tolerance", "x"], "--tolerance"),
        (["t.json", "--media", "nowhere"], "nowhere"),
        (["t.json", "--media", ".", "--corpus", "out"], "give one"),
        (["t.json", "--corpus", "nowhere"], "nowhere"),
        (["t.json", "--detectors", "magic"], "magic"),
        (["t.json", "--max-seconds", "3"], "--max-seconds"),
        (["t.json", "--content-threshold", "999"], "--content-threshold"),
        ([], "TRUTH"),
    ],
)
def test_wrong_usage_is_told_in_one_line(home: Path, argv: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    (home / "t.json").write_text('{"a.mp4": {"hard": []}}')
    with pytest.raises(ConfigError, match=said):
        eval_cuts.run(argv)
    assert main.main(["eval-cuts", *argv]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_no_known_hard_cut_of_real_footage_is_missed(media: Path, capsys: pytest.CaptureFixture[str]):
    code, made = told(capsys, media / "real" / "cuts.json", "--detectors", "combined,adaptive")
    assert (code, len(made["files"])) == (0, 5)
    assert made["detectors"]["combined"]["hard"]["missed"] == 0
    assert made["detectors"]["combined"]["hard"]["f1"] > made["detectors"]["adaptive"]["hard"]["f1"]
