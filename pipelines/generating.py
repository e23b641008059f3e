"""Generating: from a campaign to a plan that all workers read, and from the ledger to finished files.

The plan lies in files below the output folder, named by their content, so that what travels between workers is their
names. Nothing here imports Beam.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import hashlib
import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from filters.rights import prompts as rights
from filters.rights import registry
from filters.rights.policy import RightsSettings
from generation import gates, preparing
from generation.asset import Asset
from generation.campaign import Campaign
from generation.cells import tiers_used
from generation.engines.engine import Offer, load_engine
from generation.execution import DriveSettings, drive
from generation.finishing import finish
from generation.labels import disclosure
from generation.ledger.entries import Entry, Planned, Summary
from generation.ledger.ledger import Ledger, open_ledger
from generation.planning import plan
from generation.plans import Plan, PlannedRequest
from generation.request import Request
from generation.rewriting import Rewriter
from generation.typesetting import check_shaping
from generation.works import decide_works
from transforms import storage
from transforms.child import phase
from transforms.pool import Pool
from transforms.store import canonical, digest, read_if_there

FOLDER: Final = "generation"
"""Folder of generated things below the output folder."""

_GATE_RECIPE: Final = 1
"""Raised when gates change what they find in an unchanged take."""

_SHARD: Final = 200
"""Assets or requests of one file of the plan."""

_FINISH_SECONDS: Final = 1800.0
"""Longest time to finish one asset; a minute of 1080p takes some minutes of one core."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Job:
    """What every worker of a run is given.

    Attributes:
        root: The output folder, on this machine or one that all workers mount.
        campaign: Name of the campaign.
        campaign_sha256: SHA-256 of its file.
        ledger: Path or URL of the ledger.
        engines: By tier, the word that names its engine and settings.
        currency: Of all costs.
        prices_as_of: By tier, the date of its price list.
        assets: Files with the assets of the plan, below the output folder.
        requests: Files with its requests.
        refused: How many cells are refused.
        waiting: How many assets wait until a sample is approved.
        recipient: Who makes it; None: nobody in particular.
        registry_version: Version of the registry; None: no registry was given.
        drive: How workers go about it.
    """

    root: str
    campaign: str
    campaign_sha256: str
    ledger: str
    engines: Mapping[str, str]
    currency: str
    prices_as_of: Mapping[str, str]
    assets: tuple[str, ...]
    requests: tuple[str, ...]
    refused: int
    waiting: int
    recipient: str | None
    registry_version: int | None
    drive: DriveSettings

    @property
    def folder(self) -> Path:
        """Where generated things lie."""
        return Path(self.root, FOLDER)


def check(campaign: Campaign) -> None:
    """See that every engine can work, and that text can be set.

    Raises:
        ConfigError: Something is missing; the text says how to get it.
    """
    check_shaping()
    for name in tiers_used(campaign):
        load_engine(campaign.tiers[name].engine).check()


def planned(
    campaign: Campaign, offered: Mapping[str, Offer], settings: RightsSettings, rewriter: Rewriter | None = None
) -> Plan:
    """The plan of a campaign, its words rewritten, and screened by the registry that settings name, if they name one.

    Args:
        campaign: The campaign.
        offered: What the engine of each tier declares.
        settings: The registry, and how it is asked.
        rewriter: What writes the prompts; None: the template.

    Raises:
        ConfigError: The registry cannot be read, or the rewriter cannot work.
    """
    recipient, held, policy = settings.recipient, None, ""
    if settings.rights is not None:
        held = rights.of_settings(settings)
        policy = registry.version(registry.open_registry(settings.rights), settings.rights_version).digest
    return plan(
        campaign,
        offered,
        words=functools.partial(preparing.prepare_all, held=held, rewriter=rewriter, recipient=recipient),
        works=held and (lambda asked: decide_works(held, asked, recipient, settings.display_regime)),
        disclose=disclosure,
        policy=policy,
    )


