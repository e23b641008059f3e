"""The `openai` recogniser against a real server on loopback that misbehaves on order."""

from __future__ import annotations

import email
import email.policy
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.http import BadAnswer
from captioning.recogniser import Recogniser, Samples, load_recogniser, read_sound
from captioning.speech.endpoint import flac_of, placed_words, read_answer
from captioning.speech.languages import language_code
from captioning.speech.voice import Voice
from tests.captioning.faultserver import Asked, Fault, FaultServer, error
from transforms.audio import SAMPLE_RATE as RATE
from transforms.failures import ElementError
from transforms.settings import ConfigError


def fields(asked: Asked) -> list[tuple[str, bytes]]:
    """The fields of a form, in order."""
    head = f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n".encode()
    whole: Any = email.message_from_bytes(head + asked.content, policy=email.policy.HTTP)
    return [
        (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
        for part in whole.iter_parts()
    ]


def transcription(asked: Asked) -> dict[str, Any]:
    """What the server hears: how many samples it was sent, so that an answer at a wrong window shows."""
    sound = read_sound(dict(fields(asked))["file"])
    seconds = len(sound) / RATE
    text = f" Heard {len(sound)} samples."
    numbers = {"avg_logprob": -0.25, "no_speech_prob": 0.01, "compression_ratio": 1.1}
    segment = {"id": 0, "start": 0.5, "end": seconds, "text": text, **numbers}
    words = [
        {"word": word, "start": 0.5 + n, "end": 1.5 + n} for n, word in enumerate(["Heard", str(len(sound)), "samples"])
    ]
    return {"task": "transcribe", "language": "english", "duration": seconds, "text": text.strip(),
            "segments": [segment], "words": words}  # fmt: skip


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.answers["audio/transcriptions"] = transcription
        yield running


def recogniser(server: FaultServer, **more: Any) -> Recogniser:
    words = {"url": server.url, "first_wait": 0.01, "timeout": 5, "window_seconds": 14, **more}
    return load_recogniser("openai:whisper-1," + ",".join(f"{name}={value}" for name, value in words.items()))


def four_times(speech: Samples) -> Samples:
    """Four speeches of different lengths, half a minute apart: four windows."""
    silence = np.zeros(30 * RATE, np.float32)
    return np.concatenate([part for n in range(4) for part in (speech[: len(speech) - n * RATE], silence)])


def test_a_transcript(server: FaultServer, speech: Samples) -> None:
    told = recogniser(server).transcribe(speech)
    (asked,) = server.posts
    form = fields(asked)
    sent = read_sound(dict(form)["file"])
    assert [name for name, _ in form if name != "file"] == [
        "model", "response_format", "temperature", "timestamp_granularities[]", "timestamp_granularities[]",
    ]  # fmt: skip
    assert dict(form)["model"] == b"whisper-1"
    assert told.language == "en"
    assert told.language_probability is None
    (one,) = told.utterances
    assert one.text == f"Heard {len(sent)} samples."
    assert [word.text for word in one.words] == ["Heard", f" {len(sent)}", " samples."]
    assert one.words[0].start == pytest.approx(0.5, abs=0.01)
    assert (one.log_probability, one.no_speech, one.flags) == (-0.25, 0.01, ())


def test_windows_go_side_by_side_and_come_back_to_their_places(server: FaultServer, speech: Samples) -> None:
    server.takes = 0.3
    sound = four_times(speech)
    told = recogniser(server, concurrency=3).transcribe(sound)
    assert len(server.posts) == 4
    assert 2 <= server.most_open <= 3
    lengths = [int(one.text.split()[1]) for one in told.utterances]
    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) == 4
    assert sorted(len(read_sound(dict(fields(asked))["file"])) for asked in server.posts) == sorted(lengths)
    starts = [one.start for one in told.utterances]
    assert starts == sorted(starts)
    assert all(round(later - one) in (39, 40, 41) for one, later in itertools.pairwise(starts))


def test_a_language_is_passed_on(server: FaultServer, speech: Samples) -> None:
    told = recogniser(server, language="fr", words="no").transcribe(speech)
    form = dict(fields(server.posts[0]))
    assert form["language"] == b"fr"
    assert "timestamp_granularities[]" not in form
    assert told.language == "fr"


