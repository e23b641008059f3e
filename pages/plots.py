"""Plots: the balance as a flow and the measures as distributions, as figures for Plotly.

Figures are plain mappings. A colour in them is the name of a custom property of the page's style (`--kept`, or
`--kept/0.3` with an opacity), which the page's script replaces by what it is in the theme of the moment. Values are
counted into bars here, so that a figure is of one size whatever the corpus.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pages.rendering import count, number, words

Floats = npt.NDArray[np.float64]
Figure = dict[str, Any]

_BARS: Final = 36
"""Bars of a distribution: enough for its shape, few enough to be touched with a finger."""
_TAIL: Final = 0.995
"""Share of values that a distribution on an even scale spans; what lies beyond counts in its last bar."""
_THINNEST: Final = 0.012
"""Smallest width of a branch, as a share of the whole, so that one failure of a million can be seen."""


class Limit(NamedTuple):
    """A limit in force: the option's name, its value, and whether values below it (else above) are dropped."""

    option: str
    value: float
    least: bool


class Measure(NamedTuple):
    """A measure that is drawn.

    Attributes:
        name: As in the table, or what is made of its columns.
        title: As a heading.
        unit: Its unit, empty where it has none.
        log: Spread over powers of ten.
        floor: Smallest value that a scale of powers shows; smaller ones count in the first bar.
        least: The option of the least allowed, as `group.option`; empty where there is none.
        most: The same of the most allowed.
    """

    name: str
    title: str
    unit: str = ""
    log: bool = False
    floor: float = 0.0
    least: str = ""
    most: str = ""


MEASURES: Final = (
    Measure("seconds", "Duration", "s", True, 0.04, "quality.min_seconds", "cut.max_seconds"),
    Measure("side", "Size: short side after cropping", "px", True, 16, "quality.min_side"),
    Measure("motion", "Motion", "8-bit levels", True, 0.01, "quality.min_motion", "quality.max_motion"),
    Measure("luma", "Brightness", "8-bit level"),
    Measure("sharpness", "Sharpness", "", True, 1, "quality.min_sharpness"),
    Measure("frame_rate", "Frame rate", "1/s", False, 0, "quality.min_frame_rate", "quality.max_frame_rate"),
    Measure("aspect", "Shape: width over height", "", True, 0.1, "quality.min_aspect", "quality.max_aspect"),
    Measure("bits_per_pixel", "Bits per pixel", "bit", True, 0.001, "quality.min_bits_per_pixel"),
    Measure("loudness", "Loudness", "LUFS"),
)


def limits_of(measure: Measure, config: Mapping[str, Any]) -> list[Limit]:
    """The limits that a run's configuration sets on a measure."""
    found = []
    for path, least in ((measure.least, True), (measure.most, False)):
        group, _, option = path.partition(".")
        value = config.get(group, {}).get(option) if path else None
        if value is not None:
            found.append(Limit(option, float(value), least))
    return found


def _base(**more: Any) -> Figure:
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "--ink", "size": 12},
        "hoverlabel": {"bgcolor": "--panel", "bordercolor": "--strong-line", "font": {"color": "--ink", "size": 12}},
        "dragmode": False,
        **more,
    }


