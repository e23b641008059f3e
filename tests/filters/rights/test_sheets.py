from __future__ import annotations

import contextlib
import csv
import datetime
import io
import sys
import tracemalloc
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.rights import lookup, publishing, registry, sheets, workbook
from filters.rights.columns import BY_NAME, COLUMNS, CellError, text_of
from filters.rights.precedence import Match, Question, decide
from filters.rights.records import USES
from filters.rights.sheets import Checked, validate
from filters.rights.workbook import FileError
from tests.filters.rights.said import day, entries, say
from transforms.settings import ConfigError

PARTY = {"party": "acme", "party_name": "Acme", "party_kind": "studio", "verified_by": "legal"}
WORK = {"work": "film", "title": "The Film", "work_kind": "title", "owners": "acme"}
URL = {"identify_by": "url_prefix", "value": "https://example.org/film/"}
NO: dict[str, Any] = {"party": "acme", "work": "film", "statement": "opt_out"}
YES = {**NO, "statement": "grant", "uses": "train", "territory": "DE, AT", "evidence": "contract 7"}
GOOD = [{**PARTY, **WORK, **URL, **NO}, {**YES, "from": "2026-02-01", "until": "2026-02-28", "share_bp": "250"}]


def text(rows: Sequence[dict[str, Any]], delimiter: str = ",") -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    made = io.StringIO(newline="")
    writer = csv.DictWriter(made, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return made.getvalue()


def check(folder: Path, rows: Sequence[dict[str, Any]], known: Any = None) -> Checked:
    path = folder / "list.csv"
    path.write_text(text(rows), encoding="utf-8")
    return validate(str(path), str(folder / "good"), known)


def told(checked: Checked) -> list[tuple[int, str, str]]:
    assert all(error.remedy for error in checked.errors)
    return [(error.row, error.column, error.value) for error in checked.errors]


def made(checked: Checked, table: str) -> list[dict[str, Any]]:
    return [row for batch in checked.batches(table) for row in batch.to_pylist()]


def test_good_rows_become_records(tmp_path):
    checked = check(tmp_path, GOOD)
    assert (checked.errors, checked.rows) == ((), 2)
    assert checked.counts == {"parties": 1, "works": 1, "identifiers": 1, "statements": 2}
    no, yes = made(checked, "statements")
    assert (no["mode"], no["uses"], no["territories"]) == ("opt_out", list(USES), ["WORLD"])
    assert (yes["valid_from"], yes["valid_until"]) == (day(32), day(60))  # the last day is included
    assert (yes["territories"], yes["share_bp"], yes["party_id"], yes["work_id"]) == (["AT", "DE"], 250, "acme", "film")
    assert made(checked, "identifiers")[0]["value"] == "example.org/film/"
    assert made(checked, "parties")[0]["name"] == "Acme"


def test_a_file_is_published_and_decides(tmp_path):
    held = registry.create(str(tmp_path / "rights"))
    for name in ("first", "second"):  # the same file again brings nothing new
        (tmp_path / name).mkdir()
        checked = check(tmp_path / name, GOOD)
        state = publishing.publish(
            held, checked.new(), base=len(registry.numbers(held)), author="ann", reason="list", now=day(1)
        )
    assert (state.number, state.added["statements"]) == (1, 2)
    known = lookup.entries(held, state)
    for at, verdict in ((31, "deny"), (40, "deny"), (60, "deny")):  # both were said at once, for train in DE: a tie
        question = Question(use="train", regime="opt-out", at=day(at), territories=frozenset(["DE"]))
        assert decide(question, [Match("film", "url_prefix")], known).verdict == verdict
    assert check(tmp_path, [{**YES, "supersedes": "nobody"}], known).error_count == 1
    assert check(tmp_path, [NO], known).errors == ()


def workbook_of(path: Path, rows: Sequence[Sequence[Any]], sheet: str = "rights") -> Path:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "cover"
    target = book.create_sheet(sheet)
    for row in rows:
        target.append(list(row))
    book.save(path)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_as_spreadsheet_programs_save_it(tmp_path, encoding, delimiter):
    rows = [{**GOOD[0], "title": "Фильм 映画", "note": "a, b; c"}, GOOD[1]]
    body = text(rows, delimiter)
    name = encoding.removesuffix("-bom")
    path = tmp_path / "list.csv"
    path.write_bytes((("\ufeff" if encoding.endswith("-bom") else "") + body).encode(name))
    checked = validate(str(path), str(tmp_path / "good"))
    assert checked.errors == ()
    assert made(checked, "works")[0]["title"] == "Фильм 映画"


def test_xlsx_with_dates_numbers_and_blank_rows(tmp_path):
    columns = list(dict.fromkeys([*GOOD[0], *GOOD[1]]))
    second = {**GOOD[1], "from": datetime.date(2026, 2, 1), "until": datetime.datetime(2026, 2, 28), "share_bp": 250.0}
    cells: list[list[Any]] = [columns, [GOOD[0].get(c) for c in columns], [None], [second.get(c) for c in columns]]
    path = workbook_of(tmp_path / "list.xlsx", cells)
    checked = validate(str(path), str(tmp_path / "good"))
    assert (checked.errors, checked.rows) == ((), 2)
    assert made(checked, "statements") == made(check(tmp_path, GOOD), "statements")


def test_parquet_with_lists(tmp_path):
    columns = list(dict.fromkeys([*GOOD[0], *GOOD[1]]))
    table = pa.table({c: pa.array([GOOD[0].get(c), GOOD[1].get(c)], pa.string()) for c in columns})
    table = table.set_column(columns.index("territory"), "territory", pa.array([None, ["DE", "AT"]]))
    pq.write_table(table, tmp_path / "list.parquet")
    checked = validate(str(tmp_path / "list.parquet"), str(tmp_path / "good"))
    assert checked.errors == ()
    assert made(checked, "statements") == made(check(tmp_path, GOOD), "statements")
    pq.write_table(table.slice(1), tmp_path / "list.parquet")
    assert told(validate(str(tmp_path / "list.parquet"), str(tmp_path / "other")))[0] == (1, "party", "acme")


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"from": "03/04/2026"}, "from", "03/04/2026"),
    ({"from": "2026-02-30"}, "from", "2026-02-30"),
    ({"until": "2026-01-01", "from": "2026-02-01"}, "until", "2026-01-02"),
    ({"until": "9999-12-31"}, "until", "9999-12-31"),
    ({"territory": "UK"}, "territory", "UK"),
    ({"territory": "DE EU"}, "territory", "DE EU"),
    ({"uses": "trian"}, "uses", "trian"),
    ({"statement": "optout"}, "statement", "optout"),
    ({"share_bp": "2.5%"}, "share_bp", "2.5%"),
    ({"share_bp": "10001"}, "share_bp", "10001"),
    ({"evidence": ""}, "evidence", ""),
    ({"uses": ""}, "uses", ""),
    ({"territory": ""}, "territory", ""),
    ({"party": ""}, "party", ""),
    ({"party": "two words"}, "party", "two words"),
    ({"party": "1.23E+15"}, "party", "1.23E+15"),
    ({"party": "nobody"}, "party", "nobody"),
    ({"work": "nothing"}, "work", "nothing"),
    ({"through": "nobody"}, "through", "nobody"),
    ({"parent": "saga"}, "title", ""),
    ({"verified_by": "legal"}, "party_name", ""),
    ({"identify_by": "sha256"}, "value", ""),
    ({"identify_by": "sha256", "value": "abc"}, "value", "abc"),
    ({"identify_by": "domain", "value": "example.org/a"}, "value", "example.org/a"),
    ({"identify_by": "account", "value": "@someone"}, "value", "@someone"),
    ({"identify_by": "text", "value": "X"}, "value", "X"),
    ({"identify_by": "url_prefix", "value": "my film"}, "value", "my film"),
    ({"identify_by": "domain", "value": "a.org", "aliases": "b"}, "aliases", "['b']"),
    ({"note": "=1+1"}, "note", "=1+1"),
    ({"note": "+SUM(A1:A2)"}, "note", "+SUM(A1:A2)"),
    ({"note": "@SUM(1)"}, "note", "@SUM(1)"),
    ({"note": "#REF!"}, "note", "#REF!"),
    ({"note": "x" * 5000}, "note", "x" * 80),
    ({"revocation_effect": "retrain"}, "revocation_effect", "retrain"),
    ({"subject": "u"}, "subject", "u"),
    ({"statement": "exclude", "share_bp": "", "subject": "that one"}, "subject", "that one"),
    ({"statement": "exclude", "share_bp": "", "subject": "sha256:12"}, "subject", "sha256:12"),
    ({"supersedes": "nothing"}, "supersedes", "nothing"),
    ({"statement": "revoke", "uses": "", "territory": "", "share_bp": ""}, "revocation_effect", ""),
    ({"statement": "exclude", "share_bp": ""}, "subject", ""),
]  # fmt: skip


