"""Generated: what became of a campaign, as rows of `requests`, `assets` and `licensed_uses`.

Every row is made from the ledger and the plan; nothing here imports Beam.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from filters.rights.ingredients import Ingredients, screen_ingredients
from filters.rights.prompts import Held, Prompt, Text, screen_prompts
from generation.asset import Asset
from generation.ledger.entries import Entry
from pipelines.generating import FOLDER, Job, failed_gates
from transforms.failures import ElementError
from transforms.records import AssetRow, LicensedUseRow, RequestRow, to_dict
from transforms.release_records import use_id

STORED, REJECTED, HELD = "stored", "rejected", "held"
"""States of rows beside those of the ledger: what came back and passed its gates; what failed them; what is planned and
waits for money, approval or another request."""

UNCHECKED: Final = "unchecked"
"""What stands for a verdict where nobody was asked."""

_FAILED: Final = ("failed", "expired", "abandoned")
"""States of the ledger that are failures; what is refused or waits is none."""


@dataclasses.dataclass(frozen=True)
class Made:
    """What became of one request.

    Attributes:
        entries: Its attempts, in order.
        rows: Their rows.
        state: State of the last one, as its row says it.
    """

    entries: tuple[Entry, ...]
    rows: tuple[dict[str, Any], ...]
    state: str

    @property
    def cost(self) -> int:
        """What all of its attempts cost, in micro-units."""
        return sum(entry.cost for entry in self.entries)


def made_of(job: Job, attempts: Sequence[Entry], planned: Mapping[str, Any]) -> Made:
    """What became of one request.

    Args:
        job: The run.
        attempts: Its attempts, in order.
        planned: What the plan says of it.
    """
    failing = [failed_gates(job, one) if one.state == STORED else None for one in attempts]
    states = [REJECTED if bad else _state(one) for one, bad in zip(attempts, failing, strict=True)]
    rows = [
        _request_row(job, one, planned, state, bad or [])
        for one, state, bad in zip(attempts, states, failing, strict=True)
    ]
    return Made(tuple(attempts), tuple(rows), states[-1])


def _state(entry: Entry) -> str:
    return HELD if entry.state == "planned" else entry.state


def failure_of(made: Made) -> ElementError | None:
    """The failure that a request is; None where it is none."""
    last, row = made.entries[-1], made.rows[-1]
    if made.state == REJECTED:
        error = ElementError("bad_take", f"{last.name}: {'; '.join(row['gates'])}")
    elif made.state in _FAILED:
        error = ElementError("not_made", f"{last.name}: {last.message or last.code or made.state}")
    else:
        return None
    error.attempts = len(made.entries)
    return error


def _request_row(
    job: Job, entry: Entry, planned: Mapping[str, Any], state: str, gates: Sequence[str]
) -> dict[str, Any]:
    asked = entry.request
    return to_dict(
        RequestRow(
            request_id=entry.request_id,
            attempt=entry.attempt,
            campaign=asked.campaign,
            cell=asked.cell,
            sample=asked.sample,
            shot=asked.shot,
            part=asked.part,
            engine=asked.engine,
            model=asked.model,
            revision=asked.revision,
            tier=asked.tier,
            mode=asked.mode,
            source=planned["source"],
            prompt=asked.prompt,
            negative=asked.negative,
            rewriter=planned["rewriter"],
            seed=entry.seed or None,
            width=asked.width,
            height=asked.height,
            frames=asked.frames,
            frame_rate=asked.frame_rate,
            sound=asked.sound,
            inputs=[f"{one.role} {one.sha256 or one.request}" for one in asked.inputs],
            works=sorted({work for one in asked.inputs for work in one.works}),
            parameters=dict(asked.parameters),
            policy=asked.policy,
            state=state,
            job_id=entry.job_id or None,
            reason=entry.message or entry.held or entry.code or None,
            currency=job.currency,
            price_as_of=job.prices_as_of[asked.tier],
            estimated_micros=entry.worst_cost,
            settled_micros=entry.cost,
            take_uri=f"{FOLDER}/{entry.path}" if entry.path else None,
            take_sha256=entry.sha256 or None,
            take_bytes=entry.bytes or None,
            gates=list(gates),
        )
    )


def why_not(asset: Asset, made: Mapping[str, Made]) -> str:
    """Why an asset cannot be finished: the state of the first request that it lacks; empty where it can."""
    states = (made[one].state if one in made else HELD for one in asset.requests)
    return next((state for state in states if state != STORED), "")


def asset_row(job: Job, asset: Asset, made: Mapping[str, Made], allowed: Ingredients | None) -> dict[str, Any]:
    """The row of an asset, all but what finishing adds.

    Args:
        job: The run.
        asset: The asset as planned.
        made: What became of its requests.
        allowed: What the registry says of everything in it; None: there is no registry.
    """
    parts = [made[one] for one in asset.requests]
    last = [one.entries[-1] for one in parts]
    form, grants = asset.format, allowed.licences if allowed else ()
    return {
        "asset_id": asset.asset_id,
        "campaign": asset.campaign,
        "campaign_sha256": job.campaign_sha256,
        "cell": asset.cell,
        "sample": asset.sample,
        "name": asset.name,
        "product": asset.product or None,
        "language": asset.copy.language,
        "markets": list(asset.markets),
        "format": form.name,
        "platform": form.platform or None,
        "engines": sorted({"/".join(filter(None, _engine(one))) for one in last}),
        "requests": [one.name for one in last],
        "prompts": [one.request.prompt for one in last],
        "seeds": [one.seed for one in last],
        "works": sorted({*asset.works, *(work for _, one in grants for work in one.works)}),
        "consents": sorted({one.grant.statement_id for _, one in grants}),
        "verdict": allowed.verdict if allowed else UNCHECKED,
        "registry_version": job.registry_version,
        "people": asset.people,
        "disclosure": asset.copy.disclosure or None,
        "factors": dict(asset.factors),
        "headline": asset.copy.headline or None,
        "width": form.width,
        "height": form.height,
        "frame_rate": form.frame_rate,
        "lint": list(asset.lint),
        "currency": job.currency,
        "estimated_micros": sum(one.entries[-1].worst_cost for one in parts),
        "settled_micros": sum(one.cost for one in parts),
    }


def finished_row(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The whole row of an asset, once it is finished."""
    return to_dict(AssetRow(**row, **told))


