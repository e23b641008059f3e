"""Report: in = kept + dropped + failed at every step, or it is said which step does not add up."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import report
from pipelines.report import Step
from tests.pipelines import corpora
from transforms import tables

CURATE_TALLY = {"list.in": 9, "list.repeated": 1, "sources.in": 7, "sources.out": 5}


def summaries(**failures: int) -> dict[str, list[dict]]:
    """What a run of curate wrote, in two buckets: 5 sources of 4 videos, 6 clips of which 4 kept."""
    return {
        "sources": [{"rows": 2}, {"rows": 3}],
        "videos": [{"rows": 1}, {"rows": 3}],
        "clips": [
            {"rows": 4, "expected": 4, "kept": 3, "reasons": {"too_short": 1}},
            {"rows": 2, "expected": 2, "kept": 1, "reasons": {"black": 1, "too_short": 1}},
        ],
        "captions": [{"rows": 4, "expected": 4, "kept": 4}],
        "failures": [{"rows": 3, "classes": {k.replace("__", "/"): n for k, n in failures.items()}}],
    }


def test_a_run_that_adds_up():
    steps = report.balance(CURATE_TALLY, summaries(list__bad_list=1, probe__not_media=1, read__unreachable=1))
    assert steps == [
        Step("list", 9, 7, {"repeated": 1}, 1, {"bad_list": 1}),
        Step("sources", 7, 5, {}, 0, {"not_media": 1, "unreachable": 1}),
        Step("videos", 5, 4, {"same_bytes": 1}, 1, {}),
        Step("clips", 6, 4, {"too_short": 2, "black": 1}, 2, {}),
        Step("captions", 4, 4, {}, 0, {}),
    ]
    assert report.problems(steps, ["", ""]) == []


@pytest.mark.parametrize(
    ("tally", "change", "broken"),
    [
        ({"list.in": 10}, {}, ["list"]),
        ({"sources.in": 8}, {}, ["list", "sources"]),
        ({}, {"probe__not_media": 2}, ["sources"]),
        ({}, {"list__bad_list": 2}, ["list"]),
        ({"sources.out": 4}, {}, ["videos"]),
    ],
)
def test_whatever_is_lost_or_counted_twice_breaks_its_step(tally, change, broken):
    failures = {"list__bad_list": 1, "probe__not_media": 1, "read__unreachable": 1} | change
    steps = report.balance(CURATE_TALLY | tally, summaries(**failures))
    found = report.problems(steps, [])
    assert [text.split(":")[0] for text in found] == broken
    assert [s.step for s in steps if not s.adds_up] == broken


@pytest.mark.parametrize(
    ("table", "bucket", "name", "count", "broken"),
    [
        ("sources", 0, "rows", 1, ["sources", "videos"]),
        ("clips", 0, "rows", 3, ["clips"]),
        ("clips", 0, "expected", 5, ["clips"]),
        ("captions", 0, "rows", 3, ["captions"]),
    ],
)
def test_a_row_that_was_not_written_is_noticed(table, bucket, name, count, broken):
    wrote = summaries(list__bad_list=1, probe__not_media=1, read__unreachable=1)
    wrote[table][bucket][name] = count
    assert [s.step for s in report.balance(CURATE_TALLY, wrote) if not s.adds_up] == broken


def test_a_recut_counts_videos_instead_of_sources():
    steps = report.balance(
        {"videos.in": 3, "videos.out": 2},
        {"clips": [{"rows": 5, "expected": 5, "kept": 5}], "failures": [{"rows": 1, "classes": {"scenes/storage": 1}}]},
    )
    assert [s.step for s in steps] == ["videos", "clips", "captions"]
    assert steps[0] == Step("videos", 3, 2, {}, 0, {"storage": 1})
    assert all(s.adds_up for s in steps)


def test_a_run_without_work_adds_up():
    steps = report.balance({"list.in": 0}, {})
    assert [(s.step, s.came, s.adds_up) for s in steps] == [("list", 0, True)]


def test_what_the_merges_found_is_told_too():
    assert report.problems([Step("clips", 1, 1, {}, 0, {})], ["", "clips: 3 rows where 4 were made"]) == [
        "clips: 3 rows where 4 were made"
    ]


COUNTS = st.integers(0, 1000)
CLASSES = st.dictionaries(st.sampled_from(["unreachable", "not_media", "crashed"]), COUNTS)


@given(COUNTS, COUNTS, COUNTS, CLASSES)
def test_a_step_adds_up_exactly_when_its_numbers_do(came, kept, dropped, failed):
    step = Step("sources", came, kept, {}, dropped, failed)
    assert step.adds_up == (came == kept + dropped + sum(failed.values()))
    assert bool(report.problems([step], [])) == (not step.adds_up)
    told = step.to_json()
    assert (told["in"], told["kept"], told["dropped_total"], told["failed"]) == (came, kept, dropped, failed)


@pytest.mark.parametrize(
    ("came", "failed", "least", "refused"),
    [
        (100, {}, 1, ""),
        (100, {"not_media": 10}, 1, ""),
        (100, {"not_media": 11}, 1, "--failure-ratio"),
        (100, {"not_media": 6, "crashed": 5}, 1, "--failure-ratio"),
        (100, {"not_media": 11}, 11, "--failure-ratio"),
        (100, {"not_media": 11}, 12, ""),
        (100, {"unreachable": 20}, 1, ""),
        (100, {"unreachable": 21}, 1, "--unreachable-ratio"),
        (100, {"unreachable": 20, "not_media": 10}, 1, ""),
        (100, {"unreachable": 21, "not_media": 11}, 1, "--failure-ratio"),
        (2, {"not_media": 2}, 20, ""),
        (0, {}, 1, ""),
    ],
)
def test_a_run_is_refused_over_its_ratios_and_not_at_them(came, failed, least, refused):
    step = Step("sources", came, came - sum(failed.values()), {}, 0, failed)
    told = report.over_ratio(step, 0.1, 0.2, least)
    assert bool(told) == bool(refused)
    assert refused in told
    if refused:
        assert f"of {came} sources" in told
        assert "stays in the store" in told


@given(COUNTS, CLASSES, st.floats(0, 1), st.floats(0, 1), st.integers(1, 50))
def test_fewer_failures_than_the_least_never_refuse_and_a_ratio_of_one_never_does(came, failed, ratio, away, least):
    step = Step("sources", came + sum(failed.values()), came, {}, 0, failed)
    assert report.over_ratio(step, 1, 1, least) == ""
    if sum(failed.values()) < least:
        assert report.over_ratio(step, ratio, away, least) == ""


def test_the_report_of_a_real_run_adds_up_and_is_what_the_tables_hold(curated):
    corpus = tables.open_corpus(str(curated))
    for row in corpora.runs(curated):
        told = json.loads((curated / "runs" / row["run_id"] / "report.json").read_text())
        assert told["balance"] == json.loads(row["balance"])
        assert (told["decoded_frames"], told["read_bytes"]) == (row["decoded_frames"], row["read_bytes"])
        for name, step in told["balance"].items():
            assert step["in"] == step["kept"] + step["dropped_total"] + sum(step["failed"].values()), name
        clips = tables.read(corpus, "clips", row["commit"]).to_pylist()
        assert told["balance"]["clips"]["in"] == len(clips)
        assert told["balance"]["clips"]["kept"] == sum(c["kept"] for c in clips)
        reasons = [r for c in clips for r in c["reasons"] or ()]
        assert told["balance"]["clips"]["dropped"] == {r: reasons.count(r) for r in reasons}
        assert told["kept_seconds"] == pytest.approx(sum(c["seconds"] for c in clips if c["kept"]))
    first = json.loads(corpora.runs(curated)[0]["balance"])
    assert first["sources"]["in"] == len(corpora.SOURCES)
    assert first["sources"]["kept"] == corpora.GOOD
    assert first["videos"]["dropped"] == {"same_bytes": corpora.GOOD - corpora.VIDEOS}


def test_captions_that_a_model_was_asked_for_are_held_against_what_came():
    tally = {
        "clips.in": 0,
        "captions.asked": 10,
        "captions.answered": 7,
        "captions.withheld": 2,
        "transcripts.asked": 3,
    }
    written = {
        "captions": [{"rows": 11, "expected": 12, "withheld": 1, "kept": 9, "reasons": {"refusal": 2}}],
        "failures": [{"rows": 4, "classes": {"caption/unreachable": 1, "speech/damaged": 3}}],
    }
    captions, transcripts = report.balance(tally, written)[-2:]
    assert captions == Step("captions", 15, 9, {"refusal": 2, "withheld": 3}, 5, {"unreachable": 1})
    assert transcripts == Step("transcripts", 3, 0, {}, 0, {"damaged": 3})
    assert report.problems([captions, transcripts], []) == []
    (lost,) = report.problems(report.balance({**tally, "captions.asked": 11}, written), [])
    assert lost.startswith("captions: in 16 is not kept 9")
    assert "3 of 3 transcripts failed" in report.over_ratio(transcripts, 0.1, 0.1, 2)
