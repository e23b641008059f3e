"""Report: one file about one run that shows the run's own numbers, takes nothing from a network, trusts nothing that
came with the footage, and says what is absent."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pages.report import render_report, write_report
from pipelines import curate, scenes
from tests.pages.conftest import GONE, HOSTILE
from tests.pipelines import corpora
from tests.servers import s3_server
from transforms import pool, storage
from transforms.settings import ConfigError


class Page(HTMLParser):
    """A page as a browser would see it: elements with attributes, the text, and the content of scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text, self._inside = "", ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        self._inside = ""
        self.text += " " if tag in ("td", "th", "dt", "dd", "span", "h3") else ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside != "style":
            self.text += data

    def data(self, name: str):
        """What a script element with data holds."""
        return next(json.loads(text) for attributes, text in self.scripts if attributes.get("id") == name)


@pytest.fixture(scope="module")
def page(reported: Path) -> Page:
    return Page(render_report(str(reported)))


def told(out: Path) -> dict:
    return corpora.report(out)


def cells(page: Page) -> str:
    return " ".join(page.text.split())


def test_its_numbers_are_those_of_the_run(reported, page):
    balance, text = told(reported)["balance"], cells(page)
    clips = balance["clips"]
    assert min(clips["kept"], clips["dropped_total"]) > 0, "the corpus must have both"
    assert f"clips {clips['in']} {clips['kept']} {clips['dropped_total']} 0 too short" in text
    assert f"sources {balance['sources']['in']} {balance['sources']['kept']} 0 2" in text
    for name in ("unreachable 1", "not media 1"):
        assert name in text
    assert f"Kept {clips['kept']} of {clips['kept']}" in text
    assert f"Dropped: too short {clips['dropped']['too_short']} of {clips['dropped']['too_short']}" in text


def test_failures_are_grouped_with_what_to_do(page):
    text = cells(page)
    assert "1 unreachable in read The address does not answer or holds nothing: check the URI" in text
    assert text.count("check that it is media; playlists are refused") == 1, "a message does not repeat the advice"


def test_distributions_count_every_clip_once(reported, page):
    clips, figures = told(reported)["balance"]["clips"], page.data("figures")
    for name in ("seconds", "side", "motion", "luma", "sharpness", "frame_rate", "aspect", "bits_per_pixel"):
        counted = {bars["name"]: sum(bars["y"]) for bars in figures[name]["data"]}
        assert counted == {"kept": clips["kept"], "dropped": clips["dropped_total"]}, name
    assert figures["seconds"]["layout"]["annotations"][0]["text"] == "at least 1.25"


def test_a_timeline_has_the_cuts_and_clips_of_the_table(reported, page):
    rows = corpora.rows(reported)
    drawn = page.data("timelines")
    assert len(drawn) == 3
    for one in drawn:
        mine = sorted((c for c in rows["clips"] if c["video_id"] == one["video_id"]), key=lambda c: c["start_pts"])
        assert [c["id"] for c in one["clips"]] == [c["clip_id"] for c in mine]
        assert [c["to"] for c in one["cuts"]] == [c["start_frame"] for c in mine[1:]]
        assert one["frames"] == next(v["frames"] for v in rows["videos"] if v["video_id"] == one["video_id"])
        assert len(base64.b64decode(one["starts"])) == 4 * one["frames"]
        assert {f for c in one["cuts"] for f in (c["to"] - 1, c["to"])} <= set(one["thumbnails"]["frames"])
        assert one["samples"]["frames"] == sorted(one["samples"]["frames"])
    assert [len(one["cuts"]) for one in drawn] == sorted((len(one["cuts"]) for one in drawn), reverse=True)
    assert any("Loudness" in [lane["name"] for lane in one["lanes"]] for one in drawn)


def test_what_strangers_wrote_stays_text(page):
    assert HOSTILE in page.text
    assert GONE in page.text
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert attributes.get("src") != "x"
    names = [attributes.get("id") for attributes, _ in page.scripts]
    assert names == [None, "figures", "timelines", None, None, None]
    assert any(HOSTILE in one["name"] for one in page.data("timelines"))


def test_nothing_comes_from_elsewhere_and_only_its_own_scripts_run(page):
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form"), tag
        for name in ("src", "href", "srcset", "poster", "action"):
            value = attributes.get(name) or ""
            assert value.startswith(("data:image/", "#")) or not value, (tag, value)
    (policy,) = (a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    run = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in run]
    assert rules["script-src"].split() == hashes


