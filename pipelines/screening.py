"""Screening in the jobs: by name before a byte is read, by bytes before a picture is decoded, again once texts exist.

What is denied leaves its verdicts, which say why, and where its bytes are known a mark in the store, keyed by video and
source, so that the same bytes from elsewhere are refused too. Every run decides anew, so a list that changed takes
effect with the next run over the same sources. Nothing here imports Beam.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from filters.rights.precedence import VERDICTS
from filters.rights.records import USES
from pipelines.config import CaptionSettings, Config
from transforms import storage
from transforms.records import to_dict
from transforms.sources import SourceRef
from transforms.store import Store, digest

if TYPE_CHECKING:  # Opening a registry loads much that a child without one never needs.
    from filters.rights.screening import Screen, Subject
    from filters.rights.signals.signal import Signal

MARK = "refused_use"
"""The step under which the store keeps marks of refused sources; `gc` leaves them."""

SAID_INSIDE = "said_inside"
"""The step under which it keeps what files say of their rights."""

TEXTS = ("captions", "utterances")
"""Tables whose `text` may name something in the registry."""

SPOKEN = ("captions", "transcripts", "utterances")
"""Tables that hold nothing of a video that may not be captioned."""

FOOTAGE = ("videos", "clips", *SPOKEN)
"""Tables that hold what was learnt from a video's pictures and sound."""

Rows = list[dict[str, Any]]


class Denied(Exception):
    """A source may not be used to train: nothing of it is read, measured or kept.

    Attributes:
        rows: Its rows of `verdicts`.
    """

    def __init__(self, rows: Rows) -> None:
        super().__init__("denied")
        self.rows = rows


@functools.lru_cache(2)
def screen(config: Config) -> Screen | None:
    """The registry that a job screens with, opened once a process; None where it screens with none."""
    if config.rights.rights is None:
        return None
    from filters.rights.screening import Screen

    return Screen(config.rights)


def subject(
    source: SourceRef, video_id: str | None, texts: Iterable[str] = (), signals: Iterable[Signal] = ()
) -> Subject:
    """A source as it is screened."""
    from filters.rights.screening import Subject

    return Subject(source.uri, dict(source.metadata), video_id, tuple(texts), tuple(signals))


