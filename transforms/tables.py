"""Tables: Delta Lake tables, rolled forward from one commit log for all of them.

A commit is one file, `commits/000012.json`, created only if absent, with every table's added and removed parts. Whoever
comes by rolls commits into the tables in order and then writes `snapshots/000012.json`, so a death between two tables
leaves work for the next one to come, never a mixed state: readers open a snapshot.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from transforms import records, storage
from transforms.failures import ElementError
from transforms.merge import Part
from transforms.settings import ConfigError
from transforms.store import read_if_there

FORMAT: Final = 1
"""Layout of the output folder; raised when an older program could no longer read it."""

APPLICATION: Final = "rushes-commits"
"""Application id under which a table records the last commit rolled into it (Delta transaction identifiers)."""

_ROLL_ATTEMPTS: Final = 20


@dataclass(frozen=True)
class Snapshot:
    """The state of the corpus after a commit.

    Attributes:
        number: Number of the commit; 0 before the first.
        run_id: The run that made it.
        versions: Delta version of every table.
    """

    number: int
    run_id: str
    versions: Mapping[str, int]


@dataclass(frozen=True)
class Corpus:
    """An output folder.

    Attributes:
        root: Its URI.
        buckets: Buckets of every bucketed table, fixed at creation.
    """

    root: str
    buckets: int

    def uri(self, *parts: str) -> str:
        """The URI of something below the output folder."""
        return storage.join(self.root, *parts)

    def table_uri(self, name: str) -> str:
        """The folder of a table."""
        return self.uri("tables", name)


def create_corpus(root: str, buckets: int) -> Corpus:
    """Open an output folder, making it and its tables if they aren't there.

    Raises:
        ConfigError: The folder was made by a newer program, or can't be written.
    """
    root = storage.normalise(root)
    try:
        meta = _corpus_file(root)
        if meta is None:
            storage.create_bytes(
                storage.join(root, "corpus.json"), json.dumps({"format": FORMAT, "buckets": buckets}).encode()
            )
            meta = _corpus_file(root)
            assert meta is not None
        corpus = Corpus(root, meta["buckets"])
        for record in records.RECORDS:
            ensure_table(corpus, record)
    except (ElementError, OSError) as error:
        raise ConfigError(
            f"--output {storage.redact(root)}: cannot be written ({error}); check path, permissions and free space"
        ) from error
    return corpus


def open_corpus(root: str) -> Corpus:
    """Open an output folder for reading.

    Raises:
        ConfigError: There is none, or a newer program made it.
    """
    root = storage.normalise(root)
    meta = _corpus_file(root)
    if meta is None:
        raise ConfigError(f"{storage.redact(root)}: no output of rushes here (corpus.json is missing); check the path")
    return Corpus(root, meta["buckets"])


def _corpus_file(root: str) -> dict[str, int] | None:
    data = read_if_there(storage.join(root, "corpus.json"))
    if data is None:
        return None
    try:
        meta: dict[str, int] = json.loads(data)
    except ValueError as error:
        raise ConfigError(
            f"{storage.redact(root)}/corpus.json: not readable JSON ({error}); restore it or choose another output"
        ) from error
    if meta.get("format", 0) > FORMAT:
        raise ConfigError(
            f"{storage.redact(root)}: written by a newer version"
            f" (format {meta['format']}, this one reads {FORMAT}); update rushes"
        )
    return meta


def ensure_table(corpus: Corpus, record: type[Any]) -> None:
    """Make a record's table, empty, where there is none; add the columns that one of an older version lacks."""
    uri, wanted = corpus.table_uri(record.table), records.schema(record)
    table = _open_delta(uri)
    if table is None:
        DeltaTable.create(
            uri,
            schema=_delta_schema(wanted),
            mode="ignore",
            name=record.table,
            storage_options=storage.storage_options(uri),
        )
        return
    have = {f.name for f in table.schema().fields}
    new = [f for f in _delta_schema(wanted) if f.name not in have]
    if new:
        # Delta's fields come from Arrow; a new column is null in every older row.
        from deltalake import Schema

        table.alter.add_columns(Schema.from_arrow(pa.schema(new)).fields)


def _delta_schema(schema: pa.Schema) -> pa.Schema:
    # A column added later must be nullable in Delta, so all are; the record's own schema stays the stricter one.
    return pa.schema([f.with_nullable(True) for f in schema], schema.metadata)


