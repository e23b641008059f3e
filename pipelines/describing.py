"""Describing: which models describe and hear what, what of that is there already, and what is asked of them.

What a model is asked travels as small records: the clips of one video, a few at a time, without a frame or a sample.
Their frames and sound lie in the store, where the answers go too, so that a killed run loses only what was in flight.
Nothing here imports Beam.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from captioning.captioner import (
    Captioner,
    MeasuredCaptioner,
    ModelCaptioner,
    has_model,
    load_captioner,
    settings_json,
)
from captioning.model import Model
from captioning.recogniser import Recogniser, load_recogniser
from captioning.scoring import Scorer, load_scorer
from pipelines.config import CaptionSettings, Config
from transforms.settings import ConfigError, key_fields
from transforms.spoken import Spoken
from transforms.store import digest
from transforms.store import key as store_key

CAPTION, SPEECH, SCORE = "caption", "speech", "score"
"""Steps of the store: what a captioner's model said of some clips, what a recogniser heard, how well captions fit. The
first two are steps of failures too: a caption that cannot be scored is not done."""

RECIPE: Final = 1
"""Raised when the same model would be asked other things for unchanged settings."""

CHECKS: Final = 1
"""Raised when the same caption would be flagged otherwise for unchanged settings."""

CLIP_COLUMNS: Final = (
    *("clip_id", "video_id", "start_pts", "end_pts", "time_base_num", "time_base_den"),
    *("seconds", "start_seconds", "end_seconds"),
)
VIDEO_COLUMNS: Final = ("video_id", "measure_uri", "audio_uri", "audio_offset")
"""Columns that are needed to ask for captions and transcripts."""

_PART: Final = 100
"""Clips of a video that travel together: 400 bytes each."""
_CHUNK: Final = 8
"""Clips whose answers are one result in the store."""

Row = Mapping[str, Any]
Signature = tuple[str, ...]
"""What tells two captions of one clip apart, and whether one is there: captioner, model, kind, prompt version, revision
and settings; or recogniser, model, revision and settings of a transcript."""


@functools.lru_cache(4)
def _captioners(specs: tuple[str, ...]) -> list[Captioner]:
    return [load_captioner(spec) for spec in specs]


def measured(settings: CaptionSettings) -> list[MeasuredCaptioner]:
    """The captioners without a model, loaded once a process."""
    return [cast(MeasuredCaptioner, c) for c in _captioners(settings.captioner) if not has_model(c)]


def models(settings: CaptionSettings) -> list[ModelCaptioner]:
    """The captioners with a model, loaded once a process but for their weights."""
    return [c for c in _captioners(settings.captioner) if has_model(c)]


@functools.lru_cache(4)
def _recogniser(spec: str) -> Recogniser:
    return load_recogniser(spec)


def recogniser(settings: CaptionSettings) -> Recogniser | None:
    """The recogniser, loaded once a process but for its weights; None where none is named."""
    return _recogniser(settings.recogniser) if settings.recogniser else None


@functools.lru_cache(4)
def _scorer(spec: str) -> Scorer:
    return load_scorer(spec)


def scorer(settings: CaptionSettings) -> Scorer | None:
    """The scorer, loaded once a process but for its weights; None where none is named."""
    return _scorer(settings.scorer) if settings.scorer else None


def asks(settings: CaptionSettings) -> bool:
    """Whether any model is asked."""
    return bool(models(settings)) or settings.recogniser is not None


def check(settings: CaptionSettings) -> None:
    """See before the first element that every model can be loaded.

    Raises:
        ConfigError: One is unknown, weights or packages are missing, or a scorer has nothing to score.
    """
    if judge := scorer(settings):
        if not models(settings):
            raise ConfigError(f"--scorer {judge.name}: no --captioner has a model whose captions it could score")
        _check("--scorer", judge)
    for captioner in models(settings):
        _check("--captioner", captioner)
    if heard := recogniser(settings):
        _check("--recogniser", heard)


def _check(option: str, model: Model) -> None:
    try:
        model.check()
    except ConfigError as error:
        said = str(error)
        raise ConfigError(said if said.startswith("--") else f"{option} {model.name}: {said}") from None


def caption_settings(captioner: ModelCaptioner, config: Config, checked: bool = True) -> str:
    """What decides a model's captions as canonical JSON, with who scored them and a digest of what decides whether they
    are kept."""
    more: dict[str, Any] = {"window_seconds": config.captions.window_seconds}
    if checked:
        more["checks"] = digest([CHECKS, key_fields(config.checks)])[:8]
        if judge := scorer(config.captions):
            more["scorer"] = _scored_by(judge)
    return settings_json(captioner.settings, **more)


def _scored_by(judge: Scorer) -> dict[str, Any]:
    return {"name": judge.name, "model": judge.model, "revision": judge.revision, **key_fields(judge.settings)}


def score_key(chunk_key: str, answers: Sequence[Mapping[str, Any]], judge: Scorer) -> str:
    """The key of what the answers about a chunk score."""
    texts = [answer.get("window_texts") or answer.get("text") for answer in answers]
    return store_key(SCORE, RECIPE, [chunk_key, texts, _scored_by(judge)])


def caption_signature(captioner: ModelCaptioner, kind: str, config: Config, checked: bool = True) -> Signature:
    """See `Signature`."""
    words = (captioner.name, captioner.model, kind, captioner.prompt_version(kind), captioner.revision)
    return (*words, caption_settings(captioner, config, checked))


def transcript_signature(heard: Recogniser) -> Signature:
    """See `Signature`."""
    return heard.name, heard.model, heard.revision, settings_json(heard.settings)


def wanted(video: Row, clips: Iterable[Row], source: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """What may be described of a video, in parts that may travel.

    Args:
        video: Its row, of which `VIDEO_COLUMNS` are needed.
        clips: Rows of its kept clips, of which `CLIP_COLUMNS` are needed.
        source: What waits until its texts are known: see `finishing`. None where tables have it.
    """
    kept = [{name: clip[name] for name in CLIP_COLUMNS} for clip in clips]
    what = {name: video[name] for name in VIDEO_COLUMNS}
    for part, at in enumerate(range(0, len(kept), _PART) or (0,)):
        sources = [source] if source and not part else []
        yield {"video": what, "part": part, "clips": kept[at : at + _PART], "sources": sources}


def together(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The parts of one video as one: equal bytes from several sources have the same clips, and each its source."""
    distinct: dict[int, list[dict[str, Any]]] = {}
    sources: dict[str, dict[str, Any]] = {}
    for part in parts:
        distinct[part["part"]] = part["clips"]
        sources.update({source["ref"]["uri"]: source for source in part["sources"]})
        video = part["video"]
    clips = [clip for number in sorted(distinct) for clip in distinct[number]]
    return {"video": video, "clips": clips, "sources": [sources[uri] for uri in sorted(sources)]}


