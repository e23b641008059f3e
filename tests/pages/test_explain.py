"""Explain: every table that knows something of a clip has its say, and the text says what the tables hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pages import explain
from pages.queries import Refused, Snapshot
from pipelines import explain as command
from tests.pages.served import SCRIPT, with_script
from transforms import marks, tables
from transforms.settings import ConfigError


@pytest.fixture(scope="module")
def out(reported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_script(reported, tmp_path_factory.mktemp("told"))


@pytest.fixture(scope="module")
def clips(out: Path) -> list[dict[str, Any]]:
    return tables.read(tables.open_corpus(str(out)), "clips").to_pylist(maps_as_pydicts="strict")


@pytest.fixture(scope="module")
def snapshot(out: Path) -> Any:
    corpus, clip = tables.open_corpus(str(out)), tables.read(tables.open_corpus(str(out)), "clips").to_pylist()[0]
    marks.save(corpus, [marks.mark_row(clip["video_id"], clip["end_pts"], "right", author="Ada")])
    found = Snapshot(corpus, prepare=False)
    yield found
    found.close()


def test_every_table_tells_its_part(snapshot: Snapshot, clips: list[dict[str, Any]]):
    told = explain.story(snapshot, clips[0]["clip_id"])
    assert [part.table for part in told.parts] == ["sources", "videos", "clips", "captions", "marks"]
    by = {part.table: part.rows for part in told.parts}
    assert all(row["video_id"] == clips[0]["video_id"] for rows in by.values() for row in rows)
    assert {row["captioner"] for row in by["captions"]} == {"attributes", "stranger"}
    assert told.video == by["videos"][0]
    assert told.to_json()["clips"][0]["clip_id"] == clips[0]["clip_id"]


def test_reasons_come_with_number_limit_and_meaning(snapshot: Snapshot, clips: list[dict[str, Any]]):
    clip = next(c for c in clips if "too_short" in (c["reasons"] or ()))
    told = explain.story(snapshot, clip["clip_id"])
    short = next(one for one in told.reasons if one.reason == "too_short")
    assert (short.value, short.limit) == (clip["seconds"], 1.25)
    text = "\n".join(explain.lines(told))
    assert f"too_short: {clip['seconds']:.4g}, limit 1.25 (shorter than `min_seconds`)" in text
    assert clip["clip_id"] in text.splitlines()[0]


def test_the_first_digits_will_do_where_they_name_one(snapshot: Snapshot, clips: list[dict[str, Any]]):
    whole = clips[0]["clip_id"]
    assert explain.find(snapshot, whole[:8].upper())["clip_id"] == whole
    for wrong in ("", "abc", "zzzzzzzz", "%", "____"):
        with pytest.raises(Refused):
            explain.find(snapshot, wrong)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "–"),
        ([], "", "–"),
        (True, "", "yes"),
        (1.23456789, "s", "1.235 s"),
        (1234567.0, "", "1234567"),
        (7, "px", "7 px"),
        (["a", "b"], "", "a, b"),
        ({"a": 1.5}, "", "a 1.5"),
        ("text", "px", "text"),
    ],
)
def test_values_for_readers(value: Any, unit: str, text: str):
    assert explain.shown(value, unit) == text


def test_the_command_prints_the_story_and_no_control_characters(out: Path, clips: list[dict[str, Any]], capsys):
    assert command.run([str(out), clips[0]["clip_id"][:12]]) == 0
    printed = capsys.readouterr().out
    assert SCRIPT in printed
    assert "Source, as it was listed (sources)" in printed
    assert all(c == "\n" or c.isprintable() for c in printed)
    assert command.run([str(out), clips[0]["clip_id"], "--json", "--snapshot", "1"]) == 0
    assert SCRIPT not in capsys.readouterr().out
    with pytest.raises(ConfigError, match="no clip"):
        command.run([str(out), "00000000000"])
