"""Answers: what sites' own files said, kept in a folder for at most a day (RFC 9309, 2.4), one file an address.

Only answers are kept: a fetch that failed is tried again by the next run. A file that cannot be read counts as absent.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from filters.rights.signals.visit import Answer


@dataclass(frozen=True)
class Answers:
    """A folder of answers.

    Attributes:
        folder: Where they are; made when the first is kept.
        hours: How long one is used.
    """

    folder: Path
    hours: float = 24.0

    def get(self, uri: str, limit: int, now: datetime) -> Answer | None:
        """What an address answered within the last hours, None where nothing is kept."""
        try:
            held = json.loads(self._path(uri, limit).read_text(encoding="utf-8"))
            at = datetime.fromisoformat(held["fetched_at"])
            if not timedelta(0) <= now - at < timedelta(hours=self.hours):
                return None
            headers = tuple((str(name), str(value)) for name, value in held["headers"])
            body = base64.b64decode(held["body"], validate=True)
            return Answer(str(held["uri"]), int(held["status"]), at, headers, body, held["whole"] is True)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, uri: str, limit: int, answer: Answer) -> None:
        """Keep an answer, unless the fetch failed. A folder that cannot be written keeps nothing."""
        if not answer.good and not answer.absent:
            return
        path = self._path(uri, limit)
        held = {
            "uri": answer.uri,
            "status": answer.status,
            "fetched_at": answer.fetched_at.isoformat(),
            "headers": answer.headers,
            "body": base64.b64encode(answer.body).decode(),
            "whole": answer.whole,
        }
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
                json.dump(held, file)
            os.replace(file.name, path)

    def _path(self, uri: str, limit: int) -> Path:
        name = hashlib.sha256(f"{limit} {uri}".encode(errors="replace")).hexdigest()
        return self.folder / name[:2] / f"{name}.json"
