"""Trafficking: finished files as they are handed to platforms: a folder for each, with the files and a list of them.

Names of files come from the campaign's naming convention, in the characters that every platform and file system takes.
The list is CSV in UTF-8 with the mark that spreadsheet programs know it by, and no cell of it runs as a formula. A file
is copied only where its bytes are those that its row names; a withdrawn one never is.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

import pyarrow as pa

from generation.approvals import Approval, standings
from transforms import storage, views
from transforms.failures import ElementError
from transforms.store import Store

COLUMNS: Final = (
    "file",
    "asset_id",
    "campaign",
    "cell",
    "sample",
    "product",
    "language",
    "markets",
    "format",
    "width",
    "height",
    "seconds",
    "frame_rate",
    "bytes",
    "sha256",
    "headline",
    "disclosure",
    "factors",
    "works",
)
"""Columns of the list: the file's name in the folder, and columns of `assets`."""

LONGEST_NAME: Final = 100
"""Characters of a file's name without its ending: below the limit of every platform in `platforms.yaml`; project."""
NO_PLATFORM: Final = "other"
"""Folder of the files that go nowhere in particular."""

_LIST: Final = "list.csv"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_PLAIN: Final = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "đ": "d", "ł": "l", "Ł": "L", "=": "_"}
)
_RESERVED: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # Windows


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trafficked:
    """What was handed over.

    Attributes:
        files: Names of the files of each folder, sorted.
        left_out: Why an asset is in no folder, by its id.
    """

    files: Mapping[str, tuple[str, ...]]
    left_out: Mapping[str, str]


def safe_name(name: str, otherwise: str) -> str:
    """A name of a file or folder that every platform takes: ASCII letters, digits, `.`, `_` and `-`.

    Args:
        name: Any name.
        otherwise: What it is called where nothing of the name is left.
    """
    plain = unicodedata.normalize("NFKD", name.translate(_PLAIN))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    safe = _UNSAFE.sub("-", plain).strip("-._")[:LONGEST_NAME].rstrip("-._")
    return f"_{safe}" if _RESERVED.fullmatch(safe) else safe or otherwise


def traffic(
    output: str,
    rows: Iterable[Mapping[str, Any]],
    folder: str,
    approvals: Iterable[Approval] | None = None,
) -> Trafficked:
    """Write a folder for each platform, with its files and `list.csv`.

    Args:
        output: The output folder that `uri` of the rows is below.
        rows: Rows of `assets`.
        folder: Where the folders go; what is there under the same names is replaced.
        approvals: Decisions, the oldest first: only what is approved as it is goes out. None: all of it does.

    Raises:
        ElementError: A file is not there, or is not the one that its row names; or nothing can be written.
    """
    rows = sorted(rows, key=lambda row: (str(row["platform"] or ""), str(row["name"]), str(row["asset_id"])))
    stand = None if approvals is None else standings(approvals, {row["asset_id"]: row["sha256"] for row in rows})
    left_out: dict[str, str] = {}
    lists: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["withdrawn"] or not row["uri"]:
            left_out[row["asset_id"]] = f"withdrawn: {row['withdrawn'] or 'its file is gone'}"
        elif stand is not None and stand[row["asset_id"]] != "approved":
            left_out[row["asset_id"]] = stand[row["asset_id"]]
        else:
            platform = safe_name(row["platform"] or "", NO_PLATFORM)
            listed = lists.setdefault(platform, [])
            file = _free(row, {one["file"].casefold() for one in listed})
            listed.append({**row, "file": file})
            _copy(Store(output).uri(row["uri"]), row["sha256"], storage.join(folder, platform, file))
    for platform, listed in lists.items():
        storage.write_bytes(storage.join(folder, platform, _LIST), _csv(listed))
    files = {platform: tuple(sorted(one["file"] for one in listed)) for platform, listed in lists.items()}
    return Trafficked(files=files, left_out=left_out)


def _free(row: Mapping[str, Any], taken: set[str]) -> str:
    """The file's name in its folder; where two would be the same, with the beginning of the asset's id."""
    ending = safe_name(str(row["uri"]).rpartition(".")[2], "mp4")
    name = safe_name(row["name"], row["asset_id"])
    file = f"{name}.{ending}"
    return file if file.casefold() not in taken else f"{name}-{row['asset_id'][:8]}.{ending}"


def _copy(uri: str, sha256: str, target: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-traffic-") as temporary, storage.stage(uri, temporary) as staged:
        with open(staged.path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise ElementError("changed", f"{storage.redact(uri)}: not the file of its row in `assets`: make it again")
        storage.upload(staged.path, target)


def _csv(listed: list[dict[str, Any]]) -> bytes:
    table = pa.table({name: pa.array([_cell(row.get(name)) for row in listed], pa.string()) for name in COLUMNS})
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(row.values() for row in views.escaped(table).to_pylist())
    return text.getvalue().encode("utf-8-sig")


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return " | ".join(f"{name}={level}" for name, level in sorted(value.items()))
    if isinstance(value, (list, tuple)):  # Arrow gives a map as pairs.
        return " | ".join("=".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value)
    return "" if value is None else str(value)
