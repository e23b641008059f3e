"""Asking: what a shot asks of an engine, whether the engine can and may make it, and what that costs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from generation import cells
from generation.campaign import Campaign, Format, Line, Reference, Shot, Storyboard, Tier, text_in
from generation.cells import Cell
from generation.engines.engine import Offer, Price
from generation.grid import Size, enlarged, parts_for, rate_for, size_for
from generation.prompts import SLOTS, PreparedWords
from generation.request import Input, Request
from generation.request import Shot as Part
from generation.works import WorksAsked

STORYBOARD_ENGINES: Final = frozenset({"animatic"})
"""Engines that draw the storyboard itself, and take camera, palette, title, language and dialogue as parameters."""

PICTURES: Final = frozenset({"image", "first_frame", "last_frame", "subject", "style", "mask"})
"""Roles of pictures."""

VIDEO_PARTS: Final = ("picture", "sound", "character", "face", "voice")
"""What of a work a video may have, of the registry's components."""


class Refused(NamedTuple):
    """Why something is not made: one of `plans.REFUSALS`, and words for a person."""

    reason: str
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """What of an engine's grid fits a shot.

    Attributes:
        size: To ask for, in pixels.
        parts: Lengths of the parts in frames.
        frame_rate: To ask for.
        enlarged: How many times the picture has to be enlarged to cover the format; 1: not at all.
    """

    size: Size
    parts: tuple[int, ...]
    frame_rate: str
    enlarged: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What a shot asks of an engine, the same for every cell that needs this picture.

    Attributes:
        cell: Coordinates that the picture depends on.
        shot: Name of the shot.
        tier: The engine's tier.
        mode: Of the first part.
        fit: Size, lengths and frame rate that are asked for.
        sound: Whether sound is asked for.
        inputs: Files that go with it.
        parameters: Further parameters, sorted.
        from_shot: An earlier shot whose last part goes in as a video; empty: none.
        shots: Of a request for several: how many frames each has.
    """

    cell: str
    shot: str
    tier: str
    mode: str
    fit: Fit
    sound: bool
    inputs: tuple[Input, ...]
    parameters: tuple[tuple[str, str], ...]
    from_shot: str = ""
    shots: tuple[int, ...] = ()


def may_use(campaign: Campaign, offer: Offer, markets: Iterable[str]) -> Refused | None:
    """Why an engine may not be used for a campaign in some markets (empty: everywhere); None: it may."""
    licence, price, currency = offer.licence, offer.price, campaign.budget.currency
    if not licence.commercial:
        return Refused("licence", f"{offer.model}: {licence.name} does not allow advertising")
    wanted = set(markets)
    if barred := sorted(set(licence.not_in) & wanted if wanted else licence.not_in):
        where = ", ".join(barred)
        told = "leave these markets out" if wanted else "say in which other markets it is shown"
        return Refused("licence", f"{offer.model}: {licence.name} does not apply in {where}: {told}")
    if not price.per_second:
        return Refused("price", f"{offer.model}: its price is unknown: give it with the engine's settings")
    if price.currency != currency and (price.per_request or any(price.per_second.values())):
        return Refused("price", f"{offer.model}: its price is in {price.currency}, the budget in {currency}")
    if offer.languages and campaign.prompt_language.split("-")[0] not in {one.split("-")[0] for one in offer.languages}:
        return Refused("capability", f"{offer.model} reads {', '.join(offer.languages)}: write prompts in one of them")
    return None


def cost_of(price: Price, size: Size, frames: int, frame_rate: str) -> int | None:
    """What a request costs, in micro-units, rounded up; None where nobody knows."""
    bounds = [side for side in price.per_second if side >= min(size)]
    if not bounds:
        return None
    seconds = frames / Fraction(frame_rate)
    return math.ceil(price.per_second[min(bounds)] * seconds) + price.per_request


def used_by(campaign: Campaign, board: Storyboard, shot: Shot, sound: bool) -> frozenset[str]:
    """Dimensions that a shot's picture and sound depend on, apart from its size and length, which are its own."""
    texts = [shot.prompt, shot.negative, *(getattr(shot, slot) for slot in SLOTS if slot != "dialogue")]
    found = cells.used(texts) | {"storyboard"}
    if shot.product and campaign.products and any(one.pictures for one in campaign.products.values()):
        found |= {"product"}
    if sound and spoken(shot):
        found |= {"language"} | cells.used(text for line in spoken(shot) for text in line.text.values())
    return found


def hears(tier: Tier, offer: Offer) -> bool:
    """Whether sound is asked for."""
    return tier.sound and offer.sound


def spoken(shot: Shot) -> list[Line]:
    """Lines that an engine with sound is asked to say."""
    return [line for line in shot.dialogue if line.spoken]


def said_in(campaign: Campaign, cell: Cell, shot: Shot) -> list[tuple[str, str]]:
    """Speaker and words of the lines that are spoken, in the cell's language.

    Raises:
        LookupError: A line has no text in it.
    """
    return lines_in(campaign, cell, shot.name, spoken(shot))


