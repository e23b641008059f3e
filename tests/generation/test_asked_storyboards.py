"""The `openai` storyboard writer against a real server: its shots become a campaign, what is none becomes an error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from generation.asked_storyboards import load_writer, read_scenes
from pipelines import main, storyboard
from tests.captioning.faultserver import Asked, FaultServer, error, said, saying
from transforms.failures import ElementError
from transforms.settings import ConfigError

SHOTS: list[dict[str, Any]] = [
    {"see": "A kettle on a stove in the snow", "setting": "a mountain hut", "camera": "slow push in", "said": [],
     "transition": "dissolve"},
    {"see": "Steam on a window", "said": [{"speaker": "Ida", "words": "Tea?"}], "transition": "swirl"},
]  # fmt: skip


def answer(asked: Asked) -> dict:
    content = asked.body["messages"][0]["content"]
    given = json.loads(content[content.index("\n\n{") :])
    assert given == {"text": "A kettle whistles.", "language": "en", "most_shots": 8, "seconds": 8.5}
    return saying(f"```json\n{json.dumps(SHOTS)}\n```")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.answers["chat/completions"] = answer
        yield running


def run(server: FaultServer, *more: str) -> int:
    writer = f"openai:tiny,url={server.url},first_wait=0.01,attempts=2"
    words = ["--from", "A kettle whistles.", "--seconds", "10", "--writer", writer, *more]
    return main.guarded(storyboard.run, words)


def test_what_it_writes_can_be_planned_and_edited(server, tmp_path, capsys):
    path = tmp_path / "kettle.yaml"
    assert run(server, "--output", str(path)) == 0
    shots = yaml.safe_load(path.read_text("utf-8"))["storyboards"]["main"]["shots"]
    assert [shot["prompt"] for shot in shots] == [shot["see"] for shot in SHOTS]
    assert shots[0]["camera"] == "slow push in"
    assert shots[0]["setting"] == "a mountain hut"
    assert shots[0]["transition"] == "dissolve"
    assert "transition" not in shots[1]
    assert shots[1]["dialogue"] == [{"speaker": "Ida", "text": {"en": "Tea?"}, "at": 0.0}]
    assert main.main(["plan", str(path)]) == 0


@pytest.mark.parametrize(
    "text",
    ["I'm sorry", "[]]", '[{"shows": "x"}]', '[{"see": ""}]', '["a"]', '{"see": "x"}', '[{"see": "x", "said": [1]}]'],
)
def test_what_is_no_list_of_shots_is_an_error_and_no_file(server, tmp_path, capsys, text):
    server.faults.append(said(text))
    assert run(server, "--output", str(tmp_path / "k.yaml")) == 1
    assert "no list of shots" in capsys.readouterr().err
    assert not (tmp_path / "k.yaml").exists()


def test_a_refusal_and_a_wrong_key_are_told(server, capsys):
    server.faults.append(error(400, "content_policy_violation"))
    assert run(server) == 1
    assert "refused" in capsys.readouterr().err
    server.faults.append(error(401))
    assert run(server) == 2
    with pytest.raises(ConfigError, match="no model is named"):
        load_writer("openai")


def test_words_around_the_list_do_not_matter():
    assert [scene.words for scene in read_scenes('Here: [{"see": "a"}, {"see": "b"}] Enjoy.')] == ["a", "b"]
    with pytest.raises(ElementError):
        read_scenes("")
