"""Rights records: what was decided about footage, and by which state of the registry."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from transforms.column import column


@dataclasses.dataclass(frozen=True, kw_only=True)
class VerdictRow:
    """Whether one source may be used in one way. A video may be used only if all its sources may."""

    table: ClassVar[str] = "verdicts"
    version: ClassVar[int] = 2
    key: ClassVar[tuple[str, ...]] = ("subject", "use")
    scope: ClassVar[tuple[str, ...]] = ("subject",)

    subject: str = column("The uri of the source, without credentials.")
    use: str = column("`train`, `caption`, `generate` or `display`.")
    verdict: str = column("`deny`, `review`, `unknown` or `allow`.")
    kept_out: bool = column(
        "It may not be used so: denied, or not decided or generated and the configuration keeps such footage out."
    )
    regime: str = column("`opt-out`: allowed unless refused; `opt-in`: refused unless granted.")
    video_id: str | None = column("The video; null where its bytes were not read.", default=None)
    entries: list[str] = column("Ids of the statements that decided, sorted.", default=None)
    words: list[str] = column("The reasons that decided, for a person.", default=None)
    matches: list[str] = column("What was recognised, as `kind identifier_id work_id: what was seen`.", default=None)
    not_checked: list[str] = column("Checks that were not made, sorted.", default=None)
    registry_version: int = column("Version of the registry that it was decided with.", span=">= 0")
    registry_digest: str = column("SHA-256 of that version; empty of the empty registry.")
    at: str = column("The moment for which it was decided, ISO 8601 in UTC: when the run was launched.")
    origin: str | None = column(
        "How the footage was made: `generated`, or `composite` with generated parts; null: nobody says.", default=None
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SaidRow:
    """What a machine-readable signal said of one source: robots.txt, TDMRep, C2PA, ..."""

    table: ClassVar[str] = "rights_signals"
    version: ClassVar[int] = 2
    key: ClassVar[tuple[str, ...]] = ("subject", "signal_id")
    scope: ClassVar[tuple[str, ...]] = ("subject",)

    subject: str = column("The uri of the source, without credentials.")
    video_id: str | None = column("The video; null where its bytes were not read.", default=None)
    signal_id: str = column("Id made of what was said, of what and where; named among a verdict's entries.")
    protocol: str = column("Name of the protocol.")
    place: str = column("Where it spoke: `site`, `response`, `page` or `file`.")
    about: str = column("What it was said of, without credentials.")
    uri: str = column("Where it was found, without credentials.")
    fetched_at: str = column("When it was read, ISO 8601 in UTC.")
    train: str = column("`deny`, `unknown`, `allow` or `unset`, of training.")
    caption: str = column("The same of captioning.")
    generate: str = column("The same of generating.")
    display: str = column("The same of showing.")
    words: str = column("What was read and what follows from it, for a person.")
    text: str = column("The raw text, its first 4,000 characters.")
    digest: str = column("SHA-256 of all of it, in hexadecimal; empty where nothing was read.")
    size: int = column("Length of all of it.", unit="bytes", span=">= 0")
    origin: str | None = column(
        "How it says that the footage was made: `generated` or `composite`; null: it does not say.", default=None
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RetractionRow:
    """Something that was let in, handed out or made and may no longer be used, found by screening again.

    Rows are added, never replaced.
    """

    table: ClassVar[str] = "retractions"
    version: ClassVar[int] = 2
    key: ClassVar[tuple[str, ...]] = ("run_id", "kind", "id", "video_id", "use")
    scope: ClassVar[tuple[str, ...]] = ()

    run_id: str = column("The run that found it.")
    kind: str = column("`source`, `video`, `clip`, `caption`, `transcript`, `release` or `asset`.")
    id: str = column(
        "Its uri, video_id, clip_id, release_id or asset id; of a caption `clip_id/captioner/kind`, of a transcript"
        " `video_id/recogniser/model`."
    )
    video_id: str = column(
        "The video that it is or comes from; of a release the one that may no longer be in it, of an asset empty."
    )
    use: str = column("`train`, `caption`, `generate` or `display`: what it may no longer be used for.")
    was: str = column("The verdict before; `none` where it was never screened.")
    verdict: str = column("The verdict now.")
    entries: list[str] = column("Ids of the statements that decided, sorted.", default=None)
    words: list[str] = column("The reasons that decided, for a person.", default=None)
    registry_version: int = column("Version of the registry that it was decided with.", span=">= 0")
    at: str = column("The moment for which it was decided, ISO 8601 in UTC.")
    removed: bool = column("Its row, and what the store held of it, were removed by this run.")
    action: str | None = column(
        "What a release or asset needs: `withdraw` (take back what was handed out or made), `retrain` (and train again"
        " without it) or `review` (a person has to look); null of what left `trainable` by itself.",
        default=None,
    )
