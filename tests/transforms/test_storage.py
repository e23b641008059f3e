"""The storage layer on disk and real servers: whole writes, one winner, retries, and no way to private addresses."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.servers import WebServer, gcs_server, s3_server
from transforms import addresses, storage
from transforms.attempts import StorageSettings, explain, is_transient
from transforms.failures import ElementError

FREE = StorageSettings(allow_private_addresses=True, io_attempts=3, io_first_wait=0.01, io_timeout=5)
GUARDED = StorageSettings(io_attempts=3, io_first_wait=0.01, io_timeout=5)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as base:
        yield base


@pytest.fixture(scope="module")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with gcs_server(tmp_path_factory.mktemp("gcs")) as base:
        yield base


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture(params=["local", "s3", "gs", "memory"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty folder on each kind of storage."""
    if request.param == "local":
        return str(tmp_path / "out")
    if request.param == "memory":
        return f"memory://{tmp_path.name}"
    bucket: str = request.getfixturevalue("s3" if request.param == "s3" else "gcs")
    return f"{bucket}/{tmp_path.name}"


def failure_of(action) -> ElementError:
    with pytest.raises(ElementError) as caught:
        action()
    return caught.value


def staged(uri: str, folder: Path, settings: StorageSettings = FREE, **options) -> bytes:
    with storage.stage(uri, str(folder), settings, **options) as file:
        return Path(file.path).read_bytes()


# Every storage


def test_what_is_written_is_read_listed_and_deleted(base: str, tmp_path: Path) -> None:
    odd = "b/ä #1 100%.bin"
    storage.write_bytes(f"{base}/a.txt", b"one")
    storage.write_bytes(f"{base}/a.txt", b"two")
    storage.write_bytes(f"{base}/{odd}", b"")
    assert storage.read_bytes(f"{base}/a.txt") == b"two"
    assert storage.read_bytes(f"{base}/{odd}") == b""
    assert storage.names(base) == ["a.txt", "b"]
    assert storage.names(f"{base}/nothing") == []
    assert storage.names(f"{base}/a.txt") == []
    assert [s.uri for s in storage.find(base)] == [f"{base}/a.txt", f"{base}/{odd}"]
    assert list(storage.find(f"{base}/nothing")) == []
    assert [s.uri for s in storage.find(f"{base}/*.txt")] == [f"{base}/a.txt"]
    assert [s.uri for s in storage.find(f"{base}/**/*.bin")] == [f"{base}/{odd}"]
    assert next(storage.find(base)) == storage.stat(f"{base}/a.txt")
    assert storage.stat(f"{base}/a.txt").size == 3
    assert storage.exists(base)
    assert storage.is_folder(base)
    assert not storage.is_folder(f"{base}/a.txt")
    storage.delete(f"{base}/a.txt")
    storage.delete(f"{base}/a.txt")
    assert not storage.exists(f"{base}/a.txt")
    storage.delete(base, recursive=True)
    storage.delete(base, recursive=True)
    assert list(storage.find(base)) == []


def test_missing_objects_and_folders_are_named_failures(base: str) -> None:
    storage.write_bytes(f"{base}/folder/file", b"1")
    for action in (storage.stat, storage.read_bytes):
        error = failure_of(lambda action=action: action(f"{base}/nothing"))
        assert (error.error_class, error.message) == ("unreachable", f"{base}/nothing: nothing there")
    assert failure_of(lambda: storage.stat(f"{base}/folder")).error_class == "unreadable"


@pytest.mark.parametrize("same", [True, False], ids=["same bytes", "own bytes"])
def test_of_many_creators_at_once_exactly_one_wins(base: str, same: bool) -> None:
    if base.startswith("memory"):
        pytest.skip("fsspec's memory file system is not atomic")
    for turn in range(3):
        uri, gate = f"{base}/commits/{turn}.json", threading.Barrier(12)

        def create(writer: int, uri: str = uri, gate: threading.Barrier = gate) -> bool:
            gate.wait()
            return storage.create_bytes(uri, b"same" if same else b"%d" % writer)

        with ThreadPoolExecutor(12) as threads:
            won = list(threads.map(create, range(12)))
        assert won.count(True) == 1
        assert storage.read_bytes(uri) == (b"same" if same else b"%d" % won.index(True))
        assert storage.names(f"{base}/commits") == [f"{n}.json" for n in range(turn + 1)]


