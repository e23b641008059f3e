"""Inference: the Beam side of captions and transcripts, through `RunInference` with handlers of our own.

Every video comes by three times: grouped by bucket, so that what tables have of it already is read once a bucket; in
parts at the models, a few clips or one sound at a time; and whole again, with the names of its answers, to be finished.
What travels is names and small records, never a frame.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import apache_beam as beam
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference
from apache_beam.pvalue import AsDict, PCollection, TaggedOutput
from apache_beam.transforms import combiners

from captioning.captioner import ModelCaptioner
from captioning.http import EndpointSettings
from captioning.recogniser import Recogniser
from captioning.scoring import Scorer
from pipelines import answering, describing, finishing, judging, screening
from pipelines.config import Config
from pipelines.steps import ROWS, TALLY, Gathering, failure
from pipelines.writing import RunPlan
from transforms import records, spoken
from transforms.spoken import Spoken
from transforms.store import Store

_WHOLE, _CAPTIONED, _HEAR, _SAID = "whole", "captioned", "hear", "said"
_REPEATED: Final = 2
"""A text that so many clips have got is counted: the least that `caption_common` can be."""
_BATCHES: Final = 4
"""Batches of a model that one call of its handler is given: one too small in so many, and frames read ahead."""


class Done(NamedTuple):
    """What comes out of a model beside its task: digests of texts, and the milliseconds of all that came with it."""

    digests: Sequence[str] = ()
    ms: int = 0


def _done(
    batch: Sequence[dict[str, Any]], told: Iterable[Sequence[str]], began: float, revision: str
) -> Iterator[PredictionResult]:
    ms = round((time.monotonic() - began) * 1000)
    for number, (task, digests) in enumerate(zip(batch, told, strict=True)):
        yield PredictionResult(task, Done(digests, 0 if number else ms), revision)


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
        if hasattr(captioner, "answers"):  # One that is paid by the answer keeps each of them.
            captioner.answers = Store(self._root)
        captioner.load()
        return captioner

    def run_inference(
        self, batch: Sequence[dict[str, Any]], model: ModelCaptioner, inference_args: dict[str, Any] | None = None
    ) -> Iterator[PredictionResult]:
        """Answer some chunks; a clip that cannot be described fails alone."""
        began = time.monotonic()
        texts = answering.caption(batch, model, self._settings.window_seconds, Store(self._root))
        return _done(batch, texts, began, model.revision)

    def get_metrics_namespace(self) -> str:
        """The step's name."""
        return describing.CAPTION


def _size(chunk: Mapping[str, Any]) -> int:
    return sum(len(clip["kinds"]) for clip in chunk["clips"])


class ScoreHandler(ModelHandler[dict[str, Any], PredictionResult, Scorer]):
    """Has a scorer tell how well captions go with their frames; the scores go to the store.

    Args:
        config: The job's configuration.
        root: The output folder.
    """

    def __init__(self, config: Config, root: str) -> None:
        self._settings, self._root = config.captions, root
        judge = describing.scorer(config.captions)
        assert judge is not None
        # Most clips have their texts of a chunk held against one set of frames.
        super().__init__(min_batch_size=judge.batch_size, max_batch_size=judge.batch_size, element_size_fn=_size)

    def load_model(self) -> Scorer:
        """The scorer with its weights: one copy a process."""
        judge = describing.scorer(self._settings)
        assert judge is not None
        judge.load()
        return judge

    def run_inference(
        self, batch: Sequence[dict[str, Any]], model: Scorer, inference_args: dict[str, Any] | None = None
    ) -> Iterator[PredictionResult]:
        """Score some chunks; a caption that cannot be scored fails alone."""
        began = time.monotonic()
        judging.score(batch, model, self._settings.window_seconds, Store(self._root))
        return _done(batch, [()] * len(batch), began, model.revision)

    def get_metrics_namespace(self) -> str:
        """The step's name."""
        return describing.SCORE


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
        recogniser.load()
        return recogniser

    def run_inference(
        self, batch: Sequence[dict[str, Any]], model: Recogniser, inference_args: dict[str, Any] | None = None
    ) -> Iterator[PredictionResult]:
        """Transcribe some videos; one that cannot be heard fails alone."""
        began = time.monotonic()
        for task in batch:
            answering.hear(task, model, Store(self._root))
        return _done(batch, [()] * len(batch), began, model.revision)

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
        worked = {}
        worked[describing.CAPTION] = captioned = [
            asked[tag]
            | f"Spread{number}" >> _Spread(describing.models(config.captions)[number])
            | f"Caption{number}" >> RunInference(CaptionHandler(config, number, plan.root))
            for number, tag in zip(numbers, tags, strict=True)
        ] | "AllCaptions" >> beam.Flatten(pipeline=wanted.pipeline)
        scored = captioned
        if config.captions.scorer:
            worked[describing.SCORE] = scored = (
                captioned
                | "Captioned" >> beam.Map(lambda result: result.example)
                | "Score" >> RunInference(ScoreHandler(config, plan.root))
            )
        answered[_CAPTIONED] = scored | "Name" >> beam.Map(_captioned)
        if config.captions.recogniser:
            worked[describing.SPEECH] = heard = (
                asked[_HEAR]
                | "SpreadSound" >> _Spread(describing.recogniser(config.captions))
                | "Hear" >> RunInference(SpeechHandler(config, plan.root))
            )
            answered[_HEAR] = heard | "NameSpeech" >> beam.Map(_heard)
        repeated = (
            captioned
            | "Texts" >> beam.FlatMap(lambda result: result.inference.digests)
            | "CountTexts" >> combiners.Count.PerElement()
            | "Repeated" >> beam.Filter(_is_repeated)
        )
        done = (
            answered
            | "GroupByVideo" >> beam.CoGroupByKey()
            | "Finish" >> beam.ParDo(_Finish(plan, config), AsDict(repeated)).with_outputs(ROWS, TALLY)
        )
        times = [found | f"Time_{step}" >> beam.FlatMap(_time, step) for step, found in worked.items()]
        tallies = (asked[TALLY], done[TALLY], *times) | "AllTallies" >> beam.Flatten()
        return {ROWS: done[ROWS], TALLY: tallies}


