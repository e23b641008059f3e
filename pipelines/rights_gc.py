"""`rushes rights gc`: what no published version of the registry refers to, and nobody is about to.

A publisher who died between writing and publishing leaves parts, a killed writer leaves a temporary file, and a newer
program compiles every version anew. What is younger than a day may belong to somebody who publishes right now; what is
older belongs to nobody: a part holds the moment it was made for, so no later publisher makes the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from filters.rights import matching, registry
from filters.rights.records import BY_TABLE
from filters.rights.registry import Registry
from pipelines import options
from pipelines.columns import columns, say
from pipelines.rights_words import Verb, add_registry, opened, shown
from transforms import storage
from transforms.amounts import amount

YOUNGEST: Final = timedelta(days=1)
"""How old a file must be to go."""

_LOG: Final = "_delta_log"
_COMPILED: Final = "matcher-"


class Waste(NamedTuple):
    """A file that can go.

    Attributes:
        what: What it is, in words.
        uri: Where it is.
        size: Bytes; 0 where unknown.
    """

    what: str
    uri: str
    size: int


def waste(held: Registry, before: datetime) -> Iterator[Waste]:
    """Everything that can go and was last written before a moment.

    Raises:
        RegistryError: A version is damaged: what it refers to is not known, and nothing may go.
    """
    found = registry.history(held)
    compiled = {matching.name_of(state) for state in found}
    for table in BY_TABLE:
        folder = held.uri("tables", table)
        kept = {part.path for state in found for part in state.parts.get(table, ())}
        for stat in storage.find(folder):
            path = stat.uri[len(folder) :].strip("/")
            if not path.startswith(_LOG) and path not in kept and _is_old(stat, before):
                yield Waste("part of no version", stat.uri, stat.size or 0)
    for stat in storage.find(held.uri("compiled")):
        name = stat.uri.rpartition("/")[2]
        if name.startswith(_COMPILED) and name not in compiled and _is_old(stat, before):
            yield Waste("compiled for another program", stat.uri, stat.size or 0)
    if not storage.is_remote(held.root):
        for cut in sorted(Path(held.root).rglob(f"*{storage.PART_SUFFIX}")):
            stat = storage.stat(str(cut))
            if _is_old(stat, before):
                yield Waste("never finished", stat.uri, stat.size or 0)


def _is_old(stat: storage.Stat, before: datetime) -> bool:
    return stat.modified is not None and datetime.fromisoformat(stat.modified) < before


def _gc(words: argparse.Namespace) -> int:
    held = opened(words)
    with registry.told(held, "gc"):
        found = list(waste(held, datetime.now(UTC) - YOUNGEST))
        if words.apply:
            for one in found:
                storage.delete(one.uri)
    if found:
        rows = [[one.what, amount(one.size), shown(one.uri)] for one in found]
        say(columns(("what", "size", "file"), rows, right=("size",)))
    size = amount(sum(one.size for one in found))
    if words.apply:
        say(f"Removed {len(found)} files, {size}. Every version stays readable.")
    else:
        say(f"{len(found)} files, {size}." + (" Nothing was removed: --apply removes them." if found else ""))
    return 0


def _arguments(parser: options.Parser) -> None:
    add_registry(parser)
    parser.add_argument("--apply", action="store_true", help="remove them")


VERBS: Final[dict[str, Verb]] = {
    "gc": Verb(
        "[options]",
        "find files that no version refers to and that are older than a day: what crashes left",
        _arguments,
        _gc,
        "rushes rights gc --registry rights\nrushes rights gc --registry rights --apply",
    ),
}
"""The verbs, with what each does."""
