"""Views: kept clips joined with where they came from, and cells that no spreadsheet runs."""

from __future__ import annotations

import collections
import io
import json

import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms import past
from transforms import commits, records, rows, tables, views


def run_row(run_id: str):
    whole = past.examples(records.RunRow)[0]
    return lambda number: records.RunRow(**{**whole, "run_id": run_id, "commit": number})


def clip(name: str, video: str, start: int, kept: bool) -> dict:
    row = past.examples(records.ClipRow)[0]
    return {
        **row,
        "clip_id": name,
        "video_id": video,
        "cut": "default",
        "start_pts": start,
        "end_pts": start + 9,
        "kept": kept,
    }


def caption(name: str, video: str, captioner: str, kind: str, text: str) -> dict:
    row = past.examples(records.CaptionRow)[0]
    return {**row, "clip_id": name, "video_id": video, "captioner": captioner, "kind": kind, "text": text}


def source(uri: str, video: str) -> dict:
    return {**past.examples(records.SourceRow)[0], "uri": uri, "video_id": video}


def committed(root: str, run_id: str, made: list[tuple[str, dict]]) -> tables.Corpus:
    """Commit rows as a run would."""
    corpus = tables.create_corpus(root, 2)
    base = tables.roll_forward(corpus)
    bases = tables.bucket_parts(corpus, records.BY_TABLE, base.number)
    scopes = collections.Counter(
        (table, rows.bucket_value(table, row) or "", tuple(row[name] for name in records.BY_TABLE[table].scope))
        for table, row in made
    )
    collector = rows.Collector(2)
    collector.add(made, [(*scope, count) for scope, count in scopes.items()])
    parts: dict[tuple[str, int], list[bytes]] = {}
    for where, part in collector.drain():
        parts.setdefault(where, []).append(part)
    staged = [commits.merge_bucket(corpus, run_id, bases, t, b, found) for (t, b), found in parts.items()]
    assert not [m.problem for m in staged if m.problem]
    commits.commit(corpus, run_id, base.number, bases, staged, run_row(run_id))
    return corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> tables.Corpus:
    root = str(tmp_path_factory.mktemp("views") / "out")
    committed(
        root,
        "first",
        [
            ("sources", source("b.mp4", "v1")),
            ("sources", source("a.mp4", "v1")),
            ("sources", source("c.mp4", "v2")),
            ("clips", clip("k1", "v1", 0, True)),
            ("clips", clip("k2", "v1", 10, False)),
            ("clips", clip("k3", "v2", 0, True)),
            ("captions", caption("k1", "v1", "zed", "short", "from zed")),
            ("captions", caption("k1", "v1", "attributes", "short", "from attributes")),
            ("captions", caption("k1", "v1", "aaa", "dense", "a dense one")),
        ],
    )
    return committed(root, "second", [("clips", clip("k4", "v2", 0, False))])


def test_training_is_kept_clips_with_their_first_source_and_first_short_caption(corpus):
    table = views.training(corpus, 1)
    assert table.column_names == [*records.schema(records.ClipRow).names, "uri", "caption", "speech"]
    found = {r["clip_id"]: (r["uri"], r["caption"]) for r in table.to_pylist()}
    assert found == {"k1": ("a.mp4", "from zed"), "k3": ("c.mp4", None)}


def test_the_caption_of_a_model_comes_first_and_a_dropped_one_never(tmp_path):
    made = [("sources", source("a.mp4", "v1")), ("clips", clip("k1", "v1", 0, True))]
    made += [("captions", caption("k1", "v1", name, "short", f"by {name}")) for name in ("attributes", "coca", "vlm")]
    made[-2][1].update(kept=False, reasons=["refusal"])
    (row,) = views.training(committed(str(tmp_path / "out"), "first", made)).to_pylist()
    assert (row["caption"], row["speech"]) == ("by vlm", None)


