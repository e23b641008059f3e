"""What captioners, recognisers and scorers have in common: they name themselves, and are made from a word.

Every row that a model makes is signed by it. Each is loaded by name in the process that uses it, so that naming one
costs nothing until then.
"""

from __future__ import annotations

import importlib
import re
import typing
from collections.abc import Mapping
from typing import Any, Final, Protocol

from transforms.settings import ConfigError, from_mapping

_SETTING: Final = re.compile(r",(?=\s*[a-z_]+\s*=)")
"""A comma before the next setting; others belong to the value before them."""


class Named(Protocol):
    """Names itself and what it was set to, for every row that it makes."""

    @property
    def name(self) -> str:
        """As the command line gives it."""
        ...

    @property
    def model(self) -> str:
        """The model that works; its own name where none does."""
        ...

    @property
    def revision(self) -> str:
        """Revision of the model, from its weights, or of the rules."""
        ...

    @property
    def settings(self) -> Any:
        """A frozen dataclass of `transforms.settings` fields."""
        ...


class Model(Named, Protocol):
    """Has weights, or an endpoint that has them."""

    def check(self) -> None:
        """See, before the first element and without loading them, that packages and weights are there.

        Raises:
            ConfigError: Something is missing; the text says how to get it.
        """
        ...

    def load(self) -> None:
        """Load the weights; once a process is enough.

        Raises:
            ConfigError: They cannot be loaded.
        """
        ...


def made(option: str, spec: str, known: Mapping[str, str]) -> Any:
    """An object of the class that a word of the command line names, with its settings.

    Args:
        option: The option, for messages.
        spec: `NAME[:MODEL][,SETTING=VALUE...]`; what stands after the colon is the setting `model`.
        known: Names to `module:class`; the class takes its settings, whose class its annotation tells.

    Raises:
        ConfigError: There is none of that name, or a setting is wrong.
    """
    head, *given = _SETTING.split(spec)
    name, colon, model = head.partition(":")
    if name not in known:
        raise ConfigError(f"{option} {name}: not one of {', '.join(known)}")
    values = {"model": model} if colon else {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"{option} {spec}: {word!r} is no SETTING=VALUE")
        values[key.strip()] = value.strip()
    module, _, attribute = known[name].partition(":")
    cls = getattr(importlib.import_module(module), attribute)
    try:
        return cls(from_mapping(_settings_class(cls), values))
    except ConfigError as error:
        raise ConfigError(f"{option} {name}: {error}") from None


def _settings_class(cls: Any) -> type[Any]:
    hints = {**typing.get_type_hints(cls.__init__), **typing.get_type_hints(cls)}
    found: type[Any] = hints["settings"]
    return found
