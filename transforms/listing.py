"""Listing: what is there. Size, tag and time of one object, everything below a folder, and the file systems behind it.

The reading half of `transforms.storage` that moves no bytes; use it through that module.
"""

from __future__ import annotations

import glob as _glob
import os
import stat as _mode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

import fsspec

from transforms import web
from transforms.addresses import check_public, is_remote, is_web, normalise, redact, scheme
from transforms.attempts import DEFAULTS, NothingThere, StorageSettings, attempt, explain
from transforms.failures import ElementError

PART_SUFFIX: Final = ".rushes-part"
"""End of a temporary file beside its target. Listings leave such files out; only a killed writer leaves one behind."""

_GLOB: Final = frozenset("*?[")


class Stat(NamedTuple):
    """What storage says of an object.

    Attributes:
        uri: The object, normalised.
        size: Its length in bytes; None where a web server does not say.
        etag: Entity tag (S3, web) or generation (GCS); None for local files.
        modified: Last modification, ISO 8601 in UTC.
    """

    uri: str
    size: int | None
    etag: str | None
    modified: str | None


def guard(uri: str, settings: StorageSettings = DEFAULTS) -> None:
    """Refuse web addresses of hosts that are not public, unless the settings allow them.

    Reading checks again at every connection, redirects included; this is for refusing before any work.

    Raises:
        ElementError: `forbidden_address`, or `unreachable` for a name that does not resolve.
    """
    if not settings.allow_private_addresses:
        check_public(uri)


def stat(uri: str, settings: StorageSettings = DEFAULTS) -> Stat:
    """Size, tag and time of one object.

    Raises:
        ElementError: `unreachable` (nothing there, no answer), `unreadable` (permission, a folder),
            `forbidden_address`.
    """
    uri = clean(uri)
    if not is_remote(uri):
        try:
            status = os.stat(uri)
        except (OSError, ValueError) as error:
            raise explain(error, uri, "read") from error
        if not _mode.S_ISREG(status.st_mode):
            raise ElementError("unreadable", f"{uri}: not a regular file")
        return _local_stat(uri, status)
    info = _info(uri, settings)
    if info is None:
        raise NothingThere("unreachable", f"{redact(uri)}: nothing there")
    if info["type"] != "file":
        raise ElementError("unreadable", f"{redact(uri)}: is a folder")
    return _remote_stat(uri, info)


def exists(uri: str, settings: StorageSettings = DEFAULTS) -> bool:
    """Whether there is a file or a folder (for object stores: anything below it).

    Raises:
        ElementError: The storage cannot say: no answer, no permission.
    """
    uri = clean(uri)
    if not is_remote(uri):
        return os.path.exists(uri)
    return _info(uri, settings) is not None


def is_folder(uri: str, settings: StorageSettings = DEFAULTS) -> bool:
    """Whether a uri is an existing folder or, in an object store, a prefix with something below it."""
    uri = clean(uri)
    if is_web(uri):
        return False
    if not is_remote(uri):
        return os.path.isdir(uri)
    info = _info(uri, settings)
    return info is not None and info["type"] == "directory"


def find(
    uri_or_glob: str,
    settings: StorageSettings = DEFAULTS,
    *,
    hidden: bool = True,
    on_error: Callable[[ElementError], None] | None = None,
) -> Iterator[Stat]:
    """Every file below a folder, or matching a glob (folders that match give what is below them), sorted by uri.

    Local trees are walked as they are listed; a remote listing is held whole, about 1 kB an object. Linked folders are
    followed, but never in a circle. A missing folder yields nothing.

    Args:
        uri_or_glob: A folder, a file, or a pattern with `*`, `?`, `[...]` and `**`. What exists under that very name is
            no pattern.
        settings: Attempts and waits of remote listings.
        hidden: Whether names that begin with a dot are listed.
        on_error: Takes a folder that cannot be read, and the listing goes on; without it the fault is raised.

    Raises:
        ElementError: The storage cannot be listed.
    """
    uri = clean(uri_or_glob)
    if is_web(uri):
        raise ElementError("unreadable", f"{redact(uri)}: web addresses cannot be listed")
    if not is_remote(uri):
        is_glob = is_pattern(uri) and not os.path.lexists(uri)
        for path in sorted(_glob.iglob(uri, recursive=True)) if is_glob else [uri]:
            yield from _find_local(path.rstrip("/") or "/", hidden, on_error, ())
        return
    files = filesystem(uri)
    listed: dict[str, Any] = {}
    if is_pattern(uri) and not exists(uri, settings):
        matches = attempt(lambda: files.glob(path_of(uri), detail=True), uri, settings)
        for name, info in matches.items():
            if info["type"] == "file":
                listed[name] = info
            elif "**" not in uri:
                listed.update(_find_remote(files, name, uri, settings))
    else:
        listed = _find_remote(files, path_of(uri), uri, settings)
    prefix = f"{scheme(uri)}://"
    for name in sorted(listed):
        parts = name.split("/")
        if (
            parts[-1].endswith(PART_SUFFIX)
            or not parts[-1]
            or (not hidden and any(p.startswith(".") for p in parts[1:]))
        ):
            continue
        yield _remote_stat(prefix + name.lstrip("/"), listed[name])


def is_pattern(uri: str) -> bool:
    """Whether a uri holds a glob character."""
    return not is_web(uri) and not _GLOB.isdisjoint(uri)


