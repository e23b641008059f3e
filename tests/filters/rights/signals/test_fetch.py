"""Fetching from a real server on loopback that does what it likes."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from filters.rights.signals import aipref, aitxt, robots, rsl, tdmrep
from filters.rights.signals.answers import Answers
from filters.rights.signals.fetch import Fetcher
from filters.rights.signals.visit import SignalSettings, Visit
from tests.filters.rights.signals.hostile import HostileServer
from transforms import addresses
from transforms.attempts import StorageSettings

OPEN = StorageSettings(allow_private_addresses=True)
QUICK = SignalSettings(max_request_seconds=0.6)
CALM = SignalSettings(max_request_seconds=20)
LIMIT = 500 * 1024 + 1


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer() as made:
        made.files["/end.txt"] = b"User-agent: *\nDisallow: /\n"
        yield made


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher(CALM, OPEN)


@pytest.mark.parametrize(
    ("path", "trouble"),
    [
        ("/slow", "no whole answer within 0.6 s"),
        ("/drip", "no whole answer within 0.6 s"),
        ("/circle/a", "more than 5 redirects"),
        ("/chain/9", "more than 5 redirects"),
        ("/reset", "ServerDisconnected"),
        ("/garbage", "Bad status line"),
        ("/chatty/600", "header"),
        ("/500", "status 500"),
        ("/429", "status 429"),
        ("/away/file:!!!etc!passwd", ""),
        ("/away/http:!!127.0.0.1:1!x", "ClientConnector"),
    ],
)
def test_what_fails_is_unknown_for_every_protocol(server: HostileServer, path: str, trouble: str) -> None:
    fetcher = Fetcher(QUICK if path in ("/slow", "/drip") else CALM, OPEN)
    answer = fetcher(server.address + path, LIMIT)
    assert not answer.good
    assert not answer.absent
    assert trouble in answer.trouble
    visit = Visit(QUICK, lambda uri, limit: answer)
    for protocol in (robots, aipref, aitxt, tdmrep, rsl):
        for signal in protocol.of_site(server.address + "/film.mp4", visit):
            assert set(signal.says) <= {"unknown", "unset"}
            assert signal.says.train == "unknown"


def test_time_is_bounded_whatever_the_server_does(server: HostileServer) -> None:
    fetcher = Fetcher(QUICK, OPEN)
    for path in ("/slow", "/drip"):
        start = time.monotonic()
        fetcher.get(server.address + path, LIMIT)
        assert time.monotonic() - start < 3


def test_ten_gigabytes_are_not_read(server: HostileServer) -> None:
    server.sent = 0
    fetcher = Fetcher(CALM, OPEN)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = fetcher(server.address + "/endless", LIMIT)
    assert answer.good
    assert (len(answer.body), answer.whole) == (LIMIT, False)
    assert robots.read(answer.body, server.address + "/private/a.mp4", QUICK)[0].train == "deny"
    assert server.sent < 50_000_000  # What stood in socket buffers is gone; nothing is read on.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    rules = tdmrep.of_site(
        server.address + "/a", Visit(CALM, lambda uri, limit: fetcher.get(server.address + "/endless", limit))
    )
    assert rules[0].says.train == "unknown"


def test_five_redirects_are_followed(server: HostileServer, fetcher: Fetcher) -> None:
    answer = fetcher(server.address + "/chain/4", LIMIT)
    assert answer.good
    assert answer.uri == server.address + "/end.txt"
    assert not fetcher(server.address + "/chain/5", LIMIT).good


def test_packed_answers_are_unpacked_within_the_limit(server: HostileServer, fetcher: Fetcher) -> None:
    assert fetcher(server.address + "/zipped", LIMIT).body == b"User-agent: *\nDisallow: /\n"
    bomb = fetcher(server.address + "/bomb", LIMIT)
    assert (len(bomb.body), bomb.whole) == (LIMIT, False)


def test_private_addresses_are_refused(server: HostileServer) -> None:
    fetcher = Fetcher(CALM)
    port = server.address.rpartition(":")[2]
    asked = len(server.asked)
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]"):
        answer = fetcher.get(f"http://{host}:{port}/end.txt", LIMIT)
        assert not answer.good, host
        assert not answer.absent, host
    assert len(server.asked) == asked
    assert "not a public address" in fetcher.get(server.address, LIMIT).error


def test_a_redirect_to_a_private_address_is_refused(server: HostileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    fetcher = Fetcher(CALM)
    assert fetcher.get(server.address + "/end.txt", LIMIT).good
    answer = fetcher.get(server.address + "/away/http:!!127.0.0.2:80!secret", LIMIT)
    assert "127.0.0.2, not a public address" in answer.error


@pytest.mark.parametrize(
    "uri", ["", "file:///etc/passwd", "http://", "http://[::1", "ftp://a/b", "http://a:b/", "s3://b/c"]
)
def test_what_is_no_web_address_is_an_answer_too(fetcher: Fetcher, uri: str) -> None:
    assert fetcher(uri, LIMIT).error


def test_credentials_do_not_reach_answers(server: HostileServer, fetcher: Fetcher) -> None:
    uri = server.address.replace("http://", "http://me:secret@") + "/end.txt?X-Amz-Signature=secret"
    assert "secret" not in repr(fetcher.get(uri, LIMIT))
    assert "secret" not in repr(fetcher.get(uri.replace("/end.txt", "/reset"), LIMIT))


def test_heads_are_asked_for_the_first_byte_where_head_is_refused(server: HostileServer, fetcher: Fetcher) -> None:
    answer = fetcher.head(server.address + "/headless")
    assert answer.good
    assert answer.values("tdm-reservation") == ["1"]
    assert fetcher.head(server.address + "/none").status == 404


def test_a_site_is_asked_once_in_a_run_and_once_a_day(server: HostileServer, tmp_path: Path) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    clock = [now]

    def made() -> Fetcher:
        return Fetcher(CALM, OPEN, Answers(tmp_path / "answers"), now=lambda: clock[0])

    uri, asked = server.address + "/end.txt", len(server.asked)
    fetcher = made()
    first = [fetcher(uri, LIMIT) for _ in range(3)][-1]
    assert len(server.asked) == asked + 1
    clock[0] += timedelta(hours=23)
    assert made()(uri, LIMIT) == first
    assert len(server.asked) == asked + 1
    clock[0] += timedelta(hours=2)
    assert made()(uri, LIMIT).fetched_at == clock[0]
    assert len(server.asked) == asked + 2
    for path in tmp_path.rglob("*.json"):
        path.write_text('{"broken')
    assert made()(uri, LIMIT).good


def test_failures_are_not_kept_for_a_day(server: HostileServer, tmp_path: Path) -> None:
    fetcher = Fetcher(CALM, OPEN, Answers(tmp_path))
    asked = len(server.asked)
    assert {fetcher(server.address + "/500", LIMIT).status for _ in range(3)} == {500}
    assert len(server.asked) == asked + 1
    assert not list(tmp_path.rglob("*.json"))
