"""`rushes models`: what there is, and whether it runs here; of what is missing, one line that says how to get it."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioning.speech.voice import load_voice
from pipelines import models, presets, trying
from tests.captioning.faultserver import FaultServer, error, seen
from tests.captioning.smallmodels import COCA_CONFIG
from tests.captioning.speech import tinywhisper
from tests.servers import free_port
from transforms.settings import ConfigError


@pytest.fixture(scope="module")
def coca(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The word of a tiny CoCa with random weights, as open_clip stores one."""
    torch = pytest.importorskip("torch", reason="pip install 'rushes[models]'")
    open_clip = pytest.importorskip("open_clip", reason="pip install 'rushes[models]'")
    folder = tmp_path_factory.mktemp("coca")
    config, checkpoint = folder / "coca_tiny.json", folder / "coca_tiny.pt"
    config.write_text(json.dumps(COCA_CONFIG))
    open_clip.add_model_config(config)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        torch.save(open_clip.create_model(config.stem).state_dict(), checkpoint)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nA tiny model.\n")
    return f"coca:{config}@{checkpoint},device=cpu"


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str]]:
    """The exit code of `rushes models check` and the lines that it printed."""
    code = models.run(["check", *words])
    return code, capsys.readouterr().out.splitlines()


def line(told: Sequence[str], label: str) -> str:
    """What the only line with a label says."""
    (found,) = [one for one in told if one.startswith(f"    {label} ")]
    return found[14:]


def test_the_list_has_every_word_licence_source_and_command(capsys):
    assert models.run(["list"]) == 0
    told = capsys.readouterr().out
    for preset in presets.presets().values():
        assert f"{preset.name}: {preset.meant}" in told.splitlines()
        for choice in preset.choices:
            assert choice.licence in told
            assert choice.source in told
            assert choice.option in told
    assert "  --captioner coca:coca_ViT-B-32@$RUSHES_MODELS/coca-vit-b-32/open_clip_pytorch_model.bin\n" in told
    assert '--local-dir "$RUSHES_MODELS"/coca-vit-b-32\n' in told
    assert models.run(["list", "small", "--models", "/my weights"]) == 0
    told = capsys.readouterr().out
    assert "endpoint:" not in told
    (command,) = [one for one in told.splitlines() if "hf download laion/" in one]
    assert shlex.split(command)[-1] == "/my weights/coca-vit-b-32"


def test_none_works_at_once(capsys, monkeypatch):
    monkeypatch.delenv(presets.FOLDER, raising=False)
    monkeypatch.setattr(sys, "executable", "/nothing/is/started")
    code, told = check(capsys, "none")
    assert code == 0
    assert told[0] == "--captioner attributes"
    assert line(told, "ready").startswith("at once")
    assert told[-1] == "none: 1 of 1 ready"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check"], "nothing to check: name a preset (none, small, large, endpoint), or give --captioner"),
        (["check", "tiny"], "--preset tiny: not one of none"),
        (["list", "tiny"], "--preset tiny: not one of none"),
        (["check", "small"], "give --models FOLDER, or set RUSHES_MODELS"),
        (["check", "--captioner", "cocoa:x"], "--captioner cocoa: not one of"),
        (["check", "--captioner", "coca:x,beams=0"], "beams 0: out of range"),
        (["check", "--captioner", "attributes", "--recogniser", "ears:x"], "--recogniser ears: not one of"),
        (["chek"], "chek"),
    ],
)
def test_wrong_words_are_told_before_anything_is_loaded(words, told, monkeypatch, capsys):
    monkeypatch.delenv(presets.FOLDER, raising=False)
    monkeypatch.setattr(sys, "executable", "/nothing/is/started")
    with pytest.raises(ConfigError) as raised:
        models.run(words)
    assert told in str(raised.value)
    assert capsys.readouterr().out == ""


