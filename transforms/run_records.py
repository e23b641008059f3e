"""Run records: the tables that runs append to, and that say nothing about footage itself."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import ClassVar

from transforms.column import column


@dataclasses.dataclass(frozen=True, kw_only=True)
class FailureRow:
    """One refused element of one run. Appended, never replaced."""

    table: ClassVar[str] = "failures"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("run_id", "step", "subject")
    scope: ClassVar[tuple[str, ...]] = ()

    run_id: str = column("The run that met it.")
    step: str = column(
        "The step that failed: `list`, `read`, `probe`, `measure`, `audio`, `scenes`, `clips`, `caption`, `speech`, "
        "`clip_files`."
    )
    subject: str = column(
        "What failed: a uri, a list's row, a video_id, a clip_id (of a caption the rest of its key follows)."
    )
    video_id: str | None = column("The video, where its bytes were read.", default=None)
    error_class: str = column("Class out of a small fixed set; `docs/failures.md` says what to do about each.")
    message: str = column("What was wrong and where.")
    attempts: int = column("How often it was tried.", span=">= 1")
    traceback: str | None = column("End of the traceback.", default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run: its configuration, its balance and what it cost. Appended, never replaced."""

    table: ClassVar[str] = "runs"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("run_id",)
    scope: ClassVar[tuple[str, ...]] = ()

    run_id: str = column("Start time and a random part.")
    job: str = column("Name of the job.")
    status: str = column(
        "`done`, `failures` (done with failures recorded), `refused` (too many: only failures and runs written)."
    )
    started: datetime = column("When the job was launched, UTC.")
    ended: datetime = column("When its commit was prepared, UTC.")
    commit: int = column("Number of its commit.", span=">= 1")
    config: str = column("The resolved configuration as JSON.")
    versions: str = column("Versions of this program, Python and the libraries that decide results, as JSON.")
    balance: str = column("Per step: in, kept, dropped by reason, failed by class, reused, as JSON.")
    step_seconds: dict[str, float] = column("Working time per step, summed over workers.", unit="s", default=None)
    decoded_frames: int = column("Frames decoded in this run.", span=">= 0")
    source_frames: int = column("Frames of the videos that were decoded in this run.", span=">= 0")
    source_bytes: int = column("Bytes of the sources in this run.", unit="bytes", span=">= 0")
    read_bytes: int = column("Bytes read from sources in this run.", unit="bytes", span=">= 0")
    footage_seconds: float = column("Duration of the videos in this run.", unit="s", span=">= 0")
