"""`rushes rights impact`: what a list would change in corpora, before it is published."""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from filters.rights import registry
from filters.rights.drafts import Listed, rows_of
from filters.rights.policy import RightsSettings, pinned
from filters.rights.preview import preview
from filters.rights.registry import Registry, Version
from filters.rights.screening import Screen
from pipelines import options
from pipelines.columns import columns, say
from pipelines.impact import Impact, Line, impact
from pipelines.rights_lists import checked, tell_errors, written
from pipelines.rights_words import Verb, add_json, add_registry, opened, para, print_json, shown
from transforms import settings, tables


def used(corpus: tables.Corpus) -> RightsSettings:
    """The regimes, territories and the like that a corpus was last screened with; the defaults where it never was."""
    told = tables.read(corpus, "runs", columns=["started", "config"]).to_pylist()
    found = [json.loads(run["config"]).get("rights") for run in sorted(told, key=lambda run: run["started"])]
    last: dict[str, Any] = next((one for one in reversed(found) if one and one.get("rights")), {})
    given: RightsSettings = settings.from_mapping(RightsSettings, {k: v for k, v in last.items() if v is not None})
    return dataclasses.replace(given, as_of=None)


def would_change(output: str, held: Registry, base: Version, listed: Sequence[Listed]) -> Impact:
    """What lists that were checked would change in a corpus.

    Args:
        output: The corpus.
        held: The registry.
        base: Its version.
        listed: The lists.

    Raises:
        ConfigError: There is no such corpus, or the registry is damaged.
    """
    corpus = tables.open_corpus(output)
    rights = used(corpus)
    with tempfile.TemporaryDirectory(prefix="rushes-preview-") as folder:
        drafted = preview(held, base, rows_of(listed), folder)
        # A statement of the draft begins when it is published: the moment asked about lies behind that.
        states = (base.number, registry.version(drafted).number)
        moment = max(pinned(rights, folder, 0).moment, registry.version(drafted).recorded_at).isoformat()
        old, new = (Screen(dataclasses.replace(pinned(rights, folder, n), as_of=moment)) for n in states)
        return impact(corpus, old, new)


def tell(found: Impact, output: str) -> None:
    """Print an impact."""
    say(f"{shown(output)}, {found.videos} videos:")
    if not found.total:
        say("  Nothing in it would change.")
        return
    names = ("party", "effect", "sources", "videos", "clips", "footage", "captions", "releases", "assets")
    say(columns(names, [_cells(line) for line in (*found.lines, *found.total)], right=names[2:]))
    for uri, words in found.examples[:5]:
        para(f"{uri}: {words}", "  ", "    ")
    if any(line.releases or line.assets for line in found.total):
        para("Releases and assets that were made already would have to be taken back, or looked at.")
    if any(line.effect.endswith("again") for line in found.total):
        para("Of what is to be read again nothing is there any more: the next `rushes curate` over it reads it.")


def _cells(line: Line) -> list[str]:
    counts = (line.sources, line.videos, line.clips)
    return [
        line.party or "(all)",
        line.effect,
        *map(str, counts),
        str(timedelta(seconds=round(line.seconds))),
        str(line.captions),
        str(line.releases),
        str(line.assets),
    ]


def _impact(words: argparse.Namespace) -> int:
    held = opened(words)
    base = registry.version(held)
    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        listed = checked(words.files, folder, held, base)
        if any(one.error_count for one in listed):
            tell_errors(listed)
            return 1
        found = would_change(words.output, held, base, listed)
    if words.page:
        _write_page(found, words, base)
    if words.json:
        print_json({**dataclasses.asdict(found), "denied_share": found.denied_share})
        return 0
    tell(found, words.output)
    say("Nothing was published." + (f" The same as a page: {words.page}" if words.page else ""))
    return 0


def _write_page(found: Impact, words: argparse.Namespace, base: Version) -> None:
    from pages import rendering

    shows = {"corpus": shown(words.output), "registry": shown(opened(words).root), "version": base.number}
    with written(words.page) as path:
        Path(path).write_text(rendering.render("impact.html.j2", impact=found, **shows), encoding="utf-8")


def _arguments(parser: options.Parser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="lists: .csv, .tsv, .xlsx or .parquet")
    add_registry(parser)
    parser.add_argument(
        "--output", required=True, metavar="OUT", help="the corpus: an output folder of `rushes curate`"
    )
    parser.add_argument("--page", metavar="FILE", help="write a page too, .html")
    add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "impact": Verb(
        "FILE... --output OUT [options]",
        "tell what publishing lists would change in a corpus: videos, clips, hours, releases, by party",
        _arguments,
        _impact,
        "rushes rights impact list.xlsx --registry rights --output corpus --page impact.html",
    ),
}
"""The verbs, with what each does."""
