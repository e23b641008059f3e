"""Planning: from a campaign to assets and requests, with everything that can be known before anything is paid.

It is a function of its arguments: nothing is written, sent or looked up. Cells that need the same picture share its
requests: a request hangs on what its prompt, references and sound depend on, and never on copy, which is laid over it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final, NamedTuple, TypeVar

from generation import asking, asset, cells
from generation.asking import Asked, Fit, Refused
from generation.asset import Asset, ShotTake
from generation.campaign import Campaign, Shot, Storyboard
from generation.cells import Cell
from generation.dressing import brand_of, card_picture, copy_of, factors_of, file_name, format_of
from generation.engines.engine import Offer
from generation.estimating import estimates, remarks
from generation.plans import Plan, PlannedRequest, Refusal
from generation.platforms import lint
from generation.prompts import PreparedWords, ShotWords
from generation.request import Request
from generation.timeline import Slot, Timeline, timeline
from generation.wording import shot_words
from generation.works import WorksAnswer, WorksAsked
from transforms.settings import ConfigError

Words = Callable[[Sequence[ShotWords]], Sequence[PreparedWords]]
"""Rewrites and screens words, many at a time: `preparing.prepare_all` with its registry."""
Works = Callable[[Sequence[WorksAsked]], Sequence[WorksAnswer]]
"""Decides over licensed works and likenesses, many at a time: `works.decide_works` with its registry."""

_A = TypeVar("_A")
_B = TypeVar("_B")

NO_REGISTRY: Final = "a reference has licensed works or a person in it, and no registry was asked: give one"


class _Draft(NamedTuple):
    """A cell that nothing stands against so far."""

    cell: Cell
    timeline: Timeline
    asked: tuple[Asked, ...]
    words: tuple[ShotWords, ...]
    works: WorksAsked | None
    copy: asset.Copy
    lint: tuple[str, ...]


def plan(
    campaign: Campaign,
    offers: Mapping[str, Offer],
    *,
    words: Words,
    works: Works | None = None,
    disclose: Callable[[Asset], str] | None = None,
    policy: str = "",
) -> Plan:
    """Plan a campaign.

    Args:
        campaign: The campaign, loaded.
        offers: What the engine of every tier declares of itself.
        words: Rewrites and screens prompts. It gets every distinct one once.
        works: Decides over works and likenesses in references; None: what has any is refused.
        disclose: The label that an asset needs; None: none.
        policy: Digest of the registry's version that `words` and `works` ask; empty: none.

    Raises:
        ConfigError: Two assets would have one name.
    """
    with _uncollected():
        return _plan(campaign, offers, words, works, disclose, policy)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for cycles: there are none, and to search all that a plan keeps is a third of its time."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _plan(
    campaign: Campaign,
    offers: Mapping[str, Offer],
    words: Words,
    works: Works | None,
    disclose: Callable[[Asset], str] | None,
    policy: str,
) -> Plan:
    planner = _Planner(campaign, offers)
    drafts: list[_Draft] = []
    refusals: list[Refusal] = []
    rules = [0] * len(campaign.exclude)
    for cell in cells.cells(campaign):
        rule = cells.exclusion(campaign, cell)
        if rule is not None:
            rules[rule] += 1
            continue
        draft = planner.draft(cell)
        if isinstance(draft, Refusal):
            refusals.append(draft)
        else:
            drafts.append(draft)
    total = len(drafts) + len(refusals) + sum(rules)
    prepared = _answers(words, [one for draft in drafts for one in draft.words])
    decided = _answers(works, [draft.works for draft in drafts if draft.works]) if works else {}
    assets: list[Asset] = []
    for draft in drafts:
        if refusal := _screened(draft, prepared, decided):
            refusals.append(refusal)
        else:
            assets += planner.finished(draft, prepared, disclose, policy)
    _check_names(campaign, assets)
    requests = planner.planned()
    notes = [
        campaign.error(("exclude", at), "no cell falls under it that another does not leave out already")
        for at, count in enumerate(rules)
        if not count
    ]
    found = estimates(campaign, offers, requests)
    return Plan(
        campaign=campaign.campaign,
        currency=campaign.budget.currency,
        policy=policy,
        cells=total,
        excluded=sum(rules),
        assets=tuple(assets),
        requests=requests,
        refusals=tuple(refusals),
        estimates=found,
        notes=(*notes, *remarks(campaign, offers, found, requests)),
    )


class _Planner:
    """What is worked out once and used by many cells."""

    def __init__(self, campaign: Campaign, offers: Mapping[str, Offer]) -> None:
        self._campaign, self._offers = campaign, offers
        self._brand = brand_of(campaign)
        self._timelines: dict[tuple[str, str], Timeline | str] = {}
        self._formats = {name: format_of(campaign, name) for name in campaign.formats}
        self._bars: dict[tuple[str, tuple[str, ...]], Refused | None] = {}
        self._lints: dict[tuple[str, tuple[str, ...], bool], tuple[str, ...] | Refused] = {}
        self._fits: dict[tuple[str, str, int], Fit | Refused] = {}
        self._used: dict[tuple[str, int, bool], frozenset[str]] = {}
        self._asked: dict[tuple[object, ...], Asked | Refused] = {}
        self._made: dict[tuple[object, ...], tuple[Request, ...]] = {}
        self._planned: dict[str, PlannedRequest] = {}
        self._cells: Counter[str] = Counter()

    def draft(self, cell: Cell) -> _Draft | Refusal:
        """What a cell asks for, or the first thing that stands against it."""
        campaign = self._campaign
        tier = cell.level("tier")
        board, offer = campaign.storyboards[cell.level("storyboard")], self._offers[tier]
        markets = asking.markets_of(campaign, cell)
        if barred := self._barred(tier, markets):
            return Refusal(cell=cell.name, reason=barred.reason, words=barred.words)
        laid = self._timeline(cell)
        if isinstance(laid, str):
            return Refusal(cell=cell.name, reason="timeline", words=laid)
        try:
            copy = copy_of(campaign, cell, board, laid, markets)
            asked = self._shots(cell, board, laid)
            if isinstance(asked, Refused):
                return Refusal(cell=cell.name, reason=asked.reason, words=asked.words)
            said = shot_words(campaign, cell, board, asking.hears(campaign.tiers[tier], offer), copy, markets)
        except LookupError as error:
            return Refusal(cell=cell.name, reason="copy", words=str(error.args[0]))
        noted = self._lint(cell.level("format"), markets, bool(copy.call_to_action))
        if isinstance(noted, Refused):
            return Refusal(cell=cell.name, reason=noted.reason, words=noted.words)
        if (larger := max(one.fit.enlarged for one in asked)) > 1:
            noted = (*noted, f"pictures are enlarged {larger:.2f} times")
        works = asking.works_of(campaign, cell, board, markets)
        return _Draft(cell, laid, asked, said, works, copy, noted)

    def finished(
        self,
        draft: _Draft,
        prepared: Mapping[ShotWords, PreparedWords],
        disclose: Callable[[Asset], str] | None,
        policy: str,
    ) -> list[Asset]:
        """The assets of a cell, one a sample; their requests are added to all."""
        campaign, cell = self._campaign, draft.cell
        board = campaign.storyboards[cell.level("storyboard")]
        card, whole = draft.timeline.card, board.music and campaign.file(campaign.references[board.music].file)
        made = []
        for sample in range(cell.samples):
            one = Asset(
                campaign=campaign.campaign,
                cell=cell.name,
                sample=sample,
                name=file_name(campaign, cell, sample),
                format=self._formats[cell.level("format")],
                brand=self._brand,
                shots=self._takes(draft, prepared, sample, policy),
                copy=draft.copy,
                end_card=card and asset.EndCard(start=card[0], frames=card[1], picture=card_picture(campaign, cell)),
                music=whole or None,
                product=cell.level("product"),
                markets=asking.markets_of(campaign, cell),
                people=board.people,
                works=draft.works.works if draft.works else (),
                factors=factors_of(campaign, cell),
                lint=draft.lint,
            )
            if disclose is not None:
                one = dataclasses.replace(one, copy=dataclasses.replace(one.copy, disclosure=disclose(one)))
            made.append(one)
        return made

    def planned(self) -> tuple[PlannedRequest, ...]:
        """All requests so far, each once; a request comes after those that it waits for."""
        return tuple(dataclasses.replace(one, cells=self._cells[name]) for name, one in self._planned.items())

    def _barred(self, tier: str, markets: tuple[str, ...]) -> Refused | None:
        if (tier, markets) not in self._bars:
            self._bars[tier, markets] = asking.may_use(self._campaign, self._offers[tier], markets)
        return self._bars[tier, markets]

    def _lint(self, name: str, markets: tuple[str, ...], clicks: bool) -> tuple[str, ...] | Refused:
        """What a format's platform dislikes, or why it does not take it."""
        key = (name, markets, clicks)
        if key not in self._lints:
            form = self._campaign.formats[name]
            seconds = float(form.frames / form.rate)
            found = form.platform and lint(
                form.platform, form.width, form.height, seconds, form.frame_rate, markets, clicks
            )
            refused = next((one.words for one in found or () if one.refused), None)
            noted = tuple(one.words for one in found or ())
            self._lints[key] = noted if refused is None else Refused("platform", refused)
        return self._lints[key]

    def _timeline(self, cell: Cell) -> Timeline | str:
        board, form = cell.level("storyboard"), cell.level("format")
        if (board, form) not in self._timelines:
            laid = timeline(self._campaign.storyboards[board], self._campaign.formats[form])
            self._timelines[board, form] = laid
        return self._timelines[board, form]

    def _shots(self, cell: Cell, board: Storyboard, laid: Timeline) -> tuple[Asked, ...] | Refused:
        """What each shot asks, or all of them together."""
        campaign, tier = self._campaign, self._campaign.tiers[cell.level("tier")]
        offer, form = self._offers[cell.level("tier")], campaign.formats[cell.level("format")]
        found = []
        for number, (shot, slot) in enumerate(zip(board.shots, laid.slots, strict=True)):
            one = self._ask(cell, board, number, shot, slot)
            if isinstance(one, Refused):
                return one
            found.append(one)
        if not board.one_request:
            return tuple(found)
        rate = Fraction(found[0].fit.frame_rate) / form.rate
        bounds = [round(slot.start * rate) for slot in laid.slots]
        end = laid.card[0] if laid.card else form.frames
        lengths = [after - at for at, after in itertools.pairwise([*bounds, round(end * rate)])]
        whole = asking.together(found, lengths, cell.level("storyboard"), tier, offer)
        return whole if isinstance(whole, Refused) else (whole,)

    def _ask(self, cell: Cell, board: Storyboard, number: int, shot: Shot, slot: Slot) -> Asked | Refused:
        campaign, tier = self._campaign, cell.level("tier")
        offer = self._offers[tier]
        sound = asking.hears(campaign.tiers[tier], offer)
        where = (cell.level("storyboard"), number, sound)
        if where not in self._used:
            self._used[where] = asking.used_by(campaign, board, shot, sound)
        used = self._used[where]
        row = tuple(cell.row.items()) if cells.ROW in used else ()
        key = (where, slot.frames, cell.level("format"), tier, row, *(cell.level(name) for name in sorted(used)))
        if key not in self._asked:
            fits = self._fit(cell.level("format"), tier, slot.frames)
            asked = fits if isinstance(fits, Refused) else asking.ask(campaign, cell, board, shot, offer, fits, used)
            self._asked[key] = asked
        return self._asked[key]

    def _fit(self, form: str, tier: str, frames: int) -> Fit | Refused:
        if (form, tier, frames) not in self._fits:
            campaign = self._campaign
            found = asking.fit(campaign.formats[form], campaign.tiers[tier], self._offers[tier], frames)
            self._fits[form, tier, frames] = found
        return self._fits[form, tier, frames]

    def _takes(
        self, draft: _Draft, prepared: Mapping[ShotWords, PreparedWords], sample: int, policy: str
    ) -> tuple[ShotTake, ...]:
        campaign = self._campaign
        board = campaign.storyboards[draft.cell.level("storyboard")]
        words = [prepared[one] for one in draft.words]
        if board.one_request:
            end = draft.timeline.card[0] if draft.timeline.card else self._formats[draft.cell.level("format")].frames
            made = self._requests(draft.asked[0], words, sample, None, policy)
            return (_take(draft.asked[0], made, Slot(0, end, "cut", 0), board.shots[0]),)
        last: dict[str, Request] = {}
        takes = []
        for asked, one, slot, shot in zip(draft.asked, words, draft.timeline.slots, board.shots, strict=True):
            made = self._requests(asked, [one], sample, last.get(asked.from_shot), policy)
            last[asked.shot] = made[-1]
            takes.append(_take(asked, made, slot, shot))
        return tuple(takes)

    def _requests(
        self, asked: Asked, words: Sequence[PreparedWords], sample: int, before: Request | None, policy: str
    ) -> tuple[Request, ...]:
        offer = self._offers[asked.tier]
        said = tuple((one.prompt, one.negative) for one in words)
        key = (asked, said, sample, before and before.request_id)
        if key not in self._made:
            self._made[key] = asking.requests_of(self._campaign, asked, offer, words, sample, before, policy)
            for one in self._made[key]:
                cost = asking.cost_of(offer.price, asked.fit.size, one.frames, one.frame_rate)
                assert cost is not None  # `fit` refuses what has no price.
                self._planned.setdefault(one.request_id, PlannedRequest(request=one, cost=cost, words=_whole(words)))
        self._cells.update(one.request_id for one in self._made[key])
        return self._made[key]