def test_upload_and_stage_bring_the_same_bytes(base: str, tmp_path: Path) -> None:
    content = os.urandom(9 * 2**20 + 17)
    (tmp_path / "big").write_bytes(content)
    storage.upload(str(tmp_path / "big"), f"{base}/big")
    steps: list[int] = []
    with storage.stage(f"{base}/big", str(tmp_path / "temp"), FREE, steps.append) as file:
        assert Path(file.path).read_bytes() == content
        assert file.size == len(content)
        assert file.remote == storage.is_remote(base)
        assert file.stat == storage.stat(f"{base}/big")
    if storage.is_remote(base):
        assert sum(steps) == len(content)
        assert max(steps) <= storage.CHUNK
        assert os.listdir(tmp_path / "temp") == []
    else:
        assert Path(f"{base}/big").exists()


def test_an_object_replaced_while_it_is_staged_is_changed(s3: str, tmp_path: Path) -> None:
    uri = f"{s3}/swapped"
    storage.write_bytes(uri, bytes(9 * 2**20))
    error = failure_of(lambda: staged(uri, tmp_path, on_bytes=lambda _: storage.write_bytes(uri, b"\1" * (9 * 2**20))))
    assert error.error_class == "changed"
    storage.write_bytes(uri, bytes(9 * 2**20))
    error = failure_of(lambda: staged(uri, tmp_path, on_bytes=lambda _: storage.write_bytes(uri, b"short")))
    assert error.error_class == "changed"


@pytest.mark.parametrize("uri", ["/", "s3://bucket", "gs://bucket/", "memory://"])
def test_roots_are_never_deleted(uri: str) -> None:
    with pytest.raises(ValueError, match="refusing"):
        storage.delete(uri, recursive=True)


def test_a_create_whose_answer_was_lost_still_knows_that_it_won(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    real, calls = s3fs.S3FileSystem._pipe_file, []

    async def loses_first_answer(self, *args, **options):
        await real(self, *args, **options)
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError("answer lost")

    monkeypatch.setattr(s3fs.S3FileSystem, "_pipe_file", loses_first_answer)
    assert storage.create_bytes(f"{s3}/lost", b"mine", FREE) is True
    assert storage.create_bytes(f"{s3}/lost", b"mine", FREE) is False


# Local disk


def test_a_full_disk_leaves_nothing_half_visible(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"old")
    (tmp_path / "source").write_bytes(bytes(4 * 2**20))
    script = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
from transforms import storage
resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
for action in (
    lambda: storage.write_bytes({str(tmp_path / "kept")!r}, bytes(2**21)),
    lambda: storage.create_bytes({str(tmp_path / "new")!r}, bytes(2**21)),
    lambda: storage.upload({str(tmp_path / "source")!r}, {str(tmp_path / "up")!r}),
):
    try:
        action()
    except storage.StorageError as error:
        print(error.error_class, error.message)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"storage {tmp_path / n}" for n in ("kept", "new", "up")]
    assert all("no space left" in line and "free some" in line for line in lines)
    assert sorted(os.listdir(tmp_path)) == ["kept", "source"]
    assert (tmp_path / "kept").read_bytes() == b"old"