PASSING: dict[str, Fault] = {
    "429 with Retry-After": error(429, "rate_limit_exceeded", Retry_After="0"),
    "429 without": error(429, "rate_limit_exceeded"),
    "500": error(500),
    "503": error(503),
    "cut": Fault(cut=40),
    "no answer": Fault(cut=-1),
    "no JSON": Fault(body=b"<html>busy</html>"),
    "no text": Fault(body=b'{"segments": []}'),
    "slow": Fault(wait=1.5),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_tried_again(server: FaultServer, speech: Samples, name: str) -> None:
    server.faults.append(PASSING[name])
    told = recogniser(server, timeout=1).transcribe(speech)
    assert len(told.utterances) == 1
    assert len(server.posts) == 2
    assert server.posts[0].content.count(b"fLaC") == server.posts[1].content.count(b"fLaC") == 1


def test_the_time_that_an_endpoint_names_is_waited_for(server: FaultServer, speech: Samples) -> None:
    server.faults.append(error(429, Retry_After="1"))
    recogniser(server).transcribe(speech)
    first, second = server.posts
    assert second.at - first.at >= 1


def test_what_never_passes_is_a_failure_of_this_sound(server: FaultServer, speech: Samples) -> None:
    server.wrong = lambda asked: error(500, message="down")
    with pytest.raises(ElementError) as failure:
        recogniser(server, attempts=3).transcribe(speech)
    assert failure.value.error_class == "unreachable"
    assert failure.value.attempts == 3
    assert len(server.posts) == 3


def test_what_is_refused_is_not_sent_again(server: FaultServer, speech: Samples) -> None:
    server.wrong = lambda asked: error(400, message="bad audio")
    with pytest.raises(ElementError, match="bad audio"):
        recogniser(server).transcribe(speech)
    assert len(server.posts) == 1


@pytest.mark.parametrize(("status", "words"), [(401, "key"), (404, "model")])
def test_a_wrong_set_up_stops_the_job(server: FaultServer, speech: Samples, status: int, words: str) -> None:
    server.wrong = lambda asked: error(status)
    with pytest.raises(ConfigError, match=words):
        recogniser(server).transcribe(speech)
    assert len(server.posts) == 1


def test_check_asks_for_the_model_and_sends_no_sound(server: FaultServer, silero: Voice) -> None:
    models = {"data": [{"id": "whisper-1", "root": "/models/whisper-large-v3-b7"}, {"id": "other", "root": "/x/y"}]}
    server.answers["models"] = lambda asked: models
    heard = recogniser(server)
    heard.check()
    assert heard.revision == "whisper-large-v3-b7"
    assert server.posts == []
    with FaultServer() as bare:
        other = recogniser(bare)
        other.check()
        assert other.revision == ""


def test_an_endpoint_that_is_not_there_is_told_before_the_job(silero: Voice) -> None:
    spec = "openai:whisper-1,url=http://127.0.0.1:9/v1,attempts=1,connect_timeout=0.5"
    with pytest.raises(ConfigError, match="start it"):
        load_recogniser(spec).check()


SEGMENT = {"start": 1.0, "end": 2.0, "text": " Ask not."}


@pytest.mark.parametrize(
    ("found", "texts", "times"),
    [
        ({"text": " Hello there. "}, ["Hello there."], [(0.0, 9.0)]),
        ({"text": "", "segments": []}, [], []),
        ({"text": "x", "segments": [SEGMENT, {"start": 2, "end": 3, "text": " "}]}, ["Ask not."], [(1.0, 2.0)]),
        ({"text": "x", "segments": [{"start": -1, "end": 99, "text": "Long"}]}, ["Long"], [(0.0, 9.0)]),
        ({"text": "x", "segments": [{"start": "a", "end": None, "text": "Odd"}]}, ["Odd"], [(0.0, 0.0)]),
        ({"text": "x", "segments": [{"text": 3}, "?"], "words": "?", "language": 7}, ["x"], [(0.0, 9.0)]),
    ],
)
def test_answers_are_read(found: dict[str, Any], texts: list[str], times: list[tuple[float, float]]) -> None:
    heard = read_answer(json.loads(json.dumps(found)), 9.0)
    assert [one.text for one in heard.utterances] == texts
    assert [(one.start, one.end) for one in heard.utterances] == times


@pytest.mark.parametrize("found", [None, [], "text", {}, {"text": None}, {"error": {"message": "x"}}])
def test_what_is_no_transcription_is_told(found: Any) -> None:
    with pytest.raises(BadAnswer):
        read_answer(found, 9.0)


def test_words_go_to_their_segments() -> None:
    def word(text: str, start: float) -> dict[str, Any]:
        return {"word": text, "start": start, "end": start + 0.4}

    segments = [{"start": 0.0, "end": 1.0, "text": " Ask, not"}, {"start": 1.0, "end": 2.0, "text": " (what) you"}]
    words = [word("ask", 0.0), word("not", 0.7), word("What", 1.0), word("you", 1.5)]
    heard = read_answer({"text": "x", "segments": segments, "words": words, "language": "german"}, 2.0)
    assert [[one.text for one in said.words] for said in heard.utterances] == [["Ask,", " not"], ["(what)", " you"]]
    assert heard.language == "de"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ask not what", ["Ask", "what"]),
        ("Ask not", ["Ask", "not", "what"]),
        ("Ask not", ["not", "Ask"]),
        ("Ask not", []),
        ("Ask not", ["Ask", "", "not"]),
    ],
)
def test_words_of_another_text_are_not_taken(text: str, words: list[str]) -> None:
    assert placed_words(text, [{"word": word, "start": 0, "end": 1} for word in words]) == ()


@given(st.lists(st.text("abcäß字", min_size=1, max_size=6), min_size=1, max_size=12), st.data())
def test_words_together_are_the_text(words: list[str], data: st.DataObject) -> None:
    marks = st.sampled_from([" ", ", ", "! ", " (", ") ", " - ", ' "', ""])
    text = "".join(word + data.draw(marks) for word in words).strip()
    placed = placed_words(text, [{"word": word, "start": n, "end": n + 1} for n, word in enumerate(words)])
    assert "".join(word.text for word in placed) == text
    assert [word.start for word in placed] == list(range(len(words)))


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("english", "en"),
        ("Haitian Creole", "ht"),
        ("de", "de"),
        (" ZH ", "zh"),
        ("klingon", None),
        ("", None),
        (None, None),
    ],
)
def test_languages_are_codes(told: str | None, code: str | None) -> None:
    assert language_code(told) == code


def test_languages_are_those_of_whisper() -> None:
    tokenizer = pytest.importorskip("whisper.tokenizer", reason="openai-whisper is not installed")
    assert {name: language_code(name) for name in tokenizer.TO_LANGUAGE_CODE} == tokenizer.TO_LANGUAGE_CODE


def test_loud_sound_is_cut_and_not_wrapped() -> None:
    read = read_sound(flac_of(np.array([1.5, -1.5, 0.25], np.float32)))
    assert read == pytest.approx([32767 / 32768, -1.0, 0.25])
