"""Commits: whatever dies, races or is retried, a snapshot is one state of all tables and nobody's rows are lost."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from transforms import commits, records, rows, storage, tables
from transforms.failures import ElementError
from transforms.settings import ConfigError

BUCKETS = 4


def run_row(run_id: str):
    def made(number: int) -> records.RunRow:
        now = datetime.now(UTC)
        return records.RunRow(
            run_id=run_id, job="t", status="done", started=now, ended=now, commit=number,
            config="{}", versions="{}", balance="{}", decoded_frames=0, source_frames=0,
            source_bytes=0, read_bytes=0, footage_seconds=0.0,
        )  # fmt: skip

    return made


def rows_of(names: dict[str, int]) -> list[tuple[tuple[str, int], list[bytes]]]:
    """Rows of two tables, so that a state half of one run can be told."""
    collector = rows.Collector(BUCKETS)
    for name, size in names.items():
        source = {"uri": name, "size": size, "etag": None, "modified": None, "video_id": name, "metadata": {}}
        caption = records.CaptionRow(
            clip_id=name, video_id=name, captioner="c", kind="short", text=str(size), language="en",
            model="m", revision="1", settings="{}", prompt_version="", kept=True, flags=[],
        )  # fmt: skip
        collector.add(
            [("sources", source), ("captions", records.to_dict(caption))],
            [("sources", name, (name,), 1), ("captions", name, (name, "c", "m", "short", ""), 1)],
        )
    found: dict[tuple[str, int], list[bytes]] = {}
    for where, part in collector.drain():
        found.setdefault(where, []).append(part)
    return list(found.items())


def stage(corpus: tables.Corpus, run_id: str, names: dict[str, int]):
    base = tables.roll_forward(corpus)
    bases = tables.bucket_parts(corpus, ["sources", "captions"], base.number)
    staged = [commits.merge_bucket(corpus, run_id, bases, t, b, parts) for (t, b), parts in rows_of(names)]
    return corpus, run_id, base.number, bases, staged, run_row(run_id)


def state(corpus: tables.Corpus, number: int | None = None) -> dict[str, int]:
    sources = tables.read(corpus, "sources", number)
    found = dict(zip(sources.column("uri").to_pylist(), sources.column("size").to_pylist(), strict=True))
    captions = tables.read(corpus, "captions", number)
    texts = dict(
        zip(captions.column("clip_id").to_pylist(), map(int, captions.column("text").to_pylist()), strict=True)
    )
    assert found == texts, "a snapshot mixes two states"
    return found


@pytest.fixture
def corpus(tmp_path) -> tables.Corpus:
    return tables.create_corpus(str(tmp_path / "out"), BUCKETS)


def test_nothing_is_visible_before_the_commit_and_all_of_it_after(corpus):
    staged = stage(corpus, "r1", {"a": 1, "b": 2})
    assert state(corpus) == {}
    assert commits.commit(*staged).number == 1
    assert state(corpus) == {"a": 1, "b": 2}
    assert not storage.names(corpus.uri("commits", "pending"))


def test_a_step_retried_after_it_had_committed_changes_nothing(corpus):
    staged = stage(corpus, "r1", {"a": 1})
    first, again = commits.commit(*staged), commits.commit(*staged)
    assert first == again
    assert tables.read(corpus, "runs").num_rows == 1


def test_a_run_without_rows_still_commits_its_own_row(corpus):
    assert commits.commit(*stage(corpus, "r1", {})).number == 1
    assert tables.read(corpus, "runs").column("run_id").to_pylist() == ["r1"]


def test_the_later_of_two_runs_merges_again(corpus):
    one, two = stage(corpus, "r1", {"a": 1, "b": 1}), stage(corpus, "r2", {"b": 2, "c": 2})
    commits.commit(*one)
    commits.commit(*two)
    assert state(corpus) == {"a": 1, "b": 2, "c": 2}
    assert state(corpus, 1) == {"a": 1, "b": 1}


def _race(root: str, name: str, barrier) -> None:
    staged = stage(tables.open_corpus(root), name, {f"{name}-{i}": i for i in range(6)} | {"shared": ord(name)})
    barrier.wait()
    commits.commit(*staged)


def test_runs_at_once_lose_nothing_and_mix_nothing(corpus):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    workers = [context.Process(target=_race, args=(corpus.root, name, barrier)) for name in "xyz"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    final = state(corpus)
    assert {k: v for k, v in final.items() if k != "shared"} == {f"{n}-{i}": i for n in "xyz" for i in range(6)}
    order = [tables.read_commit(corpus, n)["run_id"] for n in (1, 2, 3)]
    assert sorted(order) == ["x", "y", "z"]
    assert [state(corpus, n)["shared"] for n in (1, 2, 3)] == [ord(n) for n in order]


def test_death_between_two_tables_is_rolled_forward_by_whoever_comes_next(corpus, monkeypatch):
    staged, real = stage(corpus, "r1", {"a": 1}), tables.roll
    rolled: list[str] = []

    def dies(*args):
        if rolled:
            raise KeyboardInterrupt
        rolled.append(args[1])
        return real(*args)

    monkeypatch.setattr(tables, "roll", dies)
    with pytest.raises(KeyboardInterrupt):
        commits.commit(*staged)
    monkeypatch.undo()
    assert state(corpus) == {}, "half a commit was visible"
    tables.roll_forward(corpus)
    assert state(corpus) == {"a": 1}


def test_helpers_rolling_one_commit_at_once_do_no_harm(corpus):
    one = stage(corpus, "r1", {"a": 1})
    base, body = one[2], commits._body(corpus, "r1", 1, one[4], one[5])
    assert storage.create_bytes(tables.commit_uri(corpus, base + 1), body)
    found: list[object] = []
    helpers = [threading.Thread(target=lambda: found.append(tables.roll_forward(corpus).number)) for _ in range(4)]
    for helper in helpers:
        helper.start()
    for helper in helpers:
        helper.join()
    assert found == [1] * 4
    assert state(corpus) == {"a": 1}
    assert tables.read(corpus, "runs").num_rows == 1


@pytest.mark.parametrize("bad", [b"", b"{", b'{"number": 9, "run_id": "r", "tables": {}}', b"[]"])
def test_a_corrupt_log_stops_before_anything_changes_and_names_the_file(corpus, bad):
    commits.commit(*stage(corpus, "r1", {"a": 1}))
    Path(tables.commit_uri(corpus, 2)).write_bytes(bad)
    with pytest.raises(ConfigError, match=r"000002\.json"):
        stage(corpus, "r2", {"b": 1})
    assert state(corpus) == {"a": 1}


def test_a_missing_commit_is_named(corpus):
    for n, name in enumerate("ab"):
        commits.commit(*stage(corpus, f"r{n}", {name: 1}))
    Path(tables.commit_uri(corpus, 1)).unlink()
    with pytest.raises(ConfigError, match="commit 000001 is missing"):
        tables.roll_forward(corpus)


def test_a_lost_snapshot_is_made_again(corpus):
    commits.commit(*stage(corpus, "r1", {"a": 1}))
    Path(corpus.uri("snapshots", "000001.json")).unlink()
    assert tables.roll_forward(corpus).number == 1
    assert state(corpus) == {"a": 1}
    assert tables.read(corpus, "runs").num_rows == 1


def test_a_corrupt_snapshot_is_named(corpus):
    commits.commit(*stage(corpus, "r1", {"a": 1}))
    Path(corpus.uri("snapshots", "000001.json")).write_text("{")
    with pytest.raises(ConfigError, match=r"000001\.json: not a snapshot"):
        tables.snapshot(corpus)


def test_a_folder_of_a_newer_program_is_refused(tmp_path):
    tables.create_corpus(str(tmp_path), 2)
    (tmp_path / "corpus.json").write_text(json.dumps({"format": 99, "buckets": 2}))
    with pytest.raises(ConfigError, match="newer version"):
        tables.open_corpus(str(tmp_path))


def test_the_number_of_buckets_is_fixed_at_creation(tmp_path):
    tables.create_corpus(str(tmp_path), 3)
    assert tables.create_corpus(str(tmp_path), 99).buckets == 3


def test_an_output_that_cannot_be_written_is_one_clear_error():
    with pytest.raises(ConfigError, match=r"--output /proc/rushes: cannot be written"):
        tables.create_corpus("/proc/rushes", 2)


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_leaves_nothing_half_visible(tmp_path):
    """On a real file system of 2 MB: the run that does not fit fails, says so, and the state before it stays."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        corpus = tables.create_corpus(str(disk / "out"), BUCKETS)
        commits.commit(*stage(corpus, "r1", {"a": 1}))
        staged = stage(corpus, "r2", {"b": 2})
        filler = (disk / "filler").open("wb", buffering=0)
        with contextlib.suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        filler.close()
        with pytest.raises((ElementError, OSError), match=r"(?i)space"):
            commits.commit(*staged)
        assert state(corpus) == {"a": 1}
        (disk / "filler").unlink()
        commits.commit(*staged)
        assert state(corpus) == {"a": 1, "b": 2}
    finally:
        subprocess.run(["umount", str(disk)], check=False)
