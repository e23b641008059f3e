"""Export: a table or view at any snapshot as one plain file, with the same values in every format."""

from __future__ import annotations

import csv
import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import export, main
from tests.pipelines import corpora
from tests.transforms.test_views import plain
from transforms import mixing, records, tables, views

EVERY = [*records.BY_TABLE, *views.VIEWS]


def whole(out: Path, name: str, number: int | None = None) -> pa.Table:
    corpus = tables.open_corpus(str(out))
    return views.VIEWS[name](corpus, number) if name in views.VIEWS else tables.read(corpus, name, number)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist(maps_as_pydicts="strict")


def exported(capsys, out: Path, name: str, file: Path, *words: object) -> int:
    """Export, and give the number of rows that was told."""
    assert main.main(["export", str(out), name, str(file), *map(str, words)]) == 0
    told, _, count = capsys.readouterr().out.rpartition(": ")
    assert told == str(file)
    return int(count.split()[0])


@pytest.mark.parametrize("name", EVERY)
def test_parquet_is_the_table(name, curated, tmp_path, capsys):
    expected = whole(curated, name)
    assert exported(capsys, curated, name, tmp_path / "t.parquet") == expected.num_rows
    back = pq.read_table(tmp_path / "t.parquet")
    assert back.schema.equals(expected.schema)
    assert rows(back) == rows(expected)
    assert expected.num_rows or name not in ("clips", "videos", "sources", "runs", "failures")


def test_parquet_says_what_its_columns_mean(curated, tmp_path, capsys):
    exported(capsys, curated, "clips", tmp_path / "t.parquet")
    field = pq.read_schema(tmp_path / "t.parquet").field("motion")
    assert field.metadata[b"unit"] == b"8-bit level"


@pytest.mark.parametrize("name", EVERY)
def test_json_lines_are_the_rows(name, curated, tmp_path, capsys):
    expected = rows(whole(curated, name))
    assert exported(capsys, curated, name, tmp_path / "t.jsonl") == len(expected)
    back = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text("utf-8").splitlines()]
    for row in expected:
        row.update({k: v.isoformat() for k, v in row.items() if isinstance(v, datetime)})
    assert back == expected


@pytest.mark.parametrize("name", EVERY)
def test_csv_has_the_same_values_as_text(name, curated, tmp_path, capsys):
    table = whole(curated, name)
    assert exported(capsys, curated, name, tmp_path / "t.csv") == table.num_rows
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    for text, row in zip(back, rows(table), strict=True):
        for column, value in row.items():
            cell = plain(text[column]) or ""
            if isinstance(value, (list, dict)):
                assert json.loads(cell) == value
            elif isinstance(value, bool) or value is None:
                assert cell == {True: "true", False: "false", None: ""}[value]
            elif isinstance(value, (int, float)):
                assert float(cell) == value
            elif isinstance(value, datetime):
                assert datetime.fromisoformat(cell) == value
            else:
                assert cell == value


def test_formulas_in_what_others_wrote_are_no_formulas_in_csv(tmp_path):
    texts = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "'=1", "fine", 'quo"ted, and\nbroken', ""]
    table = pa.table({"text": texts, "number": [-1.0] * len(texts)})
    export.write(table, tmp_path / "t.csv", "csv")
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    assert not any(row["text"].startswith(("=", "+", "-", "@", "\t")) for row in back)
    assert [plain(row["text"]) for row in back] == texts
    assert [float(row["number"]) for row in back] == [-1.0] * len(texts)