def lines_in(campaign: Campaign, cell: Cell, shot: str, lines: Sequence[Line]) -> list[tuple[str, str]]:
    """Speaker and words of lines in the cell's language.

    Raises:
        LookupError: A line has no text in it.
    """
    language = cell.level("language")
    found = []
    for line in lines:
        text = text_in(line.text, language)
        if text is None:
            raise LookupError(f"dialogue of shot {shot}: no text in {language}")
        found.append((line.speaker, cells.fill(campaign, cell, text, language)))
    return found


def given(campaign: Campaign, cell: Cell, board: Storyboard, shot: Shot) -> list[Reference]:
    """References that go with a shot: the storyboard's subjects, the product's pictures, its own; each once."""
    found = [campaign.references[name] for name in board.subjects]
    if shot.product and cell.level("product"):
        found += [Reference(file=name) for name in campaign.products[cell.level("product")].pictures]
    found += [campaign.references[name] for name in shot.references]
    return list(dict.fromkeys(found))


def markets_of(campaign: Campaign, cell: Cell) -> tuple[str, ...]:
    """Where a cell's videos are shown, sorted; empty: everywhere."""
    return tuple(sorted(set(campaign.languages[cell.level("language")].markets or campaign.markets)))


def works_of(campaign: Campaign, cell: Cell, board: Storyboard, markets: tuple[str, ...]) -> WorksAsked | None:
    """What has to be asked of the registry for a cell's references; None: nothing."""
    every = [one for shot in board.shots for one in given(campaign, cell, board, shot)]
    every += [campaign.references[board.music]] if board.music else []
    used = {name for one in every for name in one.every_work}
    if not used:
        return None
    parts: set[str] = set()
    for one in every:
        if one.every_work and one.role in PICTURES:
            parts |= {"picture", "character", "face"}
        elif one.every_work:
            parts |= {"sound", "voice"} if one.role == "sound" else set(VIDEO_PARTS)
    return WorksAsked(
        works=tuple(sorted(used)),
        components=tuple(sorted(parts)),
        markets=markets,
        product=cell.level("product"),
        language=cell.level("language"),
    )


def fit(form: Format, tier: Tier, offer: Offer, frames: int) -> Fit | Refused:
    """What to ask an engine for, so that a shot of a format can be cut from it.

    Args:
        form: The format.
        tier: The engine's tier.
        offer: What the engine declares.
        frames: Length of the shot, in frames of the format.
    """
    wanted = Size(form.width, form.height)
    size = size_for(offer, wanted, tier.side)
    rate = rate_for(offer, form.frame_rate)
    parts = parts_for(offer, rate, math.ceil(frames * Fraction(rate) / form.rate))
    if size is None or not parts:
        return Refused("capability", f"{_engine(tier)} makes no such size or length at all")
    larger = enlarged(size, wanted)
    if tier.side is None and larger > Fraction(str(tier.upscale)):
        told = f"{size.width}x{size.height} at most, which is enlarged {float(larger):.2f} times"
        return Refused("capability", f"{_engine(tier)} makes {told} to cover {form.width}x{form.height}; see `upscale`")
    if len(parts) > 1 and ("extend" not in offer.modes or "video" not in offer.roles):
        told = f"{_seconds(parts[0], rate)} at once and goes on from no video"
        return Refused(
            "capability", f"{_engine(tier)} makes {told}: split the shot of {_seconds(frames, form.frame_rate)}"
        )
    if cost_of(offer.price, size, parts[0], rate) is None:
        return Refused("price", f"{_engine(tier)}: nobody knows its price for {size.width}x{size.height}")
    return Fit(size=size, parts=parts, frame_rate=rate, enlarged=float(larger))


def ask(
    campaign: Campaign, cell: Cell, board: Storyboard, shot: Shot, offer: Offer, fits: Fit, used: frozenset[str]
) -> Asked | Refused:
    """What a shot asks of the engine of the cell's tier, or why that cannot make it.

    Args:
        campaign: The campaign.
        cell: The cell.
        board: Its storyboard.
        shot: The shot.
        offer: What the engine declares.
        fits: What of its grid fits the shot.
        used: Dimensions that the picture depends on, `used_by`.
    """
    tier = campaign.tiers[cell.level("tier")]
    inputs = []
    for one in given(campaign, cell, board, shot):
        if one.role in offer.roles:
            file = campaign.file(one.file)
            inputs.append(Input(role=one.role, uri=file.uri, sha256=file.sha256, works=one.every_work))
        elif one.role not in tier.leave_out:
            return Refused("capability", f"{_engine(tier)} takes no {one.role}, which {one.file} is: `leave_out` it")
    from_shot = shot.continues or shot.remixes
    mode = "extend" if shot.continues else "remix" if shot.remixes else _mode({one.role for one in inputs})
    if mode not in offer.modes:
        return Refused("capability", f"{_engine(tier)} has no mode {mode}; it has {', '.join(sorted(offer.modes))}")
    if from_shot and "video" not in offer.roles:
        return Refused("capability", f"{_engine(tier)} takes no video, from which {shot.name} would go on")
    sound = hears(tier, offer)
    return Asked(
        cell=cells.named(cell.coordinates, _coordinates(cell, used)),
        shot=shot.name,
        tier=cell.level("tier"),
        mode=mode,
        fit=fits,
        sound=sound,
        inputs=tuple(inputs),
        parameters=_parameters(campaign, cell, shot, tier, sound),
        from_shot=from_shot,
    )


