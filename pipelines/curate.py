"""Curate: the main job. Sources become videos, scenes, clips and captions, in one Beam graph.

`rushes curate` and `python -m pipelines.curate` are the same; `ingest` is the same graph stopped after measuring.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from pipelines import describing, engine, options, pinning, steps
from transforms import cutting, sources
from transforms.settings import ConfigError

INGEST_GROUPS = ("run", "listing", "storage", "measure", "audio", "rights", "signals", "pool")
"""Groups of settings `ingest` takes."""

GROUPS = (*INGEST_GROUPS, "cut", "quality", "bucket", "clips", "captions", "checks")
"""Groups of settings the job takes."""

DESCRIPTION = """\
Turn footage into scenes, clips, captions and Parquet manifests.

INPUT is a file, a folder, a glob, or a list (.txt, .csv, .tsv, .jsonl, .parquet with a `uri` column; every
other column is carried through), on local disk, s3://, gs:// or http(s)://. Each source is read once, decoded
once and never again: run the same command after changing a threshold, adding a file or a crash, and only what
is new is done."""

INGEST_DESCRIPTION = """\
Read and measure footage without cutting it: the first half of `rushes curate`, with the same inputs. Cut it later,
as often as you like, with `rushes scenes`; no source is opened again."""

EPILOG = """\
examples:
  rushes curate footage/ --output corpus
  rushes curate list.csv s3://bucket/more/*.mp4 --output s3://bucket/corpus --min-seconds 4
  rushes curate footage/ --output corpus --config curate.yaml --children 8
  rushes curate gs://bucket/raw --output gs://bucket/corpus --runner DataflowRunner \\
      --project P --region R --temp_location gs://bucket/tmp --setup_file ./setup.py

Beam's own options (--project, --region, --num_workers, ...) pass through to the runner.
exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with failures recorded, 130 stopped by Ctrl-C"""


def parser(job: str = "curate") -> options.Parser:
    """The job's command line."""
    ingest = job == "ingest"
    made = options.Parser(
        prog=f"rushes {job}",
        description=INGEST_DESCRIPTION if ingest else DESCRIPTION,
        epilog=EPILOG.replace("rushes curate", f"rushes {job}"),
        usage=f"rushes {job} INPUT... --output OUT [options]",
    )
    made.add_argument("inputs", nargs="*", metavar="INPUT", help="file, folder, glob or list; several may be given")
    options.add_job(made)
    options.add_settings(made, INGEST_GROUPS if ingest else GROUPS)
    return made


def run(argv: Sequence[str], job: str = "curate") -> int:
    """Run the job from its command line; returns the exit code.

    Raises:
        ConfigError: Wrong usage.
    """
    own = parser(job)
    mine, beam_args = options.split_beam(argv, own)
    arguments: argparse.Namespace = own.parse_args(mine)
    groups = INGEST_GROUPS if job == "ingest" else GROUPS
    settled, words = options.settle(arguments, groups)
    if not words.inputs:
        raise ConfigError("no INPUT given: name a file, a folder, a glob or a list")
    cutting.check_settings(settled.clips)
    if not options.is_dry(beam_args):
        settled = pinning.pinned(settled, words.output)
        sources.check_inputs(words.inputs, settled.listing, settled.storage)
        describing.check(settled.captions)
    return engine.run_job(
        job,
        words.output,
        lambda pipeline, plan: steps.described(
            steps.read_sources(pipeline, plan, settled, words.inputs, job), plan, settled
        ),
        settled,
        words.runner,
        beam_args,
        shlex.join(["rushes", job, *argv]),
    )


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
