"""Progress: advisory events over loopback datagrams, from any worker process to the one that shows them.

Datagrams because they can neither block a worker nor fail it, and because Beam's runners give a worker no other way to
speak to the main process. They may be lost: nothing that a run records or decides comes from them; reports count rows.
An event is a small JSON object: counters of `Snapshot` with what to add to them, `child`, `phase`, `label` for what
a child is doing now, and `note` for what a job says of itself. The address holds a random token, so that datagrams of
other programs are ignored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_MAX_DATAGRAM: Final = 1400  # bytes; larger events are dropped
_MAX_CHILDREN: Final = 1024
_MAX_TEXT: Final = 200  # characters
_MAX_STEP: Final = 1e12  # most that one event may add to a counter


@dataclasses.dataclass(frozen=True)
class ChildState:
    """What one child is doing: the phase, the source's label, and `time.monotonic()` when the phase began."""

    phase: str
    label: str
    since: float


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Where a run stands, as far as events tell.

    Attributes:
        sources_total: Sources known so far.
        sources_done: Sources finished, those reused included, those failed not.
        sources_reused: Of those done, how many the store already had.
        sources_failed: Sources that became failures.
        footage_seconds: Seconds of footage of the sources done.
        decoded_frames: Frames decoded so far, unfinished sources included.
        clips_kept: Clips kept by the filters.
        clips_dropped: Clips dropped by the filters.
        note: What a job says of itself instead; empty where sources tell it.
        children: Process id (as text) to what that child is doing; idle children are absent.
    """

    sources_total: int = 0
    sources_done: int = 0
    sources_reused: int = 0
    sources_failed: int = 0
    footage_seconds: float = 0.0
    decoded_frames: int = 0
    clips_kept: int = 0
    clips_dropped: int = 0
    note: str = ""
    children: Mapping[str, ChildState] = dataclasses.field(default_factory=lambda: MappingProxyType({}))

    def add(self, event: Mapping[str, Any], now: float) -> Snapshot:
        """The snapshot after an event; names and values that make no sense are left out."""
        changes: dict[str, Any] = {}
        for name in COUNTERS:
            value = event.get(name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_STEP:
                continue
            before = getattr(self, name)
            changes[name] = before + (value if isinstance(before, float) else int(value))
        if "note" in event:
            changes["note"] = _text(event["note"])
        if "child" in event and "phase" in event:
            changes["children"] = self._children_after(event, now)
        return dataclasses.replace(self, **changes) if changes else self

    def _children_after(self, event: Mapping[str, Any], now: float) -> Mapping[str, ChildState]:
        name, phase = _text(event["child"]), _text(event["phase"])
        children = dict(self.children)
        if not phase:
            children.pop(name, None)
        elif name in children or len(children) < _MAX_CHILDREN:
            label, before = _text(event.get("label", "")), children.get(name)
            since = before.since if before and (before.phase, before.label) == (phase, label) else now
            children[name] = ChildState(phase, label, since)
        return MappingProxyType(children)


COUNTERS: Final = tuple(f.name for f in dataclasses.fields(Snapshot) if f.name not in ("note", "children"))
"""Names of the counters an event may add to."""


def _text(value: Any) -> str:
    """A word fit for a terminal: no control characters, not long."""
    return "".join(c for c in str(value)[:_MAX_TEXT] if c.isprintable())


class Sender:
    """Sends events to a `Listener`. Never raises and never blocks; what cannot be sent is dropped.

    Args:
        address: A listener's `address`, or None to send nothing.
    """

    def __init__(self, address: str | None) -> None:
        self._socket: socket.socket | None = None
        self._token = ""
        if address is None:
            return
        with contextlib.suppress(OSError, ValueError, OverflowError):
            place, _, self._token = address.partition("/")
            host, _, port = place.rpartition(":")
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setblocking(False)
            try:
                made.connect((host, int(port)))
            except BaseException:
                made.close()
                raise
            self._socket = made

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one event."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError, TypeError, ValueError, RecursionError):
            data = json.dumps([self._token, dict(event)], allow_nan=False).encode()
            if len(data) <= _MAX_DATAGRAM:
                self._socket.send(data)

    def close(self) -> None:
        """Close the socket; later events are dropped."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a Sender belongs to one process: send its address instead")


class Listener:
    """Takes events on a loopback port of its own and adds them up, in a thread of its own.

    Attributes:
        address: What a `Sender` needs, as text: host, port and token.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._token = secrets.token_hex(16)
        self.address: str = f"127.0.0.1:{self._socket.getsockname()[1]}/{self._token}"
        self._snapshot = Snapshot()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="progress", daemon=True)
        self._thread.start()

    @property
    def snapshot(self) -> Snapshot:
        """Where the run stands now."""
        return self._snapshot

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                if self._closed.wait(0.05):
                    return
                continue
            event = self._read(data)
            if event is not None:
                self._snapshot = self._snapshot.add(event, time.monotonic())

    def _read(self, data: bytes) -> dict[str, Any] | None:
        try:
            token, event = json.loads(data)
            if hmac.compare_digest(token.encode(), self._token.encode()) and isinstance(event, dict):
                return event
        except (ValueError, TypeError, AttributeError, RecursionError):
            pass
        return None

    def close(self) -> None:
        """Stop listening; the last snapshot stays."""
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
