"""What shots ask of engines, and what is refused."""

from __future__ import annotations

import pytest

from generation.asking import cost_of
from generation.engines.engine import Licence, Price
from generation.grid import Size
from tests.generation.campaigns import hosted, offer, only, planned, shots, small

UNKNOWN = Price(per_second={}, as_of="", source="")
SMALL_ONLY = Price(per_second={480: 1}, as_of="", source="")
TEXT = frozenset({"text"})
KOREA = {"markets": ["KR"], "languages": {"en": {}}}


def barred(*markets):
    return Licence(name="l", commercial=True, not_in=markets)


def test_references_decide_the_mode(tmp_path):
    references = {
        "first": {"file": "anna.png", "role": "first_frame"}, "last": {"file": "cup.png", "role": "last_frame"},
        "clip": {"file": "clip.mp4", "role": "video"}, "mask": {"file": "flask.png", "role": "mask"},
        "look": {"file": "flask.png", "role": "style"},
    }  # fmt: skip
    some = [["first"], ["first", "last"], ["clip"], ["clip", "mask"], ["look"]]
    boards = shots(*({"references": one} for one in some), {"remixes": "s0"})
    formats = {"wide": {"width": 1280, "height": 720, "seconds": 15}}
    found = planned(tmp_path, small(formats=formats, storyboards=boards, references=references))
    assert [one.request.mode for one in found.requests] == ["image", "frames", "video", "fill", "text", "remix"]


@pytest.mark.parametrize(
    ("told", "changes", "reason", "words"),
    [
        ({"price": UNKNOWN}, {}, "price", "its price is unknown"),
        ({"price": SMALL_ONLY}, {}, "price", "nobody knows its price for 1280x720"),
        ({}, {"budget": {"currency": "EUR", "campaign": 1}}, "price", "its price is in USD, the budget in EUR"),
        ({"licence": Licence(name="research", commercial=False)}, {}, "licence", "research does not allow advertising"),
        ({"licence": barred("DE", "US")}, {}, "licence", "does not apply in"),
        ({"licence": barred("KR")}, KOREA, "licence", "in KR"),
        ({"languages": ("zh",)}, {}, "capability", "reads zh: write prompts in one of them"),
        ({"modes": frozenset({"image"})}, {}, "capability", "has no mode text; it has image"),
        ({"sizes": ((320, 180), (180, 320))}, {}, "capability", "which is enlarged 4.00 times"),
        ({"seconds": (1.0,), "modes": TEXT}, {}, "capability", "goes on from no video: split the shot of 2 s"),
    ],
)  # fmt: skip
def test_what_an_engine_cannot_or_may_not_do_is_refused_with_the_reason(tmp_path, told, changes, reason, words):
    found = only(planned(tmp_path, hosted(**changes), offer(**told)))
    assert found[0] == reason
    assert words in found[1]


def test_a_reference_that_an_engine_does_not_take_is_refused_unless_it_is_left_out(tmp_path):
    told = offer(roles=frozenset())
    reason, words = only(planned(tmp_path, small(tiers={"draft": {"engine": "videos-api:m"}}), told))
    assert reason == "capability"
    assert "takes no subject, which flask.png is" in words
    assert len(planned(tmp_path, hosted(), told).assets) == 16


def test_a_licence_refuses_only_the_markets_it_leaves_out(tmp_path):
    found = planned(tmp_path, hosted(), offer(licence=barred("DE")))
    assert len(found.assets) == 8
    assert all("language=de" in one.cell for one in found.refusals)


def test_a_smaller_side_is_asked_for_and_the_enlarging_told(tmp_path):
    tiers = {"draft": {"engine": "animatic", "side": 480}}
    found = planned(tmp_path, small(tiers=tiers))
    assert {(one.request.width, one.request.height) for one in found.requests} == {(854, 480), (480, 854)}
    assert found.assets[0].lint == ("pictures are enlarged 1.50 times",)


@pytest.mark.parametrize(
    ("size", "frames", "cost"),
    [((854, 480), 24, 30_000), ((1280, 720), 24, 100_000), ((720, 1280), 25, 104_167), ((1920, 1080), 24, None)],
)
def test_a_cost_is_that_of_the_next_larger_side_rounded_up(size, frames, cost):
    price = Price(per_second={480: 30_000, 720: 100_000}, as_of="", source="")
    assert cost_of(price, Size(*size), frames, "24") == cost


def test_a_price_for_each_request_comes_on_top():
    price = Price(per_second={720: 0}, per_request=7, as_of="", source="")
    assert cost_of(price, Size(1280, 720), 24, "24") == 7
