"""Generation records: every call that was paid for, and every file that was made of what came back."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from transforms.column import column


@dataclasses.dataclass(frozen=True, kw_only=True)
class RequestRow:
    """One attempt at one request to an engine: what was asked, what it cost, and what came of it."""

    table: ClassVar[str] = "requests"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("request_id", "attempt")
    scope: ClassVar[tuple[str, ...]] = ("request_id",)

    request_id: str = column("SHA-256 of all that decides what comes back, 32 hexadecimal digits.")
    attempt: int = column("Which attempt, from 0: what failed its checks is made again with another seed.", span=">= 0")
    campaign: str = column("Name of the campaign.")
    cell: str = column("Coordinates of its matrix that the picture depends on.")
    sample: int = column("Which of the cell's samples, from 0.", span=">= 0")
    shot: str = column("Name of the storyboard's shot.")
    part: int = column("Which part of the shot, from 0.", span=">= 0")
    engine: str = column("The engine; `animatic` is a drawn preview and no generated footage.")
    model: str = column("The engine's model.")
    revision: str = column("Revision of the model; empty where nobody tells.")
    tier: str = column("Tier of the engine, as the campaign calls it.")
    mode: str = column(
        "What was asked for: `text`, `image`, `frames`, `video`, `extend`, `fill`, `remix`, `storyboard`."
    )
    source: str = column("The words as the campaign says them.")
    prompt: str = column("The words as they were sent.")
    negative: str = column("What was not wanted; empty: nothing was said.")
    rewriter: str = column("What made the one of the other; `none` where they are the same.")
    seed: int | None = column("The seed that was sent; null where none was.", default=None)
    width: int = column("Width asked for.", unit="px", span="> 0")
    height: int = column("Height asked for.", unit="px", span="> 0")
    frames: int = column("Frames asked for.", span="> 0")
    frame_rate: str = column("Frames a second asked for, as `24` or `24000/1001`.", unit="1/s")
    sound: bool = column("Sound was asked for with the picture.")
    inputs: list[str] = column("What else it was given, as `role sha256` or `role request_id`.", default=None)
    works: list[str] = column("Licensed works and likenesses in its inputs, sorted.", default=None)
    parameters: dict[str, str] = column("Further parameters of the engine.", default=None)
    policy: str = column("Digest of the registry's version that its words were screened with; empty: of none.")
    state: str = column("How it ended, or where it stands: see docs/ledger.md.")
    job_id: str | None = column("The engine's id of the job; null where none is known.", default=None)
    reason: str | None = column("Why it failed, was refused or is held; null otherwise.", default=None)
    currency: str = column("Currency of its price, ISO 4217.")
    price_as_of: str = column("Date of the price list it was planned with.")
    estimated_micros: int = column("What it was planned to cost.", unit="millionth of the currency", span=">= 0")
    settled_micros: int = column("What it cost.", unit="millionth of the currency", span=">= 0")
    take_uri: str | None = column("What came back, below the output folder; null where nothing did.", default=None)
    take_sha256: str | None = column("SHA-256 of that.", default=None)
    take_bytes: int | None = column("Bytes of that.", unit="bytes", default=None)
    gates: list[str] = column("Checks that it failed, as `name: why`; empty where it passed them all.", default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssetRow:
    """One finished file of a campaign, and everything it comes from."""

    table: ClassVar[str] = "assets"
    version: ClassVar[int] = 1
    key: ClassVar[tuple[str, ...]] = ("asset_id",)
    scope: ClassVar[tuple[str, ...]] = ("asset_id",)

    asset_id: str = column("SHA-256 of campaign, cell and sample, 32 hexadecimal digits.")
    campaign: str = column("Name of the campaign.")
    campaign_sha256: str = column("SHA-256 of the campaign's file.")
    cell: str = column("Coordinates in its matrix, such as `product=flask/language=ar/format=story`.")
    sample: int = column("Which of the cell's samples, from 0.", span=">= 0")
    name: str = column("Its name by the campaign's naming convention.")
    product: str | None = column("Product it is for; null: none.", default=None)
    language: str = column("Language of the words on it (BCP 47).")
    markets: list[str] = column("Countries it is for, ISO 3166-1 alpha-2; empty: everywhere.", default=None)
    format: str = column("Its format, as the campaign calls it.")
    platform: str | None = column("Where it goes; null: nowhere in particular.", default=None)
    engines: list[str] = column("Engines, with model and revision, that made its pictures, sorted.", default=None)
    requests: list[str] = column("Requests that it is made of, in order, as `request_id-attempt`.", default=None)
    prompts: list[str] = column("The words that were sent, in the order of its requests.", default=None)
    seeds: list[int] = column("The seeds that were sent, in the order of its requests.", default=None)
    works: list[str] = column("Licensed works and likenesses that went in or are named, sorted.", default=None)
    consents: list[str] = column("Grants that its use rests on, as the registry's statements, sorted.", default=None)
    verdict: str = column("What the registry said of its use: `allow`; `unchecked` where no registry was given.")
    registry_version: int | None = column("Version of the registry; null where none was given.", default=None)
    people: bool = column("People are to be seen in it, as the campaign says.")
    disclosure: str | None = column("Label on it that tells how it was made; null: none.", default=None)
    factors: dict[str, str] = column("What is compared: level by factor.", default=None)
    headline: str | None = column("Headline on it; null: none.", default=None)
    uri: str | None = column("The finished file, below the output folder; null once it was withdrawn.", default=None)
    sha256: str = column("SHA-256 of the finished file.")
    bytes: int = column("Bytes of the finished file.", unit="bytes", span="> 0")
    plate_uri: str | None = column("The picture without words, below the output folder.", default=None)
    width: int = column("Width.", unit="px", span="> 0")
    height: int = column("Height.", unit="px", span="> 0")
    frames: int = column("Frames.", span="> 0")
    frame_rate: str = column("Frames a second, as `25` or `30000/1001`.", unit="1/s")
    seconds: float = column("Length.", unit="s", span="> 0")
    loudness: float | None = column(
        "Integrated loudness; null of silence.", unit="LUFS", source="EBU R128", default=None
    )
    true_peak: float | None = column("True peak; null of silence.", unit="dBTP", source="ITU-R BS.1770-4", default=None)
    steps: list[str] = column("What was done to its takes, in order.", default=None)
    lint: list[str] = column("What its platform will not like and nevertheless takes.", default=None)
    currency: str = column("Currency of its costs, ISO 4217.")
    estimated_micros: int = column(
        "What its requests were planned to cost; one that several assets share counts in each.",
        unit="millionth of the currency",
        span=">= 0",
    )
    settled_micros: int = column(
        "What its requests cost, failed attempts and all; one that several assets share counts in each: the bill is the"
        " sum over `requests`.",
        unit="millionth of the currency",
        span=">= 0",
    )
    withdrawn: str | None = column(
        "Why it was withdrawn: the statements that ask it; null while it stands.", default=None
    )
