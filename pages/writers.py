"""Writers: what two captioners wrote, in numbers, and where they agree.

Captions are read bucket by bucket, so that memory is that of one bucket of the table and a few numbers a clip. Every
number is of all captions; clips that are to be looked at are samples, the same ones every time. Captions of videos that
a verdict keeps from being trained on or captioned count nowhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from captioning.agreement import GROUPS, agreement, conflicts, told
from captioning.checks import words
from transforms import tables, views
from transforms.settings import ConfigError

Floats = npt.NDArray[np.float64]

DIGITS: Final = 3
"""Scores that are the same to so many digits are a tie."""

_OF_WRITER: Final = ("captioner", "model", "prompt_version")
_SAID: Final = ("clip_id", "video_id", "text", "kept", "reasons", "flags", "score")
_SIGNED: Final = ("revision", "settings")
_SUMMED: Final = ("tokens_in", "tokens_out", "cost")


class Writer(NamedTuple):
    """Who wrote captions of one kind: columns of `captions`."""

    captioner: str
    model: str
    prompt_version: str

    def __str__(self) -> str:
        return f"{self.captioner}:{self.model}" + (f"@{self.prompt_version}" if self.prompt_version else "")

    @property
    def names(self) -> frozenset[str]:
        """What it may be called, if nobody else is called so."""
        models = {self.captioner, f"{self.captioner}:{self.model}"}
        return frozenset(models | {f"{name}@{self.prompt_version}" for name in models})


def writers(corpus: tables.Corpus, kind: str, number: int | None = None) -> list[Writer]:
    """Everyone who wrote captions of a kind, in order of their names.

    Raises:
        ConfigError: No such snapshot, or its parts are gone.
    """
    found: set[Writer] = set()
    with parts_there():
        captions = tables.dataset(corpus, "captions", number)
        for batch in captions.to_batches(columns=list(_OF_WRITER), filter=ds.field("kind") == kind):
            distinct = pa.Table.from_batches([batch]).group_by(list(_OF_WRITER)).aggregate([])
            found.update(Writer(**row) for row in distinct.to_pylist())
    return sorted(found)


@contextlib.contextmanager
def parts_there() -> Iterator[None]:
    """While captions are read: a part that is gone becomes a ConfigError."""
    try:
        yield
    except FileNotFoundError as error:
        raise ConfigError(
            f"captions: a part of this snapshot is gone ({error.filename or error}); `gc` removes those of older ones"
        ) from error


class Side:
    """What one of the two wrote.

    Attributes:
        captions: Captions.
        kept: Those that no check dropped.
        flags: Captions by flag.
        reasons: Dropped captions by reason.
        languages: Captions by language.
        signed: Captions by `revision`, and by `settings`.
        vocabulary: Distinct words but those of grammar.
    """

    def __init__(self) -> None:
        self.captions = self.kept = 0
        self.flags, self.reasons, self.languages = Counter[str](), Counter[str](), Counter[str]()
        self.signed = {name: Counter[str]() for name in _SIGNED}
        self.vocabulary: set[str] = set()
        self._sums = dict.fromkeys(_SUMMED, (0.0, 0))
        self._texts, self._words, self._scores = array("Q"), array("L"), array("d")

    def add(self, rows: pa.Table) -> None:
        """Count rows of `captions`; their texts are counted by `read`."""
        self.captions += rows.num_rows
        self.kept += pc.sum(pc.fill_null(rows["kept"], True)).as_py() or 0
        for counter, values in (
            (self.flags, pc.list_flatten(rows["flags"])),
            (self.reasons, pc.list_flatten(rows["reasons"])),
            (self.languages, rows["language"].drop_null()),
            *((counter, rows[name]) for name, counter in self.signed.items()),
        ):
            counter.update({one["values"]: one["counts"] for one in pc.value_counts(values).to_pylist()})
        for name, (total, there) in self._sums.items():
            known = rows[name].drop_null()
            self._sums[name] = total + (pc.sum(known).as_py() or 0.0), there + len(known)
        self._scores.extend(rows["score"].drop_null().to_pylist())

    def read(self, text: str) -> Counter[str]:
        """Count a text; what it tells."""
        said, found = words(text), told(text)
        self._words.append(len(said))
        self._texts.append(_digest(" ".join(said)))
        self.vocabulary.update(found)
        return found

    @property
    def words(self) -> Floats:
        """Words of every caption."""
        return np.asarray(self._words, np.float64)

    @property
    def scores(self) -> Floats:
        """Scores of the captions that have one."""
        return np.asarray(self._scores, np.float64)

    @property
    def texts(self) -> int:
        """Distinct texts."""
        return len(np.unique(np.asarray(self._texts, np.uint64)))

    def mean(self, name: str) -> float | None:
        """The mean of `tokens_in`, `tokens_out` or `cost`, where it is known; None where it never is."""
        total, there = self._sums[name]
        return total / there if there else None


class _Pair(NamedTuple):
    """A clip with a caption of each: its lot, the places of both rows, their agreement, the groups of their conflicts,
    and how much higher the first scores, where both have a score."""

    lot: int
    at: int
    beside: int
    agreement: float
    conflicts: tuple[str, ...]
    higher: float | None


_SMALLEST: Final[Mapping[str, Callable[[_Pair], float | None]]] = {
    "least": lambda pair: pair.agreement,
    "score": lambda pair: None if pair.higher is None else -abs(pair.higher),
    "random": lambda pair: 0.0,
}
ORDERS: Final = tuple(_SMALLEST)
"""Samples of clips: those that agree least, those whose scores differ most, and any. Among equals the lot decides."""


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class Shown(NamedTuple):
    """One clip of a sample: its captions as rows of `captions`, and their agreement, 0 to 1."""

    rows: tuple[dict[str, Any], dict[str, Any]]
    agreement: float


class Compared(NamedTuple):
    """Two captioners, compared over all clips.

    Attributes:
        sides: What each wrote.
        withheld: Captions of both that rights keep out.
        agreement: Of every clip with a caption of each, 0 to 1.
        conflicts: Clips by the group in which their captions conflict.
        higher: Clips where the first scores higher, where they tie, and where the second does.
        samples: Some clips in each of `ORDERS`.
    """

    sides: tuple[Side, Side]
    withheld: int
    agreement: Floats
    conflicts: Mapping[str, int]
    higher: tuple[int, int, int]
    samples: Mapping[str, Sequence[Shown]]


def compare(
    corpus: tables.Corpus, kind: str, pair: tuple[Writer, Writer], clips: int, seed: int, number: int | None = None
) -> Compared:
    """Hold the captions of two against each other.

    Args:
        corpus: The output folder.
        kind: Kind of caption.
        pair: The two.
        clips: Clips of a sample, at most.
        seed: Decides which ones, among equals.
        number: The snapshot; None is the latest.

    Raises:
        ConfigError: No such snapshot, or its parts are gone.
    """
    sides, agreed, withheld = (Side(), Side()), array("d"), 0
    conflicting, higher = Counter[str](), Counter[int]()
    samples: dict[str, list[tuple[float, int, Shown]]] = {name: [] for name in ORDERS}
    let = views.described(corpus, number)
    for bucket in _buckets(corpus, kind, pair, number):
        rows = bucket.filter(pc.is_in(bucket["video_id"], value_set=let))
        withheld += bucket.num_rows - rows.num_rows
        one, other = (rows.filter(_by(writer)) for writer in pair)
        sides[0].add(one)
        sides[1].add(other)
        pairs = list(_pairs(one, other, sides, seed))
        agreed.extend(found.agreement for found in pairs)
        conflicting.update(group for found in pairs for group in found.conflicts)
        higher.update((found.higher > 0) - (found.higher < 0) for found in pairs if found.higher is not None)
        for name, value_of in _SMALLEST.items():
            ranked = ((value_of(found), found) for found in pairs)
            few = heapq.nsmallest(clips, ((value, found.lot, found) for value, found in ranked if value is not None))
            new = [
                (value, lot, Shown((_row(one, found.at), _row(other, found.beside)), found.agreement))
                for value, lot, found in few
            ]
            samples[name] = heapq.nsmallest(clips, [*samples[name], *new], key=lambda shown: shown[:2])
    return Compared(
        sides,
        withheld,
        np.asarray(agreed, np.float64),
        {group: conflicting[group] for group in GROUPS},
        (higher[1], higher[0], higher[-1]),
        {name: [shown for _, _, shown in found] for name, found in samples.items()},
    )


def _pairs(one: pa.Table, other: pa.Table, sides: tuple[Side, Side], seed: int) -> Iterator[_Pair]:
    """Read the texts of both; the clips with both."""
    texts, scores = ([mine[name].to_pylist() for mine in (one, other)] for name in ("text", "score"))
    places = {clip_id: place for place, clip_id in enumerate(other["clip_id"].to_pylist())}
    for at, clip_id in enumerate(one["clip_id"].to_pylist()):
        tells = sides[0].read(texts[0][at])
        if (beside := places.pop(clip_id, None)) is None:
            continue
        tells_too = sides[1].read(texts[1][beside])
        groups = tuple(found.group for found in conflicts(tells, tells_too))
        mine, theirs = scores[0][at], scores[1][beside]
        higher = None if mine is None or theirs is None else round(mine, DIGITS) - round(theirs, DIGITS)
        yield _Pair(_digest(f"{seed} {clip_id}"), at, beside, agreement(tells, tells_too), groups, higher)
    for beside in places.values():
        sides[1].read(texts[1][beside])


def _row(rows: pa.Table, at: int) -> dict[str, Any]:
    row: dict[str, Any] = rows.slice(at, 1).to_pylist()[0]
    return row


def _by(writer: Writer) -> ds.Expression:
    captioner, model, prompt = (ds.field(name) == value for name, value in zip(_OF_WRITER, writer, strict=True))
    return captioner & model & prompt


def _buckets(corpus: tables.Corpus, kind: str, pair: tuple[Writer, Writer], number: int | None) -> Iterator[pa.Table]:
    """The captions of two, bucket by bucket: a clip's are all in the one of its video."""
    parts: dict[str, list[Any]] = {}
    with parts_there():
        every = tables.dataset(corpus, "captions", number)
        for part in every.get_fragments():
            parts.setdefault(part.path.partition("/")[0], []).append(part)
        where = (ds.field("kind") == kind) & (_by(pair[0]) | _by(pair[1]))
        for _, mine in sorted(parts.items()):
            bucket = ds.FileSystemDataset(mine, every.schema, every.format, every.filesystem)
            yield bucket.to_table(columns=[*_OF_WRITER, *_SAID, "language", *_SIGNED, *_SUMMED], filter=where)