def test_no_room_for_a_staged_source_is_said_before_it_is_fetched(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_bytes(f"{s3}/large", bytes(2**20))
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    error = failure_of(lambda: staged(f"{s3}/large", tmp_path))
    assert isinstance(error, storage.StorageError)
    assert "no space for 1 MB" in error.message
    assert os.listdir(tmp_path) == []


def test_an_output_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for action in (storage.write_bytes, storage.create_bytes):
        error = failure_of(lambda action=action: action(str(tmp_path / "file" / "below"), b"1"))
        assert isinstance(error, storage.StorageError)
        assert str(tmp_path / "file" / "below") in error.message
    error = failure_of(lambda: storage.write_bytes("http://example.com/x", b"1"))
    assert isinstance(error, storage.StorageError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"1")
    path.chmod(0)
    assert failure_of(lambda: staged(str(path), tmp_path)).error_class == "unreadable"


def test_pipes_and_devices_are_not_sources(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert failure_of(lambda: staged(str(tmp_path / "pipe.mp4"), tmp_path)).error_class == "unreadable"
    assert failure_of(lambda: staged("/dev/zero", tmp_path)).error_class == "unreadable"
    assert list(storage.find(str(tmp_path))) == []


def test_local_listing_is_sorted_skips_parts_and_survives_circles(tmp_path: Path) -> None:
    for name in ("b/x", "b-c", "a", ".hidden/y", f".123{storage.PART_SUFFIX}"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "b" / "circle").symlink_to(tmp_path)
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    found = [os.path.relpath(s.uri, tmp_path) for s in storage.find(str(tmp_path))]
    assert found == [".hidden/y", "a", "b-c", "b/x", "gone"]
    assert [os.path.relpath(s.uri, tmp_path) for s in storage.find(str(tmp_path), hidden=False)] == found[1:]


# The web


def test_web_facts_come_without_the_bytes(web: WebServer) -> None:
    web.files["/a.mp4"], web.etags["/a.mp4"] = b"x" * 5000, '"v1"'
    uri = f"{web.address}/a.mp4"
    assert storage.stat(uri, FREE) == storage.Stat(uri, 5000, '"v1"', None)
    web.refuse_head = True
    assert storage.stat(uri, FREE).size == 5000
    assert web.sent == 1


@pytest.mark.parametrize("fault", [503, 429, 500, "reset", ("cut", 100_000)])
def test_transient_web_faults_are_tried_again(web: WebServer, tmp_path: Path, fault: object) -> None:
    web.files["/a"] = content = os.urandom(300_000)
    web.faults["/a"].extend([fault, fault])
    assert staged(f"{web.address}/a", tmp_path) == content
    assert len(web.asked) == 3
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(403, "unreadable"), (401, "unreadable"), (404, "unreachable"), (410, "unreachable"), (400, "unreachable")],
)
def test_final_web_answers_are_not_tried_again(web: WebServer, tmp_path: Path, status: int, error_class: str) -> None:
    web.files["/a"] = b"x"
    web.faults["/a"].extend([status] * 3)
    assert failure_of(lambda: staged(f"{web.address}/a?token=geheim", tmp_path)).error_class == error_class
    assert len(web.asked) == 1


def test_attempts_are_bounded_and_the_message_holds_no_secret(web: WebServer, tmp_path: Path) -> None:
    web.files["/a"] = b"x"
    web.faults["/a"].extend([503] * 20)
    error = failure_of(lambda: staged(f"{web.address.replace('//', '//me:pw@')}/a?X-Amz-Signature=geheim", tmp_path))
    assert error.error_class == "unreachable"
    assert "503" in error.message
    assert "3 attempts" in error.message
    assert "geheim" not in error.message
    assert "pw@" not in error.message
    assert error.__suppress_context__
    assert len(web.asked) == 3


@pytest.mark.parametrize(
    ("etag", "ranges", "asked"),
    [
        pytest.param('"v1"', True, [None, "bytes=700000-"], id="strong tag resumes"),
        pytest.param('W/"v1"', True, [None, None], id="weak tag restarts"),
        pytest.param(None, True, [None, None], id="no tag restarts"),
        pytest.param('"v1"', False, [None, "bytes=700000-"], id="no ranges restarts"),
    ],
)
def test_a_cut_download_goes_on_or_begins_again_but_is_whole(
    web: WebServer, tmp_path: Path, etag: str | None, ranges: bool, asked: list[str | None]
) -> None:
    web.files["/a"] = content = os.urandom(1_000_000)
    web.ranges = ranges
    if etag:
        web.etags["/a"] = etag
    web.faults["/a"].append(("cut", 700_000))
    assert staged(f"{web.address}/a", tmp_path) == content
    assert [a.range for a in web.asked] == asked


