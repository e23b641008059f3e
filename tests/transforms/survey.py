"""Survey: what a child process does to a file in the tests of limits: probe it, measure it, say what that took."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from transforms.clips import BucketSettings, clip_rows
from transforms.evidence import Evidence
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe
from transforms.scenes import CutSettings, find_spans
from transforms.signals import read_signals


def survey(path: str, decode: bool = True) -> dict[str, Any]:
    """Probe a file and measure it.

    Args:
        path: The file.
        decode: Measure it too.

    Returns:
        Frames and packets, seconds of the processor, and the most memory of the process in MB.
    """
    forget()
    before = time.process_time()
    probed = probe(path)
    found: dict[str, Any] = {"frames": None}
    if decode:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(path, probed.video, folder, MeasureSettings())
    return {
        **probed.video,
        **found,
        "packets": len(probed.index),
        "seconds": time.process_time() - before,
        "megabytes": peak(),
    }


def decide(path: str) -> dict[str, Any]:
    """Cut a video and make its clips from the file of its signals: frames, clips, seconds and memory, as `survey`."""
    forget()
    before = time.process_time()
    signals = read_signals(path)
    video = {"video_id": 64 * "0", "width": signals.about.coded_width, "height": signals.about.coded_height}
    spans = find_spans(signals, CutSettings())
    rows = clip_rows(video, Evidence(signals), spans, "default", BucketSettings())
    took = time.process_time() - before
    return {"frames": len(signals), "clips": len(rows), "seconds": took, "megabytes": peak()}


def shout(path: str) -> dict[str, Any]:
    """The same, with 50 MB written to both outputs, as by a decoder that prints without end."""
    for _ in range(800):
        for output in (1, 2):
            os.write(output, b"[h264 @ 0x1] error while decoding MB 0 0\n" * 800)
    return survey(path)


def forget() -> None:
    """The most memory so far is forgotten: another file's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """The most memory this process has held, in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) >> 10 for line in file if line.startswith("VmHWM"))
