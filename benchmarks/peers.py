"""What it costs to know a film: this project and its peers on the same files, in one run.

    python -m benchmarks.peers FOLDER_OR_FILE... [--venv NAME=PYTHON]

prints processor seconds (user and system, of the whole process tree) for a minute of video, the largest resident
memory of a process, and what each leaves. Peers are started as their users start them, by their command lines, in one
process; name a Python that has one with `--venv scenedetect=/path/to/python`, `--venv data-juicer=...` (which also
wants `aiohttp`) or `--venv video2dataset=...`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from transforms.probe import probe

SUFFIXES = {".mp4", ".webm", ".mkv", ".avi", ".3gp", ".mov", ".ts"}


class Cost(NamedTuple):
    """What a command took: processor seconds and the largest resident memory of one of its processes, MB."""

    seconds: float
    memory: float


def run(command: Sequence[str], folder: Path) -> Cost:
    """Run a command to its end, quietly.

    Raises:
        RuntimeError: It failed; with the end of what it said.
    """
    with (folder / "log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 3):
        said = (folder / "log").read_text(errors="replace")[-600:]
        raise RuntimeError(f"{command[0]} ended with {child.returncode}: {said}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000)


def rushes(files: Sequence[Path], folder: Path, python: str) -> tuple[Cost, str]:
    """`rushes curate`, everything on but its page."""
    command = [python, "-m", "pipelines.main", "curate", *map(str, files), "--output", str(folder / "out")]
    cost = run([*command, "--no-report"], folder)
    (report,) = (folder / "out").glob("runs/*/report.json")
    balance = json.loads(report.read_bytes())["balance"]
    return cost, f"{balance['clips']['in']} clips with their measures, samples, sound and manifest"


def ingest_scan(files: Sequence[Path], folder: Path, python: str) -> tuple[Cost, str]:
    """`rushes curate --measure scan`: triage."""
    command = [python, "-m", "pipelines.main", "curate", *map(str, files), "--output", str(folder / "out")]
    cost = run([*command, "--no-report", "--measure", "scan"], folder)
    (report,) = (folder / "out").glob("runs/*/report.json")
    balance = json.loads(report.read_bytes())["balance"]
    return cost, f"{balance['clips']['in']} clips, approximate"


def scenedetect(detector: str) -> Callable[[Sequence[Path], Path, str], tuple[Cost, str]]:
    """PySceneDetect's command line with one detector, a process a file."""

    def of(files: Sequence[Path], folder: Path, python: str) -> tuple[Cost, str]:
        costs, scenes = [], 0
        for number, path in enumerate(files):
            command = [
                python,
                "-m",
                "scenedetect",
                "-i",
                str(path),
                "-q",
                detector,
                "list-scenes",
                "-f",
                f"{number}.csv",
            ]
            costs.append(run(command, folder))
            listed = folder / f"{number}.csv"
            scenes += max(0, len(listed.read_text().splitlines()) - 2) if listed.exists() else 0
        return Cost(sum(c.seconds for c in costs), max(c.memory for c in costs)), f"{scenes} scenes"

    return of


def data_juicer(process: str, leaves: str) -> Callable[[Sequence[Path], Path, str], tuple[Cost, str]]:
    """Data-Juicer's `dj-process` with one operator.

    Args:
        process: The operator with its parameters, as YAML in flow style.
        leaves: What it makes, in words.
    """

    def of(files: Sequence[Path], folder: Path, python: str) -> tuple[Cost, str]:
        listed, recipe, copies = folder / "in.jsonl", folder / "recipe.yaml", folder / "in"
        copies.mkdir()
        files = [Path(shutil.copy(path, copies)) for path in files]  # it writes clips beside what it reads
        text = "<__dj__video> <|__dj__eoc|>"
        listed.write_text("".join(json.dumps({"videos": [str(f)], "text": text}) + "\n" for f in files))
        recipe.write_text(
            f"dataset_path: {listed}\nexport_path: {folder / 'out' / 'out.jsonl'}\nnp: 1\nuse_cache: false\n"
            f"process: [{process}]\n"
        )
        cost = run([str(Path(python).parent / "dj-process"), "--config", str(recipe)], folder)
        rows = [json.loads(line) for line in (folder / "out" / "out.jsonl").read_text().splitlines()]
        return cost, leaves.format(sum(len(row["videos"]) for row in rows))

    return of


