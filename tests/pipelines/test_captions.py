"""Captions: whoever wrote any is listed and can be named; two of them become a page about their own captions."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from captioning.checks import words
from pages.writers import Writer
from pipelines import captions, main
from tests.captioning.faultserver import FaultServer
from tests.pages.test_report import Page, cells
from tests.pipelines import corpora
from tests.pipelines.test_describing import again, asking, kept_clips
from transforms import tables
from transforms.settings import ConfigError

THERE = [
    Writer("attributes", "attributes", ""),
    Writer("coca", "b:32", ""),
    Writer("openai", "eyes", "short-1-aa"),
    Writer("openai", "other", "short-1-aa"),
    Writer("openai", "other", "short-2-bb"),
    Writer("vlm", "m", ""),
    Writer("vlm", "m", "own-1"),
]


@pytest.fixture(scope="module")
def described(curated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output with captions of an endpoint's two models, one of them by two prompts."""
    folder = tmp_path_factory.mktemp("described")
    shutil.copytree(curated, folder / "out")
    own = folder / "short.txt"
    own.write_text("# version: 7\nSay what you see in $frames.\n")
    with FaultServer() as server:
        for words in (
            asking(server, "eyes", kinds="short", price_in=1, price_out=2),
            asking(server, "other"),
            asking(server, "other", kinds="short", prompt=own),
        ):
            assert again(folder / "out", *words)[0] == 0
    return folder / "out"


def listed(out: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    assert captions.run(["list", str(out)]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def rows(out: Path, model: str) -> list[dict[str, Any]]:
    """The short captions of a model."""
    every = tables.read(tables.open_corpus(str(out)), "captions").to_pylist()
    return [row for row in every if (row["model"], row["kind"]) == (model, "short")]


def compared(out: Path, *given: str) -> int:
    return captions.run(["compare", str(out), *given])


def test_everybody_who_wrote_captions_is_listed_with_how_many(described: Path, capsys: pytest.CaptureFixture[str]):
    names, *lines = listed(described, capsys)
    assert names == ["captioner", "model", "kind", "prompt", "revision", "captions", "kept", "words", "cost"]
    assert [(line[0], line[1], line[2]) for line in lines] == [
        ("attributes", "attributes", "short"),
        ("attributes", "attributes", "structured"),
        ("openai", "eyes", "short"),
        ("openai", "other", "dense"),
        ("openai", "other", "short"),
        ("openai", "other", "short"),
    ]
    clips = str(len(kept_clips(described)))
    assert [line[-4:-2] for line in lines if line[1] == "eyes"] == [[clips, clips]]
    assert [line[-3] for line in lines if line[1] == "other"] == [clips] * 3
    mine = rows(described, "attributes")
    assert lines[0][-1] == f"{sum(len(words(row['text'])) for row in mine) / len(mine):.1f}"
    # 100 tokens at one dollar a million and 20 at two.
    assert lines[2][-1] == "0.000140"


def test_an_output_without_captions_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    tables.create_corpus(str(tmp_path / "out"), 2)
    assert captions.run(["list", str(tmp_path / "out")]) == 0
    assert "no captions" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="there are none at all"):
        compared(tmp_path / "out", "coca", "vlm")


def test_a_part_that_is_gone_is_said(described: Path, tmp_path: Path):
    shutil.copytree(described, tmp_path / "out")
    for part in (tmp_path / "out" / "tables" / "captions").rglob("*.parquet"):
        part.unlink()
    for verb in (["list", str(tmp_path / "out")], ["compare", str(tmp_path / "out"), "attributes", "openai:eyes"]):
        with pytest.raises(ConfigError, match="captions: a part of this snapshot is gone"):
            captions.run(verb)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("attributes", 0),
        ("attributes:attributes", 0),
        ("coca", 1),
        ("coca:b:32", 1),
        ("openai:eyes", 2),
        ("openai:other@short-2-bb", 4),
        ("openai@short-2-bb", 4),
        ("vlm:m@own-1", 6),
        ("vlm:m", 5),  # What is called exactly so, though another may be called so too.
    ],
)
def test_a_captioner_is_named_by_as_much_as_tells_it_apart(word: str, expected: int):
    assert captions.chosen(word, "short", THERE) == THERE[expected]
    assert captions.chosen(str(THERE[expected]), "short", THERE) == THERE[expected]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("openai", "several are called so: openai:eyes@short-1-aa, openai:other@short-1-aa, openai:other@short-2-bb"),
        ("openai:other", "several are called so: openai:other@short-1-aa, openai:other@short-2-bb"),
        ("vlm", "several are called so: vlm:m, vlm:m@own-1"),
        ("coc", "coc: no short captions by it; there are attributes:attributes, coca:b:32, "),
        ("", "no short captions by it"),
    ],
)
def test_a_name_of_nobody_or_of_several_is_refused_with_those_there_are(word: str, said: str):
    with pytest.raises(ConfigError, match=said):
        captions.chosen(word, "short", THERE)


