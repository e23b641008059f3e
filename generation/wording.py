"""Wording: the words of shots, filled for a cell, as they are handed on to be rewritten and screened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generation import asking, cells
from generation.asset import COPY_ROLES, Copy
from generation.campaign import Campaign, Shot, Storyboard
from generation.cells import Cell
from generation.prompts import SLOTS, ShotWords

_HEARD: Final = ("sound", "dialogue")
"""Slots that an engine without sound is not told."""


def shot_words(
    campaign: Campaign, cell: Cell, board: Storyboard, sound: bool, copy: Copy, markets: Sequence[str]
) -> tuple[ShotWords, ...]:
    """The words of each shot of a cell.

    Args:
        campaign: The campaign.
        cell: The cell.
        board: Its storyboard.
        sound: Whether sound is asked for.
        copy: The cell's copy: it is screened with the first shot, subtitles with theirs.
        markets: Where the videos are shown, sorted.

    Raises:
        LookupError: Something in braces has no text.
    """
    tier, product_id = campaign.tiers[cell.level("tier")], cell.level("product")
    product = campaign.products[product_id] if product_id else None
    language, found = campaign.prompt_language, []
    for number, shot in enumerate(board.shots):
        text = cells.fill(campaign, cell, shot.prompt, language)
        slots = _slots(campaign, cell, shot, sound)
        whole = "\n".join((text, *(said for _, said in slots)))
        facts = (campaign.brand.name, *(product.facts if product else ()), *(product.name.values() if product else ()))
        over = [(copy.language, copy.text(role)) for role in COPY_ROLES if number == 0 and copy.text(role)]
        lines = [] if "dialogue" in dict(slots) else [(copy.language, said) for said in _lines(campaign, cell, shot)]
        found.append(
            ShotWords(
                text=text,
                language=language,
                locked=tuple(sorted({fact for fact in facts if fact and fact in whole})),
                engine_dialect=tier.dialect,
                negative=cells.fill(campaign, cell, shot.negative, language),
                slots=slots,
                beside=tuple(dict.fromkeys([*over, *lines])),
                markets=tuple(markets),
                product=product_id,
                speech=cell.level("language"),
                claims=product.claims if product else (),
                banned=campaign.brand.banned,
            )
        )
    return tuple(found)


def _slots(campaign: Campaign, cell: Cell, shot: Shot, sound: bool) -> tuple[tuple[str, str], ...]:
    found = []
    for slot in SLOTS:
        if slot in _HEARD and not sound:
            continue
        if slot == "dialogue":
            said = [
                f'{speaker}: "{words}"' if speaker else f'"{words}"'
                for speaker, words in asking.said_in(campaign, cell, shot)
            ]
            text = " ".join(said)
        else:
            text = cells.fill(campaign, cell, getattr(shot, slot), campaign.prompt_language)
        if text:
            found.append((slot, text))
    return tuple(found)


def _lines(campaign: Campaign, cell: Cell, shot: Shot) -> list[str]:
    """What is only read, or is not said as nothing is heard."""
    return [words for _, words in asking.lines_in(campaign, cell, shot.name, shot.dialogue)]
