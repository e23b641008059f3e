"""Plans: what is shared, what is refused, and ids that stay as long as nothing that matters changes."""

from __future__ import annotations

import dataclasses
import json
import random
from fractions import Fraction

import pytest

from generation.asset import Asset, Shown, Subtitle
from generation.plans import money
from generation.prompts import PreparedWords
from generation.works import WorksAnswer
from tests.generation.campaigns import SMALL, as_said, hosted, ids, offer, only, planned, shots, small
from transforms.settings import ConfigError


def test_a_picture_is_asked_for_once_however_many_cells_need_it(tmp_path):
    found = planned(tmp_path)
    assert (found.cells, len(found.assets), len(found.refusals)) == (16, 16, 0)
    by_cell = {(one.request.cell, one.request.shot, one.request.width): one.cells for one in found.requests}
    assert by_cell == {
        **{
            (f"audience={name}/storyboard=main", "place", width): 4
            for name in ("hikers", "riders")
            for width in (1280, 720)
        },
        **{(f"product={name}/storyboard=main", "hero", width): 4 for name in ("flask", "cup") for width in (1280, 720)},
    }
    assert set.union(*(set(one.requests) for one in found.assets)) == ids(found)
    assert len({one.asset_id for one in found.assets}) == 16


def test_ids_and_seeds_do_not_hang_on_the_order_of_the_file_or_on_what_is_added(tmp_path):
    before = planned(tmp_path)
    turned = {name: dict(reversed(part.items())) if isinstance(part, dict) else part for name, part in SMALL.items()}
    assert ids(planned(tmp_path, turned)) == ids(before)
    more = small(languages={**SMALL["languages"], "en-GB": {"markets": ["GB"]}}, samples=2)
    more["audiences"]["cooks"] = {"place": "a kitchen", "headline": "Warm"}
    after = planned(tmp_path, more)
    assert ids(before) < ids(after)
    assert {one.asset_id for one in before.assets} < {one.asset_id for one in after.assets}


def test_copy_is_no_part_of_a_request_and_a_prompt_is(tmp_path):
    before = ids(planned(tmp_path))
    assert ids(planned(tmp_path, small(copy={"headline": "Other words"}))) == before
    boards = json.loads(json.dumps(SMALL["storyboards"]).replace("on a stone", "on a log"))
    after = ids(planned(tmp_path, small(storyboards=boards)))
    assert len(before & after) == 4


def test_another_picture_of_the_product_is_another_request(tmp_path):
    before = planned(tmp_path)
    (tmp_path / "cup.png").write_bytes(b"another cup")
    after = planned(tmp_path)
    changed = ids(before) - ids(after)
    assert {one.request.cell for one in before.requests if one.request.request_id in changed} == {
        "product=cup/storyboard=main"
    }


def test_an_asset_survives_the_way_through_json(tmp_path):
    found = planned(tmp_path, small(products={**SMALL["products"]}), disclose=lambda one: f"label {one.name}")
    for one in found.assets:
        assert Asset.from_json(json.loads(json.dumps(one.to_json()))) == one
        assert one.copy.disclosure == f"label {one.name}"
        assert one.end_card is not None
        assert one.end_card.picture is not None


def test_a_shot_longer_than_the_engine_makes_is_chained(tmp_path):
    formats = {"wide": {"width": 1280, "height": 720, "seconds": 20, "frame_rate": "25"}}
    found = planned(tmp_path, hosted(formats=formats, storyboards=shots({}, card=False)), offer())
    parts = [one.request for one in found.requests]
    assert [(one.part, one.mode, one.frames, one.frame_rate) for one in parts] == [
        (0, "text", 192, "24"), (1, "extend", 144, "24"), (2, "extend", 144, "24")
    ]  # fmt: skip
    assert [one.inputs and one.inputs[0].request for one in parts] == [(), parts[0].request_id, parts[1].request_id]
    assert found.assets[0].shots[0].requests == tuple(one.request_id for one in parts)
    assert sum(one.seconds for one in parts) >= 20
    assert [one.cost for one in found.requests] == [800_000, 600_000, 600_000]


