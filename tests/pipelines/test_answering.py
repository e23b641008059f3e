"""Thousands of clips, each with frames like no other's, through faulty answers, windows and two workers: every caption
is on its own clip."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from pathlib import Path
from typing import Any

import pytest

from captioning.windows import stretches
from pipelines import recaption
from tests.captioning.faultserver import Asked, Fault, FaultServer, error, seen
from tests.pipelines import corpora, handed
from tests.transforms import past
from transforms import pool, records, samples, tables
from transforms.samples import SamplesWriter

CLIPS = int(os.environ.get("RUSHES_CLIPS", "1000"))
"""With RUSHES_CLIPS=10000 as many as the claim in benchmarks/README.md has."""
VIDEOS = 100
LENGTHS = (4.0, 5.0, 6.0, 16.0)
"""Seconds of the clips of a video, over and over; of the last kind a dense caption has two windows."""


def frame(video: int, pts: int) -> bytes:
    """A picture like no other. The endpoint sees bytes; nobody decodes them on the way."""
    return f"picture {pts} of film {video}".encode() * 4


def footage(out: Path, clips: int) -> dict[str, str]:
    """An output of films whose kept clips have two stored frames a second; for each clip its true dense caption."""
    made: list[tuple[str, dict[str, Any]]] = []
    texts: dict[str, str] = {}
    lengths = itertools.cycle(LENGTHS)
    for video in range(VIDEOS):
        video_id, start = handed.bytes_of(f"film {video}"), 0
        measure_uri = f"store/measure/{video_id[:2]}/{video_id}"
        example = past.examples(records.VideoRow)[0]
        made.append(("videos", {**example, "video_id": video_id, "measure_uri": measure_uri, "audio_uri": None}))
        made.append(("sources", {**past.examples(records.SourceRow)[0], "uri": f"{video}.mp4", "video_id": video_id}))
        for number in range(clips // VIDEOS):
            seconds = next(lengths)
            end = start + round(seconds * 10)
            span = {"start_pts": start, "end_pts": end, "time_base_num": 1, "time_base_den": 10, "seconds": seconds}
            clip = {"clip_id": handed.clip_id(f"film {video}", number), "video_id": video_id, "kept": True, **span}
            times = {"start_seconds": start / 10, "end_seconds": end / 10}
            made.append(("clips", {**past.examples(records.ClipRow)[0], **clip, **times}))
            every = range(start, end, 5)
            windows = stretches("dense", seconds, [(pts - start) / 10 for pts in every], 3, 10.0)
            said = (seen(frame(video, every[n]) for n in window.frames) for window in windows)
            texts[str(clip["clip_id"])] = " ".join(said)
            start = end
        folder = out / measure_uri
        folder.mkdir(parents=True)
        writer = SamplesWriter(folder / "samples.zip")
        for pts in range(0, start, 5):
            writer.add(pts, frame(video, pts), 8, 8)
        writer.close()
    handed.committed(out, made)
    return texts


def unsteady(server: FaultServer) -> None:
    """Let one question in forty go wrong the first time it is asked, each in another way."""
    ways = itertools.cycle(
        [
            error(429, retry_after="0"),
            error(500),
            Fault(cut=10),
            Fault(body=b'{"choices": ['),
            Fault(body=json.dumps({"choices": []}).encode()),
        ]
    )
    once: set[bytes] = set()

    def wrong(asked: Asked) -> Fault | None:
        if asked.method != "POST" or hashlib.sha256(asked.content).digest()[0] % 40 or asked.content in once:
            return None
        once.add(asked.content)
        return next(ways)

    server.wrong = wrong


def asked_texts(server: FaultServer) -> list[bytes]:
    return [asked.content for asked in server.posts]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_caption_is_on_a_wrong_clip(tmp_path: Path):
    out = tmp_path / "out"
    texts = footage(out, CLIPS)
    assert len(set(texts.values())) == len(texts) == CLIPS
    with FaultServer() as server:
        unsteady(server)
        word = f"openai:eyes,url={server.url},frames=3,kinds=dense,concurrency=8,workers=2,attempts=6"
        workers = ("--runner", "FnApiRunner", "--direct_running_mode=multi_processing", "--direct_num_workers=2")
        try:
            assert recaption.run(["--output", str(out), "--captioner", word, "--no-report", *workers]) == 0
        finally:
            pool.kill_all()
        assert 1 < server.most_open <= 8  # All workers together.
        wrong = sum(1 for content, many in _counted(asked_texts(server)).items() if many > 2)
        assert wrong == 0  # Asked again only where an answer went wrong.
        assert CLIPS * 1.25 < len(server.posts) < CLIPS * 1.25 * 1.1
    told = corpora.report(out)["balance"]["captions"]
    assert (told["in"], told["kept"], told["failed"]) == (CLIPS, CLIPS, {})
    found = tables.read(tables.open_corpus(str(out)), "captions", columns=["clip_id", "text"]).to_pylist()
    assert {row["clip_id"]: row["text"] for row in found} == texts


def _counted(items: list[bytes]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for item in items:
        found[item] = found.get(item, 0) + 1
    return found


def test_only_the_frames_that_are_wanted_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    monkeypatch.setattr("tests.pipelines.test_answering.VIDEOS", 1)
    texts = footage(out, 4)
    read: list[str] = []
    whole = samples.Samples.jpeg

    def watched(self: samples.Samples, pts: int) -> bytes:
        read.append(str(pts))
        return whole(self, pts)

    monkeypatch.setattr(samples.Samples, "jpeg", watched)
    with FaultServer() as server:
        word = f"openai:eyes,url={server.url},frames=3,kinds=dense"
        try:
            assert recaption.run(["--output", str(out), "--captioner", word, "--no-report"]) == 0
        finally:
            pool.kill_all()
    assert len(read) == len(set(read)) == 3 * 5  # Four clips, one of them in two windows, three frames each.
    assert len(texts) == 4


def test_a_damaged_sample_file_fails_its_clips_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    monkeypatch.setattr("tests.pipelines.test_answering.VIDEOS", 2)
    texts = footage(out, 8)
    broken = handed.bytes_of("film 1")
    (out / f"store/measure/{broken[:2]}/{broken}/samples.zip").write_bytes(b"PK")
    with FaultServer() as server:
        word = f"openai:eyes,url={server.url},frames=3,kinds=dense"
        try:
            assert recaption.run(["--output", str(out), "--captioner", word, "--no-report"]) == 3
        finally:
            pool.kill_all()
    told = corpora.report(out)["balance"]["captions"]
    assert (told["kept"], told["failed"]) == (4, {"storage": 4})
    found = tables.read(tables.open_corpus(str(out)), "captions").to_pylist()
    assert {row["clip_id"]: row["text"] for row in found}.items() <= texts.items()
