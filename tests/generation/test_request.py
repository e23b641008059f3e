"""Requests: an id of everything that decides what comes back and of nothing else, and seeds that follow from it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.request import MODES, ROLES, Input, Request, Shot

ONE = Request(
    campaign="c", cell="product=a", engine="e", model="m", mode="image", prompt="a hill", width=64, height=64,
    frames=48, frame_rate="24", inputs=(Input(role="image", uri="a.png", sha256="ab", works=("duck",)),),
    shots=(Shot(prompt="a", frames=4),), parameters=(("steps", "4"),),
)  # fmt: skip
OTHERS: dict[str, Any] = {
    "campaign": "d", "cell": "product=b", "sample": 1, "shot": "far", "part": 1, "engine": "f", "model": "n",
    "revision": "2", "tier": "final", "mode": "video", "prompt": "a hall", "negative": "fog", "width": 128,
    "height": 128, "frames": 49, "frame_rate": "25", "sound": True, "inputs": (), "shots": (),
    "parameters": (("steps", "5"),),
}  # fmt: skip


def test_every_field_but_the_registry_decides():
    assert set(OTHERS) | {"policy"} == {field.name for field in dataclasses.fields(Request)}
    ids = {dataclasses.replace(ONE, **{name: value}).request_id for name, value in OTHERS.items()}
    assert len(ids | {ONE.request_id}) == len(OTHERS) + 1
    assert dataclasses.replace(ONE, policy="another").request_id == ONE.request_id


def test_where_a_file_lies_decides_nothing_and_what_is_in_it_does():
    moved, changed = (
        dataclasses.replace(ONE, inputs=(one,))
        for one in (
            dataclasses.replace(ONE.inputs[0], uri="gs://b/a.png"),
            dataclasses.replace(ONE.inputs[0], sha256="cd"),
        )
    )
    assert moved.request_id == ONE.request_id != changed.request_id


@given(st.sampled_from(sorted(MODES)), st.text(max_size=9), st.sampled_from(sorted(ROLES)))
def test_a_way_through_json_changes_nothing(mode: str, prompt: str, role: str):
    inputs = (Input(role=role, request="r"), Input(role=role, sha256="s", uri="u", works=("a", "b")))
    one = dataclasses.replace(ONE, mode=mode, prompt=prompt, inputs=inputs)
    again = Request.from_json(json.loads(json.dumps(one.to_json())))
    assert again == one
    assert again.request_id == one.request_id


def test_seeds_differ_by_campaign_attempt_and_request_and_fit_the_engine():
    seeds = {ONE.seed("s"), ONE.seed("t"), ONE.seed("s", 1), dataclasses.replace(ONE, sample=1).seed("s")}
    assert len(seeds) == 4
    assert ONE.seed("s") == ONE.seed("s")
    for bits in (1, 31, 63):
        assert 0 <= ONE.seed("s", bits=bits) < 2**bits


def test_an_input_is_a_file_or_what_another_request_makes():
    with pytest.raises(ValueError, match="either a file"):
        Input(role="image")
    with pytest.raises(ValueError, match="either a file"):
        Input(role="image", sha256="a", request="b")
    with pytest.raises(ValueError, match="not one of"):
        Input(role="picture", sha256="a")
    with pytest.raises(ValueError, match="not one of"):
        dataclasses.replace(ONE, mode="dream")


def test_the_length_is_that_of_its_frames():
    assert ONE.seconds == 2.0
    assert dataclasses.replace(ONE, frame_rate="24000/1001", frames=24).seconds == pytest.approx(1.001)
