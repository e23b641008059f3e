"""Rights: the commands of the rights team, typed as the team types them, on real files."""

from __future__ import annotations

import csv
import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow.parquet as pq
import pytest

from filters.rights import matching, publishing, registry
from filters.rights.columns import COLUMNS
from filters.rights.precedence import VERDICTS
from filters.rights.records import EFFECTS, IDENTIFIER_KINDS, MODES, USES
from filters.rights.status import STATES
from pipelines import main, release, rights, screen
from tests.filters.rights.test_sheets import GOOD, NO, PARTY, URL, WORK, YES, text
from tests.pipelines import corpora
from tests.pipelines.test_screening import FILM, sha256
from transforms import storage

Run = Callable[..., tuple[int, str]]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "rights.md"
ACME = {**PARTY, **WORK, **URL, **NO, "statement_id": "acme-1"}
LICENCE = {**YES, "statement_id": "acme-2", "territory": "WORLD", "supersedes": "acme-1"}

WRONG = [
    {**LICENCE, "territory": "UK"},
    {**NO, "from": "03/04/2026"},
    {"work": "film"},
    {**NO, "uses": "=A1"},
    {**YES, "evidence": ""},
]
"""Rows with five kinds of error."""


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Types a command in a folder of its own; the exit code and everything that was printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUSHES_RIGHTS", "registry")
    capsys.readouterr()

    def run(*words: Any) -> tuple[int, str]:
        code = main.guarded(rights.run, [str(word) for word in words])
        shown = capsys.readouterr()
        return code, shown.out + shown.err

    return run


def write(name: str, *rows: dict[str, Any]) -> str:
    Path(name).write_text(text(rows), encoding="utf-8")
    return name


def publish(typed: Run, name: str, *rows: dict[str, Any], **more: str) -> str:
    said = {"author": "legal", "reason": "a letter", **more}
    options = [word for option, value in said.items() for word in (f"--{option}", value)]
    code, told = typed("publish", write(name, *rows), *options, *([] if Path("registry").exists() else ["--create"]))
    assert code == 0, told
    return told


def screened(sources: list[Path], out: Path, held: str) -> dict[str, Any]:
    code, told = corpora.curate(sources, out, "--rights", held)
    assert code == 0
    return told


def verdicts(typed: Run, *words: str) -> dict[str, str]:
    code, told = typed("explain", *words, "--json")
    assert code == 0, told
    (work,) = json.loads(told)["works"]
    return {use: one["verdict"] for use, one in work["decisions"].items()}


