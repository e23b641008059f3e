"""The `animatic` engine: its jobs, from submit to file, and what becomes of them when something goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from generation.engines.animatic import Animatic, AnimaticSettings
from generation.engines.engine import Engine, Invalid, Job, Lost, Throttled, load_engine
from generation.request import MODES, ROLES, Input, Request, Shot
from transforms.settings import ConfigError

SHA = "0" * 64


def asked(**more: Any) -> Request:
    values = {"width": 192, "height": 108, "frames": 12, "frame_rate": "24", "prompt": "a red kite"}
    return Request(campaign="kites", cell="c", engine="animatic", **{**values, **more})


async def finished(engine: Engine, job_id: str) -> Job:
    deadline = time.monotonic() + 60
    while (job := await engine.poll(job_id)).state in ("queued", "running"):
        assert time.monotonic() < deadline
        await asyncio.sleep(job.poll_after or 0.1)
    return job


def test_several_jobs_are_rendered_side_by_side_and_fetched(tmp_path):
    async def whole() -> None:
        engine = load_engine("animatic,children=2")
        engine.check()
        jobs = [await engine.submit(asked(sample=n), f"key-{n}", n, {}) for n in range(3)]
        assert [job.job_id for job in jobs] == ["key-0", "key-1", "key-2"]
        for job in jobs:
            done = await finished(engine, job.job_id)
            assert (done.state, done.progress, done.cost) == ("done", 1.0, 0)
            await engine.fetch(job.job_id, tmp_path / f"{job.job_id}.mp4")
        with pytest.raises(Lost):
            await engine.fetch("key-0", tmp_path / "again.mp4")
        await engine.close()

    asyncio.run(whole())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key-0.mp4", "key-1.mp4", "key-2.mp4"]
    with av.open(str(tmp_path / "key-0.mp4")) as file:
        assert sum(1 for _ in file.decode(video=0)) == 12


def test_one_key_is_one_job_and_a_job_of_another_process_is_lost():
    async def whole() -> None:
        engine = Animatic(AnimaticSettings(children=1))
        await engine.submit(asked(), "key", 1, {})
        begun = engine._renders["key"].future
        again = await engine.submit(asked(), "key", 1, {})
        assert again.job_id == "key"
        assert engine._renders["key"].future is begun
        assert await engine.find(asked(), "key", 0.0) == ["key"]
        assert await engine.find(asked(), "other", 0.0) == []
        with pytest.raises(Lost):
            await engine.poll("other")
        await engine.close()
        with pytest.raises(Lost):
            await engine.poll("key")
        assert await engine.find(asked(), "key", 0.0) == []

    asyncio.run(whole())


def test_an_input_that_cannot_be_read_fails_its_job_alone(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(tmp_path / "good.png")

    async def whole() -> list[Job]:
        engine = Animatic(AnimaticSettings(children=1))
        request = asked(mode="image", inputs=(Input(role="image", uri="a", sha256=SHA),))
        for name in ("bad", "good"):
            await engine.submit(request, name, 1, {0: tmp_path / f"{name}.png"})
        jobs = [await finished(engine, name) for name in ("bad", "good")]
        await engine.close()
        return jobs

    bad, good = asyncio.run(whole())
    assert (bad.state, bad.code, good.state) == ("failed", "damaged", "done")
    assert "bad.png" in bad.message


def test_a_child_that_is_killed_is_one_failed_job_and_the_next_goes_on():
    async def whole() -> list[str]:
        engine = Animatic(AnimaticSettings(children=1))
        await engine.submit(asked(frames=2000, width=1280, height=720), "long", 1, {})
        assert engine._pool is not None
        while not engine._renders["long"].drawn:
            await asyncio.sleep(0.05)
        assert (await engine.poll("long")).progress > 0
        os.kill(engine._pool.pids[0], signal.SIGKILL)
        await engine.submit(asked(), "next", 1, {})
        states = [(await finished(engine, name)).state for name in ("long", "next")]
        await engine.close()
        return states

    assert asyncio.run(whole()) == ["failed", "done"]


def test_more_than_there_is_room_for_is_told_to_come_later():
    async def whole() -> None:
        engine = Animatic(AnimaticSettings(children=1))
        for n in range(engine.offer.in_flight):
            await engine.submit(asked(frames=500), f"key-{n}", n, {})
        with pytest.raises(Throttled) as told:
            await asyncio.gather(*(engine.submit(asked(frames=500), f"more-{n}", n, {}) for n in range(9)))
        assert told.value.after
        await engine.close()

    asyncio.run(whole())


def test_closing_leaves_no_file_behind(tmp_path):
    async def whole() -> None:
        engine = Animatic(AnimaticSettings(children=1, folder=str(tmp_path)))
        await engine.submit(asked(), "key", 1, {})
        await finished(engine, "key")
        assert len(list(tmp_path.rglob("*.mp4"))) == 1
        await engine.close()

    asyncio.run(whole())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"width": 193}, "even"),
        ({"height": 8000}, "3840"),
        ({"frames": 0}, "without frames"),
        ({"mode": "image"}, "no image"),
        ({"mode": "fill"}, "no mask and no video"),
        ({"mode": "storyboard", "shots": (Shot(prompt="a", frames=5),)}, "not as long"),
    ],
)
def test_what_cannot_be_drawn_is_told_before_it_is_begun(more, words):
    engine = Animatic(AnimaticSettings())
    with pytest.raises(Invalid, match=words):
        asyncio.run(engine.submit(asked(**more), "key", 1, {}))
    assert engine._pool is None


def test_it_costs_nothing_and_says_what_it_is():
    offer = load_engine("animatic").offer
    assert set(offer.price.per_second.values()) == {0}
    assert offer.price.per_request == 0
    assert (offer.local, offer.idempotent, offer.findable, offer.rewrites) == (True, True, True, "off")
    assert (offer.modes, offer.roles) == (frozenset(MODES), frozenset(ROLES))


def test_settings_that_change_what_is_drawn_change_the_revision():
    revisions = {spec: load_engine(spec).offer.revision for spec in ("animatic", "animatic,voice=no")}
    assert len(set(revisions.values())) == 2
    assert load_engine("animatic,children=3").offer.revision == revisions["animatic"]


def test_a_folder_or_voice_that_is_not_there_is_told_before_any_work(tmp_path):
    for spec in (f"animatic,folder={tmp_path}/none", f"animatic,voice_model={tmp_path}/none.onnx"):
        with pytest.raises(ConfigError, match="no such"):
            load_engine(spec).check()


def test_files_are_moved_across_folders(tmp_path: Path):
    async def whole() -> None:
        engine = Animatic(AnimaticSettings(children=1))
        await engine.submit(asked(), "a/../b", 1, {})
        await finished(engine, "a/../b")
        await engine.fetch("a/../b", tmp_path / "take.mp4")
        await engine.close()

    asyncio.run(whole())
    assert (tmp_path / "take.mp4").stat().st_size > 1000
