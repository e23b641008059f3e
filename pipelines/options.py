"""Options: the command line of a job, made from its settings.

Our options come from the settings classes; Beam's are taken off the command line first and handed on as they are, so
that `--project p` is never mistaken for an input. A word that neither knows is an error that names the nearest one.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import functools
import typing
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from pipelines import config as configuration
from pipelines import presets
from transforms.settings import ConfigError, option_name

RUNNERS: dict[str, str] = {
    "local": "one machine, every core; what tests and laptops use",
    "DataflowRunner": "Google Cloud Dataflow",
    "PortableRunner": "any job server, with --job_endpoint",
    "FlinkRunner": "Flink, with Beam's own options",
    "SparkRunner": "Spark, with Beam's own options",
    "PrismRunner": "Beam's Go runner, with --prism_location",
    "FnApiRunner": "what `local` is, with Beam's own --direct_running_mode",
    "BundleBasedDirectRunner": "retries bundles; for tests",
}
"""Every runner that keeps rows, with what it is."""

REFUSED_RUNNERS: dict[str, str] = {
    "DaskRunner": "it loses rows without an error: one branch runs, and what a bundle emits at its end vanishes",
    "RayRunner": "its last release is a proof of concept for a Beam of 2022",
    "DirectRunner": "it first downloads another runner, and may hang at that; use --runner local",
    "SwitchingDirectRunner": "it first downloads another runner, and may hang at that; use --runner local",
}
"""Every runner that is refused, with the reason."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are `ConfigError`s and whose help reads like a page."""

    def __init__(self, **kwargs: Any) -> None:
        width = functools.partial(argparse.RawDescriptionHelpFormatter, max_help_position=34, width=112)
        super().__init__(formatter_class=width, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> typing.NoReturn:
        """Every wrong use ends the same way."""
        raise ConfigError(message)


def _words(field: dataclasses.Field[Any]) -> str:
    meta = field.metadata
    text = meta["doc"].rstrip(".")
    default = field.default
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else "none" if default is None else f"{default}"
    details = [
        f"{'default' if shown else 'no default'} {shown}".strip()
        + (f" {meta['unit']}" if meta["unit"] and default is not None else "")
    ]
    low, high = meta["low"], meta["high"]
    if low is not None or high is not None:
        details.append(f"{f'{low:g}' if low is not None else '...'} to {f'{high:g}' if high is not None else '...'}")
    if meta["source"] and not meta["source"].startswith("project"):
        details.append(meta["source"])
    return f"{text} [{'; '.join(details)}]".replace("%", "%%")


def add_settings(parser: argparse.ArgumentParser, groups: Sequence[str], leave_out: Collection[str] = ()) -> None:
    """Add the options of some groups but some fields, each group under its own title. An option that isn't given stays
    absent."""
    for group in groups:
        section = parser.add_argument_group(configuration.TITLES[group])
        for field in dataclasses.fields(configuration.group_class(group)):
            if field.name in leave_out:
                continue
            name, kind = option_name(field), typing.get_type_hints(configuration.group_class(group))[field.name]
            kwargs: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS, "help": _words(field)}
            if kind is bool:
                section.add_argument(name, action=argparse.BooleanOptionalAction, **kwargs)
                continue
            if field.metadata["repeat"]:
                kwargs["action"] = "append"
            unit = field.metadata["unit"]
            choices = field.metadata["choices"]
            letter = {"s": "S", "px": "PX", "MB": "MB"}.get(unit, "N" if kind in (int, float) else "X")
            section.add_argument(name, metavar="|".join(choices) if choices and len(choices) < 6 else letter, **kwargs)


class Words(NamedTuple):
    """What a job was asked for beside its settings.

    Attributes:
        inputs: What to read.
        output: Where to write.
        runner: Which engine.
    """

    inputs: tuple[str, ...]
    output: str
    runner: str


