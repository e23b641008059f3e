"""Captioners are named on the command line, with their model and settings in the same word."""

from __future__ import annotations

import pytest

from captioning.captioner import CAPTIONERS, has_model, load_captioner, settings_json
from transforms.settings import ConfigError

WORDS = {
    "attributes": "attributes",
    "coca": "coca:coca_ViT-B-32@/weights/coca.pt",
    "openai": "openai:qwen,url=http://127.0.0.1:9/v1",
    "vlm": "vlm:/weights/vlm",
}


def test_every_captioner_has_a_word_here():
    assert sorted(WORDS) == sorted(CAPTIONERS)


@pytest.mark.parametrize("name", CAPTIONERS)
def test_a_captioner_answers_to_its_name_and_is_loaded_without_its_weights(name):
    captioner = load_captioner(WORDS[name])
    assert captioner.name == name
    assert captioner.kinds
    assert has_model(captioner) == (name != "attributes")


def test_settings_stand_after_the_model():
    captioner = load_captioner("coca:coca_ViT-B-32@/weights/coca.pt,batch_size=4")
    assert captioner.settings.model == "coca_ViT-B-32@/weights/coca.pt"
    assert captioner.settings.batch_size == 4


def test_a_comma_in_a_value_belongs_to_it():
    captioner = load_captioner(
        'openai:eyes,url=http://h/v1,kinds=short,dense,extra={"top_p": 1, "n_probs": 2},frames=3'
    )
    assert captioner.kinds == ("short", "dense")
    assert captioner.settings.extra == '{"top_p": 1, "n_probs": 2}'
    assert captioner.settings.frames == 3


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("poet", "--captioner poet: not one of attributes"),
        ("attributes,tone=dry", "--captioner attributes: unknown setting 'tone'"),
        ("coca:x@y,batch_size=2,beam", "batch-size '2,beam': expected int"),
        ("coca:x@y,batch_size=0", "batch-size 0: out of range"),
    ],
)
def test_a_wrong_word_says_what_is_wrong(word, complaint):
    with pytest.raises(ConfigError, match=complaint):
        load_captioner(word)


def test_what_only_changes_how_a_run_proceeds_is_no_part_of_a_signature():
    signed = [settings_json(load_captioner(f"coca:x@y,batch_size={size}").settings) for size in (2, 8)]
    assert signed[0] == signed[1]
    assert settings_json(load_captioner("attributes").settings, window_seconds=5) == '{"window_seconds":5}'