def video2dataset(files: Sequence[Path], folder: Path, python: str) -> tuple[Cost, str]:
    """video2dataset: cut detection and exact clips."""
    listed, config = folder / "in.csv", folder / "config.yaml"
    listed.write_text("videoLoc\n" + "".join(f"{path}\n" for path in files))
    config.write_text(
        "subsampling:\n  CutDetectionSubsampler:\n    cuts_are_clips: True\n    args: {cut_detection_mode: all,"
        " framerates: null, threshold: 27, min_scene_len: 15}\n  ClippingSubsampler:\n    args: {min_length: 0.0,"
        " max_length: 999999.0, max_length_strategy: all, precision: exact}\n"
        "reading: {yt_args: {}, timeout: 60, sampler: null}\n"
        "storage: {number_sample_per_shard: 100, oom_shard_count: 5, captions_are_subtitles: False}\n"
        "distribution: {processes_count: 1, thread_count: 1, subjob_size: 1000, distributor: multiprocessing}\n"
    )
    words = f"--url_list={listed} --input_format=csv --url_col=videoLoc --output_format=files"
    program = str(Path(python).parent / "video2dataset")
    cost = run([program, *words.split(), f"--output_folder={folder / 'out'}", f"--config={config}"], folder)
    return cost, f"{len(list((folder / 'out').rglob('*.mp4')))} re-encoded clips"


TOOLS: dict[str, tuple[str, Callable[[Sequence[Path], Path, str], tuple[Cost, str]]]] = {
    "rushes curate": ("rushes", rushes),
    "rushes curate --measure scan": ("rushes", ingest_scan),
    "scenedetect detect-content": ("scenedetect", scenedetect("detect-content")),
    "scenedetect detect-adaptive": ("scenedetect", scenedetect("detect-adaptive")),
    "Data-Juicer split by scene": (
        "data-juicer",
        data_juicer("{video_split_by_scene_mapper: {detector: ContentDetector}}", "{} re-encoded clips"),
    ),
    "Data-Juicer motion score": (
        "data-juicer",
        data_juicer("{video_motion_score_filter: {sampling_fps: 4, size: 256}}", "a motion score of each of {} videos"),
    ),
    "video2dataset cuts and clips": ("video2dataset", video2dataset),
}
"""Every row of the table: the environment it runs in, and what runs it."""


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+", type=Path, help="videos, or folders with videos")
    parser.add_argument("--venv", action="append", default=[], metavar="NAME=PYTHON", help="where a peer is installed")
    asked = parser.parse_args(argv)
    pythons = {"rushes": sys.executable, "scenedetect": sys.executable}
    pythons |= dict(word.split("=", 1) for word in asked.venv)
    given = [p.resolve() for i in asked.inputs for p in ([i] if i.is_file() else sorted(i.rglob("*")))]
    files = [path for path in given if path.suffix.lower() in SUFFIXES]
    minutes = sum(probe(str(path)).video["container_duration"] or 0.0 for path in files) / 60
    print(f"{len(files)} files, {minutes:.1f} minutes\n")
    print(f"{'':30}{'CPU s a minute':>15}{'largest MB':>12}  leaves")
    for name, (place, tool) in TOOLS.items():
        if place not in pythons:
            print(f"{name:30}{'not installed':>15}{'':12}  name its Python with --venv {place}=...")
            continue
        with tempfile.TemporaryDirectory(prefix="rushes-peers-") as folder:
            try:
                cost, leaves = tool(files, Path(folder), pythons[place])
            except RuntimeError as error:
                print(f"{name:30}{'failed':>15}{'':12}  {error}")
                continue
        print(f"{name:30}{cost.seconds / minutes:15.2f}{cost.memory:12.0f}  {leaves}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
