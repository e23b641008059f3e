"""The pool with real child processes: every way a task can end, and that no child outlives its parent."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, wait
from pathlib import Path
from typing import Any

import pytest

from tests import childtasks
from transforms import child, pool
from transforms.failures import ElementError
from transforms.pool import Pool, PoolSettings, TaskError, kill_all, shared_pool
from transforms.progress import Listener

ROOT = Path(__file__).parents[2]
LINUX = sys.platform == "linux"
QUICK = PoolSettings(children=2, time_limit=20.0, memory_limit_mb=512)

pytestmark = pytest.mark.timeout(60)


def task(name: str) -> str:
    return f"tests.childtasks:{name}"


@pytest.fixture(scope="module")
def two() -> Iterator[Pool]:
    """One pool for the tests that need nothing special: a bad task must leave it as it was."""
    with Pool(QUICK) as made:
        yield made


def wait_until(condition: Any, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether a process still runs (a zombie doesn't)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_results_come_back_to_their_futures(two: Pool) -> None:
    futures = [two.submit(task("double"), {"value": value}) for value in range(100)]
    assert [f.result() for f in futures] == [2 * value for value in range(100)]


def test_a_child_is_a_plain_process_without_beam(two: Pool) -> None:
    facts = two.submit(task("facts"), {}).result()
    assert facts["ppid"] == os.getpid()
    assert facts["session"] == facts["pid"], "Ctrl-C of the terminal must not reach it"
    assert not facts["beam"]
    assert facts["cv2_threads"] == 1


def test_what_a_child_imports_by_itself_is_small() -> None:
    with Pool(PoolSettings(children=1)) as one:
        modules = set(one.submit(task("loaded"), {}).result())
    assert not {m.partition(".")[0] for m in modules} & {"apache_beam", "numpy", "pyarrow", "av", "cv2", "asyncio"}


def test_modules_are_preloaded() -> None:
    with Pool(PoolSettings(children=1), preload=["colorsys"]) as one:
        assert "colorsys" in one.submit(task("loaded"), {}).result()


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "segfault": ({"name": "decode"}, "crashed", "SIGSEGV in phase decode"),
    "leave": ({"code": 137}, "crashed", "exit status 137"),
    "close_everything": ({}, "crashed", "closed its channel"),
    "noise": ({}, "crashed", "nonsense"),
    "fail": ({}, "internal", "KeyError: 'a key that is not there'"),
    "leave_politely": ({}, "internal", "SystemExit: 3"),
    "unpicklable": ({}, "internal", "cannot be sent"),
    "refuse": ({"error_class": "damaged", "message": "no keyframe"}, "damaged", "no keyframe"),
    "no_such_function": ({}, "internal", "no_such_function"),
    "double": ({"values": 1}, "internal", "unexpected keyword argument"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_task_is_one_failure(two: Pool, name: str) -> None:
    arguments, error_class, text = BAD[name]
    other = two.submit(task("sleep"), {"seconds": 0.2, "value": "unharmed"})
    with pytest.raises(TaskError) as caught:
        two.submit(task(name), arguments).result()
    assert (caught.value.error_class, text in caught.value.message) == (error_class, True), caught.value
    assert other.result() == "unharmed"
    assert two.submit(task("double"), {"value": 1}).result() == 2


def test_a_failure_names_its_phase_and_shows_where(two: Pool) -> None:
    error = two.submit(task("refuse"), {"error_class": "damaged", "message": "x"}).exception()
    assert isinstance(error, TaskError)
    assert error.phase == "open"
    assert "in refuse" in error.traceback
    killed = two.submit(task("segfault"), {"name": "decode"}).exception()
    assert isinstance(killed, TaskError)
    assert killed.phase == "decode"
    assert "Segmentation fault" in killed.traceback
    assert "in segfault" in killed.traceback


def test_a_task_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(TaskError("damaged", "m", "open", "tb")))
    assert (error.error_class, error.message, error.phase, error.traceback) == ("damaged", "m", "open", "tb")


@pytest.mark.parametrize(("name", "arguments"), [("sleep", {"seconds": 60}), ("stop", {}), ("hang_native", {})])
def test_a_hanging_child_is_killed(name: str, arguments: dict[str, Any]) -> None:
    with Pool(PoolSettings(children=2, time_limit=1.0)) as quick:
        began = time.monotonic()
        hanging = quick.submit(task(name), arguments)
        good = [quick.submit(task("double"), {"value": i}) for i in range(5)]
        error = hanging.exception()
        took = time.monotonic() - began
        assert isinstance(error, ElementError)
        assert (error.error_class, "within 1 s" in error.message) == ("timed_out", True)
        assert 1 <= took < 8
        assert [f.result() for f in good] == [0, 2, 4, 6, 8]


def test_each_phase_has_a_limit_of_its_own() -> None:
    with Pool(PoolSettings(children=1, time_limit=0.4)) as quick:
        within = quick.submit(task("phases"), {"steps": [("probe", None, 0.2), ("decode", 5, 0.6), ("cut", None, 0.2)]})
        assert within.result() == "done", "longer than the limit in all, but no phase is"
        error = quick.submit(task("phases"), {"steps": [("probe", 5, 0.1), ("decode", 0.3, 5)]}).exception()
        assert isinstance(error, TaskError)
        assert (error.error_class, error.phase) == ("timed_out", "decode")
        assert "within 0.3 s in phase decode" in error.message


@pytest.mark.skipif(not LINUX, reason="memory is watched on Linux only")
@pytest.mark.parametrize(("name", "text"), [("eat", "allocation"), ("eat_shared", "MB in use")])
def test_a_memory_eater_is_stopped(name: str, text: str) -> None:
    with Pool(PoolSettings(children=1, memory_limit_mb=128)) as small:
        error = small.submit(task(name), {"megabytes": 1024}).exception()
        assert isinstance(error, TaskError)
        assert error.error_class == "out_of_memory"
        assert text in error.message
        assert "128 MB" in error.message
        assert small.submit(task("eat"), {"megabytes": 8}).result() == 8 << 20


def test_printing_without_end_does_no_harm(two: Pool) -> None:
    assert two.submit(task("shout"), {"megabytes": 400}).result(20) == "done"


def test_large_results_and_too_large_ones(two: Pool) -> None:
    assert len(two.submit(task("blob"), {"size": 20 << 20}).result()) == 20 << 20
    error = two.submit(task("blob"), {"size": 65 << 20}).exception()
    assert isinstance(error, TaskError)
    assert "write it to a file" in error.message


def test_of_many_tasks_exactly_the_bad_ones_fail() -> None:
    settings = PoolSettings(children=2, time_limit=3.0, memory_limit_mb=256)
    tasks: list[tuple[str, dict[str, Any]]] = [
        ("double", {"value": 1}),
        ("segfault", {}),
        ("double", {"value": 2}),
        ("sleep", {"seconds": 60}),
        ("eat", {"megabytes": 4096}),
        ("shout", {"megabytes": 50}),
        ("refuse", {"error_class": "encrypted", "message": ""}),
        ("double", {"value": 3}),
    ]
    with Pool(settings) as made:
        futures = [made.submit(task(name), arguments) for name, arguments in tasks]
        ends = [getattr(f.exception(), "error_class", None) or f.result() for f in futures]
    assert ends == [2, "crashed", 4, "timed_out", "out_of_memory", "done", "encrypted", 6]


def test_children_are_started_as_needed_and_reused() -> None:
    with Pool(PoolSettings(children=4)) as four:
        pids = {four.submit(task("facts"), {}).result()["pid"] for _ in range(3)}
        assert (four.started, len(pids)) == (1, 1)


def test_a_child_outlives_the_thread_that_asked_for_it() -> None:
    with Pool(PoolSettings(children=1)) as one:
        futures: list[Any] = []
        thread = threading.Thread(
            target=lambda: futures.append(one.submit(task("sleep"), {"seconds": 0.3, "value": "alive"}))
        )
        thread.start()
        thread.join()
        assert futures[0].result() == "alive"


def test_children_are_recycled() -> None:
    with Pool(PoolSettings(children=1, recycle=3)) as one:
        pids = [one.submit(task("facts"), {}).result()["pid"] for _ in range(7)]
        assert len(set(pids)) == 3
        assert [pids.count(p) for p in dict.fromkeys(pids)] == [3, 3, 1]
        assert wait_until(lambda: not alive(pids[0]))


@pytest.mark.skipif(not LINUX, reason="memory is watched on Linux only")
def test_a_child_that_holds_on_to_memory_is_replaced() -> None:
    with Pool(PoolSettings(children=1, memory_limit_mb=256)) as one:
        assert [one.submit(task("leak"), {"megabytes": 60}).result() for _ in range(6)] == [60, 120] * 3
        assert one.started in (3, 4)


def test_a_grandchild_dies_with_its_child() -> None:
    seen: list[Any] = []
    with Pool(PoolSettings(children=1), on_event=seen.append) as one:
        error = one.submit(task("with_grandchild"), {"seconds": 0.3}).exception()
    assert isinstance(error, TaskError)
    (pid,) = [e["grandchild"] for e in seen if "grandchild" in e]
    assert wait_until(lambda: not alive(pid))


def test_a_child_that_dies_idle_is_replaced(two: Pool) -> None:
    pid = two.submit(task("facts"), {}).result()["pid"]
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(pid))
    assert [two.submit(task("double"), {"value": i}).result() for i in range(4)] == [0, 2, 4, 6]


def test_a_child_that_cannot_start_fails_the_task_and_not_for_ever() -> None:
    with Pool(PoolSettings(children=1), preload=["no_such_module"]) as broken:
        errors = [broken.submit(task("double"), {"value": i}).exception() for i in range(2)]
    for error in errors:
        assert isinstance(error, TaskError)
        assert error.error_class == "internal"
        assert "no_such_module" in error.traceback


@pytest.mark.skipif(not LINUX, reason="memory is watched on Linux only")
def test_a_child_too_large_to_start_fails_the_task_and_not_for_ever() -> None:
    with Pool(PoolSettings(children=1, memory_limit_mb=8), preload=["cv2"]) as small:
        error = small.submit(task("double"), {"value": 1}).exception()
    assert isinstance(error, TaskError)
    assert error.error_class == "out_of_memory"


def test_submit_blocks_when_enough_is_waiting() -> None:
    with Pool(PoolSettings(children=1)) as one:
        assert one.room() == 4
        futures = [one.submit(task("sleep"), {"seconds": 0.3}) for _ in range(4)]
        assert one.room() == 0
        began = time.monotonic()
        futures.append(one.submit(task("double"), {"value": 1}))
        assert time.monotonic() - began > 0.2
        assert futures[0].done()


def test_a_callback_may_submit() -> None:
    with Pool(PoolSettings(children=1)) as one:
        later: list[Any] = []
        futures = [one.submit(task("sleep"), {"seconds": 0.05}) for _ in range(4)]
        futures[0].add_done_callback(lambda _: later.extend(one.submit(task("double"), {"value": 1}) for _ in range(9)))
        assert wait_until(lambda: len(later) == 9)
        assert [f.result() for f in later] == [2] * 9


def test_many_threads_share_a_pool(two: Pool) -> None:
    results: list[int] = []

    def use() -> None:
        results.extend(two.submit(task("double"), {"value": i}).result() for i in range(50))

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(list(range(0, 100, 2)) * 6)


def test_a_waiting_task_can_be_cancelled() -> None:
    with Pool(PoolSettings(children=1)) as one:
        first, second = (one.submit(task("sleep"), {"seconds": 0.5, "value": v}) for v in "ab")
        assert second.cancel()
        assert first.result() == "a"
        assert one.submit(task("double"), {"value": 1}).result() == 2
        assert one.room() == 4


def test_kill_cancels_and_is_no_failure() -> None:
    one = Pool(PoolSettings(children=1))
    pid = one.submit(task("facts"), {}).result()["pid"]
    futures = [one.submit(task("sleep"), {"seconds": 60}) for _ in range(3)]
    began = time.monotonic()
    one.kill()
    assert time.monotonic() - began < 1
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(1)
    assert not alive(pid)
    with pytest.raises(RuntimeError, match="closed"):
        one.submit(task("double"), {"value": 1})


def test_close_finishes_what_was_submitted() -> None:
    one = Pool(PoolSettings(children=1))
    futures = [one.submit(task("sleep"), {"seconds": 0.1, "value": i}) for i in range(4)]
    one.close()
    assert [f.result(0) for f in futures] == [0, 1, 2, 3]


def test_the_shared_pool_is_one_until_it_ends() -> None:
    settings = PoolSettings(children=1, recycle=7)
    made = shared_pool(settings)
    assert shared_pool(settings) is made
    assert shared_pool(PoolSettings(children=1, recycle=8)) is not made
    assert made.submit(task("double"), {"value": 1}).result() == 2
    made.kill()
    assert shared_pool(settings) is not made


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_process_leaves_the_parents_children_alone() -> None:
    settings = PoolSettings(children=1, recycle=9)
    made = shared_pool(settings)
    first = made.submit(task("facts"), {}).result()["pid"]
    forked = os.fork()
    if forked == 0:
        try:
            with pytest.raises(RuntimeError):
                made.submit(task("double"), {"value": 1})
            made.kill()
            kill_all()
            fresh = shared_pool(settings)
            good = fresh is not made and fresh.submit(task("double"), {"value": 1}).result(20) == 2
            fresh.kill()
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(forked, 0)[1] == 0
    assert made.submit(task("facts"), {}).result()["pid"] == first
    made.kill()


def test_progress_reaches_a_listener() -> None:
    with Listener() as listener:
        made = shared_pool(PoolSettings(children=2), progress=listener.address)
        futures = [made.submit(task("decode"), {"frames": 1000, "every": 10}, label=f"{i}.mp4") for i in range(4)]
        assert [f.result() for f in futures] == [1000] * 4
        assert wait_until(lambda: listener.snapshot.decoded_frames == 4000)
        assert wait_until(lambda: not listener.snapshot.children)
        hanging = made.submit(task("phases"), {"steps": [("decode", None, 60)]}, label="film.mp4")
        assert wait_until(lambda: any(c.label == "film.mp4" for c in listener.snapshot.children.values()))
        made.kill()
        assert isinstance(hanging.exception(1), CancelledError)


def test_an_event_sink_that_fails_does_no_harm() -> None:
    def sink(event: Any) -> None:
        raise ValueError

    with Pool(PoolSettings(children=1), on_event=sink) as one:
        assert one.submit(task("decode"), {"frames": 10, "every": 1}).result() == 10


def test_outside_a_child_phases_and_reports_do_nothing() -> None:
    assert childtasks.decode(100, 10) == 100


def test_unpack_keeps_what_is_unfinished() -> None:
    data = child.pack(("a", 1)) + child.pack(("b",))
    for cut in range(len(data) + 1):
        inbox = bytearray(data[:cut])
        messages = child.unpack(inbox)
        inbox += data[cut:]
        assert [*messages, *child.unpack(inbox)] == [("a", 1), ("b",)]
        assert not inbox


def test_core_count_is_at_most_what_the_machine_has() -> None:
    assert 1 <= pool.core_count() <= (os.cpu_count() or 1)


SCRIPT = """
import signal, sys
from transforms.pool import PoolSettings, kill_all, shared_pool

