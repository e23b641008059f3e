"""Plans: what a campaign comes to before anything is made: assets, requests, what is refused, time and money."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping

from generation.asset import Asset
from generation.prompts import PreparedWords, WordSpan
from generation.request import Request
from generation.values import MICRO

REFUSALS: Mapping[str, str] = {
    "words": "a prompt, or copy that goes with it, may not be sent",
    "works": "a licensed work or a person's likeness may not be used so",
    "platform": "the platform does not take such a file",
    "capability": "the engine cannot make it",
    "licence": "the engine's licence does not allow it",
    "price": "nobody knows what it costs, or it is in another currency",
    "timeline": "the shots do not fit the length",
    "copy": "a text is missing in the language",
}
"""Why an asset is refused."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlannedRequest:
    """A request, and what is known before it is sent.

    Attributes:
        request: The request.
        cost: What it costs at most if it is made once, in micro-units of the currency.
        words: Its words, before and after rewriting.
        cells: How many cells it is for.
    """

    request: Request
    cost: int
    words: PreparedWords
    cells: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Refusal:
    """A cell that is not made, with the first thing that stands against it.

    Attributes:
        cell: The cell.
        shot: The shot that it is about; empty: all of it.
        reason: One of `REFUSALS`.
        words: Why, for a person, and what to do.
        entries: Ids of the registry's statements, or entries of lists, that decided.
        spans: Where in which text what decided stands.
    """

    cell: str
    shot: str = ""
    reason: str
    words: str
    entries: tuple[str, ...] = ()
    spans: tuple[WordSpan, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the requests of a tier come to.

    Attributes:
        tier: The tier.
        engine: Its engine.
        model: The engine's model.
        requests: How many.
        seconds: Of video that is asked for, all together.
        cost: In micro-units of the currency, if each is made once.
        most: The same, if each is made as often as the campaign allows.
        wall_seconds: Until all is there, with all lanes open.
        assumed: How long a job takes was assumed: neither campaign nor engine says.
        in_flight: Jobs at once.
        price_as_of: Date of the price list.
        price_source: Where it stands.
    """

    tier: str
    engine: str
    model: str
    requests: int
    seconds: float
    cost: int
    most: int
    wall_seconds: float
    assumed: bool
    in_flight: int
    price_as_of: str
    price_source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What a campaign comes to.

    Attributes:
        campaign: Its name.
        currency: Of all costs.
        policy: Digest of the registry's version that words were screened with; empty: of none.
        cells: How many the matrix has, with those that are excluded or refused.
        excluded: How many are excluded.
        assets: What is made, in the order of the matrix.
        requests: What is sent for them, each once, those that others wait for first.
        refusals: What is not made, and why.
        estimates: Of each tier.
        notes: What a person should know and what stops nothing.
    """

    campaign: str
    currency: str
    policy: str
    cells: int
    excluded: int
    assets: tuple[Asset, ...]
    requests: tuple[PlannedRequest, ...]
    refusals: tuple[Refusal, ...]
    estimates: tuple[Estimate, ...]
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> int:
        """Micro-units of the currency, if every request is made once."""
        return sum(one.cost for one in self.estimates)

    @property
    def refused(self) -> Counter[str]:
        """How many cells are refused for which reason."""
        return Counter(one.reason for one in self.refusals)


def money(micro: int) -> str:
    """Micro-units as a person reads them, exact: `12.50`, `0.0035`."""
    units, rest = divmod(abs(micro), MICRO)
    digits = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micro < 0 else ''}{units:,}.{digits}"