def together(asked: Sequence[Asked], lengths: Sequence[int], name: str, tier: Tier, offer: Offer) -> Asked | Refused:
    """All shots of a storyboard as one request.

    Args:
        asked: What each asks by itself.
        lengths: Of each, in frames of the request.
        name: Name of the storyboard.
        tier: The engine's tier.
        offer: What the engine declares.
    """
    first = asked[0]
    if "storyboard" not in offer.modes:
        return Refused("capability", f"{_engine(tier)} makes one shot at a time: leave out `one_request`")
    parts = parts_for(offer, first.fit.frame_rate, sum(lengths))
    if len(parts) != 1:
        return Refused("capability", f"{_engine(tier)} makes {_seconds(parts[0], first.fit.frame_rate)} at once")
    return dataclasses.replace(
        first,
        cell="/".join(dict.fromkeys(word for one in asked for word in one.cell.split("/"))),
        shot=name,
        mode="storyboard",
        fit=dataclasses.replace(first.fit, parts=parts),
        inputs=tuple(dict.fromkeys(file for one in asked for file in one.inputs)),
        shots=(*lengths[:-1], parts[0] - sum(lengths[:-1])),
    )


def requests_of(
    campaign: Campaign,
    asked: Asked,
    offer: Offer,
    words: Sequence[PreparedWords],
    sample: int,
    before: Request | None,
    policy: str,
) -> tuple[Request, ...]:
    """The requests of a shot, one for each part, each going on from the one before.

    Args:
        campaign: The campaign.
        asked: What the shot asks.
        offer: What the engine declares.
        words: Its prompt; of a request for several shots, the prompt of each.
        sample: Which of the cell's samples.
        before: Last request of the shot that it goes on from; None: it goes on from none.
        policy: Digest of the registry's version that the words were screened with.
    """
    made: list[Request] = []
    prompts = tuple(one.prompt for one in words)
    negatives = dict.fromkeys(one.negative for one in words if one.negative)
    for part, frames in enumerate(asked.fit.parts):
        source = before if part == 0 else made[-1]
        inputs = asked.inputs if part == 0 else tuple(one for one in asked.inputs if one.role in ("subject", "style"))
        if source is not None:
            inputs = (Input(role="video", request=source.request_id), *inputs)
        made.append(
            Request(
                campaign=campaign.campaign,
                cell=asked.cell,
                sample=sample,
                shot=asked.shot,
                part=part,
                engine=engine_name(campaign.tiers[asked.tier]),
                model=offer.model,
                revision=offer.revision,
                tier=asked.tier,
                mode=asked.mode if part == 0 else "extend",
                prompt="\n".join(prompts),
                negative=", ".join(negatives) if offer.negative else "",
                width=asked.fit.size.width,
                height=asked.fit.size.height,
                frames=frames,
                frame_rate=asked.fit.frame_rate,
                sound=asked.sound,
                inputs=inputs,
                shots=tuple(Part(prompt=p, frames=n) for p, n in zip(prompts, asked.shots, strict=False)),
                parameters=asked.parameters,
                policy=policy,
            )
        )
    return tuple(made)


def engine_name(tier: Tier) -> str:
    """Name of a tier's engine."""
    return tier.engine.partition(",")[0].partition(":")[0]


def _seconds(frames: int, rate: str) -> str:
    return f"{float(frames / Fraction(rate)):.3g} s"


def _engine(tier: Tier) -> str:
    return tier.engine.partition(",")[0]


def _mode(roles: set[str]) -> str:
    if "video" in roles:
        return "fill" if "mask" in roles else "video"
    if "last_frame" in roles:
        return "frames"
    return "image" if roles & {"image", "first_frame"} else "text"


def _coordinates(cell: Cell, used: frozenset[str]) -> list[str]:
    """Coordinates that name what a picture depends on. A row's words depend on all that the row says."""
    wanted = used | set(cell.row) if cells.ROW in used else used
    own = {"format"} & used  # Its size and length are the request's own; only its name may be missing.
    return [name for name in cell.coordinates if name in (wanted - {"format", "tier"}) | own]


def _parameters(campaign: Campaign, cell: Cell, shot: Shot, tier: Tier, sound: bool) -> tuple[tuple[str, str], ...]:
    found = {**tier.parameters, **shot.parameters}
    if engine_name(tier) in STORYBOARD_ENGINES:
        colours = campaign.brand.colours
        found.setdefault("palette", ",".join((colours.primary, colours.secondary, colours.accent, colours.background)))
        if shot.camera:
            found.setdefault("camera", cells.fill(campaign, cell, shot.camera, campaign.prompt_language))
        if sound and (said := said_in(campaign, cell, shot)):
            found.setdefault("dialogue", " ".join(words for _, words in said))
            found.setdefault("language", cell.level("language"))
    return tuple(sorted(found.items()))
