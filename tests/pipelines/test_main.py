"""The command line: every command has a help page that names all it takes, and wrong usage is one clear line."""

from __future__ import annotations

import dataclasses
import importlib
import subprocess
import sys
from importlib.metadata import version

import pytest

from pipelines import config, curate, main, scenes
from transforms.failures import ElementError
from transforms.settings import ConfigError, option_name

JOBS = {"curate": curate.GROUPS, "ingest": curate.INGEST_GROUPS, "scenes": scenes.GROUPS}


def rushes(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pipelines.main", *words], capture_output=True, text=True, timeout=120)


def test_without_a_command_the_commands_are_listed(capsys):
    assert main.main([]) == 2
    first = capsys.readouterr().out
    for word in ("-h", "--help", "help"):
        assert main.main([word]) == 0
        assert capsys.readouterr().out == first
    for name, (_, what) in main.COMMANDS.items():
        assert f"{name:<10} {what}" in first


def test_a_job_without_models_loads_no_part_of_them():
    code = "import sys; from pipelines import curate, ingest, scenes; print([m for m in {} if m in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code.format(["torch", "apache_beam.ml.inference", "whisper", "open_clip"])],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert told.stdout == "[]\n", told.stderr


def test_what_a_library_does_at_its_end_changes_no_exit_code():
    code = """
import atexit, ctypes, sys
ctypes.CDLL(None).on_exit(ctypes.CDLL(None).abort, None)
atexit.register(print, "python's own end")
from pipelines.main import entry
sys.argv = ["rushes", {!r}]
entry()
"""
    for word, returned in (("help", 0), ("nothing", 2)):
        told = subprocess.run([sys.executable, "-c", code.format(word)], capture_output=True, text=True, timeout=120)
        assert told.returncode == returned
        assert told.stdout.endswith("python's own end\n")


def test_a_command_that_is_not_there_is_named(capsys):
    assert main.main(["curte"]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1)
    assert "no command 'curte'" in told.err
    assert "curate" in told.err


def test_the_version_is_that_of_the_package(capsys):
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out == f"rushes {version('rushes')}\n"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_help_page_names_every_option_and_ends_well(name, capsys):
    with pytest.raises(SystemExit) as left:
        main.main([name, "--help"])
    assert left.value.code == 0
    page = capsys.readouterr().out
    assert page.startswith(f"usage: rushes {name}")
    module = importlib.import_module(main.COMMANDS[name][0])
    own = curate.parser(name) if name in ("curate", "ingest") else module.parser()
    for action in own._actions:
        for word in action.option_strings or [str(action.metavar)]:
            assert word in page
        assert action.help
    for group in JOBS.get(name, ()):
        assert config.TITLES[group] in page
        for field in dataclasses.fields(config.group_class(group)):
            assert f"{option_name(field)} " in page or f"{option_name(field)}," in page
            if field.metadata["unit"] == "s" and field.default:
                assert f"[default {field.default} s" in " ".join(page.split())
    assert max(map(len, page.splitlines())) <= 120
    assert "examples:" in page or name not in ("curate", "ingest", "scenes", "show", "export")


@pytest.mark.slow
def test_the_module_and_the_command_are_the_same_job():
    module = subprocess.run(
        [sys.executable, "-m", "pipelines.curate", "--help"], capture_output=True, text=True, timeout=120
    )
    command = rushes("curate", "--help")
    assert (module.returncode, command.returncode) == (0, 0)
    assert module.stdout == command.stdout
    assert "usage: rushes curate" in command.stdout


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["curate", "--output", "o"], "no INPUT given"),
        (["curate", "in"], "no --output given"),
        (["curate", "in", "--output", "o", "--min-seconds", "-1"], "--min-seconds -1: out of range"),
        (["curate", "in", "--output", "o", "--min-second", "1"], "did you mean --min-seconds?"),
        (["curate", "in", "--output", "o", "--runner", "DaskRunner"], "DaskRunner: refused"),
        (["curate", "in", "--output", "o", "--config", "gone.yaml"], "gone.yaml"),
        (["scenes", "--output", "nowhere"], "no output of rushes"),
        (["show"], "OUT"),
        (["show", "nowhere"], "no output of rushes"),
        (["runs", "nowhere"], "no output of rushes"),
        (["gc", "nowhere"], "no output of rushes"),
        (["gc", "nowhere", "--days", "-1"], "--days -1"),
        (["gc", "nowhere", "--days", "nan"], "--days nan"),
        (["export", "nowhere", "clips", "a.xlsx"], "cannot tell the format"),
        (["schema", "clip"], "no table 'clip'"),
        (["demo", "--fast"], "--fast"),
    ],
)
def test_wrong_usage_is_one_line_and_code_two_and_leaves_nothing(argv, words, home, capsys):
    assert main.main(argv) == 2
    told = capsys.readouterr()
    assert (told.out, told.err.count("\n")) == ("", 1), told
    assert told.err.startswith("rushes: ")
    assert words in told.err
    assert list(home.iterdir()) == []


def test_an_input_that_is_not_there_is_wrong_usage_and_makes_no_output(home, capsys):
    assert main.main(["curate", "gone.mp4", "--output", "o"]) == 2
    assert "gone.mp4" in capsys.readouterr().err
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ConfigError("--side 0: too small"), 2, "rushes: --side 0: too small\n"),
        (ElementError("storage", "disk is gone"), 1, "rushes: disk is gone\n"),
    ],
)
def test_what_a_command_raises_becomes_one_line(error, code, told, capsys):
    def run(argv):
        raise error

    assert main.guarded(run, []) == code
    assert capsys.readouterr().err == told


def test_faults_of_the_program_are_not_hidden():
    def run(argv):
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        main.guarded(run, [])


def test_a_reader_that_leaves_early_is_no_error():
    told = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m pipelines.main schema | head -1"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.stdout == "sources, schema version 1\n"
    assert told.stderr == ""
    assert told.returncode == 0