def test_without_a_verb_there_is_help(capsys):
    assert models.run([]) == 2
    assert "rushes models check small --models" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_missing_is_a_line_with_how_to_get_it(tmp_path, capsys):
    for package in ("torch", "open_clip", "transformers", "torchvision", "faster_whisper", "silero_vad"):
        pytest.importorskip(package, reason="pip install 'rushes[models]'")
    code, told = check(capsys, "small", "--models", str(tmp_path))
    assert code == 1
    assert told[-1] == "small: 1 of 4 ready, 3 not"
    missing = [one for one in told if one.startswith("    missing ")]
    assert len(missing) == 3
    for one, choice in zip(missing, presets.preset("small").choices[1:], strict=True):
        said, _, get = one.partition("; get it: ")
        assert str(tmp_path) in get
        assert "there is no" in said or "no such" in said
        repository = choice.source.removeprefix("https://huggingface.co/")
        assert shlex.split(get)[:3] == ["hf", "download", repository]
        assert not said.endswith(choice.word)
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_a_hub_is_looked_for_in_the_cache_alone(tmp_path, monkeypatch, capsys):
    for package in ("torch", "transformers", "torchvision"):
        pytest.importorskip(package, reason="pip install 'rushes[models]'")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    code, told = check(capsys, "--captioner", "vlm:somebody/some-model")
    assert code == 1
    assert "nothing is downloaded during a job: fetch it once with `hf download somebody/some-model`" in line(
        told, "missing"
    )
    assert line(told, "licence").startswith("not known here")


@pytest.mark.slow
def test_a_true_coca_is_loaded_and_run(coca, capsys):
    code, told = check(capsys, "--captioner", coca)
    assert code == 0, told
    assert told[0] == f"--captioner {coca}"
    ready = line(told, "ready")
    assert " s on cpu; revision " in ready
    assert float(ready.split()[1]) > 0
    number, unit, *_ = line(told, "memory").split()
    # PyTorch alone takes a fifth of a gigabyte, the weights 26 MB.
    assert 2e8 < float(number) * {"MB": 1e6, "GB": 1e9}[unit] < 8e9
    speed = line(told, "speed")
    assert speed.endswith(" windows a second (short, 1 frame)")
    assert float(speed.split()[0]) >= 0
    assert line(told, "short")
    assert line(told, "licence").startswith("mit (says ")
    assert told[-1] == "Models: 1 of 1 ready"


@pytest.mark.slow
def test_the_same_as_json_says_what_the_captioner_itself_would(coca, capsys):
    from captioning.captioner import has_model, load_captioner

    code, told = check(capsys, "--captioner", coca, "--captioner", "attributes", "--json")
    assert code == 0
    one, other = json.loads("\n".join(told))
    here = load_captioner(coca)
    assert has_model(here)
    here.check()
    assert (one["state"], one["revision"], one["device"]) == ("ready", here.revision, "cpu")
    assert 0 < one["load_seconds"] < 300
    assert 0 < one["speeds"]["short"] < 10_000
    assert 1e8 < one["memory"] < 8e9
    assert set(one["answers"]) == {"short"}
    assert (other["word"], other["state"], other["answers"]) == ("attributes", "ready", {})


@pytest.mark.slow
def test_weights_that_are_none_are_told(coca, tmp_path, capsys):
    config = coca.partition(":")[2].partition("@")[0]
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")
    code, told = check(capsys, "--captioner", f"coca:{config}@{broken}", "--captioner", "attributes")
    assert code == 1
    assert "broken.pt cannot be loaded as coca_tiny" in line(told, "failed")
    assert "ready" in told[-3]  # the other one was checked as well
    assert told[-1] == "Models: 1 of 2 ready, 1 not"


@pytest.mark.slow
def test_a_scorer_holds_a_text_against_the_rendered_frame(coca, capsys):
    code, told = check(capsys, "--scorer", f"open_clip:{coca.partition(':')[2]}")
    assert code == 0, told
    assert line(told, "speed").endswith(" windows a second (score, 1 frame)")
    score, _, text = line(told, "score").partition(" for ")
    assert -1 <= float(score) <= 1
    assert text == "'a photo of a landscape'"


