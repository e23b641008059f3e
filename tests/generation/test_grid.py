"""Sizes and lengths on an engine's grid."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.grid import Size, enlarged, lengths, next_length, parts_for, rate_for, size_for
from tests.generation.campaigns import offer

SIDES = st.integers(32, 2160).map(lambda n: 2 * n)
FREE = {"sizes": (), "seconds": (), "frame_rates": ()}


@given(SIDES, SIDES, st.sampled_from([2, 8, 16, 32]), st.sampled_from([64, 256]), st.sampled_from([1280, 1920, 4096]))
def test_a_size_is_on_the_grid_and_covers_where_the_engine_can(width, height, multiple, least, most):
    wanted = Size(width, height)
    found = size_for(offer(**FREE, multiple=multiple, least=least, most=most), wanted)
    assert found is not None
    assert all(side % multiple == 0 and least <= side <= most for side in found)
    if max(wanted) <= most - multiple:
        assert found.width >= width
        assert found.height >= height
        scale = max(Fraction(1), Fraction(least, min(wanted)))
        assert all(side < want * scale + multiple or side == least for side, want in zip(found, wanted, strict=True))


@given(SIDES, SIDES)
def test_of_listed_sizes_none_that_need_not_be_enlarged_is_passed_over(width, height):
    sizes = ((1280, 720), (720, 1280), (1024, 1024), (1920, 1080), (480, 832))
    wanted = Size(width, height)
    found = size_for(offer(sizes=sizes), wanted)
    assert found is not None
    assert enlarged(found, wanted) == min(enlarged(Size(*one), wanted) for one in sizes)


@pytest.mark.parametrize(
    ("wanted", "sizes", "found"),
    [
        ((1280, 720), ((1920, 1080), (1280, 720), (1280, 1280)), (1280, 720)),
        ((1080, 1350), ((1920, 1080), (1080, 1920), (1440, 1440)), (1440, 1440)),
        ((1080, 1920), ((1280, 720), (720, 1280)), (720, 1280)),
    ],
)
def test_the_size_that_loses_least_of_the_picture_is_taken(wanted, sizes, found):
    assert size_for(offer(sizes=sizes), Size(*wanted)) == found


def test_1080_lines_are_asked_for_as_1088_where_sides_are_multiples_of_16():
    assert size_for(offer(**FREE, multiple=16), Size(1920, 1080)) == (1920, 1088)


def test_a_side_that_a_tier_asks_for_keeps_the_shape():
    assert size_for(offer(**FREE, multiple=2), Size(1920, 1080), side=480) == (854, 480)


@given(
    st.integers(1, 5000),
    st.sampled_from(["16", "24", "25", "30000/1001"]),
    st.sampled_from([(1, 0), (4, 1), (8, 1), (8, 0)]),
    st.floats(0.5, 3),
    st.floats(4, 20),
)
def test_parts_are_lengths_the_engine_makes_and_together_long_enough(frames, rate, grid, shortest, longest):
    step, offset = grid
    told = offer(**FREE, frame_step=step, frame_offset=offset, shortest=round(shortest, 2), longest=round(longest, 2))
    known = lengths(told, rate)
    parts = parts_for(told, rate, frames)
    assert parts
    assert all(part in known and (part - offset) % step == 0 for part in parts)
    assert all(part / Fraction(rate) <= Fraction(str(told.longest)) for part in parts)
    assert sum(parts) >= frames
    assert len(parts) == math.ceil(frames / known[-1])
    assert len(parts) == 1 or sum(parts[:-1]) < frames


def test_seconds_that_an_engine_makes_are_rounded_up_to():
    assert parts_for(offer(), "24", 5 * 24) == (6 * 24,)
    assert parts_for(offer(), "24", 10 * 24) == (6 * 24, 4 * 24)


def test_wan_and_ltx_grids_are_asked_for_exactly():
    assert parts_for(offer(**FREE, frame_step=4, frame_offset=1, longest=5.1), "16", 80) == (81,)
    assert parts_for(offer(**FREE, frame_step=8, frame_offset=1, longest=10), "25", 126) == (129,)


@given(st.lists(st.integers(1, 500), min_size=1, unique=True), st.integers(1, 600))
def test_the_next_length_is_the_smallest_that_will_do(known, frames):
    ordered = tuple(sorted(known))
    found = next_length(ordered, frames)
    assert found == min([one for one in known if one >= frames], default=max(known))


@pytest.mark.parametrize(
    ("rates", "wanted", "found"),
    [((), "25", "25"), (("24", "25"), "25", "25"), (("16",), "25", "16"), (("24", "30"), "25", "30"),
     (("30", "50"), "25", "50"), (("30000/1001",), "30000/1001", "30000/1001"), (("24/1",), "24", "24/1")],
)  # fmt: skip
def test_the_rate_is_the_wanted_one_or_one_that_can_be_thinned_out(rates, wanted, found):
    assert rate_for(offer(frame_rates=rates), wanted) == found


def test_an_engine_that_makes_nothing_of_the_kind_gives_nothing():
    assert parts_for(offer(**FREE, shortest=5, longest=4), "24", 10) == ()
    assert size_for(offer(**FREE, least=300, most=200, multiple=64), Size(100, 100)) is None
