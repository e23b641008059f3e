"""The `openai` recogniser: any endpoint that transcribes as OpenAI's does (vLLM, Speaches, LocalAI, hosted).

`--recogniser openai:MODEL,url=http://HOST:8000/v1`. Voice activity runs here, so that silence is neither sent nor paid
for; each window goes as FLAC, several at a time. Times of words are asked for. An endpoint that does not give them, or
whose words are not those of its text, has them spread over the utterance, which is then flagged.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import av
import numpy as np
from multidict import MultiDict

from captioning.endpoint import revision_of
from captioning.http import BadAnswer, Client, EndpointSettings, Upload
from captioning.recogniser import Samples, Transcript, Utterance, Word
from captioning.speech import listening
from captioning.speech.guards import compression_of, token_probability
from captioning.speech.languages import language_code
from captioning.speech.listening import Heard, ListeningSettings
from captioning.speech.voice import check_voice
from transforms.audio import SAMPLE_RATE
from transforms.settings import ConfigError, setting
from transforms.threads import mapped, pool

_PATH: Final = "audio/transcriptions"
_SPACE: Final = re.compile(r"\s")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechEndpointSettings(ListeningSettings, EndpointSettings):
    """Which model is asked, and how."""

    model: str = setting("", "Name of the model, as the endpoint knows it")
    revision: str = setting("", "Revision of the model; empty for what the endpoint itself says of it", scale=True)
    words: bool = setting(True, "Ask for times of words; off for endpoints that refuse the question")


class Endpoint:
    """Asks an endpoint.

    Args:
        settings: Which one, and how.

    Raises:
        ConfigError: No model is named.
    """

    name: Final = "openai"

    def __init__(self, settings: SpeechEndpointSettings) -> None:
        if not settings.model:
            raise ConfigError("no model is named; write openai:MODEL, as the endpoint knows it")
        self.settings = settings

    def __getstate__(self) -> dict[str, Any]:
        return {"settings": self.settings}

    @property
    def model(self) -> str:
        """The model's name at the endpoint."""
        return self.settings.model

    @functools.cached_property
    def client(self) -> Client:
        """All requests of this process."""
        return Client(self.settings)

    @functools.cached_property
    def revision(self) -> str:
        """As set; else what the endpoint's list of models says of this one's weights; empty where it says nothing.

        Raises:
            ConfigError: The endpoint does not answer, or not with this key.
        """
        return self.settings.revision or revision_of(self.client, self.model)

    def check(self) -> None:
        """See that voice activity is installed, and that the endpoint answers and takes the key.

        Raises:
            ConfigError: It isn't, or it doesn't.
        """
        check_voice()
        _ = self.client, self.revision

    def load(self) -> None:
        """Nothing is loaded here: the weights are at the endpoint.

        Raises:
            ConfigError: The key is missing.
        """
        _ = self.client

    def transcribe(self, samples: Samples) -> Transcript:
        """What is said in a sound: see `Recogniser.transcribe`."""
        return listening.transcribe(samples, self._ask, self.settings, self.settings.open_at_once)

    def _ask(self, windows: Sequence[Samples], language: str | None) -> list[Heard]:
        threads = pool("endpoint", self.settings.open_at_once)
        return mapped(threads, lambda window: self._heard(window, language), windows)

    def _heard(self, window: Samples, language: str | None) -> Heard:
        form: MultiDict[str | Upload] = MultiDict(
            [
                ("file", Upload("window.flac", flac_of(window), "audio/flac")),
                ("model", self.settings.model),
                ("response_format", "verbose_json"),
                ("temperature", "0"),
            ]
        )
        if language is not None:
            form.add("language", language)
        if self.settings.words:
            form.add("timestamp_granularities[]", "word")
            form.add("timestamp_granularities[]", "segment")
        seconds = len(window) / SAMPLE_RATE
        return self.client.post(_PATH, form=form, read=lambda found: read_answer(found, seconds, language)).value


