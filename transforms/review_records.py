"""Review records: what people say of the program's decisions (`transforms.records` lists them with all others)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from transforms.column import column


@dataclasses.dataclass(frozen=True, kw_only=True)
class MarkRow:
    """What a person says of one cut of a video, or of a place where a cut is missing."""

    table: ClassVar[str] = "marks"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("video_id", "pts", "author")
    scope: ClassVar[tuple[str, ...]] = ("video_id", "pts", "author")

    video_id: str = column("The video.")
    pts: int = column("PTS of the first frame that is wholly of the new shot.", unit="time base")
    before_pts: int = column(
        "PTS of the first frame that is no longer wholly of the shot before: `pts` itself at a hard cut.",
        unit="time base",
    )
    mark: str = column("`right`, `wrong` (there is no cut), or `missing` (a cut that was not found).")
    detector: str | None = column("Who found the cut, as in `start_reason` of clips.", default=None)
    author: str = column("Who says so; empty where nobody said who.")
    at: str = column("When it was said, ISO 8601 in UTC.")
