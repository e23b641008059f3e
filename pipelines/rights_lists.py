"""Lists of the rights team: the empty one, the check of a filled one, what it would change, publishing, reverting."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa

from filters.rights import difference, matching, publishing, registry, workbook
from filters.rights.drafts import Listed, check, rows_of
from filters.rights.registry import Registry, Version
from pipelines import options
from pipelines.columns import columns, readable, say
from pipelines.rights_words import (
    Verb,
    add_json,
    add_registry,
    counts,
    difference_json,
    opened,
    print_json,
    registry_uri,
    shown,
    tell_difference,
    texts,
    write_csv,
)
from transforms import storage
from transforms.failures import ElementError
from transforms.settings import ConfigError

_SHOWN: Final = 20


MOST_DENIED: Final = 0.05
"""Share of a corpus' videos, 0 to 1, above which a version that denies them has to be confirmed: what a slip in a list
does more often than its owner means."""


def checked(files: Sequence[str], folder: str, held: Registry | None, base: Version) -> list[Listed]:
    """Lists from wherever they are, checked. Remote ones are copied first, so that all of a command reads the same.

    Args:
        files: Paths or addresses: what `transforms.storage` reads.
        folder: An empty local folder, kept as long as the lists are used.
        held: The registry; None: the lists stand by themselves.
        base: Its version.

    Raises:
        ConfigError: A list cannot be fetched, or the registry is damaged.
    """
    paths = []
    for number, file in enumerate(files):
        path = file
        if storage.is_remote(file):
            path = str(Path(folder, "fetched", str(number), PurePosixPath(urlsplit(file).path).name or "list"))
            try:
                with storage.stage(file, str(Path(path).parent)) as staged:
                    Path(staged.path).rename(path)
            except ElementError as error:
                raise ConfigError(f"{shown(file)}: cannot be fetched ({error.message})") from error
        paths.append(path)
    return check(paths, folder, held, base, [shown(file) for file in files])


@contextlib.contextmanager
def written(file: str) -> Iterator[str]:
    """A local path to write a file to, which goes where it belongs at the end."""
    if not storage.is_remote(file):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        path = Path(folder, PurePosixPath(file).name)
        yield str(path)
        storage.upload(str(path), file)


def _sheet(path: str) -> str:
    """The sheet of a workbook that is read; empty of other files."""
    if Path(path).suffix.lower() != ".xlsx":
        return ""
    try:
        import openpyxl

        book = openpyxl.load_workbook(path, read_only=True)
        names = book.sheetnames
        book.close()
    except Exception:  # It is told as the file's own error; openpyxl raises whatever its parser raises.
        return ""
    return workbook.SHEET if workbook.SHEET in names else names[0]


def _errors(listed: Sequence[Listed]) -> list[dict[str, Any]]:
    found = []
    for one in listed:
        sheet = _sheet(one.path) if one.error_count else ""
        found += [{"file": one.name, "sheet": sheet, **dataclasses.asdict(error)} for error in one.errors]
    return found


def tell_errors(listed: Sequence[Listed]) -> None:
    """Print what is wrong, file by file."""
    for one in listed:
        if not one.error_count:
            say(f"{one.name}: {one.checked.rows} rows, no errors: {counts(one.checked.counts.items())}")
            continue
        sheet = f", sheet {name}" if (name := _sheet(one.path)) else ""
        rows = len({error.row for error in one.errors if error.row})
        errors = f"{one.error_count} error{'' if one.error_count == 1 else 's'}"
        say(f"{one.name}{sheet}: {errors} in {rows} of {one.checked.rows} rows")
        say("")
        cells = [
            [str(e.row) if e.row else "file", e.column or "(row)", readable(e.value), readable(e.remedy)]
            for e in one.errors
        ]
        say(columns(("row", "column", "value", "what to do"), cells, right=("row",), wrap=("value", "what to do")))
        if one.error_count > len(one.errors):
            say(f"... and {one.error_count - len(one.errors)} more: mend these first")
        say("")


def _write_errors(listed: Sequence[Listed], path: str) -> None:
    found = _errors(listed)
    if path.lower().endswith(".json"):
        Path(path).write_text(json.dumps(_report(listed), indent=1, ensure_ascii=False), encoding="utf-8")
    elif path.lower().endswith(".csv"):
        names = ("file", "sheet", "row", "column", "value", "remedy")
        # What made a cell wrong may be a formula: it must not run in the list of errors either.
        write_csv(texts(pa.table({name: pa.array([str(e[name]) for e in found], pa.string()) for name in names})), path)
    else:
        raise ConfigError(f"--output {path}: end the name in .csv or .json")


def _report(listed: Sequence[Listed]) -> dict[str, Any]:
    files = [
        {
            "file": one.name,
            "rows": one.checked.rows,
            "errors": one.error_count,
            "counts": {} if one.error_count else dict(one.checked.counts),
        }
        for one in listed
    ]
    return {"files": files, "errors": _errors(listed)}


def _template(words: argparse.Namespace) -> int:
    with written(words.file) as path:
        workbook.template(path)
    say(f"{words.file}: written; fill it in, then: rushes rights validate {words.file}")
    return 0


def _validate(words: argparse.Namespace) -> int:
    held = None
    try:
        uri = registry_uri(words)
    except ConfigError:
        uri = ""
    if uri:
        held = registry.open_registry(uri)
    base = registry.version(held) if held else registry.EMPTY
    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        listed = checked(words.files, folder, held, base)
        if words.output:
            with written(words.output) as path:
                _write_errors(listed, path)
        if words.json:
            print_json(_report(listed))
        else:
            tell_errors(listed)
            if held is None:
                say("Checked by itself: --registry R checks it against what a registry has already.")
            if words.output:
                say(f"{words.output}: every error, one a row")
    return int(any(one.error_count for one in listed))


def _refused(listed: Sequence[Listed], as_json: bool = False) -> bool:
    """Whether there are errors; they are told."""
    if not any(one.error_count for one in listed):
        return False
    if as_json:
        print_json(_report(listed))
    else:
        tell_errors(listed)
        say("Nothing was published: a list is taken whole, without errors, or not at all.")
    return True


def _diff(words: argparse.Namespace) -> int:
    held = opened(words)
    if words.files:
        if words.to is not None:
            raise ConfigError("--to: of files there is nothing but what they would add; leave it away")
        base = registry.version(held, words.since)
        with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
            listed = checked(words.files, folder, held, base)
            if _refused(listed, words.json):
                return 1
            found = difference.of_rows(held, base, rows_of(listed))
    elif words.since is None:
        raise ConfigError("diff: name FILEs, or versions with --from N [--to M]")
    else:
        found = difference.of_versions(held, registry.version(held, words.since), registry.version(held, words.to))
    if words.json:
        print_json(difference_json(found))
        return 0
    tell_difference(found, None if words.all else _SHOWN)
    if words.files and found:
        say("")
        say("Nothing was published. To publish this, only if nobody was quicker:")
        files = " ".join(map(shown, words.files))
        say(f'  rushes rights publish {files} --base {base.number} --author "..." --reason "..."')
    return 0


def approved(held: Registry, words: argparse.Namespace) -> None:
    """Refuse what one person alone must not do.

    Raises:
        ConfigError: The registry wants two people, and one is named.
    """
    if held.two_people and not (words.approver or "").strip():
        raise ConfigError("this registry needs two people: give --approver, who is not the author")


def _sealed(held: Registry, made: Version, before: Version) -> None:
    by = made.author + (f", approved by {made.approver}" if made.approver else "")
    say(f"{shown(held.root)}: version {made.number} by {by}: {made.reason}")
    if made.reverts_to is not None:
        say(f"It has the rows of version {made.reverts_to} again; versions up to {before.number} stay readable.")
    else:
        say(f"Added: {counts(made.added.items())}.")
    say(f"What it changed: rushes rights diff --from {before.number}")
    with contextlib.suppress(ConfigError, ElementError):  # It is published; a job that finds nothing compiled does it.
        matching.compile_version(held, made)


def _publish(words: argparse.Namespace) -> int:
    if words.two_people and not words.create:
        raise ConfigError("--two-people is chosen when a registry is made: give --create with it")
    if words.create:
        with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
            # Else a first list with an error leaves a registry without a version.
            if not _is_there(words) and _refused(checked(words.files, folder, None, registry.EMPTY)):
                return 1
    held = registry.create(registry_uri(words), words.two_people) if words.create else opened(words)
    approved(held, words)
    base = registry.version(held, words.base)
    with tempfile.TemporaryDirectory(prefix="rushes-rights-") as folder:
        listed = checked(words.files, folder, held, base)
        if _refused(listed):
            return 1
        if _floods(words, held, base, listed):
            return 1
        said = {"author": words.author, "reason": words.reason, "approver": words.approver or ""}
        try:
            made = publishing.publish(held, rows_of(listed), base=base.number, **said)
        except publishing.Outdated as error:
            return _too_late(error)
    if made == base:
        say(f"{shown(held.root)}: nothing new; the registry says all of it already, in version {base.number}")
    else:
        _sealed(held, made, base)
    return 0


def _is_there(words: argparse.Namespace) -> bool:
    return storage.exists(storage.join(storage.normalise(registry_uri(words)), "registry.json"))


def _floods(words: argparse.Namespace, held: Registry, base: Version, listed: Sequence[Listed]) -> bool:
    """Whether lists would deny more of a corpus than anybody has confirmed; it is told then."""
    if words.output is None or words.confirm:
        return False
    from pipelines import rights_impact

    found = rights_impact.would_change(words.output, held, base, listed)
    if found.denied_share <= words.most_denied:
        return False
    rights_impact.tell(found, words.output)
    say(
        f"Not published: this denies {found.denied_share:.1%} of the videos there, over"
        f" --most-denied {words.most_denied:g}."
    )
    say("If that is meant, publish again with --confirm.")
    return True


def _too_late(error: ConfigError) -> int:
    say(readable(f"Not published: {error}"))
    return 1


def _revert(words: argparse.Namespace) -> int:
    held = opened(words)
    approved(held, words)
    base = registry.version(held, words.base)
    said = {"author": words.author, "reason": words.reason, "approver": words.approver or ""}
    if base.number and registry.version(held, words.to).parts == base.parts:
        say(f"{shown(held.root)}: nothing to revert; version {base.number} has the rows of version {words.to}")
        return 0
    try:
        made = publishing.revert(held, words.to, base=base.number, **said)
    except publishing.Outdated as error:
        return _too_late(error)
    _sealed(held, made, base)
    return 0


def _add_people(parser: options.Parser) -> None:
    parser.add_argument("--author", required=True, metavar="A", help="who publishes")
    parser.add_argument("--reason", required=True, metavar="T", help="why, in a sentence")
    parser.add_argument("--approver", metavar="B", help="who approved it: another person than the author")
    parser.add_argument("--base", type=int, metavar="N", help="publish only if version N is still the latest")


def _template_arguments(parser: options.Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="where to: .xlsx, with a sheet of explanations, or .csv")


def _validate_arguments(parser: options.Parser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="lists: .csv, .tsv, .xlsx or .parquet, anywhere")
    add_registry(parser)
    parser.add_argument("--output", metavar="ERRORS", help="write every error to a file, .csv or .json")
    add_json(parser)


def _diff_arguments(parser: options.Parser) -> None:
    parser.add_argument("files", nargs="*", metavar="FILE", help="lists that would be published")
    add_registry(parser)
    parser.add_argument("--from", dest="since", type=int, metavar="N", help="the earlier version [default the latest]")
    parser.add_argument("--to", type=int, metavar="M", help="the later version [default the latest]")
    parser.add_argument("--all", action="store_true", help=f"every row, not the first {_SHOWN}")
    add_json(parser)


def _publish_arguments(parser: options.Parser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="lists: .csv, .tsv, .xlsx or .parquet, anywhere")
    add_registry(parser)
    _add_people(parser)
    parser.add_argument("--output", metavar="OUT", help="a corpus: refuse what denies too much of it without --confirm")
    parser.add_argument(
        "--most-denied",
        type=float,
        default=MOST_DENIED,
        metavar="X",
        help=f"share of its videos, 0 to 1, from which on to refuse [default {MOST_DENIED:g}]",
    )
    parser.add_argument("--confirm", action="store_true", help="publish whatever it denies")
    parser.add_argument("--create", action="store_true", help="make the registry where there is none")
    parser.add_argument("--two-people", action="store_true", help="with --create: every version needs an approver")


def _revert_arguments(parser: options.Parser) -> None:
    parser.add_argument("--to", required=True, type=int, metavar="N", help="the version to go back to; 0 is empty")
    add_registry(parser)
    _add_people(parser)


VERBS: Final[dict[str, Verb]] = {
    "template": Verb(
        "FILE",
        "write an empty list to fill in",
        _template_arguments,
        _template,
        "rushes rights template list.xlsx",
    ),
    "validate": Verb(
        "FILE... [options]",
        "check lists, and tell every cell that is wrong and what to do about it",
        _validate_arguments,
        _validate,
        "rushes rights validate list.xlsx --output errors.csv",
    ),
    "diff": Verb(
        "[FILE...] [--from N] [--to M] [options]",
        "tell what publishing lists would change, or what changed between two versions",
        _diff_arguments,
        _diff,
        "rushes rights diff list.xlsx --registry rights\nrushes rights diff --from 3 --to 5 --registry rights",
    ),
    "publish": Verb(
        "FILE... --author A --reason T [options]",
        "check lists and publish them as the registry's next version, all of them or nothing",
        _publish_arguments,
        _publish,
        'rushes rights publish list.xlsx --registry rights --author "legal" --reason "letter of 3 March"',
    ),
    "revert": Verb(
        "--to N --author A --reason T [options]",
        "publish the state of an earlier version again; nothing is forgotten",
        _revert_arguments,
        _revert,
        'rushes rights revert --to 3 --registry rights --author "legal" --reason "version 4 was a mistake"',
    ),
}
"""What the rights team does with its lists."""
