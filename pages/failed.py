"""Failed: the failures of a run, grouped by step and class, with what to do about each class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from transforms import tables
from transforms.failures import CLASSES

_SUBJECTS: Final = 5
"""Subjects that are named of a group."""
_LONGEST: Final = 600
"""Characters of a message or a subject that are shown."""


def failed_groups(corpus: tables.Corpus, told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The failures of a run, the largest group first.

    Args:
        corpus: The output folder.
        told: The run's report.

    Returns:
        For each `step` and `error_class`: `count`, `advice`, one `message`, and a few `subjects`, the first in order.
    """
    data = tables.dataset(corpus, "failures", told["snapshot"] or None)
    read = data.to_table(
        columns=["step", "error_class", "subject", "message"], filter=pc.field("run_id") == told["run_id"]
    )
    if not read.num_rows:
        return []
    counted = read.group_by(["step", "error_class"]).aggregate([([], "count_all")])
    order = [("count_all", "descending"), ("step", "ascending"), ("error_class", "ascending")]
    groups = []
    for group in counted.sort_by(order).to_pylist():
        mine = read.filter((pc.field("step") == group["step"]) & (pc.field("error_class") == group["error_class"]))
        first = _first(mine)
        advice = CLASSES.get(group["error_class"], "")
        groups.append({
            "step": group["step"], "error_class": group["error_class"], "count": group["count_all"], "advice": advice,
            "message": _short(first[0]["message"].removesuffix(f" ({advice})")),
            "subjects": [_short(row["subject"]) for row in first],
        })  # fmt: skip
    return groups


def _first(rows: pa.Table) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pc.take(
        rows, pc.select_k_unstable(rows, _SUBJECTS, [("subject", "ascending")])
    ).to_pylist()
    return found


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\u2026"
