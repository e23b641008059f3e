"""What `--measure scan` costs and finds, by kind of stream, against a full decode.

    python -m benchmarks.scan [--seconds 180] [--seed 1] [--folder FOLDER] [--only x264-1080p ...]

renders a film (`benchmarks.film`, with real shots where $RUSHES_MEDIA has them) and encodes it in many ways: by x264 as
it is by default at 1080p and 480p, then, rendered anew at 360p, by other settings and encoders. For each file, and the
real files of 5 s or more, it prints: processor time of the scan as a share of a bare decode with one thread (median of
interleaved rounds, one where nothing is claimed; probing, which lists the packets, is paid by every effort), share of
the frames decoded, and precision, recall and F1 of its cuts on their very frame against the hard cuts of `exact`, and
the recall within 0.3 s. A cut inside a gradual transition counts as neither. Last, the figures for
`transforms.scan.RECALL`: the smallest recall of a file of the kind with ten cuts or more, rounded down.

With `--folder` the files stay, and those that are there are not rendered again. Ends with 1 when x264's defaults cost
more than 0.10 of the decode at one of the two sizes, or have an F1 under 0.9.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import av.error
import numpy as np

from benchmarks import film
from pipelines.scoring import Score, Span, score
from transforms import media
from transforms.detect import Cut, DetectSettings, detect
from transforms.failures import ElementError
from transforms.measure import MeasureSettings, measure
from transforms.probe import ProbeResult, probe
from transforms.scan import scan
from transforms.signals import read_signals
from transforms.thumbnails import Thumbnails

COST: Final = 0.10
"""Most of a decode that a scan of x264's defaults may take."""

F1: Final = 0.9
"""Least F1 of its cuts."""

NEAR_SECONDS: Final = 0.3

ENOUGH: Final = 10
"""Cuts from which on the recall of a file counts for its kind."""

LARGE: Final = (1920, 1080)
MIDDLE: Final = (854, 480)
SMALL: Final = (640, 360)

CLAIMED: Final = ("x264-1080p", "x264-480p")
"""x264 as it is by default."""

