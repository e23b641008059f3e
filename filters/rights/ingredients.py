"""Ingredients: works and likenesses that somebody brings to what is made, known by their ids and not by words.

A reference that shows a licensed character, or the face and voice of somebody who lent them, is used whether or not a
prompt names it. It needs a grant to be generated with, as a name in a prompt does; where showing it is refused it is
not made at all. The grants that it rests on come with the answer, for the rows of `licensed_uses`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from filters.rights.licences import Licence, licences
from filters.rights.precedence import VERDICTS, Question, decide
from filters.rights.prompts import Held, Prompt, decide_named
from filters.rights.subjects import certain


@dataclass(frozen=True)
class Ingredients:
    """What is decided of some works.

    Attributes:
        verdict: The strictest: `deny`, `review`, `unknown` or `allow`.
        entries: Ids of the statements that decided, sorted.
        words: Why, for a person.
        licences: The grants that the use rests on, each under the use that it goes furthest for: `display` where it
            allows that too, else `generate`.
    """

    verdict: str
    entries: tuple[str, ...]
    words: tuple[str, ...]
    licences: tuple[tuple[str, Licence], ...]


def screen_ingredients(by: Held, works: Sequence[str], asked: Prompt, display_regime: str = "opt-out") -> Ingredients:
    """Decide whether something may be made with some works, and shown.

    Args:
        by: The registry.
        works: Ids of the works.
        asked: What is made, where and for whom; its texts do not matter.
        display_regime: Regime of showing what is made.

    Raises:
        RegistryError: The registry cannot be read.
    """
    matches = [certain(work) for work in works]
    entries = by.lookup.entries(works)
    if strangers := sorted(set(works) - set(entries.works)):
        return Ingredients("unknown", (), tuple(f"{name}: the registry has no such work" for name in strangers), ())
    making = Question(
        use="generate",
        regime=by.regime,
        at=by.at,
        territories=asked.territories,
        product=asked.product or None,
        language=asked.language or None,
        recipient=asked.recipient or None,
        components=asked.components,
    )
    showing = dataclasses.replace(making, use="display", regime=display_regime)
    decisions = [decide_named(making, matches, entries), decide(showing, matches, entries)]
    shown = {one.grant.statement_id: one for one in licences(showing, matches, entries)}
    made = [one for one in licences(making, matches, entries) if one.grant.statement_id not in shown]
    return Ingredients(
        min((one.verdict for one in decisions), key=VERDICTS.index),
        tuple(sorted({name for one in decisions for name in one.entries})),
        tuple(dict.fromkeys(text for one in decisions if one.verdict != "allow" for text in one.words)),
        (*(("generate", one) for one in made), *(("display", one) for one in shown.values())),
    )