def _answers(ask: Callable[[Sequence[_A]], Sequence[_B]], asked: Sequence[_A]) -> dict[_A, _B]:
    """Every distinct question with its answer."""
    distinct = list(dict.fromkeys(asked))
    return dict(zip(distinct, ask(distinct), strict=True))


def _screened(
    draft: _Draft, prepared: Mapping[ShotWords, PreparedWords], decided: Mapping[WorksAsked, WorksAnswer]
) -> Refusal | None:
    """Why a cell's words or works may not be used; None: they may."""
    cell = draft.cell.name
    for asked, words in zip(itertools.cycle(draft.asked), draft.words, strict=False):
        found = prepared[words]
        if found.verdict != "allow":
            told = f"{found.verdict}: {'; '.join(found.reasons)}"
            return Refusal(
                cell=cell, shot=asked.shot, reason="words", words=told, entries=found.entries, spans=found.spans
            )
    if draft.works is not None:
        answer = decided.get(draft.works) or WorksAnswer(verdict="unknown", words=(NO_REGISTRY,))
        if answer.verdict != "allow":
            told = f"{answer.verdict}: {'; '.join(answer.words)}"
            return Refusal(cell=cell, reason="works", words=told, entries=answer.entries)
    return None


def _take(asked: Asked, made: Sequence[Request], slot: Slot, shot: Shot) -> ShotTake:
    return ShotTake(
        name=asked.shot,
        requests=tuple(one.request_id for one in made),
        start=slot.start,
        frames=slot.frames,
        transition=slot.transition,
        transition_frames=slot.overlap,
        focus=shot.focus,
        sound=asked.sound,
    )


def _whole(words: Sequence[PreparedWords]) -> PreparedWords:
    """The words of a request: those of its shot, or of all of its shots."""
    if len(words) == 1:
        return words[0]
    return dataclasses.replace(
        words[0],
        prompt="\n".join(one.prompt for one in words),
        negative=", ".join(dict.fromkeys(one.negative for one in words if one.negative)),
        source="\n".join(one.source for one in words),
        notes=tuple(dict.fromkeys(note for one in words for note in one.notes)),
        lost=tuple(sorted({word for one in words for word in one.lost})),
        added=tuple(sorted({word for one in words for word in one.added})),
    )


def _check_names(campaign: Campaign, assets: Sequence[Asset]) -> None:
    by_name: dict[str, Asset] = {}
    for one in assets:
        other = by_name.setdefault(one.name, one)
        if other is not one:
            cells_of = " and ".join(f"{each.cell}, sample {each.sample + 1}" for each in (other, one))
            words = f"{cells_of} would both be named {one.name}: name what tells them apart"
            raise ConfigError(campaign.error(("naming",), words))
