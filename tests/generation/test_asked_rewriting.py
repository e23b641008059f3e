"""The `openai` rewriter against a real server: faithful answers are taken, once; others never."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator

import pytest

from generation.asked_rewriting import STEP, AskedRewriter, AskedSettings
from generation.prompts import ShotWords
from generation.rewriting import load_rewriter
from tests.captioning.faultserver import Asked, Fault, FaultServer, error, said, saying
from transforms.settings import ConfigError
from transforms.store import Store

SHOT = ShotWords(
    text="Two runners pass a red Nordlys flask without stopping",
    language="en",
    locked=("Nordlys flask",),
    slots=(("dialogue", "Keep it cold."), ("sound", "rain")),
    engine_dialect="ltx",
)
FAITHFUL = (
    "Two runners pass a red Nordlys flask without stopping, rain on the quay; the camera pushes in. A voice says"
    " “Keep it cold.”"
)


def shot_of(asked: Asked) -> dict:
    content = asked.body["messages"][0]["content"]
    return json.loads(content[content.index("\n\n{") :])


def answer(asked: Asked) -> dict:
    """The shot again, with a camera move and whatever has to be kept."""
    shot = shot_of(asked)
    kept = " ".join(shot["keep_exactly"])
    text = f"{shot['text']}, the camera pushes in, {' '.join(shot['parts'].values())} {kept}"
    return saying(f"<think>hm</think> {text}")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.answers["chat/completions"] = answer
        yield running


def asking(server: FaultServer, store=None, **settings) -> AskedRewriter:
    quick = {"first_wait": 0.02, "timeout": 5.0, "attempts": 2}
    rewriter = AskedRewriter(AskedSettings(**{"url": server.url, "model": "tiny", **quick, **settings}))
    rewriter.answers = Store(str(store)) if store else None
    return rewriter


def test_a_faithful_answer_is_the_prompt_and_what_it_added_is_told(server, tmp_path):
    server.faults.append(said(FAITHFUL))
    (made,) = asking(server, tmp_path).rewrite([SHOT])
    assert made.prompt == FAITHFUL
    assert made.by.startswith("openai/rewrite-1-")
    assert made.by.endswith("/tiny")
    assert "camera" in made.added
    assert made.language is None
    assert not made.notes
    assert not made.failed


def test_the_model_is_told_all_that_counts_and_no_more(server):
    asking(server).rewrite([SHOT])
    shot = shot_of(server.posts[0])
    assert shot["text"] == SHOT.text
    assert shot["parts"] == {"dialogue": "Keep it cold.", "sound": "rain"}
    assert shot["keep_exactly"] == ["Nordlys flask", "Keep it cold."]
    assert shot["most_words"] == 200
    assert server.posts[0].body["temperature"] == 0.0


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (said(FAITHFUL.replace("Two", "Three")), "a number is gone: 2"),
        (said(FAITHFUL.replace("red", "blue")), "a colour is gone: red"),
        (
            said(FAITHFUL.replace("Nordlys flask", "nordlys bottle")),
            "locked words are gone or changed: “Nordlys flask”",
        ),
        (said(FAITHFUL.replace("cold.", "warm.")), "locked words are gone or changed: “Keep it cold.”"),
        (said(FAITHFUL + " word" * 200), "where ltx reads 200 well"),
        (said(FAITHFUL, finish="length"), "it was cut off"),
        (said("", refusal="I will not"), "the model refused"),
        (error(400, "content_policy_violation", "no"), "the model refused"),
        (said("  "), "it is empty"),
    ],
)
def test_an_answer_that_cannot_be_taken_gives_the_template_and_a_note(server, tmp_path, wrong, why):
    server.faults.append(wrong)
    (made,) = asking(server, tmp_path).rewrite([SHOT])
    assert made.prompt.startswith("Two runners pass a red Nordlys flask without stopping. ")
    assert made.by == "template-1"
    assert made.language == "en"
    assert why in made.notes[0]
    # The same again asks nobody, and gives the same.
    assert asking(server, tmp_path).rewrite([SHOT]) == [made]
    assert len(server.posts) == 1


def test_equal_words_are_asked_once_and_a_second_run_asks_nothing(server, tmp_path):
    shots = [ShotWords(text=f"a cup number {n % 3}") for n in range(30)]
    first = asking(server, tmp_path).rewrite(shots)
    assert len(server.posts) == 3
    assert [one.prompt.startswith(shot.text) for one, shot in zip(first, shots, strict=True)] == [True] * 30
    assert asking(server, tmp_path).rewrite(shots) == first
    assert len(server.posts) == 3
    asking(server, tmp_path, model="other").rewrite(shots[:1])
    assert len(server.posts) == 4
    assert sum(len(Store(str(tmp_path)).listing(STEP, f"{n:02x}")) for n in range(256)) == 4


def test_no_answer_is_no_prompt_and_is_asked_again_later(server, tmp_path):
    server.faults += [Fault(status=500), Fault(status=500)]
    (made,) = asking(server, tmp_path).rewrite([SHOT])
    assert made.prompt == ""
    assert "status 500" in made.failed
    (later,) = asking(server, tmp_path).rewrite([SHOT])
    assert later.prompt


def test_a_wrong_key_stops_everything(server, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH_KEY"):
        asking(server, key_env="NO_SUCH_KEY").check()
    server.wrong = lambda asked: error(401)
    with pytest.raises(ConfigError, match="status 401"):
        asking(server).rewrite([SHOT])


def test_it_is_made_from_a_word_and_travels_to_other_processes(server, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("# version: 7\nSay it again.")
    rewriter = load_rewriter(f"openai:tiny,url={server.url},instructions={own}")
    rewriter.check()
    assert pickle.loads(pickle.dumps(rewriter)).version.startswith("openai/own-7-")
    with pytest.raises(ConfigError, match="no model is named"):
        load_rewriter("openai")
    with pytest.raises(ConfigError, match=r"missing\.txt: cannot be read"):
        load_rewriter("openai:tiny,instructions=missing.txt")


def test_no_shots_ask_nothing(server):
    assert asking(server).rewrite([]) == []
    assert not server.posts
