"""Cells: the combinations of a campaign's matrix, and what the words in braces mean in each of them.

`{product.name}` in a prompt or in copy is filled from the cell's product, `{audience.setting}` from its audience, and
so on. Which names a text has tells which dimensions it depends on, so that cells that need the same picture share it.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from generation.campaign import DIMENSIONS, Campaign, text_in

ROW: Final = "row"
"""Stands in names for the row of the matrix' file: `{row.city}`."""
ROW_COLUMNS: Final = ("id", "samples")
"""Columns of rows that are neither a dimension nor words."""
COPY_COLUMNS: Final = ("headline", "price", "call_to_action", "legal")
"""Columns of rows that replace the campaign's copy where they are filled."""

_FIELD: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """A combination.

    Attributes:
        coordinates: Its levels by dimension, in the order of `dimensions`.
        row: The row that it comes from; empty: none.
        samples: Videos of it.
    """

    coordinates: Mapping[str, str]
    row: Mapping[str, str] = dataclasses.field(default_factory=dict)
    samples: int = 1

    @functools.cached_property
    def name(self) -> str:
        """Such as `product=flask/language=ar/format=story`."""
        return named(self.coordinates, self.coordinates)

    def level(self, dimension: str) -> str:
        """Its level in a dimension; empty: the campaign has no such dimension."""
        return self.coordinates.get(dimension, "")


def named(coordinates: Mapping[str, str], dimensions: Iterable[str]) -> str:
    """A cell's name from some of its coordinates."""
    return "/".join(f"{dimension}={coordinates[dimension]}" for dimension in dimensions)


def dimensions(campaign: Campaign) -> dict[str, tuple[str, ...]]:
    """Every dimension that a campaign can vary and its levels, in the order that names of cells have.

    The order hangs on names alone, so that moving lines in the file changes no id.
    """
    found = {
        "product": tuple(campaign.products),
        "audience": tuple(campaign.audiences),
        "storyboard": tuple(campaign.storyboards),
        **{name: tuple(campaign.variants[name]) for name in sorted(campaign.variants)},
        "language": tuple(campaign.languages),
        "format": tuple(campaign.formats),
        "tier": tuple(campaign.tiers),
    }
    return {name: levels for name, levels in found.items() if levels}


def cells(campaign: Campaign) -> Iterator[Cell]:
    """Every cell of a campaign, those that are excluded too: see `excluded`."""
    every = dimensions(campaign)
    rows = campaign.rows
    by_rows = set(rows[0]) if rows else set()
    chosen = {name: campaign.matrix.levels.get(name, every[name]) for name in every if name not in by_rows}
    if "tier" in chosen:
        chosen["tier"] = tiers_used(campaign)
    for row in rows if rows is not None else ({},):
        samples = int(row.get("samples") or campaign.samples)
        for levels in itertools.product(*chosen.values()):
            here = {**dict(zip(chosen, levels, strict=True)), **{name: row[name] for name in by_rows if name in every}}
            coordinates = {name: here[name] for name in every}
            if row.get("id"):
                coordinates[ROW] = row["id"]
            yield Cell(coordinates=coordinates, row=row, samples=samples)


def tiers_used(campaign: Campaign) -> tuple[str, ...]:
    """Tiers that cells may have: those of the rows, those that the matrix names, or else the first."""
    if campaign.rows and "tier" in campaign.rows[0]:
        return tuple(dict.fromkeys(row["tier"] for row in campaign.rows))
    return campaign.matrix.levels.get("tier", tuple(campaign.tiers)[:1])


def exclusion(campaign: Campaign, cell: Cell) -> int | None:
    """The first exclusion that a cell falls under, from 0; None: it stays."""
    for at, rule in enumerate(campaign.exclude):
        if all(cell.coordinates.get(name) in levels for name, levels in rule.items()):
            return at
    return None


def fields(text: str) -> list[str]:
    """Names in braces in a text, in order."""
    return [name for name in _FIELD.findall(text) if name]


def used(texts: Iterable[str]) -> frozenset[str]:
    """Dimensions that texts depend on: what stands before the first point of every name."""
    return frozenset(name.partition(".")[0] for text in texts for name in fields(text))


def fill(campaign: Campaign, cell: Cell, text: str, language: str) -> str:
    """A text with its names in braces filled; `{{` and `}}` are braces.

    Args:
        campaign: The campaign.
        cell: The cell.
        text: The text.
        language: Language that what is put in should have.

    Raises:
        LookupError: A name is unknown, or has no text in that language; the words say which.
    """
    if "{" not in text and "}" not in text:
        return text

    def put(found: re.Match[str]) -> str:
        return found[0][0] if found[1] is None else value(campaign, cell, found[1], language)

    return _FIELD.sub(put, text)


def value(campaign: Campaign, cell: Cell, name: str, language: str) -> str:
    """What a name in braces stands for.

    Raises:
        LookupError: It is unknown, or has no text in that language.
    """
    dimension, _, part = name.partition(".")
    if name == "campaign":
        return campaign.campaign
    if name == "brand.name":
        return campaign.brand.name
    if dimension == ROW and part in cell.row:
        return cell.row[part]
    level = cell.level(dimension)
    if level and not part:
        return level
    if level and dimension == "product":
        product = campaign.products[level]
        if part in ("name", "price"):
            return _in(getattr(product, part), language, f"products.{level}.{part}")
        if part == "look":
            return product.look
        if part == "facts":
            return "; ".join(product.facts)
    texts = None
    if level and dimension == "audience":
        texts = campaign.audiences[level].get(part)
    elif level and dimension in campaign.variants:
        texts = campaign.variants[dimension][level].get(part)
    if texts is None:
        raise LookupError(f"{{{name}}}: there is no such thing in {cell.name or 'this campaign'}")
    return _in(texts, language, f"{dimension} {level}, {part}")


def _in(texts: Mapping[str, str], language: str, what: str) -> str:
    found = text_in(texts, language)
    if found is None:
        raise LookupError(f"{what}: no text in {language}" + (f", only in {', '.join(texts)}" if texts else ""))
    return found


def known_names(campaign: Campaign, columns: Sequence[str]) -> frozenset[str]:
    """Every name that may stand in braces, whatever the cell.

    Args:
        campaign: The campaign.
        columns: Columns of its rows.
    """
    found = {"campaign", "brand.name", *dimensions(campaign), *(f"{ROW}.{name}" for name in columns)}
    if campaign.products:
        found |= {f"product.{part}" for part in ("name", "price", "look", "facts")}
    for dimension, levels in (("audience", campaign.audiences), *campaign.variants.items()):
        found |= {f"{dimension}.{part}" for texts in levels.values() for part in texts}
    return frozenset(found)


assert not {ROW, *ROW_COLUMNS, *COPY_COLUMNS} & set(DIMENSIONS)
