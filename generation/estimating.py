"""Estimating: what requests come to in money and time, and what a person should know of that."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from generation.asking import engine_name
from generation.campaign import Campaign
from generation.engines.engine import Offer
from generation.plans import Estimate, PlannedRequest, money

JOB_SECONDS: Final = 60.0
"""How long a job of an engine elsewhere is assumed to take: hosted models of 2026 need one to three minutes for 5 to
10 s at 720p; `job_seconds` of a tier says better."""
REAL_TIME: Final = 1.0
"""Seconds that an engine in the worker is assumed to need for each second of video."""


def estimates(
    campaign: Campaign, offers: Mapping[str, Offer], requests: Sequence[PlannedRequest]
) -> tuple[Estimate, ...]:
    """What the requests of each tier come to, in the campaign's order of tiers, those without requests left out."""
    by_tier: dict[str, list[PlannedRequest]] = defaultdict(list)
    for one in requests:
        by_tier[one.request.tier].append(one)
    return tuple(_estimate(campaign, name, offers[name], by_tier[name]) for name in campaign.tiers if by_tier[name])


def _estimate(campaign: Campaign, name: str, offer: Offer, requests: Sequence[PlannedRequest]) -> Estimate:
    tier = campaign.tiers[name]
    seconds = sum(one.request.seconds for one in requests)
    cost = sum(one.cost for one in requests)
    in_flight = min(offer.in_flight, tier.in_flight or offer.in_flight)
    per_minute = min((n for n in (offer.per_minute, tier.per_minute) if n), default=0)
    assumed = seconds / len(requests) * REAL_TIME if offer.local else JOB_SECONDS
    job = tier.job_seconds or assumed
    # Parts of one shot come one after the other, however many lanes are open.
    longest = 1 + max(one.request.part for one in requests)
    wall = max(
        job * max(longest, math.ceil(len(requests) / in_flight)), 60 * len(requests) / per_minute if per_minute else 0
    )
    return Estimate(
        tier=name,
        engine=engine_name(tier),
        model=offer.model,
        requests=len(requests),
        seconds=seconds,
        cost=cost,
        most=cost * campaign.attempts,
        wall_seconds=wall,
        assumed=tier.job_seconds is None,
        in_flight=in_flight,
        price_as_of=offer.price.as_of,
        price_source=offer.price.source,
    )


def remarks(
    campaign: Campaign, offers: Mapping[str, Offer], found: Sequence[Estimate], requests: Sequence[PlannedRequest]
) -> list[str]:
    """What a person should know of a plan's money and engines."""
    told = []
    cost, cap = sum(one.cost for one in found), campaign.budget.campaign
    if cost > cap:
        amounts = f"{money(cost)} {campaign.budget.currency}, and the budget is {money(cap)}"
        told.append(campaign.error(("budget", "campaign"), f"the plan costs {amounts}: requests beyond it are held"))
    for one in found:
        offer = offers[one.tier]
        where = ("tiers", one.tier)
        if not offer.negative and any(each.words.negative for each in requests if each.request.tier == one.tier):
            told.append(campaign.error(where, f"{one.model} takes no negative prompt: it is not sent"))
        if offer.rewrites != "off":
            told.append(campaign.error(where, f"{one.model} may rewrite prompts itself, so a seed promises nothing"))
    return told
