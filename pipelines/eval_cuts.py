"""Eval-cuts: how well detectors find the edits of videos whose edits are known (the rules: `pipelines.scoring`).

Videos are measured once each, or read from a finished corpus; every detector works on the same stored numbers, so what
differs in the tables is what the detectors decide.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pipelines import config as configuration
from pipelines import options
from pipelines.columns import columns, say
from pipelines.scoring import Score, Truth, read_truth, score
from transforms import gradual, storage, tables
from transforms.attempts import NothingThere
from transforms.detect import DETECTORS, Cut, DetectSettings, detect
from transforms.failures import ElementError
from transforms.marks import standing
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe
from transforms.settings import ConfigError
from transforms.signals import Signals, read_signals
from transforms.thumbnails import Thumbnails
from transforms.timeline import edge_pts

SIGNALS, THUMBNAILS = "signals.parquet", "thumbnails.zip"

BY_DEFAULT: Final = tuple(name for name in DETECTORS if name != "stride")
"""Detectors scored when none is named."""

_NO_SAMPLES: Final = MeasureSettings(frames_per_second=0, flow_per_second=0, texture_per_second=0, looks_per_second=0)
"""Nothing that no detector looks at."""

_NOT_SCORED: Final = frozenset({"detectors", "cut", "merge_seconds", "max_seconds", "edge_trim_seconds"})
"""Settings that say what becomes of cuts, not where they are; and the detectors, all of which are meant here."""

DESCRIPTION = """\
Score detectors on videos whose edits are known. TRUTH is a JSON file that maps names of videos, below its folder, to
`hard` (first frame of each new shot, from 0), `gradual` ([kind, first, last frame that is a mixture]) and, if known,
`frames`. The demo's truth.json is one.

