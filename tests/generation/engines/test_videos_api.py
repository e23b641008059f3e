"""The `videos-api` engine against a real server that misbehaves: what each fault is told to be."""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from email.utils import formatdate
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
import httpx
import pytest

from generation.engines.engine import (
    Blip,
    Engine,
    Invalid,
    Job,
    Lost,
    NotSent,
    Refused,
    Throttled,
    Unsure,
    load_engine,
)
from generation.engines.videos_api import VideosApi
from generation.gates import check_take
from generation.request import Input, Request
from generation.videos.content import download
from generation.videos.reading import refusal
from generation.videos.settings import VideosApiSettings
from tests.generation.engines.videoserver import CREATING, FAULTS, Fault, VideoServer, video
from transforms.settings import ConfigError

_T = TypeVar("_T")
SHA = "0" * 64


@pytest.fixture
def server() -> Iterator[VideoServer]:
    with VideoServer() as running:
        yield running


def engine(server: VideoServer, **settings: Any) -> VideosApi:
    return VideosApi(VideosApiSettings(**{"model": "test-model", "url": server.url, "timeout": 5.0, **settings}))


def asked(**more: Any) -> Request:
    values = {"width": 320, "height": 192, "frames": 24, "frame_rate": "24", "prompt": "a red kite"}
    return Request(campaign="kites", cell="c", engine="videos-api", **{**values, **more})


def run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


async def submitted(made: VideosApi, request: Request | None = None, key: str = "k1", **inputs: Path) -> Job:
    try:
        return await made.submit(request or asked(), key, 7, {n: path for n, path in enumerate(inputs.values())})
    finally:
        await made.close()


async def polled(made: VideosApi, **more: Any) -> Job:
    try:
        job = await made.submit(asked(**more), "k1", 7, {})
        return await made.poll(job.job_id)
    finally:
        await made.close()


async def fetched(made: VideosApi, to: Path, request: Request | None = None) -> Path:
    try:
        job = await made.submit(request or asked(), "k1", 7, {})
        await made.fetch(job.job_id, to)
    finally:
        await made.close()
    return to


def test_a_video_is_made_polled_and_fetched_with_one_create_call(server, tmp_path):
    server.takes = 0.3

    async def whole() -> Job:
        made = engine(server)
        job = await made.submit(asked(sound=True), "k1", 7, {})
        assert job.state == "queued"
        while (job := await made.poll(job.job_id)).state != "done":
            assert (job.state, job.progress, job.poll_after) == ("running", 0.5, 0.25)
            await asyncio.sleep(0.05)
        await made.fetch(job.job_id, tmp_path / "take.mp4")
        await made.close()
        return job

    job = run(whole())
    assert job.cost == server.charged == 100_000
    assert [call for call in server.calls if call[0] == "POST"] == [("POST", "/v1/videos")]
    assert server.forms == [{"prompt": "a red kite", "model": "test-model", "size": "320x192", "seconds": "1"}]
    assert all(gate.passed for gate in check_take(tmp_path / "take.mp4", asked(sound=True)))


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        ("openai", {"size": "320x192", "seconds": "1"}),
        (
            "vllm-omni",
            {"width": "320", "height": "192", "num_frames": "24", "fps": "24", "seed": "7", "negative_prompt": "text"}
            | {"generate_sound": "true"},
        ),
        ("sglang", {"size": "320x192", "num_frames": "24", "fps": "24", "seed": "7", "negative_prompt": "text"}),
        ("fastvideo", {"size": "320x192", "num_frames": "24", "fps": "24", "seed": "7", "negative_prompt": "text"}),
    ],
)
def test_each_dialect_is_sent_the_fields_that_its_servers_take(server, dialect, said):
    request = asked(negative="text", sound=True, parameters=(("camera", "push in"), ("guidance_scale", "4")))
    made = engine(server, dialect=dialect, sound=True, extra='{"lora": {"scale": 1}}')
    run(submitted(made, request))
    always = {"prompt": "a red kite", "model": "test-model", "guidance_scale": "4", "lora": '{"scale": 1}'}
    assert server.forms == [always | said]
    assert (made.offer.seed_bits, made.offer.negative) == ((0, False) if dialect == "openai" else (31, True))