@pytest.mark.slow
def test_a_recogniser_hears_the_rendered_second(tmp_path, capsys):
    for package in ("torch", "whisper", "faster_whisper", "silero_vad"):
        pytest.importorskip(package, reason="pip install 'rushes[models]'")
    folder = tinywhisper.write_folder(tmp_path / "tiny", tinywhisper.random_state())
    code, told = check(capsys, "--recogniser", f"faster-whisper:{folder},beam_size=1,threads=1,device=cpu")
    assert code == 0, told
    assert " s of sound a second (one alone)" in line(told, "speed")
    # Random weights say anything, but they were asked.
    assert line(told, "heard") != "(nothing)"


def test_an_endpoint_is_asked_once_for_every_kind(capsys):
    with FaultServer() as server:
        server.answers["models"] = lambda asked: {"data": [{"id": "m", "root": "/there/m-1"}]}
        code, told = check(capsys, "--captioner", f"openai:m,url={server.url}")
        assert code == 0, told
        assert "revision m-1" in line(told, "ready")
        assert line(told, "short") == line(told, "dense") == seen([trying.frame()])
        assert len(server.posts) == 2
        server.faults.extend([error(401, "invalid_api_key")] * 4)
        code, told = check(capsys, "--captioner", f"openai:m,url={server.url}")
        assert code == 1
        assert "401" in line(told, "missing")


def test_a_server_that_is_not_there_is_missing(capsys, monkeypatch):
    pytest.importorskip("silero_vad", reason="pip install 'rushes[models]'")
    monkeypatch.setenv("RUSHES_CAPTION_URL", f"http://127.0.0.1:{free_port()}/v1")
    monkeypatch.setenv("RUSHES_SPEECH_URL", f"http://127.0.0.1:{free_port()}/v1")
    code, told = check(capsys, "endpoint")
    assert code == 1
    missing = [one for one in told if one.startswith("    missing ")]
    assert len(missing) == 2
    assert all("the endpoint does not answer" in one for one in missing)
    assert "; get it: vllm serve Qwen/Qwen3-VL-8B-Instruct " in missing[0]
    assert "; get it: docker run " in missing[1]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -9 $$", "its process ended with SIGKILL, sent from outside, often for want of memory"),
        ("echo one; echo RuntimeError: no >&2; exit 1", "its process ended with exit status 1: RuntimeError: no"),
    ],
)
def test_a_process_that_ends_is_told(script, said, tmp_path, monkeypatch, capsys):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    code, told = check(capsys, "--captioner", "coca:coca_ViT-B-32@x.pt")
    assert code == 1
    assert line(told, "failed") == said


def test_the_frame_is_a_picture_and_the_second_a_voice():
    with Image.open(io.BytesIO(trying.frame())) as picture:
        assert (picture.format, picture.size) == ("JPEG", (512, 288))
        assert len(picture.getcolors(1 << 24) or ()) > 1000
    samples = trying.sound()
    assert samples.dtype == np.float32
    assert samples.shape == (16000,)
    assert float(np.abs(samples).max()) == pytest.approx(0.5)
    try:
        voice = load_voice()
    except ConfigError as error:
        pytest.skip(str(error))
    assert voice(samples).max() > 0.5


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("---\nlicense: apache-2.0\n---\n", "apache-2.0 (says"),
        ("---\ntags: [a]\n---\n", "not known here"),
        ("---\nlicense: [\n---\n", "not known here"),
        ("no header", "not known here"),
        (None, "not known here"),
    ],
)
def test_a_licence_is_read_from_the_card_beside_the_weights(card, said, tmp_path: Path):
    (tmp_path / "weights.pt").write_bytes(b"")
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    for word in (f"coca:NAME@{tmp_path}/weights.pt,beams=2", f"vlm:{tmp_path}", f"whisper:{tmp_path}/weights.pt"):
        assert models.licence_beside(word).startswith(said)
    assert models.licence_beside("openai:a/b,url=http://x").startswith("not known here")
