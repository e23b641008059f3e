"""Contact sheets: what kept clips and clips dropped for each reason look like, a few of each, the same ones every time.

A clip's id is a hash of its span, so the clips with the smallest ids are a sample that no order, batch or run leans on.
Those with a stored picture come first. Pictures are the sampled frames that measuring left, made small.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from zipfile import ZipFile

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from pages.stored import FAULTS
from transforms import storage
from transforms.ranged import opened

KEPT_SHOWN: Final = 32
DROPPED_SHOWN: Final = 16
"""Clips of a sheet: of kept ones, and of those with one reason."""
_SHEETS: Final = 14
"""Reasons that get a sheet, the most frequent first."""
_LONG_SIDE: Final = 224
"""Pixels of a thumbnail's longer side: sharp at the width it is shown with, 4 kB."""
_QUALITY: Final = 60
LARGEST_JPEG: Final = 4096 * 4096
"""Pixels of a stored frame that is decoded at all; measuring stores at most 512 a side unless told otherwise."""
_READERS: Final = 8


@dataclass(frozen=True)
class Sheet:
    """One contact sheet.

    Attributes:
        reason: Why its clips were dropped; empty for kept ones.
        of: Clips there are.
        rows: Rows of `clips` that are shown.
    """

    reason: str
    of: int
    rows: list[dict[str, Any]]


def choose(clips: pa.Table) -> list[tuple[str, int, list[str]]]:
    """The clips of every sheet: reason (empty: kept), clips there are, and the ids of those that are shown.

    Args:
        clips: Columns `clip_id`, `kept`, `reasons` and `frame_uri`.
    """
    order = clips.select(["clip_id"]).append_column("blank", pc.is_null(clips["frame_uri"]))
    rank = pc.sort_indices(order, [("blank", "ascending"), ("clip_id", "ascending")])
    placed: set[int] = set()
    kept = pc.take(clips["kept"], rank).to_numpy(zero_copy_only=False)
    ranked = rank.to_numpy()
    sheets = [("", int(kept.sum()), ranked[kept][:KEPT_SHOWN].tolist())]
    lists = pc.take(clips["reasons"], rank).combine_chunks()
    names, of = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy()
    counted = sorted(
        ((one["values"], one["counts"]) for one in pc.value_counts(names).to_pylist()), key=lambda c: (-c[1], c[0])
    )
    for reason, total in counted[:_SHEETS]:
        mine = ranked[of[pc.equal(names, reason).to_numpy(zero_copy_only=False)]]
        # A clip with several reasons stands on one sheet, while there are others for the next.
        fresh = [row for row in mine[: 4 * DROPPED_SHOWN].tolist() if row not in placed]
        shown = [*fresh, *(row for row in mine[:DROPPED_SHOWN].tolist() if row in placed)][:DROPPED_SHOWN]
        placed.update(shown)
        sheets.append((reason, int(total), shown))
    ids = clips["clip_id"]
    return [(reason, total, pc.take(ids, pa.array(shown)).to_pylist()) for reason, total, shown in sheets if total]


def thumbnail(jpeg: bytes) -> str:
    """A stored picture, made small, as a data URI.

    Raises:
        OSError: The bytes are no picture, or claim to be a huge one.
    """
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        if picture.width * picture.height > LARGEST_JPEG:
            raise OSError(f"a stored frame of {picture.width}x{picture.height}")
        picture.draft("RGB", (_LONG_SIDE, _LONG_SIDE))
        small = picture.convert("RGB")
    small.thumbnail((_LONG_SIDE, _LONG_SIDE), Image.Resampling.BILINEAR)
    return as_uri(small, _QUALITY)


def as_uri(picture: Image.Image, quality: int) -> str:
    """A picture as a data URI of WebP."""
    made = io.BytesIO()
    picture.save(made, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(made.getvalue()).decode()


def pictures(root: str, frame_uris: Iterable[str]) -> dict[str, str]:
    """Thumbnails of stored frames by their `frame_uri`; what cannot be read is left out.

    Args:
        root: The output folder.
        frame_uris: As in `clips`: `FILE#NAME`, below the output folder.
    """
    files: dict[str, list[str]] = {}
    for uri in sorted(set(frame_uris)):
        file, _, name = uri.partition("#")
        # A table may be anybody's: what does not lie in the store is not opened.
        if file.startswith("store/") and ".." not in file.split("/"):
            files.setdefault(file, []).append(name)

    def read(file: str, names: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            with opened(storage.join(root, *file.split("/"))) as stream, ZipFile(stream) as archive:
                for name in names:
                    found[f"{file}#{name}"] = thumbnail(archive.read(name))
        except FAULTS:
            return found
        return found

    with ThreadPoolExecutor(_READERS) as threads:
        made = threads.map(read, files.keys(), files.values())
        return {uri: data for found in made for uri, data in found.items()}


def story(row: Mapping[str, Any]) -> list[tuple[str, float | None, float | None]]:
    """Why a clip was dropped: reason, the number that was compared, and its limit."""
    values, limits = (dict(row[name] or {}) for name in ("reason_values", "reason_limits"))
    return [(reason, values.get(reason), limits.get(reason)) for reason in row["reasons"] or []]
