"""What measuring costs against decoding and throwing away, part by part.

    python -m benchmarks.measure

renders footage (hand-held, panning, zooming and still shots with grain; H.264, HEVC and VP9 as encoders make them by
default) and compares, in turns of a second of video so that all see the same machine: decoding with one thread and
nothing else, and measuring (`exact` and `lean`); then decoding and measuring with a clock around every part. Printed
are medians over the rounds, as processor time a frame and as a share of the decode beside it; `total` is everything
that `measure` does but storing thumbnails. Claims: at most 1.20 (`exact`) and 1.08 (`lean`) of the decode for H.264 in
1080p, at most 1.35 (`exact`) for smaller or other video.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2

from pipelines.footage import Shot, render
from pipelines.shots import Camera
from transforms import flow, media, pictures, recorder, texture
from transforms.measure import MeasureSettings, measure
from transforms.probe import probe
from transforms.thumbnails import ThumbnailsWriter

BARS = {"exact": 1.20, "lean": 1.08}
"""Largest share of the decode for H.264 of 1080 lines or more."""

BAR = 1.35
"""Largest share (`exact`) for everything else."""

GRAIN = 4.0
"""Standard deviation of the grain, in levels: H.264 in 480p then takes 0.08 bits a pixel; real files take about 0.1."""

_CAMERAS: tuple[Camera, ...] = ("shake", "pan", "static", "zoom")


@dataclasses.dataclass(frozen=True)
class Film:
    """A file to render: its name, size, encoder and the encoder's options."""

    name: str
    width: int
    height: int
    codec: str
    options: dict[str, str]


FILMS = (
    Film("h264-1080p.mp4", 1920, 1080, "libx264", {"preset": "medium"}),
    Film("h264-480p.mp4", 854, 480, "libx264", {"preset": "medium"}),
    Film("hevc-1080p.mp4", 1920, 1080, "libx265", {"preset": "medium", "x265-params": "log-level=none"}),
    Film("vp9-720p.webm", 1280, 720, "libvpx-vp9", {"deadline": "good", "cpu-used": "5", "row-mt": "1"}),
)

PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "scale to 256 px": ((recorder, "convert"),),
    "meter": ((pictures.Meter, "measure"), (pictures.Meter, "take")),
    "edges": ((pictures._Edges, "change"),),
    "scale to 512 px": ((recorder, "large_of"),),
    "JPEG": ((recorder, "jpeg_of"),),
    "PDQ": ((recorder, "fingerprint_row"), (recorder, "bars_of")),
    "flow": ((flow, "flow_row"),),
    "texture": ((texture, "texture_row"), (texture, "tiles_of"), (texture, "texture_rows")),
}
"""Parts of measuring and the functions that do them, where the recorder looks them up."""


