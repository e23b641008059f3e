"""Marks: a YAML file as plain values, and the line and column that each of them stands at.

Values are read as YAML 1.2 has them, so that a market `NO` is no falsehood and `16:9` no number of seconds. A key that
stands twice is an error, as the second would silently win.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import yaml

from transforms.settings import ConfigError

Path = tuple[str | int, ...]
"""Where a value is: keys and places in lists, from the top."""

_MOST: Final = 300_000
"""Values a file may have with its aliases written out, so that a few lines cannot fill the memory."""
_DEEP: Final = 60
"""Levels it may have."""


class Mark(NamedTuple):
    """A place in a file, from 1."""

    line: int
    column: int


class Marked(NamedTuple):
    """A file's values, and where they are.

    Attributes:
        name: Name of the file, for messages.
        values: Its values.
        marks: The place of every value, that of its key where it has one.
    """

    name: str
    values: Any
    marks: dict[Path, Mark]

    def where(self, path: Sequence[str | int]) -> str:
        """`campaign.yaml:17: formats.story.seconds`, with the line of the nearest that is there."""
        return f"{self.name}:{self.line(path)}: {written(path)}".removesuffix(": ")

    def line(self, path: Sequence[str | int]) -> int:
        """The line of what is at a path, or of the nearest around it."""
        known = tuple(path)
        while known not in self.marks:
            known = known[:-1]
        return self.marks[known].line


class _Loader(yaml.SafeLoader):
    """YAML with the plain values of its core schema, version 1.2 (section 10.3), and merge keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_PLAIN: Final = (
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ("~", "n", "N", "")),
    ("tag:yaml.org,2002:merge", r"^(?:<<)$", "<"),
)
for _tag, _shape, _first in _PLAIN:
    _Loader.add_implicit_resolver(_tag, re.compile(_shape), list(_first))
# PyYAML would read 010 as eight.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))
_Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))


def read_marked(name: str, text: str) -> Marked:
    """Read a YAML file.

    Args:
        name: Its name, for messages.
        text: What is in it.

    Raises:
        ConfigError: It is no YAML, a key stands twice, or it is too large; with line and column.
    """
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError(f"{name}:1: the file is empty")
        marks: dict[Path, Mark] = {}
        errors: list[str] = []
        for path, mark, twice in _walked(name, node):
            if twice:
                errors.append(f"{name}:{mark.line}: {written(path)}: stands twice; first in line {marks[path].line}")
            else:
                marks.setdefault(path, mark)
        if errors:
            raise ConfigError("\n".join(errors))
        return Marked(name, loader.construct_document(node), marks)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        place = f"{at.line + 1}:{at.column + 1}" if at else "1"
        told = ", ".join(word for word in (error.context, error.problem) if word)
        raise ConfigError(f"{name}:{place}: {told}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{name}:1: it is no YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def written(path: Sequence[str | int]) -> str:
    """A path as a person writes it: `storyboards.main.shots[1].seconds`."""
    told = ""
    for part in path:
        told += f"[{part}]" if isinstance(part, int) else f".{part}" if told else str(part)
    return told


def _walked(name: str, top: Any) -> Iterator[tuple[Path, Mark, bool]]:
    """Every value's path and place, and whether its key stands there twice; merged ones after a mapping's own."""
    yield (), _mark(top), False
    waiting: list[tuple[Path, Any]] = [((), top)]
    count = 0
    while waiting:
        path, node = waiting.pop()
        count += 1
        if count > _MOST or len(path) > _DEEP:
            raise ConfigError(f"{name}:{_mark(node).line}: the file has too many values, or an alias within itself")
        if isinstance(node, yaml.SequenceNode):
            for at, item in enumerate(node.value):
                yield (*path, at), _mark(item), False
                waiting.append(((*path, at), item))
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.tag == "tag:yaml.org,2002:merge":
                    parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    waiting = [*((path, part) for part in reversed(parts)), *waiting]  # After its own, which win.
                    continue
                if not isinstance(key, yaml.ScalarNode):
                    raise ConfigError(f"{name}:{_mark(key).line}: {written(path)}: a key is a word")
                yield (*path, key.value), _mark(key), key.value in seen
                seen.add(key.value)
                waiting.append(((*path, key.value), value))


def _mark(node: Any) -> Mark:
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)
