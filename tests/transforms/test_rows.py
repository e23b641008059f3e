from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.records import bucket_of
from transforms.rows import MAX_BYTES, Batch, Collector, bucket_value, decode, encode

ROWS = st.lists(
    st.fixed_dictionaries({"video_id": st.text(max_size=8), "n": st.integers(), "x": st.floats(allow_nan=False)})
)


@given(
    ROWS,
    st.dictionaries(st.tuples(st.text(max_size=4), st.text(max_size=4)), st.integers(0, 9)),
    st.sets(st.text(max_size=4)),
)
def test_a_batch_survives_its_encoding(rows, scopes, gone):
    assert decode(encode(Batch(rows, scopes, gone))) == Batch(rows, scopes, gone)


def test_no_part_is_over_the_limit_and_none_is_lost():
    rows = [{"video_id": str(i), "noise": os.urandom(600).hex()} for i in range(500)]
    gone = {os.urandom(32).hex() for _ in range(3000)}
    parts = list(encode(Batch(rows, {(str(i),): 1 for i in range(500)}, gone)))
    assert len(parts) > 1
    assert max(map(len, parts)) <= MAX_BYTES
    found = decode(parts)
    assert sorted(r["video_id"] for r in found.rows) == sorted(r["video_id"] for r in rows)
    assert len(found.scopes) == 500
    assert found.gone == gone


def test_a_row_too_large_to_travel_is_an_error():
    with pytest.raises(ValueError, match="one row of"):
        list(encode(Batch([{"noise": os.urandom(MAX_BYTES).hex()}])))


def test_a_collector_keeps_rows_and_scopes_of_a_video_in_its_bucket():
    collector = Collector(buckets=8, hold=3)
    for name in ("a", "b"):
        collector.add([("videos", {"video_id": name})], [("videos", name, (name,), 1)], [("clips", name)])
    assert collector.full
    sent = dict(collector.drain())
    assert not collector.full
    assert not list(collector.drain())
    for name in ("a", "b"):
        batch = decode([sent["videos", bucket_of(name, 8)]])
        assert {"video_id": name} in batch.rows
        assert batch.scopes[name,] == 1
        assert name in decode([sent["clips", bucket_of(name, 8)]]).gone


def test_appended_tables_have_one_bucket():
    assert bucket_value("failures", {"video_id": "v"}) is None
    assert bucket_value("sources", {"uri": "u", "video_id": "v"}) == "u"
    assert bucket_value("clips", {"video_id": "v"}) == "v"
    assert bucket_value("verdicts", {"subject": "u", "video_id": None}) == "u"
