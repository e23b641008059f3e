"""Watcher: the thread of a pool that forks its children, hands them tasks and ends those that go wrong.

It must be one thread that lives as long as the children do, because the kernel's parent-death signal follows the
forking thread. It never blocks on a child: a stopped child holds up nobody.
"""

from __future__ import annotations

import contextlib
import pickle
import selectors
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Final

from transforms.child import unpack
from transforms.childprocess import Child, Task, ending
from transforms.failures import ElementError

if TYPE_CHECKING:
    from transforms.pool import PoolSettings

GRACE: Final = 2.0
"""Seconds for a child to leave by itself once its channel is closed."""
_TICK: Final = 0.05  # seconds between looks at clocks and memory; at 2 GB/s a child grows by 100 MB in between


class TaskError(ElementError):
    """A task failed: by an error it raised, or because its child died or was killed.

    Attributes:
        phase: The last phase the task began, empty when it began none.
        traceback: The child's traceback, or Python's stack when a signal killed it; empty when there is none.
    """

    def __init__(self, error_class: str, message: str, phase: str = "", traceback: str = "") -> None:
        super().__init__(error_class, message)
        self.phase = phase
        self.traceback = traceback


class TaskQueue:
    """Tasks on their way to a watcher: how many there may be, and how many are not settled yet.

    Args:
        depth: Tasks waiting or running before `put` blocks.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.waiting: deque[Task] = deque()
        self.unfinished = 0
        self.closed = False
        self._changed = threading.Condition()

    def put(self, task: Task, block: bool) -> None:
        """Add a task.

        Raises:
            RuntimeError: The queue is closed.
        """
        with self._changed:
            while block and self.unfinished >= self.depth and not self.closed:
                self._changed.wait(1.0)
            if self.closed:
                raise RuntimeError("the pool is closed")
            self.waiting.append(task)
            self.unfinished += 1

    def next(self) -> Task | None:
        """The next task that nobody has cancelled, now running; None when none waits."""
        with self._changed:
            while self.waiting:
                task = self.waiting.popleft()
                if task.future.set_running_or_notify_cancel():
                    return task
                self.done()
        return None

    def done(self) -> None:
        """Count one task as settled."""
        with self._changed:
            self.unfinished -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Take no more tasks."""
        self.closed = True

    def drain(self) -> list[Task]:
        """Take out all that waits, and count everything as settled."""
        with self._changed:
            tasks = list(self.waiting)
            self.waiting.clear()
            self.unfinished = 0
            self._changed.notify_all()
        return tasks


