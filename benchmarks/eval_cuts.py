"""Score the detectors beside PySceneDetect's own on files whose edits are known.

    python -m benchmarks.eval_cuts FILMS/truth.json MEDIA/real/cuts.json

For each TRUTH, a table of hard cuts and one of gradual transitions, by the rules of `rushes eval-cuts`: our detectors,
and PySceneDetect's with its command line's defaults, which decodes with its own default backend (OpenCV) and scales in
its own way. Then, over every video of the folders (known or not), how many of PySceneDetect's cuts ours finds on
exactly the same frame: what differs is the signals, not the decisions.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from scenedetect import open_video
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ContentDetector, HashDetector, ThresholdDetector
from scenedetect.scene_manager import compute_downscale_factor

from pipelines.eval_cuts import BY_DEFAULT, found_by, measured, scored, show, total
from pipelines.scoring import Score, Truth, read_truth, score
from transforms.detect import Cut, DetectSettings
from transforms.failures import ElementError
from transforms.signals import Signals

SUFFIXES = {".mp4", ".webm", ".mkv", ".avi", ".3gp", ".mov", ".ogv", ".flv", ".wmv", ".m4v", ".mpg", ".ts"}
SINGLE = ("content", "adaptive", "threshold", "hash")


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
    return {n: sorted({int(np.abs(times - c.seconds).argmin()) for c in cuts}) for n, cuts in found.items()}, len(times)


def is_constant(signals: Signals) -> bool:
    """Whether all frames last equally long, but for the rounding of their times."""
    return len(signals) < 3 or int(np.ptp(np.diff(signals["pts"]))) <= 1


class Agreement:
    """How often ours and theirs agree to the frame, kept apart for constant and variable frame rates."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[bool, str, str]] = Counter()

    def add(self, name: str, signals: Signals, ours: dict[str, list[Cut]], theirs: dict[str, list[int]]) -> None:
        """Compare a video's cuts, and name what differs."""
        constant = is_constant(signals)
        for detector in SINGLE:
            mine, peer = {cut.frame for cut in ours[detector]}, set(theirs[detector])
            self._counts[constant, detector, "theirs"] += len(peer)
            self._counts[constant, detector, "same"] += len(peer & mine)
            if mine != peer:
                where = f"{name} ({'constant' if constant else 'variable'} rate) {detector}"
                print(f"{where}: only theirs {sorted(peer - mine)}, only ours {sorted(mine - peer)}")

    def show(self) -> None:
        """Print a line for each kind of frame rate."""
        for constant in (True, False):
            whole = {d: (self._counts[constant, d, "same"], self._counts[constant, d, "theirs"]) for d in SINGLE}
            same, theirs = (sum(n[k] for n in whole.values()) for k in (0, 1))
            if theirs:
                parts = ", ".join(f"{d} {a}/{b}" for d, (a, b) in whole.items())
                rate = "constant" if constant else "variable"
                print(f"{rate} frame rate: {same} of {theirs} scenedetect cuts found on the same frame ({parts})")


def compare(path: Path, agreement: Agreement) -> None:
    """Measure the videos of a truth's folder once each, and print how ours and theirs do on the known ones."""
    truths, folder = read_truth(path), path.parent
    scores: list[dict[str, Score]] = []
    left_out: dict[str, str] = {}
    for file in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        name = file.relative_to(folder).as_posix()
        truth = truths.get(name, Truth({}))
        try:
            signals, pictures = measured(file)
            detectors = BY_DEFAULT if name in truths else SINGLE
            ours = found_by(detectors, signals, pictures, DetectSettings(), truth, left_out)
            theirs, frames = peer_cuts(file)
        except (ElementError, OSError) as error:
            print(f"{name}: skipped, {error}")
            continue
        if len(signals) == frames:
            agreement.add(name, signals, ours, theirs)
        else:
            print(f"{name}: not compared, {len(signals)} frames of ours, {frames} of theirs")
        if name in truths:
            peers = {f"scenedetect {d}": score([(n, n) for n in cuts], list(truth.edits)) for d, cuts in theirs.items()}
            scores.append(scored(ours, truth) | peers)
    print(f"\n{path}: {len(scores)} videos")
    show(total(scores))
    for message in left_out.values():
        print(f"left out: {message}")


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path, nargs="+", help="what is known of the videos beside it")
    arguments = parser.parse_args(argv)
    agreement = Agreement()
    for path in arguments.truth:
        compare(path, agreement)
    agreement.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())