def test_an_older_snapshot_and_some_columns_in_their_order(curated, tmp_path, capsys):
    names = ["kept", "clip_id"]
    for number in (1, 2):
        exported(
            capsys, curated, "clips", tmp_path / f"{number}.jsonl", "--snapshot", number, "--columns", "kept, clip_id"
        )
    old, new = (
        [json.loads(line) for line in (tmp_path / f"{number}.jsonl").read_text().splitlines()] for number in (1, 2)
    )
    assert list(old[0]) == names
    assert old == rows(whole(curated, "clips", 1).select(names))
    assert new == rows(whole(curated, "clips", 2).select(names))
    assert sum(r["kept"] for r in old) > sum(r["kept"] for r in new)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clip", "a.csv"], "no table or view 'clip'; there are sources"),
        (["clips", "a.txt"], "a.txt: cannot tell the format; end the name in .parquet, .csv, .jsonl"),
        (["clips", "a"], "cannot tell the format"),
        (["clips", "a.csv", "--columns", "colour"], "clips has no column 'colour'"),
        (["clips", "a.csv", "--snapshot", "3"], "no snapshot 3; there are 1 to 2"),
    ],
)
def test_what_is_not_there_is_named_and_nothing_is_written(words, told, curated, home, capsys):
    assert main.main(["export", str(curated), *words]) == 2
    assert told in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_file_there_is_replaced_whole(curated, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("old\n" * 10_000)
    count = exported(capsys, curated, "videos", tmp_path / "t.csv", "--columns", "video_id")
    assert len((tmp_path / "t.csv").read_text().splitlines()) == count + 1
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]