def test_takes_are_never_shorter_than_what_is_cut_from_them(tmp_path):
    for seed in range(20):
        dice = random.Random(seed)
        seconds = dice.choice([5, 6, 10, 15, 30])
        rate = dice.choice(["25", "30000/1001", "24"])
        formats = {"wide": {"width": 1280, "height": 720, "seconds": seconds, "frame_rate": rate}}
        some = [{"transition": dice.choice(["cut", "dissolve", "fade"])} for _ in range(dice.randint(1, 5))]
        found = planned(tmp_path, hosted(formats=formats, storyboards=shots(*some)), offer())
        lengths = {one.request.request_id: one.request.seconds for one in found.requests}
        for one in found.assets:
            for shot in one.shots:
                wanted = shot.frames / Fraction(one.format.frame_rate)
                assert sum(lengths[name] for name in shot.requests) >= wanted - Fraction(1, 1000)


def test_a_shot_that_goes_on_from_another_waits_for_it_and_comes_after_it(tmp_path):
    boards = shots({}, {"continues": "s0"}, {"continues": "s1"})
    found = planned(tmp_path, hosted(storyboards=boards), offer())
    seen: set[str] = set()
    for one in found.requests:
        assert all(each.request in seen for each in one.request.inputs if each.request)
        seen.add(one.request.request_id)
    assert [one.request.mode for one in found.requests if one.request.width == 1280] == ["text", "extend", "extend"]


def test_the_same_person_and_product_go_to_every_shot(tmp_path):
    references = {"anna": {"file": "anna.png", "likeness": "person:anna", "works": ["character:fox"]}}
    boards = shots({"product": True}, {"product": True}, subjects=["anna"])
    allow = lambda asked: [WorksAnswer(verdict="allow") for _ in asked]  # noqa: E731
    found = planned(tmp_path, small(storyboards=boards, references=references), works=allow)
    for one in found.requests:
        roles = [(each.role, each.works) for each in one.request.inputs]
        assert roles == [("subject", ("character:fox", "person:anna")), ("subject", ())]
    assert {one.works for one in found.assets} == {("character:fox", "person:anna")}


def test_all_shots_in_one_request(tmp_path):
    boards = shots({"seconds": 2}, {"seconds": 1.5, "transition": "dissolve"}, {"seconds": 1}, one_request=True)
    told = offer(modes=frozenset({"text", "storyboard"}))
    found = planned(tmp_path, hosted(storyboards=boards), told)
    one = found.requests[0].request
    assert (one.mode, one.shot, one.frames, [each.frames for each in one.shots]) == (
        "storyboard",
        "main",
        144,
        [48, 36, 60],
    )
    assert [(shot.start, shot.frames) for shot in found.assets[0].shots] == [(0, 112)]
    reason, words = only(planned(tmp_path, hosted(storyboards=boards), offer()))
    assert (reason, "one shot at a time" in words) == ("capability", True)


def test_what_is_spoken_is_asked_for_in_each_language_and_what_is_read_is_not(tmp_path):
    line = {"text": {"en": "Still hot.", "de": "Noch heiß."}, "at": 0.5}
    formats = {"wide": {"width": 1280, "height": 720, "seconds": 4}}
    for spoken, count in ((True, 2), (False, 1)):
        boards = shots({"seconds": 2, "dialogue": [{**line, "spoken": spoken}]})
        found = planned(tmp_path, small(formats=formats, storyboards=boards))
        assert len(found.requests) == count
        assert {one.copy.subtitles for one in found.assets if one.copy.language == "de"} == {
            (Subtitle(start=12, end=50, text="Noch heiß."),)
        }
    silent = planned(tmp_path, hosted(formats=formats, storyboards=shots({"seconds": 2, "dialogue": [line]})), offer())
    assert len(silent.requests) == 1


def test_copy_is_filled_in_the_language_of_the_cell_and_timed(tmp_path):
    found = planned(tmp_path)
    by_cell = {
        (one.copy.language, dict(pair.split("=") for pair in one.cell.split("/"))["audience"]): one
        for one in found.assets
    }
    assert by_cell["de", "hikers"].copy.headline == "Hinauf"
    assert by_cell["de", "hikers"].copy.legal == ("inkl. MwSt.",)
    assert by_cell["en", "riders"].copy.legal == ()
    assert by_cell["en", "riders"].copy.shown == (Shown(role="headline", start=50, end=112),)


