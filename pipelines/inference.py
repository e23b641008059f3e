"""Inference: the Beam side of captions and transcripts, through `RunInference` with handlers of our own.

Every video comes by three times: grouped by bucket, so that what tables have of it already is read once a bucket; in
parts at the models, a few clips or one sound at a time; and whole again, with the names of its answers, to be finished.
What travels is names and small records, never a frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference
from apache_beam.pvalue import AsDict, PCollection, TaggedOutput
from apache_beam.transforms import combiners

from captioning.captioner import ModelCaptioner
from captioning.recogniser import Recogniser
from pipelines import answering, describing, finishing, screening
from pipelines.config import Config
from pipelines.steps import ROWS, TALLY, WANTED, Gathering, failure
from pipelines.writing import RunPlan
from transforms import merge, records, spoken
from transforms.spoken import Spoken
from transforms.store import Store

_WHOLE, _HEAR, _SAID = "whole", "hear", "said"
_BATCHES: Final = 4
"""Batches of a model that one call of its handler is given: one too small in so many, and frames read ahead."""


class CaptionHandler(ModelHandler[dict[str, Any], PredictionResult, ModelCaptioner]):
    """Asks one captioner's model about clips; the answers go to the store, and what comes out is their names.

    Args:
        config: The job's configuration.
        number: Place of the captioner among those with a model.
        root: The output folder.
    """

    def __init__(self, config: Config, number: int, root: str) -> None:
        self._settings, self._number, self._root = config.captions, number, root
        wanted = _BATCHES * describing.models(config.captions)[number].batch_size
        super().__init__(min_batch_size=wanted, max_batch_size=wanted, element_size_fn=_size)

    def load_model(self) -> ModelCaptioner:
        """The captioner with its weights: one copy a process."""
        captioner = describing.models(self._settings)[self._number]
        captioner.check()
        if hasattr(captioner, "answers"):  # One that is paid by the answer keeps each of them.
            captioner.answers = Store(self._root)
        captioner.load()
        return captioner

    def run_inference(
        self, batch: Sequence[dict[str, Any]], model: ModelCaptioner, inference_args: dict[str, Any] | None = None
    ) -> Iterator[PredictionResult]:
        """Answer some chunks; a clip that cannot be described fails alone."""
        texts = answering.caption(batch, model, self._settings.window_seconds, Store(self._root))
        for chunk, digests in zip(batch, texts, strict=True):
            yield PredictionResult(chunk, (self._number, digests), model.revision)

    def get_metrics_namespace(self) -> str:
        """The step's name."""
        return describing.CAPTION


def _size(chunk: Mapping[str, Any]) -> int:
    return sum(len(clip["kinds"]) for clip in chunk["clips"])


class SpeechHandler(ModelHandler[dict[str, Any], PredictionResult, Recogniser]):
    """Has a recogniser write down the sound of videos; the transcripts go to the store.

    Args:
        config: The job's configuration.
        root: The output folder.
    """

    def __init__(self, config: Config, root: str) -> None:
        self._settings, self._root = config.captions, root
        super().__init__(min_batch_size=1, max_batch_size=1)

    def load_model(self) -> Recogniser:
        """The recogniser with its weights: one copy a process."""
        recogniser = describing.recogniser(self._settings)
        assert recogniser is not None
        recogniser.check()
        recogniser.load()
        return recogniser

    def run_inference(
        self, batch: Sequence[dict[str, Any]], model: Recogniser, inference_args: dict[str, Any] | None = None
    ) -> Iterator[PredictionResult]:
        """Transcribe some videos; one that cannot be heard fails alone."""
        for task in batch:
            answering.hear(task, model, Store(self._root))
            yield PredictionResult(task, None, model.revision)

    def get_metrics_namespace(self) -> str:
        """The step's name."""
        return describing.SPEECH