def _edges(values: Floats, measure: Measure, limits: Sequence[Limit]) -> Floats:
    """Edges of the bars, in units of the scale (powers where it is one of powers), with every limit inside."""
    marks = np.array([limit.value for limit in limits])
    if measure.log:
        values = np.log10(np.maximum(values, measure.floor))
        marks = np.log10(np.maximum(marks, measure.floor))
        low, high = values.min(), values.max()
    else:
        low, high = values.min(), np.quantile(values, _TAIL)
    # A limit far off is no reason to squeeze everything into a corner.
    reach = max(high - low, 0.1) * 0.6
    near = marks[(marks > low - reach) & (marks < high + reach)]
    low, high = min([low, *near]), max([high, *near])
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, _BARS + 1, dtype=np.float64)


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Ticks of a scale of powers: as many round numbers of every decade as fit."""
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    for steps in ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [np.log10(step) + decade for decade in decades for step in steps]
        found = [tick for tick in found if low <= tick <= high]
        if len(found) <= 8:
            break
    return [round(float(tick), 4) for tick in found], [number(10.0**tick, 2) for tick in found]


def distribution(measure: Measure, values: Floats, kept: npt.NDArray[np.bool_], limits: Sequence[Limit]) -> Figure:
    """How a measure is spread, kept and dropped clips on each other, limits as lines.

    Args:
        measure: What is drawn.
        values: One finite number a clip, at least one.
        kept: Which of them are kept.
        limits: Limits in force.
    """
    edges = _edges(values, measure, limits)
    shown = np.log10(np.maximum(values, measure.floor)) if measure.log else values
    shown = np.clip(shown, edges[0], edges[-1])
    real = 10.0**edges if measure.log else edges
    middles, width = (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])
    counts = {True: np.histogram(shown[kept], edges)[0], False: np.histogram(shown[~kept], edges)[0]}
    unit = f" {measure.unit}" if measure.unit else ""
    spans = [f"{number(a)} to {number(b)}{unit}" for a, b in itertools.pairwise(real)]
    if not measure.log and values.max() > real[-1]:
        spans[-1] = f"{number(real[-2])} to {number(values.max())}{unit}"
    bars = [
        {
            "type": "bar",
            "name": name,
            "x": [round(float(x), 5) for x in middles],
            "y": counts[which].tolist(),
            "width": round(width, 6),
            "customdata": spans,
            "hovertemplate": f"%{{customdata}}<br>%{{y:,}} {name}<extra></extra>",
            "marker": {"color": colour, "line": {"width": 0}},
        }
        for which, name, colour in ((True, "kept", "--kept"), (False, "dropped", "--dropped"))
    ]
    axis: Figure = {
        "range": [float(edges[0] - width / 2), float(edges[-1] + width / 2)],
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "--line",
        "linecolor": "--strong-line",
        "showline": True,
        "tickfont": {"color": "--quiet", "size": 11},
        "title": {"text": measure.unit, "font": {"size": 11, "color": "--quiet"}, "standoff": 4},
    }
    if measure.log:
        axis["tickvals"], axis["ticktext"] = _ticks(float(edges[0]), float(edges[-1]))
    layout = _base(
        barmode="stack",
        bargap=0,
        showlegend=False,
        height=230,
        margin={"l": 44, "r": 12, "t": 26, "b": 42},
        xaxis=axis,
        yaxis={
            "fixedrange": True,
            "gridcolor": "--line",
            "zeroline": False,
            "rangemode": "tozero",
            "tickfont": {"color": "--quiet", "size": 11},
            "nticks": 5,
            **({"dtick": 1} if max((counts[True] + counts[False]).tolist()) < 5 else {}),
            "tickformat": "~s" if len(values) >= 10_000 else "d",
        },
        shapes=[],
        annotations=[],
    )
    for limit in limits:
        at = float(np.log10(max(limit.value, measure.floor))) if measure.log else limit.value
        if not axis["range"][0] <= at <= axis["range"][1]:
            continue
        right = at > (axis["range"][0] + axis["range"][1]) / 2
        line = {"color": "--ink", "width": 1.5, "dash": "dot"}
        layout["shapes"].append({"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line})
        layout["annotations"].append({
            "x": at, "y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": "right" if right else "left",
            "text": f"{'at least' if limit.least else 'at most'} {number(limit.value)}", "showarrow": False,
            "font": {"size": 11, "color": "--ink"},
        })  # fmt: skip
    return {"data": bars, "layout": layout}


class _Flow:
    """Nodes and links of a flow, as they are added."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, str, str]] = []
        self.links: list[tuple[int, int, float, str, str]] = []

    def node(self, label: str, colour: str, told: str) -> int:
        self.nodes.append((label, colour, told))
        return len(self.nodes) - 1

    def link(self, one: int, other: int, width: float, colour: str, told: str) -> None:
        self.links.append((one, other, width, colour, told))


_NAMES: Final = {"list": "listed", "sources": "sources", "videos": "videos", "clips": "clips"}