def test_a_clip_says_what_was_heard_in_it_unless_nobody_may_write_it_down(tmp_path):
    made = []
    for video in ("v1", "v2"):
        made += [("sources", source(f"{video}.mp4", video)), *verdicts(f"{video}.mp4", video, False, video == "v2", 5)]
        made += [
            ("clips", {**clip(f"{video}-{n}", video, n, True), "start_seconds": 2.0 * n, "end_seconds": 2.0 * n + 2})
            for n in range(3)
        ]
        signed = {"video_id": video, "recogniser": "whisper", "model": "base"}
        made.append(("transcripts", {**past.examples(records.TranscriptRow)[0], **signed}))
        words = {"words": [" One", " two", " three"], "word_starts": [0.5, 1.8, 2.5], "word_ends": [1.0, 2.4, 3.0]}
        made.append(("utterances", {**past.examples(records.UtteranceRow)[0], **signed, **words, "flags": []}))
    found = views.training(committed(str(tmp_path / "out"), "first", made)).to_pylist()
    said = {row["clip_id"]: row["speech"] for row in found}
    assert said == {
        "v1-0": "One", "v1-1": "two three", "v1-2": "", "v2-0": None, "v2-1": None, "v2-2": None,
    }  # fmt: skip


def verdicts(uri: str, video: str, train: bool, caption: bool, version: int) -> list[tuple[str, dict]]:
    """Rows of a source that is kept out of training, of captioning, or of neither."""
    row = {**past.examples(records.VerdictRow)[0], "subject": uri, "video_id": video, "registry_version": version}
    return [("verdicts", {**row, "use": u, "kept_out": out}) for u, out in (("train", train), ("caption", caption))]


def test_what_a_verdict_keeps_out_is_in_no_view_and_what_was_not_screened_is_not_trainable(tmp_path):
    videos = {"v1": ["a.mp4", "b.mp4"], "v2": ["c.mp4", "d.mp4"], "v3": ["e.mp4"], "v4": ["f.mp4", "g.mp4"]}
    made = [("sources", source(uri, video)) for video, uris in videos.items() for uri in uris]
    made += [("clips", clip(f"k-{video}", video, 0, True)) for video in videos]
    made += [("captions", caption(f"k-{video}", video, "attributes", "short", "words")) for video in videos]
    made += verdicts("a.mp4", "v1", False, False, 5) + verdicts("b.mp4", "v1", False, False, 3)
    made += verdicts("c.mp4", "v2", False, False, 5) + verdicts("d.mp4", "v2", True, False, 5)
    made += verdicts("e.mp4", "v3", False, True, 5)
    made += verdicts("f.mp4", "v4", False, False, 5)  # and nobody asked about g.mp4
    corpus = committed(str(tmp_path / "out"), "first", made)
    training = {row["video_id"]: row["caption"] for row in views.training(corpus).to_pylist()}
    assert training == {"v1": "words", "v3": None, "v4": "words"}
    trainable = {
        row["video_id"]: (row["caption"], row["registry_version"]) for row in views.trainable(corpus).to_pylist()
    }
    assert trainable == {"v1": ("words", 3), "v3": (None, 5)}


def test_a_view_gives_original_texts_and_who_wrote_the_caption_where_it_is_asked(tmp_path):
    videos = {"v1": ["a.mp4", "b.mp4"], "v2": ["c.mp4", "d.mp4"], "v3": ["e.mp4"], "v4": ["f.mp4"], "v5": ["g.mp4"]}
    made = []
    for video, uris in videos.items():
        for uri in uris:
            said = {} if uri in ("a.mp4", "f.mp4") else {"Title": f"of {uri}", "licence": "CC0"}
            made.append(("sources", {**source(uri, video), "metadata": said}))
            silent, denied = uri == "d.mp4", uri == "e.mp4"
            # Nobody asked about g.mp4.
            made += verdicts(uri, video, denied, silent, 5) if uri != "g.mp4" else []
        made.append(("clips", clip(f"k-{video}", video, 0, True)))
        for captioner, model in (("vlm", "smol"), ("attributes", "attributes")):
            text = caption(f"k-{video}", video, captioner, "short", f"by {captioner}")
            made.append(("captions", {**text, "model": model}))
    corpus = committed(str(tmp_path / "out"), "first", made)
    names = ["original", "caption", "captioner", "caption_model"]
    ours = ("by vlm", "vlm", "smol")
    expected = {
        "v1": ("of b.mp4", *ours),
        "v2": (None,) * 4,  # One of its sources may not be captioned: so neither may the other.
        "v4": (None, *ours),
        "v5": ("of g.mp4", *ours),
    }
    for name, view in views.VIEWS.items():
        table = view(corpus, None, ("caption", "title"))
        found = {row["video_id"]: tuple(row[n] for n in names) for row in table.to_pylist()}
        assert found == {video: said for video, said in expected.items() if name == "training" or video != "v5"}
        plain_view = view(corpus)
        assert set(table.column_names) - set(plain_view.column_names) == set(names) - {"caption"}
        assert table.select(plain_view.column_names).equals(plain_view), "what is asked for changes nothing else"


