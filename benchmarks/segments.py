"""One long film on two workers, against one: how much sooner it is done, and that nothing else differs.

    python -m benchmarks.segments [--seconds 1200] [--size 1280x720]

renders a film, curates it with one child process and with two (each into a folder of its own, the same footage and
settings), in one pass without segments too, and compares: seconds from start to end of the command, the rows of every
table, the files that measuring left, and frames decoded per frame of the source. Claims: two workers take at most 1 /
1.8 of the time of one; rows and files are the same, bit for bit; at most 1.02 frames are decoded per frame.

The times mean something only where two cores are idle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipelines.footage import render_long
from transforms import records, tables

SPEED_UP = 1.8
"""Least ratio of the time of one worker to that of two."""

DECODED = 1.02
"""Most frames decoded per frame of the source."""


def curate(film: Path, out: Path, children: int, segment_seconds: float) -> tuple[float, dict[str, Any]]:
    """Seconds that the command took, and its report."""
    command = [sys.executable, "-m", "pipelines.main", "curate", str(film), "--output", str(out)]
    command += ["--children", str(children), "--segment-seconds", str(segment_seconds), "--no-report"]
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    took = time.monotonic() - began
    (report,) = out.glob("runs/*/report.json")
    return took, json.loads(report.read_bytes())


def content(out: Path) -> dict[str, str]:
    """A digest of the rows of every table but `runs` and `failures`, and of every file that measuring left."""
    corpus = tables.open_corpus(str(out))
    found = {}
    for record in records.RECORDS:
        if record.table not in ("runs", "failures"):
            rows = tables.read(corpus, record.table).to_pylist(maps_as_pydicts="strict")
            text = sorted(json.dumps(row, sort_keys=True, default=str) for row in rows)
            found[record.table] = hashlib.sha256("\n".join(text).encode()).hexdigest()
    for path in sorted((out / "store" / "measure").glob("*/*/*")):
        found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the claims hold: 0 when they do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1200.0, help="length of the film [%(default)s]")
    parser.add_argument("--size", default="1280x720", help="its size [%(default)s]")
    asked = parser.parse_args(argv)
    width, height = map(int, asked.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="rushes-segments-") as folder:
        film = Path(folder, "film.mp4")
        render_long(film, asked.seconds, width=width, height=height)
        print(f"{asked.seconds:g} s of {asked.size}, {film.stat().st_size / 1e6:.0f} MB")
        told = {}
        for name, children, seconds in (("one pass", 1, 0.0), ("one worker", 1, 60.0), ("two workers", 2, 60.0)):
            out = Path(folder, name.replace(" ", "_"))
            took, report = curate(film, out, children, seconds)
            ratio = report["decoded_frames"] / report["source_frames"]
            told[name] = (took, ratio, content(out))
            print(f"{name:12} {took:7.1f} s, {ratio:.4f} frames decoded per frame")
    speed_up = told["one worker"][0] / told["two workers"][0]
    same = told["one pass"][2] == told["one worker"][2] == told["two workers"][2]
    decoded = max(ratio for _, ratio, _ in told.values())
    print(f"two workers against one: {speed_up:.2f}x (at least {SPEED_UP})")
    print(f"rows and files the same: {'yes' if same else 'NO'} ({len(told['one pass'][2])} compared)")
    print(f"frames decoded per frame: {decoded:.4f} (at most {DECODED})")
    return 0 if same and speed_up >= SPEED_UP and decoded <= DECODED else 1


if __name__ == "__main__":
    sys.exit(main())
