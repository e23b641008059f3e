"""The store: results of steps, named by what went in, written once.

A key is the SHA-256 of the step's name, its recipe number, the ids of its input and the settings that matter, so a
result can be asked for before it is made and never has to be invalidated. A result is a marker
`STEP/ab/KEY.VIDEO_ID.json`, written last, beside an optional folder `STEP/ab/KEY/` with files. The marker's name
carries the video it belongs to, so that one listing of a shard answers both "is it there" and "whose is it" for every
key in it.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms import storage
from transforms.attempts import NothingThere

_UPLOADS = 4


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces, exact floats, tuples as lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def key(step: str, recipe: int, inputs: Any, settings: Mapping[str, Any] | None = None) -> str:
    """The key of a step's result.

    Args:
        step: Name of the step.
        recipe: Number that is raised whenever the step's code changes what it yields.
        inputs: Ids of what goes in.
        settings: The settings that change the result (`settings.key_fields`).
    """
    return digest([step, recipe, inputs, dict(settings or {})])


def read_if_there(uri: str) -> bytes | None:
    """The bytes at a uri, or None when nothing is there; a storage that does not answer is still an error."""
    try:
        return storage.read_bytes(uri)
    except NothingThere:
        return None


@dataclass(frozen=True)
class Store:
    """Results below one folder.

    Attributes:
        root: URI of the output folder; results lie in its `store/`.
    """

    root: str

    def _folder(self, step: str, shard: str) -> str:
        return storage.join(self.root, "store", step, shard)

    def _marker(self, step: str, key: str, video_id: str) -> str:
        return storage.join(self._folder(step, key[:2]), f"{key}.{video_id}.json")

    def path(self, step: str, key: str, name: str = "") -> str:
        """Where a file of a result lies, relative to the output folder."""
        return "/".join(p for p in ("store", step, key[:2], key, name) if p)

    def uri(self, relative: str) -> str:
        """The absolute URI of a path relative to the output folder."""
        return storage.join(self.root, *relative.split("/"))

    def listing(self, step: str, shard: str) -> dict[str, str]:
        """Every finished key of a shard and the video it belongs to: one listing, whatever the number of keys."""
        found = {}
        for name in storage.names(self._folder(step, shard)):
            key, _, rest = name.partition(".")
            video_id, dot, suffix = rest.partition(".")
            if dot and suffix == "json":
                found[key] = video_id
        return found

    def get(self, step: str, key: str, video_id: str) -> dict[str, Any] | None:
        """The payload of a result; None when it isn't there."""
        data = read_if_there(self._marker(step, key, video_id))
        return None if data is None else dict(json.loads(data))

    def put(
        self,
        step: str,
        key: str,
        video_id: str,
        payload: Mapping[str, Any],
        files: Mapping[str, str] | None = None,
    ) -> None:
        """Write a result: its files first, its marker last.

        Args:
            step: Name of the step.
            key: The result's key.
            video_id: The video it belongs to.
            payload: What the marker holds: counts and small records.
            files: Names in the result's folder and the local files to put there.
        """
        if files:
            # At once: a disk settles three small files in the time of one, and a remote store answers them together.
            with concurrent.futures.ThreadPoolExecutor(min(_UPLOADS, len(files))) as threads:
                targets = [self.uri(self.path(step, key, name)) for name in files]
                list(threads.map(storage.upload, files.values(), targets))
        storage.create_bytes(self._marker(step, key, video_id), canonical(payload).encode())

    def local(self, step: str, key: str, folder: Path) -> Path:
        """A result's files on this machine: where they lie, or copied into `folder`, which is made.

        Raises:
            FileNotFoundError: They are not there.
        """
        there = self.uri(self.path(step, key))
        if not storage.is_remote(there):
            return Path(there)
        folder.mkdir(parents=True)
        names = storage.names(there)
        if not names:
            raise FileNotFoundError(there)
        for name in names:
            (folder / name).write_bytes(storage.read_bytes(storage.join(there, name)))
        return folder

    def drop(self, step: str, key: str, video_id: str) -> None:
        """Remove a result: its marker first, so that what is half gone is not taken for whole."""
        storage.delete(self._marker(step, key, video_id))
        storage.delete(self.uri(self.path(step, key)), recursive=True)
