"""What is wrong with one element is one row of `failures` and stops nothing else; wrong usage is one clear line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import curate, footage, steps
from pipelines.main import main
from tests.pipelines import corpora
from tests.servers import WebServer
from transforms.failures import CLASSES

MISBEHAVING = {
    "hangs_measure": "timed_out",
    "stops_audio": "timed_out",
    "crashes_measure": "crashed",
    "crashes_probe": "crashed",
    "exits_audio": "crashed",
    "eats_measure": "out_of_memory",
    "swells_measure": "out_of_memory",
    "fails_measure": "internal",
}
"""File names, each what its decoder does and in which phase, and the failure class that must come of it."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.tiny_corpus(tmp_path_factory.mktemp("good"))


def failures(out: Path) -> dict[str, dict[str, Any]]:
    """Rows of `failures` by the name of the file."""
    return {Path(row["subject"]).name: row for row in corpora.rows(out)["failures"]}


def copy(source: Path, to: Path, number: int) -> Path:
    """The same film in bytes that no other number has: a `free` box at the end, which players pass over."""
    to.write_bytes(source.read_bytes() + struct.pack(">I4sQ", 16, b"free", number))
    return to


def without(rows: dict[str, list[dict[str, Any]]], names: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Rows of every table but for those of some sources and of their videos."""
    videos = {row["video_id"] for row in rows["sources"] if Path(row["uri"]).name in names}
    return {
        table: [
            row
            for row in held
            if row.get("video_id") not in videos and Path(row.get("subject", "none")).name not in names
        ]
        for table, held in rows.items()
    }


@pytest.mark.slow
def test_a_decode_that_hangs_or_crashes_or_eats_memory_is_one_failure_and_harms_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films = corpora.tiny_corpus(tmp_path)
    assert corpora.curate(films, tmp_path / "before")[0] == 3
    bad = {f"{name}.mp4": expected for name, expected in MISBEHAVING.items()}
    for number, name in enumerate(bad):
        copy(films / corpora.SOUND_CUTS, films / name, number)
    monkeypatch.setattr(steps, "SOURCE_TASK", "tests.badtasks:curate_source")
    out = tmp_path / "out"
    code, report = corpora.curate(films, out, "--time-limit", "5", "--memory-limit-mb", "700")
    assert code == 3
    found = failures(out)
    for name, error_class in bad.items():
        row = found[name]
        assert (row["error_class"], row["step"]) == (error_class, Path(name).stem.partition("_")[2]), name
        assert row["message"]
    assert found.keys() == {*bad, corpora.DAMAGED}
    assert report["balance"]["sources"]["failed"] == Counter([*bad.values(), found[corpora.DAMAGED]["error_class"]])
    assert without(corpora.rows(out), set(bad)) == corpora.rows(tmp_path / "before")

    monkeypatch.undo()
    code, report = corpora.curate(films, out)
    assert code == 3
    assert {Path(row["uri"]).name for row in corpora.rows(out)["sources"]} == {p.name for p in films.iterdir()} - {
        corpora.DAMAGED
    }
    assert report["balance"]["sources"]["failed"] == {found[corpora.DAMAGED]["error_class"]: 1}
    assert 0 < report["decoded_frames"] <= 75 * len(bad), "only what failed before is decoded"


@pytest.fixture
def door() -> Iterator[socket.socket]:
    """A listening socket that nobody may knock at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def knocked(door: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        door.accept()
        return True
    return False


def test_a_playlist_called_mp4_is_refused_and_nothing_it_names_is_opened(good: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    secret = shutil.copy(good / corpora.SOUND_CUTS, tmp_path / "secret.mp4")
    os.utime(secret, ns=(0, 0))
    with WebServer() as server:
        server.files["/film.ts"] = Path(secret)
        named = [f"file://{secret}", str(secret), f"{server.address}/film.ts"]
        entries = "".join(f"#EXTINF:3,\n{one}\n" for one in named)
        head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXT-X-MEDIA-SEQUENCE:0\n"
        (films / "playlist.mp4").write_text(f"{head}{entries}#EXT-X-ENDLIST\n")
        (films / "master.mp4").write_text(f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{server.address}/film.ts\n")
        (films / "concat.mp4").write_text("ffconcat version 1.0\n" + "".join(f"file '{one}'\n" for one in named))
        code, _ = corpora.curate(films, tmp_path / "out")
        assert server.asked == []
    assert code == 3
    found = failures(tmp_path / "out")
    assert {name: (row["error_class"], row["step"]) for name, row in found.items()} == {
        name: ("not_media", "probe") for name in ("playlist.mp4", "master.mp4", "concat.mp4")
    }
    assert not corpora.rows(tmp_path / "out")["videos"]
    assert Path(secret).stat().st_atime_ns == 0, "the file that the playlists name was read"


def test_a_private_address_in_a_list_is_refused_and_no_connection_is_made(
    good: Path, tmp_path: Path, door: socket.socket
) -> None:
    port = door.getsockname()[1]
    private = [
        f"http://127.0.0.1:{port}/a.mp4",
        f"http://someone:hunter2@localhost:{port}/b.mp4?X-Amz-Signature=hunter2",
        f"http://[::ffff:127.0.0.1]:{port}/c.mp4",
        f"http://2130706433:{port}/d.mp4",
        "http://169.254.169.254/latest/meta-data/e.mp4",
        "https://10.1.2.3/f.mp4",
    ]
    given = tmp_path / "list.csv"
    given.write_text("uri\n" + "".join(f"{uri}\n" for uri in [*private, good / "d_tiny.mp4"]))
    code, _ = corpora.curate(given, tmp_path / "out")
    assert code == 3
    assert not knocked(door)
    rows = corpora.rows(tmp_path / "out")
    assert [row["error_class"] for row in rows["failures"]] == ["forbidden_address"] * len(private)
    assert all("--allow-private-addresses" in row["message"] for row in rows["failures"])
    assert [Path(row["uri"]).name for row in rows["sources"]] == ["d_tiny.mp4"]
    written = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert not [p for p in written if b"hunter2" in p.read_bytes()], "a password was written down"


_WITHOUT_OVERRIDE = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root read anything
    if ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
def test_a_file_or_a_folder_that_may_not_be_read_is_a_failure_that_says_so(good: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    shutil.copytree(good, films)
    closed = films / "closed"
    closed.mkdir()
    (films / "a_cuts.mp4").chmod(0)
    closed.chmod(0)
    command = corpora.process(films, tmp_path / "out")
    if os.geteuid() == 0:
        probe = [sys.executable, "-c", _WITHOUT_OVERRIDE, "/bin/cat", str(films / "a_cuts.mp4")]
        if (
            subprocess.run(probe, capture_output=True).returncode == 0
            or subprocess.run([*probe[:3], "/bin/true"], capture_output=True).returncode
        ):
            pytest.skip("root's right to read everything cannot be given up here")
        command = [sys.executable, "-c", _WITHOUT_OVERRIDE, *command]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    finally:
        closed.chmod(0o755)
    assert ran.returncode == 3, ran.stderr[-2000:]
    found = failures(tmp_path / "out")
    assert found["a_cuts.mp4"]["error_class"] == "unreadable"
    assert "permission" in found["a_cuts.mp4"]["message"].lower()
    assert [row["error_class"] for name, row in found.items() if name not in ("a_cuts.mp4", corpora.DAMAGED)] == [
        "unreadable"
    ]
    assert len(corpora.rows(tmp_path / "out")["sources"]) == corpora.GOOD - 1


def test_an_empty_file_is_a_failure_of_its_own_class(good: Path, tmp_path: Path) -> None:
    films = tmp_path / "films"
    films.mkdir()
    (films / "nothing.mp4").touch()
    shutil.copy(good / "d_tiny.mp4", films)
    code, report = corpora.curate(films, tmp_path / "out")
    assert code == 3
    assert {name: row["error_class"] for name, row in failures(tmp_path / "out").items()} == {"nothing.mp4": "empty"}
    assert report["balance"]["sources"] == {
        "in": 2,
        "kept": 1,
        "dropped": {},
        "dropped_total": 0,
        "failed": {"empty": 1},
    }


@pytest.mark.parametrize(
    ("name", "content"),
    [("list.txt", ""), ("list.txt", "\n# nothing yet\n"), ("list.csv", "uri,title\n"), ("list.jsonl", "")],
)
def test_a_list_of_nothing_commits_a_run_over_nothing(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    code, report = corpora.curate(tmp_path / name, tmp_path / "out")
    assert code == 0
    assert {step: line["in"] for step, line in report["balance"].items()} == {"list": 0, "sources": 0, "videos": 0}
    assert not any(corpora.rows(tmp_path / "out").values())
    assert [row["status"] for row in corpora.runs(tmp_path / "out")] == ["done"]


def test_rows_of_a_list_that_name_no_source_are_failures_and_the_others_go_on(good: Path, tmp_path: Path) -> None:
    given = tmp_path / "list.csv"
    given.write_text(f"uri,title\n{good / 'd_tiny.mp4'},one\n,two\n{tmp_path / 'gone.mp4'},three\n")
    code, report = corpora.curate(given, tmp_path / "out")
    assert code == 3
    assert report["balance"]["list"]["failed"] == {"bad_list": 1}
    assert report["balance"]["sources"]["failed"] == {"unreachable": 1}
    rows = corpora.rows(tmp_path / "out")
    assert [row["metadata"] for row in rows["sources"]] == [{"title": "one"}]
    subjects = [row["subject"] for row in rows["failures"]]
    assert any(re.search(r"list\.csv row \d", s) for s in subjects)
    assert str(tmp_path / "gone.mp4") in subjects


USAGE: dict[str, tuple[list[str], list[str]]] = {
    "below its range": (["IN", "OUT", "--min-seconds", "-1"], ["--min-seconds", "-1"]),
    "above its range": (["IN", "OUT", "--failure-ratio", "2"], ["--failure-ratio", "2"]),
    "not a number": (["IN", "OUT", "--max-seconds", "long"], ["--max-seconds", "long"]),
    "none of the choices": (["IN", "OUT", "--detectors", "guess"], ["--detectors", "guess", "adaptive"]),
    "no such captioner": (["IN", "OUT", "--captioner", "poet"], ["--captioner", "poet", "attributes"]),
    "mistyped": (["IN", "OUT", "--min-second", "4"], ["--min-second", "did you mean --min-seconds"]),
    "mistyped, Beam's": (["IN", "OUT", "--projct", "p"], ["--projct", "did you mean --project"]),
    "like nothing known": (["IN", "OUT", "--zzzzqqq"], ["--zzzzqqq", "--help"]),
    "no value": (["IN", "OUT", "--min-seconds"], ["--min-seconds"]),
    "no output": (["IN"], ["--output"]),
    "no input": (["OUT"], ["INPUT"]),
    "input that is not there": (["/no/such/place", "OUT"], ["/no/such/place"]),
    "pattern that matches nothing": (["/no/such/*.mp4", "OUT"], ["/no/such/*.mp4"]),
    "scheme of nobody": (["ftp://host/a.mp4", "OUT"], ["ftp"]),
    "list without its column": (["LIST", "OUT"], ["list.csv", "uri", "--uri-column"]),
    "unknown runner": (["IN", "OUT", "--runner", "Sprinter"], ["--runner", "Sprinter", "local"]),
    "no such configuration": (["IN", "OUT", "--config", "gone.yaml"], ["--config", "gone.yaml"]),
    "configuration that is no YAML": (["IN", "OUT", "--config", "CONFIG:a: [1"], ["--config"]),
    "configuration that is a list": (["IN", "OUT", "--config", "CONFIG:- a\n"], ["--config", "list"]),
    "configuration with an unknown option": (["IN", "OUT", "--config", "CONFIG:min_second: 4\n"], ["min_second"]),
    "configuration out of range": (["IN", "OUT", "--config", "CONFIG:quality:\n  min_seconds: -1\n"], ["min-seconds"]),
    "configuration of a wrong type": (["IN", "OUT", "--config", "CONFIG:min_seconds: [1]\n"], ["min-seconds"]),
}
"""Arguments (IN, OUT and LIST stand for places, CONFIG: for a file that holds what follows), and what is said."""


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_ends_with_2_and_one_line_that_names_the_option(
    case: str, good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, expected = USAGE[case]
    (tmp_path / "list.csv").write_text("address\nfilm.mp4\n")
    places = {"IN": [str(good)], "OUT": ["--output", str(tmp_path / "out")], "LIST": [str(tmp_path / "list.csv")]}
    words: list[str] = []
    for word in arguments:
        if word.startswith("CONFIG:"):
            (tmp_path / "config.yaml").write_text(word.removeprefix("CONFIG:"))
            word = str(tmp_path / "config.yaml")
        words += places.get(word, [word])
    assert main(["curate", *words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rushes: ")
    assert "Traceback" not in said
    for part in expected:
        assert part in said
    assert not (tmp_path / "out").exists(), "wrong usage wrote something"


@pytest.mark.slow
def test_over_the_failure_ratio_only_failures_are_written_and_nothing_measured_is_lost(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "out"
    films.mkdir()
    for seed in range(10):
        footage.render_tiny(films / f"good{seed}.mp4", seed)
    broken = (films / "good0.mp4").read_bytes()[:300]
    for number in range(30):
        (films / f"bad{number}.mp4").write_bytes(broken + bytes([number]))
    code, report = corpora.curate(films, out)
    assert code == 1
    assert "30 of 40 sources failed" in report["message"]
    assert "--failure-ratio" in report["message"]
    rows = corpora.rows(out)
    assert {table: len(held) for table, held in rows.items() if held} == {"failures": 30}
    assert [row["status"] for row in corpora.runs(out)] == ["refused"]
    decoded = report["decoded_frames"]
    assert decoded > 0

    code, report = corpora.curate(films, out, "--failure-ratio", "1")
    assert code == 3
    assert (report["decoded_frames"], report["read_bytes"]) == (0, 0)
    assert report["reused"]["failures"] == 30
    assert report["reused"]["videos"] == 10
    rows = corpora.rows(out)
    assert (len(rows["sources"]), len(rows["videos"]), len(rows["failures"])) == (10, 10, 60)
    assert sum(video["frames"] for video in rows["videos"]) == decoded
    assert [row["status"] for row in corpora.runs(out)] == ["refused", "failures"]


def test_the_advice_of_every_failure_class_names_only_options_that_exist() -> None:
    known = {word for action in curate.parser()._actions for word in action.option_strings}
    named = {word for advice in CLASSES.values() for word in re.findall(r"--[a-z-]+", advice)}
    assert named
    assert named <= known


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_hostile_file_ends_as_a_video_or_a_failure_with_a_class_and_a_message(
    media: Path, tmp_path: Path
) -> None:
    hostile = media / "hostile"
    files = {str(p) for p in hostile.iterdir() if p.is_file()}
    start = time.monotonic()
    code, report = corpora.curate(hostile, tmp_path / "out", "--failure-ratio", "1")
    seconds = time.monotonic() - start
    assert code == 3
    rows = corpora.rows(tmp_path / "out")
    sources = {row["uri"] for row in rows["sources"]}
    failed = {row["subject"]: row for row in rows["failures"] if row["step"] != "audio" or row["video_id"] is None}
    assert sources | set(failed) == files
    assert not sources & set(failed)
    for row in rows["failures"]:
        assert row["error_class"] in CLASSES
        assert row["error_class"] not in ("internal", "crashed", "timed_out", "out_of_memory"), row
        said = row["message"].removesuffix(f" ({CLASSES[row['error_class']]})")
        assert len(said.split()) >= 3, row
    assert report["balance"]["sources"]["in"] == len(files)
    assert seconds < 180
    print(json.dumps({"seconds": round(seconds, 1), "videos": len(rows["videos"]), "failed": len(failed)}))
