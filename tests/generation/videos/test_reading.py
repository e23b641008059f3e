"""What answers of `/v1/videos` servers mean, by the words of several of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.engines.engine import Invalid, Refused, Throttled, Unsure
from generation.videos.reading import job_of, refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("id", "status", "error", "progress", "usage", "cost", "data")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *[(word, "queued") for word in ("queued", "PENDING", "submitted", "THROTTLED")],
        *[(word, "running") for word in ("in_progress", "RUNNING", "processing")],
        *[(word, "done") for word in ("completed", "SUCCEEDED", "success")],
        *[(word, "failed") for word in ("failed", "cancelled", "paused_by_operator", "", 7)],
        ("expired", "expired"),
        (None, "queued"),
    ],
)
def test_states_are_read_from_the_words_of_several_servers(word, state):
    job = job_of({"id": "v1", "status": word}, {}, 0.0)
    assert job is not None
    assert job.state == state
    if word == "paused_by_operator":
        assert "paused_by_operator" in job.message


@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_whatever_comes_is_a_job_with_an_id_or_none(body):
    job = job_of(body, {}, 0.0)
    assert (job is None) or (
        job.job_id
        and job.state in ("queued", "running", "done", "failed", "filtered", "expired")
        and 0 <= job.progress <= 1
        and (job.cost is None or job.cost >= 0)
    )


@pytest.mark.parametrize(
    ("cost", "micro"),
    [
        ({"usage": {"cost": 0.12}}, 120_000),
        ({"cost": "0.000001"}, 1),
        ({"cost": -1}, None),
        ({"cost": True}, None),
        ({"usage": {"cost": "NaN"}, "cost": 2}, 2_000_000),
        ({}, None),
    ],
)
def test_what_a_job_cost_is_exact(cost, micro):
    job = job_of({"id": "v1", "status": "completed", **cost}, {}, 0.0)
    assert job is not None
    assert job.cost == micro


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, '{"error": {"code": "moderation_blocked"}}', Refused),
        (403, '{"error": {"code": "SAFETY.INPUT.TEXT"}}', Refused),
        (429, '{"error": {"code": "insufficient_quota"}}', Invalid),
        (429, "", Throttled),
        (425, "", Throttled),
        (503, "", Unsure),
        (408, "", Unsure),
        (409, "", Unsure),
        (302, "", Invalid),
        (404, "", Invalid),
        (422, '{"detail": "no such size"}', Invalid),
        *[(status, "", Unsure) for status in (500, 502, 504, 529)],
    ],
)
def test_only_an_answer_that_refuses_says_that_there_is_no_job(status, body, error):
    assert type(refusal(status, {}, body, "", 0.0)) is error


def test_a_key_in_a_servers_words_is_taken_out():
    error = refusal(400, {}, '{"detail": "bad header Bearer sk-abc\\n at http://me:pw@host/x"}', "sk-abc", 0.0)
    assert "sk-abc" not in error.message
    assert "pw" not in error.message
    assert "\n" not in error.message