def test_a_resource_that_changed_during_a_cut_is_read_from_its_beginning(web: WebServer, tmp_path: Path) -> None:
    web.files["/a"], web.etags["/a"] = bytes(1_000_000), '"v1"'
    web.faults["/a"].append(("cut", 600_000))

    def swap(_: int) -> None:
        web.files["/a"], web.etags["/a"] = b"\1" * 900_000, '"v2"'

    assert staged(f"{web.address}/a", tmp_path, on_bytes=swap) == b"\1" * 900_000


def test_a_silent_server_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = StorageSettings(allow_private_addresses=True, io_attempts=2, io_first_wait=0, io_timeout=0.2)
        error = failure_of(lambda: staged(f"http://127.0.0.1:{silent.getsockname()[1]}/a", tmp_path, settings))
    assert error.error_class == "unreachable"
    assert "2 attempts" in error.message


def test_a_source_over_the_largest_size_is_refused(web: WebServer, tmp_path: Path) -> None:
    web.files["/a"] = bytes(200_000)
    settings = StorageSettings(allow_private_addresses=True, max_source_gb=0.0001)
    (tmp_path / "local").write_bytes(bytes(200_000))
    for uri in (f"{web.address}/a", str(tmp_path / "local")):
        error = failure_of(lambda uri=uri: staged(uri, tmp_path / "temp", settings))
        assert error.error_class == "too_large"
        assert "--max-source-gb" in error.message


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["web", "s3"])
def test_staging_takes_bounded_memory(kind: str, web: WebServer, s3: str, tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as file:
        file.truncate(200 * 2**20)
    web.files["/large"] = tmp_path / "large"
    if kind == "s3":
        storage.upload(str(tmp_path / "large"), f"{s3}/large")
    uri = f"{web.address}/large" if kind == "web" else f"{s3}/large"
    script = f"""
import resource, sys
sys.path[:0] = {sys.path!r}
from transforms import storage
settings = storage.StorageSettings(allow_private_addresses=True)
storage.exists({uri!r}, settings)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with storage.stage({uri!r}, {str(tmp_path / "temp")!r}, settings) as file:
    print(file.size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    size, grown_mb = map(int, done.stdout.split())
    assert size == 200 * 2**20
    assert grown_mb < 64


# Private addresses


_PRIVATE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "[::1]", "[::]",
    "[fe80::1]", "[fc00::1]", "[ff02::1]", "[::ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[2002:7f00:1::]",
    "[64:ff9b::7f00:1]", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "0x08080808",
    "127.0.0.1.", "localhost",
]  # fmt: skip


@pytest.mark.parametrize(
    "host",
    _PRIVATE,
)
def test_private_addresses_are_refused_in_any_spelling(host: str) -> None:
    uri = f"http://{host}:8080/x.mp4"
    assert failure_of(lambda: storage.guard(uri, GUARDED)).error_class == "forbidden_address"
    assert failure_of(lambda: storage.stat(uri, GUARDED)).error_class == "forbidden_address"
    storage.guard(uri, FREE)


@pytest.mark.parametrize(
    ("resolved", "allowed"),
    [
        (["93.184.216.34"], True),
        (["2606:4700::1111"], True),
        (["::ffff:93.184.216.34"], True),
        (["93.184.216.34", "10.0.0.1"], False),
        (["93.184.216.34", "fe80::1%eth0"], False),
    ],
)
def test_every_address_of_a_host_must_be_public(
    monkeypatch: pytest.MonkeyPatch, resolved: list[str], allowed: bool
) -> None:
    monkeypatch.setattr(addresses, "resolve", lambda host: resolved)
    if allowed:
        storage.guard("https://footage.example/x.mp4", GUARDED)
    else:
        error = failure_of(lambda: storage.guard("https://footage.example/x.mp4", GUARDED))
        assert error.error_class == "forbidden_address"


def test_other_schemes_and_local_paths_pass_the_guard() -> None:
    for uri in ("/tmp/x", "s3://localhost/x", "gs://b/x"):
        storage.guard(uri, GUARDED)


def test_a_redirect_to_a_private_address_is_refused_before_it_is_asked(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.2 plays a host of the open internet that redirects to a private one."""
    real = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda a: a == "127.0.0.2" or real(a))
    web.files["/secret"] = b"secret"
    with WebServer("127.0.0.2") as public:
        public.files["/ok"] = b"fine"
        public.moved |= {"/a": f"{web.address}/secret", "/b": "/a", "/loop": "/loop", "/file": "file:///etc/passwd"}
        assert staged(f"{public.address}/ok", tmp_path, GUARDED) == b"fine"
        for path in ("/a", "/b"):
            error = failure_of(lambda path=path: staged(public.address + path, tmp_path, GUARDED))
            assert error.error_class == "forbidden_address"
            assert public.address + path in error.message
            assert (
                failure_of(lambda path=path: storage.stat(public.address + path, GUARDED)).error_class
                == "forbidden_address"
            )
        for path in ("/loop", "/file"):
            assert (
                failure_of(lambda path=path: staged(public.address + path, tmp_path, GUARDED)).error_class
                == "unreachable"
            )
    assert web.asked == []


