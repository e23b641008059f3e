"""The `openai` captioner: any chat endpoint that speaks OpenAI's format and looks at images (vLLM, SGLang, hosted).

The frames of a window go as they are stored, in order, each after a line that says its second; the prompt comes last.
What was answered is kept in the store at once, by the content of the request: model, frames, prompt and sampling. So an
answer can't reach another window, a run that is repeated asks nothing twice, and what was answered before something
failed is not paid for again. Refusals are answers too, and are kept with the flag `refused`.

`concurrency` bounds the requests of the whole job: whoever runs it has no more than `workers` of its workers ask.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from captioning.captioner import KINDS, Answer, Window
from captioning.http import BadAnswer, Client, ContentRefused, EndpointError, EndpointSettings, SetUpError
from captioning.prompt import PROMPT_HELP, load_prompts
from captioning.windows import spread
from transforms.failures import ElementError
from transforms.settings import ConfigError, setting
from transforms.store import Store, key
from transforms.threads import mapped, pool

STEP: Final = "answer"
"""Step of the store under which answers are kept."""
RECIPE: Final = 1
"""Raised when the same answer of an endpoint would be read as another one."""

_PATH: Final = "chat/completions"
_BATCHES: Final = 4  # batches of as many as may be open, in one call: who is done early need not wait for the slowest
_THOUGHT: Final = re.compile(r"\s*<think>.*?(</think>|\Z)", re.DOTALL)
_FLAGS: Final = {"length": "truncated", "content_filter": "refused"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenAiSettings(EndpointSettings):
    """Which model is asked, and how."""

    model: str = setting("", "Name of the model, as the endpoint knows it")
    revision: str = setting("", "Revision of the model; empty for what the endpoint itself says of it", scale=True)
    kinds: tuple[str, ...] = setting(KINDS, "Kinds of captions to write", choices=KINDS, scale=True)
    frames: int = setting(
        8, "Most frames of a window that are sent", low=1, high=256, source="Cosmos, arXiv:2501.03575"
    )
    times: bool = setting(True, "Say the second of each frame before it; off for models that expect frames alone")
    prompt: str = setting("", PROMPT_HELP, scale=True)
    max_tokens: int = setting(512, "Longest answer", unit="tokens", low=1, high=65536, source="NeMo Curator")
    temperature: float = setting(0.0, "Sampling temperature; 0 for the likeliest words", low=0, high=2)
    seed: int | None = setting(0, "Seed of the sampling, or none")
    extra: str = setting("", "More fields of the request, as a JSON object; null takes one out")
    price_in: float | None = setting(
        None, "Price of a million tokens read", unit="USD", low=0, high=1e6, source="your endpoint", scale=True
    )
    price_out: float | None = setting(
        None, "Price of a million tokens written", unit="USD", low=0, high=1e6, source="your endpoint", scale=True
    )


class OpenAi:
    """Asks a chat endpoint about windows of clips.

    Args:
        settings: Which one, and how.

    Attributes:
        answers: Where answers are kept and looked up; set it before the first call of `answer`. None keeps nothing.

    Raises:
        ConfigError: No model is named, or a prompt or `extra` is wrong.
    """

    name: Final = "openai"

    def __init__(self, settings: OpenAiSettings) -> None:
        if not settings.model:
            raise ConfigError("no model is named; write openai:MODEL, as the endpoint knows it")
        self.settings = settings
        self.answers: Store | None = None
        self._prompts = load_prompts(settings.kinds, settings.prompt)
        self._extra = _object(settings.extra)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "client"}

    @property
    def model(self) -> str:
        """The model's name at the endpoint."""
        return self.settings.model

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of captions that are written of every clip."""
        return self.settings.kinds

    @property
    def frames(self) -> int:
        """Most frames of a window that are sent."""
        return self.settings.frames

    @property
    def batch_size(self) -> int:
        """Windows of one call of `answer`, at most."""
        return _BATCHES * self.settings.open_at_once

    def prompt_version(self, kind: str) -> str:
        """Version of the prompt of a kind."""
        return self._prompts[kind].version

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
        """See that the endpoint answers and takes the key.

        Raises:
            ConfigError: It doesn't.
        """
        _ = self.client, self.revision

    def load(self) -> None:
        """Nothing is loaded here: the weights are at the endpoint.

        Raises:
            ConfigError: The key is missing.
        """
        _ = self.client

    def request(self, window: Window) -> dict[str, Any]:
        """The body of the request about a window. It holds no secret, and nothing that is not asked."""
        content: list[dict[str, Any]] = []
        times = [frame.seconds for frame in window.frames]
        frames = [window.frames[n] for n in spread(times, window.start, window.end, self.frames)]
        for frame in frames:
            if self.settings.times:
                content.append({"type": "text", "text": f"{frame.seconds - window.start:.2f} s:"})
            url = f"data:image/jpeg;base64,{base64.b64encode(frame.jpeg).decode()}"
            content.append({"type": "image_url", "image_url": {"url": url}})
        prompt = self._prompts[window.kind].filled(len(frames), window.end - window.start)
        content.append({"type": "text", "text": prompt})
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.settings.max_tokens,
            "temperature": self.settings.temperature,
            "seed": self.settings.seed,
            "stream": False,
            **self._extra,
        }
        return {name: value for name, value in body.items() if value is not None}

    def answer(self, windows: Sequence[Window]) -> list[Answer | ElementError]:
        """What the model says of each window, in their order; equal requests are sent once.

        Raises:
            ConfigError: Wrong key, no such model or address. What was answered before is kept.
        """
        path, same, bodies = self.client.path(_PATH), dict[str, list[Window]](), dict[str, dict[str, Any]]()
        keys = []
        for window in windows:
            body = self.request(window)
            keys.append(asked := key(STEP, RECIPE, [path, body]))
            bodies[asked] = body
            same.setdefault(asked, []).append(window)
        if not same:
            return []
        threads = pool("endpoint", self.settings.open_at_once)
        said = mapped(threads, lambda asked: self._answered(asked, bodies[asked], same[asked]), same)
        found = dict(zip(same, said, strict=True))
        return [found[asked] for asked in keys]

    def _answered(self, asked: str, body: Mapping[str, Any], windows: Sequence[Window]) -> Answer | ElementError:
        """The answer to one request, kept or new, and kept for every video that it is about: with it, it will go."""
        videos = sorted({window.clip["video_id"] for window in windows})
        try:
            kept = {video: self._kept(asked, video) for video in videos}
            told = next(filter(None, kept.values()), None) or self._asked(body)
            for video in videos:
                if self.answers and not kept[video]:
                    self.answers.put(STEP, asked, video, told)
        except ElementError as error:
            return error
        return self._told(told)

    def _kept(self, asked: str, video: str) -> dict[str, Any] | None:
        return self.answers.get(STEP, asked, video) if self.answers else None

    def _asked(self, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            reply = self.client.post(_PATH, body, read=read_answer)
        except ContentRefused as error:
            return {"text": "", "flags": ["refused"], "said": error.message, "attempts": error.attempts}
        return {**reply.value, "attempts": reply.attempts}

    def _told(self, told: Mapping[str, Any]) -> Answer:
        tokens, prices = (
            (told.get("tokens_in"), told.get("tokens_out")),
            (self.settings.price_in, self.settings.price_out),
        )
        parts = [
            n * price / 1e6 for n, price in zip(tokens, prices, strict=True) if n is not None and price is not None
        ]
        return Answer(
            text=told["text"],
            flags=tuple(told["flags"]),
            tokens_in=tokens[0],
            tokens_out=tokens[1],
            cost=sum(parts) if parts else None,
        )


def read_answer(found: Any) -> dict[str, Any]:
    """Text, flags and tokens of a chat completion.

    Args:
        found: The decoded JSON.

    Returns:
        `text`, `flags`, `tokens_in` and `tokens_out` (None where it doesn't say), and `said`: what a refusal says.

    Raises:
        BadAnswer: It is no completion with one choice that has a text or a refusal.
    """
    choices = found.get("choices") if isinstance(found, dict) else None
    if not isinstance(choices, list):
        error = found.get("error") if isinstance(found, dict) else None
        raise BadAnswer(f"an answer without choices{f': {error}' if error else ''}")
    if len(choices) != 1 or not isinstance(choices[0], dict):
        raise BadAnswer(f"{len(choices)} choices instead of 1")
    message, finish = choices[0].get("message"), choices[0].get("finish_reason")
    if not isinstance(message, dict):
        raise BadAnswer("a choice without a message")
    text, refusal = _text(message.get("content")), message.get("refusal") or ""
    flags = {_FLAGS[finish]} if finish in _FLAGS else set()
    if refusal:
        flags.add("refused")
    if text is None and not flags:
        raise BadAnswer("a message without content")
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return {
        "text": _THOUGHT.sub("", text or "", count=1).strip(),
        "flags": sorted(flags),
        "tokens_in": _count(usage.get("prompt_tokens")),
        "tokens_out": _count(usage.get("completion_tokens")),
        "said": str(refusal),
    }


def revision_of(client: Client, model: str) -> str:
    """What an endpoint says of a model's weights, see `weights_of`; empty where it has no list of models.

    Raises:
        ConfigError: It does not answer, or not with this key.
    """
    try:
        return client.get("models", lambda listed: weights_of(model, listed)).value
    except (SetUpError, EndpointError) as error:
        if error.status is None:
            raise ConfigError(f"the endpoint does not answer; start it, or mend url ({error})") from None
        if error.status in (401, 402, 403):
            raise
        return ""


def weights_of(model: str, listed: Any) -> str:
    """What a list of models says of one's weights: the `root` that vLLM and SGLang give, if it is more than the name.

    Of a local path only the last part counts: that names the snapshot, and not the machine. `created` is no help: some
    servers say the time of the request.
    """
    models = listed.get("data") if isinstance(listed, dict) else None
    for one in models if isinstance(models, list) else []:
        if (
            isinstance(one, dict)
            and one.get("id") == model
            and isinstance(root := one.get("root"), str)
            and root != model
        ):
            return root.rstrip("/").rpartition("/")[2] if root.startswith("/") else root
    return ""


def _text(content: Any) -> str | None:
    """A message's content as text: some servers give it in parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError(f"extra={text}: not a JSON object; give one such as " + '{"top_p": 0.9}')
    if {"messages", "stream", "n"} & set(found):
        raise ConfigError(f"extra={text}: messages, stream and n are not to be set")
    return found
