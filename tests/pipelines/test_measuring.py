"""Long videos: segments measured by whoever is free leave what one pass leaves, also when things go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines import footage, measuring, work
from pipelines.config import Config
from tests.pipelines import corpora
from tests.pipelines.test_work import listed, rows
from tests.servers import s3_server
from transforms import storage
from transforms.store import Store

SEGMENTED: tuple[str, ...] = ("--segment-seconds", "4")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 seconds with cuts, sound and a keyframe a second."""
    path = tmp_path_factory.mktemp("long") / "film.mp4"
    shots = [footage.Shot(60, seed=seed, camera="pan") for seed in range(10)]
    tones = [footage.Tone(24, 300.0)]
    footage.render(path, shots, width=160, height=90, options={"g": "25"}, tones=tones)
    return path


def stored(out: Path | str) -> dict[str, bytes]:
    """Everything that measuring left, by the file's name."""
    folder = storage.join(str(out), "store", "measure")
    return {s.uri.rsplit("/", 1)[-1]: storage.read_bytes(s.uri) for s in storage.find(folder)}


@pytest.fixture(scope="module")
def whole(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run that measured it in one pass."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert corpora.curate(film, out, "--segment-seconds", "0")[0] == 0
    return out


def test_segments_leave_what_one_pass_leaves(film: Path, whole: Path, tmp_path: Path) -> None:
    code, report = corpora.curate(film, tmp_path / "out", *SEGMENTED)
    assert code == 0
    assert corpora.rows(tmp_path / "out") == corpora.rows(whole)
    assert stored(tmp_path / "out") == stored(whole)
    assert report["source_frames"] == 600 < report["decoded_frames"] < 720
    assert not list((tmp_path / "out/store/segment").rglob("*.parquet"))
    code, report = corpora.curate(film, tmp_path / "out", *SEGMENTED)
    assert (code, report["decoded_frames"], report["read_bytes"]) == (0, 0, 0)


def arguments(film: Path, out: Path, **changes: Any) -> dict[str, Any]:
    config = Config().to_json()
    config["measure"] |= {"segment_seconds": 4.0, **changes}
    return {"job": "curate", "ref": listed(film), "video_id": None, "config": config, "root": str(out)}


def test_what_a_killed_run_measured_is_not_measured_again(film: Path, whole: Path, tmp_path: Path) -> None:
    given = arguments(film, tmp_path)
    left = work.curate_source(**given)["segments"]
    assert left[0]["span"] is None
    assert len(left) == 7
    for task in left[:4]:
        assert work.segment_task(**task)["tally"].keys() & {"audio_ms", "decoded_frames"}
    again = work.curate_source(**given)["segments"]
    assert again == left
    decoded = ["decoded_frames" in work.segment_task(**task)["tally"] for task in again]
    assert decoded == [False] * 4 + [True] * 3
    made = work.curate_source(**{**given, "video_id": left[0]["video_id"]}, whole=True)
    assert "decoded_frames" not in made["tally"]
    assert {k: v for k, v in stored(tmp_path).items() if "." in k} == stored(whole)
    assert rows(made, "videos")[0]["audio_offset"] == corpora.rows(whole)["videos"][0]["audio_offset"]


@pytest.mark.parametrize("harm", ["missing", "unequal"])
def test_segments_that_do_not_fit_are_given_up_for_one_pass(film: Path, whole: Path, tmp_path: Path, harm: str) -> None:
    given = arguments(film, tmp_path)
    left = work.curate_source(**given)["segments"]
    for task in left:
        work.segment_task(**task)
    folders = sorted((tmp_path / "store/segment").glob("*/*/"))
    markers = sorted((tmp_path / "store/segment").glob("*/*.json"))
    if harm == "missing":
        markers[2].unlink()
    else:
        # Two segments change their places: what each saw before it is not what the other left.
        one, two = folders[1] / "head.parquet", folders[3] / "head.parquet"
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)
    made = work.curate_source(**{**given, "video_id": left[0]["video_id"]}, whole=True)
    assert made["tally"]["decoded_frames"] == 600
    assert made["tally"].get("segments.refused", 0) == (harm == "unequal")
    assert stored(tmp_path) == stored(whole)


def test_a_segment_that_fails_is_left_to_one_pass(film: Path, tmp_path: Path) -> None:
    copy = tmp_path / "film.mp4"
    copy.write_bytes(film.read_bytes())
    given = arguments(copy, tmp_path / "out")
    left = work.curate_source(**given)["segments"]
    copy.write_bytes(b"something else")
    tally = work.segment_task(**left[1])["tally"]
    assert tally["segments.failed"] == 1


def test_a_long_object_is_read_in_ranges(film: Path, whole: Path, tmp_path: Path) -> None:
    with s3_server() as bucket:
        uri = f"{bucket}/film.mp4"
        storage.upload(str(film), uri)
        code, report = corpora.curate(uri, tmp_path / "out", *SEGMENTED)
        assert code == 0
        assert stored(tmp_path / "out") == stored(whole)
        # Once to hash it, once for the sound, and in blocks of 2 MB, here all of it, for each of six segments.
        assert report["read_bytes"] <= 8 * film.stat().st_size
        code, _ = corpora.curate(uri, f"{bucket}/out", *SEGMENTED)
        assert code == 0
        assert {n: d for n, d in stored(f"{bucket}/out").items() if "json" not in n} == {
            n: d for n, d in stored(whole).items() if "json" not in n
        }


@pytest.mark.parametrize(
    ("changes", "why"),
    [({"segment_seconds": 0.0}, "off"), ({"segment_seconds": 12.0}, "short"), ({"segment_seconds": 60.0}, "short")],
)
def test_short_videos_are_measured_at_once(film: Path, tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    made = work.curate_source(**arguments(film, tmp_path, **changes))
    assert "segments" not in made, why
    assert Store(str(tmp_path)).listing("segments", "00") == {}
    assert measuring.limit(Config(), {"packets": 240}) == 2 * Config().pool.time_limit