def test_a_name_that_turns_private_between_check_and_connection_is_refused(
    web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.files["/secret"] = b"secret"
    monkeypatch.setattr(addresses, "resolve", lambda host: ["93.184.216.34"])
    uri = web.address.replace("127.0.0.1", "localhost") + "/secret"
    storage.guard(uri, GUARDED)
    assert failure_of(lambda: staged(uri, tmp_path, GUARDED)).error_class == "forbidden_address"
    assert web.asked == []


# Faults


def _boto(status: int, code: str) -> Exception:
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    answer = {"Error": {"Code": code, "Message": "said"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(ClientError(answer, "GetObject"))


def _gcs(status: int) -> Exception:
    from gcsfs.retry import HttpError

    return HttpError({"code": status, "message": "said"})


@pytest.mark.parametrize(
    ("error", "transient", "error_class"),
    [
        (_boto(503, "SlowDown"), True, "unreachable"),
        (_boto(500, "InternalError"), True, "unreachable"),
        (_boto(409, "ConditionalRequestConflict"), True, "unreachable"),
        (_boto(403, "AccessDenied"), False, "unreadable"),
        (_boto(404, "NoSuchKey"), False, "unreachable"),
        (_boto(416, "InvalidRange"), False, "unreachable"),
        (_gcs(503), True, "unreachable"),
        (_gcs(429), True, "unreachable"),
        (_gcs(401), False, "unreadable"),
        (OSError("Forbidden: bucket/key"), False, "unreadable"),
        (ConnectionResetError(104, "reset"), True, "unreachable"),
        (TimeoutError(), True, "unreachable"),
        (socket.gaierror(socket.EAI_AGAIN, "later"), True, "unreachable"),
        (socket.gaierror(socket.EAI_NONAME, "no such name"), False, "unreachable"),
        (PermissionError(13, "no"), False, "unreadable"),
        (OSError(errno.ENOSPC, "full"), False, "storage"),
        (ValueError("odd"), False, "unreachable"),
    ],
    ids=repr,
)
def test_faults_of_every_library_are_told_apart(error: Exception, transient: bool, error_class: str) -> None:
    assert is_transient(error) == transient
    assert explain(error, "s3://b/k", "read").error_class == error_class
    assert explain(error, "s3://b/k", "write").error_class == "storage"


# Names


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("/a/./b/../c.mp4", "/a/c.mp4"),
        ("file:///a/b%20c.mp4", "/a/b c.mp4"),
        ("file://localhost/a", "/a"),
        ("gcs://b/k", "gs://b/k"),
        ("S3A://b/k//x ?#", "s3://b/k//x ?#"),
        ("HTTP://Example.COM:80/ä b?q=ü#t=3", "http://example.com/%C3%A4%20b?q=%C3%BC"),
        ("https://example.com:8443", "https://example.com:8443/"),
        ("https://u:p@example.com/%7Ea", "https://u:p@example.com/%7Ea"),
        ("http://[::1]:80/", "http://[::1]/"),
    ],
)
def test_normalise(given: str, normal: str) -> None:
    assert storage.normalise(given) == normal
    assert storage.normalise(normal) == normal


@pytest.mark.parametrize("uri", ["ftp://a/b", "s3://", "http:///x", "file://host/x", "http://a:port/x"])
def test_normalise_refuses(uri: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        storage.normalise(uri)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("/local/a?token=1", "/local/a?token=1"),
        ("s3://bucket/key?x", "s3://bucket/key?x"),
        ("https://me:pw@host/a.mp4", "https://host/a.mp4"),
        ("https://h/a?X-Amz-Signature=s&X-Amz-Date=d&part=2", "https://h/a?part=2"),
        ("https://h/a?X-Goog-Signature=s", "https://h/a"),
        ("https://h/a?Signature=s&Expires=1&Key-Pair-Id=k", "https://h/a"),
        ("https://h/a?sv=1&se=2&sp=r&sig=abc", "https://h/a"),
        ("https://h/a?id=7&token=geheim", "https://h/a?id=7&token=sha256-addb0f5e"),
        ("https://h/a?id=7&x", "https://h/a?id=7&x"),
        ("https://h/a#access_token=geheim", "https://h/a"),
    ],
)
def test_redact(given: str, shown: str) -> None:
    assert storage.redact(given) == shown
    assert storage.redact(shown) == shown.replace("sha256-addb0f5e", storage.redact(shown)[-15:])


