"""What a person does about a campaign that is under way: look, stop, let it go on, settle what is in doubt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow.dataset as ds

from generation import approvals
from generation.engines.engine import load_engine
from generation.ledger.entries import Entry, Spending, Summary
from generation.ledger.ledger import SETTLED_AS, Ledger, open_ledger
from generation.ledger.reconciling import Reconciled, reconcile
from generation.ledger.tables import OPEN, STATES
from generation.plans import Refusal, money
from pages.campaign import Refused, render
from pipelines import options
from pipelines.columns import columns, readable, say
from pipelines.generating import FOLDER, Job
from pipelines.rights_words import para
from transforms import storage, tables
from transforms.settings import ConfigError

VERBS: Final = {
    "status": "how a campaign stands, and what it has cost",
    "stop": "send nothing new; what is under way is followed up, since it is paid",
    "go": "take a stop back",
    "reconcile": "settle what is in doubt with the engine, or by a person's word",
}
"""What `rushes generate VERB OUT` does."""

_SHOWN: Final = 20
"""Lines of what waits that are printed; the table `requests` has all."""


def remember(job: Job, refusals: Iterable[Refusal]) -> None:
    """Note how a campaign is made, for verbs and page. The ledger's address may hold a password and is not noted."""
    told = [Refused(one.cell, one.shot, one.reason, one.words, one.entries) for one in refusals]
    noted = {"engines": dict(job.engines), "currency": job.currency, "refused": told}
    storage.write_bytes(str(_note(Path(job.root), job.campaign)), json.dumps(noted).encode())


def assets(corpus: tables.Corpus, campaign: str) -> list[dict[str, Any]]:
    """Rows of `assets` of a campaign."""
    return _rows(corpus, "assets", campaign)


def _rows(corpus: tables.Corpus, table: str, campaign: str) -> list[dict[str, Any]]:
    base = tables.roll_forward(corpus).number
    if not base or not tables.live_parts(tables.delta(corpus, table, base)):
        return []
    return list(tables.read(corpus, table, base, None, ds.field("campaign") == campaign).to_pylist())


def write_page(root: str, campaign: str) -> str:
    """Write the page of a campaign beside its files; where it lies."""
    corpus = tables.open_corpus(root)
    noted = json.loads(_note(Path(root), campaign).read_text(encoding="utf-8"))
    made = assets(corpus, campaign)
    stand = approvals.standings(approvals.read(root), {row["asset_id"]: row["sha256"] for row in made})
    refused = [Refused(cell, shot, reason, why, tuple(by)) for cell, shot, reason, why, by in noted["refused"]]
    path = storage.join(root, FOLDER, f"{campaign}.html")
    page = render(campaign, made, _rows(corpus, "requests", campaign), refused, stand)
    storage.write_bytes(path, page.encode())
    return path


def _note(root: Path, campaign: str) -> Path:
    return root / FOLDER / "campaigns" / f"{campaign}.json"


def line(summary: Summary, currency: str) -> str:
    """How a campaign stands, in one line."""
    told = ", ".join(f"{count} {state}" for state, count in summary.states.items())
    more = [(summary.held, "held"), (summary.waiting, "waiting"), (summary.in_doubt, "in doubt")]
    told += "".join(f", {count} {what}" for count, what in more if count)
    spent = summary.spending
    cap = "" if spent.cap is None else f" of {money(spent.cap)} {currency}"
    return f"{told or 'nothing planned'}; spent {money(spent.settled)} {currency}{cap}" + (
        f", {money(spent.reserved)} {currency} reserved" if spent.reserved else ""
    )


def parser(verb: str) -> options.Parser:
    """The command line of a verb."""
    made = options.Parser(
        prog=f"rushes generate {verb}", description=VERBS[verb], usage=f"rushes generate {verb} OUT [options]"
    )
    made.add_argument("output", metavar="OUT", help="the output folder of the campaign")
    made.add_argument("--campaign", metavar="NAME", help="which campaign, where OUT has several")
    made.add_argument("--ledger", metavar="DB", help="its ledger [default OUT/generation/ledger.sqlite]")
    if verb == "stop":
        made.add_argument("--why", metavar="TEXT", default="", help="the reason, for whoever finds it stopped")
    if verb == "reconcile":
        made.add_argument(
            "--settle",
            action="append",
            default=[],
            metavar="ATTEMPT=AS",
            help=f"a person's word on one in doubt, as REQUEST-NUMBER=lost, void, never or arrived:JOB "
            f"({'; '.join(f'{name}: {what}' for name, what in SETTLED_AS.items())})",
        )
    return made


