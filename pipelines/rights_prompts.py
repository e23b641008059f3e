"""`rushes rights prompts`: which prompts name somebody or something that may not be generated.

Prompts are read a few thousand at a time from a file, or given on the command line. What cannot be read counts as not
checked: then, as where a prompt is refused, the exit code is 3.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import pyarrow as pa

from filters.rights import prompts
from filters.rights.policy import REGIMES
from filters.rights.prompts import Prompt, Screened, Text
from pipelines import export, options
from pipelines.columns import columns, readable, say
from pipelines.rights_words import (
    Verb,
    add_json,
    add_registry,
    add_state,
    moment,
    opened,
    para,
    print_json,
    shown,
    state,
    texts,
    write_csv,
)
from transforms import addresses, lists, storage
from transforms.failures import ElementError
from transforms.settings import ConfigError

FORMATS: Final = ("csv", "parquet", "jsonl")
"""Suffixes of the files that are written."""

COLUMNS: Final = ("prompt", "prompt_id", "prompt_language", "language", "market", "product")
"""Columns of a file that are read; the first must be there."""

NONE_REFUSED, SOME_REFUSED = 0, 3
"""Exit codes, as of jobs that end with failures recorded."""

_READ: Final = ("csv", "tsv", "jsonl", "ndjson", "parquet")
_BATCH: Final = 4096
_SHOWN: Final = 50
_NOT_CHECKED: Final = "not checked"

_STRINGS: Final = pa.list_(pa.string())
_SCHEMA: Final = pa.schema(
    [
        ("row", pa.int64()),
        ("prompt_id", pa.string()),
        ("verdict", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("words", pa.string()),
        ("work_id", pa.string()),
        ("title", pa.string()),
        ("parties", _STRINGS),
        ("entries", _STRINGS),
        ("reasons", _STRINGS),
        ("near", _STRINGS),
        ("conflicts", _STRINGS),
        ("not_checked", _STRINGS),
        ("registry_version", pa.int64()),
        ("registry_digest", pa.string()),
    ]
)
"""What is written: a row for every name in a prompt, one for a prompt without."""


_T = TypeVar("_T")


class Row(NamedTuple):
    """A prompt as it was given.

    Attributes:
        number: The number a person finds it by.
        prompt_id: Its id; empty where it has none.
        prompt: What is decided; None where it cannot be read.
        wrong: Why it cannot be read.
    """

    number: int
    prompt_id: str
    prompt: Prompt | None
    wrong: str = ""


def read(file: str, asked: Prompt) -> Iterator[Row]:
    """The prompts of a file.

    Args:
        file: A CSV, TSV, JSON Lines or Parquet file: a path, or an address that `transforms.storage` reads.
        asked: What is asked where a row does not say otherwise.

    Raises:
        ConfigError: It is none, it cannot be fetched, or it has no column `prompt`.
    """
    name, extension = shown(file), addresses.extension(file)
    if extension not in _READ:
        raise ConfigError(f"{name}: not one of {', '.join(_READ)}")
    try:
        with contextlib.ExitStack() as stack:
            path = file
            if storage.is_remote(file):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rushes-rights-"))
                path = stack.enter_context(storage.stage(file, folder)).path
            for number, cells in lists.rows(path, extension, "prompt", name):
                yield Row(number, "", None, cells) if isinstance(cells, str) else _row(number, cells, asked)
    except ConfigError as error:
        raise ConfigError(f"{name}: no column `prompt`: name the column with the prompts so") from error
    except ElementError as error:
        raise ConfigError(f"{name}: cannot be fetched ({error.message})") from error
    except (OSError, UnicodeError, pa.ArrowException) as error:
        raise ConfigError(f"{name}: cannot be read ({error})") from error


def _row(number: int, cells: dict[str, Any], asked: Prompt) -> Row:
    prompt_id = str(cells.get("prompt_id") or "")
    for name in COLUMNS:
        if name != "prompt_id" and not _is_text(cells.get(name), name == "market"):
            return Row(number, prompt_id, None, f"{name}: no text")
    text = cells.get("prompt")
    if not isinstance(text, str) or (wrong := prompts.unreadable(text)):
        return Row(number, prompt_id, None, f"prompt: {wrong if isinstance(text, str) else 'there are no words'}")
    one = Prompt(
        (Text(text, _word(cells, "prompt_language")),),
        _places(cells.get("market")) or asked.territories,
        _word(cells, "product") or asked.product,
        _word(cells, "language") or asked.language,
        asked.recipient,
        asked.components,
    )
    return Row(number, prompt_id, one)


def _is_text(cell: Any, several: bool) -> bool:
    if several and isinstance(cell, list):
        return all(isinstance(part, str) for part in cell)
    return cell is None or isinstance(cell, str)


def _word(cells: dict[str, Any], name: str) -> str | None:
    return str(cells.get(name) or "").strip() or None


def _places(said: Any) -> frozenset[str]:
    """Codes of countries, in capitals; one that is none makes the answer `unknown`."""
    words = " ".join(map(str, said)) if isinstance(said, list) else str(said or "")
    return frozenset(part.upper() for part in re.split(r"[,;|\s]+", words) if part)


def _batches(found: Iterable[_T]) -> Iterator[list[_T]]:
    ahead = iter(found)
    while some := list(itertools.islice(ahead, _BATCH)):
        yield some


def decided(by: prompts.Held, rows: Iterable[Row]) -> Iterator[tuple[Row, Screened | None]]:
    """What is decided of every prompt, in order; None of those that cannot be read.

    Raises:
        RegistryError: The registry cannot be read.
    """
    for some in _batches(rows):
        found = iter(prompts.screen_prompts(by, [row.prompt for row in some if row.prompt is not None]))
        for row in some:
            yield row, None if row.prompt is None else next(found)


def _plain(row: Row, found: Screened | None, version: int, digest: str) -> list[dict[str, Any]]:
    """A prompt as rows of what is written."""
    same: dict[str, Any] = {
        "row": row.number,
        "prompt_id": row.prompt_id or None,
        "registry_version": version,
        "registry_digest": digest,
    }
    if found is None:
        return [{**same, "verdict": _NOT_CHECKED, "reasons": [row.wrong], "not_checked": ["prompt"]}]
    same |= {
        "near": list(found.near),
        "conflicts": [" | ".join(ids) for ids in found.conflicts],
        "not_checked": list(found.not_checked),
    }
    told = [
        {
            **same,
            "verdict": one.verdict,
            "start": span.start,
            "end": span.end,
            "words": span.words,
            "work_id": one.work_id,
            "title": one.title,
            "parties": list(one.parties),
            "entries": list(one.entries),
            "reasons": list(one.words),
        }
        for one in found.named
        for span in one.spans
    ]
    if any(one["verdict"] == found.verdict for one in told):
        return told
    # What decided is no name: nothing was found, or something was not understood.
    return [{**same, "verdict": found.verdict, "reasons": list(found.words), "entries": list(found.entries)}, *told]


def _prompts(words: argparse.Namespace) -> int:
    if bool(words.file) == bool(words.prompt):
        raise ConfigError("give a FILE, or one or more --prompt TEXT")
    if words.regime is not None and words.regime not in REGIMES:
        raise ConfigError(f"--regime {words.regime}: one of {', '.join(REGIMES)}")
    kind = (words.output or "x.csv").rsplit(".", 1)[-1].lower()
    if kind not in FORMATS:
        raise ConfigError(f"{words.output}: cannot tell the format; end the name in .{', .'.join(FORMATS)}")
    there = opened(words)
    chosen = state(words, there)
    now = datetime.now(UTC)
    at = moment("--at", words.at) if words.at else min(moment("--as-of", words.as_of) if words.as_of else now, now)
    asked = Prompt(
        (),
        _places(words.market),
        words.product,
        words.language,
        words.recipient,
        frozenset(re.split(r"[,;|\s]+", words.components)) - {""} if words.components else frozenset(),
    )
    by = prompts.ready(there, chosen, at, words.regime)
    given = [{"prompt": text, "prompt_language": words.prompt_language} for text in words.prompt or ()]
    rows = read(words.file, asked) if words.file else (_row(n, one, asked) for n, one in enumerate(given, 1))
    counted = dict.fromkeys(("allow", "deny", "review", "unknown", _NOT_CHECKED), 0)
    told: list[dict[str, Any]] = []
    near = 0
    parts: list[pa.Table] = []
    for some in _batches(decided(by, rows)):
        made = []
        for row, found in some:
            verdict = _NOT_CHECKED if found is None else found.verdict
            counted[verdict] += 1
            near += bool(found and found.near)
            if words.output or verdict != "allow":
                made += (plain := _plain(row, found, chosen.number, chosen.digest))
                if words.json or (verdict != "allow" and len(told) <= _SHOWN):
                    told += [one for one in plain if one["verdict"] != "allow"]
        if words.output:
            parts.append(pa.Table.from_pylist(made, _SCHEMA))
    if words.output:
        _write(pa.concat_tables(parts or [_SCHEMA.empty_table()]), words.output, kind)
    _tell(told, counted, near, chosen.number, words)
    return NONE_REFUSED if counted["allow"] == sum(counted.values()) > 0 else SOME_REFUSED


def _write(table: pa.Table, path: str, kind: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        local = Path(folder) / f"prompts.{kind}"
        if kind == "csv":
            write_csv(texts(table), str(local))
        else:
            export.write(table, local, kind)
        storage.upload(str(local), path)


def _tell(
    told: Sequence[dict[str, Any]], counted: dict[str, int], near: int, version: int, words: argparse.Namespace
) -> None:
    if words.json:
        print_json({"version": version, "prompts": counted, "near": near, "refused": told})
        return
    kept_out = {name: number for name, number in counted.items() if name != "allow" and number}
    what = ", ".join(f"{number} {name}" for name, number in kept_out.items()) or "none refused"
    total = sum(counted.values())
    head = f"{shown(words.file)}: " if words.file else ""
    say(f"{head}{total} {'prompt' if total == 1 else 'prompts'}, {what}")
    if told:
        say("")
        names = ("row", "id", "verdict", "at", "words", "why")
        cells = [[readable(cell) for cell in _cells(one)] for one in told[:_SHOWN]]
        kept = [at for at, name in enumerate(names) if name != "id" or any(row[at] for row in cells)]
        say(columns([names[n] for n in kept], [[row[n] for n in kept] for row in cells], right=("row",), wrap=("why",)))
        if len(told) > _SHOWN:
            say("  ... and more (--output FILE)")
    if near:
        say("")
        para(f"In {near} of them something looks like a name and means something else; --output tells what.")
    say("")
    para(
        f"Decided on the words alone, by version {version} of the registry. Not checked: who is described and not"
        " named, the pictures that go with a prompt, and what comes out of it."
    )


def _cells(one: dict[str, Any]) -> list[str]:
    at = f"{one['start']}-{one['end']}" if one.get("start") is not None else ""
    ids = f" ({', '.join(one['entries'])})" if one.get("entries") else ""
    quoted = f"“{one['words'][:60]}”" if one.get("words") else ""
    return [str(one["row"]), one["prompt_id"] or "", one["verdict"], at, quoted, "; ".join(one["reasons"]) + ids]


def _arguments(parser: options.Parser) -> None:
    parser.add_argument("file", nargs="?", metavar="FILE", help=f"a file with a column prompt: .{', .'.join(_READ)}")
    parser.add_argument("--prompt", action="append", metavar="TEXT", help="a prompt; more than once for several")
    add_registry(parser)
    parser.add_argument("--market", metavar="A,B", help="countries it is to be shown in [default everywhere]")
    parser.add_argument("--product", metavar="P", help="what it is made for")
    parser.add_argument("--language", metavar="L", help="language of what is made")
    parser.add_argument("--recipient", metavar="P", help="who makes it")
    parser.add_argument(
        "--components", metavar="A,B", help="what is made has these: picture, sound, character, face, voice"
    )
    parser.add_argument("--prompt-language", metavar="L", help="language that --prompt is written in [default unknown]")
    parser.add_argument("--regime", metavar="R", help="opt-out or opt-in [default opt-in]; people always opt in")
    parser.add_argument("--at", metavar="DATE", help="the day of the use [default today, or --as-of]")
    add_state(parser)
    parser.add_argument("--output", metavar="FILE", help=f"write what is decided: .{', .'.join(FORMATS)}")
    add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "prompts": Verb(
        "FILE | --prompt TEXT [options]",
        "tell which prompts name somebody or something that may not be generated, and where",
        _arguments,
        _prompts,
        "rushes rights prompts prompts.csv --market DE --product shoes --registry rights\n"
        'rushes rights prompts --prompt "a walk with Ada King" --registry rights',
    )
}
"""What is asked before something is generated."""
