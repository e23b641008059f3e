"""`rushes plan` and `rushes storyboard` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from generation import plan_tables
from pipelines import plan, storyboard
from transforms.failures import ElementError
from transforms.settings import ConfigError

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "campaign.yaml")


def test_the_example_is_planned_as_files_and_a_page_and_twice_the_same(tmp_path, capsys):
    both = []
    for name in ("one", "two"):
        arguments = ["--output-parquet", str(tmp_path / name), "--page", str(tmp_path / f"{name}.html")]
        assert plan.run([EXAMPLE, *arguments]) == 0
        both.append([(tmp_path / name / f"{file}.parquet").read_bytes() for file in ("cells", "requests")])
        both[-1].append((tmp_path / f"{name}.html").read_bytes())
    assert both[0] == both[1]
    said = capsys.readouterr().out
    assert "lumbrel-winter: 36 cells, 12 excluded; 24 assets from 20 requests" in said
    assert "no registry was asked" in said
    cells, requests = (pq.read_table(tmp_path / "one" / f"{name}.parquet") for name in ("cells", "requests"))
    assert (cells.schema, requests.schema) == (plan_tables.CELLS, plan_tables.REQUESTS)
    assert {name for row in cells.column("requests").to_pylist() for name in row} == set(
        requests.column("request_id").to_pylist()
    )
    assert len(set(requests.column("seed").to_pylist())) == 20
    assert all(cells.schema.field(name).metadata[b"doc"].endswith(b".") for name in cells.schema.names)


def test_the_page_says_everything_and_fetches_nothing(tmp_path):
    assert plan.run([EXAMPLE, "--page", str(tmp_path / "plan.html")]) == 0
    page = (tmp_path / "plan.html").read_text()
    for words in ("lumbrel-winter_cup_commuters_ar_square", "Close-up of a tall teal steel flask", "end card", "5.00"):
        assert words in page
    assert "default-src &#39;none&#39;" in page
    assert "http://" not in page
    assert "https://" not in page


def test_what_is_refused_is_told_and_is_the_exit_code(tmp_path, capsys):
    folder = Path(EXAMPLE).parent.resolve()
    text = Path(EXAMPLE).read_text().replace("pictures/", f"{folder}/pictures/")
    (tmp_path / "bad.yaml").write_text(text.replace("it {product.facts}", "<b>it cures colds</b>"))
    page = tmp_path / "page.html"
    assert plan.run([str(tmp_path / "bad.yaml"), "--page", str(page), "--output-parquet", str(tmp_path)]) == 3
    said = capsys.readouterr().out
    assert "refused: 24 cells" in said
    assert "claims/cures" in said
    assert "&lt;b&gt;" not in said
    rows = pq.read_table(tmp_path / "cells.parquet").to_pylist()
    assert {(row["planned"], row["reason"]) for row in rows} == {(False, "words")}
    assert "<b>" not in page.read_text()
    assert plan.run([str(tmp_path / "bad.yaml"), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["assets"], found["cost_micro"], len(found["refusals"])) == (0, 0, 24)
    assert found["refusals"][0]["spans"][0]["words"] == "cures"


def test_another_engine_makes_another_plan(capsys):
    assert plan.run([EXAMPLE, "--engine", "animatic,longest=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requests"] > 20


def test_the_schema_is_printed_without_a_campaign(capsys):
    assert plan.run(["--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "rushes campaign"


@pytest.mark.parametrize("arguments", [[], ["nothing.yaml"], [EXAMPLE, "--engine", "nothing"], [EXAMPLE, "--wrong"]])
def test_wrong_usage_is_told(arguments):
    with pytest.raises(ConfigError):
        plan.run(arguments)


def test_a_storyboard_is_written_and_planned_and_never_overwritten(tmp_path, capsys):
    script = tmp_path / "script.txt"
    script.write_text("EXT. HILL - DAY\n\nA cup steams.\n\nANNA\nStill hot.\n", "utf-8")
    out = str(tmp_path / "spot.yaml")
    words = ["--from", str(script), "--output", out, "--brand", "Lumbrel", "--format", "wide", "--format", "story"]
    assert storyboard.run(words) == 0
    assert plan.run([out]) == 0
    assert "spot: 2 cells; 2 assets from 2 requests" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="there is a file already"):
        storyboard.run(words)


def test_a_storyboard_is_printed_where_no_file_is_named(capsys):
    assert storyboard.run(["--from", "Ein Becher dampft.", "--language", "de", "--seconds", "6"]) == 0
    said = capsys.readouterr().out
    assert "prompt: Ein Becher dampft." in said
    assert "prompt_language: de" in said


def test_words_that_cannot_be_read_are_told(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff")
    with pytest.raises(ElementError, match="UTF-8"):
        storyboard.run(["--from", str(tmp_path / "x.txt")])
    with pytest.raises(ConfigError, match="no such file"):
        storyboard.run(["--from", str(tmp_path / "none.txt")])
    with pytest.raises(ConfigError, match="no --from"):
        storyboard.run([])