def test_redact_text_finds_addresses_in_messages() -> None:
    text = "Cannot open url='https://me:pw@h/a?sig=s', see s3://b/k"
    assert storage.redact_text(text) == "Cannot open url='https://h/a', see s3://b/k"


@pytest.mark.parametrize(
    ("base", "parts", "joined"),
    [
        ("/a", ("b", "c"), "/a/b/c"),
        ("/a/", ("/b",), "/a/b"),
        ("/", ("b",), "/b"),
        ("s3://b", ("k",), "s3://b/k"),
        ("memory://", ("k",), "memory://k"),
    ],
)
def test_join(base: str, parts: tuple[str, ...], joined: str) -> None:
    assert storage.join(base, *parts) == joined


def test_table_options_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    options = storage.storage_options("s3://b/t")
    assert options["aws_conditional_put"] == "etag"
    assert options["AWS_ALLOW_HTTP"] == "true"
    assert options["AWS_ACCESS_KEY_ID"] == "me"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example")
    assert "AWS_ALLOW_HTTP" not in storage.storage_options("s3://b/t")
    assert storage.storage_options("/local") == {}


def test_delta_tables_take_concurrent_writers_with_these_options(s3: str) -> None:
    import pyarrow as pa
    from deltalake import DeltaTable, write_deltalake

    uri, options = f"{s3}/delta", storage.storage_options(s3)
    write_deltalake(uri, pa.table({"n": [0]}), storage_options=options)

    def append(n: int) -> None:
        write_deltalake(uri, pa.table({"n": [n]}), mode="append", storage_options=options)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(append, range(1, 5)))
    table = DeltaTable(uri, storage_options=options).to_pyarrow_table()
    assert sorted(table["n"].to_pylist()) == [0, 1, 2, 3, 4]
