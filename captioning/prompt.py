"""Prompts: what a model is asked, kept in versioned files.

There is one file for each kind of caption, beside this module in `prompts/`. The version that a row of `captions`
carries is the file's own number with a digest of its words, so that an edited prompt is another one even where nobody
raised the number, and clips are captioned again.

A file begins with lines of `#`: the first says `# version: 1`, others are remarks that no model reads. The rest is the
prompt. `$frames` in it stands for how many frames are shown ("8 frames"), `$seconds` for how long they span ("2.5
seconds"), `$$` for a dollar.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from captioning.captioner import KINDS
from transforms.settings import ConfigError

PROMPT_HELP: Final = (
    "File with a prompt of one's own, for a captioner of one kind; or a folder with `short.txt` and `dense.txt`"
)
"""What the setting `prompt` of a captioner says of itself."""

_PLACES: Final = frozenset({"frames", "seconds"})
_VERSION: Final = re.compile(r"#\s*version:\s*([\w.]+)\s*")
_DIGITS: Final = 8
"""Hexadecimal digits of the digest: enough to tell the versions of one file apart."""


@dataclass(frozen=True)
class Prompt:
    """What a model is asked for captions of one kind.

    Attributes:
        name: The file's name without its ending; letters, digits, `_`, `.` and `-`.
        number: The version that the file gives itself.
        text: The prompt, with its places `$frames` and `$seconds`.
    """

    name: str
    number: str
    text: str

    @property
    def version(self) -> str:
        """Name, number and digest of the words, such as `dense-1-3f2a91c0`."""
        return f"{self.name}-{self.number}-{hashlib.sha256(self.text.encode()).hexdigest()[:_DIGITS]}"

    def filled(self, frames: int, seconds: float) -> str:
        """The prompt for so many frames, 1 or more, over so many seconds."""
        return string.Template(self.text).substitute(
            frames="1 frame" if frames == 1 else f"{frames} frames", seconds=f"{seconds:.1f} seconds"
        )


def read_prompt(name: str, content: str) -> Prompt:
    """The prompt in a file's content.

    Args:
        name: The file's name without its ending.
        content: All of it.

    Raises:
        ConfigError: There is no version, no prompt, or a place that cannot be filled.
    """
    lines = content.removeprefix("\ufeff").strip().splitlines()
    head = 0
    while head < len(lines) and lines[head].startswith("#"):
        head += 1
    version = _VERSION.fullmatch(lines[0]) if head else None
    if version is None:
        raise ConfigError(f"prompt {name}: no version: begin the file with a line such as `# version: 1`")
    template = string.Template("\n".join(lines[head:]).strip())
    if not template.template:
        raise ConfigError(f"prompt {name}: there is nothing below its head: write what the model is asked")
    # A dollar that opens no place is not told by `get_identifiers`.
    if not template.is_valid() or not set(template.get_identifiers()) <= _PLACES:
        raise ConfigError(f"prompt {name}: only $frames and $seconds can be filled in; write $$ for a dollar")
    return Prompt(re.sub(r"[^\w.-]+", "_", name), version[1], template.template)


def _opened(path: Path | Traversable, shown: str) -> Prompt:
    try:
        return read_prompt(Path(path.name).stem, path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"prompt {shown}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"prompt {shown}: cannot be read as UTF-8 text: {error}") from None


def load_prompts(kinds: Sequence[str], given: str = "") -> dict[str, Prompt]:
    """The prompt of every kind that a captioner writes, in the order of `kinds`.

    Args:
        kinds: One or more of `KINDS`, each once.
        given: The setting `prompt`: empty for the prompts that come with the package, else a file (for one kind) or a
            folder with a file `KIND.txt` for each.

    Raises:
        ConfigError: A kind is unknown or named twice, or a prompt is missing or wrong.
    """
    if not kinds or len(set(kinds)) < len(kinds) or not set(kinds) <= set(KINDS):
        raise ConfigError(f"--kinds {','.join(kinds)}: give one or both of {', '.join(KINDS)}, each once")
    if not given:
        own = files("captioning") / "prompts"
        return {kind: _opened(own / f"{kind}.txt", kind) for kind in kinds}
    path = Path(given)
    if path.is_dir():
        return {kind: _opened(path / f"{kind}.txt", str(path / f"{kind}.txt")) for kind in kinds}
    if len(kinds) > 1:
        raise ConfigError(f"--prompt {given}: one file serves one kind: add kinds={kinds[0]}, or give a folder")
    return {kinds[0]: _opened(path, given)}