class Describe(beam.PTransform[Any, Any]):
    """What is wanted of videos (`describing.wanted`) to rows and tallies, as `writing.WriteTables` takes them.

    Args:
        plan: What the run was launched with.
        config: The configuration; it names at least one model.
    """

    def __init__(self, plan: RunPlan, config: Config) -> None:
        super().__init__()
        self._plan, self._config = plan, config

    def expand(self, wanted: PCollection[Any]) -> dict[str, PCollection[Any]]:
        """Wire the steps."""
        plan, config = self._plan, self._config
        numbers = range(len(describing.models(config.captions)))
        tags = [_chunks(number) for number in numbers]
        asked = (
            wanted
            | "ByBucket" >> beam.Map(_by_bucket, plan.buckets)
            | "GroupByBucket" >> beam.GroupByKey()
            | "Ask" >> beam.ParDo(_Ask(plan, config)).with_outputs(TALLY, _HEAR, _SAID, *tags, main=_WHOLE)
        )
        answered: dict[str, PCollection[Any]] = {_WHOLE: asked[_WHOLE], _SAID: asked[_SAID]}
        texts = []
        for number, tag in zip(numbers, tags, strict=True):
            found = (
                asked[tag]
                | f"Spread{number}" >> beam.Reshuffle()
                | f"Caption{number}" >> RunInference(CaptionHandler(config, number, plan.root))
            )
            answered[tag] = found | f"Name{number}" >> beam.Map(_captioned)
            texts.append(found | f"Texts{number}" >> beam.FlatMap(_texts))
        if config.captions.recogniser:
            answered[_HEAR] = (
                asked[_HEAR]
                | "SpreadSound" >> beam.Reshuffle()
                | "Hear" >> RunInference(SpeechHandler(config, plan.root))
                | "NameSpeech" >> beam.Map(_heard)
            )
        repeated = (
            texts
            | "AllTexts" >> beam.Flatten(pipeline=wanted.pipeline)
            | "CountTexts" >> combiners.Count.PerElement()
            | "Repeated" >> beam.Filter(_is_repeated)
        )
        done = (
            answered
            | "GroupByVideo" >> beam.CoGroupByKey()
            | "Finish" >> beam.ParDo(_Finish(plan, config), AsDict(repeated)).with_outputs(ROWS, TALLY)
        )
        tallies = (asked[TALLY], done[TALLY]) | "AllTallies" >> beam.Flatten()
        return {ROWS: done[ROWS], TALLY: tallies}


def described(made: Mapping[str, PCollection[Any]], plan: RunPlan, config: Config) -> dict[str, PCollection[Any]]:
    """Rows and tallies of a job with those of its captions and transcripts; without a model as they are."""
    own = {name: made[name] for name in (ROWS, TALLY)}
    if not describing.asks(config.captions):
        return own
    found = made[WANTED] | "Describe" >> Describe(plan, config)
    return {name: (own[name], found[name]) | f"Described_{name}" >> beam.Flatten() for name in own}


REPEATED: Final = 3
"""A text that so many clips have got is counted."""


def _is_repeated(counted: tuple[str, int]) -> bool:
    return counted[1] >= REPEATED


def _chunks(number: int) -> str:
    return f"caption{number}"


def _by_bucket(wanted: Mapping[str, Any], buckets: int) -> tuple[int, Mapping[str, Any]]:
    return records.bucket_of(wanted["video"]["video_id"], buckets), wanted


def _captioned(result: Any) -> tuple[str, tuple[int, str]]:
    number, _ = result.inference
    return result.example["video_id"], (number, result.example["key"])


def _texts(result: Any) -> Iterable[str]:
    _, digests = result.inference
    return list(digests)


def _heard(result: Any) -> tuple[str, str]:
    return result.example["video_id"], result.example["key"]


