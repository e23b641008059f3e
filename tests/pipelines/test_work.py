"""Work: what one task does for one source, called as a plain function."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines import measuring, work
from pipelines.config import Config, from_json
from transforms.sources import SourceRef, identity
from transforms.storage import stat


def listed(path: Path) -> dict[str, Any]:
    found = stat(str(path))
    return {
        "uri": str(path),
        "size": found.size,
        "etag": found.etag,
        "modified": found.modified,
        "metadata": {"a": "b"},
    }


def curated(path: Path, out: Path, video_id: str | None = None, **changes: dict[str, Any]) -> dict[str, Any]:
    config = Config().to_json()
    for group, values in changes.items():
        config[group] |= values
    return work.curate_source("curate", listed(path), video_id, config, str(out))


def rows(made: dict[str, Any], table: str) -> list[dict[str, Any]]:
    return [row for name, row in made["rows"] if name == table]


def test_sound_alone_is_a_video_without_clips_that_lasts_as_long_as_it_sounds(tmp_path):
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(12_000) / 3)).astype(np.int16).tobytes())
    made = curated(tmp_path / "tone.wav", tmp_path / "out")
    (video,) = rows(made, "videos")
    assert (video["duration"], video["audio_seconds"], video["frames"]) == (1.5, 1.5, 0)
    assert rows(made, "clips") == []
    assert made["tally"]["sources.out"] == 1
    assert "decoded_frames" not in made["tally"]


def test_a_setting_of_one_step_does_that_step_again_and_no_other(clips, tmp_path):
    source, out = clips["sound"], tmp_path / "out"
    first = curated(source, out)
    video_id = rows(first, "videos")[0]["video_id"]
    assert curated(source, out, video_id)["tally"].keys() == {"videos.reused", "sources.out", "source_bytes"}
    cut = curated(source, out, video_id, cut={"max_seconds": 1.0})["tally"]
    assert cut["measure.reused"] == 1
    assert "read_bytes" not in cut
    heard = curated(source, out, video_id, audio={"gap_tolerance": 0.05})["tally"]
    assert heard["measure.reused"] == 1
    assert "decoded_frames" not in heard
    seen = curated(source, out, video_id, measure={"jpeg_quality": 80})["tally"]
    assert seen["audio.reused"] == 1
    assert seen["decoded_frames"] == rows(first, "videos")[0]["frames"]


def test_every_row_says_where_it_came_from(clips, tmp_path):
    made = curated(clips["cuts"], tmp_path / "out")
    (source,), (video,) = rows(made, "sources"), rows(made, "videos")
    assert source["metadata"] == {"a": "b"}
    assert source["video_id"] == video["video_id"]
    assert (tmp_path / "out" / video["measure_uri"] / "signals.parquet").exists()
    for clip in rows(made, "clips"):
        assert clip["video_id"] == video["video_id"]
        file, _, name = clip["frame_uri"].partition("#")
        assert (tmp_path / "out" / file).exists()
        assert name.startswith("frames/")


@pytest.mark.parametrize(("packets", "seconds", "limit"), [(0, 0.0, 60), (240, 5.0, 120), (0, 600.0, 3660)])
def test_a_limit_grows_with_packets_and_with_length(packets, seconds, limit):
    config = from_json({"pool": {"time_limit": 60.0}})
    assert measuring.limit(config, {"packets": packets, "container_duration": seconds}) == limit


def test_a_source_is_known_by_its_uri_size_and_time(clips):
    ref = SourceRef(**listed(clips["cuts"]))
    assert identity(ref)
    key = measuring.source_key(ref)
    assert key is not None
    assert key[:2] == measuring.shard_of(ref)
    assert key != measuring.refusal_key(ref)
    assert measuring.source_key(SourceRef(uri=ref.uri)) is None
