"""Campaign: what was made of one, as a page: players, what it cost, and what was refused and why.

The page lies beside the files that it plays, and its links are relative, so that the folder can be moved as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pages import rendering
from pages.report import policy

_SCRIPTS: Final = ("theme.js", "campaign.js")
_CHOICES: Final = ("product", "language", "format")
_FOLDER: Final = "generation/"
"""Where the page lies below the output folder."""


class Bill(NamedTuple):
    """What one engine was paid for a tier.

    Attributes:
        engine: The engine and its model.
        tier: The tier.
        price_as_of: Date of the price list.
        requests: Distinct requests.
        attempts: Attempts at them.
        states: Attempts by state.
        seconds: Of video that was asked for, over all attempts.
        estimated: Micro-units, if every request were made once.
        settled: Micro-units that were spent.
    """

    engine: str
    tier: str
    price_as_of: str
    requests: int
    attempts: int
    states: Mapping[str, int]
    seconds: float
    estimated: int
    settled: int


class Refused(NamedTuple):
    """Something that was not made.

    Attributes:
        cell: Its cell.
        shot: Its shot; empty: all of it.
        reason: Why, in one word.
        words: Why, for a person.
        entries: Ids of the statements, or entries of lists, that decided.
    """

    cell: str
    shot: str
    reason: str
    words: str
    entries: tuple[str, ...]


def bills(requests: Iterable[Mapping[str, Any]]) -> list[Bill]:
    """What was paid, by engine and tier, from rows of `requests`."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in requests:
        engine = "/".join(dict.fromkeys(filter(None, (row["engine"], row["model"]))))
        groups[engine, row["tier"], row["price_as_of"]].append(row)
    return [_bill(key, rows) for key, rows in sorted(groups.items())]


def _bill(key: tuple[str, str, str], rows: Sequence[Mapping[str, Any]]) -> Bill:
    states: dict[str, int] = {}
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
    first = {row["request_id"]: row["estimated_micros"] for row in rows}
    seconds = sum(row["frames"] / _rate(row["frame_rate"]) for row in rows)
    settled = sum(row["settled_micros"] for row in rows)
    return Bill(*key, len(first), len(rows), dict(sorted(states.items())), seconds, sum(first.values()), settled)


def _rate(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below or 1)


def money(micros: int, currency: str) -> str:
    """An amount with its currency."""
    return f"{micros / 1_000_000:,.2f}\u00a0{currency}".replace(",", "\u202f")


def render(
    campaign: str,
    assets: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]],
    refused: Sequence[Refused],
    standings: Mapping[str, str],
) -> str:
    """The page.

    Args:
        campaign: Name of the campaign.
        assets: Its rows of `assets`.
        requests: Its rows of `requests`.
        refused: What the plan refused.
        standings: How assets stand with those who approve, by asset; one that is not in it is open.
    """
    shown = sorted(assets, key=lambda row: (row["cell"], row["sample"]))
    currency = next((row["currency"] for row in (*assets, *requests)), "USD")
    missed = [row for row in requests if row["state"] != "stored"]
    chosen = {
        name: sorted({str(row[name]) for row in shown if row[name]}) for name in ("product", "language", "format")
    }
    return (
        rendering.environment()
        .get_template("campaign.html.j2")
        .render(
            campaign=campaign,
            assets=shown,
            links={row["asset_id"]: _link(row["uri"]) for row in shown},
            factors={row["asset_id"]: dict(row["factors"] or ()) for row in shown},
            bills=bills(requests),
            settled=sum(row["settled_micros"] for row in requests),
            missed=missed,
            refused=refused,
            standings=standings,
            chosen=chosen,
            currency=currency,
            money=money,
            policy=f"{policy([rendering.asset_text(name) for name in _SCRIPTS])}; media-src 'self' file:",
            scripts=_SCRIPTS,
        )
    )


def _link(uri: str) -> str:
    return uri.removeprefix(_FOLDER)
