"""Thresholds: what the page counts is what the filter would decide, for every clip and every limit."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.quality import REASONS, QualitySettings, decide
from pages import thresholds
from pages.queries import Snapshot
from pipelines import config
from tests.transforms import past
from transforms import merge, records, tables
from transforms.clips import BucketSettings
from transforms.scenes import CutSettings
from transforms.settings import from_mapping

MEASURES = ("seconds", "frame_rate", "black_share", "frozen_share", "motion", "sharpness", "bits_per_pixel")


def clip(number: int, values: dict[str, Any]) -> dict[str, Any]:
    """A clip with some measures, judged by the default limits, and with what another filter said."""
    row = {**past.examples(records.ClipRow)[0], "clip_id": f"{number:032d}", "cut": "default", "start_pts": number}
    row |= {"crop_left": 0, "crop_right": 0, "crop_top": 0, "crop_bottom": 0, **values}
    other = row.pop("other")
    reasons = sorted([*decide(row, QualitySettings()), *(["refused"] if other else [])])
    return {**row, "kept": not reasons, "reasons": reasons, "reason_values": {}, "reason_limits": {}}


LIMITS = tuple(getattr(QualitySettings(), check.setting) for check in thresholds.CHECKS)
near = st.sampled_from(
    [x * k for x in LIMITS if x is not None for k in (0.5, 1 - 1e-7, 1 - 1e-5, 1, 1 + 1e-7, 1 + 1e-5, 2)]
)
measure = near | st.floats(0, 300)
clips = st.lists(
    st.fixed_dictionaries(
        {name: measure for name in MEASURES[:-1]}
        | {"bits_per_pixel": st.none() | measure, "width": st.integers(2, 3000), "height": st.integers(2, 3000)}
        | {"crop_left": st.integers(0, 1), "crop_top": st.integers(0, 1), "other": st.booleans()}
    ),
    min_size=1,
    max_size=12,
)
limit = st.none() | near | st.floats(0, 1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tables.Corpus:
    return tables.create_corpus(str(tmp_path_factory.mktemp("limits") / "out"), 1)


def opened(corpus: tables.Corpus, rows: list[dict[str, Any]]) -> Snapshot:
    """A snapshot whose clips are these."""
    table = records.to_table(records.ClipRow, rows)
    part = merge.write_part(corpus.table_uri("clips"), 0, table)
    found = Snapshot(corpus, prepare=False)
    path = Path(corpus.table_uri("clips"), part.path)
    found._connection.execute(f"CREATE OR REPLACE VIEW clips AS SELECT * FROM read_parquet('{path}')")
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(clips, st.lists(limit, min_size=len(LIMITS), max_size=len(LIMITS)))
def test_the_counts_are_those_of_the_filter(corpus: tables.Corpus, given_clips, limits):
    rows = [clip(number, values) for number, values in enumerate(given_clips)]
    tried = QualitySettings(**{c.setting: v for c, v in zip(thresholds.CHECKS, limits, strict=True)})
    snapshot = opened(corpus, rows)
    change = thresholds.what_if(snapshot, tried)
    snapshot.close()
    found = {row["clip_id"]: decide(row, tried) for row in rows}
    keeps = {row["clip_id"]: not found[row["clip_id"]] and "refused" not in row["reasons"] for row in rows}
    was = {row["clip_id"]: row["kept"] for row in rows}
    assert (change.total, change.kept, change.was_kept) == (len(rows), sum(keeps.values()), sum(was.values()))
    assert change.gained == sum(keeps[c] and not was[c] for c in keeps)
    assert change.lost == sum(was[c] and not keeps[c] for c in keeps)
    assert change.reasons == {r: n for r in REASONS if (n := sum(r in one for one in found.values()))}
    assert {one["clip_id"]: one["keeps"] for one in change.clips} == {c: keeps[c] for c in keeps if keeps[c] != was[c]}
    assert all(set(one["would"]) == set(found[one["clip_id"]]) for one in change.clips)


def test_every_limit_and_every_reason_has_its_check():
    assert [check.setting for check in thresholds.CHECKS] == [f.name for f in dataclasses.fields(QualitySettings)]
    assert [check.reason for check in thresholds.CHECKS] == list(REASONS)


def test_scales_hold_every_clip(reported: Path):
    corpus = tables.open_corpus(str(reported))
    count = tables.read(corpus, "clips").num_rows
    snapshot = Snapshot(corpus, prepare=False)
    scales = thresholds.scales(snapshot)
    snapshot.close()
    assert set(scales) == {check.setting for check in thresholds.CHECKS}
    for scale in scales.values():
        assert sum(scale.counts) == count
        assert len(scale.counts) == thresholds.BINS
        assert scale.low < scale.high


def test_the_run_says_which_limits_are_in_force(reported: Path):
    snapshot = Snapshot(tables.open_corpus(str(reported)), prepare=False)
    _, quality, _ = thresholds.settings_of(snapshot)
    assert (quality.min_seconds, quality.min_side, quality.min_motion) == (1.25, 64, 0.05)
    assert thresholds.settings_of(snapshot, "another")[1] == QualitySettings()
    change = thresholds.what_if(snapshot, quality)
    assert (change.gained, change.lost, change.kept) == (0, 0, change.was_kept)
    snapshot.close()


def test_the_configuration_gives_the_settings_again(tmp_path: Path):
    cut = CutSettings(cut="long", detectors=("adaptive", "gradual"), max_seconds=30.0)
    quality = QualitySettings(min_seconds=3.5, max_black_share=None)
    text = thresholds.configuration(cut, quality, BucketSettings(patch_side=4))
    path = tmp_path / "thresholds.yaml"
    path.write_text(text)
    made = config.resolve(("cut", "quality", "bucket"), config.read_file(str(path)))
    assert (made.cut, made.quality, made.bucket) == (cut, quality, BucketSettings(patch_side=4))
    assert yaml.safe_load(thresholds.configuration(CutSettings(), QualitySettings(), BucketSettings())) is None
    assert from_mapping(QualitySettings, yaml.safe_load(text)["quality"]) == quality
