"""Plan: what a campaign comes to, before anything is sent or paid. Nothing is written but the files that are named."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from generation import campaign_file, plan_tables
from generation.asset import Asset
from generation.campaign import Campaign
from generation.plans import Plan, money
from pages.plan import Strip, render_plan
from pages.rendering import lasting
from pipelines import config as configuration
from pipelines import generating, options
from pipelines.columns import columns, readable, say
from transforms import storage
from transforms.settings import ConfigError

GROUPS = ("rights",)
"""Groups of settings the command takes."""

DESCRIPTION = """\
Work out what a campaign comes to: its cells, what is sent to which engine, what is refused and why, how long it takes
and what it costs by which price list. Nothing is sent. Equal campaigns give equal ids and seeds, so what is made
already is not made again."""

EPILOG = """\
examples:
  rushes plan examples/campaign.yaml
  rushes plan campaign.yaml --rights rights --page plan.html --output-parquet plan/
  rushes plan campaign.yaml --engine animatic
  rushes plan --schema > campaign.schema.json

exit codes: 0 every cell can be made, 2 wrong usage or a campaign that is wrong, 3 some cells are refused"""

ALL_PLANNED, SOME_REFUSED = 0, 3
"""Exit codes, as of jobs that end with failures recorded."""

SHOWN: Final = 20
"""Reasons that are printed; the page and the files have all."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes plan", description=DESCRIPTION, epilog=EPILOG, usage="rushes plan CAMPAIGN [options]"
    )
    made.add_argument("campaign", nargs="?", metavar="CAMPAIGN", help="the campaign, a YAML file")
    made.add_argument("--engine", metavar="NAME[:MODEL][,SETTING=VALUE...]", help="instead of the first tier's engine")
    made.add_argument("--output-parquet", metavar="DIR", help="folder for cells.parquet and requests.parquet")
    made.add_argument("--page", metavar="FILE", help="write the plan as one HTML page")
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    made.add_argument("--schema", action="store_true", help="print the JSON schema of campaigns, and stop")
    options.add_settings(made, GROUPS)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: Wrong usage, or the campaign is wrong: a line for each thing, with its place in the file.
    """
    given = parser().parse_args(list(argv))
    if given.schema:
        print(json.dumps(campaign_file.schema(), indent=1))
        return ALL_PLANNED
    if not given.campaign:
        raise ConfigError("no CAMPAIGN given: name its YAML file; `rushes storyboard` writes one from a sentence")
    known = configuration.option_groups(GROUPS)
    chosen = {name: value for name, value in vars(given).items() if name in known}
    settings = configuration.resolve(GROUPS, chosen).rights
    campaign = campaign_file.load_campaign(given.campaign)
    if given.engine:
        campaign = campaign_file.with_engine(campaign, given.engine)
    offers = campaign_file.load_offers(campaign)
    found = generating.planned(campaign, offers, settings)
    cells = list(plan_tables.cell_rows(found))
    requests = list(plan_tables.request_rows(campaign, offers, found))
    if given.output_parquet:
        _write(given.output_parquet, "cells", plan_tables.CELLS, cells)
        _write(given.output_parquet, "requests", plan_tables.REQUESTS, requests)
    if given.page:
        storage.write_bytes(given.page, page(campaign, found, cells, requests))
    if given.json:
        print(json.dumps(_summary(found), indent=1, ensure_ascii=False))
    else:
        _tell(campaign, found)
    return SOME_REFUSED if found.refusals else ALL_PLANNED


def page(
    campaign: Campaign, found: Plan, cells: Sequence[Mapping[str, Any]], requests: Sequence[Mapping[str, Any]]
) -> bytes:
    """The plan as a page.

    Args:
        campaign: The campaign.
        found: Its plan.
        cells: The plan's `cell_rows`.
        requests: The plan's `request_rows`.
    """
    facts = {
        "campaign": found.campaign,
        "cells": found.cells,
        "excluded": found.excluded,
        "cost": money(found.cost),
        "budget": money(campaign.budget.campaign),
        "currency": found.currency,
        "policy": found.policy,
    }
    estimates = [{**vars(one), "cost": money(one.cost), "most": money(one.most)} for one in found.estimates]
    strips: dict[tuple[str, ...], Strip] = {}
    for one in found.assets:
        key = (one.format.name, *(f"{shot.name} {shot.start}" for shot in one.shots))
        if key not in strips:
            strips[key] = _strip(one)
    asked = [{**row, "price": money(row["cost"])} for row in requests]
    return render_plan(facts, estimates, list(strips.values()), cells, asked, found.notes)


def _strip(one: Asset) -> Strip:
    total = one.format.frames
    pieces = [(shot.name, shot.start / total, shot.frames / total) for shot in one.shots]
    if one.end_card is not None:
        pieces.append(("end card", one.end_card.start / total, one.end_card.frames / total))
    form = one.format
    title = f"{form.name}, {form.width} × {form.height}"
    return Strip(title, float(total / Fraction(form.frame_rate)), tuple(pieces))


def _tell(campaign: Campaign, found: Plan) -> None:
    excluded = f", {found.excluded:,} excluded" if found.excluded else ""
    counts = f"{len(found.assets):,} assets from {len(found.requests):,} requests"
    say(f"{found.campaign}: {found.cells:,} cells{excluded}; {counts}")
    if found.estimates:
        names = ("tier", "engine", "requests", "video", "cost", "with all attempts", "until done", "prices of")
        rows = [
            [
                one.tier,
                one.engine if one.model == one.engine else f"{one.engine} {readable(one.model)}",
                f"{one.requests:,}",
                lasting(one.seconds),
                f"{money(one.cost)} {found.currency}",
                f"{money(one.most)} {found.currency}",
                lasting(one.wall_seconds) + (" (assumed)" if one.assumed else ""),
                f"{one.price_as_of}, {readable(one.price_source)}",
            ]
            for one in found.estimates
        ]
        say("")
        say(columns(names, rows, right=("requests", "video", "cost", "with all attempts"), wrap=("prices of",)))
    if found.refusals:
        say(f"\nrefused: {len(found.refusals):,} cells")
        by_words: dict[tuple[str, str], list[str]] = {}
        for one in found.refusals:
            by_words.setdefault((one.reason, one.words), []).append(one.cell)
        rows = [[reason, str(len(cells)), readable(words), cells[0]] for (reason, words), cells in by_words.items()]
        say(columns(("reason", "cells", "why", "such as"), rows[:SHOWN], right=("cells",), wrap=("why",)))
        if len(rows) > SHOWN:
            say(f"and {len(rows) - SHOWN} more reasons: --page or --output-parquet have all of them")
    for note in (*found.notes, *([] if found.policy else ["no registry was asked: nobody looked for names of works"])):
        say(f"note: {readable(note)}")
    if any(found.refused.values()) and not found.assets:
        say("Nothing can be made of it as it is.")


def _summary(found: Plan) -> dict[str, Any]:
    return {
        "campaign": found.campaign,
        "currency": found.currency,
        "policy": found.policy,
        "cells": found.cells,
        "excluded": found.excluded,
        "assets": len(found.assets),
        "requests": len(found.requests),
        "cost_micro": found.cost,
        "estimates": [dict(vars(one)) for one in found.estimates],
        "refusals": [
            {**vars(one), "entries": list(one.entries), "spans": [dict(vars(span)) for span in one.spans]}
            for one in found.refusals
        ],
        "notes": list(found.notes),
    }


def _write(folder: str, name: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
    made = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), made, compression="zstd")
    storage.write_bytes(storage.join(folder, f"{name}.parquet"), made.getvalue())


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
