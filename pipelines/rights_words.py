"""Rights, in words: what the commands of the rights team share: options, moments, and records told in sentences."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import os
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any, Final, NamedTuple

import pyarrow as pa

from filters.rights import registry
from filters.rights.difference import Changed, Difference, Effect
from filters.rights.records import STAMPS, USES, WORLD, Entries, StatementRow, from_mapping
from filters.rights.registry import Registry, Version
from filters.rights.status import last_moment, stamp
from pipelines import options
from pipelines.columns import readable, say
from transforms import storage, views
from transforms.settings import ConfigError

ENVIRONMENT: Final = "RUSHES_RIGHTS"
"""The variable that names the registry where `--registry` does not."""

_WIDTH: Final = 80
_SAYS: Final = {
    "opt_out": "refuses",
    "grant": "grants",
    "revoke": "revokes",
    "hold": "puts on hold",
    "dispute": "disputes",
}


class Verb(NamedTuple):
    """One of the commands `rushes rights VERB`.

    Attributes:
        usage: What follows the verb.
        summary: What it does, in a line.
        arguments: Adds its options.
        run: Does it; returns the exit code.
        examples: Command lines, one a line.
    """

    usage: str
    summary: str
    arguments: Callable[[options.Parser], None]
    run: Callable[[argparse.Namespace], int]
    examples: str = ""


def add_registry(parser: options.Parser) -> None:
    """Add the option that names the registry."""
    parser.add_argument(
        "--registry", metavar="R", help=f"the registry: a folder, s3:// or gs:// [default: ${ENVIRONMENT}]"
    )


def add_json(parser: options.Parser) -> None:
    """Add the option for programs that read along."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_state(parser: options.Parser) -> None:
    """Add the options that choose a state of the registry."""
    parser.add_argument("--version", type=int, metavar="N", help="a version [default the latest]")
    parser.add_argument("--as-of", metavar="DATE", help="what was known then: YYYY-MM-DD (its end) or a moment, UTC")


def registry_uri(words: argparse.Namespace) -> str:
    """Where the registry is.

    Raises:
        ConfigError: Nobody said.
    """
    found = words.registry or os.environ.get(ENVIRONMENT)
    if not found:
        raise ConfigError(f"no registry named: give --registry R, or set {ENVIRONMENT}")
    return str(found)


def opened(words: argparse.Namespace) -> Registry:
    """The registry, for reading.

    Raises:
        ConfigError: There is none, or it is damaged.
    """
    return registry.open_registry(registry_uri(words))


def state(words: argparse.Namespace, held: Registry) -> Version:
    """The version that `--version` or `--as-of` choose.

    Raises:
        ConfigError: Both are given, there is no such version, or it is damaged.
    """
    if words.version is not None and words.as_of is not None:
        raise ConfigError("--version and --as-of: give one of them")
    return registry.version(held, words.version, None if words.as_of is None else moment("--as-of", words.as_of))


def moment(option: str, text: str) -> datetime:
    """A moment from ISO 8601; a day is taken at its end, when everything that was published on it is known.

    Raises:
        ConfigError: It is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: give YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SSZ (UTC)") from None
    if len(text) <= len("2026-01-01"):
        found = datetime.combine(found, time.max)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def para(text: str, indent: str = "", hanging: str | None = None) -> None:
    """Print a text within 80 columns; ids and addresses are never broken."""
    hanging = indent if hanging is None else hanging
    lines = textwrap.wrap(
        readable(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    say("\n".join(lines or [""]))


def print_json(value: Any) -> None:
    """Print a value as JSON; records as mappings, moments as ISO 8601."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=plain))


def plain(value: Any) -> Any:
    """A value that JSON has no word for."""
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(type(value).__name__)


