"""Answering: a model's captions of clips and transcripts of videos, from stored frames and sound into the store.

A captioner is asked a full batch of windows at a time, whichever clips they are of, and the next batch's frames are
read while it works. Each answer is kept under the clip that its window carries, never by its place among others. What
a few clips of a video got is one result in the store, there the moment the last of them is answered. Nothing here
imports Beam.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import hashlib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from captioning.captioner import Answer, Frame, ModelCaptioner, Window
from captioning.checks import sameness
from captioning.recogniser import Recogniser, Transcript, read_sound, word_columns
from captioning.windows import Stretch, stretches
from pipelines.describing import CAPTION, SPEECH
from transforms import storage
from transforms.audio import SAMPLE_RATE
from transforms.failures import ElementError
from transforms.ranged import opened
from transforms.samples import Samples
from transforms.store import Store
from transforms.threads import ahead

_OF_CLIP: Final = ("clip_id", "start_seconds", "end_seconds")
"""What is stored of a clip beside what was said of it."""
_OPEN: Final = 4
"""Videos whose samples are open at a time."""

FAULTS: Final = (OSError, KeyError, ValueError, zipfile.BadZipFile)
"""What reading a file of samples may raise."""

Said = Answer | ElementError


class _Slot(NamedTuple):
    """Where an answer belongs: a chunk, a clip in it, and a window of that clip."""

    chunk: int
    clip_id: str
    stretch: Stretch


class Pictures:
    """Stored frames of clips; only the index and the frames that are wanted are read.

    Args:
        store: Where they lie.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._files = store, contextlib.ExitStack()
        self._open: dict[str, Samples] = {}
        self._pts: dict[str, list[int]] = {}

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def _samples(self, measure_uri: str) -> Samples:
        if measure_uri not in self._open:
            if len(self._open) >= _OPEN:
                self._files.close()
                self._open.clear()
                self._pts.clear()
            file = self._files.enter_context(opened(self._store.uri(f"{measure_uri}/samples.zip")))
            found = self._files.enter_context(Samples(file))
            self._open[measure_uri], self._pts[measure_uri] = found, sorted(e.pts for e in found.frames)
        return self._open[measure_uri]

    def _inside(self, measure_uri: str, clip: Mapping[str, Any]) -> list[int]:
        self._samples(measure_uri)
        every = self._pts[measure_uri]
        return every[bisect.bisect_left(every, clip["start_pts"]) : bisect.bisect_left(every, clip["end_pts"])]

    def times(self, measure_uri: str, clip: Mapping[str, Any]) -> list[float]:
        """Seconds from a clip's start of every stored frame in it, in order.

        Raises:
            ElementError: There is none, or they cannot be read.
        """
        try:
            inside = self._inside(measure_uri, clip)
        except FAULTS as error:
            raise ElementError("storage", f"{measure_uri}/samples.zip: {error}; curate its source again") from error
        if not inside:
            raise ElementError("storage", "no frame of this clip is stored: measure with --keep full or lean")
        return [_seconds(pts, clip) for pts in inside]

    def frames(self, measure_uri: str, clip: Mapping[str, Any], chosen: Iterable[int]) -> tuple[Frame, ...]:
        """Some of a clip's stored frames, by their places among `times`."""
        samples, inside = self._samples(measure_uri), self._inside(measure_uri, clip)
        return tuple(Frame(_seconds(inside[n], clip), samples.jpeg(inside[n])) for n in chosen)


def _seconds(pts: int, clip: Mapping[str, Any]) -> float:
    seconds: float = (pts - clip["start_pts"]) * clip["time_base_num"] / clip["time_base_den"]
    return seconds


