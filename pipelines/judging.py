"""Judging: how well captions go with the frames of their clips, from stored answers and frames into the store.

Every caption of a clip is held against the same frames, whoever wrote it and whatever its writer was shown, so that
captioners can be compared. What the captions of a few clips scored is one result in the store, beside what was
answered: another scorer asks no captioner anything. Nothing here imports Beam.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from captioning.scoring import Scorer, Seen
from captioning.windows import stretches
from pipelines.answering import FAULTS, Pictures, kept
from pipelines.describing import CAPTION, SCORE, score_key
from transforms.failures import ElementError
from transforms.store import Store
from transforms.threads import ahead

Place = tuple[int, int]
"""Which chunk, and which of its answers."""
Asked = tuple[list[Place], Seen]
"""Texts that are held against the same frames, and the place of each."""


def score(chunks: Sequence[Mapping[str, Any]], scorer: Scorer, window_seconds: float, store: Store) -> None:
    """Score the captions of some chunks and leave the scores in the store, in the order of each chunk's answers.

    A chunk that was scored whole is not scored again; one in which something failed is. The score of a caption in
    several windows is the mean over them, each text held against its own window.

    Args:
        chunks: As `describing.caption_chunks` makes them, their answers in the store.
        scorer: The scorer, its weights loaded.
        window_seconds: Length of a window.
        store: Where answers and frames lie and scores go.

    Raises:
        ElementError: An answer that was in the store is gone.
    """
    todo = {}
    for number, chunk in enumerate(chunks):
        answers = kept(store, CAPTION, chunk["key"], chunk["video_id"])["answers"]
        key = score_key(chunk["key"], answers, scorer)
        told = store.get(SCORE, key, chunk["video_id"])
        if told is not None:
            if not any("error_class" in one for one in told["scores"]):
                continue
            store.drop(SCORE, key, chunk["video_id"])
        todo[number] = answers
    found: dict[Place, list[float]] = {}
    wrong: dict[Place, ElementError] = {}
    with Pictures(store) as pictures:
        every = _every(chunks, todo, wrong, pictures, scorer.settings.frames, window_seconds)
        for batch in ahead(_batched(every, scorer.batch_size)):
            for (places, _), scores in zip(batch, scorer.score([seen for _, seen in batch]), strict=True):
                if isinstance(scores, ElementError):
                    wrong.update(dict.fromkeys(places, scores))
                    continue
                for place, one in zip(places, scores, strict=True):
                    found.setdefault(place, []).append(one)
    for number, answers in todo.items():
        made = [_told(found.get((number, n)), wrong.get((number, n))) for n in range(len(answers))]
        key = score_key(chunks[number]["key"], answers, scorer)
        store.put(SCORE, key, chunks[number]["video_id"], {"scores": made})


def _told(scores: Sequence[float] | None, error: ElementError | None) -> dict[str, Any]:
    if error is not None:
        return {"error_class": error.error_class, "message": error.message, "attempts": error.attempts}
    return {"score": statistics.fmean(scores) if scores else None}


def _batched(every: Iterator[Asked], size: int) -> Iterator[list[Asked]]:
    batch: list[Asked] = []
    for one in every:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _every(
    chunks: Sequence[Mapping[str, Any]],
    todo: Mapping[int, Sequence[Mapping[str, Any]]],
    wrong: dict[Place, ElementError],
    pictures: Pictures,
    frames: int,
    window_seconds: float,
) -> Iterator[Asked]:
    """Every text with its frames; the texts of a clip that belong to the same ones come together."""
    for number, answers in todo.items():
        uri = chunks[number]["measure_uri"]
        for clip in chunks[number]["clips"]:
            texts: dict[tuple[int, ...], list[tuple[Place, str]]] = {}
            places = [
                (number, n) for n, a in enumerate(answers) if a["clip_id"] == clip["clip_id"] and "error_class" not in a
            ]
            try:
                times = pictures.times(uri, clip) if places else []
                for place in places:
                    answer = answers[place[1]]
                    windows = stretches(answer["kind"], clip["seconds"], times, frames, window_seconds)
                    for window, text in zip(windows, answer["window_texts"] or [answer["text"]], strict=True):
                        texts.setdefault(window.frames, []).append((place, text))
                for chosen, said in texts.items():
                    shown = [frame.jpeg for frame in pictures.frames(uri, clip, chosen)]
                    yield [place for place, _ in said], Seen([text for _, text in said], shown)
            except ElementError as error:
                wrong.update(dict.fromkeys(places, error))
            except FAULTS as error:
                gone = ElementError("storage", f"a stored frame cannot be read: {error}")
                wrong.update(dict.fromkeys(places, gone))
