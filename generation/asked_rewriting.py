"""The `openai` rewriter: a language model behind any chat endpoint that speaks OpenAI's format (vLLM, SGLang, hosted).

It is the same kind of endpoint that captions are asked of, so one server does both. What it answers is kept in the
store by the content of the request: a second run asks nothing and gets the very same prompts, so that no request
changes its id because a model was asked again. An answer that is cut off, refused, too long or not faithful to the shot
(`generation.faithfulness`) is not taken: the template's prompt is, and a note says why.

Where the endpoint gives no answer there is no prompt: a template in its place would be another request, and paid for
again when the endpoint is back.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from captioning.endpoint import read_answer
from captioning.http import Client, ContentRefused, EndpointSettings
from captioning.prompt import Prompt, read_prompt
from generation.faithfulness import Difference, compare, locked_spans
from generation.prompts import ShotWords
from generation.rewriting import Rewritten, Template, dialect_of, source_of, too_long
from transforms.failures import ElementError
from transforms.settings import ConfigError, setting
from transforms.store import Store, key
from transforms.threads import mapped, pool

STEP: Final = "rewrite"
"""Step of the store under which answers are kept."""
RECIPE: Final = 1
"""Raised when the same answer of an endpoint would be read as another one."""

_PATH: Final = "chat/completions"
_OWNER: Final = "words"  # Markers of the store carry the video they belong to; these belong to none.


@dataclasses.dataclass(frozen=True, kw_only=True)
class AskedSettings(EndpointSettings):
    """Which model is asked, and how."""

    model: str = setting("", "Name of the model, as the endpoint knows it")
    instructions: str = setting("", "File with instructions of one's own; empty for those that come with the package")
    max_tokens: int = setting(1024, "Longest answer", unit="tokens", low=1, high=65536, source="project")
    temperature: float = setting(0.0, "Sampling temperature; 0 for the likeliest words", low=0, high=2)
    seed: int | None = setting(0, "Seed of the sampling, or none")


class AskedRewriter:
    """Asks a chat endpoint for prompts.

    Args:
        settings: Which one, and how.

    Attributes:
        answers: Where answers are kept and looked up; set it before the first call of `rewrite`. None keeps nothing:
            then two runs may have different prompts, and so different requests.

    Raises:
        ConfigError: No model is named, or the instructions cannot be read.
    """

    name: Final = "openai"

    def __init__(self, settings: AskedSettings) -> None:
        if not settings.model:
            raise ConfigError("no model is named; write openai:MODEL, as the endpoint knows it")
        self.settings = settings
        self.answers: Store | None = None
        self._instructions = read_instructions("rewrite", settings.instructions)
        self._template = Template()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "client"}

    @property
    def version(self) -> str:
        """The rewriter, its instructions and its model, as rows carry it."""
        return f"{self.name}/{self._instructions.version}/{self.settings.model}"

    @functools.cached_property
    def client(self) -> Client:
        """All requests of this process."""
        return Client(self.settings)

    def check(self) -> None:
        """See that the key is there.

        Raises:
            ConfigError: It isn't, or the address is none.
        """
        _ = self.client

    def request(self, words: ShotWords) -> dict[str, Any]:
        """The body of the request about a shot."""
        dialect = dialect_of(words)
        shot = {
            "text": words.text,
            "parts": dict(words.slots),
            "language": words.language or "that of the text",
            "keep_exactly": list(locked_spans(source_of(words), _locked(words))),
            "write": dialect.about,
            "most_words": dialect.most_words,
        }
        return body_of(self.settings, self._instructions, shot)

    def rewrite(self, words: Sequence[ShotWords]) -> list[Rewritten]:
        """A prompt for the words of each shot, in their order; equal requests are sent once.

        Raises:
            ConfigError: Wrong key, no such model or address. What was answered before is kept.
        """
        bodies = [self.request(one) for one in words]
        keys = [key(STEP, RECIPE, [self.client.path(_PATH), body]) for body in bodies]
        asked = dict(zip(keys, bodies, strict=True))
        threads = pool("rewriting", self.settings.open_at_once)
        said = mapped(threads, lambda item: self._answered(*item), asked.items())
        answers = dict(zip(asked, said, strict=True))
        return [self._read(one, answers[asked]) for one, asked in zip(words, keys, strict=True)]

    def _answered(self, asked: str, body: dict[str, Any]) -> dict[str, Any] | ElementError:
        try:
            kept = self.answers.get(STEP, asked, _OWNER) if self.answers else None
            if kept is not None:
                return kept
            told = self._asked(body)
            if self.answers:
                self.answers.put(STEP, asked, _OWNER, told)
                told = self.answers.get(STEP, asked, _OWNER) or told  # Of two that ask at once, both take the first.
        except ElementError as error:
            return error
        return told

    def _asked(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.client.post(_PATH, body, read=read_answer).value
        except ContentRefused as error:
            return {"text": "", "flags": ["refused"], "said": error.message}

    def _read(self, words: ShotWords, told: dict[str, Any] | ElementError) -> Rewritten:
        if isinstance(told, ElementError):
            return Rewritten(
                prompt="", by=self.version, language=None, failed=f"no answer of the rewriter: {told.message}"
            )
        prompt, source = " ".join(told["text"].split()), source_of(words)
        difference = compare(source, prompt, locked_spans(source, _locked(words)), words.language)
        if faults := _faults(told, prompt, words, difference):
            (plain,) = self._template.rewrite([words])
            notes = (f"the rewriting of {self.version} was not taken: {'; '.join(faults)}", *plain.notes)
            return dataclasses.replace(plain, notes=notes)
        return Rewritten(prompt=prompt, by=self.version, language=None, lost=difference.lost, added=difference.added)


def _faults(told: dict[str, Any], prompt: str, words: ShotWords, difference: Difference) -> list[str]:
    """Why an answer is not taken."""
    if told["flags"] or not prompt:
        return [
            {"truncated": "it was cut off", "refused": "the model refused"}.get(flag, flag) for flag in told["flags"]
        ] or ["it is empty"]
    return [*too_long(prompt, dialect_of(words), words), *difference.faults]


def _locked(words: ShotWords) -> tuple[str, ...]:
    """What is locked by name, and every spoken line."""
    return (*words.locked, *(said.strip() for name, said in words.slots if name == "dialogue"))


def body_of(settings: AskedSettings, instructions: Prompt, about: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a chat request: the instructions, and what they are about. It holds no secret, and no null."""
    body = {
        "model": settings.model,
        "messages": [
            {"role": "user", "content": f"{instructions.text}\n\n{json.dumps(about, ensure_ascii=False, indent=1)}"}
        ],
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "seed": settings.seed,
        "stream": False,
    }
    return {name: value for name, value in body.items() if value is not None}


def read_instructions(name: str, given: str = "") -> Prompt:
    """What a model is asked to do: instructions of one's own, or those of a name that come with the package.

    Raises:
        ConfigError: They cannot be read.
    """
    path = Path(given) if given else files("generation") / "instructions" / f"{name}.txt"
    try:
        return read_prompt(Path(path.name).stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"instructions {given}: cannot be read as UTF-8 text: {error}") from None