def caption(
    chunks: Sequence[Mapping[str, Any]], captioner: ModelCaptioner, window_seconds: float, store: Store
) -> list[list[str]]:
    """Have clips described, chunk by chunk, and leave the answers in the store.

    A chunk that is there whole is not asked again; one in which something failed is.

    Args:
        chunks: As `describing.caption_chunks` makes them.
        captioner: The captioner, its weights loaded.
        window_seconds: Length of a window.
        store: Where frames lie and answers go.

    Returns:
        Of each chunk, a digest of every text in it.

    Raises:
        ConfigError: Nothing can be described: the set-up is wrong.
    """
    done: dict[int, list[dict[str, Any]]] = {}
    open_chunks = _Chunks(chunks)
    for number, chunk in enumerate(chunks):
        told = store.get(CAPTION, chunk["key"], chunk["video_id"])
        if told is not None:
            if not any("error_class" in answer for answer in told["answers"]):
                done[number] = told["answers"]
                continue
            store.drop(CAPTION, chunk["key"], chunk["video_id"])

    def settle(number: int) -> None:
        done[number] = open_chunks.answers(number)
        store.put(CAPTION, chunks[number]["key"], chunks[number]["video_id"], {"answers": done[number]})

    with Pictures(store) as pictures:
        todo = [n for n in range(len(chunks)) if n not in done]
        for batch in ahead(_batches(todo, open_chunks, pictures, captioner, window_seconds)):
            said = _answers(captioner, [window for _, window in batch.ready]) if batch.ready else []
            for (slot, _), answer in zip(batch.ready, said, strict=True):
                open_chunks.add(slot, answer)
            for number in batch.last:
                settle(number)
    return [[sameness_digest(answer) for answer in done[n] if "text" in answer] for n in range(len(chunks))]


def kept(store: Store, step: str, key: str, video_id: str) -> dict[str, Any]:
    """What models made that must be in the store.

    Raises:
        ElementError: It is not.
    """
    found = store.get(step, key, video_id)
    if found is None:
        raise ElementError("storage", f"{store.path(step, key)}: what a model made of {video_id} is gone; run again")
    return found


def sameness_digest(answer: Mapping[str, Any]) -> str:
    """What the answers about two clips have in common if their kinds are one and their texts the same."""
    return hashlib.sha256(f"{answer['kind']} {sameness(answer['text'])}".encode()).hexdigest()[:16]


class _Chunks:
    """The answers of chunks, as they come."""

    def __init__(self, chunks: Sequence[Mapping[str, Any]]) -> None:
        self.chunks = chunks
        self._said: dict[int, dict[tuple[str, str], list[tuple[Stretch, Said]]]] = {}

    def add(self, slot: _Slot, answer: Said) -> None:
        chunk = self._said.setdefault(slot.chunk, {})
        chunk.setdefault((slot.clip_id, slot.stretch.kind), []).append((slot.stretch, answer))

    def answers(self, number: int) -> list[dict[str, Any]]:
        said = self._said.pop(number, {})
        return [
            {**{name: clip[name] for name in _OF_CLIP}, "kind": kind, **_joined(said[clip["clip_id"], kind])}
            for clip in self.chunks[number]["clips"]
            for kind in clip["kinds"]
        ]


def _joined(windows: Sequence[tuple[Stretch, Said]]) -> dict[str, Any]:
    """The answers of a clip's windows as one, in order of time; an error where any has one."""
    windows = sorted(windows, key=lambda pair: pair[0].index)
    said: list[Answer] = []
    for _, answer in windows:
        if isinstance(answer, ElementError):
            return {"error_class": answer.error_class, "message": answer.message, "attempts": answer.attempts}
        said.append(answer)
    texts = [answer.text.strip() for answer in said]
    whole = len(windows) == 1
    return {
        "text": " ".join(filter(None, texts)),
        "flags": sorted({flag for answer in said for flag in answer.flags}),
        "window_starts": [] if whole else [stretch.start for stretch, _ in windows],
        "window_texts": [] if whole else texts,
        **{name: _total(getattr(answer, name) for answer in said) for name in ("tokens_in", "tokens_out", "cost")},
    }


