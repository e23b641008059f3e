"""`rushes traffic`: what is approved goes out, and what does not is told."""

from __future__ import annotations

import csv

import pytest

from pipelines import approve, trafficking
from tests.pipelines.test_approvals import out
from transforms.settings import ConfigError

__all__ = ["out"]


def test_what_is_approved_is_written_and_what_is_not_is_told(out, tmp_path, capsys):
    to = tmp_path / "to"
    approve.run([str(out), "file-0", "--who", "ann"])
    capsys.readouterr()
    assert trafficking.run([str(out), str(to)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[1].split() == [str(to / "other"), "1"]
    assert told[2:] == [
        "left out: 1 open (nobody has decided yet)",
        "left out: 1 withdrawn (the registry or its owners took it back)",
    ]
    with open(to / "other" / "list.csv", encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["language"], row["markets"]) == ("file-0.mp4", "de", "")
    assert (to / "other" / "file-0.mp4").read_bytes() == b"file 0"


def test_files_that_nobody_approved_go_out_when_that_is_asked_for(out, tmp_path):
    assert trafficking.run([str(out), str(tmp_path / "to"), "--unapproved", "--campaign", "c"]) == 0
    assert sorted(path.name for path in (tmp_path / "to" / "other").iterdir()) == [
        "file-0.mp4",
        "file-1.mp4",
        "list.csv",
    ]


def test_a_campaign_or_platform_that_is_none_is_told(out, tmp_path):
    for words in (["--campaign", "d"], ["--platform", "tiktok"]):
        with pytest.raises(ConfigError, match="no assets of that campaign and platform"):
            trafficking.run([str(out), str(tmp_path / "to"), *words])
