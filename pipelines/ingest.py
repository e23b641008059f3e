"""Ingest: sources to measured videos in the store, without cutting them. See `pipelines.curate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pipelines import curate


def run(argv: Sequence[str]) -> int:
    """Run the job from its command line; returns the exit code."""
    return curate.run(argv, "ingest")


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