def flac_of(samples: Samples) -> bytes:
    """Sound, a sample or more, as a FLAC file of 16 bits a sample."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
        whole = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), "s16", "mono")
        frame.sample_rate = SAMPLE_RATE
        out.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def read_answer(found: Any, seconds: float, language: str | None = None) -> Heard:
    """What an endpoint heard in a window.

    Args:
        found: The decoded JSON, in OpenAI's `verbose_json`; of plain JSON there is one utterance as long as the window.
        seconds: Length of the window.
        language: What it was told.

    Raises:
        BadAnswer: It is no transcription.
    """
    if not isinstance(found, Mapping) or not isinstance(found.get("text"), str):
        raise BadAnswer("an answer without text")
    told = language or language_code(_text(found.get("language")))
    segments = [one for one in _list(found.get("segments")) if _text(one.get("text")).strip()]
    if not segments and found["text"].strip():
        segments = [{"text": found["text"], "start": 0.0, "end": seconds}]
    words = [one for one in _list(found.get("words")) if _number(one.get("start")) is not None]
    utterances = []
    for number, segment in enumerate(segments):
        start = min(max(_number(segment.get("start")) or 0.0, 0.0), seconds)
        end = min(max(_number(segment.get("end")) or 0.0, start), seconds)
        past = (_number(segments[number + 1].get("start")) or 0.0) if number + 1 < len(segments) else seconds + 1
        own = _list(segment.get("words")) or [one for one in words if _before(one, past)]
        words = [one for one in words if not _before(one, past)]
        utterances.append(_utterance(segment, start, end, told, own))
    return Heard(language=told, probability=None, utterances=tuple(utterances))


def _before(word: Mapping[str, Any], past: float) -> bool:
    start, end = _number(word.get("start")) or 0.0, _number(word.get("end")) or 0.0
    return (start + max(start, end)) / 2 < past


def _utterance(
    segment: Mapping[str, Any], start: float, end: float, language: str | None, words: Sequence[Mapping[str, Any]]
) -> Utterance:
    text = str(segment["text"]).strip()
    ratio, log_probability = _number(segment.get("compression_ratio")), _number(segment.get("avg_logprob"))
    return Utterance(
        start=start,
        end=end,
        text=text,
        language=language,
        words=placed_words(text, words, token_probability(log_probability)),
        log_probability=log_probability,
        no_speech=_number(segment.get("no_speech_prob")),
        compression=compression_of(text) if ratio is None else ratio,
    )


def placed_words(text: str, words: Sequence[Mapping[str, Any]], probability: float = 1.0) -> tuple[Word, ...]:
    """The words of a text with the times that an endpoint told; empty where they are not the words of this text.

    Endpoints tell words without the spaces and marks between them, which are put back: together they are the text.

    Args:
        text: Of an utterance.
        words: `word`, `start`, `end` and perhaps `probability` of each.
        probability: Of a word that has none.
    """
    plain, places, at = text.lower(), [], 0
    for one in words:
        said = _text(one.get("word")).strip().lower()
        first = plain.find(said, at)
        if not said or first < 0 or _letters(plain[at:first]):
            return ()
        at = first + len(said)
        places.append((first, at))
    if not places or _letters(plain[at:]) or len(plain) != len(text):
        return ()
    cuts = [0]
    for (_, end), (first, _) in itertools.pairwise(places):
        # What opens the next word (a bracket, a quotation mark) is its own, with the space before it.
        space = _SPACE.search(text, end, first)
        cuts.append(space.start() if space else first)
    return tuple(
        Word(
            start := _number(one.get("start")) or 0.0,
            max(start, _number(one.get("end")) or 0.0),
            text[first:past],
            _number(one.get("probability")) or probability,
        )
        for one, first, past in zip(words, cuts, [*cuts[1:], len(text)], strict=True)
    )


def _letters(text: str) -> bool:
    return any(letter.isalnum() for letter in text)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value else None


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
