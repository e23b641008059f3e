"""Platforms: what each takes, from `platforms.yaml`, and what of a planned file it will not like.

A row of the table says where its numbers come from and of which day they are. They change often, so nothing else in the
code knows a platform's name.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from fractions import Fraction
from importlib import resources
from typing import Annotated, Any, Final, NamedTuple

import pydantic
import yaml
from pydantic import Field

from generation.asset import SafeArea
from generation.values import ANY, Margin

_FILE: Final = "platforms.yaml"
_RATIO: Final = Fraction(1, 100)
"""How far a shape may be off, as a share: 1080x1350 is 4:5 to the pixel, 854x480 is 16:9 to a five-hundredth."""
_FRAME: Final = Fraction(1, 20)
"""How far a length may be off, in seconds: a frame at 24 a second is 0.042 s."""


class Platform(pydantic.BaseModel):
    """What a platform takes.

    Attributes:
        name: In words.
        ratios: Shapes, as `16:9`.
        least: Smallest size by shape, in pixels.
        seconds: Lengths that it takes, by market, `*` for all others; empty: all from `shortest` to `longest`.
        shortest: Shortest file, in seconds.
        longest: Longest file, in seconds.
        frame_rates: Frame rates; empty: any.
        least_kbps: Lowest video bit rate, in kbit/s; 0: none.
        most_megabytes: Largest file, in MB (1,000,000 bytes); 0: no limit.
        audio_kbps: Sound that is asked for, in kbit/s.
        sample_rate: Of the sound, in Hz.
        loudness: Integrated loudness to reach, LUFS.
        true_peak: Highest true peak, dBTP.
        safe: Margins that its own buttons and texts cover, as shares of the sides.
        call_to_action: Whether a text that asks to click is allowed.
        advice: What it recommends, in words.
        source: Where all of it stands.
        as_of: Day on which that was read, ISO 8601.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    name: str
    ratios: tuple[str, ...]
    least: dict[str, tuple[int, int]] = {}
    seconds: dict[str, tuple[float, ...]] = {}
    shortest: float = 0.0
    longest: float = 86400.0
    frame_rates: tuple[str, ...] = ()
    least_kbps: int = 0
    most_megabytes: int = 0
    audio_kbps: int = 192
    sample_rate: int = 48_000
    loudness: Annotated[float, Field(ge=-40, le=-5)] = -14.0
    true_peak: Annotated[float, Field(ge=-12, le=0)] = -1.0
    safe: dict[str, Margin] = {}
    call_to_action: bool = True
    advice: str = ""
    source: str
    as_of: str

    @property
    def safe_area(self) -> SafeArea:
        """Its margins; a side that nothing covers has none."""
        return SafeArea(**{side: self.safe.get(side, 0.0) for side in ("top", "right", "bottom", "left")})


class Lint(NamedTuple):
    """Something that a platform says to a file.

    Attributes:
        refused: It does not take the file; otherwise it only does not like it.
        words: What, and what to do.
    """

    refused: bool
    words: str


@functools.cache
def platforms() -> Mapping[str, Platform]:
    """Every platform by its name."""
    text = (resources.files("generation") / _FILE).read_text("utf-8")
    read: dict[str, Any] = yaml.safe_load(text)
    return {name: Platform.model_validate(values) for name, values in read.items()}


def lint(
    name: str, width: int, height: int, seconds: float, frame_rate: str, markets: Iterable[str], call_to_action: bool
) -> list[Lint]:
    """What a platform says to a file.

    Args:
        name: The platform.
        width: Of the file, in pixels.
        height: Of the file, in pixels.
        seconds: Its length.
        frame_rate: As `25` or `30000/1001`.
        markets: Where it is shown; empty: everywhere.
        call_to_action: Whether it asks to click.
    """
    at = platforms()[name]
    found = []
    shape = next((one for one in at.ratios if abs(_ratio(one) / Fraction(width, height) - 1) <= _RATIO), None)
    if shape is None:
        found.append(Lint(True, f"{at.name} takes {', '.join(at.ratios)}, not {width}x{height}"))
    elif shape in at.least:
        least = at.least[shape]
        if width < least[0] or height < least[1]:
            found.append(Lint(True, f"{at.name} takes {shape} from {least[0]}x{least[1]}, not {width}x{height}"))
    if not at.shortest - _FRAME <= seconds <= at.longest + _FRAME:
        found.append(Lint(True, f"{at.name} takes {at.shortest:g} to {at.longest:g} s, not {seconds:g} s"))
    for market in sorted(markets) or [ANY]:
        lengths = at.seconds.get(market, at.seconds.get(ANY, ()))
        if lengths and not any(abs(one - seconds) <= _FRAME for one in lengths):
            where = "" if market == ANY else f" in {market}"
            told = ", ".join(f"{one:g}" for one in lengths)
            found.append(Lint(True, f"{at.name} takes {told} s{where}, not {seconds:g} s"))
    if at.frame_rates and Fraction(frame_rate) not in {Fraction(one) for one in at.frame_rates}:
        told = ", ".join(at.frame_rates)
        found.append(Lint(True, f"{at.name} takes {told} frames a second, not {frame_rate}"))
    if call_to_action and not at.call_to_action:
        found.append(Lint(False, f"{at.name} does not allow texts that ask to click: leave out the call to action"))
    return found


def _ratio(shape: str) -> Fraction:
    width, _, height = shape.partition(":")
    return Fraction(width) / Fraction(height)
