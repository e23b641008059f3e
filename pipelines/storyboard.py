"""Storyboard: an editable campaign from a sentence or a script."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from generation import storyboards
from generation.asked_storyboards import load_writer
from generation.campaign_file import parse_campaign
from pipelines import options
from pipelines.columns import say
from transforms import storage
from transforms.failures import ElementError
from transforms.settings import ConfigError

DESCRIPTION = """\
Write a campaign with a storyboard from a sentence, from several, or from a script with INT. and EXT. headings: shots
with lengths, cameras and dialogue, to be edited by a person and planned with `rushes plan`."""

EPILOG = """\
examples:
  rushes storyboard --from "A kettle whistles on a stove in the snow." --output kettle.yaml
  rushes storyboard --from script.txt --seconds 30 --format wide --format story --brand Lumbrel --output spot.yaml

exit codes: 0 done, 1 failed, 2 wrong usage"""

_NAME: Final = "storyboard"
_LONGEST: Final = 200
"""Letters that a file's name may have; what is longer is a text."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes storyboard",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="rushes storyboard --from TEXT|FILE [options]",
    )
    made.add_argument("--from", dest="source", metavar="TEXT|FILE", help="the words, or a text file with them; needed")
    made.add_argument("--output", metavar="FILE", help="the campaign to write; without it, it is printed")
    made.add_argument("--name", metavar="NAME", help=f"name of the campaign [default: the file's, or {_NAME}]")
    made.add_argument("--brand", metavar="NAME", help="name of the brand [default: the campaign's]")
    made.add_argument("--language", default="en", metavar="TAG", help="language of the words (BCP 47) [default en]")
    made.add_argument("--seconds", type=float, default=15.0, metavar="S", help="length of a video [default 15 s]")
    made.add_argument(
        "--format",
        action="append",
        choices=tuple(storyboards.SIZES),
        help=f"{', '.join(storyboards.SIZES)}; repeatable [default wide]",
    )
    made.add_argument("--writer", metavar="openai:MODEL[,SETTING=VALUE...]", help="a model that breaks it into shots")
    made.add_argument("--engine", default="animatic", metavar="X", help="engine of the campaign [default animatic]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: Wrong usage, or words that no storyboard can be made from.
        ElementError: The file cannot be read or written.
    """
    given = parser().parse_args(list(argv))
    if not given.source:
        raise ConfigError("no --from given: a sentence, or a file with a script")
    name = given.name or (Path(given.output or "").stem or _NAME)
    made = storyboards.storyboard(
        _words(given.source),
        campaign=name,
        brand=given.brand or name,
        language=given.language,
        seconds=given.seconds,
        formats=tuple(dict.fromkeys(given.format or ["wide"])),
        engine=given.engine,
        written=load_writer(given.writer).scenes if given.writer else None,
    )
    found = parse_campaign(given.output or name, made, str)  # What is written can be read.
    if given.output is None:
        print(made, end="")
        return 0
    if not storage.create_bytes(given.output, made.encode()):
        raise ConfigError(f"--output {given.output}: there is a file already, and nothing of it is overwritten")
    shots = len(found.storyboards["main"].shots)
    say(f"{given.output}: {shots} shots; edit it, then: rushes plan {given.output}")
    return 0


def _words(source: str) -> str:
    """The text of a file, or the words themselves."""
    if len(source) <= _LONGEST and "\n" not in source and (Path(source).is_file() or storage.is_remote(source)):
        try:
            return storage.read_bytes(source).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ElementError("bad_list", f"{source}: letters that are no UTF-8: save the file as UTF-8") from None
    if source.endswith((".txt", ".fountain", ".md")) and " " not in source:
        raise ConfigError(f"--from {source}: no such file")
    return source


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
