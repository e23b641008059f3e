"""Stopped from outside: Ctrl-C, a full disk, an output that can't be written any more. Nothing half is ever visible."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pipelines import corpora
from tests.pipelines.processes import Rushes, ended, until
from transforms import tables

FAILED, WRONG_USAGE, WITH_FAILURES, INTERRUPTED = 1, 2, 3, 130


def committed(out: Path) -> list[Path]:
    """What makes rows visible: commits, snapshots, reports."""
    return [*out.glob("commits/*.json"), *out.glob("snapshots/*"), *out.glob("runs/*/report.json")]


def is_empty(out: Path) -> bool:
    """Whether a reader sees no row in any table."""
    corpus = tables.open_corpus(str(out))
    names = ("sources", "videos", "clips", "captions", "failures")
    return all(tables.read(corpus, name).num_rows == 0 for name in names)


def measures(out: Path) -> list[Path]:
    """Finished measures in the store."""
    return list(out.glob("store/measure/*/*.json"))


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus, not to be changed."""
    return corpora.tiny_corpus(tmp_path_factory.mktemp("interrupt"))


@pytest.fixture(scope="module")
def expected(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """Rows of an undisturbed run."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert corpora.curate(footage, out)[0] == WITH_FAILURES
    return corpora.rows(out)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_at_once_leaves_nothing_half_and_says_how_to_go_on(
    number: signal.Signals, footage: Path, expected: dict[str, list[dict[str, object]]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = corpora.command(footage, out, "--children", "1")
    run = Rushes(["curate", *arguments], tmp_path)
    with ended(run):
        assert until(lambda: measures(out) or not run.running)
        assert run.children
        assert run.leftovers(), "no temporary file was met: the check for leftovers has seen nothing"
        start = time.monotonic()
        run.signal(number)
        assert run.wait(30) == INTERRUPTED, run.output
        assert time.monotonic() - start < 3
    assert run.orphans(patience=0.5) == []
    assert run.leftovers() == []
    assert committed(out) == []
    assert is_empty(out)
    assert "Nothing of this run was committed" in run.output
    assert f"To go on from there: {shlex.join(['rushes', 'curate', *arguments])}" in run.output.splitlines()
    assert "Traceback" not in run.output
    finished = len(measures(out))
    code, report = corpora.curate(footage, out)
    assert code == WITH_FAILURES
    assert finished >= 1
    assert report["balance"]["videos"]["kept"] == corpora.VIDEOS
    assert report["decoded_frames"] < sum(row["frames"] for row in expected["videos"])  # type: ignore[misc]
    assert corpora.rows(out) == expected


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_stops_the_command_line_program(footage: Path, tmp_path: Path) -> None:
    """SIGINT to a process group, as a terminal sends it, and to a program born with it ignored, as scripts make it."""
    out, temp = tmp_path / "out", tmp_path / "temp"
    temp.mkdir()
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *corpora.process(footage, out, "--children", "1")]
    environment = {**os.environ, "TMPDIR": str(temp)}
    run = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True, text=True)
    try:
        assert until(lambda: measures(out) or run.poll() is not None)
        start = time.monotonic()
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=30)
        assert time.monotonic() - start < 3
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == INTERRUPTED, said
    assert "To go on from there: rushes curate" in said
    assert [p.name for p in temp.iterdir() if p.name.startswith("rushes-run")] == []
    assert committed(out) == []


def test_ctrl_c_while_the_program_is_starting_is_no_traceback(footage: Path, tmp_path: Path) -> None:
    run = subprocess.Popen(
        corpora.process(footage, tmp_path / "out"),
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    mapped = Path(f"/proc/{run.pid}/maps")
    if mapped.exists():
        assert until(lambda: "arrow" in mapped.read_text())  # it is at its imports
    else:
        time.sleep(1)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=30)
    assert run.returncode == INTERRUPTED
    assert "Traceback" not in said


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """A small file system in memory; the test is skipped where this process may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system here: needs root on Linux")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remounted(folder: Path, how: str) -> bool:
    """Mount a file system again, `ro` or `rw`; whether it could be done."""
    return subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], capture_output=True).returncode == 0


