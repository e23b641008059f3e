"""Clip files: what a child process does so that the kept clips of a video lie in the store as files.

Each file is a result of its own, named by the span and the settings, so a changed threshold cuts only clips that were
not kept before, and a killed run those it had not finished. What is missing is cut in one pass over the source. Nothing
here imports Beam.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from av import library_versions

from pipelines import measuring
from pipelines.config import Config
from pipelines.measuring import Opened, Tally
from transforms import cutting, probe, settings
from transforms.child import phase
from transforms.cutting import Piece, Span
from transforms.failures import ElementError
from transforms.store import Store
from transforms.store import key as store_key

STEP: Final = "clip"
"""Name of the step in the store."""

PHASE: Final = "clips"
"""What a task is in while it cuts."""

_LIBRARIES: Final = ("libavcodec", "libavformat")
_LONGER: Final = 4
"""Encoding takes so many times as long as measuring may."""
_SHARE: Final = 4
"""One part in so many of the free disk may be used by a pass: its files lie there twice, and others write too."""


def recipe(config: Config) -> list[Any]:
    """What decides the bytes of clip files, beside the source and the span; empty where none are made."""
    chosen = config.clips
    if chosen.clips == "none":
        return []
    return [cutting.RECIPE, [library_versions[name] for name in _LIBRARIES], settings.key_fields(chosen)]


def _span(row: Mapping[str, Any], config: Config) -> Span:
    left, right, top, bottom = (row[f"crop_{side}"] for side in ("left", "right", "top", "bottom"))
    box = (left, top, row["width"] - left - right, row["height"] - top - bottom)
    cropped = config.clips.clip_crop and (left or right or top or bottom)
    return Span(row["clip_id"], row["start_pts"], row["end_pts"], box if cropped else None)


def _key(row: Mapping[str, Any], config: Config) -> str:
    return store_key(STEP, cutting.RECIPE, [*_span(row, config), recipe(config)])


def with_files(
    rows: Sequence[dict[str, Any]],
    video: Mapping[str, Any],
    config: Config,
    store: Store,
    tally: Tally,
    source: Callable[[], contextlib.AbstractContextManager[Opened]] | None,
    uncut: tuple[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Rows of clips with the files of those that are kept; a row whose file could not be made says why.

    Args:
        rows: Rows of a video's clips.
        video: Its row.
        config: The configuration.
        store: Where files are and go.
        tally: Counts.
        source: Opens the source when a file is missing; without it only files that are there are named.
        uncut: Why nothing is to be cut, as a failure class and a message; what is missing has failed by it.
    """
    if config.clips.clips == "none":
        return list(rows)
    video_id = video["video_id"]
    keys = {row["clip_id"]: _key(row, config) for row in rows if row["kept"]}
    failed: dict[str, tuple[str, str]] = {}
    missing = _missing(keys, store)
    if uncut is not None:
        failed = dict.fromkeys(missing, uncut)
    elif missing and source is not None:
        phase("wait", measuring.LONGEST_WAIT)
        with source() as opened, measuring.alone(video_id), tally.timed("clips"):
            missing = _missing(keys, store)  # another task may have had the same bytes
            phase(PHASE, _LONGER * measuring.limit(config, video))
            wanted = [row for row in rows if row["clip_id"] in missing]
            failed = _cut(wanted, keys, video, config, store, tally, opened) if wanted else {}
    tally.counts["clip_files.reused"] += len(keys) - len(missing)
    return [
        _row(row, keys[row["clip_id"]], video_id, store, failed.get(row["clip_id"])) if row["kept"] else row
        for row in rows
    ]


def _missing(keys: Mapping[str, str], store: Store) -> set[str]:
    """The clips whose result is not in the store."""
    there = {key for shard in sorted({key[:2] for key in keys.values()}) for key in store.listing(STEP, shard)}
    return {clip_id for clip_id, key in keys.items() if key not in there}


