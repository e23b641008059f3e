"""Checks of a campaign that go beyond single values: what names what, and whether every language has its words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from generation import asking, cells, platforms
from generation.campaign import DIMENSIONS, Campaign, Shot, Storyboard, text_in
from generation.marks import Path
from generation.rewriting import DIALECTS
from generation.values import ANY, NAME

Error = tuple[Path, str]
"""What is wrong: where, and in words."""

_TAG: Final = re.compile(r"[a-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Z]{2}|[0-9]{3}))?")
"""Language tags as far as they are used here: language, script, region (BCP 47, section 2.1)."""
_ROWS_SHOWN: Final = 20


def errors(campaign: Campaign, lines: Sequence[tuple[int, Mapping[str, str]]] | None) -> Iterator[Error]:
    """Everything that is wrong with a campaign whose single values are right.

    Args:
        campaign: With its files and rows.
        lines: Its rows with their lines; None: it has none.
    """
    before = list(_matrix(campaign))
    if lines is not None:
        before += _rows(campaign, lines)
    yield from before
    yield from _languages(campaign)
    yield from _storyboards(campaign)
    yield from _templates(campaign, list(lines[0][1]) if lines else [])
    if not before:
        yield from _texts(campaign)
    for name, form in campaign.formats.items():
        if form.platform:
            yield from _known(("formats", name, "platform"), form.platform, platforms.platforms(), "platforms.yaml")
    for name, tier in campaign.tiers.items():
        yield from _known(("tiers", name, "dialect"), tier.dialect, DIALECTS, "the dialects")
    for at, dimension in enumerate(campaign.compare):
        yield from _known(("compare", at), dimension, cells.dimensions(campaign), "the dimensions")


def _known(path: Path, name: str, known: Collection[str], among: str) -> Iterator[Error]:
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        end = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
        yield path, f"{name!r} is not in {among}; {end}"


def _matrix(campaign: Campaign) -> Iterator[Error]:
    every = cells.dimensions(campaign)
    for name in campaign.variants:
        if name in (
            *DIMENSIONS,
            cells.ROW,
            *cells.ROW_COLUMNS,
            *cells.COPY_COLUMNS,
            "brand",
            "campaign",
            "sample",
        ):
            yield ("variants", name), f"{name!r} means something else already; take another name"
        if not campaign.variants[name]:
            yield ("variants", name), "it has no levels"
    for name, levels in campaign.matrix.levels.items():
        path: Path = ("matrix", name)
        yield from _known(path, name, every, "the dimensions of this campaign")
        for at, level in enumerate(levels):
            if name in every:
                yield from _known((*path, at), level, every[name], name)
            if level in levels[:at]:
                yield (*path, at), f"{level!r} stands twice"
    for at, rule in enumerate(campaign.exclude):
        if not rule:
            yield ("exclude", at), "it names no dimension, so it would leave out everything"
        for name, levels in rule.items():
            place = ("exclude", at, name)
            yield from _known(place, name, every, "the dimensions of this campaign")
            for level in levels if name in every else ():
                yield from _known(place, level, every[name], name)


def _rows(campaign: Campaign, lines: Sequence[tuple[int, Mapping[str, str]]]) -> Iterator[Error]:
    path, file = ("matrix", "rows"), campaign.matrix.rows
    every = cells.dimensions(campaign)
    columns = set(lines[0][1])
    for name in sorted(columns & set(campaign.matrix.levels)):
        yield ("matrix", name), f"{file} has a column of that name: leave out one of the two"
    by_rows = [name for name in every if name in columns]
    seen: dict[tuple[str, ...], int] = {}
    found: list[Error] = []
    for line, row in lines:
        for name in by_rows:
            found += ((path, f"{file}:{line}: {words}") for _, words in _known(path, row[name], every[name], name))
        if (samples := row.get("samples")) and not (samples.isdecimal() and 1 <= int(samples) <= 100):
            found.append((path, f"{file}:{line}: samples: {samples!r}: a whole number from 1 to 100"))
        if (given := row.get("id")) and not re.match(NAME, given):
            found.append((path, f"{file}:{line}: id: {given!r}: letters, digits, dots, dashes and underscores"))
        key = (row.get("id", ""), *(row[name] for name in by_rows))
        if key in seen:
            found.append(
                (path, f"{file}:{line}: the same combination as in line {seen[key]}: a column `id` tells apart")
            )
        seen.setdefault(key, line)
        if len(found) >= _ROWS_SHOWN:
            break
    yield from found


def _languages(campaign: Campaign) -> Iterator[Error]:
    for name in campaign.languages:
        if not _TAG.fullmatch(name):
            yield ("languages", name), f"{name!r} is no language tag, such as `de`, `pt-BR` or `zh-Hant`"
    if not _TAG.fullmatch(campaign.prompt_language):
        yield ("prompt_language",), f"{campaign.prompt_language!r} is no language tag, such as `en`"
    for path, texts in every_text(campaign):
        for name in texts:
            if name != ANY and not _TAG.fullmatch(name):
                yield (*path, name), f"{name!r} is no language tag, such as `de`; `*` is for all languages"
    for market in campaign.brand.legal:
        if market != ANY and not re.fullmatch("[A-Z]{2}", market):
            yield ("brand", "legal", market), f"{market!r} is no market, such as `DE`; `*` is for all markets"


def _storyboards(campaign: Campaign) -> Iterator[Error]:
    for name, board in campaign.storyboards.items():
        path: Path = ("storyboards", name)
        for at, reference in enumerate(board.subjects):
            yield from _known((*path, "subjects", at), reference, campaign.references, "references")
        if board.music:
            yield from _known((*path, "music"), board.music, campaign.references, "references")
            found = campaign.references.get(board.music)
            if found and found.role != "sound":
                yield (*path, "music"), f"{board.music!r} has the role {found.role}, and music has the role sound"
        before: dict[str, int] = {}
        for at, shot in enumerate(board.shots):
            here = (*path, "shots", at)
            if shot.name in before:
                yield (*here, "name"), f"{shot.name!r} is the name of shot {before[shot.name] + 1} already"
            yield from _shot(campaign, board, shot, here, before)
            before.setdefault(shot.name, at)


def _shot(campaign: Campaign, board: Storyboard, shot: Shot, path: Path, before: Mapping[str, int]) -> Iterator[Error]:
    for at, reference in enumerate(shot.references):
        yield from _known((*path, "references", at), reference, campaign.references, "references")
    for name in ("continues", "remixes"):
        if earlier := getattr(shot, name):
            yield from _known((*path, name), earlier, before, "the shots before it")
    if shot.continues and shot.remixes:
        yield (*path, "remixes"), "a shot goes on from another or is it again, not both"
    if board.one_request and (shot.continues or shot.remixes):
        yield path, "shots of one request cannot go on from each other: they do already"
    roles = [campaign.references[name].role for name in shot.references if name in campaign.references]
    for role in ("image", "first_frame", "last_frame", "video", "mask"):
        if roles.count(role) > 1:
            yield (*path, "references"), f"{roles.count(role)} references with the role {role}; a shot takes one"
    if "mask" in roles and "video" not in roles:
        yield (*path, "references"), "a mask is nothing without the video that it is of"
    if "last_frame" in roles and "first_frame" not in roles:
        yield (*path, "references"), "a last frame needs a first one"


def _templates(campaign: Campaign, columns: Sequence[str]) -> Iterator[Error]:
    known = cells.known_names(campaign, columns)
    every = [
        *_prompts(campaign),
        *((path, text) for at, texts in every_text(campaign) for path, text in _each(at, texts)),
    ]
    for path, text in every:
        for name in cells.fields(text):
            yield from _known(path, name, known, "what may stand in braces")
    for name in cells.fields(campaign.naming):
        yield from _known(("naming",), name, {*known, "sample"}, "what may stand in braces")


def _each(path: Path, texts: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    for language, text in texts.items():
        yield (*path, language), text


def _prompts(campaign: Campaign) -> Iterator[tuple[Path, str]]:
    """Every text that goes into prompts."""
    names = ("prompt", "subject", "action", "setting", "camera", "light", "style", "sound", "negative")
    for board_id, board in campaign.storyboards.items():
        for at, shot in enumerate(board.shots):
            for name in names:
                yield ("storyboards", board_id, "shots", at, name), getattr(shot, name)


def every_text(campaign: Campaign) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Every text by language that stands on a video or is said in it: where it is, and the text."""
    for name in cells.COPY_COLUMNS:
        yield ("copy", name), getattr(campaign.copy_text, name)
    for market, texts in campaign.brand.legal.items():
        yield ("brand", "legal", market), texts
    for name, product in campaign.products.items():
        yield ("products", name, "name"), product.name
        yield ("products", name, "price"), product.price
    for board_id, board in campaign.storyboards.items():
        for at, shot in enumerate(board.shots):
            for place, line in enumerate(shot.dialogue):
                yield ("storyboards", board_id, "shots", at, "dialogue", place, "text"), line.text
    for name, levels in (("audiences", {"": campaign.audiences}), ("variants", campaign.variants)):
        for dimension, found in levels.items():
            for level, texts_of in found.items():
                for part, texts in texts_of.items():
                    yield (name, *([dimension] if dimension else []), level, part), texts


