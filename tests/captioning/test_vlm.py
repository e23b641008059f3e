from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import json
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from captioning.captioner import Answer, Frame, ModelCaptioner, load_captioner
from captioning.vlm import Vlm, VlmSettings
from tests.captioning.smallmodels import FRAMES, PROMPTS, Scene, scenes, tokenizer_of
from transforms.failures import ElementError
from transforms.settings import ConfigError

installed = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("torch", "torchvision", "transformers")),
    reason="PyTorch, torchvision and transformers are not installed (extra models)",
)


def loaded(spec: str, **more: Any) -> Vlm:
    given = "".join(f",{key}={value}" for key, value in more.items())
    made = load_captioner(f"vlm:{spec}{given},device=cpu")
    assert isinstance(made, Vlm)
    captioner: ModelCaptioner = made
    captioner.check()
    captioner.load()
    return made


def texts(found: list[Answer | ElementError]) -> list[str]:
    return [one.text if isinstance(one, Answer) else f"! {one}" for one in found]


@pytest.fixture(scope="session")
def vlm(small_vlm: str) -> Vlm:
    return loaded(small_vlm, frames=FRAMES, batch_size=16, max_new_tokens=60)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["short", "dense"])
def test_colour_shape_and_motion_of_unseen_scenes_are_named(vlm: Vlm, kind: str):
    truth = scenes(96, 77)
    found = vlm.answer([scene.window(kind) for scene in truth])
    said = [text.replace(".", " ").split() for text in texts(found)]
    for part in ("colour", "shape", "motion", "ground"):
        right = sum(getattr(scene, part) in words for scene, words in zip(truth, said, strict=True))
        assert right >= 0.9 * len(truth), part
    for answer in found:
        assert isinstance(answer, Answer)
        assert answer.flags == ()
        assert answer.tokens_in == 49
    assert texts(vlm.answer([scene.window(kind) for scene in truth[:3]])) == texts(found[:3])
    assert vlm.prompt_version(kind).startswith(f"{kind}-1-")


@pytest.mark.slow
def test_windows_of_other_lengths_and_kinds_in_a_batch_do_not_change_an_answer(vlm: Vlm):
    windows = [scene.window(kind) for scene, kind in zip(scenes(6, 83), ["short", "dense"] * 3, strict=True)]
    windows[3] = dataclasses.replace(windows[3], frames=windows[3].frames[:1])
    windows[4] = dataclasses.replace(windows[4], frames=windows[4].frames[:2])
    assert texts(vlm.answer(windows)) == [texts(vlm.answer([window]))[0] for window in windows]


@pytest.mark.slow
def test_a_job_tells_how_far_it_is_and_loading_says_nothing(small_vlm: str, capfd: pytest.CaptureFixture[str]):
    loaded(small_vlm)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_broken_frame_is_an_error_at_its_place(vlm: Vlm):
    windows = [scene.window() for scene in scenes(5, 84)]
    right = texts(vlm.answer(windows))
    broken = dataclasses.replace(
        windows[3], frames=(*windows[3].frames[:2], Frame(1.5, windows[3].frames[2].jpeg[:300]))
    )
    found = vlm.answer([*windows[:3], broken, windows[4]])
    assert isinstance(found[3], ElementError)
    assert found[3].error_class == "damaged"
    assert texts([*found[:3], found[4]]) == [*right[:3], right[4]]


@pytest.mark.slow
def test_when_memory_is_short_windows_are_asked_one_by_one(vlm: Vlm, monkeypatch):
    """The model's own generate refuses more than one window, and one of them always."""
    windows = [scene.window() for scene in scenes(4, 85)]
    right = texts(vlm.answer(windows))
    assert vlm._loaded is not None
    model, asked = vlm._loaded.model, []
    generate, alone = model.generate, []

    def short_of_memory(**inputs: Any) -> Any:
        asked.append(len(inputs["input_ids"]))
        if asked[-1] == 1:
            alone.append(1)
        if asked[-1] > 1 or len(alone) == 2:
            raise MemoryError("can't allocate memory")
        return generate(**inputs)

    monkeypatch.setattr(model, "generate", short_of_memory)
    found = vlm.answer(windows)
    assert asked == [4, 1, 1, 1, 1]
    assert isinstance(found[1], ElementError)
    assert found[1].error_class == "out_of_memory"
    assert texts([found[0], *found[2:]]) == [right[0], *right[2:]]


