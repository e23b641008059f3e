"""A tiny corpus, the real job run on it, and its tables as rows that can be compared between runs."""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines import curate as job
from pipelines import footage
from transforms import pool, records, tables

SOUND_CUTS = "b_sound.mp4"
DAMAGED = "f_damaged.mp4"

SOURCES: tuple[str, ...] = ("a_cuts.mp4", SOUND_CUTS, "c_film.webm", "d_tiny.mp4", "e_copy.mp4", DAMAGED)
"""Files of the corpus: two cut films (one with sound), a WebM, a tiny one, the first again, and one damaged."""

GOOD, VIDEOS = 5, 4
"""Sources that can be used, and distinct bytes among them."""

QUICK: tuple[str, ...] = ("--children", "2", "--buckets", "2", "--min-side", "64", "--min-seconds", "1", "--no-report")
"""Options for small runs without pages, in which some small clips are kept; a test's own come after them and win."""

RUN_COLUMNS = frozenset({"run_id", "traceback"})
"""Columns of `failures` that no two runs share."""


@functools.cache
def _rendered() -> dict[str, bytes]:
    shot = footage.Shot
    render = functools.partial(footage.render, width=160, height=90)
    with tempfile.TemporaryDirectory() as folder:
        made = {name: Path(folder, name) for name in SOURCES}
        render(made["a_cuts.mp4"], [shot(35, seed=1), shot(30, seed=2, camera="pan"), shot(10, seed=3)])
        tones = [footage.Tone(1.5, 440.0), footage.Tone(1.5)]
        render(made[SOUND_CUTS], [shot(40, seed=4), shot(35, seed=5)], tones=tones)
        render(made["c_film.webm"], [shot(50, seed=6, camera="zoom")], codec="libvpx-vp9")
        footage.render_tiny(made["d_tiny.mp4"], seed=7)
        made["e_copy.mp4"].write_bytes(made["a_cuts.mp4"].read_bytes())
        made[DAMAGED].write_bytes(made["a_cuts.mp4"].read_bytes()[:2000])  # the index at the end is cut off
        return {name: path.read_bytes() for name, path in made.items()}


def tiny_corpus(folder: Path) -> Path:
    """The corpus in a folder of its own below `folder`, free to be changed. It is rendered once a session."""
    footage_folder = folder / "footage"
    footage_folder.mkdir(parents=True)
    for name, data in _rendered().items():
        (footage_folder / name).write_bytes(data)
    return footage_folder


def command(inputs: Path | str | Sequence[Any], out: Path | str, *extra: str) -> list[str]:
    """The job's arguments, after `rushes curate`."""
    given = [inputs] if isinstance(inputs, (str, Path)) else inputs
    return [*map(str, given), "--output", str(out), *QUICK, *extra]


def process(inputs: Path | str | Sequence[Any], out: Path | str, *extra: str) -> list[str]:
    """The same as a command of its own, for `subprocess`."""
    return [sys.executable, "-m", "pipelines.main", "curate", *command(inputs, out, *extra)]


def report(out: Path | str) -> dict[str, Any]:
    """The report of the newest run that left one, empty when none did."""
    found = sorted(Path(out).glob("runs/*/report.json"), key=lambda p: p.stat().st_mtime_ns)
    told: dict[str, Any] = json.loads(found[-1].read_bytes()) if found else {}
    return told


def curate(inputs: Path | str | Sequence[Any], out: Path | str, *extra: str) -> tuple[int, dict[str, Any]]:
    """Run the job in this process; its exit code, and its report, empty when it left none.

    Raises:
        ConfigError: Wrong usage, as `rushes` turns into exit code 2.
    """
    before = report(out).get("run_id")
    try:
        code = job.run(command(inputs, out, *extra))
    finally:
        pool.kill_all()  # else every run of a session keeps its idle children until the session ends
    told = report(out)
    return code, told if told.get("run_id") != before else {}


def rows(out: Path | str) -> dict[str, list[dict[str, Any]]]:
    """Every table's rows as of the latest snapshot, in a fixed order, without what no two runs share.

    `runs` is left out, `failures` lacks its run and traceback; maps are mappings. Failures are appended by every run.
    """
    corpus = tables.open_corpus(str(out))
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records.RECORDS:
        if record.table != "runs":
            read = tables.read(corpus, record.table).to_pylist(maps_as_pydicts="strict")
            plain = [{k: v for k, v in row.items() if k not in RUN_COLUMNS} for row in read]
            found[record.table] = sorted(plain, key=lambda row: json.dumps(row, sort_keys=True, default=str))
    return found


def runs(out: Path | str) -> list[dict[str, Any]]:
    """The rows of `runs`, oldest first."""
    read = tables.read(tables.open_corpus(str(out)), "runs").to_pylist(maps_as_pydicts="strict")
    return sorted(read, key=lambda row: row["started"])