def write_plan(root: str, found: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write a plan where all workers read it; the names of its files of assets and of requests."""
    assets = _write(root, "assets", (one.to_json() for one in found.assets))
    return assets, _write(root, "requests", (_asked(one) for one in found.requests))


def request_id(asked: Mapping[str, Any]) -> str:
    """The id of a request as it stands in a plan's file."""
    return Request.from_json(asked["request"]).request_id


def _asked(one: PlannedRequest) -> dict[str, Any]:
    words = one.words
    return {"request": one.request.to_json(), "source": words.source, "rewriter": words.rewriter}


def _write(root: str, kind: str, rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    names = []
    every = iter(rows)
    while some := list(itertools.islice(every, _SHARD)):
        data = zlib.compress(canonical(some).encode())
        names.append(f"{FOLDER}/plans/{hashlib.sha256(data).hexdigest()[:32]}.{kind}.json.z")
        storage.create_bytes(storage.join(root, *names[-1].split("/")), data)
    return tuple(names)


def read_plan(root: str, names: Iterable[str]) -> Iterator[dict[str, Any]]:
    """What lies in files of a plan."""
    for name in names:
        yield from json.loads(zlib.decompress(storage.read_bytes(storage.join(root, *name.split("/")))))


def enter(ledger: Ledger, campaign: Campaign, found: Plan, offered: Mapping[str, Offer]) -> int:
    """Write a plan into the ledger, with its limits; how many of its requests are new there."""
    ledger.budget(campaign.campaign, campaign.budget.campaign)
    ledger.budget(campaign.campaign, campaign.budget.cell, per="cell")
    ledger.budget(campaign.campaign, campaign.budget.day, per="day")
    for name, offer in offered.items():
        tier = campaign.tiers[name]
        engine = load_engine(tier.engine).name
        per_minute = min(filter(None, (tier.per_minute, offer.per_minute)), default=0)
        most = min(tier.in_flight or offer.in_flight, offer.in_flight)
        ledger.lane(engine, offer.model, name, most, per_minute)
    rows = (
        Planned(request=one.request, salt=campaign.seed_salt, worst_cost=one.cost, attempts=campaign.attempts)
        for one in found.requests
    )
    return ledger.plan(rows, whole=campaign.campaign)


def make(job: Job, worker: str, pool: Pool, told: Callable[[Summary], None]) -> None:
    """Drive a campaign until nothing of it can move: what fails its gates is made again as often as it may be."""
    with open_ledger(job.ledger) as ledger:
        for turn in itertools.count():
            asyncio.run(_drive(job, ledger, f"{worker}-{turn}", told))
            if not _again(job, ledger, pool):
                return


async def _drive(job: Job, ledger: Ledger, worker: str, told: Callable[[Summary], None]) -> None:
    loaded = {tier: load_engine(spec) for tier, spec in job.engines.items()}
    try:
        await drive(
            ledger,
            job.campaign,
            lambda engine, model, tier: loaded[tier],
            worker,
            job.drive,
            job.folder,
            told=told,
        )
    finally:
        for engine in loaded.values():
            await engine.close()


def _again(job: Job, ledger: Ledger, pool: Pool) -> int:
    """Look at every take that nobody looked at yet; how many requests are to be made again."""
    running: dict[concurrent.futures.Future[Any], Entry] = {}
    bad: list[tuple[Entry, list[str]]] = []
    for entry in latest(ledger.rows(job.campaign, "stored", "expired")):
        if entry.state == "expired":
            bad.append((entry, [f"expired: {entry.message}"]))  # Paid and gone: as good as a take that fails.
            continue
        if (told := failed_gates(job, entry)) is not None:
            bad += [(entry, told)] if told else []
        else:
            work = {"root": job.root, "path": entry.path, "sha256": entry.sha256, "body": entry.body}
            running[pool.submit("pipelines.generating:gate_task", work, entry.name)] = entry
    for future in concurrent.futures.as_completed(running):
        if told := future.result():
            bad.append((running[future], told))
    return sum(ledger.again(entry.request_id, "; ".join(told)) is not None for entry, told in bad)


def latest(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The last attempt of every request."""
    for _, attempts in itertools.groupby(entries, key=lambda entry: entry.request_id):
        yield max(attempts, key=lambda entry: entry.attempt)


def _gates_uri(root: str, sha256: str, body: str) -> str:
    asked = Request.from_json(json.loads(body))
    what = [asked.width, asked.height, asked.frames, asked.frame_rate, asked.sound]
    key = digest(["gates", _GATE_RECIPE, sha256, what, dataclasses.asdict(gates.GateSettings())])
    return storage.join(root, FOLDER, "gates", key[:2], f"{key}.json")


def failed_gates(job: Job, entry: Entry) -> list[str] | None:
    """The gates that a stored take fails, as `name: why`; None: nobody looked yet."""
    found = read_if_there(_gates_uri(job.root, entry.sha256, entry.body))
    return None if found is None else list(json.loads(found))


def gate_task(root: str, path: str, sha256: str, body: str) -> list[str]:
    """Hold a take against its gates, in a child process; what it fails, as `name: why`."""
    found = gates.check_take(Path(root, FOLDER, path), Request.from_json(json.loads(body)))
    told = [f"{gate.name}: {gate.message}" for gate in found if not gate.passed]
    storage.create_bytes(_gates_uri(root, sha256, body), canonical(told).encode())
    return told


def finish_task(root: str, asset: dict[str, Any], takes: dict[str, str]) -> dict[str, Any]:
    """Finish one asset in a child process; what is finished already is there at once.

    Args:
        root: The output folder.
        asset: The asset as planned.
        takes: Path of every take below the folder of generated things, by request id.

    Returns:
        What its row says of the file.

    Raises:
        ElementError: It cannot be finished.
    """
    phase("finish", _FINISH_SECONDS)
    folder = Path(root, FOLDER)
    made = finish(Asset.from_json(asset), {name: folder / path for name, path in takes.items()}, folder)
    return {
        "uri": made.path.relative_to(root).as_posix(),
        "plate_uri": made.plate.relative_to(root).as_posix(),
        "sha256": made.sha256,
        "bytes": made.bytes,
        "frames": made.frames,
        "seconds": made.seconds,
        "loudness": made.loudness,
        "true_peak": made.true_peak,
        "steps": [*made.steps, *made.told],
    }
