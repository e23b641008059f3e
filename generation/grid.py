"""Grid: sizes and lengths that an engine makes, for sizes and lengths that are wanted.

Engines make some sizes and some numbers of frames only, and round others as they like. So what is asked for is always
on their grid: the next that is large and long enough. What is too much is cut off afterwards, to the pixel and frame.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from generation.engines.engine import Offer


class Size(NamedTuple):
    """A picture's size in pixels."""

    width: int
    height: int


def size_for(offer: Offer, wanted: Size, side: int | None = None) -> Size | None:
    """The size to ask for: the one that covers what is wanted and loses least of the picture, then the smallest.

    Args:
        offer: What the engine makes.
        wanted: What is wanted.
        side: Smaller side to ask for instead of the wanted one's, in pixels; the shape stays.

    Returns:
        None where it makes none. Where it makes none that covers: the one that has to be enlarged least.
    """
    if side is not None:
        scale = Fraction(side, min(wanted))
        wanted = Size(math.ceil(wanted.width * scale), math.ceil(wanted.height * scale))
    if offer.sizes:
        sizes = [Size(*one) for one in offer.sizes]
        # Twice as much area as is used is nearly as bad as a third more to enlarge: shape first, then area.
        return min(sizes, key=lambda one: (enlarged(one, wanted), -_kept(one, wanted), one.width * one.height, one))
    least = _up(offer.least, offer.multiple)
    most = offer.most // offer.multiple * offer.multiple
    if least > most:
        return None
    largest = Fraction(most, max(wanted))
    if max(_up(one, offer.multiple) for one in wanted) > most:
        wanted = Size(*(max(1, math.floor(one * largest)) for one in wanted))
    smallest = Fraction(least, min(wanted))
    if smallest > 1:
        wanted = Size(*(math.ceil(one * smallest) for one in wanted))
    return Size(*(min(most, max(least, _up(one, offer.multiple))) for one in wanted))


def enlarged(size: Size, wanted: Size) -> Fraction:
    """How many times a picture has to be enlarged to cover what is wanted; 1 where it covers it."""
    return max(Fraction(1), Fraction(wanted.width, size.width), Fraction(wanted.height, size.height))


def rate_for(offer: Offer, wanted: str) -> str:
    """The frame rate to ask for: the wanted one, or else the nearest multiple, the next above, or the highest."""
    if not offer.frame_rates or wanted in offer.frame_rates:
        return wanted
    target = Fraction(wanted)
    if same := [one for one in offer.frame_rates if Fraction(one) == target]:
        return same[0]
    above = [one for one in offer.frame_rates if Fraction(one) > target]
    multiples = [one for one in above if (Fraction(one) / target).denominator == 1]
    return min(multiples or above, key=Fraction) if above else max(offer.frame_rates, key=Fraction)


def lengths(offer: Offer, rate: str) -> tuple[int, ...] | range:
    """Every length in frames that an engine makes at a rate, ascending."""
    per_second = Fraction(rate)
    if offer.seconds:
        return tuple(sorted({_stepped(offer, math.ceil(_exact(one) * per_second)) for one in offer.seconds}))
    least = _stepped(offer, max(1, math.ceil(_exact(offer.shortest) * per_second)))
    return range(least, math.floor(_exact(offer.longest) * per_second) + 1, offer.frame_step)


def parts_for(offer: Offer, rate: str, frames: int) -> tuple[int, ...]:
    """Lengths of the parts that together have at least some frames: one where that will do, else about alike.

    Args:
        offer: What the engine makes.
        rate: The frame rate asked for.
        frames: How many are wanted, above 0.

    Returns:
        Lengths in frames, each one that the engine makes; empty where it makes none at all.
    """
    known = lengths(offer, rate)
    if not known:
        return ()
    number = -(-frames // known[-1])
    parts: list[int] = []
    remain = frames
    for at in range(number):
        share = -(-remain // (number - at))
        parts.append(next_length(known, share))
        remain = max(1, remain - parts[-1])
    return tuple(parts)


def next_length(known: tuple[int, ...] | range, frames: int) -> int:
    """The smallest length of some that has the frames; the largest where none has."""
    if isinstance(known, range):
        steps = max(0, -(-(frames - known.start) // known.step))
        return known[min(steps, len(known) - 1)]
    return next((one for one in known if one >= frames), known[-1])


def _kept(size: Size, wanted: Size) -> Fraction:
    """Share of a picture that is left when it is cropped to a shape, to a thousandth."""
    shape, target = Fraction(size.width, size.height), Fraction(wanted.width, wanted.height)
    return Fraction(round(min(shape / target, target / shape) * 1000), 1000)


def _stepped(offer: Offer, frames: int) -> int:
    steps = max(0, -(-(frames - offer.frame_offset) // offer.frame_step))
    return max(1, offer.frame_step * steps + offer.frame_offset)


def _exact(seconds: float) -> Fraction:
    return Fraction(str(seconds))


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
