"""Browse: how fast its pages answer over a million clips and a million captions.

Rows are generated (seeded, written as the jobs write them: Parquet parts of a Delta table, one commit), the server is
started as a process of its own, and every question is asked through HTTP by one client, each with other numbers than
the one before, so that no answer can be kept from an earlier one.

    python -m benchmarks.browse --clips 1000000 --folder /somewhere/with/space
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from filters.quality import REASONS
from transforms import commits, merge, records, tables

CLIPS_A_VIDEO: Final = 25
_WORDS: Final = """
a quiet harbour at dawn street market in rain woman cyclist crossing bridge drone over forest close shot of hands
kneading dough children playing football dusk handheld walk through crowded station slow pan across mountain lake
city lights timelapse clouds dog running beach wave surfer kitchen steam coffee barista night train window desert
road truck convoy tractor field harvest snow skier alpine village church interior candle concert stage guitar crowd
""".split()  # noqa: SIM905
"""What captions are made of; `zeppelin` and `axolotl` come once in 20,000 beside them."""
_RARE: Final = ("zeppelin", "axolotl")


def _ids(prefix: str, numbers: np.ndarray[Any, Any], digits: int) -> list[str]:
    return [hashlib.sha256(f"{prefix}{n}".encode()).hexdigest()[:digits] for n in numbers.tolist()]


def _filled(record: type[Any], count: int, given: dict[str, Any]) -> pa.Table:
    """A table of `count` rows with the columns given; of the others, nulls where allowed, else a plain value."""
    columns = []
    for field in records.schema(record):
        value = given.get(field.name)
        if value is None and field.nullable:
            column = pa.nulls(count, field.type)
        elif value is None:
            plain = {"string": "-", "double": 0.5, "int64": 1, "bool": True}[str(field.type)]
            column = pa.repeat(pa.scalar(plain, field.type), count)
        else:
            column = pa.array(value, field.type)
        columns.append(column)
    return pa.table(columns, schema=records.schema(record))


def _clips(rng: np.random.Generator, first: int, count: int, video_ids: list[str]) -> pa.Table:
    number = np.arange(first, first + count)
    place = number % CLIPS_A_VIDEO
    seconds = np.minimum(rng.lognormal(1.4, 0.8, count), 60.0)
    motion, sharpness = rng.lognormal(0.8, 1.4, count), rng.lognormal(5.0, 1.5, count)
    black = np.where(rng.random(count) < 0.05, rng.random(count), 0.0)
    checks = {
        "black": (black, 0.5, black > 0.5),
        "blurred": (sharpness, 10.0, sharpness < 10.0),
        "still": (motion, 0.05, motion < 0.05),
        "too_short": (seconds, 2.0, seconds < 2.0),
    }
    bad = np.stack([failed for _, _, failed in checks.values()])
    names = list(checks)
    reasons = [[names[i] for i in np.flatnonzero(bad[:, k])] for k in range(count)]
    values = [[(r, float(checks[r][0][k])) for r in found] for k, found in enumerate(reasons)]
    limits = [[(r, checks[r][1]) for r in found] for found in reasons]
    start = place * 8.0
    given: dict[str, Any] = {
        "clip_id": _ids("clip", number, 32),
        "video_id": video_ids,
        "cut": ["default"] * count,
        "scene": place,
        "start_pts": (start * 1000).astype(np.int64),
        "end_pts": ((start + seconds) * 1000).astype(np.int64),
        "time_base_num": np.ones(count, np.int64),
        "time_base_den": np.full(count, 1000),
        "start_seconds": start,
        "end_seconds": start + seconds,
        "seconds": seconds,
        "start_frame": place * 200,
        "frames": np.maximum(1, seconds * 25).astype(np.int64),
        "frame_rate": np.full(count, 25.0),
        "start_reason": ["combined"] * count,
        "end_reason": ["combined"] * count,
        "width": rng.choice([640, 1280, 1920], count),
        "height": rng.choice([360, 720, 1080], count),
        "luma": rng.uniform(0, 255, count),
        "saturation": rng.uniform(0, 128, count),
        "sharpness": sharpness,
        "motion": motion,
        "black_share": black,
        "frozen_share": np.zeros(count),
        "bits_per_pixel": rng.lognormal(-3, 1, count),
        "kept": ~bad.any(axis=0),
        "reasons": [found or None for found in reasons],
        "reason_values": [found or None for found in values],
        "reason_limits": [found or None for found in limits],
        "camera": rng.choice(["static", "pan left", "zoom in", "handheld"], count).tolist(),
        "shape_bucket": rng.choice(["16:9/720p/4s", "16:9/1080p/8s", "4:3/360p/2s"], count).tolist(),
        "latent_patches": rng.integers(1000, 80_000, count),
    }
    for name in ("crop_left", "crop_right", "crop_top", "crop_bottom"):
        given[name] = np.zeros(count, np.int64)
    measured = (f for f in records.schema(records.ClipRow) if str(f.type) == "double" and f.name not in given)
    given |= {f.name: rng.random(count) for f in measured}
    return _filled(records.ClipRow, count, given)


def _captions(rng: np.random.Generator, clips: pa.Table) -> pa.Table:
    count = clips.num_rows
    chosen = rng.integers(0, len(_WORDS), (count, 14))
    rare = rng.random(count) < 1 / 20_000
    texts = [
        " ".join(_WORDS[w] for w in row) + (f" {_RARE[k % 2]}" if rare[k] else "") + "."
        for k, row in enumerate(chosen.tolist())
    ]
    given = {
        "clip_id": clips.column("clip_id"),
        "video_id": clips.column("video_id"),
        "captioner": ["attributes"] * count,
        "kind": ["short"] * count,
        "text": texts,
        "window": np.zeros(count, np.int64),
    }
    given = {k: v.combine_chunks() if isinstance(v, pa.ChunkedArray) else v for k, v in given.items()}
    return _filled(records.CaptionRow, count, given)


def generate(folder: Path, clips: int) -> None:
    """An output folder with `clips` clips, as many captions, and a video for every 25 clips."""
    corpus = tables.create_corpus(str(folder), 16)
    rng = np.random.default_rng(5)
    videos = clips // CLIPS_A_VIDEO
    names = np.array(_ids("video", np.arange(videos), 64))
    buckets = np.array([records.bucket_of(name, corpus.buckets) for name in names.tolist()])
    staged: list[merge.Merged] = []

    def write(record: type[Any], bucket: int, table: pa.Table) -> None:
        ordered = table.sort_by([(k, "ascending") for k in record.key])
        part = merge.write_part(corpus.table_uri(record.table), bucket, ordered)
        staged.append(merge.Merged(record.table, bucket, (part,)))

    first = 0
    for bucket in range(corpus.buckets):
        mine = names[buckets == bucket]
        ids = np.repeat(mine, CLIPS_A_VIDEO).tolist()
        made = _clips(rng, first, len(ids), ids)
        first += len(ids)
        write(records.ClipRow, bucket, made)
        write(records.CaptionRow, bucket, _captions(rng, made))
        many = len(mine)
        common = {"video_id": mine.tolist(), "size": rng.integers(10**6, 10**9, many)}
        write(records.VideoRow, bucket, _filled(records.VideoRow, many, {**common, "container": ["mov,mp4"] * many}))
        uris = [f"/footage/{name[:12]}.mp4" for name in mine.tolist()]
        write(records.SourceRow, bucket, _filled(records.SourceRow, many, {**common, "uri": uris}))
    commits.commit(corpus, "generated", 0, {}, staged, _run_row)


def _run_row(number: int) -> Any:
    now = datetime.now(UTC)
    return records.BY_TABLE["runs"](
        run_id="generated", job="curate", status="done", started=now, ended=now, commit=number, config="{}",
        versions="{}", balance="{}", decoded_frames=0, source_frames=0, source_bytes=0, read_bytes=0,
        footage_seconds=0.0,
    )  # fmt: skip


class Client:
    """One connection to the server, as a browser keeps one."""

    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str, question: dict[str, Any] | None = None) -> tuple[float, str]:
        """Seconds until the whole answer was there, and the answer.

        Raises:
            RuntimeError: It is not 200.
        """
        begun = time.perf_counter()
        self._line.request("GET", f"/at/latest/{path}" + (f"?{urlencode(question)}" if question else ""))
        answer = self._line.getresponse()
        text = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"{path} {question}: {answer.status} {text[:300]}")
        return time.perf_counter() - begun, text


def questions(chance: random.Random, clip_ids: list[str]) -> dict[str, Callable[[], tuple[str, dict[str, Any]]]]:
    """Every kind of question, each asked with other values at every call."""
    words = [w for w in _WORDS if len(w) > 3]
    reasons = [r for r in REASONS if r in ("too_short", "blurred", "black", "still")]

    def between(low: float, high: float) -> float:
        return round(chance.uniform(low, high), 4)

    return {
        "a measure": lambda: ("clips", {"motion.min": between(0, 3), "motion.max": between(3, 20)}),
        "a measure, in its order": lambda: ("clips", {"sharpness.min": between(0, 500), "sort": "sharpness"}),
        "two measures, kept, in an order": lambda: (
            "clips",
            {
                "kept": "yes",
                "luma.min": between(0, 90),
                "contrast.max": between(0.2, 1),
                "sort": "motion",
                "order": "desc",
            },
        ),
        "a reason": lambda: ("clips", {"reasons": chance.choice(reasons), "seconds.min": between(0, 1)}),
        "a reason, in an order": lambda: (
            "clips",
            {"reasons": chance.choice(reasons), "sort": chance.choice(["luma", "seconds", "motion"])},
        ),
        "a word of the camera": lambda: (
            "tables/clips",
            {"camera": chance.choice(["pan", "zoom", "hand"]), "scene": chance.randrange(25)},
        ),
        "a deep page": lambda: (
            "clips",
            {"seconds.min": between(0, 1), "sort": "luma", "first": 48 * chance.randrange(100, 208)},
        ),
        "a word of captions": lambda: ("clips", {"q": chance.choice(words), "seconds.min": between(0, 1)}),
        "a rare word": lambda: ("clips", {"q": chance.choice(_RARE), "seconds.min": between(0, 1)}),
        "two words and a measure, in an order": lambda: (
            "clips",
            {"q": " ".join(chance.sample(words, 2)), "motion.min": between(0, 2), "sort": "motion"},
        ),
        "the beginning of a word": lambda: ("clips", {"q": chance.choice(words)[:3], "sort": "seconds"}),
        "captions as a table": lambda: ("tables/captions", {"text": chance.choice(words), "captioner": "attributes"}),
        "a clip's story": lambda: (f"clips/{chance.choice(clip_ids)}", {}),
        "a moved limit": lambda: ("thresholds.json", {"min_seconds": between(1, 6), "min_sharpness": between(5, 80)}),
        "the overview": lambda: ("", {}),
    }


FILTERS: Final = 11
"""The first so many kinds of `questions` are filters of the wall of clips."""


@contextlib.contextmanager
def server(folder: Path) -> Iterator[tuple[int, float, subprocess.Popen[str]]]:
    """The command as a process: its port, and the seconds from its start to its first page."""
    begun = time.perf_counter()
    code = "import sys; from pipelines.browse import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            found = re.match(r"http://127\.0\.0\.1:(\d+)/", child.stdout.readline())
            assert found is not None
            Client(int(found[1])).get("clips", {"kept": "yes"})
            yield int(found[1]), time.perf_counter() - begun, child
        finally:
            child.terminate()


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Start the server, wait for its copy, and ask every kind of question `rounds` times, in turn."""
    import psutil

    chance = random.Random(3)
    corpus = tables.open_corpus(str(folder))
    ids = pc.unique(tables.read(corpus, "clips", columns=["clip_id"]).column("clip_id").slice(0, 1000)).to_pylist()
    with server(folder) as (port, start, child):
        process, client = psutil.Process(child.pid), Client(port)
        before = {
            "a filter": client.get("clips", {"motion.min": 1.5})[0],
            "a search": client.get("clips", {"q": "harbour"})[0],
        }
        begun = time.perf_counter()
        while not json.loads(Client(port).get("ready.json")[1])["ready"]:
            time.sleep(0.5)
        ready = time.perf_counter() - begun
        client = Client(port)  # The first connection was idle for too long.
        kinds = questions(chance, ids)
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for made in kinds.values():
            client.get(*made())
        cpu = sum(process.cpu_times()[:2])
        for _ in range(rounds):
            for name, made in kinds.items():
                times[name].append(client.get(*made())[0])
        cpu = sum(process.cpu_times()[:2]) - cpu
        memory = process.memory_info().rss
    filters = [t for name in list(kinds)[:FILTERS] for t in times[name]]
    return {
        "start_seconds": round(start, 2),
        "ready_seconds": round(ready, 1),
        "before_ready_ms": {name: round(1000 * t) for name, t in before.items()},
        "filters_p50_ms": round(1000 * _percentile(filters, 0.5)),
        "filters_p95_ms": round(1000 * _percentile(filters, 0.95)),
        "each_ms": {name: [round(1000 * _percentile(t, share)) for share in (0.5, 0.95)] for name, t in times.items()},
        "cpu_ms_a_question": round(1000 * cpu / (rounds * len(kinds))),
        "memory_mb": round(memory / 1e6),
    }


def main() -> None:
    """Generate what is not there, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the generated corpus lies or goes [default a temporary one]")
    parser.add_argument("--rounds", type=int, default=20)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rushes-browse-") as temporary:
        folder = words.folder or Path(temporary, "corpus")
        if not (folder / "corpus.json").is_file():
            begun = time.perf_counter()
            generate(folder, words.clips)
            print(f"generated {words.clips} clips in {time.perf_counter() - begun:.0f} s")
        print(json.dumps(measure(folder, words.rounds), indent=1))


if __name__ == "__main__":
    main()
