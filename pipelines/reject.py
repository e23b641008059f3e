"""`rushes reject`: see `pipelines.approvals`."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines import approvals, options


def parser() -> options.Parser:
    """The command line."""
    return approvals.parser("reject")


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    return approvals.run("reject", argv)
