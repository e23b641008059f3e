"""Mixing: of each clip either the text that came with its footage, or the caption that was made for it.

A model that is trained on captions of one model alone learns that model's habits, and does not know how people write;
so a share of its texts stays as people wrote them. DALL-E 3 took 5 to 95 (Betker et al., 2023, "Improving Image
Generation with Better Captions"), Stable Diffusion 3 half and half (Esser et al., 2024).

The choice of a clip is a hash of the seed and its id: it is the same whatever else is in the corpus, in any order,
snapshot and format, and a larger share of originals turns some clips to theirs and none away. What a row holds stands
in `caption_from`, and what was asked for and came of it in the table's metadata.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

import pyarrow as pa

from transforms.settings import ConfigError

ORIGINAL: Final = "original"
SYNTHETIC: Final = "synthetic"

COLUMNS: Final = ("caption", "text", "alt", "description", "title")
"""Columns of source lists that are looked in for an original text: from what is said of the picture to what is said of
the whole film. Capitals do not count: LAION has `TEXT`, InternVid `Caption`."""

LONGEST: Final = 2000
"""Characters of an original text; what is longer is cut at a word. Text encoders read 512 tokens at most (Wan 2.1
`text_len`), of about four characters each in English."""

KEY: Final = "rushes.mix"
"""Where the record of a mix stands in the metadata of its table."""

_SHARE: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# What turns the direction of writing or is not seen at all (Unicode TR 36); joiners stay, scripts and emoji need them.
_UNSEEN: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mix:
    """How captions are chosen.

    Attributes:
        original: Weight of the texts that came with the footage, >= 0.
        synthetic: Weight of the captions that were made, >= 0; not both are 0.
        seed: Another one chooses other clips.
        columns: Columns of source lists that hold original texts, the first that has one wins.
    """

    original: Fraction
    synthetic: Fraction
    seed: int = 0
    columns: tuple[str, ...] = COLUMNS


def parse(weights: str, seed: int | None = None, columns: str | None = None) -> Mix:
    """A mix as a command line says it: `5:95`, and column names between commas.

    Raises:
        ConfigError: The weights are no two numbers >= 0 of which one is more, or no column is named.
    """
    shares = [Fraction(one) for one in weights.split(":") if _SHARE.fullmatch(one)]
    if weights.count(":") != 1 or len(shares) != 2 or not any(shares):
        raise ConfigError(
            f"--mix {weights}: give ORIGINAL:SYNTHETIC, two numbers from 0 that are not both 0, for example 5:95"
        )
    names = COLUMNS if columns is None else tuple(name.strip() for name in columns.split(",") if name.strip())
    if not names:
        raise ConfigError("--original: name the columns of source lists to look in, for example caption,title")
    return Mix(original=shares[0], synthetic=shares[1], seed=seed or 0, columns=names)


def is_original(mix: Mix, clip_ids: Sequence[str]) -> list[bool]:
    """Of each clip whether it is to have its original text."""
    bar = math.ceil(2**64 * mix.original / (mix.original + mix.synthetic))
    drawn = (hashlib.sha256(f"{mix.seed}:{clip}".encode()).digest()[:8] for clip in clip_ids)
    return [int.from_bytes(one) < bar for one in drawn]


def clean(text: str) -> str:
    """A text of others as one line of at most `LONGEST` characters.

    Control characters become spaces, signs that nobody sees go, and white space is one space. Markup stays as it is:
    `<` is more often a heart or a comparison than a tag, and nothing here shows it as HTML.
    """
    line = " ".join(_UNSEEN.sub("", _CONTROL.sub(" ", text)).split())
    return line if len(line) <= LONGEST else line[: LONGEST + 1].rpartition(" ")[0] or line[:LONGEST]


def originals(sources: pa.Table, columns: Sequence[str]) -> dict[str, str]:
    """The original text of each video that has one.

    A column that is named earlier wins, then the source that comes first by name.

    Args:
        sources: `uri`, `video_id` and `metadata` of the table `sources`.
        columns: Columns of source lists, in any capitals.
    """
    ranks = {name.casefold(): rank for rank, name in enumerate(columns)}
    found: dict[str, tuple[int, str]] = {}
    rows = sources.sort_by("uri")
    for video, said in zip(rows.column("video_id").to_pylist(), rows.column("metadata").to_pylist(), strict=True):
        for name, value in said or ():
            rank = ranks.get(name.strip().casefold(), len(columns))
            if rank < found.get(video, (len(columns), ""))[0] and (text := clean(value)):
                found[video] = (rank, text)
    return {video: text for video, (_, text) in found.items()}


def mixed(table: pa.Table, mix: Mix, about: Mapping[str, Any]) -> pa.Table:
    """A table in which `caption` is the text that was chosen.

    A clip without the text that was chosen for it has the other; one that has neither has none. `original` goes,
    `caption_from` comes: `original`, `synthetic`, or null where there is no text. `captioner` and `caption_model` are
    null where it is not synthetic.

    Args:
        table: `clip_id`, `caption`, `captioner`, `caption_model`, `original` and any others.
        mix: What is wanted.
        about: What else the record is to say: the table and its snapshot.

    Returns:
        The table, with its record as JSON in the metadata under `KEY`: what was asked for, `rows` of each kind (`none`
        has no text), and of these under `instead` how many had no text of the kind that was chosen.
    """
    drawn = is_original(mix, table.column("clip_id").to_pylist())
    texts = zip(table.column("original").to_pylist(), table.column("caption").to_pylist(), strict=True)
    chosen: list[tuple[str | None, str | None]] = []
    instead = {ORIGINAL: 0, SYNTHETIC: 0}
    for wanted, (original, caption) in zip(drawn, texts, strict=True):
        sides = [(ORIGINAL, original), (SYNTHETIC, caption)]
        first, second = sides if wanted else reversed(sides)
        chosen.append(first if first[1] else second if second[1] else (None, None))
        instead[second[0]] += chosen[-1] == second
    kinds = [kind for kind, _ in chosen]
    columns = {name: table.column(name) for name in table.column_names if name != "original"}
    columns["caption"] = pa.array([text for _, text in chosen], pa.string())
    for name in ("captioner", "caption_model"):
        said = zip(columns.pop(name).to_pylist(), kinds, strict=True)
        columns[name] = pa.array([value if kind == SYNTHETIC else None for value, kind in said], pa.string())
    columns["caption_from"] = pa.array(kinds, pa.string())
    told = {
        **about,
        "weights": {ORIGINAL: _number(mix.original), SYNTHETIC: _number(mix.synthetic)},
        "seed": mix.seed,
        "columns": list(mix.columns),
        "rows": {**{kind: kinds.count(kind) for kind in (ORIGINAL, SYNTHETIC)}, "none": kinds.count(None)},
        "instead": instead,
    }
    return pa.table(columns).replace_schema_metadata({KEY: json.dumps(told, ensure_ascii=False)})


def _number(weight: Fraction) -> int | float:
    return weight.numerator if weight.denominator == 1 else float(weight)


def record(table: pa.Table) -> dict[str, Any] | None:
    """The record of a table that `mixed` made, None of any other."""
    said = (table.schema.metadata or {}).get(KEY.encode())
    return None if said is None else dict(json.loads(said))
