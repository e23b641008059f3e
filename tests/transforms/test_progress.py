"""Progress events: what arrives adds up, what makes no sense is ignored, and senders never fail."""

from __future__ import annotations

import json
import os
import pickle
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.progress import COUNTERS, Listener, Sender, Snapshot


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def test_events_of_several_senders_add_up() -> None:
    with Listener() as listener:
        senders = [Sender(listener.address) for _ in range(4)]

        def work(sender: Sender) -> None:
            for _ in range(50):
                sender.send({"sources_done": 1, "footage_seconds": 2.5, "clips_kept": 3})
                time.sleep(0.001)

        threads = [threading.Thread(target=work, args=(sender,)) for sender in senders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wait_until(lambda: listener.snapshot.sources_done == 200)
        assert listener.snapshot == Snapshot(sources_done=200, footage_seconds=500.0, clips_kept=600)
        for sender in senders:
            sender.close()


def test_another_process_reaches_the_listener() -> None:
    with Listener() as listener:
        pid = os.fork()
        if pid == 0:
            Sender(listener.address).send({"decoded_frames": 7})
            os._exit(0)
        os.waitpid(pid, 0)
        assert wait_until(lambda: listener.snapshot.decoded_frames == 7)


def test_children_come_and_go_and_a_phase_keeps_its_beginning() -> None:
    first = Snapshot().add({"child": "7", "phase": "decode", "label": "a.mp4"}, now=1.0)
    assert (first.children["7"].phase, first.children["7"].label, first.children["7"].since) == ("decode", "a.mp4", 1.0)
    same = first.add({"child": "7", "phase": "decode", "label": "a.mp4", "decoded_frames": 5}, now=2.0)
    assert (same.children["7"].since, same.decoded_frames) == (1.0, 5)
    assert same.add({"child": "7", "phase": "clips", "label": "a.mp4"}, now=3.0).children["7"].since == 3.0
    assert not same.add({"child": "7", "phase": ""}, now=4.0).children
    assert first.children, "a snapshot never changes"


def test_labels_cannot_steer_a_terminal() -> None:
    state = Snapshot().add({"child": "7", "phase": "a", "label": "\x1b[2Jx\n" + "y" * 999}, now=0).children["7"]
    assert state.label.startswith("[2Jxy")
    assert len(state.label) <= 200
    assert state.label.isprintable()


@pytest.mark.parametrize("value", [-1, True, "5", None, float("nan"), float("inf"), 10**400, [1], {}])
def test_values_that_make_no_sense_are_left_out(value: Any) -> None:
    assert Snapshot().add(dict.fromkeys(COUNTERS, value), now=0) == Snapshot()


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.lists(st.integers(), max_size=2)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*COUNTERS, "child", "phase", "label", "other"]), VALUES))
def test_no_event_breaks_a_snapshot(event: dict[str, Any]) -> None:
    after = Snapshot().add(event, now=0)
    assert all(getattr(after, name) >= 0 for name in COUNTERS)
    assert len(after.children) <= 1


def test_strangers_and_garbage_are_ignored() -> None:
    with Listener() as listener:
        place, _, token = listener.address.partition("/")
        host, port = place.split(":")
        assert host == "127.0.0.1"
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        chance = random.Random(1)
        garbage = [
            b"",
            b"\xff\xfe",
            b"[" * 1300,
            b"null",
            b"[1, 2, 3]",
            json.dumps(["wrong", {"sources_done": 1}]).encode(),
            json.dumps([None, {"sources_done": 1}]).encode(),
            json.dumps(["\ud800", {"sources_done": 1}]).encode(),
            json.dumps({"sources_done": 1}).encode(),
            json.dumps([token, ["sources_done", 1]]).encode(),
            *(chance.randbytes(chance.randrange(100)) for _ in range(100)),
        ]
        for data in garbage:
            stranger.sendto(data, (host, int(port)))
        Sender(f"{place}/{'0' * 32}").send({"sources_done": 1})
        Sender(listener.address).send({"sources_failed": 1})
        assert wait_until(lambda: listener.snapshot.sources_failed == 1), "the listener survives it all"
        assert listener.snapshot.sources_done == 0
        stranger.close()


@pytest.mark.parametrize(
    "address", [None, "", "nonsense", "127.0.0.1:notaport/x", "127.0.0.1:99999/x", "127.0.0.1:9/x"]
)
def test_a_sender_never_raises(address: str | None) -> None:
    sender = Sender(address)
    events: list[Any] = [{"a": 1}, {"a": object()}, {"a": float("nan")}, {"a": "x" * 100_000}, {1: 2}]
    for event in events:
        sender.send(event)
    sender.close()
    sender.send({"a": 1})


def test_a_sender_is_quick_with_nobody_listening() -> None:
    listener = Listener()
    listener.close()
    sender = Sender(listener.address)
    began = time.monotonic()
    for _ in range(1000):
        sender.send({"sources_done": 1})
    assert time.monotonic() - began < 1
    sender.close()


def test_a_sender_is_not_carried_to_another_process() -> None:
    with pytest.raises(TypeError, match="address"):
        pickle.dumps(Sender(None))
