"""Display: the lines a person reads say what the counters and the report say."""

from __future__ import annotations

import io
import json
import re
import threading

import pytest
from rich.console import Console

from pipelines import display
from tests.pipelines import corpora
from transforms import progress
from transforms.amounts import amount
from transforms.progress import Snapshot


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.9, "0:00:59"), (60, "0:01:00"), (3661, "1:01:01"), (360_000, "100:00:00"), (-5, "0:00:00")],
)
def test_clock(seconds, text):
    assert display.clock(seconds) == text


@pytest.mark.parametrize(
    ("total", "done", "failed", "elapsed", "left"),
    [
        (0, 0, 0, 10.0, None),
        (10, 0, 0, 10.0, None),
        (0, 3, 0, 10.0, None),
        (10, 5, 0, 10.0, 10.0),
        (10, 4, 1, 10.0, 10.0),
        (10, 0, 1, 10.0, 90.0),
        (10, 9, 1, 10.0, 0.0),
        (10, 12, 0, 10.0, 0.0),
    ],
)
def test_time_left_goes_by_the_share_of_sources_done(total, done, failed, elapsed, left):
    assert display.left(Snapshot(sources_total=total, sources_done=done, sources_failed=failed), elapsed) == left


def test_a_line_says_where_a_run_stands():
    snapshot = Snapshot(
        sources_total=20, sources_done=4, sources_reused=3, sources_failed=1, footage_seconds=7200.0,
        decoded_frames=1234, clips_kept=56, clips_dropped=7,
    )  # fmt: skip
    assert display.line(snapshot, 90.0) == (
        "0:01:30  sources 4/20 (3 reused, 1 failed)  footage 2.00 h  80.0 footage-s/s"
        "  clips 56 kept, 7 dropped  frames 1234  left 0:04:30"
    )
    assert display.line(Snapshot(), 0.0).endswith("frames 0"), "nothing is known of the time left"


def written(body, width: int = 200) -> str:
    out = io.StringIO()
    display.summary(body, "corpus", Console(file=out, width=width))
    return out.getvalue()


def test_the_summary_has_the_numbers_of_the_report(curated):
    for row in corpora.runs(curated):
        body = json.loads((curated / "runs" / row["run_id"] / "report.json").read_text())
        lines = written(body).splitlines()
        text = {line.split()[0]: line for line in lines if line.split()}
        assert lines[0].split() == [body["job"], f"{body['run_id']}:", body["status"]]
        for name, step in body["balance"].items():
            failed = sum(step["failed"].values())
            counts = [step["in"], step["kept"], step["dropped_total"], failed]
            assert re.match(rf"{name}\s+" + r"\s+".join(map(str, counts)) + r"(\s|$)", text[name])
            for word, count in {**step["dropped"], **step["failed"]}.items():
                assert f"{word} {count}" in text[name]
        footage, kept = display.clock(body["footage_seconds"]), display.clock(body["kept_seconds"])
        assert text["footage"].split()[1] == footage
        assert f"{kept} in kept clips" in text["footage"]
        assert f"decoded  {body['decoded_frames']} frames" in text["decoded"]
        assert f" {amount(body['read_bytes'])}," in text["read"]
        for name, count in body["stored_bytes"].items():
            assert f"{name} {amount(count)}" in text["stored"]
        for name, count in body["reused"].items():
            assert (f"{count} {name}" in text["reused"]) == bool(count)
        for name, seconds in body["step_seconds"].items():
            assert f"{name} {seconds:.1f} s" in text["time"]
        failures = sum(sum(s["failed"].values()) for s in body["balance"].values())
        assert ("rushes show corpus failures" in "\n".join(lines)) == bool(failures)


def test_a_refusal_stands_in_the_summary_as_it_is_written(curated):
    body = json.loads((curated / "runs" / corpora.runs(curated)[0]["run_id"] / "report.json").read_text())
    told = written({**body, "status": "refused", "message": "11 of 12 sources failed [over --failure-ratio]"})
    assert "Refused: 11 of 12 sources failed [over --failure-ratio]" in told


def test_many_reasons_are_cut_to_the_most_frequent(curated):
    body = json.loads((curated / "runs" / corpora.runs(curated)[0]["run_id"] / "report.json").read_text())
    body["balance"]["clips"]["dropped"] = {f"reason{n}": 100 - n for n in range(20)}
    told = written(body, 400)
    assert "reason0 100, reason1 99" in told
    assert "reason7 93, ..." in told
    assert "reason8" not in told


@pytest.mark.parametrize("terminal", [True, False])
def test_watching_ends_with_the_run_and_shows_what_it_counted(terminal, monkeypatch):
    monkeypatch.setattr(display, "_LINE_SECONDS", 0.2)
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=terminal)
    with progress.Listener() as listener:
        sender = progress.Sender(listener.address)
        sender.send({"sources_total": 3, "sources_done": 1, "clips_kept": 7})
        sender.send({"child": "1", "phase": "measure", "label": "a[b]c.mp4"})
        ended = threading.Event()
        worker = threading.Thread(target=ended.wait, args=(1.0,))
        worker.start()
        display.watch(worker, listener, console, "curate x")
        sender.close()
    assert not worker.is_alive()
    told = out.getvalue()
    assert "curate x" in told
    assert "7 kept" in told
    if not terminal:
        assert "sources 1/3" in told
    else:
        assert "a[b]c.mp4" in told
        assert "measure" in told


def test_a_run_that_was_handed_over_says_so():
    out = io.StringIO()
    worker = threading.Thread(target=lambda: None)
    worker.start()
    display.watch(worker, None, Console(file=out), "curate x")
    assert out.getvalue() == "curate x: handed to its runner\n"