def test_an_image_goes_with_the_form(server, tmp_path):
    (tmp_path / "kite.png").write_bytes(b"\x89PNG\r\n\x1a\n not decoded here \r\n--")
    request = asked(mode="image", inputs=(Input(role="image", uri="kite.png", sha256=SHA),))
    run(submitted(engine(server), request, image=tmp_path / "kite.png"))
    assert server.forms[0]["input_reference"].startswith("image/png ")


@pytest.mark.parametrize(
    ("dialect", "path", "field"),
    [("openai", "/v1/videos/edits", "video"), ("sglang", "/v1/videos", "video_reference")],
)
def test_a_video_goes_where_its_dialect_takes_one(server, clip, dialect, path, field):
    request = asked(mode="video", inputs=(Input(role="video", uri="a", sha256=SHA),))
    run(submitted(engine(server, dialect=dialect, modes=("video",)), request, video=clip))
    assert server.calls == [("POST", path)]
    assert server.forms[0][field].startswith("video/mp4 ")


@pytest.fixture
def clip(tmp_path) -> Path:
    (tmp_path / "before.mp4").write_bytes(video(320, 192, Fraction(24), 0.5, 3))
    return tmp_path / "before.mp4"


def test_what_an_extension_gives_back_loses_what_was_there_before(server, clip, tmp_path):
    # The server gives a whole second for the half that it was sent and the half that is new.
    request = asked(mode="extend", part=1, inputs=(Input(role="video", uri="a", sha256=SHA),))
    made = engine(server, modes=("extend",), extend_by="extensions")

    async def whole() -> None:
        job = await made.submit(request, "k", 7, {0: clip})
        assert (await made.poll(job.job_id)).job_id == job.job_id
        await made.fetch(job.job_id, tmp_path / "new.mp4")
        await made.close()

    run(whole())
    assert server.calls[0] == ("POST", "/v1/videos/extensions")
    with av.open(str(tmp_path / "new.mp4")) as found:
        frames = [frame.to_ndarray(format="gray") for frame in found.decode(video=0)]
        sound: Any = found.streams.audio[0]
        assert float(sound.duration * sound.time_base) == pytest.approx(0.5, abs=0.03)
    assert len(frames) == 12
    assert (frames[0][2] > 200).mean() == pytest.approx(13 / 24, abs=0.02)  # the bar says which frame it is


def test_elsewhere_a_video_is_gone_on_with_from_its_last_frame(server, clip):
    request = asked(mode="extend", part=1, inputs=(Input(role="video", uri="a", sha256=SHA),))
    run(submitted(engine(server, dialect="vllm-omni", modes=("extend",)), request, video=clip))
    assert server.calls == [("POST", "/v1/videos")]
    assert server.forms[0]["input_reference"].startswith("image/png ")


CREATE_FAULTS = {
    "500-after": (Unsure, 1),
    "500-before": (Unsure, 0),
    "429": (Throttled, 0),
    "429-after": (Throttled, 0),
    "503-after": (Throttled, 0),
    "moderation": (Refused, 0),
    "invalid": (Invalid, 0),
    "cut": (Unsure, 1),
    "cut-before": (Unsure, 0),
    "garbage": (Unsure, 1),
    "slow": (Unsure, 1),
}


def test_every_fault_of_a_create_call_has_a_case_here():
    assert set(CREATE_FAULTS) == set(CREATING)


@pytest.mark.parametrize(("fault", "error", "jobs"), [(name, *told) for name, told in CREATE_FAULTS.items()])
def test_a_create_call_that_fails_is_sent_once_and_told_for_what_it_is(server, fault, error, jobs):
    server.faults.append(Fault(fault, seconds=1.5 if fault == "slow" else 7))
    with pytest.raises(error) as told:
        run(submitted(engine(server, timeout=0.5 if fault == "slow" else 5.0)))
    assert server.creates() == 1
    assert len(server.made) == jobs
    assert told.value.after == (7 if fault in ("429-after", "503-after") else None)
    assert "\n" not in told.value.message


def test_retry_after_may_be_a_date(server):
    now = time.time()
    error = refusal(429, {"Retry-After": formatdate(now + 30, usegmt=True)}, "", "", now)
    assert isinstance(error, Throttled)
    assert error.after == pytest.approx(30, abs=1.5)


