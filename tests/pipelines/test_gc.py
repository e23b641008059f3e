"""Gc: what nothing refers to can go, what is young or in use stays, and a corpus is whole afterwards."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines import gc, main
from tests.pipelines import corpora
from transforms import commits, rows, tables
from transforms.settings import ConfigError
from transforms.store import Store, key

STRANGER = "f0" * 32
"""A video that no table names."""


@pytest.fixture
def out(curated: Path, tmp_path: Path) -> Path:
    """A copy of the curated output with one piece of every kind of waste; the second cut replaced parts already."""
    copy = tmp_path / "out"
    shutil.copytree(curated, copy)
    corpus, store = tables.open_corpus(str(copy)), Store(str(copy))
    live = next((copy / "tables" / "clips").glob("b=*/*.parquet"))
    (live.parent / ("0" * 40 + ".parquet")).write_bytes(live.read_bytes())
    commits.save_pending(
        commits.pending_uri(corpus, "20200101T000000Z-dead", "clips", 1), list(rows.encode(rows.Batch()))
    )
    (tmp_path / "file").write_bytes(b"x" * 1000)
    store.put(
        "measure", key("measure", 1, ["gone"]), STRANGER, {"frames": 1}, {"signals.parquet": str(tmp_path / "file")}
    )
    video = tables.read(corpus, "videos").to_pylist()[0]["video_id"]
    store.put("measure", key("measure", 0, ["old"]), video, {"frames": 1}, {"signals.parquet": str(tmp_path / "file")})
    store.put("scenes", key("scenes", 0, ["old"]), STRANGER, {"rows": []})
    half = copy / "store" / "measure" / "ab" / ("ab" * 32)
    half.mkdir(parents=True)
    (half / "samples.zip").write_bytes(b"half a result")
    return copy


def files(out: Path) -> set[str]:
    return {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}


def waste(out: Path, days: float = 0.0) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"part": set(), "pending": set(), "store": set()}
    for one in gc.find_waste(tables.open_corpus(str(out)), datetime.now(UTC) - timedelta(days=days)):
        path = Path(one.uri.removeprefix("file://"))
        assert path.stat().st_size == one.size
        found[one.kind].add(str(path.relative_to(out)))
    return found


def replaced(out: Path) -> set[str]:
    """Parts that some commit took out and none put back."""
    corpus, gone = tables.open_corpus(str(out)), set()
    for number in tables.commit_numbers(corpus):
        for name, change in tables.read_commit(corpus, number)["tables"].items():
            gone |= {f"tables/{name}/{p['path']}" for p in change["remove"]}
            gone -= {f"tables/{name}/{p['path']}" for p in change["add"]}
    return gone


def test_exactly_what_nothing_refers_to_is_found(out):
    found = waste(out)
    orphan = next(p for p in found["part"] if p.endswith("/" + "0" * 40 + ".parquet"))
    assert replaced(out), "the second cut replaced parts of the first"
    assert found["part"] == replaced(out) | {orphan}
    assert found["pending"] == {"commits/pending/20200101T000000Z-dead/clips-0001.bin"}
    names = {Path(p).name for p in found["store"]}
    old, gone, cut = key("measure", 0, ["old"]), key("measure", 1, ["gone"]), key("scenes", 0, ["old"])
    video = tables.read(tables.open_corpus(str(out)), "videos").to_pylist()[0]["video_id"]
    assert names == {
        "signals.parquet",
        "samples.zip",
        f"{gone}.{STRANGER}.json",
        f"{old}.{video}.json",
        f"{cut}.{STRANGER}.json",
    }
    assert len(found["store"]) == 6


def test_an_output_named_relatively_has_the_same_waste(out, monkeypatch, capsys):
    assert main.main(["gc", str(out), "--days", "0", "--list"]) == 0
    expected = capsys.readouterr().out
    monkeypatch.chdir(out.parent)
    assert main.main(["gc", out.name, "--days", "0", "--list"]) == 0
    assert capsys.readouterr().out == expected


def test_a_dry_run_counts_lists_and_removes_nothing(out, capsys):
    before = files(out)
    expected = waste(out)
    assert main.main(["gc", str(out), "--days", "0", "--list"]) == 0
    told = capsys.readouterr().out
    assert files(out) == before
    for kind, paths in expected.items():
        assert f"\n{kind:<7}  {len(paths):>5}  " in told
        for path in paths:
            assert f"{out}/{path}" in told
    assert "Dry run: nothing was removed." in told


def test_what_is_younger_than_its_days_stays(out, capsys):
    assert waste(out, days=7) == {"part": set(), "pending": set(), "store": set()}
    before = files(out)
    assert main.main(["gc", str(out), "--delete"]) == 0
    assert "Removed 0 files." in capsys.readouterr().out
    assert files(out) == before


def test_age_counts_file_by_file(out):
    pending = out / "commits" / "pending" / "20200101T000000Z-dead" / "clips-0001.bin"
    stranger = out / Store(str(out)).path("measure", key("measure", 1, ["gone"]), "signals.parquet")
    long_ago = time.time() - 8 * 86_400
    for path in (pending, stranger):
        os.utime(path, (long_ago, long_ago))
    found = waste(out, days=7)
    assert found["pending"] == {str(pending.relative_to(out))}
    assert found["store"] == {str(stranger.relative_to(out))}


def test_deleting_removes_just_that_and_leaves_a_whole_corpus(out, curated, capsys):
    before, wasted = files(out), set().union(*waste(out).values())
    held = corpora.rows(out)
    assert main.main(["gc", str(out), "--days", "0", "--delete"]) == 0
    assert f"Removed {len(wasted)} files." in capsys.readouterr().out
    assert files(out) == before - wasted
    assert waste(out) == {"part": set(), "pending": set(), "store": set()}
    assert corpora.rows(out) == held
    for name in ("clips", "videos", "runs"):
        assert main.main(["show", str(out), name]) == 0

    code, told = corpora.curate(curated.parent / "footage", out, "--min-side", "64", "--min-seconds", "1.45")
    assert (code, told["decoded_frames"], told["read_bytes"]) == (3, 0, 0)
    now = corpora.rows(out)
    assert {t: now[t] for t in ("sources", "videos", "clips", "captions")} == {
        t: held[t] for t in ("sources", "videos", "clips", "captions")
    }
    config = json.loads((out / "runs" / told["run_id"] / "config.json").read_text())
    assert config["quality"]["min_seconds"] == 1.45


def test_a_commit_that_is_in_no_snapshot_yet_is_rolled_in_before_anything_goes(out):
    corpus = tables.open_corpus(str(out))
    held = corpora.rows(out)
    (out / "snapshots" / "000002.json").unlink()
    for table in ("clips", "captions", "runs"):
        version = tables.read_commit(corpus, 2)["tables"].get(table)
        if version:
            sorted((out / "tables" / table / "_delta_log").glob("*.json"))[-1].unlink()
    assert main.main(["gc", str(out), "--days", "0", "--delete"]) == 0
    assert corpora.rows(out) == held


def test_a_fresh_output_has_no_waste(curated):
    found = waste(curated)
    assert (found["pending"], found["store"]) == (set(), set())
    assert found["part"] == replaced(curated)


@pytest.mark.parametrize("days", ["-1", "nan", "inf", "1e9"])
def test_an_age_that_makes_no_sense_is_refused(days, curated):
    with pytest.raises(ConfigError, match="--days"):
        gc.run([str(curated), "--days", days, "--delete"])
