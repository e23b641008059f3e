"""What counts as found, false and missed: a table of cases, and what holds for any findings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.scoring import Score, Span, Truth, overlap, read_truth, score
from transforms.settings import ConfigError

CUT, SLOW = (10, 10), (20, 32)
"""A hard cut, and a transition of twelve frames."""


def counts(scored: Score) -> tuple[tuple[int, int, int], tuple[int, int, int], int]:
    hard, gradual = ((len(k.hits), len(k.false), len(k.missed)) for k in (scored.hard, scored.gradual))
    return hard, gradual, len(scored.touched)


@pytest.mark.parametrize(
    ("found", "known", "tolerance", "hard", "gradual", "touched"),
    [
        ([CUT], [CUT], 0, (1, 0, 0), (0, 0, 0), 0),
        ([], [CUT], 0, (0, 0, 1), (0, 0, 0), 0),
        ([(11, 11)], [CUT], 0, (0, 1, 1), (0, 0, 0), 0),
        ([(11, 11)], [CUT], 1, (1, 0, 0), (0, 0, 0), 0),
        ([(11, 11), (9, 9)], [CUT], 1, (1, 1, 0), (0, 0, 0), 0),  # a second one is false
        ([CUT, (11, 11)], [(11, 11), CUT], 1, (2, 0, 0), (0, 0, 0), 0),
        ([(8, 12)], [CUT], 0, (1, 0, 0), (0, 0, 0), 0),  # four frames are a cut
        ([(5, 14)], [CUT], 0, (0, 0, 1), (0, 1, 0), 0),  # nine are not
        ([(12, 12)], [(9, 13)], 0, (1, 0, 0), (0, 0, 0), 0),
        ([SLOW], [SLOW], 0, (0, 0, 0), (1, 0, 0), 0),
        ([(31, 60)], [SLOW], 0, (0, 0, 0), (1, 0, 0), 0),  # one frame is enough
        ([(32, 60)], [SLOW], 5, (0, 0, 0), (0, 1, 1), 0),  # none is not, whatever the tolerance
        ([(20, 26), (26, 32)], [SLOW], 0, (0, 0, 0), (1, 1, 0), 0),
        ([(24, 24)], [SLOW], 0, (0, 0, 0), (0, 0, 1), 1),  # touched: missed, and nothing false
        ([(32, 32)], [SLOW], 0, (0, 0, 0), (0, 0, 1), 1),  # the first clean frame belongs to it
        ([(24, 24), (28, 28)], [SLOW], 0, (0, 1, 0), (0, 0, 1), 1),
        ([SLOW, (24, 24)], [SLOW], 0, (0, 1, 0), (1, 0, 0), 0),
        ([(33, 33)], [SLOW], 0, (0, 1, 0), (0, 0, 1), 0),
        ([(18, 40)], [SLOW, (38, 50)], 0, (0, 0, 0), (1, 0, 1), 0),  # one finding meets one edit
        ([(18, 25), (22, 34)], [SLOW], 0, (0, 0, 0), (1, 1, 0), 0),
    ],
)
def test_what_counts_as_what(
    found: list[Span],
    known: list[Span],
    tolerance: int,
    hard: tuple[int, int, int],
    gradual: tuple[int, int, int],
    touched: int,
):
    assert counts(score(found, known, tolerance)) == (hard, gradual, touched)


def test_the_finding_that_overlaps_most_is_taken_and_among_equals_the_shorter():
    assert score([(18, 25), (22, 34)], [SLOW]).gradual.hits == ((SLOW, (22, 34)),)
    assert score([(10, 40), (18, 34)], [SLOW]).gradual.hits == ((SLOW, (18, 34)),)


def test_how_well_the_ends_agree_is_a_mean_over_what_was_met():
    gradual = score([(26, 38), (100, 110)], [SLOW, (100, 110), (200, 220)]).gradual
    assert gradual.frame_recall == pytest.approx((6 / 12 + 1) / 2)
    assert gradual.frame_precision == pytest.approx((6 / 12 + 1) / 2)
    assert score([], [SLOW]).gradual.frame_recall is None


def test_ratios_come_from_counts_and_scores_add_up():
    one, two = score([CUT, (50, 50)], [CUT, (70, 70), (90, 90)]), score([CUT], [CUT])
    assert (one.hard.precision, one.hard.recall, one.hard.f1) == pytest.approx((1 / 2, 1 / 3, 2 / 5))
    both = one + two
    assert counts(both)[0] == (2, 1, 2)
    assert both.hard.f1 == pytest.approx(4 / 7)
    assert (Score().hard.precision, Score().hard.recall, Score().hard.f1) == (1, 1, 1)
    told = both.to_json()
    assert told["hard"] == {"hits": 2, "false": 1, "missed": 2, "precision": 0.6667, "recall": 0.5, "f1": 0.5714}
    assert told["gradual"]["frame_recall"] is None
    assert json.loads(json.dumps(told)) == told


def test_mistakes_are_named_with_where_they_are():
    truth = Truth({CUT: "cut", SLOW: "dissolve", (60, 80): "wipe"}, 100, ((0, "bright"), (30, "dark")))
    scored = score([(12, 12), (24, 24), (40, 50)], list(truth.edits))
    assert scored.mistakes(truth) == [
        "missed cut 10 (bright)",
        "false cut 12 (bright)",
        "missed dissolve 20 to 31 (dark), though a cut was found in it",
        "false transition 40 to 49 (dark)",
        "missed wipe 60 to 79 (dark)",
    ]


edits = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda e: (e[0], e[0] + e[1])), max_size=8, unique=True
)


@given(edits, edits, st.integers(0, 6), st.randoms())
def test_every_edit_is_met_or_missed_and_every_finding_right_false_or_excused(
    found: list[Span], known: list[Span], tolerance: int, chance: object
):
    scored = score(found, known, tolerance)
    for kind in (scored.hard, scored.gradual):
        assert all(overlap(k, f) >= (1 if kind is scored.gradual else -tolerance) for k, f in kind.hits)
    met = [k for kind in (scored.hard, scored.gradual) for k, _ in kind.hits]
    missed = [k for kind in (scored.hard, scored.gradual) for k in kind.missed]
    assert sorted(met + missed) == sorted(known)
    right = [f for kind in (scored.hard, scored.gradual) for _, f in kind.hits]
    false = [f for kind in (scored.hard, scored.gradual) for f in kind.false]
    assert len(set(right)) == len(right)
    assert len(right) + len(false) + len(scored.touched) == len(found)
    assert set(right) | set(false) <= set(found)
    assert set(scored.touched) <= set(scored.gradual.missed)
    assert score(found[::-1], known[::-1], tolerance) == scored


@given(edits.map(lambda e: [(100 * k, 100 * k + b - a) for k, (a, b) in enumerate(e)]), st.integers(0, 6))
def test_the_truth_itself_is_perfect(known: list[Span], tolerance: int):
    scored = score(known, known, tolerance)
    assert (scored.hard.f1, scored.gradual.f1) == (1, 1)
    assert len(scored.hard.hits) + len(scored.gradual.hits) == len(known)


def test_a_truth_is_read_as_it_is_written(tmp_path: Path):
    path = tmp_path / "truth.json"
    entry = {"frames": 50, "hard": [7], "gradual": [["dissolve", 20, 31]], "shots": [[0, "dark"]]}
    path.write_text(
        json.dumps({"_doc": "words", "a/b.mp4": entry, "c.mp4": {"hard": []}, "bad": {"outcome": "failure"}})
    )
    assert read_truth(path) == {
        "a/b.mp4": Truth({(7, 7): "cut", (20, 32): "dissolve"}, 50, ((0, "dark"),)),
        "c.mp4": Truth({}),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("{", "Expecting"),
        ("[]", "items"),
        ('{"a": {"outcome": "failure"}}', "no entry has `hard`"),
        ('{"a": {"hard": ["x"]}}', "invalid literal"),
        ('{"a": {"hard": 3}}', "not iterable"),
        ('{"a": {"hard": [], "gradual": [["dissolve", 9, 3]]}}', "a: no edit takes the frames 9 to 3"),
        ('{"a": {"hard": [-1]}}', "a: no edit takes the frames -1"),
        ('{"a": {"hard": [], "gradual": [[1, 2]]}}', "not enough values"),
    ],
)
def test_a_truth_that_says_nothing_is_refused_with_its_name(tmp_path: Path, text: str | None, said: str):
    path = tmp_path / "truth.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said) as refused:
        read_truth(path)
    assert "truth.json" in str(refused.value)