class _Ask(Gathering):
    """The videos of a bucket to what is asked of each model, without what tables have already."""

    def __init__(self, plan: RunPlan, config: Config) -> None:
        super().__init__(plan)
        self._config = config

    def setup(self) -> None:
        describing.check(self._config.captions)

    def process(self, element: tuple[int, Iterable[Mapping[str, Any]]]) -> Iterator[Any]:
        """Plan one bucket."""
        bucket, parts = element
        by_video = defaultdict(list)
        for part in parts:
            by_video[part["video"]["video_id"]].append(part)
        captions, transcripts, texts = self._there(bucket, set(by_video))
        heard = self._spoken(bucket, set(by_video))
        settings, counts = self._config.captions, self._counts
        recogniser = describing.recogniser(settings)
        for video_id in sorted(by_video):
            whole = describing.together(by_video[video_id])
            clips = whole.pop("clips")
            yield video_id, {**whole, "texts": texts.get(video_id, [])}
            for said in describing.said_in(clips, heard.get(video_id)):
                yield TaggedOutput(_SAID, (video_id, said))
            for number, captioner in enumerate(describing.models(settings)):
                wanted = len(clips) * len(captioner.kinds)
                for chunk in describing.caption_chunks(whole["video"], clips, captioner, self._config, captions):
                    asked = _size(chunk)
                    counts["captions.asked"] += asked
                    wanted -= asked
                    yield TaggedOutput(_chunks(number), chunk)
                counts["captions.reused"] += wanted
            if recogniser is not None and whole["video"]["audio_uri"]:
                task = describing.speech_task(whole["video"], recogniser, transcripts.get(video_id, ()))
                counts["transcripts.asked" if task else "transcripts.reused"] += 1
                if task:
                    yield TaggedOutput(_HEAR, task)
        yield from self._sendable(everything=False)

    def _there(
        self, bucket: int, videos: set[str]
    ) -> tuple[set[tuple[str, describing.Signature]], dict[str, set[describing.Signature]], dict[str, list[str]]]:
        """The captions and transcripts of a bucket, by their signatures, and texts that name something."""
        captions, transcripts = set(), defaultdict(set)
        texts: dict[str, list[str]] = defaultdict(list)
        screened = screening.screen(self._config) is not None
        for row in self._rows_of("captions", bucket, videos):
            captions.add((row["clip_id"], tuple(row[name] for name in _CAPTION)))
        for row in self._rows_of("transcripts", bucket, videos):
            transcripts[row["video_id"]].add(tuple(row[name] for name in _TRANSCRIPT))
        for table in screening.TEXTS if screened else ():
            for row in self._rows_of(table, bucket, videos, ("text",)):
                if finishing.names_something([row["text"]], self._config):
                    texts[row["video_id"]].append(row["text"])
        return captions, transcripts, texts

    def _spoken(self, bucket: int, videos: set[str]) -> dict[str, Spoken]:
        """What earlier runs heard, for captions to be held against; of several recognisers the first by name."""
        heard: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
        for row in self._rows_of("transcripts", bucket, videos):
            heard[row["video_id"]][row["recogniser"], row["model"]] = []
        for row in self._rows_of("utterances", bucket, videos, ("recogniser", "model", *spoken.COLUMNS)):
            heard[row["video_id"]][row["recogniser"], row["model"]].append(row)
        return {video_id: Spoken(by[min(by)]) for video_id, by in heard.items()}

    def _rows_of(
        self, table: str, bucket: int, videos: set[str], names: Sequence[str] = ()
    ) -> Iterator[dict[str, Any]]:
        record, corpus = records.BY_TABLE[table], self._plan.corpus
        parts = self._plan.bases.get(table, {}).get(bucket, ())
        names = ["video_id", *(names or _COLUMNS[table])]
        for row in merge.read_parts(record, corpus.table_uri(table), parts, names).to_pylist():
            if row["video_id"] in videos:
                yield row


_CAPTION: Final = ("captioner", "model", "kind", "prompt_version", "revision", "settings")
_TRANSCRIPT: Final = ("recogniser", "model", "revision", "settings")
"""Columns of a `describing.Signature`."""

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {"captions": ("clip_id", *_CAPTION), "transcripts": _TRANSCRIPT}


class _Finish(Gathering):
    """A video and the names of its answers to its rows."""

    def __init__(self, plan: RunPlan, config: Config) -> None:
        super().__init__(plan)
        self._config, self._store = config, Store(plan.root)

    def process(self, element: tuple[str, Mapping[str, Sequence[Any]]], repeated: Mapping[str, int]) -> Iterator[Any]:
        """Finish one video."""
        video_id, found = element
        captioned = [one for tag, names in found.items() if tag not in (_WHOLE, _HEAR, _SAID) for one in names]
        said = {clip_id: text for part in found[_SAID] for clip_id, text in part.items()}
        heard = next(iter(found.get(_HEAR, ())), None)
        (video,) = found[_WHOLE]
        done = finishing.finish({**video, "said": said}, captioned, heard, self._config, self._store, repeated)
        self._rows.add(done.rows, done.scopes, done.gone)
        for step, subject, error in done.refused:
            self._rows.add([("failures", failure(self._plan.run_id, step, subject, error, video_id))], [])
        self._counts.update(done.counts)
        yield from self._sendable(everything=False)
