from __future__ import annotations

from pathlib import Path

import pytest

from captioning.captioner import KINDS
from captioning.prompt import load_prompts, read_prompt
from transforms.settings import ConfigError


def test_every_kind_has_a_prompt_of_its_own():
    prompts = load_prompts(KINDS)
    assert list(prompts) == list(KINDS)
    for kind, prompt in prompts.items():
        assert prompt.version.startswith(f"{kind}-1-")
        asked = prompt.filled(8, 2.5)
        assert asked.startswith("You see 8 frames of one video clip")
        assert "2.5 seconds" in asked
        assert "$" not in asked
        assert "#" not in asked
    assert "1 frame of" in prompts["short"].filled(1, 2.5)
    for subject in ("50 to 200 words", "subject", "action", "setting", "camera", "light", "style", "order of time"):
        assert subject in prompts["dense"].text
    assert "one sentence" in prompts["short"].text


def test_edited_words_are_another_version_and_edited_remarks_are_not():
    first = read_prompt("mine", "# version: 2\n# remark\nSay what is seen.\n")
    assert first.version.startswith("mine-2-")
    assert read_prompt("mine", "# version: 2\nSay what is seen.").version == first.version
    assert read_prompt("mine", "# version: 2\nSay what is heard.").version != first.version
    assert read_prompt("mine", "# version: 3\nSay what is seen.").version != first.version


def test_own_prompts(tmp_path: Path):
    file = tmp_path / "about birds.txt"
    file.write_text("# version: 1.1\nWhich bird is it, for $$5? $frames, ${seconds}.\n", encoding="utf-8")
    (prompt,) = load_prompts(["dense"], str(file)).values()
    assert prompt.filled(3, 1) == "Which bird is it, for $5? 3 frames, 1.0 seconds."
    assert prompt.version.startswith("about_birds-1.1-")
    for kind in KINDS:
        (tmp_path / f"{kind}.txt").write_text(f"# version: 7\n{kind}", encoding="utf-8")
    both = load_prompts(["short", "dense"], str(tmp_path))
    assert [prompt.text for prompt in both.values()] == ["short", "dense"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Say what is seen.", "begin the file with a line such as `# version: 1`"),
        ("# about: birds\nSay what is seen.", "begin the file with"),
        ("", "begin the file with"),
        ("# version: 1\n\n", "nothing below its head"),
        ("# version: 1\nSay $what is seen.", r"only \$frames and \$seconds"),
        ("# version: 1\nFor $5, say what is seen.", r"only \$frames and \$seconds"),
    ],
)
def test_a_prompt_that_cannot_work_is_refused(content, said):
    with pytest.raises(ConfigError, match=said):
        read_prompt("mine", content)


def test_a_choice_of_prompts_that_cannot_work_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        load_prompts(["dense"], str(tmp_path / "none.txt"))
    with pytest.raises(ConfigError, match=r"short\.txt: there is no such file"):
        load_prompts(["short"], str(tmp_path))
    binary = tmp_path / "binary.txt"
    binary.write_bytes(b"# version: 1\n\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        load_prompts(["dense"], str(binary))
    with pytest.raises(ConfigError, match="add kinds=short, or give a folder"):
        load_prompts(["short", "dense"], str(binary))
    for kinds in (["long"], [], ["dense", "dense"]):
        with pytest.raises(ConfigError, match="one or both of short, dense"):
            load_prompts(kinds)
