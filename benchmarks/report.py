"""Report: a page about 100,000 clips, made in seconds and small enough to be sent.

    python -m benchmarks.report

renders the demo's footage, curates it, copies its rows until there are as many clips as asked for (under new ids, with
measures scattered around the real ones, and the real pictures and signals), adds failures, and makes the page in a
process of its own. Claims: under 10 s and 20 MB. Needs 300 MB of temporary disk, removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.footprint import watch
from pipelines import curate
from pipelines.footage import render_demo
from transforms import commits, merge, records, storage, tables
from transforms.store import canonical, digest

SECONDS: Final = 10.0
MEGABYTES: Final = 20.0
RUN: Final = "29991231T000000Z-copies"
"""The run of the copies: later than any."""

_SCATTERED: Final = ("seconds", "motion", "luma", "sharpness", "bits_per_pixel", "loudness")


def _ids(name: str, count: int, digits: int) -> pa.Array:
    return pa.array([digest([name, k])[:digits] for k in range(count)])


def _with(table: pa.Table, **columns: Any) -> pa.Table:
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), pc.cast(values, table.schema.field(at).type))
    return table


def copies(corpus: tables.Corpus, clips: int, failures: int) -> None:
    """Commit a run with `clips` clips, as many videos as they need, and `failures` failures, and leave its report.

    Args:
        corpus: An output folder with one real run.
        clips: Rows of `clips` besides the real ones.
        failures: Rows of `failures`.
    """
    rng = np.random.default_rng(5)
    real = {name: tables.read(corpus, name) for name in ("clips", "videos", "sources")}
    # Every copy of the corpus has videos of its own; a clip keeps its place in its video.
    of = pc.index_in(real["clips"]["video_id"], real["videos"]["video_id"]).to_numpy()
    rounds = -(-clips // real["clips"].num_rows)
    count = real["videos"].num_rows
    names = _ids("video", rounds * count, 64)
    each = np.arange(clips) % real["clips"].num_rows
    made = real["clips"].take(pa.array(each))
    noise = {n: pc.multiply(made[n], pa.array(rng.lognormal(0, 0.3, clips))) for n in _SCATTERED}
    video_ids = names.take(pa.array(np.arange(clips) // real["clips"].num_rows * count + of[each]))
    made = _with(made, clip_id=_ids("clip", clips, 32), video_id=video_ids, **noise)
    videos = real["videos"].take(pa.array(np.arange(rounds * count) % count))
    uris = pc.binary_join_element_wise(pa.scalar("/footage/"), names, pa.scalar(".mp4"), "")
    sources = real["sources"].take(pa.array(np.arange(rounds * count) % real["sources"].num_rows))
    told = json.loads(storage.read_bytes(corpus.uri("runs", storage.names(corpus.uri("runs"))[-1], "report.json")))
    classes = np.array(["damaged", "timed_out", "not_media"])[rng.integers(0, 3, failures)]
    failed = [
        {"run_id": RUN, "step": "probe", "subject": f"/bad/{k}.mp4", "video_id": None, "error_class": str(name),
         "message": f"broken at {k}", "attempts": 1, "traceback": None} for k, name in enumerate(classes)
    ]  # fmt: skip
    base = tables.snapshot(corpus).number
    staged = []
    for record, table in (
        (records.ClipRow, made),
        (records.VideoRow, _with(videos, video_id=names)),
        (records.SourceRow, _with(sources, video_id=names, uri=uris)),
        (records.BY_TABLE["failures"], records.to_table(records.BY_TABLE["failures"], failed)),
    ):
        schema = records.schema(record)
        ordered = table.select(schema.names).sort_by([(k, "ascending") for k in record.key]).cast(schema)
        staged.append(merge.Merged(record.table, 0, (merge.write_part(corpus.table_uri(record.table), 0, ordered),)))

    def row(number: int) -> records.RunRow:
        plain = ("decoded_frames", "source_frames", "source_bytes", "read_bytes", "footage_seconds")
        values: dict[str, Any] = {name: told[name] for name in plain}
        values |= {name: canonical(told[name]) for name in ("config", "versions", "balance")}
        values |= {name: datetime.fromisoformat(told[name]) for name in ("started", "ended")}
        return records.RunRow(run_id=RUN, job="curate", status="done", commit=number, **values)

    found = commits.commit(corpus, RUN, base, {}, staged, row)
    kept = int(pc.sum(made["kept"]).as_py())
    reasons = pc.value_counts(pc.list_flatten(made["reasons"].combine_chunks())).to_pylist()
    dropped = {one["values"]: one["counts"] for one in sorted(reasons, key=lambda r: -r["counts"])}
    told["balance"]["clips"] |= {"in": clips, "kept": kept, "dropped_total": clips - kept, "dropped": dropped}
    body = json.dumps({**told, "run_id": RUN, "snapshot": found.number}).encode()
    storage.write_bytes(corpus.uri("runs", RUN, "report.json"), body)


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; 0 where both claims hold."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--clips", type=int, default=100_000)
    words.add_argument("--failures", type=int, default=5_000)
    words.add_argument("--keep", type=Path, metavar="FOLDER", help="where to leave the corpus and the page")
    given = words.parse_args(argv)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        render_demo(folder / "footage")
        curate.run([str(folder / "footage"), "--output", str(folder / "out")])
        copies(tables.open_corpus(str(folder / "out")), given.clips, given.failures)
        code = f"from pages.report import write_report; write_report({str(folder / 'out')!r}, {RUN!r})"
        took = watch([sys.executable, "-c", code], folder / "log.txt")
        if took.code != 0:
            raise RuntimeError((folder / "log.txt").read_text(errors="replace")[-4000:])
        size = (folder / "out" / "runs" / RUN / "report.html").stat().st_size / 1e6
    print(
        f"{given.clips} clips, {given.failures} failures: {took.seconds:.1f} s ({took.cpu:.1f} s of processor,"
        f" claim {SECONDS:.0f}), {size:.1f} MB (claim {MEGABYTES:.0f}), {took.peak / 1e6:.0f} MB of memory"
    )
    return 0 if took.seconds < SECONDS and size < MEGABYTES else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
