"""Ledgers to test with: on SQLite, and on a PostgreSQL that is started for the tests where it is installed."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from generation.ledger.ledger import Ledger, open_ledger
from tests.generation.ledger import postgresql


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a PostgreSQL server, see `postgresql.running`."""
    try:
        with postgresql.running() as address:
            yield address
    except postgresql.Missing as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new ledger may be made: a path, or the address of an empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    return new_database(request.getfixturevalue("server"))


def new_database(server: str) -> str:
    """Make a database, and give its address."""
    import psycopg

    name = f"ledger_{secrets.token_hex(6)}"
    with psycopg.connect(server % "postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return server % name


@pytest.fixture
def clock() -> Clock:
    """A clock that stands until it is set."""
    return Clock()


@pytest.fixture
def ledger(place: str, clock: Callable[[], float]) -> Iterator[Ledger]:
    """An empty ledger, on each database."""
    with open_ledger(place, clock) as opened:
        yield opened
