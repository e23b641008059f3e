"""The `openai` storyboard writer: a language model behind a chat endpoint breaks a text into shots.

What it answers is a draft that a person edits, so nothing is held against the text; what cannot be read as shots is an
error and not half a storyboard.
"""

from __future__ import annotations

import json
from typing import Any, Final

from captioning.endpoint import read_answer
from captioning.http import Client, ContentRefused
from captioning.model import made
from generation.asked_rewriting import AskedSettings, body_of, read_instructions
from generation.asset import TRANSITIONS
from generation.storyboards import Scene
from transforms.failures import ElementError
from transforms.settings import ConfigError

_PATH: Final = "chat/completions"
_WRITERS: Final = {"openai": "generation.asked_storyboards:AskedWriter"}


class AskedWriter:
    """Asks a chat endpoint for shots.

    Args:
        settings: Which one, and how.

    Raises:
        ConfigError: No model is named, or the instructions cannot be read.
    """

    def __init__(self, settings: AskedSettings) -> None:
        if not settings.model:
            raise ConfigError("no model is named; write openai:MODEL, as the endpoint knows it")
        self.settings = settings
        self._instructions = read_instructions("storyboard", settings.instructions)

    def scenes(self, text: str, language: str, seconds: float, most: int) -> list[Scene]:
        """The shots of a text.

        Args:
            text: A sentence, several, or a script.
            language: Its language (BCP 47).
            seconds: How long the shots last together.
            most: How many there may be.

        Raises:
            ElementError: The endpoint refuses, does not answer, or answers what is no list of shots.
            ConfigError: Wrong key, no such model or address.
        """
        asked = {"text": text, "language": language, "most_shots": most, "seconds": seconds}
        body = body_of(self.settings, self._instructions, asked)
        try:
            told = Client(self.settings).post(_PATH, body, read=read_answer).value
        except ContentRefused as error:
            raise ElementError("not_made", f"the writer refused: {error.message}") from None
        return read_scenes(told["text"])[:most]


def load_writer(spec: str) -> AskedWriter:
    """The writer that a word names: `openai:MODEL[,SETTING=VALUE...]`.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    found: AskedWriter = made("--writer", spec, _WRITERS)
    return found


def read_scenes(text: str) -> list[Scene]:
    """The shots in an answer: a JSON array, with or without words or a fence around it.

    Raises:
        ElementError: There is none.
    """
    start, end = text.find("["), text.rfind("]")
    try:
        return [_scene(one) for one in json.loads(text[start : end + 1])]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ElementError("not_made", f"the writer's answer is no list of shots: {text[:200]!r}") from None


def _scene(one: Any) -> Scene:
    words, transition = str(one["see"]).strip(), str(one.get("transition") or "cut")
    if not words:
        raise ValueError("a shot that shows nothing")
    said = [(str(line.get("speaker") or ""), str(line["words"]).strip()) for line in one.get("said") or ()]
    return Scene(
        words,
        str(one.get("setting") or ""),
        [line for line in said if line[1]],
        transition if transition in TRANSITIONS else "cut",
        str(one.get("camera") or ""),
    )
