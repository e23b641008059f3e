"""The registry: a folder of append-only Delta tables with numbered versions of its own.

A version is one file, `versions/000012.json`, created only if absent: it names every part of every table that belongs
to it, who published it, when and why. So of two people who publish at once one wins and the other is told, a death
before that file leaves the old version, and reverting is publishing an earlier version's parts again. Readers go by the
version file and check each part against its name, which is made of its content: what is damaged is told, never read as
empty. The Delta tables are rolled forward from the versions afterwards, for whoever reads them with other tools.

    registry.json      layout, and whether a version needs two people
    versions/N.json    a version, the truth
    tables/NAME/       Delta table: parties, works, identifiers, statements
    snapshots/N.json   Delta version of every table, for version N
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from filters.rights.records import BY_TABLE, RECORDS
from transforms import records, storage, tables
from transforms.failures import ElementError
from transforms.merge import Part
from transforms.settings import ConfigError
from transforms.store import digest, read_if_there

FORMAT: Final = 1
"""Layout of the folder; raised when an older program could no longer read it."""

_FAULTS: Final = (ConfigError, ElementError, OSError, DeltaError, ArithmeticError, LookupError, TypeError,
                  ValueError, pa.ArrowException)  # fmt: skip


class RegistryError(ConfigError):
    """The registry cannot be read as it should: nothing may be allowed on its word."""


@dataclass(frozen=True)
class Version:
    """A state of the registry.

    Attributes:
        number: From 1; 0 is the empty registry.
        recorded_at: When it was published, UTC: later than every earlier version.
        author: Who published it.
        approver: Who approved it; empty where nobody had to.
        reason: Why.
        reverts_to: The version whose rows it has again; None of an ordinary one.
        added: New rows by table.
        parts: All parts of every table.
        times: When each version up to this one was published, the first first.
        parent: Digest of the version before; empty of the first.
    """

    number: int
    recorded_at: datetime
    author: str = ""
    approver: str = ""
    reason: str = ""
    reverts_to: int | None = None
    added: Mapping[str, int] = dataclasses.field(default_factory=dict)
    parts: Mapping[str, tuple[Part, ...]] = dataclasses.field(default_factory=dict)
    times: tuple[datetime, ...] = ()
    parent: str = ""

    def body(self) -> dict[str, Any]:
        """The version as JSON, without its digest."""
        value = dataclasses.asdict(self)
        value["recorded_at"] = self.recorded_at.isoformat()
        value["times"] = [at.isoformat() for at in self.times]
        value["parts"] = {table: [dataclasses.asdict(p) for p in parts] for table, parts in self.parts.items()}
        return value

    @property
    def digest(self) -> str:
        """SHA-256 of the version; empty of the empty one."""
        return digest(self.body()) if self.number else ""


EMPTY: Final = Version(0, datetime.fromtimestamp(0, UTC))
"""The registry before anybody published."""


@dataclass(frozen=True)
class Registry:
    """A registry's folder.

    Attributes:
        root: Its URI.
        two_people: A version needs somebody who approves it, beside its author.
    """

    root: str
    two_people: bool = False

    def uri(self, *parts: str) -> str:
        """The URI of something below the folder."""
        return storage.join(self.root, *parts)

    def tables(self) -> tables.Corpus:
        """The folder as what `transforms.tables` rolls Delta tables in."""
        return tables.Corpus(self.root, 1)


def create(root: str, two_people: bool = False) -> Registry:
    """Open a registry, making it where there is none.

    Args:
        root: Its URI.
        two_people: A version of it needs an approver. Chosen once: nobody alone can take it back.

    Raises:
        ConfigError: The folder cannot be written, a newer program made it, or it was made for one person.
    """
    registry = Registry(storage.normalise(root))
    try:
        if read_if_there(registry.uri("registry.json")) is None:
            if storage.names(registry.uri("versions")):
                raise RegistryError(f"{storage.redact(registry.root)}: registry.json is gone; restore it")
            layout = {"format": FORMAT, "two_people": two_people}
            storage.create_bytes(registry.uri("registry.json"), json.dumps(layout).encode())
        for record in RECORDS:
            tables.ensure_table(registry.tables(), record)
    except (ElementError, OSError) as error:
        raise ConfigError(
            f"registry {storage.redact(registry.root)}: cannot be written ({error}); check path, permissions and space"
        ) from error
    made = open_registry(root)
    if two_people and not made.two_people:
        raise ConfigError(f"{storage.redact(made.root)}: was made without a second person, which is chosen once")
    return made


def open_registry(root: str) -> Registry:
    """Open a registry for reading.

    Raises:
        RegistryError: There is none, it cannot be read, or a newer program made it.
    """
    registry = Registry(storage.normalise(root))
    shown = storage.redact(registry.root)
    try:
        data = read_if_there(registry.uri("registry.json"))
        if data is None:
            raise RegistryError(f"{shown}: no registry of rights here (registry.json is missing); check the path")
        layout = json.loads(data)
        made, two_people = layout["format"], layout.get("two_people", False)
        if type(made) is not int or type(two_people) is not bool:
            raise ValueError("its content is not what was written")
    except (ElementError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, RegistryError):
            raise
        raise RegistryError(f"{shown}/registry.json: not readable ({error}); restore it") from error
    if made > FORMAT:
        raise RegistryError(f"{shown}: written by a newer version (format {made}, this one reads {FORMAT})")
    return Registry(registry.root, two_people)


def numbers(registry: Registry) -> list[int]:
    """The numbers of all versions, in order.

    Raises:
        RegistryError: One is missing between others, or the folder cannot be read.
    """
    with told(registry, "versions"):
        stems = [name.removesuffix(".json") for name in storage.names(registry.uri("versions"))]
        found = sorted(int(stem) for stem in stems if stem.isdigit())
        # A snapshot is written after its version: where it has none, the newest version was lost.
        rolled = [name.removesuffix(".json") for name in storage.names(registry.uri("snapshots"))]
    last = max([*found, *(int(stem) for stem in rolled if stem.isdigit())], default=0)
    if missing := min(set(range(1, last + 1)) - set(found), default=0):
        raise RegistryError(f"{storage.redact(registry.uri('versions'))}: version {missing} is missing; restore it")
    return found


def version(registry: Registry, number: int | None = None, as_of: datetime | None = None) -> Version:
    """A version: by number, or what was known at a moment; the latest if neither is named.

    Raises:
        RegistryError: It is damaged.
        ConfigError: There is no such version.
    """
    there = numbers(registry)
    if as_of is not None:
        latest = version(registry)
        number = sum(at <= as_of for at in latest.times)
    chosen = (there[-1] if there else 0) if number is None else number
    if chosen == 0:
        return EMPTY
    if chosen not in there:
        raise ConfigError(f"no version {chosen} of the registry; there are 1 to {len(there)}")
    uri = version_uri(registry, chosen)
    with told(registry, f"version {chosen}"):
        value = json.loads(storage.read_bytes(uri))
        said = value.pop("digest")
        made = Version(
            **{
                **value,
                "recorded_at": datetime.fromisoformat(value["recorded_at"]),
                "times": tuple(datetime.fromisoformat(at) for at in value["times"]),
                "parts": {t: tuple(Part(**p) for p in parts) for t, parts in value["parts"].items()},
            }
        )
        if made.number != chosen or made.digest != said or set(made.parts) != set(BY_TABLE):
            raise ValueError("its content is not what was written")
    return made


def history(registry: Registry) -> list[Version]:
    """Every version, the first first, each checked against the digest that the next one holds of it.

    Raises:
        RegistryError: One is damaged or was exchanged.
    """
    found = [version(registry, number) for number in numbers(registry)]
    for before, after in zip([EMPTY, *found], found, strict=False):
        if after.parent != before.digest:
            raise RegistryError(f"version {before.number} is not the one that {after.number} was built on: restore it")
    return found


def read(
    registry: Registry, table: str, state: Version, columns: Sequence[str] | None = None, where: Any = None
) -> pa.Table:
    """All rows of a table that a version has, as they were published: later rows of a key beside earlier ones.

    Args:
        registry: The registry.
        table: `parties`, `works`, `identifiers` or `statements`.
        state: The version.
        columns: Only these columns.
        where: An Arrow expression over columns that are read.

    Raises:
        RegistryError: A part is gone or damaged.
    """
    wanted = records.schema(BY_TABLE[table])
    if columns:
        wanted = pa.schema([wanted.field(name) for name in columns], wanted.metadata)
    found = [wanted.empty_table()]
    for part in state.parts.get(table, ()):
        with told(registry, f"{table}, a part of version {state.number}"):
            data = storage.read_bytes(registry.uri("tables", table, *part.path.split("/")))
            if f"{hashlib.sha256(data).hexdigest()[:40]}.parquet" != part.path.split("/")[-1]:
                raise ValueError(f"{part.path} is not what was written")
            file = pq.ParquetFile(pa.BufferReader(data))
            have = [name for name in wanted.names if name in file.schema_arrow.names]
            one = file.read(columns=have)
            if one.num_rows != part.rows:
                raise ValueError(f"{part.path} has {one.num_rows} rows where {part.rows} were written")
            arrays = [
                one.column(f.name).cast(f.type) if f.name in have else pa.nulls(one.num_rows, f.type) for f in wanted
            ]
            one = pa.table(arrays, schema=wanted)
            found.append(one if where is None else one.filter(where))
    return pa.concat_tables(found)


def current(registry: Registry, table: str, state: Version, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a table that count in a version: of each key the one that was published last, sorted by key.

    Raises:
        RegistryError: A part is gone or damaged.
    """
    (key,) = BY_TABLE[table].key
    asked = None if columns is None else list(dict.fromkeys([key, *columns]))
    rows = read(registry, table, state, asked)
    numbered = pa.table({key: rows.column(key), "row": pa.array(range(rows.num_rows), pa.int64())})
    last = numbered.group_by(key).aggregate([("row", "max")]).sort_by([(key, "ascending")])  # Parts lie in order.
    found = rows.take(last.column("row_max"))
    return found if columns is None else found.select(list(columns))


def version_uri(registry: Registry, number: int) -> str:
    """Where a version lies."""
    return registry.uri("versions", f"{number:06d}.json")


@contextlib.contextmanager
def told(registry: Registry, what: str) -> Iterator[None]:
    """Whatever goes wrong with the folder is a `RegistryError`; nobody must take a damaged registry for an empty one.

    Args:
        registry: The registry.
        what: What is read or written, for the message.
    """
    try:
        yield
    except _FAULTS as error:
        if isinstance(error, ConfigError):
            raise
        raise RegistryError(
            f"{storage.redact(registry.root)}: {what}: {error}; restore what is damaged, nothing was changed"
        ) from error
