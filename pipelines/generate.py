"""Generate: a campaign from its plan to finished files, with a ledger between every call that costs and the next.

A runner may finish one step before it begins another. Were submit, poll and fetch steps of its own, ten thousand jobs
would be under way before the first is asked about, and their links expired. So they are three loops side by side in one
step, over states that the ledger keeps, and that step may be repeated, split and killed at any moment.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import hashlib
import itertools
import os
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.dataset as ds
from apache_beam.pvalue import PCollection

from filters.rights import prompts as rights
from generation import approvals
from generation.asked_rewriting import AskedRewriter
from generation.asset import Asset
from generation.campaign import Campaign
from generation.campaign_file import load_campaign, load_offers, with_engine
from generation.execution import DriveSettings
from generation.ledger.database import check_reach
from generation.ledger.entries import Summary
from generation.ledger.ledger import open_ledger
from generation.plans import Plan, money
from generation.rewriting import Rewriter, load_rewriter
from pipelines import engine, generate_verbs, generated, generating, options, pinning, steps
from pipelines.columns import readable, say
from pipelines.config import Config
from pipelines.generated import Made, Rights
from pipelines.generating import FOLDER, Job
from pipelines.steps import NEXT, ROWS, TALLY, Gathering
from pipelines.writing import RunPlan
from transforms import progress, storage, tables
from transforms.failures import ElementError
from transforms.pool import Pool, shared_pool
from transforms.settings import ConfigError, from_mapping, option_name
from transforms.store import Store

GROUPS = ("run", "rights", "pool")
"""Groups of settings the job takes."""

DESCRIPTION = """\
Make what a campaign asks for: plan it, screen its words and references, send what is not there yet, look at what comes
back, and finish every file for its platform. What was paid for is never paid for again: stop it, kill it, and run the
same command to go on."""

EPILOG = """\
examples:
  rushes generate examples/campaign.yaml --output OUT
  rushes generate campaign.yaml --output OUT --rights rights --ledger postgresql://user@host/rushes
  rushes generate status OUT
  rushes generate stop OUT --why "wrong price"
  rushes generate go OUT
  rushes generate reconcile OUT

exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with failures recorded, 130 stopped by Ctrl-C"""

_DRIVING = ("grace", "patience", "lease")
"""Settings of a worker that have an option; the others are nobody's business."""

_WORKERS = 1
"""Workers that drive a campaign. One has as much in flight as the engines allow; more help where fetching is slow."""


