"""Thresholds: what another limit would change, from what is stored.

Limits of the quality filter are tried on the measures of all clips at once; thresholds of the detectors on the signals
of one video. Neither reads footage, and neither writes: what comes out is a configuration for `rushes scenes`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import yaml

from filters.quality import REASONS, QualitySettings
from pages.queries import Snapshot
from transforms.clips import BucketSettings
from transforms.scenes import CutSettings
from transforms.settings import from_mapping

_WIDTH: Final = "(width - crop_left - crop_right)"
_HEIGHT: Final = "(height - crop_top - crop_bottom)"
_SLACK: Final = 1e-6
"""As `filters.quality` has it."""
BINS: Final = 60
"""Bars of a distribution."""
_SKEWED: Final = 8.0
"""A measure whose largest values are so many times its median is shown on a scale of ratios."""


class Check(NamedTuple):
    """One check of the quality filter.

    Attributes:
        reason: The reason it gives.
        setting: The field of `QualitySettings` that is its limit.
        measure: What is compared: SQL over the columns of `clips`.
        least: The limit is the least that is kept, else the most.
    """

    reason: str
    setting: str
    measure: str
    least: bool


CHECKS: Final = (
    Check("too_short", "min_seconds", "seconds", True),
    Check("too_small", "min_side", f"least({_WIDTH}, {_HEIGHT})", True),
    Check("low_frame_rate", "min_frame_rate", "frame_rate", True),
    Check("high_frame_rate", "max_frame_rate", "frame_rate", False),
    Check("black", "max_black_share", "black_share", False),
    Check("frozen", "max_frozen_share", "frozen_share", False),
    Check("still", "min_motion", "motion", True),
    Check("hectic", "max_motion", "motion", False),
    Check("blurred", "min_sharpness", "sharpness", True),
    Check("low_bit_rate", "min_bits_per_pixel", "bits_per_pixel", True),
    Check("too_narrow", "min_aspect", f"({_WIDTH} / {_HEIGHT})", True),
    Check("too_wide", "max_aspect", f"({_WIDTH} / {_HEIGHT})", False),
)
"""The checks of `filters.quality.decide`, in its order; a test holds the two against each other."""


class Scale(NamedTuple):
    """How a measure is spread over the clips.

    Attributes:
        low: Left end of the scale.
        high: Right end.
        ratios: Equal steps on it are equal ratios, not equal differences.
        counts: Clips in each of `BINS` equal steps; what lies beyond an end counts in the bar beside it.
    """

    low: float
    high: float
    ratios: bool
    counts: tuple[int, ...]


class Change(NamedTuple):
    """What other limits would do.

    Attributes:
        total: Clips of the cut.
        kept: Clips that would be kept.
        kept_seconds: Their length together.
        was_kept: Clips that are kept now.
        gained: Clips dropped now that would be kept.
        lost: Clips kept now that would be dropped.
        reasons: How many would be dropped for each reason; one clip may have several.
        clips: Some of the clips that change, the lost ones first, each with its new reasons.
    """

    total: int
    kept: int
    kept_seconds: float
    was_kept: int
    gained: int
    lost: int
    reasons: dict[str, int]
    clips: tuple[dict[str, Any], ...]


def settings_of(snapshot: Snapshot, cut: str = "default") -> tuple[CutSettings, QualitySettings, BucketSettings]:
    """The settings of the newest run that made the clips of a cut; the defaults where no run says."""
    rows = snapshot.rows(f"SELECT config FROM {snapshot.table('runs')} ORDER BY commit DESC")
    for row in rows:
        config = json.loads(row["config"])
        if "quality" in config and config.get("cut", {}).get("cut") == cut:
            return (
                _known(CutSettings, config["cut"]),
                _known(QualitySettings, config["quality"]),
                _known(BucketSettings, config.get("bucket", {})),
            )
    return CutSettings(cut=cut), QualitySettings(), BucketSettings()


def _known(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Settings out of a run's configuration: what another version knew and this one does not is left out."""
    names = {field.name for field in dataclasses.fields(cls)}
    return from_mapping(cls, {name: value for name, value in values.items() if name in names})


def cuts(snapshot: Snapshot) -> list[str]:
    """The names of the cuts that have clips, `default` first."""
    sql = f"SELECT DISTINCT cut FROM {snapshot.table('clips')} ORDER BY cut <> 'default', cut"
    found = snapshot.once("cuts", sql)
    return [row["cut"] for row in found]


def _fails(check: Check, settings: QualitySettings) -> tuple[str, list[float]]:
    """When a clip fails a check, as SQL; what was not measured fails none."""
    limit = getattr(settings, check.setting)
    if limit is None:
        return "false", []
    sign, bound = ("<", limit - abs(limit) * _SLACK) if check.least else (">", limit + abs(limit) * _SLACK)
    return f"coalesce({check.measure} {sign} ?, false)", [float(bound)]


