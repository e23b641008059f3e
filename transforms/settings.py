"""Settings: frozen dataclasses whose fields carry their own documentation.

Every step has one frozen dataclass of settings. A field's help, unit, range and source stand beside its default, and
the command line, the configuration file, validation and the documentation are all made from them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any


class ConfigError(ValueError):
    """A setting that cannot work. Raised before any work starts; the text names the option and the fix."""


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] | None = None,
    source: str = "",
    scale: bool = False,
    repeat: bool = False,
) -> Any:
    """A dataclass field of a settings class.

    Args:
        default: The value when nobody says otherwise.
        doc: One sentence for the help page, without unit, range or default: the other arguments add those.
        unit: The unit of the value (`s`, `px`, `MB`), empty for a pure number or a word.
        low: Smallest allowed value, inclusive.
        high: Largest allowed value, inclusive.
        choices: The words allowed; for a tuple of words, the words allowed in it.
        source: Where the default comes from (paper, standard, project).
        scale: The setting changes how a run proceeds, never what it yields; it stays out of every key.
        repeat: The option may be given several times, and its words are taken whole, commas and all.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "doc": doc,
            "unit": unit,
            "low": low,
            "high": high,
            "choices": tuple(choices) if choices else None,
            "source": source,
            "scale": scale,
            "repeat": repeat,
        },
    )


def option_name(field: dataclasses.Field[Any]) -> str:
    """The command-line name of a field: `min_seconds` is `--min-seconds`."""
    return "--" + field.name.replace("_", "-")


def validate(settings: Any) -> None:
    """Check every field of a settings object against its range and choices.

    Raises:
        ConfigError: Naming the option, the value and what is allowed.
    """
    for field in dataclasses.fields(settings):
        value, meta = getattr(settings, field.name), field.metadata
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            if one is None:
                continue
            if meta.get("choices") and one not in meta["choices"]:
                raise ConfigError(f"{option_name(field)} {one}: not one of {', '.join(meta['choices'])}")
            low, high = meta.get("low"), meta.get("high")
            if isinstance(one, bool) or not isinstance(one, (int, float)):
                continue
            if (low is not None and one < low) or (high is not None and one > high) or one != one:
                allowed = f"{'' if low is None else f'{low:g} <= '}value{'' if high is None else f' <= {high:g}'}"
                raise ConfigError(
                    f"{option_name(field)} {one:g}: out of range, {allowed} {meta.get('unit', '')}".rstrip()
                )


def key_fields(settings: Any) -> dict[str, Any]:
    """The fields that belong in a store key: all but those that only change how a run proceeds."""
    return {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings) if not f.metadata.get("scale")}


def _convert(value: Any, hint: Any, name: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "off")):
            return None
        (hint,) = [a for a in args if a is not type(None)]
        return _convert(value, hint, name)
    if origin is tuple:
        if isinstance(value, str):
            value = [v.strip() for v in value.split(",") if v.strip()]
        if not isinstance(value, (list, tuple)):
            value = [value]
        return tuple(_convert(v, args[0], name) for v in value)
    try:
        if hint is bool and isinstance(value, str):
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
        if hint is float and isinstance(value, (int, str)) and not isinstance(value, bool):
            return float(value)
        if hint is int and isinstance(value, str):
            return int(value)
    except (ValueError, KeyError):
        pass
    if hint in (bool, int, float, str) and type(value) is not hint:
        raise ConfigError(f"--{name.replace('_', '-')} {value!r}: expected {hint.__name__}")
    return value


def from_mapping(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Build a settings object from a mapping of field names (or option names) to values, converted and validated.

    Raises:
        ConfigError: An unknown name, a value of the wrong type, or one out of range.
    """
    hints = typing.get_type_hints(cls)
    known = {f.name: f.metadata for f in dataclasses.fields(cls)}
    given = {str(k).replace("-", "_"): v for k, v in values.items()}
    if unknown := sorted(set(given) - set(known)):
        raise ConfigError(f"unknown setting {unknown[0]!r} for {cls.__name__}; known: {', '.join(sorted(known))}")
    given = {k: (v,) if isinstance(v, str) and known[k].get("repeat") else v for k, v in given.items()}
    made = cls(**{k: _convert(v, hints[k], k) for k, v in given.items()})
    validate(made)
    return made
