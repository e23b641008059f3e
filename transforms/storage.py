"""Storage: one layer for local disk, `s3://`, `gs://`, `http(s)://` and `memory://`.

What is written is there whole or not at all: locally a temporary file beside the target is linked or renamed; remotely
one request (or a multipart upload that is completed last) makes the object, because a cut `open(..., 'wb')` of fsspec
commits a partial one. `create_bytes` is how two writers agree: exactly one of them wins. Transient faults are retried
with exponential backoff; everything else is an `ElementError` at once, with a message that holds no credentials.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any, Final, NamedTuple

from transforms import web
from transforms.addresses import is_remote, is_web, join, normalise, redact, redact_text, scheme
from transforms.attempts import DEFAULTS, StorageError, StorageSettings, attempt, explain
from transforms.failures import ElementError
from transforms.listing import (
    PART_SUFFIX,
    Stat,
    clean,
    exists,
    filesystem,
    find,
    guard,
    is_folder,
    names,
    or_none,
    path_of,
    stat,
)

__all__ = [
    "CHUNK",
    "PART_SUFFIX",
    "StagedFile",
    "Stat",
    "StorageError",
    "StorageSettings",
    "create_bytes",
    "delete",
    "exists",
    "find",
    "guard",
    "is_folder",
    "is_remote",
    "is_web",
    "join",
    "names",
    "normalise",
    "read_bytes",
    "redact",
    "redact_text",
    "stage",
    "stat",
    "storage_options",
    "upload",
    "write_bytes",
]

CHUNK: Final = 4 * 2**20
"""Bytes of a remote object that are in memory at a time while it is staged."""

_UPLOAD_CHUNK: Final = 8 * 2**20  # S3 wants parts of at least 5 MiB, GCS multiples of 256 KiB


class StagedFile(NamedTuple):
    """A source as a local file.

    Attributes:
        path: Where it can be opened.
        size: Its length in bytes.
        remote: It was copied; the copy goes when the context ends.
        stat: What the storage said of the very bytes that were copied.
    """

    path: str
    size: int
    remote: bool
    stat: Stat


def read_bytes(uri: str, settings: StorageSettings = DEFAULTS) -> bytes:
    """A whole object, for small ones.

    Raises:
        ElementError: As `stat` raises.
    """
    uri = clean(uri)
    if not is_remote(uri):
        try:
            with open(uri, "rb") as file:
                return file.read()
        except (OSError, ValueError) as error:
            raise explain(error, uri, "read") from error
    if is_web(uri):
        with tempfile.TemporaryDirectory() as folder, stage(uri, folder, settings) as staged:
            return read_bytes(staged.path)
    return bytes(attempt(lambda: filesystem(uri).cat_file(path_of(uri)), uri, settings))


def write_bytes(uri: str, data: bytes, settings: StorageSettings = DEFAULTS) -> None:
    """Write an object, replacing what was there: readers see the old bytes or the new, nothing between.

    Raises:
        StorageError: No space, no permission, or no answer.
    """
    uri = clean(uri)
    if is_remote(uri):
        attempt(lambda: _writable(uri).pipe_file(path_of(uri), data), uri, settings, "write")
        return
    with _local_part(uri) as (part, file):
        file.write(data)
        _settle(file)
        os.replace(part, uri)


def create_bytes(uri: str, data: bytes, settings: StorageSettings = DEFAULTS) -> bool:
    """Write an object if there is none. Of any number of writers at once exactly one gets True.

    Local: a hard link of a finished temporary file. S3: `If-None-Match: *`. GCS: `ifGenerationMatch=0`. Remote objects
        carry a random mark of their writer, so a request whose answer was lost and that was sent again still knows that
        it won.

    Returns:
        True when this call made the object, False when it existed.

    Raises:
        StorageError: No space, no permission, no answer, or a local file system without hard links.
    """
    uri = clean(uri)
    if not is_remote(uri):
        if os.path.lexists(uri):
            return False
        with _local_part(uri) as (part, file):
            file.write(data)
            _settle(file)
            try:
                os.link(part, uri)
            except FileExistsError:
                return False
        return True
    mark = secrets.token_hex(8)
    named = {"s3": {"Metadata": {"writer": mark}}, "gs": {"metadata": {"writer": mark}}}.get(scheme(uri), {})
    try:
        attempt(lambda: _writable(uri).pipe_file(path_of(uri), data, mode="create", **named), uri, settings, "write")
    except FileExistsError:
        return bool(named) and attempt(lambda: _writer(uri), uri, settings) == mark
    return True


def upload(local_path: str, uri: str, settings: StorageSettings = DEFAULTS) -> None:
    """Copy a local file to a uri, replacing what was there, whole or not at all; a few parts of 8 MiB are in memory.

    Raises:
        StorageError: As `write_bytes`.
    """
    uri = clean(uri)
    if not is_remote(uri):
        with open(local_path, "rb") as source, _local_part(uri) as (part, file):
            shutil.copyfileobj(source, file, CHUNK)
            _settle(file)
            os.replace(part, uri)
        return
    options: dict[str, Any] = {"s3": {"max_concurrency": 4}}.get(scheme(uri), {})
    if scheme(uri) != "memory":
        options |= {"chunksize": _UPLOAD_CHUNK}
    os.stat(local_path)
    attempt(lambda: _writable(uri).put_file(local_path, path_of(uri), **options), uri, settings, "write")


def delete(uri: str, recursive: bool = False, settings: StorageSettings = DEFAULTS) -> None:
    """Delete a file, or with `recursive` a folder and all below. What is not there is no fault.

    Raises:
        ValueError: A whole bucket, or the root of the file system.
        StorageError: It cannot be deleted.
    """
    uri = clean(uri)
    if not path_of(uri).strip("/") or (scheme(uri) in ("s3", "gs") and "/" not in path_of(uri).strip("/")):
        raise ValueError(f"refusing to delete {redact(uri)}")
    if is_remote(uri):
        attempt(lambda: or_none(lambda: _writable(uri).rm(path_of(uri), recursive=recursive)), uri, settings, "write")
        return
    try:
        if recursive and os.path.isdir(uri) and not os.path.islink(uri):
            shutil.rmtree(uri)
        else:
            os.unlink(uri)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise explain(error, uri, "write") from error


@contextlib.contextmanager
def stage(
    uri: str, folder: str, settings: StorageSettings = DEFAULTS, on_bytes: Callable[[int], None] | None = None
) -> Iterator[StagedFile]:
    """A source as a local file: a local one as it is, a remote one as a temporary copy that goes when the context ends.

    A cut copy goes on where it stopped. A chunk of 4 MiB is in memory at a time.

    Args:
        uri: The source.
        folder: Where temporary files go; made when absent.
        settings: Attempts, waits, the largest size.
        on_bytes: Told the number of bytes that each chunk brought.

    Raises:
        ElementError: As `stat`; `changed` when the object is another one, or another length, at the end; `storage` when
            the temporary folder has no room; `too_large` when it is larger than `max_source_gb`.
    """
    uri = clean(uri)
    if not is_remote(uri):
        found = stat(uri)
        if not os.access(uri, os.R_OK):
            raise ElementError("unreadable", f"{uri}: permission denied")
        _check_size(found, None, settings)
        yield StagedFile(uri, found.size or 0, False, found)
        return
    with _temporary(folder) as (path, file):
        target = _Target(file, folder, settings, on_bytes)
        found = _stage_web(uri, target, settings) if is_web(uri) else _stage_object(uri, target, settings)
        size = target.close()
        if found.size is not None and found.size != size:
            raise ElementError("changed", f"{redact(uri)}: {size} bytes came where {found.size} were announced")
        yield StagedFile(path, size, True, found)


class _Target:
    """The temporary file of a staged source: its writing faults are the disk's, not the network's."""

    def __init__(
        self, file: IO[bytes], folder: str, settings: StorageSettings, on_bytes: Callable[[int], None] | None
    ) -> None:
        self.file, self.folder, self.settings, self.on_bytes = file, folder, settings, on_bytes

    def begin(self, found: Stat) -> None:
        _check_size(found, self.folder, self.settings, self.file.tell())

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:  # an unbuffered file may take less than it is given
                left = left[self.file.write(left) :]
        except OSError as error:
            raise explain(error, self.folder, "write") from error
        limit = self.settings.max_source_gb
        if limit is not None and self.file.tell() > limit * 1e9:
            raise ElementError("too_large", f"more than --max-source-gb {limit:g}")
        if self.on_bytes is not None:
            self.on_bytes(len(data))

    def close(self) -> int:
        try:
            size = self.file.tell()
            self.file.close()
        except OSError as error:
            raise explain(error, self.folder, "write") from error
        return size


def _stage_web(uri: str, target: _Target, settings: StorageSettings) -> Stat:
    guard(uri, settings)
    download = web.Download(uri, target.file, target.write, lambda facts: target.begin(Stat(uri, *facts)))
    facts = attempt(
        lambda: web.fetch(download, settings.allow_private_addresses, settings.io_timeout),
        uri, settings, progress=lambda: target.file.tell() // CHUNK,
    )  # fmt: skip
    return Stat(uri, *facts)


def _stage_object(uri: str, target: _Target, settings: StorageSettings) -> Stat:
    found, files, path = stat(uri, settings), filesystem(uri), path_of(uri)
    target.begin(found)
    size, at = found.size or 0, 0
    while at < size:
        end = min(at + CHUNK, size)
        try:
            data = attempt(lambda a=at, b=end: files.cat_file(path, start=a, end=b), uri, settings)  # type: ignore[misc]
        except ElementError:
            _check_same(found, settings)
            raise
        if len(data) != end - at:
            raise ElementError("changed", f"{redact(uri)}: shorter than its announced {size} bytes")
        target.write(data)
        at = end
    _check_same(found, settings)
    return found


def _check_same(before: Stat, settings: StorageSettings) -> None:
    if stat(before.uri, settings) != before:
        raise ElementError("changed", f"{redact(before.uri)}: another object was put in its place while it was read")


def _check_size(found: Stat, folder: str | None, settings: StorageSettings, have: int = 0) -> None:
    if found.size is None:
        return
    if settings.max_source_gb is not None and found.size > settings.max_source_gb * 1e9:
        size = f"{found.size / 1e9:.3g} GB"
        raise ElementError(
            "too_large", f"{redact(found.uri)}: {size}, more than --max-source-gb {settings.max_source_gb:g}"
        )
    if folder is not None and shutil.disk_usage(folder).free < found.size - have:
        size = f"{found.size / 1e6:.0f} MB"
        raise StorageError(
            "storage", f"{folder}: no space for {size} of {redact(found.uri)}; free some or choose another"
        )


@contextlib.contextmanager
def _temporary(folder: str) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        os.makedirs(folder, exist_ok=True)
        # The name is ours alone: names from lists never become paths.
        handle, path = tempfile.mkstemp(prefix="source-", dir=folder)
    except OSError as error:
        raise explain(error, folder, "write") from error
    try:
        with open(handle, "wb", buffering=0) as file:
            yield path, file
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@contextlib.contextmanager
def _local_part(path: str) -> Iterator[tuple[str, IO[bytes]]]:
    """A temporary file beside its target, gone at the end unless it was renamed; faults are `StorageError`s."""
    part = os.path.join(os.path.dirname(path), f".{secrets.token_hex(8)}{PART_SUFFIX}")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(part, "xb") as file:
            yield part, file
    except OSError as error:
        raise explain(error, path, "write") from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def _settle(file: IO[bytes]) -> None:
    """Bring a file to the disk before its name appears: after a power cut a name without bytes would count as done."""
    file.flush()
    os.fsync(file.fileno())


def _writer(uri: str) -> str | None:
    files = filesystem(uri)
    made = (
        files.metadata(path_of(uri), refresh=True) if scheme(uri) == "s3" else files.info(path_of(uri)).get("metadata")
    )
    return (made or {}).get("writer")


def _writable(uri: str) -> Any:
    if is_web(uri):
        raise StorageError("storage", f"{redact(uri)}: web addresses cannot be written")
    return filesystem(uri)


def storage_options(uri: str) -> dict[str, str]:
    """Options of `deltalake` (object_store) for a uri, from the environment that fsspec reads.

    Empty for local folders, and for `gs://`, where object_store finds the same application credentials by itself.
    """
    env = os.environ
    if scheme(uri) == "s3":
        endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
        options = {
            "aws_conditional_put": "etag",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ALLOW_HTTP": "true" if endpoint.startswith("http://") else "",
            "AWS_REGION": env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else ""),
        }
        options |= {
            key: env.get(key, "") for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        }
        return {key: value for key, value in options.items() if value}
    return {}