def _open_delta(uri: str, version: int | None = None) -> DeltaTable | None:
    try:
        return DeltaTable(uri, version=version, storage_options=storage.storage_options(uri))
    except TableNotFoundError:
        return None


def delta(corpus: Corpus, name: str, number: int | None = None) -> DeltaTable:
    """A table as of a snapshot, the latest if none is named.

    Raises:
        ConfigError: No such table or snapshot.
    """
    if name not in records.BY_TABLE:
        raise ConfigError(f"no table {name!r}; there are {', '.join(records.BY_TABLE)}")
    found = snapshot(corpus, number)
    if name not in found.versions:  # It is younger than the snapshot, and was empty then.
        ensure_table(corpus, records.BY_TABLE[name])
    table = _open_delta(corpus.table_uri(name), found.versions.get(name, 0))
    if table is None:
        raise ConfigError(f"{storage.redact(corpus.root)}: table {name!r} is missing; run a job first")
    return table


def dataset(corpus: Corpus, name: str, number: int | None = None) -> ds.Dataset:
    """A table as of a snapshot, as an Arrow dataset: columns and filters are pushed down into the Parquet parts."""
    # With today's schema: a column that the snapshot's version of the table lacks is null in it.
    schema = _delta_schema(records.schema(records.BY_TABLE[name])) if name in records.BY_TABLE else None
    found: ds.Dataset = delta(corpus, name, number).to_pyarrow_dataset(schema=schema)
    return found


def read(
    corpus: Corpus,
    name: str,
    number: int | None = None,
    columns: Sequence[str] | None = None,
    where: ds.Expression | None = None,
) -> pa.Table:
    """Rows of a table as of a snapshot, in memory, sorted by key as far as the columns allow.

    Raises:
        ConfigError: No such table or snapshot, or its parts are gone.
    """
    try:
        table = dataset(corpus, name, number).to_table(columns=list(columns) if columns else None, filter=where)
    except FileNotFoundError as error:
        shown = "the latest snapshot" if number is None else f"snapshot {number}"
        raise ConfigError(
            f"{name}: {shown} needs a part that is gone; `gc` removes those of older snapshots"
        ) from error
    keys = [(k, "ascending") for k in records.BY_TABLE[name].key if k in table.column_names]
    return table.sort_by(keys) if keys else table


def live_parts(table: DeltaTable) -> dict[int, tuple[Part, ...]]:
    """A table's live parts by bucket."""
    actions = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    found: dict[int, list[Part]] = {}
    for action in sorted(actions, key=lambda a: a["path"]):
        bucket = int(action["path"].split("/")[0].removeprefix("b="))
        found.setdefault(bucket, []).append(Part(action["path"], action["size_bytes"], action["num_records"] or 0))
    return {bucket: tuple(parts) for bucket, parts in found.items()}


def _numbers(corpus: Corpus, folder: str) -> list[int]:
    found = []
    for name in storage.names(corpus.uri(folder)):
        stem, dot, suffix = name.partition(".")
        if dot and suffix == "json" and stem.isdigit():
            found.append(int(stem))
    return sorted(found)


def replaced_parts(corpus: Corpus, name: str) -> list[str]:
    """URIs of a table's parts that a commit replaced or removed: older snapshots need them, the latest does not.

    Parts that no commit names belong to runs under way, and are not among them.
    """
    live = {part.path for parts in live_parts(delta(corpus, name)).values() for part in parts}
    named = {
        part["path"]
        for number in commit_numbers(corpus)
        for part in read_commit(corpus, number)["tables"].get(name, {}).get("remove", ())
    }
    uris = [storage.join(corpus.table_uri(name), *path.split("/")) for path in sorted(named - live)]
    return [uri for uri in uris if storage.exists(uri)]


def commit_uri(corpus: Corpus, number: int) -> str:
    """Where a commit lies."""
    return corpus.uri("commits", f"{number:06d}.json")


def commit_numbers(corpus: Corpus) -> list[int]:
    """The numbers of all commits, in order.

    Raises:
        ConfigError: One is missing between others: the log is corrupt.
    """
    found = _numbers(corpus, "commits")
    if found != list(range(1, len(found) + 1)):
        missing = sorted(set(range(1, found[-1] + 1)) - set(found))
        raise ConfigError(
            f"{storage.redact(corpus.uri('commits'))}: commit {missing[0]:06d} is missing;"
            " restore it before going on, nothing was changed"
        )
    return found


