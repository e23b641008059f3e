"""Plan: what a campaign comes to as one page, in one file that needs nothing else, for whoever has to agree to it.

It shows rows that somebody else made and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pages import rendering
from pages.report import policy

MOST: Final = 500
"""Rows of a table that are shown; the files have all."""

_SCRIPTS: Final = ("theme.js",)


class Strip(NamedTuple):
    """A timeline.

    Attributes:
        title: Which storyboard in which format.
        seconds: How long it is.
        pieces: Shots and end card: name, share of the length at which it begins, and share that it has.
    """

    title: str
    seconds: float
    pieces: tuple[tuple[str, float, float], ...]


def render_plan(
    facts: Mapping[str, Any],
    estimates: Sequence[Mapping[str, Any]],
    strips: Sequence[Strip],
    cells: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
) -> bytes:
    """The page about a plan: HTML in UTF-8, with everything it needs inside.

    Args:
        facts: `campaign`, `cells`, `excluded`, `cost` and `budget` as they are read, `currency`, `policy`.
        estimates: A row for each tier, with `cost` and `most` as they are read.
        strips: Timelines.
        cells: Rows of `cells.parquet`.
        requests: Rows of `requests.parquet`, with `price` as it is read.
        notes: What a person should know.
    """
    planned = [row for row in cells if row["planned"]]
    refused = [row for row in cells if not row["planned"]]
    reasons = Counter((row["reason"], row["words"]) for row in refused)
    page = rendering.render(
        "plan.html.j2",
        policy=policy([rendering.asset_text(name) for name in _SCRIPTS]),
        facts=facts,
        estimates=estimates,
        strips=strips,
        planned=planned[:MOST],
        planned_count=len(planned),
        refused=refused[:MOST],
        refused_count=len(refused),
        reasons=reasons.most_common(MOST),
        requests=requests[:MOST],
        request_count=len(requests),
        notes=notes,
    )
    return page.encode()
