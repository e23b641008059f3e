"""Recaption: other models or prompts over clips that are there, from stored frames and sound; no source is opened."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipelines import describing, engine, options, pinning, screening, steps
from pipelines.steps import ROWS, TALLY, WANTED, Gathering
from pipelines.writing import RunPlan
from transforms import tables
from transforms.settings import ConfigError
from transforms.store import Store

GROUPS = ("run", "captions", "checks", "rights")
"""Groups of settings the job takes."""

DESCRIPTION = """\
Caption every kept clip of OUT with other models or prompts, or have what is said written down, from the frames and the
sound that are stored: no source is opened, nothing is decoded. Only what is missing is made: a clip that has a caption
by the same model, revision, prompt and settings keeps it. Captions of several models live side by side."""

EPILOG = """\
examples:
  rushes recaption --output corpus --captioner coca:coca_ViT-L-14@weights/coca.pt
  rushes recaption --output corpus --captioner vlm:models/qwen-vl,kinds=dense --captioner openai:m,url=http://host/v1
  rushes recaption --output corpus --recogniser faster-whisper:models/whisper-large-v3
  rushes recaption --output corpus --rights rights --captioner vlm:models/qwen-vl

exit codes: 0 done, 1 failed, 2 wrong usage, 3 done with failures recorded, 130 stopped by Ctrl-C"""


def parser() -> options.Parser:
    """The job's command line."""
    made = options.Parser(
        prog="rushes recaption", description=DESCRIPTION, epilog=EPILOG, usage="rushes recaption --output OUT [options]"
    )
    options.add_job(made)
    options.add_settings(made, GROUPS)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the job from its command line; returns the exit code.

    Raises:
        ConfigError: Wrong usage; weights or packages that are missing; no registry for an output that was screened.
    """
    own = parser()
    mine, beam_args = options.split_beam(argv, own)
    settled, words = options.settle(own.parse_args(mine), GROUPS)
    if not describing.asks(settled.captions):
        raise ConfigError("no model is named: give --captioner or --recogniser; curate and scenes write `attributes`")
    corpus = tables.open_corpus(words.output)
    if not options.is_dry(beam_args):
        settled = pinning.pinned(settled, words.output)
        describing.check(settled.captions)

    def graph(pipeline: beam.Pipeline, plan: RunPlan) -> dict[str, PCollection[Any]]:
        found = (
            pipeline
            | "Buckets" >> beam.Create(range(corpus.buckets))
            | "Spread" >> beam.Reshuffle()
            | "ReadClips" >> beam.ParDo(_ReadClips(plan)).with_outputs(ROWS, TALLY, main=WANTED)
        )
        return steps.described({name: found[name] for name in (ROWS, TALLY, WANTED)}, plan, settled)

    return engine.run_job(
        "recaption",
        words.output,
        graph,
        settled,
        words.runner,
        beam_args,
        shlex.join(["rushes", "recaption", *argv]),
    )


class _ReadClips(Gathering):
    """A bucket's number to what is wanted of its videos: all that may be captioned."""

    def process(self, element: int) -> Iterator[Any]:
        """Read one bucket."""
        store = Store(self._plan.root)
        marked = screening.marked(store)
        clips: dict[str, list[dict[str, Any]]] = {}
        for row in self._plan.stored("clips", element, [*describing.CLIP_COLUMNS, "kept"]):
            if row["kept"]:
                clips.setdefault(row["video_id"], []).append(row)
        self._counts.update({"captions.asked": 0})  # A run over nothing has its line in the balance too.
        for video in self._plan.stored("videos", element, describing.VIDEO_COLUMNS):
            if video["video_id"] in marked and screening.silenced(store, video["video_id"]):
                continue
            yield from describing.wanted(video, clips.get(video["video_id"], ()))
        yield from self._sendable(everything=False)


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
