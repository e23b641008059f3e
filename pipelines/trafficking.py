"""`rushes traffic`: finished files as they are handed to platforms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from generation import approvals
from generation.trafficking import traffic
from pipelines import options
from pipelines.columns import columns, readable, say
from transforms import storage, tables
from transforms.settings import ConfigError

DESCRIPTION = """\
Write a folder for each platform below FOLDER, with the finished files that are approved as they are and list.csv, which
says what each of them is. Files that were withdrawn are never written."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(prog="rushes traffic", description=DESCRIPTION, usage="rushes traffic OUT FOLDER [options]")
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("folder", metavar="FOLDER", help="where to: local, s3:// or gs://")
    made.add_argument("--campaign", metavar="NAME", help="files of this campaign [default all]")
    made.add_argument("--platform", metavar="NAME", help="files for this platform [default all]")
    made.add_argument("--unapproved", action="store_true", help="files that nobody has approved too")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: No such output, or no assets of that campaign and platform in it.
        ElementError: A file is not the one of its row, or nothing can be written.
    """
    words = parser().parse_args(list(argv))
    corpus = tables.open_corpus(words.output)
    rows = [
        row
        for row in tables.read(corpus, "assets").to_pylist()
        if words.campaign in (None, row["campaign"]) and words.platform in (None, row["platform"])
    ]
    if not rows:
        raise ConfigError(f"{storage.redact(words.output)}: no assets of that campaign and platform")
    decisions = None if words.unapproved else approvals.read(corpus.root)
    done = traffic(corpus.root, rows, words.folder, decisions)
    say(
        columns(
            ("folder", "files"),
            [
                [readable(storage.redact(storage.join(words.folder, name))), str(len(files))]
                for name, files in done.files.items()
            ],
            right=("files",),
        )
    )
    for why, count in sorted(Counter(why.partition(":")[0] for why in done.left_out.values()).items()):
        say(f"left out: {count} {why} ({approvals.STANDINGS.get(why, 'the registry or its owners took it back')})")
    return 0
