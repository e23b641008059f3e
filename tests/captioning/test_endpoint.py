"""The `openai` captioner against a real server: right answers, each once, whatever goes wrong on the way."""

from __future__ import annotations

import base64
import email.utils
import pickle
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from captioning.captioner import Answer, Frame, Window, load_captioner
from captioning.endpoint import STEP, OpenAi, OpenAiSettings, read_answer, weights_of
from captioning.http import BadAnswer
from tests.captioning.faultserver import Fault, FaultServer, error, said, seen
from transforms.failures import ElementError
from transforms.settings import ConfigError
from transforms.store import Store


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def asking(server: FaultServer, store: Path | None = None, **settings: Any) -> OpenAi:
    """A captioner of its own, as a new process would have it."""
    quick = {"first_wait": 0.02, "timeout": 5.0, "attempts": 3}
    captioner = OpenAi(OpenAiSettings(**{"url": server.url, "model": "tiny", **quick, **settings}))
    captioner.answers = Store(str(store)) if store else None
    return captioner


def window(n: int, *, frames: int = 3, kind: str = "short", video: str = "v") -> Window:
    """A window whose frames are like no other's."""
    pictures = tuple(Frame(1.0 + k * 0.5, random.Random(f"{n} {k}").randbytes(200)) for k in range(frames))
    clip = {"clip_id": f"c{n}", "video_id": video}
    return Window(clip=clip, kind=kind, index=0, count=1, start=1.0, end=3.0, frames=pictures)


def right(windows: list[Window]) -> list[str]:
    return [seen(frame.jpeg for frame in one.frames) for one in windows]


def texts(answers: list[Answer | ElementError]) -> list[str]:
    return [one.text if isinstance(one, Answer) else str(one) for one in answers]


def test_every_window_gets_its_own_answer_and_no_more_are_asked_at_once_than_allowed(server, tmp_path):
    server.takes = 0.02
    windows = [window(n, frames=1 + n % 3) for n in range(120)]
    asked = asking(server, tmp_path, concurrency=6)
    assert asked.batch_size == 24
    assert texts(asked.answer(windows)) == right(windows)
    assert len(server.posts) == 120
    assert server.most_open == 6


def test_threads_share_the_bound(server):
    server.takes = 0.02
    captioner, windows = asking(server, concurrency=4), [window(n) for n in range(60)]
    found: dict[int, list[str]] = {}

    def work(part: int) -> None:
        found[part] = texts(captioner.answer(windows[part::3]))

    threads = [threading.Thread(target=work, args=(part,)) for part in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[part] for part in range(3)] == [right(windows[part::3]) for part in range(3)]
    assert server.most_open == 4


def test_what_was_answered_is_not_asked_again(server, tmp_path):
    windows = [window(n) for n in range(20)]
    first = asking(server, tmp_path).answer(windows)
    assert asking(server, tmp_path).answer(list(reversed(windows))) == list(reversed(first))
    assert len(server.posts) == 20
    # Another address of the same path serves the same model: nothing is asked there either.
    with FaultServer() as moved:
        assert asking(moved, tmp_path).answer(windows) == first
        assert moved.asked == []


@pytest.mark.parametrize(
    "other",
    [{"model": "big"}, {"max_tokens": 99}, {"temperature": 0.5}, {"seed": 1}, {"extra": '{"top_p": 0.5}'}],
    ids=str,
)
def test_what_changes_the_answer_is_asked_anew(server, tmp_path, other):
    asking(server, tmp_path).answer([window(1)])
    asking(server, tmp_path, **other).answer([window(1)])
    asking(server, tmp_path).answer([window(1, kind="dense")])
    assert len(server.posts) == 3


def test_equal_requests_are_sent_once_and_kept_for_each_video(server, tmp_path):
    windows = [window(1), window(2), window(1), window(1, video="w")]
    captioner = asking(server, tmp_path)
    assert texts(captioner.answer(windows)) == right(windows)
    assert len(server.posts) == 2
    markers = [path.name.split(".")[1] for path in sorted((tmp_path / "store" / STEP).rglob("*.json"))]
    assert Counter(markers) == {"v": 2, "w": 1}
    # A video that is new finds what was answered for another one only where that is asked with it.
    asking(server, tmp_path).answer([window(1, video="x"), window(1)])
    assert len(server.posts) == 2


