"""Presets: every word is one that jobs take, everything a person must know is said, and what is given wins."""

from __future__ import annotations

import re
import shlex
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from captioning.captioner import has_model, load_captioner
from captioning.http import EndpointSettings
from captioning.recogniser import load_recogniser
from pipelines import presets
from pipelines.config import CaptionSettings
from transforms.settings import ConfigError, from_mapping

NAMES = ("none", "small", "large", "endpoint")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No place is set by the environment of whoever runs the tests."""
    for name in presets.places("x"):
        monkeypatch.delenv(name, raising=False)


def test_there_are_the_four_that_were_asked_for():
    assert tuple(presets.presets()) == NAMES
    with pytest.raises(ConfigError, match="--preset tiny: not one of none, small, large, endpoint"):
        presets.preset("tiny")


@pytest.mark.parametrize("name", NAMES)
def test_every_word_is_one_that_jobs_take(name):
    expanded = presets.expand(name, "/weights")
    settings = from_mapping(CaptionSettings, expanded)
    assert settings.captioner[0] == "attributes"
    for word in settings.captioner:
        assert load_captioner(word).name == word.partition(":")[0]
    if settings.recogniser:
        assert load_recogniser(settings.recogniser).name == settings.recogniser.partition(":")[0]
    assert (settings.recogniser is None) is (name == "none")


@pytest.mark.parametrize("name", NAMES)
def test_weights_lie_in_the_folder_that_is_named(name, monkeypatch):
    expanded = presets.expand(name, "/weights")
    words = [*expanded["captioner"], expanded["recogniser"] or ""]
    for word in words:
        settings = (load_recogniser if word == expanded["recogniser"] else load_captioner)(
            word or "attributes"
        ).settings
        if hasattr(settings, "model") and not isinstance(settings, EndpointSettings):
            assert settings.model.rpartition("@")[2].startswith("/weights/")
    assert ("/weights" in "".join(words)) is (name in ("small", "large"))
    monkeypatch.setenv(presets.FOLDER, "/weights")
    assert presets.expand(name) == expanded
    monkeypatch.setenv(presets.FOLDER, "/elsewhere")
    assert presets.expand(name, "/weights") == expanded


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_one_must_know_is_said(name):
    found = presets.preset(name)
    assert found.meant
    assert found.captioners
    for choice in found.choices:
        assert choice.model
        assert choice.licence
        assert choice.needs
        if choice.word == "attributes":
            continue
        # An identifier of SPDX that allows commercial use, and where it was read.
        assert re.match(r"(MIT|Apache-2\.0) \(model card", choice.licence), choice.licence
        repository = choice.source.removeprefix("https://huggingface.co/")
        assert re.fullmatch(r"[\w-]+/[\w.-]+", repository), choice.source
        assert choice.size
        assert choice.get
        assert repository in " ".join(choice.get)


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_fetched_to_where_they_are_looked_for(name):
    for choice in presets.preset(name).choices:
        for command in presets.commands(choice, presets.places("/my weights")):
            words = shlex.split(command)
            if words[:2] == ["hf", "download"]:
                path = Path(presets.filled(choice.word, presets.places("/my weights")).split(",")[0].partition(":")[2])
                looked_for = Path(str(path).rpartition("@")[2])
                folder = Path(words[words.index("--local-dir") + 1])
                assert folder in (looked_for, looked_for.parent)
                assert folder.parent == Path("/my weights")
            else:
                assert words[0] in ("vllm", "docker", "curl")


def test_where_nobody_says_where_weights_lie_the_fix_is_told():
    assert presets.expand("none") == {"captioner": ("attributes",), "recogniser": None}
    assert presets.expand("endpoint")["recogniser"]
    with pytest.raises(ConfigError, match=r"--preset small: coca.*: give --models FOLDER, or set RUSHES_MODELS"):
        presets.expand("small")
    with pytest.raises(ConfigError, match="has a comma"):
        presets.expand("small", "/a,b")


def test_folders_are_whole_so_that_workers_find_them(home, monkeypatch):
    monkeypatch.setenv("HOME", str(home))
    for given in ("weights", "~/weights", f"{home}/weights/"):
        assert f":{home}/weights/smolvlm-500m," in presets.expand("small", given)["captioner"][2]


def test_the_address_of_a_server_can_be_set(monkeypatch):
    monkeypatch.setenv("RUSHES_CAPTION_URL", "https://models.example/v1")
    captioner = load_captioner(presets.expand("endpoint")["captioner"][1])
    assert has_model(captioner)
    assert captioner.settings.url == "https://models.example/v1"
    heard = load_recogniser(presets.expand("endpoint")["recogniser"])
    assert heard.settings.url == "http://localhost:8001/v1"


def test_a_preset_lies_below_what_is_given():
    assert presets.layer([{"captioner": ["coca:x"]}, {}]) == {}
    in_file, typed = {"preset": "large", "models": "/there"}, {"preset": "small", "recogniser": "whisper:base"}
    laid = presets.layer([in_file, typed])
    assert laid == presets.expand("small", "/there")
    assert {**laid, **typed}["recogniser"] == "whisper:base"
    with pytest.raises(ConfigError, match="--preset nothing"):
        presets.layer([{"preset": "nothing"}])


def test_the_file_is_in_the_package_and_is_explained():
    text = files("pipelines").joinpath("presets.yaml").read_text(encoding="utf-8")
    entries = [
        one for p in yaml.safe_load(text)["presets"].values() for one in [*p["captioner"], p["recogniser"]] if one
    ]
    explained = set(re.findall(r"^#   (\w+) ", text, re.MULTILINE))
    assert {key for entry in entries for key in entry} == explained
    assert len(text.splitlines()) < 200


def test_the_page_about_models_names_every_preset():
    page = Path(__file__).resolve().parents[2] / "docs" / "models.md"
    rows = re.findall(r"^\| `(\w+)` \| .*\| .*\| (.+) \|$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(name for name, _ in rows[: len(NAMES)]) == NAMES