def flow(balance: Mapping[str, Mapping[str, Any]]) -> Figure | None:
    """The balance as a flow: what came in at the left, kept clips and everything left out at the right.

    Sources become clips on the way, so widths are shares of what reached a step; counts stand at every branch. None
    where nothing came in.

    Args:
        balance: As in a run's report: for each step `in`, `kept`, `dropped` and `dropped_total`, `failed`.
    """
    steps = [(name, balance[name]) for name in _NAMES if balance.get(name, {}).get("in")]
    if len(steps) > 1 and steps[0][0] == "list" and steps[0][1]["kept"] == steps[0][1]["in"]:
        del steps[0]  # every row of the list is a source: nothing to tell apart
    if not steps:
        return None
    made, share = _Flow(), 1.0
    first = steps[0][1]["in"]
    at = made.node(f"{_NAMES[steps[0][0]]} {count(first)}", "--accent", f"{count(first)} came in")
    for position, (name, step) in enumerate(steps):
        came = step["in"]
        last = position == len(steps) - 1
        following = steps[position + 1] if not last else None
        left = max(_THINNEST, share * step["kept"] / came) if step["kept"] else 0.0
        if left:
            if following is not None:
                label, shown = _NAMES[following[0]], following[1]["in"]
            else:
                label, shown = "kept" if name == "clips" else f"{_NAMES[name]} kept", step["kept"]
            told = f"{count(step['kept'])} of {count(came)} {_NAMES[name]} went on"
            colour = "--accent" if following is not None else "--kept"
            onward = made.node(f"{label} {count(shown)}", colour, told)
            made.link(at, onward, left, colour, told)
        _branches(made, at, name, step, share)
        if not left:
            break
        at, share = onward, left
    nodes, links = made.nodes, made.links
    return {
        "data": [
            {
                "type": "sankey",
                "arrangement": "snap",
                "valueformat": ".0%",
                "node": {
                    "label": [n[0] for n in nodes],
                    "color": [n[1] for n in nodes],
                    "customdata": [n[2] for n in nodes],
                    "hovertemplate": "%{customdata}<extra></extra>",
                    "pad": 18,
                    "thickness": 12,
                    "line": {"width": 0},
                },
                "link": {
                    "source": [k[0] for k in links],
                    "target": [k[1] for k in links],
                    "value": [round(k[2], 5) for k in links],
                    "color": [f"{k[3]}/0.28" for k in links],
                    "customdata": [k[4] for k in links],
                    "hovertemplate": "%{customdata}<extra></extra>",
                },
                "textfont": {"color": "--ink", "size": 12, "shadow": "--ground/halo"},
            }
        ],
        "layout": _base(height=max(280, 34 * len(nodes)), margin={"l": 4, "r": 4, "t": 12, "b": 12}),
    }


def _branches(made: _Flow, at: int, name: str, step: Mapping[str, Any], share: float) -> None:
    """What left the flow at a step: dropped by reason, failed by class. Several reasons of one clip share its width."""
    came, total = step["in"], step["dropped_total"]
    if step["dropped"] and total:
        width = max(_THINNEST, share * total / came)
        told = f"{count(total)} of {count(came)} {_NAMES[name]} dropped"
        where = at
        if name == "clips":
            where = made.node(f"dropped {count(total)}", "--dropped", told)
            made.link(at, where, width, "--dropped", told)
        weights = sum(step["dropped"].values())
        for reason, found in step["dropped"].items():
            told = f"{count(found)} {_NAMES[name]}: {words(reason)}"
            made.link(
                where,
                made.node(f"{words(reason)} {count(found)}", "--dropped", told),
                max(_THINNEST / 2, width * found / weights),
                "--dropped",
                told,
            )
    for error_class, found in step["failed"].items():
        told = f"{count(found)} {_NAMES[name]} failed: {words(error_class)}"
        made.link(
            at,
            made.node(f"{words(error_class)} {count(found)}", "--failed", told),
            max(_THINNEST, share * found / came),
            "--failed",
            told,
        )


def spread(values: Floats) -> dict[str, float] | None:
    """The tenth, middle and ninetieth percentile; None of nothing."""
    if not len(values):
        return None
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return {"low": float(low), "middle": float(middle), "high": float(high)}
