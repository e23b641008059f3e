"""Resuming: whatever ends a run, the same command goes on, and nothing that was finished is done again.

What was decoded is counted twice over: by the reports of runs that got to write one, and by the store, where measuring
a video again would replace the files of its result.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import shutil
import signal
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from filters.rights import registry
from pipelines import scenes
from tests.filters.rights.said import EVERYBODY, put, say
from tests.pipelines import corpora
from tests.pipelines.processes import Rushes, ended, until
from tests.pipelines.test_screening import known, left_of
from transforms import pool, tables

KEPT: tuple[str, ...] = ("--min-seconds", "1", "--min-side", "64")
"""Options under which some clips of the tiny corpus are kept, and so captioned."""

WITH_FAILURES = 3
KILLS = 10


class Measured(NamedTuple):
    """A result of measuring in the store.

    Attributes:
        frames: Frames of the video.
        files: Inode and modification of each file: other ones when the video was measured again.
    """

    frames: int
    files: tuple[tuple[int, int], ...]


def measured(out: Path) -> dict[str, Measured]:
    """Every video that the store has a finished measure of."""
    found = {}
    for marker in out.glob("store/measure/*/*.json"):
        key, video_id, _ = marker.name.split(".")
        stats = [p.stat() for p in sorted((marker.parent / key).iterdir())]
        frames = json.loads(marker.read_bytes())["facts"]["frames"]
        found[video_id] = Measured(frames, tuple((s.st_ino, s.st_mtime_ns) for s in stats))
    return found


def ended_or_more(run: Rushes, out: Path, before: int) -> bool:
    """Whether the store has more finished measures than before, or the run has ended."""
    return len(measured(out)) > before or not run.running


def frames_of(rows: dict[str, list[dict[str, Any]]]) -> int:
    """Frames of all videos of a corpus."""
    return sum(row["frames"] for row in rows["videos"])


def distinct(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows with each failure once: every committed run appends its own."""
    failures = [row for k, row in enumerate(rows["failures"]) if row not in rows["failures"][:k]]
    return {**rows, "failures": failures}


def versions(out: Path) -> dict[str, int]:
    """Delta versions of the tables that only new facts may change."""
    found = tables.snapshot(tables.open_corpus(str(out))).versions
    return {name: found[name] for name in ("sources", "videos", "clips", "captions")}


def table_files(out: Path) -> set[Path]:
    """Parts of the tables that only new facts may change."""
    names = ("sources", "videos", "clips", "captions")
    return {p for name in names for p in (out / "tables" / name).rglob("*.parquet")}


def many(folder: Path, copies: int = 3) -> Path:
    """The tiny corpus with more films: the same pictures, but other bytes, by an empty box at the end."""
    made = corpora.tiny_corpus(folder)
    for name in ("a_cuts.mp4", corpora.SOUND_CUTS):
        for k in range(copies):
            (made / f"{k}_{name}").write_bytes((made / name).read_bytes() + struct.pack(">I4sQ", 16, b"free", k))
    return made


@pytest.mark.slow
def test_what_is_refused_after_a_kill_leaves_nothing_that_can_be_read(tmp_path: Path) -> None:
    footage, out, held = many(tmp_path), tmp_path / "out", registry.create(str(tmp_path / "rights"))
    put(held, *EVERYBODY)
    command = ["curate", *corpora.command(footage, out, *KEPT, "--rights", held.root)]
    run = Rushes(command, tmp_path / "runs")
    with ended(run):
        until(functools.partial(ended_or_more, run, out, 0))
        run.signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    # Measured and not decided for the tables: nothing of it can be found there.
    video = next(iter(measured(out)))
    assert tables.read(tables.open_corpus(str(out)), "videos").num_rows == 0
    put(held, known("film", "sha256", video), say("no", "opt_out"), on=2)
    again = Rushes(command, tmp_path / "runs")
    with ended(again):
        assert again.wait() == WITH_FAILURES, again.output
    assert left_of(out, video) == []
    rows = corpora.rows(out)
    assert all(row["video_id"] != video for name in ("sources", "videos", "clips", "captions") for row in rows[name])
    verdicts = {row["verdict"] for row in rows["verdicts"] if (row["video_id"], row["use"]) == (video, "train")}
    assert verdicts == {"deny"}


@pytest.mark.slow
def test_ten_kills_at_random_moments_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    footage, chance = many(tmp_path), random.Random(20260722)
    Rushes(["--version"], tmp_path / "first").wait()  # the server's own imports are no part of a run
    command = functools.partial(corpora.command, footage)
    undisturbed = Rushes(["curate", *command(tmp_path / "undisturbed", *KEPT)], tmp_path / "first")
    start = time.monotonic()
    with ended(undisturbed):
        assert undisturbed.wait() == WITH_FAILURES, undisturbed.output
    whole = time.monotonic() - start
    expected = corpora.rows(tmp_path / "undisturbed")
    assert corpora.report(tmp_path / "undisturbed")["decoded_frames"] == frames_of(expected)
    # One moment in each tenth of the time from 0.1 s to the end, in random order.
    moments = [0.1 + (whole - 0.1) * (k + chance.random()) / KILLS for k in range(KILLS)]
    chance.shuffle(moments)
    chains, children_seen, killed_with_work_done = 0, 0, 0
    while moments:
        out, before, killed = tmp_path / f"chain{chains}", dict[str, Measured](), True
        chains += 1
        while killed:
            run = Rushes(["curate", *command(out, *KEPT)], tmp_path / "chain")
            with ended(run):
                if len(moments) % 2:  # every other kill comes soon after something more was finished
                    until(functools.partial(ended_or_more, run, out, len(before)))
                    code = run.wait(0.5 * chance.random())
                else:
                    code = run.wait(moments[-1]) if moments else run.wait()
                if code is None:
                    children = len(run.children)
                    with contextlib.suppress(ProcessLookupError):
                        run.signal(signal.SIGKILL)
                    code = run.wait()
                if killed := code == -signal.SIGKILL:
                    children_seen += children
                    moments.pop()
                elif moments:
                    moments[-1] *= 0.95  # it ended first: the machine is less busy than it was
            assert run.orphans() == []
            after = measured(out)
            assert before.items() <= after.items(), "a finished measure was made again"
            if killed:
                killed_with_work_done += bool(after)
            else:
                assert code == WITH_FAILURES, run.output
                assert run.leftovers() == [], "temporary files of the killed runs are still there"
                unfinished = sum(after[video].frames for video in after.keys() - before.keys())
                assert corpora.report(out)["decoded_frames"] == unfinished
                assert sum(one.frames for one in after.values()) == frames_of(expected)
                assert distinct(corpora.rows(out)) == distinct(expected)
            before = after
    assert children_seen, "no kill met a child at work: the check for orphans has seen nothing"
    assert killed_with_work_done >= 3, "hardly a kill came after something was finished"


class Done(NamedTuple):
    """A corpus that was curated once.

    Attributes:
        footage: The sources. A test that changes them puts them back: their paths are part of what is known of them.
        out: A copy of the output, free to be changed.
        rows: Its rows.
    """

    footage: Path
    out: Path
    rows: dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Footage, output and report of one run, not to be changed."""
    folder = tmp_path_factory.mktemp("curated")
    footage = corpora.tiny_corpus(folder)
    code, report = corpora.curate(footage, folder / "out", *KEPT)
    assert code == WITH_FAILURES
    return footage, folder / "out", report


@pytest.fixture
def done(one_run: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> Iterator[Done]:
    """The curated corpus; its sources are put back as they were."""
    footage, out, _ = one_run
    kept, copy = tmp_path / "kept", tmp_path / "out"
    shutil.copytree(footage, kept)
    shutil.copytree(out, copy)
    yield Done(footage, copy, corpora.rows(copy))
    shutil.rmtree(footage, ignore_errors=True)
    shutil.copytree(kept, footage)


STAGES = {
    "a measure is finished": "store/measure/*/*.json",
    "rows are made": "store/rows/*/*.json",
    "rows wait for the commit": "commits/pending/*/*",
    "the commit is made": "commits/*.json",
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_as_soon_as(stage: str, one_run: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    footage, undisturbed, _ = one_run
    out = tmp_path / "out"
    run = Rushes(["curate", *corpora.command(footage, out, *KEPT)], tmp_path)
    with ended(run):
        assert until(lambda: next(out.glob(STAGES[stage]), None) or not run.running)
        run.signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, "it ended before it could be killed"
    before = measured(out)
    assert before
    code, report = corpora.curate(footage, out, *KEPT)
    assert code == WITH_FAILURES
    after = measured(out)
    assert before.items() <= after.items()
    assert report["decoded_frames"] == sum(after[video].frames for video in after.keys() - before.keys())
    assert distinct(corpora.rows(out)) == distinct(corpora.rows(undisturbed))


def changes(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows that went, and rows that came."""
    return [row for row in before if row not in after], [row for row in after if row not in before]


def sizes(done: Done) -> int:
    """Bytes of all sources that can be used."""
    return sum(row["size"] for row in done.rows["sources"])


def test_two_uris_with_the_same_bytes_are_one_video_measured_once(
    one_run: tuple[Path, Path, dict[str, Any]],
) -> None:
    _, out, report = one_run
    rows = corpora.rows(out)
    assert (len(rows["sources"]), len(rows["videos"])) == (corpora.GOOD, corpora.VIDEOS)
    twins = {row["video_id"] for row in rows["sources"] if Path(row["uri"]).name in ("a_cuts.mp4", "e_copy.mp4")}
    assert len(twins) == 1
    assert report["decoded_frames"] == report["source_frames"] == frames_of(rows)
    assert report["balance"]["videos"]["dropped"] == {"same_bytes": 1}
    assert len(measured(out)) == corpora.VIDEOS


def test_an_unchanged_run_decodes_nothing_reads_nothing_and_writes_no_part(done: Done) -> None:
    before, parts = versions(done.out), table_files(done.out)
    code, report = corpora.curate(done.footage, done.out, *KEPT)
    assert code == WITH_FAILURES
    assert report["decoded_frames"] == 0
    assert report["source_bytes"] == sizes(done)
    assert report["read_bytes"] < 0.01 * report["source_bytes"]
    assert report["reused"]["sources"] == corpora.GOOD
    assert report["reused"]["failures"] == 1, "the damaged file was tried again"
    assert distinct(corpora.rows(done.out)) == done.rows
    assert versions(done.out) == before
    assert table_files(done.out) == parts


def test_another_threshold_changes_clips_and_decodes_nothing(done: Done) -> None:
    code, report = corpora.curate(done.footage, done.out, *KEPT, "--min-seconds", "1.3")
    assert code == WITH_FAILURES
    assert (report["decoded_frames"], report["read_bytes"]) == (0, 0)
    rows = corpora.rows(done.out)
    assert [rows[name] for name in ("sources", "videos")] == [done.rows[name] for name in ("sources", "videos")]
    gone, new = changes(done.rows["clips"], rows["clips"])
    assert [row["clip_id"] for row in gone] == [row["clip_id"] for row in new]
    assert any(row["kept"] for row in gone)
    assert all("too_short" in row["reasons"] and row["reason_limits"]["too_short"] == 1.3 for row in new)
    assert rows["captions"] == done.rows["captions"], "a clip that is dropped now keeps its captions for later"


def test_one_file_more_is_the_only_one_decoded(done: Done) -> None:
    new = done.footage / "g_new.mp4"
    new.write_bytes((done.footage / "a_cuts.mp4").read_bytes() + struct.pack(">I4sQ", 16, b"free", 99))
    before = measured(done.out)
    code, report = corpora.curate(done.footage, done.out, *KEPT)
    assert code == WITH_FAILURES
    rows = corpora.rows(done.out)
    gone, (row,) = changes(done.rows["sources"], rows["sources"])
    assert gone == []
    assert row["uri"] == str(new)
    (video,) = [v for v in rows["videos"] if v["video_id"] == row["video_id"]]
    assert report["decoded_frames"] == report["source_frames"] == video["frames"] > 0
    assert report["read_bytes"] <= 3 * new.stat().st_size, "more was read than the new file, once for each pass"
    assert measured(done.out).items() - before.items() == {(row["video_id"], measured(done.out)[row["video_id"]])}
    assert changes(done.rows["clips"], rows["clips"])[0] == []


def test_a_touched_file_is_read_and_not_decoded(done: Done) -> None:
    touched = done.footage / corpora.SOUND_CUTS
    os.utime(touched, (1_000_000_000, 1_000_000_000))
    code, report = corpora.curate(done.footage, done.out, *KEPT)
    assert code == WITH_FAILURES
    assert report["decoded_frames"] == 0
    assert report["read_bytes"] == touched.stat().st_size
    rows = corpora.rows(done.out)
    gone, new = changes(done.rows["sources"], rows["sources"])
    assert [row["uri"] for row in gone] == [row["uri"] for row in new] == [str(touched)]
    assert new == [{**gone[0], "modified": new[0]["modified"]}]
    assert {k: v for k, v in distinct(rows).items() if k != "sources"} == {
        k: v for k, v in done.rows.items() if k != "sources"
    }


