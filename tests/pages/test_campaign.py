"""The page of a campaign: what was made plays, what it cost adds up, and nothing in it can do harm."""

from __future__ import annotations

import re

from pages import campaign
from pages.campaign import Refused, bills, render


def request(
    name: str, state: str = "stored", attempt: int = 0, cost: int = 500_000, **more: object
) -> dict[str, object]:
    return {
        "request_id": name, "attempt": attempt, "engine": "videos-api", "model": "m", "tier": "final",
        "price_as_of": "2026-11-01", "state": state, "frames": 48, "frame_rate": "24000/1001", "currency": "USD",
        "estimated_micros": 500_000, "settled_micros": cost, "cell": "product=a", "shot": "one", "gates": None,
        "reason": None, **more,
    }  # fmt: skip


def asset(name: str, **more: object) -> dict[str, object]:
    return {
        "asset_id": name, "name": name, "cell": f"product={name}", "sample": 0, "product": name, "language": "ar",
        "format": "wide", "platform": None, "width": 1280, "height": 720, "seconds": 6.0, "headline": None,
        "engines": ["videos-api/m"], "settled_micros": 1_000_000, "currency": "USD", "disclosure": None,
        "uri": f"generation/assets/aa/{name}.mp4", "withdrawn": None, "markets": None, "prompts": ["a hill"],
        "requests": ["r-0"], "works": None, "consents": None, "verdict": "allow", "registry_version": 3, "factors": [],
        "loudness": -14.0, "true_peak": None, "lint": None, "steps": None, **more,
    }  # fmt: skip


def test_a_bill_counts_what_was_shared_once_and_failed_attempts_too():
    rows = [request("r"), request("r", "rejected", 1), request("s", "refused", cost=0)]
    (bill,) = bills(rows)
    assert (bill.requests, bill.attempts, bill.estimated, bill.settled) == (2, 3, 1_000_000, 1_000_000)
    assert bill.states == {"refused": 1, "rejected": 1, "stored": 1}
    assert round(bill.seconds, 3) == round(3 * 48 * 1001 / 24000, 3)
    assert [one.tier for one in bills([request("r", tier="b"), request("s", tier="a")])] == ["a", "b"]


def test_every_video_plays_from_beside_the_page_and_a_withdrawn_one_does_not():
    page = render("walk", [asset("here"), asset("gone", withdrawn="no-1")], [request("r")], [], {"here": "approved"})
    assert re.findall(r'<video [^>]*src="([^"]+)"', page) == ["assets/aa/here.mp4#t=3.0"]
    assert "withdrawn: no-1" in page
    assert 'class="chip kept">approved' in page
    assert "1 withdrawn" in page
    assert "unchecked" not in page
    assert "Nothing was refused" in page
    assert "media-src &#39;self&#39; file:" in page


def test_what_was_refused_and_what_was_not_made_say_why():
    refused = [Refused("product=b", "", "words", "“Ada” has no grant", ("no-1", "no-2"))]
    missed = request("bad", "rejected", gates=["black: 60 % of it"])
    page = render("walk", [], [request("r"), missed], refused, {})
    for words in ("“Ada” has no grant", "no-1, no-2", "black: 60 % of it", "Nothing is finished yet", "bad-0"):
        assert words in page


def test_what_strangers_wrote_is_text():
    evil = "<script>alert(1)</script>"
    made = [{**asset("a", headline=evil, prompts=[evil]), "name": evil}]
    missed = [request("r", reason=evil, state="failed")]
    page = render(evil, made, missed, [Refused(evil, evil, "words", evil, ())], {})
    assert evil not in page
    assert page.count("&lt;script&gt;") >= 6


def test_amounts_have_their_currency():
    assert campaign.money(1_234_560_000, "EUR") == "1\u202f234.56\u00a0EUR"