def test_what_has_no_source_any_more_is_in_no_view(tmp_path):
    left = [("clips", clip("k1", "v1", 0, True)), ("captions", caption("k1", "v1", "attributes", "short", "words"))]
    made = [("sources", source("c.mp4", "v2")), ("clips", clip("k3", "v2", 0, True)), *left]
    corpus = committed(str(tmp_path / "out"), "first", made)
    assert views.training(corpus).column("clip_id").to_pylist() == ["k3"]


def test_a_view_is_as_of_its_snapshot(corpus):
    assert views.training(corpus).column("clip_id").to_pylist() == ["k1"]
    assert sorted(views.training(corpus, 1).column("clip_id").to_pylist()) == ["k1", "k3"]


def test_every_view_says_what_it_holds():
    assert set(views.VIEW_DOCS) == set(views.VIEWS)


def test_nested_columns_become_json_and_others_stay(corpus):
    table = tables.read(corpus, "clips", 1)
    flat = views.flat(table)
    assert not any(pa.types.is_nested(f.type) for f in flat.schema)
    for name in flat.column_names:
        before, after = table.column(name).to_pylist(maps_as_pydicts="strict"), flat.column(name).to_pylist()
        if pa.types.is_nested(table.schema.field(name).type):
            after = [json.loads(text) for text in after]
        assert after == before, name
    empty = pa.table({"m": pa.array([None, []], pa.map_(pa.string(), pa.int64()))})
    assert views.flat(empty).column("m").to_pylist() == [None, "{}"]


RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")


def plain(cell: str | None) -> str | None:
    """A cell as it was: an apostrophe before one of these signs, or before more apostrophes and one, goes."""
    behind = (cell or "").lstrip("'")
    return cell[1:] if cell and cell.startswith("'") and behind.startswith(RISKY) else cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30", "'+49 30"),
        ("-3", "'-3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("\n=1", "'\n=1"),
        ("'=1", "''=1"),
        ("a=b", "a=b"),
        ("a\n=b", "a\n=b"),
        ("'quoted'", "'quoted'"),
        ("", ""),
        (None, None),
    ],
)
def test_what_a_spreadsheet_would_run_is_escaped_and_all_else_left(text, cell):
    table = pa.table({"t": pa.array([text], pa.string()), "n": pa.array([-1.5])})
    made = views.escaped(table)
    assert made.column("t").to_pylist() == [cell]
    assert made.column("n").to_pylist() == [-1.5], "numbers are no formulas"
    assert plain(cell) == text


@given(st.lists(st.text(st.sampled_from("=+-@\t'ab,\"é"), max_size=5), min_size=1))
def test_every_text_comes_back_from_csv(texts):
    out = io.BytesIO()
    pa_csv.write_csv(views.escaped(pa.table({"t": pa.array(texts, pa.string()), "n": range(len(texts))})), out)
    options = pa_csv.ConvertOptions(column_types={"t": pa.string()}, strings_can_be_null=False)
    back = pa_csv.read_csv(io.BytesIO(out.getvalue()), convert_options=options).column("t").to_pylist()
    assert not any(cell.startswith(RISKY) for cell in back)
    assert [plain(cell) for cell in back] == texts