class _Spread(beam.PTransform[Any, Any]):
    """Tasks to all workers; those for an endpoint to as few as it bears: a key has one worker at a time."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        settings = model.settings
        self._lanes = min(settings.workers, settings.concurrency) if isinstance(settings, EndpointSettings) else 0

    def expand(self, tasks: PCollection[Any]) -> PCollection[Any]:
        """Wire the steps."""
        spread: PCollection[Any]
        if not (lanes := self._lanes):
            spread = tasks | beam.Reshuffle()
        else:
            spread = (
                tasks
                | "Lane" >> beam.Map(lambda task: (int(task["key"][-8:], 16) % lanes, task))
                | "GroupByLane" >> beam.GroupByKey()
                | "InLane" >> beam.FlatMap(lambda lane: lane[1])
            )
        return spread


def _is_repeated(counted: tuple[str, int]) -> bool:
    return counted[1] >= _REPEATED


def _chunks(number: int) -> str:
    return f"caption{number}"


def _by_bucket(wanted: Mapping[str, Any], buckets: int) -> tuple[int, Mapping[str, Any]]:
    return records.bucket_of(wanted["video"]["video_id"], buckets), wanted


def _captioned(result: Any) -> tuple[str, tuple[int, str]]:
    return result.example["video_id"], (result.example["captioner"], result.example["key"])


def _time(result: Any, step: str) -> list[tuple[str, int]]:
    return [(f"{step}_ms", result.inference.ms)] if result.inference.ms else []


def _heard(result: Any) -> tuple[str, str]:
    return result.example["video_id"], result.example["key"]


class _Ask(Gathering):
    """The videos of a bucket to what is asked of each model, without what tables have already."""

    def __init__(self, plan: RunPlan, config: Config) -> None:
        super().__init__(plan)
        self._config = config

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
                    yield TaggedOutput(_chunks(number), {**chunk, "captioner": number})
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
            rows = list(self._rows_of(table, bucket, videos, ("text",)))
            named = finishing.naming([row["text"] for row in rows], self._config)
            for row in rows:
                if row["text"] in named:
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
        rows = self._plan.stored(table, bucket, ["video_id", *(names or _COLUMNS[table])])
        return (row for row in rows if row["video_id"] in videos)


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
        said = {clip_id: text for part in found[_SAID] for clip_id, text in part.items()}
        heard = next(iter(found.get(_HEAR, ())), None)
        (video,) = found[_WHOLE]
        video = {**video, "said": said}
        done = finishing.finish(video, found[_CAPTIONED], heard, self._config, self._store, repeated)
        self._rows.add(done.rows, done.scopes, done.gone)
        for step, subject, error in done.refused:
            self._rows.add([("failures", failure(self._plan.run_id, step, subject, error, video_id))], [])
        self._counts.update(done.counts)
        yield from self._sendable(everything=False)
