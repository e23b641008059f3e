"""Dressing: what a finished asset wears over its pictures: brand, form, copy, subtitles, and its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from fractions import Fraction
from typing import Final

from generation import asking, asset, cells
from generation.asset import COPY_ROLES, Brand, Copy, SafeArea, Subtitle
from generation.campaign import Campaign, Storyboard, text_in
from generation.cells import Cell
from generation.platforms import platforms
from generation.timeline import Timeline, shown
from generation.values import ANY

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def brand_of(campaign: Campaign) -> Brand:
    """The brand kit with its files."""
    kit = campaign.brand
    return Brand(
        name=kit.name,
        **kit.colours.model_dump(),
        fonts=tuple(campaign.file(name) for name in kit.fonts),
        logo=campaign.file(kit.logo) if kit.logo else None,
        logo_width=kit.logo_width,
        clear_space=kit.clear_space,
    )


def format_of(campaign: Campaign, name: str) -> asset.Format:
    """A format with what its platform asks for."""
    form, brand = campaign.formats[name], campaign.brand.safe_area
    platform = platforms()[form.platform] if form.platform else None
    own = form.safe_area or (platform.safe_area if platform else None)
    sides = ("top", "right", "bottom", "left")
    given = {side: max(getattr(one, side) for one in (brand, own) if one is not None) for side in sides}
    plain = asset.Format(name=name, width=form.width, height=form.height, frames=form.frames, frame_rate="25")
    return asset.Format(
        name=name,
        width=form.width,
        height=form.height,
        frames=form.frames,
        frame_rate=form.frame_rate,
        platform=form.platform,
        safe_area=SafeArea(**given),
        loudness=form.loudness if form.loudness is not None else platform.loudness if platform else plain.loudness,
        true_peak=platform.true_peak if platform else plain.true_peak,
        least_kbps=platform.least_kbps if platform else 0,
        most_bytes=platform.most_megabytes * 1_000_000 if platform else 0,
        audio_kbps=platform.audio_kbps if platform else plain.audio_kbps,
        sample_rate=platform.sample_rate if platform else plain.sample_rate,
    )


def copy_of(campaign: Campaign, cell: Cell, board: Storyboard, laid: Timeline, markets: Iterable[str]) -> Copy:
    """A cell's copy in its language, with the times at which it stands.

    Raises:
        LookupError: A text is missing in it, or does not fit in time; the words say which.
    """
    language = cell.level("language")

    def said(role: str) -> str:
        if cell.row.get(role):
            return cells.fill(campaign, cell, cell.row[role], language)
        texts = getattr(campaign.copy_text, role)
        text = text_in(texts, language)
        if text is None and texts:
            raise LookupError(f"copy.{role}: no text in {language}")
        return cells.fill(campaign, cell, text or "", language)

    words = {role: said(role).strip() for role in COPY_ROLES}
    own = words.pop("legal")
    legal = [line for line in (*_legal(campaign, cell, markets), own) if line]
    have = {role for role, text in {**words, "legal": "".join(legal)}.items() if text}
    return Copy(
        language=language,
        **words,
        legal=tuple(dict.fromkeys(legal)),
        shown=shown(board, laid.slots, tuple(role for role in COPY_ROLES if role in have)),
        subtitles=_subtitles(campaign, cell, board, laid),
    )


def file_name(campaign: Campaign, cell: Cell, sample: int) -> str:
    """An asset's name by the campaign's convention, of letters, digits, dots, dashes and underscores.

    Raises:
        LookupError: The convention names what the cell does not have.
    """
    if not campaign.naming:
        return "_".join([campaign.campaign, *cell.coordinates.values(), str(sample + 1)])
    pattern = campaign.naming.replace("{sample}", str(sample + 1))
    filled = unicodedata.normalize("NFKD", cells.fill(campaign, cell, pattern, cell.level("language")))
    plain = "".join(letter for letter in filled if not unicodedata.combining(letter))
    return _UNSAFE.sub("-", plain).strip("-.") or "asset"


def card_picture(campaign: Campaign, cell: Cell) -> asset.File | None:
    """The product's first picture, for the end card; None: it has none, or shows no product."""
    card = campaign.storyboards[cell.level("storyboard")].end_card
    pictures = campaign.products[cell.level("product")].pictures if cell.level("product") else ()
    return campaign.file(pictures[0]) if card and card.product and pictures else None


def factors_of(campaign: Campaign, cell: Cell) -> tuple[tuple[str, str], ...]:
    """Levels of what is compared, by factor, sorted."""
    compared = {*campaign.variants, *campaign.compare}
    return tuple(sorted((name, level) for name, level in cell.coordinates.items() if name in compared))


def _legal(campaign: Campaign, cell: Cell, markets: Iterable[str]) -> list[str]:
    """The brand's legal lines for markets; shown everywhere, it has those of all."""
    wanted = [ANY, *markets]
    language, found = cell.level("language"), []
    for market, texts in campaign.brand.legal.items():
        if market in wanted or wanted == [ANY]:
            text = text_in(texts, language)
            if text is None:
                raise LookupError(f"brand.legal.{market}: no text in {language}")
            found.append(cells.fill(campaign, cell, text, language))
    return found


def _subtitles(campaign: Campaign, cell: Cell, board: Storyboard, laid: Timeline) -> tuple[Subtitle, ...]:
    form = campaign.formats[cell.level("format")]
    found = []
    for shot, slot in zip(board.shots, laid.slots, strict=True):
        end = slot.start + slot.frames - (slot.overlap if slot.transition == "dissolve" else 0)
        starts = [slot.start + round(Fraction(str(line.at)) * form.rate) for line in shot.dialogue]
        words = asking.lines_in(campaign, cell, shot.name, shot.dialogue)
        ends = [*starts[1:], end]
        for line, (speaker, text), start, after in zip(shot.dialogue, words, starts, ends, strict=False):
            until = after if line.seconds is None else start + round(Fraction(str(line.seconds)) * form.rate)
            until = min(until, after, end)
            if until <= start:
                raise LookupError(f"dialogue of shot {shot.name}: no time for “{text}” at {line.at:g} s")
            found.append(Subtitle(start=start, end=until, text=text, speaker=speaker))
    return tuple(found)
