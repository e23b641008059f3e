"""Inputs and lists: what is taken, what is left, what is refused, and that a long list takes no memory."""

from __future__ import annotations

import dataclasses
import json
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.servers import WebServer, s3_server
from transforms import lists, sources, storage
from transforms.attempts import StorageSettings
from transforms.settings import ConfigError
from transforms.sources import ListSettings, SourceRef

FREE = StorageSettings(allow_private_addresses=True, io_attempts=2, io_first_wait=0.01, io_timeout=5)


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def expand(*inputs: object, **options) -> tuple[list[SourceRef], list[sources.Failure]]:
    found = list(sources.expand([str(i) for i in inputs], access=FREE, **options))
    return [f for f in found if isinstance(f, SourceRef)], [f for f in found if isinstance(f, dict)]


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Files, folders, globs


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    folder = tmp_path / "footage"
    for name in (
        "b.MOV",
        "a.mp4",
        "day 2/c.mkv",
        "day 2/notes.txt",
        ".trash/d.mp4",
        ".e.mp4",
        "f.xyz",
        "OUT/store/x.mp4",
    ):
        write(folder / name, name)
    return folder


def names(refs: list[SourceRef], folder: Path) -> list[str]:
    return [os.path.relpath(r.uri, folder) for r in refs]


def test_a_folder_gives_its_media_at_any_depth_and_not_our_output(footage: Path) -> None:
    refs, failures = expand(footage, skip=[str(footage / "OUT")])
    assert names(refs, footage) == ["a.mp4", "b.MOV", "day 2/c.mkv"]
    assert failures == []
    assert refs[0].size == 5
    assert refs[0].modified is not None
    assert refs[0].modified.endswith("+00:00")
    assert refs[0].origin == str(footage)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.mp4", ["a.mp4"]),
        ("*.xyz", ["f.xyz"]),
        ("*", ["OUT/store/x.mp4", "a.mp4", "b.MOV", "day 2/c.mkv"]),
        ("**/*.m*", ["OUT/store/x.mp4", "a.mp4", "day 2/c.mkv"]),
        ("day ?/*", ["day 2/c.mkv"]),
    ],
)
def test_globs(footage: Path, pattern: str, found: list[str]) -> None:
    assert names(expand(footage / pattern)[0], footage) == found


def test_a_file_named_by_itself_is_taken_whatever_its_extension_even_with_glob_characters(footage: Path) -> None:
    write(footage / "take [1]*.bin", "x")
    assert names(expand(footage / "f.xyz", footage / "take [1]*.bin")[0], footage) == ["f.xyz", "take [1]*.bin"]


def test_a_name_that_is_not_text_is_a_failure_with_a_name_that_is(footage: Path) -> None:
    with open(os.fsencode(footage) + b"/bad\xff.mp4", "wb"):
        pass
    refs, failures = expand(footage)
    assert "a.mp4" in names(refs, footage)
    assert [f["error_class"] for f in failures] == ["unreadable"]
    failures[0]["subject"].encode()


def test_an_empty_folder_or_list_yields_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("l.txt", "l.csv", "l.jsonl", "l.parquet"):
        write(tmp_path / name, "")
        sources.check_inputs([str(tmp_path / name)])
        assert expand(tmp_path / name) == ([], [])
    sources.check_inputs([str(tmp_path / "empty")])
    assert expand(tmp_path / "empty") == ([], [])


@pytest.mark.parametrize(
    ("given_input", "says"),
    [
        ("nothing.mp4", "no such file"),
        ("nothing/*.mp4", "no file matches"),
        ("ftp://host/x.mp4", "scheme 'ftp'"),
        ("list.csv", "no column 'uri', only link, title"),
        ("broken.parquet", "cannot be read as a list"),
    ],
)
def test_a_wrong_input_is_a_configuration_error(home: Path, given_input: str, says: str) -> None:
    write(home / "list.csv", "link,title\nx.mp4,X\n")
    write(home / "broken.parquet", b"PAR1 not really")
    with pytest.raises(ConfigError, match=says):
        sources.check_inputs([given_input])


def test_no_input_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="no input"):
        sources.check_inputs([])


# Lists


