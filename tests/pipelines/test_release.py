"""Releases: what is frozen for whom, what each use of a licensed work costs, and what has to be taken back."""

from __future__ import annotations

import csv
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.rights import registry
from filters.rights.registry import Registry
from filters.rights.screening import Screen, Subject
from pipelines import descent, explain, main, release, rescreening, rights, rights_statement, screen
from tests.filters.rights.said import EVERYBODY, day, put, say
from tests.pipelines import handed
from tests.pipelines.test_screening import known
from transforms import tables
from transforms.records import to_dict
from transforms.settings import ConfigError

FILM, DUCK, OTHER = "s3://b/film.mp4", "s3://b/duck.mp4", "s3://b/other.mp4"
FOOTAGE = {FILM: [2.5, 1.25], DUCK: [4.0], OTHER: [1.0, 3.0]}
KNOWN = (known("film", "url_prefix", "b/film.mp4"), known("duck", "url_prefix", "b/duck.mp4"))
YES = say("yes", "grant", share_bp=250)


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY, *KNOWN)
    return made


def freeze(out: Path, held: Registry, name: str = "first", who: str = "lab", *extra: str) -> int:
    argv = ["--output", str(out), "--rights", held.root, "--name", name, "--recipient", who, *extra]
    return main.guarded(release.run, argv)


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    return list(tables.read(tables.open_corpus(str(out)), table).to_pylist())


def clips(out: Path, name: str = "first") -> set[str]:
    (one,) = [row for row in rows(out, "releases") if row["name"] == name]
    return {row["clip_id"] for row in rows(out, "release_clips") if row["release_id"] == one["release_id"]}


def of(*uris: str) -> set[str]:
    return {handed.clip_id(uri, number) for uri in uris for number in range(len(FOOTAGE[uri]))}