class Watcher:
    """Forks and watches the children of one pool. `run` is its thread; the rest may be called from any.

    Args:
        settings: The limits.
        children: The most children at a time.
        first_message: What a new child is told first.
        queue: Where tasks come from.
        on_event: Called with every progress event.
    """

    def __init__(
        self,
        settings: PoolSettings,
        children: int,
        first_message: bytes,
        queue: TaskQueue,
        on_event: Callable[[Mapping[str, Any]], None] | None,
    ) -> None:
        self.killed = False
        self.started = 0  # children started so far
        self._settings = settings
        self._children = children
        self._first_message = first_message
        self._queue = queue
        self._on_event = on_event
        self._living: list[Child] = []  # may serve tasks
        self._leaving: list[tuple[Child, float]] = []  # told to leave or killed, and when to kill (again)
        self._looked_at = 0.0
        self._selector = selectors.DefaultSelector()
        self._bell, self._clapper = socket.socketpair()
        self._bell.setblocking(False)
        self._clapper.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def ring(self) -> None:
        """Wake the thread up."""
        with contextlib.suppress(OSError):  # full: it wakes up anyway
            self._clapper.send(b"\0")

    def processes(self) -> list[Child]:
        """Every child that may still run."""
        return [*self._living, *(child for child, _ in self._leaving)]

    def run(self) -> None:
        """Serve until the queue is closed and empty, or `killed` is set. What nobody will serve is cancelled."""
        error: BaseException | None = None
        try:
            while not self.killed and not (self._queue.closed and not self._queue.unfinished):
                self._assign()
                self._listen()
                self._watch()
        except BaseException as fault:
            error = fault
        self._queue.close()
        self._empty(error)

    def _empty(self, error: BaseException | None) -> None:
        """The end: nobody is left waiting and no child is left running."""
        for child in list(self._living):
            self._part(child, kill=self.killed or error is not None)
        tasks = [*self._queue.drain(), *(c.task for c, _ in self._leaving if c.task)]
        for task in tasks:
            if error is not None and not task.future.cancelled():
                task.future.set_exception(error)
            elif not task.future.cancel():
                task.future.set_exception(CancelledError())
        until = time.monotonic() + 2 * GRACE
        while self._leaving and time.monotonic() < until:
            self._reap()
            time.sleep(0.002)
        self._selector.close()
        self._bell.close()
        self._clapper.close()

    def _assign(self) -> None:
        """Hand waiting tasks to idle children, and start children for the rest."""
        idle = [c for c in self._living if c.ready and c.task is None and c.process.poll() is None]
        while idle and (task := self._queue.next()):
            child = idle.pop()
            child.task, child.peak = task, 0
            child.enter("", self._settings.time_limit)
            child.outbox += task.message
            self._push(child)
        starting = sum(not c.ready for c in self._living)
        for _ in range(min(self._children - len(self._living), len(self._queue.waiting) - starting)):
            try:
                child = Child(self._first_message)
            except OSError:  # no more processes or files now
                if not self._living:
                    raise
                return
            self.started += 1
            self._living.append(child)
            self._selector.register(child.channel, selectors.EVENT_READ, child)
            self._push(child)

    def _push(self, child: Child) -> None:
        try:
            child.push()
        except OSError:
            child.closed = True
        more = selectors.EVENT_WRITE if child.outbox and not child.closed else 0
        self._selector.modify(child.channel, selectors.EVENT_READ | more, child)

    def _listen(self) -> None:
        """Wait for messages, and no longer than a tick while there is something to watch."""
        watching = self._leaving or any(c.task or not c.ready or c.closed for c in self._living)
        for key, _ in self._selector.select(_TICK if watching else None):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(4096)
                continue
            child: Child = key.data
            if child.outbox:
                self._push(child)
            self._hear(child)

    def _hear(self, child: Child) -> None:
        child.pull()
        try:
            for message in unpack(child.inbox):
                self._take(child, *message)
        except Exception as error:  # the child has overwritten what it sends
            self._part(child, kill=True)
            self._fail(child, "crashed", f"the decoder's process sent nonsense ({type(error).__name__})")
        if child.closed and child in self._living:
            self._look_at(child)

    def _take(self, child: Child, kind: str, *rest: Any) -> None:
        if kind == "ready":
            child.ready = True
        elif kind == "broken":
            self._part(child, kill=True)
            self._fail(child, "internal", "a child process could not start", rest[0])
        elif child.task is None:
            return  # from a thread that a task left behind
        elif kind == "event":
            self._emit(child, rest[0])
        elif kind == "phase":
            name, seconds = rest
            child.enter(name, self._settings.time_limit if seconds is None else seconds)
            self._emit(child, {})
        elif kind == "failed":
            error_class, message, *details = rest
            self._fail(child, error_class, message, *details)
            self._retire(child, worn=error_class == "out_of_memory")
        elif kind == "result":
            try:
                result = pickle.loads(rest[0])
            except Exception as error:
                self._fail(child, "internal", f"the result cannot be read: {error}")
            else:
                self._finish(child, lambda future: future.set_result(result))
            self._retire(child)

    def _retire(self, child: Child, worn: bool = False) -> None:
        """After a task: let a child go that has served long, or holds on to half of what it may use."""
        child.served += 1
        if worn or child.served >= self._settings.recycle or child.resident() > self._settings.memory_limit_mb << 19:
            self._part(child, kill=False)

    def _watch(self) -> None:
        """Look at clocks, memory and exits, once a tick."""
        now = time.monotonic()
        if now - self._looked_at < _TICK:
            return
        self._looked_at = now
        self._reap()
        for child in list(self._living):
            if child in self._living:
                self._look_at(child)

    def _look_at(self, child: Child) -> None:
        gone = child.process.poll()
        if gone is None and child.closed:
            # It is dying but not dead, or it has closed its channel: either way it is of no use.
            with contextlib.suppress(subprocess.TimeoutExpired):
                gone = child.process.wait(0.5)
        if gone is not None or child.closed:
            if not child.closed:
                self._hear(child)  # what it said before it died; this looks at it again if the channel has ended
                if child not in self._living:
                    return
            self._part(child, kill=True)
            self._died(child, gone)
        elif child.task is None and child.ready:
            return
        elif time.monotonic() > child.deadline:
            self._part(child, kill=True)
            if not child.ready:
                self._fail(child, "internal", f"a child process did not start within {child.limit:g} s")
            else:
                self._fail(child, "timed_out", f"not done within {child.limit:g} s{_during(child)}")
        elif (size := child.resident()) > self._settings.memory_limit_mb << 20:
            self._part(child, kill=True)
            limit = self._settings.memory_limit_mb
            self._fail(child, "out_of_memory", f"{size >> 20} MB in use{_during(child)}; the limit is {limit} MB")
        else:
            child.peak = max(child.peak, size)

    def _died(self, child: Child, code: int | None) -> None:
        """Fail the task of a child that ended by itself."""
        limit = self._settings.memory_limit_mb
        near = child.peak > 0.8 * (limit << 20)
        if not child.ready:
            how = "closed its channel" if code is None else f"ended with {ending(code)}"
            self._fail(child, "internal", f"a child process {how} while it started", child.last_words())
        elif near and code is not None and code < 0:
            text = f"ended by {ending(code)} with {child.peak >> 20} MB in use{_during(child)}; the limit is {limit} MB"
            self._fail(child, "out_of_memory", text, child.last_words())
        else:
            how = "closed its channel" if code is None else f"ended by {ending(code)}"
            self._fail(child, "crashed", f"the decoder's process {how}{_during(child)}", child.last_words())

    def _part(self, child: Child, kill: bool) -> None:
        """Take a child out of service: kill it, or close its channel and let it leave."""
        if child not in self._living:
            return
        self._living.remove(child)
        self._selector.unregister(child.channel)
        child.channel.close()
        if kill:
            child.kill()
        self._leaving.append((child, time.monotonic() + GRACE))

    def _reap(self) -> None:
        now, staying = time.monotonic(), []
        for child, until in self._leaving:
            if child.process.poll() is not None:
                child.log.close()
                continue
            if now > until:
                child.kill()
            staying.append((child, until))
        self._leaving = staying

    def _fail(self, child: Child, error_class: str, message: str, traceback: str = "", attempts: int = 1) -> None:
        if not child.ready:  # that cost a task too, or children that cannot start would be started for ever
            child.task = self._queue.next()
        error = TaskError(error_class, message, child.phase, traceback)
        error.attempts = attempts
        self._finish(child, lambda future: future.set_exception(error))

    def _finish(self, child: Child, settle: Callable[[Future[Any]], None]) -> None:
        task, child.task = child.task, None
        if task is None:
            return
        child.phase = ""
        self._emit(child, {})
        self._queue.done()
        settle(task.future)

    def _emit(self, child: Child, event: Mapping[str, Any]) -> None:
        if self._on_event is None:
            return
        known = {"child": str(child.process.pid), "phase": child.phase}
        if child.task is not None:
            known["label"] = child.task.label
        with contextlib.suppress(Exception):
            self._on_event({**event, **known})


def _during(child: Child) -> str:
    return f" in phase {child.phase}" if child.phase else ""