ENCODERS: Final[dict[str, tuple[str, str, dict[str, str]]]] = {
    "x264-1080p": ("mp4", "libx264", {"preset": "medium"}),
    "x264-480p": ("mp4", "libx264", {"preset": "medium"}),
    "x264-360p": ("mp4", "libx264", {"preset": "medium"}),
    "x264-superfast": ("mp4", "libx264", {"preset": "superfast"}),
    "x264-ts": ("ts", "libx264", {"preset": "medium"}),
    "x264-open": ("mkv", "libx264", {"preset": "medium", "x264-params": "open-gop=1"}),
    "x264-short12": ("mp4", "libx264", {"preset": "medium", "x264-params": "keyint=12"}),
    "x264-fixed48": ("mp4", "libx264", {"preset": "medium", "x264-params": "scenecut=0:keyint=48:min-keyint=48"}),
    "x264-fixed250": ("mp4", "libx264", {"preset": "medium", "x264-params": "scenecut=0:keyint=250"}),
    "x264-onekey": ("mp4", "libx264", {"preset": "medium", "x264-params": "scenecut=0:keyint=infinite"}),
    "x264-intra": ("mp4", "libx264", {"preset": "medium", "x264-params": "keyint=1"}),
    "x265": ("mp4", "libx265", {"preset": "fast", "x265-params": "log-level=none:pools=1"}),
    "x265-fixed48": (
        "mp4",
        "libx265",
        {"preset": "fast", "x265-params": "log-level=none:pools=1:scenecut=0:keyint=48:min-keyint=48"},
    ),
    "vp9": ("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "6", "crf": "32", "b": "0"}),
    "vp9-good": ("webm", "libvpx-vp9", {"deadline": "good", "cpu-used": "5", "crf": "34", "b": "0"}),
    "av1": ("mp4", "libsvtav1", {"preset": "10", "crf": "38", "svtav1-params": "lp=1"}),
    "mpeg2": ("ts", "mpeg2video", {"b": "3000000", "bf": "2", "g": "15"}),
    "mpeg4": ("avi", "mpeg4", {"b": "1500000", "bf": "2"}),
    "mjpeg": ("avi", "mjpeg", {"q": "5", "strict": "unofficial"}),
}


class Exact(NamedTuple):
    """What a full decode finds: hard cuts and, as spans, gradual transitions and the edges of black."""

    hard: list[Span]
    other: list[Span]
    rate: float


def encode(source: Path, path: Path, encoder: str, options: dict[str, str], size: tuple[int, int]) -> None:
    """Encode a film again."""
    part = path.with_name("part-" + path.name)
    with av.open(str(source)) as read, av.open(str(part), "w") as out:
        stream: Any = out.add_stream(encoder, rate=film.FPS, options={"threads": "1", **options})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(read.decode(video=0)):
            made = frame.reformat(*size, format="yuv420p")
            made.pts, made.time_base, made.pict_type = number, Fraction(1, film.FPS), 0
            out.mux(stream.encode(made))
        out.mux(stream.encode(None))
    part.replace(path)


def files(folder: Path, seconds: float, seed: int, only: list[str]) -> Iterator[tuple[str, Path]]:
    """Every file, with its name, the rendered ones first."""
    real = Path(os.environ.get("RUSHES_MEDIA", "../shared/media")) / "real"
    shots = real if (real / "cuts.json").is_file() else None
    for name, (ending, encoder, options) in ENCODERS.items():
        path = folder / f"{name}.{ending}"
        if only and name not in only:
            continue
        if not path.exists():
            size, source = (LARGE, folder) if name in CLAIMED else (SMALL, folder / "small")
            if not (source / film.NAME).exists():
                film.write(source, size, seconds, seed, shots)
            encode(source / film.NAME, path, encoder, options, MIDDLE if name == "x264-480p" else size)
        yield name, path
    for path in sorted(real.glob("*.*")) if shots and not only else []:
        if path.suffix != ".json":
            yield path.name, path


def exact_cuts(path: Path, probed: ProbeResult) -> Exact:
    """What `exact` finds."""
    settings = MeasureSettings(frames_per_second=0, flow_per_second=0, texture_per_second=0, looks_per_second=0)
    with tempfile.TemporaryDirectory() as name:
        found = measure(str(path), probed.video, name, settings)
        with Thumbnails(Path(name) / "thumbnails.zip") as thumbnails:
            signals = read_signals(Path(name) / "signals.parquet")
            cuts: list[Cut] = detect(signals, "combined", DetectSettings(), thumbnails.read)
    hard = [(c.frame, c.frame) for c in cuts if not c.gradual and c.detector != "black"]
    other = [(c.end_frame - 6, c.frame + 6) for c in cuts if c.gradual or c.detector == "black"]
    return Exact(hard, other, found["frame_rate"])


def bare_decode(path: Path) -> None:
    """Decode with one thread and throw away."""
    with media.open_media(str(path)) as container:
        stream: Any = media.choose_video(container)
        media.only(container, stream)
        media.prepare_decoder(stream)
        for packet in chain(media.packets(container, stream), [None]):
            try:
                for _ in stream.codec_context.decode(packet):
                    pass
            except (av.error.FFmpegError, ValueError):
                pass


def spent(work: Callable[[], Any]) -> float:
    """Processor seconds of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def judge(name: str, path: Path, rounds: int) -> tuple[str, float, Score] | None:
    """Scan a file, print a line, and return its kind, its cost and the score of its cuts; None where it is short."""
    try:
        probed = probe(str(path))
        if not probed.video.get("video_stream", -1) >= 0 or probed.video.get("duration", 9.0) < 5:
            return None
        exact = exact_cuts(path, probed)
        with tempfile.TemporaryDirectory() as folder:
            found: dict[str, Any] = {}

            def once() -> None:
                found.update(scan(str(path), probed.video, probed.index, folder, MeasureSettings(measure="scan")))

            if rounds > 1:
                once()
            costs = []
            for _ in range(rounds):
                decode = spent(lambda: bare_decode(path))
                costs.append(spent(once) / decode)
            signals = read_signals(Path(folder) / "signals.parquet")
    except ElementError as error:
        print(f"{name}: {error}")
        return None
    pts = signals.about.scan_cuts
    cuts = exact.hard if pts is None else [(int(row), int(row)) for row in np.searchsorted(signals["pts"], pts)]
    cuts = [cut for cut in cuts if cut in exact.hard or not any(a <= cut[0] <= b for a, b in exact.other)]
    scored = score(cuts, exact.hard)
    near = score(cuts, exact.hard, round(NEAR_SECONDS * exact.rate))
    cost, hard = statistics.median(costs), scored.hard
    print(
        f"{name[:34]:34} {cost:6.3f} {found['decoded_frames'] / found['frames']:8.3f} {hard.known:5} "
        f"{hard.precision:6.3f} {hard.recall:6.3f} {hard.f1:6.3f} {near.hard.recall:6.3f}  {found['scan_kind']}",
        flush=True,
    )
    return found["scan_kind"], cost, scored


def main(argv: list[str] | None = None) -> int:
    """Print the table; 0 when the claim holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the film, about [180]")
    parser.add_argument("--seed", type=int, default=1, help="of the film [1]")
    parser.add_argument("--folder", type=Path, help="where the files stay [a temporary folder]")
    parser.add_argument("--only", nargs="*", default=[], choices=list(ENCODERS), help="encoders [all, and real files]")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved measurements of the cost [3]")
    asked = parser.parse_args(argv)
    held: list[bool] = []
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="rushes-scan-") as name:
        folder = asked.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        print(
            f"{'file':34} {'cost':>6} {'decoded':>8} {'cuts':>5} {'prec.':>6} {'recall':>6} {'F1':>6} {'near':>6}  kind"
        )
        for label, path in files(folder, asked.seconds, asked.seed, asked.only):
            judged = judge(label, path, asked.rounds if label in CLAIMED else 1)
            if judged is None:
                continue
            kind, cost, scored = judged
            if scored.hard.known >= ENOUGH:
                kinds[kind].append(scored.hard.recall)
            if label in CLAIMED:
                held.append(cost <= COST and scored.hard.f1 >= F1)
    print("\nSmallest recall by kind of stream:")
    for kind, recalls in sorted(kinds.items()):
        print(f"    {kind!r}: {math.floor(100 * min(recalls)) / 100:.2f},  # {len(recalls)} files")
    answer = "not measured" if len(held) < len(CLAIMED) and all(held) else "yes" if all(held) else "no"
    print(f"x264's defaults at most {COST} of a decode at an F1 of at least {F1}: {answer}")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
