"""Column: a column of a table, with its meaning, unit, range and source beside its type."""

from __future__ import annotations

import dataclasses
from typing import Any


def column(doc: str, *, unit: str = "", span: str = "", source: str = "", default: Any = dataclasses.MISSING) -> Any:
    """A column of a table.

    Args:
        doc: What the value says, in one sentence.
        unit: Its unit, empty for a count, a ratio or a word.
        span: Its range, in words or as an interval.
        source: Where the measure comes from (standard, paper, project).
        default: The value of a row that does not give one.
    """
    return dataclasses.field(default=default, metadata={"doc": doc, "unit": unit, "span": span, "source": source})
