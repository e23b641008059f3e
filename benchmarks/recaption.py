"""Recaptioning many clips: memory of the job, and which stored frames it reads.

    python -m benchmarks.recaption [--clips 100000] [--frames 4]

writes a corpus of films whose clips have eight stored frames of 30 kB each, and runs `rushes recaption` on it with an
`openai` captioner, whose model is a server of this program's that answers at once. So what is measured is the job
beside its model. Claims: under 2 GB at the worst moment of all of the job's processes, and no frame is read but those
that the model is sent. A second run, which finds every caption made, is told beside it. The films share one file of
frames (links), so that the corpus takes little room.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.captioning import jpegs
from benchmarks.footprint import watch
from tests.pipelines import handed
from tests.transforms import past
from transforms import records, tables
from transforms.samples import Samples, SamplesWriter

BUDGET = 2000.0
"""Most MB (1,000,000 bytes) of all processes together."""
CLIPS = 100
"""Clips of a film."""
STORED = 8
"""Frames that are stored of a clip, two a second."""


def corpus(out: Path, clips: int) -> None:
    """An output whose films have so many kept clips, and no source that could be opened."""
    video, source, clip = (past.examples(r)[0] for r in (records.VideoRow, records.SourceRow, records.ClipRow))
    made: list[tuple[str, dict[str, Any]]] = []
    first: Path | None = None
    for number in range(clips // CLIPS):
        video_id = handed.bytes_of(f"film {number}")
        measure_uri = f"store/measure/{video_id[:2]}/{video_id}"
        own = {"video_id": video_id, "measure_uri": measure_uri, "audio_uri": None}
        made.append(("videos", {**video, **own}))
        made.append(("sources", {**source, "uri": f"{number}.mp4", "video_id": video_id}))
        for n in range(CLIPS):
            span = {"start_pts": n * STORED, "end_pts": (n + 1) * STORED, "time_base_num": 1, "time_base_den": 2}
            times = {"seconds": STORED / 2, "start_seconds": n * STORED / 2, "end_seconds": (n + 1) * STORED / 2}
            same = {"clip_id": handed.clip_id(f"film {number}", n), "video_id": video_id, "kept": True}
            made.append(("clips", {**clip, **same, **span, **times}))
        folder = out / measure_uri
        folder.mkdir(parents=True)
        if first is None:
            first = folder / "samples.zip"
            _frames(first)
        else:
            os.link(first, folder / "samples.zip")
    handed.committed(out, made)


def _frames(path: Path) -> None:
    pictures = jpegs(20)
    writer = SamplesWriter(path)
    for pts in range(CLIPS * STORED):
        # No two alike: what follows the end of a JPEG does not matter to who decodes it.
        writer.add(pts, pictures[pts % len(pictures)][:30_000] + str(pts).encode(), 512, 288)
    writer.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answers = itertools.count()

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._say({"data": []})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        text = f"Scene {next(self.answers)} of a film that is long, in the evening, seen from afar."
        message = {"role": "assistant", "content": text}
        self._say({"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 100}})

    def _say(self, what: Any) -> None:
        body = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _serving() -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()


def job(argv: Sequence[str], counted: str) -> int:
    """The job itself, in a process of its own, which leaves behind how many frames it read."""
    from pipelines import main

    read, whole = 0, Samples.jpeg

    def jpeg(self: Samples, pts: int) -> bytes:
        nonlocal read
        read += 1
        return whole(self, pts)

    Samples.jpeg = jpeg  # type: ignore[method-assign]
    code = main.main(["recaption", *argv])
    Path(counted).write_text(str(read))
    return code


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clips", type=int, default=100_000, help="Clips, in hundreds.")
    parser.add_argument("--frames", type=int, default=4, help="Frames of a clip that the model is sent.")
    args = parser.parse_args(argv)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        out, log, counted = Path(folder) / "out", Path(folder) / "log", Path(folder) / "read"
        corpus(out, args.clips)
        server = _serving()
        captioner = f"openai:eyes,url={next(server)},kinds=short,frames={args.frames}"
        words = ["--output", str(out), "--captioner", captioner, "--no-report"]
        code = "import sys; from benchmarks.recaption import job; sys.exit(job(sys.argv[2:], sys.argv[1]))"
        for run, wanted in (("first", args.clips * args.frames), ("second", 0)):
            took = watch([sys.executable, "-c", code, str(counted), *words], log)
            if took.code:
                print(f"the job ended with {took.code}:\n{log.read_text(errors='replace')[-4000:]}")
                return 1
            read = int(counted.read_text())
            rows = tables.read(tables.open_corpus(str(out)), "captions", columns=["clip_id", "text"])
            distinct = len(set(rows.column("text").to_pylist()))
            good &= took.peak / 1e6 < BUDGET and read <= wanted and rows.num_rows == args.clips == distinct
            print(
                f"{run} run: {rows.num_rows} captions ({distinct} different) in {took.seconds:.0f} s, "
                f"{took.cpu:.0f} s of processor, {took.peak / 1e6:.0f} MB; {read} frames read, {wanted} wanted",
                flush=True,
            )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
