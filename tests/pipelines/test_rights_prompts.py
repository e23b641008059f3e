"""`rushes rights prompts`: what is refused is told with where it stands, and nothing unread ends with 0."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.rights.prompts import Prompt
from pipelines import main, rights, rights_prompts
from transforms import storage

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "rights.md").read_text(encoding="utf-8")
ASKED = ("--market", "DE", "--product", "shoes", "--language", "de")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The lists that the docs show, published up to the consent."""
    made = tmp_path_factory.mktemp("prompts")
    for name, text in re.findall(r"`(\w+\.csv)`:\n\n```csv\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL):
        (made / name).write_text(text, encoding="utf-8")
    for name in ("list", "licence", "revoke", "consent"):
        words = [f"{made}/{name}.csv", "--registry", f"{made}/rights", "--author", "legal", "--reason", name]
        assert rights.run(["publish", *words, *(["--create"] if name == "list" else [])]) == 0
    return made


@pytest.fixture
def typed(folder, monkeypatch, capsys):
    """Types `rushes rights prompts`; the exit code and everything that was printed."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("RUSHES_RIGHTS", "rights")
    capsys.readouterr()

    def run(*words: str) -> tuple[int, str]:
        code = main.guarded(rights.run, ["prompts", *words])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def test_the_docs_show_what_is_told(typed):
    shown = next(
        text
        for text in re.findall(r"^```text\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
        if text.startswith("2 prompts")
    )
    one, other = "a shoe ada king wears", "Tiny Tim as seen in The Film"
    code, told = typed("--prompt", one, "--prompt", other, "--components", "picture,face", *ASKED)
    assert (code, told.startswith(shown)) == (3, True), told
    code, told = typed("prompts.csv")
    assert (code, told.splitlines()[0]) == (0, "prompts.csv: 2 prompts, none refused")
    assert "Not checked: who is described and not named" in " ".join(told.split())
    asked = ("--prompt", "Ada King says: run", *ASKED)
    assert typed(*asked, "--components", "sound,voice")[0] == 0
    assert typed(*asked)[0] == 3  # a face might come with it
    assert typed(*asked, "--components", "sound,voice", "--at", "2100-01-01")[0] == 3
    assert typed(*asked, "--components", "sound,voice", "--version", "3")[0] == 0  # nobody had named her


ROWS = [
    {"prompt": "a red shoe", "prompt_id": "1", "market": "DE"},
    {"prompt": "=the film!", "prompt_id": "@2"},
    {"prompt": " ", "prompt_id": "3"},
    {"prompt": "a shoe", "prompt_id": "4", "market": "UK"},
    {"prompt": "Ada King, 艾达·金氏", "prompt_id": "5", "market": "de", "product": "shoes", "language": "de"},
]


def write(path: str) -> None:
    if path.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif path.endswith(".jsonl"):
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        with open(path, "w", encoding="utf-8", newline="") as file:
            made = csv.DictWriter(file, ["prompt_id", "prompt", "market", "product", "language"])
            made.writeheader()
            made.writerows(ROWS)


VERDICTS = ["allow", "deny", "not checked", "unknown", "deny", "deny"]


@pytest.mark.parametrize("source", ["in.csv", "in.parquet", "in.jsonl"])
def test_files_in_and_out(typed, source):
    write(source)
    code, told = typed(source, "--output", "out.csv")
    first = {"in.csv": 2, "in.parquet": 1, "in.jsonl": 1}[source]
    assert (code, told.splitlines()[0]) == (3, f"{source}: 5 prompts, 2 deny, 1 unknown, 1 not checked")
    assert re.search(rf"^ *{first + 2}  3 +not checked +prompt: there are no words$", told, re.MULTILINE)
    with open("out.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == VERDICTS
    assert [int(row["row"]) - first for row in rows] == [0, 1, 2, 3, 4, 4]
    assert rows[1]["prompt_id"] == "'@2"  # it runs in no spreadsheet
    assert [(row["start"], row["end"], row["words"], row["work_id"]) for row in rows[4:]] == [
        ("0", "8", "Ada King", "mia"),
        ("10", "15", "艾达·金氏", "mia"),
    ]
    assert rows[1]["entries"] == "acme-3"
    assert rows[0]["not_checked"] == "likeness"


def test_a_cell_that_is_no_text_is_told(tmp_path):
    cells = {"prompt_language": ["en"], "language": 0, "product": {}, "market": ["DE", 1], "prompt": [], "prompt_id": 7}
    path = tmp_path / "in.jsonl"
    rows = [{"prompt": "a shoe", **{name: cell}} for name, cell in cells.items()]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"prompt": "a shoe", "market": ["DE", "fr"]}]))
    *bad, named, fine = rights_prompts.read(str(path), Prompt(()))
    assert [row.wrong for row in bad] == [f"{name}: no text" for name in cells if name != "prompt_id"]
    assert fine.prompt is not None
    assert (named.prompt_id, fine.prompt.territories) == ("7", frozenset({"DE", "FR"}))


def test_other_files(typed):
    write("in.csv")
    assert typed("in.csv", "--output", "memory://prompts/out.parquet")[0] == 3
    storage.write_bytes("memory://prompts/in.csv", Path("in.csv").read_bytes())
    code, told = typed("memory://prompts/in.csv", "--output", "out.jsonl", "--json")
    assert code == 3
    assert json.loads(told)["prompts"] == {"allow": 1, "deny": 2, "review": 0, "unknown": 1, "not checked": 1}
    Path("out.parquet").write_bytes(storage.read_bytes("memory://prompts/out.parquet"))
    written = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert pq.read_table("out.parquet").to_pylist() == written
    assert [row["verdict"] for row in written] == VERDICTS


def test_rows_that_cannot_be_read_are_told_by_number(typed):
    Path("bad.jsonl").write_bytes(
        b'{"prompt": "a shoe"}\n{"prompt": 7}\nno\n{"prompt": "a shoe", "market": {"x": 1}}\n'
        b'{"prompt": "M\xffa"}\n{"prompt_id": "x"}\n'
    )
    code, told = typed("bad.jsonl", "--output", "bad.csv")
    assert (code, told.splitlines()[0]) == (3, "bad.jsonl: 6 prompts, 5 not checked")
    with open("bad.csv", encoding="utf-8-sig", newline="") as file:
        told_rows = {int(row["row"]): row["reasons"] for row in csv.DictReader(file) if row["verdict"] != "allow"}
    assert list(told_rows) == [2, 3, 4, 5, 6]
    assert told_rows[2] == "prompt: no text"
    assert "not JSON" in told_rows[3]
    assert "letters were lost" in told_rows[5]
    Path("empty.csv").write_text("prompt\n")
    assert typed("empty.csv")[0] == 3  # nothing was checked


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "FILE"),
        (("in.csv", "--prompt", "x"), "FILE"),
        (("nowhere.csv",), "nowhere.csv"),
        (("list.xlsx",), "list.xlsx"),
        (("list.csv",), "no column `prompt`"),
        (("--prompt", "x", "--output", "out.txt"), "out.txt"),
        (("--prompt", "x", "--regime", "opt-maybe"), "opt-maybe"),
        (("--prompt", "x", "--registry", "nowhere"), "nowhere"),
    ],
)
def test_wrong_usage_ends_with_2(typed, words, told):
    code, said = typed(*words)
    assert (code, told in said) == (2, True), said
