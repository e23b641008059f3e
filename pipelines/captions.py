"""Captions: what captioners wrote: who there is, and two of them side by side."""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pages import writers
from pages.writers import Compared, Writer
from pipelines import options
from pipelines.columns import columns, readable, say
from pipelines.report_page import MISSING
from transforms import storage, tables
from transforms.settings import ConfigError

DESCRIPTION = """\
List the captioners whose captions OUT holds, or write a page with two of them side by side: frames, texts, flags,
agreement and scores, for choosing a model."""
EPILOG = """\
examples:
  rushes captions list corpus
  rushes captions compare corpus coca vlm
  rushes captions compare corpus openai:small openai:large --kind dense --page choice.html"""

KINDS: Final = ("short", "dense")
_MOST_CLIPS: Final = 300
"""Clips of a sample: a page of three such samples has about 20 MB."""
_GROUPS: Final = ("captioner", "model", "kind", "prompt_version", "revision")
_WORD: Final = r"[\x{3040}-\x{30ff}\x{3400}-\x{9fff}\x{f900}-\x{faff}]{1,2}|[\pL\pN]+(?:['’.-][\pL\pN]+)*"
"""Words as checks count them, for Arrow."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes captions", description=DESCRIPTION, epilog=EPILOG, usage="rushes captions VERB OUT [options]"
    )
    verbs = made.add_subparsers(dest="verb", metavar="VERB", title="verbs", help="what to do")
    listing = verbs.add_parser(
        "list",
        help="every captioner, model and prompt, with what they wrote",
        description="List every captioner, model, kind, prompt and revision, with numbers of captions.",
        usage="rushes captions list OUT [--snapshot N]",
    )
    listing.set_defaults(run=list_writers)
    comparing = verbs.add_parser(
        "compare",
        help="write a page with two captioners side by side",
        description="Write a page with two captioners side by side. A and B are captioners as `rushes captions list` "
        "names them: NAME, or NAME:MODEL, and @PROMPT behind it where two prompts are there.",
        usage="rushes captions compare OUT A B [--kind KIND] [--page FILE] [--clips N] [--seed S] [--snapshot N]",
    )
    comparing.set_defaults(run=compare_writers)
    for verb in (listing, comparing):
        verb.add_argument("output", metavar="OUT", help="an output folder")
        verb.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    comparing.add_argument("one", metavar="A", help="a captioner")
    comparing.add_argument("other", metavar="B", help="another one")
    comparing.add_argument("--kind", choices=KINDS, default="short", help="kind of caption [default short]")
    comparing.add_argument(
        "--page", metavar="FILE", help="where the page goes, .html [default OUT/compared/A-B-KIND.html]"
    )
    comparing.add_argument(
        "--clips", type=int, default=60, metavar="N", help=f"clips of a sample, 1 to {_MOST_CLIPS} [default 60]"
    )
    comparing.add_argument("--seed", type=int, default=0, metavar="S", help="of the random sample [default 0]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: Wrong usage, no such output, snapshot or captioner, or a package is missing.
    """
    made = parser()
    words = made.parse_args(list(argv))
    if words.verb is None:
        made.print_help()
        return 2
    return int(words.run(words))


def list_writers(words: argparse.Namespace) -> int:
    """`rushes captions list`."""
    corpus = tables.open_corpus(words.output)
    found = written(corpus, words.snapshot)
    if not found:
        say("There are no captions.")
        return 0
    rows = [
        [
            *map(readable, group),
            f"{counts['captions']:.0f}",
            f"{counts['kept']:.0f}",
            f"{counts['words'] / counts['captions']:.1f}",
            f"{counts['cost'] / counts['priced']:.6f}" if counts["priced"] else "",
        ]
        for group, counts in sorted(found.items())
    ]
    numbers = ("captions", "kept", "words", "cost")
    names = ("captioner", "model", "kind", "prompt", "revision", *numbers)
    say(columns(names, rows, right=numbers))
    return 0


def written(corpus: tables.Corpus, number: int | None = None) -> dict[tuple[str, ...], dict[str, float]]:
    """What there is of every captioner, model, kind, prompt version and revision.

    Returns:
        Of each the `captions`, those `kept`, their `words`, the sum of `cost` (US dollars), and how many are `priced`.
    """
    found: dict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with writers.parts_there():
        for batch in tables.dataset(corpus, "captions", number).to_batches(columns=[*_GROUPS, "text", "kept", "cost"]):
            _count(pa.Table.from_batches([batch]), found)
    return {group: dict(counts) for group, counts in found.items()}


def _count(rows: pa.Table, found: dict[tuple[str, ...], dict[str, float]]) -> None:
    counted = rows.select(_GROUPS)
    counted = counted.append_column("kept", pc.fill_null(rows["kept"], True)).append_column("cost", rows["cost"])
    counted = counted.append_column("words", pc.count_substring_regex(rows["text"], _WORD))
    sums = [("kept", "sum"), ("words", "sum"), ("cost", "sum"), ("cost", "count"), ([], "count_all")]
    for one in counted.group_by(list(_GROUPS)).aggregate(sums).to_pylist():
        group = found[tuple(one[name] for name in _GROUPS)]
        for name, column in (("captions", "count_all"), ("kept", "kept_sum"), ("words", "words_sum")):
            group[name] += one[column]
        group["cost"] += one["cost_sum"] or 0.0
        group["priced"] += one["cost_count"]


def compare_writers(words: argparse.Namespace) -> int:
    """`rushes captions compare`."""
    if not 1 <= words.clips <= _MOST_CLIPS:
        raise ConfigError(f"--clips {words.clips}: give 1 to {_MOST_CLIPS}")
    try:
        from pages import compare
    except ImportError as error:
        raise ConfigError(MISSING) from error
    corpus = tables.open_corpus(words.output)
    there = writers.writers(corpus, words.kind, words.snapshot)
    pair = chosen(words.one, words.kind, there), chosen(words.other, words.kind, there)
    if pair[0] == pair[1]:
        raise ConfigError(f"{words.one} and {words.other} are the same; there are {_listed(there)}")
    found = writers.compare(corpus, words.kind, pair, words.clips, words.seed, words.snapshot)
    name = "-".join(re.sub(r"[^\w.]+", "-", word) for word in (words.one, words.other, words.kind))
    uri = words.page or corpus.uri("compared", f"{name}.html")
    storage.write_bytes(uri, compare.render_compare(corpus, words.kind, pair, found, words.snapshot))
    say(f"{len(found.agreement)} clips have a {words.kind} caption of both." + _told(found))
    say(storage.redact(uri))
    return 0


def _told(found: Compared) -> str:
    """The outcome in a line."""
    if not len(found.agreement):
        return ""
    first, tie, second = found.higher
    scored = first + tie + second
    scores = f" A scores higher on {first / scored:.0%} of {scored}, B on {second / scored:.0%}." if scored else ""
    return f" Their agreement is {np.median(found.agreement):.2f} (median).{scores}"


def chosen(word: str, kind: str, there: Sequence[Writer]) -> Writer:
    """The captioner that a word of the command line names.

    Args:
        word: `NAME`, `NAME:MODEL`, either with `@PROMPT` behind it.
        kind: Kind of caption.
        there: Those who wrote captions of it.

    Raises:
        ConfigError: None or several are called so.
    """
    found = [writer for writer in there if word == str(writer)] or [one for one in there if word in one.names]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{word}: several are called so: {_listed(found)}")
    raise ConfigError(f"{word}: no {kind} captions by it; there are {_listed(there) or 'none at all'}")


def _listed(there: Sequence[Writer]) -> str:
    return ", ".join(map(str, there))