def test_the_request_shows_the_frames_in_order_with_their_seconds(server, monkeypatch):
    monkeypatch.setenv("ENDPOINT_KEY", "a-secret-key")
    one = window(5, kind="dense")
    asking(server, key_env="ENDPOINT_KEY", extra='{"top_p": 0.9, "seed": null}').answer([one])
    (asked,) = server.posts
    assert asked.path == "/v1/chat/completions"
    assert asked.headers["Authorization"] == "Bearer a-secret-key"
    body = asked.body
    (message,) = body.pop("messages")
    assert body == {"model": "tiny", "max_tokens": 512, "temperature": 0.0, "stream": False, "top_p": 0.9}
    assert message["role"] == "user"
    *shown, prompt = message["content"]
    assert [part["text"] for part in shown[::2]] == ["0.00 s:", "0.50 s:", "1.00 s:"]
    urls = [part["image_url"]["url"] for part in shown[1::2]]
    assert all(url.startswith("data:image/jpeg;base64,") for url in urls)
    assert [base64.b64decode(url.partition(",")[2]) for url in urls] == [frame.jpeg for frame in one.frames]
    assert "3 frames" in prompt["text"]
    assert "2.0 seconds" in prompt["text"]
    assert "50 to 200 words" in prompt["text"]


def http_date(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


PASSING = {
    "429 with Retry-After": error(429, Retry_After="1"),
    "429 with a date": error(429, Retry_After=http_date(0)),
    "429 without": error(429),
    "500": error(500),
    "502 of a proxy": Fault(status=502, body=b"<html>Bad Gateway</html>"),
    "503 with Retry-After": error(503, Retry_After="0.1"),
    "504": error(504),
    "408": error(408),
    "slow": Fault(wait=2.0),
    "no answer": Fault(cut=-1),
    "cut": Fault(cut=30),
    "malformed": Fault(body=b'{"choices": [{"mess'),
    "not JSON": Fault(body=b"<html>hello</html>"),
    "an error with status 200": Fault(body=b'{"error": {"message": "overloaded"}}'),
    "no choice": said("one", choices=0),
    "two choices": said("two", choices=2),
    "no message": Fault(body=b'{"choices": [{"index": 0}]}'),
    "no content": said(None),
    "a list": Fault(body=b"[]"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_loses_nothing_and_is_paid_for_once_more_at_most(server, tmp_path, fault):
    windows = [window(n) for n in range(4)]
    server.faults.append(fault)
    captioner = asking(server, tmp_path, timeout=1.0)
    assert texts(captioner.answer(windows)) == right(windows)
    assert len(server.posts) == 5
    assert captioner.client.sent == 5
    assert sorted(Counter(asked.content for asked in server.posts).values()) == [1, 1, 1, 2]
    assert texts(asking(server, tmp_path).answer(windows)) == right(windows)
    assert len(server.posts) == 5


@pytest.mark.parametrize(
    "fault",
    [
        error(429, Retry_After="0.6"),
        error(503, Retry_After="0.6"),
        Fault(headers={"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "600ms"}),
        Fault(headers={"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0.6s"}),
        error(429, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="600ms"),
    ],
    ids=["429", "503", "requests used up", "tokens used up", "429 and used up"],
)
def test_nobody_sends_before_the_time_the_endpoint_names(server, fault):
    server.faults.append(fault)
    captioner, windows = asking(server, concurrency=1), [window(n) for n in range(5)]
    assert texts(captioner.answer(windows)) == right(windows)
    assert server.posts[1].at - server.posts[0].at >= 0.59
    assert server.posts[-1].at - server.posts[1].at < 0.5
    assert len(server.posts) == (5 if fault.status == 200 else 6)


def test_what_remains_of_a_limit_holds_nobody_up(server):
    server.wrong = lambda asked: Fault(
        headers={"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1h0m0s"}
    )
    begun = time.monotonic()
    asking(server).answer([window(n) for n in range(5)])
    assert time.monotonic() - begun < 5


def test_being_asked_to_come_later_does_not_use_up_attempts(server):
    server.faults.extend([error(429)] * 5 + [error(429, Retry_After="0")] * 2)
    assert texts(asking(server, attempts=1).answer([window(1)])) == right([window(1)])
    assert len(server.posts) == 8


@pytest.mark.parametrize("fault", [error(429, Retry_After="7200"), error(429)], ids=["two hours", "again and again"])
def test_patience_ends(server, fault):
    server.wrong = lambda asked: fault
    (failed,) = asking(server, patience=0.3).answer([window(1)])
    assert isinstance(failed, ElementError)
    assert "patience=0.3" in failed.message
    assert failed.attempts == len(server.posts)
    assert len(server.posts) < 6


def test_a_window_that_fails_for_good_fails_alone_and_alone_is_asked_again(server, tmp_path):
    windows = [window(n) for n in range(12)]
    bad = base64.b64encode(windows[7].frames[0].jpeg)
    server.wrong = lambda asked: error(500, message="out of memory") if bad in asked.content else None
    answers = asking(server, tmp_path).answer(windows)
    failed = answers[7]
    assert isinstance(failed, ElementError)
    assert failed.attempts == 3
    assert "out of memory" in failed.message
    assert texts(answers[:7] + answers[8:]) == right(windows[:7] + windows[8:])
    assert len(server.posts) == 11 + 3
    server.wrong = lambda asked: None
    assert texts(asking(server, tmp_path).answer(windows)) == right(windows)
    assert len(server.posts) == 11 + 3 + 1


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_wrong_is_not_sent_again(server, status):
    server.faults.append(error(status, message="too many images"))
    failed, answered = asking(server, concurrency=1).answer([window(1), window(2)])
    assert isinstance(failed, ElementError)
    assert f"status {status}: too many images" in failed.message
    assert failed.attempts == 1
    assert isinstance(answered, Answer)
    assert len(server.posts) == 2


REFUSALS = {
    "in a field": said(None, refusal="I can't help with that."),
    "by a filter": said("", finish="content_filter"),
    "by a filter, cut short": said("A man", finish="content_filter"),
    "by status": error(400, code="content_filter"),
    "by policy": error(400, code="content_policy_violation"),
}


@pytest.mark.parametrize("fault", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_an_answer(server, tmp_path, fault):
    server.faults.append(fault)
    for _ in range(2):
        (answer,) = asking(server, tmp_path).answer([window(1)])
        assert isinstance(answer, Answer)
        assert answer.flags == ("refused",)
        assert "can't" not in answer.text
    assert len(server.posts) == 1


def test_an_answer_that_ran_into_the_limit_says_so(server, tmp_path):
    server.faults.append(said("A man walks along a", finish="length"))
    (answer,) = asking(server, tmp_path).answer([window(1)])
    assert answer == Answer(text="A man walks along a", flags=("truncated",))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (error(401, message="Incorrect API key provided: a-secret-key"), "key is not accepted"),
        (error(403), "may not use this model"),
        (error(404, message="The model `tiny` does not exist"), "The model `tiny` does not exist"),
        (error(429, code="insufficient_quota"), "no credit"),
        (error(402), "no credit"),
        (
            Fault(status=301, headers={"Location": "https://elsewhere.example/v1?key=abc"}, body=b""),
            "elsewhere.example",
        ),
    ],
    ids=["401", "403", "404", "quota", "402", "moved"],
)
def test_a_wrong_set_up_stops_the_job_at_once_and_keeps_what_was_answered(server, tmp_path, monkeypatch, fault, told):
    monkeypatch.setenv("ENDPOINT_KEY", "a-secret-key")
    windows = [window(n) for n in range(30)]
    captioner = asking(server, tmp_path, concurrency=2, key_env="ENDPOINT_KEY")
    server.faults.extend([None] * 10)
    server.wrong = lambda asked: fault if len(server.posts) > 10 else None
    with pytest.raises(ConfigError, match="url=http://127") as stopped:
        captioner.answer(windows)
    assert told in str(stopped.value)
    assert "secret" not in str(stopped.value)
    assert "abc" not in str(stopped.value)
    assert len(server.posts) <= 10 + 2
    with pytest.raises(ConfigError):
        captioner.answer(windows[-1:])
    assert len(server.posts) <= 10 + 2
    asked = len(server.posts)
    server.wrong = lambda asked: None
    assert texts(asking(server, tmp_path).answer(windows)) == right(windows)
    assert len(server.posts) == asked + 20


def test_secrets_stay_out_of_messages_rows_and_the_store(server, tmp_path, monkeypatch):
    monkeypatch.setenv("ENDPOINT_KEY", "a-secret-key")
    captioner = asking(
        server, tmp_path, url=f"{server.url}?api-key=another-secret", key_env="ENDPOINT_KEY", concurrency=1
    )
    server.faults.append(error(400, message="Bearer a-secret-key is odd"))
    failed, _ = captioner.answer([window(1), window(2)])
    assert "secret" not in str(failed)
    assert "***" in str(failed)
    assert "api-key=another-secret" in server.posts[0].path
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not any(b"secret" in path.read_bytes() for path in kept)


def test_costs_are_told_where_prices_are(server, tmp_path):
    (free,) = asking(server, tmp_path).answer([window(1)])
    assert isinstance(free, Answer)
    assert (free.tokens_in, free.tokens_out, free.cost) == (100, 20, None)
    (paid,) = asking(server, tmp_path, price_in=2.5, price_out=10.0).answer([window(1)])
    assert isinstance(paid, Answer)
    assert paid.cost == pytest.approx((100 * 2.5 + 20 * 10) / 1e6)
    assert len(server.posts) == 1


def test_nothing_is_asked_about_nothing(server):
    assert asking(server).answer([]) == []
    assert server.asked == []


def test_check_sees_a_wrong_key_and_an_endpoint_that_is_not_there(server, monkeypatch):
    with pytest.raises(ConfigError, match="ENDPOINT_KEY: no such environment variable"):
        asking(server, key_env="ENDPOINT_KEY").check()
    server.answers["models"] = lambda asked: {"data": []}
    server.faults.append(error(401))
    with pytest.raises(ConfigError, match="key is not accepted"):
        asking(server).check()
    with pytest.raises(ConfigError, match="does not answer; start it, or mend url"):
        asking(server, url="http://127.0.0.1:9/v1").check()
    with pytest.raises(ConfigError, match="not a web address"):
        asking(server, url="localhost:8000").check()
    asking(server).check()
    assert server.posts == []


@pytest.mark.parametrize(
    ("listed", "revision"),
    [
        ({"data": [{"id": "other", "root": "o"}, {"id": "tiny", "root": "org/tiny-2b", "created": 1}]}, "org/tiny-2b"),
        ({"data": [{"id": "tiny", "root": "/hub/models--org--tiny/snapshots/5f3a"}]}, "5f3a"),
        ({"data": [{"id": "tiny", "root": "tiny"}]}, ""),
        ({"data": [{"id": "tiny", "created": 1_700_000_000}]}, ""),
        ({"data": None}, ""),
        ([], ""),
    ],
)
def test_the_revision_is_what_the_endpoint_says_of_the_weights(server, listed, revision):
    assert weights_of("tiny", listed) == revision
    server.answers["models"] = lambda asked: listed
    assert asking(server).revision == revision
    assert asking(server, revision="mine").revision == "mine"


@pytest.mark.parametrize("fault", [error(500), Fault(body=b"<html>"), error(501)], ids=["500", "no JSON", "501"])
def test_a_list_of_models_that_fails_is_none(server, fault):
    server.answers["models"] = lambda asked: {}
    server.wrong = lambda asked: fault
    assert asking(server).revision == ""
    assert len(server.asked) <= 2


def test_frames_may_go_without_their_seconds_and_never_more_than_are_wanted(server):
    asking(server, times=False, frames=2).answer([window(1, frames=4)])
    *shown, prompt = server.posts[0].body["messages"][0]["content"]
    assert [part["type"] for part in shown] == ["image_url"] * 2
    assert "2 frames" in prompt["text"]


def test_it_travels_without_its_connections(server, tmp_path):
    captioner = asking(server, tmp_path, concurrency=2)
    captioner.answer([window(1)])
    other = pickle.loads(pickle.dumps(captioner))
    assert other.answer([window(1)]) == captioner.answer([window(1)])
    assert texts(other.answer([window(2)])) == right([window(2)])
    assert len(server.posts) == 2


def test_an_endpoint_without_a_list_of_models_has_no_revision(server):
    captioner = asking(server)
    captioner.check()
    assert captioner.revision == ""
    assert len(server.asked) == 1
    assert texts(captioner.answer([window(1)])) == right([window(1)])


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "  A dog runs.\n"}, "A dog runs."),
        ({"content": [{"type": "text", "text": "A dog "}, {"type": "text", "text": "runs."}]}, "A dog runs."),
        ({"content": "<think>A dog? Yes.</think>\n\nA dog runs."}, "A dog runs."),
        ({"content": ""}, ""),
        ({"content": "A dog runs.", "refusal": None}, "A dog runs."),
    ],
)
def test_texts_come_in_several_shapes(message, text):
    usage = {"prompt_tokens": "many", "completion_tokens": True}
    found = read_answer({"choices": [{"message": message}], "usage": usage})
    assert found == {"text": text, "flags": [], "tokens_in": None, "tokens_out": None, "said": ""}


@pytest.mark.parametrize(
    "found", [None, 1, "x", {}, {"choices": {}}, {"choices": ["x"]}, {"choices": [{"message": 1}]}]
)
def test_what_is_no_completion_is_told(found):
    with pytest.raises(BadAnswer):
        read_answer(found)


def test_the_command_line_names_it():
    captioner = load_captioner("openai:qwen2.5-vl,url=https://host.example/v1,kinds=dense,frames=4,concurrency=32")
    assert (captioner.name, captioner.model, captioner.kinds) == ("openai", "qwen2.5-vl", ("dense",))
    assert captioner.prompt_version("dense").startswith("dense-")
    for spec, fix in [
        ("openai", "no model is named"),
        ("openai:m,extra=[1]", "not a JSON object"),
        ('openai:m,extra={"n":2}', "not to be set"),
        ("openai:m,kinds=long", "long"),
    ]:
        with pytest.raises(ConfigError, match=fix):
            load_captioner(spec)
