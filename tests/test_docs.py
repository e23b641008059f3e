"""Documentation: what README.md and docs/ say can be typed is typed, and what they list is what there is."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from captioning import checks, recogniser
from filters.quality import REASONS, QualitySettings
from pipelines import config, curate, generate, generate_verbs, main, measuring, options, recaption, scenes, screen
from tests.pipelines import corpora
from transforms import attempts, failures, lists, records
from transforms.clips import BucketSettings, latent_counts

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
JOBS = {
    "curate": lambda: curate.parser("curate"),
    "ingest": lambda: curate.parser("ingest"),
    "scenes": scenes.parser,
    "recaption": recaption.parser,
    "screen": screen.parser,
    "generate": generate.parser,
}
GROUPS = {
    "curate": curate.GROUPS,
    "ingest": curate.INGEST_GROUPS,
    "scenes": scenes.GROUPS,
    "recaption": recaption.GROUPS,
    "screen": screen.GROUPS,
    "generate": generate.GROUPS,
}
PARSED = (
    *("demo", "eval-cuts", "browse", "explain", "release", "captions"),
    *("plan", "storyboard", "approve", "reject", "traffic"),
)
"""Commands that are only parsed: what they need is not in the folder where others are run."""
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    """The text of a page."""
    return next(p for p in PAGES if p.name == name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return _BLOCK.sub("", text)


def blocks(language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language, with the place it is found at."""
    found = []
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            if match[1] == language:
                found.append((f"{path.name}:{text[: match.start()].count(chr(10)) + 1}", match[2]))
    return found


