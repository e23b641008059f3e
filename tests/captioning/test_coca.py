from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import itertools
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest

from captioning.captioner import Frame, ModelCaptioner, load_captioner
from captioning.coca import Coca, CocaSettings, joined
from captioning.decoding import Limits, decode
from tests.captioning.smallmodels import COCA_CONFIG, Scene, scenes
from transforms.failures import ElementError
from transforms.settings import ConfigError

installed = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "open_clip")),
    reason="PyTorch and open_clip are not installed (extra models)",
)


def share_right(found: list[Any], truth: list[Scene], part: str) -> float:
    said = [answer.text.replace(".", " ").split() for answer in found]
    return sum(getattr(scene, part) in words for scene, words in zip(truth, said, strict=True)) / len(truth)


@pytest.fixture(scope="session")
def coca(small_coca: str) -> Coca:
    made = load_captioner(f"coca:{small_coca},batch_size=16,device=cpu")
    assert isinstance(made, Coca)
    captioner: ModelCaptioner = made
    captioner.check()
    captioner.load()
    return made


@pytest.mark.slow
def test_colour_and_shape_of_unseen_scenes_are_named(coca: Coca):
    truth = scenes(96, 77)
    found = coca.answer([scene.window() for scene in truth])
    for part in ("colour", "shape", "ground"):
        assert share_right(found, truth, part) >= 0.9, part
    assert all(answer.flags == () and answer.tokens_out == 7 for answer in found)  # type: ignore[union-attr]
    assert coca.answer([scene.window() for scene in truth[:5]]) == found[:5]


@pytest.mark.slow
def test_a_broken_frame_is_an_error_at_its_place(coca: Coca):
    windows = [scene.window() for scene in scenes(6, 78)]
    right = coca.answer(windows)
    broken = dataclasses.replace(windows[2], frames=(Frame(0.5, b"no picture"),))
    found = coca.answer([*windows[:2], broken, *windows[3:]])
    assert isinstance(found[2], ElementError)
    assert found[2].error_class == "damaged"
    assert [*found[:2], *found[3:]] == [*right[:2], *right[3:]]


