"""Rescreening: what a changed registry costs over a corpus that is there, by size of corpus and of change.

    python -m benchmarks.rescreening [--clips 1000000,2000000,5000000] [--changes 100,1000,10000] [--folder FOLDER] \
        [--plot FILE.html]

Rows are generated (a caption for every clip, a source for every 25), all decided by version 1 of a registry; version 2
refuses some works, half of them recognised by a name, half by an address. One name is in the captions, one address is a
source's; `rushes screen` runs as a command. Claim: 100 entries against 5 M clips end in under a minute on two cores.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa

from benchmarks.browse import generate
from filters.rights import registry
from filters.rights.policy import RightsSettings
from filters.rights.publishing import publish
from filters.rights.records import USES, IdentifierRow, PartyRow, StatementRow, WorkRow, identifier_id, says
from filters.rights.registry import Registry, Version
from transforms import commits, merge, records, tables
from transforms.store import canonical

SECONDS = 60.0
"""Most seconds for 100 entries against 5 M clips."""
NAMED = "zeppelin"
"""A word of one caption in 40,000."""


def batches(rows: list[Any]) -> dict[str, list[pa.RecordBatch]]:
    """Rows as publishing takes them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        plain = records.to_dict(row)
        found.setdefault(row.table, []).append({**plain, "digest": says(type(row), plain)})
    by_table = {type(row).table: type(row) for row in rows}
    return {name: records.to_table(by_table[name], made).to_batches() for name, made in found.items()}


def entries(count: int, known: str) -> list[Any]:
    """`count` works that are refused: by names, one of which is `NAMED`, and by addresses, one of which is known."""
    rows: list[Any] = []
    for n in range(count):
        kind, value = ("text", f"A Title Unheard{n:07d}") if n % 2 else ("url_prefix", f"example.org/films/{n}/")
        value = NAMED if n == 1 else known if n == 0 else value
        work = f"work-{n:07d}"
        rows.append(WorkRow(work_id=work, title=value, kind="title", owners=["acme"]))
        rows.append(IdentifierRow(identifier_id=identifier_id(work, kind, value), work_id=work, kind=kind, value=value))
        said: dict[str, Any] = {"party_id": "acme", "mode": "opt_out", "work_id": work}
        rows.append(StatementRow(statement_id=f"no-{n:07d}", uses=list(USES), territories=["WORLD"], **said))
    return rows


def decide_all(corpus: tables.Corpus, held: Registry, state: Version) -> None:
    """Verdicts of every source: allowed by a version, in a screening that went by it."""
    rights = RightsSettings(rights=held.root, rights_version=state.number, as_of=state.recorded_at.isoformat())
    base = tables.snapshot(corpus).number
    staged = []
    for bucket, parts in tables.bucket_parts(corpus, ["sources"], base)["sources"].items():
        found = merge.read_parts(records.SourceRow, corpus.table_uri("sources"), parts, ["uri", "video_id"])
        uris = np.repeat(found.column("uri").to_numpy(zero_copy_only=False), len(USES))
        plain: dict[str, Any] = {
            "subject": uris,
            "video_id": np.repeat(found.column("video_id").to_numpy(zero_copy_only=False), len(USES)),
            "use": np.tile(USES, found.num_rows),
        }
        same = {
            "verdict": "allow",
            "kept_out": False,
            "regime": "opt-out",
            "registry_version": state.number,
            "registry_digest": state.digest,
            "at": state.recorded_at.isoformat(),
        }
        wanted = records.schema(records.VerdictRow)
        columns = [
            pa.array(plain[f.name], f.type)
            if f.name in plain
            else pa.repeat(pa.scalar(same[f.name], f.type), len(uris))
            if f.name in same
            else pa.nulls(len(uris), f.type)
            for f in wanted
        ]
        table = pa.table(columns, schema=wanted).sort_by([("subject", "ascending"), ("use", "ascending")])
        made = merge.write_part(corpus.table_uri("verdicts"), bucket, table)
        staged.append(merge.Merged("verdicts", bucket, (made,)))
    commits.commit(corpus, f"decided{base}", base, {}, staged, lambda number: _run_row(number, rights))