def fill(file: Path) -> None:
    """Write until there is no space left."""
    with contextlib.suppress(OSError), file.open("ab", buffering=0) as opened:
        for size in (1 << 16, 1 << 10, 1):
            with contextlib.suppress(OSError):
                while opened.write(b"\0" * size):
                    pass


@pytest.mark.slow
def test_a_disk_that_fills_up_in_mid_run_fails_it_and_with_space_it_goes_on(
    footage: Path, expected: dict[str, list[dict[str, object]]], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", megabytes=16) as disk:
        out = disk / "out"
        run = Rushes(["curate", *corpora.command(footage, out, "--children", "1")], tmp_path)
        with ended(run):
            assert until(lambda: measures(out) or not run.running)
            fill(disk / "filler")
            assert run.wait() == FAILED, run.output
        (told,) = [line for line in run.output.splitlines() if line.startswith("Failed:")]
        assert "no space left" in told
        assert str(out) in told
        assert "run the same command again" in run.output
        assert "Traceback" not in run.output
        assert run.orphans() == []
        assert run.leftovers() == []
        assert committed(out) == []
        assert is_empty(out)
        (disk / "filler").unlink()
        code, report = corpora.curate(footage, out)
        assert code == WITH_FAILURES
        assert report["decoded_frames"] < sum(row["frames"] for row in expected["videos"])  # type: ignore[misc]
        assert corpora.rows(out) == expected


@pytest.mark.slow
def test_a_disk_too_small_for_some_results_is_named_for_each_source_and_with_space_they_are_made(
    footage: Path, expected: dict[str, list[dict[str, object]]], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", megabytes=16) as disk:
        out = disk / "out"
        assert corpora.curate(footage / corpora.SOUND_CUTS, out)[0] == 0
        fill(disk / "filler")
        os.truncate(disk / "filler", (disk / "filler").stat().st_size - 150_000)  # enough for rows, not for pictures
        run = Rushes(["curate", *corpora.command(footage, out)], tmp_path)
        with ended(run):
            code = run.wait()
        if code == WITH_FAILURES:
            failed = [row for row in corpora.rows(out)["failures"] if row["error_class"] == "storage"]
            assert failed
            assert all("no space left" in row["message"] for row in failed)
        else:
            assert code == FAILED, run.output
            assert "no space left" in run.output
        (disk / "filler").unlink()
        assert corpora.curate(footage, out)[0] == WITH_FAILURES
        rows = corpora.rows(out)
        assert {**rows, "failures": []} == {**expected, "failures": []}


@pytest.mark.slow
def test_an_output_that_becomes_read_only_in_mid_run_fails_it_and_writable_again_it_goes_on(
    footage: Path, expected: dict[str, list[dict[str, object]]], tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", megabytes=16) as disk:
        out = disk / "out"
        run = Rushes(["curate", *corpora.command(footage, out, "--children", "1")], tmp_path)
        with ended(run):
            assert until(lambda: measures(out) or not run.running)
            assert until(lambda: remounted(disk, "ro"))  # not while a file is open for writing
            assert run.wait() == FAILED, run.output
        assert remounted(disk, "rw")
        (told,) = [line for line in run.output.splitlines() if line.startswith("Failed:")]
        assert "Read-only file system" in told
        assert str(out) in told
        assert "Traceback" not in run.output
        assert committed(out) == []
        assert is_empty(out)
        assert corpora.curate(footage, out)[0] == WITH_FAILURES
        assert corpora.rows(out) == expected


def test_a_disk_that_is_full_from_the_start_is_told_before_any_work(footage: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", megabytes=1) as disk:
        fill(disk / "filler")
        run = Rushes(["curate", *corpora.command(footage, disk / "out")], tmp_path)
        with ended(run):
            assert run.wait() == WRONG_USAGE
        (told,) = run.output.splitlines()
        assert told.startswith(f"rushes: --output {disk / 'out'}: cannot be written")
        assert "no space left" in told
