"""Platforms: the table reads, and says what it is asked."""

from __future__ import annotations

from datetime import date

import pytest

from generation.platforms import lint, platforms


def told(name, width, height, seconds, rate="25", markets=(), click=False):
    return [(one.refused, one.words) for one in lint(name, width, height, seconds, rate, markets, click)]


@pytest.mark.parametrize("name", platforms())
def test_every_platform_names_its_source_and_day_and_takes_something(name):
    one = platforms()[name]
    assert one.source
    assert date.fromisoformat(one.as_of) <= date.today()
    assert set(one.least) <= set(one.ratios)
    assert one.shortest < one.longest
    assert set(one.safe) <= {"top", "right", "bottom", "left"}
    assert one.safe_area.top + one.safe_area.bottom < 0.6
    for shape, (width, height) in one.least.items():
        across, _, down = shape.partition(":")
        assert width * int(down) == height * int(across)


def test_what_fits_is_silent():
    assert told("meta-reels", 1080, 1920, 6) == []
    assert told("youtube-bumper", 1280, 720, 6) == []
    assert told("meta-feed", 1080, 1350, 10) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("meta-reels", 720, 1280, 6), "takes 9:16 from 1080x1920, not 720x1280"),
        (("meta-reels", 1920, 1080, 6), "takes 9:16, not 1920x1080"),
        (("youtube-bumper", 1280, 720, 6.2), "takes 1 to 6 s, not 6.2 s"),
        (("tiktok-in-feed", 720, 1280, 4), "takes 5 to 600 s, not 4 s"),
        (("amazon-streaming-tv", 1920, 1080, 20), "takes 15, 30 s, not 20 s"),
        (("amazon-streaming-tv", 1920, 1080, 45, "25", ("DE",)), "takes 15, 20, 30, 40, 60 s in DE, not 45 s"),
        (("ctv-mezzanine", 1920, 1080, 30, "25"), "takes 24000/1001, 30000/1001 frames a second, not 25"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(asked, words):
    ((refused, said),) = told(*asked)
    assert refused
    assert words in said


def test_lengths_hang_on_the_market():
    assert told("amazon-streaming-tv", 1920, 1080, 20, markets=("DE", "GB")) == []
    assert len(told("amazon-streaming-tv", 1920, 1080, 20, markets=("US", "JP", "DE"))) == 2


def test_a_frame_more_or_less_does_not_matter():
    assert told("youtube-bumper", 1280, 720, 6 + 1 / 24) == []


def test_a_click_is_disliked_where_nobody_can_click():
    assert told("amazon-sponsored-tv", 1920, 1080, 15, click=True)[0][0] is False
