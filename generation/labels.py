"""Disclosure labels: what a video has to say of how it was made, by the markets it is shown in.

The rules stand in `labels.yaml`, each with its source and the day from which it applies. They are a starting point and
no legal advice.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any, Final

import yaml

from generation.asset import Asset

_BETWEEN: Final = " · "
_ENGLISH: Final = "en"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Label:
    """A disclosure label, and why.

    Attributes:
        text: What is to be read on the video; empty: nothing is asked for.
        rules: Names of the rules of `labels.yaml` that ask for it, in their order.
        least_height: Least height of its letters, as a share of the picture's shorter side; 0: no rule says.
        notes: What a person should know: rules that bind others, and markets of which no rule is known.
    """

    text: str
    rules: tuple[str, ...]
    least_height: float
    notes: tuple[str, ...]


def label(markets: Sequence[str], language: str, people: bool, at: date | None = None) -> Label:
    """The label for some markets.

    Args:
        markets: Countries (ISO 3166-1 alpha-2) or parts of one (ISO 3166-2, such as `US-NY`); empty: everywhere. A rule
            for a part of a country applies to the whole of it.
        language: Language of the words on the video (BCP 47); a rule that asks for its own language gets both.
        people: People are to be seen.
        at: Day on which it is shown; None: today.
    """
    at = at or datetime.now(UTC).date()
    rules = {name: rule for name, rule in _labels()["rules"].items() if rule["since"] <= at and _holds(rule, markets)}
    asking = {
        name: rule for name, rule in rules.items() if rule["when"] == "any" or (rule["when"] == "people" and people)
    }
    told = [f"{name}: {rule['about']}" for name, rule in rules.items() if rule["when"] == "told"]
    without = [market for market in markets if not any(_holds(rule, [market]) for rule in rules.values())]
    told += [f"{market}: no rule is known (labels of {_labels()['as_of']})" for market in without]
    # In the video's own language first, then in those that rules ask for.
    texts = [_text(rule["text"], language) for rule in asking.values()]
    texts += [_text(rule["text"], rule["language"]) for rule in asking.values() if "language" in rule]
    return Label(
        text=_BETWEEN.join(dict.fromkeys(texts)),
        rules=tuple(asking),
        least_height=max((rule.get("least_height", 0.0) for rule in asking.values()), default=0.0),
        notes=tuple(told),
    )


def disclosure(asset: Asset, at: date | None = None) -> str:
    """The words of the label of an asset; empty: none is asked for."""
    return label(asset.markets, asset.copy.language, asset.people, at).text


def _holds(rule: Mapping[str, Any], markets: Sequence[str]) -> bool:
    return not markets or any(
        ours == theirs or ours.startswith(f"{theirs}-") or theirs.startswith(f"{ours}-")
        for ours in map(str.upper, markets)
        for theirs in rule["markets"]
    )


def _text(kind: str, language: str) -> str:
    texts: Mapping[str, str] = _labels()["texts"][kind]
    return texts.get(language.replace("_", "-").partition("-")[0].lower(), texts[_ENGLISH])


@functools.cache
def _labels() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(files("generation").joinpath("labels.yaml").read_text(encoding="utf-8"))
    return found
