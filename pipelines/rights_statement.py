"""`rushes rights statement`: every use of a party's licensed works in a period, rolled up for the account.

Lengths are whole microseconds, so sums of seconds are exact. Only weighted seconds are rounded, once a line: seconds x
basis points / 10,000, half to even, to the microsecond; the total is the sum of the lines as they stand there.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds

from filters.rights.status import stamp
from pipelines import export, options
from pipelines.columns import columns, readable, say
from pipelines.rights_words import Verb, add_json, para, print_json, shown
from transforms import storage, tables
from transforms.settings import ConfigError

WHOLE: Final = 10_000
"""Basis points of the whole revenue."""

_EXACT: Final = Context(prec=38)
_NONE: Final = Decimal("0.000000")
_SECONDS: Final = pa.decimal128(38, 6)
_COLUMNS: Final = ("line", "work_id", "recipient", "statement_id", "share_bp", "kind", "use", "uses")
_SUMS: Final = ("clip_seconds", "asset_seconds", "seconds", "weighted_seconds")


@dataclasses.dataclass(frozen=True)
class Line:
    """Uses of one work by one recipient under one grant.

    Attributes:
        work_id: The work.
        recipient: Who used it; None where nobody in particular did.
        statement_id: The grant.
        share_bp: Its share in basis points; None where none was agreed.
        kind: `release` or `asset`.
        use: What it was used for.
        use_ids: The rows of `licensed_uses` behind it, sorted.
        seconds: Their length, exact.
        weighted_seconds: Seconds x basis points / 10,000, rounded half to even to the microsecond.
    """

    work_id: str
    recipient: str | None
    statement_id: str
    share_bp: int | None
    kind: str
    use: str
    use_ids: tuple[str, ...]
    seconds: Decimal
    weighted_seconds: Decimal

    @property
    def clip_seconds(self) -> Decimal:
        """Seconds of clips in releases."""
        return self.seconds if self.kind == "release" else _NONE

    @property
    def asset_seconds(self) -> Decimal:
        """Seconds of generated assets."""
        return self.seconds if self.kind == "asset" else _NONE


@dataclasses.dataclass(frozen=True)
class Statement:
    """The account of one party over one period.

    Attributes:
        party_id: The party.
        begin: First moment, UTC.
        end: First moment after the period, UTC.
        snapshot: The snapshot of the tables that it was read from.
        lines: By work, recipient, grant, share, kind and use, sorted.
    """

    party_id: str
    begin: datetime
    end: datetime
    snapshot: int
    lines: tuple[Line, ...]

    def total(self, name: str) -> Decimal:
        """The sum of a column of the lines as they are: exact."""
        return sum((getattr(line, name) for line in self.lines), _NONE)


def statement(
    corpus: tables.Corpus, party: str, begin: datetime, end: datetime, number: int | None = None
) -> Statement:
    """Roll up a party's rows of `licensed_uses`.

    Args:
        corpus: The output folder.
        party: Its id.
        begin: First moment, UTC.
        end: First moment after the period, UTC.
        number: An older snapshot.

    Raises:
        ConfigError: There is no such snapshot.
    """
    chosen = tables.snapshot(corpus, number).number
    rows: list[dict[str, Any]] = []
    if chosen:
        rows = tables.read(corpus, "licensed_uses", chosen, where=ds.field("party_id") == party).to_pylist()
    inside = {row["use_id"]: row for row in rows if begin <= datetime.fromisoformat(row["at"]) < end}
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    names = ("work_id", "recipient", "statement_id", "share_bp", "kind", "use")
    for row in inside.values():
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    order = sorted(groups, key=lambda key: tuple("" if part is None else str(part) for part in key))
    return Statement(party, begin, end, chosen, tuple(_line(key, groups[key]) for key in order))


def _line(key: tuple[Any, ...], rows: Iterable[Mapping[str, Any]]) -> Line:
    ordered = sorted(rows, key=lambda row: str(row["use_id"]))
    micro = sum(int(row["microseconds"]) for row in ordered)
    whole, rest = divmod(micro * (key[3] or 0), WHOLE)
    whole += 2 * rest > WHOLE or (2 * rest == WHOLE and whole % 2 == 1)
    work_id, recipient, statement_id, share_bp, kind, use = key
    return Line(
        work_id=work_id,
        recipient=recipient,
        statement_id=statement_id,
        share_bp=share_bp,
        kind=kind,
        use=use,
        use_ids=tuple(row["use_id"] for row in ordered),
        seconds=_seconds(micro),
        weighted_seconds=_seconds(whole),
    )


def _seconds(micro: int) -> Decimal:
    return Decimal(micro).scaleb(-6, _EXACT)


def table(found: Statement) -> pa.Table:
    """A statement as a table, a row a line, with the ids of the uses behind it, the period and the snapshot."""
    rows = [_row(number, line) for number, line in enumerate(found.lines, 1)]
    fields = [
        *(pa.field(name, pa.int64() if name in ("line", "share_bp", "uses") else pa.string()) for name in _COLUMNS),
        *(pa.field(name, _SECONDS) for name in _SUMS),
    ]
    period = {"party_id": found.party_id, "from": stamp(found.begin), "to": stamp(found.end)}
    fields += [pa.field(name, pa.string()) for name in period] + [pa.field("snapshot", pa.int64())]
    fields += [pa.field("use_ids", pa.list_(pa.string()))]
    ids = [list(line.use_ids) for line in found.lines]
    whole = [{**row, **period, "snapshot": found.snapshot, "use_ids": one} for row, one in zip(rows, ids, strict=True)]
    return pa.Table.from_pylist(whole, schema=pa.schema(fields))


def _row(number: int, line: Line) -> dict[str, Any]:
    values = {"line": number, "uses": len(line.use_ids)}
    return {name: values.get(name, getattr(line, name, None)) for name in (*_COLUMNS, *_SUMS)}


def uses(found: Statement) -> pa.Table:
    """The rows of `licensed_uses` behind each line: line and use_id."""
    pairs = [(number, one) for number, line in enumerate(found.lines, 1) for one in line.use_ids]
    lines, ids = [number for number, _ in pairs], [one for _, one in pairs]
    return pa.table({"line": pa.array(lines, pa.int64()), "use_id": pa.array(ids, pa.string())})


def _moment(option: str, text: str) -> datetime:
    """A bound of the period; a day stands for its first moment, so `--to 2027-02-01` ends with January."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: give YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SSZ (UTC)") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _save(made: pa.Table, uri: str, kind: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rushes-statement-") as folder:
        local = Path(folder, f"statement.{kind}")
        export.write(made, local, kind)
        storage.upload(str(local), uri)


def companion(uri: str) -> str:
    """The file beside a CSV statement that names the uses behind each line."""
    return f"{uri.removesuffix('.csv')}.uses.csv"


def tell(found: Statement) -> None:
    """Print a statement."""
    say(f"{readable(found.party_id)}: {stamp(found.begin)} up to {stamp(found.end)} (UTC), snapshot {found.snapshot}")
    if not found.lines:
        say("No use of its licensed works in that time.")
        return
    names = (*_COLUMNS, *_SUMS)
    cells = [_row(number, line) for number, line in enumerate(found.lines, 1)]
    rows = [["" if row[name] is None else readable(str(row[name])) for name in names] for row in cells]
    ends = {"line": "total", "uses": str(sum(len(line.use_ids) for line in found.lines))}
    rows.append([ends.get(name) or (str(found.total(name)) if name in _SUMS else "") for name in names])
    say(columns(names, rows, right=("line", "share_bp", "uses", *_SUMS)))
    para(
        "Seconds are exact. Weighted seconds are seconds x basis points / 10,000, rounded once a line, half to even, to"
        " 0.000001 s; the total is the sum of the lines."
    )


def _statement(words: argparse.Namespace) -> int:
    begin, end = _moment("--from", words.begin), _moment("--to", words.end)
    if begin >= end:
        raise ConfigError(f"--to {words.end}: the period ends before that moment, so give one after --from")
    found = statement(tables.open_corpus(words.output), words.party, begin, end, words.snapshot)
    made = table(found)
    if words.csv:
        _save(made.drop_columns(["use_ids"]), words.csv, "csv")
        _save(uses(found), companion(words.csv), "csv")
    if words.parquet:
        _save(made, words.parquet, "parquet")
    if words.json:
        totals = {name: str(found.total(name)) for name in _SUMS}
        lines = [{k: str(v) if isinstance(v, Decimal) else v for k, v in row.items()} for row in made.to_pylist()]
        print_json({"party_id": found.party_id, "snapshot": found.snapshot, "lines": lines, "total": totals})
        return 0
    tell(found)
    files: Sequence[str] = [*([words.csv, companion(words.csv)] if words.csv else []), *filter(None, [words.parquet])]
    for file in files:
        say(f"  {shown(file)}")
    return 0


def _arguments(parser: options.Parser) -> None:
    parser.add_argument("--output", required=True, metavar="OUT", help="the corpus: an output folder")
    parser.add_argument("--party", required=True, metavar="P", help="id of the party")
    parser.add_argument("--from", required=True, dest="begin", metavar="DATE", help="first day or moment, UTC")
    parser.add_argument("--to", required=True, dest="end", metavar="DATE", help="first day or moment after it, UTC")
    parser.add_argument("--csv", metavar="FILE", help="write it as CSV, and beside it FILE.uses.csv: uses by line")
    parser.add_argument("--parquet", metavar="FILE", help="write it as Parquet, with the uses behind each line")
    parser.add_argument("--snapshot", type=int, metavar="N", help="an older state, by number [default the latest]")
    add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "statement": Verb(
        "--output OUT --party P --from DATE --to DATE [options]",
        "roll up every use of a party's licensed works in a period, by work, recipient, grant and share",
        _arguments,
        _statement,
        "rushes rights statement --output corpus --party acme --from 2027-01-01 --to 2027-04-01 --csv acme.csv",
    ),
}
"""The verb."""
