"""Sources: what the inputs of a run name, one reference each.

An input is a file, a folder, a glob or a list (text, CSV, TSV, JSON Lines, Parquet with a `uri` column), on local disk,
`s3://`, `gs://` or `http(s)://`. Lists are read as a stream, a list of a million rows takes no more memory than one of
ten. A row that names nothing usable is a failure of its own and stops nothing. The same uri may come several times,
from a folder and from a list:
the references are grouped by `identity` later, where the whole listing need not be in one process.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from transforms import addresses, storage
from transforms.attempts import DEFAULTS, StorageSettings
from transforms.failures import ElementError
from transforms.listing import is_pattern
from transforms.lists import LISTS, Row, rows
from transforms.settings import ConfigError, setting

MEDIA_EXTENSIONS: Final = (
    "264", "265", "3g2", "3gp", "aac", "avi", "dv", "f4v", "flac", "flv", "h264", "h265", "hevc", "ivf", "m2ts", "m2v",
    "m4a", "m4v", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "mts", "mxf", "oga", "ogg", "ogv", "opus", "ts", "vob",
    "wav", "webm", "wma", "wmv",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListSettings:
    """How inputs become sources."""

    uri_column: str = setting("uri", "Column of a list that holds the address of a source", source="project")
    extensions: tuple[str, ...] = setting(
        MEDIA_EXTENSIONS, "File extensions taken from folders; a file named by itself is taken whatever its extension"
    )


@dataclasses.dataclass(frozen=True)
class SourceRef:
    """One source as it was listed. Small, and safe to print: the uri it is opened by is not shown.

    Attributes:
        uri: Where to open it, normalised, with whatever credentials the list gave.
        size: Length in bytes, None when the listing did not say (web addresses, most lists).
        etag: Entity tag or generation from the listing.
        modified: Last modification from the listing, ISO 8601 in UTC.
        metadata: Every other column of its list, as text.
        origin: Where it was named, `list.csv row 12`, or the input itself.
    """

    uri: str = dataclasses.field(repr=False)
    size: int | None = None
    etag: str | None = None
    modified: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    origin: str = ""

    @property
    def name(self) -> str:
        """The uri without credentials: what rows, keys and logs hold."""
        return addresses.redact(self.uri)


_OPAQUE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+")

Failure = dict[str, Any]
"""The columns of a `FailureRow` but for `run_id`."""


def identity(ref: SourceRef) -> str | None:
    """A key of the source's bytes as far as storage tells: SHA-256 of redacted uri, size, etag and modification.

    None when the storage gives no size, or neither tag nor time: then only reading tells.
    """
    if ref.size is None or (ref.etag is None and ref.modified is None):
        return None
    said = json.dumps([ref.name, ref.size, ref.etag, ref.modified], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(said.encode()).hexdigest()


def refreshed(ref: SourceRef, settings: StorageSettings = DEFAULTS) -> SourceRef:
    """The reference with size, tag and time as the storage says now (one request; a HEAD for web addresses).

    Raises:
        ElementError: As `storage.stat`.
    """
    _, size, etag, modified = storage.stat(ref.uri, settings)
    return dataclasses.replace(ref, size=size, etag=etag, modified=modified)


def check_inputs(
    inputs: Sequence[str], settings: ListSettings = ListSettings(), access: StorageSettings = DEFAULTS
) -> None:
    """Check before any work that every input exists, and that every list has its column.

    A web address that is no list is not asked for: one that does not answer is a failed element, not a wrong command.

    Raises:
        ConfigError: Naming the input and the fix.
    """
    if not inputs:
        raise ConfigError("no input: name a file, a folder, a glob or a list of sources")
    for given in inputs:
        try:
            uri = addresses.normalise(given)
        except ValueError as error:
            raise ConfigError(f"input {addresses.redact(given)}: {error}") from None
        try:
            _check_input(uri, settings, access)
        except ElementError as error:
            raise ConfigError(f"input {error.message}") from None


def _check_input(uri: str, settings: ListSettings, access: StorageSettings) -> None:
    shown = addresses.redact(uri)
    if not addresses.is_web(uri) and not storage.exists(uri, access):
        if not is_pattern(uri):
            raise ConfigError(f"input {shown}: there is no such file or folder")
        if next(storage.find(uri, access), None) is None:
            raise ConfigError(f"input {shown}: no file matches this pattern")
        return
    if _is_list(uri, access):
        with _local(uri, access) as path:
            try:
                next(_rows_of(path, uri, settings), None)
            except (pa.ArrowException, OSError, UnicodeError) as error:
                raise ConfigError(f"input {shown}: cannot be read as a list ({_short(error)})") from None


def expand(
    inputs: Sequence[str],
    settings: ListSettings = ListSettings(),
    access: StorageSettings = DEFAULTS,
    skip: Sequence[str] = (),
) -> Iterator[SourceRef | Failure]:
    """Every source that the inputs name, in their order, and a failure for each row or folder that names none.

    Folders are searched to any depth for known media extensions; hidden names are left out. Globs take whatever matches
    when the pattern ends in an extension, else known media extensions; matching lists are read. Nothing is opened but
    lists, and no web address is asked for. A uri named twice comes twice.

    Args:
        inputs: As `check_inputs` passed them.
        settings: The list's column, the extensions.
        access: How lists are fetched.
        skip: Uris at or below which folders and globs yield nothing: the run's own output.

    Yields:
        `SourceRef`s, and failures of class `bad_list`, `unreadable` or `unreachable` as columns of `FailureRow`.
    """
    ours = tuple(addresses.normalise(one).rstrip("/") for one in skip)
    for given in inputs:
        try:
            for one in _expand_input(addresses.normalise(given), settings, access, ours):
                yield one if isinstance(one, dict) else _storable(one)
        except ElementError as error:
            yield _failure(addresses.redact(given), error.error_class, error.message)


def _expand_input(
    uri: str, settings: ListSettings, access: StorageSettings, ours: tuple[str, ...]
) -> Iterator[SourceRef | Failure]:
    if addresses.is_web(uri) or (storage.exists(uri, access) and not storage.is_folder(uri, access)):
        if _is_list(uri, access):
            yield from _expand_list(uri, settings, access)
        else:
            found = storage.Stat(uri, None, None, None) if addresses.is_web(uri) else storage.stat(uri, access)
            yield SourceRef(*found, origin=addresses.redact(uri))
        return
    ending = addresses.extension(uri) if is_pattern(uri) and not storage.exists(uri, access) else ""
    wanted = {e.lower().lstrip(".") for e in settings.extensions}
    faults: list[ElementError] = []
    for found in storage.find(uri, access, hidden=False, on_error=faults.append):
        if any(found.uri == one or found.uri.startswith(one + "/") for one in ours):
            continue
        kind = addresses.extension(found.uri)
        if ending and not is_pattern(ending) and kind in LISTS:
            yield from _expand_list(found.uri, settings, access)
        elif kind in wanted or (ending and not is_pattern(ending)):
            yield SourceRef(*found, origin=addresses.redact(uri))
    for fault in faults:
        yield _failure(addresses.redact(uri), fault.error_class, fault.message)


def _expand_list(uri: str, settings: ListSettings, access: StorageSettings) -> Iterator[SourceRef | Failure]:
    shown, folder = addresses.redact(uri), addresses.folder_of(uri)
    with _local(uri, access) as path:
        number = 0
        try:
            for number, row in _rows_of(path, uri, settings):
                subject = f"{shown} row {number}"
                try:
                    yield _ref(row, folder, subject, settings)
                except ValueError as error:
                    yield _failure(subject, "bad_list", f"{subject}: {error}")
        except (ConfigError, pa.ArrowException, OSError, UnicodeError) as error:
            yield _failure(shown, "bad_list", f"{shown}: unreadable after row {number} ({_short(error)})")


def _ref(row: Row, folder: str, origin: str, settings: ListSettings) -> SourceRef:
    """A row as a reference.

    Raises:
        ValueError: The row names no usable uri; a row that is text is its own message.
    """
    if isinstance(row, str):
        raise ValueError(row)
    cell = row.get(settings.uri_column)
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8", "surrogateescape")
    if not isinstance(cell, str) or not cell.strip():
        raise ValueError(f"no uri in column {settings.uri_column!r}")
    metadata = {str(k): _text(v) for k, v in row.items() if k != settings.uri_column and v is not None}
    _check_text(cell, *metadata, *metadata.values())
    return SourceRef(resolve(cell.strip(), folder), metadata=metadata, origin=origin)


def resolve(cell: str, folder: str) -> str:
    """The uri that a list in `folder` means by a cell, normalised: relative ones are below that folder.

    Raises:
        ValueError: The scheme is none of ours.
    """
    if "\0" in cell or "\n" in cell:
        raise ValueError("control characters in the uri")
    if cell.startswith("file:/") and not cell.startswith("file://"):
        cell = "file://" + cell.removeprefix("file:")
    if addresses.has_scheme(cell):
        return addresses.normalise(cell)
    name, colon, _ = cell.partition(":")
    remote = addresses.is_remote(folder)
    path = cell if os.path.isabs(cell) else os.path.join(folder, cell)
    if colon and _OPAQUE.fullmatch(name) and (remote or not os.path.exists(path)):
        # A local file may be called `part 1: arrival.mp4`; `data:`, `concat:` and the like are nothing of ours.
        raise ValueError(f"{name!r} is not one of local, s3, gs, http, https, and there is no such file")
    if addresses.is_web(folder):
        return addresses.normalise(urllib.parse.urljoin(folder + "/", urllib.parse.quote(cell, safe="%/?&=+,;:@~")))
    if not remote or os.path.isabs(cell):
        return addresses.normalise(path)
    bucket, _, prefix = folder.partition("://")[2].partition("/")
    key = os.path.normpath(os.path.join("/", prefix, cell)).lstrip("/")
    return addresses.normalise(f"{addresses.scheme(folder)}://{bucket}/{key}")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return addresses.redact_text(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (bool, int, float, list, dict, tuple)):
        return addresses.redact_text(json.dumps(value, ensure_ascii=False, sort_keys=True, default=_text))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _check_text(*cells: str) -> None:
    for cell in cells:
        if not cell.isascii():
            try:
                cell.encode()
            except UnicodeEncodeError:
                raise ValueError("not valid UTF-8") from None


def _storable(ref: SourceRef) -> SourceRef | Failure:
    try:
        _check_text(ref.uri)
    except ValueError:
        name = ref.uri.encode("utf-8", "backslashreplace").decode()
        return _failure(name, "unreadable", f"{name}: the file's name is not valid UTF-8; rename it")
    return ref


def _failure(subject: str, error_class: str, message: str) -> Failure:
    return {
        "step": "list",
        "subject": subject,
        "video_id": None,
        "error_class": error_class,
        "message": message,
        "attempts": 1,
        "traceback": None,
    }


def _short(error: BaseException) -> str:
    return addresses.redact_text(str(error).splitlines()[0] if str(error) else type(error).__name__)[:200]


def _is_list(uri: str, access: StorageSettings) -> bool:
    return addresses.extension(uri) in LISTS and not storage.is_folder(uri, access)


def _rows_of(path: str, uri: str, settings: ListSettings) -> Iterator[tuple[int, Row]]:
    return rows(path, addresses.extension(uri), settings.uri_column, addresses.redact(uri))


@contextlib.contextmanager
def _local(uri: str, access: StorageSettings) -> Iterator[str]:
    """A list as a local file: remote ones are staged, so a broken connection is retried and never a short list."""
    with tempfile.TemporaryDirectory() as folder, storage.stage(uri, folder, access) as staged:
        yield staged.path
