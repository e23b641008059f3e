"""The `openai` captioner against a real server: `transformers serve` with a small model that was trained."""

from __future__ import annotations

from pathlib import Path

import pytest

from captioning.captioner import Answer, has_model, load_captioner
from captioning.endpoint import OpenAi, OpenAiSettings
from tests.captioning.served import Served
from tests.captioning.smallmodels import FRAMES, scenes
from transforms.store import Store

pytestmark = pytest.mark.slow


def asking(served: Served, store: Path, **settings: object) -> OpenAi:
    given = {"url": served.url, "model": served.model, "prompt": served.prompt, "max_tokens": 60, "seed": None}
    captioner = OpenAi(OpenAiSettings(**{**given, "times": False, "frames": FRAMES, "concurrency": 4, **settings}))  # type: ignore[arg-type]
    captioner.answers = Store(str(store))
    return captioner


def test_a_real_server_says_of_every_window_what_its_model_says_of_it_here(served, tmp_path):
    unseen = scenes(48, seed=77)
    windows = [scene.window() for scene in unseen]
    captioner = asking(served, tmp_path)
    captioner.check()
    answers = captioner.answer(windows)
    assert captioner.client.sent <= 48 + 2  # this server's list of models fails where its cache is empty
    texts = [answer.text for answer in answers if isinstance(answer, Answer)]
    assert len(texts) == 48, answers
    named = [
        all(word in text for word in (scene.colour, scene.shape, scene.ground))
        for text, scene in zip(texts, unseen, strict=True)
    ]
    assert sum(named) >= 0.9 * 48, texts
    here = load_captioner(f"vlm:{served.model},prompt={served.prompt},device=cpu,dtype=float32,frames={FRAMES}")
    assert has_model(here)
    here.load()
    told = [answer.text for answer in here.answer(windows) if isinstance(answer, Answer)]
    # Two implementations may round the least differently; a permutation would leave few equal.
    assert sum(one == other for one, other in zip(texts, told, strict=True)) >= 0.95 * 48
    assert len(set(told)) >= 8
    for answer in answers:
        assert isinstance(answer, Answer)
        assert answer.flags == ()
        assert answer.tokens_in
        assert answer.tokens_out
    again = asking(served, tmp_path)
    assert again.answer(windows) == answers
    assert again.client.sent == 0


def test_a_real_server_says_when_it_was_cut_short(served, tmp_path):
    (answer,) = asking(served, tmp_path, max_tokens=3).answer([scenes(1, seed=78)[0].window()])
    assert isinstance(answer, Answer)
    assert answer.flags == ("truncated",)
    assert answer.tokens_out == 3