def test_an_afternoon(typed, tmp_path, monkeypatch, capsys):
    footage = corpora.tiny_corpus(tmp_path)
    film = {"work": "film", "identify_by": "sha256", "value": sha256(footage / FILM)}
    assert typed("template", "list.xlsx")[0] == 0
    book = openpyxl.load_workbook("list.xlsx")
    sheet = book["rights"]
    names = [cell.value for cell in sheet[1]]
    for row in [ACME, *WRONG]:
        sheet.append([row.get(str(name)) for name in names])
    book.save("list.xlsx")

    code, told = typed("validate", "list.xlsx")
    assert code == 2  # the registry that RUSHES_RIGHTS names is not there yet
    code, told = typed("publish", "list.xlsx", "--create", "--author", "legal", "--reason", "first")
    assert code == 1
    assert "sheet rights: 5 errors in 5 of 6 rows" in told
    assert "Nothing was published" in told
    assert [line.split()[:2] for line in told.splitlines() if re.match(r" +\d+ ", line)] == [
        ["3", "territory"],
        ["4", "from"],
        ["5", "(row)"],
        ["6", "uses"],
        ["7", "evidence"],
    ]
    assert not Path("registry").exists()
    monkeypatch.delenv("RUSHES_RIGHTS")
    code, told = typed("validate", "list.xlsx", "--output", "errors.csv")
    assert code == 1
    monkeypatch.setenv("RUSHES_RIGHTS", "registry")
    with open("errors.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["sheet"]) for row in rows] == [(str(n), "rights") for n in range(3, 8)]
    assert rows[3]["value"] == "'=A1"  # it does not run in the list of errors either

    write("fixed.csv", ACME, {**NO, "statement_id": "acme-3", "uses": "display"}, film)
    registry.create("registry")
    code, told = typed("validate", "fixed.csv")
    assert (code, "no errors: 1 party, 1 work, 2 identifiers, 2 statements" in told) == (0, True)
    code, told = typed("diff", "fixed.csv")
    assert code == 0
    assert "acme-1: Acme (acme) refuses The Film (film); every use; everywhere" in told.replace("\n           ", " ")
    assert "--base 0" in told
    publish(typed, "fixed.csv", ACME, {**NO, "statement_id": "acme-3", "uses": "display"}, film)
    assert set(verdicts(typed, "film").values()) == {"deny"}
    sources = [footage / FILM, footage / "c_film.webm"]
    assert screened(sources, Path("corpus"), "registry")["balance"]["sources"]["dropped"] == {"denied": 1}

    publish(typed, "licence.csv", {**LICENCE, "share_bp": "250"}, reason="contract 7 signed")
    assert screened(sources, Path("corpus"), "registry")["balance"]["sources"]["dropped"] == {}
    words = ["--output", "corpus", "--rights", "registry", "--name", "spring", "--recipient", "lab"]
    assert release.run(words) == 0
    (frozen,) = corpora.rows("corpus")["releases"]
    seconds = sum(row["seconds"] for row in corpora.rows("corpus")["clips"] if row["video_id"] == film["value"])
    code, told = typed(
        "statement", "--output", "corpus", "--party", "acme", "--from", "2020-01-01", "--to", "2999-01-01"
    )
    assert code == 0
    (total,) = [line.split() for line in told.splitlines() if line.split()[:1] == ["total"]]
    assert float(total[-1]) == pytest.approx(seconds * 250 / 10_000, abs=1e-5)
    assert float(total[2]) == pytest.approx(seconds, abs=1e-5)
    assert verdicts(typed, "The Film", "--at", "2099-01-01")["train"] == "allow"
    assert verdicts(typed, "film", "--at", "2099-01-01")["caption"] == "deny"

    revoke = {**NO, "statement": "revoke", "target": "acme-2", "revocation_effect": "withdraw_outputs"}
    code, told = typed("diff", write("revoke.csv", {**revoke, "statement_id": "acme-4"}))
    assert code == 0
    assert re.search(r"No longer hold\n  acme-2: .*\(revoked: by\s+acme-4\)", told, re.DOTALL)
    publish(typed, "revoke.csv", {**revoke, "statement_id": "acme-4"}, author="counsel", reason="letter of 3 March")

    assert screen.run(["--output", "corpus", "--rights", "registry", "--no-report"]) == 0
    assert f"release {frozen['release_id']}: withdraw" in capsys.readouterr().out
    code, told = typed("explain", "the film", "--use", "train", "--output", "corpus")
    assert code == 0
    assert re.search(rf"release +{frozen['release_id']} +spring +lab +\d+ +\d+ +withdraw", told)
    code, told = typed("explain", "the film", "--use", "train")
    assert code == 0
    assert "by counsel in version 3: letter of 3 March" in told
    assert "revoked: by acme-4" in told
    assert re.search(r"train +deny +The Film: refused by Acme \(acme-4\)", told)
    assert all(len(line) <= 80 for line in told.splitlines())
    second = registry.version(registry.open_registry("registry"), 2).recorded_at
    before = (second + timedelta(microseconds=1)).isoformat()
    assert verdicts(typed, "film", "--as-of", before, "--use", "train") == {"train": "allow"}
    assert verdicts(typed, "film", "--version", "1", "--use", "train") == {"train": "deny"}

    code, told = typed("revert", "--to", "2", "--author", "legal", "--reason", "the letter was not theirs")
    assert (code, "version 4 by legal" in told) == (0, True)
    assert verdicts(typed, "film", "--use", "train") == {"train": "allow"}
    assert "nothing to revert" in typed("revert", "--to", "2", "--author", "legal", "--reason", "again")[1]
    code, told = typed("diff", "--from", "3")
    assert re.search(r"statements: 1 gone\n  gone +acme-4", told)
    assert re.search(r"Begin to hold\n  acme-2:", told)
    code, told = typed("log")
    assert [line.split()[0] for line in told.splitlines()[1:]] == ["1", "2", "3", "4"]
    assert "back to version 2" in told
    (first, *_, last) = json.loads(typed("log", "--json")[1])
    assert (first["added"]["statements"], last["reverts_to"], last["author"]) == (2, 2, "legal")


def test_of_two_who_publish_at_once_one_is_refused_clearly(typed, monkeypatch):
    publish(typed, "first.csv", ACME)
    ready = threading.Barrier(2)
    seal = publishing._seal

    def together(*words: Any) -> Any:
        ready.wait(30)
        return seal(*words)

    monkeypatch.setattr(publishing, "_seal", together)
    codes: dict[str, int] = {}

    def one(name: str) -> None:
        row = {**NO, "statement_id": name, "uses": "train"}
        options = ["--author", name, "--reason", "at once"]
        codes[name] = main.guarded(rights.run, ["publish", write(f"{name}.csv", row), *options])

    threads = [threading.Thread(target=one, args=(name,)) for name in ("ann", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes.values()) == [0, 1]
    winner, loser = sorted(codes, key=lambda name: codes[name])
    assert registry.version(registry.open_registry("registry")).author == winner
    told = typed("log")[1]
    assert (winner in told, loser in told) == (True, False)
    monkeypatch.setattr(publishing, "_seal", seal)
    code, told = typed("publish", f"{loser}.csv", "--author", loser, "--reason", "late", "--base", "1")
    assert code == 1
    assert re.search(rf"version 2 was published since \(by {winner}\)", told)
    assert typed("publish", f"{loser}.csv", "--author", loser, "--reason", "late")[0] == 0


def test_a_registry_for_two_people(typed):
    said = ["--author", "legal", "--reason", "first"]
    name = write("list.csv", ACME)
    code, told = typed("publish", name, *said, "--two-people")
    assert (code, "--create" in told) == (2, True)
    code, told = typed("publish", name, *said, "--create", "--two-people")
    assert (code, "needs two people" in told) == (2, True)
    code, told = typed("publish", name, *said, "--approver", " Legal")
    assert (code, "the author cannot approve" in told) == (2, True)
    assert "nothing was published yet" in typed("log")[1]
    code, told = typed("publish", name, *said, "--approver", "counsel")
    assert (code, "approved by counsel" in told) == (0, True)
    assert typed("revert", "--to", "0", *said)[0] == 2
    assert typed("revert", "--to", "0", *said, "--approver", "counsel")[0] == 0
    assert "every version needs an author and an approver" in typed("show")[1]
    code, told = typed("publish", name, *said, "--registry", "other", "--create")
    assert code == 0
    assert typed("publish", name, *said, "--registry", "other", "--create", "--two-people")[0] == 2


@pytest.mark.parametrize("verb", ["log", "show", "show parties", "explain film", "conflicts", "validate list.csv"])
@pytest.mark.parametrize("damage", ["cut", "part", "layout"])
def test_a_damaged_registry_is_told_and_never_read_as_empty(typed, verb, damage):
    publish(typed, "list.csv", ACME)
    root = Path("registry")
    if damage == "part" and verb == "log":
        return  # the log reads no rows
    for path in {
        "cut": [root / "versions" / "000001.json"],
        "part": [p for t in ("parties", "works", "statements") for p in (root / "tables" / t).rglob("*.parquet")],
        "layout": [root / "registry.json"],
    }[damage]:
        path.write_bytes(path.read_bytes()[:-9])
    code, told = typed(*verb.split())
    assert code == 2
    assert "restore" in told
    assert "Traceback" not in told
    code, told = typed("publish", "list.csv", "--author", "legal", "--reason", "on top", "--create")
    assert code == 2
    assert len(list((root / "versions").iterdir())) == 1


def test_several_files_are_published_together_or_not_at_all(typed):
    files = [write("parties.csv", PARTY), write("works.csv", {**WORK, **URL}), write("said.csv", NO)]
    assert (
        typed(
            "publish", *files, write("bad.csv", {**NO, "uses": "sell"}), "--create", "--author", "A", "--reason", "r"
        )[0]
        == 1
    )
    assert "no registry of rights here" in typed("log")[1]
    code, told = typed("publish", *files, "--create", "--author", "legal", "--reason", "all")
    assert (code, "Added: 1 party, 1 work, 1 identifier, 1 statement." in told) == (0, True)
    code, told = typed("publish", *files, "--author", "legal", "--reason", "again")
    assert (code, "nothing new" in told) == (0, True)


def test_errors_as_json_and_as_a_file(typed):
    name = write("list.csv", ACME, {**NO, "uses": "sell"})
    registry.create("registry")
    code, told = typed("validate", name, "--json", "--output", "errors.json")
    found = json.loads(told)
    assert code == 1
    assert found == json.loads(Path("errors.json").read_text())
    assert found["files"] == [{"file": name, "rows": 2, "errors": 1, "counts": {}}]
    (error,) = found["errors"]
    assert (error["row"], error["column"], error["value"], error["sheet"]) == (3, "uses", "sell", "")
    assert typed("validate", name, "--output", "errors.txt")[0] == 2


def test_show_and_export_every_format(typed):
    hostile = {**NO, "statement_id": "acme-9", "uses": "train, display", "note": "@SUM of\x07 a \x1b[31mnote"}
    publish(typed, "list.csv", ACME, hostile)
    code, told = typed("show")
    assert code == 0
    assert "statements: 2 opt_out" in told
    code, told = typed("show", "statements", "--rows", "1", "--columns", "statement_id,uses")
    assert told.split("\n\n")[1].split() == ["statement_id", "acme-1", "uses", *" | ".join(USES).split()]
    assert "\x1b" not in typed("show", "statements")[1]
    assert typed("show", "statements", "--as-of", "2001-01-01")[1].startswith("statements of version 0: 0 rows")
    (row, _) = json.loads(typed("show", "statements", "--json")[1])
    assert row["statement_id"] == "acme-1"
    for kind in ("csv", "xlsx", "parquet", "jsonl"):
        code, told = typed("export", "statements", f"said.{kind}", "--columns", "statement_id,uses,note")
        assert (code, "2 rows of version 1" in told) == (0, True)
    with open("said.csv", encoding="utf-8-sig", newline="") as file:
        _, listed = csv.DictReader(file)
    sheet = openpyxl.load_workbook("said.xlsx").worksheets[0]
    in_book = [cell.value for cell in sheet[3]]
    expected = ["acme-9", "train | display", "'@SUM of\\x07 a \\x1b[31mnote"]
    assert list(listed.values()) == in_book == expected
    assert pq.read_table("said.parquet").to_pylist()[1]["uses"] == ["train", "display"]
    lines = [json.loads(line) for line in Path("said.jsonl").read_text().splitlines()]
    assert lines[1]["note"] == hostile["note"]
    assert typed("export", "statements", "said.doc")[0] == 2
    assert typed("export", "verdicts", "said.csv")[0] == 2


def test_conflicts_are_told_with_the_way_out(typed):
    publish(typed, "list.csv", ACME)
    assert typed("conflicts") == (0, "version 1: no conflicts\n")
    code, told = typed(
        "diff", write("both.csv", {**NO, "statement_id": "a", "uses": "train"}, {**YES, "statement_id": "b"})
    )
    assert "New conflicts" in told
    publish(typed, "both.csv", {**NO, "statement_id": "a", "uses": "train"}, {**YES, "statement_id": "b"})
    code, told = typed("conflicts")
    assert code == 0
    assert "Acme refuses (a) and grants (b) at once" in told
    assert "supersedes" in told
    (one,) = json.loads(typed("conflicts", "--json")[1])
    assert (one["kind"], one["work_id"], one["statements"]) == ("contradiction", "film", ["a", "b"])


def test_explain_of_everything_there_is(typed):
    saga = {"work": "saga", "title": "Saga", "work_kind": "franchise", "owners": "acme"}
    part = {"work": "part", "title": "Part One", "work_kind": "episode", "parent": "saga"}
    name = {"identify_by": "text", "value": "Part One", "aliases": "Часть первая"}
    other = {**NO, "work": "saga", "statement": "exclude", "subject": "https://example.org/other.mp4"}
    bolt = {"party": "bolt", "party_name": "Bolt", "party_kind": "studio", "represented_by": "acme"}
    publish(typed, "list.csv", {**PARTY, **saga, **NO, "work": "saga", "uses": "train"}, {**part, **name}, other, bolt)
    code, told = typed("explain", "Part One")
    assert code == 0
    assert "part of Saga (saga)" in told
    assert "owners: Acme (acme)" in told
    assert "recognised by text Part One, also Часть первая" in told
    assert re.search(r"train +deny +Part One: refused by Acme", told)
    assert re.search(r"generate +deny +Part One: no live grant of Acme", told)
    assert re.search(r"display +allow", told)
    code, told = typed("explain", "часть первая", "--use", "train")
    assert "is recognised by text Part One" in told
    assert re.search(r"train +review .*weak evidence", told)  # a name alone refuses nobody
    code, told = typed("explain", "acme")
    assert re.search(r"Part One|saga", told)
    assert re.search(r"Saga \(saga\) +deny +allow +deny +allow", told)
    code, told = typed("explain", "bolt")
    assert "not verified: may refuse, not grant" in told
    assert "represented by Acme (acme)" in told
    assert "Nothing was said" in told
    code, told = typed("explain", "https://example.org/other.mp4")
    assert "is not Saga (saga)" in told
    assert typed("explain", "part", "--use", "train", "--regime", "opt-in")[0] == 0
    code, told = typed("explain", "prat")
    assert (code, "near: part" in told) == (1, True)
    for wrong in (
        ["--use", "sell"],
        ["--regime", "maybe"],
        ["--at", "3/4/2026"],
        ["--version", "1", "--as-of", "2026-01-01"],
    ):
        assert typed("explain", "part", *wrong)[0] == 2
    assert typed("explain", "part", "--territories", "XX", "--use", "display")[1].count("unknown") == 1


def test_moments_are_read_as_days_at_their_end_or_as_they_are():
    from pipelines.rights_words import moment

    assert moment("--at", "2026-03-03") == datetime(2026, 3, 3, 23, 59, 59, 999999, UTC)
    assert moment("--at", "2026-03-03T10:00:00Z") == datetime(2026, 3, 3, 10, tzinfo=UTC)
    assert moment("--at", "2026-03-03T10:00+02:00") == datetime(2026, 3, 3, 8, tzinfo=UTC)


def test_every_verb_explains_itself(typed, capsys):
    assert typed()[0] == 2
    for verb in rights.VERBS:
        with pytest.raises(SystemExit) as ended:
            rights.run([verb, "--help"])
        assert ended.value.code == 0
        assert f"usage: rushes rights {verb}" in capsys.readouterr().out
    code, told = typed("explian", "film")
    assert (code, "explain" in told) == (2, True)
    assert typed("log", "--registry", "nowhere")[0] == 2


def test_no_registry_named(typed, monkeypatch):
    monkeypatch.delenv("RUSHES_RIGHTS")
    code, told = typed("log")
    assert (code, "RUSHES_RIGHTS" in told) == (2, True)
    assert "Checked by itself" in typed("validate", write("list.csv", *GOOD))[1]


def test_publishing_compiles_for_the_jobs_and_does_not_hang_on_it(typed, monkeypatch):
    publish(typed, "list.csv", ACME)
    assert len(list(Path("registry/compiled").iterdir())) == 1

    def fails(*_: Any) -> str:
        raise registry.RegistryError("no space left")

    monkeypatch.setattr(matching, "compile_version", fails)
    publish(typed, "more.csv", {**NO, "uses": "train"})
    assert registry.numbers(registry.open_registry("registry")) == [1, 2]
    assert typed("explain", "https://example.org/film/a.mp4")[0] == 0


def test_the_docs_show_what_is_told(typed, monkeypatch):
    monkeypatch.delenv("RUSHES_RIGHTS")
    code, told = typed("validate", write("list.csv", ACME, *WRONG))
    shown = re.search(r"^```text\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert shown
    assert (code, told.startswith(shown[1])) == (1, True), told


def test_the_docs_list_what_there_is():
    page = DOCS.read_text(encoding="utf-8")
    rows = dict(reversed(re.findall(r"^\| `(\w+)` \| (.+?) \|(?: .* \|)?$", page, re.MULTILINE)))
    for column in COLUMNS:
        assert rows[column.name] == column.doc.replace("|", "\\|"), column.name
    for words in (VERDICTS, MODES, EFFECTS, IDENTIFIER_KINDS):
        assert set(words) <= set(rows)
    assert all(f"`{state}`" in page for state in STATES if state != "absent")
    assert all(f"rushes rights {verb}" in page for verb in rights.VERBS)


def test_lists_anywhere(typed):
    place = "memory://rights-lists"
    book, rows = f"{place}/in/list.xlsx", f"{place}/wrong list.csv"
    assert typed("template", book)[0] == 0
    assert storage.read_bytes(book)[:2] == b"PK"
    storage.write_bytes(rows, text([ACME, *WRONG]).encode())
    registry.create("registry")
    code, told = typed("validate", rows, "--output", f"{place}/errors.json")
    assert code == 1
    assert f"{rows}: 5 errors in 5 of 6 rows" in told
    report = json.loads(storage.read_bytes(f"{place}/errors.json"))
    assert {error["file"] for error in report["errors"]} == {rows}
    good, other = f"{place}/good.csv", f"{place}/other.csv"
    storage.write_bytes(good, text([ACME]).encode())
    storage.write_bytes(other, text([{**ACME, "title": "Another"}]).encode())
    code, told = typed("validate", good, other)
    assert (code, f"described otherwise in {good}" in told) == (1, True)
    assert typed("publish", good, "--author", "legal", "--reason", "a letter")[0] == 0
    assert set(verdicts(typed, "film").values()) == {"deny"}
    code, told = typed("validate", f"{place}/absent.csv")
    assert code == 2
    assert f"{place}/absent.csv: cannot be fetched" in told.replace("\n", " ")