def parser() -> options.Parser:
    """The job's command line."""
    made = options.Parser(
        prog="rushes generate",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="rushes generate CAMPAIGN --output OUT [options]",
    )
    made.add_argument("campaign", metavar="CAMPAIGN", help="the campaign's file: `rushes plan --schema` describes it")
    options.add_job(made)
    made.add_argument(
        "--ledger",
        metavar="DB",
        help="database of what was sent and paid, a path or postgresql://... [default OUT/generation/ledger.sqlite]",
    )
    for name in _DRIVING:
        field = next(one for one in dataclasses.fields(DriveSettings) if one.name == name)
        doc = f"{field.metadata['doc']} [default {field.default:g} {field.metadata['unit']}]"
        made.add_argument(option_name(field), dest=name, metavar="S", help=doc, default=argparse.SUPPRESS)
    made.add_argument("--engine", metavar="NAME[:MODEL][,SETTING=VALUE...]", help="instead of the first tier's engine")
    made.add_argument("--rewriter", metavar="R", help="who writes prompts: template, or openai:MODEL,url=...")
    made.add_argument("--workers", type=int, metavar="N", help=f"workers that drive the campaign [default {_WORKERS}]")
    options.add_settings(made, GROUPS)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the job, or one of its verbs, from the command line; returns the exit code.

    Raises:
        ConfigError: Wrong usage; a campaign that is wrong, with all its lines; an engine that cannot work.
    """
    if argv and argv[0] in generate_verbs.VERBS:
        return generate_verbs.run(argv)
    own = parser()
    mine, beam_args = options.split_beam(argv, own)
    given = own.parse_args(mine)
    settled, words = options.settle(given, GROUPS)
    dry = options.is_dry(beam_args)
    root = storage.normalise(words.output)
    if storage.is_remote(root):
        raise ConfigError(
            f"--output {storage.redact(root)}: generated files are written to a folder of this machine, or one that all"
            " workers mount; copy them to a bucket afterwards"
        )
    ledger = given.ledger or str(Path(root, FOLDER, "ledger.sqlite"))
    check_reach(ledger, remote=words.runner not in (engine.LOCAL, "FnApiRunner", "BundleBasedDirectRunner"))
    settled = settled if dry else pinning.pinned(settled, root)
    campaign = load_campaign(given.campaign)
    if given.engine:
        campaign = with_engine(campaign, given.engine)
    if settled.rights.rights is None and "rights" not in given:
        _unscreened(campaign)
    generating.check(campaign)
    offered = load_offers(campaign)
    found = generating.planned(campaign, offered, settled.rights, _rewriter(given.rewriter, root))
    job = Job(
        root=root,
        campaign=campaign.campaign,
        campaign_sha256=hashlib.sha256(storage.read_bytes(given.campaign)).hexdigest(),
        ledger=ledger,
        engines={name: campaign.tiers[name].engine for name in offered},
        currency=found.currency,
        prices_as_of={name: offer.price.as_of for name, offer in offered.items()},
        assets=(),
        requests=(),
        refused=len(found.refusals),
        waiting=0,
        recipient=settled.rights.recipient,
        registry_version=settled.rights.rights_version,
        drive=from_mapping(DriveSettings, {name: vars(given)[name] for name in _DRIVING if name in given}),
    )
    _tell(found)
    if not dry:
        corpus = tables.create_corpus(root, settled.run.buckets)
        going = approved(corpus, campaign, found)
        waiting = len(found.assets) - len(going.assets)
        assets, requests = generating.write_plan(root, going)
        job = dataclasses.replace(job, assets=assets, requests=requests, waiting=waiting)
        with open_ledger(ledger) as held:
            new = generating.enter(held, campaign, going, offered)
        generate_verbs.remember(job, found.refusals)
        say(f"{new} of {len(going.requests)} requests are new; the others are in the ledger already.")
        if waiting:
            say(f"{len(going.assets)} assets are the sample; {waiting} wait until one of each cell of it is approved.")
    code = engine.run_job(
        "generate",
        root,
        lambda pipeline, plan: graph(pipeline, plan, job, settled, given.workers or _WORKERS),
        # The page of a run shows clips; a campaign has a page of its own.
        dataclasses.replace(settled, run=dataclasses.replace(settled.run, report=False)),
        words.runner,
        beam_args,
        shlex.join(["rushes", "generate", *argv]),
    )
    if not dry:
        with open_ledger(ledger) as held:
            generate_verbs.remarks(held, job.campaign)
        if settled.run.report:
            say(f"Page: {generate_verbs.write_page(root, job.campaign)}")
    return code


def approved(corpus: tables.Corpus, campaign: Campaign, found: Plan) -> Plan:
    """The part of a plan that may be made now: the sample cells, and the others once those are approved."""
    cells: dict[str, list[str]] = {}
    for asset in found.assets:
        cells.setdefault(asset.cell, []).append(asset.asset_id)
    sample = approvals.sample_of(cells, campaign.sample_cells)
    files = {row["asset_id"]: row["sha256"] for row in generate_verbs.assets(corpus, campaign.campaign)}
    going = approvals.ready(cells, sample, approvals.read(corpus.root), files)
    assets = tuple(asset for asset in found.assets if asset.cell in going)
    needed = {name for asset in assets for name in asset.requests}
    requests = tuple(one for one in found.requests if one.request.request_id in needed)
    return dataclasses.replace(found, assets=assets, requests=requests)


def _rewriter(spec: str | None, root: str) -> Rewriter | None:
    """The one that was named; what a model answers stays, since ids of requests follow from it."""
    if spec is None:
        return None
    made = load_rewriter(spec)
    if isinstance(made, AskedRewriter):
        made.answers = Store(root)
    return made


def _unscreened(campaign: Campaign) -> None:
    """Drawn previews need no registry; whatever else is made without one has to be said.

    Raises:
        ConfigError: An engine makes footage.
    """
    made = sorted(name for name, offer in load_offers(campaign).items() if not offer.local)
    if made:
        raise ConfigError(
            f"no --rights given: tier {', '.join(made)} makes footage, and nobody would look for names of works and"
            " people; name the registry, or say --rights none"
        )
    say("No registry: names of works and people are not looked for; every row says `unchecked`.")


def _tell(found: Plan) -> None:
    for one in found.refusals[:20]:
        say(f"Refused: {readable(one.cell)}: {readable(one.words)}")
    if len(found.refusals) > 20:
        say(f"  ... and {len(found.refusals) - 20} more; `rushes plan` lists them")
    counts = f"{len(found.assets)} assets from {len(found.requests)} requests"
    say(f"{counts}, {money(found.cost)} {found.currency} if each is made once.")


def graph(
    pipeline: beam.Pipeline, plan: RunPlan, job: Job, config: Config, workers: int
) -> Mapping[str, PCollection[Any]]:
    """Wire the steps: drive, settle, finish."""
    driven = (
        pipeline
        | "Workers" >> beam.Create(range(workers))
        | "Spread" >> beam.Reshuffle()
        | "Drive" >> beam.ParDo(_Drive(plan, job, config))
    )
    settled = (
        pipeline
        | "Once" >> beam.Create([None])
        | "Settle" >> beam.ParDo(_Settle(plan, job, config), beam.pvalue.AsList(driven)).with_outputs(ROWS, TALLY, NEXT)
    )
    done = (
        settled[NEXT]
        | "SpreadAssets" >> beam.Reshuffle()
        | "Finish" >> beam.ParDo(_Finish(plan, job, config)).with_outputs(ROWS, TALLY)
    )
    return {name: (settled[name], done[name]) | f"All{name}" >> beam.Flatten() for name in (ROWS, TALLY)}


def _pool(plan: RunPlan, config: Config) -> Pool:
    settings = config.pool
    if plan.progress is None and not settings.children:
        settings = dataclasses.replace(settings, children=1)
    return shared_pool(settings, ("pipelines.generating",), plan.progress)


class _Drive(beam.DoFn):
    """Drives the campaign until nothing of it can move; several do it together. What it gives is only waited for."""

    def __init__(self, plan: RunPlan, job: Job, config: Config) -> None:
        self._plan, self._job, self._config = plan, job, config

    def process(self, element: int) -> Iterator[int]:
        """Be one of the workers."""
        sender = progress.Sender(self._plan.progress)

        def told(summary: Summary) -> None:
            sender.send({"note": generate_verbs.line(summary, self._job.currency)})

        worker = f"{self._plan.run_id}-{element}-{os.getpid()}-{secrets.token_hex(3)}"
        try:
            generating.make(self._job, worker, _pool(self._plan, self._config), told)
        finally:
            sender.close()
        yield element


class _Settle(Gathering):
    """Everything in the ledger to rows of requests, and the assets that can be finished."""

    def __init__(self, plan: RunPlan, job: Job, config: Config) -> None:
        super().__init__(plan)
        self._job, self._config = job, config

    def process(self, _: None, driven: Sequence[int]) -> Iterator[Any]:
        """Settle the campaign, once every worker is done."""
        job, made = self._job, {}
        wanted = {}
        for one in generating.read_plan(job.root, job.requests):
            request = generating.request_id(one)
            wanted[request] = {"source": one["source"], "rewriter": one["rewriter"]}
        with open_ledger(job.ledger) as ledger:
            for name, attempts in itertools.groupby(ledger.rows(job.campaign), key=lambda entry: entry.request_id):
                if name in wanted:
                    made[name] = generated.made_of(job, tuple(attempts), wanted[name])
                    self._add(name, made[name])
                    yield from self._sendable(everything=False)
        self._counts.update(generated.counted(made.values()))
        left = {"refused": job.refused, "waits for approval": job.waiting}
        self._counts.update({"requests.in": 0, "assets.in": job.refused + job.waiting})
        self._counts.update({f"assets.dropped.{why}": count for why, count in left.items() if count})
        held = None if self._config.rights.rights is None else rights.of_settings(self._config.rights)
        asking = held and Rights(held, job.recipient, self._config.rights.display_regime)
        for values in generating.read_plan(job.root, job.assets):
            self._counts["assets.in"] += 1
            asset = Asset.from_json(values)
            if why := generated.why_not(asset, made):
                self._counts[f"assets.dropped.{why}"] += 1
                continue
            mine = {one: made[one] for one in asset.requests}
            last = [one.entries[-1] for one in mine.values()]
            said = [text for one in asset.requests for text in (wanted[one]["source"], mine[one].rows[-1]["prompt"])]
            allowed = asking.of(asset, said) if asking else None
            if allowed is not None and allowed.verdict != "allow":
                self._counts["assets.dropped.refused"] += 1
                continue
            row = generated.asset_row(job, asset, mine, allowed)
            uses = list(generated.use_rows(job, asset, allowed, self._uses())) if allowed else []
            takes = {one.request_id: one.path for one in last}
            self._next.append({"asset": values, "takes": takes, "row": row, "uses": uses})
            yield from self._sendable(everything=False)

    def _add(self, name: str, one: Made) -> None:
        self._rows.add([("requests", row) for row in one.rows], [("requests", name, (name,), len(one.rows))])
        if error := generated.failure_of(one):
            self._rows.add([("failures", steps.failure(self._plan.run_id, "request", name, error))], [])

    def _uses(self) -> frozenset[str]:
        if not hasattr(self, "_there"):
            corpus, base = self._plan.corpus, self._plan.base
            if base and tables.live_parts(tables.delta(corpus, "licensed_uses", base)):
                rows = tables.read(corpus, "licensed_uses", base, ["use_id"], ds.field("kind") == "asset")
                self._there = frozenset(rows.column("use_id").to_pylist())
            else:
                self._there = frozenset()
        return self._there


class _Finish(Gathering):
    """Assets to finished files and their rows, in child processes."""

    def __init__(self, plan: RunPlan, job: Job, config: Config) -> None:
        super().__init__(plan)
        self._job, self._config = job, config

    def setup(self) -> None:
        self._pool: Pool = _pool(self._plan, self._config)

    def start_bundle(self) -> None:
        super().start_bundle()
        self._running: dict[concurrent.futures.Future[Any], dict[str, Any]] = {}

    def process(self, element: dict[str, Any]) -> Iterator[Any]:
        """Take one asset; collect what has ended."""
        arguments = {"root": self._job.root, "asset": element["asset"], "takes": element["takes"]}
        name = element["row"]["name"]
        self._running[self._pool.submit("pipelines.generating:finish_task", arguments, name)] = element
        for future in [one for one in self._running if one.done()]:
            self._collect(future)
        yield from self._sendable(everything=False)

    def finish_bundle(self) -> Iterator[Any]:
        while self._running:
            self._collect(next(concurrent.futures.as_completed(list(self._running))))
        yield from super().finish_bundle()

    def _collect(self, future: concurrent.futures.Future[Any]) -> None:
        element = self._running.pop(future)
        name = element["row"]["asset_id"]
        try:
            row = generated.finished_row(element["row"], future.result())
        except ElementError as error:
            self._rows.add([("failures", steps.failure(self._plan.run_id, "asset", name, error))], [])
            return
        uses = [("licensed_uses", use) for use in element["uses"]]
        self._rows.add([("assets", row), *uses], [("assets", name, (name,), 1)])


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