def test_words_are_given_once_each_with_everything_that_is_screened(tmp_path):
    asked = []

    def words(some):
        asked.extend(some)
        return as_said(some)

    planned(tmp_path, small(brand={"name": "Lumbrel", "banned": ["best"]}), words=words)
    assert len(asked) == len(set(asked))
    first = next(one for one in asked if one.speech == "de" and one.product == "cup" and "ridge" in one.text)
    assert (first.language, first.markets, first.beside, first.banned) == (
        "en",
        ("DE",),
        (("de", "Hinauf"),),
        ("best",),
    )


def test_words_that_may_not_be_sent_refuse_their_cells_alone(tmp_path):
    def words(some):
        return [
            dataclasses.replace(one, verdict="deny", reasons=("why",), entries=("e1",)) if asked.speech == "de" else one
            for asked, one in zip(some, as_said(some), strict=True)
        ]

    found = planned(tmp_path, words=words)
    assert len(found.assets) == 8
    assert {(one.reason, one.shot, one.words, one.entries) for one in found.refusals} == {
        ("words", "place", "deny: why", ("e1",))
    }
    assert all("language=de" in one.cell for one in found.refusals)
    assert {one.cells for one in found.requests} == {2}


def test_a_rewritten_prompt_is_what_is_sent_and_decides_the_id(tmp_path):
    def words(some):
        return [PreparedWords(prompt=f"{one.text}!", source=one.text, rewriter="r") for one in some]

    found = planned(tmp_path, words=words)
    assert all(one.request.prompt.endswith("!") and one.words.rewriter == "r" for one in found.requests)
    assert not ids(found) & ids(planned(tmp_path))


def test_works_in_references_need_a_registry_and_its_yes(tmp_path):
    references = {"anna": {"file": "anna.png", "likeness": "person:anna"}}
    values = small(storyboards=shots({}, subjects=["anna"]), references=references)
    assert only(planned(tmp_path, values))[0] == "works"
    asked = []

    def works(some):
        asked.extend(some)
        return [WorksAnswer(verdict="deny" if "DE" in one.markets else "allow", words=("no",)) for one in some]

    found = planned(tmp_path, values, works=works)
    assert len(found.assets) == len(found.refusals) == 8
    assert {one.components for one in asked} == {("character", "face", "picture")}
    assert {(one.works, one.language) for one in asked} == {(("person:anna",), "en"), (("person:anna",), "de")}


def test_a_platform_refuses_what_it_does_not_take_and_dislikes_the_rest(tmp_path):
    formats = {
        "wide": {"width": 1280, "height": 720, "seconds": 6, "platform": "amazon-streaming-tv"},
        "tall": {"width": 720, "height": 1280, "seconds": 6, "platform": "tiktok-in-feed"},
    }
    found = planned(tmp_path, small(formats=formats))
    assert {one.reason for one in found.refusals} == {"platform"}
    assert all("format=wide" in one.cell for one in found.refusals)
    assert "1920x1080, not 1280x720" in found.refusals[0].words
    assert found.assets[0].format.safe_area.bottom == 0.28
    formats = {"tv": {"width": 1920, "height": 1080, "seconds": 15, "platform": "amazon-streaming-tv"}}
    copy = {"headline": "Up", "call_to_action": "Buy"}
    made = planned(tmp_path, small(formats=formats, copy=copy)).assets[0]
    assert made.lint == ("Amazon Streaming TV does not allow texts that ask to click: leave out the call to action",)
    assert (made.format.loudness, made.format.most_bytes, made.format.least_kbps) == (-24, 500_000_000, 15000)


def test_a_timeline_that_does_not_fit_is_refused(tmp_path):
    assert only(planned(tmp_path, small(storyboards=shots({"seconds": 9}))))[0] == "timeline"


def test_a_line_that_has_no_time_is_refused(tmp_path):
    boards = shots({"seconds": 2, "dialogue": [{"text": "Late.", "at": 2.5}]})
    assert only(planned(tmp_path, small(storyboards=boards))) == (
        "copy",
        "dialogue of shot s0: no time for “Late.” at 2.5 s",
    )