@pytest.mark.parametrize(("change", "column", "value"), WRONG)
def test_every_wrong_cell_is_told_with_row_column_and_value(tmp_path, change, column, value):
    row = {**GOOD[1], **change}
    checked = check(tmp_path, [GOOD[0], row])
    assert (3, column, value) in told(checked), checked.errors
    assert {error.row for error in checked.errors} == {3}
    with pytest.raises(ConfigError, match="nothing of it is published"):
        list(checked.batches("statements"))
    assert checked.counts == {}


def test_errors_of_five_kinds_are_told_row_by_row_in_order(tmp_path):
    rows = [
        GOOD[0],
        {**YES, "territory": "UK"},
        {**NO, "from": "soon"},
        {"work": "film"},
        {**NO, "uses": "=A1"},
        {**YES, "evidence": ""},
    ]
    checked = check(tmp_path, rows)
    assert [(e.row, e.column) for e in checked.errors] == [
        (3, "territory"),
        (4, "from"),
        (5, ""),
        (6, "uses"),
        (7, "evidence"),
    ]
    assert "United Kingdom is GB" in str(checked.errors[0])
    assert (
        str(checked.errors[1]) == "row 4, from: 'soon': a day as YYYY-MM-DD, so that nobody takes the month for the day"
    )


def test_an_unverified_party_may_refuse_and_not_grant(tmp_path):
    unverified = {**GOOD[0], "verified_by": ""}
    assert told(check(tmp_path, [unverified, GOOD[1]])) == [(3, "party", "acme")]
    assert check(tmp_path, [unverified, {**NO, "uses": "display"}]).errors == ()
    agent = {"party": "agent", "party_name": "Agent", "party_kind": "agent"}
    assert told(check(tmp_path, [GOOD[0], agent, {**YES, "through": "agent"}])) == [(4, "through", "agent")]