def _engine(entry: Entry) -> tuple[str, str, str]:
    return entry.request.engine, entry.request.model, entry.request.revision


class Rights:
    """What the registry says of everything that is in an asset, each distinct question asked once.

    Args:
        held: The registry.
        recipient: Who makes it.
        display_regime: Regime of showing.
    """

    def __init__(self, held: Held, recipient: str | None, display_regime: str) -> None:
        self._held, self._recipient, self._regime = held, recipient, display_regime
        self._named: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._found: dict[tuple[Any, ...], Ingredients] = {}

    def of(self, asset: Asset, prompts: Sequence[str]) -> Ingredients:
        """What is decided of works and people in it and in the words that it was made from."""
        texts = tuple(dict.fromkeys(prompts))
        asked = Prompt(
            (), frozenset(asset.markets), asset.product or None, asset.copy.language or None, self._recipient
        )
        if texts not in self._named:
            (found,) = screen_prompts(self._held, [dataclasses.replace(asked, texts=tuple(map(Text, texts)))])
            self._named[texts] = tuple(one.work_id for one in found.named)
        works = tuple(sorted({*asset.works, *self._named[texts]}))
        key = (works, asked)
        if key not in self._found:
            self._found[key] = screen_ingredients(self._held, works, asked, self._regime)
        return self._found[key]


def use_rows(job: Job, asset: Asset, allowed: Ingredients, there: Collection[str]) -> Iterator[dict[str, Any]]:
    """Rows of `licensed_uses` of an asset that are not there yet.

    Args:
        job: The run.
        asset: The asset.
        allowed: The grants that it rests on.
        there: Ids of the rows that are there.
    """
    length = round(asset.format.frames / Fraction(asset.format.frame_rate) * 1_000_000)
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    for use, licence in allowed.licences:
        grant = licence.grant
        for work in licence.works:
            name = use_id(asset.asset_id, None, grant.statement_id, work)
            if name in there:
                continue
            yield to_dict(
                LicensedUseRow(
                    use_id=name,
                    kind="asset",
                    used_in=asset.asset_id,
                    recipient=job.recipient,
                    use=use,
                    territories=list(asset.markets),
                    product=asset.product or None,
                    language=asset.copy.language or None,
                    work_id=work,
                    works=[work],
                    party_id=grant.party_id,
                    statement_id=grant.statement_id,
                    share_bp=grant.share_bp,
                    microseconds=length,
                    at=at,
                    registry_version=job.registry_version or 1,
                )
            )


def counted(made: Iterable[Made]) -> Counter[str]:
    """How many requests there are by what became of them, as the balance names it."""
    found: Counter[str] = Counter()
    for one in made:
        found["requests.in"] += 1
        if one.state != STORED and failure_of(one) is None:
            found[f"requests.dropped.{one.state}"] += 1
    return found
