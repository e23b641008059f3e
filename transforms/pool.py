"""Pool: child processes that do the heavy work of one process, each watched for time and memory.

Media kill decoders, so a task runs in a child: a plain Python process that never imports Beam (`transforms.child`).
One thread per pool forks the children and watches them (`transforms.watcher`). A child that dies, hangs or grows past
its limit is killed with its whole process group: that is one failed task, the others go on, and the next task gets a
new child. Nothing is retried here. Children are started when there is work for them and serve many tasks.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final

from transforms.child import pack
from transforms.childprocess import Task
from transforms.progress import Sender
from transforms.settings import setting
from transforms.watcher import GRACE, TaskError, TaskQueue, Watcher

__all__ = ["Pool", "PoolSettings", "TaskError", "core_count", "kill_all", "shared_pool"]

_DEPTH: Final = 4  # tasks waiting or running for each child before `submit` blocks


@dataclasses.dataclass(frozen=True)
class PoolSettings:
    """How many children there are and what each may use."""

    children: int = setting(
        0,
        "Child processes that decode; 0 is one a core here, and one a worker process elsewhere.",
        low=0,
        high=1024,
        scale=True,
    )
    time_limit: float = setting(
        60.0,
        "Longest time for a phase of one source; phases that grow with the source have a limit of their own.",
        unit="s",
        low=0.1,
        scale=True,
    )
    memory_limit_mb: int = setting(
        2048, "Most memory of one child, its libraries included.", unit="MB", low=256, scale=True
    )
    recycle: int = setting(200, "Tasks after which a child is replaced by a fresh one.", low=1, scale=True)


def core_count() -> int:
    """Cores this process may use: its CPU affinity, and the CPU quota of its control group where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError), open("/sys/fs/cgroup/cpu.max") as quota:
        allowed, period = quota.read().split()
        cores = min(cores, max(1, round(int(allowed) / int(period))))
    return cores


class Pool:
    """Runs tasks in child processes. Usable from several threads; in a forked process it is dead.

    Left by an exception (Ctrl-C among them), the context manager kills; otherwise it closes.

    Args:
        settings: Number of children and their limits.
        preload: Modules a child imports before its first task; their import counts against no task's limit.
        on_event: Called in the pool's thread with every progress event. It must be quick; what it raises is ignored.
    """

    def __init__(
        self,
        settings: PoolSettings,
        preload: Sequence[str] = (),
        on_event: Callable[[Mapping[str, Any]], None] | None = None,
    ) -> None:
        self.settings = settings
        self.children = settings.children or core_count()
        self._owner = os.getpid()
        self._queue = TaskQueue(_DEPTH * self.children)
        first_message = pack((tuple(preload), settings.memory_limit_mb))
        self._watcher = Watcher(settings, self.children, first_message, self._queue, on_event)
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        _pools.add(self)

    def submit(self, function: str, arguments: Mapping[str, Any], label: str = "") -> Future[Any]:
        """Run a function in a child. Blocks while four tasks a child are waiting or running (not in the pool's thread).

        Args:
            function: `package.module:name`, importable in the child.
            arguments: Keyword arguments; pickled here, so small and plain.
            label: What progress shows beside the phase, such as the source's redacted uri.

        Returns:
            A future: what the function returned, or a `TaskError`, or `CancelledError` after a kill. Its callbacks run
            in the pool's thread.

        Raises:
            RuntimeError: The pool is closed, or belongs to the process this one was forked from.
        """
        task = Task(pack((function, dict(arguments))), label, Future())
        self._queue.put(task, block=threading.current_thread() is not self._thread)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watcher.run, name="pool", daemon=True)
                self._thread.start()
        self._watcher.ring()
        return task.future

    def room(self) -> int:
        """How many tasks `submit` takes now without blocking."""
        return self._queue.depth - self._queue.unfinished

    @property
    def started(self) -> int:
        """Children started so far."""
        return self._watcher.started

    @property
    def pids(self) -> list[int]:
        """Process ids of the children that may be running."""
        return [child.process.pid for child in self._watcher.processes()]

    def close(self) -> None:
        """Finish what was submitted, then let the children leave."""
        self._end(None)

    def kill(self) -> None:
        """Kill every child at once; what is unfinished is cancelled, never a failure."""
        self._watcher.killed = True
        self._end(GRACE)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.kill()

    def _end(self, patience: float | None) -> None:
        if os.getpid() != self._owner:
            return
        self._queue.close()
        self._watcher.ring()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)
            if thread.is_alive():  # it is held up, perhaps by a lock of the thread that Ctrl-C interrupted
                for child in self._watcher.processes():
                    child.kill()

    def _disown(self) -> None:
        """After a fork: close the copies of the channels, so that children still see their parent leave."""
        self._queue.close()
        for child in self._watcher.processes():
            child.channel.close()
            child.process.returncode = 0  # not ours to wait for


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()
_shared: dict[tuple[PoolSettings, tuple[str, ...], str | None], Pool] = {}
_shared_lock = threading.Lock()


def shared_pool(settings: PoolSettings, preload: Sequence[str] = (), progress: str | None = None) -> Pool:
    """The pool of this process for these settings; made at the first call, killed at exit.

    Worker processes of a runner have one each: give them `children=1` where the runner already has one for each core.

    Args:
        settings: Number of children and their limits.
        preload: Modules a child imports before its first task.
        progress: Address of a `progress.Listener` that gets the children's events.
    """
    key = (settings, tuple(preload), progress)
    with _shared_lock:
        pool = _shared.get(key)
        if pool is None or pool._queue.closed:
            pool = _shared[key] = Pool(settings, preload, Sender(progress).send if progress else None)
        return pool


def kill_all() -> None:
    """Kill every child of every pool of this process, as after Ctrl-C. Unfinished tasks are cancelled."""
    pools = list(_pools)
    for pool in pools:
        pool._watcher.killed = True
        pool._watcher.ring()
    for pool in pools:
        pool.kill()


def _forget() -> None:
    """In a forked process: the pools and their children belong to the parent."""
    global _shared_lock
    _shared_lock = threading.Lock()
    for pool in list(_pools):
        pool._disown()
    _pools.clear()
    _shared.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
atexit.register(kill_all)