def is_denied(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a source may not be used to train."""
    return any(row["use"] == "train" and row["verdict"] == "deny" for row in rows)


def texts_of(stored: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """What is written about a video and said in it, from rows by table."""
    return [row["text"] for table in TEXTS for row in stored[table]]


def decided(
    source: SourceRef,
    video_id: str | None,
    config: Config,
    store: Store,
    texts: Sequence[str] = (),
    signals: Sequence[Signal] = (),
) -> Rows:
    """The verdicts of a source, with what was said of other sources of the same bytes.

    Args:
        source: The source.
        video_id: SHA-256 of its bytes; None where they were not read.
        config: The job's configuration.
        store: Where refusals are marked.
        texts: What captions and transcripts say.
        signals: What machine-readable signals say.

    Returns:
        A row a use; none where the job screens with no registry.

    Raises:
        Denied: It may not be used to train.
        RegistryError: The registry cannot be read.
    """
    opened = screen(config)
    if opened is None:
        return []
    rows = [to_dict(row) for row in opened.rows(subject(source, video_id, texts, signals))]
    if video_id is not None:
        mark(store, video_id, rows)
        rows = strictest(rows, [m for m in marks(store, video_id) if m[0]["subject"] != rows[0]["subject"]])
    if is_denied(rows):
        raise Denied(rows)
    return rows


def refused(verdicts: Rows, said: Sequence[dict[str, Any]] = (), asked: bool = False) -> dict[str, Any]:
    """What the task of a denied source gives: its verdicts and signals, and that nothing of it or its video stays."""
    uri, video_id = verdicts[0]["subject"], verdicts[0]["video_id"]
    scopes = [("sources", uri, (uri,), 0), ("verdicts", uri, (uri,), len(verdicts))]
    return {
        "rows": [*(("verdicts", row) for row in verdicts), *(("rights_signals", row) for row in said)],
        "scopes": [*scopes, *([("rights_signals", uri, (uri,), len(said))] if asked else [])],
        "gone": [(table, video_id) for table in FOOTAGE if video_id],
    }


def strictest(own: Rows, others: Iterable[Rows]) -> Rows:
    """A source's verdicts, or where another source of the same bytes has a stricter one, that one with its reasons.

    What keeps one of them out keeps out all, and what is known of how one was made is known of all.
    """
    found = {row["use"]: row for row in own}
    for rows in others:
        for row in rows:
            mine = found[row["use"]]
            stricter = VERDICTS.index(row["verdict"]) < VERDICTS.index(mine["verdict"])
            bars = bool(row["kept_out"]) and not mine["kept_out"]
            origin = mine.get("origin") or row.get("origin")
            found[row["use"]] = both = {**mine, "kept_out": mine["kept_out"] or row["kept_out"], "origin": origin}
            words = [f"{text} (said of {row['subject']}, the same bytes)" for text in row["words"] or ()]
            if stricter:
                both |= {name: row[name] for name in ("verdict", "entries", "matches", "not_checked")}
                both["words"] = [*words, *(mine["words"] if mine["kept_out"] and not row["kept_out"] else ())]
            elif bars:
                both["entries"] = sorted({*(mine["entries"] or ()), *(row["entries"] or ())})
                both["words"] = [*(mine["words"] or ()), *words]
    return [found[use] for use in USES]


def _mark_key(video_id: str, uri: str) -> str:
    return video_id[:2] + digest([video_id, uri])[2:]


def mark(store: Store, video_id: str, rows: Rows, by_name: bool = False) -> None:
    """Mark a video as refused by what was said of one of its sources, or take that source's mark away.

    Args:
        store: Where marks are.
        video_id: The video.
        rows: The source's verdicts.
        by_name: They were decided without asking for signals: what was heard before stays, unless this is stricter.
    """
    key = _mark_key(video_id, rows[0]["subject"])
    there = store.get(MARK, key, video_id)
    if by_name and there is not None:
        # What the registry said is known anew; signals stand as entries `g-...`, or as what could not be checked.
        heard = {
            row["use"]: row
            for row in there["rows"]
            if row["kept_out"] and (row["verdict"] == "unknown" or any(e.startswith("g-") for e in row["entries"]))
        }
        order = VERDICTS.index
        rows = [
            old if (old := heard.get(row["use"])) and order(old["verdict"]) <= order(row["verdict"]) else row
            for row in rows
        ]
    wanted = {"rows": rows} if any(row["kept_out"] and row["use"] in ("train", "caption") for row in rows) else None
    if there is not None and there != wanted:
        store.drop(MARK, key, video_id)
    if wanted is not None and there != wanted:
        store.put(MARK, key, video_id, wanted)


def marks(store: Store, video_id: str) -> list[Rows]:
    """The verdicts of every refused source of a video."""
    keys = sorted(k for k, video in store.listing(MARK, video_id[:2]).items() if video == video_id)
    found = (store.get(MARK, key, video_id) for key in keys)
    return [one["rows"] for one in found if one is not None]


def marked(store: Store) -> frozenset[str]:
    """Every video that is marked, from one listing."""
    names = (stat.uri.rpartition("/")[2].split(".") for stat in storage.find(store.uri(f"store/{MARK}")))
    return frozenset(parts[1] for parts in names if parts[-1] == "json")


def silenced(store: Store, video_id: str) -> bool:
    """Whether a source of a video's bytes keeps it from being captioned."""
    return any(row["use"] == "caption" and row["kept_out"] for rows in marks(store, video_id) for row in rows)


def captioned(config: Config, store: Store, video_id: str) -> Config:
    """The configuration for a video: without captioners and recogniser where it may not be captioned."""
    silent = silenced(store, video_id)
    return dataclasses.replace(config, captions=CaptionSettings(captioner=())) if silent else config


def sweep(store: Store, videos: Iterable[str]) -> int:
    """Remove everything that the store holds of some videos but what was said of them; how many files went.

    Reads the store's listing once, whatever the number of videos.
    """
    gone, count = set(videos), 0
    if not gone:
        return 0
    root = store.uri("store")
    files = [stat.uri for stat in storage.find(root)]
    places = [uri[len(root) :].strip("/").split("/") for uri in files]
    keys = set()
    for step, _, name, *inside in places:
        key, _, rest = name.partition(".")
        if not inside and rest.removesuffix(".json") in gone and step not in (MARK, SAID_INSIDE, "source"):
            keys.add((step, key))
    for uri, (step, _, name, *_inside) in zip(files, places, strict=True):
        if (step, name.partition(".")[0]) in keys:
            storage.delete(uri)
            count += 1
    return count
