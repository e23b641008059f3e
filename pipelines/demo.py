"""Demo: render footage whose edits are known, curate it as anyone would, and compare."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
from rich.text import Text

from pipelines import curate, footage, options
from pipelines.columns import columns, say
from transforms import tables

DESCRIPTION = """\
Render a few minutes of footage with known edits (hard cuts, dissolves, fades, a flash, still and moving shots,
letterbox, variable frame rate, portrait, damaged files, a duplicate, sound), run the real job on it, and compare what
it found with what is true. Takes a minute or two; everything lands in one folder."""

NEAR = 2
"""Frames a found cut may be off a hard cut and still count as it; a gradual transition counts anywhere inside it."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(prog="rushes demo", description=DESCRIPTION, usage="rushes demo [--folder DIR]")
    made.add_argument("--folder", default="rushes-demo", metavar="DIR", help="where to [default rushes-demo]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code: 0 when every file ended as it should."""
    folder = Path(parser().parse_args(list(argv)).folder)
    say("Rendering footage with known edits ...")
    truth_file = footage.render_demo(folder / "footage")
    truth = {name: value for name, value in json.loads(truth_file.read_text()).items() if not name.startswith("_")}
    given, out = shlex.quote(str(truth_file.parent)), folder / "corpus"
    shown = shlex.quote(str(out))
    say(f"Curating it: rushes curate {given} --output {shown}\n")
    code = curate.run([str(truth_file.parent), "--output", str(out)])
    if code not in (0, 3):
        return code
    right = compare(tables.open_corpus(str(out)), truth_file.parent, truth)
    steps = (
        (f"rushes show {shown}", "the tables"),
        (f"rushes show {shown} clips --rows 2", "what is known of a clip"),
        (f"rushes show {shown} failures", "what was wrong with the damaged files"),
        (f"rushes curate {given} --output {shown}", "again: nothing is decoded twice"),
        ("rushes curate YOUR_FOOTAGE --output YOUR_CORPUS", "your own"),
    )
    say("\nWhat next:")
    say(columns(("command", "what"), [[f"  {command}", what] for command, what in steps], wrap=("what",), header=False))
    return 0 if right else 1


def score(known: Mapping[str, Any], found: Sequence[int]) -> dict[str, int]:
    """Hold found cuts against what is true of a file.

    Args:
        known: `hard` (first frame of each shot) and `gradual` ([kind, first, last]).
        found: First frames of the shots found, without the first.

    Returns:
        `hard` and `gradual` known, `hard_found` and `gradual_found`, and `false`: found where nothing is.
    """
    left = sorted(found)
    hits = 0
    for cut in known["hard"]:
        near = [f for f in left if abs(f - cut) <= NEAR]
        if near:
            left.remove(min(near, key=lambda f: abs(f - cut)))
            hits += 1
    gradual = 0
    for _, first, last in known["gradual"]:
        inside = [f for f in left if first - NEAR <= f <= last + NEAR]
        gradual += bool(inside)
        left = [f for f in left if f not in inside]
    return {
        "hard": len(known["hard"]),
        "hard_found": hits,
        "gradual": len(known["gradual"]),
        "gradual_found": gradual,
        "false": len(left),
    }


def compare(corpus: tables.Corpus, folder: Path, truth: Mapping[str, Mapping[str, Any]]) -> bool:
    """Print found against known, file by file; whether every file ended as it should."""
    sources = {Path(r["uri"]).resolve(): r for r in tables.read(corpus, "sources").to_pylist()}
    failures = {Path(r["subject"]).resolve(): r for r in tables.read(corpus, "failures").to_pylist()}
    clips = tables.read(corpus, "clips", where=ds.field("cut") == "default").to_pylist()
    names = ("file", "ended as", "hard cuts", "gradual", "false", "clips kept")
    rows: list[list[str | Text]] = []
    right = True
    for name, known in truth.items():
        path = (folder / name).resolve()
        source, failure = sources.get(path), failures.get(path)
        ended = "video" if source else failure["error_class"] if failure else "lost"
        if known["outcome"] == "duplicate" and source:
            same = sources.get((folder / known["of"]).resolve())
            ended = "duplicate" if same and same["video_id"] == source["video_id"] else "another video"
        wanted = ended == known["outcome"] or (known["outcome"] == "failure" and failure is not None)
        right = right and wanted
        row: list[str | Text] = [name, Text(ended, style="" if wanted else "bold red")]
        if known["outcome"] == "failure" or not source:
            rows.append([*row, *[""] * 4])
            continue
        own = [c for c in clips if c["video_id"] == source["video_id"]]
        cuts = sorted({c["start_frame"] for c in own if c["start_reason"] not in ("start", "length", "stride")})
        counts = score(known, cuts)
        rows.append(
            [
                *row,
                f"{counts['hard_found']} of {counts['hard']}",
                f"{counts['gradual_found']} of {counts['gradual']}",
                str(counts["false"]),
                f"{sum(c['kept'] for c in own)} of {len(own)}",
            ]
        )
    say("\nFound against known")
    say(columns(names, rows, right=names[2:]))
    say("\nWhat each file is")
    notes = [[name, known["note"]] for name, known in truth.items()]
    say(columns(("file", "note"), notes, wrap=("note",), header=False))
    return right
