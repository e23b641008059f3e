"""Rendering: how templates become pages, the same for the report and the browser.

Everything from footage, lists and errors is text that strangers wrote: templates escape it always, and data for scripts
goes through Jinja's `tojson`, which leaves no way out of a script element. Only this package's own assets are put in
as they are.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any, Final

import jinja2
from markupsafe import Markup

from transforms.amounts import amount

ASSETS: Final = resources.files("pages") / "assets"
"""Styles and scripts, inlined by the report, served by the browser."""


def asset_text(name: str) -> str:
    """One of this package's assets, as it lies there."""
    return (ASSETS / name).read_text("utf-8")


def trusted(text: str) -> Markup:
    """A text of this package or its libraries, never of the data, that goes into a page as it is."""
    return Markup(text)


def count(number: float) -> str:
    """A whole number with thin spaces between thousands, which reads alike in every language."""
    return f"{number:,.0f}".replace(",", "\u202f").replace("-", "\u2212")


def number(value: float | None, digits: int = 3) -> str:
    """A measure to a few significant digits; a dash where there is none."""
    if value is None:
        return "\u2013"
    if abs(value) >= 99.5:
        return count(value)
    return f"{value:.{max(digits, 2)}g}".replace("-", "\u2212")


def clock(seconds: float) -> str:
    """Seconds as `h:mm:ss`, or `m:ss` below an hour."""
    whole = int(max(seconds, 0))
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else minutes.removeprefix("0")


def lasting(seconds: float) -> str:
    """A duration for a reader: `4.2 s`, `3:05`, `12:40:09`."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def words(name: str) -> str:
    """A name out of a table as words: `low_bit_rate` is `low bit rate`."""
    return name.replace("_", " ")


def percent(share: float) -> str:
    """A share as per cent, with a decimal below ten."""
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


@functools.cache
def environment() -> jinja2.Environment:
    """The templates of this package: everything escaped, and a name that is not there is an error.

    Filters: `count`, `number`, `clock`, `lasting`, `amount`, `words`, `percent`. The global `asset` puts an asset in.
    """
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("pages", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        count=count, number=number, clock=clock, lasting=lasting, amount=amount, words=words, percent=percent
    )
    made.globals["asset"] = lambda name: trusted(asset_text(name))
    return made


def render(template: str, /, **values: Any) -> str:
    """A page out of a template and what it shows."""
    return environment().get_template(template).render(**values)
