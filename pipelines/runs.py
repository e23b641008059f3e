"""Runs: what was run on an output folder, with what result."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipelines import options
from pipelines.columns import columns, say
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
    rows = []
    for row in sorted(tables.read(corpus, "runs").to_pylist(), key=lambda r: r["commit"]):
        balance = json.loads(row["balance"])
        sources, clips = balance.get("sources"), balance.get("clips")
        rows.append(
            [
                str(row["commit"]),
                row["run_id"],
                row["job"],
                row["status"],
                clock((row["ended"] - row["started"]).total_seconds()),
                clock(row["footage_seconds"]),
                str(row["decoded_frames"]),
                f"{sources['kept']}/{sources['in']}" if sources else "",
                f"{clips['kept']}/{clips['in']}" if clips else "",
            ]
        )
    names = ("#", "run", "job", "status", "took", "footage", "decoded", "sources", "clips")
    say(columns(names, rows, right=("#", "took", "footage", "decoded", "sources", "clips")))
    if rows:
        say("decoded: frames decoded in the run; sources and clips: kept / came in")
    return 0
