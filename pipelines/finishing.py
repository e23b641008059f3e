"""Finishing: a video's captions and transcript as rows, once all its models have answered.

Texts are a thing to screen by: a film may be recognised by what is said in it. So the rows of a source that was read
in this run wait here until its texts are known, and what they name is decided on before anything is written. What may
not be captioned loses its texts, old and new; what is denied loses everything. Nothing here imports Beam.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from captioning.captioner import ModelCaptioner, caption_row, settings_json
from captioning.checks import Caption, checked
from captioning.model import Named
from captioning.recogniser import Recogniser
from captioning.scoring import Scorer
from pipelines import asking, describing, screening
from pipelines.answering import kept, sameness_digest
from pipelines.config import Config
from pipelines.describing import CAPTION, SCORE, SPEECH
from transforms.failures import ElementError
from transforms.records import CaptionRow, TranscriptRow, UtteranceRow, to_dict
from transforms.sources import SourceRef
from transforms.spoken import Spoken
from transforms.store import Store

Row = dict[str, Any]
Made = list[tuple[str, Row]]
Scope = tuple[str, str, tuple[str, ...], int]


_AS_ANSWERED: Final = ("window_starts", "window_texts", "score", "tokens_in", "tokens_out", "cost")


class Refused(NamedTuple):
    """A caption or transcript that could not be made: the step, which one (a clip may lack several), and why."""

    step: str
    subject: str
    error: ElementError


@dataclasses.dataclass
class Finished:
    """What becomes of a video.

    Attributes:
        rows: (table, row) pairs.
        scopes: (table, value that decides the bucket, scope, rows), as `rows.Collector` takes them.
        gone: (table, video) pairs of which no row stays.
        refused: What could not be described or heard.
        counts: Counts for the balance.
    """

    rows: Made = dataclasses.field(default_factory=list)
    scopes: list[Scope] = dataclasses.field(default_factory=list)
    gone: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    refused: list[Refused] = dataclasses.field(default_factory=list)
    counts: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, found: Mapping[str, Any]) -> None:
        """Take rows, scopes and what is gone from a mapping of them."""
        self.rows += [(table, row) for table, row in found["rows"]]
        self.scopes += [(table, value, tuple(scope), count) for table, value, scope, count in found["scopes"]]
        self.gone += [(table, video_id) for table, video_id in found.get("gone", ())]


def finish(
    video: Mapping[str, Any],
    captioned: Iterable[tuple[int, str]],
    heard: str | None,
    config: Config,
    store: Store,
    repeated: Mapping[str, int],
) -> Finished:
    """Rows of a video whose models have all answered.

    Args:
        video: As `describing.together` makes it, with `texts`: what else is said of it that names something; and
            `said`: what earlier runs heard in each clip, by its id.
        captioned: Of each chunk the place of its captioner among the models, and its key in the store.
        heard: The key of its transcript, where one was asked for.
        config: The job's.
        store: Where answers lie.
        repeated: Of captions that more than a few clips have got how many, by their digest.

    Raises:
        RegistryError: The registry cannot be read.
    """
    done = Finished()
    video_id = video["video"]["video_id"]
    recogniser, scorer = describing.recogniser(config.captions), describing.scorer(config.captions)
    spoken = None
    if heard is not None and recogniser is not None:
        _transcript(done, video_id, recogniser, kept(store, SPEECH, heard, video_id))
        if done.counts["transcripts.answered"]:
            spoken = Spoken(row for table, row in done.rows if table == "utterances")
    for number, key in sorted(captioned):
        captioner = describing.models(config.captions)[number]
        answers = kept(store, CAPTION, key, video_id)["answers"]
        for answer, scored in zip(answers, _scores(scorer, key, answers, video_id, store), strict=True):
            if wrong := _error(captioner, answer) or _error(scorer, scored):
                who = captioner.name, captioner.model, answer["kind"], captioner.prompt_version(answer["kind"])
                done.refused.append(Refused(CAPTION, " ".join(filter(None, (answer["clip_id"], *who))), wrong))
                continue
            times = answer["start_seconds"], answer["end_seconds"]
            said = spoken.between(*times) if spoken else video["said"].get(answer["clip_id"])
            clips = repeated.get(sameness_digest(answer), 1)
            _caption(done, video_id, captioner, {**answer, **scored, "transcript": said, "clips": clips}, config)
    texts = [row["text"] for table, row in done.rows if table in screening.TEXTS and row.get("kept", True)]
    try:
        before = [*video["texts"], *(text for source in video["sources"] for text in source["texts"])]
        _decide(done, video, [*before, *texts], config, store)
    except screening.Denied as denied:
        done.gone += screening.refused(denied.rows)["gone"]
    _hush(done, video_id, store)
    return done


def _scores(
    scorer: Scorer | None, key: str, answers: Sequence[Mapping[str, Any]], video_id: str, store: Store
) -> list[dict[str, Any]]:
    """Of each answer about a chunk its score, or why it has none; None where nobody scores."""
    if scorer is None:
        return [{"score": None}] * len(answers)
    found: list[dict[str, Any]] = kept(store, SCORE, describing.score_key(key, answers, scorer), video_id)["scores"]
    return found


def _error(model: Named | None, told: Mapping[str, Any]) -> ElementError | None:
    if model is None or "error_class" not in told:
        return None
    error = ElementError(told["error_class"], f"{model.name} {model.model}: {told['message']}")
    error.attempts = told["attempts"]
    return error


def _caption(
    done: Finished, video_id: str, captioner: ModelCaptioner, answer: Mapping[str, Any], config: Config
) -> None:
    known = {name: answer[name] for name in ("kind", "text", "flags", "score", "transcript", "clips")}
    found = checked(Caption(**known, windows=answer["window_texts"]), config.checks)
    clip = {"clip_id": answer["clip_id"], "video_id": video_id}
    row = caption_row(
        captioner,
        clip,
        answer["kind"],
        answer["text"],
        settings=describing.caption_settings(captioner, config),
        language=found.language,
        kept=not found.reasons,
        reasons=list(found.reasons),
        flags=list(found.flags),
        **{name: answer[name] for name in _AS_ANSWERED},
    )
    done.rows.append(("captions", row))
    done.scopes.append(("captions", video_id, tuple(row[name] for name in CaptionRow.scope), 1))
    done.counts["captions.answered"] += 1


def _transcript(done: Finished, video_id: str, recogniser: Recogniser, told: Mapping[str, Any]) -> None:
    if wrong := _error(recogniser, told):
        done.refused.append(Refused(SPEECH, video_id, wrong))
        return
    signed: dict[str, Any] = {"video_id": video_id, "recogniser": recogniser.name, "model": recogniser.model}
    utterances = [_utterance(signed, number, one) for number, one in enumerate(told["utterances"])]
    shares: Mapping[str, float] = told["shares"]
    row = TranscriptRow(
        **signed,
        revision=recogniser.revision,
        settings=settings_json(recogniser.settings),
        seconds=told["seconds"],
        language=told["language"] or None,
        language_probability=told["language_probability"] if told["language"] else None,
        utterances=len(utterances),
        words=sum(len(one["words"] or ()) for one in utterances),
        speech_share=shares["speech"],
        music_share=shares["music"],
        noise_share=shares["noise"],
        silence_share=shares["silence"],
    )
    scope = tuple(signed.values())
    done.rows += [("transcripts", to_dict(row)), *(("utterances", one) for one in utterances)]
    done.scopes += [("transcripts", video_id, scope, 1), ("utterances", video_id, scope, len(utterances))]
    done.counts["transcripts.answered"] += 1


def _utterance(signed: Mapping[str, Any], number: int, said: Mapping[str, Any]) -> Row:
    same = ("text", "words", "word_starts", "word_ends", "word_probabilities", "log_probability", "no_speech")
    row = UtteranceRow(
        **signed,
        number=number,
        start_seconds=said["start"],
        end_seconds=said["end"],
        language=said["language"] or None,
        compression=said["compression"],
        flags=list(said["flags"]),
        **{name: said[name] for name in same},
    )
    return to_dict(row)


def _decide(done: Finished, video: Mapping[str, Any], texts: Sequence[str], config: Config, store: Store) -> None:
    """Decide anew on every source of a video whose texts name something; the rows of sources that waited go on.

    Raises:
        Denied: One may not be used to train.
    """
    video_id = video["video"]["video_id"]
    named = naming(texts, config)
    denied: screening.Denied | None = None
    for source in video["sources"]:
        if not named:
            done.add(source)
            continue
        ref = SourceRef(**source["ref"])
        try:
            heard = [asking.signal(one) for one in source["said"]]
            verdicts = screening.decided(ref, video_id, config, store, texts, heard)
        except screening.Denied as error:
            done.add(screening.refused(error.rows, source["said"], config.signals.signals))
            done.counts["sources.out"] -= 1  # It was counted when it was read.
            denied = error
        else:
            done.add({**source, "rows": _with_verdicts(source["rows"], verdicts)})
    if not video["sources"]:
        for verdicts in decided_again(video_id, texts, config, store):
            uri = verdicts[0]["subject"]
            done.rows += [("verdicts", row) for row in verdicts]
            done.scopes.append(("verdicts", uri, (uri,), len(verdicts)))
    if denied:
        raise denied


def _with_verdicts(rows: Iterable[tuple[str, Row]], verdicts: Sequence[Row]) -> Made:
    return [*((table, row) for table, row in rows if table != "verdicts"), *(("verdicts", row) for row in verdicts)]


def naming(texts: Sequence[str], config: Config) -> set[str]:
    """Those of some texts in which anything is named of the registry that a job screens with."""
    screen = screening.screen(config)
    return screen.naming(texts) if screen and texts else set()


def decided_again(video_id: str, texts: Sequence[str], config: Config, store: Store) -> Iterator[screening.Rows]:
    """What is decided of each committed source of a video, where what is said of it names something.

    Raises:
        Denied: One may not be used to train.
    """
    if not naming(texts, config):
        return
    import pyarrow.dataset as ds  # Tables are large, and few tasks read one.

    from transforms import tables

    corpus, here = tables.open_corpus(store.root), ds.field("video_id") == video_id
    said = tables.read(corpus, "rights_signals", where=here).to_pylist()
    for row in tables.read(corpus, "sources", where=here).to_pylist(maps_as_pydicts="strict"):
        source = SourceRef(uri=row["uri"], metadata=row["metadata"] or {})
        heard = [asking.signal(one) for one in said if one["subject"] == row["uri"]]
        yield screening.decided(source, video_id, config, store, texts, heard)


def _hush(done: Finished, video_id: str, store: Store) -> None:
    """Take every text away again, old and new, where the video is gone or may not be captioned."""
    if not done.gone and not screening.silenced(store, video_id):
        return
    for table in ("captions", "transcripts"):
        done.counts[f"{table}.withheld"] += done.counts.pop(f"{table}.answered", 0)
    done.rows = [one for one in done.rows if one[0] not in screening.SPOKEN]
    done.scopes = [one for one in done.scopes if one[0] not in screening.SPOKEN]
    done.gone = sorted({*done.gone, *((table, video_id) for table in screening.SPOKEN)})