def stop(*_):
    kill_all()
    sys.exit(130)

signal.signal(signal.SIGINT, stop if "handler" in sys.argv else signal.default_int_handler)
pool = shared_pool(PoolSettings(children=2))
for future in [pool.submit("tests.childtasks:sleep", {"seconds": 0.3}) for _ in range(2)]:
    future.result()
tasks = [pool.submit("tests.childtasks:sleep", {"seconds": 60}) for _ in range(8)]
print(*pool.pids, flush=True)
if "submit" in sys.argv:
    pool.submit("tests.childtasks:sleep", {"seconds": 60})
tasks[0].result()
"""


@pytest.mark.skipif(not LINUX, reason="the parent-death signal is Linux's")
@pytest.mark.parametrize(
    ("how", "words"),
    [
        (signal.SIGKILL, []),
        (signal.SIGTERM, []),
        (signal.SIGINT, []),
        (signal.SIGINT, ["submit"]),
        (signal.SIGINT, ["handler"]),
        (signal.SIGINT, ["handler", "submit"]),
    ],
)
def test_no_child_outlives_its_parent(how: signal.Signals, words: list[str]) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    time.sleep(0.2)
    began = time.monotonic()
    parent.send_signal(how)
    parent.wait(10)
    parent.stdout.close()
    assert wait_until(lambda: not any(alive(pid) for pid in pids), 2), "a child outlived its parent"
    assert time.monotonic() - began < 2
    assert parent.returncode != 0


def test_small_tasks_are_cheap(two: Pool) -> None:
    two.submit(task("double"), {"value": 0}).result()
    began = time.monotonic()
    wait([two.submit(task("double"), {"value": i}) for i in range(1000)])
    assert (time.monotonic() - began) / 1000 < 0.01, "10 ms a task; about 0.5 are usual"


def test_what_stops_the_pool_itself_is_told_to_whoever_waits(monkeypatch):
    def unable(_: bytes) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("transforms.watcher.Child", unable)
    made = Pool(QUICK)
    future = made.submit(task("double"), {"value": 1})
    with pytest.raises(OSError, match="Too many open files"):
        future.result(10)
    made.kill()
