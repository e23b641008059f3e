"""Approvals: what people said of finished files, and what may go on because of it.

`OUT/generation/approvals.jsonl` is appended to and never changed: a line a decision, with who made it, when and why. A
decision is about the very bytes that were looked at, by their SHA-256: a file that is made anew has to be looked at
anew. The last decision about an asset counts.

A campaign may ask that some cells, its sample, are approved before the others are made. The sample is chosen so that as
few cells as possible show every level of every dimension.
"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from transforms import storage
from transforms.settings import ConfigError
from transforms.store import canonical

VERDICTS: Final = ("approve", "reject")
"""What can be said of a file."""

STANDINGS: Final[Mapping[str, str]] = {
    "approved": "the file as it is was approved",
    "rejected": "the file as it is was rejected",
    "changed": "another file of this asset was decided on",
    "open": "nobody has decided yet",
}
"""How an asset may stand."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Approval:
    """A decision.

    Attributes:
        asset_id: The asset.
        sha256: SHA-256 of the file that was looked at, in hexadecimal.
        verdict: One of `VERDICTS`.
        who: Who decided.
        at: When, ISO 8601 in UTC.
        why: Why; a rejection has a reason.
        cell: The asset's cell, for people who read the file.
    """

    asset_id: str
    sha256: str
    verdict: str
    who: str
    at: str
    why: str = ""
    cell: str = ""

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict {self.verdict!r}: not one of {', '.join(VERDICTS)}")


def path_of(output: str) -> Path:
    """Where the decisions of an output folder are.

    Raises:
        ConfigError: The folder is no local one: objects of a bucket cannot be appended to.
    """
    if storage.is_remote(output):
        raise ConfigError(f"{storage.redact(output)}: approvals are appended to a file: give a local folder")
    return Path(output) / "generation" / "approvals.jsonl"


def now() -> str:
    """This moment as `Approval.at` has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def sha256_of(uri: str) -> str:
    """SHA-256 of a file's bytes as they are now, in hexadecimal.

    Raises:
        ElementError: It is not there, or cannot be read.
    """
    with (
        tempfile.TemporaryDirectory(prefix="rushes-approval-") as folder,
        storage.stage(uri, folder) as staged,
        open(staged.path, "rb") as file,
    ):
        return hashlib.file_digest(file, "sha256").hexdigest()


def add(output: str, approvals: Sequence[Approval]) -> None:
    """Write decisions down, all of them or none; when this returns they are on the disk.

    Raises:
        ConfigError: The folder is no local one, or cannot be written.
    """
    path = path_of(output)
    lines = "".join(canonical(dataclasses.asdict(one)) + "\n" for one in approvals).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # Two people at once: one line after the other.
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                # A line that a crash cut short stays alone on its line, where reading leaves it out.
                lines = lines if file.read(1) == b"\n" else b"\n" + lines
            left = memoryview(lines)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def read(output: str) -> list[Approval]:
    """All decisions, the oldest first. A line that a crash cut short was no decision.

    Raises:
        ConfigError: The folder is no local one, or the file has a line that is whole and no decision.
    """
    path = path_of(output)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or not line.endswith("}"):
            continue
        try:
            found.append(Approval(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{path}:{number}: no decision: {error}; mend the line or take it out") from None
    return found


def standings(approvals: Iterable[Approval], files: Mapping[str, str]) -> dict[str, str]:
    """How every asset stands, a word of `STANDINGS` each.

    Args:
        approvals: Decisions, the oldest first.
        files: SHA-256 of every asset's file as it is now, by asset.
    """
    last = {one.asset_id: one for one in approvals}
    return {asset: _standing(last.get(asset), sha256) for asset, sha256 in files.items()}


def sample_of(cells: Iterable[str], count: int) -> tuple[str, ...]:
    """The cells that have to be approved first: those that show most of what the campaign compares.

    Args:
        cells: Coordinates, such as `product=flask/language=ar`.
        count: How many at most; 0: none.

    Returns:
        The cells, each the one that shows most levels that none before it shows; of equals the first by name.
    """
    left = {cell: frozenset(cell.split("/")) for cell in sorted(set(cells))}
    seen: set[str] = set()
    chosen: list[str] = []
    while left and len(chosen) < count:
        best = max(left, key=lambda cell: len(left[cell] - seen))
        seen |= left.pop(best)
        chosen.append(best)
    return tuple(chosen)


def ready(
    cells: Mapping[str, Collection[str]],
    sample: Collection[str],
    approvals: Iterable[Approval],
    files: Mapping[str, str],
) -> set[str]:
    """The cells that may be made now: those of the sample, and the others once each of the sample is approved.

    Args:
        cells: Ids of the assets of every cell.
        sample: Cells that have to be approved first; a cell is approved when one of its assets is.
        approvals: Decisions, the oldest first.
        files: SHA-256 of the files that there are, by asset.
    """
    stand = standings(approvals, files)
    approved = {cell for cell, assets in cells.items() if any(stand.get(asset) == "approved" for asset in assets)}
    asked = set(sample) & set(cells)
    return set(cells) if asked <= approved else asked


def _standing(decision: Approval | None, sha256: str) -> str:
    if decision is None:
        return "open"
    if decision.sha256 != sha256:
        return "changed"
    return "approved" if decision.verdict == "approve" else "rejected"