def test_footage_that_is_not_the_work_is_named_in_one_spelling(tmp_path):
    exclude = {**NO, "statement": "exclude"}
    shown = [f"SHA256:{'AB' * 32}", "HTTPS://Example.ORG:443/a b.mp4", "s3://bucket/a.mp4"]
    checked = check(tmp_path, [GOOD[0], *({**exclude, "subject": one} for one in shown)])
    found = [row["subject"] for row in made(checked, "statements") if row["mode"] == "exclude"]
    assert found == [f"sha256:{'ab' * 32}", "https://example.org/a%20b.mp4", "s3://bucket/a.mp4"]


def test_shares_of_a_work_over_the_whole_are_told(tmp_path):
    bolt = {"party": "bolt", "party_name": "Bolt", "party_kind": "studio", "verified_by": "legal"}
    mine = {**YES, "share_bp": "6000", "territory": "WORLD"}
    theirs = {**mine, "party": "bolt", "territory": "DE"}
    checked = check(tmp_path, [GOOD[0], bolt, mine, {**mine, "from": "2027-01-01"}, theirs])
    assert told(checked) == [(6, "share_bp", "6000")]
    assert "12000" in checked.errors[0].remedy
    assert check(tmp_path, [GOOD[0], bolt, {**mine, "territory": "FR"}, theirs]).errors == ()


def test_without_openpyxl_a_workbook_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    path = workbook_of(tmp_path / "list.xlsx", [list(GOOD[0])])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "rushes[rights]" in validate(str(path), str(tmp_path / "good")).errors[0].remedy