def test_who_is_not_there_was_sent_nothing():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/v1", "http://no-such-host.invalid/v1"):
        with pytest.raises(NotSent):
            run(submitted(VideosApi(VideosApiSettings(model="m", url=url, connect_timeout=5))))


def test_a_server_that_takes_the_connection_and_says_nothing_leaves_it_unsure():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(Unsure):
            run(submitted(VideosApi(VideosApiSettings(model="m", url=url, timeout=0.2))))


def test_no_create_call_goes_over_a_connection_that_stayed_open(server):
    # The server closes connections that are idle; a request written at that moment would be in doubt.
    async def two() -> None:
        made = engine(server)
        await made.submit(asked(), "k1", 1, {})
        pool: Any = made._open()[0]._transport
        assert not pool._pool.connections
        await made.close()

    run(two())


JOB_FAULTS = {
    "stuck": ("running", ""),
    "unknown-status": ("failed", "held_for_review"),
    "failed": ("failed", "it did not work out"),
    "moderation-later": ("filtered", "it did not work out"),
    "empty": ("filtered", "empty"),
    "empty-list": ("filtered", "nothing was made"),
    "expired-job": ("expired", ""),
}


@pytest.mark.parametrize(("fault", "state", "words"), [(name, *told) for name, told in JOB_FAULTS.items()])
def test_a_job_that_comes_to_nothing_is_told_for_what_it_is(server, fault, state, words):
    server.faults.append(Fault(fault))
    job = run(polled(engine(server)))
    assert job.state == state
    assert words in job.message
    assert job.code == {"failed": "internal_error", "moderation-later": "moderation_blocked"}.get(fault, "")
    assert job.cost == {"stuck": 100_000, "failed": 0}.get(fault, 100_000)


@pytest.mark.parametrize("fault", ["poll-500", "poll-slow"])
def test_a_poll_that_fails_is_a_blip_and_the_next_goes_on(server, fault):
    server.faults.append(Fault(fault, polls=1, seconds=1.0))

    async def twice() -> Job:
        made = engine(server, timeout=0.4)
        job = await made.submit(asked(), "k1", 7, {})
        with pytest.raises(Blip):
            await made.poll(job.job_id)
        found = await made.poll(job.job_id)
        await made.close()
        return found

    assert run(twice()).state == "done"
    assert server.creates() == 1


CONTENT_FAULTS = {"expired": Lost, "truncated": Blip, "empty": Lost}


