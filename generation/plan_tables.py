"""Plan tables: a plan as rows, one for each cell's asset or refusal and one for each request, for files and pages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

from generation.campaign import Campaign
from generation.engines.engine import Offer
from generation.plans import Plan

_TEXT, _TEXTS, _WHOLE, _REAL = pa.string(), pa.list_(pa.string()), pa.int64(), pa.float64()

CELLS: Final = pa.schema(
    [
        pa.field("cell", _TEXT, metadata={"doc": "Coordinates in the matrix."}),
        pa.field("planned", pa.bool_(), metadata={"doc": "Whether it is made; otherwise it is refused."}),
        pa.field("reason", _TEXT, metadata={"doc": "Why it is refused, in a word; empty where it is made."}),
        pa.field("words", _TEXT, metadata={"doc": "Why it is refused, for a person."}),
        pa.field("entries", _TEXTS, metadata={"doc": "Statements and entries of lists that refuse it."}),
        pa.field("asset_id", _TEXT, metadata={"doc": "Id of the asset; empty where it is refused."}),
        pa.field("sample", _WHOLE, metadata={"doc": "Which of the cell's samples, from 0."}),
        pa.field("name", _TEXT, metadata={"doc": "Name of its file, without an ending."}),
        pa.field("product", _TEXT, metadata={"doc": "Id of the product."}),
        pa.field("language", _TEXT, metadata={"doc": "Language of its copy (BCP 47)."}),
        pa.field("markets", _TEXTS, metadata={"doc": "Where it is shown, ISO 3166-1 alpha-2; empty: everywhere."}),
        pa.field("format", _TEXT, metadata={"doc": "Name of its format."}),
        pa.field("platform", _TEXT, metadata={"doc": "Where it goes."}),
        pa.field("width", _WHOLE, metadata={"doc": "In pixels."}),
        pa.field("height", _WHOLE, metadata={"doc": "In pixels."}),
        pa.field("frames", _WHOLE, metadata={"doc": "Length in frames."}),
        pa.field("frame_rate", _TEXT, metadata={"doc": "Frames a second, as a fraction."}),
        pa.field("seconds", _REAL, metadata={"doc": "Length in seconds."}),
        pa.field("requests", _TEXTS, metadata={"doc": "Ids of the requests that it is made of."}),
        pa.field("cost", _WHOLE, metadata={"doc": "Cost of those requests, shared ones too, in micro-units."}),
        pa.field("works", _TEXTS, metadata={"doc": "Licensed works and likenesses in it."}),
        pa.field("factors", _TEXT, metadata={"doc": "What is compared, level by factor, as JSON."}),
        pa.field("lint", _TEXTS, metadata={"doc": "What its platform does not like and still takes."}),
    ]
)
"""Columns of `cells.parquet`."""

REQUESTS: Final = pa.schema(
    [
        pa.field("request_id", _TEXT, metadata={"doc": "SHA-256 of everything that decides over it, 32 digits."}),
        pa.field("cell", _TEXT, metadata={"doc": "Coordinates that its picture depends on."}),
        pa.field("sample", _WHOLE, metadata={"doc": "Which sample, from 0."}),
        pa.field("shot", _TEXT, metadata={"doc": "Shot of the storyboard."}),
        pa.field("part", _WHOLE, metadata={"doc": "Which part of the shot, from 0."}),
        pa.field("cells", _WHOLE, metadata={"doc": "How many cells share it."}),
        pa.field("tier", _TEXT, metadata={"doc": "Tier of the campaign."}),
        pa.field("engine", _TEXT, metadata={"doc": "Engine."}),
        pa.field("model", _TEXT, metadata={"doc": "Its model."}),
        pa.field("revision", _TEXT, metadata={"doc": "Revision of the model."}),
        pa.field("mode", _TEXT, metadata={"doc": "What is asked for."}),
        pa.field("source", _TEXT, metadata={"doc": "The shot in the campaign's words."}),
        pa.field("prompt", _TEXT, metadata={"doc": "The prompt that is sent."}),
        pa.field("negative", _TEXT, metadata={"doc": "What is not wanted, as it is sent."}),
        pa.field("rewriter", _TEXT, metadata={"doc": "What wrote the prompt."}),
        pa.field("notes", _TEXTS, metadata={"doc": "What a person should know of its words."}),
        pa.field("width", _WHOLE, metadata={"doc": "Asked for, in pixels."}),
        pa.field("height", _WHOLE, metadata={"doc": "Asked for, in pixels."}),
        pa.field("frames", _WHOLE, metadata={"doc": "Asked for."}),
        pa.field("frame_rate", _TEXT, metadata={"doc": "Frames a second, as a fraction."}),
        pa.field("seconds", _REAL, metadata={"doc": "Length in seconds."}),
        pa.field("sound", pa.bool_(), metadata={"doc": "Whether sound is asked for."}),
        pa.field("seed", _WHOLE, metadata={"doc": "Seed of the first attempt; null: the engine takes none."}),
        pa.field("inputs", _TEXT, metadata={"doc": "What else it is given, as JSON."}),
        pa.field("parameters", _TEXT, metadata={"doc": "Further parameters, as JSON."}),
        pa.field("cost", _WHOLE, metadata={"doc": "If it is made once, in micro-units of the currency."}),
        pa.field("currency", _TEXT, metadata={"doc": "ISO 4217."}),
        pa.field("price_as_of", _TEXT, metadata={"doc": "Date of the price list."}),
        pa.field("policy", _TEXT, metadata={"doc": "Digest of the registry's version; empty: of none."}),
    ]
)
"""Columns of `requests.parquet`."""


def cell_rows(plan: Plan) -> Iterator[dict[str, Any]]:
    """A row for each asset and for each cell that is refused, with the columns of `CELLS`."""
    costs = {one.request.request_id: one.cost for one in plan.requests}
    for one in plan.assets:
        form = one.format
        yield {
            "cell": one.cell,
            "planned": True,
            "reason": "",
            "words": "",
            "entries": [],
            "asset_id": one.asset_id,
            "sample": one.sample,
            "name": one.name,
            "product": one.product,
            "language": one.copy.language,
            "markets": list(one.markets),
            "format": form.name,
            "platform": form.platform,
            "width": form.width,
            "height": form.height,
            "frames": form.frames,
            "frame_rate": form.frame_rate,
            "seconds": float(form.frames / Fraction(form.frame_rate)),
            "requests": list(one.requests),
            "cost": sum(costs[name] for name in one.requests),
            "works": list(one.works),
            "factors": json.dumps(dict(one.factors)),
            "lint": list(one.lint),
        }
    for refusal in plan.refusals:
        about = f"{refusal.shot}: " if refusal.shot else ""
        yield {
            "cell": refusal.cell,
            "planned": False,
            "reason": refusal.reason,
            "words": f"{about}{refusal.words}",
            "entries": list(refusal.entries),
        }


def request_rows(campaign: Campaign, offers: Mapping[str, Offer], plan: Plan) -> Iterator[dict[str, Any]]:
    """A row for each request, with the columns of `REQUESTS`."""
    for one in plan.requests:
        asked, words, offer = one.request, one.words, offers[one.request.tier]
        inputs = [{name: value for name, value in vars(each).items() if value} for each in asked.inputs]
        yield {
            **{name: getattr(asked, name) for name in REQUESTS.names if hasattr(asked, name)},
            "seed": asked.seed(campaign.seed_salt, bits=offer.seed_bits) if offer.seed_bits else None,
            "cells": one.cells,
            "source": words.source,
            "rewriter": words.rewriter,
            "notes": list(words.notes),
            "inputs": json.dumps(inputs, ensure_ascii=False),
            "parameters": json.dumps(dict(asked.parameters), ensure_ascii=False),
            "cost": one.cost,
            "currency": plan.currency,
            "price_as_of": offer.price.as_of,
        }
