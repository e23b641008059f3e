"""Browse over HTTP: it answers to its own name only, reads only, and shows what strangers wrote as text."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages.conftest import GONE, HOSTILE
from tests.pages.served import SCRIPT, Server, served, with_script
from transforms import tables


@pytest.fixture(scope="module")
def out(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_script(reported, tmp_path_factory.mktemp("browse"))


@pytest.fixture(scope="module")
def plain(out: Path) -> Iterator[Server]:
    with served(out) as server:
        yield server


@pytest.fixture(scope="module")
def clips(out: Path) -> list[dict]:
    return tables.read(tables.open_corpus(str(out)), "clips").to_pylist(maps_as_pydicts="strict")


def test_it_starts_at_the_latest_snapshot_and_opens_any_other(plain: Server):
    assert plain.ask("/").headers["location"] == "/at/latest/"
    now, then = plain.ask("/at/latest/tables/captions").text, plain.ask("/at/1/tables/captions").text
    assert "stranger" in now
    assert "stranger" not in then
    for number in ("3", "0", "99999999999", "-1", "%C2%B2", "x"):
        answer = plain.ask(f"/at/{number}/clips")
        assert answer.status == 404, number
        assert "no snapshot" in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{port}", ""]
)
def test_other_names_are_refused(plain: Server, host: str):
    answer = plain.ask("/at/latest/", headers={"Host": host.format(port=plain.port)})
    assert answer.status == 421
    assert b"clips" not in answer.body


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"])
def test_its_own_names_are_answered(plain: Server, host: str):
    assert plain.ask("/at/latest/", headers={"Host": host.format(port=plain.port)}).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/at/latest/clips", "/at/latest/thresholds"])
def test_writes_are_refused(plain: Server, method: str, path: str):
    assert plain.ask(path, method, body=b"{}").status == 405


def test_marks_are_refused_without_review(plain: Server, out: Path, clips: list[dict]):
    value = {"video": clips[0]["video_id"], "frame": 3, "mark": "missing"}
    assert plain.mark(value).status == 403
    assert tables.read(tables.open_corpus(str(out)), "marks").num_rows == 0


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../../pyproject.toml",
        "/assets/..%2f..%2fpyproject.toml",
        "/assets/%2e%2e/%2e%2e/pages/browse.py",
        "/assets/base.html.j2",
        "//etc/passwd",
        "/etc/passwd",
        "/at/latest/../../../etc/passwd",
        "/at/latest/videos/..%2f..%2f..%2fetc%2fpasswd/media",
        "/at/latest/videos/%2Fetc%2Fpasswd/media",
        "/at/latest/videos/file:%2F%2F%2Fetc%2Fpasswd/media",
        "/at/latest/clips/..%2F..%2Fcorpus.json/file",
        "/at/latest/clips/%00/file",
        "/at/latest/tables/..%2fclips",
        "/at/latest/tables/pg_tables",
        "/at/..%2f1/clips",
    ],
)
def test_no_path_leads_out(plain: Server, path: str):
    answer = plain.ask(path)
    assert answer.status in (400, 404)
    assert b"root:" not in answer.body
    assert b"[project]" not in answer.body
    assert b'"buckets"' not in answer.body


@pytest.mark.parametrize(
    "question",
    [
        "sort=clip_id;drop table clips",
        "sort=(select 1)",
        "seconds%22%3E0%20or%20%221=1",
        "seconds.min=1%20or%201=1",
        "kept=true",
        "reasons.min=1",
        "nothing=1",
        "first=-1",
        "first=99999",
        "first=abc",
        "seconds.max=nan",
    ],
)
def test_what_is_no_column_or_no_value_is_refused_in_words(plain: Server, question: str):
    answer = plain.ask(f"/at/latest/clips?{question.replace(' ', '%20')}")
    assert answer.status == 400
    assert 'role="alert"' in answer.text
    assert "Traceback" not in answer.text


def test_values_are_values(plain: Server):
    for text in ("%27%20or%201=1--", "%25", "_", "%22", "%5C", "%F0%9F%8E%AC"):
        assert '<strong id="total">0</strong>' in plain.ask(f"/at/latest/tables/clips?camera={text}").text, text


def test_strangers_words_are_text_on_every_page(plain: Server, clips: list[dict]):
    first = clips[0]
    pages = ["", "clips", "clips?q=alert", "tables/captions", "tables/sources", "tables/failures", "thresholds"]
    pages += [f"clips/{one['clip_id']}" for one in clips] + [f"videos/{one['video_id']}" for one in clips]
    pages += [f"videos/{first['video_id']}/cuts/3", f"clips?{'luma.min=%3Cscript%3Ealert(5)%3C/script%3E'}"]
    texts = [plain.ask(f"/at/latest/{page}").text for page in pages]
    for text in texts:
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert not re.search(r"<script(?! src=\"/assets/)", text)
        assert " style=" not in text
        assert not re.search(r"\son\w+=", text.replace("onerror=alert", ""))
    whole = "".join(texts)
    for wanted in (SCRIPT, HOSTILE):
        assert wanted.replace("<", "&lt;").split("&lt;")[-1].split(">")[0] in whole
    assert GONE.split("<")[0] in whole


def test_every_answer_keeps_to_itself(plain: Server, clips: list[dict]):
    video = f"/at/latest/videos/{clips[0]['video_id']}"
    for path in ("/at/latest/", "/nothing", "/assets/browse.js", f"{video}/media", f"{video}/signals.json", "/at/9/"):
        headers = plain.ask(path).headers
        assert "script-src 'self';" in headers["content-security-policy"], path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "set-cookie" not in headers


def test_filters_agree_with_the_table(plain: Server, clips: list[dict]):
    def total(question: str) -> int:
        (found,) = re.findall(r'id="total">(\d+)<', plain.ask(f"/at/latest/clips?{question}").text)
        return int(found)

    assert total("") == len(clips)
    assert total("kept=yes") == sum(one["kept"] for one in clips)
    assert total("reasons=too_short") == sum("too_short" in (one["reasons"] or []) for one in clips)
    assert total("seconds.min=1.5&kept=yes") == sum(one["kept"] and one["seconds"] >= 1.5 for one in clips)
    assert total("q=alert") == 1
    answer = plain.ask("/at/latest/clips?measure=motion&low=1&high=2&kept=yes")
    assert answer.headers["location"] == "/at/latest/clips?kept=yes&motion.min=1&motion.max=2"


def test_a_source_is_sent_by_range_and_only_while_it_is_the_one_that_was_read(reported: Path, tmp_path: Path):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    corpus = tables.open_corpus(str(out))
    row = next(r for r in tables.read(corpus, "sources").to_pylist() if r["uri"].endswith(".webm"))
    path, data = Path(row["uri"]), Path(row["uri"]).read_bytes()
    with served(out) as server:
        media = f"/at/latest/videos/{row['video_id']}/media"
        whole = server.ask(media)
        assert (whole.status, whole.body) == (200, data)
        assert (whole.headers["content-type"], whole.headers["accept-ranges"]) == ("video/webm", "bytes")
        part = server.ask(media, headers={"Range": "bytes=10-19"})
        assert (part.status, part.body, part.headers["content-range"]) == (206, data[10:20], f"bytes 10-19/{len(data)}")
        assert server.ask(media, headers={"Range": "bytes=-5"}).body == data[-5:]
        assert server.ask(media, headers={"Range": f"bytes={len(data)}-"}).status == 416
        assert server.ask(media, "HEAD").headers["content-length"] == str(len(data))
        moved = path.with_suffix(".moved")
        path.rename(moved)
        try:
            gone = server.ask(media)
            assert gone.status == 404
            assert "the source is gone" in gone.text
            path.write_bytes(data + b"x")
            changed = server.ask(media)
            assert changed.status == 404
            assert "has changed since it was read" in changed.text
            assert "has changed since it was read" in server.ask(f"/at/latest/videos/{row['video_id']}").text
        finally:
            moved.replace(path)


def test_what_is_gone_from_the_store_is_said(reported: Path, tmp_path: Path, clips: list[dict]):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    shutil.rmtree(out / "store")
    clip = clips[0]
    with served(out) as server:
        assert server.ask(f"/at/latest/clips/{clip['clip_id']}").status == 200
        for path in ("signals.json", "cuts.json", "cuts/3", "frames/0.png", "samples/0.jpg"):
            answer = server.ask(f"/at/latest/videos/{clip['video_id']}/{path}")
            assert answer.status == 404, path
            assert "could not be read" in answer.text
            assert "Traceback" not in answer.text


def test_pictures_are_those_that_were_stored(plain: Server, clips: list[dict]):
    clip = clips[0]
    (pts,) = re.findall(r"frames/(\d+)\.jpg", clip["frame_uri"])
    folder = f"/at/latest/videos/{clip['video_id']}"
    assert plain.ask(f"{folder}/samples/{pts}.jpg").body.startswith(b"\xff\xd8")
    assert plain.ask(f"{folder}/frames/0.png").body.startswith(b"\x89PNG")
    for path in ("samples/999999999.jpg", "frames/999999.png", "samples/-1.jpg", "samples/x.jpg"):
        assert plain.ask(f"{folder}/{path}").status == 404


def test_other_limits_and_other_thresholds_answer_as_json(plain: Server, clips: list[dict]):
    told = plain.ask("/at/latest/thresholds.json?min_seconds=1.45").data
    assert told["total"] == len(clips)
    assert told["lost"] == sum(one["kept"] and one["seconds"] < 1.45 for one in clips)
    assert "min_seconds: 1.45" in told["configuration"]
    folder = f"/at/latest/videos/{clips[0]['video_id']}"
    assert len(plain.ask(f"{folder}/cuts.json?detectors=stride&stride_seconds=0.5").data["cuts"]) >= 2
    for path in (
        "thresholds.json?min_seconds=-1",
        "thresholds.json?nothing=1",
        f"videos/{clips[0]['video_id']}/cuts.json?detectors=transnetv2",
        f"videos/{clips[0]['video_id']}/cuts.json?content_threshold=x",
        f"videos/{clips[0]['video_id']}/cuts.json?cut_=x",
    ):
        answer = plain.ask(f"/at/latest/{path}")
        assert answer.status == 400, path
        assert json.loads(answer.body)["error"]


def test_marks_are_written_from_its_own_page_only(reported: Path, tmp_path: Path, clips: list[dict]):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    corpus = tables.open_corpus(str(out))
    clip = clips[1]
    good = {
        "video": clip["video_id"],
        "frame": clip["start_frame"],
        "mark": "right",
        "detector": "combined",
        "author": "A",
    }
    with served(out, review=True) as server:
        assert f'content="{server.shelf.token}"' in server.ask("/at/latest/").text
        refused = [
            server.mark(good, Origin="http://evil.example"),
            server.mark(good, Origin="null"),
            server.mark(good, **{"X-Rushes-Token": "guessed"}),
            server.ask("/marks", "POST", {"X-Rushes-Token": server.shelf.token}, json.dumps(good).encode()),
            server.mark(good, Host="evil.example"),
        ]
        assert [answer.status for answer in refused] == [403, 403, 403, 403, 421]
        assert server.mark(good, **{"Content-Type": "text/plain"}).status == 415
        assert server.mark({**good, "author": "x" * 5000}).status == 413
        for wrong in (
            {"frame": -1},
            {"frame": 10**9},
            {"frame": "3"},
            {"mark": "maybe"},
            {"video": "none"},
            {"before": 10**6},
        ):
            assert server.mark({**good, **wrong}).status == 400, wrong
        assert tables.read(corpus, "marks").num_rows == 0
        copied = server.shelf.snapshot("latest")
        told = server.mark(good)
        assert (told.status, told.data) == (200, {"snapshot": 2})
        assert (
            "Marked right by A" in server.ask(f"/at/latest/videos/{clip['video_id']}/cuts/{clip['start_frame']}").text
        )
        # The clips did not change, so their copy stays.
        assert server.shelf.snapshot("latest") is copied
        assert server.shelf.snapshot("1") is not copied
        assert server.mark({**good, "mark": ""}).status == 200
        assert tables.read(corpus, "marks").num_rows == 0
        assert tables.read(corpus, "marks", 2).num_rows == 1
