"""Marks: nobody's word is lost, a later word replaces an earlier one, and nothing else in the corpus changes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from transforms import marks, tables
from transforms.settings import ConfigError


@pytest.fixture
def corpus(tmp_path: Path) -> tables.Corpus:
    return tables.create_corpus(str(tmp_path / "out"), 2)


def stored(corpus: tables.Corpus, number: int | None = None) -> list[tuple]:
    rows = tables.read(corpus, "marks", number).to_pylist()
    return sorted((r["video_id"], r["pts"], r["before_pts"], r["mark"], r["author"]) for r in rows)


def test_a_mark_is_one_snapshot_and_one_run(corpus: tables.Corpus):
    assert marks.save(corpus, [marks.mark_row("v", 7, "right", detector="combined", author=" Ada ")]) == 1
    assert marks.save(corpus, [marks.mark_row("v", 90, "missing", before_pts=80), marks.mark_row("w", 7, "wrong")]) == 2
    assert stored(corpus) == [("v", 7, 7, "right", "Ada"), ("v", 90, 80, "missing", ""), ("w", 7, 7, "wrong", "")]
    assert stored(corpus, 1) == [("v", 7, 7, "right", "Ada")]
    runs = sorted(tables.read(corpus, "runs").to_pylist(), key=lambda run: run["commit"])
    assert [(run["job"], run["status"], run["commit"]) for run in runs] == [
        ("review", "done", 1),
        ("review", "done", 2),
    ]


def test_an_author_may_change_their_mind_and_nobody_elses(corpus: tables.Corpus):
    marks.save(corpus, [marks.mark_row("v", 7, "right", author="a"), marks.mark_row("v", 7, "right", author="b")])
    marks.save(corpus, [marks.mark_row("v", 7, "wrong", author="a")])
    assert stored(corpus) == [("v", 7, 7, "right", "b"), ("v", 7, 7, "wrong", "a")]
    marks.save(corpus, [], [marks.mark_row("v", 7, "right", author="a")])
    assert stored(corpus) == [("v", 7, 7, "right", "b")]


def test_several_who_mark_at_once_all_count(corpus: tables.Corpus):
    failed: list[BaseException] = []

    def mark(name: str) -> None:
        try:
            for pts in range(2):
                marks.save(corpus, [marks.mark_row("v", pts, "right", author=name)])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=mark, args=(name,)) for name in "abc"]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed
    assert stored(corpus) == sorted(("v", pts, pts, "right", name) for name in "abc" for pts in range(2))
    assert tables.snapshot(corpus).number == 6


def test_of_two_words_on_a_frame_the_last_said_stands():
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    said = [
        marks.mark_row("v", 9, "right", author="a", at=late),
        marks.mark_row("v", 9, "wrong", author="b", at=early),
        marks.mark_row("v", 2, "missing", author="b", at=early),
        marks.mark_row("u", 9, "wrong", author="b", at=early),
    ]
    found = marks.standing([vars(one) for one in said])
    assert {video: [(m["pts"], m["mark"]) for m in rows] for video, rows in found.items()} == {
        "u": [(9, "wrong")],
        "v": [(2, "missing"), (9, "right")],
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mark": "perhaps"}, "not one of right, wrong, missing"),
        ({"mark": "right", "before_pts": 8}, "ends before it begins"),
        ({"mark": "right", "author": "x" * 81}, "at most 80"),
        ({"mark": "right", "detector": "a\nb"}, "printable"),
    ],
)
def test_what_is_no_mark_is_refused(given: dict, said: str):
    with pytest.raises(ConfigError, match=said):
        marks.mark_row("v", 7, **given)
