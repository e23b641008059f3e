"""The page on engines: what it says of settings and moves is what there is, and its example works as it stands."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generation.animatics.camera import MOVES, move_named
from generation.engines import engine
from generation.engines.animatic import AnimaticSettings
from generation.engines.engine import load_engine
from generation.request import Request
from generation.videos.settings import DIALECTS, VideosApiSettings
from transforms.settings import ConfigError

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def section(heading: str) -> str:
    return TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> set[str]:
    cells = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    return {word for cell in cells for word in re.findall(r"`([\w-]+)`", cell)}


def test_every_setting_of_both_engines_is_told():
    names = {f.name for f in dataclasses.fields(AnimaticSettings)} - {"model"}
    assert first_cells(section("animatic").split("| setting |")[1]) == names
    before, after = section("videos-api").split("| dialect |")
    assert first_cells(before) == {f.name for f in dataclasses.fields(VideosApiSettings)}
    assert first_cells(after) == set(DIALECTS)


def test_defaults_of_animatics_are_those_of_the_page():
    shown = dict(re.findall(r"^\| `(\w+)` \| (\w*) ?\|", section("animatic").split("| setting |")[1], re.MULTILINE))
    for field in dataclasses.fields(AnimaticSettings):
        if field.name != "model":
            default: Any = field.default
            assert shown[field.name] == ("yes" if default is True else str(default).removesuffix(".0"))


def test_every_move_that_is_named_means_itself():
    (row,) = re.findall(r"^\| `camera` \| (.+) \|$", TEXT, re.MULTILINE)
    assert {move_named(words) for words in re.findall(r"\*(.+?)\*", row)} >= set(MOVES) - {"pan_right", "tilt_down"}


def test_the_servers_spec_of_the_page_loads():
    (spec,) = re.findall(r"^(videos-api:.+?)\n```", TEXT, re.MULTILINE | re.DOTALL)
    offer = load_engine("".join(line.strip() for line in spec.splitlines())).offer
    assert offer.price.per_second == {480: 4_000, 720: 11_000}
    assert offer.licence.commercial


def test_the_example_is_one_file_and_one_line(tmp_path, monkeypatch):
    (tmp_path / "testcard_of_the_page.py").write_text(EXAMPLE)
    ((name, place),) = re.findall(r'^    "(\w+)": "([\w.]+:\w+)",$', TEXT, re.MULTILINE)
    assert place == "generation.engines.testcard:Testcard"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(engine, "ENGINES", {**engine.ENGINES, name: "testcard_of_the_page:Testcard"})
    made = load_engine("testcard,darkest=90")
    asked = Request(
        campaign="c", cell="", engine="testcard", prompt="", width=320, height=180, frames=5, frame_rate="25"
    )

    async def whole() -> str:
        job = await made.submit(asked, "key", 1, {})
        await made.fetch(job.job_id, tmp_path / "card.mp4")
        return (await made.poll(job.job_id)).state

    assert asyncio.run(whole()) == "done"
    assert (tmp_path / "card.mp4").stat().st_size > 500
    with pytest.raises(ConfigError, match="darkest"):
        load_engine("testcard,darkest=900")


@pytest.mark.slow
def test_the_example_is_an_engine_to_the_type_checker(tmp_path):
    (tmp_path / "testcard.py").write_text(EXAMPLE)
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(tmp_path / "cache"), "--follow-imports", "silent", str(tmp_path / "testcard.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout
