"""Clip files of a job: there for what is kept, whole or not at all, cut once, and never more than the budget."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from pipelines import gc, scenes, steps
from tests.pipelines import corpora
from tests.pipelines.processes import Rushes, ended, until
from tests.servers import s3_server
from transforms import pool, storage
from transforms.settings import ConfigError

KEPT: tuple[str, ...] = ("--min-seconds", "1", "--min-side", "64")
WITH_FAILURES = 3


def clips(out: Path | str) -> list[dict[str, Any]]:
    """Rows of the kept clips."""
    return [row for row in corpora.rows(out)["clips"] if row["kept"]]


def shown(path: Path | str) -> int:
    """Frames of a clip file that decode and are shown."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Every clip file in the store: its inode and when it was written."""
    return {p.parent.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in out.glob("store/clip/*/*/*.mp4")}


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus."""
    return corpora.tiny_corpus(tmp_path_factory.mktemp("clipping"))


@pytest.mark.parametrize("mode", ["copy", "smart", "transcode"])
def test_every_kept_clip_has_a_file_that_shows_it(mode: str, footage: Path, tmp_path: Path) -> None:
    code, report = corpora.curate(footage, tmp_path, *KEPT, "--clips", mode)
    assert code == WITH_FAILURES, "only the damaged source"
    rows = clips(tmp_path)
    assert rows
    assert report["balance"]["clip_files"] == {
        "in": len(rows),
        "kept": len(rows),
        "dropped": {},
        "dropped_total": 0,
        "failed": {},
    }
    for row in rows:
        frames = shown(tmp_path / row["clip_uri"])
        assert frames == row["clip_frames"] >= row["frames"]
        if row["clip_mode"] != "copy":
            assert frames == row["frames"]
            assert row["clip_lead_seconds"] == row["clip_tail_seconds"] == 0
        assert (tmp_path / row["thumbnail_uri"]).stat().st_size
        assert (tmp_path / row["strip_uri"]).stat().st_size
        assert (row["clip_mode"] == mode) == (row["clip_fallback"] is None)
    assert {row["clip_mode"] for row in rows} >= {mode}
    dropped = [row for row in corpora.rows(tmp_path)["clips"] if not row["kept"]]
    assert all(row["clip_uri"] is row["clip_error"] is None for row in dropped)

    before = stamps(tmp_path)
    code, report = corpora.curate(footage, tmp_path, *KEPT, "--clips", mode)
    assert (code, report["decoded_frames"]) == (WITH_FAILURES, 0)
    assert report["read_bytes"] < 0.01 * report["source_bytes"]
    assert stamps(tmp_path) == before
    assert clips(tmp_path) == rows


def test_another_threshold_cuts_only_what_it_newly_keeps(footage: Path, tmp_path: Path) -> None:
    few = ("--min-side", "64", "--min-seconds", "1.3", "--clips", "copy")
    corpora.curate(footage, tmp_path, *few)
    before, kept = stamps(tmp_path), clips(tmp_path)
    code, report = corpora.curate(footage, tmp_path, *few, "--min-seconds", "1")
    assert (code, report["decoded_frames"]) == (WITH_FAILURES, 0)
    after = stamps(tmp_path)
    assert before.items() < after.items()
    assert len(clips(tmp_path)) == len(after) > len(kept)
    assert scenes.run(["--output", str(tmp_path), "--children", "2", *few]) == 0
    assert clips(tmp_path) == kept, "cutting scenes again names the files that are there"
    pool.kill_all()


def test_over_the_budget_nothing_is_written_and_a_larger_one_goes_on(footage: Path, tmp_path: Path) -> None:
    cutting = (*KEPT, "--clips", "copy", "--no-clip-thumbnail", "--clip-strip", "0")
    code, report = corpora.curate(footage, tmp_path, *cutting, "--clip-bytes-budget", "0.00003")
    assert code == WITH_FAILURES
    step = report["balance"]["clip_files"]
    assert step["failed"] == {"over_budget": step["in"] - step["kept"]}
    assert step["in"] > step["kept"]
    before = stamps(tmp_path)
    assert sum(p.stat().st_size for p in tmp_path.glob("store/clip/*/*/*.mp4")) <= 30_000
    failures = [row for row in corpora.rows(tmp_path)["failures"] if row["step"] == "clip_files"]
    assert {row["subject"] for row in failures} == {row["clip_id"] for row in clips(tmp_path) if row["clip_error"]}
    assert all("--clip-bytes-budget" in row["message"] for row in failures)
    code, report = corpora.curate(footage, tmp_path, *cutting)
    assert (code, report["decoded_frames"]) == (WITH_FAILURES, 0)
    assert report["balance"]["clip_files"]["kept"] == step["in"]
    assert before.items() <= stamps(tmp_path).items()
    assert not any(row["clip_error"] for row in clips(tmp_path))


@pytest.mark.slow
def test_a_run_killed_while_it_cuts_leaves_whole_files_and_the_next_goes_on(footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    cutting = (*KEPT, "--clips", "transcode", "--children", "1")
    run = Rushes(["curate", *corpora.command(footage, out, *cutting)], tmp_path)
    with ended(run):
        assert until(lambda: next(out.glob("store/clip/*/*.json"), None) or not run.running)
        run.signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL, "it ended before it could be killed"
    before = {name: stamp for name, stamp in stamps(out).items() if next(out.glob(f"store/clip/*/{name}.*.json"), None)}
    assert before
    assert all(shown(path) for path in out.glob("store/clip/*/*/*.mp4")), "a file under its name is whole"
    code, report = corpora.curate(footage, out, *cutting)
    assert code == WITH_FAILURES
    assert before.items() <= stamps(out).items(), "a finished clip was cut again"
    step = report["balance"]["clip_files"]
    assert step["in"] == step["kept"] == len(stamps(out))
    assert not [p for p in out.rglob("*") if p.name.endswith(".part")]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.slow
def test_a_child_that_dies_cutting_costs_the_files_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    made = corpora.tiny_corpus(tmp_path)
    bad = {"crashes_clips.mp4": "crashed", "eats_clips.mp4": "out_of_memory"}
    for number, name in enumerate(bad):
        (films / name).write_bytes((made / corpora.SOUND_CUTS).read_bytes() + b"\0\0\0\x08free" * (number + 1))
    shutil.copy(made / "a_cuts.mp4", films)
    monkeypatch.setattr(steps, "SOURCE_TASK", "tests.badtasks:curate_source")
    code, report = corpora.curate(films, tmp_path / "out", "--clips", "transcode", "--memory-limit-mb", "700")
    assert code == 3
    found = corpora.rows(tmp_path / "out")
    names = {row["video_id"]: Path(row["uri"]).name for row in found["sources"]}
    assert set(names.values()) == {*bad, "a_cuts.mp4"}
    for row in found["clips"]:
        expected = bad.get(names[row["video_id"]])
        if row["kept"]:
            assert (row["clip_uri"] is None) == bool(expected)
            assert (row["clip_error"] or "").partition(":")[0] == (expected or "")
    assert set(report["balance"]["clip_files"]["failed"]) == set(bad.values())
    assert {row["video_id"] for row in found["captions"]} == set(names)

    monkeypatch.undo()
    code, report = corpora.curate(films, tmp_path / "out", "--clips", "transcode")
    assert (code, report["decoded_frames"]) == (0, 0)
    assert all(row["clip_uri"] for row in corpora.rows(tmp_path / "out")["clips"] if row["kept"])


def test_a_full_disk_costs_clips_and_no_half_file(small_disk: Path, footage: Path, tmp_path: Path) -> None:
    out = small_disk / "out"
    assert corpora.curate(footage, out, *KEPT)[0] == WITH_FAILURES
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 150 * 1024))
    code, _ = corpora.curate(footage, out, *KEPT, "--clips", "transcode", "--clip-crf", "0")
    assert code != 0
    whole = list(out.glob("store/clip/*/*.json"))
    assert all(shown(p) for marker in whole for p in (marker.parent / marker.name.split(".")[0]).glob("*.mp4"))
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    code, report = corpora.curate(footage, out, *KEPT, "--clips", "transcode", "--clip-crf", "0")
    assert code == WITH_FAILURES
    step = report["balance"]["clip_files"]
    assert step["in"] == step["kept"] > 0
    assert all(shown(out / row["clip_uri"]) == row["frames"] for row in clips(out))


def test_files_that_no_clip_names_any_more_are_waste(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corpora.curate(footage, tmp_path, *KEPT, "--clips", "copy")
    named = {row["clip_uri"] for row in clips(tmp_path)}
    assert gc.run([str(tmp_path), "--days", "0", "--delete"]) == 0
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.glob("store/clip/*/*/*.mp4")} == named
    corpora.curate(footage, tmp_path, *KEPT, "--clips", "none")
    assert gc.run([str(tmp_path), "--days", "0", "--delete"]) == 0
    assert not list(tmp_path.glob("store/clip/*/*/*"))


@pytest.mark.slow
def test_on_s3_a_source_is_read_once_and_its_clips_lie_there(footage: Path, tmp_path: Path) -> None:
    with s3_server() as bucket:
        for path in sorted(footage.iterdir()):
            storage.upload(str(path), f"{bucket}/footage/{path.name}")
        out = f"{bucket}/out"
        code, _ = corpora.curate(f"{bucket}/footage", out, *KEPT, "--clips", "smart")
        assert code == WITH_FAILURES
        for clip in clips(out):
            local = tmp_path / f"{clip['clip_id']}.mp4"
            local.write_bytes(storage.read_bytes(f"{out}/{clip['clip_uri']}"))
            assert shown(local) == clip["frames"] or clip["clip_mode"] == "copy"
        (told,) = corpora.runs(out)
        assert told["read_bytes"] == told["source_bytes"]


def test_settings_that_cannot_work_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--clip-side"):
        corpora.curate(tmp_path, tmp_path / "out", "--clips", "copy", "--clip-side", "90")
    assert not (tmp_path / "out").exists()