def test_the_same_run_gives_the_same_bytes_and_names_are_unique(reported, page):
    assert render_report(str(reported)) == render_report(str(reported), told(reported)["run_id"])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("for", "aria-labelledby"):
            assert attributes.get(name, ids[0]) in ids
    for tag, attributes in page.elements:
        assert tag != "img" or "alt" in attributes


def test_it_lies_beside_the_report_of_the_run_it_names(reported, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    first = told(out)["run_id"]
    try:
        assert scenes.run(["--output", str(out), "--children", "1", "--min-side", "64", "--min-seconds", "3"]) == 0
    finally:
        pool.kill_all()
    latest = told(out)["run_id"]
    assert write_report(str(out)) == str(out / "runs" / latest / "report.html")
    assert f"Scenes run {latest}" in (out / "runs" / latest / "report.html").read_text("utf-8")
    assert write_report(str(out), first) == str(out / "runs" / first / "report.html")
    # The first run's page shows the tables as that run left them.
    assert (out / "runs" / first / "report.html").read_bytes() == render_report(str(reported)).replace(
        str(reported).encode(), str(out).encode()
    )


@pytest.mark.parametrize("run_id", ["nothing", "..", "../runs", "a/b", ""])
def test_a_run_that_is_not_there_is_named(reported, run_id):
    with pytest.raises(ConfigError, match="no such run"):
        render_report(str(reported), run_id)


def test_a_report_of_an_older_version_that_told_less_is_shown(reported, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    (path,) = out.glob("runs/*/report.json")
    path.write_text(json.dumps({"run_id": "of an older version"}))
    older = Page(render_report(str(out)))
    assert "Nothing came in" in older.text
    assert len(older.data("timelines")) == 3
    path.write_text("[1]")
    with pytest.raises(ConfigError, match="not a report"):
        render_report(str(out))


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no output of rushes"):
        render_report(str(tmp_path))


def test_without_the_store_the_numbers_stay_and_the_rest_is_named(reported, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reported, out, ignore=shutil.ignore_patterns("store"))
    without = Page(render_report(str(out)))
    clips = told(out)["balance"]["clips"]
    assert cells(without).count("no picture") == clips["kept"] + sum(clips["dropped"].values())
    assert "Not shown: " in without.text
    assert without.data("timelines") == []
    assert sum(without.data("figures")["seconds"]["data"][0]["y"]) == clips["kept"]


def test_without_the_tables_of_its_snapshot_the_balance_stays(reported, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(reported, out)
    for part in (out / "tables" / "clips").glob("b=*/*.parquet"):
        part.unlink()
    assert cells(Page(render_report(str(out)))).count("Not shown: ") == 3


@pytest.mark.parametrize(("job", "count"), [("curate", 0), ("curate", 20), ("ingest", 0), ("ingest", 1)])
def test_runs_without_clips_say_so(tmp_path, job, count):
    footage = tmp_path / "footage"
    footage.mkdir()
    for k in range(count if job == "curate" else 0):
        (footage / f"{k}.mp4").write_text("no film")
    if job == "ingest" and count:
        (footage / "d_tiny.mp4").write_bytes((corpora.tiny_corpus(tmp_path / "made") / "d_tiny.mp4").read_bytes())
    try:
        curate.run([str(footage), "--output", str(tmp_path / "out"), "--children", "1"], job)
    finally:
        pool.kill_all()
    page = Page(render_report(str(tmp_path / "out")))
    text = cells(page)
    assert "Not shown" not in text
    said = {"curate": "There are no clips", "ingest": "This job makes no clips"}[job]
    assert ("was refused: nothing but failures" if count == 20 else said) in text
    assert len(page.data("timelines")) == (1 if job == "ingest" and count else 0)
    assert ("flow" in page.data("figures")) == bool(count)


@pytest.mark.slow
def test_an_output_in_an_object_store_gives_the_same_page(reported):
    with s3_server() as bucket:
        root = f"{bucket}/out"
        for path in reported.rglob("*"):
            if path.is_file():
                storage.upload(str(path), storage.join(root, *path.relative_to(reported).parts))
        uri = write_report(root)
        assert uri.startswith(f"{root}/runs/")
        here = render_report(str(reported)).replace(str(reported).encode(), root.encode())
        assert storage.read_bytes(uri) == here