def test_the_page_lies_in_the_output_and_is_about_their_captions(described: Path, capsys: pytest.CaptureFixture[str]):
    clips = len(kept_clips(described))
    assert compared(described, "attributes", "openai:eyes") == 0
    said = capsys.readouterr().out
    assert f"{clips} clips have a short caption of both. Their agreement is 0.00 (median)." in said
    page = described / "compared" / "attributes-openai-eyes-short.html"
    assert str(page) in said
    text = cells(Page(page.read_bytes()))
    eyes = {row["clip_id"]: row["text"] for row in rows(described, "eyes")}
    measured = {row["clip_id"]: row["text"] for row in rows(described, "attributes") if row["clip_id"] in eyes}
    assert len(eyes) == len(measured) == clips
    assert all(one in text for one in (*eyes.values(), *measured.values()))

    before = page.read_bytes()
    assert compared(described, "attributes", "openai:eyes", "--page", str(described / "again.html")) == 0
    assert (described / "again.html").read_bytes() == before


def test_models_and_prompts_are_compared_too(described: Path, capsys: pytest.CaptureFixture[str]):
    prompts = [row[3] for row in listed(described, capsys) if row[1:3] == ["other", "short"]]
    pair: Sequence[str] = [f"openai:other@{prompt}" for prompt in prompts]
    assert compared(described, *pair, "--page", str(described / "prompts.html"), "--clips", "1") == 0
    page = Page((described / "prompts.html").read_bytes())
    clips = len(kept_clips(described))
    assert f"the same words {clips} 100 %" in cells(page)  # The server says what it was shown.
    assert all(prompt in cells(page) for prompt in prompts)
    assert len([tag for tag, _ in page.elements if tag == "article"]) <= 2
    assert compared(described, "openai:eyes", "openai:other@" + prompts[0], "--snapshot", "4") == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("attributes", "attributes"), "attributes and attributes are the same; there are attributes:attributes, "),
        (
            ("attributes", "openai:other", "--kind", "dense"),
            "attributes: no dense captions by it; there are openai:other@",
        ),
        (("attributes", "openai:eyes", "--clips", "0"), "--clips 0: give 1 to 300"),
        (("attributes", "openai:eyes", "--snapshot", "99"), "no snapshot 99"),
        (("attributes", "openai:eyes", "--kind", "structured"), "invalid choice"),
        (("attributes",), "required: B"),
    ],
)
def test_what_cannot_be_compared_is_said(described: Path, given: tuple[str, ...], said: str):
    with pytest.raises(ConfigError, match=said):
        compared(described, *given)


def test_it_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main.main(["captions"]) == 2
    assert "compare" in capsys.readouterr().out
    assert main.main(["captions", "list", str(tmp_path)]) == 2
    assert "corpus.json is missing" in capsys.readouterr().err


@pytest.mark.slow
def test_a_model_that_looks_and_one_that_measures(small_coca: str, tmp_path: Path):
    """Captions of a real architecture, from frames of the job, as the page shows them."""
    out = tmp_path / "out"
    corpora.curate(corpora.tiny_corpus(tmp_path), out, "--captioner", "attributes", "--captioner", f"coca:{small_coca}")
    assert compared(out, "coca", "attributes", "--page", str(tmp_path / "page.html")) == 0
    page = Page((tmp_path / "page.html").read_bytes())
    clips = len(kept_clips(out))
    assert len([tag for tag, _ in page.elements if tag == "article"]) == clips
    assert len([tag for tag, _ in page.elements if tag == "img"]) >= clips
    assert "coca:coca_small and attributes:attributes" in cells(page)