def _parquet(path: Path) -> Path:
    rows = [
        {"uri": "a.mp4", "title": "A", "year": 1999, "tags": ["x", "y"], "none": None},
        {"uri": None, "title": "no uri", "year": 1, "tags": [], "none": None},
        {"uri": "http://h/b.mp4", "title": "B", "year": 2000, "tags": [], "none": None},
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


LISTS = {
    "list.txt": "# comment\n a.mp4 \n\nhttp://h/b.mp4\nftp://h/c\n",
    "list.csv": 'title,uri,year\nA,a.mp4,1999\nno uri,,1\n"B, b",http://h/b.mp4,2000\n',
    "list.tsv": "title\turi\tyear\nA\ta.mp4\t1999\nno uri\t\t1\nB, b\thttp://h/b.mp4\t2000\n",
    "list.jsonl": '{"uri": "a.mp4", "tags": ["x"]}\n{"title": "no uri"}\n\n{"uri": "http://h/b.mp4"}\n',
}
FAILED_ROWS = {"list.txt": 5, "list.csv": 3, "list.tsv": 3, "list.jsonl": 2, "list.parquet": 2}


@pytest.mark.parametrize("name", [*LISTS, "list.parquet"])
def test_lists(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, LISTS[name]) if name in LISTS else _parquet(tmp_path / name)
    sources.check_inputs([str(path)])
    refs, failures = expand(path)
    assert [r.uri for r in refs] == [str(tmp_path / "a.mp4"), "http://h/b.mp4"]
    assert [f["subject"] for f in failures] == [f"{path} row {FAILED_ROWS[name]}"]
    assert failures[0]["error_class"] == "bad_list"
    assert failures[0]["step"] == "list"
    assert (refs[0].size, refs[0].etag) == (None, None)


def test_every_other_column_is_carried_as_text(tmp_path: Path) -> None:
    refs, _ = expand(_parquet(tmp_path / "list.parquet"))
    assert refs[0].metadata == {"title": "A", "year": "1999", "tags": '["x", "y"]'}
    row = {"uri": "a", "n": 1.5, "yes": True, "none": None, "deep": {"b": 1, "a": "ä"}, "link": "http://u:p@h/x?sig=s"}
    refs, _ = expand(write(tmp_path / "l.jsonl", json.dumps(row)))
    assert refs[0].metadata == {"n": "1.5", "yes": "true", "deep": '{"a": "ä", "b": 1}', "link": "http://h/x"}


def test_the_column_has_the_name_that_the_setting_says(tmp_path: Path) -> None:
    path = write(tmp_path / "l.csv", "link,uri\na.mp4,kept\n")
    refs, _ = expand(path, settings=ListSettings(uri_column="link"))
    assert (refs[0].uri, refs[0].metadata) == (str(tmp_path / "a.mp4"), {"uri": "kept"})


_BAD_JSON = b'{"uri": "a"\n[1]\n"a"\n{"uri": 7}\n{"uri": "\\ud800"}\n{"uri": "ok"}\n' + b"[" * 10_000


@pytest.mark.parametrize(
    ("name", "content", "good", "bad"),
    [
        ("l.csv", b"uri,t\na.mp4,\xff\nb.mp4,x\n", 1, [2]),
        ("l.csv", b"uri,t\na.mp4,x,y,z\nb.mp4\n", 1, [2]),
        ("l.csv", b'uri,t\nb.mp4,"never closed\n' + b"x" * 200_000 + b"\nc.mp4,x\n", 1, [2]),
        ("l.csv", b"uri,t\na.mp4," + b"x" * 2**21 + b"\nc.mp4,x\n", 1, [2]),
        ("l.csv", "\ufeffuri,t\nä.mp4,ü\n".encode(), 1, []),
        ("l.csv", "uri,t\nä.mp4,ü\n".encode("utf-16"), 1, []),
        ("l.jsonl", _BAD_JSON, 1, [1, 2, 3, 4, 5, 7]),
        ("l.txt", b"a.mp4\n\xff.mp4\n" + b"x" * 2**21 + b"\nb\0.mp4\nc.mp4\n", 2, [2, 3, 4]),
    ],
    ids=["bytes", "cells", "quote", "long cell", "mark", "utf-16", "json", "text"],
)  # fmt: skip
def test_a_bad_row_stops_nothing_but_itself(
    tmp_path: Path, name: str, content: bytes, good: int, bad: list[int]
) -> None:
    path = write(tmp_path / name, content)
    sources.check_inputs([str(path)])
    refs, failures = expand(path)
    assert len(refs) == good
    assert [f["subject"] for f in failures] == [f"{path} row {n}" for n in bad]
    assert {f["error_class"] for f in failures} <= {"bad_list"}
    json.dumps([*failures, *map(dataclasses.asdict, refs)]).encode()


@pytest.mark.parametrize(
    "cell",
    [
        "ftp://h/x",
        "concat:a|b",
        "data:video/mp4;base64,AA",
        "subfile,,start,0:x",
        "s3://",
        "rtmp://h/x",
        "memory",
        "file://host/x",
    ],
)
def test_only_our_schemes_are_sources(tmp_path: Path, cell: str) -> None:
    refs, failures = expand(write(tmp_path / "l.txt", cell))
    if cell in ("memory", "subfile,,start,0:x"):  # a file of that name, which need not exist
        assert [r.uri for r in refs] == [str(tmp_path / cell)]
    else:
        assert (refs, [f["error_class"] for f in failures]) == ([], ["bad_list"])


@pytest.mark.parametrize(
    ("folder", "cell", "uri"),
    [
        ("/lists", "a/../b.mp4", "/lists/b.mp4"),
        ("/lists", "/abs/b.mp4", "/abs/b.mp4"),
        ("/lists", "file:///abs/b%20c.mp4", "/abs/b c.mp4"),
        ("/lists", "file:/abs/b.mp4", "/abs/b.mp4"),
        ("s3://bucket/lists", "../b.mp4", "s3://bucket/b.mp4"),
        ("s3://bucket", "../../b.mp4", "s3://bucket/b.mp4"),
        ("gs://bucket/lists", "gcs://other/k", "gs://other/k"),
        ("http://h/lists", "b c.mp4", "http://h/lists/b%20c.mp4"),
        ("http://h/lists", "/b.mp4?x=1", "http://h/b.mp4?x=1"),
    ],
)
def test_relative_uris_are_relative_to_the_list(folder: str, cell: str, uri: str) -> None:
    assert sources.resolve(cell, folder) == uri


def test_a_local_file_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    write(tmp_path / "part: one.mp4", "x")
    refs, failures = expand(write(tmp_path / "l.txt", "part: one.mp4\npart: two.mp4"))
    assert ([r.uri for r in refs], len(failures)) == ([str(tmp_path / "part: one.mp4")], 1)


def test_lists_matched_by_a_glob_are_read_and_lists_in_folders_are_not(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "uri\na.mp4\n")
    write(tmp_path / "2.csv", "link\nb.mp4\n")
    refs, failures = expand(tmp_path / "*.csv")
    assert [r.uri for r in refs] == [str(tmp_path / "a.mp4")]
    assert [f["subject"] for f in failures] == [str(tmp_path / "2.csv")]
    assert expand(tmp_path) == ([], [])


_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_NAME = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(st.lists(st.tuples(_NAME, _TEXT)))
def test_any_text_goes_through_json_lines_unharmed(tmp_path_factory: pytest.TempPathFactory, cells) -> None:
    path = tmp_path_factory.mktemp("lists") / "l.jsonl"
    path.write_text("".join(json.dumps({"uri": "s3://b/" + u, "t": t}) + "\n" for u, t in cells))
    refs, failures = expand(path)
    assert len(refs) + len(failures) == len(cells)
    assert {r.uri for r in refs} <= {"s3://b/" + u.strip() for u, _ in cells} | {
        ("s3://b/" + u).strip() for u, _ in cells
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_long_list_takes_no_more_memory_than_a_short_one(tmp_path: Path, kind: str) -> None:
    rows = 100_000
    path = tmp_path / f"l.{kind}"
    if kind == "parquet":
        table = pa.table({"uri": [f"s3://bucket/{n}.mp4" for n in range(rows)], "title": ["t" * 100] * rows})
        pq.write_table(table, path, row_group_size=10_000)
        del table
    else:
        write(path, "uri,title\n" + "".join(f"s3://bucket/{n}.mp4,{'t' * 100}\n" for n in range(rows)))
    tracemalloc.start()
    assert sum(1 for _ in sources.expand([str(path)])) == rows
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


# Remote inputs


def test_a_bucket_lists_with_size_and_tag_and_is_not_asked_again(tmp_path: Path) -> None:
    with s3_server("footage") as base:
        for name in ("a.mp4", "deep/b.mov", "deep/.c.mov", "notes.doc"):
            storage.write_bytes(f"{base}/in/{name}", name.encode())
        storage.write_bytes(f"{base}/in/list.csv", b"uri,t\na.mp4,x\n/local/b.mp4,y\n")
        sources.check_inputs([f"{base}/in", f"{base}/in/deep/*.mov"])
        refs, _ = expand(f"{base}/in", f"{base}/in/deep/*.mov")
        assert [r.uri.removeprefix(f"{base}/in/") for r in refs] == ["a.mp4", "deep/b.mov", "deep/b.mov"]
        assert all(r.size and r.etag and r.modified for r in refs)
        assert sources.identity(refs[0]) == sources.identity(sources.refreshed(refs[0]))
        listed, _ = expand(f"{base}/in/list.csv")
        assert [r.uri for r in listed] == [f"{base}/in/a.mp4", "/local/b.mp4"]
        assert sources.identity(sources.refreshed(listed[0])) == sources.identity(refs[0])
        with pytest.raises(ConfigError, match="no such file"):
            sources.check_inputs([f"{base}/nothing"])


def test_a_web_list_is_fetched_once_and_its_rows_are_not_asked_for(web: WebServer) -> None:
    web.files["/lists/l.csv"] = b"uri\na.mp4\nhttp://me:pw@other/b.mp4?X-Amz-Signature=s\n"
    refs, failures = expand(f"{web.address}/lists/l.csv?token=secret")
    assert [r.uri for r in refs] == [f"{web.address}/lists/a.mp4", "http://me:pw@other/b.mp4?X-Amz-Signature=s"]
    assert failures == []
    assert refs[1].name == "http://other/b.mp4"
    assert not any(secret in repr(refs) for secret in ("pw@", "Signature", "token=secret"))
    assert [a.method for a in web.asked] == ["GET"]
    refs, failures = expand("http://127.0.0.1:1/x.mp4", f"{web.address}/gone.csv", f"{web.address}/x.mp4")
    assert [r.uri for r in refs] == ["http://127.0.0.1:1/x.mp4", f"{web.address}/x.mp4"]
    assert [f["error_class"] for f in failures] == ["unreachable"]


def test_a_web_list_on_a_private_address_is_refused(web: WebServer) -> None:
    with pytest.raises(ConfigError, match="not a public address"):
        sources.check_inputs([f"{web.address}/l.csv"])
    failures = list(sources.expand([f"{web.address}/l.csv"]))
    assert [f["error_class"] for f in failures if isinstance(f, dict)] == ["forbidden_address"]
    assert web.asked == []


# Identity


def test_identity_follows_the_bytes_and_not_the_signature() -> None:
    ref = SourceRef("https://u:p@h/a?X-Amz-Signature=1&part=2", 10, '"v1"', None)
    key = sources.identity(ref)
    assert key is not None
    assert len(key) == 64
    assert sources.identity(dataclasses.replace(ref, uri="https://h/a?part=2&X-Amz-Signature=9")) == key
    for other in (
        {"size": 11},
        {"etag": '"v2"'},
        {"modified": "2026-01-01T00:00:00+00:00"},
        {"uri": "https://h/b?part=2"},
    ):
        assert sources.identity(dataclasses.replace(ref, **other)) != key
    assert sources.identity(dataclasses.replace(ref, metadata={"a": "b"}, origin="x")) == key


def test_what_storage_cannot_tell_apart_has_no_identity() -> None:
    assert sources.identity(SourceRef("http://h/a")) is None
    assert sources.identity(SourceRef("http://h/a", size=1)) is None
    assert sources.identity(SourceRef("http://h/a", etag="x")) is None


def test_refreshed_asks_the_storage(web: WebServer, tmp_path: Path) -> None:
    web.files["/a.mp4"], web.etags["/a.mp4"] = b"12345", '"v1"'
    ref = sources.refreshed(SourceRef(f"{web.address}/a.mp4", metadata={"t": "x"}), FREE)
    assert (ref.size, ref.etag, ref.metadata) == (5, '"v1"', {"t": "x"})
    path = write(tmp_path / "a.mp4", "123")
    assert sources.refreshed(SourceRef(str(path))) == expand(path)[0][0].__class__(
        *storage.stat(str(path)), metadata={}, origin=""
    )


def test_every_list_extension_is_tested() -> None:
    assert set(lists.LISTS) == {"txt", "lst", "csv", "tsv", "jsonl", "ndjson", "parquet"}
