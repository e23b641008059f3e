"""Models: which set-ups there are, and whether one runs here, with what it costs. Nothing is downloaded."""

from __future__ import annotations

import argparse
import dataclasses
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from pipelines import options, presets, trying
from pipelines.columns import readable, say
from pipelines.presets import Choice
from pipelines.trying import READY, Tried
from transforms.amounts import amount
from transforms.settings import ConfigError

DESCRIPTION = """\
List the model set-ups that --preset names, or try one: every model of it is loaded in a process of its own, describes
one rendered frame or hears one second of sound, and is told with its memory, speed, licence and source. Nothing is
downloaded: of what is missing, a line says how to get it."""
EPILOG = """\
examples:
  rushes models list
  rushes models check none
  rushes models check small --models ~/models
  rushes models check --captioner vlm:models/qwen-vl,kinds=dense --recogniser whisper:models/base.pt

exit codes: 0 all are there and run, 1 one is missing or fails, 2 wrong usage"""

_OWN: Final = ("captioner", "recogniser", "scorer")
"""What is checked by its word."""
_INDENT: Final = "  "
_LABEL: Final = 10
_SHOWN: Final = 300  # characters of an answer


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes models", description=DESCRIPTION, epilog=EPILOG, usage="rushes models VERB [options]"
    )
    verbs = made.add_subparsers(dest="verb", metavar="VERB", title="verbs", help="what to do")
    listing = verbs.add_parser(
        "list",
        help="the presets: words, licences, sources, and commands that fetch the weights",
        description="Print the presets, or one: words, licences, sources, and commands that fetch the weights.",
        usage="rushes models list [PRESET] [--models FOLDER]",
    )
    listing.add_argument("preset", nargs="?", metavar="PRESET", help=", ".join(presets.presets()))
    _add_models(listing)
    listing.set_defaults(run=list_presets)
    check = verbs.add_parser(
        "check",
        help="load every model of a preset, or any others, and run each",
        description="Load every model of a preset, or those that are named, and run each once, one after the other.",
        usage="rushes models check [PRESET] [--captioner X] [--recogniser X] [--scorer X] [--models FOLDER] [--json]",
    )
    check.add_argument("preset", nargs="?", metavar="PRESET", help=", ".join(presets.presets()))
    for name in _OWN:
        check.add_argument(
            f"--{name}", action="append", default=[], metavar="X", help=f"a {name}, as jobs take it; repeatable"
        )
    _add_models(check)
    check.add_argument("--json", action="store_true", help="print one JSON object a model, in a list")
    check.set_defaults(run=check_models)
    return made


def _add_models(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--models", metavar="FOLDER", help=f"where weights lie [default: environment variable {presets.FOLDER}]"
    )


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: Wrong usage, no such preset, or nobody says where its weights lie.
    """
    made = parser()
    words = made.parse_args(list(argv))
    if words.verb is None:
        made.print_help()
        return 2
    return int(words.run(words))


def list_presets(words: argparse.Namespace) -> int:
    """`rushes models list`."""
    known = presets.places(words.models)
    # What is not known stays as the shell will have it.
    shown = {presets.FOLDER: f"${presets.FOLDER}", **known}
    chosen = [presets.preset(words.preset)] if words.preset else list(presets.presets().values())
    for number, one in enumerate(chosen):
        say(("\n" if number else "") + f"{one.name}: {one.meant}")
        for choice in one.choices:
            say(f"{_INDENT}{choice.option} {presets.filled(choice.word, shown)}")
            _line("what", choice.model)
            _about(choice, known)
    return 0


def _about(choice: Choice, known: Mapping[str, str]) -> None:
    _line("licence", choice.licence)
    _line("from", choice.source)
    for command in presets.commands(choice, known):
        _line("get it", command)
    _line("size", choice.size)
    _line("needs", choice.needs)


def _line(label: str, text: str) -> None:
    if text:
        say(readable(f"{_INDENT * 2}{label:<{_LABEL}}{text}"))


def check_models(words: argparse.Namespace) -> int:
    """`rushes models check`."""
    known = presets.places(words.models)
    asked: list[tuple[str, str, Choice | None]] = []
    if words.preset:
        for choice in presets.preset(words.preset).choices:
            asked.append((choice.option, presets.filled(choice.word, known), choice))
    own = [(f"--{name}", word) for name in _OWN for word in getattr(words, name)]
    for option, word in own:
        trying.named(option, word)  # A word that is wrong is told before anything is loaded.
        asked.append((option, word, None))
    if not asked:
        raise ConfigError(f"nothing to check: name a preset ({', '.join(presets.presets())}), or give --captioner")
    found = []
    for option, word, chosen in asked:
        if not words.json:
            say(readable(f"{option} {word}"))  # Before it is tried: large models take their time.
        result = trying.tried(option, word)
        found.append(result)
        if not words.json:
            _tell(result, chosen, known)
    ready = sum(result.state == READY for result in found)
    if words.json:
        told = [_told(result, chosen) for result, (_, _, chosen) in zip(found, asked, strict=True)]
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        absent = f", {len(found) - ready} not" if ready < len(found) else ""
        say(f"{words.preset or 'Models'}: {ready} of {len(found)} ready{absent}")
    return 0 if ready == len(found) else 1


def _tell(result: Tried, choice: Choice | None, known: Mapping[str, str]) -> None:
    if result.state != READY:
        get = " && ".join(presets.commands(choice, known)) if choice else ""
        _line(result.state, result.said + (f"; get it: {get}" if get and result.state == trying.MISSING else ""))
    elif not result.answers:
        _line(READY, "at once: it has no weights")
    else:
        on = f" on {result.device}" if result.device else ""
        _line(READY, f"in {result.load_seconds:.1f} s{on}; revision {result.revision or 'not told'}")
        _line("speed", ", ".join(_speed(kind, speed) for kind, speed in result.speeds.items()))
        held = f"{amount(result.memory)} at most" if result.memory else "not told"
        _line("memory", held + (f", {amount(result.device_memory)} on the GPU" * bool(result.device_memory)))
        for kind, text in result.answers.items():
            _line(
                "heard" if kind == "sound" else kind, textwrap.shorten(text, _SHOWN, placeholder=" ...") or "(nothing)"
            )
    if choice:
        _line("licence", choice.licence)
        _line("from", choice.source)
    else:
        _line("licence", licence_beside(result.word))


def _speed(kind: str, speed: float) -> str:
    return (
        f"{speed:.2f} s of sound a second (one alone)"
        if kind == "sound"
        else f"{speed:.2f} windows a second ({kind}, 1 frame)"
    )


def _told(result: Tried, choice: Choice | None) -> dict[str, Any]:
    licence, source = (choice.licence, choice.source) if choice else (licence_beside(result.word), "")
    return {**dataclasses.asdict(result), "licence": licence, "from": source}


def licence_beside(word: str) -> str:
    """What the model card beside a model's weights says of its licence, or that there is none.

    Args:
        word: Of an option that names a model; the path of its weights ends it or stands before its first comma.
    """
    path = Path(word.split(",")[0].partition(":")[2].rpartition("@")[2])
    card = (path if path.is_dir() else path.parent) / "README.md"
    try:
        parts = card.read_text(encoding="utf-8").split("---\n", 2) if path.exists() else []
        header = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else {}
    except (OSError, ValueError, yaml.YAMLError):
        header = {}
    licence = header.get("license") if isinstance(header, dict) else None
    return f"{licence} (says {card})" if licence else "not known here: see where its weights come from"