def names(folder_uri: str, settings: StorageSettings = DEFAULTS) -> list[str]:
    """Names of the entries directly below a folder, sorted; empty when it is absent."""
    uri = clean(folder_uri)
    if not is_remote(uri):
        try:
            return sorted(name for name in os.listdir(uri) if not name.endswith(PART_SUFFIX))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise explain(error, uri, "read") from error
    files, path = filesystem(uri), path_of(uri).rstrip("/")
    try:
        listed: list[str] = attempt(lambda: or_none(lambda: files.ls(path, detail=False)), uri, settings) or []
    except FileExistsError:
        return []
    below = (name.rstrip("/") for name in listed)
    return sorted({name.rpartition("/")[2] for name in below if name.strip("/") != path.strip("/")})


def _find_local(
    path: str, hidden: bool, on_error: Callable[[ElementError], None] | None, above: tuple[tuple[int, int], ...]
) -> Iterator[Stat]:
    try:
        status = os.stat(path)
        if not _mode.S_ISDIR(status.st_mode):
            if _mode.S_ISREG(status.st_mode):
                yield _local_stat(path, status)
            return
        inode = (status.st_dev, status.st_ino)
        if inode in above:
            return
        with os.scandir(path) as scan:
            # A folder sorts as its name with a slash, so that the whole walk is in the order of full paths.
            entries = sorted((e.name + "/" if e.is_dir() else e.name) for e in scan)
    except FileNotFoundError:
        if os.path.islink(path):
            yield Stat(path, None, None, None)
        return
    except OSError as error:
        fault = explain(error, path, "read")
        if on_error is None:
            raise fault from error
        on_error(fault)
        return
    for name in entries:
        if not name.endswith(PART_SUFFIX) and (hidden or not name.startswith(".")):
            yield from _find_local(os.path.join(path, name.rstrip("/")), hidden, on_error, (*above, inode))


def _find_remote(files: Any, path: str, uri: str, settings: StorageSettings) -> dict[str, Any]:
    found: dict[str, Any] = attempt(lambda: or_none(lambda: files.find(path, detail=True)), uri, settings) or {}
    return found


def _local_stat(path: str, status: os.stat_result) -> Stat:
    whole, rest = divmod(status.st_mtime_ns, 10**9)
    modified = datetime.fromtimestamp(whole, UTC).replace(microsecond=rest // 1000)
    return Stat(path, status.st_size, None, modified.isoformat())


def _remote_stat(uri: str, info: dict[str, Any]) -> Stat:
    tag = info.get("generation") or info.get("ETag") or info.get("etag")
    time = (
        info.get("LastModified")
        or info.get("modified")
        or info.get("mtime")
        or info.get("updated")
        or info.get("created")
    )
    if isinstance(time, float):
        time = datetime.fromtimestamp(time, UTC)
    if isinstance(time, datetime):
        # S3's HEAD gives whole seconds where some servers' listings give more.
        time = time.astimezone(UTC).replace(microsecond=0 if scheme(uri) == "s3" else time.microsecond).isoformat()
    return Stat(uri, info.get("size"), str(tag) if tag else None, str(time) if time else None)


def _info(uri: str, settings: StorageSettings) -> dict[str, Any] | None:
    """What fsspec's `info` says of a remote uri; None where nothing is there."""
    if is_web(uri):
        guard(uri, settings)
        head = partial(web.head, uri, settings.allow_private_addresses, settings.io_timeout)
        facts = attempt(lambda: or_none(head), uri, settings)
        return None if facts is None else {"type": "file", **facts._asdict()}
    fresh = {} if scheme(uri) == "memory" else {"refresh": True}
    info: dict[str, Any] | None = attempt(
        lambda: or_none(lambda: filesystem(uri).info(path_of(uri), **fresh)), uri, settings
    )
    return info


def or_none(action: Callable[[], Any]) -> Any:
    """What an action returns, or None when there is nothing where it looks."""
    try:
        return action()
    except FileNotFoundError:
        return None
    except web.StatusError as error:
        if error.status in (404, 410):
            return None
        raise


def clean(uri: str) -> str:
    """`addresses.normalise`, its fault as an `ElementError`."""
    try:
        return normalise(uri)
    except ValueError as error:
        raise ElementError("unreachable", f"{redact(uri)}: {error}") from None


def path_of(uri: str) -> str:
    """A uri as fsspec's file systems want it: bucket and key, or the whole web address, or the local path."""
    return uri.partition("://")[2] if is_remote(uri) and not is_web(uri) else uri


def filesystem(uri: str) -> Any:
    """The fsspec file system of a uri. fsspec keeps one a process, made when first used and again after a fork."""
    name = scheme(uri)
    options: dict[str, Any] = {"use_listings_cache": False}
    if name == "memory":
        return fsspec.filesystem(name)
    if name == "gs":
        # The plain class: the default one asks every bucket's type over gRPC, and waits a minute where that is blocked.
        from gcsfs.core import GCSFileSystem

        return GCSFileSystem(**options, **({"token": "anon"} if os.environ.get("STORAGE_EMULATOR_HOST") else {}))
    if name == "s3":
        # Retries are ours: nested ones would multiply attempts and hide them.
        options |= {"config_kwargs": {"retries": {"total_max_attempts": 1}}}
    files = fsspec.filesystem(name, **options)
    if name == "s3":
        files.retries = 1
    return files
