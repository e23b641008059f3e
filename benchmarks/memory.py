"""Memory on one long source: the real job on a rendered film of two hours.

    python -m benchmarks.memory

renders the film (a hard cut every four seconds, a tone and silence), runs `rushes curate` on it, and prints the most
memory of all processes at one moment, what an hour of footage takes in time and in the store, and how many of the cuts
were found on their very frame. Claim: under 1.5 GB. Needs 1 GB of temporary disk, removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
from deltalake import DeltaTable

from benchmarks.footprint import watch
from pipelines.footage import render_long

BUDGET = 1500.0
"""Most MB (1,000,000 bytes) of all processes together."""

_NOT_CUTS = {"start", "length", "stride"}


def decoded_length(path: Path) -> tuple[int, float]:
    """Frames and seconds of a file, by decoding it."""
    frames, end = 0, 0.0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            frames, end = frames + 1, max(end, float(((frame.pts or 0) + frame.duration) * (frame.time_base or 0)))
    return frames, end


def run(seconds: float, width: int, height: int, place: Path, check: bool) -> dict[str, Any]:
    """Render a film of that length into a folder, curate it, and say what it took.

    Raises:
        RuntimeError: The job failed, or the film is not what was asked for.
    """
    film, output, log = place / "film.mp4", place / "output", place / "log.txt"
    truth = render_long(film, seconds, width=width, height=height)
    if check:
        frames, end = decoded_length(film)
        if frames != truth["frames"] or abs(end - seconds) > 0.1:
            raise RuntimeError(f"the film has {frames} frames and {end:.2f} s, not {truth['frames']} and {seconds:.2f}")
    took = watch(
        [sys.executable, "-m", "pipelines.main", "curate", str(film), "--output", str(output), "--no-report"], log
    )
    if took.code != 0:
        raise RuntimeError(f"the job ended with {took.code}:\n{log.read_text(errors='replace')[-4000:]}")
    (report,) = (json.loads(path.read_text()) for path in (output / "runs").glob("*/report.json"))
    clips = DeltaTable(str(output / "tables" / "clips")).to_pyarrow_dataset().to_table().to_pylist()
    cuts = {clip["start_frame"] for clip in clips if clip["start_reason"] not in _NOT_CUTS}
    hours = seconds / 3600
    return {
        "film": f"{hours:g} h of {width}x{height} at {truth['fps']:g}/s, {film.stat().st_size / 1e6:.0f} MB",
        "peak_mb": round(took.peak / 1e6),
        "parent_mb": round(took.parent / 1e6),
        "child_mb": round(took.child / 1e6),
        "at_peak_mb": [round(size / 1e6) for size in took.at_peak],
        "exact": took.exact,
        "seconds": round(took.seconds, 1),
        "cpu_seconds": round(took.cpu, 1),
        "seconds_an_hour": round(took.seconds / hours, 1),
        "cpu_seconds_an_hour": round(took.cpu / hours, 1),
        "step_seconds": report["step_seconds"],
        "frames": truth["frames"],
        "decoded_frames": report["decoded_frames"],
        "stored_mb_an_hour": {name: round(size / 1e6 / hours, 2) for name, size in report["stored_bytes"].items()},
        "cuts": len(truth["hard"]),
        "cuts_found": len(cuts & set(truth["hard"])),
        "cuts_false": len(cuts - set(truth["hard"])),
        "clips": len(clips),
    }


def main(argv: list[str] | None = None) -> int:
    """Run, print, and say whether the claim holds: 0 when it does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=7200.0, help="length of the film [7200]")
    parser.add_argument("--size", default="320x180", help="its size in pixels [320x180]")
    parser.add_argument("--folder", type=Path, help="where temporary files go [the system's]")
    parser.add_argument("--check", action="store_true", help="decode the film first, to see that it is that long")
    asked = parser.parse_args(argv)
    width, height = (int(word) for word in asked.size.split("x"))
    place = Path(tempfile.mkdtemp(prefix="rushes-memory-", dir=asked.folder))
    try:
        found = run(asked.seconds, width, height, place, asked.check)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    for name, value in found.items():
        print(f"{name:20} {value}")
    ok = found["peak_mb"] < BUDGET
    print(f"Under {BUDGET:g} MB: {'yes' if ok else 'no'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