@pytest.mark.slow
def test_an_answer_that_meets_its_limit_is_flagged(small_vlm: str):
    (found,) = loaded(small_vlm, frames=FRAMES, max_new_tokens=4).answer([scenes(1, 77)[0].window()])
    assert isinstance(found, Answer)
    assert (found.flags, found.tokens_out, len(found.text.split())) == (("truncated",), 4, 4)


@pytest.mark.slow
def test_one_kind_beams_and_a_moved_model(vlm: Vlm, small_vlm: str, tmp_path: Path):
    home, _, prompts = small_vlm.partition(",prompt=")
    moved = shutil.copytree(home, tmp_path / Path(home).name)
    one = loaded(f"{moved}", prompt=f"{prompts}/dense.txt", kinds="dense", beams=2, frames=FRAMES, max_new_tokens=60)
    assert (one.kinds, one.model, one.revision) == (("dense",), vlm.model, vlm.revision)
    window = scenes(1, 86)[0].window("dense")
    assert texts(one.answer([window])) == texts(vlm.answer([window]))
    copied = pickle.loads(pickle.dumps(vlm))
    assert len(pickle.dumps(vlm)) < 3000
    assert texts(copied.answer([window])) == texts(vlm.answer([window]))
    (moved / "chat_template.jinja").write_text((moved / "chat_template.jinja").read_text() + "{# other #}")
    assert load_captioner(f"vlm:{moved}").revision != vlm.revision


# Other families, untrained: what they say is noise, but each window must get its own.


