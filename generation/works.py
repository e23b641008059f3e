"""Works: whether licensed works, characters and people in a campaign's references may be used for what is made.

The registry decides, for what the campaign says is in a picture, as it does for names in prompts: people need a consent
in every regime.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from filters.rights.ingredients import screen_ingredients
from filters.rights.prompts import Held, Prompt


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorksAsked:
    """What is asked.

    Attributes:
        works: Ids of the works, sorted.
        components: What of them is used, of `records.COMPONENTS`, sorted; empty: anything.
        markets: Where what is made is shown, sorted; empty: everywhere.
        product: What it is made for; empty: nothing in particular.
        language: Its language.
    """

    works: tuple[str, ...]
    components: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    product: str = ""
    language: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorksAnswer:
    """What is decided.

    Attributes:
        verdict: `allow`, or `deny`, `review` or `unknown`: then nothing is made.
        words: Why, for a person.
        entries: Ids of the statements that decided, sorted.
    """

    verdict: str
    words: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()


def decide_works(
    held: Held, asked: Sequence[WorksAsked], recipient: str | None = None, display_regime: str = "opt-out"
) -> list[WorksAnswer]:
    """Decide works by a version of the registry.

    Args:
        held: The version, with moment and regime.
        asked: What is asked, in any order.
        recipient: Who makes it; a grant for certain recipients needs it.
        display_regime: Regime of showing what is made.

    Raises:
        RegistryError: The registry cannot be read.
    """
    return [_decided(held, one, recipient, display_regime) for one in asked]


def _decided(held: Held, asked: WorksAsked, recipient: str | None, display_regime: str) -> WorksAnswer:
    question = Prompt(
        texts=(),
        territories=frozenset(asked.markets),
        product=asked.product or None,
        language=asked.language or None,
        recipient=recipient,
        components=frozenset(asked.components),
    )
    found = screen_ingredients(held, asked.works, question, display_regime)
    return WorksAnswer(verdict=found.verdict, words=found.words, entries=found.entries)