def _run_row(number: int, rights: RightsSettings) -> Any:
    now = datetime.now(UTC)
    return records.RunRow(
        run_id=f"made{number}", job="screen", status="done", started=now, ended=now, commit=number,
        config=canonical({"rights": dataclasses.asdict(rights)}),
        versions="{}", balance="{}", decoded_frames=0, source_frames=0, source_bytes=0, read_bytes=0,
        footage_seconds=0.0,
    )  # fmt: skip


def screened(out: Path, held: Registry) -> tuple[float, int]:
    """Seconds that the command took, and how many sources it decided anew."""
    command = [sys.executable, "-m", "pipelines.main", "screen", "--output", str(out), "--rights", held.root]
    began = time.monotonic()
    subprocess.run([*command, "--no-report"], check=True, capture_output=True)
    took = time.monotonic() - began
    newest = max(out.glob("runs/*/report.json"), key=lambda path: path.stat().st_mtime_ns)
    return took, json.loads(newest.read_bytes())["balance"]["screened"]["in"]


def plotted(seconds: dict[tuple[int, int], float]) -> go.Figure:
    """Seconds by size of corpus, a line a size of change."""
    figure = go.Figure()
    for changes in sorted({changes for _, changes in seconds}):
        sizes = sorted(clips for clips, of in seconds if of == changes)
        figure.add_scatter(
            x=[clips / 1e6 for clips in sizes],
            y=[seconds[clips, changes] for clips in sizes],
            name=f"{changes:,} entries",
            mode="lines+markers",
        )
    figure.add_hline(y=SECONDS, line_dash="dot", annotation_text="bar: 100 entries, 5 M clips")
    figure.update_layout(template="plotly_white", width=900, height=450, margin={"t": 30})
    figure.update_xaxes(title="million clips", rangemode="tozero")
    figure.update_yaxes(title="seconds of rushes screen", rangemode="tozero")
    return figure


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # Another disk.
        shutil.copy2(source, target)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, compare with the claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default="1000000,2000000,5000000", help="sizes of the corpus")
    parser.add_argument("--changes", default="100,1000,10000", help="entries of the change")
    parser.add_argument("--folder", help="where the corpora go and stay; by default a temporary one")
    parser.add_argument("--plot", help="write the figures as a plot, an HTML page, to this file")
    given = parser.parse_args(argv)
    missed, seconds = False, {}
    with tempfile.TemporaryDirectory(prefix="rushes-screen-") as scratch:
        folder = Path(given.folder or scratch)
        for clips in map(int, given.clips.split(",")):
            made = folder / f"clips-{clips}"
            if not (made / "corpus.json").exists():
                generate(made, clips)
            known = tables.read(tables.open_corpus(str(made)), "sources", columns=["uri"]).column("uri")[7].as_py()
            for changes in map(int, given.changes.split(",")):
                out = Path(scratch, f"clips-{clips}-{changes}")  # Files are written once, so that links will do.
                shutil.copytree(made, out, copy_function=_linked)
                corpus = tables.open_corpus(str(out))
                held = registry.create(str(Path(scratch, f"rights-{clips}-{changes}")))
                acme = PartyRow(party_id="acme", name="Acme", kind="studio", verified_by="legal")
                now = datetime.now(UTC) - timedelta(hours=1)
                said: dict[str, Any] = {"author": "bench", "reason": "bench", "now": now}
                decide_all(corpus, held, publish(held, batches([acme]), base=0, **said))
                publish(held, batches(entries(changes, known)), base=1, **said)
                took, decided = screened(out, held)
                seconds[clips, changes] = took
                bound = clips == 5_000_000 and changes == 100
                missed |= bound and took > SECONDS
                print(
                    f"{clips:>9} clips, {changes:>6} entries: {took:6.1f} s, {decided} sources decided anew", flush=True
                )
    if given.plot:
        plotted(seconds).write_html(given.plot, config={"displayModeBar": False})
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