def test_a_changed_file_becomes_another_video_beside_the_old_one(done: Done) -> None:
    changed = done.footage / corpora.SOUND_CUTS
    changed.write_bytes((done.footage / "a_cuts.mp4").read_bytes() + struct.pack(">I4sQ", 16, b"free", 7))
    code, report = corpora.curate(done.footage, done.out, *KEPT)
    assert code == WITH_FAILURES
    rows = corpora.rows(done.out)
    (old,), (new,) = changes(done.rows["sources"], rows["sources"])
    assert old["uri"] == new["uri"] == str(changed)
    assert old["video_id"] != new["video_id"]
    gone, (video,) = changes(done.rows["videos"], rows["videos"])
    assert gone == [], "the old bytes are still a video: their clips may be in use"
    assert video["video_id"] == new["video_id"]
    assert report["decoded_frames"] == video["frames"]
    assert changes(done.rows["clips"], rows["clips"])[0] == []


def test_a_file_that_is_gone_keeps_its_rows(done: Done) -> None:
    (done.footage / corpora.SOUND_CUTS).unlink()
    before = versions(done.out)
    code, report = corpora.curate(done.footage, done.out, *KEPT)
    assert code == WITH_FAILURES
    assert report["balance"]["sources"]["in"] == len(corpora.SOURCES) - 1
    assert report["decoded_frames"] == 0
    assert distinct(corpora.rows(done.out)) == done.rows
    assert versions(done.out) == before


def test_verify_reads_every_source_and_decodes_none(done: Done) -> None:
    before = versions(done.out)
    code, report = corpora.curate(done.footage, done.out, *KEPT, "--verify")
    assert code == WITH_FAILURES
    assert report["decoded_frames"] == 0
    assert report["read_bytes"] == sizes(done) == report["source_bytes"]
    assert report["reused"]["measure"] == corpora.GOOD
    assert distinct(corpora.rows(done.out)) == done.rows
    assert versions(done.out) == before


def test_verify_finds_a_change_that_size_and_time_hide(done: Done) -> None:
    hidden = done.footage / corpora.SOUND_CUTS
    old = hidden.stat()
    data = bytearray(hidden.read_bytes())
    data[-1] ^= 0xFF  # metadata at the very end
    hidden.write_bytes(bytes(data))
    os.utime(hidden, ns=(old.st_atime_ns, old.st_mtime_ns))
    _, unaware = corpora.curate(done.footage, done.out, *KEPT)
    assert unaware["read_bytes"] == 0
    _, aware = corpora.curate(done.footage, done.out, *KEPT, "--verify")
    gone, new = changes(done.rows["sources"], corpora.rows(done.out)["sources"])
    assert [row["uri"] for row in gone] == [row["uri"] for row in new] == [str(hidden)]
    assert aware["decoded_frames"] == 75


@contextlib.contextmanager
def away(folder: Path) -> Iterator[None]:
    """While it lasts, there is no such folder."""
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


def recut(out: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run `rushes scenes`; its exit code and report."""
    try:
        code = scenes.run(["--output", str(out), "--children", "2", *KEPT, *options])
    finally:
        pool.kill_all()
    return code, corpora.report(out)


def test_scenes_are_cut_again_without_any_source(done: Done) -> None:
    with away(done.footage):
        code, report = recut(done.out, "--merge-seconds", "0.5")
    assert code == 0
    assert (report["decoded_frames"], report["read_bytes"]) == (0, 0)
    assert report["balance"]["videos"]["in"] == corpora.VIDEOS
    rows = corpora.rows(done.out)
    assert [rows[name] for name in ("sources", "videos")] == [done.rows[name] for name in ("sources", "videos")]
    gone, new = changes(done.rows["clips"], rows["clips"])
    assert 0 < len(new) < len(gone), "joining the shortest scene gives fewer clips"
    code, _ = recut(done.out)
    assert code == 0
    assert corpora.rows(done.out)["clips"] == done.rows["clips"], "the old settings did not bring the old clips back"


def test_a_second_cut_stays_beside_the_first_and_captions_of_equal_spans_survive(done: Done) -> None:
    assert done.rows["captions"]
    with away(done.footage):
        code, _ = recut(done.out, "--cut", "coarse", "--merge-seconds", "0.5")
    assert code == 0
    rows = corpora.rows(done.out)
    first, coarse = ([row for row in rows["clips"] if row["cut"] == name] for name in ("default", "coarse"))
    assert first == done.rows["clips"]
    assert 0 < len(coarse) < len(first)
    assert {row["clip_id"] for row in first} & {row["clip_id"] for row in coarse}, "no span is in both cuts"
    assert changes(done.rows["captions"], rows["captions"])[0] == []
    (made,) = [report["run_id"] for report in corpora.runs(done.out) if report["job"] == "curate"]
    assert corpora.curate(done.footage, done.out, *KEPT)[1]["run_id"] != made
    assert distinct(corpora.rows(done.out)) == distinct(rows), "curating again touched the other cut"
