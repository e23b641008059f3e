"""Score the detectors on known cuts, and against PySceneDetect's command line on the same files.

    python -m benchmarks.eval_cuts MEDIA/real

reads `cuts.json` (first frames of new shots, by eye), measures every video of the folder once, and prints, for each
detector, hits, false and missed hard cuts and F1, of ours and of PySceneDetect, and which of its cuts ours finds on
exactly the same frame. PySceneDetect decodes with its own default backend (OpenCV) and scales in its own way, so what
differs is the signals, not the decisions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scenedetect import open_video
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, ThresholdDetector
from scenedetect.scene_manager import compute_downscale_factor

from transforms.detect import DETECTORS, DetectSettings, detect
from transforms.failures import ElementError
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe
from transforms.signals import Signals, read_signals

SUFFIXES = {".mp4", ".webm", ".mkv", ".avi", ".3gp", ".mov", ".ogv", ".flv", ".wmv", ".m4v", ".mpg", ".ts"}
SINGLE = ("content", "adaptive", "threshold", "hash")


def measured(path: Path) -> tuple[dict[str, Any], Signals]:
    """The columns of a video's row, and its signals."""
    facts = probe(str(path)).video
    with tempfile.TemporaryDirectory() as folder:
        facts = {**facts, **measure(str(path), facts, folder, MeasureSettings(frames_per_second=0, thumbnails=False))}
        return facts, read_signals(Path(folder) / "signals.parquet")


def peer_cuts(path: Path) -> tuple[dict[str, list[int]], int]:
    """The cuts of PySceneDetect's four detectors with its command line's defaults, and how many frames it read.

    One decode serves all four; everything else (backend, scaling, times, arguments) is what
    `scenedetect -i FILE detect-...` does.
    """
    video = open_video(str(path))
    gap = FrameTimecode("0.6s", video.frame_rate).frame_num
    black = FrameTimecode("0.1s", video.frame_rate)
    detectors = {
        "content": ContentDetector(min_scene_len=gap),
        "adaptive": AdaptiveDetector(min_scene_len=gap),
        "threshold": ThresholdDetector(min_scene_len=gap, add_final_scene=True, min_out_length=black),
        "hash": HashDetector(min_scene_len=gap),
    }
    found: dict[str, list[FrameTimecode]] = {name: [] for name in detectors}
    factor, seconds = compute_downscale_factor(max(video.frame_size)), []
    while (frame := video.read()) is not False:
        if factor > 1.0:
            size = (max(1, round(frame.shape[1] / factor)), max(1, round(frame.shape[0] / factor)))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        seconds.append(video.position.seconds)
        for name, detector in detectors.items():
            found[name] += detector.process_frame(video.position, frame)
    for name, detector in detectors.items():
        found[name] += detector.post_process(video.position)
    times = np.array(seconds)
    return {n: sorted({int(np.abs(times - c.seconds).argmin()) for c in cuts}) for n, cuts in found.items()}, len(
        seconds
    )


def score(found: Iterable[int], hard: Iterable[int], gradual: Iterable[tuple[int, int]] = ()) -> Counter[str]:
    """Hits, false and missed hard cuts; a cut inside a known gradual transition counts as neither."""
    cuts, known = set(found), set(hard)
    wrong = {cut for cut in cuts - known if not any(first <= cut <= last for first, last in gradual)}
    return Counter(hit=len(cuts & known), false=len(wrong), missed=len(known - cuts))


def f1(counts: Counter[str]) -> float:
    """F1 of hits, false and missed."""
    return 2 * counts["hit"] / max(1, 2 * counts["hit"] + counts["false"] + counts["missed"])


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with videos and cuts.json")
    parser.add_argument("--truth", default="cuts.json", help="what is true, below the folder (the demo's: truth.json)")
    arguments = parser.parse_args(argv)
    folder: Path = arguments.folder
    truth = json.loads((folder / arguments.truth).read_text())
    scores: dict[tuple[str, str], Counter[str]] = {}
    agree: Counter[tuple[str, bool, str]] = Counter()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        name = path.relative_to(folder).as_posix()
        try:
            facts, signals = measured(path)
            peers, frames = peer_cuts(path)
        except (ElementError, OSError) as error:
            print(f"{name}: skipped, {error}")
            continue
        ours = {d: detect(signals, d, DetectSettings()) for d in DETECTORS if d != "stride"}
        constant = not facts["variable_frame_rate"]
        if len(signals) != frames:
            print(f"{name}: not compared, {len(signals)} frames of stream {facts['video_stream']}, {frames} theirs")
        for detector in SINGLE if len(signals) == frames else ():
            mine, theirs = {cut.frame for cut in ours[detector]}, set(peers[detector])
            agree[detector, constant, "theirs"] += len(theirs)
            agree[detector, constant, "same"] += len(theirs & mine)
            agree[detector, constant, "extra"] += len(mine - theirs)
            if mine != theirs:
                rate = "constant" if constant else "variable"
                print(
                    f"{name} ({rate} rate) {detector}: "
                    f"only theirs {sorted(theirs - mine)}, only ours {sorted(mine - theirs)}"
                )
        if "hard" in truth.get(name, {}):
            hard, gradual = truth[name]["hard"], [(a, b) for _, a, b in truth[name]["gradual"]]
            wrong = score((c.frame for c in ours["combined"] if c.detector != "fade"), hard, gradual)
            if wrong["false"] or wrong["missed"]:
                print(f"{name} combined: {[tuple(c) for c in ours['combined']]} where known are {hard}, {gradual}")
            hits = {"combined, without fades": [c.frame for c in ours["combined"] if c.detector != "fade"]}
            hits |= {d: [c.frame for c in cuts] for d, cuts in ours.items()}
            for detector, frames_found in hits.items():
                scores.setdefault((detector, "ours"), Counter()).update(score(frames_found, hard, gradual))
            for detector, frames_found in peers.items():
                scores.setdefault((detector, "scenedetect"), Counter()).update(score(frames_found, hard, gradual))
    print(f"\n{'detector':26}{'whose':14}{'hit':>6}{'false':>7}{'missed':>8}{'F1':>8}")
    for (detector, whose), counts in sorted(scores.items()):
        print(f"{detector:26}{whose:14}{counts['hit']:6}{counts['false']:7}{counts['missed']:8}{f1(counts):8.3f}")
    for constant in (True, False):
        total = sum(agree[d, constant, "theirs"] for d in SINGLE)
        if total:
            same = sum(agree[d, constant, "same"] for d in SINGLE)
            parts = ", ".join(f"{d} {agree[d, constant, 'same']}/{agree[d, constant, 'theirs']}" for d in SINGLE)
            rate = "constant" if constant else "variable"
            print(f"{rate} frame rate: {same} of {total} scenedetect cuts found on the same frame ({parts})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
