"""The voice: a synthesiser where one is installed, and a plain word where none is."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from generation.animatics import footage, voice

SPEAKS = """#!{python}
import pathlib, sys, wave
words = sys.stdin.read()
to = sys.argv[sys.argv.index(next(a for a in ("-w", "--output_file") if a in sys.argv)) + 1]
with wave.open(to, "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(22050)
    file.writeframes((b"\\x00\\x20" * 11 + b"\\x00\\xe0" * 11) * (100 * len(words.split())))
pathlib.Path(to + ".asked").write_text(" ".join(sys.argv[1:]) + "|" + words)
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder of programs that is all of PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(script.format(python=sys.executable))
    os.chmod(folder / name, stat.S_IRWXU)


def test_a_line_is_spoken_in_its_language(programs, tmp_path):
    install(programs, "espeak-ng", SPEAKS)
    assert voice.installed("") == "espeak-ng"
    for language, code in (("en-GB", "en-gb"), ("zh", "cmn"), ("", "en"), ("ar", "ar")):
        assert voice.speak("two words", language, "", tmp_path / "said.wav") == ""
        asked = (tmp_path / "said.wav.asked").read_text()
        assert f"-v {code} " in asked
        assert asked.endswith("|two words")
    sound: Any = footage.sound_of(tmp_path / "said.wav", 480_000)
    assert sound.shape[0] == 2
    assert sound.shape[1] == pytest.approx(48_000 * 2 * 100 * 22 / 22050, rel=0.02)


def test_piper_is_used_where_its_voice_is_named(programs, tmp_path):
    install(programs, "espeak-ng", SPEAKS)
    install(programs, "piper", SPEAKS)
    assert voice.installed("") == "espeak-ng"
    assert voice.speak("hello", "de", "voice.onnx", tmp_path / "said.wav") == ""
    assert "--model voice.onnx" in (tmp_path / "said.wav.asked").read_text()


def test_without_a_synthesiser_it_says_how_to_get_one(programs, tmp_path):
    assert "install espeak-ng" in voice.speak("hello", "en", "", tmp_path / "said.wav")


@pytest.mark.parametrize("script", ["#!/bin/sh\necho no such voice >&2\nexit 1\n", "#!/bin/sh\nexit 0\n", "no program"])
def test_a_synthesiser_that_does_not_speak_says_why(programs, tmp_path, script):
    install(programs, "espeak-ng", script)
    lack = voice.speak("hello", "tlh", "", tmp_path / "said.wav")
    assert lack.startswith("espeak-ng did not speak")