@pytest.mark.parametrize(("fault", "error"), CONTENT_FAULTS.items())
def test_content_that_does_not_come_whole_leaves_nothing_behind(server, tmp_path, fault, error):
    server.faults.append(Fault(fault))
    with pytest.raises(error):
        run(fetched(engine(server), tmp_path / "take.mp4"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("fault", "gate"), [("half", "decodable"), ("wrong-size", "size")])
def test_content_that_is_not_what_was_asked_for_fails_its_gate(server, tmp_path, fault, gate):
    server.faults.append(Fault(fault))
    run(fetched(engine(server), tmp_path / "take.mp4"))
    failed = [one.name for one in check_take(tmp_path / "take.mp4", asked()) if not one.passed]
    assert gate in failed


def test_every_fault_of_a_job_or_its_content_has_a_case_here():
    tried = {*JOB_FAULTS, *CONTENT_FAULTS, "poll-500", "poll-slow", "half", "wrong-size", "redirect"}
    assert tried == set(FAULTS) - set(CREATING)


def test_content_too_large_is_not_kept(server, tmp_path):
    job = server.accept("videos", {"size": "320x192", "seconds": "1"}, "")

    async def fetch(most: int) -> None:
        async with httpx.AsyncClient() as client:
            address = f"{server.url}/videos/{job.job_id}/content"
            await download(client, address, {}, tmp_path / "take.mp4", most, ())

    with pytest.raises(Lost, match="most_mb"):
        run(fetch(10_000))
    assert list(tmp_path.iterdir()) == []
    run(fetch(1 << 20))
    assert (tmp_path / "take.mp4").stat().st_size > 10_000


def test_content_is_fetched_from_another_host_only_where_that_is_allowed(server, tmp_path, monkeypatch):
    monkeypatch.setenv("VIDEO_KEY", "secret-1")
    with VideoServer() as other:
        job = other.accept("videos", {"size": "320x192", "seconds": "1"}, "")
        where = other.url.replace("127.0.0.1", "localhost") + f"/videos/{job.job_id}/content"
        for hosts, error in (((), "content_hosts"), (("cdn.example.com",), "content_hosts"), (("localhost",), "")):
            server.faults.append(Fault("redirect", where=where))
            if error:
                with pytest.raises(Lost, match=error):
                    run(fetched(engine(server, content_hosts=hosts, key_env="VIDEO_KEY"), tmp_path / "no.mp4"))
            else:
                run(fetched(engine(server, content_hosts=hosts, key_env="VIDEO_KEY"), tmp_path / "yes.mp4"))
        assert [call[1] for call in other.calls] == [f"/v1/videos/{job.job_id}/content"]
        assert other.keys == [""]  # nobody else gets the key
        assert set(server.keys) == {"Bearer secret-1"}
    assert [path.name for path in tmp_path.iterdir()] == ["yes.mp4"]


def test_a_private_address_by_https_is_refused(server, tmp_path):
    server.faults.append(Fault("redirect", where="https://169.254.169.254/latest/meta-data"))
    with pytest.raises(Lost, match="not a public address"):
        run(fetched(engine(server), tmp_path / "no.mp4"))


def test_a_job_that_the_server_does_not_know_is_lost(server, tmp_path):
    async def ask(job_id: str) -> None:
        made = engine(server)
        with pytest.raises(Lost):
            await made.poll(job_id)
        with pytest.raises(Lost):
            await made.fetch(job_id, tmp_path / "no.mp4")
        await made.close()

    run(ask("video_unknown"))
    asked_before = len(server.calls)
    run(ask("../../admin"))
    assert len(server.calls) == asked_before


def test_the_same_key_again_is_one_job_where_the_server_keeps_to_it(server):
    made = engine(server, idempotent=True)
    first, second = run(submitted(made)), run(submitted(made))
    assert first.job_id == second.job_id
    assert len(server.made) == 1
    assert made.offer.idempotent


def test_an_attempt_in_doubt_is_found_by_the_label_that_the_server_gives_back(server):
    for label in ("user", "metadata"):
        server.made.clear()
        server.faults.append(Fault("500-after"))
        made = engine(server, label=label)
        with pytest.raises(Unsure):
            run(submitted(made, key="key-of-this"))
        run(submitted(made, key="another"))
        (job_id,) = [one.job_id for one in server.made.values() if "key-of-this" in one.fields.get(label, "")]
        assert run(found(made, "key-of-this")) == [job_id]
        assert run(found(made, "never-sent")) is None
        assert run(found(engine(server, label=label, findable=True), "never-sent")) == []


def test_without_a_label_every_job_that_may_be_it_is_told(server):
    server.echoes = ()
    made = engine(server, findable=True)
    before = time.time()
    assert run(found(made, "k")) == []
    run(submitted(made, asked(prompt="something else")))
    run(submitted(made, asked(frames=96)))
    assert run(found(made, "k")) == []
    job = run(submitted(made))
    assert run(found(made, "k")) == [job.job_id]
    assert run(found(made, "k", since=before + 3600)) == []
    assert run(found(engine(server), "k", since=before + 3600)) is None


async def found(made: VideosApi, key: str, since: float | None = None) -> list[str] | None:
    try:
        return await made.find(asked(), key, time.time() - 5 if since is None else since)
    finally:
        await made.close()


def test_a_long_list_is_read_page_by_page(server):
    for _ in range(250):
        server.accept("videos", {"prompt": "another", "size": "320x192", "seconds": "1"}, "")
    first = next(iter(server.made.values()))
    first.fields["prompt"] = "a red kite"
    made = engine(server, findable=True, model="m")
    assert run(found(made, "k")) == [first.job_id]
    assert [call for call in server.calls if call == ("GET", "/v1/videos")] == [("GET", "/v1/videos")] * 4


def test_a_server_without_a_list_cannot_tell(server):
    server.lists = False
    assert run(found(engine(server, findable=True), "k")) is None


def test_the_key_is_sent_and_reaches_no_message(server, monkeypatch):
    monkeypatch.setenv("VIDEO_KEY", "secret-1")
    server.key = "secret-1"
    made = engine(server, key_env="VIDEO_KEY")
    made.check()
    run(submitted(made))
    monkeypatch.setenv("VIDEO_KEY", "secret-2")
    with pytest.raises(ConfigError, match="not accepted"):
        made.check()
    with pytest.raises(Invalid, match="401") as told:
        run(submitted(made))
    assert "secret-2" not in told.value.message
    monkeypatch.delenv("VIDEO_KEY")
    with pytest.raises(ConfigError, match="VIDEO_KEY"):
        made.check()


def test_check_says_when_nobody_answers():
    with pytest.raises(ConfigError, match="no answer"):
        VideosApi(VideosApiSettings(model="m", url="http://127.0.0.1:9/v1")).check()


def test_a_spec_says_all_that_an_offer_is_made_of():
    spec = (
        "videos-api:wan-2.2,url=http://gpu:8000/v1,dialect=vllm-omni,modes=text,image,extend,sizes=1280x720,720x1280,"
        "frame_step=4,frame_offset=1,frame_rates=16,24,longest=5,price=480:0.03 720:0.10,price_request=0.002,"
        "price_as_of=2026-11-01,price_source=https://example.com/prices,licence=Apache-2.0,commercial=yes,"
        "not_in=KR,GB,idempotent=yes,in_flight=4"
    )
    made: Engine = load_engine(spec)
    offer = made.offer
    assert offer.model == "wan-2.2"
    assert offer.modes == {"text", "image", "extend"}
    assert offer.roles == {"image", "video"}
    assert offer.sizes == ((1280, 720), (720, 1280))
    assert (offer.frame_step, offer.frame_offset, offer.frame_rates) == (4, 1, ("16", "24"))
    assert (offer.price.per_second, offer.price.per_request) == ({480: 30_000, 720: 100_000}, 2_000)
    assert (offer.licence.commercial, offer.licence.not_in) == (True, ("GB", "KR"))
    assert (offer.idempotent, offer.findable, offer.in_flight, offer.longest) == (True, False, 4, 5.0)


def test_what_is_not_set_is_taken_to_be_the_least():
    offer = load_engine("videos-api:m").offer
    assert offer.price.per_second == {}
    said = (offer.licence.commercial, offer.idempotent, offer.findable, offer.sound, offer.local)
    assert said == (False,) * 5
    assert offer.rewrites == "unknown"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("videos-api", "no model"),
        ("videos-api:m,url=ftp://x/v1", "not a web address"),
        ("videos-api:m,price=cheap", "no amount of money"),
        ("videos-api:m,price=480:0.1 720", "480:0.03"),
        ("videos-api:m,price=0.0000001", "no amount of money"),
        ("videos-api:m,sizes=large", "1280x720"),
        ("videos-api:m,dialect=sora", "not one of"),
        ("videos-api:m,extra=[1]", "not a JSON object"),
        ('videos-api:m,extra={"prompt": "x"}', "not to be set"),
        ("videos-api:m,shortest=9,longest=2", "longer than"),
    ],
)
def test_a_setting_that_cannot_work_is_told_before_any_work(spec, words):
    with pytest.raises(ConfigError, match=words):
        load_engine(spec)


def test_a_mode_that_the_format_has_no_field_for_is_not_sent(server):
    for request in (asked(mode="fill"), asked(mode="image")):
        with pytest.raises(Invalid, match=request.mode):
            run(submitted(engine(server), request))
    assert server.creates() == 0


def test_an_engine_travels_to_a_worker(server):
    made = engine(server)
    run(submitted(made))
    there = pickle.loads(pickle.dumps(made))
    assert run(submitted(there, key="k2")).state == "queued"


def test_the_server_runs_as_a_process_of_its_own_and_remembers(tmp_path):
    script = tmp_path / "faults.json"
    script.write_text(json.dumps([{"name": "500-after", "match": "kite"}]))
    command = [sys.executable, "-m", "tests.generation.engines.videoserver"]
    command += ["--script", str(script), "--record", str(tmp_path)]
    for expected in (1, 2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            url = process.stdout.readline().strip()
            made = VideosApi(VideosApiSettings(model="m", url=url))
            with pytest.raises(Unsure):
                run(submitted(made, key=f"k{expected}"))
            record = httpx.get(f"{url}/record").json()
            process.kill()
        assert (len(record["jobs"]), record["charged"], record["creates"]) == (expected, expected * 100_000, 1)