def caption_chunks(
    video: Row,
    clips: Sequence[Row],
    captioner: ModelCaptioner,
    config: Config,
    there: Collection[tuple[str, Signature]],
) -> Iterator[dict[str, Any]]:
    """What is asked of a captioner about a video's clips: a few clips at a time, and of each the kinds it lacks.

    Args:
        video: Its row.
        clips: Its kept clips.
        captioner: Who is asked.
        config: The job's.
        there: Clips with the signatures of captions that they have.
    """
    signatures = {kind: caption_signature(captioner, kind, config) for kind in captioner.kinds}
    # With other checks the same is asked, and what was answered is in the store.
    unchecked = [caption_signature(captioner, kind, config, checked=False) for kind in captioner.kinds]
    missing = [
        (clip, kinds)
        for clip in clips
        if (kinds := [kind for kind, signed in signatures.items() if (clip["clip_id"], signed) not in there])
    ]
    for at in range(0, len(missing), _CHUNK):
        some = [{**clip, "kinds": kinds} for clip, kinds in missing[at : at + _CHUNK]]
        asked = [video["measure_uri"], [[clip["clip_id"], clip["kinds"]] for clip in some]]
        key = store_key(CAPTION, RECIPE, [asked, unchecked])
        yield {"key": key, "video_id": video["video_id"], "measure_uri": video["measure_uri"], "clips": some}


def said_in(clips: Sequence[Row], spoken: Spoken | None) -> Iterator[dict[str, str]]:
    """What is said in each of some clips, by their ids, in parts that may travel; nothing where nobody listened."""
    if spoken is None:
        return
    for at in range(0, len(clips), _PART):
        some = clips[at : at + _PART]
        yield {clip["clip_id"]: spoken.between(clip["start_seconds"], clip["end_seconds"]) for clip in some}


def speech_task(video: Row, heard: Recogniser, there: Collection[Signature]) -> dict[str, Any] | None:
    """What is asked of a recogniser about a video; None where it has no sound, or its transcript is there."""
    signed = transcript_signature(heard)
    if not video["audio_uri"] or signed in there:
        return None
    key = store_key(SPEECH, RECIPE, [video["audio_uri"], video["audio_offset"], *signed])
    return {"key": key, **{name: video[name] for name in ("video_id", "audio_uri", "audio_offset")}}
