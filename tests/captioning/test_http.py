"""The client of model endpoints: what its callers may rely on besides chat, which `test_endpoint` covers."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from typing import Any

import pytest

from captioning.http import BadAnswer, Client, ContentRefused, EndpointSettings, SetUpError, Upload
from captioning.statuses import read_error
from tests.captioning.faultserver import Asked, Fault, FaultServer, error
from transforms.failures import ElementError
from transforms.settings import ConfigError


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.answers["audio/transcriptions"] = lambda asked: {"fields": fields(asked)}
        yield running


def client(server: FaultServer, **settings: Any) -> Client:
    return Client(EndpointSettings(**{"url": server.url, "first_wait": 0.02, "timeout": 5.0, **settings}))


def fields(asked: Asked) -> dict[str, str]:
    """What a multipart form holds, by the names of its fields."""
    head = f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode()
    parts: Any = BytesParser().parsebytes(head + asked.content).get_payload()
    return {name(part): part.get_payload(decode=True).decode() for part in parts}


def name(part: Message) -> str:
    found = [part.get_param(key, header="content-disposition") for key in ("name", "filename")]
    return " ".join(str(word) for word in (*found, part.get_content_type()) if word is not None)


def test_a_form_is_sent_whole_at_every_attempt(server):
    server.faults.extend([error(500), Fault(cut=-1)])
    form: dict[str, str | Upload] = {"file": Upload("sound.flac", b"fLaC...", "audio/flac"), "model": "whisper-1"}
    reply = client(server).post("audio/transcriptions", form=form, read=lambda found: found["fields"])
    assert reply.value == {"file sound.flac audio/flac": "fLaC...", "model text/plain": "whisper-1"}
    assert reply.attempts == 3
    assert len({asked.content.count(b"fLaC...") for asked in server.posts}) == 1


def test_the_reader_decides_what_is_asked_again(server):
    tried = []

    def read(found: Any) -> str:
        tried.append(found)
        if len(tried) < 3:
            raise BadAnswer("not yet")
        return "good"

    assert client(server).post("audio/transcriptions", form={"a": "b"}, read=read) == ("good", 3)
    tried.clear()
    with pytest.raises(ElementError, match=r"not yet \(sent 2 times") as failed:
        client(server, attempts=2).post("audio/transcriptions", form={"a": "b"}, read=read)
    assert failed.value.attempts == 2


def test_a_fault_of_the_reader_is_not_hidden(server):
    with pytest.raises(KeyError):
        client(server).post("audio/transcriptions", form={"a": "b"}, read=lambda found: found["no such"])
    assert len(server.posts) == 1


def test_what_is_looked_up_in_vain_stops_no_request(server):
    one = client(server)
    with pytest.raises(SetUpError) as stopped:
        one.get("models", lambda found: found)
    assert stopped.value.status == 404
    assert one.post("audio/transcriptions", form={"a": "b"}, read=lambda found: 1).value == 1


def test_a_refusal_of_the_content_is_a_failure_of_its_element(server):
    server.faults.append(error(400, code="content_filter", message="not this"))
    with pytest.raises(ContentRefused, match="not this") as refused:
        client(server).post("audio/transcriptions", form={"a": "b"}, read=lambda found: 1)
    assert isinstance(refused.value, ElementError)
    assert len(server.posts) == 1


def test_a_path_is_known_without_host_query_and_doubled_slashes(server):
    assert client(server).path("chat/completions") == "/v1/chat/completions"
    assert client(server, url=f"{server.url}/?api-version=2").path("chat/completions") == "/v1/chat/completions"
    assert client(server, url="https://host.example").path("models") == "/models"


@pytest.mark.parametrize("url", ["", "localhost:8000/v1", "ftp://host/v1", "/v1"])
def test_an_address_must_be_one_of_the_web(url):
    with pytest.raises(ConfigError, match="not a web address"):
        Client(EndpointSettings(url=url))


def test_one_secret_is_enough(monkeypatch):
    monkeypatch.setenv("ENDPOINT_KEY", "a-secret-key")
    with pytest.raises(ConfigError, match="give one of them") as wrong:
        Client(EndpointSettings(url="https://me:hidden@host.example/v1", key_env="ENDPOINT_KEY"))
    assert "hidden" not in str(wrong.value)
    assert "secret" not in str(wrong.value)


def test_a_client_that_is_forgotten_or_closed_leaves_no_connection(server, caplog):
    with caplog.at_level(logging.WARNING):
        one = client(server)
        for _ in range(2):
            assert one.post("audio/transcriptions", form={"a": "b"}, read=lambda found: 1).value == 1
            one.close()
        assert client(server).post("audio/transcriptions", form={"a": "b"}, read=lambda found: 1).value == 1
        del one
        gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"error": {"message": "no", "code": "bad", "type": "x"}}', ("bad", "no")),
        ('{"error": {"message": "no", "code": null, "type": "x"}}', ("x", "no")),
        ('{"error": "no"}', ("", "no")),
        ('{"object": "error", "message": "no", "code": 400}', ("400", "no")),
        ('{"detail": "Not Found"}', ("", "Not Found")),
        ("<html>Bad Gateway</html>", ("", "<html>Bad Gateway</html>")),
        ("", ("", "")),
        ("[1]", ("", "[1]")),
    ],
)
def test_errors_come_in_several_shapes(text, told):
    assert read_error(text) == told