def saved(language: str) -> list[tuple[str, str]]:
    """Every fenced block of a language that is to be saved, with the name that the line above gives it."""
    named_above = re.compile(rf"`([\w.]+)`:\n\n```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [found for path in PAGES for found in named_above.findall(path.read_text(encoding="utf-8"))]


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Every option of a command line and of its verbs."""
    found: set[str] = set()
    for action in parser._actions:
        found |= set(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            found |= {word for one in action.choices.values() for word in options_of(one)}
    return found


def commands() -> list[tuple[str, list[str]]]:
    """Every command line of every `sh` block, in words."""
    lines = ((place, line) for place, block in blocks("sh") for line in block.replace("\\\n", " ").splitlines())
    return [(place, shlex.split(line, comments=True)) for place, line in lines if line.strip()]


def named(cases: Sequence[tuple[str, object]]) -> list[object]:
    """Cases with their place as id."""
    return [pytest.param(case, id=place) for place, case in cases]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to type the documented commands in: `corpus` after a curate and a scenes, and what else they name."""
    folder = tmp_path_factory.mktemp("typed")
    corpora.curate(corpora.tiny_corpus(folder), folder / "corpus")
    with contextlib.chdir(folder):
        assert scenes.run(["--output", "corpus", "--min-seconds", "1.2", "--min-side", "64"]) == 0
    ((_, text),) = blocks("yaml")
    (folder / "curate.yaml").write_text(text)
    (folder / "limits.yaml").write_text("quality:\n  min_seconds: 2\n")
    for name, text in saved("csv"):
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def inside(typed: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, as the working folder."""
    monkeypatch.chdir(typed)
    return typed


@pytest.mark.parametrize("block", named(blocks("python")))
def test_every_python_block_runs_and_shows_something(block, inside, capsys):
    exec(compile(block, "<docs>", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("words", named(commands()))
def test_every_command_can_be_typed(words, inside):
    program, *rest = words
    if program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "source":
        assert rest == [".venv/bin/activate"]
    else:
        assert program == "rushes"
        name, *argv = rest
        if name == "generate" and argv[0] in generate_verbs.VERBS:
            generate_verbs.parser(argv[0]).parse_args(argv[1:])
        elif name in JOBS:
            own = JOBS[name]()
            mine, _ = options.split_beam(argv, own)
            _, given = options.settle(own.parse_args(mine), GROUPS[name])
            assert given.output
            assert given.inputs or name in ("scenes", "recaption", "screen", "generate")
        elif name in PARSED:
            importlib.import_module(main.COMMANDS[name][0]).parser().parse_args(argv)
        else:
            assert main.main(rest) == 0


def test_the_pages_show_commands_of_every_kind():
    typed = {words[1] for _, words in commands() if words[0] == "rushes"}
    assert typed == set(main.COMMANDS)
    assert len(blocks("python")) >= 8


def test_every_option_that_is_named_exists():
    known = {"--setup_file"}
    for name, (module, _) in main.COMMANDS.items():
        own = JOBS[name]() if name in JOBS else importlib.import_module(module).parser()
        known |= options_of(own)
    known |= set(options._beam_parser()._option_string_actions)
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        unknown = {word for word in re.findall(r"(?<![\w-])--[a-z][\w-]*", text) if word not in known}
        assert not unknown, path.name


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_every_link_leads_somewhere(path):
    text = prose(path.read_text(encoding="utf-8"))
    links = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text)
    assert links, "no page stands alone"
    for link in links:
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", prose(target.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}, link


def test_readme_leads_to_every_page():
    readme = page("README.md")
    assert all(f"(docs/{path.name})" in readme for path in PAGES[1:])


def test_every_failure_class_has_its_heading():
    text = page("failures.md")
    assert re.findall(r"^### (\w+)$", text, re.MULTILINE) == list(failures.CLASSES)
    remembered = text.split("**Tried again?**")[1].split("will be met again")[0]
    assert set(re.findall(r"`(\w+)`", remembered)) == measuring.LASTING
    later = re.search(r"HTTP answers ([\d, and\n]+) are tried", text)
    assert later
    assert {int(n) for n in re.findall(r"\d+", later[1])} == attempts.LATER


def test_every_quality_reason_is_listed_with_its_option_and_default():
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .*\|$", page("scenes.md"), re.MULTILINE)
    rows = [row for row in rows if "`--" in row[1]]
    assert [name for name, _, _ in rows] == list(REASONS)
    defaults = {f.name: f.default for f in dataclasses.fields(QualitySettings)}
    shown = {}
    for _, condition, default in rows:
        option = re.search(r"`--([\w-]+)`", condition)
        assert option
        number = None if default == "off" else float(Fraction(default.split()[0]))
        shown[option[1].replace("-", "_")] = number
    assert shown == pytest.approx(defaults)


def test_runners_sections_tables_and_lists_are_the_ones_there_are():
    text = page("curate.md")
    assert all(f"`{name}`" in text for name in [*options.RUNNERS, *options.REFUSED_RUNNERS])
    sections = text.split("Sections are named")[1].split("An\nunknown")[0]
    assert set(re.findall(r"`(\w+)`", sections)) == set(config.TITLES)
    assert all(f"`.{extension}`" in text for extension in lists.LISTS)
    assert re.findall(r"^\| `(\w+)` \| .+ \|$", page("tables.md"), re.MULTILINE) == list(records.BY_TABLE)


def test_columns_that_the_tables_page_names_exist():
    for name, record in records.BY_TABLE.items():
        row = re.search(rf"^\| `{name}` \| (.+?) \| (.+?) \|$", page("tables.md"), re.MULTILINE)
        assert row
        named_columns = set(re.findall(r"`(\w+)`", row[1]))
        assert named_columns <= {f.name for f in dataclasses.fields(record)}
        scope = set(re.findall(r"`(\w+)`", row[2]))
        assert scope == set(record.scope)


def test_every_flag_of_captions_and_utterances_is_told_with_what_it_does():
    text = page("captions.md")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (drops it)? ?\|$", text, re.MULTILINE)
    dropping = checks.CheckSettings().caption_drop
    assert rows == [(flag, said, "drops it" if flag in dropping else "") for flag, said in checks.FLAGS.items()]
    for flag, said in recogniser.FLAGS.items():
        assert f"| `{flag}` | {said} |" in text


def test_the_patches_of_the_example_are_what_the_code_counts():
    text = page("scenes.md")
    said = re.search(r"(\d+)\s+frames of (\d+) x (\d+) are (\d+) latent frames and ([\d,]+) patches", text)
    assert said
    frames, width, height, latent, patches = (int(n.replace(",", "")) for n in said.groups())
    assert latent_counts(frames, width, height, BucketSettings()) == (latent, patches)


def test_the_contact_sheet_is_drawn_from_a_corpus_without_its_footage(inside, tmp_path):
    copy = tmp_path / "corpus"
    shutil.copytree(inside / "corpus", copy)
    script = ROOT / "docs" / "images" / "contact_sheet.py"
    drawn = tmp_path / "sheet.png"
    subprocess.run([sys.executable, script, copy, drawn], check=True, cwd=tmp_path)
    with Image.open(drawn) as picture:
        assert picture.width == 1600
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 100
    assert (ROOT / "docs" / "images" / "demo.jpg").stat().st_size < 400_000
