"""Presets: model set-ups by name, from `presets.yaml`, where every choice of a model is written down and explained.

A preset is nothing but the words of `--captioner` and `--recogniser` under one name, with what a person needs to know
of each model: its licence, where its weights come from and what it takes to run. Words have places, `$RUSHES_MODELS`
above all, since nobody's weights lie where another's do.
"""

from __future__ import annotations

import functools
import os
import shlex
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import yaml

from transforms.settings import ConfigError

FOLDER: Final = "RUSHES_MODELS"
"""The place, and environment variable, of the folder where weights lie."""

_FILE: Final = "presets.yaml"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One model of a preset.

    Attributes:
        option: `--captioner` or `--recogniser`.
        word: What follows the option, with its places.
        model: What it is.
        licence: Under which its weights may be used, and where that is said.
        needs: Memory and hardware.
        source: Page that its weights come from; empty where it has none.
        get: Commands that fetch them or start a server, with their places.
        size: What is fetched; empty where nothing is.
    """

    option: str
    word: str
    model: str
    licence: str
    needs: str
    source: str = ""
    get: tuple[str, ...] = ()
    size: str = ""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A model set-up.

    Attributes:
        name: What it is called.
        meant: What it is for.
        captioners: Who describes clips; one or more.
        recogniser: Who writes down what is said; None for nobody.
    """

    name: str
    meant: str
    captioners: tuple[Choice, ...]
    recogniser: Choice | None

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All of its models."""
        return (*self.captioners, self.recogniser) if self.recogniser else self.captioners


@functools.cache
def _read() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(files("pipelines").joinpath(_FILE).read_text(encoding="utf-8"))
    return found


@functools.cache
def presets() -> Mapping[str, Preset]:
    """Every preset by its name, in the order of the file."""
    return {
        name: Preset(
            name=name,
            meant=entry["for"],
            captioners=tuple(_choice("--captioner", one) for one in entry["captioner"]),
            recogniser=_choice("--recogniser", entry["recogniser"]) if entry["recogniser"] else None,
        )
        for name, entry in _read()["presets"].items()
    }


def _choice(option: str, entry: Mapping[str, Any]) -> Choice:
    told = {{"from": "source"}.get(key, key): value for key, value in entry.items()}
    return Choice(option=option, **{**told, "get": tuple(told.get("get", ()))})


def preset(name: str) -> Preset:
    """A preset by its name.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in presets():
        raise ConfigError(f"--preset {name}: not one of {', '.join(presets())}")
    return presets()[name]


def places(folder: str | None = None) -> dict[str, str]:
    """What the places of words stand for here: environment variables, else the defaults of the file.

    Args:
        folder: Where weights lie; else `RUSHES_MODELS` says it. Where neither does, it is not among the places.

    Raises:
        ConfigError: A place has a comma, which would end it within a word.
    """
    found = {name: os.environ.get(name) or default for name, default in _read()["places"].items()}
    given = folder or found[FOLDER]
    # Workers have working folders of their own.
    found[FOLDER] = os.path.abspath(os.path.expanduser(given)) if given else None
    for name, value in found.items():
        if value and "," in value:
            raise ConfigError(f"--models {value}: has a comma, which parts settings: give {name} without one")
    return {name: value for name, value in found.items() if value}


def filled(word: str, known: Mapping[str, str]) -> str:
    """A word or a command with what its places stand for.

    Raises:
        ConfigError: It has a place that is not known.
    """
    try:
        return string.Template(word).substitute(known)
    except KeyError:
        raise ConfigError(f"{word}: where weights lie is not known: give --models FOLDER, or set {FOLDER}") from None


def commands(choice: Choice, known: Mapping[str, str]) -> list[str]:
    """The commands that fetch a model's weights or start its server, as a shell takes them.

    Args:
        choice: The model.
        known: As `places` has it; where nobody says where weights lie, the shell is left to know it.
    """
    shown = {name: shlex.quote(value) for name, value in known.items()}
    return [filled(command, {FOLDER: f'"${FOLDER}"', **shown}) for command in choice.get]


def expand(name: str, folder: str | None = None) -> dict[str, Any]:
    """The options that a preset stands for.

    Args:
        name: Its name.
        folder: Where weights lie; else the environment variable `RUSHES_MODELS` says it.

    Returns:
        `captioner`: a tuple of words; `recogniser`: a word or None.

    Raises:
        ConfigError: There is no such preset, or nobody says where its weights lie.
    """
    found, known = preset(name), places(folder)
    try:
        return {
            "captioner": tuple(filled(choice.word, known) for choice in found.captioners),
            "recogniser": filled(found.recogniser.word, known) if found.recogniser else None,
        }
    except ConfigError as error:
        raise ConfigError(f"--preset {name}: {error}") from None


def layer(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `preset` and `models` among a job's options stand for, to be laid below those options, which win.

    Args:
        layers: Options by name; a later layer wins.

    Raises:
        ConfigError: As `expand`.
    """
    given: dict[str, Any] = {name: value for one in layers for name, value in one.items()}
    return expand(str(given["preset"]), given.get("models")) if given.get("preset") else {}