def _texts(campaign: Campaign) -> Iterator[Error]:
    """Texts that lack a language which some cell needs, each told once, where the text stands."""
    told: set[Any] = set()
    places = {id(texts): path for path, texts in every_text(campaign)}
    spoken = {
        name: [line.text for shot in board.shots for line in shot.dialogue]
        for name, board in campaign.storyboards.items()
    }
    own = [getattr(campaign.copy_text, name) for name in cells.COPY_COLUMNS]
    for cell in cells.cells(campaign):
        if cells.exclusion(campaign, cell) is not None:
            continue
        language = cell.level("language")
        markets = asking.markets_of(campaign, cell)
        legal = [
            texts for market, texts in campaign.brand.legal.items() if market == ANY or market in markets or not markets
        ]
        texts = [*own, *legal, *spoken[cell.level("storyboard")]]
        replaced = [name for name in cells.COPY_COLUMNS if cell.row.get(name)]
        texts = [one for one in texts if one and not any(one is getattr(campaign.copy_text, name) for name in replaced)]
        for one in texts:
            for needed in _needed(campaign, cell, one, language):
                if (id(needed), language) in told:
                    continue
                told.add((id(needed), language))
                yield places[id(needed)], f"no text in {language}, and none for all languages (`{ANY}`)"


def _needed(
    campaign: Campaign, cell: cells.Cell, texts: Mapping[str, str], language: str
) -> Iterator[Mapping[str, str]]:
    """The text itself, and those that it takes in by name, that have nothing in a language."""
    found = text_in(texts, language)
    if found is None:
        yield texts
        return
    for name in cells.fields(found):
        dimension, _, part = name.partition(".")
        taken: Mapping[str, str] | None = None
        if dimension == "product" and part in ("name", "price"):
            taken = getattr(campaign.products[cell.level("product")], part)
        elif dimension == "audience" and part:
            taken = campaign.audiences[cell.level("audience")].get(part)
        elif dimension in campaign.variants and part:
            taken = campaign.variants[dimension][cell.level(dimension)].get(part)
        if taken is not None and text_in(taken, language) is None:
            yield taken
