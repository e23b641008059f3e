"""Runs: what was run on an output folder, with what result."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pipelines import options
from pipelines.display import clock
from transforms import tables

DESCRIPTION = "List the runs of OUT, oldest first. Their reports are in OUT/runs/RUN_ID/report.json."


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(prog="rushes runs", description=DESCRIPTION, usage="rushes runs OUT")
    made.add_argument("output", metavar="OUT", help="an output folder")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    corpus = tables.open_corpus(parser().parse_args(list(argv)).output)
    shown = Table(box=None, padding=(0, 2, 0, 0))
    for name, justify in (("commit", "right"), ("run", "left"), ("job", "left"), ("status", "left"), ("took", "right"), ("footage", "right"), ("decoded frames", "right"), ("sources", "left"), ("clips", "left")):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in sorted(tables.read(corpus, "runs").to_pylist(), key=lambda r: r["commit"]):
        balance = json.loads(row["balance"])
        sources, clips = balance.get("sources"), balance.get("clips")
        shown.add_row(
            str(row["commit"]),
            row["run_id"],
            row["job"],
            row["status"],
            clock((row["ended"] - row["started"]).total_seconds()),
            clock(row["footage_seconds"]),
            str(row["decoded_frames"]),
            f"{sources['kept']} of {sources['in']}" if sources else "",
            f"{clips['kept']} of {clips['in']}" if clips else "",
        )
    Console().print(shown)
    return 0
