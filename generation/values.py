"""Values: what a single value of a campaign may be, and how it is written in the file."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""What a name may be made of: it becomes part of ids, files and columns."""
COLOUR: Final = r"^#[0-9a-fA-F]{6}$"
COUNTRY: Final = r"^[A-Z]{2}$"
CURRENCY: Final = r"^[A-Z]{3}$"
MEANT: Final[Mapping[str, str]] = {
    NAME: "a name of letters, digits, dots, dashes and underscores, such as `spring-26`",
    COLOUR: "a colour, such as `#1f2a44`",
    COUNTRY: "a country by its two letters (ISO 3166-1), such as `DE`",
    CURRENCY: "a currency by its three letters (ISO 4217), such as `EUR`",
}
"""What the patterns mean."""
ANY: Final = "*"
"""Stands for any language, or any market."""
MICRO: Final = 1_000_000
"""Money is counted in millionths of the currency's unit, whole ones."""


def _texts(value: Any) -> Any:
    if not isinstance(value, (str, dict)):
        raise ValueError("a text, or texts by language; a number is put in quotation marks, as it is to be read")
    return {ANY: value} if isinstance(value, str) else value


def _word(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value


def _micro(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("an amount of money, such as 12.50")
    try:
        # A float's shortest digits are those that stand in the file.
        units = decimal.Decimal(str(value)) * MICRO
    except decimal.InvalidOperation:
        raise ValueError(f"{value!r} is no amount of money, such as 12.50") from None
    if not units.is_finite() or units != units.to_integral_value() or units < 0:
        raise ValueError(f"{value} is no amount of money: at least 0, and at most six decimals")
    return int(units)


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("an even number of pixels: H.264 stores colour for every second one")
    return value


Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Level = Annotated[str, BeforeValidator(_word), Field(pattern=NAME)]
Texts = Annotated[
    dict[str, str],
    BeforeValidator(_texts),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
]
"""A text in every language alike, or texts by language (BCP 47); `*` is for all others."""
Money = Annotated[
    int, BeforeValidator(_micro), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}]})
]
Colour = Annotated[str, Field(pattern=COLOUR)]
Country = Annotated[str, Field(pattern=COUNTRY)]
Share = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(ge=0, lt=0.5)]
Seconds = Annotated[float, Field(gt=0, le=3600)]
Side = Annotated[int, Field(ge=64, le=7680), AfterValidator(_even)]
Currency = Annotated[str, Field(pattern=CURRENCY)]
Roles = Literal["image", "first_frame", "last_frame", "video", "mask", "subject", "style", "sound"]
Rate = Annotated[
    Literal["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60"], BeforeValidator(_word)
]
"""Frame rates that a finished file may have: those that platforms list."""
Parameter = Annotated[str, BeforeValidator(_word)]