A hard cut counts when it is found on its very frame; a gradual transition when it is found as one and shares a frame
with what was found; `touched` are those in which only a cut was found. One finding meets one edit, every other is
false. What takes at most 5 frames is a cut (TRECVID's rules).

TRUTH may also be an output folder in which people have marked cuts (`rushes browse OUT --review`): then marked edits
are what is known, a finding is false where somebody said so, and findings that nobody marked are not judged."""

EPILOG = """\
examples:
  rushes eval-cuts footage/truth.json
  rushes eval-cuts cuts.json --media films --detectors combined,adaptive --details
  rushes eval-cuts cuts.json --corpus corpus --adaptive-threshold 2.5
  rushes eval-cuts corpus --detectors combined,adaptive --details

exit codes: 0 done, 1 a video could not be scored, 2 wrong usage"""

Pictures = gradual.Thumbnails | None
"""Reads the thumbnails of a range of frames; None where none are kept."""

Reader = Callable[[str], tuple[Signals, Pictures]]
"""Gets what was measured of a video, by its name."""


def measured(path: Path) -> tuple[Signals, Pictures]:
    """A video's signals and thumbnails, from one decode of the file.

    Raises:
        ElementError: There is no such file, or no video that can be measured in it.
    """
    if not path.is_file():
        raise ElementError("unreachable", f"{path}: no such file")
    facts = probe(str(path)).video
    with tempfile.TemporaryDirectory(prefix="rushes-eval-") as folder:
        measure(str(path), facts, folder, _NO_SAMPLES)
        return _opened(lambda name: Path(folder, name).read_bytes())


def _opened(read: Callable[[str], bytes]) -> tuple[Signals, Pictures]:
    try:
        signals = read_signals(read(SIGNALS))
    except FileNotFoundError as error:
        raise ElementError("no_streams", "nothing in it moves") from error
    try:
        return signals, Thumbnails(read(THUMBNAILS)).read
    except (FileNotFoundError, NothingThere):
        return signals, None


def corpus_reader(root: str) -> Reader:
    """Reads what a finished corpus measured of the videos whose source's URI ends in a name; nothing is decoded.

    Raises:
        ConfigError: There is no corpus.
    """
    corpus = tables.open_corpus(root)
    ids = {row["uri"]: row["video_id"] for row in tables.read(corpus, "sources").to_pylist()}
    folders = {row["video_id"]: row["measure_uri"] for row in tables.read(corpus, "videos").to_pylist()}

    def read(name: str) -> tuple[Signals, Pictures]:
        found = {video for uri, video in ids.items() if uri == name or uri.endswith(f"/{name}")}
        if len(found) != 1:
            raise ElementError(
                "unreachable", f"{len(found) or 'no'} videos of {root} come from a source whose name ends so"
            )
        folder = folders[found.pop()]
        if not folder:
            raise ElementError("no_streams", "nothing in it moves")
        return _opened(lambda file: storage.read_bytes(storage.join(root, *folder.split("/"), file)))

    return read


def marked(root: str) -> dict[str, Truth]:
    """What people have marked in a corpus, by the URI of each video's first source.

    Raises:
        ConfigError: There is no corpus, or nothing is marked in it.
        ElementError: What was measured of a marked video is gone.
    """
    corpus = tables.open_corpus(root)
    uris: dict[str, str] = {}
    for row in tables.read(corpus, "sources").to_pylist():
        uris.setdefault(row["video_id"], row["uri"])
    read, found = corpus_reader(root), dict[str, Truth]()
    for video_id, said in standing(tables.read(corpus, "marks").to_pylist()).items():
        name = uris.get(video_id, video_id)
        edges = edge_pts(read(name)[0])
        edits: dict[tuple[int, int], str] = {}
        wrong: list[tuple[int, int]] = []
        for row in said:
            first, after = (int(n) for n in np.searchsorted(edges, [row["before_pts"], row["pts"]]))
            if row["mark"] == "wrong":
                wrong.append((first, after))
            else:
                edits[first, after] = "cut" if first == after else row["detector"] or "transition"
        found[name] = Truth(edits, len(edges) - 1, (), tuple(wrong))
    if not found:
        raise ConfigError(f"{root}: no cut is marked; mark some with `rushes browse {root} --review`")
    return found


def found_by(
    detectors: Sequence[str],
    signals: Signals,
    pictures: Pictures,
    settings: DetectSettings,
    truth: Truth,
    left_out: dict[str, str] | None = None,
) -> dict[str, list[Cut]]:
    """What each detector finds in a video.

    Args:
        detectors: Which ones.
        signals: The video's signals.
        pictures: Its thumbnails.
        settings: Thresholds.
        truth: What is known of it.
        left_out: Detectors that lack something here, with what it is: they are passed over and added.

    Raises:
        ElementError: The video has another number of frames than is known of it.
        ConfigError: A detector lacks something and there is no `left_out`, or none is left.
    """
    if truth.frames not in (None, len(signals)):
        raise ElementError(
            "changed", f"{len(signals)} frames, where {truth.frames} are known: another file of the name"
        )
    found = {}
    for name in detectors:
        if left_out is not None and name in left_out:
            continue
        try:
            found[name] = detect(signals, name, settings, pictures)
        except ConfigError as error:
            if left_out is None or len(left_out) + 1 == len(detectors):
                raise
            left_out[name] = str(error)
    return found


def scored(found: Mapping[str, Sequence[Cut]], truth: Truth, tolerance: int = 0) -> dict[str, Score]:
    """What came of the findings of each detector."""
    return {
        name: score([(cut.end_frame, cut.frame) for cut in cuts], list(truth.edits), tolerance, truth.wrong)
        for name, cuts in found.items()
    }


def show(scores: Mapping[str, Score]) -> None:
    """Print a table for hard cuts and one for gradual transitions, a detector a row."""
    counts, ratios = ("hit", "false", "missed"), ("precision", "recall", "F1")
    spans = ("touched", "frame recall", "frame precision")
    for title, mixed in (("hard cuts", False), ("gradual transitions", True)):
        rows, known = [], 0
        for name, one in scores.items():
            kind = one.gradual if mixed else one.hard
            known = kind.known
            row = [name, *(str(len(n)) for n in (kind.hits, kind.false, kind.missed))]
            row += [
                f"{kind.precision:.3f}" if kind.hits or kind.false else "-",
                f"{kind.recall:.3f}" if kind.known else "-",
                f"{kind.f1:.3f}",
            ]
            if mixed:
                row += [str(len(one.touched))]
                row += ["-" if v is None else f"{v:.2f}" for v in (kind.frame_recall, kind.frame_precision)]
            rows.append(row)
        names = ("detector", *counts, *ratios, *(spans if mixed else ()))
        say(f"\n{known} {title}")
        say(columns(names, rows, right=names[1:]))


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes eval-cuts", description=DESCRIPTION, epilog=EPILOG, usage="rushes eval-cuts TRUTH [options]"
    )
    made.add_argument("truth", metavar="TRUTH", help="JSON file with what is known, or an output folder with marks")
    made.add_argument("--media", type=Path, metavar="FOLDER", help="where the videos are [default the folder of TRUTH]")
    made.add_argument("--corpus", metavar="OUT", help="read what a finished corpus measured, instead of the videos")
    made.add_argument("--tolerance", type=int, default=0, metavar="N", help="frames that a cut may be off [default 0]")
    made.add_argument("--details", action="store_true", help="name every false and every missed edit")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options.add_settings(made, ("cut",), leave_out=_NOT_SCORED)
    every = ",".join(BY_DEFAULT)
    text = f"detectors to score, each by itself [default {every}]"
    made.add_argument("--detectors", metavar="X", default=argparse.SUPPRESS, help=text)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: Wrong usage, or a detector that can't run here.
    """
    words = parser().parse_args(list(argv))
    known = configuration.option_groups(("cut",))
    given = {name: value for name, value in vars(words).items() if name in known}
    if words.tolerance < 0:
        raise ConfigError(f"--tolerance {words.tolerance}: give 0 or more")
    if words.corpus and words.media:
        raise ConfigError("--media and --corpus: give one; a corpus knows where its videos are")
    settings = configuration.resolve(("cut",), given).cut
    by_marks = storage.is_remote(words.truth) or Path(words.truth).is_dir()
    if by_marks and (words.corpus or words.media):
        raise ConfigError(f"{words.truth} is an output folder: its marks are scored on what it measured itself")
    truths = marked(words.truth) if by_marks else read_truth(Path(words.truth))
    words.corpus = words.truth if by_marks else words.corpus
    folder = words.media or Path(words.truth).parent
    if not folder.is_dir() and not by_marks:
        raise ConfigError(f"--media {folder}: no such folder")
    read = corpus_reader(words.corpus) if words.corpus else lambda name: measured(folder / name)
    detectors, left_out = (settings.detectors, None) if "detectors" in given else (BY_DEFAULT, dict[str, str]())
    scores, failed = evaluate(truths, read, detectors, settings, words.tolerance, left_out)
    totals = {name: one for name, one in total(scores.values()).items() if name not in (left_out or {})}
    if words.json:
        made: dict[str, Any] = {"detectors": {d: s.to_json() for d, s in totals.items()}}
        made |= {"failed": failed, "left_out": left_out or {}}
        made["files"] = {name: {d: s.to_json() for d, s in found.items()} for name, found in scores.items()}
        if words.details:
            made["mistakes"] = {n: {d: s.mistakes(truths[n]) for d, s in found.items()} for n, found in scores.items()}
        print(json.dumps(made, indent=1))
        return 1 if failed else 0
    for name, found in scores.items() if words.details else ():
        for detector, one in found.items():
            for mistake in one.mistakes(truths[name]):
                say(f"{name} {detector}: {mistake}")
    if totals:
        show(totals)
    for message in (left_out or {}).values():
        say(f"\nleft out: {message}")
    if unjudged := {name: one.unjudged for name, one in totals.items() if one.unjudged}:
        say("\nnot judged, as nobody marked them: " + ", ".join(f"{n} of {name}" for name, n in unjudged.items()))
    say(f"\n{len(scores)} videos scored" + (f", {len(failed)} could not be:" if failed else ""))
    for name, message in failed.items():
        say(f"{name}: {message}")
    return 1 if failed else 0


def evaluate(
    truths: Mapping[str, Truth],
    read: Reader,
    detectors: Sequence[str],
    settings: DetectSettings,
    tolerance: int = 0,
    left_out: dict[str, str] | None = None,
) -> tuple[dict[str, dict[str, Score]], dict[str, str]]:
    """What came of every detector in every video, by name; and what is wrong with those that could not be scored.

    Raises:
        ConfigError: As `found_by` raises.
    """
    scores: dict[str, dict[str, Score]] = {}
    failed: dict[str, str] = {}
    for name, truth in truths.items():
        try:
            signals, pictures = read(name)
            scores[name] = scored(found_by(detectors, signals, pictures, settings, truth, left_out), truth, tolerance)
        except (ElementError, OSError) as error:
            failed[name] = str(error)
    return scores, failed


def total(scores: Iterable[Mapping[str, Score]]) -> dict[str, Score]:
    """The scores of several videos together, a detector each."""
    made: dict[str, Score] = {}
    for found in scores:
        for detector, one in found.items():
            made[detector] = made.get(detector, Score()) + one
    return made
