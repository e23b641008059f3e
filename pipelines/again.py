"""Again: why a run decodes what an earlier run decoded: measuring is set otherwise, or this program measures otherwise.

A result's key holds its settings and its recipe number, so nothing old is ever taken for new; here it is only put into
words, by holding the run against the last one that read sources into the same output.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from pipelines import config as configuration
from transforms import audio, measure, scan, tables
from transforms.settings import option_name

READERS = ("curate", "ingest")
"""Jobs that decode."""

GROUPS = ("measure", "audio")
"""Groups of settings that decide what a decode leaves."""


def recipes() -> dict[str, str]:
    """The recipe numbers of what decodes, as they stand among a run's versions."""
    numbers = {"measure": measure.RECIPE, "audio": audio.RECIPE, "scan": scan.RECIPE}
    return {f"recipe of {step}": str(number) for step, number in numbers.items()}


def reasons(corpus: tables.Corpus, config: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What makes a run decode again the sources that earlier runs decoded; empty when nothing does.

    Args:
        corpus: The output folder.
        config: The resolved configuration of the run, as JSON.
    """
    runs = tables.read(corpus, "runs", columns=["job", "status", "started", "config", "versions"]).to_pylist()
    before = [run for run in runs if run["job"] in READERS and run["status"] != "refused"]
    if not before:
        return []
    last = max(before, key=lambda run: run["started"])
    old, versions = json.loads(last["config"]), json.loads(last["versions"])
    scanned = all(told.get("measure", {}).get("measure") == "scan" for told in (old, config))
    found = []
    for name, number in recipes().items():
        then = versions.get(name, "1")  # Of runs that tell none.
        if then != number and (scanned or name != "recipe of scan"):
            found.append(f"{name} {then} -> {number}")
    for group in GROUPS:
        for field in dataclasses.fields(configuration.group_class(group)):
            was, now = old.get(group, {}).get(field.name), config[group][field.name]
            if not field.metadata["scale"] and field.name in old.get(group, {}) and was != now:
                found.append(f"{option_name(field)} {was} -> {now}")
    return found