def test_a_release_holds_what_is_trainable_and_a_row_for_each_licensed_clip(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    put(held, YES, say("no", "opt_out", "bolt", "duck"), on=2)
    handed.screened(out, held, FOOTAGE)
    assert freeze(out, held) == 0
    (row,) = rows(out, "releases")
    assert (row["recipient"], row["clips"], row["videos"], row["seconds"]) == ("lab", 4, 2, 7.75)
    assert (row["snapshot"], row["registry_version"], row["left_out"]) == (1, 2, 0)
    assert clips(out) == of(FILM, OTHER)
    listed = pq.read_table(out / row["manifest"]).to_pylist()
    assert [one["clip_id"] for one in listed] == sorted(of(FILM, OTHER))
    assert {one["caption"] for one in listed} == {"a view of 0", "a view of 1"}
    uses = rows(out, "licensed_uses")
    assert {(u["clip_id"], u["microseconds"]) for u in uses} == {
        (handed.clip_id(FILM, 0), 2_500_000),
        (handed.clip_id(FILM, 1), 1_250_000),
    }
    assert {(u["work_id"], u["party_id"], u["statement_id"], u["share_bp"], u["kind"], u["used_in"]) for u in uses} == {
        ("film", "acme", "yes", 250, "release", row["release_id"])
    }

    assert explain.run([str(out), handed.clip_id(FILM, 0)]) == 0
    story = capsys.readouterr().out
    assert "Releases it is in (releases)" in story
    assert row["release_id"] in story
    assert "Licences it was released under" in story
    for subject, licensed in ((FILM, "0"), ("film", "2"), ("yes", "2"), (OTHER, "0")):
        code = rights.run(["explain", subject, "--registry", held.root, "--output", str(out)])
        told = re.search(rf"release +{row['release_id']} +first +lab +2 +(\d)", capsys.readouterr().out)
        assert told
        assert (code, told[1]) == (0, licensed)

    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert freeze(out, held) == 0
    assert f"{row['release_id']} is there already" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert freeze(out, held, "first", "lab", "--territories", "DE") == 2
    assert "choose another name" in capsys.readouterr().err
    assert freeze(out, held, "first", "another lab") == 0


TO_WHOM = [
    ("lab", (), {FILM, OTHER}),
    ("elsewhere", (), {OTHER}),
    ("lab", ("--territories", "DE"), {FILM, DUCK, OTHER}),
    ("elsewhere", ("--territories", "FR"), {OTHER}),
    ("lab", ("--as-of", day(20_000).isoformat()), {OTHER}),
]


def test_what_is_granted_to_some_is_released_to_them_alone(tmp_path: Path, held: Registry):
    lab = say("yes", "grant", recipients=["lab"], supersedes="no", on=2, recorded_at=None, valid_until=day(19_000))
    put(held, say("no", "opt_out"), say("fr", "opt_out", "bolt", "duck", territories=["FR"]), on=2)
    put(held, lab, on=3)
    # Screened for where and whom all of it may be used.
    handed.screened(tmp_path / "out", held, FOOTAGE, recipient="lab", territories=("DE",))
    for number, (who, extra, kept) in enumerate(TO_WHOM):
        assert freeze(tmp_path / "out", held, str(number), who, *extra) == 0
        assert clips(tmp_path / "out", str(number)) == of(*kept)
        (row,) = [row for row in rows(tmp_path / "out", "releases") if row["name"] == str(number)]
        assert row["left_out"] == len(of(*FOOTAGE)) - len(of(*kept))
        uses = [use for use in rows(tmp_path / "out", "licensed_uses") if use["used_in"] == row["release_id"]]
        assert bool(uses) == (FILM in kept)


def test_a_corpus_has_to_be_screened_with_the_registry_as_it_is(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    handed.committed(out, [])
    assert freeze(out, held) == 2
    assert "never screened: run `rushes screen" in capsys.readouterr().err
    handed.screened(out, held, FOOTAGE)
    put(held, say("no", "opt_out", "bolt", "duck"), on=3)
    assert freeze(out, held) == 2
    assert "screened with version 1 of the registry, which is at 2: run `rushes screen" in capsys.readouterr().err
    other = registry.create(str(tmp_path / "other"))
    put(other, *EVERYBODY)
    assert freeze(out, other) == 2
    assert "not screened with this registry" in capsys.readouterr().err
    assert rows(out, "releases") == []


def test_every_party_and_every_ancestor_that_granted_has_its_row(tmp_path: Path, held: Registry):
    out = tmp_path / "out"
    part, both = "s3://b/part.mp4", "s3://b/both.mp4"
    put(held, known("part", "url_prefix", "b/part.mp4"), known("both", "url_prefix", "b/both.mp4"), on=2)
    # Of one party's grants the more specific counts; bolt says nothing of the joint work, and need not.
    all_of_it = [say("saga", "grant", work="saga", share_bp=100), say("both", "grant", work="both", share_bp=9)]
    put(held, *all_of_it, say("film", "grant", share_bp=200), on=3)
    handed.screened(out, held, {part: [1.0], both: [1.0]})
    assert freeze(out, held) == 0
    uses = {(u["work_id"], u["party_id"], u["statement_id"], u["share_bp"]) for u in rows(out, "licensed_uses")}
    assert uses == {("part", "acme", "film", 200), ("both", "acme", "both", 9)}


# What happens after a release made under a grant, and what it asks back.
AFTER: dict[str, tuple[list[Any], str | None]] = {
    "opt-out": ([say("later", "opt_out")], "withdraw"),
    "another's": ([say("later", "hold", "bolt")], "withdraw"),
    "future only": ([say("later", "revoke", target="yes", revocation_effect="future_only")], None),
    "outputs": ([say("later", "revoke", target="yes", revocation_effect="withdraw_outputs")], "withdraw"),
    "retrain": ([say("later", "revoke", target="yes", revocation_effect="retrain")], "retrain"),
    "all of it": ([say("later", "revoke", revocation_effect="withdraw_outputs")], "withdraw"),
    "dispute": ([say("later", "dispute", "bolt", target="yes")], "review"),
    "another place": ([say("later", "opt_out", territories=["FR"])], None),
    "another's work": ([say("later", "opt_out", "bolt", "duck")], None),
    "hold and future only": (
        [say("later", "hold"), say("end", "revoke", target="yes", revocation_effect="future_only")],
        "withdraw",
    ),
    "more allowed": ([say("more", "grant", uses=["display"])], None),
}


def back(out: Path, held: Registry, at: datetime | None = None) -> dict[str, Any]:
    """What a screening would ask back of the film's releases, by release."""
    moment = None if at is None else at.isoformat()
    asked = Screen(handed.settings(held, as_of=moment))
    corpus = tables.open_corpus(str(out))
    base = tables.snapshot(corpus).number
    ((video, stored),) = release._held(corpus, base, {handed.bytes_of(FILM)})
    found = descent.taken_back(asked, video, stored, descent.releases(corpus, base))
    return {one.id: one.why for one in found}


def test_what_is_asked_back_of_a_release_made_under_a_grant(tmp_path: Path, held: Registry):
    out = tmp_path / "out"
    put(held, say("no", "opt_out"), on=2)
    put(held, say("yes", "grant", supersedes="no", share_bp=250, recorded_at=None), on=3)
    handed.screened(out, held, FOOTAGE)
    assert freeze(out, held, "first", "lab", "--territories", "DE") == 0
    assert back(out, held) == {}
    for number, (case, (said, wanted)) in enumerate(AFTER.items()):
        other = registry.open_registry(str(shutil.copytree(held.root, tmp_path / f"rights-{number}")))
        put(other, *said, on=4)
        found = back(out, other)
        assert [one.action for one in found.values()] == ([wanted] if wanted else []), case
        for why in found.values():
            assert why.entries == ("later",), case
            assert why.words[-1] == "release first for lab holds 2 clips of it"


def test_a_grant_that_lapsed_asks_nothing_back_and_what_it_never_covered_does(tmp_path: Path, held: Registry):
    out = tmp_path / "out"
    until = say("yes", "grant", supersedes="no", recorded_at=None, valid_until=day(19_000))
    put(held, say("no", "opt_out"), say("never", "opt_out", work="part"), on=2)
    put(held, until, on=3)
    handed.screened(out, held, FOOTAGE)
    assert freeze(out, held) == 0
    assert back(out, held, day(20_000)) == {}
    # The same film turns out to show a part that was refused all the time.
    put(held, known("part", "sha256", handed.bytes_of(FILM)), on=4)
    assert [one.entries for one in back(out, held, day(20_000)).values()] == [("never",)]


def again(out: Path, held: Registry, *extra: str) -> None:
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report", *extra]) == 0


def test_screening_lists_releases_and_assets_once_and_never_edits_them(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    make = say("make", "grant", uses=["generate"], share_bp=100)
    quack = say("quack", "grant", "bolt", "duck", uses=["generate"], products=["shoes"])
    put(held, YES, make, quack, on=2)
    handed.screened(out, held, FOOTAGE)
    assert freeze(out, held) == 0
    made = [
        handed.asset("ad-1", "make", "film", "acme", 6.0),
        handed.asset("ad-2", "quack", "duck", "bolt", 6.0, product="shoes"),
    ]
    handed.committed(out, made)
    gone: dict[str, Any] = {"revocation_effect": "withdraw_outputs", "uses": ["train", "generate"]}
    put(held, say("later", "revoke", **gone, recorded_at=None), on=3)
    before = {name: rows(out, name) for name in ("releases", "release_clips", "licensed_uses")}
    (frozen,) = before["releases"]
    capsys.readouterr()
    again(out, held)
    shown = capsys.readouterr().out
    assert "1 release, 1 asset" in shown
    assert f"release {frozen['release_id']}: withdraw" in shown
    found = [row for row in rows(out, "retractions") if row["action"]]
    film = handed.bytes_of(FILM)
    corpus = tables.open_corpus(str(out))
    told = descent.told(corpus, tables.snapshot(corpus).number)
    assert {(kind, name) for kind, name, *_ in told} == {("release", frozen["release_id"]), ("asset", "ad-1")}
    assert film not in descent.untold(corpus, tables.snapshot(corpus).number)  # said once
    assert {(r["kind"], r["id"], r["video_id"], r["use"], r["action"], r["removed"]) for r in found} == {
        ("release", frozen["release_id"], film, "train", "withdraw", False),
        ("asset", "ad-1", "", "generate", "withdraw", False),
    }
    assert {tuple(row["entries"]) for row in found} == {("later",)}
    again(out, held, "--apply")
    newest = max(out.glob("runs/*/receipt.json"), key=lambda path: path.stat().st_mtime_ns)
    receipt = json.loads(newest.read_bytes())
    assert {(one["kind"], one["id"]) for one in receipt["to_take_back"]} == {
        ("release", frozen["release_id"]),
        ("asset", "ad-1"),
    }
    assert {name: rows(out, name) for name in before} == before
    assert (out / frozen["manifest"]).exists()
    assert film not in {row["video_id"] for row in rows(out, "clips")}


def test_a_release_is_told_of_footage_that_a_job_removed_before_it_was_screened(tmp_path: Path, held: Registry):
    out = tmp_path / "out"
    handed.screened(out, held, FOOTAGE)
    assert freeze(out, held) == 0
    put(held, say("no", "opt_out", "bolt", "duck", recorded_at=None), on=2)
    # What a job leaves of a source that it was given again: its verdicts.
    asked = Screen(handed.settings(held))
    video = handed.bytes_of(DUCK)
    corpus = tables.open_corpus(str(out))
    base = tables.snapshot(corpus).number
    denied = [("verdicts", to_dict(row)) for row in asked.rows(Subject(DUCK, {}, video))]
    handed.committed(out, denied, "curate", handed.settings(held))
    corpus = tables.open_corpus(str(out))
    base = tables.snapshot(corpus).number
    parts = [part for _, part in rescreening.buckets(corpus, base)]
    nothing = rescreening.changed(handed.settings(held), rescreening.decided_by(corpus, handed.settings(held))[1:])
    untold = descent.untold(corpus, base)
    assert {v for one in parts for v in rescreening.find(corpus, one, nothing, (), untold)} == {video}


def test_a_statement_adds_up_to_the_row_and_in_any_spreadsheet(
    tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]
):
    out, sheet, parquet = tmp_path / "out", tmp_path / "acme.csv", tmp_path / "acme.parquet"
    put(held, YES, on=2)
    handed.screened(out, held, FOOTAGE)
    assert freeze(out, held, "first", "=lab") == 0
    assert freeze(out, held, "second", "other") == 0
    now = datetime.now(UTC)
    odd = [
        handed.asset(f"ad-{n}", f"g-{n}", "film", "acme", 1 / 3 + n, share_bp=333, recipient="shop") for n in range(3)
    ]
    outside = handed.asset("old", "make", "film", "acme", 9.0, at=(now - timedelta(days=40)).isoformat())
    handed.committed(out, [*odd, outside, handed.asset("not theirs", "q", "duck", "bolt", 6.0)])
    begin, end = (now - timedelta(days=1)).isoformat(), (now + timedelta(days=1)).isoformat()
    words = ["statement", "--output", str(out), "--party", "acme", "--from", begin, "--to", end]
    capsys.readouterr()
    assert rights.run([*words, "--csv", str(sheet), "--parquet", str(parquet)]) == 0
    assert "snapshot 4" in capsys.readouterr().out
    lines = pq.read_table(parquet).to_pylist()
    uses = {row["use_id"]: row for row in rows(out, "licensed_uses")}
    named = [one for line in lines for one in line["use_ids"]]
    assert sorted(named) == sorted(n for n, u in uses.items() if u["party_id"] == "acme" and u["used_in"] != "old")
    for line in lines:
        behind = [uses[name] for name in line["use_ids"]]
        assert line["seconds"] * 1_000_000 == sum(one["microseconds"] for one in behind)
        exact = Fraction(sum(one["microseconds"] for one in behind) * line["share_bp"], 10_000)
        assert line["weighted_seconds"] * 1_000_000 == round(exact)
        assert {one["statement_id"] for one in behind} == {line["statement_id"]}
    with sheet.open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert [(one["recipient"], one["seconds"]) for one in listed][:1] == [("'=lab", "3.750000")]
    assert rights.run([*words, "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["total"]
    for name in ("clip_seconds", "asset_seconds", "seconds", "weighted_seconds"):
        assert sum(Decimal(one[name]) for one in listed) == Decimal(total[name]) == sum(line[name] for line in lines)
    with Path(rights_statement.companion(str(sheet))).open(encoding="utf-8", newline="") as file:
        pairs = [(int(row["line"]), row["use_id"]) for row in csv.DictReader(file)]
    assert pairs == [(line["line"], name) for line in lines for name in line["use_ids"]]
    assert rights.run([*words, "--parquet", str(tmp_path / "again.parquet"), "--snapshot", "4"]) == 0
    assert (tmp_path / "again.parquet").read_bytes() == parquet.read_bytes()


def test_a_period_holds_its_first_moment_and_not_its_last(tmp_path: Path):
    at = ["2027-01-01T00:00:00+00:00", "2027-01-31T23:59:59.999999+00:00", "2027-02-01T00:00:00+00:00"]
    corpus = handed.committed(
        tmp_path, [handed.asset(f"a{n}", "g", "film", "acme", 1.0, at=a) for n, a in enumerate(at)]
    )
    first, last = datetime(2027, 1, 1, tzinfo=UTC), datetime(2027, 2, 1, tzinfo=UTC)
    assert [len(one.use_ids) for one in rights_statement.statement(corpus, "acme", first, last).lines] == [2]
    assert rights_statement._moment("--from", "2027-01-01") == first
    words = ["statement", "--output", str(tmp_path), "--party", "acme", "--from", "2027-01-01", "--to"]
    for wrong in ("2027-01-01", "1 Feb"):
        with pytest.raises(ConfigError, match="--to"):
            rights.run([*words, wrong])


@given(st.lists(st.tuples(st.integers(1, 10**13), st.integers(0, 10_000) | st.none()), min_size=1, max_size=20))
def test_the_total_is_the_sum_of_lines_each_rounded_once(uses: list[tuple[int, int | None]]):
    found = []
    for number, (micro, share) in enumerate(uses):
        key = ("film", None, f"g-{number}", share, "asset", "generate")
        found.append(rights_statement._line(key, [{"use_id": "u", "microseconds": micro}]))
        assert found[-1].seconds == Decimal(micro) / 1_000_000
        assert Fraction(found[-1].weighted_seconds) == Fraction(round(Fraction(micro * (share or 0), 10_000)), 10**6)
    whole = rights_statement.Statement("acme", day(1), day(2), 1, tuple(found))
    made = rights_statement.table(whole)
    for name in ("seconds", "weighted_seconds", "asset_seconds"):
        assert sum(made.column(name).to_pylist()) == whole.total(name)


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(1, 1001), st.integers(1, 10**6))
def test_a_clip_is_as_long_as_its_frames_say_to_the_microsecond(start: int, more: int, num: int, den: int):
    exact = round(Fraction(more * num * 1_000_000, den))
    assert release._microseconds(start, start + more, num, den) == max(exact, 1)