def read_commit(corpus: Corpus, number: int) -> dict[str, Any]:
    """A commit's content.

    Raises:
        ConfigError: It is not a commit: the log is corrupt.
    """
    uri = commit_uri(corpus, number)
    try:
        value: dict[str, Any] = json.loads(storage.read_bytes(uri))
        if value["number"] != number or not isinstance(value["tables"], dict):
            raise ValueError("it names another number")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{storage.redact(uri)}: not a commit ({error}); the log is corrupt: restore the file, nothing was changed"
        ) from error
    return value


def snapshot(corpus: Corpus, number: int | None = None) -> Snapshot:
    """A snapshot by number, the latest if none is named; before the first commit the empty one.

    Raises:
        ConfigError: There is no such snapshot, or it can't be read.
    """
    found = _numbers(corpus, "snapshots")
    if number is None and not found:
        return Snapshot(0, "", {r.table: 0 for r in records.RECORDS})
    chosen = found[-1] if number is None else number
    if chosen not in found:
        raise ConfigError(
            f"no snapshot {chosen}; there are {found[0] if found else 'none'} to {found[-1] if found else 'none'}"
        )
    uri = corpus.uri("snapshots", f"{chosen:06d}.json")
    try:
        value = json.loads(storage.read_bytes(uri))
        return Snapshot(chosen, value["run_id"], value["versions"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{storage.redact(uri)}: not a snapshot ({error});"
            " restore it (the latest may be deleted: any job makes it again)"
        ) from error


def roll_forward(corpus: Corpus) -> Snapshot:
    """Roll every commit that has no snapshot yet into the tables, in order. Safe to run from several processes at
    once."""
    done = _numbers(corpus, "snapshots")
    latest = done[-1] if done else 0
    known = snapshot(corpus, latest or None).versions
    for record in records.RECORDS:
        if record.table not in known:  # It is younger than the output folder.
            ensure_table(corpus, record)
    for number in commit_numbers(corpus):
        if number > latest:
            commit = read_commit(corpus, number)
            versions = {
                r.table: roll(corpus, r.table, commit["tables"].get(r.table, {}), number) for r in records.RECORDS
            }
            body = {"number": number, "run_id": commit["run_id"], "versions": versions}
            storage.create_bytes(corpus.uri("snapshots", f"{number:06d}.json"), json.dumps(body, indent=1).encode())
    return snapshot(corpus)


def roll(corpus: Corpus, name: str, change: Mapping[str, Any], number: int) -> int:
    """Apply one commit's change of one table, unless it is there already; the table's version."""
    uri = corpus.table_uri(name)
    for attempt in range(_ROLL_ATTEMPTS):
        table = _open_delta(uri)
        if table is None:
            raise ConfigError(f"{storage.redact(uri)}: the table is gone; restore it, nothing was changed")
        if not change.get("add") and not change.get("remove"):
            return table.version()
        if (table.transaction_version(APPLICATION) or 0) >= number:
            return table.version()
        now = int(time.time() * 1000)
        actions: list[Any] = [
            AddAction(p["path"], p["size"], {}, now, True, json.dumps({"numRecords": p["rows"]}))
            for p in change.get("add", ())
        ]
        actions += [RemoveAction(p["path"], True, now, size=p["size"]) for p in change.get("remove", ())]
        try:
            table.create_write_transaction(
                actions,
                "append",
                table.schema(),
                commit_properties=CommitProperties(
                    custom_metadata={"commit": str(number)},
                    app_transactions=[Transaction(APPLICATION, number)],
                    max_commit_retries=0,
                ),
            )
        except CommitFailedError:
            # Somebody rolled the same commit at the same time: look again.
            time.sleep(0.05 * (attempt + 1))
    raise ElementError(
        "storage",
        f"{storage.redact(uri)}: commit {number} could not be rolled in after {_ROLL_ATTEMPTS} attempts;"
        " run any job to go on",
    )


def bucket_parts(corpus: Corpus, names: Iterable[str], number: int) -> dict[str, dict[int, tuple[Part, ...]]]:
    """The live parts of some tables, by bucket, as of a snapshot."""
    return {name: live_parts(delta(corpus, name, number or None)) if number else {} for name in names}
