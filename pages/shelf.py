"""Shelf: the snapshots of one output folder that are open for browsing, and files of its store that were just read."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, TypeVar

from pages.queries import Refused, Snapshot
from transforms import storage, tables
from transforms.ranged import opened
from transforms.samples import Samples
from transforms.settings import ConfigError
from transforms.signals import Signals, read_signals
from transforms.thumbnails import Thumbnails

LATEST: Final = "latest"
_OPEN: Final = 3
"""Older snapshots kept open beside the latest."""
_FILES: Final = 4
"""Videos whose signals are kept in memory."""
_FRESH_SECONDS: Final = 1.0
_LINGER_SECONDS: Final = 60.0

Read = TypeVar("Read")


class Shelf:
    """What a browsing server holds open.

    Args:
        corpus: The output folder.
        number: The snapshot shown first; None is the latest, whichever it is when a page is asked for.
        review: Marks may be written.
        prepare: Copy clips and words of each snapshot for speed (`pages.queries`).

    Attributes:
        token: What a page must give back to write; another at every start.
        lock: To be held while signals are looked at: their columns are read when they are first asked for.
        writing: To be held while a mark is written.
    """

    def __init__(
        self, corpus: tables.Corpus, number: int | None = None, review: bool = False, prepare: bool = True
    ) -> None:
        self.corpus, self.first, self.review = corpus, LATEST if number is None else str(number), review
        self.token = secrets.token_urlsafe(24)
        self._prepare, self._lock = prepare, threading.RLock()
        self.lock, self.writing = threading.RLock(), threading.Lock()
        self._latest: Snapshot | None = None
        self._looked = 0.0
        self._older: OrderedDict[int, Snapshot] = OrderedDict()
        self._signals: OrderedDict[str, Signals] = OrderedDict()
        self.snapshot(self.first)

    def snapshot(self, name: str) -> Snapshot:
        """A snapshot by its name in an address: `latest` or a number.

        Raises:
            Refused: That is no name of one.
            ConfigError: There is no such snapshot.
        """
        with self._lock:
            if name == LATEST:
                return self._newest()
            if not name.isascii() or not name.isdigit() or len(name) > 9:
                raise Refused(f"no snapshot {name!r}")
            number = int(name)
            if self._latest is not None and self._latest.number == number:
                return self._latest
            if number not in self._older:
                self._older[number] = Snapshot(self.corpus, number, self._prepare)
                if len(self._older) > _OPEN:
                    self._later(self._older.popitem(last=False)[1].close)
            self._older.move_to_end(number)
            return self._older[number]

    def _newest(self) -> Snapshot:
        now = time.monotonic()
        if self._latest is not None and now - self._looked < _FRESH_SECONDS:
            return self._latest
        found = tables.snapshot(self.corpus)
        if self._latest is None or found.number != self._latest.number:
            held = self._latest
            same = held is not None and all(
                held.versions.get(t) == found.versions.get(t) for t in ("clips", "captions")
            )
            if held is not None and same:
                held.follow(found)
            else:
                self._latest = Snapshot(self.corpus, None, self._prepare)
                if held is not None:
                    self._later(held.close)
        self._looked = now
        assert self._latest is not None
        return self._latest

    def changed(self) -> None:
        """Look for a newer snapshot at the next question."""
        self._looked = 0.0

    @staticmethod
    def _later(close: Callable[[], None]) -> None:
        # Somebody may still be reading from it.
        timer = threading.Timer(_LINGER_SECONDS, close)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """Close everything."""
        with self._lock:
            for one in (self._latest, *self._older.values()):
                if one is not None:
                    one.close()
            self._latest, self._older = None, OrderedDict()

    def _uri(self, video: dict[str, Any], file: str) -> str:
        if not video["measure_uri"]:
            raise ConfigError("nothing was measured of this video")
        return storage.join(self.corpus.root, *video["measure_uri"].split("/"), file)

    def signals(self, video: dict[str, Any]) -> Signals:
        """The stored signals of a video, from its row of `videos`.

        Raises:
            ConfigError: Nothing was measured of it.
            ElementError: The file is gone.
        """
        uri = self._uri(video, "signals.parquet")
        with self._lock:
            if uri in self._signals:
                self._signals.move_to_end(uri)
                return self._signals[uri]
        found = read_signals(storage.read_bytes(uri))
        with self._lock:
            self._signals[uri] = found
            if len(self._signals) > _FILES:
                self._signals.popitem(last=False)
        return found

    def samples(self, video: dict[str, Any], read: Callable[[Samples], Read]) -> Read:
        """What `read` takes from a video's sampled frames.

        Raises:
            ConfigError: Nothing was measured of it.
            OSError: The file is gone.
        """
        with opened(self._uri(video, "samples.zip")) as file, Samples(file) as frames:
            return read(frames)

    def thumbnails(self, video: dict[str, Any], first: int, end: int) -> Any:
        """The thumbnails of the frames [first, end), (frames, 27, 48, 3) RGB, as `Thumbnails.read`.

        Raises:
            ConfigError: Nothing was measured of it.
            OSError: The file is gone.
        """
        with opened(self._uri(video, "thumbnails.zip")) as file, Thumbnails(file) as pictures:
            return pictures.read(first, end)
