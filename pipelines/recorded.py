"""Recorded: which video an address was when an earlier run read it, for one that is refused before its bytes are known.

A refusal by name or by a site takes away the row of `sources`; from then on the verdict remembers the video, so that
what was made or handed out of it is still found. Nothing here imports Beam.
"""

from __future__ import annotations

import pyarrow.dataset as ds

from transforms import tables


def last_video(corpus: tables.Corpus, uri: str, number: int | None = None) -> str | None:
    """The video that an address was when it was last committed; None where no run has read it.

    Args:
        corpus: The output folder.
        uri: The address, redacted, as tables have it.
        number: The snapshot; None is the latest.
    """
    number = tables.snapshot(corpus).number if number is None else number
    for table, name in (("sources", "uri"), ("verdicts", "subject")) if number else ():
        where = (ds.field(name) == uri) & ds.field("video_id").is_valid()
        found = tables.read(corpus, table, number, ["video_id"], where)
        if found.num_rows:
            video: str = found.column("video_id")[0].as_py()
            return video
    return None