def cell(value: Any) -> str:
    """A value as a cell of a list: days as days, lists between | signs."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " | ".join(value) if isinstance(value, list) else str(value)


def texts(table: pa.Table) -> pa.Table:
    """A table as texts that no spreadsheet runs as a formula; characters that it cannot hold as escapes."""
    cells = [
        pa.array([None if v is None else readable(cell(v)) for v in column.to_pylist()], pa.string())
        for column in table.columns
    ]
    return views.escaped(pa.table(cells, names=table.column_names))


def write_csv(table: pa.Table, path: str) -> None:
    """Write a table of texts as `CSV UTF-8`, with the mark by which spreadsheet programs know it."""
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=10_000):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def shown(uri: str) -> str:
    """An address without what must not be seen."""
    return storage.redact(uri)


def party(entries: Entries, name: str) -> str:
    """A party as `Name (id)`."""
    row = entries.parties.get(name)
    return name if row is None or row.name == name else f"{row.name} ({name})"


def work(entries: Entries, name: str | None) -> str:
    """A work as `Title (id)`."""
    if name is None:
        return "everything it owns"
    row = entries.works.get(name)
    return name if row is None or row.title == name else f"{row.title} ({name})"


def statement(said: StatementRow, entries: Entries) -> str:
    """A statement as a sentence: who says what of which work, for which use, where and when."""
    who, what = party(entries, said.party_id), work(entries, said.work_id)
    if said.mode == "exclude":
        what = f"{who} says that {said.subject} is not {what}"
    else:
        what = f"{who} {_SAYS.get(said.mode, said.mode)} {f'{said.target}, of ' if said.target else ''}{what}"
    if said.through:
        what += f", through {party(entries, said.through)}"
    parts = [what, scope(said)]
    if when := times(said):
        parts.append(when)
    if said.share_bp:
        parts.append(f"share {said.share_bp / 100:g} %")
    if said.revocation_effect:
        parts.append(said.revocation_effect.replace("_", " "))
    if said.supersedes:
        parts.append(f"in place of {said.supersedes}")
    return "; ".join(part for part in parts if part)


def scope(said: StatementRow) -> str:
    """What a statement is about beside its work: uses, places, components and, of a grant, its conditions."""
    uses = set(said.uses or ())
    parts = ["every use" if not uses or uses == set(USES) else ", ".join(said.uses)]
    places = said.territories or [WORLD]
    parts.append("everywhere" if WORLD in places else f"in {', '.join(places)}")
    for name, values in (
        ("", said.components),
        ("for ", said.products),
        ("in language ", said.languages),
        ("to ", said.recipients),
    ):
        if values:
            parts.append(name + ", ".join(values))
    return "; ".join(parts)


def times(said: StatementRow) -> str:
    """From when to when a statement holds, its last day included; empty where it says nothing."""
    begin = f"from {stamp(said.valid_from)}" if said.valid_from else ""
    end = f"until {last_moment(said.valid_until)}" if said.valid_until else ""
    return f"{begin} {end}".strip()


def counts(numbers: Iterable[tuple[str, int]]) -> str:
    """Amounts in words: `1 party, 2 works`; nothing where all are 0."""
    one = {"parties": "party", "works": "work", "identifiers": "identifier", "statements": "statement"}
    return ", ".join(f"{n} {one.get(name, name) if n == 1 else name}" for name, n in numbers if n) or "nothing"


def row(table: str, values: Mapping[str, Any], entries: Entries) -> str:
    """A row of the registry in a line."""
    if table == "parties":
        verified = f"verified by {values['verified_by']}" if values["verified_by"] else "not verified: may refuse only"
        return f"{values['name']}, {values['kind']}, {verified}"
    if table == "works":
        parts = [f"{values['title']}, {values['kind']}"]
        parts += [f"part of {work(entries, values['parent'])}"] if values["parent"] else []
        parts += [f"of {', '.join(party(entries, name) for name in values['owners'])}"] if values["owners"] else []
        parts += ["a minor"] if values["minor"] else []
        return ", ".join(parts)
    if table == "identifiers":
        return identifier(values) + f" recognises {work(entries, values['work_id'])}"
    return statement(from_mapping(StatementRow, values), entries)


def identifier(values: Mapping[str, Any]) -> str:
    """An identifier in a line: its kind, what is looked for, and what goes with it."""
    parts = [f"{values['kind']} {values['value']}"]
    parts += [f"also {' | '.join(values['aliases'])}"] if values["aliases"] else []
    parts += [f"but not near {' | '.join(values['negative_contexts'])}"] if values["negative_contexts"] else []
    parts += [f"its {values['component']}"] if values["component"] else []
    parts += ["withdrawn"] if values["withdrawn"] else []
    return ", ".join(parts)


def tell_difference(found: Difference, most: int | None) -> None:
    """Print a difference.

    Args:
        found: The difference.
        most: Rows of each kind that are told; None: all.
    """
    later = "the lists" if found.after is None else f"version {found.after.number}"
    say(f"From version {found.before.number} to {later}:")
    for table, changed in found.changed.items():
        if not changed:
            continue
        say("")
        say(f"{table}: {counts_of(changed)}")
        for what, keys in (("new", changed.new), ("changed", changed.changed), ("gone", changed.gone)):
            for key in keys[:most]:
                para(f"{what:<8} {key}: {_told(found, table, key)}", "  ", " " * 11)
            _rest(keys, most)
    if not found:
        say("nothing: both say the same")
    if found.effects is None:
        say("")
        say("Too many statements to tell one by one which of them begin and end.")
    told = {*found.changed["statements"].new[:most], *found.changed["statements"].gone[:most]}
    for kind, title in _KINDS.items():
        some = [e for e in found.effects or () if e.kind == kind]
        if some:
            say("")
            say(title)
        # What stands above in full is only named here.
        again = [e.said.statement_id for e in some if e.said.statement_id in told and not _why(e)]
        if again:
            para(", ".join(again), "  ")
        rest = [e for e in some if e.said.statement_id not in again]
        for effect in rest[:most]:
            words = f"{effect.said.statement_id}: {statement(effect.said, found.entries)}"
            para(f"{words}{_why(effect)}", "  ", "    ")
        _rest(rest, most)
    if found.conflicts:
        say("")
        say("New conflicts")
    for one in found.conflicts[:most]:
        para(f"{work(found.entries, one.work_id)}: {one.words}", "  ", "    ")


_KINDS: Final = {
    "begins": "Begin to hold",
    "announced": "Begin later",
    "ends": "No longer hold",
    "without effect": "Have no effect",
    "otherwise": "Stand otherwise",
}


def _why(effect: Effect) -> str:
    if effect.after.state == "absent":
        return ""
    if effect.kind in ("begins", "announced"):
        return f" ({effect.after.why})" if effect.after.state == "in part" else ""
    return f" ({effect.after.state}{': ' if effect.after.why else ''}{effect.after.why})"


def _rest(found: Sequence[Any], most: int | None) -> None:
    if most is not None and len(found) > most:
        say(f"  ... and {len(found) - most} more")


def counts_of(changed: Changed) -> str:
    """How many rows are new, changed and gone, in words."""
    kinds = (("new", changed.new), ("changed", changed.changed), ("gone", changed.gone))
    return ", ".join(f"{len(keys)} {name}" for name, keys in kinds if keys)


def _told(found: Difference, table: str, key: str) -> str:
    old, new = found.old[table].get(key), found.new[table].get(key)
    if old is None or new is None:
        return row(table, new or old or {}, found.entries) if new or old else ""
    names = [name for name in new if name not in STAMPS and (old[name] or None) != (new[name] or None)]
    return "; ".join(f"{name}: {_cell(old[name])} becomes {_cell(new[name])}" for name in names)


def _cell(value: Any) -> str:
    return "(blank)" if value is None or value == [] else cell(value)


def difference_json(found: Difference) -> dict[str, Any]:
    """A difference as plain data."""
    tables = {
        table: {
            "new": [found.new[table].get(key, key) for key in changed.new],
            "changed": [
                {"before": found.old[table].get(key, key), "after": found.new[table].get(key, key)}
                for key in changed.changed
            ],
            "gone": [found.old[table].get(key, key) for key in changed.gone],
        }
        for table, changed in found.changed.items()
    }
    told = [
        {
            "statement_id": effect.said.statement_id,
            "effect": effect.kind,
            "before": effect.before._asdict(),
            "after": effect.after._asdict(),
        }
        for effect in found.effects or ()
    ]
    return {
        "from": found.before.number,
        "to": None if found.after is None else found.after.number,
        "tables": tables,
        "effects": None if found.effects is None else told,
        "conflicts": [one._asdict() for one in found.conflicts],
    }
