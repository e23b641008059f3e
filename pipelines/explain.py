"""Explain: everything an output folder knows of one clip, on one page of text."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pipelines import options
from pipelines.columns import readable, say
from transforms import tables
from transforms.settings import ConfigError

DESCRIPTION = """\
Tell one clip's whole story: what became of it and why, its source as it was listed, its video, its measures, its
captions, and every other row of any table that is about it. CLIP_ID may be its first digits."""
EPILOG = """\
examples:
  rushes explain corpus 5a78bd99
  rushes explain corpus 5a78bd99 --snapshot 1
  rushes explain corpus 5a78bd99 --json"""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes explain", description=DESCRIPTION, epilog=EPILOG, usage="rushes explain OUT CLIP_ID [options]"
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("clip_id", metavar="CLIP_ID", help="a clip, by its id or the first digits of it")
    made.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    made.add_argument("--json", action="store_true", help="print one JSON object, rows by table")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: No such output, snapshot or clip, or the extra `pages` is not installed.
    """
    words = parser().parse_args(list(argv))
    try:
        from pages import explain, queries
    except ModuleNotFoundError as error:
        raise ConfigError(f"explain needs {error.name}: pip install 'rushes[pages]'") from error
    snapshot = queries.Snapshot(tables.open_corpus(words.output), words.snapshot, prepare=False)
    try:
        told = explain.story(snapshot, words.clip_id)
    except queries.Refused as error:
        raise ConfigError(str(error)) from error
    finally:
        snapshot.close()
    if words.json:
        print(json.dumps(told.to_json(), indent=1, ensure_ascii=False))
    else:
        for line in explain.lines(told):
            say(readable(line))
    return 0
