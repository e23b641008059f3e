"""`rushes approve` and `rushes reject`: about the files that are there, and no others."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from generation import approvals
from pipelines import approve, main, reject
from transforms import commits, records, rows, tables
from transforms.settings import ConfigError

IDS = ("aaaaaaaa1" + "0" * 23, "aaaaaaaa2" + "0" * 23, "b" * 32)


def asset(out, number: int, **more) -> records.AssetRow:
    data = f"file {number}".encode()
    (out / f"{number}.mp4").write_bytes(data)
    values = {
        "asset_id": IDS[number], "campaign": "c", "campaign_sha256": "0", "sample": number, "name": f"file-{number}",
        "cell": f"language={'de' if number else 'en'}", "language": "de", "format": "story", "verdict": "allow",
        "people": False, "uri": f"{number}.mp4", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data),
        "width": 64, "height": 64, "frames": 25, "frame_rate": "25", "seconds": 1.0, "currency": "USD",
        "estimated_micros": 0, "settled_micros": 0,
    }  # fmt: skip
    return records.AssetRow(**{**values, **more})


@pytest.fixture
def out(tmp_path):
    """An output folder with three assets, the last one withdrawn."""
    corpus = tables.create_corpus(str(tmp_path), 2)
    collector = rows.Collector(corpus.buckets)
    for row in (asset(tmp_path, 0), asset(tmp_path, 1), asset(tmp_path, 2, uri=None, withdrawn="mia-no")):
        collector.add([("assets", records.to_dict(row))], [("assets", row.asset_id, (row.asset_id,), 1)])
    parts: dict[tuple[str, int], list[bytes]] = {}
    for where, part in collector.drain():
        parts.setdefault(where, []).append(part)
    bases = tables.bucket_parts(corpus, ["assets"], 0)
    staged = [commits.merge_bucket(corpus, "r", bases, t, b, some) for (t, b), some in parts.items()]

    def run_row(number: int) -> records.RunRow:
        at = datetime.now(UTC)
        return records.RunRow(
            run_id="r", job="t", status="done", started=at, ended=at, commit=number, config="{}", versions="{}",
            balance="{}", decoded_frames=0, source_frames=0, source_bytes=0, read_bytes=0, footage_seconds=0.0,
        )  # fmt: skip

    commits.commit(corpus, "r", 0, bases, staged, run_row)
    return tmp_path


def test_a_file_is_approved_by_its_id_the_beginning_of_it_its_name_or_its_cell(out, capsys):
    assert approve.run([str(out), IDS[0], "--who", "ann"]) == 0
    assert capsys.readouterr().out == "1 file approved by ann\n"
    assert approve.run([str(out), "aaaaaaaa2", "file-0", "--who", "bob", "--why", "good"]) == 0
    assert reject.run([str(out), "language=en", "--why", "too dark", "--who", "ann"]) == 0
    assert [(one.asset_id, one.verdict, one.who, one.why) for one in approvals.read(str(out))] == [
        (IDS[0], "approve", "ann", ""),
        (IDS[1], "approve", "bob", "good"),
        (IDS[0], "approve", "bob", "good"),
        (IDS[0], "reject", "ann", "too dark"),
    ]
    assert approvals.read(str(out))[0].sha256 == hashlib.sha256(b"file 0").hexdigest()
    assert approvals.read(str(out))[0].cell == "language=en"


def test_without_an_asset_it_shows_how_all_of_them_stand(out, capsys):
    reject.run([str(out), "file-1", "--why", "too dark", "--who", "ann"])
    capsys.readouterr()
    assert approve.run([str(out)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[2] for line in lines] == ["stands", "open", "rejected", "withdrawn"]
    assert lines[2][-2:] == ["too", "dark"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "nobody: no such asset, name or cell"),
        (["aaaaaaaa"], "aaaaaaaa: 2 assets begin so"),
        (["aaaa"], "aaaa: no such asset"),
        (["file-2"], r"withdrawn \(mia-no\)"),
    ],
)
def test_what_cannot_be_decided_is_told_and_nothing_is_written(out, words, message):
    with pytest.raises(ConfigError, match=message):
        approve.run([str(out), "file-0", *words])
    assert approvals.read(str(out)) == []


def test_a_rejection_needs_a_reason(out):
    with pytest.raises(ConfigError, match="--why: say why"):
        reject.run([str(out), "file-0", "--why", " "])


def test_a_file_that_was_changed_behind_the_table_cannot_be_approved(out):
    (out / "0.mp4").write_bytes(b"another")
    with pytest.raises(ConfigError, match="not the file of its row"):
        approve.run([str(out), "file-0"])
    assert approvals.read(str(out)) == []


def test_no_output_is_wrong_usage(tmp_path, capsys):
    assert main.guarded(approve.run, [str(tmp_path), "x"]) == main.USAGE_ERROR
    assert "no output of rushes here" in capsys.readouterr().err
