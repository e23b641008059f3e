"""Demo: cuts are scored as they should be, and the whole of it finds what is true of its own footage."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from pipelines import demo
from transforms import tables

GRADUAL = [["dissolve", 100, 120]]


@pytest.mark.parametrize(
    ("hard", "gradual", "found", "hits", "inside", "false"),
    [
        ([50], [], [50], 1, 0, 0),
        ([50], [], [52], 1, 0, 0),
        ([50], [], [48], 1, 0, 0),
        ([50], [], [53], 0, 0, 1),
        ([50], [], [], 0, 0, 0),
        ([50], [], [49, 51], 1, 0, 1),
        ([50, 52], [], [51], 1, 0, 0),
        ([50, 60], [], [60, 50], 2, 0, 0),
        ([], [], [7, 9], 0, 0, 2),
        ([], GRADUAL, [100], 0, 1, 0),
        ([], GRADUAL, [110, 120], 0, 1, 0),
        ([], GRADUAL, [98], 0, 1, 0),
        ([], GRADUAL, [97], 0, 0, 1),
        ([], GRADUAL, [123], 0, 0, 1),
        ([97], GRADUAL, [97, 110], 1, 1, 0),
        ([99], GRADUAL, [99], 1, 0, 0),
    ],
)
def test_found_cuts_are_held_against_known_ones(hard, gradual, found, hits, inside, false):
    assert demo.score({"hard": hard, "gradual": gradual}, found) == {
        "hard": len(hard),
        "hard_found": hits,
        "gradual": len(gradual),
        "gradual_found": inside,
        "false": false,
    }


@pytest.mark.slow
def test_the_demo_finds_what_is_true_and_says_how_to_go_on(demo_footage, tmp_path):
    shutil.copytree(demo_footage.parent, tmp_path / "d" / "footage")
    command = [sys.executable, "-m", "pipelines.main", "demo", "--folder", "d"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert told.returncode == 0, told.stdout + told.stderr
    truth = {k: v for k, v in json.loads(demo_footage.read_text()).items() if not k.startswith("_")}
    table = told.stdout.split("Found against known\n")[1].split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in table[1:]] == list(truth)
    for line in table[1:]:
        known = truth[line.split()[0]]
        if known["outcome"] != "failure":
            counts = line.split(known["outcome"], 1)[1].split()
            assert counts[:3] == [str(len(known["hard"])), "of", str(len(known["hard"]))], line
            # Fades are found by the threshold detector; a detector of dissolves there is none.
            fades = sum(kind != "dissolve" for kind, _, _ in known["gradual"])
            assert counts[4:6] == ["of", str(len(known["gradual"]))], line
            assert int(counts[3]) >= fades, line
            assert counts[6] == "0", f"false cuts: {line}"
    for known in truth.values():
        assert known["note"] in told.stdout, "notes are whole"
    assert "rushes show d/corpus clips --rows 2" in told.stdout
    assert "\u2026" not in told.stdout
    assert max(map(len, table)) <= 100
    corpus = tables.open_corpus(str(tmp_path / "d" / "corpus"))
    assert tables.snapshot(corpus).number == 1

    again = next(line for line in told.stdout.splitlines() if "nothing is decoded twice" in line)
    words = again.split("  again:")[0].split()[1:]
    told = subprocess.run(
        [sys.executable, "-m", "pipelines.main", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert told.returncode in (0, 3), told.stderr
    assert "decoded  0 frames" in told.stdout


@pytest.mark.parametrize("damage", ["lost", "failure", "other"])
def test_a_file_that_ends_otherwise_than_known_is_seen(curated, damage, capsys):
    footage = curated.parent / "footage"
    plain: dict[str, Any] = {"outcome": "video", "note": "n", "hard": [], "gradual": []}
    truth: dict[str, dict[str, Any]] = {
        "a_cuts.mp4": plain,
        "e_copy.mp4": {**plain, "outcome": "duplicate", "of": "a_cuts.mp4"},
        "f_damaged.mp4": {"outcome": "failure", "note": "n"},
    }
    corpus = tables.open_corpus(str(curated))
    assert demo.compare(corpus, footage, truth)
    wrong: dict[str, dict[str, Any]] = {
        "lost": {"nowhere.mp4": plain},
        "failure": {"a_cuts.mp4": {"outcome": "failure", "note": "n"}},
        "other": {"e_copy.mp4": {**plain, "outcome": "duplicate", "of": "b_sound.mp4"}},
    }[damage]
    capsys.readouterr()
    assert not demo.compare(corpus, footage, truth | wrong)
    ended = {"lost": "lost", "failure": "video", "other": "another video"}[damage]
    assert f"{next(iter(wrong))}" in capsys.readouterr().out.split(ended)[0]