def films(folder: Path, seconds: int) -> Iterator[Path]:
    """The files, each rendered when its turn comes and it is not there yet."""
    for film in FILMS:
        path = folder / film.name
        if not path.exists():
            print(f"rendering {film.name} ...", flush=True)
            draft = path.with_stem(f"{path.stem}.draft")
            shots = [Shot(96, seed=40 + n, camera=_CAMERAS[n % 4], noise=GRAIN) for n in range(-(-seconds // 4))]
            options = film.options | {"threads": "0"}
            render(draft, shots, width=film.width, height=film.height, fps=24, codec=film.codec, options=options)
            draft.rename(path)
        yield path


def bare(path: Path, facts: dict[str, Any]) -> None:
    """Decode the video with one thread and throw its frames away."""
    with media.open_media(str(path)) as container:
        stream: Any = container.streams[facts["video_stream"]]
        media.only(container, stream)
        media.prepare_decoder(stream)
        for packet in media.packets(container, stream):
            if packet.size:
                stream.codec_context.decode(packet)
        stream.codec_context.decode(None)


def total(path: Path, facts: dict[str, Any], effort: str) -> int:
    """Measure the video; the number of frames."""
    with tempfile.TemporaryDirectory(prefix="rushes-measure-") as folder:
        return int(measure(str(path), facts, folder, MeasureSettings(measure=effort))["frames"])


class Turns:
    """Lets threads work one at a time, a second of video each, and takes their processor time."""

    def __init__(self, works: Mapping[str, Callable[[], Any]]) -> None:
        self._works = dict(works)
        self._waiting = list(works)
        self._changed = threading.Condition()
        self._me = threading.local()
        self._errors: list[BaseException] = []
        self.spent: dict[str, float] = {}

    def _await_turn(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting[0] == self._me.name)

    def _end_turn(self, for_good: bool = False) -> None:
        with self._changed:
            self._waiting.remove(self._me.name)
            if not for_good:
                self._waiting.append(self._me.name)
            self._changed.notify_all()

    def _packets(
        self, container: Any, stream: Any, read: Callable[..., Iterator[Any]] = media.packets
    ) -> Iterator[Any]:
        for number, packet in enumerate(read(container, stream)):
            if number % 24 == 23:
                self._end_turn()
                self._await_turn()
            yield packet

    def _work(self, name: str) -> None:
        self._me.name = name
        self._await_turn()
        began = time.thread_time()
        try:
            self._works[name]()
        except BaseException as error:
            self._errors.append(error)
        finally:
            self.spent[name] = time.thread_time() - began
            self._end_turn(for_good=True)

    def run(self) -> dict[str, float]:
        """Do all the works; processor seconds of each."""
        threads = [threading.Thread(target=self._work, args=(name,)) for name in self._works]
        with mock.patch.object(media, "packets", self._packets):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if self._errors:
            raise self._errors[0]
        return self.spent


class Clock:
    """Processor seconds by part; time inside a part of a part is the inner one's."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._inside: list[str] = []
        self._since = 0.0

    def _charge(self) -> None:
        now = time.thread_time()
        if self._inside:
            self.spent[self._inside[-1]] += now - self._since
        self._since = now

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time charged to a part."""

        def timed(*args: Any, **options: Any) -> Any:
            self._charge()
            self._inside.append(part)
            try:
                return function(*args, **options)
            finally:
                self._charge()
                self._inside.pop()

        return timed

    @contextlib.contextmanager
    def on(self) -> Iterator[None]:
        """Every part timed, as long as it lasts."""
        with contextlib.ExitStack() as stack:
            for part, places in PARTS.items():
                for owner, name in places:
                    stack.enter_context(mock.patch.object(owner, name, self.around(part, getattr(owner, name))))
            yield


def compare(path: Path, rounds: int) -> bool:
    """Measure a file, print its table, and say whether it is under its bars."""
    facts = probe(str(path)).video
    frames = total(path, facts, "exact")  # also brings libraries and the file into the caches
    decode, whole = partial(bare, path, facts), partial(total, path, facts)
    ratios: dict[str, list[float]] = {}
    decodes = []
    for _ in range(rounds):
        spent = Turns({"decode": decode} | {effort: partial(whole, effort) for effort in BARS}).run()
        decodes.append(spent["decode"])
        for effort in BARS:
            ratios.setdefault(f"total, {effort}", []).append(spent[effort] / spent["decode"])
        clock = Clock()
        with clock.on():
            spent = Turns({"decode": decode, "parts": partial(whole, "exact")}).run()
        parts = clock.spent | {"rest": spent["parts"] - spent["decode"] - sum(clock.spent.values())}
        for part, seconds in parts.items():
            ratios.setdefault(part, []).append(seconds / spent["decode"])
    each = statistics.median(decodes) / frames * 1e6
    print(f"\n{path.name}: {facts['video_codec']}, {facts['coded_width']}x{facts['coded_height']}, {frames} frames")
    print(f"  {'decode':20s} {each:7.0f} us  1.000")
    large = facts["video_codec"] == "h264" and min(facts["coded_width"], facts["coded_height"]) >= 1080
    bars = BARS if large else {"exact": BAR}
    good = True
    for name in (*PARTS, "rest", *(f"total, {effort}" for effort in BARS)):
        ratio = statistics.median(ratios[name])
        bar = bars.get(name.removeprefix("total, ")) if name.startswith("total") else None
        verdict = "" if bar is None else f"  (at most {bar:.2f}: {'yes' if ratio <= bar else 'NO'})"
        spread = f"  [{min(ratios[name]):.3f} to {max(ratios[name]):.3f}]"
        print(f"  {name:20s} {ratio * each:7.0f} us  {ratio:.3f}{spread}{verdict}", flush=True)
        good &= bar is None or ratio <= bar
    return good


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the claims hold: 0 when they do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="+", type=Path, help="videos to measure instead of rendered ones")
    parser.add_argument("--folder", type=Path, help="keep the rendered files here, and use those that are there")
    parser.add_argument("--seconds", type=int, default=24, help="length of a rendered file [%(default)s]")
    parser.add_argument("--rounds", type=int, default=5, help="[%(default)s]")
    asked = parser.parse_args(argv)
    cv2.setNumThreads(1)
    unstored = mock.patch.object(ThumbnailsWriter, "_write", return_value=None)
    with unstored, tempfile.TemporaryDirectory(prefix="rushes-films-") as made:
        folder = asked.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        results = [compare(path, asked.rounds) for path in asked.files or films(folder, asked.seconds)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
