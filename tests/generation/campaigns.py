"""Campaigns for tests: a small one that is right, and what engines may offer."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from generation.campaign import Campaign
from generation.campaign_file import load_offers, parse_campaign
from generation.engines.engine import Licence, Offer, Price
from generation.planning import plan
from generation.plans import REFUSALS, Plan
from generation.prompts import PreparedWords, ShotWords

SMALL: dict[str, Any] = {
    "version": 1,
    "campaign": "test",
    "brand": {"name": "Lumbrel", "legal": {"DE": {"de": "inkl. MwSt."}}},
    "products": {
        "flask": {"name": {"en": "Flask", "de": "Flasche"}, "look": "a teal flask", "pictures": ["flask.png"]},
        "cup": {"name": "Cup", "look": "a cream cup", "pictures": ["cup.png"]},
    },
    "audiences": {
        "hikers": {"place": "a ridge", "headline": {"en": "Up", "de": "Hinauf"}},
        "riders": {"place": "a platform", "headline": {"en": "On", "de": "Weiter"}},
    },
    "languages": {"en": {"markets": ["US"]}, "de": {"markets": ["DE"]}},
    "formats": {
        "wide": {"width": 1280, "height": 720, "seconds": 6},
        "story": {"width": 720, "height": 1280, "seconds": 6},
    },
    "storyboards": {
        "main": {
            "shots": [
                {"name": "place", "prompt": "{audience.place} at dawn", "seconds": 2, "product": False},
                {"name": "hero", "prompt": "{product.look} on a stone", "seconds": 2.5, "copy": ["headline"]},
            ],
            "end_card": {},
        }
    },
    "copy": {"headline": "{audience.headline}"},
    "tiers": {"draft": {"engine": "animatic"}},
    "budget": {"campaign": "100"},
}
"""Two products, audiences, languages and formats: 16 cells."""


def small(**changes: Any) -> dict[str, Any]:
    """The small campaign with other parts; None takes one out."""
    made = copy.deepcopy(SMALL)
    for name, value in changes.items():
        made[name] = value
    return {name: value for name, value in made.items() if value is not None}


def loaded(folder: Path, values: dict[str, Any] | str) -> Campaign:
    """A campaign from its values or its text, with files of one byte where it names any that are not there."""
    text = values if isinstance(values, str) else yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    for name in ("flask.png", "cup.png", "anna.png", "song.m4a", "clip.mp4"):
        if not (folder / name).exists():
            (folder / name).write_bytes(name.encode())
    return parse_campaign("campaign.yaml", text, lambda name: str(folder / name))


def offer(**changes: Any) -> Offer:
    """What a hosted engine may offer: 720p in 4, 6 and 8 s, that goes on from a video."""
    return Offer(
        **{
            "model": "some-model",
            "revision": "1",
            "modes": frozenset({"text", "image", "extend"}),
            "roles": frozenset({"image", "subject", "video"}),
            "sizes": ((1280, 720), (720, 1280)),
            "frame_rates": ("24",),
            "seconds": (4.0, 6.0, 8.0),
            "price": Price(per_second={720: 100_000}, as_of="2026-11-01", source="a list"),
            "licence": Licence(name="some licence", commercial=True),
            "rewrites": "off",
            **changes,
        }
    )


def as_said(words: Sequence[ShotWords]) -> list[PreparedWords]:
    """Every prompt as it is, allowed."""
    return [PreparedWords(prompt=one.text, negative=one.negative, source=one.text) for one in words]


def planned(
    folder: Path, values: dict[str, Any] | None = None, told: Offer | None = None, words: Any = as_said, **more: Any
) -> Plan:
    """The plan of a campaign, with the animatic engine or one that offers what is told."""
    campaign = loaded(folder, values or small())
    offers = load_offers(campaign) if told is None else dict.fromkeys(campaign.tiers, told)
    return plan(campaign, offers, words=words, **more)


def hosted(**changes: Any) -> dict[str, Any]:
    """The small campaign on an engine elsewhere."""
    return small(tiers={"draft": {"engine": "videos-api:m", "leave_out": ["subject"]}}, **changes)


def shots(*made: dict[str, Any], card: bool = True, **more: Any) -> dict[str, Any]:
    """Storyboards with one, of some shots that show no product."""
    values = [{"name": f"s{at}", "prompt": "p", "product": False, **one} for at, one in enumerate(made)]
    return {"main": {"shots": values, **({"end_card": {}} if card else {}), **more}}


def ids(found: Plan) -> set[str]:
    """Ids of all requests."""
    return {one.request.request_id for one in found.requests}


def only(found: Plan) -> tuple[str, str]:
    """The one reason that everything is refused for, and its words."""
    (reason,) = {one.reason for one in found.refusals}
    assert reason in REFUSALS
    assert not found.assets
    assert not found.requests
    return reason, found.refusals[0].words
