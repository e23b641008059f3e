"""The database under the ledger: what is refused, group commit, and changes that fail."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from generation.ledger.database import Database, check_reach
from generation.ledger.ledger import Ledger, open_ledger
from generation.ledger.tables import SCHEMA_VERSION, schema_version, switches
from tests.generation.ledger import asks
from transforms.settings import ConfigError


def test_a_file_is_refused_for_workers_elsewhere_and_a_server_is_not():
    check_reach("out/ledger.sqlite", remote=False)
    check_reach("postgresql://user@host/rushes", remote=True)
    for place in ("out/ledger.sqlite", "sqlite:///out/ledger.sqlite"):
        with pytest.raises(ConfigError, match="give a PostgreSQL"):
            check_reach(place, remote=True)


@pytest.mark.parametrize("place", ["mysql://host/x", "://", "gs://bucket/ledger.sqlite"])
def test_another_database_is_refused(place: str):
    with pytest.raises(ConfigError, match="--ledger"):
        Database(place)


def test_a_server_that_is_not_there_is_told_without_its_password():
    with pytest.raises(ConfigError, match="can't be opened") as error:
        Database("postgresql://user:secret@127.0.0.1:9/rushes")
    assert "secret" not in str(error.value)


def test_a_ledger_of_a_newer_version_is_refused(place: str):
    with open_ledger(place) as ledger:
        ledger.write(lambda c: c.execute(sa.update(schema_version).values(version=SCHEMA_VERSION + 1)))
    with pytest.raises(ConfigError, match="use a newer rushes"):
        open_ledger(place)


def test_what_was_written_is_there_when_it_is_opened_again(place: str):
    with open_ledger(place) as ledger:
        ledger.plan([asks.planned(n) for n in range(3)])
    with open_ledger(place) as ledger:
        assert len(list(ledger.rows("spring"))) == 3


def test_a_ledger_in_a_file_syncs_every_commit(tmp_path: Path):
    database = Database(str(tmp_path / "ledger.sqlite"))
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    database.close()


def test_changes_that_come_together_share_a_transaction_and_a_bad_one_fails_alone(ledger: Ledger):
    commits: list[int] = []
    sa.event.listen(ledger._database.engine, "commit", lambda connection: commits.append(1))
    begun, go = threading.Event(), threading.Event()

    def wait(_connection: sa.Connection) -> bool:
        begun.set()
        return go.wait(10)

    first = ledger._database.soon(wait)
    assert begun.wait(10)

    def entered(number: int):
        return lambda c: c.execute(sa.insert(switches).values(campaign=str(number), why="", at=0.0))

    answers = [ledger._database.soon(entered(number)) for number in (1, 2, 3)]
    go.set()
    assert all(one.result(10) for one in [first, *answers])
    assert len(commits) == 2
    begun.clear()
    go.clear()
    ledger._database.soon(wait)
    assert begun.wait(10)
    twice, good = ledger._database.soon(entered(1)), ledger._database.soon(entered(4))
    go.set()
    with pytest.raises(sa.exc.IntegrityError):
        twice.result(10)
    good.result(10)
    with ledger._database.read() as connection:
        assert sorted(connection.scalars(sa.select(switches.c.campaign))) == ["1", "2", "3", "4"]


def test_two_processes_worth_of_ledgers_write_side_by_side(place: str):
    with open_ledger(place) as one, open_ledger(place) as other:
        threads = [
            threading.Thread(target=lambda at=at: [at.budget("spring", n) for n in range(30)]) for at in (one, other)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert one.summary("spring").spending.cap == 29


def test_a_lost_connection_is_made_again(server: str):
    from tests.generation.ledger.conftest import new_database

    with open_ledger(new_database(server)) as ledger:
        ledger.budget("spring", 1)
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        with ledger._database.read() as connection:
            connection.exec_driver_sql(f"{end} AND pid <> pg_backend_pid()")
        ledger.budget("spring", 2)
        assert ledger.summary("spring").spending.cap == 2