LIST = """\
uri,Title,description,licence
a_cuts.mp4,,"  Two streets
and\ta\x07 garden ",CC0
b_sound.mp4,=SUM(A1) in the rain,,CC0
c_film.webm,,,CC0
"""
TEXTS = {
    "a_cuts.mp4": "Two streets and a garden",
    "b_sound.mp4": "=SUM(A1) in the rain",
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output whose sources came from a list, two of them with a text."""
    folder = tmp_path_factory.mktemp("listed")
    footage = corpora.tiny_corpus(folder)
    (footage / "films.csv").write_text(LIST, encoding="utf-8")
    code, told = corpora.curate(footage / "films.csv", folder / "out")
    assert code == 0, told
    return folder / "out"


def mixed(capsys, out: Path, file: Path, *words: object) -> str:
    """Export the view `training` with a mix, and give what was printed."""
    assert main.main(["export", str(out), "training", str(file), *map(str, words)]) == 0
    told: str = capsys.readouterr().out
    return told


def read_back(file: Path) -> list[dict[str, Any]]:
    """The rows of an export, by the reader that its format has; what is missing is None."""
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    frame = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    if file.suffix == ".csv":
        frame["caption"] = frame["caption"].map(plain)
    frame = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def recorded(file: Path) -> dict[str, Any]:
    """What a file, or the record beside it, says of its mix."""
    if file.suffix == ".parquet":
        metadata = pq.read_metadata(file).metadata
        assert metadata
        return dict(json.loads(metadata[b"rushes.mix"]))
    found = json.loads(Path(f"{file}.mix.json").read_text("utf-8"))
    assert found.pop("sha256") == hashlib.sha256(file.read_bytes()).hexdigest()
    return dict(found)


@pytest.mark.parametrize("kind", export.FORMATS)
def test_a_mix_of_a_list_of_films_in_every_format(kind, listed, tmp_path, capsys):
    before = {row["clip_id"]: row for row in rows(whole(listed, "training"))}
    file = tmp_path / f"t.{kind}"
    told = mixed(capsys, listed, file, "--mix", "1:1", "--mix-seed", 4)
    found = read_back(file)
    assert [row["clip_id"] for row in found] == list(before)
    wanted = mixing.is_original(mixing.parse("1:1", 4), list(before))
    assert len(set(wanted)) == 2
    kinds = []
    for row, is_original in zip(found, wanted, strict=True):
        was = before[row["clip_id"]]
        text = TEXTS.get(Path(was["uri"]).name) if is_original else None
        kinds.append("original" if text else "synthetic")
        assert row["caption"] == (text or was["caption"])
        assert row["caption_from"] == kinds[-1]
        writer = (None, None) if text else ("attributes", "attributes")
        assert (row["captioner"], row["caption_model"]) == writer
        assert "original" not in row
    assert len(set(kinds)) == 2
    counts = {one: kinds.count(one) for one in ("original", "synthetic")}
    instead = sum(wanted) - counts["original"]
    assert recorded(file) == {
        "table": "training",
        "snapshot": 1,
        "weights": {"original": 1, "synthetic": 1},
        "seed": 4,
        "columns": list(mixing.COLUMNS),
        "rows": {**counts, "none": 0},
        "instead": {"original": 0, "synthetic": instead},
    }
    assert told.splitlines()[0] == f"{file}: {len(before)} rows"
    assert f"captions: {counts['original']} original, {counts['synthetic']} synthetic, 0 without" in told
    assert (f"of these 0 original and {instead} synthetic for want of the other" in told) == bool(instead)


@pytest.mark.parametrize("kind", export.FORMATS)
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(kind, listed, tmp_path, capsys):
    content = []
    for name, seed in (("a", 0), ("b", 0), ("c", 4)):
        mixed(capsys, listed, tmp_path / f"{name}.{kind}", "--mix", "1:1", "--mix-seed", seed)
        content.append((tmp_path / f"{name}.{kind}").read_bytes())
    assert content[0] == content[1] != content[2]


def test_originals_come_from_the_columns_that_are_named(listed, tmp_path, capsys):
    told = mixed(capsys, listed, tmp_path / "t.jsonl", "--mix", "1:0", "--original", "TITLE")
    origins = {row["caption"] for row in read_back(tmp_path / "t.jsonl") if row["caption_from"] == "original"}
    assert origins == {TEXTS["b_sound.mp4"]}
    assert "--original" not in told
    told = mixed(capsys, listed, tmp_path / "t.jsonl", "--mix", "1:0", "--original", "titel,name")
    assert {row["caption_from"] for row in read_back(tmp_path / "t.jsonl")} == {"synthetic"}
    assert "0 original" in told
    assert "has one in titel, name: name its column with --original" in told


def test_a_mix_may_be_of_fewer_columns_and_says_so_still(listed, tmp_path, capsys):
    mixed(capsys, listed, tmp_path / "t.parquet", "--mix", "0:1", "--columns", "caption_from,caption")
    assert pq.read_schema(tmp_path / "t.parquet").names == ["caption_from", "caption"]
    assert recorded(tmp_path / "t.parquet")["rows"]["original"] == 0
    assert {row["caption_from"] for row in read_back(tmp_path / "t.parquet")} == {"synthetic"}


def test_a_mix_of_what_is_trainable_needs_a_screened_corpus_like_the_view(listed, tmp_path, capsys):
    assert main.main(["export", str(listed), "trainable", str(tmp_path / "t.jsonl"), "--mix", "5:95"]) == 0
    assert "0 rows\n  captions: 0 original, 0 synthetic, 0 without\n" in capsys.readouterr().out
    assert recorded(tmp_path / "t.jsonl")["table"] == "trainable"


def test_an_export_without_a_mix_has_no_record(listed, tmp_path, capsys):
    mixed(capsys, listed, tmp_path / "t.jsonl")
    mixed(capsys, listed, tmp_path / "t.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.jsonl", "t.parquet"]
    assert b"rushes.mix" not in (pq.read_metadata(tmp_path / "t.parquet").metadata or {})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["captions", "a.csv", "--mix", "5:95"],
            "--mix: captions has no column `caption`; export training or trainable",
        ),
        (["training", "a.csv", "--mix", "5"], "--mix 5: give ORIGINAL:SYNTHETIC, two numbers"),
        (["training", "a.csv", "--mix", "0:0"], "for example 5:95"),
        (["training", "a.csv", "--mix", "5:95", "--original", ","], "--original: name the columns"),
        (["training", "a.csv", "--mix-seed", "5"], "give --mix ORIGINAL:SYNTHETIC with them"),
        (["training", "a.csv", "--original", "title"], "give --mix ORIGINAL:SYNTHETIC with them"),
        (["training", "a.csv", "--mix", "5:95", "--mix-seed", "x"], "--mix-seed"),
        (["training", "a.csv", "--mix", "5:95", "--snapshot", "9"], "no snapshot 9"),
        (["training", "a.csv", "--mix", "5:95", "--columns", "original"], "training has no column 'original'"),
    ],
)
def test_a_mix_that_cannot_be_is_named_and_nothing_is_written(words, told, curated, home, capsys):
    assert main.main(["export", str(curated), *words]) == 2
    assert told in capsys.readouterr().err
    assert list(home.iterdir()) == []
