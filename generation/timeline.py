"""Timeline: at which frames of the finished file shots, copy, subtitles and the end card stand."""

from __future__ import annotations

from fractions import Fraction
from typing import Final, NamedTuple

from generation.asset import COPY_ROLES, Shown
from generation.campaign import Format, Storyboard

CARD_SECONDS: Final = Fraction(3, 2)
"""Length of an end card of which nobody says how long it is, where shots take what is left: long enough to read a name
and a price at three words a second."""
SHORTEST: Final = Fraction(1, 2)
"""Shortest shot and end card, in seconds: less is a flash."""


class Slot(NamedTuple):
    """A shot on the timeline, in frames.

    Attributes:
        start: Where it begins.
        frames: Its length, with the overlap of a dissolve into the next.
        transition: Into what follows.
        overlap: Length of the transition, `ShotTake.transition_frames`.
    """

    start: int
    frames: int
    transition: str
    overlap: int


class Timeline(NamedTuple):
    """Where everything stands.

    Attributes:
        slots: Of each shot.
        card: Where the end card begins and how long it is, in frames; None: there is none.
    """

    slots: tuple[Slot, ...]
    card: tuple[int, int] | None


def timeline(board: Storyboard, form: Format) -> Timeline | str:
    """Lay a storyboard out over the exact length of a format.

    Shots have the seconds that they say; those that say none share what the others and the end card leave. The end card
    has all that remains.

    Returns:
        The timeline, or why it cannot be: words for a person.
    """
    total, rate = form.frames, form.rate
    whole = Fraction(total) / rate
    said = [None if shot.seconds is None else Fraction(str(shot.seconds)) for shot in board.shots]
    fixed = sum((one for one in said if one is not None), Fraction(0))
    free = said.count(None)
    card = Fraction(0)
    if board.end_card is not None:
        own = board.end_card.seconds
        card = Fraction(str(own)) if own is not None else CARD_SECONDS if free else whole - fixed
    rest = whole - fixed - card
    told = f"shots{' and end card' if board.end_card else ''} take {_seconds(fixed + card)} of {_seconds(whole)}"
    if free and rest / free < SHORTEST:
        return f"{told}: shots without seconds would have less than {_seconds(SHORTEST)} each"
    if board.end_card is not None and card < SHORTEST:
        return f"{told}: the end card would have less than {_seconds(SHORTEST)}"
    if not free and round(rest * rate) < 0:
        return f"{told}: make shots shorter, or leave one without seconds"
    if not free and round(rest * rate) > 0 and board.end_card is None:
        return f"{told}: make shots longer, leave one without seconds, or add an end card, which takes what remains"
    bounds = [0]
    at = Fraction(0)
    for one in said:
        at += rest / free if one is None else one
        bounds.append(round(at * rate))
    if board.end_card is None:
        bounds[-1] = total
    ends = [*bounds[1:], total]
    slots = []
    for number, shot in enumerate(board.shots):
        begin, end = bounds[number], ends[number]
        frames = round(Fraction(str(shot.transition.seconds)) * rate)
        frames = min(frames, (end - begin) // 2, (ends[number + 1] - end) // 2)  # Some of both is left whole.
        if shot.transition.kind == "fade" and end == total:
            frames = min(round(Fraction(str(shot.transition.seconds)) * rate), end - begin)
        if shot.transition.kind == "cut" or frames < 1:
            slots.append(Slot(begin, end - begin, "cut", 0))
        else:
            more = frames if shot.transition.kind == "dissolve" else 0
            slots.append(Slot(begin, end - begin + more, shot.transition.kind, frames))
    return Timeline(tuple(slots), None if board.end_card is None else (bounds[-1], total - bounds[-1]))


def shown(board: Storyboard, slots: tuple[Slot, ...], roles: tuple[str, ...]) -> tuple[Shown, ...]:
    """When which copy stands over the shots: over those that name it, shots in a row as one stretch.

    Args:
        board: The storyboard.
        slots: Its shots on the timeline.
        roles: What copy there is, of `COPY_ROLES`.
    """
    found: list[Shown] = []
    for role in COPY_ROLES:
        if role not in roles:
            continue
        for number, shot in enumerate(board.shots):
            if role not in shot.copy_shown:
                continue
            start = slots[number].start
            end = (
                start + slots[number].frames - (slots[number].overlap if slots[number].transition == "dissolve" else 0)
            )
            if found and found[-1].role == role and found[-1].end == start:
                start = found.pop().start
            found.append(Shown(role=role, start=start, end=end))
    return tuple(found)


def _seconds(length: Fraction) -> str:
    return f"{float(length):g} s"
