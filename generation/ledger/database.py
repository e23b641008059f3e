"""The database under the ledger: SQLite in a file, or PostgreSQL; and one thread that writes.

Both give the same promise: when a call returns, its change is on the disk, and no two changes are made at a time.
SQLite writes ahead and syncs at every commit; a transaction that writes takes its lock at once (`BEGIN IMMEDIATE`). On
PostgreSQL an advisory lock, held to the end of the transaction, does the same for all workers.

A sync costs milliseconds, so changes that come at the same time share one: the writing thread takes all that wait,
makes them in one transaction and answers all of them. One that fails is taken out and fails alone. A change that met a
broken connection is made again when there is one, so every change must be one that may be made twice.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError

from generation.ledger.tables import METADATA, SCHEMA_VERSION, schema_version
from transforms.settings import ConfigError

T = TypeVar("T")

GROUP: Final = 256
"""Most changes of one transaction: at some 100 µs each, a transaction stays well under a tenth of a second."""
BUSY: Final = 60.0
"""Seconds that a change waits for another process to finish writing, and for a lost connection to come back."""

_LOCK: Final = 0x7275736865  # "rushe": the advisory lock of every ledger in a PostgreSQL database


def check_reach(place: str, remote: bool) -> None:
    """Refuse a ledger that not all workers would reach.

    Args:
        place: Path of a SQLite file or URL of a database, as `open_ledger` takes it.
        remote: Workers run on other machines.

    Raises:
        ConfigError: They do, and the ledger is a file.
    """
    if remote and _url(place).get_backend_name() == "sqlite":
        raise ConfigError(
            f"--ledger {place}: a SQLite file serves workers of one machine; "
            "for workers elsewhere give a PostgreSQL, such as postgresql://user@host/rushes"
        )


def _url(place: str) -> sa.URL:
    if "://" not in place:
        return sa.URL.create("sqlite", database=place)
    try:
        url = make_url(place)
    except ArgumentError:
        raise ConfigError("--ledger: not a database URL; write postgresql://user@host/name, or a path") from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in ("postgresql+psycopg", "sqlite"):
        return url
    raise ConfigError(f"--ledger {url.drivername}://...: not a database for a ledger; use PostgreSQL or a SQLite file")


class Database:
    """A ledger's database, with its writing thread.

    Args:
        place: Path of a SQLite file, or `postgresql://...`. What is missing is created, tables included.

    Raises:
        ConfigError: It can't be opened, its driver is missing, or it was made by a newer version.
    """

    def __init__(self, place: str) -> None:
        url = _url(place)
        self.sqlite = url.get_backend_name() == "sqlite"
        try:
            self.engine = sa.create_engine(url, pool_pre_ping=not self.sqlite, pool_size=4)
        except ModuleNotFoundError as error:
            raise ConfigError(f"--ledger: {error.name} is missing; pip install 'rushes[postgresql]'") from None
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "begin", self._begun)
        self._waiting: queue.SimpleQueue[tuple[Callable[[sa.Connection], Any], Future[Any]] | None]
        self._waiting = queue.SimpleQueue()
        try:
            with self._writing() as connection:
                _create(connection)
        except OperationalError as error:
            self.engine.dispose()
            shown = url.render_as_string(hide_password=True)
            raise ConfigError(f"--ledger {shown}: can't be opened ({_first_line(error)})") from None
        except ConfigError:
            self.engine.dispose()
            raise
        self._thread = threading.Thread(target=self._write, name="ledger", daemon=True)
        self._thread.start()

    def soon(self, change: Callable[[sa.Connection], T]) -> Future[T]:
        """Make a change with the next transaction; the future answers when it is durable.

        A change must not wait for another one, and must be one that may be made twice (see the module).
        """
        answer: Future[T] = Future()
        answer.set_running_or_notify_cancel()  # who stops waiting for it does not unmake it
        self._waiting.put((change, answer))
        return answer

    def write(self, change: Callable[[sa.Connection], T]) -> T:
        """Make a change, and wait until it is durable."""
        return self.soon(change).result()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees what is durable."""
        with self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Make what still waits, and let go of the connections."""
        self._waiting.put(None)
        self._thread.join()
        self.engine.dispose()

    def _connected(self, connection: Any, _record: Any) -> None:
        if self.sqlite:
            connection.isolation_level = None  # transactions are begun by `_begun`, not by the driver
            for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY * 1000:.0f}"):
                connection.execute(f"PRAGMA {pragma}")
            return
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit TO on")
        connection.commit()

    def _begun(self, connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        if self.sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
        elif writes:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            yield connection

    def _passes(self, error: Exception) -> bool:
        """Whether it is worth another try: somebody else writes, or the connection is lost."""
        return isinstance(error, OperationalError) and (not self.sqlite or "locked" in str(error.orig))

    def _write(self) -> None:
        going = True
        while going:
            group = [self._waiting.get()]
            while len(group) < GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            going = None not in group
            self._commit([one for one in group if one is not None])

    def _commit(self, group: list[tuple[Callable[[sa.Connection], Any], Future[Any]]]) -> None:
        answers: list[Any] = []
        patience = time.monotonic() + BUSY
        while group:
            try:
                with self._writing() as connection:
                    answers = [change(connection) for change, _ in group]
                break
            except Exception as error:
                if self._passes(error) and time.monotonic() < patience:
                    time.sleep(0.2)
                elif len(group) == 1:
                    group[0][1].set_exception(error)
                    return
                else:
                    for one in group:
                        self._commit([one])
                    return
        for (_, future), answer in zip(group, answers, strict=True):
            future.set_result(answer)


def _create(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table(schema_version.name):
        METADATA.create_all(connection)
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
    found = connection.scalars(sa.select(schema_version.c.version)).one()
    if found > SCHEMA_VERSION:
        raise ConfigError(f"--ledger: it is of version {found}, this rushes knows {SCHEMA_VERSION}; use a newer rushes")


def _first_line(error: BaseException) -> str:
    return str(getattr(error, "orig", error)).strip().partition("\n")[0]
