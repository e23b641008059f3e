"""Gc: what nothing refers to any more. A dry run unless told otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pipelines import clipping, options, screening
from pipelines.columns import columns, say
from transforms import records, storage, tables
from transforms.amounts import amount
from transforms.settings import ConfigError
from transforms.store import Store

DESCRIPTION = """\
Find what nothing refers to any more: table parts that were replaced or never committed, rows kept aside by runs that
ended, and results in the store of videos that are gone or were measured anew. Only what is older than --days counts,
so that a run in progress and recent snapshots are safe. Nothing is removed without --delete."""


class Waste(NamedTuple):
    """Something that can go.

    Attributes:
        kind: `part`, `pending` or `store`.
        uri: Where it is.
        size: Bytes; 0 where unknown.
    """

    kind: str
    uri: str
    size: int


KINDS = {
    "part": "parts of tables that were replaced or never committed",
    "pending": "rows kept aside by runs that ended",
    "store": "results of videos that are gone or were measured anew",
}
"""Every kind of waste, and what it is."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes gc", description=DESCRIPTION, usage="rushes gc OUT [--days N] [--list] [--delete]"
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("--days", type=float, default=7.0, metavar="N", help="how old it must be [default 7 days]")
    made.add_argument("--list", action="store_true", help="name every file")
    made.add_argument(
        "--delete", action="store_true", help="remove it; older snapshots that need a removed part no longer open"
    )
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: No such output, or an age below 0.
    """
    words = parser().parse_args(list(argv))
    if not 0 <= words.days <= 36_500:
        raise ConfigError(f"--days {words.days:g}: give 0 or more, and at most 36500")
    corpus = tables.open_corpus(words.output)
    if words.delete:
        tables.roll_forward(corpus)
    found = list(find_waste(corpus, datetime.now(UTC) - timedelta(days=words.days)))
    if words.list and found:
        say(columns(("kind", "size", "file"), [[w.kind, amount(w.size), w.uri] for w in found], right=("size",)))
        say("")
    rows = []
    for kind, what in KINDS.items():
        sizes = [w.size for w in found if w.kind == kind]
        rows.append([kind, str(len(sizes)), amount(sum(sizes)), what])
    say(columns(("kind", "files", "size", "what"), rows, right=("files", "size"), wrap=("what",)))
    if not words.delete:
        say("Dry run: nothing was removed." + (" --list names the files, --delete removes them." if found else ""))
        return 0
    for waste in found:
        storage.delete(waste.uri)
    say(f"Removed {len(found)} files.")
    return 0


def _old(stat: storage.Stat, before: datetime) -> bool:
    return stat.modified is not None and datetime.fromisoformat(stat.modified) < before


def find_waste(corpus: tables.Corpus, before: datetime) -> Iterator[Waste]:
    """Everything that can go, older than a moment."""
    hours = max((datetime.now(UTC) - before).total_seconds() / 3600, 0.0)
    for record in records.RECORDS:
        # A replaced part ages from when it was replaced, an orphan from when it was written: Delta knows both.
        # It goes on naming those that are gone, and the listing has what is there.
        table, folder = tables.delta(corpus, record.table), corpus.table_uri(record.table)
        there = {stat.uri[len(folder) :].strip("/"): stat for stat in storage.find(folder)}
        for path in table.vacuum(math.floor(hours), dry_run=True, enforce_retention_duration=False, full=True):
            if path in there:
                yield Waste("part", there[path].uri, there[path].size or 0)
    for stat in storage.find(corpus.uri("commits", "pending")):
        if _old(stat, before):
            yield Waste("pending", stat.uri, stat.size or 0)
    yield from _store_waste(corpus, before)


def _store_waste(corpus: tables.Corpus, before: datetime) -> Iterator[Waste]:
    """Results of videos that no row names, and measures, audio and clip files that no row points to."""
    videos = tables.read(corpus, "videos", columns=["video_id", "measure_uri", "audio_uri"]).to_pylist()
    known = {v["video_id"] for v in videos}
    store, keys, silent = Store(corpus.root), {}, {}
    for step, column in (("measure", "measure_uri"), ("audio", "audio_uri")):
        keys[step] = {v[column].split("/")[3] for v in videos if v[column]}
        silent[step] = {v["video_id"] for v in videos if not v[column]}
    files = tables.read(corpus, "clips", columns=["clip_uri"])["clip_uri"].drop_null().to_pylist()
    keys[clipping.STEP], silent[clipping.STEP] = {uri.split("/")[3] for uri in files}, set()
    root = store.uri("store")
    for stat in storage.find(root):
        step, _, name, *inside = stat.uri[len(root) :].strip("/").split("/")
        key, _, rest = name.partition(".")
        owner = rest.removesuffix(".json")
        if inside:
            referred = key in keys.get(step, set())
        elif step in keys:
            # A marker without a folder says that there was nothing to measure or hear: it stays with its video.
            referred = key in keys[step] or owner in silent[step]
        elif step in (screening.MARK, "rewrite"):
            # What was refused stays refused, also where nothing is left of it. Ids of requests follow from rewrites.
            referred = True
        else:
            # A segment is of use to the run that measures it, or to the next that goes on: not for long.
            referred = (owner in known or owner == "failed") and step not in ("segments", "segment")
        if not referred and _old(stat, before):
            yield Waste("store", stat.uri, stat.size or 0)
