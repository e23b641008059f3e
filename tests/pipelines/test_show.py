"""Show and runs: what stands in an output, whole: no id and no path is ever cut, on a terminal or in a pipe."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pipelines import main
from pipelines.columns import columns, readable, say
from tests.pipelines import corpora
from transforms import records, tables, views


def rushes(capsys, *words: object) -> list[str]:
    """The lines a command prints to a pipe."""
    assert main.main(list(map(str, words))) == 0
    return capsys.readouterr().out.splitlines()


def on_terminal(width: int, *words: object) -> str:
    """What a command prints to a terminal of a width, without colours."""
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-m", "pipelines.main", *map(str, words)]
    child = subprocess.Popen(
        command, stdin=there, stdout=there, stderr=there, env={**env, "TERM": "xterm"}, close_fds=True
    )
    os.close(there)
    told = b""
    while True:
        try:
            data = os.read(here, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not data:
            break
        told += data
    os.close(here)
    assert child.wait(60) == 0, told
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", told.decode()).replace("\r\n", "\n")


def test_the_overview_counts_what_the_tables_hold(curated, capsys):
    corpus = tables.open_corpus(str(curated))
    first, header, *lines = rushes(capsys, "show", curated)
    assert first == f"{curated}: snapshot 2 of run {corpora.runs(curated)[-1]['run_id']}"
    assert header.split() == ["table", "rows", "parts", "bytes", "version"]
    assert [line.split()[0] for line in lines] == list(records.BY_TABLE)
    for line in lines:
        name, rows, parts, size, version = line.split()
        delta = tables.delta(corpus, name)
        assert (int(rows), int(version)) == (tables.read(corpus, name).num_rows, delta.version())
        files = [Path(uri.removeprefix("file://")) for uri in delta.file_uris()]
        assert (int(parts), int(size)) == (len(files), sum(f.stat().st_size for f in files))


def test_an_older_snapshot_counts_what_was_there_then(curated, capsys):
    first, _, *lines = rushes(capsys, "show", curated, "--snapshot", 1)
    assert first.endswith(f"snapshot 1 of run {corpora.runs(curated)[0]['run_id']}")
    counts = {line.split()[0]: int(line.split()[1]) for line in lines}
    assert counts["runs"] == 1
    assert counts["videos"] == corpora.VIDEOS


def test_an_output_without_a_commit_says_so(tmp_path, capsys):
    tables.create_corpus(str(tmp_path / "out"), 2)
    lines = rushes(capsys, "show", tmp_path / "out")
    assert lines[0].endswith("snapshot 0 (nothing committed yet)")
    assert [line.split()[1] for line in lines[2:]] == ["0"] * len(records.BY_TABLE)
    assert rushes(capsys, "show", tmp_path / "out", "clips") == ["clips: 0 rows"]
    assert rushes(capsys, "runs", tmp_path / "out") == ["#  run  job  status  took  footage  decoded  sources  clips"]


LATER = ("releases", "release_clips", "licensed_uses", "requests", "assets")
HEARD = ("transcripts", "utterances")
UNTOUCHED = ("marks", "verdicts", "rights_signals", "retractions", "trainable", *LATER, *HEARD)


@pytest.mark.parametrize("name", [*records.BY_TABLE, *views.VIEWS])
def test_rows_are_shown_whole_with_every_column(name, curated, capsys):
    corpus = tables.open_corpus(str(curated))
    table = views.VIEWS[name](corpus) if name in views.VIEWS else tables.read(corpus, name)
    lines = rushes(capsys, "show", curated, name, "--rows", 1)
    assert lines[0].startswith(f"{name}: {table.num_rows} rows")
    text = "\n".join(lines[2:])
    assert table.num_rows or name in UNTOUCHED, "nothing was looked at, screened, heard, made or released"
    for row in table.slice(0, 1).to_pylist(maps_as_pydicts="strict"):
        for column, value in row.items():
            assert re.search(rf"^{column} ", text, re.MULTILINE)
            if column != "traceback":
                assert (value if isinstance(value, str) else json.dumps(value, default=str)) in text


def test_maps_read_as_maps(curated, capsys):
    lines = rushes(capsys, "show", curated, "clips", "--columns", "reason_values,reasons", "--rows", 99)
    shown = [json.loads(line.split(None, 1)[1]) for line in lines if line.startswith("reason_values")]
    rows = tables.read(tables.open_corpus(str(curated)), "clips").to_pylist(maps_as_pydicts="strict")
    assert shown == [r["reason_values"] for r in rows]
    assert any(shown), "some clip of the corpus is dropped"


@pytest.mark.parametrize("rows", [0, 1, 2, 99])
def test_as_many_rows_as_asked_for(rows, curated, capsys):
    total = tables.read(tables.open_corpus(str(curated)), "videos").num_rows
    lines = rushes(capsys, "show", curated, "videos", "--columns", "video_id, frames", "--rows", rows)
    assert [line.split()[0] for line in lines[1:] if line] == ["video_id", "frames"] * min(rows, total)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["clip"], "no table or view 'clip'; there are sources, videos, clips"),
        (["clips", "--columns", "clip_id,colour"], "clips has no column 'colour'; it has clip_id"),
        (["clips", "--columns", ""], "clips has no column ''"),
        (["clips", "--snapshot", "9"], "no snapshot 9; there are 1 to 2"),
        (["--snapshot", "0"], "no snapshot 0; there are 1 to 2"),
        (["clips", "--rows", "-1"], "--rows -1"),
        (["clips", "--rows", "many"], "--rows: invalid int value"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(words, told, curated, capsys):
    assert main.main(["show", str(curated), *words]) == 2
    assert told in capsys.readouterr().err


def test_runs_are_listed_oldest_first_with_their_ids_whole(curated, capsys):
    lines = rushes(capsys, "runs", curated)
    rows = corpora.runs(curated)
    for row, line in zip(rows, lines[1:], strict=False):
        balance = json.loads(row["balance"])
        cells = re.split(r"\s{2,}", line.strip())
        assert cells[:4] == [str(row["commit"]), row["run_id"], row["job"], row["status"]]
        assert cells[6] == str(row["decoded_frames"])
        assert cells[-1] == f"{balance['clips']['kept']}/{balance['clips']['in']}"
    assert f"{corpora.GOOD}/{len(corpora.SOURCES)}" in lines[1]
    assert lines[-1].startswith("decoded: ")


@pytest.mark.slow
def test_no_terminal_is_too_narrow_for_an_id_or_a_path(curated):
    width = 60
    corpus = tables.open_corpus(str(curated))
    clip = tables.read(corpus, "clips").to_pylist()[0]
    shown = on_terminal(width, "show", curated, "clips", "--rows", 1)
    assert all(clip[name] in shown for name in ("clip_id", "video_id", "frame_uri"))
    runs = on_terminal(width, "runs", curated)
    assert all(row["run_id"] in runs for row in corpora.runs(curated))
    schema = on_terminal(width, "schema", "clips")
    assert all(re.search(rf"^{name} ", schema, re.MULTILINE) for name in records.schema(records.ClipRow).names)
    assert "\u2026" not in shown + runs + schema


def test_a_pipe_gets_one_line_a_row_however_long(capsys):
    long = "x" * 500 + " and " + "y" * 500
    say(columns(("id", "n", "text"), [["a", "1", long], ["[b]bold[/b]", "22", "z"]], right=("n",), wrap=("text",)))
    assert capsys.readouterr().out.splitlines() == [
        "id            n  text",
        f"a             1  {long}",
        "[b]bold[/b]  22  z",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 映\nnext", "plain é 映\nnext"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\rb\tc\x07", "a\\rb\\tc\\x07"),
        ("\u202eabc", "\\u202eabc"),
    ],
)
def test_what_is_shown_cannot_steer_a_terminal(text, shown):
    assert readable(text) == shown
