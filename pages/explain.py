"""Explain: one clip's whole story, from every table that knows something of it.

A table takes part by its columns: `clip_id`, else `video_id`, else `subject` or `members`; so a table that is added
later tells its part without a word here. The same story is shown as a page and printed by `rushes explain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from filters.quality import REASONS
from pages.queries import Refused, Snapshot, kinds
from transforms import records

TITLES: Final = {
    "sources": "Source, as it was listed",
    "videos": "Video",
    "clips": "Clip",
    "captions": "Captions",
    "transcripts": "Transcript",
    "verdicts": "Verdicts",
    "duplicates": "Duplicates",
    "marks": "Marks on its cuts",
    "failures": "Failures",
    "releases": "Releases it is in",
    "licensed_uses": "Licences it was released under",
    "retractions": "What was withdrawn",
    "requests": "Requests that used it",
    "assets": "Assets made from it",
}
"""What a table's part of the story is called, in the order in which it is told; others follow by their own name."""

_SHORTEST: Final = 4
"""Fewest digits that stand for an id."""


class Part(NamedTuple):
    """What one table knows.

    Attributes:
        table: Its name.
        title: What its part is called.
        rows: Its rows, columns as in the table.
    """

    table: str
    title: str
    rows: tuple[dict[str, Any], ...]


class Verdict(NamedTuple):
    """One reason to drop a clip.

    Attributes:
        reason: Its name.
        meaning: What it says.
        value: The number that was compared; None where none was.
        limit: The limit it was compared with; None where there was none.
    """

    reason: str
    meaning: str
    value: float | None
    limit: float | None


class Story(NamedTuple):
    """Everything known of a clip.

    Attributes:
        clip: Its row of `clips`.
        video: Its video's row; None where it is gone.
        parts: What each table knows; tables that know nothing are left out.
    """

    clip: dict[str, Any]
    video: dict[str, Any] | None
    parts: tuple[Part, ...]

    @property
    def reasons(self) -> tuple[Verdict, ...]:
        """Why the clip was dropped; nothing when it is kept."""
        return verdicts(self.clip)

    def to_json(self) -> dict[str, Any]:
        """The story as plain data: rows by table."""
        return {part.table: [plain(row) for row in part.rows] for part in self.parts}


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON can hold it."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in row.items()}


def verdicts(clip: Mapping[str, Any]) -> tuple[Verdict, ...]:
    """The reasons of a clip with what they mean, and the numbers behind them."""
    values, limits = clip.get("reason_values") or {}, clip.get("reason_limits") or {}
    return tuple(
        Verdict(name, REASONS.get(name, ""), values.get(name), limits.get(name)) for name in clip.get("reasons") or ()
    )


def find(snapshot: Snapshot, clip_id: str) -> dict[str, Any]:
    """The clip of an id, or of its first digits where no other begins so. Of several cuts `default` is taken first.

    Raises:
        Refused: There is none, or there are several.
    """
    if len(clip_id) < _SHORTEST:
        raise Refused(f"clip {clip_id!r}: give {_SHORTEST} digits of its id or more")
    found = snapshot.rows(
        f"SELECT * FROM {snapshot.table('clips')} WHERE starts_with(clip_id, ?)"
        " ORDER BY clip_id, cut <> 'default', cut LIMIT 200",
        [clip_id.lower()],
    )
    ids = list(dict.fromkeys(row["clip_id"] for row in found))
    if not ids:
        raise Refused(f"no clip {clip_id!r} in snapshot {snapshot.number}")
    if len(ids) > 1:
        raise Refused(f"clip {clip_id!r}: {len(ids)} ids begin so, {ids[0]} and {ids[1]} among them; give more digits")
    return found[0]


def story(snapshot: Snapshot, clip_id: str) -> Story:
    """Everything that the tables of a snapshot know of a clip.

    Raises:
        Refused: As `find`.
    """
    clip = find(snapshot, clip_id)
    known = {"clip_id": clip["clip_id"], "video_id": clip["video_id"]}
    uris = [
        row["uri"]
        for row in snapshot.rows(f"SELECT uri FROM {snapshot.table('sources')} WHERE video_id = ?", [clip["video_id"]])
    ]
    parts = []
    for name in sorted(records.BY_TABLE, key=lambda one: (list(TITLES).index(one) if one in TITLES else 99, one)):
        condition = _about(snapshot, name, known, uris, clip)
        if condition is None:
            continue
        sql, values = condition
        keys = ", ".join(f'"{k}"' for k in records.BY_TABLE[name].key)
        rows = snapshot.rows(f"SELECT * FROM {snapshot.table(name)} WHERE {sql} ORDER BY {keys}", values)
        if rows:
            parts.append(Part(name, TITLES.get(name, name.replace("_", " ").capitalize()), tuple(rows)))
    video = next((part.rows[0] for part in parts if part.table == "videos"), None)
    return Story(clip, video, tuple(parts))


def _about(
    snapshot: Snapshot, table: str, known: Mapping[str, str], uris: list[str], clip: Mapping[str, Any]
) -> tuple[str, list[Any]] | None:
    """Which rows of a table are about a clip; None where its columns cannot say."""
    columns = kinds(table)
    if table == "marks":
        return "video_id = ? AND pts BETWEEN ? AND ?", [known["video_id"], clip["start_pts"], clip["end_pts"]]
    if table == "releases":
        held = f"SELECT release_id FROM {snapshot.table(records.ReleaseClipRow.table)} WHERE clip_id = ?"
        return f"release_id IN ({held})", [known["clip_id"]]
    if table == records.ReleaseClipRow.table:
        return None  # The releases themselves say more.
    if table == "failures":
        return "video_id = ? OR list_contains(?, subject)", [known["video_id"], [*known.values(), *uris]]
    for name, value in known.items():
        if name in columns:
            return f"{name} = ?", [value]
    if "subject" in columns:
        return "list_contains(?, subject)", [[*known.values(), *uris]]
    if columns.get("members") == "list":
        return "list_has_any(members, ?)", [list(known.values())]
    return None


def shown(value: Any, unit: str = "") -> str:
    """A value as a reader wants it, with its unit; a dash where there is none."""
    if value is None or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        text = f"{value:.4g}" if abs(value) < 1e5 else f"{value:.0f}"
        return f"{text} {unit}".rstrip()
    if isinstance(value, list):
        return ", ".join(shown(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(one)}" for name, one in value.items())
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{value} {unit}".rstrip() if isinstance(value, int) else str(value)


def lines(told: Story) -> Iterator[str]:
    """The story as text: what became of the clip first, then each table's rows, a column a line."""
    clip = told.clip
    span = f"{clip['start_seconds']:.3f} to {clip['end_seconds']:.3f} s"
    yield f"clip {clip['clip_id']}: {'kept' if clip['kept'] else 'dropped'}, {span} of video {clip['video_id']}"
    for one in told.reasons:
        numbers = f": {shown(one.value)}, limit {shown(one.limit)}" if one.value is not None else ""
        yield f"  {one.reason}{numbers}" + (f" ({one.meaning})" if one.meaning else "")
    for part in told.parts:
        units = {
            f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in records.schema(records.BY_TABLE[part.table])
        }
        for number, row in enumerate(part.rows, 1):
            yield ""
            yield f"{part.title} ({part.table}{f', {number} of {len(part.rows)}' if len(part.rows) > 1 else ''})"
            width = max(map(len, row)) + 2
            for name, value in row.items():
                text = shown(value, units.get(name, "")).replace("\n", "\n  " + " " * width)
                yield f"  {name:<{width}}{text}"