def add_job(parser: argparse.ArgumentParser) -> None:
    """Add what every job takes: where to write, a configuration file, and the engine."""
    section = parser.add_argument_group("Job")
    section.add_argument(
        "--output", metavar="OUT", help="folder for store, tables and reports: local, s3:// or gs://; needed"
    )
    section.add_argument(
        "--config", metavar="FILE", help="YAML or TOML with any of these options; the command line wins"
    )
    section.add_argument("--runner", metavar="RUNNER", help=f"engine [default local]: {', '.join(RUNNERS)}")


def settle(arguments: argparse.Namespace, groups: Sequence[str]) -> tuple[configuration.Config, Words]:
    """The configuration and the words of a job, from `--config` and the command line, which wins.

    Raises:
        ConfigError: No output, an unknown option, a wrong type, a value out of range, a refused runner.
    """
    known = configuration.option_groups(groups)
    layers = [{name: value for name, value in vars(arguments).items() if name in known}]
    asked = {name: getattr(arguments, name, None) for name in ("inputs", "output", "runner")}
    if arguments.config:
        file = configuration.read_file(arguments.config)
        for name in asked:
            found = file.pop(name, None)
            asked[name] = asked[name] or ([found] if name == "inputs" and isinstance(found, str) else found)
        layers.insert(0, file)
    if not asked["output"]:
        raise ConfigError("no --output given: name the folder for store, tables and reports")
    if "captions" in groups:
        layers.insert(0, presets.layer(layers))
    words = Words(tuple(asked["inputs"] or ()), str(asked["output"]), runner_name(asked["runner"] or "local"))
    return configuration.resolve(groups, *layers), words


def _beam_parser() -> Parser:
    from apache_beam.options.pipeline_options import PipelineOptions

    parser = Parser(add_help=False, conflict_handler="resolve")

    def walk(cls: type[Any]) -> Iterator[type[Any]]:
        for child in cls.__subclasses__():
            yield child
            yield from walk(child)

    for cls in walk(PipelineOptions):
        if cls.__module__.startswith("apache_beam.options") and "_add_argparse_args" in vars(cls):
            cls._add_argparse_args(parser)
    return parser


def split_beam(argv: Sequence[str], own: argparse.ArgumentParser) -> tuple[list[str], list[str]]:
    """Arguments that are this program's, and those that are Beam's.

    Raises:
        ConfigError: An option that neither knows.
    """
    # Beam's flag wants a value that nobody would think of giving.
    following = [*argv[1:], "--"]
    argv = [f"{w}=True" if w == "--dry_run" and n.startswith("--") else w for w, n in zip(argv, following, strict=True)]
    parser = _beam_parser()
    mine = {word for action in own._actions for word in action.option_strings}
    for action in list(parser._actions):
        if mine & set(action.option_strings):
            parser._remove_action(action)
            for word in action.option_strings:
                parser._option_string_actions.pop(word, None)
    _, rest = parser.parse_known_args(list(argv))
    beam, at = [], 0
    for word in argv:
        if at < len(rest) and rest[at] == word:
            at += 1
        else:
            beam.append(word)
    for word in rest:
        if word.startswith("--") and word != "--" and word.split("=")[0] not in mine:
            near = difflib.get_close_matches(word.split("=")[0], [*mine, *parser._option_string_actions], 1)
            raise ConfigError(
                f"unknown option {word.split('=')[0]}" + (f"; did you mean {near[0]}?" if near else "; see --help")
            )
    return rest, beam


def is_dry(beam_args: Sequence[str]) -> bool:
    """Whether Beam's options ask for the graph alone: built and translated, nothing launched, read or written."""
    return any(w.split("=")[0] == "--dry_run" and not w.lower().endswith("=false") for w in beam_args)


def runner_name(name: str) -> str:
    """A runner's name, if it is one that keeps rows.

    Raises:
        ConfigError: It is refused, with the reason, or unknown.
    """
    if name in REFUSED_RUNNERS:
        raise ConfigError(f"--runner {name}: refused, because {REFUSED_RUNNERS[name]}")
    if name not in RUNNERS:
        raise ConfigError(f"--runner {name}: not one of {', '.join(RUNNERS)}")
    return name
