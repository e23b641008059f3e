"""Plots: every clip is counted once, limits are where they are set, the flow holds what the balance holds, and Plotly
takes the figures."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages import plots
from pages.plots import Limit, Measure

SECONDS = next(m for m in plots.MEASURES if m.name == "seconds")
LUMA = next(m for m in plots.MEASURES if m.name == "luma")
BALANCE: dict[str, dict[str, Any]] = {
    "list": {"in": 24, "kept": 22, "dropped": {"repeated": 2}, "dropped_total": 2, "failed": {}},
    "sources": {"in": 22, "kept": 20, "dropped": {}, "dropped_total": 0, "failed": {"damaged": 2}},
    "videos": {"in": 20, "kept": 19, "dropped": {"same_bytes": 1}, "dropped_total": 1, "failed": {}},
    "clips": {"in": 100, "kept": 60, "dropped": {"black": 30, "still": 20}, "dropped_total": 40, "failed": {}},
    "captions": {"in": 120, "kept": 120, "dropped": {}, "dropped_total": 0, "failed": {}},
}


def in_black(value: Any) -> Any:
    """A figure whose names of colours are colours, as the page's script makes it."""
    if isinstance(value, dict):
        return {k: in_black(v) for k, v in value.items()}
    if isinstance(value, list):
        return [in_black(v) for v in value]
    return "#000" if isinstance(value, str) and value.startswith("--") else value


def valid(figure: dict[str, Any]) -> None:
    """Held against Plotly's own schema: a name that it does not know, or a wrong value, raises."""
    graph_objects = pytest.importorskip("plotly.graph_objects")
    graph_objects.Figure(in_black(copy.deepcopy(figure)))


@given(
    st.lists(st.floats(0, 1e4), min_size=1, max_size=60),
    st.sampled_from([SECONDS, LUMA]),
    st.lists(st.floats(0, 1e4), max_size=2),
)
def test_every_clip_is_in_one_bar_and_bars_are_told_apart(numbers, measure, limits):
    values = np.array(numbers)
    kept = np.arange(len(values)) % 3 == 0
    figure = plots.distribution(measure, values, kept, [Limit("x", limit, True) for limit in limits])
    counted = {bars["name"]: sum(bars["y"]) for bars in figure["data"]}
    assert counted == {"kept": kept.sum(), "dropped": (~kept).sum()}
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < high
    assert all(low <= line["x0"] <= high for line in figure["layout"]["shapes"])


@pytest.mark.parametrize("measure", plots.MEASURES, ids=lambda m: m.name)
def test_plotly_takes_every_distribution(measure):
    values = np.linspace(0.01, 200, 500)
    limits = [Limit("least", 1.0, True), Limit("most", 100.0, False)]
    figure = plots.distribution(measure, values, values > 50, limits)
    valid(figure)
    assert [a["text"] for a in figure["layout"]["annotations"]] == ["at least 1", "at most 100"]


def test_a_limit_far_from_every_value_is_left_out_of_the_picture():
    figure = plots.distribution(LUMA, np.linspace(100, 110, 50), np.ones(50, bool), [Limit("x", 5.0, True)])
    assert figure["layout"]["shapes"] == []
    assert figure["layout"]["xaxis"]["range"][0] > 90


def test_one_value_alone_has_a_bar():
    figure = plots.distribution(SECONDS, np.array([3.0]), np.array([True]), [])
    assert sum(figure["data"][0]["y"]) == 1


def test_limits_are_those_of_the_configuration():
    config = {"quality": {"min_seconds": 2, "max_motion": None}, "cut": {"max_seconds": 60.0}}
    assert plots.limits_of(SECONDS, config) == [Limit("min_seconds", 2.0, True), Limit("max_seconds", 60.0, False)]
    assert plots.limits_of(Measure("motion", "", least="quality.min_motion", most="quality.max_motion"), config) == []
    assert plots.limits_of(LUMA, config) == plots.limits_of(SECONDS, {}) == []


def test_the_flow_holds_every_count_of_the_balance():
    figure = plots.flow(BALANCE)
    assert figure is not None
    valid(figure)
    (sankey,) = figure["data"]
    assert sankey["node"]["label"] == [
        "listed 24", "sources 22", "repeated 2", "videos 20", "damaged 2", "clips 100", "same bytes 1", "kept 60",
        "dropped 40", "black 30", "still 20",
    ]  # fmt: skip
    labels = sankey["node"]["label"]
    links = zip(*(sankey["link"][k] for k in ("source", "target", "value")), strict=True)
    width = {(labels[s], labels[t]): v for s, t, v in links}
    # Shares of what reached a step; several reasons of one clip share the width of what was dropped.
    clips = width["videos 20", "clips 100"]
    assert width["clips 100", "kept 60"] == pytest.approx(0.6 * clips, rel=1e-3)
    assert width["clips 100", "dropped 40"] == pytest.approx(0.4 * clips, rel=1e-3)
    assert width["dropped 40", "black 30"] == pytest.approx(0.6 * width["clips 100", "dropped 40"], rel=1e-3)


def test_a_list_without_loss_is_not_drawn_and_an_ingest_ends_with_its_videos():
    step = {"in": 3, "kept": 3, "dropped": {}, "dropped_total": 0, "failed": {}}
    figure = plots.flow({"list": step, "sources": step, "videos": step})
    assert figure is not None
    assert figure["data"][0]["node"]["label"] == ["sources 3", "videos 3", "videos kept 3"]


def test_the_flow_ends_where_everything_failed_and_nothing_flows_from_nothing():
    figure = plots.flow({"sources": {**BALANCE["sources"], "in": 2, "kept": 0}, "videos": {"in": 0}})
    assert figure is not None
    assert figure["data"][0]["node"]["label"] == ["sources 2", "damaged 2"]
    assert plots.flow({"sources": {"in": 0}}) is plots.flow({}) is None


def test_one_failure_of_a_million_can_be_seen():
    many = {"in": 1_000_000, "kept": 999_999, "dropped": {}, "dropped_total": 0, "failed": {"crashed": 1}}
    figure = plots.flow({"sources": many})
    assert figure is not None
    assert min(figure["data"][0]["link"]["value"]) > 0.01