def test_rows_that_stand_twice_are_told_and_words_that_repeat_are_not(tmp_path):
    checked = check(tmp_path, [*GOOD, GOOD[1], {**GOOD[0], "uses": "display", "statement_id": "more"}])
    assert [(e.row, e.remedy) for e in checked.errors] == [(4, "the same as row 3: delete one of them")]
    other = {**PARTY, **WORK, "identify_by": "domain", "value": "example.org", **NO}
    checked = check(tmp_path, [*GOOD, other])  # party, work and statement in the same words again
    assert checked.errors == ()
    assert checked.counts == {"parties": 1, "works": 1, "identifiers": 2, "statements": 2}
    assert [len(made(checked, table)) for table in checked.counts] == [1, 1, 2, 2]
    checked = check(tmp_path, [*GOOD, {**other, "title": "Another Film", "party_name": "ACME"}])
    assert told(checked) == [(4, "party", "acme"), (4, "work", "film")]
    assert "described otherwise in row 2" in checked.errors[0].remedy
    checked = check(tmp_path, [*GOOD, {**NO, "statement_id": "a"}, {**NO, "statement_id": "a", "uses": "display"}])
    assert told(checked) == [(5, "statement_id", "a")]


def test_what_the_registry_knows_need_not_be_said_again(tmp_path):
    known = entries(say("old", "grant"))
    revoke = {**NO, "statement": "revoke", "target": "old", "revocation_effect": "withdraw_outputs"}
    assert check(tmp_path, [revoke, {**YES, "supersedes": "old"}], known).errors == ()
    assert [c for _, c, _ in told(check(tmp_path, [revoke]))] == ["party", "target", "work"]


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("party,work,statement,territry", "territry"),
        ("party,work,statement,party", "party"),
        ("party,work,statement,colour", "colour"),
        ("a,b,c", "a"),
        ("party,work", ""),
        ("", ""),
    ],
)
def test_a_header_that_is_none(tmp_path, header, column):
    path = tmp_path / "list.csv"
    path.write_text(header + "\nacme,film,opt_out,DE\n")
    checked = validate(str(path), str(tmp_path / "good"))
    assert checked.error_count
    assert checked.errors[0].column == column


def test_own_columns_are_ignored_when_marked(tmp_path):
    assert check(tmp_path, [{**GOOD[0], "x_colour": "=red"}]).errors == ()


def test_cells_under_no_header_are_told(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("party,party_name,party_kind\nacme,Acme, Inc.,studio\n")
    assert (2, "", "studio") in told(validate(str(path), str(tmp_path / "good")))


def damaged() -> dict[str, tuple[str, bytes]]:
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("nothing", "here")
    return {
        "empty": ("a.csv", b""),
        "of another kind": ("a.xls", b"\xd0\xcf\x11\xe0"),
        "with a password": ("a.xlsx", b"\xd0\xcf\x11\xe0" * 200),
        "an archive of something else": ("a.xlsx", zipped.getvalue()),
        "no parquet": ("a.parquet", b"PAR1 nothing PAR1"),
        "utf-16 without a mark": ("a.csv", text(GOOD).encode("utf-16-le")),
        "utf-16 that was cut": ("a.csv", text(GOOD).encode("utf-16")[:-1]),
        "a quotation mark without its twin": ("a.csv", (text(GOOD) + '"' + "x\n" * 100_000).encode()),
        "bytes": ("a.csv", bytes(range(256)) * 100),
    }


@pytest.mark.parametrize("what", damaged())
def test_a_file_that_cannot_be_read_is_told_and_gives_nothing(tmp_path, what):
    name, content = damaged()[what]
    (tmp_path / name).write_bytes(content)
    checked = validate(str(tmp_path / name), str(tmp_path / "good"))
    assert checked.error_count >= 1
    assert checked.counts == {}
    assert checked.errors[0].remedy


def test_letters_that_were_lost_are_told_in_their_row(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(text([{**GOOD[0], "title": "Bücher"}]).encode("cp1252"))
    (error,) = validate(str(path), str(tmp_path / "good")).errors
    assert (error.row, error.column, error.value) == (2, "title", "B?cher")
    assert "CSV UTF-8" in error.remedy


def test_a_formula_in_a_workbook_is_told_and_not_calculated(tmp_path):
    path = workbook_of(tmp_path / "list.xlsx", [list(GOOD[0]), [*list(GOOD[0].values())[:-1], '=IF(TRUE,"opt_out")']])
    assert told(validate(str(path), str(tmp_path / "good"))) == [(2, "statement", '=IF(TRUE,"opt_out")')]


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MOST_UNPACKED", 1000)
    path = workbook_of(tmp_path / "list.xlsx", [list(GOOD[0]), list(GOOD[0].values())])
    assert "unpacks to" in validate(str(path), str(tmp_path / "good")).errors[0].remedy


def test_many_errors_are_counted_and_the_first_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "MOST_ERRORS", 10)
    checked = check(tmp_path, [{**NO, "uses": "dream", "note": str(n)} for n in range(50)])
    assert (checked.error_count, len(checked.errors), checked.rows) == (50, 10, 50)


@pytest.mark.parametrize("name", ["rights.xlsx", "rights.csv"])
def test_the_template_is_a_file_to_fill_in(tmp_path, name):
    path = tmp_path / name
    workbook.template(str(path))
    found = list(workbook.rows(str(path)))
    assert list(found[0][1]) == [column.name for column in COLUMNS]
    checked = validate(str(path), str(tmp_path / "good"))
    assert (checked.rows, checked.errors) == (0, ())
    with pytest.raises(FileError, match="exists already"):
        workbook.template(str(path))
    with pytest.raises(FileError, match=r"\.xlsx or \.csv"):
        workbook.template(str(tmp_path / "rights.txt"))


def test_the_template_explains_every_column_with_a_cell_that_can_be_read(tmp_path):
    workbook.template(str(tmp_path / "t.xlsx"))
    shown = list(openpyxl.load_workbook(tmp_path / "t.xlsx")["explanations"].iter_rows(min_row=2, values_only=True))
    assert [row[0] for row in shown] == list(BY_NAME)
    for name, doc, example, _ in shown:
        assert str(doc).endswith(".")
        BY_NAME[str(name)].parse(text_of(example))


def test_no_records_are_half_accepted(tmp_path):
    many = [{**NO, "uses": "train", "note": str(n)} for n in range(12_000)]
    checked = check(tmp_path, [GOOD[0], *many, {**NO, "uses": "dream"}])
    assert (checked.error_count, checked.counts) == (1, {})
    with pytest.raises(ConfigError):
        next(iter(checked.new()["statements"]))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(COLUMNS), st.text(max_size=30) | st.floats() | st.integers() | st.booleans() | st.datetimes())