def what_if(snapshot: Snapshot, settings: QualitySettings, cut: str = "default", some: int = 24) -> Change:
    """What the clips of a cut would become under other limits. Reasons that are not of the quality filter stay.

    Args:
        snapshot: Where the clips are.
        settings: The limits to try.
        cut: Name of the cut.
        some: How many of the clips that change are named.
    """
    columns, values = [], list[Any]()
    for check in CHECKS:
        sql, bound = _fails(check, settings)
        columns.append(f'{sql} AS "{check.reason}"')
        values += bound
    ours = ", ".join(f"'{name}'" for name in REASONS)
    names = ("clip_id", "video_id", "kept", "seconds", "frame_uri", "start_seconds", "reasons")
    judged = (
        f"SELECT {', '.join(names)}, {', '.join(columns)},"
        " CASE WHEN kept THEN false"
        f" ELSE len(list_filter(coalesce(reasons, []), lambda r: r NOT IN ({ours}))) > 0 END AS other"
        f" FROM {snapshot.table('clips')} WHERE cut = ?"
    )
    failed = " OR ".join(f'"{check.reason}"' for check in CHECKS)
    now = f"SELECT *, NOT (other OR {failed}) AS keeps FROM ({judged})"
    sums = ", ".join(f'count(*) FILTER ("{check.reason}") AS "{check.reason}"' for check in CHECKS)
    (row,) = snapshot.rows(
        "SELECT count(*) AS total, count(*) FILTER (keeps) AS kept, count(*) FILTER (kept) AS was_kept,"
        " coalesce(sum(seconds) FILTER (keeps), 0.0) AS kept_seconds,"
        f" count(*) FILTER (keeps AND NOT kept) AS gained, count(*) FILTER (kept AND NOT keeps) AS lost, {sums}"
        f" FROM ({now})",
        [*values, cut],
    )
    changed: list[dict[str, Any]] = []
    for count, condition in ((row["lost"], "kept AND NOT keeps"), (row["gained"], "keeps AND NOT kept")):
        if not count or len(changed) >= some:
            continue
        sql = f"SELECT * FROM ({now}) WHERE {condition} LIMIT {int(some - len(changed))}"
        for one in snapshot.rows(sql, [*values, cut]):
            reasons = [check.reason for check in CHECKS if one[check.reason]]
            changed.append({name: one[name] for name in names} | {"keeps": one["keeps"], "would": reasons})
    counts = {check.reason: row.pop(check.reason) for check in CHECKS}
    return Change(reasons={k: v for k, v in counts.items() if v}, clips=tuple(changed), **row)


def scales(snapshot: Snapshot, cut: str = "default") -> dict[str, Scale]:
    """How each measure that has a limit is spread over the clips of a cut, by the limit's name."""
    table, found = snapshot.table("clips"), dict[str, Scale]()
    ranges = ", ".join(
        f"quantile_cont({measure}, [0.005, 0.5, 0.995]) AS q{k}, min({measure}) AS low{k}"
        for k, measure in enumerate(dict.fromkeys(check.measure for check in CHECKS))
    )
    # Of many clips some tell where the ends are.
    sample = f"SELECT * FROM {table} WHERE cut = ? USING SAMPLE reservoir(20000 ROWS) REPEATABLE (1)"
    (row,) = snapshot.rows(f"SELECT {ranges} FROM ({sample})", [cut])
    for k, measure in enumerate(dict.fromkeys(check.measure for check in CHECKS)):
        if row[f"q{k}"] is None:
            continue
        low, middle, high = map(float, row[f"q{k}"])
        share = "share" in measure
        ratios = not share and low > 0 and middle > 0 and high / middle > _SKEWED
        if share:
            low, high = 0.0, 1.0
        elif ratios:
            low = max(low, high / 1e5)
        if not low < high:
            low, high = min(low, 0.0), max(high, 1.0) if high <= 0 else high * 1.25
        place = (
            f"(ln(greatest({measure}, ?)) - ln(?)) / (ln(?) - ln(?))"
            if ratios
            else f"(greatest({measure}, ?) - ?) / (? - ?)"
        )
        bins = snapshot.rows(
            f"SELECT least(greatest(floor({place} * {BINS}), 0), {BINS - 1})::INTEGER AS bin, count(*) AS clips"
            f" FROM {table} WHERE cut = ? AND {measure} IS NOT NULL GROUP BY bin",
            [low, low, high, low, cut],
        )
        counts = [0] * BINS
        for one in bins:
            counts[one["bin"]] = one["clips"]
        scale = Scale(low, high, ratios, tuple(counts))
        found |= {check.setting: scale for check in CHECKS if check.measure == measure}
    return found


def configuration(cut: CutSettings, quality: QualitySettings, bucket: BucketSettings) -> str:
    """The configuration that gives these settings, as YAML for `--config`: what differs from the defaults."""
    made: dict[str, dict[str, Any]] = {}
    for group, settings in (("cut", cut), ("quality", quality), ("bucket", bucket)):
        plain = type(settings)()
        for field in dataclasses.fields(settings):
            value = getattr(settings, field.name)
            if value != getattr(plain, field.name):
                made.setdefault(group, {})[field.name] = list(value) if isinstance(value, tuple) else value
    if not made:
        return "# every setting is the default\n"
    return yaml.safe_dump(made, sort_keys=False)


def rounded(value: float, scale: Scale) -> float:
    """A limit with as many digits as a place on its scale is worth."""
    step = (scale.high - scale.low) / 400 if not scale.ratios else abs(value) / 50
    digits = max(0, -math.floor(math.log10(step))) if step > 0 else 3
    return round(value, min(digits, 6))
