"""Sources and output in object stores and on the web: real servers on loopback, the real job, nothing left behind.

Remote sources are read once, into a temporary file; a file of results is there whole or not at all; a server that fails
in the middle is one failed source, and the next run makes up for it.
"""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines import export, scenes, show
from pipelines import runs as runs_command
from tests.pipelines import corpora
from tests.pipelines.processes import Rushes, ended
from tests.servers import WebServer, gcs_server, s3_server
from transforms import pool, storage, tables

WITH_FAILURES = 3
KEPT: tuple[str, ...] = ("--min-seconds", "1", "--min-side", "64")
QUICK_RETRY: tuple[str, ...] = ("--io-attempts", "2", "--io-first-wait", "0.01")
WHERE = frozenset({"uri", "etag", "modified", "subject", "message"})
"""Columns that say where and when a source was found, not what it is."""


def reports(out: str) -> dict[str, Any]:
    """The newest report below an output folder anywhere."""
    found = [s.uri for s in storage.find(storage.join(out, "runs")) if s.uri.endswith("/report.json")]
    newest = max((json.loads(storage.read_bytes(uri)) for uri in found), key=lambda r: r["ended"])
    return dict(newest)


def curate(inputs: Any, out: str | Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run the job; its exit code and report, wherever the output is."""
    code, _ = corpora.curate(inputs, out, *KEPT, *options)
    return code, reports(str(out))


def placeless(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Rows without where their sources were, in a fixed order."""
    return {
        name: sorted(
            ({k: v for k, v in row.items() if k not in WHERE} for row in found),
            key=lambda row: json.dumps(row, sort_keys=True, default=str),
        )
        for name, found in rows.items()
    }


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny corpus on local disk."""
    return corpora.tiny_corpus(tmp_path_factory.mktemp("remote"))


@pytest.fixture(scope="module")
def expected(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Rows of a local run, without where its sources were."""
    out = tmp_path_factory.mktemp("local")
    assert corpora.curate(footage, out, *KEPT)[0] == WITH_FAILURES
    return placeless(corpora.rows(out))


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of its own."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture(scope="module")
def bucket(footage: Path) -> Iterator[str]:
    """A bucket of an S3 server, with the corpus below `footage/`."""
    with s3_server() as uri:
        for path in sorted(footage.iterdir()):
            storage.upload(str(path), f"{uri}/footage/{path.name}")
        yield uri


def good_bytes(rows: dict[str, list[dict[str, Any]]]) -> int:
    """Bytes of the sources that could be used."""
    return sum(row["size"] for row in rows["sources"])


@pytest.mark.slow
def test_sources_and_output_on_s3_give_the_rows_of_local_ones_and_are_read_once(
    bucket: str, expected: dict[str, list[dict[str, Any]]], temp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = f"{bucket}/out"
    code, report = curate(f"{bucket}/footage", out)
    assert code == WITH_FAILURES
    rows = corpora.rows(out)
    assert placeless(rows) == expected
    assert report["read_bytes"] == report["source_bytes"] == good_bytes(rows), "a source was read more than once"
    assert report["decoded_frames"] == sum(row["frames"] for row in rows["videos"])
    assert {row["uri"] for row in rows["sources"]} < {f"{bucket}/footage/{name}" for name in corpora.SOURCES}
    assert all(row["etag"] for row in rows["sources"])
    assert [p.name for p in temp.iterdir()] == []
    versions = tables.snapshot(tables.open_corpus(out)).versions

    code, report = curate(f"{bucket}/footage", out)
    assert code == WITH_FAILURES
    assert (report["decoded_frames"], report["read_bytes"]) == (0, 0)
    again = tables.snapshot(tables.open_corpus(out)).versions
    assert {k: v for k, v in again.items() if k not in ("runs", "failures")} == {
        k: v for k, v in versions.items() if k not in ("runs", "failures")
    }
    capsys.readouterr()
    assert show.run([out]) == 0
    assert f"{out}: snapshot 2" in capsys.readouterr().out
    assert show.run([out, "clips", "--rows", "1", "--columns", "clip_id"]) == 0
    printed = capsys.readouterr().out
    assert sum(row["clip_id"] in printed for row in rows["clips"]) == 1
    assert runs_command.run([out]) == 0
    assert capsys.readouterr().out.count("curate") == 2
    try:
        assert scenes.run(["--output", out, "--children", "2", "--min-seconds", "3"]) == 0
    finally:
        pool.kill_all()
    assert {row["kept"] for row in corpora.rows(out)["clips"]} == {False}
    assert export.run([out, "sources", f"{bucket}/exported/sources.csv"]) == 0
    assert storage.read_bytes(f"{bucket}/exported/sources.csv").count(b"\n") == corpora.GOOD + 1


@pytest.mark.slow
def test_two_runs_at_once_on_one_s3_output_lose_nothing(
    bucket: str, expected: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    out = f"{bucket}/shared"
    names = [name for name in corpora.SOURCES if name != corpora.DAMAGED]
    halves = [names[:3], names[2:]]  # one source in both
    inputs = [[f"{bucket}/footage/{name}" for name in half] for half in halves]
    running = [
        Rushes(["curate", *corpora.command(given, out, *KEPT)], tmp_path / str(k)) for k, given in enumerate(inputs)
    ]
    with ended(*running):
        assert [run.wait() for run in running] == [0, 0], [run.output for run in running]
    rows = corpora.rows(out)
    assert placeless(rows) == {**expected, "failures": []}
    done = corpora.runs(out)
    assert sorted(run["commit"] for run in done) == [1, 2]
    assert [run.leftovers() for run in running] == [[], []]


@pytest.mark.slow
def test_sources_in_google_cloud_storage_are_staged_and_give_the_same_rows(
    footage: Path, expected: dict[str, list[dict[str, Any]]], tmp_path: Path, temp: Path
) -> None:
    objects = tmp_path / "objects"
    objects.mkdir()
    with gcs_server(objects) as uri:
        for path in sorted(footage.iterdir()):
            storage.upload(str(path), f"{uri}/footage/{path.name}")
        code, report = curate(f"{uri}/footage/*", tmp_path / "out")
        assert code == WITH_FAILURES
        rows = corpora.rows(tmp_path / "out")
        assert placeless(rows) == expected
        assert report["read_bytes"] == report["source_bytes"] == good_bytes(rows)
        assert [p.name for p in temp.iterdir()] == []
        code, report = curate(f"{uri}/footage/*", tmp_path / "out")
        assert code == WITH_FAILURES
        assert (report["decoded_frames"], report["read_bytes"]) == (0, 0)
        storage.upload(str(footage / "c_film.webm"), f"{uri}/footage/d_tiny.mp4")  # other bytes under an old name
        code, report = curate(f"{uri}/footage/*", tmp_path / "out")
        assert report["decoded_frames"] == 0, "those bytes were measured before"
        assert report["read_bytes"] == (footage / "c_film.webm").stat().st_size
        changed = [row for row in corpora.rows(tmp_path / "out")["sources"] if row["uri"].endswith("/d_tiny.mp4")]
        twin = [row for row in rows["sources"] if row["uri"].endswith("/c_film.webm")]
        assert [row["video_id"] for row in changed] == [row["video_id"] for row in twin]


@pytest.fixture
def web(footage: Path) -> Iterator[WebServer]:
    """A web server with the corpus, each file with a strong tag."""
    with WebServer() as server:
        for path in sorted(footage.iterdir()):
            server.files[f"/{path.name}"] = path.read_bytes()
            server.etags[f"/{path.name}"] = f'"{path.name}-1"'
        yield server


def listed(server: WebServer, folder: Path, *names: str) -> Path:
    """A list of files on the server, with a column of its own."""
    path = folder / "list.csv"
    path.write_text("uri,licence\n" + "".join(f"{server.address}/{name},CC0\n" for name in names))
    return path


PRIVATE = "--allow-private-addresses"


@pytest.mark.slow
def test_a_list_of_web_addresses_is_staged_carries_its_columns_and_is_not_read_again(
    web: WebServer, expected: dict[str, list[dict[str, Any]]], tmp_path: Path, temp: Path
) -> None:
    given, out = listed(web, tmp_path, *corpora.SOURCES), tmp_path / "out"
    code, report = curate(given, out, PRIVATE)
    assert code == WITH_FAILURES
    rows = corpora.rows(out)
    assert {tuple(row.pop("metadata").items()) for row in rows["sources"]} == {(("licence", "CC0"),)}
    local = {**expected, "sources": [{k: v for k, v in row.items() if k != "metadata"} for row in expected["sources"]]}
    assert placeless(rows) == placeless(local)
    assert report["read_bytes"] == report["source_bytes"] == good_bytes(rows)
    assert web.sent == sum(len(data) for data in web.files.values() if isinstance(data, bytes))
    assert [p.name for p in temp.iterdir()] == []
    sent = web.sent
    code, report = curate(given, out, PRIVATE)
    assert (code, report["decoded_frames"], report["read_bytes"], web.sent) == (WITH_FAILURES, 0, 0, sent)


def test_without_leave_no_private_web_address_is_asked_for_anything(web: WebServer, tmp_path: Path) -> None:
    code, _ = curate(listed(web, tmp_path, "d_tiny.mp4"), tmp_path / "out")
    assert code == WITH_FAILURES
    (failure,) = corpora.rows(tmp_path / "out")["failures"]
    assert failure["error_class"] == "forbidden_address"
    assert "--allow-private-addresses" in failure["message"]
    assert web.asked == []


@pytest.mark.slow
def test_a_server_that_dies_in_the_middle_is_one_failure_and_the_next_run_makes_up_for_it(
    web: WebServer, tmp_path: Path, temp: Path
) -> None:
    given, out = listed(web, tmp_path, "a_cuts.mp4", "d_tiny.mp4"), tmp_path / "out"
    # The first request is for the facts; then the bytes stop in the middle, and nobody answers any more.
    web.faults["/a_cuts.mp4"] = deque([None, ("cut", 9000), "reset", "reset", "reset"])
    code, report = curate(given, out, PRIVATE, *QUICK_RETRY)
    assert code == WITH_FAILURES
    rows = corpora.rows(out)
    assert [Path(row["uri"]).name for row in rows["sources"]] == ["d_tiny.mp4"]
    (failure,) = rows["failures"]
    assert (failure["error_class"], failure["step"]) == ("unreachable", "read")
    assert failure["subject"].endswith("/a_cuts.mp4")
    assert report["balance"]["sources"]["failed"] == {"unreachable": 1}
    assert [p.name for p in temp.iterdir()] == [], "half of a file was left behind"
    web.faults.clear()
    code, report = curate(given, out, PRIVATE)
    assert code == 0
    assert report["decoded_frames"] == 75
    assert len(corpora.rows(out)["sources"]) == 2


def test_a_source_that_changed_since_it_was_listed_is_known_by_what_was_read(web: WebServer, tmp_path: Path) -> None:
    given, out, path = listed(web, tmp_path, "d_tiny.mp4"), tmp_path / "out", "/d_tiny.mp4"
    old, new = (web.files[path], web.etags[path]), (web.files["/a_cuts.mp4"], '"2"')
    assert isinstance(old[0], bytes)
    assert isinstance(new[0], bytes)

    class Swapped(dict[str, Any]):
        """Files of which one is replaced between the question for its facts and the first for its bytes."""

        def __contains__(self, key: object) -> bool:
            if key == path and any(one.method == "GET" for one in web.asked):
                self[path], web.etags[path] = new
            return super().__contains__(key)

    web.files = Swapped(web.files)
    code, _ = curate(given, out, PRIVATE)
    assert code == 0
    (row,) = corpora.rows(out)["sources"]
    assert (row["etag"], row["size"]) == (new[1], len(new[0]))
    web.files, web.etags[path] = {path: old[0]}, old[1]  # the old file is put back
    code, _ = curate(given, out, PRIVATE)
    (row,) = corpora.rows(out)["sources"]
    assert (row["etag"], row["size"]) == (old[1], len(old[0])), "the old tag was remembered for the new bytes"