def _cut(
    rows: Sequence[Mapping[str, Any]],
    keys: Mapping[str, str],
    video: Mapping[str, Any],
    config: Config,
    store: Store,
    tally: Tally,
    opened: Opened,
) -> dict[str, tuple[str, str]]:
    """Cut what is missing into the store; what could not be, with its class and message."""
    video_id, failed = video["video_id"], dict[str, tuple[str, str]]()
    folder = opened.scratch / "clips"
    folder.mkdir()
    measured = store.local("measure", video["measure_uri"].split("/")[3], opened.scratch / "measured")
    index = probe.read_index(measured / "packets.parquet")
    with _budget(config, opened.scratch) as budget:
        spans = [_span(row, config) for row in rows]
        try:
            pieces = cutting.cut(str(opened.staged.path), video, index, spans, config.clips, folder, budget.left)
        except ElementError as error:
            return {span.clip_id: (error.error_class, error.message) for span in spans}
        except OSError as error:
            return {span.clip_id: ("storage", error.strerror or str(error)) for span in spans}
        opened.count_read(opened.staged.size)
        for piece in pieces:
            if piece.error is not None:
                failed[piece.clip_id] = piece.error
                continue
            files = {name: str(folder / name) for name in (piece.name, piece.thumbnail, piece.strip) if name}
            store.put(STEP, keys[piece.clip_id], video_id, dataclasses.asdict(piece), files)
            for path in files.values():
                tally.counts["clip_files.stored_bytes"] += os.stat(path).st_size
                os.unlink(path)
            tally.counts["clip_files.encoded_frames"] += piece.encoded_frames
            budget.spend(piece.bytes)
    return failed


class _Budget:
    """What may still be written: bytes, or None without a limit."""

    def __init__(self, left: int | None) -> None:
        self.left = left
        self.spent = 0

    def spend(self, size: int) -> None:
        self.spent += size


@contextlib.contextmanager
def _budget(config: Config, scratch: Path) -> Iterator[_Budget]:
    """What a pass may write: a part of the free disk, and what is left of the run's budget on this machine.

    With a budget one video is cut at a time, so that it is never overdrawn.
    """
    free = shutil.disk_usage(scratch).free // _SHARE
    if not config.clips.clip_bytes_budget:
        yield _Budget(free)
        return
    with measuring.alone("clip bytes"), (Path(tempfile.gettempdir()) / "locks" / "clip-bytes").open("a+") as ledger:
        fcntl.flock(ledger, fcntl.LOCK_EX)
        ledger.seek(0)
        spent = int(ledger.read() or 0)
        budget = _Budget(min(free, max(0, round(config.clips.clip_bytes_budget * 1e9) - spent)))
        try:
            yield budget
        finally:
            ledger.seek(0)
            ledger.truncate()
            ledger.write(str(spent + budget.spent))


def _row(row: dict[str, Any], key: str, video_id: str, store: Store, error: tuple[str, str] | None) -> dict[str, Any]:
    if error is not None:
        return {**row, "clip_error": ": ".join(error)}
    payload = store.get(STEP, key, video_id)
    if payload is None:
        return row
    piece = Piece(**payload)

    def uri(name: str | None) -> str | None:
        return store.path(STEP, key, name) if name else None

    return {
        **row,
        "clip_uri": uri(piece.name),
        "clip_mode": piece.mode,
        "clip_fallback": piece.fell_back,
        "clip_lead_seconds": piece.lead_seconds,
        "clip_tail_seconds": piece.tail_seconds,
        "clip_bytes": piece.bytes,
        "clip_frames": piece.frames,
        "clip_encoded_frames": piece.encoded_frames,
        "clip_width": piece.width,
        "clip_height": piece.height,
        "clip_audio": piece.audio_codec,
        "thumbnail_uri": uri(piece.thumbnail),
        "strip_uri": uri(piece.strip),
    }
