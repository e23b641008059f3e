"""Requests to test with."""

from __future__ import annotations

from typing import Any

from generation.ledger.entries import Planned
from generation.request import Input, Request
from tests.generation.ledger.paidserver import COST


def request(number: int = 0, prompt: str = "a flask", **more: Any) -> Request:
    """A request; another number is another one."""
    values = {"campaign": "spring", "cell": f"product={number}", "engine": "paid", "model": "m", "tier": "draft"}
    size = {"width": 64, "height": 64, "frames": 8, "frame_rate": "24"}
    return Request(**{**values, **size, "prompt": f"{prompt} {number}", **more})


def planned(number: int = 0, prompt: str = "a flask", **more: Any) -> Planned:
    """The same as a row of a plan. What a `Planned` knows goes there, the rest to the request."""
    own = {
        name: more.pop(name) for name in ("worst_cost", "blocked", "priority", "attempts", "expires") if name in more
    }
    return Planned(request=request(number, prompt, **more), salt="salt", **{"worst_cost": COST, **own})


def after(first: Planned, number: int = 100, **more: Any) -> Planned:
    """A request that goes on where another one ends."""
    return planned(number, mode="extend", inputs=(Input(role="video", request=first.request.request_id),), **more)