@pytest.mark.slow
def test_several_frames_are_described_and_joined(coca: Coca, small_coca: str):
    several = load_captioner(f"coca:{small_coca},frames=2,beams=3")
    assert isinstance(several, Coca)
    truth = scenes(2, 79)
    one, other = truth[0].window(frames=1), truth[1].window(frames=1)
    both = dataclasses.replace(one, frames=(one.frames[0], Frame(1.9, other.frames[0].jpeg)))
    assert several.frames == 2
    (found,) = several.answer([both])
    assert isinstance(found, type(coca.answer([one])[0]))
    assert found.text == joined([answer.text for answer in coca.answer([one, other])])  # type: ignore[union-attr]
    (same,) = several.answer([dataclasses.replace(one, frames=(one.frames[0], Frame(1.9, one.frames[0].jpeg)))])
    assert same.text.count("background") == 1  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_limit_that_is_met_is_flagged_and_weights_are_known_by_content(coca: Coca, small_coca: str, tmp_path: Path):
    short = load_captioner(f"coca:{small_coca},max_length=5")
    assert isinstance(short, Coca)
    (found,) = short.answer([scenes(1, 77)[0].window()])
    assert (found.flags, found.tokens_out) == (("truncated",), 5)  # type: ignore[union-attr]
    config, _, weights = small_coca.partition("@")
    elsewhere = tmp_path / Path(weights).name
    elsewhere.write_bytes(Path(weights).read_bytes())
    moved = load_captioner(f"coca:{config}@{elsewhere}")
    assert (moved.model, moved.revision) == (coca.model, coca.revision)
    changed = bytearray(elsewhere.read_bytes())
    changed[len(changed) // 2] ^= 1
    elsewhere.write_bytes(changed)
    assert load_captioner(f"coca:{config}@{elsewhere}").revision != coca.revision
    copied = pickle.loads(pickle.dumps(coca))
    assert copied.revision == coca.revision
    assert len(pickle.dumps(coca)) < 2000


@pytest.mark.slow
def test_greedy_sentences_are_those_of_open_clip(coca: Coca, monkeypatch):
    torch: Any = importlib.import_module("torch")
    transformers = pytest.importorskip("transformers")
    theirs_module: Any = importlib.import_module("open_clip.coca_model")
    # Its generate asks for all of these or none, and transformers 5 lacks one that only its beam search needs.
    for name in (
        "LogitsProcessorList",
        "MaxLengthCriteria",
        "MinLengthLogitsProcessor",
        "RepetitionPenaltyLogitsProcessor",
        "StoppingCriteriaList",
    ):
        monkeypatch.setattr(theirs_module, name, getattr(transformers, name), raising=False)
    monkeypatch.setitem(theirs_module.GENERATION_TYPES, "top_k", transformers.TopKLogitsWarper)
    monkeypatch.setattr(theirs_module, "_has_transformers", True)
    loaded = coca.loaded
    images = torch.stack([loaded.transform(scene.picture(0.5)) for scene in scenes(8, 80)])
    theirs = loaded.model.generate(images, seq_len=12, generation_type="top_k", top_k=1)
    ours = coca.describe(loaded, images)
    for row, sentence in zip(theirs.tolist(), ours, strict=True):
        assert row[1 : row.index(49407)] == sentence.tokens


@installed
@pytest.mark.slow
def test_decoding_is_right_by_trying_every_sentence():
    torch: Any = importlib.import_module("torch")
    torch.manual_seed(3)
    words, end, longest, images = 4, 4, 3, 6
    # A model to which only the last word and the picture matter.
    said = (2 * torch.randn(images, words + 1, words + 1)).log_softmax(-1)

    def step(rows: Any, tokens: Any) -> Any:
        return said[rows, tokens[:, -1]]

    def score(image: int, sentence: tuple[int, ...]) -> float:
        return float(sum(said[image, a, b] for a, b in itertools.pairwise([0, *sentence, end]))) / (len(sentence) + 1)

    limits = Limits(start=0, end=end, shortest=1, longest=longest)
    every = [sentence for n in range(1, longest + 1) for sentence in itertools.product(range(words), repeat=n)]
    for image, found in enumerate(decode(torch, step, images, limits, words**longest, "cpu")):
        assert tuple(found.tokens) == max(every, key=lambda sentence: score(image, sentence))
        assert not found.truncated
    for image, found in enumerate(decode(torch, step, images, limits, 1, "cpu")):
        likeliest: list[int] = []
        last = 0
        while last != end and len(likeliest) <= longest:
            last = int(said[image, last, : end + bool(likeliest)].argmax())
            likeliest.append(last)
        assert found.truncated == (last != end)
        assert found.tokens == likeliest[:longest] if found.truncated else likeliest[:-1]


def test_sentences_are_joined_without_repeats():
    assert joined(["a dog  runs . "]) == "a dog runs."
    assert joined(["a dog runs .", "A dog runs", "a cat , asleep", "a dog runs"]) == "a dog runs. a cat, asleep."
    assert joined(["", " . "]) == ""


def test_missing_packages_and_weights_are_said_before_anything_is_loaded(tmp_path: Path, monkeypatch):
    def said(model: str) -> str:
        with pytest.raises(ConfigError) as caught:
            Coca(CocaSettings(model=model)).check()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    monkeypatch.setitem(sys.modules, "open_clip", None)
    if importlib.util.find_spec("torch"):
        assert "needs open_clip" in said("coca_ViT-B-32@/w.pt")
    assert "pip install 'rushes[models]'" in said("coca_ViT-B-32@/w.pt")


@installed
def test_models_that_cannot_be_had_are_refused_with_the_remedy(tmp_path: Path):
    def said(model: str) -> str:
        with pytest.raises(ConfigError) as caught:
            Coca(CocaSettings(model=model)).check()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    assert "name a model" in said("")
    assert "name a model" in said("coca_ViT-B-32@")
    assert f"no file {tmp_path}/none.pt" in said(f"coca_ViT-B-32@{tmp_path}/none.pt")
    assert "knows no such model" in said(f"coca_ViT-Z@{weights}")
    assert "not a CoCa model" in said(f"ViT-B-32@{weights}")
    assert "of a hub, which a job does not ask" in said(f"coca_roberta-ViT-B-32@{weights}")
    assert "no such folder" in said(str(tmp_path / "none"))
    own = tmp_path / "own.json"
    own.write_text('{"embed_dim": 4}')
    assert "no open_clip model config" in said(f"{own}@{weights}")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": COCA_CONFIG}))
    assert "no weights in it" in said(str(folder))
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"weights")
    found = Coca(CocaSettings(model=str(folder)))
    found.check()
    assert (found.model, len(found.revision)) == ("folder", 12)


@installed
@pytest.mark.slow
def test_what_takes_a_library_to_see_is_refused_too(tmp_path: Path):
    def said(model: str, work: str) -> str:
        with pytest.raises(ConfigError) as caught:
            getattr(Coca(CocaSettings(model=model, device="cpu")), work)()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    tagged = said("coca_ViT-B-32@laion2b_s13b_b90k", "check")
    assert "not in the local cache" in tagged
    assert "open_clip.create_model('coca_ViT-B-32', 'laion2b_s13b_b90k')" in tagged
    assert "neither a file nor a tag of coca_ViT-B-32 (laion2b_s13b_b90k," in said("coca_ViT-B-32@unknown", "check")
    own = tmp_path / "own.json"
    own.write_text(json.dumps(COCA_CONFIG))
    assert "cannot be loaded as own" in said(f"{own}@{weights}", "load")
    other = Coca(CocaSettings(model=f"{own}@{weights}", device="cuda:77"))
    with pytest.raises(ConfigError, match="--device cuda:77: not to be had here"):
        other.load()
