"""Release records: what was handed out, and every use of a licensed work. Appended, never replaced or removed."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from transforms.column import column
from transforms.store import digest


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseRow:
    """A frozen set of clips that was made for somebody. It never changes: what changes is another release."""

    table: ClassVar[str] = "releases"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("release_id",)
    scope: ClassVar[tuple[str, ...]] = ()

    release_id: str = column("Id made of what the release is called, whom and what it is for, and what is in it.")
    name: str = column("Its name; with the recipient it stands for one release.")
    recipient: str = column("Whom it is for, as grants name them.")
    use: str = column("What it is for: `train`.")
    territories: list[str] = column("Countries it is for, ISO 3166-1 alpha-2; empty: the whole world.", default=None)
    product: str | None = column("Product it is for; null: none was named.", default=None)
    snapshot: int = column("Snapshot of the tables that it freezes.", span=">= 1")
    at: str = column("When it was made, ISO 8601 in UTC.")
    clips: int = column("Clips in it.", span=">= 1")
    videos: int = column("Distinct videos they are of.", span=">= 1")
    seconds: float = column("Length of the clips.", unit="s", span="> 0")
    left_out: int = column("Clips of `trainable` that may not be used by this recipient, there, so.", span=">= 0")
    registry_version: int = column("Version of the registry that it was decided with.", span=">= 1")
    registry_digest: str = column("SHA-256 of that version.")
    manifest: str = column("Its list of clips with captions, a Parquet file, below the output folder.")
    content_digest: str = column("SHA-256 of its clips, captions and licences, in hexadecimal.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReleaseClipRow:
    """A clip in a release."""

    table: ClassVar[str] = "release_clips"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("release_id", "clip_id")
    scope: ClassVar[tuple[str, ...]] = ()

    release_id: str = column("The release.")
    clip_id: str = column("The clip.")
    video_id: str = column("The video it is of.")
    microseconds: int = column("Length of the clip.", unit="us", span="> 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LicensedUseRow:
    """One use of a licensed work: a clip of it in a release, or an asset that was generated with it."""

    table: ClassVar[str] = "licensed_uses"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("use_id",)
    scope: ClassVar[tuple[str, ...]] = ()

    use_id: str = column("Id made of what it is used in, clip and grant.")
    kind: str = column("`release` or `asset`.")
    used_in: str = column("Id of the release or asset.")
    recipient: str | None = column("Who uses it, as grants name them; null: nobody in particular.", default=None)
    use: str = column("`train`, `generate` or `display`.")
    territories: list[str] = column("Countries it is for, ISO 3166-1 alpha-2; empty: the whole world.", default=None)
    product: str | None = column("Product it is for; null: none was named.", default=None)
    language: str | None = column("Language it is in (BCP 47); null: none was named.", default=None)
    video_id: str | None = column("The video; null of an asset.", default=None)
    clip_id: str | None = column("The clip; null of an asset.", default=None)
    work_id: str = column("The work that was recognised or asked for; of several under one grant the first by id.")
    works: list[str] = column("All of them, sorted.", default=None)
    component: str | None = column(
        "What of the work an asset has, as statements name it; null: everything.", default=None
    )
    party_id: str = column("The party that granted it.")
    statement_id: str = column("The grant.")
    share_bp: int | None = column(
        "Share of the revenue that the grant costs; null: none was agreed.",
        unit="basis points",
        span="0 to 10,000",
        default=None,
    )
    microseconds: int = column("Length of the clip or asset.", unit="us", span="> 0")
    at: str = column("When it was used, ISO 8601 in UTC.")
    registry_version: int = column("Version of the registry that allowed it.", span=">= 1")


def use_id(used_in: str, clip_id: str | None, statement_id: str, work_id: str | None = None) -> str:
    """The id of a licensed use; an asset may use several works under one grant, and names each."""
    return "u-" + digest([used_in, clip_id, statement_id, work_id])[:30]
