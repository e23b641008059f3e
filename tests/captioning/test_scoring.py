from __future__ import annotations

import importlib
import importlib.util
import pickle
from typing import Any

import pytest

from captioning.scoring import ImageText, ScoringSettings, Seen, pieces
from tests.captioning.smallmodels import scenes
from transforms.failures import ElementError
from transforms.settings import ConfigError

installed = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "open_clip")),
    reason="PyTorch and open_clip are not installed (extra models)",
)


@pytest.fixture(scope="session")
def scorer(small_coca: str) -> ImageText:
    made = ImageText(ScoringSettings(model=small_coca, batch_size=8, device="cpu"))
    made.check()
    made.load()
    return made


@pytest.mark.slow
def test_the_text_of_a_scene_scores_higher_than_that_of_another(scorer: ImageText):
    truth = scenes(48, 81)
    texts = sorted({scene.still for scene in truth})
    found = scorer.score([Seen(texts, [frame.jpeg for frame in scene.window(frames=2).frames]) for scene in truth])
    right = 0
    for scene, scores in zip(truth, found, strict=True):
        assert not isinstance(scores, ElementError)
        assert all(-1.001 <= score <= 1.001 for score in scores)
        right += texts[scores.index(max(scores))] == scene.still
    assert right >= 0.85 * len(truth)
    assert len(scorer.revision) == 12
    assert pickle.loads(pickle.dumps(scorer)).revision == scorer.revision


@pytest.mark.slow
def test_frames_texts_and_faults_keep_their_places(scorer: ImageText):
    one, other = scenes(2, 82)
    both = [one.frame(0.5).jpeg, other.frame(0.5).jpeg]
    texts = [one.still, other.still, ""]
    found = scorer.score([Seen(texts, both[:1]), Seen(texts, [b"no picture"]), Seen([], both), Seen(texts, both[1:])])
    assert isinstance(found[1], ElementError)
    assert found[1].error_class == "damaged"
    assert found[2] == []
    first, last = found[0], found[3]
    assert not isinstance(first, ElementError)
    assert not isinstance(last, ElementError)
    assert first[0] > first[1]
    assert last[1] > last[0]
    assert first[2] == last[2] == 0.0
    best = ImageText(ScoringSettings(model=scorer.settings.model, over="best", device="cpu"))
    ((fits_one, fits_other, _),) = best.score([Seen(texts, both)])  # type: ignore[misc]
    assert fits_one == pytest.approx(first[0], abs=1e-4)
    assert fits_other == pytest.approx(last[1], abs=1e-4)
    ((mean_one, mean_other, _),) = scorer.score([Seen(texts, both)])  # type: ignore[misc]
    assert mean_one < fits_one
    assert mean_other < fits_other


@pytest.mark.slow
def test_all_of_a_long_text_counts(scorer: ImageText):
    one, other = scenes(2, 82)
    frames = [one.frame(0.5).jpeg]
    long = f"{one.still}. {other.still}."
    ((right, wrong, mixed),) = scorer.score([Seen([f"{one.still}.", f"{other.still}.", long], frames)])  # type: ignore[misc]
    assert mixed == pytest.approx((right + wrong) / 2, abs=1e-4)


@installed
@pytest.mark.slow
def test_texts_are_cut_at_ends_of_sentences():
    open_clip: Any = importlib.import_module("open_clip")
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    sentence = "a dog runs over the grass of a wide park ."
    size = len(tokenizer.encode(sentence))
    assert pieces("", tokenizer) == pieces("  \n ", tokenizer) == []
    assert pieces(sentence, tokenizer) == [(sentence, size)]
    many = pieces(" ".join([sentence] * 20), tokenizer)
    assert sum(count for _, count in many) == 20 * size
    assert all(count <= 75 for _, count in many)
    assert [text for text, _ in many[:-1]] == [" ".join([sentence] * (75 // size))] * (len(many) - 1)
    ((whole, count),) = pieces("word " * 200, tokenizer)
    assert (len(whole.split()), count) == (200, 200)


@installed
def test_a_scorer_without_weights_is_refused():
    with pytest.raises(ConfigError, match=r"--scorer open_clip:ViT-B-32@/none/w\.pt: there is no file"):
        ImageText(ScoringSettings(model="ViT-B-32@/none/w.pt")).check()