def test_a_cell_is_read_or_told_whatever_it_holds(column, cell):
    with contextlib.suppress(CellError):
        shown = text_of(cell)
        if shown:
            assert column.parse(shown) is not None


def long_list(path: Path, rows: int) -> None:
    """One film that is refused and recognised at very many addresses, as a spreadsheet program saves Unicode text."""
    with path.open("w", encoding="utf-16", newline="") as file:
        file.write("party\tparty_name\tparty_kind\twork\ttitle\twork_kind\tidentify_by\tvalue\tstatement\n")
        file.write("acme\tAcme\tstudio\tfilm\tThe Film\ttitle\turl_prefix\texample.org/0/\topt_out\n")
        for n in range(1, rows):
            file.write(f"\t\t\tfilm\t\t\turl_prefix\texample.org/{n}/\t\n")


def test_memory_grows_by_some_bytes_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "_BATCH", 200)
    peaks = {}
    for rows in (1_000, 5_000):
        long_list(tmp_path / "list.tsv", rows)
        tracemalloc.start()
        checked = validate(str(tmp_path / "list.tsv"), str(tmp_path / str(rows)))
        peaks[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert checked.counts["identifiers"] == rows
    assert (peaks[5_000] - peaks[1_000]) / 4_000 < 300


@pytest.mark.slow
def test_a_long_list_is_checked_to_its_last_row_in_little_memory(tmp_path):
    rows = 200_000
    long_list(tmp_path / "list.tsv", rows)
    with (tmp_path / "list.tsv").open("a", encoding="utf-16-le", newline="") as file:
        file.write("\t\t\tfilm\t\t\turl_prefix\texample.org/7/\t\n")
    before = psutil.Process().memory_info().rss
    checked = validate(str(tmp_path / "list.tsv"), str(tmp_path / "good"))
    assert [(e.row, e.remedy) for e in checked.errors] == [(rows + 2, "the same as row 9: delete one of them")]
    assert checked.rows == rows + 1
    assert psutil.Process().memory_info().rss - before < 150e6
