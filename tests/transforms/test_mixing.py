"""Mixing: which text a clip gets, whatever is around it, and what a text of others may hold."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transforms import mixing
from transforms.mixing import Mix
from transforms.settings import ConfigError

IDS = [f"{number:032x}" for number in range(20_000)]

FIXED = {0: [0, 1, 3, 5, 8, 10, 11], 1: [1, 3, 4, 6, 7, 8, 9, 10]}
"""By seed, the clips among `clip0` to `clip11` whose SHA-256 of `SEED:CLIP` begins with a bit that is 0."""


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ("5:95", "1/20"),
        ("1:19", "1/20"),
        ("0.05:0.95", "1/20"),
        ("1:4", "1/5"),
        ("50:50", "1/2"),
        ("0:1", "0"),
        ("3:0", "1"),
        ("0.000000001:999999999", "1/999999999000000001"),
    ],
)
def test_weights_are_shares_exactly(weights, share):
    mix = mixing.parse(weights)
    assert mix.original / (mix.original + mix.synthetic) == Fraction(share)
    assert (mix.seed, mix.columns) == (0, mixing.COLUMNS)


NO_WEIGHTS = ("", "5", ":", "5:", ":5", "5:95:1", "0:0", "0.0:0", "-1:2", "1:-2", "5: 95")
ODD_NUMBERS = ("nan:1", "inf:1", "1e3:1", "1/2:1", "a:b", "1:2%", "٥:٩", "1:9999999999")


@pytest.mark.parametrize("weights", [*NO_WEIGHTS, *ODD_NUMBERS])
def test_weights_that_are_none_name_the_option_and_what_to_write(weights):
    with pytest.raises(ConfigError) as caught:
        mixing.parse(weights)
    assert str(caught.value).startswith(f"--mix {weights}: give ORIGINAL:SYNTHETIC")
    assert str(caught.value).endswith("for example 5:95")


def test_columns_are_names_between_commas():
    assert mixing.parse("1:1", 7, " title, Alt Text,").columns == ("title", "Alt Text")
    with pytest.raises(ConfigError, match="--original: name the columns"):
        mixing.parse("1:1", 7, " ,")


def chosen(mix: Mix, ids: list[str]) -> set[str]:
    """The clips that are to have their original text."""
    return {clip for clip, is_ours in zip(ids, mixing.is_original(mix, ids), strict=True) if is_ours}


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 2**40))
def test_shares_are_as_asked_for(original, synthetic, seed):
    assume(original + synthetic)
    share = original / (original + synthetic)
    error = math.sqrt(share * (1 - share) / 2000)
    found = len(chosen(Mix(original=Fraction(original), synthetic=Fraction(synthetic), seed=seed), IDS[:2000])) / 2000
    assert abs(found - share) <= 5.5 * error, "a chance of one in ten million"


def test_five_to_ninety_five_is_five_in_a_hundred():
    found = chosen(mixing.parse("5:95"), IDS)
    assert abs(len(found) / len(IDS) - 0.05) < 0.005
    assert found == chosen(mixing.parse("1:19"), IDS)
    assert chosen(mixing.parse("0:1"), IDS) == set()
    assert chosen(mixing.parse("1:0"), IDS) == set(IDS)


@pytest.mark.parametrize("seed", FIXED)
def test_the_choice_is_the_same_for_good(seed):
    found = chosen(mixing.parse("1:1", seed), [f"clip{number}" for number in range(12)])
    assert found == {f"clip{number}" for number in FIXED[seed]}


@given(st.sets(st.text(), max_size=30), st.sets(st.text(), max_size=30), st.randoms(), st.integers())
def test_a_clip_chooses_for_itself(some, others, random, seed):
    mix = Mix(original=Fraction(1), synthetic=Fraction(2), seed=seed)
    every = sorted(some | others)
    random.shuffle(every)
    assert chosen(mix, every) & some == chosen(mix, sorted(some))


@given(st.fractions(0, 1), st.fractions(0, 1), st.integers(0, 99))
def test_a_larger_share_turns_some_clips_and_none_back(one, other, seed):
    less, more = sorted((one, other))
    few, many = (chosen(Mix(original=s, synthetic=1 - s, seed=seed), IDS[:300]) for s in (less, more))
    assert few <= many


def test_another_seed_chooses_others():
    first, second = (chosen(mixing.parse("1:1", seed), IDS[:1000]) for seed in (0, 1))
    assert 400 < len(first ^ second) < 600, "as two coins"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A red car", "A red car"),
        ("  two\n\n lines\tand\u00a0more \r\n", "two lines and more"),
        ("bell\x07and\x00null\x9b31mred\x1b[0m", "bell and null 31mred [0m"),
        ("\u202eright to left\u202c and \u2066isolated\u2069", "right to left and isolated"),
        ("\ufeffmark", "mark"),
        ("hid\U000e0068\U000e0069den", "hidden"),
        ("zero\u200bwidth", "zerowidth"),
        ("a family 👨‍👩‍👧 می‌خواهم", "a family 👨‍👩‍👧 می‌خواهم"),
        ("I <3 this <b>film</b> &amp; more", "I <3 this <b>film</b> &amp; more"),
        ("=1+1", "=1+1"),
        ("\u2028\u3000", ""),
        ("\x00\u200b", ""),
        ("", ""),
        ("x" * 2000, "x" * 2000),
        ("x" * 2001, "x" * 2000),
        ("word " * 500, "word " * 399 + "word"),
        ("a " + "x" * 3000, "a"),
    ],
)
def test_a_text_of_others_is_one_line_of_what_can_be_seen(text, line):
    assert mixing.clean(text) == line


@given(st.text(max_size=60) | st.text(st.sampled_from("ab \n\u200b"), min_size=1990, max_size=2030))
def test_clean_is_short_plain_and_done_at_once(text):
    line = mixing.clean(text)
    assert len(line) <= mixing.LONGEST
    assert not any(c < " " or "\x7f" <= c <= "\x9f" for c in line)
    assert line == " ".join(line.split()) == mixing.clean(line)


def listed(*rows: tuple[str, str, dict[str, str] | None]) -> pa.Table:
    names = ("uri", "video_id", "metadata")
    types = (pa.string(), pa.string(), pa.map_(pa.string(), pa.string()))
    arrays = [
        pa.array([list(v.items()) if isinstance(v, dict) else v for v in column], kind)
        for column, kind in zip(zip(*rows, strict=True), types, strict=True)
    ]
    return pa.table(dict(zip(names, arrays, strict=True)))


def test_the_first_column_that_has_a_text_wins_and_then_the_first_source():
    table = listed(
        ("b.mp4", "v1", {"title": "from b", "caption": " "}),
        ("a.mp4", "v1", {"title": "from a", "licence": "CC0"}),
        ("d.mp4", "v2", {"TITLE ": "a film", "Description": "what it is about"}),
        ("c.mp4", "v2", {"title": "another film"}),
        ("e.mp4", "v3", {"licence": "CC0", "description": "\x00"}),
        ("f.mp4", "v4", None),
    )
    assert mixing.originals(table, mixing.COLUMNS) == {"v1": "from a", "v2": "what it is about"}
    assert mixing.originals(table, ("Title", "description")) == {"v1": "from a", "v2": "another film"}
    assert mixing.originals(table, ("licence",)) == {"v1": "CC0", "v3": "CC0"}
    assert mixing.originals(table.slice(0, 0), mixing.COLUMNS) == {}


BOTH = {"original": "theirs", "caption": "ours", "captioner": "coca", "caption_model": "ViT"}


def row(**changes: Any) -> dict[str, Any]:
    return {**BOTH, **changes}


@pytest.mark.parametrize(
    ("given", "wanted", "text", "kind"),
    [
        (row(), "original", "theirs", "original"),
        (row(), "synthetic", "ours", "synthetic"),
        (row(original=None), "original", "ours", "synthetic"),
        (row(caption=None), "synthetic", "theirs", "original"),
        (row(caption=""), "synthetic", "theirs", "original"),
        (row(original=None), "synthetic", "ours", "synthetic"),
        (row(caption=None), "original", "theirs", "original"),
        (row(original=None, caption=None), "original", None, None),
        (row(original=None, caption=""), "synthetic", None, None),
    ],
)
def test_what_a_clip_lacks_the_other_side_gives(given, wanted, text, kind):
    schema = pa.schema([(name, pa.string()) for name in ("clip_id", *BOTH, "speech")])
    mix = mixing.parse({"original": "1:0", "synthetic": "0:1"}[wanted])
    made = mixing.mixed(pa.Table.from_pylist([{"clip_id": "k", **given, "speech": "hm"}], schema), mix, {"snapshot": 3})
    writer = (
        {"captioner": "coca", "caption_model": "ViT"}
        if kind == "synthetic"
        else dict.fromkeys(("captioner", "caption_model"))
    )
    assert made.to_pylist() == [{"clip_id": "k", "caption": text, "speech": "hm", **writer, "caption_from": kind}]
    told = mixing.record(made)
    assert told
    assert told["rows"] == {**{"original": 0, "synthetic": 0, "none": 0}, (kind or "none"): 1}
    assert told["instead"] == {one: int(kind == one != wanted) for one in ("original", "synthetic")}


@given(st.lists(st.tuples(st.sampled_from([None, "", "o"]), st.sampled_from([None, "", "s"]))), st.integers(0, 99))
def test_the_record_adds_up_and_no_text_is_lost(sides, seed):
    rows = [row(clip_id=str(n), original=one, caption=two) for n, (one, two) in enumerate(sides)]
    table = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in ("clip_id", *BOTH)]))
    made = mixing.mixed(table, mixing.parse("1:2", seed), {})
    kinds = made.column("caption_from").to_pylist()
    texts = {"original": "o", "synthetic": "s", None: None}
    assert made.column("caption").to_pylist() == [texts[kind] for kind in kinds]
    assert [kind is None for kind in kinds] == [not (one or two) for one, two in sides]
    told = mixing.record(made)
    assert told
    assert sum(told["rows"].values()) == len(sides)
    assert all(told["instead"][kind] <= told["rows"][kind] for kind in ("original", "synthetic"))


def test_a_table_tells_how_it_was_mixed_and_another_nothing():
    table = pa.Table.from_pylist([row(clip_id="k")])
    made = mixing.mixed(table, mixing.parse("0.5:9.5", 3, "Título"), {"table": "training", "snapshot": 2})
    told = mixing.record(made)
    assert told
    assert told == {
        "table": "training",
        "snapshot": 2,
        "weights": {"original": 0.5, "synthetic": 9.5},
        "seed": 3,
        "columns": ["Título"],
        "rows": told["rows"],
        "instead": {"original": 0, "synthetic": 0},
    }
    assert json.loads(made.schema.metadata[b"rushes.mix"]) == told
    assert mixing.record(table) is None
    weights = mixing.record(mixing.mixed(table, mixing.parse("5:95"), {}))
    assert weights
    assert json.dumps(weights["weights"]) == '{"original": 5, "synthetic": 95}'
