"""Scenes: cut and filter every video again from the store. No source is opened and nothing is decoded."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from pipelines import describing, engine, options, pinning, steps
from transforms import storage, tables

GROUPS = ("run", "cut", "quality", "bucket", "clips", "captions", "checks", "rights", "pool")
"""Groups of settings the job takes."""

DESCRIPTION = """\
Cut and filter every video of OUT again, from what is stored: new detectors, thresholds or filters, no source opened,
nothing decoded. The clips of the cut named by --cut are replaced; other cuts stay beside it."""

EPILOG = """\
examples:
  rushes scenes --output corpus --min-seconds 4
  rushes scenes --output corpus --min-seconds 4 --rights rights
  rushes scenes --output corpus --cut long --detectors adaptive --max-seconds 60

exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with failures recorded, 130 stopped by Ctrl-C"""


def parser() -> options.Parser:
    """The job's command line."""
    made = options.Parser(
        prog="rushes scenes", description=DESCRIPTION, epilog=EPILOG, usage="rushes scenes --output OUT [options]"
    )
    options.add_job(made)
    options.add_settings(made, GROUPS)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the job from its command line; returns the exit code.

    Raises:
        ConfigError: Wrong usage; a registry that can't be read; none for an output that was screened with one.
    """
    own = parser()
    mine, beam_args = options.split_beam(argv, own)
    settled, words = options.settle(own.parse_args(mine), GROUPS)
    corpus = tables.open_corpus(words.output)
    if not options.is_dry(beam_args):
        settled = pinning.pinned(settled, words.output)
        describing.check(settled.captions)
    base = tables.roll_forward(corpus).number
    parts = [p for found in tables.bucket_parts(corpus, ["videos"], base)["videos"].values() for p in found]
    uris = [storage.join(corpus.table_uri("videos"), *p.path.split("/")) for p in parts]
    return engine.run_job(
        "scenes",
        words.output,
        lambda pipeline, plan: steps.described(steps.recut_videos(pipeline, plan, settled, uris), plan, settled),
        settled,
        words.runner,
        beam_args,
        shlex.join(["rushes", "scenes", *argv]),
    )


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