def test_exclusions_leave_cells_out_and_one_that_does_nothing_is_told(tmp_path):
    rules = [{"product": "cup", "language": ["de"]}, {"product": "cup", "language": "de", "format": "wide"}]
    found = planned(tmp_path, small(exclude=rules))
    assert (found.cells, found.excluded, len(found.assets)) == (16, 4, 12)
    assert [note.split(": ", 1)[1] for note in found.notes] == [
        "exclude[1]: no cell falls under it that another does not leave out already"
    ]


def test_samples_are_other_requests_with_other_seeds(tmp_path):
    found = planned(tmp_path, small(samples=3))
    assert (len(found.assets), len(found.requests)) == (48, 24)
    seeds = {one.request.seed("salt") for one in found.requests}
    assert len(seeds) == 24


def test_rows_make_the_matrix_and_bring_words(tmp_path):
    (tmp_path / "cells.csv").write_text(
        "id,product,language,format,audience,headline,samples,city\n"
        "a,flask,en,wide,hikers,Own words,2,Bergen\nb,cup,de,wide,hikers,,,Graz\nc,cup,de,wide,hikers,,,Wien\n"
    )
    boards = shots({"prompt": "a street in {row.city}"}, {})
    found = planned(tmp_path, small(matrix={"rows": "cells.csv"}, storyboards=boards))
    assert [(one.cell.split("/")[-1], one.sample, one.copy.headline) for one in found.assets] == [
        ("row=a", 0, "Own words"), ("row=a", 1, "Own words"), ("row=b", 0, "Hinauf"), ("row=c", 0, "Hinauf")
    ]  # fmt: skip
    streets = [one.request for one in found.requests if one.request.shot == "s0"]
    assert [one.prompt for one in streets] == ["a street in Bergen"] * 2 + ["a street in Graz", "a street in Wien"]
    assert len({one.cell for one in streets}) == 3


def test_variants_are_compared_and_named(tmp_path):
    variants = {"hook": {"ask": {"line": "Cold?"}, "tell": {"line": "Warm."}}}
    naming = "{hook}_{product.name}_{audience}_{language}_{format}_{sample}"
    values = small(variants=variants, copy={"headline": "{hook.line}"}, compare=["audience"], naming=naming)
    found = planned(tmp_path, values)
    assert len(found.assets) == 32
    assert len(found.requests) == 8
    assert found.assets[0].factors == (("audience", "hikers"), ("hook", "ask"))
    assert found.assets[0].name == "ask_Flask_hikers_en_wide_1"


def test_two_files_of_one_name_are_told(tmp_path):
    with pytest.raises(
        ConfigError, match=r"campaign\.yaml:\d+: naming: .* would both be named flask_en: name what tells"
    ):
        planned(tmp_path, small(naming="{product}_{language}"))


def test_a_plan_over_budget_and_an_engine_that_rewrites_are_told(tmp_path):
    values = hosted(budget={"campaign": "1.50"})
    values["storyboards"]["main"]["shots"][0]["negative"] = "text"
    found = planned(tmp_path, values, offer(rewrites="unknown", negative=False))
    told = " ".join(found.notes)
    assert "budget.campaign: the plan costs 3.20 USD, and the budget is 1.50: requests beyond it are held" in told
    assert "takes no negative prompt: it is not sent" in told
    assert "may rewrite prompts itself" in told
    assert all(one.request.negative == "" for one in found.requests)


def test_estimates_count_money_exactly_and_time_by_lanes(tmp_path):
    tiers = {"draft": {"engine": "videos-api:m", "leave_out": ["subject"], "job_seconds": 90, "in_flight": 3}}
    (one,) = planned(tmp_path, small(tiers=tiers, attempts=3), offer(per_minute=2)).estimates
    assert (one.requests, one.cost, one.most, one.in_flight) == (8, 3_200_000, 9_600_000, 3)
    assert (one.wall_seconds, one.assumed, one.price_as_of) == (270, False, "2026-11-01")
    (one,) = planned(tmp_path, small(tiers=tiers), offer(per_minute=1)).estimates
    assert one.wall_seconds == 480


@pytest.mark.parametrize(
    ("micro", "told"),
    [(0, "0.00"), (1, "0.000001"), (12_500_000, "12.50"), (1_234_567_890_000, "1,234,567.89"), (-5_000, "-0.005")],
)
def test_money_is_told_exactly(micro, told):
    assert money(micro) == told
