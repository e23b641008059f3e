"""`rushes rights recheck`: what sites say now, against what they said when a corpus was made."""

from __future__ import annotations

import argparse
from typing import Final

import pyarrow.compute as pc
import pyarrow.dataset as ds

from filters.rights.signals.collect import Difference, Target, recheck
from filters.rights.signals.fetch import Fetcher
from filters.rights.signals.signal import in_words
from filters.rights.signals.visit import SignalSettings
from pipelines import asking, options
from pipelines.columns import say
from pipelines.rights_words import Verb, add_json, para, print_json, shown
from transforms import tables
from transforms.storage import StorageSettings


def differences(
    corpus: tables.Corpus, settings: SignalSettings, access: StorageSettings
) -> tuple[int, list[Difference]]:
    """Ask again about everything that is on a site; what lies inside files goes with their bytes and is left out.

    Returns:
        How many sources were asked about, and what changed.
    """
    where = ds.field("place") != "file"
    rows = tables.read(corpus, "rights_signals", where=where)
    old = [asking.signal(row) for row in rows.to_pylist()]
    targets = [Target(uri) for uri in pc.unique(rows.column("subject")).to_pylist()]
    return len(targets), recheck(old, Fetcher(settings, access), targets)


def _recheck(words: argparse.Namespace) -> int:
    access = StorageSettings(allow_private_addresses=words.allow_private_addresses)
    asked, found = differences(tables.open_corpus(words.output), SignalSettings(), access)
    if words.json:
        print_json([{"words": one.words, "now": _now(one)} for one in found])
        return 0
    say(f"{shown(words.output)}: asked about {asked} sources; signals that changed: {len(found)}")
    for one in found:
        para(one.words, "  ", "    ")
    if found:
        say("It counts from the next run: rushes curate ... --rights REGISTRY --signals")
    return 0


def _now(one: Difference) -> str:
    return in_words(one.after.says) if one.after else "nothing said"


def _arguments(parser: options.Parser) -> None:
    parser.add_argument(
        "--output", required=True, metavar="OUT", help="the corpus: an output folder of `rushes curate`"
    )
    parser.add_argument("--allow-private-addresses", action="store_true", help="ask sites on this network too")
    add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "recheck": Verb(
        "--output OUT [options]",
        "ask sites again for machine-readable signals, and tell what changed",
        _arguments,
        _recheck,
        "rushes rights recheck --output corpus",
    ),
}
"""The verbs, with what each does."""