def _llava(folder: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    special = ("<s>", "</s>", "<image>", "<pad>")
    tokenizer = tokenizer_of([*PROMPTS.values(), "USER: ASSISTANT: many other words here"], special)
    processor = transformers.LlavaProcessor(
        transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template="<s>USER: {% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}<image>"
        "{% else %}{{ part['text'] }}{% endif %}{% endfor %} ASSISTANT:",
    )
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
    model = transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            vision_config=vision | {"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8},
            text_config=_small_llama(len(tokenizer)) | {"model_type": "llama"},
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def _small_llama(words: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 3,
        "initializer_range": 0.5,
    }


def _qwen(folder: Path) -> None:
    transformers: Any = importlib.import_module("transformers")
    special = (
        "<|im_start|>",
        "<|im_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<pad>",
    )
    tokenizer = tokenizer_of([*PROMPTS.values(), "user assistant many other words here"], special)
    size = {"shortest_edge": 28 * 28, "longest_edge": 4 * 28 * 28}
    module: Any = importlib.import_module("transformers.models.qwen2_vl.video_processing_qwen2_vl")
    processor = transformers.Qwen2_5_VLProcessor(
        transformers.Qwen2VLImageProcessor(size=size),
        tokenizer,
        module.Qwen2VLVideoProcessor(size=size),
        chat_template="<|im_start|>user\n{% for part in messages[0]['content'] %}{% if part['type'] == 'image' %}"
        "<|vision_start|><|image_pad|><|vision_end|>{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|>"
        "<|vision_end|>{% else %}{{ part['text'] }}{% endif %}{% endfor %}<|im_end|>\n<|im_start|>assistant\n",
    )
    ids = tokenizer.convert_tokens_to_ids
    text = _small_llama(len(tokenizer)) | {
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]},
        "pad_token_id": ids("<pad>"),
    }
    model = transformers.Qwen2_5_VLForConditionalGeneration(
        transformers.Qwen2_5_VLConfig(
            text_config=text,
            vision_config={
                "depth": 2,
                "hidden_size": 32,
                "intermediate_size": 64,
                "num_heads": 2,
                "out_hidden_size": 32,
            },
            image_token_id=ids("<|image_pad|>"),
            video_token_id=ids("<|video_pad|>"),
            vision_start_token_id=ids("<|vision_start|>"),
            vision_end_token_id=ids("<|vision_end|>"),
        )
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prompts")
    for kind, prompt in PROMPTS.items():
        (folder / f"{kind}.txt").write_text(prompt)
    return folder


@installed
@pytest.mark.slow
@pytest.mark.parametrize(("make", "show"), [(_llava, "images"), (_qwen, "images"), (_qwen, "video")])
def test_other_families_are_asked_in_their_own_way(make, show, prompts: Path, tmp_path: Path):
    importlib.import_module("torch").manual_seed(4)
    make(tmp_path / "model")
    captioner = loaded(f"{tmp_path}/model", prompt=prompts, show=show, max_new_tokens=12, batch_size=4)
    windows = [scene.window(kind) for scene, kind in zip(scenes(6, 87), ["short", "dense"] * 3, strict=True)]
    windows[1] = dataclasses.replace(windows[1], frames=windows[1].frames[:2])
    found = texts(captioner.answer(windows))
    assert not [text for text in found if text.startswith("!")]
    assert found == [texts(captioner.answer([window]))[0] for window in windows]
    assert len(set(found)) > 1


@installed
@pytest.mark.slow
def test_models_that_cannot_be_asked_are_refused(small_vlm: str, tmp_path: Path):
    home = Path(small_vlm.partition(",")[0])
    with pytest.raises(ConfigError, match="takes no videos: set show=images"):
        loaded(str(home), show="video")
    config = json.loads((home / "config.json").read_text())
    broken = shutil.copytree(home, tmp_path / "broken")
    (broken / "config.json").write_text(json.dumps(config | {"model_type": "llama"}))
    with pytest.raises(ConfigError, match="cannot be loaded as an image-text-to-text model"):
        loaded(str(broken))


def _folder(path: Path, **files: Any) -> Path:
    path.mkdir()
    for name, content in files.items():
        (path / name.replace("__", ".")).write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@installed
def test_what_is_missing_in_a_folder_is_said_without_loading_it(tmp_path: Path):
    whole = {
        "config__json": {},
        "model__safetensors": "weights",
        "processor_config__json": {},
        "chat_template__jinja": "{{ messages }}",
    }

    def said(name: str, **files: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            Vlm(VlmSettings(model=str(_folder(tmp_path / name, **files)))).check()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    Vlm(VlmSettings(model=str(_folder(tmp_path / "whole", **whole)))).check()
    older = {"chat_template": "{{ messages }}"}
    without = {key: value for key, value in whole.items() if key != "chat_template__jinja"}
    Vlm(VlmSettings(model=str(_folder(tmp_path / "older", **without, tokenizer_config__json=older)))).check()
    for key, hint in [
        ("config__json", "config.json is missing"),
        ("model__safetensors", "the file of weights is missing"),
        ("processor_config__json", "not a model that sees pictures"),
        ("chat_template__jinja", "no chat template"),
    ]:
        assert hint in said(f"no {key}", **{name: content for name, content in whole.items() if name != key})
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    parts = whole | {"model__safetensors__index__json": index, "model-1__safetensors": "weights"}
    assert "model-2.safetensors, a part of the weights, is missing" in said("parts", **parts)
    assert "cannot be read as JSON" in said("torn", **(without | {"processor_config__json": "{"}))


@installed
def test_a_name_that_was_never_fetched_is_refused(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"fetch it once with `hf download some-maker/some-model`"):
        Vlm(VlmSettings(model="some-maker/some-model")).check()
    for nothing in ("", "/none", "./none/such"):
        with pytest.raises(ConfigError, match="there is no such folder"):
            Vlm(VlmSettings(model=nothing)).check()


def test_missing_packages_are_said_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"--captioner vlm needs torch, .*pip install 'rushes\[models\]'"):
        Vlm(VlmSettings(model="/none")).check()


def test_scenes_are_what_they_say():
    """The shape is where the scene says, has its colour, and moves the way it is named."""
    for scene in scenes(96, 5):
        first, last = scene.centre(0.0), scene.centre(1.0)
        moved = last[0] - first[0], last[1] - first[1]
        ways = {"left": -moved[0], "right": moved[0], "up": -moved[1], "down": moved[1]}
        assert max(ways, key=lambda way: ways[way]) == scene.motion
        assert ways[scene.motion] >= 0.3
    square = Scene("red", "square", "up", "dark", 3)
    x, y = (round(96 * value) for value in square.centre(0.25))
    picture: Image.Image = square.picture(0.25)
    red, green, blue = picture.getpixel((x, y))  # type: ignore[misc]
    assert red > 150 > 90 > max(green, blue)
    assert max(picture.getpixel((2, 2))) < 120  # type: ignore[arg-type]