def run(argv: Sequence[str]) -> int:
    """Run a verb; returns the exit code.

    Raises:
        ConfigError: Wrong usage, or nothing is there.
    """
    verb = argv[0]
    words = parser(verb).parse_args(list(argv[1:]))
    root = Path(words.output)
    known = sorted(path.stem for path in (root / FOLDER / "campaigns").glob("*.json"))
    if not known:
        raise ConfigError(f"{root}: no campaign was ever made there; `rushes generate CAMPAIGN --output {root}` does")
    if words.campaign is None and len(known) > 1:
        raise ConfigError(f"{root} has several campaigns: give --campaign, one of {', '.join(known)}")
    name = words.campaign or known[0]
    if name not in known:
        raise ConfigError(f"--campaign {name}: not one of {', '.join(known)}")
    noted: dict[str, Any] = json.loads(_note(root, name).read_text(encoding="utf-8"))
    with open_ledger(words.ledger or root / FOLDER / "ledger.sqlite") as ledger:
        if verb == "stop":
            ledger.stop(name, words.why)
        elif verb == "go":
            ledger.go(name)
        elif verb == "reconcile":
            _reconcile(ledger, name, noted["engines"], words.settle)
        _status(ledger, name, noted["currency"])
    return 0


def _reconcile(ledger: Ledger, campaign: str, engines: dict[str, str], settle: Sequence[str]) -> None:
    for word in settle:
        attempt, _, said = word.partition("=")
        request, _, number = attempt.rpartition("-")
        as_, _, job = said.partition(":")
        if not number.isdigit():
            raise ConfigError(f"--settle {word}: write REQUEST-NUMBER=AS, as `rushes generate reconcile` lists them")
        ledger.settle(request, int(number), as_=as_, job_id=job)
    loaded = {tier: load_engine(spec) for tier, spec in engines.items()}

    async def work() -> Reconciled:
        try:
            return await reconcile(ledger, campaign, lambda engine, model, tier: loaded[tier])
        finally:
            for engine in loaded.values():
                await engine.close()

    found = asyncio.run(work())
    for entry in found.settled:
        now = ledger.entry(*entry.key)
        say(f"{entry.name}: {now.state if now else 'gone'}")
    for entry, why in found.left:
        say(f"{entry.name}: still in doubt: {readable(why)}")
    if found.left:
        para("Ask the engine's operator about these, and tell with --settle. Nothing in doubt is ever sent again.")


def _status(ledger: Ledger, campaign: str, currency: str) -> None:
    summary = ledger.summary(campaign)
    say(f"{campaign}: {line(summary, currency)}")
    rows = [[state, str(count), STATES[state]] for state, count in summary.states.items()]
    if rows:
        say(columns(["state", "attempts", "what it means"], rows, right=("attempts",), wrap=("what it means",)))
    spent = [_spent(one, currency) for one in ledger.spending(campaign) if one.settled or one.reserved]
    if spent:
        say(columns(["budget", "spent", "reserved", "cap"], spent, right=("spent", "reserved", "cap")))
    remarks(ledger, campaign)


def remarks(ledger: Ledger, campaign: str) -> None:
    """Say what of a campaign waits for a person, and why."""
    summary = ledger.summary(campaign)
    if summary.stopped:
        say(f"Stopped: {readable(summary.stopped)} (`rushes generate go` takes it back)")
    waits = [one for one in ledger.rows(campaign, *OPEN) if one.held or one.stuck or one.state in ("unknown", "done")]
    for one in waits[:_SHOWN]:
        say(f"{one.name}: {one.state}: {readable(_why(one))}")
    if len(waits) > _SHOWN:
        say(f"  ... and {len(waits) - _SHOWN} more")


def _spent(one: Spending, currency: str) -> list[str]:
    name = f"{one.per} {one.name}".strip()
    amounts = [f"{money(one.settled)} {currency}", f"{money(one.reserved)} {currency}"]
    return [readable(name), *amounts, "" if one.cap is None else f"{money(one.cap)} {currency}"]


def _why(entry: Entry) -> str:
    if entry.stuck:
        return "runs for longer than its limit"
    return entry.held or entry.message or ("its file did not come" if entry.state == "done" else "in doubt")
