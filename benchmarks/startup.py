"""What starting child processes costs, against the work they do: 1,000 files of ten seconds.

    python -m benchmarks.startup

starts the pool's real children a few times, then has one fresh child curate ten-second films of two sizes, and prints
processor seconds: of a start (interpreter and imports, up to ready), of the first film above what any other takes
(libraries that load late), and of a film. A child is replaced after `--recycle` films, so 1,000 films on so many
children need a known number of starts; what they cost is scaled from the films measured. Claim: at most 5 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.config import Config
from pipelines.footage import Shot, Tone, render
from transforms.pool import Pool, PoolSettings, core_count
from transforms.sources import SourceRef, refreshed

BUDGET = 0.05
"""Largest share of the processor time of 1,000 ten-second files that starting children may take."""

FILES = 1000
SIZES = ((320, 180), (640, 360))

_PRELOAD = ("pipelines.work",)  # as `steps.InChildren` starts them
_STARTS = 5
_FILMS = 4  # distinct films of a size; copies differ in a box that players pass over


def start() -> tuple[float, float]:
    """Processor seconds of one child's start, and seconds until it has answered."""
    began = time.monotonic()
    with Pool(PoolSettings(children=1), _PRELOAD) as pool:
        used: float = pool.submit("time:process_time", {}).result()
        return used, time.monotonic() - began


def render_films(folder: Path, count: int, width: int, height: int) -> list[Path]:
    """So many ten-second films with sound, no two with the same bytes."""
    data = []
    for seed in range(_FILMS):
        path = folder / f"film{seed}.mp4"
        shots = [Shot(130, seed=seed, camera="pan"), Shot(120, seed=seed + _FILMS, camera="shake")]
        render(path, shots, width=width, height=height, tones=[Tone(5.0, 440.0), Tone(5.0)])
        data.append(path.read_bytes())
        path.unlink()
    paths = []
    for number in range(count):
        path = folder / f"{number:04d}.mp4"
        path.write_bytes(data[number % _FILMS] + struct.pack(">I4sQ", 16, b"free", number))
        paths.append(path)
    return paths


def work(paths: Sequence[Path], output: Path) -> list[float]:
    """Processor seconds that one fresh child takes for each of some sources, one after another."""
    config, spent, before = Config(), [], None
    with Pool(PoolSettings(children=1, recycle=2 * len(paths) + 2), _PRELOAD) as pool:
        for path in (None, *paths):
            if path is not None:
                ref = dataclasses.asdict(refreshed(SourceRef(str(path)), config.storage))
                task = {"job": "curate", "ref": ref, "video_id": None, "config": config.to_json(), "root": str(output)}
                pool.submit("pipelines.work:curate_source", task).result()
            now: float = pool.submit("time:process_time", {}).result()
            if before is not None:
                spent.append(now - before)
            before = now
    return spent


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the claim holds: 0 when it does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=40, help="films of a size that are really curated [40]")
    parser.add_argument(
        "--recycle", type=int, default=PoolSettings().recycle, help="films a child serves [%(default)s]"
    )
    parser.add_argument("--children", type=int, default=core_count(), help="children at a time [one a core]")
    asked = parser.parse_args(argv)
    start()  # brings the libraries into the page cache, as the parent has done before a job's first child
    measured = [start() for _ in range(_STARTS)]
    once, waited = (statistics.median(column) for column in zip(*measured, strict=True))
    starts = asked.children * math.ceil(FILES / asked.children / asked.recycle)
    print(f"start of a child: {once:.2f} s of processor time, ready after {waited:.2f} s (median of {_STARTS})")
    print(f"starts for {FILES} files: {starts} ({asked.children} children, replaced after {asked.recycle} files)")
    worst = 0.0
    for width, height in SIZES:
        with tempfile.TemporaryDirectory(prefix="rushes-startup-") as folder:
            first, *others = work(render_films(Path(folder), asked.files + 1, width, height), Path(folder, "output"))
        each = statistics.fmean(others)
        late = max(0.0, first - statistics.median(others))
        share = starts * (once + late) / (starts * (once + late) + FILES * each)
        worst = max(worst, share)
        print(
            f"{width}x{height}: {each:.3f} s a file (mean of {len(others)}), first file of a child {late:.2f} s more; "
            f"start-up is {share:.1%} of {starts * (once + late) + FILES * each:.0f} s"
        )
    print(f"At most {BUDGET:.0%}: {'yes' if worst <= BUDGET else 'no'}")
    return 0 if worst <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