def _total(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclasses.dataclass
class _Batch:
    """Windows with their frames, and the chunks that are complete once these are answered."""

    ready: list[tuple[_Slot, Window]] = dataclasses.field(default_factory=list)
    last: list[int] = dataclasses.field(default_factory=list)


def _batches(
    todo: Iterable[int], chunks: _Chunks, pictures: Pictures, captioner: ModelCaptioner, window_seconds: float
) -> Iterator[_Batch]:
    """The windows of some chunks in full batches; what has no frames is answered here, by its error."""
    batch = _Batch()
    for number in todo:
        chunk = chunks.chunks[number]
        for clip in chunk["clips"]:
            for slot in _planned(number, chunk, clip, chunks, pictures, captioner, window_seconds):
                try:
                    frames = pictures.frames(chunk["measure_uri"], clip, slot.stretch.frames)
                except FAULTS as error:
                    chunks.add(slot, ElementError("storage", f"a stored frame cannot be read: {error}"))
                    continue
                batch.ready.append((slot, _window(slot.stretch, clip, frames)))
                if len(batch.ready) == captioner.batch_size:
                    yield batch
                    batch = _Batch()
        batch.last.append(number)
    yield batch


def _planned(
    number: int,
    chunk: Mapping[str, Any],
    clip: Mapping[str, Any],
    chunks: _Chunks,
    pictures: Pictures,
    captioner: ModelCaptioner,
    window_seconds: float,
) -> list[_Slot]:
    try:
        times = pictures.times(chunk["measure_uri"], clip)
    except ElementError as error:
        for kind in clip["kinds"]:
            chunks.add(_Slot(number, clip["clip_id"], Stretch(kind, 0, 1, 0.0, 0.0, ())), error)
        return []
    return [
        _Slot(number, clip["clip_id"], stretch)
        for kind in clip["kinds"]
        for stretch in stretches(kind, clip["seconds"], times, captioner.frames, window_seconds)
    ]


def _window(stretch: Stretch, clip: Mapping[str, Any], frames: tuple[Frame, ...]) -> Window:
    return Window(
        clip=clip,
        kind=stretch.kind,
        index=stretch.index,
        count=stretch.count,
        start=stretch.start,
        end=stretch.end,
        frames=frames,
    )


def _answers(captioner: ModelCaptioner, windows: Sequence[Window]) -> list[Said]:
    answers = captioner.answer(windows)
    if len(answers) != len(windows):
        raise RuntimeError(f"{captioner.name}: {len(answers)} answers to {len(windows)} windows")
    return answers


def hear(task: Mapping[str, Any], recogniser: Recogniser, store: Store) -> None:
    """Have a video's sound written down, and leave the transcript in the store.

    One that is there is not made again; one that failed is.

    Args:
        task: As `describing.speech_task` makes it.
        recogniser: The recogniser, its weights loaded.
        store: Where the sound lies and the transcript goes.

    Raises:
        ConfigError: The set-up is wrong.
    """
    told = store.get(SPEECH, task["key"], task["video_id"])
    if told is not None:
        if "error_class" not in told:
            return
        store.drop(SPEECH, task["key"], task["video_id"])
    try:
        samples = read_sound(storage.read_bytes(store.uri(task["audio_uri"])))
        made = _told(recogniser.transcribe(samples), task["audio_offset"] or 0.0, len(samples))
    except ElementError as error:
        made = {"error_class": error.error_class, "message": error.message, "attempts": error.attempts}
    store.put(SPEECH, task["key"], task["video_id"], made)


def _told(transcript: Transcript, offset: float, samples: int) -> dict[str, Any]:
    """A transcript as it is stored, its times moved from the first sample to the first frame shown."""
    utterances = []
    for one in transcript.utterances:
        times = {"start": one.start + offset, "end": one.end + offset}
        utterances.append({**dataclasses.asdict(one), **times, **word_columns(one.words, offset)})
    return {
        "seconds": samples / SAMPLE_RATE,
        "language": transcript.language,
        "language_probability": transcript.language_probability,
        "shares": transcript.shares._asdict(),
        "utterances": utterances,
    }
